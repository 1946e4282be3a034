#!/usr/bin/env python3
"""akin tune: what it measures, where it keeps it, and who uses it.

    tune_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import json
import os
import shutil
import subprocess

from akin_program import AKIN, MODEL, SECONDS, Case, contents, embed, main, run


def tuned(info):
    return info["num_threads"], info["batch_tokens"], info["tuned"]


class Tune(Case):
    """akin tune in a cache of its own."""

    def tune(self, *args):
        return run("tune", "--model", MODEL, "--runs", "1", *args, env={"AKIN_CACHE": self.dir})

    def info(self, *args, **env):
        code, out, err = run("info", "--model", MODEL, "--json", *args, env={"AKIN_CACHE": self.dir, **env})
        self.assertEqual(code, 0, err)
        return json.loads(out), err

    def stored(self):
        folder = self.path("tuning")
        file, = os.listdir(folder)
        return os.path.join(folder, file)

    def store(self, **changes):
        """Another setting, as if it had been found to be best."""
        path = self.stored()
        with open(path, encoding="utf-8") as f:
            tuning = json.load(f)
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**tuning, **changes}, f)

    def test_what_it_finds_is_used_until_it_is_reset(self):
        usual, _ = self.info()
        self.assertFalse(usual["tuned"])
        code, out, err = self.tune()
        self.assertEqual((code, err), (0, b""))
        for word in (b"best: ", b"x the default", self.stored().encode()):
            self.assertIn(word, out)
        self.store(threads=1, batch_tokens=77)
        self.assertEqual(tuned(self.info()[0]), (1, 77, True))
        text = run("info", "--model", MODEL, env={"AKIN_CACHE": self.dir})[1]
        self.assertIn(b"1 thread, batches of 77 tokens, found by akin tune", text)
        text = run("doctor", "--model", MODEL, env={"AKIN_CACHE": self.dir})[1]
        self.assertIn(b"tuned: 1 thread, batches of 77 tokens", text)
        self.assertIn(b"removed", self.tune("--reset")[1])
        self.assertEqual(self.info()[0]["batch_tokens"], usual["batch_tokens"])
        self.assertEqual(self.tune("--reset"), (0, b"nothing was stored\n", b""))

    def test_options_win(self):
        self.tune()
        self.store(threads=1, batch_tokens=77)
        self.assertEqual(tuned(self.info("--batch-tokens", "99")[0]), (1, 99, True))
        self.assertEqual(tuned(self.info("--threads", "2")[0]), (2, 77, True))
        self.assertFalse(self.info("--threads", "2", "--batch-tokens", "99")[0]["tuned"])
        self.assertFalse(self.info(AKIN_THREADS="2")[0]["tuned"])
        for usual in (self.info("--threads", "0"), self.info(AKIN_THREADS="0"), self.info("--threads", "0", AKIN_THREADS="0")):
            self.assertEqual((tuned(usual[0]), usual[1]), ((1, 77, True), b""))
        for verb in ("embed", "tokenize"):
            self.assertEqual(run(verb, "--model", MODEL, "a", env={"AKIN_THREADS": "0"})[::2], (0, b""))
        self.fails(run("info", "--model", MODEL, "--threads", "1025"), 2, "--threads: Value 1025 not in range 0 to 1024")
        self.fails(run("info", "--model", MODEL, env={"AKIN_THREADS": "1025"}), 2, "AKIN_THREADS is '1025', expected a whole number from 0 to 1024")
        self.assertFalse(self.info("--precision", "f32")[0]["tuned"])  # Tuned was another.

    def test_a_vector_is_the_same_with_it(self):
        want = embed("A text.", "another")[1]
        self.tune()
        self.store(threads=1, batch_tokens=3)
        self.assertEqual(run("embed", "--model", MODEL, "A text.", "another", env={"AKIN_CACHE": self.dir})[1], want)

    def test_a_dry_run_stores_nothing(self):
        code, out, _ = self.tune("--dry-run", "--json")
        report = json.loads(out)
        self.assertEqual((code, report["stored"]), (0, False))
        self.assertGreater(report["texts_per_second"], 0)
        self.assertFalse(os.path.exists(self.path("tuning")))

    def test_what_does_not_fit_is_ignored_aloud(self):
        self.tune()
        path = self.stored()
        good = contents(path)
        for changes, word in (({"cpu": "another"}, b"another"), ({"files": "0"}, b"files"),
                              ({"version": "9"}, b"version"), ({"threads": 0}, b"threads"),
                              ({"threads": 1 << 40}, b"threads"), ({"batch_tokens": -5}, b"batch_tokens"),
                              ({"batch_tokens": "x"}, b"batch_tokens"), ({"akin_tuning": 2}, b"no tuning")):
            with open(path, "wb") as f:
                f.write(good)
            self.store(**changes)
            info, err = self.info()
            self.assertFalse(info["tuned"], changes)
            self.assertIn(b"tuning ignored", err)
            self.assertIn(word, err)
            self.assertEqual(err.count(b"\n"), 1)
        for damage in (b"", good[:40], b"[" * 60000, b"\0" * 100, b"1", b"x" * (1 << 20)):
            with open(path, "wb") as f:
                f.write(damage)
            info, err = self.info()
            self.assertFalse(info["tuned"])
            self.assertIn(b"tuning ignored", err)
        os.remove(path)
        os.mkdir(path)
        self.assertIn(b"tuning ignored", self.info()[1])

    def test_a_model_that_was_replaced_is_another_model(self):
        model = self.path("model")
        shutil.copytree(MODEL, model)
        for name in os.listdir(model):
            os.chmod(os.path.join(model, name), 0o755 if os.path.isdir(os.path.join(model, name)) else 0o644)
        env = {"AKIN_CACHE": self.path("cache")}
        self.assertEqual(run("tune", "--model", model, "--runs", "1", env=env)[0], 0)
        self.assertTrue(json.loads(run("info", "--model", model, "--json", env=env)[1])["tuned"])
        os.utime(os.path.join(model, "config.json"), (1, 1))
        code, out, err = run("info", "--model", model, "--json", env=env)
        self.assertEqual((code, json.loads(out)["tuned"]), (0, False))
        self.assertIn(b"files", err)

    def test_many_writers_leave_one_whole_file(self):
        writers = [subprocess.Popen([AKIN, "tune", "--model", MODEL, "--runs", "1"], stdout=subprocess.DEVNULL,
                                    env={**os.environ, "AKIN_CACHE": self.dir}) for _ in range(4)]
        self.assertEqual([w.wait(SECONDS) for w in writers], [0] * 4)
        self.assertEqual(self.info()[0]["tuned"], True)
        self.stored()  # One file and nothing beside it.

    def test_a_cache_that_cannot_be_written_is_an_error(self):
        self.fails(run("tune", "--model", MODEL, "--runs", "1", env={"AKIN_CACHE": self.write("file", "")}),
                   73, "file")
        # Before it measures: this would take days.
        self.fails(run("tune", "--model", MODEL, "--runs", "1000", env={"AKIN_CACHE": self.write("file", "")}), 73, "Not a directory")
        self.fails(self.tune("--input", self.write("e.jsonl", "")), 2, "e.jsonl")


if __name__ == "__main__":
    main()
