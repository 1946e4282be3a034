#!/usr/bin/env python3
"""Compares `akin tokenize --jsonl` with PyPI `tokenizers` 0.23.3 on random Unicode.

    run_tokenizer_differential.py --akin PROGRAM [--seed N] [--texts N] [--every-character]

For each tokenizer of tests/data/golden/tokenizers: `texts` random texts and pairs, with all that an
encoding has; and single characters. All scalar values that are likely to be assigned are each given to
one tokenizer (which one depends on the seed), or with --every-character to each of them. The default
seed is fixed; `--seed random` draws one and says it. Ends with status 77 and "SKIPPED: why" when the
package is not there: it is looked for in this Python, then in .venv (`./dev test` installs it).
"""
import argparse
import importlib.util
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DATA = ROOT / "tests/data/golden/tokenizers"
SKIP = 77
VERSION = "0.23.3"
FIELDS = ["ids", "type_ids", "attention_mask", "tokens", "offsets", "special_tokens_mask", "word_ids"]
# Blocks that mixed texts draw from: scripts, marks, jamo, signs, specials, emoji, tags.
BLOCKS = [(0x20, 0x7F), (0x80, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00), (0xE00, 0x1000),
          (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2C00), (0x3000, 0x3100), (0x4E00, 0x9FFF),
          (0xAC00, 0xD7A4), (0xE000, 0xE010), (0xF900, 0x10000), (0x10000, 0x12000), (0x1D100, 0x1D800),
          (0x1F000, 0x1FB00), (0x20000, 0x20100), (0xE0000, 0xE0200), (0, 0x20), (0, 0xD800), (0xE000, 0x110000)]
WORDS = ["don't", "I'LL", "x1", "12345", "...", "a-b_c", "\u00e9\u0301", "\u0130", "\u03a3\u03c2", "\ufb01", "\uff21\u0301",
         "\u00ad", "\u200d", "\ufeff", "\ufffd", "\u2581", "\u0120", "\U0001F468\u200d\U0001F469", "\u1100\u1161\u11a8",
         "\u0958", "\u017f", "\u212a", "\r\n", "\t", "\u00a0", "\u2003", "\u2028", "\u3000", "aaaaaaaaaaaaaaaaaaaaaaaaaaa"]


def require_tokenizers():
    """Goes on in .venv's Python, or skips."""
    if importlib.util.find_spec("tokenizers"):
        import tokenizers
        if tokenizers.__version__ == VERSION:
            return
    venv = ROOT / ".venv"
    if pathlib.Path(sys.prefix).resolve() != venv.resolve() and (venv / "bin/python").exists():
        os.execv(venv / "bin/python", [str(venv / "bin/python"), "-B", *sys.argv])
    print(f"SKIPPED: tokenizers {VERSION} is not installed (pip install -r tools/requirements-test.txt)")
    sys.exit(SKIP)


def tokenizers_here():
    files = [(f"trained/{f.parent.name}", f) for f in sorted((DATA / "trained").glob("*/tokenizer.json"))]
    return files + [(f"probes/{f.stem}", f) for f in sorted((DATA / "probes").glob("*.json"))]


# --- Texts ---------------------------------------------------------------------------------------

def random_character(rng):
    while True:
        first, end = rng.choice(BLOCKS)
        code = rng.randrange(first, end)
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def random_text(rng, words):
    parts = []
    for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 13, 40])):
        kind = rng.random()
        if kind < .45:
            parts.append(rng.choice(words))
        elif kind < .6:
            parts.append(rng.choice(WORDS))
        else:
            parts.append("".join(random_character(rng) for _ in range(rng.randint(1, 7))))
    return rng.choice(["", " ", " ", " ", "  "]).join(parts)


def likely_assigned():
    """All scalar values of the planes in use; of the empty ones every 97th."""
    dense = [*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)]
    return dense + list(range(0x20000, 0xE0000, 97)) + list(range(0xE0200, 0x110000, 97)) + [0x10FFFF]


# --- Both answers --------------------------------------------------------------------------------

def requests_for(rng, words, texts, characters):
    for i in range(texts):
        request = {"text": random_text(rng, words), "add_special_tokens": rng.random() < .7}
        if rng.random() < .15:
            request["pair"] = random_text(rng, words)
        yield request
    for c in characters:
        yield {"text": chr(c), "add_special_tokens": False}


def ask_akin(akin, file, requests):
    with tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
        for i, request in enumerate(requests):
            lines.write(json.dumps({"id": i, "truncation": None, "padding": None, **request}) + "\n")
        lines.seek(0)
        done = subprocess.run([akin, "tokenize", "--tokenizer", file, "--jsonl"], stdin=lines,
                              capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"FAIL {file}: akin ended with status {done.returncode}: {done.stderr.decode()[-300:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def reference_answer(tokenizer, request):
    e = tokenizer.encode(request["text"], request.get("pair"), add_special_tokens=request["add_special_tokens"])
    return {"ids": e.ids, "type_ids": e.type_ids, "attention_mask": e.attention_mask, "tokens": e.tokens,
            "offsets": [list(o) for o in e.offsets], "special_tokens_mask": e.special_tokens_mask,
            "word_ids": e.word_ids}


def compare(akin, name, file, requests):
    """-> the number of differences, of which the first are printed."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    answers = ask_akin(akin, file, requests)
    if len(answers) != len(requests):
        print(f"FAIL {name}: {len(requests)} requests, {len(answers)} answers")
        return 1
    differences = 0
    for request, got in zip(requests, answers):
        wanted = reference_answer(tokenizer, request)
        wrong = [f for f in FIELDS if got.get(f) != wanted[f]]
        differences += bool(wrong)
        if wrong and differences <= 3:
            field = wrong[0]
            print(f"FAIL {name}: {json.dumps(request)}\n  {field}: expected {wanted[field]}\n"
                  f"  {field}: got      {got.get(field, got.get('error'))}")
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--akin", required=True)
    parser.add_argument("--seed", default="20261123")
    parser.add_argument("--texts", type=int, default=150, help="random texts for each tokenizer")
    parser.add_argument("--every-character", action="store_true")
    args = parser.parse_args()
    require_tokenizers()
    seed = random.randrange(1 << 32) if args.seed == "random" else int(args.seed)
    files, characters = tokenizers_here(), likely_assigned()
    if not files:
        sys.exit(f"{DATA}: no tokenizer")
    print(f"seed {seed}, {len(files)} tokenizers", flush=True)
    compared = differences = 0
    for k, (name, file) in enumerate(files):
        rng = random.Random(f"{seed} {name}")
        model = json.loads(file.read_text(encoding="utf-8"))
        vocabulary = model["model"]["vocab"]
        words = [x if isinstance(x, str) else x[0] for x in vocabulary][:4000]
        words += [t["content"] for t in model["added_tokens"]] * 3
        mine = characters if args.every_character else characters[(k + seed) % len(files)::len(files)]
        requests = list(requests_for(rng, words or ["a"], args.texts, mine))
        compared += len(requests)
        differences += compare(args.akin, name, file, requests)
    print(f"{compared - differences} passed, {differences} failed")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
