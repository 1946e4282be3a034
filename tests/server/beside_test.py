#!/usr/bin/env python3
"""`./dev bench --serve --beside`: another server is measured in turn with ours, and only if its vectors are ours.

    beside_test.py --akin PROGRAM --model FOLDER --serve-load PROGRAM
"""
import contextlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest

import serve_process
from serve_process import ARGUMENTS, TIMEOUT, Server

at = sys.argv.index("--serve-load")
SERVE_LOAD = sys.argv[at + 1]
del sys.argv[at : at + 2]


@contextlib.contextmanager
def liar(answer):
    """A server that answers each POST with the same vector."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Beside(unittest.TestCase):
    def run_bench(self, beside, *options):
        with tempfile.TemporaryDirectory() as folder:
            figures = os.path.join(folder, "figures.json")
            done = subprocess.run(
                [SERVE_LOAD, "--akin", ARGUMENTS.akin, "--model", ARGUMENTS.model, "--only", "queries",
                 "--seconds", "0.2", "--json", figures, "--beside", beside, *options],
                capture_output=True, text=True, timeout=5 * TIMEOUT, check=False)
            kept = json.load(open(figures)) if os.path.exists(figures) else None
        return done, kept

    def test_a_server_with_the_same_vectors_is_measured_in_turn(self):
        other = Server()
        self.addCleanup(other.stop)
        done, figures = self.run_bench(f"other=http://127.0.0.1:{other.port}")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        cases = {}
        for figure in figures:
            cases.setdefault(figure["case"], {})[figure["figure"]] = figure["value"]
        self.assertEqual(len(cases), 3)
        for case in cases.values():
            self.assertGreater(case["other: requests/s"], 0)
            self.assertAlmostEqual(case["x requests/s of other"] * case["other: requests/s"],
                                   case["requests/s"], delta=0.01 * case["requests/s"])
            self.assertAlmostEqual(case["x P99 of other"] * case["other: P99 ms"], case["P99 ms"],
                                   delta=0.01 * case["P99 ms"])
        self.assertGreater(other.metric('te_request_count{method="single"}'), 500)

    def test_other_vectors_are_not_measured(self):
        width = len(json.loads(subprocess.run(
            [ARGUMENTS.akin, "embed", "--model", ARGUMENTS.model, "a text"], capture_output=True,
            text=True, check=True).stdout)["embedding"])
        for answer, message in ((json.dumps([[1.0] + [0.0] * (width - 1)]), "cosine to ours"),
                                (json.dumps([[0.0] * width]), "cosine to ours 0.000"),
                                ("[[1, 2]]", f"1 vectors of {width} numbers")):
            with liar(answer.encode()) as port:
                done, figures = self.run_bench(f"liar=http://127.0.0.1:{port}")
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("--beside liar", done.stderr)
            self.assertIn(message, done.stderr)
            self.assertIsNone(figures)

    def test_a_server_that_is_not_there_or_elsewhere_is_an_error(self):
        for beside, message in (("x=http://127.0.0.1:9", "--beside x: connect: Connection refused"), ("x=http://10.1.2.3:80", "must run on this machine")):
            done, _ = self.run_bench(beside)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    serve_process.main()
