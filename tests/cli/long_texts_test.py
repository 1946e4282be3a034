#!/usr/bin/env python3
"""What `akin` gives of texts that are too long: cut, refused, windows and their vectors.

    long_texts_test.py --akin build/release/akin --models tests/data/models
"""
import os
import tempfile
import unittest

from outputs_program import LONG, main, run, vectors


class LongTexts(unittest.TestCase):
    def test_windows_are_for_embed(self):
        for verb, model, texts in (("similarity", "bert-mean", (LONG, "a")), ("bench", "bert-mean", ()), ("sparse", "splade-bert", (LONG,)),
                                   ("multivector", "colbert-bert", (LONG,)), ("classify", "cross-bert", (LONG,))):
            for overflow in ("average", "chunks", "late"):
                code, out, err = run(verb, model, "--overflow", overflow, *texts)
                self.assertEqual((code, out), (2, []), verb)
                self.assertIn(f"--overflow {overflow}", err)
                self.assertIn("akin embed", err)

    def test_lines_of_json_are_not_written_into_files_of_other_kinds(self):
        with tempfile.TemporaryDirectory() as folder:
            for verb, model in (("sparse", "splade-bert"), ("multivector", "colbert-bert"), ("classify", "cross-bert")):
                path = os.path.join(folder, "out.npy")
                code, _, err = run(verb, model, "--output", path, "a")
                self.assertEqual(code, 2, err)
                self.assertIn("out.npy", err)
                self.assertIn(".jsonl", err)
                self.assertFalse(os.path.exists(path))

    def test_what_was_cut_is_said(self):
        _, lines, err = run("embed", "bert-mean", LONG, "short")
        self.assertGreater(lines[0]["truncated_tokens"], 0)
        self.assertNotIn("truncated_tokens", lines[1])
        self.assertIn("1 of 2 texts was longer", err)

    def test_error_names_the_text(self):
        code, _, err = run("embed", "bert-mean", "--overflow", "error", "short", LONG)
        self.assertEqual(code, 2)
        self.assertIn("text 2", err)

    def test_a_text_that_fits_has_its_vector_in_every_way(self):
        plain = vectors("bert-mean", "short")
        for overflow in ("average", "chunks", "late"):
            self.assertEqual(vectors("bert-mean", "--overflow", overflow, "short"), plain)

    def test_chunks_cover_the_text(self):
        _, lines, _ = run("embed", "bert-mean", "--overflow", "chunks", "--window", "20", LONG)
        self.assertGreater(len(lines), 3)
        self.assertEqual([line["chunk"] for line in lines], list(range(len(lines))))
        self.assertEqual(lines[0]["bytes"][0], 0)
        for before, after in zip(lines, lines[1:]):
            self.assertEqual(before["tokens"][1], after["tokens"][0])
            self.assertLessEqual(before["bytes"][1], after["bytes"][0])
            self.assertLessEqual(before["tokens"][1] - before["tokens"][0], 18)
        self.assertEqual(lines[-1]["bytes"][1], len(LONG.rstrip()))

    def test_overlapping_windows_share_tokens(self):
        _, lines, _ = run("embed", "bert-mean", "--overflow", "chunks", "--window", "20", "--window-overlap", "5",
                          LONG)
        for before, after in zip(lines, lines[1:]):
            self.assertEqual(before["tokens"][1] - after["tokens"][0], 5)
        code, _, err = run("embed", "bert-mean", "--overflow", "chunks", "--window", "20", "--window-overlap", "18",
                           LONG)
        self.assertEqual(code, 2)
        self.assertIn("--window-overlap is 18", err)

    def test_the_average_is_that_of_the_windows_weighted_by_their_tokens(self):
        _, chunks, _ = run("embed", "bert-no-normalize", "--overflow", "chunks", LONG)
        average = vectors("bert-no-normalize", "--overflow", "average", LONG)[0]
        weights = [c["tokens"][1] - c["tokens"][0] for c in chunks]
        for j, x in enumerate(average):
            mean = sum(w * c["embedding"][j] for w, c in zip(weights, chunks)) / sum(weights)
            self.assertAlmostEqual(x, mean, 5)

    def test_late_chunks_know_the_whole_text(self):
        text = LONG[:150]
        _, late, _ = run("embed", "bert-no-normalize", "--overflow", "late", "--window", "20", text)
        _, alone, _ = run("embed", "bert-no-normalize", "--overflow", "chunks", "--window", "20", text)
        self.assertEqual([c["tokens"] for c in late], [c["tokens"] for c in alone])
        self.assertNotEqual(late[0]["embedding"], alone[0]["embedding"])
        _, tokens, _ = run("multivector", "bert-no-normalize", "--tokens", "--max-tokens", "64", text)
        begin, end = (1 + t for t in late[1]["tokens"])
        states = tokens[0]["embeddings"][begin:end]
        for j, x in enumerate(late[1]["embedding"]):
            self.assertAlmostEqual(x, sum(s[j] for s in states) / len(states), 4)

    def test_the_side_that_is_cut_can_be_chosen(self):
        _, left, _ = run("embed", "bert-mean", "--truncate-side", "left", "--ids", "--max-tokens", "8", LONG)
        _, right, _ = run("embed", "bert-mean", "--ids", "--max-tokens", "8", LONG)
        self.assertNotEqual(left[0]["ids"], right[0]["ids"])
        self.assertEqual(len(left[0]["ids"]), 8)


if __name__ == "__main__":
    main()
