#!/usr/bin/env python3
"""`akin serve` in front of models that it does not compute itself: a child process, and ONNX Runtime.

    backends_test.py --akin PROGRAM --model FOLDER    (with tests/data around it)
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Collector, Server, f32, main, wait_until
from slow_onnx import ENDLESS, QUICK, needs_onnxruntime, start_slow_server

TESTS = pathlib.Path(__file__).resolve().parents[1]
CHILD = ["--backend", "python", "--child", str(TESTS / "backends/python/fake_child.py")]
# As wide as the model's modules are.
WIDTH = {"FAKE_CHILD_WIDTH": "64"}


def post_bytes(text):
    body = json.dumps({"inputs": text})
    return (f"POST /embed HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            + body).encode()


def bits(vector):
    return b"".join(f32(x) for x in vector)


def embedded(*options, environment=None):
    """The vector of "a cat" on the command line."""
    out = subprocess.run([ARGUMENTS.akin, "embed", *options, "a cat"], capture_output=True, text=True, check=True,
                         env={**os.environ, **(environment or {})}).stdout
    return bits(json.loads(out)["embedding"])


def children_of(pid):
    """Those that run the test child, whichever thread has started them."""
    found = set()
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        found |= {child for child in path.read_text().split()
                  if b"fake_child" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes()}
    return found


class Asked:
    """A request on its way."""

    def __init__(self, server):
        self.answer = None
        self._thread = threading.Thread(target=self._ask, args=(server,))
        self._thread.start()

    def _ask(self, server):
        self.answer = server.post("/embed", {"inputs": "a cat"})

    def wait(self):
        self._thread.join(TIMEOUT)
        return self.answer


def accepts(server):
    try:
        server.connect().close()
    except ConnectionError:
        return False
    return True


class PythonChild(unittest.TestCase):
    def start(self, *options, delay=0):
        server = Server(*CHILD, *options, environment={**WIDTH, "FAKE_CHILD_DELAY": str(delay)})
        self.addCleanup(server.stop)
        return server

    def test_health_embed_and_metrics(self):
        server = self.start()
        self.assertEqual([server.get(path)[0] for path in ("/health", "/health/live", "/health/ready")], [200] * 3)
        status, answer = server.post_json("/embed", {"inputs": ["a cat"] * 3})
        expected = embedded("--model", ARGUMENTS.model, *CHILD, environment=WIDTH)
        self.assertEqual((status, [bits(v) for v in answer]), (200, [expected] * 3))
        self.assertEqual(server.metric("akin_child_restarts_total"), 0)
        self.assertEqual(server.metric("akin_child_wrong_answers_total"), 0)

    def test_a_child_that_dies_costs_its_requests_and_is_started_anew(self):
        server = self.start(delay=0.5)
        expected = server.post("/embed", {"inputs": "a cat"})[2]
        child, = children_of(server.process.pid)
        os.kill(int(child), signal.SIGKILL)
        wait_until(lambda: server.post("/embed", {"inputs": "a cat"})[0] == 200, "it is not started anew")
        self.assertEqual(server.post("/embed", {"inputs": "a cat"})[2], expected)
        self.assertEqual(server.metric("akin_child_restarts_total"), 1)

    def test_the_server_answers_while_the_child_works(self):
        server = self.start(delay=1)
        asked = Asked(server)
        wait_until(lambda: server.metric("te_queue_size") == 1, "the request has not come")
        begin = time.monotonic()
        self.assertEqual(server.get("/health/ready")[0], 200)
        server.get("/metrics")
        self.assertLess(time.monotonic() - begin, 0.5)
        self.assertIsNone(asked.answer)
        self.assertEqual(asked.wait()[0], 200)

    def test_told_to_end_it_waits_for_the_child(self):
        server = self.start(delay=1)
        child, = children_of(server.process.pid)
        asked = Asked(server)
        wait_until(lambda: server.metric("te_queue_size") == 1, "the request has not come")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(asked.wait()[0], 200)
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child is left")

    def test_told_to_end_it_waits_no_longer_than_the_deadline(self):
        """Also where the child hangs: those who wait are told, and it goes."""
        # A delay holds for loading, too, in which a text is tried: so the child is stopped, not slow.
        server = self.start("--drain-deadline", "1", "--child-timeout", "600")
        child, = children_of(server.process.pid)
        os.kill(int(child), signal.SIGSTOP)
        asked = Asked(server)
        wait_until(lambda: server.metric("te_queue_size") == 1, "the request has not come")
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertEqual(asked.wait()[0], 503)
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child is left")

    def left_with_a_child_that_hangs(self, *options):
        """The server, whose only client has left."""
        server = self.start("--child-timeout", "600", *options)
        child, = children_of(server.process.pid)
        os.kill(int(child), signal.SIGSTOP)
        with server.connect() as client:
            client.sendall(post_bytes("a cat"))
            wait_until(lambda: server.metric("te_queue_size") == 1, "the request has not come")
            wait_until(lambda: server.metric("akin_queue_tokens") == 0, "it is not computed")
        return server, child

    def test_the_deadline_holds_also_for_what_nobody_waits_for(self):
        server, child = self.left_with_a_child_that_hangs("--drain-deadline", "1")
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 15)
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child is left")

    def test_a_second_signal_ends_it_also_when_all_connections_have_ended(self):
        server, child = self.left_with_a_child_that_hangs("--drain-deadline", "600")
        server.process.send_signal(signal.SIGTERM)
        server.await_event("draining")
        wait_until(lambda: not accepts(server), "it still accepts")
        time.sleep(0.5)  # The event loop has ended by then; if it has not, the test proves less.
        server.ends_with = {128 + signal.SIGTERM}
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(TIMEOUT), 128 + signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child is left")

    def end_while_the_child_hangs(self, endpoint):
        """The server, ended, of a request that was told 503."""
        server = self.start("--drain-deadline", "1", "--child-timeout", "600", "--otlp-endpoint", endpoint)
        child, = children_of(server.process.pid)
        os.kill(int(child), signal.SIGSTOP)
        asked = Asked(server)
        wait_until(lambda: server.metric("te_queue_size") == 1, "the request has not come")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(asked.wait()[0], 503)
        return server

    def test_spans_of_who_was_told_at_the_deadline_are_sent(self):
        collector = Collector()
        self.end_while_the_child_hangs(collector.endpoint)
        status = {"key": "http.response.status_code", "value": {"intValue": "503"}}
        self.assertEqual([span["name"] for span in collector.spans() if status in span["attributes"]], ["POST /embed"])

    def test_a_collector_that_says_nothing_is_left_after_the_deadline(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            server = self.end_while_the_child_hangs(f"http://127.0.0.1:{silent.getsockname()[1]}")
        messages = [event["message"] for event in server.log]
        self.assertIn("the trace collector is slow; its last spans are left", messages)


class OnnxRuntime(unittest.TestCase):
    MODEL = str(TESTS / "data/onnx/bert-onnx")

    def test_health_embed_metrics_and_the_end(self):
        needs_onnxruntime()
        server = Server("--backend", "onnxruntime", models=[self.MODEL])
        try:
            self.assertEqual(server.get("/health/ready")[0], 200)
            status, answer = server.post_json("/embed", {"inputs": ["a cat"] * 3})
            expected = embedded("--model", self.MODEL, "--backend", "onnxruntime")
            self.assertEqual((status, [bits(v) for v in answer]), (200, [expected] * 3))
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(
                server.post_json("/embed", {"inputs": "a cat"}))) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(TIMEOUT)
            self.assertEqual([(s, bits(a[0])) for s, a in answers], [(200, expected)] * 16)
            self.assertEqual(server.metric('te_request_count{method="single"}'), 16)
            self.assertGreater(server.metric("akin_batch_tokens_total"), 3)
        finally:
            self.assertEqual(server.stop(), 0)


class EndlessRuns(unittest.TestCase):
    """Only the deadline of a request, or that its client leaves, ends one."""

    def test_the_deadline_of_a_request_ends_its_run(self):
        server = start_slow_server(self)
        begin = time.monotonic()
        status = server.post("/embed", {"inputs": ENDLESS}, {"x-request-timeout-ms": "300"})[0]
        self.assertEqual(status, 504)
        self.assertGreaterEqual(time.monotonic() - begin, 0.3)
        self.assertEqual(server.post("/embed", {"inputs": QUICK})[0], 200)
        self.assertEqual(server.metric("akin_requests_expired_total"), 1)

    def test_a_client_that_leaves_ends_its_run(self):
        server = start_slow_server(self)
        with server.connect() as client:
            client.sendall(post_bytes(ENDLESS))
            wait_until(lambda: server.metric("te_queue_size") == 1, "the request has not come")
            wait_until(lambda: server.metric("akin_queue_tokens") == 0, "it does not run")
        self.assertEqual(server.post("/embed", {"inputs": QUICK})[0], 200)

    def test_the_drain_deadline_ends_its_run(self):
        server = start_slow_server(self, "--drain-deadline", "1")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(server.post("/embed", {"inputs": ENDLESS})[0]))
        asking.start()
        wait_until(lambda: server.metric("te_queue_size") == 1, "the request has not come")
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 15)
        asking.join(TIMEOUT)
        self.assertEqual(answers, [503])


if __name__ == "__main__":
    main()
