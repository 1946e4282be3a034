#!/usr/bin/env python3
"""What calls of gRPC write into the log and the trace.

    grpc_lines_test.py --akin PROGRAM --model FOLDER
"""
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

from grpc_messages import main, make_messages
from raw_http2 import END_HEADERS, END_STREAM, HEADERS, RawClient, call_headers, frame
from serve_process import ARGUMENTS, TIMEOUT, Collector, Server, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from damaged_model import damage  # noqa: E402


class Lines(unittest.TestCase):
    """What calls write into the log and the trace."""
    TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
    PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"

    @classmethod
    def setUpClass(cls):
        import grpc

        cls.grpc = grpc
        make_messages()
        from akidb.embedding.v1 import embedding_pb2, embedding_pb2_grpc
        from tei.v1 import tei_pb2, tei_pb2_grpc

        cls.tei, cls.stubs = tei_pb2, tei_pb2_grpc
        cls.akidb, cls.akidb_stubs = embedding_pb2, embedding_pb2_grpc

    def serve(self, *options, **others):
        server = Server("--grpc-port", "0", *options, **others)
        self.addCleanup(server.stop)
        port = next(e["grpc_port"] for e in server.log if e["message"] == "listening")
        channel = self.grpc.insecure_channel(f"127.0.0.1:{port}")
        self.addCleanup(channel.close)
        return server, channel

    def lines(self, server, count):
        """The lines of `count` calls: all that there are."""
        def of_calls():
            return [e for e in server.log if "grpc_status" in e]

        wait_until(lambda: len(of_calls()) >= count, f"no {count} lines: {server.log}")
        lines = of_calls()
        self.assertEqual(len(lines), count, lines)
        return lines

    def test_a_call_has_a_line_like_that_of_http(self):
        server, channel = self.serve()
        embed = self.stubs.EmbedStub(channel).Embed
        metadata = [("x-request-id", "mine-1"), ("traceparent", self.PARENT)]
        answer, call = embed.with_call(self.tei.EmbedRequest(inputs="a secret text"), timeout=TIMEOUT, metadata=metadata)
        self.assertIn(("x-request-id", "mine-1"), call.initial_metadata())
        [line] = self.lines(server, 1)
        self.assertLessEqual({"message": "request", "level": "info", "id": "mine-1", "trace_id": self.TRACE, "client": "127.0.0.1",
                              "method": "tei.v1.Embed/Embed", "grpc_status": "OK", "model": "bert-mean", "texts": 1,
                              "tokens": answer.metadata.compute_tokens, "truncated_tokens": 0}.items(), line.items())
        server.post("/embed", {"inputs": "a secret text"})
        server.await_event("request", route="/embed")
        of_http = next(e for e in server.log if e.get("route") == "/embed")
        self.assertEqual(set(line) - {"grpc_status"}, set(of_http) - {"route", "status"})
        self.assertGreaterEqual(line["total_ms"], line["compute_ms"])
        self.assertGreater(line["compute_ms"], 0)
        self.assertNotIn("secret", json.dumps(server.log))

    def test_the_line_of_a_fault_says_what_is_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            _, channel = served = self.serve(models=[damage(ARGUMENTS.model, pathlib.Path(folder) / "damaged", "bread")])
            with self.assertRaises(self.grpc.RpcError) as caught:
                self.stubs.EmbedStub(channel).Embed(self.tei.EmbedRequest(inputs="bread"), timeout=TIMEOUT)
            self.assertEqual(caught.exception.code(), self.grpc.StatusCode.INTERNAL)
            [line] = self.lines(served[0], 1)
            self.assertEqual((line["level"], line["grpc_status"], line["error"]), ("warn", "INTERNAL", caught.exception.details()))
            self.assertIn("text 0: model 'damaged' gave values that are not finite", line["error"])

    def test_a_deadline_of_the_client_s_own_is_no_fault(self):
        collector = Collector()
        server, channel = self.serve("--otlp-endpoint", collector.endpoint)
        embed = self.stubs.EmbedStub(channel).Embed
        with self.assertRaises(self.grpc.RpcError) as caught:
            embed(self.tei.EmbedRequest(inputs="a"), timeout=TIMEOUT, metadata=[("x-request-timeout-ms", "0")])
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.DEADLINE_EXCEEDED)
        server.post("/embed", {"inputs": "a"}, {"x-request-timeout-ms": "0"})
        [line] = self.lines(server, 1)
        self.assertEqual((line["grpc_status"], line["level"], line.get("error")), ("DEADLINE_EXCEEDED", "info", None))
        self.assertEqual(server.stop(), 0)
        self.assertEqual([(span["name"].split("/")[-1], span["status"]) for span in collector.spans()], [("Embed", {}), ("embed", {})])

    def test_an_id_is_made_and_what_is_odd_in_one_is_left_out(self):
        server, channel = self.serve()
        embed = self.stubs.EmbedStub(channel).Embed
        ids = []
        for metadata in (None, [("x-request-id", "a\"b=c d")], [("traceparent", "nonsense")]):
            _, call = embed.with_call(self.tei.EmbedRequest(inputs="a"), timeout=TIMEOUT, metadata=metadata)
            ids += [value for key, value in call.initial_metadata() if key == "x-request-id"]
        self.assertEqual(ids[1], "abcd")
        self.assertRegex(ids[0] + ids[2], "^[0-9a-f]{64}$")
        lines = self.lines(server, 3)
        self.assertEqual([e["id"] for e in lines], ids)
        self.assertEqual(len({e["trace_id"] for e in lines}), 3)

    def test_a_stream_has_one_line(self):
        server, channel = self.serve()
        answers = list(self.stubs.EmbedStub(channel).EmbedStream(
            (self.tei.EmbedRequest(inputs=f"text {i}") for i in range(50)), timeout=TIMEOUT, metadata=[("x-request-id", "s")]))
        [line] = self.lines(server, 1)
        self.assertEqual((line["method"], line["id"], line["grpc_status"], line["texts"], line["tokens"]),
                         ("tei.v1.Embed/EmbedStream", "s", "OK", 50, sum(a.metadata.compute_tokens for a in answers)))
        list(self.stubs.EmbedStub(channel).EmbedStream(iter(()), timeout=TIMEOUT))
        self.assertNotIn("texts", self.lines(server, 2)[1])

    def test_every_method_is_called_by_its_name(self):
        server, channel = self.serve()
        text = {"inputs": "a"}
        calls = [(self.stubs.InfoStub, "Info", self.tei.InfoRequest()),
                 *((self.stubs.EmbedStub, f"Embed{kind}", getattr(self.tei, f"Embed{kind}Request")(**text)) for kind in ("", "All", "Sparse")),
                 (self.stubs.PredictStub, "Predict", self.tei.PredictRequest(**text)),
                 (self.stubs.PredictStub, "PredictPair", self.tei.PredictPairRequest(inputs=["a", "b"])),
                 (self.stubs.TokenizeStub, "Tokenize", self.tei.EncodeRequest(**text)),
                 (self.stubs.TokenizeStub, "Decode", self.tei.DecodeRequest(ids=[1]))]
        expected = []
        for stub, method, request in calls:
            service = stub.__name__.removesuffix("Stub")
            variants = [(method, request)] + [(f"{method}Stream", iter([request]))] * (service != "Info")
            for name, message in variants:
                expected.append(f"tei.v1.{service}/{name}")
                try:
                    answer = getattr(stub(channel), name)(message, timeout=TIMEOUT)
                    list(answer) if name.endswith("Stream") else None
                except self.grpc.RpcError:  # Of what this model cannot do.
                    pass
        for name, message in (("Rerank", self.tei.RerankRequest(query="a", texts=["b"])),
                              ("RerankStream", iter([self.tei.RerankStreamRequest(query="a", text="b")]))):
            expected.append(f"tei.v1.Rerank/{name}")
            with self.assertRaises(self.grpc.RpcError):
                getattr(self.stubs.RerankStub(channel), name)(message, timeout=TIMEOUT)
        stub = self.akidb_stubs.EmbeddingServiceStub(channel)
        stub.Embed(self.akidb.EmbedRequest(texts=["a", "b"]), timeout=TIMEOUT)
        stub.GetModelInfo(self.akidb.ModelInfoRequest(), timeout=TIMEOUT)
        expected += [f"akidb.embedding.v1.EmbeddingService/{name}" for name in ("Embed", "GetModelInfo")]
        lines = self.lines(server, len(expected))
        self.assertEqual([e["method"] for e in lines], expected)
        self.assertEqual(lines[-2]["texts"], 2)
        self.assertLessEqual({e["grpc_status"] for e in lines}, {"OK", "FAILED_PRECONDITION"})

    def test_an_error_is_told(self):
        server, channel = self.serve()
        embed = self.stubs.EmbedStub(channel)
        with self.assertRaises(self.grpc.RpcError) as caught:
            embed.Embed(self.tei.EmbedRequest(inputs=""), timeout=TIMEOUT, metadata=[("x-request-id", "empty")])
        self.assertIn(("x-request-id", "empty"), caught.exception.initial_metadata())
        with self.assertRaises(self.grpc.RpcError):
            list(embed.EmbedStream((self.tei.EmbedRequest(inputs=t) for t in ("a", "b", "")), timeout=TIMEOUT))
        empty, stream = self.lines(server, 2)
        self.assertEqual((empty["level"], empty["id"], empty["grpc_status"]), ("info", "empty", "INVALID_ARGUMENT"))
        self.assertNotIn("tokens", empty)
        self.assertEqual((stream["level"], stream["grpc_status"], stream["texts"]), ("info", "INVALID_ARGUMENT", 2))

    def test_a_fault_of_the_servers_is_a_warning(self):
        with tempfile.TemporaryDirectory() as folder:
            odd = pathlib.Path(folder) / "odd"
            shutil.copytree(ARGUMENTS.model, odd)
            config = json.loads((odd / "config.json").read_text())
            (odd / "config.json").write_text(json.dumps({**config, "model_type": "unheard-of", "architectures": ["Unheard"]}))
            collector = Collector()
            server, channel = self.serve("--lazy", "--otlp-endpoint", collector.endpoint, models=[ARGUMENTS.model, str(odd)])
            with self.assertRaises(self.grpc.RpcError) as caught:
                self.akidb_stubs.EmbeddingServiceStub(channel).Embed(
                    self.akidb.EmbedRequest(texts=["a"], model="odd"), timeout=TIMEOUT)
            self.assertEqual(caught.exception.code(), self.grpc.StatusCode.UNIMPLEMENTED)
            [line] = self.lines(server, 1)
            self.assertEqual((line["level"], line["grpc_status"]), ("warn", "UNIMPLEMENTED"))
            self.assertEqual(server.stop(), 0)
            self.assertEqual([span["status"] for span in collector.spans()], [{"code": 2}])

    def test_what_a_client_does_wrong_is_no_warning(self):
        collector = Collector()
        server, _ = self.serve("--otlp-endpoint", collector.endpoint)
        client = RawClient(next(e["grpc_port"] for e in server.log if e["message"] == "listening"))
        self.addCleanup(client.close)
        for i, encoding in enumerate(("br", "snappy")):
            headers = call_headers("/tei.v1.Embed/Embed", **{"grpc-encoding": encoding})
            client.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, headers))
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 5, call_headers("/tei.v1.Embed/Embed")))  # No message.
        lines = self.lines(server, 3)
        self.assertEqual({(e["level"], e["grpc_status"], e.get("error")) for e in lines}, {("info", "UNIMPLEMENTED", None)})
        self.assertEqual(server.stop(), 0)
        self.assertNotIn({"code": 2}, [span["status"] for span in collector.spans()])

    def test_of_those_without_a_key_one_a_second_has_a_line(self):
        server, channel = self.serve(key="secret", environment={"AKIN_API_KEY": "secret"})
        embed = self.stubs.EmbedStub(channel).Embed
        for _ in range(5):
            with self.assertRaises(self.grpc.RpcError) as caught:
                embed(self.tei.EmbedRequest(inputs="a"), timeout=TIMEOUT, metadata=[("authorization", "Bearer wrong")])
        self.assertIn("x-request-id", dict(caught.exception.initial_metadata() or ()) | dict(caught.exception.trailing_metadata() or ()))
        embed(self.tei.EmbedRequest(inputs="a"), timeout=TIMEOUT, metadata=[("authorization", "Bearer secret")])
        lines = self.lines(server, 2)
        self.assertEqual([(e["level"], e["grpc_status"]) for e in lines], [("warn", "UNAUTHENTICATED"), ("info", "OK")])
        self.assertNotIn("secret", json.dumps(server.log))
        self.assertNotIn("wrong", json.dumps(server.log))
        name = 'akin_grpc_calls_total{method="tei.v1.Embed/Embed",status="UNAUTHENTICATED"}'
        self.assertEqual(server.metrics()[name], 5)

    def test_what_there_is_not_has_a_line_without_its_name(self):
        server, channel = self.serve()
        with self.assertRaises(self.grpc.RpcError) as caught:
            channel.unary_unary("/made.up/Name")(b"", timeout=TIMEOUT)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.UNIMPLEMENTED)
        [line] = self.lines(server, 1)
        self.assertEqual((line["level"], line["method"], line["grpc_status"]), ("info", "other", "UNIMPLEMENTED"))
        self.assertNotIn("made.up", json.dumps(server.log))
        self.assertEqual(server.metrics()['akin_grpc_calls_total{method="other",status="UNIMPLEMENTED"}'], 1)

    def test_spans_go_to_the_collector(self):
        collector = Collector()
        server, channel = self.serve("--otlp-endpoint", collector.endpoint)
        embed = self.stubs.EmbedStub(channel)
        request = self.tei.EmbedRequest(inputs="a secret text")
        embed.Embed(request, timeout=TIMEOUT, metadata=[("traceparent", self.PARENT)])
        embed.Embed(request, timeout=TIMEOUT, metadata=[("traceparent", self.PARENT[:-1] + "0")])  # Not sampled.
        list(embed.EmbedStream(iter([request] * 3), timeout=TIMEOUT))
        with self.assertRaises(self.grpc.RpcError):
            embed.Embed(self.tei.EmbedRequest(inputs=""), timeout=TIMEOUT)
        self.assertEqual(server.stop(), 0)
        first, stream, empty = collector.spans()

        def facts(span):
            return {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}

        self.assertEqual((first["traceId"], first["parentSpanId"], first["name"], first["kind"]),
                         (self.TRACE, "00f067aa0ba902b7", "tei.v1.Embed/Embed", 2))
        self.assertLessEqual({"rpc.system": "grpc", "rpc.service": "tei.v1.Embed", "rpc.method": "Embed",
                              "rpc.grpc.status_code": "0", "akin.texts": "1"}.items(), facts(first).items())
        self.assertLess(int(first["startTimeUnixNano"]), int(first["endTimeUnixNano"]))
        self.assertEqual((stream["name"], facts(stream)["akin.texts"]), ("tei.v1.Embed/EmbedStream", "3"))
        self.assertNotIn("parentSpanId", stream)
        self.assertEqual((facts(empty)["rpc.grpc.status_code"], empty["status"]), ("3", {}))
        self.assertNotIn("secret", json.dumps(collector.bodies))


if __name__ == "__main__":
    main()
