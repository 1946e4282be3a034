#!/usr/bin/env python3
"""Measures Akin beside onnxruntime in one interleaved run and writes the tables of the documents.

    ./dev bench --peers [--rounds N] [--workloads W1,W4] [--dry-run]

Makes what is missing below build/peers: an environment with the pinned peers, the texts, the
converted models. Then run.py measures, the vectors are compared, and the numbers go between the
markers `<!-- generated: peers -->` and `<!-- end -->` of README.md and docs/performance.md.
Needs the standard library only; the peers live in the environment.
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "build" / "peers"
PYTHON = WORK / "venv" / "bin" / "python"
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "performance.md"]
BEGIN, END = "<!-- generated: peers -->", "<!-- end -->"
PEER = "ort-fp32"
MIN_COSINE = 0.99999
TITLES = {"W1": "one short query, P50 / P95 / P99 ms", "W2": "one passage of 128 tokens, P50 / P95 / P99 ms",
          "W3": "one text of 512 tokens, P50 / P95 / P99 ms", "W4": "10,000 short texts, texts/s",
          "W5": "2,000 passages, texts/s", "W6": "five tokens padded to 512, P50 / P95 / P99 ms"}
THROUGHPUT = {"W4", "W5"}


def say(message):
    print(f"== {message}", file=sys.stderr, flush=True)


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, **options)


def make_environment(requirements=HERE / "requirements-ort.txt"):
    stamp = WORK / ("installed-" + hashlib.sha256(requirements.read_bytes()).hexdigest()[:16])
    if stamp.exists() and PYTHON.exists():
        return
    say(f"installing the peers into {WORK.relative_to(ROOT)}/venv (a minute)")
    WORK.mkdir(parents=True, exist_ok=True)
    run(sys.executable, "-m", "venv", WORK / "venv")
    run(PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements)
    stamp.touch()


def make_workloads(model):
    if not (WORK / "workloads" / "meta.json").exists():
        say("making the workloads from Debian's package descriptions")
        run(PYTHON, HERE / "make_workloads.py", "--model", model, "--out", WORK / "workloads",
            stdout=subprocess.DEVNULL)


def convert_models(model):
    done = WORK / "converted" / "done"
    if not done.exists():
        say("converting the model for onnxruntime")
        run(PYTHON, HERE / "prepare_models.py", "--model", model, "--out", WORK / "converted",
            "--workloads", WORK / "workloads", "--steps", "onnx,ort")
        done.touch()


def measure(args):
    akin = shlex.join([str(ROOT / "build/release/akin"), "bench", "--peer", "--model", str(args.model)])
    command = [PYTHON, HERE / "run.py", "--model", args.model, "--converted", WORK / "converted",
               "--workload-dir", WORK / "workloads", "--out", WORK / "raw", "--peers", PEER,
               "--command", f"akin={akin}", "--reference", PEER, "--workloads", args.workloads,
               "--rounds", args.rounds, "--threads", len(os.sched_getaffinity(0))]
    if os.geteuid() == 0:
        command.append("--priority")
    say("measuring: " + shlex.join(str(c) for c in command))
    run(*command)
    return json.loads((WORK / "raw" / "raw.json").read_text())


def quantile(values, p):
    return sorted(values)[min(len(values) - 1, int(p * len(values)))]


def summary(workload, rounds, texts):
    """-> (the figure to compare, its cell)"""
    if workload in THROUGHPUT:
        rate = texts / statistics.median(seconds for r in rounds for seconds in r)
        return rate, f"{rate:,.0f}"
    p50, p95, p99 = (statistics.median(quantile(r, p) for r in rounds) / 1e6 for p in (.5, .95, .99))
    return p50, f"{p50:.2f} / {p95:.2f} / {p99:.2f}"


def cpu_name():
    found = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def revision():
    found = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], text=True,
                           capture_output=True, check=False).stdout.strip()
    return found or "unknown revision"


def table(raw, workloads, sets):
    peers = raw["peers"]
    versions = {name: peers[name]["info"].get("version", name) for name in ("akin", PEER)}
    lines = [f"| | {versions['akin']} | {versions[PEER]} | Akin : onnxruntime |", "|---|---|---|---|"]
    for w in workloads:
        rounds = {name: peers[name].get(w, {}).get("rounds") for name in ("akin", PEER)}
        if not all(rounds.values()):
            continue
        file = {"W1": "w1_query", "W2": "w2_passage128", "W3": "w3_long512", "W4": "w4_short_corpus",
                "W5": "w5_passages", "W6": "w6_seed"}[w]
        (ours, our_cell), (theirs, their_cell) = (
            summary(w, rounds[name], sets[file]["texts"]) for name in ("akin", PEER))
        lines.append(f"| {TITLES[w]} | {our_cell} | {their_cell} | {ours / theirs:.2f} x |")
    lines.append(f"| peak memory, MiB | {peers['akin']['rss_mib']:.0f} | {peers[PEER]['rss_mib']:.0f} | |")
    return lines


def report(raw, args):
    sets = json.loads((WORK / "workloads" / "meta.json").read_text())["sets"]
    low, mean = raw["peers"]["akin"]["cos"]
    return "\n".join([
        BEGIN, "",
        *table(raw, args.workloads.split(","), sets), "",
        f"Float32, {raw['threads']} threads on {cpu_name()}, {datetime.date.today()}, revision {revision()}. "
        f"Medians of {args.rounds} interleaved rounds; "
        f"cosine between the two engines' vectors on 200 texts: least {low:.7f}, mean {mean:.7f}. "
        "onnxruntime with its transformer optimizer's fused graph, texts sorted by length, no padding "
        "beyond the batch. Command: `./dev bench --peers`.",
        "", END])


def write_into(document, text):
    old = document.read_text(encoding="utf-8")
    begin, end = old.index(BEGIN), old.index(END) + len(END)
    document.write_text(old[:begin] + text + old[end:], encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--workloads", default="W1,W2,W4,W5")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dry-run", action="store_true", help="print the table, write no document")
    args = parser.parse_args()
    try:
        make_environment()
        make_workloads(args.model)
        convert_models(args.model)
        raw = measure(args)
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench: this step failed with status {error.returncode}: {shlex.join(error.cmd)}")
    for name in ("akin", PEER):
        if not raw["peers"].get(name, {}).get("cos"):
            sys.exit(f"bench: {name} gave no vectors; see build/peers/raw/{name}.log")
    low = raw["peers"]["akin"]["cos"][0]
    if low < MIN_COSINE:
        sys.exit(f"bench: the vectors differ (least cosine {low}, expected {MIN_COSINE}); times of wrong "
                 "vectors say nothing")
    text = report(raw, args)
    print(text)
    for document in [] if args.dry_run else DOCUMENTS:
        write_into(document, text)
        say(f"written into {document.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
