"""What Akin's own commands say of it on this machine, as tables for docs/performance.md: how soon the first
vector is there, how much memory that takes, where the time goes and how far that is from the machine's peaks.
"""
import itertools
import json
import os
import statistics
import subprocess
import tempfile
import time

STARTS = 15
RUNS = 3
PASSAGES = 200
GIGA = 1e9


def start(command, env):
    """(milliseconds, MiB at most) of one process from its start to its end."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return (time.perf_counter() - began) * 1e3, usage.ru_maxrss / 1024


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


def start_lines(akin, model, precisions):
    lines = ["| process start to end of `akin embed hello`, median of %d | weights kept by an earlier one, ms | "
             "packed anew, ms | MiB at most |" % STARTS, "|---|---|---|---|"]
    for precision in precisions:
        found = starts(akin, model, precision)
        lines.append(f"| {precision} | {found['found'][0]:.0f} | {found['packed'][0]:.0f} | "
                     f"{max(found['found'][1], found['packed'][1]):.0f} |")
    return lines


def bench_report(akin, model, precisions, file):
    command = [akin, "bench", "--model", model, "--precisions", ",".join(precisions), "--runs", RUNS, "--quiet",
               "--input", file, "--json"]
    return json.loads(subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=True).stdout)


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


def lines(akin, model, passages):
    """Everything, for the document. `passages`: a file of texts."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as some:
        with open(passages, encoding="utf-8") as texts:
            some.writelines(itertools.islice(texts, PASSAGES))
        some.flush()
        report = bench_report(akin, model, ["f32", "bf16", "int8"], some.name)
    run = [s["precision"] for s in report["settings"]]
    return [*start_lines(akin, model, run), "",
            "Share of all threads' time, time of the threads together for a call, share of the arithmetic's measured peak:", "",
            *stage_lines(report, "all texts in one call"), "", *stage_lines(report, "single sentences"), "",
            f"{peak_text(report)} All texts are {report['texts']:,} passages of {report['tokens']:,} tokens; peak memory of the "
            f"process, all precisions loaded: {report['peak_memory_bytes'] / 2**20:.0f} MiB. Commands: `akin bench --input "
            "passages.jsonl`, `akin embed hello`."]
