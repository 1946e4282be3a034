#!/usr/bin/env python3
"""Packs golden tokenizer cases into tests/data/tokenizers.

  pack_tokenizer_goldens.py GOLDEN_FOLDER

GOLDEN_FOLDER holds the cases of the reference (Hugging Face `tokenizers` 0.23.3): *.jsonl.gz beside
trained/, probes/ and malformed/. Kept are the tokenizers that Akin loads and the requests that it
answers: one text. A line of NAME.jsonl is one request with its expected answer;
NAME.json is the tokenizer, except for real models, which the tests find elsewhere.
"""
import gzip
import json
import pathlib
import shutil
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/data/tokenizers"
NAMES = """
trained/wordpiece-uncased trained/wordpiece-cased trained/wordlevel real/minilm real/bge-small
probes/norm-bert-accents probes/norm-bert-all probes/norm-bert-cjk probes/norm-bert-clean
probes/norm-bert-lower probes/norm-bytelevel-norm probes/norm-lowercase probes/norm-nfc probes/norm-nfd probes/norm-nfkc
probes/norm-nfkd probes/norm-nmt probes/norm-prepend probes/norm-replace-regex
probes/norm-replace-string probes/norm-sequence-empty
probes/norm-strip probes/norm-stripaccents probes/added-lower probes/added-plain
probes/added-metaspace-first probes/pre-bytelevel probes/pre-bytelevel-prefix
probes/pre-chardelimiter probes/pre-fixedlength probes/pre-metaspace-always
probes/pre-metaspace-first probes/pre-seq-ws-metaspace probes/pre-split-llama3
probes/pre-split-o200k probes/pre-split-qwen probes/pre-split-string probes/pre-split-ws-isolated
probes/pre-split-ws-mergedwithnext probes/pre-split-ws-mergedwithprevious
probes/pre-split-ws-removed probes/pre-unicodescripts
probes/pre-bert probes/pre-digits probes/pre-digits-individual probes/pre-punctuation-contiguous
probes/pre-punctuation-isolated probes/pre-punctuation-mergedwithnext
probes/pre-punctuation-mergedwithprevious probes/pre-punctuation-removed
probes/pre-seq-ws-punct-digits probes/pre-whitespace probes/pre-whitespacesplit
probes/wordpiece-max5
probes/bpe-fuseunk probes/bpe-ignoremerges probes/bpe-nounk probes/norm-precompiled
probes/unigram-ties
""".split()
KEPT = ["id", "text", "add_special_tokens", "truncation", "ids", "type_ids", "tokens", "offsets",
        "special_tokens_mask", "word_ids"]
MAX_CASES = 300  # Of one tokenizer: every n-th case of the larger sets.


PER_TOKEN = KEPT[4:]


def wanted(case):
    return case["op"] == "encode" and "pair" not in case and not case.get("error")


def without_padding(case):
    """Akin computes ragged batches and never pads: padding tokens are taken out of the answer."""
    real = [bool(a) for a in case["attention_mask"]]
    kept = {k: case[k] for k in KEPT if k in case}
    return kept | {k: [v for v, r in zip(case[k], real) if r] for k in PER_TOKEN}


def flat(name):
    return name.split("/", 1)[1]


def main(golden):
    OUT.mkdir(parents=True, exist_ok=True)
    cases = {name: [] for name in NAMES}
    for file in sorted(golden.glob("*.jsonl.gz")):
        for line in gzip.open(file, "rt", encoding="utf-8"):
            case = json.loads(line)
            if case["tokenizer"] in cases and wanted(case):
                cases[case["tokenizer"]].append(without_padding(case))
    for name, rows in cases.items():
        kind, base = name.split("/", 1)
        if kind != "real":
            file = "trained/" + base + "/tokenizer.json" if kind == "trained" else name + ".json"
            shutil.copyfile(golden / file, OUT / (base + ".json"))
        step = -(-len(rows) // MAX_CASES)
        with open(OUT / (base + ".jsonl"), "w", encoding="utf-8") as f:
            for row in rows[::step]:
                f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    malformed = OUT / "malformed"
    malformed.mkdir(exist_ok=True)
    for row in json.loads((golden / "malformed/manifest.json").read_text(encoding="utf-8")):
        if not row.get("absent"):
            shutil.copyfile(golden / "malformed" / row["file"], malformed / row["file"])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
