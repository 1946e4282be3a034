#!/usr/bin/env python3
"""What the metrics count of each call of gRPC: as of HTTP (metrics_test.py), and calls by method and status.

    grpc_metrics_test.py --akin PROGRAM --model FOLDER    (the models are FOLDER's neighbours)
"""
import pathlib
import unittest

from grpc_messages import main, make_messages
from metrics_test import FAILURE, changes
from serve_process import ARGUMENTS, TIMEOUT, Server, wait_until
from slow_onnx import ENDLESS, start_slow_server

# Of each kind of request: the model that can do it, good fields, fields that are refused and why, whether its texts are a list, how many
# are embedded and scored.
GOOD = {
    "EmbedRequest": ("bert-mean", {"inputs": "a"}, {"inputs": ""}, "validation", False, 1, 0),
    "EmbedSparseRequest": ("splade-bert", {"inputs": "a"}, {"inputs": "word " * 5000}, "validation", False, 1, 0),
    "EmbedAllRequest": ("bert-mean", {"inputs": "a"}, {"inputs": "a", "prompt_name": "none"}, "validation", False, 1, 0),
    "PredictRequest": ("cross-bert-nli", {"inputs": "a"}, {"inputs": ""}, "validation", False, 0, 1),
    "PredictPairRequest": ("cross-bert-nli", {"inputs": ["a", "b"]}, {"inputs": ["a", "b", "c"]}, "validation", False, 0, 1),
    "RerankRequest": ("cross-bert", {"query": "a", "texts": ["a", "b"]}, {"query": "a", "texts": ["a"] * 9}, "batch_size", True, 0, 2),
    "RerankStreamRequest": ("cross-bert", {"query": "a", "text": "b"}, {"query": "", "text": "b"}, "validation", True, 0, 1),
    "EncodeRequest": ("bert-mean", {"inputs": "a"}, {"inputs": "a", "prompt_name": "none"}, "validation", False, 0, 0),
    "DecodeRequest": ("bert-mean", {"ids": [5]}, {"ids": [2**32 - 1]}, "validation", False, 0, 0)}
AKIDB = {"EmbedRequest": ("bert-mean", {"texts": ["a", "b"]}, {"texts": ["a"] * 9}, "batch_size", True, 2, 0)}


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import grpc

        cls.grpc = grpc
        make_messages()
        from akidb.embedding.v1 import embedding_pb2, embedding_pb2_grpc
        from tei.v1 import tei_pb2, tei_pb2_grpc

        cls.modules = [(tei_pb2, tei_pb2_grpc, GOOD), (embedding_pb2, embedding_pb2_grpc, AKIDB)]
        # All servers before the first channel, whose threads a fork does not bear.
        cls.servers = {name: Server("--grpc-port", "0", "--max-client-batch-size", "8",
                                    models=[str(pathlib.Path(ARGUMENTS.model).with_name(name))])
                       for name in ("bert-mean", "splade-bert", "cross-bert", "cross-bert-nli")}
        ports = {name: next(e["grpc_port"] for e in server.log if e["message"] == "listening") for name, server in cls.servers.items()}
        cls.channels = {name: grpc.insecure_channel(f"127.0.0.1:{port}") for name, port in ports.items()}

    @classmethod
    def tearDownClass(cls):
        for channel in cls.channels.values():
            channel.close()
        for server in cls.servers.values():
            server.stop()

    def methods(self):
        """Every method that asks a model: (its name, how to call it with a list of messages of a server, its kind of request, what is known of that)."""
        for messages, stubs, known in self.modules:
            for service in messages.DESCRIPTOR.services_by_name.values():
                for method in service.methods:
                    if method.input_type.name in ("InfoRequest", "ModelInfoRequest"):
                        continue

                    def call(name, requests, method=method, service=service, stubs=stubs):
                        stub = getattr(getattr(stubs, service.name + "Stub")(self.channels[name]), method.name)
                        answer = stub(iter(requests) if method.client_streaming else requests[0], timeout=TIMEOUT)
                        return len(list(answer)) if method.server_streaming else 1

                    yield (f"{service.full_name}/{method.name}", call, getattr(messages, method.input_type.name), method.client_streaming,
                           known[method.input_type.name])

    def calls(self, counted):
        return {n: v for n, v in counted.items() if n.startswith("akin_grpc_calls_total")}

    def changes(self, server, act):
        before = self.calls(server.metrics())
        counted = changes(server, act)
        return counted, {n: v - before.get(n, 0) for n, v in self.calls(server.metrics()).items() if v != before.get(n, 0)}

    def test_what_is_answered(self):
        names = []
        for name, call, Request, is_stream, (model, good, _, _, is_list, embedded, scored) in self.methods():
            names.append(name)
            with self.subTest(method=name):
                messages = 2 if is_stream else 1
                requests = 1 if Request.DESCRIPTOR.name == "RerankStreamRequest" else messages  # Gathered into one.
                counted, calls = self.changes(self.servers[model], lambda: call(model, [Request(**good)] * messages))
                method = "batch" if is_list else "single"
                expected = {f'te_request_count{{method="{method}"}}': requests, f'te_request_success{{method="{method}"}}': requests,
                            "te_request_duration_count": requests}
                for task, texts in (("embed", embedded * messages), ("predict", scored * messages)):
                    if texts:
                        stages = ("duration", "tokenization_duration", "queue_duration", "inference_duration")
                        expected |= {f"te_{task}_{n}": texts for n in ("count", "success", *(stage + "_count" for stage in stages))}
                        expected |= {f"te_request_{stage}_count": requests for stage in stages}
                inputs = counted.pop("te_request_input_length_count", 0)
                self.assertEqual(counted, expected)
                self.assertEqual(inputs > 0, embedded + scored > 0)
                self.assertEqual(calls, {f'akin_grpc_calls_total{{method="{name}",status="OK"}}': 1})
        self.assertEqual(len(names), 17)

    def fails(self, call, model, requests):
        with self.assertRaises(self.grpc.RpcError) as caught:
            call(model, requests)
        return caught.exception.code().name

    def failed_once(self, counted, kind):
        self.assertEqual({n: v for n, v in counted.items() if "failure" in n}, {FAILURE % kind: 1})
        self.assertEqual(sum(v for n, v in counted.items() if n.startswith("te_request_count")), 1)
        self.assertEqual([n for n in counted if "success" in n or "duration" in n], [])

    def test_what_is_refused(self):
        for name, call, Request, _, (model, _, bad, kind, _, _, _) in self.methods():
            with self.subTest(method=name):
                counted, calls = self.changes(self.servers[model], lambda: self.assertEqual(
                    self.fails(call, model, [Request(**bad)]), "INVALID_ARGUMENT"))
                self.failed_once(counted, kind)
                self.assertEqual(calls, {f'akin_grpc_calls_total{{method="{name}",status="INVALID_ARGUMENT"}}': 1})

    def test_what_cannot_be_read(self):
        for name, _, _, is_stream, (model, *_) in self.methods():
            with self.subTest(method=name):
                channel, broken = self.channels[model], b"\xff\xff\xff\xff\xff"
                raw = channel.stream_stream("/" + name) if is_stream else channel.unary_unary("/" + name)

                def act():
                    with self.assertRaises(self.grpc.RpcError):
                        list(raw(iter([broken]), timeout=TIMEOUT)) if is_stream else raw(broken, timeout=TIMEOUT)

                self.failed_once(changes(self.servers[model], act), "validation")

    def test_what_the_model_cannot_do(self):
        for name, call, Request, _, (model, good, *_) in self.methods():
            other = "cross-bert" if model == "bert-mean" else "bert-mean"
            if "Tokenize/" in name or "EmbedAll" in name:  # Any model can.
                continue
            with self.subTest(method=name):
                counted = changes(self.servers[other], lambda: self.assertEqual(
                    self.fails(call, other, [Request(**good)]), "FAILED_PRECONDITION"))
                self.failed_once(counted, "model_type")

    def test_a_stream_with_too_many_texts(self):
        _, call, Request, _, (model, good, *_) = next(m for m in self.methods() if m[0] == "tei.v1.Rerank/RerankStream")
        self.failed_once(changes(self.servers[model], lambda: self.fails(call, model, [Request(**good)] * 9)), "batch_size")

    def test_a_stream_with_too_many_bytes_is_no_overload(self):
        _, call, Request, _, (model, good, *_) = next(m for m in self.methods() if m[0] == "tei.v1.Rerank/RerankStream")
        large = Request(**{**good, "text": "a" * (3 << 20)})
        counted = changes(self.servers[model], lambda: self.assertEqual(self.fails(call, model, [large] * 2), "RESOURCE_EXHAUSTED"))
        self.failed_once(counted, "batch_size")
        self.assertEqual(counted['te_request_count{method="batch"}'], 1)

    def test_a_stream_without_a_message_is_a_list_too(self):
        _, call, _, _, (model, *_) = next(m for m in self.methods() if m[0] == "tei.v1.Rerank/RerankStream")
        counted = changes(self.servers[model], lambda: self.assertEqual(self.fails(call, model, []), "INVALID_ARGUMENT"))
        self.assertEqual(counted['te_request_count{method="batch"}'], 1)

    def test_what_asks_no_model_is_a_call_only(self):
        tei, stubs, _ = self.modules[0]
        counted, calls = self.changes(self.servers["bert-mean"], lambda: stubs.InfoStub(self.channels["bert-mean"]).Info(tei.InfoRequest(), timeout=TIMEOUT))
        self.assertEqual((counted, calls), ({}, {'akin_grpc_calls_total{method="tei.v1.Info/Info",status="OK"}': 1}))


class Ended(unittest.TestCase):
    def test_calls_without_a_key_and_at_their_deadline(self):
        import grpc

        make_messages()
        from tei.v1 import tei_pb2, tei_pb2_grpc

        server = start_slow_server(self, "--grpc-port", "0", "--api-key", "secret")
        server.key = "secret"
        port = next(e["grpc_port"] for e in server.log if e["message"] == "listening")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            embed = tei_pb2_grpc.EmbedStub(channel).Embed
            with self.assertRaises(grpc.RpcError):
                embed(tei_pb2.EmbedRequest(inputs="a"), timeout=TIMEOUT)
            self.assertEqual(server.metrics()['akin_grpc_calls_total{method="tei.v1.Embed/Embed",status="UNAUTHENTICATED"}'], 1)
            with self.assertRaises(grpc.RpcError):
                embed(tei_pb2.EmbedRequest(inputs=ENDLESS), timeout=0.5, metadata=[("authorization", "Bearer secret")])
            wait_until(lambda: server.metrics().get(FAILURE % "dropped") == 1, "it is not counted")
        counted = server.metrics()
        self.assertEqual(counted['te_request_count{method="single"}'], 1)
        self.assertEqual(sum(v for n, v in counted.items() if n.startswith("te_request_failure{")), 1)


if __name__ == "__main__":
    main()
