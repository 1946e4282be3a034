#!/usr/bin/env python3
"""The routes of every dialect: shapes, values, errors. Vectors are compared bit for bit with `akin embed`.

    api_test.py --akin PROGRAM --model FOLDER
"""
import base64
import json
import math
import pathlib
import struct
import time

from api_served import TEXTS, Served, bits, length, rounded
from serve_process import ARGUMENTS, Server, main, wait_until


class Api(Served):
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

    def test_openai_s_errors_name_the_field_that_is_wrong(self):
        for body, param in (({}, "input"), ({"input": 3}, "input"), ({"input": []}, "input"), ({"input": ""}, "input"), ({"input": [[1, 2]]}, "input"),
                            ({"input": ["a"] * 3000}, "input"), ({"input": "a", "model": 3}, "model"), ({"input": "a", "dimensions": 0}, "dimensions"),
                            ({"input": "a", "dimensions": 9999}, "dimensions"), ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
                            ({"input": "a", "task": "dance"}, "task"), ({"input": "a", "truncate": "maybe"}, "truncate"),
                            ({"input": "a", "truncate_prompt_tokens": 0}, "truncate_prompt_tokens"),
                            ({"input": "a", "truncate_prompt_tokens": 99999}, "truncate_prompt_tokens"),
                            ({"input": "a", "truncate_prompt_tokens": 1}, "truncate_prompt_tokens"),
                            # Found at a text, and by what every text is asked for.
                            ({"input": ["a", "b"], "truncate_prompt_tokens": 1}, "truncate_prompt_tokens"),
                            ({"input": ["", "a"], "late_chunking": True}, "input"),
                            ({"input": "a", "prompt_name": "none"}, "prompt_name"), ({"input": "a", "overflow": "zz"}, "overflow"),
                            ({"input": "word " * 600, "truncate": False}, "input")):
            status, answer = self.server.post_json("/v1/embeddings", body)
            self.assertEqual((status, answer["error"]["param"]), (400, param), (str(body)[:80], answer))
        # Of what is no field none is named.
        for send in ("[1]", "{"):
            answer = json.loads(self.server.post("/v1/embeddings", send)[2])
            self.assertIsNone(answer["error"]["param"], answer)

    def test_openai_token_ids_are_refused_with_the_way_out(self):
        for ids in ([1, 2, 3], [[1, 2], [3]]):
            status, answer = self.server.post_json("/v1/embeddings", {"input": ids})
            self.assertEqual(status, 400)
            self.assertIn("check_embedding_ctx_length", answer["error"]["message"])

    def test_openai_models(self):
        status, answer = self.server.post_json("/v1/embeddings", {"input": "a"})
        name = answer["model"]
        models = json.loads(self.server.get("/v1/models")[2])
        self.assertEqual([m["id"] for m in models["data"]], [name])
        self.assertEqual(json.loads(self.server.get("/v1/models/" + name)[2])["object"], "model")
        status, _, body = self.server.get("/v1/models/other")
        self.assertEqual((status, json.loads(body)["error"]["code"]), (404, "model_not_found"))

    def test_no_texts_names_the_field_that_the_client_sent(self):
        for path, body, field in (("/embed", {"inputs": []}, "inputs"), ("/v1/embeddings", {"input": []}, "input"),
                                  ("/v1/embeddings", {"input": [[]]}, "input"), ("/v2/embed", {"texts": []}, "texts"),
                                  ("/v1/embed", {"texts": []}, "texts"), ("/rerank", {"query": "a", "texts": []}, "texts"),
                                  ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, "sentences"),
                                  ("/tokenize", {"inputs": []}, "inputs"), ("/decode", {"ids": []}, "ids")):
            status, _, answer = self.server.post(path, {"model": "m", "input_type": "search_query", **body})
            self.assertIn(status, (400, 422), path)
            self.assertIn(f"`{field}` cannot be empty", answer.decode(), path)

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

    def test_kinds_and_names_that_are_too_many_are_no_batch(self):
        for path, body, field in (("/v2/embed", {"texts": ["a"]}, "embedding_types"), ("/v1/embeddings", {"input": "a"}, "embedding_type"),
                                  ("/v1/embeddings", {"input": "a"}, "encoding_format"), ("/v1/rerank", {"query": "a", "documents": ["b"]}, "rank_fields")):
            status, answer = self.server.post_json(path, {**body, field: ["float"] * 3000})
            self.assertEqual(status, 400)
            self.assertIn(f"`{field}` has 3000 items, expected at most 64", json.dumps(answer))

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
        tag = tags["models"][0]
        files = [path for path in pathlib.Path(ARGUMENTS.model).rglob("*") if path.is_file()]
        self.assertEqual(tag["size"], sum(path.stat().st_size for path in files))
        newest = int(max(path.stat().st_mtime for path in files))
        self.assertEqual(tag["modified_at"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest)))
        self.assertRegex(tag["digest"], r"\A[0-9a-f]{64}\Z")
        self.assertEqual((tag["details"]["format"], tag["details"]["family"], tag["details"]["families"]), ("safetensors", "bert", ["bert"]))
        running = json.loads(self.server.get("/api/ps")[2])["models"][0]
        self.assertEqual([running[k] for k in ("name", "size", "digest", "details")], [tag[k] for k in ("name", "size", "digest", "details")])
        for path in ("/v1/models", "/v1/models/" + tag["name"]):
            answer = json.loads(self.server.get(path)[2])
            self.assertEqual(answer.get("data", [answer])[0]["created"], newest)
        self.assertIn("version", json.loads(self.server.get("/api/version")[2]))
        show = self.server.post_json("/api/show", {"model": tags["models"][0]["name"]})[1]
        self.assertEqual(show["capabilities"], ["embedding"])
        self.assertEqual((show["details"], show["modified_at"]), (tag["details"], tag["modified_at"]))

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

    def test_the_description_of_the_interface_is_there(self):
        api = json.loads(self.server.get("/api-doc/openapi.json")[2])
        self.assertTrue(api["openapi"].startswith("3."))
        for path in ("/v1/embeddings", "/embed", "/v2/embed", "/api/embed", "/api/v1/embed", "/info"):
            self.assertIn(path, api["paths"])
        # What it says of the number of texts is what the server takes, at most and no more.
        vectors = {}
        for path, fields, field in (("/v1/embeddings", {}, "input"), ("/embed", {}, "inputs"), ("/embed_all", {}, "inputs"), ("/v2/embed", {"input_type": "search_query"}, "texts"),
                                    ("/api/embed", {}, "input"), ("/api/v1/embed", {}, "texts"), ("/tokenize", {}, "inputs"), ("/vertex", {}, "instances")):
            schema = api["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"][field]
            most = next(s["maxItems"] for s in (schema, *schema.get("oneOf", ())) if "maxItems" in s)
            vectors[path] = most
            for count, status in ((most, 200), (most + 1, None)):
                if path == "/vertex" and count > most:  # More are taken while the queue is emptied as fast.
                    continue
                # As many as the queue holds: what was answered before may not have left it yet.
                wait_until(lambda: self.server.metric("te_queue_size") == 0, "the queue is not empty")
                text = {"inputs": "a", "type": "embed"} if path == "/vertex" else "a"
                got, _, answer = self.server.post(path, {**fields, field: [text] * count})
                self.assertIn(got, (status,) if status else (400, 422), (path, count, answer[:200]))
        self.assertEqual(vectors["/embed"], 2048)
        kinds = api["paths"]["/v1/embeddings"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]["encoding_format"]["enum"]
        for kind in kinds:
            self.assertEqual(self.server.post("/v1/embeddings", {"input": "a", "encoding_format": kind})[0], 200, kind)
        self.assertEqual(kinds, ["float", "base64", "int8", "uint8", "binary", "ubinary", None])  # None: as if it were not there.
        few = Server("--max-client-batch-size", "7")
        self.addCleanup(few.stop)
        described = few.get("/openapi.json")[2]
        self.assertEqual((described.count(b'"maxItems": 2048'), described.count(b'"maxItems": 2047'), described.count(b'"maxItems": 6}')), (0, 0, 1))
        self.assertNotIn(b'"maxItems": 512', described)
        self.assertIn(b'"maxItems": 7}', described)
        self.assertIn(b"<html", self.server.get("/docs")[2])
        self.assertIn(b"<html", self.server.get("/")[2])


if __name__ == "__main__":
    main()
