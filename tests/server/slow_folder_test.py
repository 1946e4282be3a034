#!/usr/bin/env python3
"""`akin serve` whose model lies on a file system that hangs, or whose name service does.

    slow_folder_test.py --akin PROGRAM --model FOLDER --slow-folder LIBRARY
"""
import os
import sys
import tempfile
import threading
import time
import unittest

from serve_process import Server, main, wait_until

AT = sys.argv.index("--slow-folder")
LIBRARY = sys.argv[AT + 1]
del sys.argv[AT : AT + 2]


class SlowFolder(unittest.TestCase):
    def start(self, *options):
        """A server whose model's folder hangs once it is ready."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.slow = os.path.join(folder.name, "slow")
        server = Server(*options, environment={"LD_PRELOAD": LIBRARY, "SLOW_FOLDER": self.slow})
        open(self.slow, "w").close()
        return server

    def wait_until_it_hangs(self):
        wait_until(lambda: os.path.getsize(self.slow) > 0, "the folder is not read")

    def test_who_waits_for_a_folder_has_the_request_timeout(self):
        server = self.start("--request-timeout", "1")
        begin = time.monotonic()
        self.assertEqual(server.get("/v1/models")[0], 504)
        self.assertGreaterEqual(time.monotonic() - begin, 1)
        self.assertEqual(server.post("/embed", {"inputs": "a text"})[0], 200)
        os.remove(self.slow)
        wait_until(lambda: server.get("/v1/models")[0] == 200, "the folder answers again")
        server.stop()

    def test_a_client_that_leaves_waits_no_longer(self):
        server = self.start("--log-level", "debug")
        with server.connect() as client:
            client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
            self.wait_until_it_hangs()
        server.await_event("request", route="/v1/models", status=499)
        os.remove(self.slow)
        server.stop()

    def test_it_does_not_hold_the_server_beyond_the_drain_deadline(self):
        server = self.start("--drain-deadline", "1")
        answers = []
        asks = threading.Thread(target=lambda: answers.append(server.get("/v1/models")[0]))
        asks.start()
        self.wait_until_it_hangs()
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 30)  # The folder hangs for two minutes.
        asks.join()
        self.assertEqual(answers, [503])
        self.assertIn("a model's folder that was being read", [e.get("left") for e in server.log])


class SlowNames(unittest.TestCase):
    def start(self, *options):
        """A server that looks for the address of its collector, which nobody knows."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        slow = os.path.join(folder.name, "slow")
        server = Server("--otlp-endpoint", "http://localhost:1", *options, environment={"LD_PRELOAD": LIBRARY, "SLOW_NAMES": slow})
        open(slow, "w").close()
        self.assertEqual(server.post("/embed", {"inputs": "a text"})[0], 200)
        wait_until(lambda: os.path.getsize(slow) > 0, "no name is looked for")
        return server

    def test_it_holds_up_no_request_and_not_the_end(self):
        server = self.start("--drain-deadline", "1")
        self.assertEqual(server.post("/embed", {"inputs": "a text"})[0], 200)
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 30)  # The name service hangs for two minutes.
        server.await_event("the trace collector is slow; its last spans are left")
        self.assertIn("spans that the trace collector has not taken", [e.get("left") for e in server.log])


if __name__ == "__main__":
    main()
