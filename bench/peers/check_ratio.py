#!/usr/bin/env python3
"""Fails when Akin has become far slower than it was, beside onnxruntime in the same minute.

    check_ratio.py --akin build/release/akin --model DIR [--record]

Both engines answer the same texts in turn, in processes of their own under this one; what counts is
the ratio of their speeds, in f32. A ratio below half of the recorded one (recorded_ratios.json) is
measured again, three times in all, before it is a failure; no absolute time ever is. Exits with 77
and a line "SKIPPED: ..." where onnxruntime or the model is not there. With CI=true in the
environment what is missing is installed into build/peers.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from compare import cpu_name
from peer_families import HERE, Environment, say

ROOT = HERE.parent.parent
RECORD = HERE / "recorded_ratios.json"
SKIPPED = 77
TRIES = 3
LEAST_SHARE = 0.5
ROUNDS = 3
MAX_LEN = 256
SHORT, LONG = 10, 40   # Words a text; about 20 and 90 tokens.
MEASURES = {"latency": dict(op="latency", file="short", warmup=20, calls=60),
            "short texts": dict(op="throughput", file="short", warmup=0, runs=1),
            "passages": dict(op="throughput", file="long", warmup=0, runs=1)}
MIN_COSINE = 0.99999


class Skip(Exception):
    pass


class Engine:
    """A process that speaks the protocol of worker.py."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.ready = self.read()

    def read(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer or "unsupported" in answer:
            raise RuntimeError(f"{self.process.args[0]}: {answer.get('error') or answer['unsupported']}")
        return answer

    def ask(self, **question):
        self.process.stdin.write(json.dumps({"max_len": MAX_LEN, **question}) + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def texts(words_each, count):
    """English of our own documents, cut into pieces."""
    words = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        words += [w for w in page.read_text(encoding="utf-8").split() if w.isascii()]
    return [" ".join(words[(i * 7 + k) % len(words)] for k in range(words_each)) for i in range(count)]


def write_texts(folder):
    files = {}
    for name, words, count in (("short", SHORT, 240), ("long", LONG, 30)):
        files[name] = str(pathlib.Path(folder) / f"{name}.jsonl")
        with open(files[name], "w", encoding="utf-8") as out:
            out.writelines(json.dumps({"text": t}) + "\n" for t in texts(words, count))
    return files


def vectors(engine, file, folder, name):
    import array
    path = str(pathlib.Path(folder) / name)
    shape = engine.ask(op="embed", file=file, out=path)
    values = array.array("f")
    with open(path, "rb") as f:
        values.frombytes(f.read())
    return [values[i * shape["dim"]:(i + 1) * shape["dim"]] for i in range(shape["rows"])]


def least_cosine(a, b):
    return min(sum(x * y for x, y in zip(p, q)) / math.sqrt(sum(x * x for x in p) * sum(y * y for y in q))
               for p, q in zip(a, b, strict=True))


def seconds(engine, measure, files):
    answer = engine.ask(**{**measure, "file": files[measure["file"]]})
    return statistics.median(answer["ns"]) if "ns" in answer else answer["seconds"][0]


def ratios(ours, theirs, files):
    """{measure: how many times as fast as the other engine}: the median of paired rounds."""
    out = {}
    for name, measure in MEASURES.items():
        pairs = [(seconds(theirs, measure, files), seconds(ours, measure, files)) for _ in range(ROUNDS)]
        out[name] = statistics.median(a / b for a, b in pairs)
    return out


def least(runs):
    """The least ratio of every measure: what a record can be held to."""
    return {name: round(min(run[name] for run in runs), 2) for name in runs[0]}


def too_slow(measured, recorded):
    return {name: ratio for name, ratio in measured.items()
            if name in recorded and ratio < LEAST_SHARE * recorded[name]}


def judge(measure, recorded, tell):
    """Whether some measure is too slow every time. `measure()` -> ratios."""
    for attempt in range(1, TRIES + 1):
        measured = measure()
        tell("; ".join(f"{name} {ratio:.2f} x onnxruntime, recorded {recorded.get(name, 0):.2f} x"
                       for name, ratio in measured.items()))
        slow = too_slow(measured, recorded)
        if not slow:
            return True
        tell(f"try {attempt} of {TRIES}: below {LEAST_SHARE} of the recorded ratio: {', '.join(slow)}")
    return False


def environment(model):
    found = Environment(ROOT / "build" / "peers")
    if not found.has("ort") and os.environ.get("CI") != "true":
        raise Skip("onnxruntime is not installed; ./dev bench --peers ort --dry-run installs it")
    if not found.install("ort") or not found.convert("ort", model):
        raise Skip("onnxruntime could not be installed")
    return found


def engines(args, found):
    threads = len(os.sched_getaffinity(0))
    job = {"class": "backends:Ort", "options": {"batch": 32, "batch_long": 8}, "model": str(args.model),
           "converted": str(found.work / "converted"), "threads": threads}
    theirs = Engine([found.python, HERE / "worker.py", json.dumps(job)])
    ours = Engine([args.akin, "bench", "--peer", "--model", args.model, "--precision", "f32",
                   "--threads", threads])
    return ours, theirs


def compare(args):
    found = environment(args.model)
    ours, theirs = engines(args, found)
    with tempfile.TemporaryDirectory() as folder:
        files = write_texts(folder)
        try:
            low = least_cosine(vectors(ours, files["short"], folder, "ours"),
                               vectors(theirs, files["short"], folder, "theirs"))
            if low < MIN_COSINE:
                print(f"the vectors differ: least cosine {low}, expected {MIN_COSINE}")
                return False
            if args.record:
                measured = least([ratios(ours, theirs, files) for _ in range(TRIES)])
                RECORD.write_text(json.dumps({"cpu": cpu_name(), "version": ours.ready["version"],
                                              "ratios": measured}, indent=1) + "\n", encoding="utf-8")
                say(f"recorded {measured}")
                return True
            recorded = json.loads(RECORD.read_text(encoding="utf-8"))["ratios"]
            return judge(lambda: ratios(ours, theirs, files), recorded, lambda line: print(line, flush=True))
        finally:
            ours.close()
            theirs.close()


def model_folder(text):
    folder = pathlib.Path(text or os.environ.get("AKIN_TEST_MODEL")
                          or pathlib.Path.home() / ".cache/akin/models/all-MiniLM-L6-v2")
    if not (folder / "model.safetensors").exists():
        raise Skip(f"the default model is not in {folder}")
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--akin", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="", help="default: AKIN_TEST_MODEL, or the cache's default model")
    parser.add_argument("--record", action="store_true", help="record the present ratios")
    args = parser.parse_args()
    try:
        args.model = model_folder(args.model)
        sys.exit(0 if compare(args) else 1)
    except Skip as reason:
        print(f"SKIPPED: {reason}")
        sys.exit(SKIPPED)


if __name__ == "__main__":
    main()
