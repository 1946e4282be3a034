#!/usr/bin/env python3
"""What akin tune has found of the backend onnxruntime is used.

    onnxruntime_tune_test.py --akin PROGRAM --model tests/data/onnx/bert-onnx
"""
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

from onnxruntime_program import ARGUMENTS, SECONDS, checked, info, main, run


class Tune(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.cache = self.folder.name

    def tune(self, *args):
        return run("tune", "--model", ARGUMENTS.model, "--runs", "1", *args, cache=self.cache)

    def store(self, **changes):
        """Another setting, as if it had been found to be best."""
        path, = (pathlib.Path(self.cache) / "tuning").iterdir()
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def used(self, *args):
        found, err = info(*args, cache=self.cache)
        return (found["num_threads"], found["batch_tokens"], found["shape_buckets"], found["tuned"]), err

    def test_budgets_threads_and_buckets_are_measured_stored_and_used(self):
        code, out, err = self.tune("--backend", "onnxruntime")
        self.assertEqual((code, err), (0, ""))
        for part in ("batches of 128 tokens", "1 thread, ", "padded to 16, 32", "padded to 32, ", "best: "):
            self.assertIn(part, out)
        self.store(threads=1, batch_tokens=77, shape_buckets=[8, 32])
        # "onnx" is short for it; another backend and other options are other measurements.
        for backend in ("onnxruntime", "onnx"):
            self.assertEqual(self.used("--backend", backend), ((1, 77, [8, 32], True), ""))
        self.assertFalse(self.used("--backend", "native")[0][3])
        self.assertFalse(self.used("--backend", "onnx", "--optimization-level", "basic")[0][3])
        self.assertEqual(self.used("--backend", "onnx", "--shape-buckets", "16,64")[0], (1, 77, [16, 64], True))
        code, out, _ = run("embed", "--backend", "onnx", "--model", ARGUMENTS.model, "one text", cache=self.cache)
        self.assertEqual((code, out.count("\n")), (0, 1))
        self.assertIn("padded to 8, 32", run("info", "--backend", "onnx", "--model", ARGUMENTS.model,
                                             cache=self.cache)[1])

    def test_what_does_not_fit_is_ignored_aloud(self):
        self.tune("--backend", "onnxruntime", "--batch-tokens", "64", "--threads", "1")
        for changes in ({"shape_buckets": [8, 8]}, {"shape_buckets": "x"}, {"shape_buckets": [0]},
                        {"shape_buckets": [1 << 40]}, {"onnxruntime": "1.0.0"}, {"backend": "native"}):
            before = (pathlib.Path(self.cache) / "tuning")
            path, = before.iterdir()
            good = path.read_text()
            self.store(**changes)
            used, err = self.used("--backend", "onnxruntime")
            self.assertFalse(used[3], changes)
            self.assertIn("tuning ignored", err)
            self.assertIn(next(iter(changes)), err)
            path.write_text(good)

    def test_models_that_read_first_tokens_and_kept_graphs_are_tuned_too(self):
        graphs = os.path.join(self.cache, "graphs")
        options = ["--backend", "onnxruntime", "--pooling", "cls", "--optimized-model-cache", graphs]
        code, _, err = self.tune(*options)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(len(os.listdir(graphs)), 1)  # Of all candidates.
        self.store(threads=1, batch_tokens=79, shape_buckets=[8, 64])
        self.assertEqual(self.used(*options), ((1, 79, [8, 64], True), ""))
        texts = ["one text", "another text that is somewhat longer than the one before"]
        vectors = []
        for cache in (self.cache, os.path.join(self.cache, "untuned")):
            code, out, err = run("embed", "--model", ARGUMENTS.model, *options, *texts, cache=cache)
            self.assertEqual((code, err), (0, ""))
            vectors.append([x for line in out.splitlines() for x in json.loads(line)["embedding"]])
        self.assertEqual(len(os.listdir(graphs)), 1)
        self.assertLess(max(abs(a - b) for a, b in zip(*vectors)), 1e-6)

    def test_the_server_uses_it(self):
        self.tune("--backend", "onnxruntime")
        self.store(threads=1, batch_tokens=78, shape_buckets=[8, 32])
        library = {"AKIN_ORT_LIBRARY": json.loads(run("doctor", "--json")[1])["onnxruntime"]["path"]}
        for extra in ({}, library):
            with self.subTest(extra):
                fine = checked("--backend", "onnxruntime", cache=self.cache, extra=extra)
                self.assertEqual((fine["threads"], fine["batch_tokens"], fine["shape_buckets"]), (1, 78, "8 32"))
                self.assertEqual(fine["tuned"], "threads batch_tokens shape_buckets")
        for options, tuned in ((["--threads", "1"], "batch_tokens shape_buckets"), (["--max-batch-tokens", "64"], "threads shape_buckets"),
                               (["--shape-buckets", "16"], "threads batch_tokens"), (["--threads", "1", "--max-batch-tokens", "64"], ""),
                               (["--optimization-level", "basic"], "")):
            with self.subTest(options):
                self.assertEqual(checked("--backend", "onnxruntime", *options, cache=self.cache)["tuned"], tuned)

    def test_a_server_that_has_loaded_its_model_says_what_is_tuned(self):
        self.tune("--backend", "onnxruntime", "--threads", "1")
        self.store(threads=1, batch_tokens=78, shape_buckets=[8, 32])
        server = subprocess.Popen([ARGUMENTS.akin, "serve", "--port", "0", "--model", ARGUMENTS.model, "--log-format", "json", "--backend",
                                   "onnxruntime"], stderr=subprocess.PIPE, env={**os.environ, "AKIN_CACHE": self.cache})
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.wait, 60)
        self.addCleanup(server.kill)
        bound = threading.Timer(SECONDS, server.kill)  # Then the log ends.
        bound.start()
        self.addCleanup(bound.cancel)
        loaded = next((line for line in map(json.loads, server.stderr) if line["message"] == "model loaded"), None)
        self.assertIsNotNone(loaded, f"no model is loaded within {SECONDS} s")
        self.assertEqual((loaded["threads"], loaded["batch_tokens"], loaded["shape_buckets"]), (1, 78, "8 32"))
        self.assertEqual(loaded["tuned"], "threads batch_tokens shape_buckets")


if __name__ == "__main__":
    main()
