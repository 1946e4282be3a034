#!/usr/bin/env python3
"""Faults that are not the client's: what the answer and the log say of them, and that a test does not miss the server's end.

    faults_test.py --akin PROGRAM --model FOLDER
"""
import pathlib
import signal
import sys
import tempfile
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Server, main

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from damaged_model import damage  # noqa: E402


class DamagedWeights(unittest.TestCase):
    def test_the_answer_and_the_log_say_what_is_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(models=[damage(ARGUMENTS.model, pathlib.Path(folder) / "damaged", "bread")])
            self.addCleanup(server.stop)
            message = "text 1: model 'damaged' gave values that are not finite (NaN or infinity); its weights may be damaged"
            status, answer = server.post_json("/v1/embeddings", {"input": ["a", "bread"], "model": "any"}, {"x-request-id": "openai"})
            self.assertEqual((status, answer["error"]["message"], answer["error"]["type"]), (500, message, "server_error"))
            status, answer = server.post_json("/embed", {"inputs": ["a", "bread"]}, {"x-request-id": "tei"})
            self.assertEqual((status, answer), (424, {"error": message, "error_type": "Backend"}))
            status, answer = server.post_json("/vertex", {"instances": [{"inputs": "a"}, {"inputs": ["a", "bread"]}]}, {"x-request-id": "vertex"})
            self.assertEqual((status, answer["error"]), (424, message))
            for who in ("openai", "tei", "vertex"):
                server.await_event("request", id=who, level="warn", error=message)
            # What is the client's own fault stands in the answer alone.
            self.assertEqual(server.post("/embed", {"inputs": []}, {"x-request-id": "empty"})[0], 400)
            server.await_event("request", id="empty", level="info")
            self.assertEqual([e for e in server.log if e.get("id") == "empty" and "error" in e], [])
            self.assertEqual(server.post("/embed", {"inputs": "a"})[0], 200)


class UnreadLog(unittest.TestCase):
    def test_a_log_that_nobody_reads_holds_up_no_request(self):
        server = Server()
        self.addCleanup(server.stop)
        server.reads_log.clear()
        self.addCleanup(server.reads_log.set)
        # Some 300 bytes each: a pipe holds 64 KiB.
        for i in range(1000):
            self.assertEqual(server.post("/tokenize", {"inputs": "a"}, {"x-request-id": f"unread-{i}"})[0], 200)
        server.reads_log.set()
        for i in range(1000):
            server.await_event("request", id=f"unread-{i}")


class Crash(unittest.TestCase):
    def test_a_server_that_crashes_fails_its_test(self):
        server = Server()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(TIMEOUT)
        with self.assertRaisesRegex(AssertionError, "the server ended with -9"):
            server.stop()


if __name__ == "__main__":
    main()
