#!/usr/bin/env python3
"""/vertex: its parts' costs are its own, in headers, log and span.

    vertex_test.py --akin PROGRAM --model FOLDER
"""
import json

from serve_process import Collector, ServedTest, Server, main

LONG = "word " * 700
PARTS = [{"inputs": LONG}, {"inputs": ["a cat", LONG]}, {"inputs": "sleeps"}]
SUMS = ("x-compute-characters", "x-compute-tokens", "x-truncated-tokens")


class Vertex(ServedTest):
    def test_what_its_parts_cost_is_what_it_costs(self):
        expected = dict.fromkeys(SUMS, 0)
        for part in PARTS:
            _, headers, _ = self.server.post("/embed", part)
            for name in SUMS:
                expected[name] += int(headers.get(name, 0))
        status, headers, body = self.server.post("/vertex", {"instances": PARTS}, {"x-request-id": "whole"})
        self.assertEqual((status, len(json.loads(body)["predictions"])), (200, 3))
        self.assertEqual({name: int(headers[name]) for name in SUMS}, expected)
        for name in ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time"):
            self.assertGreaterEqual(int(headers[name]), 0, name)
        self.server.await_event("request", id="whole")
        line, = (e for e in self.server.log if e.get("id") == "whole")
        self.assertEqual((line["texts"], line["tokens"], line["truncated_tokens"]),
                         (4, expected["x-compute-tokens"], expected["x-truncated-tokens"]))
        self.assertEqual(line["model"], "bert-mean")  # Once, though each part has it.

        # Another part's failure is the answer; what was computed was computed.
        status, headers, _ = self.server.post("/vertex", {"instances": [PARTS[2], {"inputs": ""}]})
        self.assertEqual((status, headers["x-compute-characters"]), (400, "6"))
        # Where nothing was, nothing is said.
        _, headers, _ = self.server.post("/vertex", {"instances": [{"type": "tokenize", "inputs": "a"}]})
        self.assertNotIn("x-compute-tokens", headers)

    def test_its_span_has_them(self):
        collector = Collector()
        server = Server("--otlp-endpoint", collector.endpoint)
        server.post("/vertex", {"instances": [PARTS[1], PARTS[2]]})
        server.stop()  # What is left is sent before the end.
        span, = collector.spans()
        facts = {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
        self.assertEqual(facts["akin.texts"], "3")
        self.assertGreater(int(facts["akin.truncated_tokens"]), 0)

    def test_it_is_json_whatever_is_accepted(self):
        plain = self.server.post("/vertex", {"instances": PARTS[1:]})[2]
        raw = self.server.post("/vertex", {"instances": PARTS[1:]}, {"accept": "application/octet-stream"})[2]
        self.assertEqual(json.loads(raw), json.loads(plain))

    def test_all_its_texts_count_together(self):
        answer = self.server.post("/vertex", {"instances": [{"inputs": ["a"] * 2000}] * 17})
        self.assertEqual((answer[0], json.loads(answer[2])["error"]), (422, "`instances` has 34000 texts, expected at most 32768"))
        answer = self.server.post("/vertex", {"instances": [{"inputs": "a"}] * 513})
        self.assertEqual((answer[0], json.loads(answer[2])["error"]), (422, "`instances` has 513 entries, expected 1 to 512"))
        status, _, body = self.server.post("/vertex", {"instances": [{"inputs": "a"}] * 512})
        self.assertEqual((status, len(json.loads(body)["predictions"])), (200, 512))
        status, _, _ = self.server.post("/vertex", {"instances": [{"type": "rerank", "query": "q", "texts": ["a"] * 2049}]})
        self.assertEqual(status, 422)


if __name__ == "__main__":
    main()
