#!/usr/bin/env python3
"""The routes of every dialect: shapes, values, errors. Vectors are compared bit for bit with `akin embed`.

    api_test.py --akin PROGRAM --model FOLDER
"""
import base64
import http.client
import json
import math
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Server, f32, main

TEXTS = ["A cat sleeps in the sun.", "Interest rates rose again.", "zero", "A cat sleeps in the sun."]


def reference(texts, *options):
    """The vectors of `akin embed`, as bytes."""
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    out = subprocess.run(
        [ARGUMENTS.akin, "embed", "--model", ARGUMENTS.model, "--input", "-", *options],
        input=lines, capture_output=True, text=True, check=True).stdout
    return [bits(json.loads(line)["embedding"]) for line in out.splitlines()]


def bits(vector):
    return b"".join(f32(x) for x in vector)


def rounded(x):
    return struct.unpack("<f", f32(x))[0]


def length(vector):
    return math.sqrt(sum(x * x for x in vector))


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.expected = reference(TEXTS, "--normalize")
        cls.raw = reference(TEXTS, "--no-normalize")
        cls.dimension = len(cls.expected[0]) // 4

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    # --- OpenAI ---

    def test_openai_gives_the_library_s_bits_as_floats_and_as_base64(self):
        for route in ("/v1/embeddings", "/embeddings"):
            status, answer = self.server.post_json(route, {"input": TEXTS, "model": "any"})
            self.assertEqual(status, 200)
            self.assertEqual(answer["object"], "list")
            self.assertEqual([d["index"] for d in answer["data"]], [0, 1, 2, 3])
            self.assertEqual({d["object"] for d in answer["data"]}, {"embedding"})
            self.assertEqual([bits(d["embedding"]) for d in answer["data"]], self.expected)
            self.assertEqual(answer["usage"]["prompt_tokens"], answer["usage"]["total_tokens"])
            self.assertGreater(answer["usage"]["total_tokens"], 8)
            coded = self.server.post_json(route, {"input": TEXTS, "encoding_format": "base64"})[1]
            self.assertEqual([base64.b64decode(d["embedding"]) for d in coded["data"]], self.expected)

    def test_openai_one_string_is_one_vector(self):
        answer = self.server.post_json("/v1/embeddings", {"input": TEXTS[0]})[1]
        self.assertEqual([bits(d["embedding"]) for d in answer["data"]], self.expected[:1])

    def test_openai_dimensions_cuts_and_scales_again(self):
        answer = self.server.post_json("/v1/embeddings", {"input": TEXTS[0], "dimensions": 8})[1]
        vector = answer["data"][0]["embedding"]
        self.assertEqual(len(vector), 8)
        self.assertAlmostEqual(length(vector), 1.0, places=6)
        whole = struct.unpack(f"<{self.dimension}f", self.expected[0])
        scale = vector[0] / whole[0]
        for x, y in zip(vector, whole):
            self.assertAlmostEqual(x, y * scale, places=6)
        for wrong in (0, -1, self.dimension + 1):
            status, answer = self.server.post_json("/v1/embeddings", {"input": "a", "dimensions": wrong})
            self.assertEqual(status, 400)
            self.assertEqual(answer["error"]["param"], "dimensions")

    def test_openai_errors_have_its_shape(self):
        cases = [({}, 400), ({"input": []}, 400), ({"input": ""}, 400), ({"input": 3}, 400),
                 ({"input": ["a", 3]}, 400), ({"input": "a", "encoding_format": "hex"}, 400),
                 ({"input": "a", "dimensions": "8"}, 400), ({"input": ["a"] * 2049}, 400)]
        for body, expected in cases:
            status, answer = self.server.post_json("/v1/embeddings", body)
            self.assertEqual(status, expected, body)
            self.assertEqual(set(answer["error"]), {"message", "type", "param", "code"})
            self.assertEqual(answer["error"]["type"], "invalid_request_error")

    def test_openai_token_ids_are_refused_with_the_way_out(self):
        for ids in ([1, 2, 3], [[1, 2], [3]]):
            status, answer = self.server.post_json("/v1/embeddings", {"input": ids})
            self.assertEqual(status, 400)
            self.assertIn("check_embedding_ctx_length", answer["error"]["message"])

    def test_openai_jina_types(self):
        whole = struct.unpack(f"<{self.dimension}f", self.expected[0])
        packed = [sum(128 >> k for k in range(8) if whole[8 * i + k] > 0) for i in range(self.dimension // 8)]
        answer = self.server.post_json("/v1/embeddings", {"input": TEXTS[0], "embedding_type": "ubinary"})[1]
        self.assertEqual(answer["data"][0]["embedding"], packed)
        answer = self.server.post_json("/v1/embeddings", {"input": TEXTS[0], "embedding_type": "binary"})[1]
        self.assertEqual(answer["data"][0]["embedding"], [b - 128 for b in packed])
        answer = self.server.post_json("/v1/embeddings", {"input": TEXTS[0], "normalized": False})[1]
        self.assertEqual(bits(answer["data"][0]["embedding"]), self.raw[0])

    def test_jina_s_list_of_types(self):
        kinds = ["float", "base64", "int8", "uint8", "binary", "ubinary"]
        one = {kind: self.server.post_json("/v1/embeddings", {"input": TEXTS, "embedding_type": kind})[1] for kind in kinds}
        for field in ("embedding_type", "encoding_format"):
            for asked in (kinds, ["ubinary", "float"], ["int8", "base64", "int8"]):
                status, answer = self.server.post_json("/v1/embeddings", {"input": TEXTS, field: asked})
                self.assertEqual(status, 200, answer)
                for i, entry in enumerate(answer["data"]):
                    self.assertEqual(
                        entry, {"object": "embedding", "index": i,
                                "embedding": {kind: one[kind]["data"][i]["embedding"] for kind in asked}})
        # One kind is that kind, in a list, too.
        for asked in (["binary"], ["binary", "binary"]):
            answer = self.server.post_json("/v1/embeddings", {"input": TEXTS, "embedding_type": asked})[1]
            self.assertEqual(answer["data"], one["binary"]["data"])
        for asked, found in ((["float", "int4"], "int4"), (["float", "float", ""], "")):
            status, answer = self.server.post_json("/v1/embeddings", {"input": TEXTS, "embedding_type": asked})
            self.assertEqual(status, 400)
            self.assertIn(f"`embedding_type` is '{found}', expected one of float", answer["error"]["message"])
        for asked in (["float", 1], {"float": True}):
            self.assertEqual(self.server.post_json("/v1/embeddings", {"input": TEXTS, "embedding_type": asked})[0], 400)

    def test_vectors_of_tokens_in_every_kind_that_suits_them(self):
        floats = self.server.post_json("/embed_all", {"inputs": TEXTS})[1]
        for field in ("embedding_type", "encoding_format"):
            for kind in ("float", "base64", "binary", "ubinary"):
                status, answer = self.server.post_json("/embed_all", {"inputs": TEXTS, field: kind})
                self.assertEqual(status, 200, answer)
                self.assertEqual([len(text) for text in answer], [len(text) for text in floats])
                for got, expected in zip(sum(answer, []), sum(floats, [])):
                    signs = [x > 0 for x in expected]
                    packed = [sum(128 >> k for k in range(8) if signs[i + k]) for i in range(0, len(signs), 8)]
                    if kind == "base64":
                        self.assertEqual(base64.b64decode(got), bits(expected))
                    else:
                        self.assertEqual(got, {"float": expected, "ubinary": packed,
                                               "binary": [b - 128 for b in packed]}[kind])
            for kind, words in (("int8", f"`{field}` is 'int8', which is for vectors of length 1"),
                                ("int4", f"`{field}` is 'int4', expected one of")):
                status, _, answer = self.server.post("/embed_all", {"inputs": TEXTS, field: kind})
                self.assertEqual(status, 422)
                self.assertIn(words, answer.decode())

    def test_openai_models(self):
        status, answer = self.server.post_json("/v1/embeddings", {"input": "a"})
        name = answer["model"]
        models = json.loads(self.server.get("/v1/models")[2])
        self.assertEqual([m["id"] for m in models["data"]], [name])
        self.assertEqual(json.loads(self.server.get("/v1/models/" + name)[2])["object"], "model")
        status, _, body = self.server.get("/v1/models/other")
        self.assertEqual((status, json.loads(body)["error"]["code"]), (404, "model_not_found"))

    def test_every_dialect_writes_vectors_in_every_kind(self):
        kinds = ["float", "base64", "int8", "uint8", "binary", "ubinary"]
        expected = self.server.post_json("/v2/embed", {"texts": TEXTS, "embedding_types": kinds})[1]["embeddings"]
        self.assertEqual([base64.b64decode(v) for v in expected["base64"]], self.expected)
        routes = [
            ("/v1/embeddings", {"input": TEXTS}, lambda answer: [d["embedding"] for d in answer["data"]]),
            ("/embed", {"inputs": TEXTS}, lambda answer: answer),
            ("/invocations", {"inputs": TEXTS}, lambda answer: answer),
            ("/vertex", {"instances": [{"inputs": TEXTS}]}, lambda answer: answer["predictions"][0]),
            ("/api/embed", {"input": TEXTS}, lambda answer: answer["embeddings"]),
            ("/api/v1/embed", {"texts": TEXTS}, lambda answer: answer["embeddings"])]
        for path, body, vectors_of in routes:
            for field in ("embedding_type", "encoding_format"):
                for kind in kinds:
                    with self.subTest(path=path, field=field, kind=kind):
                        asked = dict(body)
                        (asked["instances"][0] if path == "/vertex" else asked)[field] = kind
                        status, answer = self.server.post_json(path, asked)
                        self.assertEqual(status, 200)
                        self.assertEqual(vectors_of(answer), expected[kind])
                if path == "/vertex":
                    del body["instances"][0][field]

    def test_ollama_s_old_route_writes_the_model_s_own_vectors_in_every_kind(self):
        def vector(kind):
            return self.server.post_json("/api/embeddings", {"prompt": TEXTS[0], "embedding_type": kind})[1]["embedding"]

        self.assertEqual(bits(vector("float")), self.raw[0])
        self.assertEqual(base64.b64decode(vector("base64")), self.raw[0])
        signs = [x > 0 for x in struct.unpack(f"<{self.dimension}f", self.raw[0])]
        packed = [sum(128 >> k for k in range(8) if signs[i + k]) for i in range(0, self.dimension, 8)]
        self.assertEqual(vector("ubinary"), packed)
        self.assertEqual(vector("binary"), [b - 128 for b in packed])
        self.assertEqual(len(vector("int8")), self.dimension)

    def test_no_texts_names_the_field_that_the_client_sent(self):
        for path, body, field in (("/embed", {"inputs": []}, "inputs"), ("/v1/embeddings", {"input": []}, "input"),
                                  ("/v1/embeddings", {"input": [[]]}, "input"), ("/v2/embed", {"texts": []}, "texts"),
                                  ("/v1/embed", {"texts": []}, "texts"), ("/rerank", {"query": "a", "texts": []}, "texts"),
                                  ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, "sentences"),
                                  ("/tokenize", {"inputs": []}, "inputs"), ("/decode", {"ids": []}, "ids")):
            status, _, answer = self.server.post(path, {"model": "m", "input_type": "search_query", **body})
            self.assertIn(status, (400, 422), path)
            self.assertIn(f"`{field}` cannot be empty", answer.decode(), path)

    def test_an_unknown_kind_is_the_dialect_s_error(self):
        words = "`embedding_type` is 'int4', expected one of float, base64, int8, uint8, binary and ubinary"
        several = "`embedding_type` is a list of 2 kinds, which /v1/embeddings takes; here one is expected"
        routes = [("/embed", {"inputs": "a"}, 422, bytes.decode),
                  ("/embed_all", {"inputs": "a"}, 422, bytes.decode),
                  ("/api/embed", {"input": "a"}, 400, lambda body: json.loads(body)["error"]),
                  ("/api/embeddings", {"prompt": "a"}, 400, lambda body: json.loads(body)["error"]),
                  ("/api/v1/embed", {"texts": ["a"]}, 422, bytes.decode)]
        for path, body, expected, message_of in routes:
            for kind, message in (("int4", words), (["float", "int8"], several)):
                status, _, answer = self.server.post(path, {**body, "embedding_type": kind})
                self.assertEqual((status, message_of(answer)), (expected, message), path)
            status, _, answer = self.server.post(path, {**body, "embedding_type": 8})
            self.assertEqual(status, expected, path)
            self.assertIn("`embedding_type`", message_of(answer))
            # One kind is that kind, in a list, too, however often it is said there.
            self.assertEqual(self.server.post(path, {**body, "embedding_type": ["float", "float"]})[0], 200, path)
        status, answer = self.server.post_json("/v1/embeddings", {"input": "a", "embedding_type": "int4"})
        self.assertEqual((status, answer["error"]["message"]), (400, words))

    def test_bits_want_a_multiple_of_eight_values(self):
        for path, body, expected in (("/embed", {"inputs": "a"}, 422), ("/api/embed", {"input": "a"}, 400)):
            status, _, answer = self.server.post(path, {**body, "embedding_type": "binary", "dimensions": 12})
            self.assertEqual(status, expected, path)
            self.assertIn(b"12", answer)

    def test_the_description_has_the_kinds_of_every_route(self):
        paths = json.loads(self.server.get("/api-doc/openapi.json")[2])["paths"]
        kinds = ["float", "base64", "int8", "uint8", "binary", "ubinary"]

        def described(path):
            schema = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
            return schema["properties"]["embedding_type"]

        for path in ("/embed", "/embed_all", "/api/embed", "/api/embeddings", "/api/v1/embed"):
            self.assertEqual(described(path)["enum"], kinds, path)
        for path in ("/v1/embeddings", "/embeddings"):
            one, several = described(path)["oneOf"]
            self.assertEqual((one["enum"], several["items"]["enum"]), (kinds, kinds), path)
        self.assertEqual(described("/embed_sparse")["enum"], ["float"])

    def test_raw_floats_for_those_who_ask(self):
        for route, body in (("/v1/embeddings", {"input": TEXTS}), ("/embed", {"inputs": TEXTS}),
                            ("/api/v1/embed", {"texts": TEXTS}), ("/v2/embed", {"texts": TEXTS})):
            status, headers, data = self.server.post(route, body, {"Accept": "application/octet-stream"})
            self.assertEqual((status, data), (200, b"".join(self.expected)))
            self.assertEqual(headers["content-type"], "application/octet-stream")
            self.assertEqual(headers["x-embedding-count"], "4")
            self.assertEqual(headers["x-embedding-dimension"], str(self.dimension))

    def test_raw_floats_of_tokens(self):
        rows = self.server.post_json("/embed_all", {"inputs": TEXTS})[1]
        status, headers, data = self.server.post(
            "/embed_all", {"inputs": TEXTS}, {"Accept": "application/octet-stream"})
        self.assertEqual(status, 200)
        self.assertEqual(headers["content-type"], "application/octet-stream")
        self.assertEqual(data, b"".join(f32(x) for text in rows for vector in text for x in vector))
        self.assertEqual(headers["x-embedding-count"], str(sum(len(text) for text in rows)))
        self.assertEqual(headers["x-embedding-counts"], ",".join(str(len(text)) for text in rows))
        self.assertEqual(headers["x-embedding-dimension"], str(self.dimension))

    # --- TEI ---

    def test_tei_embed(self):
        for route in ("/embed", "/", "/invocations"):
            status, answer = self.server.post_json(route, {"inputs": TEXTS})
            self.assertEqual(status, 200)
            self.assertEqual([bits(v) for v in answer], self.expected)
        self.assertEqual([bits(v) for v in self.server.post_json("/embed", {"inputs": TEXTS[0]})[1]], self.expected[:1])
        answer = self.server.post_json("/embed", {"inputs": TEXTS, "normalize": False})[1]
        self.assertEqual([bits(v) for v in answer], self.raw)

    def test_tei_token_ids_are_the_model_s_own(self):
        tokens = self.server.post_json("/tokenize", {"inputs": "the cat", "add_special_tokens": False})[1][0]
        ids = [t["id"] for t in tokens]
        by_ids = self.server.post_json("/embed", {"inputs": ids})[1]
        text = self.server.post_json("/decode", {"ids": ids})[1][0]
        self.assertEqual(by_ids, self.server.post_json("/embed", {"inputs": text})[1])

    def test_tei_headers_say_what_it_cost(self):
        _, headers, _ = self.server.post("/embed", {"inputs": ["abc", "de"]})
        self.assertEqual(headers["x-compute-type"], "cpu")
        self.assertEqual(headers["x-compute-characters"], "5")
        self.assertGreaterEqual(int(headers["x-compute-tokens"]), 6)
        for name in ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time"):
            self.assertGreaterEqual(int(headers[name]), 0)

    def test_tei_truncation(self):
        long = "word " * 5000
        limit = json.loads(self.server.get("/info")[2])["max_input_length"]
        status, headers, _ = self.server.post("/embed", {"inputs": long})
        self.assertEqual((status, headers["x-compute-tokens"]), (200, str(limit)))
        self.assertGreater(int(headers["x-truncated-tokens"]), 1000)
        status, answer = self.server.post_json("/embed", {"inputs": long, "truncate": False})
        self.assertEqual((status, answer["error_type"]), (422, "Validation"))
        self.assertRegex(answer["error"], f"`inputs` must have less than {limit} tokens. Given: [0-9]+")
        status, answer = self.server.post_json("/v1/embeddings", {"input": long, "truncate": False})
        self.assertEqual((status, answer["error"]["code"]), (400, "context_length_exceeded"))

    def test_tei_errors(self):
        cases = [({"inputs": []}, 400, "Empty"), ({"inputs": ""}, 400, "Empty"),
                 ({"inputs": "a", "dimensions": 0}, 422, "Validation"),
                 ({"inputs": ["a"] * 2049}, 422, "Validation")]
        for body, expected, kind in cases:
            status, answer = self.server.post_json("/embed", body)
            self.assertEqual((status, answer["error_type"]), (expected, kind), body)

    def test_tei_similarity(self):
        status, answer = self.server.post_json(
            "/similarity", {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS}})
        self.assertEqual(status, 200)
        self.assertEqual(len(answer), 4)
        self.assertAlmostEqual(answer[0], 1.0, places=6)
        self.assertEqual(answer[0], answer[3])
        self.assertLess(answer[1], 0.9999)

    def test_tei_tokenize_and_decode(self):
        tokens = self.server.post_json("/tokenize", {"inputs": ["the cat"]})[1][0]
        self.assertEqual([t["special"] for t in tokens][0], True)
        self.assertIsNone(tokens[0]["start"])
        plain = [t for t in tokens if not t["special"]]
        self.assertEqual(plain[0]["start"], 0)
        self.assertEqual(plain[-1]["stop"], 7)
        self.assertEqual(set(plain[0]), {"id", "text", "special", "start", "stop"})
        decoded = self.server.post_json("/decode", {"ids": [t["id"] for t in tokens]})[1]
        self.assertEqual(len(decoded), 1)

    def test_tei_info_and_health(self):
        info = json.loads(self.server.get("/info")[2])
        for key in ("model_id", "model_sha", "model_dtype", "served_model_name", "model_type",
                    "max_concurrent_requests", "max_input_length", "max_batch_tokens", "max_batch_requests",
                    "max_client_batch_size", "auto_truncate", "tokenization_workers", "version", "sha", "docker_label"):
            self.assertIn(key, info)
        self.assertIn("pooling", info["model_type"]["embedding"])
        for path in ("/health", "/health/live", "/health/ready", "/ping"):
            self.assertEqual(self.server.get(path)[::2], (200, b""))

    # --- Cohere ---

    def test_cohere_v2(self):
        status, answer = self.server.post_json("/v2/embed", {
            "model": "m", "input_type": "search_query", "texts": TEXTS,
            "embedding_types": ["float", "int8", "uint8", "binary", "ubinary", "base64"]})
        self.assertEqual(status, 200)
        by_type = answer["embeddings"]
        self.assertEqual([bits(v) for v in by_type["float"]], self.expected)
        self.assertEqual([base64.b64decode(v) for v in by_type["base64"]], self.expected)
        whole = struct.unpack(f"<{self.dimension}f", self.expected[0])
        # sentence-transformers' rule in f32, over the range from -1 to 1.
        step = rounded(2 / 255)
        self.assertEqual(by_type["int8"][0], [math.floor(rounded(rounded(x + 1) / step)) - 128 for x in whole])
        self.assertEqual(by_type["uint8"][0], [x + 128 for x in by_type["int8"][0]])
        self.assertEqual([b + 128 for b in by_type["binary"][0]], by_type["ubinary"][0])
        self.assertEqual(answer["texts"], TEXTS)
        self.assertEqual(answer["meta"]["api_version"]["version"], "2")
        self.assertGreater(answer["meta"]["billed_units"]["input_tokens"], 8)

    def test_cohere_v1_without_types_is_a_list(self):
        answer = self.server.post_json("/v1/embed", {"texts": TEXTS})[1]
        self.assertEqual(answer["response_type"], "embeddings_floats")
        self.assertEqual([bits(v) for v in answer["embeddings"]], self.expected)

    def test_cohere_errors(self):
        for body in ({}, {"texts": ["a"] * 97}, {"texts": ["a"], "embedding_types": ["x"]},
                     {"texts": ["a"], "truncate": "x"}, {"texts": [], "model": "m"}):
            status, answer = self.server.post_json("/v2/embed", body)
            self.assertEqual((status, list(answer)), (400, ["message"]), body)

    # --- Ollama ---

    def test_ollama(self):
        status, answer = self.server.post_json("/api/embed", {"model": "m", "input": TEXTS})
        self.assertEqual(status, 200)
        self.assertEqual([bits(v) for v in answer["embeddings"]], self.expected)
        self.assertGreater(answer["prompt_eval_count"], 8)
        self.assertGreater(answer["total_duration"], 0)
        one = self.server.post_json("/api/embed", {"model": "m", "input": TEXTS[0]})[1]
        self.assertEqual([bits(v) for v in one["embeddings"]], self.expected[:1])
        self.assertEqual(self.server.post_json("/api/embed", {"model": "m", "input": []})[1]["embeddings"], [])
        old = self.server.post_json("/api/embeddings", {"model": "m", "prompt": TEXTS[0]})[1]
        self.assertEqual(bits(old["embedding"]), self.raw[0])
        self.assertEqual(self.server.post_json("/api/embed", {"input": 3})[0], 400)
        tags = json.loads(self.server.get("/api/tags")[2])
        self.assertEqual(len(tags["models"]), 1)
        self.assertIn("version", json.loads(self.server.get("/api/version")[2]))
        show = self.server.post_json("/api/show", {"model": tags["models"][0]["name"]})[1]
        self.assertEqual(show["capabilities"], ["embedding"])

    # --- AkiDB ---

    def test_akidb(self):
        status, answer = self.server.post_json("/api/v1/embed", {"texts": TEXTS})
        self.assertEqual(status, 200)
        self.assertEqual([bits(v) for v in answer["embeddings"]], self.expected)
        self.assertEqual(answer["dimension"], self.dimension)
        self.assertEqual(set(answer["usage"]), {"total_tokens", "duration_ms"})
        raw = self.server.post_json("/api/v1/embed", {"texts": TEXTS, "normalize": False})[1]
        self.assertEqual([bits(v) for v in raw["embeddings"]], self.raw)
        self.assertEqual(self.server.post("/api/v1/embed", {"texts": []})[::2], (400, b"texts cannot be empty"))
        self.assertEqual(self.server.post("/api/v1/embed", {"texts": ["a"] * 33})[::2],
                         (400, b"Maximum 32 texts per request"))

    # --- All ---

    def test_metrics_count_what_happened(self):
        before = self.server.metric("te_embed_success")
        self.server.post("/embed", {"inputs": ["a", "b", "b"]})
        self.assertEqual(self.server.metric("te_embed_success"), before + 3)
        self.assertGreater(self.server.metric("te_request_duration_count"), 0)
        text = self.server.get("/metrics")[2].decode()
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[^}]*\})? [0-9.e+-]+)$')

    def test_metrics_of_texts_are_tei_s(self):
        texts = ["a", "the cat sleeps", "a b c d e f g h i j", "the cat sleeps"]
        tokens = [len(t) for t in self.server.post_json("/tokenize", {"inputs": texts})[1]]
        before = self.server.metrics()
        _, headers, _ = self.server.post("/embed", {"inputs": texts})
        self.assertEqual(sum(tokens), int(headers["x-compute-tokens"]))
        after = self.server.metrics()
        grown = {name: value - before.get(name, 0) for name, value in after.items()}
        for stage in ("", "_tokenization", "_queue", "_inference"):
            self.assertEqual(grown[f"te_embed{stage}_duration_count"], 4, stage)
            self.assertEqual(grown[f'te_embed{stage}_duration_bucket{{le="+Inf"}}'], 4, stage)
            self.assertEqual(grown[f"te_predict{stage}_duration_count"], 0, stage)
            self.assertEqual(grown[f"te_request{stage}_duration_count"], 1, stage)
        # The texts' times are their request's; tokenizing is shared out.
        for stage, times in (("", 4), ("_tokenization", 1), ("_queue", 4), ("_inference", 4)):
            self.assertAlmostEqual(grown[f"te_embed{stage}_duration_sum"],
                                   times * grown[f"te_request{stage}_duration_sum"], places=9, msg=stage)
        self.assertGreater(grown["te_embed_duration_sum"], grown["te_embed_inference_duration_sum"])
        self.assertEqual((grown["te_embed_count"], grown["te_embed_success"]), (4, 4))
        self.assertEqual(grown["te_request_input_length_sum"], sum(tokens))
        for i in range(20):
            self.assertEqual(grown[f'te_request_input_length_bucket{{le="{2 ** i}"}}'],
                             sum(n <= 2 ** i for n in tokens), i)
        # The second of equal texts is not computed again.
        self.assertEqual(grown["te_batch_next_size_sum"], 3)
        self.assertEqual(grown["te_batch_next_tokens_sum"], sum(tokens[:3]))
        for name, ours in (("te_batch_next_size", "akin_batch_sequences_total"),
                           ("te_batch_next_tokens", "akin_batch_tokens_total")):
            self.assertEqual(after[name + "_sum"], after[ours])
            self.assertEqual(after[name + "_count"], after["akin_batches_total"])
            counts = [after[f'{name}_bucket{{le="{bound}"}}'] for bound in (1, 2, 4, 8, 16, 32, 64, 4096, "+Inf")]
            self.assertEqual(counts, sorted(counts))
            self.assertEqual(counts[-1], after["akin_batches_total"])

    def test_a_text_that_fails_counts_as_asked_for_and_not_as_done(self):
        before = self.server.metrics()
        self.assertEqual(self.server.post("/embed", {"inputs": "word " * 5000, "truncate": False})[0], 422)
        after = self.server.metrics()
        self.assertEqual(after["te_embed_count"], before["te_embed_count"] + 1)
        for name in ("te_embed_success", "te_embed_duration_count", "te_request_input_length_count"):
            self.assertEqual(after[name], before[name], name)

    def test_a_request_keeps_its_id_and_its_trace(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        _, headers, _ = self.server.post("/embed", {"inputs": "a text"}, {
            "x-request-id": "my-id 1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        self.assertEqual(headers["x-request-id"], "my-id1")
        self.server.await_event("request", id="my-id1")
        events = [e for e in self.server.log if e.get("id") == "my-id1"]
        self.assertEqual([e["trace_id"] for e in events], [trace])
        self.assertNotIn("a text", json.dumps(self.server.log))

    def test_a_deadline_that_has_passed_is_504(self):
        status, _, _ = self.server.post("/v1/embeddings", {"input": "a"}, {"x-request-timeout-ms": "0"})
        self.assertEqual(status, 504)

        for past in ("0", "-1", "-99999999999999999999"):
            self.assertEqual(self.server.post("/embed", {"inputs": "a"}, {"x-request-timeout-ms": past})[0], 504, past)
        for enough in ("60000", "060000", "99999999999999999999"):
            self.assertEqual(self.server.post("/embed", {"inputs": "a"}, {"x-request-timeout-ms": enough})[0], 200, enough)

    def test_a_header_that_cannot_be_read_is_400_in_the_dialect_s_shape(self):
        wrong = [("x-request-timeout-ms", value, "a whole number of milliseconds")
                 for value in ("1e3", "50.5", "0x5", "+5", "abc", "5 0", "50, 60", "-", "")]
        wrong += [("x-priority", value, "`query` or `bulk`") for value in ("zz", "query, bulk", "")]
        routes = [("/v1/embeddings", {"input": "a"}, lambda body: body["error"]["message"]),
                  ("/embed", {"inputs": "a"}, lambda body: body["error"]),
                  ("/v2/embed", {"texts": ["a"], "input_type": "search_query", "model": "m", "embedding_types": ["float"]},
                   lambda body: body["message"]),
                  ("/api/embed", {"input": "a", "model": "m"}, lambda body: body["error"])]
        for name, value, expected in wrong:
            for path, body, message in routes:
                with self.subTest(name=name, value=value, path=path):
                    status, answer = self.server.post_json(path, body, {name: value})
                    self.assertEqual(status, 400, answer)
                    self.assertEqual(message(answer), f'header `{name}`: found "{value}", expected {expected}')
        status, answer = self.server.post_json("/embed", {"inputs": "a"}, {"x-priority": "z" * 1000})
        self.assertEqual((status, answer["error_type"]), (400, "Validation"))
        self.assertLess(len(answer["error"]), 200)
        for value in ("query", "bulk", "BULK"):
            self.assertEqual(self.server.post("/embed", {"inputs": "a"}, {"x-priority": value})[0], 200, value)

    def test_a_header_given_twice_is_400(self):
        for name, value in (("x-request-timeout-ms", "60000"), ("x-priority", "query")):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
            self.addCleanup(connection.close)
            body = json.dumps({"inputs": "a"})
            connection.putrequest("POST", "/embed")
            for key, text in (("content-type", "application/json"), ("content-length", str(len(body))), (name, value), (name, value)):
                connection.putheader(key, text)
            connection.endheaders(body.encode())
            response = connection.getresponse()
            answer = json.loads(response.read())
            self.assertEqual(response.status, 400)
            self.assertIn(f"header `{name}`: found more than once", answer["error"])

    def test_the_description_of_the_interface_is_there(self):
        api = json.loads(self.server.get("/api-doc/openapi.json")[2])
        self.assertTrue(api["openapi"].startswith("3."))
        for path in ("/v1/embeddings", "/embed", "/v2/embed", "/api/embed", "/api/v1/embed", "/info"):
            self.assertIn(path, api["paths"])
        self.assertIn(b"<html", self.server.get("/docs")[2])
        self.assertIn(b"<html", self.server.get("/")[2])


class TruncateDim(unittest.TestCase):
    """A model whose folder cuts its vectors."""

    def test_cut_vectors_have_length_1_and_dimensions_counts_from_the_whole(self):
        with tempfile.TemporaryDirectory() as parent:
            folder = shutil.copytree(ARGUMENTS.model, pathlib.Path(parent, "cut"))
            settings = folder / "config_sentence_transformers.json"
            settings.write_text(json.dumps({**json.loads(settings.read_text()), "truncate_dim": 16}))
            server = Server(models=[str(folder)])
            try:
                for dimensions, expected in (({}, 16), ({"dimensions": 8}, 8), ({"dimensions": 64}, 64)):
                    answer = server.post_json("/v1/embeddings", {"input": TEXTS, **dimensions})[1]
                    for embedding in answer["data"]:
                        self.assertEqual(len(embedding["embedding"]), expected)
                        self.assertAlmostEqual(length(embedding["embedding"]), 1.0, places=6)
                self.assertAlmostEqual(length(server.post_json("/embed", {"inputs": TEXTS[0]})[1][0]), 1.0, places=6)
                raw = server.post_json("/embed", {"inputs": TEXTS[0], "normalize": False})[1][0]
                self.assertNotAlmostEqual(length(raw), 1.0, places=2)
                status, answer = server.post_json("/v1/embeddings", {"input": "a", "dimensions": 65})
                self.assertEqual((status, answer["error"]["param"]), (400, "dimensions"))
                self.assertIn("1 to 64", answer["error"]["message"])
            finally:
                server.stop()


class Models(unittest.TestCase):
    def test_several_models_answer_to_their_names_and_load_when_asked_for(self):
        other = ARGUMENTS.model.replace("bert-mean", "bert-max")
        server = Server("--lazy", models=["one=" + ARGUMENTS.model, "two=" + other])
        try:
            self.assertEqual(server.metric("akin_models_loaded"), 0)
            one = server.post_json("/v1/embeddings", {"input": "a", "model": "one"})[1]
            default = server.post_json("/v1/embeddings", {"input": "a"})[1]
            two = server.post_json("/v1/embeddings", {"input": "a", "model": "two"})[1]
            self.assertEqual((one["model"], default["model"], two["model"]), ("one", "one", "two"))
            self.assertEqual(one["data"], default["data"])
            self.assertNotEqual(one["data"], two["data"])
            self.assertEqual(server.metric("akin_models_loaded"), 2)
            status, answer = server.post_json("/v1/embeddings", {"input": "a", "model": "three"})
            self.assertEqual((status, answer["error"]["code"]), (404, "model_not_found"))
            status, answer = server.post_json("/api/embed", {"input": "a", "model": "three"})
            self.assertEqual((status, answer["error"]), (404, "model 'three' not found"))
        finally:
            server.stop()

    def test_more_than_may_be_loaded_are_let_go(self):
        other = ARGUMENTS.model.replace("bert-mean", "bert-max")
        server = Server("--lazy", "--max-loaded-models", "1", models=["one=" + ARGUMENTS.model, "two=" + other])
        try:
            first = server.post("/v1/embeddings", {"input": "a", "model": "one"})[2]
            server.post("/v1/embeddings", {"input": "a", "model": "two"})
            self.assertEqual(server.metric("akin_models_loaded"), 1)
            self.assertEqual(server.post("/v1/embeddings", {"input": "a", "model": "one"})[2], first)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
