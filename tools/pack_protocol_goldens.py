#!/usr/bin/env python3
"""Packs golden cases of `akin tokenize --jsonl` into tests/data/golden/tokenizers.

  pack_protocol_goldens.py GOLDEN_FOLDER

Unlike pack_tokenizer_goldens.py it keeps everything that the protocol has: pairs, overflow, padding,
batches, decoding, errors. Of each tokenizer and kind of request some cases are kept, evenly spread.
"""
import collections
import gzip
import json
import pathlib
import shutil
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/data/golden/tokenizers"
KEPT = {"trained": 12, "probes": 6}  # Of each tokenizer and kind of request.
MAX_LINE = 60_000


def kind(case):
    return (case["op"], "pair" in case, bool(case.get("truncation")), bool(case.get("padding")),
            bool(case.get("overflowing")), bool(case.get("error")),
            case.get("add_special_tokens", True), case.get("skip_special_tokens"))


def main(golden):
    for name, kept in KEPT.items():
        shutil.rmtree(OUT / name, ignore_errors=True)
        shutil.copytree(golden / name, OUT / name, copy_function=shutil.copyfile)
        groups = collections.defaultdict(list)
        for line in gzip.open(golden / (name + ".jsonl.gz"), "rt", encoding="utf-8"):
            case = json.loads(line)
            if len(line) < MAX_LINE:
                groups[case["tokenizer"], kind(case)].append(line)
        with gzip.GzipFile(OUT / (name + ".jsonl.gz"), "wb", 9, mtime=0) as f:
            for lines in groups.values():
                for line in lines[::-(-len(lines) // kept)]:
                    f.write(line.encode())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
