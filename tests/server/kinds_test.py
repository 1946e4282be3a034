#!/usr/bin/env python3
"""How vectors are written: every kind on every route that has it, and raw floats.

    kinds_test.py --akin PROGRAM --model FOLDER
"""
import base64
import json
import struct

from api_served import TEXTS, Served, bits
from serve_process import f32, main


class Kinds(Served):
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
            self.assertEqual(described(path)["enum"], [*kinds, None], path)
        for path in ("/v1/embeddings", "/embeddings"):
            one, several = described(path)["oneOf"]
            self.assertEqual((one["enum"], several["items"]["enum"]), (kinds, kinds), path)
        self.assertEqual(described("/embed_sparse")["enum"], ["float", None])

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


if __name__ == "__main__":
    main()
