#!/usr/bin/env python3
"""Akin's backend onnxruntime beside Python `onnxruntime` + `tokenizers`: the same ONNX file, the same texts, one run.

    onnxruntime_ratio.py --akin PROGRAM [--model FOLDER] [--rounds N]      (./dev bench --onnxruntime)

Texts are those of a golden file, whose vectors are compared first. Both are measured right after one another, many times and in
alternating order; what is printed is the median of the pairs' ratios and how far half of them reach. The setting of Python that
counts is the best of those tried before: texts sorted by
length and padded to the longest of the batch, batches of 4, 8, 16 and 32, on one session with all threads and on as many
threads with a session of one thread shared by them. Needs onnxruntime, tokenizers, numpy.
"""
import argparse
import concurrent.futures
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import onnxruntime
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import fetch_onnx_models  # noqa: E402

NAME = "bge-small-en-v1.5"
FIVE_TOKENS = "red apples fall"  # With [CLS] and [SEP].
LIMIT = 512


class PythonEngine:
    """onnxruntime and tokenizers, as a careful user writes it."""

    def __init__(self, folder, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self.session = onnxruntime.InferenceSession(str(folder / "onnx" / "model.onnx"), options,
                                                    providers=["CPUExecutionProvider"])
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(LIMIT)
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
        self.mean = pooling["pooling_mode_mean_tokens"]

    def run(self, rows, width=0):
        width = width or max(map(len, rows))
        ids = numpy.zeros((len(rows), width), numpy.int64)
        mask = numpy.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, :len(row)] = row
            mask[i, :len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
        hidden = self.session.run(None, {name: feed[name] for name in self.inputs})[0]
        if self.mean:
            vectors = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        else:
            vectors = hidden[:, 0]
        return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)

    def one(self, text, width=0):
        return self.run([self.tokenizer.encode(text).ids], width)[0]

    def many(self, texts, batch, pool=None):
        rows = [e.ids for e in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        parts = [order[i:i + batch] for i in range(0, len(order), batch)]
        out = numpy.empty((len(rows), 0), numpy.float32)
        for part, vectors in zip(parts, (pool.map if pool else map)(lambda p: self.run([rows[i] for i in p]), parts)):
            if not out.shape[1]:
                out = numpy.empty((len(rows), vectors.shape[1]), numpy.float32)
            out[part] = vectors
        return out


class Akin:
    """`akin bench --peer`: it times itself."""

    def __init__(self, program, folder, work, *options):
        self.work = work
        self.process = subprocess.Popen([program, "bench", "--peer", "--backend", "onnxruntime", "--precision", "f32",
                                         "--model", folder, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.ready = json.loads(self.process.stdout.readline())

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "unsupported" in answer or "error" in answer:
            sys.exit(f"akin: {answer}")
        return answer

    def file(self, texts):
        path = self.work / f"{abs(hash(tuple(texts)))}.jsonl"
        if not path.exists():
            path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
        return str(path)

    def latency(self, texts, calls, warmup=5):
        answer = self.ask(op="latency", file=self.file(texts), max_len=LIMIT, pad_to=0, warmup=warmup, calls=calls)
        return [ns / 1e6 for ns in answer["ns"]]

    def seconds(self, texts):
        return self.ask(op="throughput", file=self.file(texts), max_len=LIMIT, warmup=16, runs=1)["seconds"][0]

    def vectors(self, texts):
        out = self.work / "vectors.f32"
        answer = self.ask(op="embed", file=self.file(texts), max_len=LIMIT, out=str(out))
        return numpy.fromfile(out, numpy.float32).reshape(answer["rows"], answer["dim"])

    def close(self):
        self.process.stdin.write('{"op": "quit"}\n')
        self.process.stdin.close()
        self.process.wait(timeout=60)


def timed(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def settle():
    """Lets the threads that the one before has left spinning go to sleep."""
    time.sleep(0.02)


class Ratios:
    """One ratio a round, of two measurements right after one another: what slows the machine down slows both."""

    def __init__(self, name):
        self.name, self.values = name, []

    def add(self, ratio):
        self.values.append(ratio)

    def line(self, unit, detail=""):
        low, middle, high = statistics.quantiles(self.values, n=4)
        return (f"{self.name}: {middle:.2f} {unit}  [half of {len(self.values)} pairs within {low:.2f}..{high:.2f}]"
                f"{'  ' if detail else ''}{detail}")


def in_turn(number, bodies):
    """Runs the bodies, every second time in the other order -> their results in the order given."""
    order = list(range(len(bodies)))
    results = [None] * len(bodies)
    for i in order if number % 2 == 0 else reversed(order):
        settle()
        results[i] = bodies[i]()
    return results


def best_of(settings, rounds):
    """The setting of the least median time: {name: body that returns seconds}."""
    times = {name: [] for name in settings}
    for number in range(rounds):
        for name, seconds in zip(settings, in_turn(number, list(settings.values()))):
            times[name].append(seconds)
    return min(times, key=lambda name: statistics.median(times[name]))


def measure_throughput(args, akin, python, texts):
    settings = {name: (lambda body=body: timed(body)) for name, body in python.items()}
    best = best_of(settings, 2)
    ratios, ours = Ratios("throughput"), []
    for number in range(args.rounds):
        seconds, theirs = in_turn(number, [lambda: akin.seconds(texts), settings[best]])
        ratios.add(theirs / seconds)
        ours.append(seconds)
        print(f"throughput, round {number + 1} of {args.rounds} done", file=sys.stderr, flush=True)
    rate = len(texts) / statistics.median(ours)
    print(ratios.line("x python's", f"{rate:.1f} texts/s, python at {best}"), flush=True)


def measure_queries(args, akin, python, short):
    """A pair is a few calls of each on one text, of which the median counts."""
    calls = 5

    def of(body, text):
        return lambda: statistics.median(1e3 * timed(lambda: body(text)) for _ in range(calls))

    settings = {name: (lambda body=body: statistics.median(of(body, text)() for text in short)) for name, body in python.items()}
    best = best_of(settings, 3)
    ratios, ours = Ratios("one short query"), []
    for number in range(args.rounds * 4):
        for text in short:
            mine, theirs = in_turn(number, [lambda: statistics.median(akin.latency([text], calls, warmup=1)), of(python[best], text)])
            ratios.add(mine / theirs)
            ours.append(mine)
    print(ratios.line("x python's", f"{statistics.median(ours):.2f} ms, python with {best}"), flush=True)


def measure_padding(args, akin, whole):
    ratios, ours = Ratios(f"five tokens beside python padded to {LIMIT}"), []
    for number in range(max(2, args.rounds)):
        mine, theirs = in_turn(number, [lambda: statistics.median(akin.latency([FIVE_TOKENS], 10)),
                                        lambda: 1e3 * timed(lambda: whole.one(FIVE_TOKENS, LIMIT))])
        ratios.add(theirs / mine)
        ours.append(mine)
    print(ratios.line("x faster", f"{statistics.median(ours):.2f} ms"), flush=True)


def measure_callers(args, open_akin, texts):
    """One worker of one thread, two of them on one model, and two processes of one, which share nothing but the machine."""
    one, other, pair = open_akin(1), open_akin(1), open_akin(2)
    one.file(texts)  # Both processes read it.
    ratios, apart = Ratios("two callers on sessions of one thread"), Ratios("two processes of one thread")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number in range(args.rounds):
            alone, together, beside = in_turn(number, [
                lambda: one.seconds(texts), lambda: pair.seconds(texts * 2),
                lambda: max(pool.map(lambda process: process.seconds(texts), (one, other)))])
            ratios.add(2 * alone / together)
            apart.add(2 * alone / beside)
    for process in (one, other, pair):
        process.close()
    for figure in (ratios, apart):
        print(figure.line("x of one"), flush=True)


def measure_first_calls(args, open_akin, text):
    """The first call of a fresh program, nothing called before it."""
    ratios = Ratios("first call")
    for _ in range(max(5, args.rounds)):
        fresh = open_akin(args.threads)
        times = fresh.latency([text], 60, warmup=0)
        ratios.add(times[0] / statistics.median(times[1:]))
        fresh.close()
    print(ratios.line("x of the steady median"), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Akin's ONNX Runtime backend beside Python's onnxruntime.")
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", type=pathlib.Path, help=f"folder with onnx/model.onnx (default: {NAME})")
    parser.add_argument("--rounds", type=int, default=11, help="pairs of measurements (default: 11; at least 2)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    if args.rounds < 2:
        parser.error("--rounds is less than 2")
    folder = args.model or fetch_onnx_models.fetch_model.models_folder() / f"onnx-{NAME}"
    golden = json.loads(gzip.decompress((ROOT / f"tests/data/golden/{NAME}.json.gz").read_bytes()))
    texts = [t for t in golden["cases"][0]["texts"] if t.strip()] * 2
    short = [t for t in texts if len(t.split()) in range(4, 12)][:6]

    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(args.threads) as pool:
        def open_akin(threads):
            return Akin(args.akin, folder, pathlib.Path(work), "--threads", str(threads))

        whole, single = PythonEngine(folder, args.threads), PythonEngine(folder, 1)
        akin = open_akin(args.threads)
        cosines = (akin.vectors(texts) * whole.many(texts, 8)).sum(1)
        print(f"cosine of {len(texts)} vectors: least {cosines.min():.7f}", flush=True)
        if cosines.min() < 0.9999:
            sys.exit("the vectors differ")
        corpus = {}
        for batch in (4, 8, 16, 32):
            corpus[f"1 session of {args.threads} threads, batches of {batch}"] = lambda batch=batch: whole.many(texts, batch)
            corpus[f"{args.threads} callers of 1 thread, batches of {batch}"] = lambda batch=batch: single.many(texts, batch, pool)
        measure_throughput(args, akin, corpus, texts)
        measure_queries(args, akin, {"all threads": whole.one, "1 thread": single.one}, short)
        measure_padding(args, akin, whole)
        akin.close()
        measure_callers(args, open_akin, texts)
        measure_first_calls(args, open_akin, short[0])
    print("load average " + " ".join(f"{x:.1f}" for x in os.getloadavg()))


if __name__ == "__main__":
    main()
