#!/usr/bin/env python3
"""`akin bridge` and its wrapper as AkiDB runs them: a child process that is given a script, JSON lines both ways.

    bridge_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import unittest

AKIN = MODEL = ""
SECONDS = 100


class Bridge(unittest.TestCase):
    def start(self, *arguments, program=None, **environment):
        process = subprocess.Popen([program or AKIN, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        self.addCleanup(process.wait, SECONDS)
        for stream in (process.stdin, process.stdout, process.stderr):
            self.addCleanup(stream.close)
        return process

    def ask(self, process, request):
        process.stdin.write((request if isinstance(request, str) else json.dumps(request)) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def bridge(self, *options):
        return self.start("bridge", "--precision", "f32", *options, "/opt/akidb/python/onnx_server.py")

    def embed(self, process, texts, **params):
        return self.ask(process, {"method": "embed_batch", "params": {"model": MODEL, "texts": texts, **params}})

    def test_ping_load_embed(self):
        process = self.bridge()
        self.assertEqual(self.ask(process, {"method": "ping", "params": {}})["status"], "ok")
        loaded = self.ask(process, {"method": "load_model", "params": {"model": MODEL, "cache_dir": "/x"}})
        self.assertEqual((loaded["status"], loaded["model"]), ("ok", "bert-mean"), loaded)
        answer = self.embed(process, ["A text.", "Another one, longer."], normalize=True)
        self.assertEqual((answer["status"], answer["count"]), ("ok", 2), answer)
        self.assertEqual([len(v) for v in answer["embeddings"]], [answer["dimension"]] * 2)
        self.assertEqual(answer["dimension"], loaded["dimension"])
        for vector in answer["embeddings"]:
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=5)
        process.stdin.close()
        self.assertEqual((process.wait(SECONDS), process.stderr.read()), (0, ""))

    def test_vectors_and_token_counts_are_those_of_embed(self):
        texts = ["A text.", "", "Grüße! " * 5, 'quotes " and \\ and \u2028']
        answer = self.embed(self.bridge(), texts)
        lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
        out = subprocess.run([AKIN, "embed", "--precision", "f32", "--model", MODEL, "--input", "-"], input=lines,
                             capture_output=True, text=True, check=True).stdout
        self.assertEqual(answer["embeddings"], [json.loads(line)["embedding"] for line in out.splitlines()])
        counted = subprocess.run([AKIN, "tokenize", "--count", "--model", MODEL, "--", *texts], capture_output=True,
                                 text=True, check=True).stdout
        self.assertEqual(answer["usage"]["total_tokens"], sum(map(int, counted.split())))

    def test_more_than_32_texts_and_the_other_name_of_the_field(self):
        process = self.bridge()
        answer = self.ask(process, {"method": "embed_batch", "params": {"model": MODEL, "inputs": ["x"] * 500}})
        self.assertEqual(answer["count"], 500)

    def test_normalize_is_obeyed(self):
        process = self.bridge()
        plain, unit = (self.embed(process, ["A text."], normalize=n)["embeddings"][0] for n in (False, True))
        norm = sum(x * x for x in plain) ** 0.5
        for a, b in zip(plain, unit):
            self.assertAlmostEqual(a / norm, b, places=5)

    def test_every_wrong_line_gets_one_error_and_the_next_one_works(self):
        process = self.bridge()
        wrong = {
            "not json": "not JSON", "[1]": "request", "{}": "method", '{"method": 3}': "method",
            '{"method": "explode"}': "explode", '{"method": "embed_batch"}': "params",
            '{"method": "embed_batch", "params": {}}': "texts", '{"method": "embed_batch", "params": {"texts": []}}': "empty",
            '{"method": "embed_batch", "params": {"texts": "x"}}': "texts",
            '{"method": "embed_batch", "params": {"texts": ["x", 1]}}': "texts[1]\" is a number",
            '{"method": "embed_batch", "params": {"texts": [["a secret"]]}}': "texts[0]\" is an array",
            '{"method": "embed_batch", "params": {"texts": ["x"], "normalize": "yes"}}': "normalize",
            '{"method": "load_model", "params": {"model": 7}}': "model",
            '{"method":' * 100: "JSON",
        }
        for line, word in wrong.items():
            answer = self.ask(process, line)
            self.assertEqual((answer["status"], answer["category"]), ("error", "InvalidInput"), line)
            self.assertIn(word, answer["message"], line)
            self.assertNotIn("embeddings", answer)
            self.assertNotIn("secret", answer["message"])
        answer = self.ask(process, {"method": "load_model", "params": {"model": "/nowhere/at/all"}})
        self.assertEqual((answer["status"], answer["category"]), ("error", "ModelNotFound"))
        self.assertEqual(self.embed(process, ["A text."])["status"], "ok")

    def test_a_model_that_cannot_be_loaded_leaves_the_loaded_one(self):
        process = self.bridge()
        before = self.embed(process, ["A text."])["embeddings"]
        self.assertEqual(self.ask(process, {"method": "load_model", "params": {"model": "/nowhere"}})["status"], "error")
        self.assertEqual(self.embed(process, ["A text."])["embeddings"], before)

    def test_the_option_answers_to_every_name(self):
        process = self.bridge("--model", MODEL)
        answer = self.ask(process, {"method": "embed_batch", "params": {"model": "qwen3-0.6b-4bit", "texts": ["x"]}})
        self.assertEqual((answer["status"], answer["model"]), ("ok", "bert-mean"), answer)

    def test_the_wrapper_stands_where_a_python_is_expected(self):
        wrapper = str(pathlib.Path(AKIN).parent / "akin-bridge")
        process = self.start("-u", "/opt/akidb/python/onnx_server.py", program=wrapper,
                             AKIN_BRIDGE_OPTIONS=f"--model {MODEL} --precision f32")
        answer = self.ask(process, {"method": "embed_batch", "params": {"model": "any", "texts": ["x"]}})
        self.assertEqual(answer["status"], "ok", answer)

    def test_a_wrong_option_ends_it_at_once(self):
        process = self.start("bridge", "--backend", "nothing")
        self.assertEqual(process.wait(SECONDS), 2)
        self.assertIn("nothing", process.stderr.read())


def main():
    global AKIN, MODEL
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", required=True)
    options, rest = parser.parse_known_args()
    AKIN, MODEL = os.path.abspath(options.akin), os.path.abspath(options.model)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
