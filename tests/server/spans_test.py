#!/usr/bin/env python3
"""Traces that `akin serve` exports.

    spans_test.py --akin PROGRAM --model FOLDER
"""
import json
import os
import socket
import subprocess
import time
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Collector, Server, main


class Traces(unittest.TestCase):
    TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

    def test_spans_go_to_the_collector(self):
        collector = Collector()
        server = Server("--otlp-endpoint", collector.endpoint, "--otlp-service-name", "mine")
        try:
            server.post("/embed", {"inputs": ["a text", "b"]}, {"traceparent": f"00-{self.TRACE}-00f067aa0ba902b7-01"})
            server.post("/embed", {"inputs": "b"}, {"traceparent": f"00-{'1' * 32}-00f067aa0ba902b7-00"})  # Not sampled.
            server.post("/embed", {"inputs": ""})
            server.get("/health")
        finally:
            self.assertEqual(server.stop(), 0)  # What is left is sent before the end.
        path, content_type, body = collector.bodies[0]
        self.assertEqual((path, content_type), ("/v1/traces", "application/json"))
        resource = {a["key"]: a["value"] for a in body["resourceSpans"][0]["resource"]["attributes"]}
        self.assertEqual(resource["service.name"], {"stringValue": "mine"})
        first, second = collector.spans()
        self.assertEqual((first["traceId"], first["parentSpanId"]), (self.TRACE, "00f067aa0ba902b7"))
        self.assertEqual((first["name"], first["kind"]), ("POST /embed", 2))
        self.assertLess(int(first["startTimeUnixNano"]), int(first["endTimeUnixNano"]))
        facts = {a["key"]: next(iter(a["value"].values())) for a in first["attributes"]}
        self.assertEqual((facts["http.response.status_code"], facts["akin.texts"]), ("200", "2"))
        self.assertNotIn("a text", json.dumps(collector.bodies))
        self.assertNotIn("parentSpanId", second)
        self.assertIn({"key": "http.response.status_code", "value": {"intValue": "400"}}, second["attributes"])

    def test_a_collector_that_is_gone_costs_no_request(self):
        collector = Collector(status=503)
        for endpoint in (collector.endpoint, "http://127.0.0.1:1"):
            server = Server("--otlp-endpoint", endpoint)
            try:
                self.assertEqual(server.post("/embed", {"inputs": "a"})[0], 200)
                server.await_event("the trace collector does not take spans; they are dropped")
                self.assertEqual(server.metric("akin_spans_dropped_total"), 1)
                self.assertEqual(server.post("/embed", {"inputs": "a"})[0], 200)
            finally:
                self.assertEqual(server.stop(), 0)

    def test_a_collector_that_says_nothing_does_not_hold_the_end(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            server = Server("--otlp-endpoint", f"http://127.0.0.1:{silent.getsockname()[1]}", "--drain-deadline", "1")
            silent.settimeout(TIMEOUT)
            self.assertEqual(server.post("/embed", {"inputs": "a"})[0], 200)
            connection = silent.accept()[0]
            self.addCleanup(connection.close)
            self.assertEqual(server.post("/embed", {"inputs": "b"})[0], 200)  # For the next one that is sent.
            begin = time.monotonic()
            self.assertEqual(server.stop(), 0)
            took = time.monotonic() - begin
        print(f"ended after {took:.1f} s")
        server.await_event("the trace collector is slow; its last spans are left")
        # The one under way has five seconds and the next one, too.
        self.assertLess(took, 5 * int(os.environ.get("AKIN_TEST_SLOW", "1")))

    def test_an_endpoint_that_is_none_is_refused(self):
        for endpoint in ("https://host", "host:4318", "http://", "http://host:port"):
            done = subprocess.run([ARGUMENTS.akin, "serve", "--otlp-endpoint", endpoint, "--check"],
                                  capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--otlp-endpoint", done.stderr)


if __name__ == "__main__":
    main()
