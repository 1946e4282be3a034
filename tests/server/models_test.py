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
                    for path, body, expected in (("/v1/embeddings", {"input": "a"}, 500), ("/v2/embed", {"texts": ["a"], "input_type": "search_query"}, 500),
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
