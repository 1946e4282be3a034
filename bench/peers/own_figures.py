"""What Akin's own commands say of it on this machine, as tables for docs/performance.md: how soon the first
vector is there, how much memory that and a corpus take, what all threads make of one, where the time goes and how
far that is from the machine's peaks.
"""
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile

STARTS = 15
RUNS = 3
PASSAGES = 200
SHORT_TEXTS = 2000
LONG = 512    # Tokens of the longest single text of `akin bench`.
GIGA = 1e9


# What a process held before exec counts in its maxrss, so that of a child is never below its parent's: this parent
# is a Python with nothing loaded (9 MiB), where ours has a hundred.
LAUNCHER = """
import os, sys, time
began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ,
                      file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), (time.perf_counter() - began) * 1e3, usage.ru_maxrss / 1024)
"""


def start(command, env):
    """(milliseconds, MiB at most) of one process from its start to its end."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, *command], env=env, stdout=subprocess.PIPE,
                          text=True, check=True)
    status, milliseconds, mib = done.stdout.split()
    if int(status):
        raise subprocess.CalledProcessError(int(status), command)
    return float(milliseconds), float(mib)


def starts(akin, model, precision):
    """{"found": (ms, MiB), "packed": ...}: medians with kept weights and without, in turn."""
    command = [str(akin), "embed", "--model", str(model), "--precision", precision, "hello"]
    kinds = {"found": dict(os.environ), "packed": {**os.environ, "AKIN_PACKED_CACHE_MIB": "0"}}
    start(command, kinds["found"])    # Keeps the weights, and warms the page cache.
    measured = {kind: [] for kind in kinds}
    for _ in range(STARTS):
        for kind, env in kinds.items():
            measured[kind].append(start(command, env))
    return {kind: tuple(statistics.median(column) for column in zip(*rows)) for kind, rows in measured.items()}


def corpus_mib(akin, model, precision, file):
    """The most memory of a process that embeds a file of texts."""
    return start([str(akin), "embed", "--model", str(model), "--precision", precision, "--input", file,
                  "--output", os.devnull], dict(os.environ))[1]


def start_lines(akin, model, precisions, corpus):
    lines = ["| process start to end of `akin embed hello`, median of %d | weights kept by an earlier one, ms | "
             "packed anew, ms | MiB at most | MiB at most, %d passages |" % (STARTS, PASSAGES), "|---|---|---|---|---|"]
    for precision in precisions:
        found = starts(akin, model, precision)
        lines.append(f"| {precision} | {found['found'][0]:.0f} | {found['packed'][0]:.0f} | "
                     f"{max(found['found'][1], found['packed'][1]):.0f} | "
                     f"{corpus_mib(akin, model, precision, corpus):.0f} |")
    return lines


def bench_report(akin, model, precisions, file, *more):
    command = [akin, "bench", "--model", model, "--precisions", ",".join(precisions), "--runs", RUNS, "--quiet",
               "--input", file, "--json", *more]
    return json.loads(subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=True).stdout)


def long_text_ms(setting):
    return next(row["p50_ms"]["median"] for row in setting["latency"] if row["tokens"] == LONG)


def scaling_lines(reports):
    """What all threads make of one. `reports` by the name of their texts; each has every precision on one thread and
    on more."""
    last = list(reports.values())[-1]
    settings = last["settings"]
    threads = max(s["threads"] for s in settings)
    precisions = list(dict.fromkeys(s["precision"] for s in settings))

    def ratio(report, precision, figure):
        one, all_of_them = (next(figure(s) for s in report["settings"] if (s["precision"], s["threads"]) == (precision, n))
                            for n in (1, threads))
        return all_of_them / one

    rows = [(f"{name}, texts/s", report, lambda s: s["texts_per_second"]["median"]) for name, report in reports.items()]
    rows.append((f"one text of {LONG} tokens, time", last, long_text_ms))
    return [f"| {threads} threads over one | " + " | ".join(precisions) + " |", "|---" * (len(precisions) + 1) + "|",
            *(f"| {name} | " + " | ".join(f"{ratio(report, p, figure):.2f} x" for p in precisions) + " |"
              for name, report, figure in rows)]


def cell(row):
    """"31.0 %, 812 us, 61 % of bf16" of a stage."""
    text = f"{row['share'] * 100:.1f} %, {row['us_per_call']:,.1f} us"
    if row["share_of_peak"] > 0:
        text += f", **{row['share_of_peak'] * 100:.0f} %** of {row['arithmetic']}"
    return text


def stage_lines(report, workload):
    """One row a stage, one column a precision, for one of the report's workloads."""
    settings = report["settings"]
    columns = [next(b for b in s["breakdowns"] if b["workload"] == workload) for s in settings]
    names = list(dict.fromkeys(row["name"] for c in columns for row in c["stages"]))
    lines = [f"| {workload} | " + " | ".join(s["precision"] for s in settings) + " |", "|---" * (len(settings) + 1) + "|"]
    for name in names:
        rows = [next((r for r in c["stages"] if r["name"] == name), None) for c in columns]
        lines.append(f"| {name} | " + " | ".join(cell(r) if r else "-" for r in rows) + " |")
    walls = [f"{c['wall_ms'] / c['calls']:,.2f} ms a call" for c in columns]
    return [*lines, "| all of it | " + " | ".join(walls) + " |"]


def peak_text(report):
    """The machine's measured peaks."""
    peak = report["settings"][0]["machine_peak"]
    operations = ", ".join(f"{name} {rate / GIGA:,.0f}" for name, rate in peak["operations_per_second"].items())
    reads = ", ".join(f"{name} {rate / GIGA:,.0f}" for name, rate in peak["read_bytes_per_second"].items())
    return (f"Measured peaks of {peak['threads']} threads: {operations} GFLOP/s (multiply-adds on registers); reads {reads} "
            "GB/s.")


def first_texts(file, count, folder):
    path = os.path.join(folder, f"first-{count}-{os.path.basename(file)}")
    with open(file, encoding="utf-8") as texts, open(path, "w", encoding="utf-8") as some:
        some.writelines(itertools.islice(texts, count))
    return path


def lines(akin, model, precisions, short_texts, passages):
    """Everything, for the document. `short_texts` and `passages`: files of texts."""
    with tempfile.TemporaryDirectory() as folder:
        passages = first_texts(passages, PASSAGES, folder)
        report = bench_report(akin, model, precisions, passages)
        counts = ["--thread-counts", f"1,{report['machine']['threads']}"]
        scaling = [] if report["machine"]["threads"] == 1 else ["", *scaling_lines({
            "many short texts": bench_report(akin, model, precisions, first_texts(short_texts, SHORT_TEXTS, folder), *counts),
            "many passages": bench_report(akin, model, precisions, passages, *counts)})]
        start_table = start_lines(akin, model, precisions, passages)
    return [*start_table, *scaling, "",
            "Share of all threads' time, time of the threads together for a call, share of the arithmetic's measured peak:", "",
            *stage_lines(report, "all texts in one call"), "", *stage_lines(report, "single sentences"), "",
            f"{peak_text(report)} All texts are {report['texts']:,} passages of {report['tokens']:,} tokens; peak memory of the "
            f"process, all precisions loaded: {report['peak_memory_bytes'] / 2**20:.0f} MiB. Commands: `akin bench --input "
            "passages.jsonl`, `--thread-counts`, `akin embed hello`."]
