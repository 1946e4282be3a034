#!/usr/bin/env python3
"""gRPC with a client made from our own proto files: the vectors of HTTP, streams in order, health, reflection.

    grpc_test.py --akin PROGRAM --model FOLDER
"""
import pathlib
import socket
import time
import unittest

from grpc_messages import main, make_messages
from serve_process import ARGUMENTS, TIMEOUT, Server, f32, wait_until
from slow_onnx import ENDLESS, QUICK, start_slow_server

TEXTS = ["A cat sleeps in the sun.", "Interest rates rose again.", "zero"]


def bits(values):
    return b"".join(f32(x) for x in values)


class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import grpc

        cls.grpc = grpc
        make_messages()
        from akidb.embedding.v1 import embedding_pb2, embedding_pb2_grpc
        from tei.v1 import tei_pb2, tei_pb2_grpc

        cls.tei, cls.akidb = tei_pb2, embedding_pb2
        cls.server = Server("--grpc-port", "0", key="secret", environment={"AKIN_API_KEY": "secret"})
        port = next(e["grpc_port"] for e in cls.server.log if e["message"] == "listening")
        cls.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        cls.embed = tei_pb2_grpc.EmbedStub(cls.channel)
        cls.tokenize = tei_pb2_grpc.TokenizeStub(cls.channel)
        cls.info = tei_pb2_grpc.InfoStub(cls.channel)
        cls.rerank = tei_pb2_grpc.RerankStub(cls.channel)
        cls.akidb_stub = embedding_pb2_grpc.EmbeddingServiceStub(cls.channel)
        cls.key = [("authorization", "Bearer secret")]
        cls.expected = [bits(v) for v in cls.server.post_json("/embed", {"inputs": TEXTS})[1]]

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.server.stop() == 0

    def call(self, method, request, **options):
        return method(request, timeout=TIMEOUT, metadata=self.key, **options)

    def fails(self, code, method, request, **options):
        with self.assertRaises(self.grpc.RpcError) as caught:
            method(request, **{"timeout": TIMEOUT, "metadata": self.key, **options})
        self.assertEqual(caught.exception.code(), getattr(self.grpc.StatusCode, code))
        return caught.exception.details()

    def test_metrics_count_its_texts_with_those_of_http(self):
        before = self.server.metrics()
        answer = self.call(self.embed.Embed, self.tei.EmbedRequest(inputs=TEXTS[0]))
        after = self.server.metrics()
        for name in ("te_embed_count", "te_embed_success", "te_embed_duration_count", "te_request_input_length_count"):
            self.assertEqual(after[name], before[name] + 1, name)
        self.assertEqual(after["te_request_input_length_sum"] - before["te_request_input_length_sum"],
                         answer.metadata.compute_tokens)

    def test_embed_gives_the_bits_of_http(self):
        for text, expected in zip(TEXTS, self.expected):
            answer = self.call(self.embed.Embed, self.tei.EmbedRequest(inputs=text))
            self.assertEqual(bits(answer.embeddings), expected)
            self.assertGreater(answer.metadata.compute_tokens, 2)
            self.assertEqual(answer.metadata.compute_chars, len(text))
        cut = self.call(self.embed.Embed, self.tei.EmbedRequest(inputs=TEXTS[0], dimensions=8))
        self.assertEqual(len(cut.embeddings), 8)

    def costs(self, call):
        """What the trailing metadata says of a call's answers: numbers by name."""
        return {name: int(value) for name, value in call.trailing_metadata() if name.startswith("x-") and value.isdigit()}

    def test_an_answer_says_what_it_cost_and_what_was_cut(self):
        long = "word " * 700
        _, headers, _ = self.server.post("/embed", {"inputs": long})
        of_http = {name: int(headers[name]) for name in ("x-truncated-tokens", "x-compute-tokens", "x-compute-characters")}
        self.assertGreater(of_http["x-truncated-tokens"], 0)
        answer, call = self.embed.Embed.with_call(self.tei.EmbedRequest(inputs=long, truncate=True), timeout=TIMEOUT, metadata=self.key)
        self.assertEqual({name: self.costs(call)[name] for name in of_http}, of_http)
        self.assertEqual(answer.metadata.truncated_tokens, of_http["x-truncated-tokens"])
        self.assertLessEqual(self.costs(call)["x-inference-time"], self.costs(call)["x-total-time"])
        self.assertEqual(dict(call.trailing_metadata())["x-compute-type"], "cpu")
        # Of a call of AkiDB, whose texts are cut without a word.
        _, call = self.akidb_stub.Embed.with_call(self.akidb.EmbedRequest(texts=[long, "a", long]), timeout=TIMEOUT, metadata=self.key)
        self.assertEqual(self.costs(call)["x-truncated-tokens"], 2 * of_http["x-truncated-tokens"])
        # Of a stream each answer says its own, the call their sum.
        call = self.embed.EmbedStream((self.tei.EmbedRequest(inputs=t, truncate=True) for t in (long, "a", long)),
                                      timeout=TIMEOUT, metadata=self.key)
        answers = list(call)
        self.assertEqual([a.metadata.truncated_tokens for a in answers], [of_http["x-truncated-tokens"], 0, of_http["x-truncated-tokens"]])
        self.assertEqual(self.costs(call)["x-truncated-tokens"], 2 * of_http["x-truncated-tokens"])
        self.assertEqual(self.costs(call)["x-compute-tokens"], sum(a.metadata.compute_tokens for a in answers))
        # Nothing was cut, nothing was computed.
        _, call = self.embed.Embed.with_call(self.tei.EmbedRequest(inputs="a"), timeout=TIMEOUT, metadata=self.key)
        self.assertNotIn("x-truncated-tokens", self.costs(call))
        _, call = self.tokenize.Tokenize.with_call(self.tei.EncodeRequest(inputs="a"), timeout=TIMEOUT, metadata=self.key)
        self.assertEqual(self.costs(call), {})

    def test_metadata_gives_a_deadline_and_a_priority(self):
        def asking(**headers):
            return self.key + [(name.replace("_", "-"), value) for name, value in headers.items()]

        request = self.tei.EmbedRequest(inputs="a")
        for past in ("0", "-1"):
            self.fails("DEADLINE_EXCEEDED", self.embed.Embed, request, metadata=asking(x_request_timeout_ms=past))
        for enough in ("60000", "9223372036854775807", "99999999999999999999"):
            self.embed.Embed(request, timeout=TIMEOUT, metadata=asking(x_request_timeout_ms=enough, x_priority="bulk"))
        # Of each message of a stream.
        call = self.embed.EmbedStream(iter([request]), timeout=TIMEOUT, metadata=asking(x_request_timeout_ms="0"))
        with self.assertRaises(self.grpc.RpcError) as caught:
            list(call)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.DEADLINE_EXCEEDED)
        self.fails("DEADLINE_EXCEEDED", self.tokenize.Tokenize, self.tei.EncodeRequest(inputs="a"), metadata=asking(x_request_timeout_ms="0"))
        refused = 'te_request_failure{err="validation"}'
        before = self.server.metrics().get(refused, 0)
        for name, value, expected in (("x_priority", "zz", "`query` or `bulk`"), ("x_request_timeout_ms", "1e3", "a whole number of milliseconds")):
            words = self.fails("INVALID_ARGUMENT", self.embed.Embed, request, metadata=asking(**{name: value}))
            self.assertEqual(words, f'header `{name.replace("_", "-")}`: found "{value}", expected {expected}')
        self.assertEqual(self.server.metrics()[refused], before + 2)
        # Where no model is asked they mean nothing.
        self.info.Info(self.tei.InfoRequest(), timeout=TIMEOUT, metadata=asking(x_priority="zz"))

    def test_akidb_s_pooling_is_the_model_s_or_an_error(self):
        for pooling in ("", "mean"):
            self.call(self.akidb_stub.Embed, self.akidb.EmbedRequest(texts=["a"], pooling=pooling))
        for pooling, words in (("cls", 'the model\'s is "mean"'), ("zz", "zz")):
            details = self.fails("INVALID_ARGUMENT", self.akidb_stub.Embed, self.akidb.EmbedRequest(texts=["a"], pooling=pooling))
            self.assertIn("`pooling`", details)
            self.assertIn(words, details)

    def test_embed_all_gives_the_bits_of_http(self):
        expected = self.server.post_json("/embed_all", {"inputs": TEXTS})[1]
        answers = list(self.call(self.embed.EmbedAllStream, (self.tei.EmbedAllRequest(inputs=t) for t in TEXTS)))
        self.assertEqual([[bits(t.embeddings) for t in a.token_embeddings] for a in answers],
                         [[bits(row) for row in text] for text in expected])

    def test_a_message_that_cannot_be_read_is_said(self):
        def raw(kind, service, method):
            return getattr(self.channel, kind)(f"/{service}/{method}", request_serializer=bytes, response_deserializer=bytes)

        good = self.tei.RerankStreamRequest(query="a", text="b")
        broken, text = b"\xff\xff\xff\xff\xff", self.tei.EmbedRequest(inputs="a").SerializeToString()
        self.assertIn("tei.v1.EmbedRequest", self.fails("INVALID_ARGUMENT", raw("unary_unary", "tei.v1.Embed", "Embed"), broken))
        self.assertIn("akidb.embedding.v1.EmbedRequest", self.fails(
            "INVALID_ARGUMENT", raw("unary_unary", "akidb.embedding.v1.EmbeddingService", "Embed"), b"\x0a\x05ab"))
        # Not the end of the stream, which would be an answer to fewer texts.
        self.assertIn("tei.v1.RerankStreamRequest", self.fails(
            "INVALID_ARGUMENT", raw("stream_unary", "tei.v1.Rerank", "RerankStream"), iter([good.SerializeToString(), broken])))
        answers = raw("stream_stream", "tei.v1.Embed", "EmbedStream")(iter([text, broken, text]), timeout=TIMEOUT, metadata=self.key)
        got = []
        with self.assertRaises(self.grpc.RpcError) as caught:
            for answer in answers:
                got.append(answer)
        self.assertEqual((len(got), caught.exception.code()), (1, self.grpc.StatusCode.INVALID_ARGUMENT))
        self.assertIn("tei.v1.EmbedRequest", caught.exception.details())

    def test_a_stream_keeps_its_order(self):
        texts = [f"{TEXTS[i % 3]} {i % 7}" for i in range(300)]
        alone = {t: bits(self.server.post_json("/embed", {"inputs": t})[1][0]) for t in set(texts)}
        answers = list(self.call(self.embed.EmbedStream, (self.tei.EmbedRequest(inputs=t) for t in texts)))
        self.assertEqual([bits(a.embeddings) for a in answers], [alone[t] for t in texts])

    def test_a_stream_of_long_answers_waits_for_its_client_and_goes_on(self):
        # An answer has some 3 MB in the server; 16 MiB of them wait at once.
        texts = ["b " * i + "a " * 30_000 for i in range(40)]
        answers = self.tokenize.TokenizeStream((self.tei.EncodeRequest(inputs=t) for t in texts), timeout=TIMEOUT, metadata=self.key)
        wait_until(lambda: self.server.metric("akin_answer_bytes") > 8 << 20, "no answers are held")
        for _ in range(20):
            time.sleep(0.05)
            self.assertLess(self.server.metric("akin_answer_bytes"), 40 << 20)
        counts = [len(answer.tokens) for answer in answers]
        self.assertEqual(counts, [counts[0] + i for i in range(40)])
        self.assertGreater(counts[0], 30_000 - 1)

    def test_a_stream_ends_with_the_first_error(self):
        requests = (self.tei.EmbedRequest(inputs=t) for t in ["a", "b", "", "c"])
        answers = self.embed.EmbedStream(requests, timeout=TIMEOUT, metadata=self.key)
        got = []
        with self.assertRaises(self.grpc.RpcError) as caught:
            for answer in answers:
                got.append(answer)
        self.assertEqual((len(got), caught.exception.code()), (2, self.grpc.StatusCode.INVALID_ARGUMENT))

    def test_errors_have_the_codes_of_tei(self):
        self.fails("INVALID_ARGUMENT", self.embed.Embed, self.tei.EmbedRequest(inputs=""))
        self.fails("INVALID_ARGUMENT", self.embed.Embed, self.tei.EmbedRequest(inputs="word " * 5000))
        self.call(self.embed.Embed, self.tei.EmbedRequest(inputs="word " * 5000, truncate=True))
        self.fails("UNAUTHENTICATED", self.embed.Embed, self.tei.EmbedRequest(inputs="a"), metadata=None)
        self.fails("UNAUTHENTICATED", self.info.Info, self.tei.InfoRequest(), metadata=[("authorization", "Bearer x")])
        self.fails("INVALID_ARGUMENT", self.embed.Embed, self.tei.EmbedRequest(inputs="a", prompt_name="none"))
        self.fails("INVALID_ARGUMENT", self.embed.Embed, self.tei.EmbedRequest(inputs="a", dimensions=0))
        # What this model cannot do.
        self.fails("FAILED_PRECONDITION", self.rerank.Rerank, self.tei.RerankRequest(query="a", texts=["b"]))
        self.fails("FAILED_PRECONDITION", self.embed.EmbedSparse, self.tei.EmbedSparseRequest(inputs="a"))

    def test_tokenize_decode_and_info(self):
        answer = self.call(self.tokenize.Tokenize, self.tei.EncodeRequest(inputs="the cat", add_special_tokens=True))
        over_http = self.server.post_json("/tokenize", {"inputs": "the cat"})[1][0]
        self.assertEqual([(t.id, t.text, t.special) for t in answer.tokens],
                         [(t["id"], t["text"], t["special"]) for t in over_http])
        self.assertFalse(answer.tokens[0].HasField("start"))
        ids = [t.id for t in answer.tokens]
        text = self.call(self.tokenize.Decode, self.tei.DecodeRequest(ids=ids, skip_special_tokens=True)).text
        self.assertEqual([text], self.server.post_json("/decode", {"ids": ids})[1])
        self.assertGreater(self.call(self.info.Info, self.tei.InfoRequest()).max_input_length, 10)

    def test_akidb(self):
        answer = self.call(self.akidb_stub.Embed, self.akidb.EmbedRequest(texts=TEXTS))
        self.assertEqual([bits(e.values) for e in answer.embeddings], self.expected)
        self.assertEqual(answer.dimension, len(self.expected[0]) // 4)
        self.assertGreater(answer.usage.total_tokens, 6)
        info = self.call(self.akidb_stub.GetModelInfo, self.akidb.ModelInfoRequest())
        self.assertEqual(info.dimension, answer.dimension)
        self.fails("INVALID_ARGUMENT", self.akidb_stub.Embed, self.akidb.EmbedRequest())

    def test_health_and_reflection_answer_without_a_key(self):
        # Their messages are small enough to be written by hand: an empty HealthCheckRequest, and
        # ServerReflectionRequest{list_services: ""}.
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(b"", timeout=TIMEOUT), b"\x08\x01")  # status: SERVING
        reflect = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        answer = next(iter(reflect(iter([b"\x3a\x00"]), timeout=TIMEOUT)))
        for service in (b"tei.v1.Embed", b"akidb.embedding.v1.EmbeddingService", b"grpc.health.v1.Health"):
            self.assertIn(service, answer)


class Refused(unittest.TestCase):
    def test_what_is_refused_counts_as_failed(self):
        import grpc

        make_messages()
        from akidb.embedding.v1 import embedding_pb2, embedding_pb2_grpc

        server = Server("--grpc-port", "0", "--strict-model-names")
        self.addCleanup(server.stop)
        port = next(e["grpc_port"] for e in server.log if e["message"] == "listening")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, self.assertRaises(grpc.RpcError) as caught:
            embedding_pb2_grpc.EmbeddingServiceStub(channel).Embed(
                embedding_pb2.EmbedRequest(texts=["a"], model="nowhere"), timeout=TIMEOUT)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
        failures = [value for name, value in server.metrics().items() if name.startswith("te_request_failure{")]
        self.assertEqual(failures, [1])


def answers_with_timeout(port, request, timeout):
    """Whether Embed answers with a message. In bytes of HTTP/2, because gRPC's own clients say no more than 27000H."""
    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    fields = [(":method", "POST"), (":scheme", "http"), (":path", "/tei.v1.Embed/Embed"), (":authority", "localhost"),
              ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", timeout)]
    # HPACK's literals without indexing, with a new name.
    head = b"".join(b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in field) for field in fields)
    message = request.SerializeToString()
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection, connection.makefile("rb") as answer:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, head) +
                           frame(0, 1, 1, b"\0" + len(message).to_bytes(4, "big") + message))
        got_message = False
        while True:
            start = answer.read(9)
            assert len(start) == 9, "the connection ended before the stream"
            payload = answer.read(int.from_bytes(start[:3], "big"))
            if int.from_bytes(start[5:], "big") != 1:
                continue
            got_message = got_message or start[3] == 0 and len(payload) > 5  # DATA
            if start[3] == 3 or start[3] in (0, 1) and start[4] & 1:  # RST_STREAM, or END_STREAM
                return got_message


class Deadlines(unittest.TestCase):
    def test_a_deadline_beyond_what_the_clock_holds_is_none(self):
        make_messages()
        from tei.v1 import tei_pb2

        server = Server("--grpc-port", "0")
        self.addCleanup(server.stop)
        port = next(e["grpc_port"] for e in server.log if e["message"] == "listening")
        request = tei_pb2.EmbedRequest(inputs="a text")
        for timeout in ("60S", "27000H", "2562047H", "2562048H", "3000000H", "6000000H", "99999999H"):
            self.assertTrue(answers_with_timeout(port, request, timeout), timeout)
        self.assertFalse(answers_with_timeout(port, request, "0n"))


class EndlessRuns(unittest.TestCase):
    def test_the_deadline_of_a_call_and_its_client_end_its_run(self):
        import grpc

        make_messages()
        from tei.v1 import tei_pb2, tei_pb2_grpc

        server = start_slow_server(self, "--grpc-port", "0")
        port = next(e["grpc_port"] for e in server.log if e["message"] == "listening")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            embed = tei_pb2_grpc.EmbedStub(channel).Embed
            with self.assertRaises(grpc.RpcError) as caught:
                embed(tei_pb2.EmbedRequest(inputs=ENDLESS), timeout=0.5)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
            self.assertTrue(embed(tei_pb2.EmbedRequest(inputs=QUICK), timeout=TIMEOUT).embeddings)
            call = embed.future(tei_pb2.EmbedRequest(inputs=ENDLESS), timeout=10 * TIMEOUT)
            wait_until(lambda: server.metric("te_queue_size") > 0 and server.metric("akin_queue_tokens") == 0, "it does not run")
            call.cancel()
            self.assertTrue(embed(tei_pb2.EmbedRequest(inputs=QUICK), timeout=TIMEOUT).embeddings)

    def test_a_query_goes_before_what_its_metadata_calls_bulk(self):
        import grpc

        make_messages()
        from tei.v1 import tei_pb2, tei_pb2_grpc

        server = start_slow_server(self, "--grpc-port", "0", "--max-batch-tokens", "16")
        port = next(e["grpc_port"] for e in server.log if e["message"] == "listening")
        done = []
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            embed = tei_pb2_grpc.EmbedStub(channel).Embed
            run = embed.future(tei_pb2.EmbedRequest(inputs=ENDLESS), timeout=10 * TIMEOUT)
            wait_until(lambda: server.metric("te_queue_size") > 0 and server.metric("akin_queue_tokens") == 0, "it does not run")
            calls = []
            for priority in ("bulk", "query"):
                call = embed.future(tei_pb2.EmbedRequest(inputs=" ".join([QUICK] * 6)), timeout=10 * TIMEOUT, metadata=[("x-priority", priority)])
                call.add_done_callback(lambda _, priority=priority: done.append(priority))
                calls.append(call)
                wait_until(lambda: server.metric("te_queue_size") == 1 + len(calls), "it does not wait")
            run.cancel()
            for call in calls:
                self.assertTrue(call.result().embeddings)
            wait_until(lambda: len(done) == 2, "they are not done")
        self.assertEqual(done, ["query", "bulk"])


class LongQueue(unittest.TestCase):
    def test_texts_that_are_cut_count_with_all_their_bytes(self):
        import grpc

        make_messages()
        from tei.v1 import tei_pb2, tei_pb2_grpc

        server = start_slow_server(self, "--grpc-port", "0", "--queue-memory", "1")
        port = next(e["grpc_port"] for e in server.log if e["message"] == "listening")
        long = QUICK + 600_000 * " " + "word"
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            embed = tei_pb2_grpc.EmbedStub(channel).Embed
            run = embed.future(tei_pb2.EmbedRequest(inputs=ENDLESS), timeout=10 * TIMEOUT)
            wait_until(lambda: server.metric("te_queue_size") > 0 and server.metric("akin_queue_tokens") == 0, "it does not run")
            waiting = embed.future(tei_pb2.EmbedRequest(inputs=long, truncate=True), timeout=10 * TIMEOUT)
            wait_until(lambda: server.metric("akin_queue_bytes") > 600_000, "it does not wait")
            with self.assertRaises(grpc.RpcError) as caught:
                embed(tei_pb2.EmbedRequest(inputs=long, truncate=True), timeout=TIMEOUT)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            status, headers, _ = server.post("/embed", {"inputs": long, "truncate": True})
            self.assertEqual(status, 429)
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            run.cancel()
            self.assertTrue(waiting.result().embeddings)
            wait_until(lambda: server.metric("akin_queue_bytes") == 0, "it still counts")


class Tasks(unittest.TestCase):
    """Rerankers, classifiers and sparse models: a server each, as TEI has it."""

    @classmethod
    def setUpClass(cls):
        import grpc

        cls.grpc = grpc
        make_messages()
        from tei.v1 import tei_pb2, tei_pb2_grpc

        cls.tei, cls.stubs = tei_pb2, tei_pb2_grpc

    def serve(self, model):
        server = Server("--grpc-port", "0", models=[str(pathlib.Path(ARGUMENTS.model).with_name(model))])
        self.addCleanup(server.stop)
        port = next(e["grpc_port"] for e in server.log if e["message"] == "listening")
        channel = self.grpc.insecure_channel(f"127.0.0.1:{port}")
        self.addCleanup(channel.close)
        return server, channel

    def test_rerank(self):
        server, channel = self.serve("cross-bert")
        stub = self.stubs.RerankStub(channel)
        expected = server.post_json("/rerank", {"query": "a cat", "texts": TEXTS, "raw_scores": True})[1]
        request = self.tei.RerankRequest(query="a cat", texts=TEXTS, raw_scores=True, return_text=True, truncate=True)
        messages = [self.tei.RerankStreamRequest(query="a cat", text=t, raw_scores=True, return_text=True) for t in TEXTS]
        for answer in (stub.Rerank(request, timeout=TIMEOUT), stub.RerankStream(iter(messages), timeout=TIMEOUT)):
            self.assertEqual([r.index for r in answer.ranks], [e["index"] for e in expected])
            self.assertEqual(bits(r.score for r in answer.ranks), bits(e["score"] for e in expected))
            self.assertEqual([r.text for r in answer.ranks], [TEXTS[e["index"]] for e in expected])
            self.assertGreater(answer.metadata.compute_tokens, 10)
        messages[1].query = "another"
        with self.assertRaises(self.grpc.RpcError) as caught:
            stub.RerankStream(iter(messages), timeout=TIMEOUT)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.INVALID_ARGUMENT)
        info = self.stubs.InfoStub(channel).Info(self.tei.InfoRequest(), timeout=TIMEOUT)
        self.assertEqual(info.model_type, self.tei.MODEL_TYPE_RERANKER)

    def test_predict(self):
        server, channel = self.serve("cross-bert-nli")
        stub = self.stubs.PredictStub(channel)
        pairs = [[t, "a cat"] for t in TEXTS]
        expected = server.post_json("/predict", {"inputs": [[t] for t in TEXTS] + pairs})[1]
        answers = [*stub.PredictStream((self.tei.PredictRequest(inputs=t) for t in TEXTS), timeout=TIMEOUT),
                   *stub.PredictPairStream((self.tei.PredictPairRequest(inputs=p) for p in pairs), timeout=TIMEOUT)]
        self.assertEqual([[p.label for p in a.predictions] for a in answers],
                         [[p["label"] for p in e] for e in expected])
        self.assertEqual([bits(p.score for p in a.predictions) for a in answers],
                         [bits(p["score"] for p in e) for e in expected])

    def test_embed_sparse(self):
        server, channel = self.serve("splade-bert")
        stub = self.stubs.EmbedStub(channel)
        expected = server.post_json("/embed_sparse", {"inputs": TEXTS})[1]
        answers = stub.EmbedSparseStream((self.tei.EmbedSparseRequest(inputs=t) for t in TEXTS), timeout=TIMEOUT)
        self.assertEqual([[(v.index, f32(v.value)) for v in a.sparse_embeddings] for a in answers],
                         [[(v["index"], f32(v["value"])) for v in e] for e in expected])


if __name__ == "__main__":
    main()
