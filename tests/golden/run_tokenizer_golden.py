#!/usr/bin/env python3
"""Runs check_tokenizer.py over the packed golden cases of `akin tokenize --jsonl`.

    run_tokenizer_golden.py --akin build/release/akin

What tokenizers_skipped.txt lists is left out and said aloud; a tokenizer that it lists though Akin
loads it is a failure. Needs only Python's standard library.
"""
import argparse
import pathlib
import re
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data/golden/tokenizers"


def skipped_patterns():
    lines = (HERE / "tokenizers_skipped.txt").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip() and line[0] != "#"]


def tokenizers():
    for file in sorted((DATA / "trained").glob("*/tokenizer.json")):
        yield "trained/" + file.parent.name, file
    for file in sorted((DATA / "probes").glob("*.json")):
        yield "probes/" + file.stem, file


def loads(akin, file):
    done = subprocess.run([akin, "tokenize", "--tokenizer", file, "--jsonl"], input=b"",
                          capture_output=True, timeout=60)
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--akin", required=True)
    akin = parser.parse_args().akin
    patterns = skipped_patterns()
    wanted, failed = [], False
    for name, file in tokenizers():
        why = next((why for pattern, why in patterns if re.fullmatch(pattern, name)), None)
        if why is None:
            wanted.append(name)
        elif loads(akin, file):
            print(f"FAIL {name} loads: take it out of tokenizers_skipped.txt")
            failed = True
        else:
            print(f"SKIPPED {name}: {why} is not supported yet")
    only = "^(" + "|".join(map(re.escape, wanted)) + ")$"
    command = shlex.quote(akin) + " tokenize --tokenizer {tokenizer} --jsonl"
    done = subprocess.run([sys.executable, "-B", HERE / "check_tokenizer.py", "--golden", DATA,
                           "--no-malformed", "--only", only, "--cmd", command])
    sys.exit(1 if failed else done.returncode)


if __name__ == "__main__":
    main()
