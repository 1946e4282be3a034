#!/usr/bin/env python3
"""A plug-in by its word, plugin:PATH[,option=value...], wherever a backend can be named: verbs, the environment and the
configuration file of the server, completions."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "server"))
import serve_process

ARGUMENTS = argparse.Namespace()


def akin(*arguments, environment=None):
    return subprocess.run([ARGUMENTS.akin, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(environment or {})})


class PluginTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.word = f"plugin:{ARGUMENTS.plugin},dimension=16"
        cls.vector = cls.embed(cls.word)

    @classmethod
    def embed(cls, word, *more):
        run = akin("embed", "--model", ARGUMENTS.model, "--backend", word, "--format", "jsonl", *more, "the cat")
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)["embedding"]

    def test_verbs_run_on_it(self):
        self.assertEqual(len(self.vector), 16)
        self.assertAlmostEqual(sum(x * x for x in self.vector), 1, places=5)
        self.assertNotEqual(self.embed(self.word + ",seed=2"), self.vector)

    def test_bench_measures_it(self):
        run = akin("bench", "--model", ARGUMENTS.model, "--backend", self.word, "--queries", "2", "--warmup", "1", "--runs", "1",
                   "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("settings", json.loads(run.stdout))

    def test_info_says_which(self):
        run = akin("info", "--model", ARGUMENTS.model, "--backend", self.word, "--json")
        info = json.loads(run.stdout)
        self.assertEqual((info["backend"], info["dimension"]), ("plugin", 16))
        self.assertEqual(info["backend_detail"], f"hash 1.0.0 ({ARGUMENTS.plugin})")
        self.assertTrue(info["batch_invariant"])
        text = akin("info", "--model", ARGUMENTS.model, "--backend", self.word).stdout
        self.assertIn(f"hash 1.0.0 ({ARGUMENTS.plugin})", text)
        for unknown in (" 0 ", ", ,", "()", "  ,"):
            self.assertNotIn(unknown, text)

    def test_doctor_says_which_and_what_options_it_has(self):
        run = akin("doctor", "--model", ARGUMENTS.model, "--backend", self.word, "--json")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        found = json.loads(run.stdout)
        self.assertEqual((found["plugin"]["name"], found["plugin"]["version"]), ("hash", "1.0.0"))
        self.assertEqual([option["name"] for option in found["plugin"]["options"]], ["dimension", "seed"])
        self.assertEqual(found["model"]["backend"], "plugin")
        self.assertIn("hash 1.0.0", found["model"]["backend_detail"])
        text = akin("doctor", "--model", ARGUMENTS.model, "--backend", self.word).stdout
        self.assertIn("Plug-in", text)
        self.assertIn("values in a vector", text)

    def test_doctor_says_what_is_wrong_with_it(self):
        run = akin("doctor", "--model", ARGUMENTS.model, "--backend", "plugin:/nowhere.so", "--json")
        self.assertEqual(run.returncode, 2)
        self.assertFalse(json.loads(run.stdout)["plugin"]["found"])

    def test_errors_are_one_line_with_their_status(self):
        for word, status, mentions in [
            ("plugin:", 2, "plugin:PATH"),
            ("plugin", 2, "plugin:PATH"),
            ("plugin:/nowhere.so", 2, "not there"),
            (f"plugin:{ARGUMENTS.plugin},colour=red", 2, "dimension, seed"),
            (f"plugin:{ARGUMENTS.plugin},dimension=x", 2, "whole number"),
            (f"plugin:{ARGUMENTS.plugin},dimension", 2, "option=value"),
            (f"plugin:{ARGUMENTS.akin}", 2, ""),
        ]:
            with self.subTest(word):
                run = akin("embed", "--model", ARGUMENTS.model, "--backend", word, "a text")
                self.assertEqual(run.returncode, status, run.stderr)
                self.assertEqual(run.stdout, "")
                self.assertIn(mentions, run.stderr)
                self.assertEqual(len(run.stderr.strip().splitlines()), 1, run.stderr)

    def test_a_truncated_one_is_an_error_and_no_crash(self):
        whole = pathlib.Path(ARGUMENTS.plugin).read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            cut = pathlib.Path(folder, "cut.so")
            cut.write_bytes(whole[:len(whole) // 2])
            for verb in (["info"], ["embed", "a text"], ["serve", "--check", "--port", "0"]):
                with self.subTest(verb[0]):
                    run = akin(*verb, "--model", ARGUMENTS.model, "--backend", f"plugin:{cut}")
                    self.assertEqual((run.returncode, run.stdout), (2, ""), run.stderr)
                    self.assertIn(f"'{cut}' is truncated", run.stderr)
            run = akin("doctor", "--model", ARGUMENTS.model, "--backend", f"plugin:{cut}", "--json")
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertFalse(json.loads(run.stdout)["plugin"]["found"])

    def test_completions_offer_the_word(self):
        for shell in ("bash", "zsh", "fish"):
            self.assertRegex(akin("completion", shell).stdout, r"plugin\\?:")

    def served_vector(self, *options, environment=None):
        server = serve_process.Server(*options, environment=environment)
        try:
            status, answer = server.post_json("/v1/embeddings", {"input": "the cat", "model": "x"})
            self.assertEqual(status, 200, answer)
            return answer["data"][0]["embedding"]
        finally:
            server.stop()

    def test_the_server_takes_it_from_the_command_line(self):
        self.assertEqual(self.served_vector("--backend", self.word), self.vector)

    def test_the_server_takes_it_from_the_environment(self):
        self.assertEqual(self.served_vector(environment={"AKIN_BACKEND": self.word}), self.vector)

    def test_the_server_takes_it_from_its_file(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "akin.toml")
            file.write_text(f'backend = "{self.word}"\n')
            self.assertEqual(self.served_vector("--config", str(file)), self.vector)
            file.write_text('backend = "plugin:/nowhere.so"\n')
            run = akin("serve", "--check", "--port", "0", "--model", ARGUMENTS.model, "--config", str(file))
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertIn("/nowhere.so", run.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--akin", "--model", "--plugin"):
        parser.add_argument(name, required=True)
    known, rest = parser.parse_known_args(namespace=ARGUMENTS)
    serve_process.ARGUMENTS.__dict__.update(akin=known.akin, model=known.model)
    unittest.main(argv=[sys.argv[0], *rest])
