#!/usr/bin/env python3
"""Weights with a NaN in them: no vector, and an error that names the model and the text.

    damaged_weights_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import json
import os
import pathlib
import sys

from akin_program import MODEL, Case, main, run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from damaged_model import damage  # noqa: E402

WORD = "bread"  # The vocabulary of each model here has it.
NOT_FINITE = "model 'damaged' gave values that are not finite (NaN or infinity); its weights may be damaged"


class DamagedWeights(Case):
    def model(self, name=os.path.basename(MODEL), word=WORD):
        return damage(pathlib.Path(MODEL).parent / name, self.path("damaged"), word)

    def lines(self, *objects):
        return self.write("lines.jsonl", "".join(json.dumps(line) + "\n" for line in objects))

    def fails_at(self, place, *args, **kw):
        self.fails(run(*args, "-o", self.path("out.jsonl"), **kw), 70, f": {place}: {NOT_FINITE}")
        self.assertFalse(os.path.exists(self.path("out.jsonl")))

    def test_of_every_text_are_found_when_the_model_is_loaded(self):
        model = self.model(word=None)
        for precision in ("f32", "auto"):
            self.fails_at("a test text", "embed", "--model", model, "--precision", precision, "a")
        code, out, err = run("embed", "--model", model, "--json", stdin=b"a")
        self.assertEqual((code, json.loads(out)["error"], err), (70, {"category": "Internal", "message": f"a test text: {NOT_FINITE}"}, b""))

    def test_of_one_word_are_named_by_the_text(self):
        model = self.model()
        self.fails_at("text 2", "embed", "--model", model, "a", WORD)
        self.fails_at("standard input, line 9001", "embed", "--model", model, stdin=(b"a\n" * 9000 + WORD.encode()))
        # Blank lines count, and chunks begin anew.
        file = self.write("lines.jsonl", '{"text":"a"}\n' * 2499 + '\n{"text":"%s"}\n' % WORD)
        for verb in ("embed", "multivector"):
            options = ("--tokens",) if verb == "multivector" else ()
            self.fails_at(f"{file}, line 2501", verb, "--model", model, "--input", file, *options)

    def test_of_one_window_are_named_by_the_text(self):
        model = self.model()
        file = self.lines({"text": "a b c d e f g h i"}, {"text": "a"}, {"text": f"a b c d e f g h {WORD}"})
        for overflow in ("average", "chunks", "late"):
            self.fails_at(f"{file}, line 3", "embed", "--model", model, "--input", file, "--overflow", overflow, "--window", "6")

    def test_of_a_pair_are_named_by_its_line(self):
        file = self.lines({"query": "a", "document": "a"}, {"query": "a", "document": WORD})
        pairs = ("--field", "query", "--pair-field", "document")
        self.fails_at(f"{file}, line 2", "classify", "--model", self.model("cross-bert-nli"), "--input", file, *pairs)

    def test_of_a_query_and_its_document_are_named_by_their_line(self):
        model = self.model("colbert-plain")
        document = self.lines({"query": "a", "document": "a"}, {"query": "a", "document": WORD})
        self.fails_at(f"{document}, line 2", "rerank", "--model", model, "--input", document)
        query = self.lines({"query": "a", "document": "a"}, {"query": WORD, "document": "a"})
        self.fails_at(f"{query}, line 2: the query", "rerank", "--model", model, "--input", query)
        self.fails_at("the query", "rerank", "--model", model, WORD, "a")


if __name__ == "__main__":
    main()
