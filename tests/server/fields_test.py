#!/usr/bin/env python3
"""Every field of a request that the servers whose dialects we speak know: it works, or changes nothing there either, or is refused by name.

    fields_test.py --akin PROGRAM --model FOLDER    (the models are FOLDER's neighbours)
"""
import base64
import json
import pathlib
import struct
import unittest

from serve_process import ARGUMENTS, Server, main

TEXT = "A cat sleeps in the sun."
# Longer than the models' limits, with two ends that differ.
LONG = "cat " * 400 + "interest rates rose " * 100
PROMPTS, RERANKER, SPARSE, STATIC = "bert-cls-prompts", "cross-bert", "splade-bert", "model2vec"

OPENAI = ("/v1/embeddings", {"input": TEXT, "model": "m"})
OPENAI_LONG = ("/v1/embeddings", {"input": LONG})
OPENAI_BASE64 = ("/v1/embeddings", {"input": TEXT, "encoding_format": "base64"})
EMBED, EMBED_LONG = ("/embed", {"inputs": TEXT}), ("/embed", {"inputs": LONG})
PAIR = ("/predict", {"inputs": [TEXT, "rates rose"]})
RANK = ("/rerank", {"query": "a cat", "texts": [TEXT, "rates rose again and again"]})
DOCUMENTS = {"query": "a cat", "documents": [TEXT, "rates rose again and again"]}
LONG_DOCUMENTS = {"query": "a cat", "documents": [LONG, "rates rose again and again"]}
COHERE, COHERE_LONG = {"texts": [TEXT], "input_type": "search_query"}, {"texts": [LONG]}
OLLAMA, OLLAMA_LONG = ("/api/embed", {"model": "m", "input": TEXT}), ("/api/embed", {"model": "m", "input": LONG})
AKIDB = ("/api/v1/embed", {"texts": [TEXT]})

WORKS = "it changes the answer"
SAME = "it changes nothing, and would not in the original"
ERROR = "it makes this text an error"
REFUSED = "an error that names it"
# (request, field, value, what it does[, model])
FIELDS = {
    "OpenAI": [
        (OPENAI, "encoding_format", "base64", WORKS), (OPENAI, "dimensions", 8, WORKS), (OPENAI, "user", "me", SAME),
        (OPENAI, "dimensions", 0, REFUSED), (OPENAI, "encoding_format", "hex", REFUSED)],
    "TEI": [
        (EMBED, "normalize", False, WORKS), (EMBED, "dimensions", 8, WORKS), (EMBED_LONG, "truncate", False, ERROR), (EMBED_LONG, "truncate", True, SAME),
        (EMBED_LONG, "truncation_direction", "Left", WORKS), (EMBED, "truncation_direction", "up", REFUSED),
        (EMBED, "prompt_name", "query", WORKS, PROMPTS), (EMBED, "prompt_name", "none", REFUSED),
        (("/embed_all", {"inputs": LONG}), "truncation_direction", "left", WORKS), (("/embed_all", {"inputs": LONG}), "truncate", False, ERROR),
        (("/embed_all", {"inputs": TEXT}), "prompt_name", "query", WORKS, PROMPTS),
        (("/embed_sparse", {"inputs": LONG}), "truncation_direction", "left", WORKS, SPARSE), (("/embed_sparse", {"inputs": LONG}), "truncate", False, ERROR, SPARSE),
        (PAIR, "raw_scores", True, WORKS, RERANKER), (("/predict", {"inputs": LONG}), "truncate", False, ERROR, RERANKER),
        (("/predict", {"inputs": LONG}), "truncation_direction", "left", WORKS, RERANKER),
        (RANK, "raw_scores", True, WORKS, RERANKER), (RANK, "return_text", True, WORKS, RERANKER),
        (("/rerank", {"query": "a", "texts": [LONG]}), "truncate", False, ERROR, RERANKER),
        (("/rerank", {"query": "a", "texts": [LONG]}), "truncation_direction", "left", WORKS, RERANKER),
        (("/similarity", {"inputs": {"source_sentence": TEXT, "sentences": [LONG]}}), "parameters", {"truncation_direction": "left"}, WORKS),
        (("/similarity", {"inputs": {"source_sentence": TEXT, "sentences": [LONG]}}), "parameters", {"truncate": False}, ERROR),
        (("/similarity", {"inputs": {"source_sentence": TEXT, "sentences": ["a cat"]}}), "parameters", {"prompt_name": "query"}, WORKS, PROMPTS),
        (("/tokenize", {"inputs": TEXT}), "add_special_tokens", False, WORKS), (("/tokenize", {"inputs": TEXT}), "prompt_name", "query", WORKS, PROMPTS),
        (("/decode", {"ids": [2, 5, 6, 3]}), "skip_special_tokens", False, WORKS)],
    "Cohere, rerank": [
        (("/v2/rerank", DOCUMENTS), "top_n", 1, WORKS, RERANKER), (("/v2/rerank", DOCUMENTS), "max_tokens_per_doc", 2, WORKS, RERANKER),
        (("/v2/rerank", DOCUMENTS), "priority", 3, SAME, RERANKER), (("/v1/rerank", DOCUMENTS), "return_documents", True, WORKS, RERANKER),
        (("/v1/rerank", DOCUMENTS), "rank_fields", ["text"], SAME, RERANKER), (("/v1/rerank", DOCUMENTS), "rank_fields", ["title"], REFUSED, RERANKER),
        (("/v1/rerank", DOCUMENTS), "max_chunks_per_doc", 3, WORKS, RERANKER)],  # A warning.
    "vLLM, llama.cpp and Infinity, rerank": [
        (("/rerank", DOCUMENTS), "truncate_prompt_tokens", 8, WORKS, RERANKER), (("/rerank", DOCUMENTS), "truncate_prompt_tokens", -1, SAME, RERANKER),
        (("/v1/rerank", DOCUMENTS), "truncate_prompt_tokens", 0, REFUSED, RERANKER), (("/v2/rerank", DOCUMENTS), "truncate_prompt_tokens", 99999, REFUSED, RERANKER), (("/rerank", LONG_DOCUMENTS), "truncation_side", "left", WORKS, RERANKER),
        (("/v2/rerank", DOCUMENTS), "add_special_tokens", False, REFUSED, RERANKER), (("/rerank", DOCUMENTS), "add_special_tokens", True, SAME, RERANKER),
        (("/rerank", DOCUMENTS), "top_n", 0, SAME, RERANKER), (("/rerank", DOCUMENTS), "raw_scores", True, WORKS, RERANKER),
        (("/rerank", DOCUMENTS), "return_documents", True, WORKS, RERANKER)],
    "Cohere": [
        (("/v2/embed", COHERE), "embedding_types", ["int8"], WORKS), (("/v1/embed", COHERE), "embedding_types", ["float"], WORKS),
        (("/v2/embed", COHERE), "output_dimension", 8, WORKS), (("/v2/embed", COHERE), "max_tokens", 4, WORKS), (("/v2/embed", COHERE), "priority", 3, SAME),
        (("/v2/embed", {"texts": [TEXT]}), "input_type", "search_query", WORKS, PROMPTS), (("/v1/embed", {"texts": [TEXT]}), "input_type", "search_query", WORKS, PROMPTS),
        (("/v2/embed", {"texts": [TEXT]}), "input_type", "search_qwery", REFUSED), (("/v1/embed", {"texts": [TEXT]}), "input_type", "", REFUSED),
        (("/v2/embed", {"texts": [TEXT]}), "input_type", "retrieval.query", REFUSED), (("/v2/embed", COHERE), "images", ["data:image/png;base64,AA=="], ERROR),
        (("/v2/embed", {"texts": [TEXT]}), "input_type", "image", ERROR), (("/v2/embed", COHERE_LONG), "truncate", "START", WORKS),
        (("/v2/embed", COHERE_LONG), "truncate", "NONE", ERROR), (("/v2/embed", COHERE), "truncate", "MIDDLE", REFUSED)],
    "Jina": [
        (OPENAI, "task", "retrieval.query", WORKS, PROMPTS), (OPENAI, "task", "retrieval.qwery", REFUSED), (OPENAI, "normalized", False, WORKS),
        (OPENAI, "embedding_type", "ubinary", WORKS), (OPENAI_LONG, "truncate", False, ERROR), (OPENAI_LONG, "truncate", True, SAME),
        (("/v1/embeddings", {"input": ["a cat", "sleeps"]}), "late_chunking", True, WORKS)],
    "vLLM": [
        (OPENAI, "truncate_prompt_tokens", 4, WORKS), (OPENAI, "truncate_prompt_tokens", -1, SAME), (OPENAI, "truncate_prompt_tokens", 0, REFUSED),
        (OPENAI, "truncate_prompt_tokens", 99999, REFUSED), (("/v2/embed", COHERE), "max_tokens", 99999, REFUSED),
        (OPENAI_LONG, "truncation_side", "left", WORKS), (OPENAI, "add_special_tokens", False, REFUSED), (OPENAI, "add_special_tokens", True, SAME),
        (OPENAI, "encoding_format", "bytes", REFUSED), (OPENAI, "encoding_format", "bytes_only", REFUSED), (OPENAI, "normalize", False, WORKS),
        (OPENAI_BASE64, "embed_dtype", "float16", WORKS), (OPENAI_BASE64, "embed_dtype", "bfloat16", WORKS), (OPENAI_BASE64, "embed_dtype", "float32", SAME),
        (OPENAI_BASE64, "embed_dtype", "fp8_e4m3", REFUSED), (OPENAI, "embed_dtype", "float16", SAME), (OPENAI, "embed_dtype", "double", REFUSED),
        (OPENAI_BASE64, "endianness", "big", WORKS), (OPENAI_BASE64, "endianness", "native", SAME), (OPENAI_BASE64, "endianness", "little", SAME),
        (OPENAI, "endianness", "middle", REFUSED), (OPENAI, "request_id", "mine", SAME), (OPENAI, "priority", 1, SAME)],
    "Ollama": [
        (OLLAMA_LONG, "truncate", False, ERROR), (OLLAMA, "dimensions", 8, WORKS), (OLLAMA, "keep_alive", "5m", SAME), (OLLAMA, "keep_alive", -1, SAME),
        (OLLAMA, "options", {"num_ctx": 4}, WORKS), (OLLAMA_LONG, "options", {"num_ctx": 100_000}, SAME), (OLLAMA, "options", {"num_thread": 2}, SAME),
        (OLLAMA, "options", {"num_ctx": "many"}, ERROR), (OLLAMA, "options", {"num_ctx": 0}, ERROR), (OLLAMA, "options", "none", REFUSED),
        (("/api/embeddings", {"prompt": TEXT}), "options", {"num_ctx": 4}, WORKS), (("/api/embeddings", {"prompt": TEXT}), "keep_alive", 0, SAME)],
    "llama.cpp": [
        (OPENAI, "embd_normalize", -1, WORKS), (OPENAI, "embd_normalize", 2, SAME), (OPENAI, "embd_normalize", 0, REFUSED), (OPENAI, "embd_normalize", 1, REFUSED)],
    "Infinity": [
        (OPENAI, "modality", "text", SAME), (OPENAI, "modality", "image", REFUSED), (OPENAI, "modality", "audio", REFUSED)],
    "AkiDB": [
        (AKIDB, "pooling", "mean", SAME), (AKIDB, "pooling", "", SAME), (AKIDB, "pooling", "cls", REFUSED), (AKIDB, "pooling", "zz", REFUSED),
        (AKIDB, "pooling", "mean", REFUSED, PROMPTS), (AKIDB, "pooling", "cls", SAME, PROMPTS),
        (AKIDB, "pooling", "mean", SAME, STATIC), (AKIDB, "pooling", "cls", REFUSED, STATIC), (AKIDB, "normalize", False, WORKS)],
}


def told(answer):
    """An answer without what differs from time to time."""
    if isinstance(answer, dict):
        return {key: told(value) for key, value in answer.items() if key not in ("id", "created", "total_duration", "duration_ms")}
    return [told(value) for value in answer] if isinstance(answer, list) else answer


class Fields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.own = pathlib.Path(ARGUMENTS.model).name
        cls.servers = {name: Server(models=[str(pathlib.Path(ARGUMENTS.model).with_name(name))]) for name in (cls.own, PROMPTS, RERANKER, SPARSE, STATIC)}

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers.values():
            server.stop()

    def test_each_works_or_changes_nothing_or_is_refused_by_name(self):
        for dialect, rows in FIELDS.items():
            for (path, body), field, value, outcome, *model in rows:
                with self.subTest(dialect=dialect, path=path, field=field, value=value):
                    server = self.servers[model[0] if model else self.own]
                    status, _, plain = server.post(path, body)
                    self.assertEqual(status, 200, plain[:300])
                    status, _, answer = server.post(path, {**body, field: value})
                    if outcome in (WORKS, SAME):
                        self.assertEqual(status, 200, answer[:300])
                        check = self.assertNotEqual if outcome == WORKS else self.assertEqual
                        check(told(json.loads(answer)), told(json.loads(plain)))
                    else:
                        self.assertIn(status, (400, 422), answer[:300])
                        if outcome == REFUSED:
                            self.assertIn(field, answer.decode())

    def test_a_limit_that_is_wrong_for_the_model_has_the_request_s_name(self):
        for path, body, name in (("/v1/embeddings", {"input": "a", "truncate_prompt_tokens": 1}, "truncate_prompt_tokens"), ("/api/embed", {"input": "a", "options": {"num_ctx": 1}}, "num_ctx"),
                                 ("/v2/embed", {"texts": ["a"], "max_tokens": 1}, "max_tokens"),
                                 ("/v1/embeddings", {"input": ["a", "b"], "truncate_prompt_tokens": 1}, "truncate_prompt_tokens")):
            status, _, answer = self.servers[self.own].post(path, body)
            self.assertEqual((status, f"`{name}` is 1, fewer than the 2 special tokens" in answer.decode()), (400, True), answer)

    def test_what_asks_for_other_inputs_is_refused(self):
        for path, body in (("/v1/embeddings", {"messages": [{"role": "user", "content": "a"}]}), ("/embeddings", {"content": "a"})):
            status, answer = self.servers[self.own].post_json(path, body)
            self.assertEqual((status, answer["error"]["param"]), (400, "input"))

    def test_base64_in_the_types_and_orders_of_vllm(self):
        def vectors(**fields):
            answer = self.servers[self.own].post_json("/v1/embeddings", {"input": [TEXT, "zero"], **fields})[1]
            return [item["embedding"] for item in answer["data"]]

        def coded(**fields):
            return [base64.b64decode(v) for v in vectors(encoding_format="base64", **fields)]

        floats = [[struct.unpack("<f", struct.pack("<f", x))[0] for x in v] for v in vectors()]
        for order, mark in (("little", "<"), ("big", ">")):
            self.assertEqual(coded(endianness=order), [struct.pack(f"{mark}{len(v)}f", *v) for v in floats])
            self.assertEqual(coded(endianness=order, embed_dtype="float16"), [struct.pack(f"{mark}{len(v)}e", *v) for v in floats])
            # The upper half of a float32, rounded to the nearest.
            for got, vector in zip(coded(endianness=order, embed_dtype="bfloat16"), floats):
                halves = struct.unpack(f"{mark}{len(vector)}H", got)
                back = struct.unpack(f"<{len(vector)}f", struct.pack(f"<{len(vector)}I", *(h << 16 for h in halves)))
                for x, y in zip(vector, back):
                    self.assertLessEqual(abs(x - y), abs(x) / 256)
        # Beside other kinds, too.
        several = vectors(embedding_type=["float", "base64"], embed_dtype="float16")
        self.assertEqual([base64.b64decode(v["base64"]) for v in several], coded(embed_dtype="float16"))

    def test_numbers_of_any_size_are_json(self):
        server = self.servers[self.own]

        def post(text):
            status, _, answer = server.request("POST", "/embed", text.encode(), {"content-type": "application/json"})
            return status, answer.decode()

        for number in ("18446744073709551616", "-9223372036854775809", "1e400", "-1E+400", "9" * 400, "0.1e999"):
            self.assertEqual(post('{"inputs":"a","x":%s}' % number), post('{"inputs":"a"}'), number)
            status, answer = post('{"inputs":"a","dimensions":%s}' % number)
            self.assertEqual((status, "`dimensions`" in answer, "beyond 64 bits" in answer), (422, True, True), answer)
        self.assertEqual(post('{"inputs":"a","dimensions":9223372036854775808}')[0], 422)
        for wrong in ("01", "1.", "1e", "-", "+1", "1e400x", "0x10"):
            status, answer = post('{"inputs":"a","x":[18446744073709551616,%s]}' % wrong)
            self.assertEqual((status, "not JSON" in answer), (400, True), wrong)


if __name__ == "__main__":
    main()
