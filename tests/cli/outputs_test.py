#!/usr/bin/env python3
"""What `akin` gives of models of every kind: verbs, prompts, cut vectors.

    outputs_test.py --akin build/release/akin --models tests/data/models
"""
import json
import math
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

from outputs_program import AKIN, MODELS, half, length, main, run, shown, vectors


class Verbs(unittest.TestCase):
    def test_a_verb_that_does_not_fit_names_the_one_that_does(self):
        for verb, model, fits in (("embed", "cross-bert", "akin rerank"), ("rerank", "bert-mean", "akin embed"),
                                  ("sparse", "bert-mean", "akin embed"), ("embed", "splade-bert", "akin sparse"),
                                  ("classify", "colbert-plain", "akin multivector"),
                                  ("multivector", "cross-bert-nli", "akin classify")):
            code, _, err = run(verb, model, "a text", "another")
            self.assertEqual(code, 2, (verb, model, err))
            self.assertIn(fits, err)

    def test_rerank_takes_a_query_and_documents(self):
        code, lines, _ = run("rerank", "cross-bert", "a query", "one", "two")
        self.assertEqual((code, [line["id"] for line in lines]), (0, [0, 1]))
        self.assertTrue(all(0 < line["scores"][0] < 1 for line in lines))
        _, by_option, _ = run("rerank", "cross-bert", "--query", "a query", "one", "two")
        self.assertEqual(lines, by_option)

    def test_raw_scores_are_the_logits(self):
        _, raw, _ = run("rerank", "cross-bert", "--activation", "raw", "a query", "one")
        _, scores, _ = run("rerank", "cross-bert", "a query", "one")
        self.assertAlmostEqual(scores[0]["scores"][0], 1 / (1 + math.exp(-raw[0]["scores"][0])), 6)

    def test_classify_names_the_label_and_its_scores_add_up(self):
        _, lines, _ = run("classify", "cross-bert-nli", "a text")
        scores = lines[0]["scores"]
        self.assertAlmostEqual(sum(scores), 1, 5)
        labels = ["contradiction", "entailment", "neutral"]
        self.assertEqual(lines[0]["label"], labels[scores.index(max(scores))])

    def test_top_k_keeps_the_largest_weights(self):
        _, whole, _ = run("sparse", "splade-bert", "some words")
        _, cut, _ = run("sparse", "splade-bert", "--top-k", "5", "some words")
        self.assertEqual(sorted(cut[0]["values"]), sorted(whole[0]["values"])[-5:])
        self.assertEqual(cut[0]["indices"], sorted(cut[0]["indices"]))

    def test_a_bare_masked_language_model_gives_sparse_vectors_with_pooling_splade(self):
        for model in ("splade-bert", "splade-distilbert"):
            with tempfile.TemporaryDirectory() as folder:
                bare = os.path.join(folder, "bare")
                shutil.copytree(os.path.join(MODELS, model), bare)
                _, said_by_modules, _ = run("sparse", bare, "some words", "others")
                os.remove(os.path.join(bare, "modules.json"))
                _, pooled, _ = run("embed", bare, "some words")
                self.assertEqual(len(pooled[0]["embedding"]), 32)
                code, _, err = run("sparse", bare, "some words")
                self.assertEqual(code, 5, err)
                self.assertIn('pooling "splade"', err)
                code, lines, err = run("sparse", bare, "--pooling", "splade", "some words", "others")
                self.assertEqual((code, lines), (0, said_by_modules), err)
                code, _, err = run("embed", bare, "--pooling", "splade", "some words")
                self.assertEqual(code, 2)
                self.assertIn("akin sparse", err)
        code, _, err = run("sparse", "bert-mean", "--pooling", "splade", "some words")
        self.assertNotEqual(code, 0)
        self.assertIn("no masked-language-model head", err)

    def test_tokens_have_a_state_each(self):
        _, lines, _ = run("multivector", "bert-mean", "--tokens", "--ids", "a text")
        self.assertEqual(len(lines[0]["embeddings"]), len(lines[0]["ids"]))

    def test_the_mean_of_the_states_of_all_tokens_is_what_a_mean_pooling_model_gives(self):
        texts = ["a text", "another and longer text"]
        plain = vectors("bert-no-normalize", *texts)
        _, lines, _ = run("multivector", "bert-no-normalize", "--tokens", *texts)
        for line, text, vector in zip(lines, texts, plain):
            states = line["embeddings"]
            p = subprocess.run([AKIN, "tokenize", "--count", "--model", os.path.join(MODELS, "bert-no-normalize"), text],
                               capture_output=True, check=True)
            self.assertEqual(len(states), int(p.stdout))  # With [CLS] and [SEP].
            for j, x in enumerate(vector):
                self.assertAlmostEqual(sum(s[j] for s in states) / len(states), x, 5)
        # Without the option such a model has no multi-vector; the words say which verb fits.
        code, _, err = run("multivector", "bert-no-normalize", "a text")
        self.assertEqual(code, 2)
        self.assertIn("akin embed", err)

    def test_states_of_tokens_are_cut_typed_and_written_as_other_vectors(self):
        _, plain, _ = run("multivector", "bert-mean", "--tokens", "a text")
        _, cut, _ = run("multivector", "bert-mean", "--tokens", "--truncate-dim", "8", "a text")
        self.assertEqual(cut[0]["embeddings"], [row[:8] for row in plain[0]["embeddings"]])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tokens.jsonl")
            code, lines, err = run("multivector", "bert-mean", "--tokens", "--output-type", "float16", "--input", "-",
                                   "-o", path, stdin='{"id":"x","text":"a text"}\n')
            self.assertEqual((code, lines), (0, []), err)
            with open(path, encoding="utf-8") as file:
                line = json.loads(file.read())
        self.assertEqual(line["id"], "x")
        self.assertEqual([[shown(v) for v in row] for row in line["embeddings"]],
                         [[half(v) for v in row] for row in plain[0]["embeddings"]])

    def test_maxsim_is_what_a_late_interaction_model_reranks_by(self):
        _, query, _ = run("multivector", "colbert-plain", "--prompt-name", "query", "a query")
        _, document, _ = run("multivector", "colbert-plain", "--prompt-name", "document", "a document")
        maxsim = sum(max(sum(a * b for a, b in zip(q, d)) for d in document[0]["embeddings"])
                     for q in query[0]["embeddings"])
        _, scores, _ = run("rerank", "colbert-plain", "a query", "a document")
        self.assertAlmostEqual(scores[0]["scores"][0], maxsim, 4)


class Vectors(unittest.TestCase):
    def test_dimensions_scale_again_and_truncate_dim_only_cuts(self):
        whole = vectors("bert-matryoshka", "a text")[0]
        cut = vectors("bert-matryoshka", "--truncate-dim", "8", "a text")[0]
        scaled = vectors("bert-matryoshka", "--dimensions", "8", "a text")[0]
        self.assertEqual(cut, whole[:8])
        self.assertAlmostEqual(length(scaled), 1, 6)
        self.assertAlmostEqual(scaled[0], cut[0] / length(cut), 6)

    def test_a_dimension_or_a_prompt_that_is_not_there_is_an_error_that_lists_what_is(self):
        code, _, err = run("embed", "bert-mean", "--dimensions", "9999", "a")
        self.assertEqual(code, 2)
        self.assertIn("9999", err)
        code, _, err = run("embed", "bert-cls-prompts", "--prompt-name", "nonsense", "a")
        self.assertEqual(code, 2)
        self.assertIn("query", err)

    def test_a_prompt_is_text_in_front(self):
        with open(os.path.join(MODELS, "bert-cls-prompts", "config_sentence_transformers.json"),
                  encoding="utf-8") as f:
            prompt = json.load(f)["prompts"]["query"]
        named = vectors("bert-cls-prompts", "--prompt-name", "query", "a text")
        self.assertEqual(named, vectors("bert-cls-prompts", "--prompt", prompt, "a text"))
        self.assertEqual(named, vectors("bert-cls-prompts", prompt + "a text"))

    def test_a_task_is_a_prompt_by_another_name(self):
        self.assertEqual(vectors("bert-cls-prompts", "--task", "query", "a text"),
                         vectors("bert-cls-prompts", "--prompt-name", "query", "a text"))

    def test_lines_carry_their_own_prompts_and_dimensions(self):
        lines = ('{"text":"a text","prompt_name":"query"}\n{"text":"a text"}\n'
                 '{"text":"a text","truncate_dim":4}\n')
        got = vectors("bert-cls-prompts", "--input", "-", stdin=lines)
        self.assertEqual(got[0], vectors("bert-cls-prompts", "--prompt-name", "query", "a text")[0])
        self.assertEqual(got[1], vectors("bert-cls-prompts", "a text")[0])
        self.assertEqual(got[2], got[1][:4])

    def test_what_a_line_says_and_the_model_lacks_is_named_by_file_and_number(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "texts.jsonl")
            for verb, model, key, value, words in (
                    ("embed", "bert-cls-prompts", "prompt_name", '"text 0"', 'prompt_name is "text 0"; model'),
                    ("sparse", "splade-bert", "prompt_name", '"nope"', 'prompt_name is "nope"; model'),
                    ("multivector", "colbert-plain", "prompt_name", '"nope"', 'prompt_name is "nope"; model'),
                    ("embed", "bert-mean", "truncate_dim", "5000", "truncate_dim is 5000, expected 1 to 64")):
                with self.subTest((verb, key)):
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(f'{{"text":"a"}}\n\n{{"text":"b"}}\n{{"text":"c","{key}":{value}}}\n{{"text":"d","{key}":{value}}}\n')
                    code, _, err = run(verb, model, "--input", path)
                    self.assertEqual(code, 2, err)
                    self.assertIn(f"{path}, line 4: {words}", err)
        # Of an option it is no line's fault.
        code, _, err = run("embed", "bert-mean", "--prompt-name", "nope", "--input", "-", stdin='{"text":"a"}\n')
        self.assertEqual(code, 2, err)
        self.assertNotIn("line", err)

    def test_ranges_are_measured_written_and_used(self):
        with tempfile.TemporaryDirectory() as folder:
            ranges = os.path.join(folder, "ranges.json")
            texts = ["one text", "another text", "and a third"]
            plain = vectors("bert-mean", "--write-ranges", ranges, *texts)
            got = vectors("bert-mean", "--output-type", "uint8", "--ranges", ranges, *texts)
        for j in range(len(plain[0])):
            low, high = min(v[j] for v in plain), max(v[j] for v in plain)
            for v, q in zip(plain, got):
                self.assertAlmostEqual(q[j], 255 * (v[j] - low) / (high - low), delta=1.01)

    def test_int8_without_ranges_says_where_they_come_from(self):
        code, _, err = run("embed", "bert-mean", "--output-type", "int8", "a")
        self.assertEqual(code, 2)
        self.assertIn("--write-ranges", err)

    def test_bits_are_the_signs(self):
        plain = vectors("bert-mean", "a text")[0]
        bits = vectors("bert-mean", "--output-type", "ubinary", "a text")[0]
        self.assertEqual([b >> (7 - i) & 1 for b in bits for i in range(8)], [int(x > 0) for x in plain])

    def test_npy_has_the_type(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "v.npy")
            code, _, err = run("embed", "bert-mean", "--output-type", "float16", "-o", path, "a", "b")
            self.assertEqual(code, 0, err)
            with open(path, "rb") as f:
                content = f.read()
        self.assertIn(b"'<f2'", content)
        plain = vectors("bert-mean", "a", "b")
        halves = struct.unpack(f"<{len(plain) * len(plain[0])}e", content[128:])
        for half, x in zip(halves, plain[0] + plain[1]):
            self.assertAlmostEqual(half, x, delta=abs(x) * 2 ** -10 + 1e-7)


class Info(unittest.TestCase):
    def test_the_kind_of_a_model_and_what_it_gives_are_shown(self):
        for name, kind, outputs in [("bert-mean", "dense", ["dense", "tokens"]), ("splade-bert", "sparse", ["sparse", "tokens"]),
                                    ("cross-bert-nli", "classifier", ["scores", "tokens"])]:
            folder = os.path.join(MODELS, name)
            p = subprocess.run([AKIN, "info", "--json", "--model", folder], capture_output=True, check=True)
            info = json.loads(p.stdout)
            self.assertEqual((info["kind"], info["outputs"]), (kind, outputs))
            text = subprocess.run([AKIN, "info", "--model", folder], capture_output=True, check=True).stdout.decode()
            self.assertIn(f"{', '.join(outputs)} ({kind} model)", text)
        self.assertEqual(info["labels"], ["contradiction", "entailment", "neutral"])


if __name__ == "__main__":
    main()
