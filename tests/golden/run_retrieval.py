#!/usr/bin/env python3
"""Searches 5,000 documents with the default model's vectors and compares with the reference's ranks.

    run_retrieval.py --akin PROGRAM [--precisions bf16,int8] [--unpack FOLDER]

Prints recall, nDCG@10 and how many ranks differ; fails where a precision loses more nDCG@10 than it
may. --unpack only writes the task's files into FOLDER, for `akin bench --retrieval FOLDER`. Ends with
status 77 and "SKIPPED: why" without the model.
"""
import argparse
import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

from run_golden import real_model

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "retrieval"
REFERENCE = DATA / "all-minilm-l6-v2.json"
# What a precision may lose of nDCG@10. One query that falls out of the first ten costs up to 0.001.
MOST_LOSS = {"f32": 0.0002, "bf16x3": 0.0002, "int16": 0.001, "bf16": 0.001, "w8": 0.003, "int8": 0.003}
# f32 differs from the reference by rounding: near ties may change places.
MOST_OTHER_RANKS = {"f32": 10, "bf16x3": 10}


def unpack(folder, hashes):
    for name, sha256 in hashes.items():
        content = gzip.decompress((DATA / f"{name}.gz").read_bytes())
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            sys.exit(f"{DATA / name}.gz: its content has the hash {found}, the reference was made of {sha256}")
        (pathlib.Path(folder) / name).write_bytes(content)


def measured(akin, model, folder, precisions):
    command = [akin, "bench", "--model", model, "--precisions", precisions, "--retrieval", folder, "--quality-only",
               "--quiet", "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["settings"]


def compare(precision, found, reference):
    """What is wrong; prints the figures."""
    loss = reference["ndcg@10"] - found["ndcg_at_10"]
    other = sum(a != b for a, b in zip(found["ranks"], reference["rank"], strict=True))
    print(f"{precision:7s} recall@1 {found['recall_at_1']:.4f}  recall@10 {found['recall_at_10']:.4f}  nDCG@10 "
          f"{found['ndcg_at_10']:.5f} (the reference {-loss:+.5f})  {other} of {found['queries']} ranks differ",
          flush=True)
    errors = []
    if not loss <= MOST_LOSS[precision]:
        errors.append(f"{precision} loses {loss:.5f} nDCG@10, allowed are {MOST_LOSS[precision]}")
    if other > MOST_OTHER_RANKS.get(precision, len(reference["rank"])):
        errors.append(f"{precision} gives {other} other ranks than the reference")
    return errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin")
    parser.add_argument("--precisions", default="bf16")
    parser.add_argument("--unpack", type=pathlib.Path)
    args = parser.parse_args()
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    if args.unpack:
        args.unpack.mkdir(parents=True, exist_ok=True)
        unpack(args.unpack, reference["files"])
        return
    model = real_model()
    errors = []
    with tempfile.TemporaryDirectory() as folder:
        unpack(folder, reference["files"])
        settings = measured(args.akin, model, folder, args.precisions)
    for setting in settings:
        errors += compare(setting["precision"], setting["retrieval"], reference)
    for error in errors:
        print(f"FAIL {error}")
    print(f"{len(settings)} precisions, {len(errors)} failed")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
