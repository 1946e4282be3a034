#!/usr/bin/env python3
"""Akin's backend onnxruntime beside Python `onnxruntime` + `tokenizers`: the same ONNX file, the same texts, one run.

    onnxruntime_ratio.py --akin PROGRAM [--model FOLDER] [--rounds N]      (./dev bench --onnxruntime)

Texts are those of a golden file, whose vectors are compared first. Rounds alternate between the two, and between the
settings of Python, of which the best counts; what is printed are ratios of medians. Python's settings: texts sorted by
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
        path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
        return str(path)

    def latency(self, texts, calls, warmup=5):
        answer = self.ask(op="latency", file=self.file(texts), max_len=LIMIT, pad_to=0, warmup=warmup, calls=calls)
        return [ns / 1e6 for ns in answer["ns"]]

    def seconds(self, texts):
        return self.ask(op="throughput", file=self.file(texts), max_len=LIMIT, warmup=len(texts), runs=1)["seconds"][0]

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


def main():
    parser = argparse.ArgumentParser(description="Akin's ONNX Runtime backend beside Python's onnxruntime.")
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", type=pathlib.Path, help=f"folder with onnx/model.onnx (default: {NAME})")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    folder = args.model or fetch_onnx_models.fetch_model.models_folder() / f"onnx-{NAME}"
    golden = json.loads(gzip.decompress((ROOT / f"tests/data/golden/{NAME}.json.gz").read_bytes()))
    texts = [t for t in golden["cases"][0]["texts"] if t.strip()] * 4
    short = [t for t in texts if len(t.split()) in range(4, 12)][:12]

    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(args.threads) as pool:
        whole, single = PythonEngine(folder, args.threads), PythonEngine(folder, 1)
        akin = Akin(args.akin, folder, pathlib.Path(work), "--threads", str(args.threads))
        cosines = (akin.vectors(texts) * whole.many(texts, 8)).sum(1)
        print(f"cosine of {len(texts)} vectors: least {cosines.min():.7f}", flush=True)
        if cosines.min() < 0.9999:
            sys.exit("the vectors differ")

        corpus, query, padded, five, first = {}, {}, [], [], []
        for number in range(args.rounds):
            for batch in (4, 8, 16, 32):
                corpus.setdefault(f"1 session of {args.threads} threads, batches of {batch}", []).append(
                    timed(lambda: whole.many(texts, batch)))
                corpus.setdefault(f"{args.threads} callers of 1 thread, batches of {batch}", []).append(
                    timed(lambda: single.many(texts, batch, pool)))
            corpus.setdefault("akin", []).append(akin.seconds(texts))
            for name, engine in (("all threads", whole), ("1 thread", single)):
                query.setdefault(name, []).extend(1e3 * timed(lambda: engine.one(t)) for t in short * 2)
            query.setdefault("akin", []).extend(akin.latency(short, 2 * len(short)))
            padded.extend(1e3 * timed(lambda: whole.one(FIVE_TOKENS, LIMIT)) for _ in range(3))
            five.extend(akin.latency([FIVE_TOKENS], 20))
            print(f"round {number + 1} of {args.rounds} done", file=sys.stderr, flush=True)
        akin.close()
        for _ in range(3):  # The first call of a fresh program, nothing called before it.
            fresh = Akin(args.akin, folder, pathlib.Path(work), "--threads", str(args.threads))
            times = fresh.latency(short[:1], 60, warmup=0)
            first.append(times[0] / statistics.median(times[1:]))
            fresh.close()
        one = Akin(args.akin, folder, pathlib.Path(work), "--threads", "1")
        alone, together = [], []
        for _ in range(args.rounds):
            alone.append(one.seconds(texts))
            together.append(akin_pair(args, folder, texts))
        one.close()

    best = {name: min(((statistics.median(v), k) for k, v in table.items() if k != "akin")) for name, table in
            (("corpus", corpus), ("query", query))}
    ours = statistics.median(corpus["akin"])
    print(f"throughput: {len(texts) / ours:.1f} texts/s, python {len(texts) / best['corpus'][0]:.1f} "
          f"({best['corpus'][1]}): {best['corpus'][0] / ours:.2f} x")
    ours = statistics.median(query["akin"])
    print(f"one short query: {ours:.2f} ms, python {best['query'][0]:.2f} ms ({best['query'][1]}): "
          f"{ours / best['query'][0]:.2f} x")
    print(f"five tokens: {statistics.median(five):.2f} ms, python padded to {LIMIT} {statistics.median(padded):.1f} ms: "
          f"{statistics.median(padded) / statistics.median(five):.0f} x")
    print(f"two callers on sessions of one thread: {2 * statistics.median(alone) / statistics.median(together):.2f} x of one")
    print(f"first call: {statistics.median(first):.2f} x of the steady median")
    print("load average " + " ".join(f"{x:.1f}" for x in os.getloadavg()))


def akin_pair(args, folder, texts):
    """Seconds of the texts twice, on one model with two workers of one thread each."""
    with tempfile.TemporaryDirectory() as work:
        pair = Akin(args.akin, folder, pathlib.Path(work), "--threads", "2")
        seconds = pair.seconds(texts * 2)
        pair.close()
    return seconds


if __name__ == "__main__":
    main()
