#!/usr/bin/env python3
"""The official clients of the servers that Akin stands in for, as their users call them.

    clients_test.py --akin PROGRAM --model FOLDER

Ends with 77 and says so when none of the clients is installed (tools/requirements-test.txt); a client that is
missing skips its own test.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from serve_process import ARGUMENTS, Server, f32, has_package, in_venv, main

TEXTS = ["A cat sleeps in the sun.", "Interest rates rose again."]
CLIENTS = ("openai", "huggingface_hub", "cohere", "langchain_openai", "llama_index", "ollama", "schemathesis")


def needs(package):
    return unittest.skipUnless(has_package(package), f"the package {package} is not installed")


def bits(vector):
    return b"".join(f32(float(x)) for x in vector)


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(key="secret", environment={"AKIN_API_KEY": "secret"})
        raw = cls.server.post("/embed", {"inputs": TEXTS}, {"Accept": "application/octet-stream"})[2]
        cls.expected = [raw[: len(raw) // 2], raw[len(raw) // 2 :]]
        cls.dimension = len(cls.expected[0]) // 4

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    @needs("openai")
    def test_openai(self):
        import openai

        client = openai.OpenAI(base_url=self.server.url + "/v1", api_key="secret")
        answer = client.embeddings.create(model="any", input=TEXTS)  # Asks for base64 by itself.
        self.assertEqual([bits(d.embedding) for d in answer.data], self.expected)
        floats = client.embeddings.create(model="any", input=TEXTS, encoding_format="float")
        self.assertEqual([bits(d.embedding) for d in floats.data], self.expected)
        self.assertEqual(len(client.embeddings.create(model="any", input="a", dimensions=8).data[0].embedding), 8)
        self.assertEqual(len(client.models.list().data), 1)
        with self.assertRaises(openai.BadRequestError) as caught:
            client.embeddings.create(model="any", input=[[1, 2, 3]])
        self.assertIn("check_embedding_ctx_length", caught.exception.message)
        with self.assertRaises(openai.AuthenticationError):
            openai.OpenAI(base_url=self.server.url + "/v1", api_key="wrong").embeddings.create(model="m", input="a")
        with self.assertRaises(openai.NotFoundError):
            client.models.retrieve("none")

    @needs("langchain_openai")
    def test_langchain(self):
        from langchain_openai import OpenAIEmbeddings

        embeddings = OpenAIEmbeddings(base_url=self.server.url + "/v1", api_key="secret", model="any",
                                      check_embedding_ctx_length=False)
        self.assertEqual([bits(v) for v in embeddings.embed_documents(TEXTS)], self.expected)
        self.assertEqual(bits(embeddings.embed_query(TEXTS[0])), self.expected[0])

    @needs("llama_index")
    def test_llama_index_s_tei_integration(self):
        from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

        embedding = TextEmbeddingsInference(model_name="any", base_url=self.server.url, auth_token="secret")
        self.assertEqual([bits(v) for v in embedding.get_text_embedding_batch(TEXTS)], self.expected)
        self.assertEqual(bits(embedding.get_query_embedding(TEXTS[0])), self.expected[0])

    @needs("huggingface_hub")
    def test_huggingface_inference_client(self):
        import huggingface_hub

        client = huggingface_hub.InferenceClient(base_url=self.server.url, token="secret")
        vectors = client.feature_extraction(TEXTS)
        self.assertEqual([bits(v) for v in vectors], self.expected)
        scores = client.sentence_similarity(TEXTS[0], TEXTS, model=self.server.url + "/similarity")
        self.assertAlmostEqual(scores[0], 1.0, places=5)

    @needs("cohere")
    def test_cohere(self):
        import cohere

        client = cohere.ClientV2(api_key="secret", base_url=self.server.url)
        answer = client.embed(model="any", input_type="search_query", texts=TEXTS,
                              embedding_types=["float", "int8", "ubinary"])
        self.assertEqual([bits(v) for v in answer.embeddings.float_], self.expected)
        self.assertEqual(len(answer.embeddings.int8[0]), self.dimension)
        self.assertEqual(len(answer.embeddings.ubinary[0]), self.dimension // 8)
        first = cohere.Client(api_key="secret", base_url=self.server.url)
        self.assertEqual([bits(v) for v in first.embed(texts=TEXTS, model="any", input_type="search_query").embeddings],
                         self.expected)
        with self.assertRaises(cohere.BadRequestError):
            client.embed(model="any", input_type="search_query", texts=TEXTS, embedding_types=["hex"])

    @needs("cohere")
    def test_cohere_reranks(self):
        import cohere

        server = Server(models=[str(pathlib.Path(ARGUMENTS.model).with_name("cross-bert"))])
        self.addCleanup(server.stop)
        expected = server.post_json("/rerank", {"query": "a cat", "texts": TEXTS})[1]
        for client in (cohere.ClientV2(api_key="x", base_url=server.url), cohere.Client(api_key="x", base_url=server.url)):
            answer = client.rerank(model="any", query="a cat", documents=TEXTS, top_n=2)
            self.assertEqual([(r.index, f32(r.relevance_score)) for r in answer.results],
                             [(e["index"], f32(e["score"])) for e in expected])

    @needs("ollama")
    def test_ollama(self):
        import ollama

        client = ollama.Client(host=self.server.url, headers={"Authorization": "Bearer secret"})
        self.assertEqual([bits(v) for v in client.embed(model="any", input=TEXTS).embeddings], self.expected)
        self.assertEqual(len(client.embeddings(model="any", prompt=TEXTS[0]).embedding), self.dimension)
        self.assertEqual(len(client.list().models), 1)
        self.assertIn("embedding", client.show(client.list().models[0].model).capabilities)

    # Whether a request that keeps to the description is welcome is up to the model: its prompts, its dimension, its vocabulary,
    # what it is for. None of these can stand in the description, so this check would say which model is served.
    EXCLUDED_CHECKS = "positive_data_acceptance"

    def schemathesis(self, server, *options):
        program = pathlib.Path(sys.executable).with_name("schemathesis")
        folder = tempfile.TemporaryDirectory()  # It keeps what it learns in the working folder.
        self.addCleanup(folder.cleanup)
        # 413, 424 and the like are refusals, too.
        pathlib.Path(folder.name, "schemathesis.toml").write_text(
            '[checks]\nnegative_data_rejection.expected-statuses = ["4xx"]\n')
        done = subprocess.run(
            [program, "run", server.url + "/api-doc/openapi.json", "--header", "Authorization: Bearer secret",
             "--max-examples", "15", "--seed", "7", "--phases", "examples,coverage,fuzzing", "--no-color", "--checks", "all",
             "--exclude-checks", self.EXCLUDED_CHECKS, *options],
            capture_output=True, text=True, timeout=600, cwd=folder.name)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])

    @needs("schemathesis")
    def test_schemathesis_finds_no_fault_in_the_description(self):
        self.schemathesis(self.server)

    @needs("schemathesis")
    def test_schemathesis_finds_none_where_the_model_is_of_another_kind(self):
        for model, paths in (("cross-bert", "^/(predict|rerank|v1/rerank|v2/rerank|vertex)$"), ("splade-bert", "^/(embed_sparse|vertex)$")):
            server = Server(models=[str(pathlib.Path(ARGUMENTS.model).with_name(model))], key="secret",
                            environment={"AKIN_API_KEY": "secret"})
            self.addCleanup(server.stop)
            self.schemathesis(server, "--include-path-regex", paths)

    def test_null_is_as_good_as_nothing_where_the_description_says_so(self):
        description = json.loads(self.server.get("/api-doc/openapi.json")[2])
        found = 0
        for path, operations in description["paths"].items():
            schema = operations.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema is None:
                continue
            least = {name: LEAST[name] for name in schema.get("required", ())}
            if path == "/similarity":
                least = {"inputs": {"source_sentence": "a", "sentences": ["a"]}}
            for name, field in schema["properties"].items():
                self.assertEqual(field.get("nullable", False), name not in least, f"{path}: {name}")
                status = self.server.post(path, {**least, name: None})[0]
                expected = 422 if name in least and status == 422 else 400 if name in least else self.server.post(path, least)[0]
                self.assertEqual(status, expected, f"{path}: {name}")
                found += 1
        self.assertGreater(found, 80)


# A right value of each field that a route cannot do without.
LEAST = {"input": "a", "inputs": "a", "texts": ["a"], "query": "a", "documents": ["a"], "instances": [{"inputs": "a"}], "ids": [5]}


if __name__ == "__main__":
    if not any(has_package(client) for client in CLIENTS):
        in_venv()
        print("SKIPPED: none of", ", ".join(CLIENTS), "is installed (tools/requirements-test.txt)")
        sys.exit(77)
    main()
