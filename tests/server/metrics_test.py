#!/usr/bin/env python3
"""What the metrics count of each route: that a request came, how it ended, how long it took; alike in every dialect.

    metrics_test.py --akin PROGRAM --model FOLDER    (the models are FOLDER's neighbours)
"""
import itertools
import json
import pathlib
import re
import unittest

from serve_process import ARGUMENTS, Server, main, wait_until
from slow_onnx import ENDLESS, start_slow_server

TEXTS = ["a cat", "zero"]
# Route, the model that can do it, a good body, whether its texts are a list, how many are embedded and scored.
ROUTES = [
    ("/v1/embeddings", "bert-mean", {"input": TEXTS}, True, 2, 0),
    ("/embeddings", "bert-mean", {"input": "a cat"}, False, 1, 0),
    ("/embed", "bert-mean", {"inputs": "a cat"}, False, 1, 0),
    ("/embed_all", "bert-mean", {"inputs": TEXTS}, True, 2, 0),
    ("/embed_sparse", "splade-bert", {"inputs": TEXTS}, True, 2, 0),
    ("/predict", "cross-bert", {"inputs": [["a", "b"]]}, True, 0, 1),
    ("/rerank", "cross-bert", {"query": "a", "texts": TEXTS}, True, 0, 2),
    ("/similarity", "bert-mean", {"inputs": {"source_sentence": "a", "sentences": TEXTS}}, True, 3, 0),
    ("/", "bert-mean", {"inputs": "a cat"}, False, 1, 0),
    ("/invocations", "cross-bert", {"query": "a", "texts": TEXTS}, True, 0, 2),
    ("/tokenize", "bert-mean", {"inputs": "a cat"}, False, 0, 0),
    ("/decode", "bert-mean", {"ids": [5, 6]}, False, 0, 0),
    ("/v1/embed", "bert-mean", {"texts": TEXTS}, True, 2, 0),
    ("/v2/embed", "bert-mean", {"texts": TEXTS, "model": "m", "input_type": "clustering"}, True, 2, 0),
    ("/v1/rerank", "cross-bert", {"query": "a", "documents": TEXTS}, True, 0, 2),
    ("/v2/rerank", "cross-bert", {"query": "a", "documents": TEXTS}, True, 0, 2),
    ("/api/embed", "bert-mean", {"input": TEXTS}, True, 2, 0),
    ("/api/embeddings", "bert-mean", {"prompt": "a cat"}, False, 1, 0),
    ("/api/v1/embed", "bert-mean", {"texts": TEXTS}, True, 2, 0)]
# Those that no model is asked by. /vertex has a test of its own.
OTHERS = {"/api/show", "/vertex"}
FAILURE = 'te_request_failure{err="%s"}'


def changes(server, act):
    """What counts more after `act` than before it: {sample: by how much}, without times and what is not of requests."""
    before = server.metrics()
    act()
    return {name: value - before.get(name, 0) for name, value in server.metrics().items()
            if value != before.get(name, 0) and "_bucket" not in name and not name.endswith("_sum")
            and name.startswith(("te_request", "te_embed", "te_predict", "akin_http_responses_total")) and "/metrics" not in name}


def response(path, status):
    return f'akin_http_responses_total{{route="{path}",status="{status}"}}'


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = {name: Server("--max-client-batch-size", "8", models=[str(pathlib.Path(ARGUMENTS.model).with_name(name))])
                       for name in ("bert-mean", "splade-bert", "cross-bert")}

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers.values():
            server.stop()

    def post(self, server, path, body, expected):
        status, _, answer = server.request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())
        self.assertEqual(status, expected, (path, answer))

    def test_the_table_has_every_route(self):
        paths = json.loads(self.servers["bert-mean"].get("/openapi.json")[2])["paths"]
        described = {path for path, methods in paths.items() if "post" in methods}
        self.assertEqual(described | {"/", "/invocations"}, {row[0] for row in ROUTES} | OTHERS)

    def test_every_metric_is_documented_and_every_documented_one_is_there(self):
        page = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text()
        section = page[page.index("### Metrics"):page.index("## How fast it is")]
        families = re.search(r"\(`te_request_`, (.*?) each with (.*?);(.*?)\)\.", section, re.S)
        prefixes, suffixes, others = (re.findall(r"`([a-z_]+)`", part) for part in families.groups())
        documented = {"".join(pair) for pair in itertools.product(["te_request_", *prefixes], suffixes)} | set(others)
        documented |= set(re.findall(r"`((?:akin|process)_[a-z0-9_]+)", section))
        given = set(re.findall(r"(?m)^# TYPE (\S+)", self.servers["bert-mean"].get("/metrics")[2].decode()))
        self.assertGreater(len(given), 40)
        self.assertEqual(documented, given)
        for name in re.findall(r"`((?:te|akin|process)_[a-z0-9]+_[a-z0-9_]*[a-z])\b[^*]", page):  # Anywhere on the page.
            self.assertIn(name, given)

    def test_what_is_answered(self):
        for path, model, body, is_list, embedded, scored in ROUTES:
            with self.subTest(path=path):
                server = self.servers[model]
                counted = changes(server, lambda: self.post(server, path, body, 200))
                method = "batch" if is_list else "single"
                expected = {f'te_request_count{{method="{method}"}}': 1, f'te_request_success{{method="{method}"}}': 1,
                            "te_request_duration_count": 1, response(path, 200): 1}
                for task, texts in (("embed", embedded), ("predict", scored)):
                    if texts:
                        names = ("count", "success", "duration_count", "tokenization_duration_count", "queue_duration_count",
                                 "inference_duration_count")
                        expected |= {f"te_{task}_{name}": texts for name in names}
                        expected |= {f"te_request_{stage}_duration_count": 1 for stage in ("tokenization", "queue", "inference")}
                inputs = counted.pop("te_request_input_length_count", 0)
                self.assertEqual(counted, expected)
                self.assertEqual(inputs > 0, embedded + scored > 0)

    def test_what_cannot_be_read_or_done(self):
        for path, model, _, _, _, _ in ROUTES:
            for body in (b"{", b'{"inputs": 7, "input": 7, "texts": 7, "ids": 7, "prompt": 7}'):
                with self.subTest(path=path, body=body):
                    server, statuses = self.servers[model], []
                    counted = changes(server, lambda: statuses.append(server.request("POST", path, body)[0]))
                    self.assertIn(statuses[0], (400, 422))
                    self.assertEqual(counted, {'te_request_count{method="single"}': 1, FAILURE % "validation": 1, response(path, statuses[0]): 1})

    def test_a_list_of_one_is_a_list(self):
        for path, body, method in (("/tokenize", {"inputs": "a"}, "single"), ("/tokenize", {"inputs": ["a"]}, "batch"),
                                   ("/decode", {"ids": [5]}, "single"), ("/decode", {"ids": [[5]]}, "batch"),
                                   ("/embed", {"inputs": ["a"]}, "batch"), ("/v1/embeddings", {"input": ["a"]}, "batch")):
            with self.subTest(path=path, body=body):
                server = self.servers["bert-mean"]
                counted = changes(server, lambda: self.post(server, path, body, 200))
                self.assertEqual(counted[f'te_request_count{{method="{method}"}}'], 1)

    def test_failures_of_each_kind_once(self):
        dense = self.servers["bert-mean"]
        cases = [("/embed", {"inputs": ["a"] * 9}, "batch_size"), ("/tokenize", {"inputs": ["a"] * 9}, "batch_size"),
                 ("/embed", {"inputs": []}, "validation"), ("/decode", {"ids": []}, "validation"),
                 ("/embed", {"inputs": [99_999_999]}, "validation"), ("/embed", {"inputs": "a", "prompt_name": "none"}, "validation"),
                 ("/tokenize", {"inputs": "a", "prompt_name": "none"}, "validation"),
                 ("/embed", {"inputs": "word " * 5000, "truncate": False}, "validation"),
                 ("/predict", {"inputs": "a"}, "model_type"), ("/rerank", {"query": "a", "texts": ["b"]}, "model_type"),
                 ("/v2/rerank", {"query": "a", "documents": ["b"]}, "model_type"), ("/embed_sparse", {"inputs": "a"}, "model_type")]
        for path, body, kind in cases:
            with self.subTest(path=path, kind=kind):
                counted = changes(dense, lambda: self.assertGreaterEqual(dense.post(path, body)[0], 400))
                self.assertEqual({name: value for name, value in counted.items() if "failure" in name}, {FAILURE % kind: 1})
                self.assertEqual(sum(value for name, value in counted.items() if name.startswith("te_request_count")), 1)
                self.assertEqual([name for name in counted if "success" in name or "duration" in name], [])
        counted = changes(dense, lambda: dense.post("/embed", {"inputs": "a"}, {"x-request-timeout-ms": "0"}))
        self.assertEqual(counted[FAILURE % "dropped"], 1)

    def test_what_never_reaches_a_model_is_no_request_to_one(self):
        dense = self.servers["bert-mean"]

        def act():
            for path in ("/health", "/info", "/v1/models", "/api/tags", "/docs", "/nowhere", "/v1/models/none"):
                dense.get(path)
            dense.get("/embed")  # 405
            dense.request("POST", "/embed", b"{}", {"Content-Type": "text/plain"})  # 415
            dense.post("/api/show", {"model": "none"})
            with dense.connect() as client:  # 413, before the body is sent.
                client.sendall(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n")
                self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 413"))

        counted = changes(dense, act)
        self.assertEqual([name for name in counted if name.startswith("te_")], [])
        self.assertEqual(sum(counted.values()), 11)

    def test_parts_of_vertex_are_requests(self):
        dense = self.servers["bert-mean"]
        body = {"instances": [{"inputs": "a"}, {"inputs": TEXTS}, {"type": "tokenize", "inputs": "a"}]}
        counted = changes(dense, lambda: self.post(dense, "/vertex", body, 200))
        self.assertEqual({n: v for n, v in counted.items() if n.startswith("te_request_count")},
                         {'te_request_count{method="single"}': 2, 'te_request_count{method="batch"}': 1})
        self.assertEqual((counted["te_request_duration_count"], counted[response("/vertex", 200)]), (3, 1))
        body["instances"][0] = {"inputs": ""}
        counted = changes(dense, lambda: self.post(dense, "/vertex", body, 400))
        self.assertEqual((counted[FAILURE % "validation"], counted["te_request_duration_count"], counted[response("/vertex", 400)]), (1, 2, 1))
        # Nothing that could be taken apart: one request.
        counted = changes(dense, lambda: self.post(dense, "/vertex", {"instances": [{"type": "none"}]}, 422))
        self.assertEqual(counted, {'te_request_count{method="single"}': 1, FAILURE % "validation": 1, response("/vertex", 422): 1})


class Families(unittest.TestCase):
    """Those that TEI's dashboards read."""

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def test_metrics_count_what_happened(self):
        before = self.server.metric("te_embed_success")
        self.server.post("/embed", {"inputs": ["a", "b", "b"]})
        self.assertEqual(self.server.metric("te_embed_success"), before + 3)
        self.assertGreater(self.server.metric("te_request_duration_count"), 0)
        text = self.server.get("/metrics")[2].decode()
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \S+ .+|[a-z0-9_]+(\{[^}]*\})? [0-9.e+-]+)$')

    def test_metrics_of_texts_are_tei_s(self):
        texts = ["a", "the cat sleeps", "a b c d e f g h i j", "the cat sleeps"]
        tokens = [len(t) for t in self.server.post_json("/tokenize", {"inputs": texts})[1]]
        before = self.server.metrics()
        _, headers, _ = self.server.post("/embed", {"inputs": texts})
        self.assertEqual(sum(tokens), int(headers["x-compute-tokens"]))
        after = self.server.metrics()
        grown = {name: value - before.get(name, 0) for name, value in after.items()}
        for stage in ("", "_tokenization", "_queue", "_inference"):
            self.assertEqual(grown[f"te_embed{stage}_duration_count"], 4, stage)
            self.assertEqual(grown[f'te_embed{stage}_duration_bucket{{le="+Inf"}}'], 4, stage)
            self.assertEqual(grown[f"te_predict{stage}_duration_count"], 0, stage)
            self.assertEqual(grown[f"te_request{stage}_duration_count"], 1, stage)
        # The texts' times are their request's; tokenizing is shared out.
        for stage, times in (("", 4), ("_tokenization", 1), ("_queue", 4), ("_inference", 4)):
            self.assertAlmostEqual(grown[f"te_embed{stage}_duration_sum"],
                                   times * grown[f"te_request{stage}_duration_sum"], places=9, msg=stage)
        self.assertGreater(grown["te_embed_duration_sum"], grown["te_embed_inference_duration_sum"])
        self.assertEqual((grown["te_embed_count"], grown["te_embed_success"]), (4, 4))
        self.assertEqual(grown["te_request_input_length_sum"], sum(tokens))
        for i in range(20):
            self.assertEqual(grown[f'te_request_input_length_bucket{{le="{2 ** i}"}}'],
                             sum(n <= 2 ** i for n in tokens), i)
        # The second of equal texts is not computed again.
        self.assertEqual(grown["te_batch_next_size_sum"], 3)
        self.assertEqual(grown["te_batch_next_tokens_sum"], sum(tokens[:3]))
        for name, ours in (("te_batch_next_size", "akin_batch_sequences_total"),
                           ("te_batch_next_tokens", "akin_batch_tokens_total")):
            self.assertEqual(after[name + "_sum"], after[ours])
            self.assertEqual(after[name + "_count"], after["akin_batches_total"])
            counts = [after[f'{name}_bucket{{le="{bound}"}}'] for bound in (1, 2, 4, 8, 16, 32, 64, 4096, "+Inf")]
            self.assertEqual(counts, sorted(counts))
            self.assertEqual(counts[-1], after["akin_batches_total"])

    def test_a_text_that_fails_counts_as_asked_for_and_not_as_done(self):
        before = self.server.metrics()
        self.assertEqual(self.server.post("/embed", {"inputs": "word " * 5000, "truncate": False})[0], 422)
        after = self.server.metrics()
        self.assertEqual(after["te_embed_count"], before["te_embed_count"] + 1)
        for name in ("te_embed_success", "te_embed_duration_count", "te_request_input_length_count"):
            self.assertEqual(after[name], before[name], name)


class Ended(unittest.TestCase):
    def test_clients_that_leave_count_as_dropped(self):
        server = start_slow_server(self)
        before = server.metrics()
        body = json.dumps({"inputs": ENDLESS}).encode()
        client = server.connect()
        client.sendall(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: server.metric("te_queue_size") > 0, "it does not run")
        client.close()
        wait_until(lambda: server.metrics().get(FAILURE % "dropped") == 1, "it is not counted")
        after = server.metrics()
        self.assertEqual(after['te_request_count{method="single"}'] - before['te_request_count{method="single"}'], 1)
        self.assertEqual(after["te_request_duration_count"], before["te_request_duration_count"])

    def test_a_refusal_says_which_bound_it_has_met(self):
        for option, value, full, text in (("--max-concurrent-requests", 1, "requests", "a"), ("--max-queue-tokens", 1, "tokens", "a cat"),
                                          ("--queue-memory", 1, "bytes", "a" * 1_500_000)):
            with self.subTest(full):
                server = start_slow_server(self, option, str(value))
                body = json.dumps({"inputs": ENDLESS}).encode()
                with server.connect() as client:
                    client.sendall(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                    wait_until(lambda: server.metric("te_queue_size") > 0, "it does not run")
                    status, answer = server.post_json("/embed", {"inputs": text, "truncate": True})
                    self.assertEqual((status, answer["error"]), (429, "Model is overloaded"))
                    counts = {bound: server.metrics()[f'akin_requests_refused_total{{full="{bound}"}}']
                              for bound in ("requests", "tokens", "bytes", "answers")}
                    self.assertEqual(counts, {bound: int(bound == full) for bound in counts})
                    server.await_event("request", status=429, full=full, option=option)


if __name__ == "__main__":
    main()
