#!/usr/bin/env python3
"""In which types `akin` gives vectors and scores.

    output_types_test.py --akin build/release/akin --models tests/data/models
"""
import os
import tempfile
import unittest

from outputs_program import half, length, main, run, shown, vectors


class OutputTypes(unittest.TestCase):
    """--output-type and --dimensions on every verb: a meaning, or a refusal that names verb and option."""

    def refused(self, verb, model, *args):
        code, _, err = run(verb, model, *args, "a text", "another")
        self.assertEqual(code, 2, (verb, args, err))
        self.assertIn(f"akin {verb}", err)
        self.assertIn(args[0], err)

    def test_vectors_of_tokens_leave_in_every_type(self):
        _, plain, _ = run("multivector", "colbert-plain", "a text")
        with tempfile.TemporaryDirectory() as folder:
            ranges = os.path.join(folder, "ranges.json")
            run("multivector", "colbert-plain", "--write-ranges", ranges, "a text")
            got = {t: run("multivector", "colbert-plain", "--output-type", t, *more, "a text")[1][0]["embeddings"]
                   for t, more in (("float16", []), ("int8", ["--ranges", ranges]), ("uint8", ["--ranges", ranges]),
                                   ("binary", []), ("ubinary", []))}
        vectors_of_tokens = plain[0]["embeddings"]
        for row, halves in zip(vectors_of_tokens, got["float16"]):
            for x, h in zip(row, halves):
                self.assertEqual(half(x), shown(h))
        for i, row in enumerate(vectors_of_tokens):
            bits = [b >> (7 - k) & 1 for b in got["ubinary"][i] for k in range(8)]
            self.assertEqual(bits, [int(x > 0) for x in row])
            self.assertEqual(got["binary"][i], [b - 128 for b in got["ubinary"][i]])
            self.assertEqual(got["int8"][i], [b - 128 for b in got["uint8"][i]])
            for j, x in enumerate(row):
                column = [r[j] for r in vectors_of_tokens]
                step = (max(column) - min(column)) / 255 or 1
                self.assertAlmostEqual(got["uint8"][i][j], (x - min(column)) / step, delta=1.01)

    def test_vectors_of_tokens_are_cut_as_dense_ones_are(self):
        _, plain, _ = run("multivector", "colbert-plain", "a text")
        _, cut, _ = run("multivector", "colbert-plain", "--truncate-dim", "8", "a text")
        _, scaled, _ = run("multivector", "colbert-plain", "--dimensions", "8", "a text")
        for row, short, unit in zip(plain[0]["embeddings"], cut[0]["embeddings"], scaled[0]["embeddings"]):
            self.assertEqual(short, row[:8])
            self.assertAlmostEqual(length(unit), 1, 5)
            self.assertAlmostEqual(unit[0], row[0] / length(row[:8]), 5)
        code, _, err = run("multivector", "colbert-plain", "--dimensions", "9999", "a text")
        self.assertEqual(code, 2)
        self.assertIn("9999", err)

    def test_weights_and_scores_are_floats(self):
        for verb, model, key in (("sparse", "splade-bert", "values"), ("rerank", "cross-bert", "scores"),
                                 ("classify", "cross-bert-nli", "scores")):
            _, plain, _ = run(verb, model, "a text", "another")
            _, halves, _ = run(verb, model, "--output-type", "float16", "a text", "another")
            self.assertEqual([half(x) for line in plain for x in line[key]],
                             [shown(x) for line in halves for x in line[key]])
            for args in (("--output-type", "int8"), ("--output-type", "ubinary"), ("--dimensions", "8"),
                         ("--truncate-dim", "8")):
                self.refused(verb, model, *args)

    def test_the_single_object_has_the_type(self):
        plain = vectors("bert-mean", "a text")[0]
        for given, expected in (("float16", [half(x) for x in plain]),
                                ("ubinary", [sum((plain[8 * i + k] > 0) << (7 - k) for k in range(8))
                                             for i in range(len(plain) // 8)])):
            code, lines, err = run("embed", "bert-mean", "--json", "--output-type", given, "a text")
            self.assertEqual((code, err), (0, ""))
            self.assertEqual([shown(x) for x in lines[0]["embedding"]], expected)

    def test_lines_say_how_token_vectors_are_made_but_not_scores(self):
        lines = '{"text":"a text","prompt_name":"query"}\n{"text":"a text","truncate_dim":4}\n'
        _, got, _ = run("multivector", "colbert-plain", "--input", "-", stdin=lines)
        self.assertEqual(got[0]["embeddings"],
                         run("multivector", "colbert-plain", "--prompt-name", "query", "a text")[1][0]["embeddings"])
        self.assertEqual(got[1]["embeddings"],
                         run("multivector", "colbert-plain", "--truncate-dim", "4", "a text")[1][0]["embeddings"])
        for key, value in (("prompt_name", '"query"'), ("truncate_dim", "4")):
            line = f'{{"query":"a","document":"b"}}\n{{"query":"a","document":"b","{key}":{value}}}\n'
            code, _, err = run("rerank", "cross-bert", "--input", "-", stdin=line)
            self.assertEqual(code, 2)
            self.assertIn("line 2", err)
            self.assertIn(key, err)


if __name__ == "__main__":
    main()
