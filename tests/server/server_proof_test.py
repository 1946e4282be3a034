#!/usr/bin/env python3
"""The long forms of `./dev proof server`, in seconds: that they run, and that they fail where they should.

    server_proof_test.py --akin PROGRAM --model FOLDER --serve-load PROGRAM
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import serve_process
from serve_process import ARGUMENTS, TIMEOUT

at = sys.argv.index("--serve-load")
SERVE_LOAD = sys.argv[at + 1]
del sys.argv[at : at + 2]
PROOFS = pathlib.Path(__file__).resolve().parents[2] / "bench/server_proof"

# Stands where the program does: the server behind it loses each 97th answer.
LOSES_ANSWERS = r"""#!{python}
import itertools, os, socket, subprocess, sys, threading
words, port = sys.argv[1:], int(sys.argv[sys.argv.index("--port") + 1])
hidden = socket.create_server(("127.0.0.1", 0)); words[words.index("--port") + 1] = str(hidden.getsockname()[1])
address = hidden.getsockname(); hidden.close()
server = subprocess.Popen([{akin!r}, *words])
answers = itertools.count(1)
def pump(source, target, counts):
    try:
        while data := source.recv(1 << 20):
            if counts and data.startswith(b"HTTP/1.1 200") and b"application/json" in data and next(answers) % 97 == 0:
                break
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try: end.shutdown(socket.SHUT_RDWR)
        except OSError: pass
def serve(client):
    try:
        behind = socket.create_connection(address)
    except OSError:
        return client.close()
    threading.Thread(target=pump, args=(behind, client, True), daemon=True).start()
    pump(client, behind, False)
import signal
signal.signal(signal.SIGTERM, lambda *_: (server.terminate(), server.wait(), os._exit(0)))
for client, _ in iter(socket.create_server(("127.0.0.1", port), backlog=1024).accept, None):
    threading.Thread(target=serve, args=(client,), daemon=True).start()
"""


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=10 * TIMEOUT, check=False)


class ServerProof(unittest.TestCase):
    def keep_ledger(self, akin):
        with tempfile.TemporaryDirectory() as folder:
            figures = os.path.join(folder, "figures.json")
            done = run(SERVE_LOAD, "--akin", akin, "--model", ARGUMENTS.model, "--only", "ledger", "--ledger-seconds", "3", "--json", figures)
            with open(figures) as file:
                return done, {f["figure"]: f["value"] for f in json.load(file) if f["case"] == "ledger"}

    def test_the_ledger_balances(self):
        done, book = self.keep_ledger(ARGUMENTS.akin)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(book["sent"], book["right"] + book["refused"] + book["left"])
        self.assertEqual(book["wrong, lost, other"], 0)
        self.assertGreater(book["right"], 100)
        self.assertGreater(book["left"], 0)
        self.assertGreaterEqual(book["server: answered"], book["right"])

    def test_a_server_that_loses_answers_is_found_out(self):
        with tempfile.TemporaryDirectory() as folder:
            loses = os.path.join(folder, "loses")
            with open(loses, "w") as file:
                file.write(LOSES_ANSWERS.format(python=sys.executable, akin=os.path.abspath(ARGUMENTS.akin)))
            os.chmod(loses, 0o700)
            done, book = self.keep_ledger(loses)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("lost", done.stdout)
        self.assertGreater(book["wrong, lost, other"], 0)

    def test_models_that_come_and_go(self):
        other = pathlib.Path(ARGUMENTS.model).with_name("bert-max")
        done = run(sys.executable, "-B", PROOFS / "model_soak.py", "--akin", ARGUMENTS.akin, "--model", ARGUMENTS.model, "--other", other,
                   "--loads", "40")
        # Of a small process and few loads memory says nothing.
        self.assertNotIn("vector", done.stdout, done.stderr)
        self.assertNotIn("threads have grown", done.stdout)
        self.assertIn("40 loads of models", done.stdout)
        same = run(sys.executable, "-B", PROOFS / "model_soak.py", "--akin", ARGUMENTS.akin, "--model", ARGUMENTS.model, "--other",
                   ARGUMENTS.model, "--loads", "20")
        self.assertEqual(same.returncode, 1)
        self.assertIn("both models give the same vector", same.stdout)


if __name__ == "__main__":
    serve_process.main()
