#!/usr/bin/env python3
"""`--backend python` as users start it, with fake_child.py: a test child whose rows are a formula of the token ids.

    python_test.py --akin PROGRAM --model FOLDER
"""
import argparse
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
FAKE = HERE / "fake_child.py"
ARGUMENTS = argparse.Namespace(akin=None, model=None)
WIDTH = 64  # The model's.
SECONDS = 60 * int(os.environ.get("AKIN_TEST_SLOW", "1"))


def run(*arguments, mode="good", stdin="", **environment):
    return subprocess.run([ARGUMENTS.akin, *arguments], input=stdin, capture_output=True, text=True, timeout=SECONDS,
                          check=False, env={**os.environ, "FAKE_CHILD_MODE": mode, "FAKE_CHILD_WIDTH": str(WIDTH), **environment})


def embed(*arguments, python=sys.executable, **keywords):
    return run("embed", "--model", ARGUMENTS.model, "--backend", "python", "--python", python, *arguments, **keywords)


def expected(text):
    """The mean of the formula's rows of the text's tokens, of length 1."""
    out = run("tokenize", "--model", ARGUMENTS.model, "--jsonl", "--input", "-", stdin=json.dumps({"text": text}) + "\n")
    ids = json.loads(out.stdout)["ids"]
    rows = [[((31 * t + 7 * j) % 97) / 97 - 0.5 for j in range(WIDTH)] for t in ids]
    mean = [sum(column) / len(ids) for column in zip(*rows)]
    length = math.sqrt(sum(x * x for x in mean))
    return [x / length for x in mean]


class PythonBackend(unittest.TestCase):
    def fails(self, status, *words, arguments=("a text",), **keywords):
        done = embed(*arguments, **keywords)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, "one clear error")

    def test_vectors_are_pooled_by_the_models_own_modules(self):
        texts = ["A cat sleeps.", "The market fell by two percent today.", "a"]
        for mode in ("good", "json", "noise"):
            lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
            done = embed("--child", str(FAKE), "--input", "-", mode=mode, stdin=lines)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for text, line in zip(texts, done.stdout.splitlines()):
                for found, right in zip(json.loads(line)["embedding"], expected(text), strict=True):
                    self.assertAlmostEqual(found, right, places=6)

    def test_info_says_what_runs(self):
        done = run("info", "--model", ARGUMENTS.model, "--backend", "python", "--child", str(FAKE), "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        info = json.loads(done.stdout)
        self.assertEqual(info["backend"], "python")
        self.assertIn("a test child", done.stdout)

    def test_each_kind_of_failure_is_one_error_of_its_category(self):
        child = ("--child", str(FAKE), "a text")
        self.fails(2, "the interpreter '/nowhere/python' cannot be run", python="/nowhere/python")
        self.fails(2, "/nowhere/child.py", arguments=("--child", "/nowhere/child.py", "a"))
        self.fails(6, "exit status 1", "no module named sentence_formers", arguments=child, mode="die-at-start")
        self.fails(6, "has not loaded the model after 500 ms", arguments=("--child-start-timeout", "0.5", *child),
                   mode="hang-at-start")
        self.fails(70, "Akin speaks version 1", arguments=child, mode="old")
        self.fails(3, "there is no model", arguments=child, mode="no-model")
        self.fails(70, "answers request 999", arguments=child, mode="wrong-id")

    def test_a_width_that_does_not_fit_is_the_childs(self):
        self.fails(4, "the states before it have 8 values", "given by the backend python: a test child",
                   arguments=("--child", str(FAKE), "a text"), FAKE_CHILD_WIDTH="8")

    def test_an_interpreter_without_libraries_says_what_it_needs(self):
        with tempfile.TemporaryDirectory() as folder:
            # An interpreter that sees the standard library only.
            bare = pathlib.Path(folder) / "python3"
            bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n', encoding="utf-8")
            bare.chmod(0o755)
            self.fails(2, "none of sentence-transformers, onnxruntime, mlx-embeddings installed",
                       python=str(bare))
            # The environment names one, too.
            done = run("embed", "--model", ARGUMENTS.model, "--backend", "python", "a text", AKIN_PYTHON=str(bare))
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_a_program_that_is_no_python_may_be_the_child(self):
        with tempfile.TemporaryDirectory() as folder:
            child = pathlib.Path(folder) / "child"
            child.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" good\n', encoding="utf-8")
            child.chmod(0o755)
            done = embed("--child", str(child), "a text")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_no_file_of_the_current_folder_is_run(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "json.py").write_text("open('was-run', 'w')\n", encoding="utf-8")
            subprocess.run([ARGUMENTS.akin, "embed", "--model", ARGUMENTS.model, "--backend", "python", "--python",
                            sys.executable, "a"], cwd=folder, capture_output=True, timeout=SECONDS, check=False)
            self.assertFalse((pathlib.Path(folder) / "was-run").exists())

    def test_everything_ends_with_akin_also_when_it_is_killed(self):
        process = subprocess.Popen(
            [ARGUMENTS.akin, "embed", "--model", ARGUMENTS.model, "--backend", "python", "--python", sys.executable,
             "--child", str(FAKE), "--input", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            env={**os.environ, "FAKE_CHILD_MODE": "grandchild", "FAKE_CHILD_WIDTH": str(WIDTH)})
        self.addCleanup(process.stdin.close)

        def members():
            """Those that hold the test child's script or its sleep, by their parent."""
            found = {}
            for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
                try:
                    words = stat.read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                found[int(stat.parent.name)] = (int(words[1]), int(words[2]), words[0])
            return found

        deadline = time.monotonic() + SECONDS
        group = []
        while len(group) < 3 and time.monotonic() < deadline:
            table = members()
            groups = {pgid for ppid, pgid, _ in table.values() if ppid == process.pid}
            group = [pid for pid, (_, pgid, _) in table.items() if pgid in groups]
            time.sleep(0.02)
        self.assertEqual(len(group), 3, "keeper, child, and its own child")
        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
        while time.monotonic() < deadline:
            table = members()
            if all(pid not in table or table[pid][2] == "Z" for pid in group):
                return
            time.sleep(0.02)
        self.fail("a process of the child's group is left")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", required=True)
    options, rest = parser.parse_known_args()
    ARGUMENTS.__dict__.update(vars(options))
    unittest.main(argv=[sys.argv[0], *rest])
