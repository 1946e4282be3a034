#!/usr/bin/env python3
"""Build the text workloads W1..W7 from Debian package descriptions.

The source is the English description list ("Translation-en") of Debian
bookworm/main, fetched by `apt-get update` into a private directory, so the
machine's own apt state is untouched.  Selection is deterministic: records are
sorted by text and drawn with a seeded generator; the SHA-256 of the source is
written to `meta.json`, so two result tables can be compared only if it agrees.

Token counts are those of the model's own tokenizer, with [CLS] and [SEP].
"""
import argparse
import glob
import hashlib
import json
import os
import random
import statistics
import subprocess

from tokenizers import Tokenizer

SEED = 20240501


def fetch_source(state_dir):
    lists = os.path.join(state_dir, "lists")
    cache = os.path.join(state_dir, "cache")
    os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
    os.makedirs(os.path.join(cache, "archives", "partial"), exist_ok=True)
    pattern = os.path.join(lists, "*bookworm_main_i18n_Translation-en*")
    if not glob.glob(pattern):
        subprocess.run(
            ["apt-get", "-qq", "-o", f"Dir::State::Lists={lists}",
             "-o", f"Dir::Cache={cache}", "-o", "Acquire::Languages=en",
             "update"], check=True)
    found = sorted(p for p in glob.glob(pattern) if "updates" not in p)
    if not found:
        raise SystemExit("no Translation-en list was fetched")
    return subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", found[0]],
                          check=True, stdout=subprocess.PIPE).stdout


def parse(raw):
    """Yield (short, long) per stanza; `long` has one line per paragraph."""
    for stanza in raw.decode("utf-8").split("\n\n"):
        lines = stanza.split("\n")
        for i, line in enumerate(lines):
            if line.startswith("Description-en:"):
                short = line[len("Description-en:"):].strip()
                paras, cur = [], []
                for body in lines[i + 1:]:
                    if not body.startswith(" "):
                        break
                    body = body.strip()
                    if body == ".":
                        paras.append(" ".join(cur))
                        cur = []
                    else:
                        cur.append(body)
                paras.append(" ".join(cur))
                yield short, "\n".join(p for p in paras if p)
                break


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--model", required=True, help="model directory")
    ap.add_argument("--out", required=True)
    ap.add_argument("--source", help="an already extracted Translation-en file")
    args = ap.parse_args()
    args.out = os.path.abspath(args.out)    # apt takes a relative path as one below its own
    os.makedirs(args.out, exist_ok=True)
    if args.source:
        raw = open(args.source, "rb").read()
    else:
        raw = fetch_source(os.path.join(args.out, ".apt"))

    shorts, longs = set(), set()
    for short, long in parse(raw):
        if short:
            shorts.add(short)
        if long:
            longs.add(short + "\n" + long)
    shorts, longs = sorted(shorts), sorted(longs)

    tok = Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
    tok.no_padding()
    tok.no_truncation()
    n_short = [len(e.ids) for e in tok.encode_batch(shorts)]
    n_long = [len(e.ids) for e in tok.encode_batch(longs)]
    rng = random.Random(SEED)

    def pick(texts, lens, lo, hi, n):
        pool = [t for t, k in zip(texts, lens) if lo <= k <= hi]
        rng.shuffle(pool)
        return pool[:n]

    sets = {
        "w1_query": (pick(shorts, n_short, 6, 12, 2000), 256),
        "w2_passage128": (pick(longs, n_long, 120, 136, 500), 256),
        "w3_long512": (pick(longs, n_long, 512, 10 ** 9, 200), 512),
        "w4_short_corpus": (pick(shorts, n_short, 1, 10 ** 9, 10000), 256),
        "w5_passages": (pick(longs, n_long, 64, 10 ** 9, 2000), 256),
        "w6_seed": (["hello world today"], 512),   # 3 words + 2 specials
        "check200": (pick(shorts, n_short, 1, 10 ** 9, 100)
                     + pick(longs, n_long, 1, 10 ** 9, 100), 256),
    }
    meta = {"source_sha256": hashlib.sha256(raw).hexdigest(), "seed": SEED,
            "distinct_short": len(shorts), "distinct_long": len(longs),
            "sets": {}}
    for name, (texts, max_len) in sets.items():
        path = os.path.join(args.out, name + ".jsonl")
        with open(path, "w", encoding="utf-8") as f:
            for t in texts:
                f.write(json.dumps({"text": t}, ensure_ascii=False) + "\n")
        full = [len(e.ids) for e in tok.encode_batch(texts)]
        lens = sorted(min(k, max_len) for k in full)
        q = lambda p: lens[min(len(lens) - 1, int(p * len(lens)))]
        meta["sets"][name] = {
            "texts": len(texts), "max_len": max_len,
            "bytes": sum(len(t.encode()) for t in texts),
            "tokens": sum(lens), "tokens_untruncated": sum(full),
            "mean": round(statistics.mean(lens), 1), "min": lens[0],
            "p25": q(.25), "p50": q(.5), "p75": q(.75), "p95": q(.95),
            "max": lens[-1],
            "sha256": hashlib.sha256(open(path, "rb").read()).hexdigest()}
    with open(os.path.join(args.out, "meta.json"), "w") as f:
        json.dump(meta, f, indent=1)
    print(json.dumps(meta, indent=1))


if __name__ == "__main__":
    main()
