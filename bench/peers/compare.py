#!/usr/bin/env python3
"""Measures Akin beside the best known engines in one interleaved run and writes the tables of the documents.

    ./dev bench --peers [LIST] [--akin-precisions LIST] [--rounds N] [--workloads W1,W4] [--quick | --full]
                        [--prepare] [--dry-run]

Makes what is missing below build/peers: an environment with the pinned peers, the texts, the
converted models, the peers' best settings on this CPU. A peer that cannot be had here is left out
aloud. Then run.py measures, the vectors are compared, and the numbers go between the markers
`<!-- generated: peers -->` and `<!-- end -->`: a summary into README.md, all of it into
docs/performance.md. Needs the standard library only; the peers live in the environment.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys

import own_figures
import peer_settings
from peer_families import HERE, Environment, chosen, say

ROOT = HERE.parent.parent
WORK = ROOT / "build" / "peers"
BEGIN, END = "<!-- generated: peers -->", "<!-- end -->"
PROFILE, END_OF_PROFILE = "<!-- generated: profile -->", "<!-- end of profile -->"
REFERENCE = "ort-fp32"
# An f32 engine differs from another by rounding; below this it computes in something else.
F32_COSINE = 0.99999
# Akin's precisions by the least cosine that still says "works"; below it the run is an error.
LEAST_COSINE = {"f32": 0.99999, "bf16x3": 0.99999, "int16": 0.9999, "bf16": 0.9999, "auto": 0.9995, "w8": 0.999, "int8": 0.99}
# Below this a peer's vectors are those of another model, and its times say nothing.
WRONG_COSINE = 0.95
TITLES = {"W1": "one short query, ms", "W2": "one passage of 128 tokens, ms", "W3": "one text of 512 tokens, ms",
          "W4": "many short texts, texts/s", "W5": "many passages, texts/s",
          "W6": "five tokens (peers: padded to 512), ms"}
FILES = {"W1": "w1_query", "W2": "w2_passage128", "W3": "w3_long512", "W4": "w4_short_corpus",
         "W5": "w5_passages", "W6": "w6_seed"}
THROUGHPUT = {"W4", "W5"}
# How much of W4 and W5 is measured: some seconds a peer and round.
USUAL_LIMIT, QUICK_LIMIT = "W4=5000,W5=800", "W4=2000,W5=200"


def measure(args, arguments, out):
    environment = Environment(WORK)
    command = [environment.python, HERE / "run.py", "--model", args.model, "--converted", WORK / "converted",
               "--workload-dir", WORK / "workloads", "--out", out,
               "--threads", len(os.sched_getaffinity(0)), *arguments]
    if os.geteuid() == 0:
        command.append("--priority")
    say("measuring: " + shlex.join(str(c) for c in command))
    subprocess.run([str(c) for c in command], stdout=subprocess.DEVNULL, check=True)
    return json.loads((out / "raw.json").read_text(encoding="utf-8"))


def akin_peers(args):
    """--command arguments, one for each of Akin's precisions."""
    out = []
    for precision in args.akin_precisions.split(","):
        command = [str(args.akin), "bench", "--peer", "--model", str(args.model), "--precision", precision]
        out += ["--command", f"akin-{precision}={shlex.join(command)}"]
    return out


def quantile(values, p):
    return sorted(values)[min(len(values) - 1, int(p * len(values)))]


class Results:
    """What run.py measured, by peer and workload."""

    def __init__(self, raw, sets):
        self.raw, self.sets, self.peers = raw, sets, raw["peers"]

    def rounds(self, peer, workload):
        return self.peers.get(peer, {}).get(workload, {}).get("rounds")

    def texts(self, workload):
        return min(self.sets[FILES[workload]]["texts"], self.raw["limits"].get(workload) or 10**9)

    def figure(self, peer, workload):
        """Median P50 in ms, or median texts/s; None when it was not measured."""
        rounds = self.rounds(peer, workload)
        if not rounds:
            return None
        if workload in THROUGHPUT:
            return self.texts(workload) / statistics.median(s for r in rounds for s in r)
        return statistics.median(quantile(r, .5) for r in rounds) / 1e6

    def cell(self, peer, workload):
        value, rounds = self.figure(peer, workload), self.rounds(peer, workload)
        if value is None:
            return "-"
        if workload in THROUGHPUT:
            rates = [self.texts(workload) / s for r in rounds for s in r]
            return f"{value:,.0f} [{min(rates):,.0f}..{max(rates):,.0f}]"
        p50 = [quantile(r, .5) / 1e6 for r in rounds]
        p99 = statistics.median(quantile(r, .99) for r in rounds) / 1e6
        return f"{value:.2f} [{min(p50):.2f}..{max(p50):.2f}], P99 {p99:.2f}"

    def cosine(self, peer):
        """(least, mean) to the reference."""
        return self.peers.get(peer, {}).get("cos") or (0, 0)

    def right(self, peer):
        return self.cosine(peer)[0] >= WRONG_COSINE

    def ours(self):
        return [p for p in self.peers if p.startswith("akin-")]

    def best(self, workload, least_cosine):
        """The fastest other peer whose vectors have at least this cosine."""
        able = [p for p in self.peers if not p.startswith("akin-") and self.figure(p, workload)
                and self.cosine(p)[0] >= least_cosine]
        sign = -1 if workload in THROUGHPUT else 1
        return min(able, key=lambda p: sign * self.figure(p, workload), default=None)

    def foreign(self):
        """Cores that other processes took, over all measures: (median, most)."""
        values = [x for p in self.peers.values() for w in FILES if w in p for x in p[w]["foreign"]]
        return (statistics.median(values), max(values)) if values else (0, 0)


def short(results, peer, workload):
    value = results.figure(peer, workload)
    return "-" if value is None else f"{value:,.0f}" if workload in THROUGHPUT else f"{value:.2f}"


def times_as_fast(results, ours, other, workload):
    """Akin's speed over another's, whichever way the figure counts."""
    a, b = results.figure(ours, workload), results.figure(other, workload) if other else None
    if not a or not b:
        return "-"
    ratio = a / b if workload in THROUGHPUT else b / a
    return f"{ratio:.2f} x" if ratio < 10 else f"{ratio:.0f} x"


def readme_lines(results, workloads):
    """One row a workload for who has not read anything yet: Akin in f32 beside the best f32 engine, and in the first
    lower precision of the run beside the best of all."""
    pairs = [(p, F32_COSINE if p == "akin-f32" else WRONG_COSINE) for p in results.ours()][:2]
    kinds = {F32_COSINE: "fastest other engine in f32", WRONG_COSINE: "fastest other engine of all, int8 too"}
    lines = ["| | " + " | ".join(f"{p.replace('-', ' ')} | {kinds[least]} | Akin's speed" for p, least in pairs) + " |",
             "|---" * (3 * len(pairs) + 1) + "|"]
    for w in workloads:
        row = [TITLES[w]]
        for p, least in pairs:
            other = results.best(w, least)
            row += [short(results, p, w), f"{short(results, other, w)} {other}" if other else "-",
                    times_as_fast(results, p, other, w)]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def readme_quality(results, workloads):
    """The least cosine to f32 of everyone in readme_lines whose products are not f32's."""
    pairs = [(p, F32_COSINE if p == "akin-f32" else WRONG_COSINE) for p in results.ours()][:2]
    named = dict.fromkeys([p for p, _ in pairs] + [results.best(w, least) for w in workloads for _, least in pairs])
    low = [f"{p} {results.cosine(p)[0]:.4f}" for p in named if p and results.cosine(p)[0] < F32_COSINE]
    return f"Least cosine to f32's vectors: {', '.join(low)}; of the others at least {F32_COSINE}." if low else ""


def summary_lines(results, workloads):
    """One row a workload: Akin, the best f32 peer, the best peer of all, and the ratios to them."""
    ours = results.ours()
    lines = ["| | " + " | ".join(f"{p.replace('-', ' ')} | : f32 | : any" for p in ours)
             + " | best f32 peer | best peer of all |", "|---" * (3 * len(ours) + 3) + "|"]
    for w in workloads:
        best = [results.best(w, F32_COSINE), results.best(w, WRONG_COSINE)]
        row = [TITLES[w]]
        for p in ours:
            row.append(short(results, p, w))
            for other in best:
                known = other and results.figure(p, w)
                row.append(f"{results.figure(p, w) / results.figure(other, w):.2f} x" if known else "-")
        for other in best:
            row.append(f"{short(results, other, w)} {other}" if other else "-")
        lines.append("| " + " | ".join(row) + " |")
    return lines


def full_lines(results, workloads):
    """One row a peer: every workload with its spread over rounds, the vectors' quality, memory."""
    lines = ["| peer | " + " | ".join(f"{w}: {TITLES[w]}" for w in workloads)
             + " | cosine, least / mean | MiB |", "|---" * (len(workloads) + 3) + "|"]
    for p, record in results.peers.items():
        low, mean = results.cosine(p)
        row = [p, *(results.cell(p, w) for w in workloads),
               f"{low:.7f} / {mean:.7f}" if results.right(p) else "wrong vectors",
               f"{record['rss_mib']:.0f}" if record.get("rss_mib") else "-"]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def cpu_name():
    try:
        found = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def revision():
    found = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], text=True,
                           capture_output=True, check=False).stdout.strip()
    return found or "unknown revision"


def conditions(results, args):
    median, most = results.foreign()
    ours = results.peers[results.ours()[0]]["info"].get("version", "akin")
    limit = results.raw["limits"]
    part = "".join(f", {w} has {n:,} texts" for w, n in limit.items())
    return (f"{ours}; {results.raw['threads']} threads on {cpu_name()}, {datetime.date.today()}, revision "
            f"{revision()}. Medians of {args.rounds} interleaved rounds{part}; every peer at the batch settings "
            f"that did best in an earlier sweep on this machine; vectors checked on 200 texts against {REFERENCE}. "
            f"Other processes took {median:.2f} of a core in the median measure, {most:.2f} in the worst. Single texts: P50.")


RATIOS = (f'": f32" and ": any" are Akin over the best peer with cosine >= {F32_COSINE} and over the best of all; below '
          "1 is less time, above 1 more texts.")


def versions(results):
    named = {}
    for p, record in results.peers.items():
        named.setdefault(record["info"].get("version", p), []).append(p)
    return "; ".join(f"{', '.join(peers)}: {version}" for version, peers in named.items())


def pages(raw, args, workloads):
    """-> {document: what stands between its markers}."""
    sets = json.loads((WORK / "workloads" / "meta.json").read_text(encoding="utf-8"))["sets"]
    results = Results(raw, sets)
    said = conditions(results, args)
    readme = ["", *readme_lines(results, workloads), "", readme_quality(results, workloads), said, "All engines and precisions, their spread and the quality of "
              "their vectors: [docs/performance.md](docs/performance.md). Command: `./dev bench --peers`.", ""]
    full = ["", *summary_lines(results, workloads), "", f"{said} {RATIOS}", "", *full_lines(results, workloads), "",
            f"[least..most] is over rounds. {versions(results)}. Command: `./dev bench --peers`.", ""]
    return {ROOT / "README.md": "\n".join([BEGIN, *readme, END]),
            ROOT / "docs" / "performance.md": "\n".join([BEGIN, *full, END])}


def write_into(document, text, begin_mark=BEGIN, end_mark=END):
    old = document.read_text(encoding="utf-8")
    begin, end = old.index(begin_mark), old.index(end_mark) + len(end_mark)
    document.write_text(old[:begin] + text + old[end:], encoding="utf-8")


def check_vectors(raw):
    """Times of wrong vectors say nothing: ends the run when Akin's or the reference's are."""
    peers = raw["peers"]
    for name in [REFERENCE, *(p for p in peers if p.startswith("akin-"))]:
        cosine = peers.get(name, {}).get("cos")
        if not cosine:
            sys.exit(f"bench: {name} gave no vectors; see build/peers/raw/{name}.log")
        least = LEAST_COSINE.get(name.removeprefix("akin-"), F32_COSINE)
        if cosine[0] < least:
            sys.exit(f"bench: the vectors of {name} have a least cosine of {cosine[0]:.7f} to those of {REFERENCE}; "
                     f"expected {least}")


def prepare(args):
    """Installs and converts; -> the presets that can run, in order."""
    names, presets = chosen(args.peers)
    environment = Environment(WORK)
    usable = []
    for name in names:
        if not environment.install(name):
            if name == "ort":
                sys.exit("bench: without onnxruntime there are neither texts nor reference vectors")
            continue
        environment.make_workloads(args.model)
        if environment.convert(name, args.model):
            usable.append(name)
    ours = chosen(",".join(usable))[1]
    return [p for p in presets if p in ours]


def taken_by_auto(args):
    found = subprocess.run([str(args.akin), "info", "--model", str(args.model), "--json"], text=True, capture_output=True)
    if found.returncode != 0:
        sys.exit(f"bench: akin info failed: {found.stderr.strip()}")
    return json.loads(found.stdout)["precision"]


def usual_precisions(args):
    """f32, what `auto` takes on this machine, int8; each once."""
    return ",".join(dict.fromkeys(["f32", taken_by_auto(args), "int8"]))


def profile_precisions(args):
    """Those of the peers, by the names that `akin bench` reports: what `auto` takes in its place; each once."""
    asked = args.akin_precisions.split(",")
    auto = taken_by_auto(args) if "auto" in asked else ""
    return list(dict.fromkeys(auto if precision == "auto" else precision for precision in asked))


def arguments_of(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", nargs="?", default="", metavar="LIST",
                        help="families or single peers, as ort,openvino,ct2-int8 (default: all that can be had)")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--akin", type=pathlib.Path, default=ROOT / "build/release/akin", help="the program")
    parser.add_argument("--akin-precisions", metavar="LIST",
                        help="Akin as several peers (default: f32, what auto takes on this machine, int8)")
    parser.add_argument("--workloads", default="W1,W2,W3,W4,W5,W6")
    parser.add_argument("--rounds", type=int, default=3)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const=QUICK_LIMIT, dest="limit",
                      help=f"small parts of the corpora ({QUICK_LIMIT} texts instead of {USUAL_LIMIT})")
    size.add_argument("--full", action="store_const", const="", dest="limit",
                      help="all 10,000 texts of W4 and 2,000 of W5")
    parser.set_defaults(limit=USUAL_LIMIT)
    parser.add_argument("--prepare", action="store_true",
                        help="install, convert and look for the peers' settings only; the next run measures at once")
    parser.add_argument("--retune", action="store_true", help="look for the peers' best settings again")
    parser.add_argument("--dry-run", action="store_true", help="print the tables, write no document")
    args = parser.parse_args(argv)
    args.akin_precisions = args.akin_precisions or usual_precisions(args)
    unknown = [w for w in args.workloads.split(",") if w not in TITLES]
    if unknown:
        parser.error(f"there is no workload {unknown[0]}; there are {', '.join(TITLES)}")
    try:
        chosen(args.peers)
    except ValueError as error:
        parser.error(str(error))
    return args


def main():
    args = arguments_of(sys.argv[1:])
    measured = revision()   # The documents that are written below would make it a changed one.
    workloads = args.workloads.split(",")
    try:
        presets = prepare(args)
        settings = peer_settings.tuned(presets, cpu_name(), WORK,
                                       lambda more: measure(args, more, WORK / "raw-settings"), args.retune)
        if args.prepare:
            return say(f"prepared {', '.join(presets)} in {WORK.relative_to(ROOT)}")
        limit = ["--limit", args.limit] if args.limit else []
        raw = measure(args, [*akin_peers(args), "--peers", ",".join(presets), *settings, "--reference", REFERENCE,
                             "--workloads", args.workloads, "--rounds", args.rounds, *limit], WORK / "raw")
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench: this step failed with status {error.returncode}: {shlex.join(error.cmd)}")
    check_vectors(raw)
    documents = pages(raw, args, workloads)
    print(list(documents.values())[-1])
    if not args.dry_run:    # Before the profile, which takes minutes: what has been measured is not lost with it.
        for document, text in documents.items():
            write_into(document, text)
            say(f"written into {document.relative_to(ROOT)}")
    say("measuring Akin's start and where its time goes")
    profile = own_figures.lines(args.akin, args.model, profile_precisions(args),
                                *(str(WORK / "workloads" / f"{FILES[w]}.jsonl") for w in ("W4", "W5")))
    profile += ["", f"{cpu_name()}, {datetime.date.today()}, revision {measured}.", ""]
    print("\n".join(profile))
    if args.dry_run:
        return
    write_into(ROOT / "docs" / "performance.md", "\n".join([PROFILE, "", *profile, END_OF_PROFILE]), PROFILE,
               END_OF_PROFILE)


if __name__ == "__main__":
    main()
