#!/usr/bin/env python3
"""Several models by their names, and one whose folder cuts its vectors.

    models_test.py --akin PROGRAM --model FOLDER
"""
import json
import pathlib
import shutil
import tempfile
import unittest

from api_served import TEXTS, length
from serve_process import ARGUMENTS, Server, main, wait_until


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
            latest = server.post_json("/api/embed", {"input": "a", "model": "two:latest"})
            self.assertEqual((latest[0], latest[1]["model"]), (200, "two"))
            self.assertEqual(server.post_json("/api/show", {"model": "two:latest"})[0], 200)
            self.assertEqual(server.post_json("/api/embed", {"input": "a", "model": "two:other"})[0], 404)
            status, answer = server.post_json("/api/embed", {"input": "a", "model": "three"})
            self.assertEqual((status, answer["error"]), (404, "model 'three' not found"))
        finally:
            server.stop()

    def test_a_model_that_cannot_be_loaded_is_the_server_s_fault_and_its_folder_stays_the_server_s(self):
        with tempfile.TemporaryDirectory() as parent:
            broken = shutil.copytree(ARGUMENTS.model, pathlib.Path(parent, "secret-folder"))
            config = (broken / "config.json").read_text()
            (broken / "config.json").unlink()
            absent = pathlib.Path(parent, "secret-gone")
            other = shutil.copytree(ARGUMENTS.model, pathlib.Path(parent, "secret-kind"))
            (other / "config.json").write_text(json.dumps({**json.loads(config), "model_type": "unheard-of"}))
            server = Server("--lazy", models=["one=" + ARGUMENTS.model, f"broken={broken}", f"absent={absent}", f"other={other}"])
            try:
                for name in ("broken", "absent", "other"):
                    for path, body, expected in (("/v1/embeddings", {"input": "a"}, 500), ("/embed", {"inputs": "a"}, 503), ("/v2/embed", {"texts": ["a"], "input_type": "search_query"}, 500),
                                                 ("/api/embed", {"input": "a"}, 500), ("/api/v1/embed", {"texts": ["a"]}, 500)):
                        status, headers, answer = server.post(path, {**body, "model": name})
                        self.assertEqual(status, expected, (name, path, answer))
                        self.assertIn(f"model '{name}' cannot be loaded".encode(), answer)
                        for secret in (parent, "secret", "one", "config.json"):
                            self.assertNotIn(secret, answer.decode() + str(headers))
                    server.await_event("model cannot be loaded", model=name)
                reasons = {e["model"]: e["error"] for e in server.log if e["message"] == "model cannot be loaded"}
                self.assertIn("config.json", reasons["broken"])
                self.assertIn("secret-gone", reasons["absent"])
                # What was missing may come back.
                (broken / "config.json").write_text(config)
                wait_until(lambda: server.post("/v1/embeddings", {"input": "a", "model": "broken"})[0] == 200, "the model is not tried again")
            finally:
                server.stop()

    def test_tei_s_routes_take_a_model_s_name_too(self):
        other = ARGUMENTS.model.replace("bert-mean", "bert-max")
        cross = ARGUMENTS.model.replace("bert-mean", "cross-bert")
        server = Server("--lazy", models=["one=" + ARGUMENTS.model, "two b=" + other, "cross=" + cross])
        alone = {name: Server(models=[folder]) for name, folder in (("one", ARGUMENTS.model), ("two b", other), ("cross", cross))}
        try:
            embed = [(path, {"inputs": ["a text", "b"]}) for path in ("/embed", "/embed_all", "/tokenize", "/", "/invocations")]
            embed += [("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"]}}), ("/decode", {"ids": [5, 6]})]
            score = [("/predict", {"inputs": ["a text", "b"]}), ("/rerank", {"query": "a", "texts": ["b", "c"]}), ("/", {"query": "a", "texts": ["b", "c"]})]
            for name, calls in (("one", embed), ("two b", embed), ("cross", score)):
                for path, body in calls:
                    with self.subTest(name=name, path=path):
                        expected = alone[name].post(path, body)
                        self.assertEqual(expected[0], 200, expected)
                        self.assertEqual(server.post(path, {**body, "model": name})[2], expected[2])
            self.assertNotEqual(*(server.post("/embed", {"inputs": "a", "model": name})[2] for name in ("one", "two b")))
            for path, body in [*embed, *score]:
                status, answer = server.post_json(path, {**body, "model": "zzz"})
                self.assertEqual((status, answer), (404, {"error": "model 'zzz' not found", "error_type": "Validation"}), path)
            parts = server.post_json("/vertex", {"instances": [{"inputs": "a", "model": "two b"}, {"query": "a", "texts": ["b"], "model": "cross"}, {"inputs": "a"}]})[1]
            self.assertEqual(parts["predictions"], [alone["two b"].post_json("/embed", {"inputs": "a"})[1],
                                                    alone["cross"].post_json("/rerank", {"query": "a", "texts": ["b"]})[1],
                                                    alone["one"].post_json("/embed", {"inputs": "a"})[1]])
            for query, expected in (("", "one"), ("?model=%74wo%20b", "two b"), ("?a=b&model=cross", "cross")):
                self.assertEqual(json.loads(server.get("/info" + query)[2])["served_model_name"], expected)
            self.assertEqual(server.get("/info?model=zzz")[0], 404)
        finally:
            for one in (server, *alone.values()):
                one.stop()

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


class Memory(unittest.TestCase):
    def test_models_are_let_go_over_the_budget_but_for_the_last(self):
        other = ARGUMENTS.model.replace("bert-mean", "bert-max")
        server = Server("--memory-budget", "1", models=["one=" + ARGUMENTS.model, "two=" + other])
        try:
            server.await_event("model let go: over the memory budget")
            self.assertEqual(server.metric("akin_models_loaded"), 1)
            for name in ("one", "two"):
                self.assertEqual(server.post("/v1/embeddings", {"input": "a", "model": name})[0], 200)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
