#!/usr/bin/env python3
"""Rerankers, classifiers, sparse and late-interaction models, prompts: each route beside the command line, bit for bit.

    tasks_test.py --akin PROGRAM --model FOLDER    (the models are FOLDER's neighbours)
"""
import concurrent.futures
import json
import pathlib
import random
import subprocess
import unittest

from serve_process import ARGUMENTS, Server, f32, main

QUERY = "a cat"
DOCUMENTS = ["the cat sat on the mat", "interest rates rose again", "zero", "a dog and a cat sleep in the sun"]
LONG = "word and another word " * 60


def folder(name):
    return str(pathlib.Path(ARGUMENTS.model).with_name(name))


def akin(verb, model, lines, *options):
    """The answers of the command line, one object a line."""
    out = subprocess.run(
        [ARGUMENTS.akin, verb, "--model", folder(model), "--input", "-", *options],
        input="".join(json.dumps(line) + "\n" for line in lines), capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def bits(values):
    return [f32(x) for x in values]


class Served(unittest.TestCase):
    """One server, with MODEL and the others of MODELS by their names."""

    MODELS = ()
    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.OPTIONS, models=[f"{name}={folder(name)}" for name in cls.MODELS])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def ok(self, path, body):
        status, answer = self.server.post_json(path, body)
        self.assertEqual(status, 200, answer)
        return answer

    def fails(self, path, body, expected, kind=None):
        status, answer = self.server.post_json(path, body)
        self.assertEqual(status, expected, answer)
        if kind is not None:
            self.assertEqual(answer["error_type"], kind, answer)
        return answer


class Reranker(Served):
    MODELS = ("cross-bert",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pairs = [{"query": QUERY, "document": d} for d in DOCUMENTS]
        cls.raw = [a["scores"][0] for a in akin("rerank", "cross-bert", pairs, "--activation", "raw")]
        cls.scores = [a["scores"][0] for a in akin("rerank", "cross-bert", pairs, "--activation", "sigmoid")]
        cls.order = sorted(range(len(DOCUMENTS)), key=lambda i: -cls.scores[i])

    def test_tei(self):
        answer = self.ok("/rerank", {"query": QUERY, "texts": DOCUMENTS})
        self.assertEqual([a["index"] for a in answer], self.order)
        self.assertEqual(bits(a["score"] for a in answer), bits(self.scores[i] for i in self.order))
        self.assertEqual({tuple(sorted(a)) for a in answer}, {("index", "score")})
        raw = self.ok("/rerank", {"query": QUERY, "texts": DOCUMENTS, "raw_scores": True, "return_text": True})
        self.assertEqual(bits(a["score"] for a in raw), bits(self.raw[a["index"]] for a in raw))
        self.assertEqual([a["text"] for a in raw], [DOCUMENTS[a["index"]] for a in raw])

    def test_by_the_model_s_kind(self):
        for path in ("/", "/invocations"):
            answer = self.ok(path, {"query": QUERY, "texts": DOCUMENTS})
            self.assertEqual([a["index"] for a in answer], self.order)
        both = [{"query": QUERY, "texts": DOCUMENTS}, {"type": "predict", "inputs": [QUERY, DOCUMENTS[0]]}]
        predictions = self.ok("/vertex", {"instances": both})["predictions"]
        self.assertEqual([a["index"] for a in predictions[0]], self.order)
        self.assertEqual(bits([predictions[1][0]["score"]]), bits(self.scores[:1]))
        self.fails("/vertex", {"instances": [{"type": "embed", "inputs": "a"}, both[0]]}, 424, "Backend")
        self.fails("/vertex", {"instances": []}, 400, "Empty")
        self.assertEqual(self.server.post("/vertex", {"instances": [{"type": "x"}]})[0], 422)

    def test_cohere_jina_and_vllm(self):
        for path, version in (("/v1/rerank", "1"), ("/v2/rerank", "2"), ("/rerank", "1")):
            answer = self.ok(path, {"model": "m", "query": QUERY, "documents": DOCUMENTS, "top_n": 2})
            self.assertEqual([r["index"] for r in answer["results"]], self.order[:2])
            self.assertEqual(bits(r["relevance_score"] for r in answer["results"]),
                             bits(self.scores[i] for i in self.order[:2]))
            self.assertNotIn("document", answer["results"][0])
            self.assertEqual(answer["meta"]["api_version"]["version"], version)
            self.assertGreater(answer["usage"]["total_tokens"], 20)
            self.assertEqual(answer["model"], "cross-bert")
        answer = self.ok("/v1/rerank", {"query": QUERY, "documents": [{"text": d} for d in DOCUMENTS],
                                        "return_documents": True, "rank_fields": ["text"], "max_chunks_per_doc": 3})
        self.assertEqual([r["document"]["text"] for r in answer["results"]], [DOCUMENTS[i] for i in self.order])
        self.assertEqual(len(answer["meta"]["warnings"]), 1)
        for wrong in ({"query": QUERY}, {"query": QUERY, "documents": []}, {"query": "", "documents": ["a"]},
                      {"query": QUERY, "documents": ["a"], "top_n": -1}, {"query": QUERY, "documents": [{"x": 1}]},
                      {"query": QUERY, "documents": ["a"], "rank_fields": ["title"]}):
            status, answer = self.server.post_json("/v2/rerank", wrong)
            self.assertEqual((status, list(answer)), (400, ["message"]), wrong)

    def test_max_tokens_per_doc(self):
        """Of a document so many tokens are read: as if it ended there."""
        words = ("cat dog sun mat interest rates " * 30).split()
        long = " ".join(words)
        tokens = self.server.post_json("/tokenize", {"inputs": long, "add_special_tokens": False})[1][0]
        for path in ("/v1/rerank", "/v2/rerank", "/rerank"):
            for most in (1, 7, len(tokens)):
                self.assertGreaterEqual(len(tokens), most)
                cut = long[: tokens[most - 1]["stop"]]
                expected = self.ok(path, {"query": QUERY, "documents": [cut, DOCUMENTS[0][:3]]})
                status, headers, data = self.server.post(
                    path, {"query": QUERY, "documents": [long, DOCUMENTS[0][:3]], "max_tokens_per_doc": most})
                answer = json.loads(data)
                self.assertEqual(status, 200, answer)
                self.assertEqual(answer["results"], expected["results"], (path, most))
                self.assertNotIn("warnings", answer["meta"])
                if most == 7:
                    self.assertGreaterEqual(int(headers["x-truncated-tokens"]), len(tokens) - 7)
        for wrong in (0, -1, 1.5, "7"):
            status, answer = self.server.post_json(
                "/v2/rerank", {"query": QUERY, "documents": ["a"], "max_tokens_per_doc": wrong})
            self.assertEqual((status, list(answer)), (400, ["message"]), wrong)

    def test_metrics_count_scored_texts_apart(self):
        before = self.server.metrics()
        self.ok("/rerank", {"query": QUERY, "texts": DOCUMENTS})
        self.ok("/predict", {"inputs": [QUERY, DOCUMENTS[0]]})
        after = self.server.metrics()
        for name in ("_count", "_success", "_duration_count", "_tokenization_duration_count",
                     "_queue_duration_count", "_inference_duration_count"):
            self.assertEqual(after["te_predict" + name] - before["te_predict" + name], len(DOCUMENTS) + 1, name)
            self.assertEqual(after["te_embed" + name], before["te_embed" + name], name)
        self.assertGreater(after["te_request_input_length_sum"], before["te_request_input_length_sum"])

    def test_predict_scores_pairs_and_texts(self):
        pair = self.ok("/predict", {"inputs": [QUERY, DOCUMENTS[0]]})
        self.assertEqual(bits(p["score"] for p in pair), bits(self.scores[:1]))
        self.assertIn("label", pair[0])
        alone = akin("classify", "cross-bert", [{"text": QUERY}], "--activation", "raw")[0]["scores"]
        several = self.ok("/predict", {"inputs": [[QUERY, DOCUMENTS[0]], [QUERY]], "raw_scores": True})
        self.assertEqual([bits([s[0]["score"]]) for s in several], [bits(self.raw[:1]), bits(alone)])

    def test_truncation(self):
        status, headers, _ = self.server.post("/rerank", {"query": QUERY, "texts": [LONG]})
        self.assertEqual(status, 200)
        self.assertGreater(int(headers["x-truncated-tokens"]), 50)
        answer = self.fails("/rerank", {"query": QUERY, "texts": [LONG], "truncate": False}, 422, "Validation")
        self.assertRegex(answer["error"], r"must have less than \d+ tokens. Given: \d+")
        lines = [{"query": QUERY, "document": LONG + "cat"}]
        left = akin("rerank", "cross-bert", lines, "--truncate-side", "left", "--activation", "sigmoid")[0]["scores"]
        answer = self.ok("/rerank", {"query": QUERY, "texts": [LONG + "cat"], "truncation_direction": "Left"})
        self.assertEqual(bits([answer[0]["score"]]), bits(left))

    def test_what_it_cannot_do(self):
        for path in ("/embed", "/embed_sparse"):
            self.fails(path, {"inputs": "a"}, 424, "Backend")
        self.assertEqual(self.server.post("/v1/embeddings", {"input": "a"})[0], 400)
        self.assertEqual(self.server.post("/v2/embed", {"texts": ["a"]})[0], 400)
        self.assertEqual(self.server.post("/api/embed", {"input": "a"})[0], 400)
        self.fails("/rerank", {"query": QUERY, "texts": []}, 400, "Empty")
        self.fails("/predict", {"inputs": ""}, 400, "Empty")
        self.assertEqual(self.server.post("/predict", {"inputs": [["a", "b", "c"]]})[0], 422)
        info = json.loads(self.server.get("/info")[2])
        self.assertEqual(list(info["model_type"]), ["reranker"])


class Classifier(Served):
    MODELS = ("cross-bert-nli",)

    def test_predict(self):
        reference = akin("classify", "cross-bert-nli", [{"text": t} for t in DOCUMENTS], "--activation", "softmax")
        info = json.loads(self.server.get("/info")[2])["model_type"]["classifier"]
        answer = self.ok("/predict", {"inputs": [[t] for t in DOCUMENTS]})
        for got, expected in zip(answer, reference):
            self.assertEqual([p["score"] for p in got], sorted((p["score"] for p in got), reverse=True))
            for prediction in got:
                at = info["label2id"][prediction["label"]]
                self.assertEqual(bits([prediction["score"]]), bits([expected["scores"][at]]))
        self.assertEqual(self.ok("/predict", {"inputs": DOCUMENTS[0]}), answer[0])
        self.assertEqual(self.ok("/", {"inputs": DOCUMENTS[0]}), answer[0])
        self.fails("/rerank", {"query": QUERY, "texts": DOCUMENTS}, 424, "Backend")


class Sparse(Served):
    MODELS = ("splade-bert",)

    def test_embed_sparse(self):
        reference = akin("sparse", "splade-bert", [{"text": t} for t in DOCUMENTS])
        for path in ("/embed_sparse", "/"):
            answer = self.ok(path, {"inputs": DOCUMENTS})
            self.assertEqual([[v["index"] for v in a] for a in answer], [r["indices"] for r in reference])
            self.assertEqual([bits(v["value"] for v in a) for a in answer], [bits(r["values"]) for r in reference])
        self.assertEqual(self.ok("/embed_sparse", {"inputs": DOCUMENTS[0]}), answer[:1])
        largest = self.ok("/embed_sparse", {"inputs": DOCUMENTS[0], "top_k": 3})[0]
        kept = akin("sparse", "splade-bert", [{"text": DOCUMENTS[0]}], "--top-k", "3")[0]
        self.assertEqual([v["index"] for v in largest], kept["indices"])
        self.assertEqual(json.loads(self.server.get("/info")[2])["model_type"], {"embedding": {"pooling": "splade"}})

    def test_sparse_vectors_are_written_in_one_way(self):
        expected = self.ok("/embed_sparse", {"inputs": DOCUMENTS})
        for field in ("embedding_type", "encoding_format"):
            self.assertEqual(self.ok("/embed_sparse", {"inputs": DOCUMENTS, field: "float"}), expected)
            for kind, words in (("int8", f"`{field}` is 'int8', but sparse vectors are given as indices"),
                                ("int4", f"`{field}` is 'int4', expected one of float, ")):
                status, _, body = self.server.post("/embed_sparse", {"inputs": DOCUMENTS, field: kind})
                self.assertEqual(status, 422)
                self.assertIn(words, body.decode())


class LateInteraction(Served):
    MODELS = ("colbert-plain",)

    def test_rerank_by_max_sim(self):
        pairs = [{"query": QUERY, "document": d} for d in DOCUMENTS]
        expected = [a["scores"][0] for a in akin("rerank", "colbert-plain", pairs)]
        answer = self.ok("/rerank", {"query": QUERY, "texts": DOCUMENTS})
        self.assertEqual([a["index"] for a in answer], sorted(range(4), key=lambda i: -expected[i]))
        self.assertEqual(bits(a["score"] for a in answer), bits(expected[a["index"]] for a in answer))

    def test_multi_vectors_of_documents_and_queries(self):
        for prompt in ({}, {"prompt_name": "query"}):
            options = [word for name in prompt.values() for word in ("--prompt-name", name)]
            reference = akin("multivector", "colbert-plain", [{"text": t} for t in DOCUMENTS], *options)
            answer = self.ok("/embed_all", {"inputs": DOCUMENTS, "output": "multi_vector", **prompt})
            self.assertEqual([[bits(row) for row in text] for text in answer],
                             [[bits(row) for row in r["embeddings"]] for r in reference])
        self.assertEqual(self.server.post("/embed_all", {"inputs": "a", "output": "vectors"})[0], 422)

    def test_multi_vectors_in_steps(self):
        """They have length 1, unlike states: int8 and uint8 are 256 steps from -1 to 1."""
        floats = self.ok("/embed_all", {"inputs": DOCUMENTS, "output": "multi_vector"})
        for kind, first in (("int8", -128), ("uint8", 0)):
            steps = self.ok("/embed_all", {"inputs": DOCUMENTS, "output": "multi_vector", "embedding_type": kind})
            self.assertEqual([len(text) for text in steps], [len(text) for text in floats])
            for got, expected in zip(sum(sum(steps, []), []), sum(sum(floats, []), [])):
                self.assertAlmostEqual((got - first) / 127.5 - 1, expected, delta=1 / 127)


class Dense(Served):
    MODELS = ("bert-cls-prompts", "bert-default-prompt", "bert-mean")

    def vectors(self, lines, model="bert-cls-prompts", *options):
        return [bits(a["embedding"]) for a in akin("embed", model, lines, "--normalize", *options)]

    def test_embed_all_gives_the_states_of_all_tokens(self):
        reference = akin("multivector", "bert-cls-prompts", [{"text": t} for t in DOCUMENTS], "--tokens")
        answer = self.ok("/embed_all", {"inputs": DOCUMENTS})
        self.assertEqual([[bits(row) for row in text] for text in answer],
                         [[bits(row) for row in r["embeddings"]] for r in reference])
        self.fails("/embed_all", {"inputs": ["a"] * 33}, 422, "Validation")
        self.fails("/embed_all", {"inputs": "a", "output": "multi_vector"}, 424, "Backend")

    def test_prompts_by_name(self):
        query = self.vectors([{"text": t} for t in DOCUMENTS], "bert-cls-prompts", "--prompt-name", "query")
        plain = self.vectors([{"text": t} for t in DOCUMENTS])
        self.assertNotEqual(query, plain)
        self.assertIn("query", json.loads(self.server.get("/info")[2])["prompts"])
        self.assertEqual([bits(v) for v in self.ok("/embed", {"inputs": DOCUMENTS, "prompt_name": "query"})], query)
        self.fails("/embed", {"inputs": "a", "prompt_name": "none"}, 422, "Validation")
        answer = self.ok("/v1/embeddings", {"input": DOCUMENTS, "task": "retrieval.query"})
        self.assertEqual([bits(d["embedding"]) for d in answer["data"]], query)
        answer = self.ok("/v1/embeddings", {"input": DOCUMENTS, "task": "text-matching"})
        self.assertEqual([bits(d["embedding"]) for d in answer["data"]], plain)
        self.assertEqual(self.server.post("/v1/embeddings", {"input": "a", "task": "x"})[0], 400)
        for kind, expected in (("search_query", query), ("search_document", plain), ("clustering", plain)):
            answer = self.ok("/v2/embed", {"texts": DOCUMENTS, "input_type": kind})
            self.assertEqual([bits(v) for v in answer["embeddings"]["float"]], expected)
        raw = akin("embed", "bert-cls-prompts", [{"text": DOCUMENTS[0]}], "--no-normalize", "--prompt-name", "query")
        answer = self.ok("/api/embeddings", {"prompt": DOCUMENTS[0], "prompt_name": "query"})
        self.assertEqual(bits(answer["embedding"]), bits(raw[0]["embedding"]))
        content = [{"content": [{"type": "text", "text": t}]} for t in DOCUMENTS]
        answer = self.ok("/v2/embed", {"inputs": content, "input_type": "search_query"})
        self.assertEqual([bits(v) for v in answer["embeddings"]["float"]], query)
        tokens = self.ok("/tokenize", {"inputs": "cat", "prompt_name": "query"})[0]
        self.assertGreater(len(tokens), len(self.ok("/tokenize", {"inputs": "cat"})[0]))

    def test_a_default_prompt_is_put_in_front_by_itself(self):
        expected = self.vectors([{"text": DOCUMENTS[0]}], "bert-default-prompt")
        answer = self.ok("/v1/embeddings", {"input": DOCUMENTS[0], "model": "bert-default-prompt"})
        self.assertEqual(bits(answer["data"][0]["embedding"]), expected[0])

    def test_either_end_is_cut(self):
        left = self.vectors([{"text": LONG + "cat"}], "bert-cls-prompts", "--truncate-side", "left")
        right = self.vectors([{"text": LONG + "cat"}])
        self.assertNotEqual(left, right)
        body = {"inputs": LONG + "cat"}
        self.assertEqual([bits(v) for v in self.ok("/embed", {**body, "truncation_direction": "left"})], left)
        self.assertEqual([bits(v) for v in self.ok("/embed", {**body, "truncation_direction": "Right"})], right)
        answer = self.ok("/v2/embed", {"texts": [LONG + "cat"], "truncate": "START"})
        self.assertEqual([bits(v) for v in answer["embeddings"]["float"]], left)
        answer = self.ok("/v1/embeddings", {"input": LONG + "cat", "truncation_side": "left"})
        self.assertEqual(bits(answer["data"][0]["embedding"]), left[0])

    def test_long_texts_may_be_averaged(self):
        expected = self.vectors([{"text": LONG}, {"text": "short"}], "bert-cls-prompts", "--overflow", "average")
        answer = self.ok("/embed", {"inputs": [LONG, "short"], "overflow": "average"})
        self.assertEqual([bits(v) for v in answer], expected)
        self.assertEqual(self.server.post("/embed", {"inputs": "a", "overflow": "chunks"})[0], 422)
        self.fails("/embed", {"inputs": LONG, "overflow": "error"}, 422, "Validation")

    def test_late_chunking_gives_each_input_a_vector_that_knows_the_whole(self):
        chunks = DOCUMENTS[:2] + ["zero"]
        body = {"model": "bert-mean", "input": chunks, "late_chunking": True}
        vectors = [d["embedding"] for d in self.ok("/v1/embeddings", body)["data"]]
        self.assertEqual(len(vectors), len(chunks))
        # Of all tokens of the whole, those of a chunk, averaged.
        server = Server(models=["bert-mean=" + folder("bert-mean")])
        self.addCleanup(server.stop)
        states = server.post_json("/embed_all", {"inputs": " ".join(chunks)})[1][0]
        counts = [len(t) for t in server.post_json("/tokenize", {"inputs": chunks, "add_special_tokens": False})[1]]
        self.assertEqual(sum(counts) + 2, len(states))
        begin = 1
        for vector, count in zip(vectors, counts):
            mean = [sum(column) / count for column in zip(*states[begin : begin + count])]
            length = sum(x * x for x in mean) ** 0.5
            for got, expected in zip(vector, mean):
                self.assertAlmostEqual(got, expected / length, places=5)
            begin += count
        for wrong in (["a", ""], [LONG * 20, "b"]):
            self.assertEqual(self.server.post("/v1/embeddings", {**body, "input": wrong})[0], 400)

    def test_what_it_cannot_do(self):
        for path, body in (("/rerank", {"query": "a", "texts": ["b"]}), ("/predict", {"inputs": "a"}),
                           ("/embed_sparse", {"inputs": "a"})):
            self.fails(path, body, 424, "Backend")
        # TEI's route, and a body of Cohere's and Jina's clients: they are told in their own words.
        for path in ("/v1/rerank", "/v2/rerank", "/rerank"):
            status, answer = self.server.post_json(path, {"query": "a", "documents": ["b"]})
            self.assertEqual((status, answer), (400, {"message": "model is not a re-ranker model"}), path)
            status, answer = self.server.post_json(path, {"query": "a", "documents": 1})
            self.assertEqual((status, list(answer)), (400, ["message"]), path)


class ManyAtOnce(Served):
    """Different tasks of different models in one queue: each request gets its own answer."""

    MODELS = ("bert-mean", "cross-bert", "splade-bert")
    OPTIONS = ("--max-batch-tokens", "64")

    def test_each_request_gets_its_own_answer(self):
        def work(i):
            words = random.Random(i % 17)
            text = " ".join(f"w{words.randrange(400)}" for _ in range(1 + i % 9))
            texts = [text, QUERY, text]
            return [("/v1/embeddings", {"model": "bert-mean", "input": texts}),
                    ("/v2/rerank", {"model": "cross-bert", "query": QUERY, "documents": texts}),
                    ("/api/embed", {"model": "bert-mean", "input": text})][i % 3]

        def ask(i):
            path, body = work(i)
            answer = self.ok(path, body)
            return json.dumps([answer.get("data"), answer.get("results"), answer.get("embeddings")])

        alone = [ask(i) for i in range(51)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            together = list(pool.map(ask, [i % 51 for i in range(400)]))
        self.assertEqual(together, [alone[i % 51] for i in range(400)])
        self.assertLess(self.server.metric("akin_batches_total"), self.server.metric("akin_batch_sequences_total"))


if __name__ == "__main__":
    main()
