#!/usr/bin/env python3
"""The protocol of gRPC as grpcio speaks it: compression, sizes, deadlines, streams at once, cancelling, pings, reflection, health, TLS, draining.

    grpc_protocol_test.py --akin PROGRAM --model FOLDER
"""
import concurrent.futures
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from grpc_messages import main, make_messages
from raw_http2 import (ACK, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, RawClient, call_headers, frame,
                       grpc_message, header_block, string_field)
from serve_process import TIMEOUT, Server, wait_until
from slow_onnx import ENDLESS, QUICK, start_slow_server

MIB = 1 << 20


def port_of(server):
    return next(e["grpc_port"] for e in server.log if e["message"] == "listening")


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import grpc

        cls.grpc = grpc
        make_messages()
        from tei.v1 import tei_pb2, tei_pb2_grpc

        cls.tei, cls.stubs = tei_pb2, tei_pb2_grpc
        cls.server = Server("--grpc-port", "0")
        cls.port = port_of(cls.server)
        cls.target = f"127.0.0.1:{cls.port}"
        cls.channel = grpc.insecure_channel(cls.target, [("grpc.max_send_message_length", 64 * MIB)])
        cls.embed = tei_pb2_grpc.EmbedStub(cls.channel)
        cls.expected = list(cls.embed.Embed(tei_pb2.EmbedRequest(inputs="a text"), timeout=TIMEOUT).embeddings)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.server.stop() == 0

    def request(self, text="a text", **fields):
        return self.tei.EmbedRequest(inputs=text, **fields)

    def fails(self, code, call):
        with self.assertRaises(self.grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), getattr(self.grpc.StatusCode, code), caught.exception.details())
        return caught.exception

    # --- Messages ---

    def test_compressed_messages(self):
        long_text = "the cat and the dog " * 5000
        for compression in (self.grpc.Compression.Gzip, self.grpc.Compression.Deflate):
            with self.grpc.insecure_channel(self.target, compression=compression) as channel:
                stub = self.stubs.EmbedStub(channel)
                answer = stub.Embed(self.request(), timeout=TIMEOUT)
                self.assertEqual(list(answer.embeddings), self.expected)
                plain = self.embed.Embed(self.request(long_text, truncate=True), timeout=TIMEOUT)
                packed = stub.Embed(self.request(long_text, truncate=True), timeout=TIMEOUT)
                self.assertEqual(packed.embeddings, plain.embeddings)
                self.assertEqual(packed.metadata.compute_chars, len(long_text))
                answers = list(stub.EmbedStream((self.request() for _ in range(20)), timeout=TIMEOUT))
                self.assertEqual([list(a.embeddings) for a in answers], [self.expected] * 20)
                # Some 5 KB that are 5 MB.
                error = self.fails("RESOURCE_EXHAUSTED", lambda: stub.Embed(self.request("a" * 5_000_000), timeout=TIMEOUT))
                self.assertIn("no longer compressed", error.details())

    def test_messages_of_four_mebibytes(self):
        frame_bytes = len(self.request("x" * 4_000_000).SerializeToString()) - 4_000_000
        whole = self.request("x" * (4 * MIB - frame_bytes))
        self.assertEqual(len(whole.SerializeToString()), 4 * MIB)
        self.assertEqual(self.embed.Embed(whole, timeout=TIMEOUT).metadata.compute_chars, len(whole.inputs))
        more = self.request("x" * (4 * MIB - frame_bytes + 1))
        error = self.fails("RESOURCE_EXHAUSTED", lambda: self.embed.Embed(more, timeout=TIMEOUT))
        self.assertEqual(error.details(), "a message has 4194305 bytes, at most 4194304 are taken")
        self.fails("RESOURCE_EXHAUSTED", lambda: list(self.embed.EmbedStream(iter([self.request(), more]), timeout=TIMEOUT)))
        self.embed.Embed(self.request(), timeout=TIMEOUT)

    def test_metadata(self):
        below = [(f"x-{i}", "v" * 1000) for i in range(12)]
        self.embed.Embed(self.request(), timeout=TIMEOUT, metadata=below)
        above = [(f"x-{i}", "v" * 1000) for i in range(17)]
        with self.assertRaises(self.grpc.RpcError):
            self.embed.Embed(self.request(), timeout=TIMEOUT, metadata=above)
        self.assertEqual(list(self.embed.Embed(self.request(), timeout=TIMEOUT).embeddings), self.expected)

    def test_texts_of_errors_in_any_alphabet(self):
        error = self.fails("INVALID_ARGUMENT", lambda: self.embed.Embed(self.request(prompt_name="Ärger 100 % 日本"), timeout=TIMEOUT))
        self.assertIn("Ärger 100 % 日本", error.details())

    # --- Calls ---

    def test_what_there_is_not(self):
        def call(path):
            return lambda: self.channel.unary_unary(path)(b"", timeout=TIMEOUT)

        self.assertIn("/tei.v1.Embed/Nothing", self.fails("UNIMPLEMENTED", call("/tei.v1.Embed/Nothing")).details())
        self.fails("UNIMPLEMENTED", call("/nobody/Embed"))
        # One message, found none and two.
        one = self.request().SerializeToString()
        for messages in ([], [one, one]):
            call = self.channel.stream_unary("/tei.v1.Embed/Embed")
            self.fails("UNIMPLEMENTED", lambda call=call, messages=messages: call(iter(messages), timeout=TIMEOUT))

    def test_a_deadline_in_the_past(self):
        for timeout in (-1e-3, -60):
            self.fails("DEADLINE_EXCEEDED", lambda timeout=timeout: self.embed.Embed(self.request(), timeout=timeout))
        # What grpcio does not even send.
        client = RawClient(self.port)
        self.addCleanup(client.close)
        client.send(frame(HEADERS, END_HEADERS, 1, call_headers("/tei.v1.Embed/Embed", **{"grpc-timeout": "1n"})) +
                    frame(DATA, END_STREAM, 1, grpc_message(string_field(1, "a text"))))
        self.assertEqual(self.status_of(client), b"4")

    def status_of(self, client):
        """The digit of the status with which stream 1 ends."""
        while received := client.receive():
            kind, flags, stream, payload = received
            if kind == SETTINGS and not flags & ACK:
                client.send(frame(SETTINGS, ACK))
            if stream == 1 and kind == HEADERS and flags & END_STREAM:
                for digit in (b"0", b"3", b"4", b"8"):
                    if b"\x01" + digit in payload:
                        return digit
                return payload
            if stream == 1 and kind == RST_STREAM:
                return payload
        return None

    def test_messages_in_pieces_of_one_byte(self):
        client = RawClient(self.port)
        self.addCleanup(client.close)
        client.send(frame(HEADERS, END_HEADERS, 1, call_headers("/tei.v1.Embed/Embed")))
        for byte in grpc_message(string_field(1, "a text")):
            client.send(frame(DATA, 0, 1, bytes([byte])))
            time.sleep(0.001)
        client.send(frame(DATA, END_STREAM, 1))
        self.assertEqual(self.status_of(client), b"0")

    def test_heads_that_are_wrong(self):
        fields = {":method": "POST", ":scheme": "http", ":path": "/tei.v1.Embed/Embed", ":authority": "localhost",
                  "content-type": "application/grpc", "te": "trailers"}
        for change in ({"grpc-timeout": "1s"}, {"grpc-timeout": "123456789S"}, {"te": None}):
            head = {k: v for k, v in (fields | change).items() if v is not None}
            client = RawClient(self.port)
            client.send(frame(HEADERS, END_HEADERS, 1, header_block(head.items())) + frame(DATA, END_STREAM, 1, grpc_message(b"")))
            self.assertEqual(self.status_of(client), b"3", change)
            client.close()

    def test_many_streams_at_once(self):
        texts = [f"text {i}" for i in range(8)]  # All of them fit into the queue.
        alone = [list(self.embed.Embed(self.request(t), timeout=TIMEOUT).embeddings) for t in texts]

        def stream(_):
            return [list(a.embeddings) for a in self.embed.EmbedStream(map(self.request, texts), timeout=TIMEOUT)]

        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            for answers in pool.map(stream, range(50)):
                self.assertEqual(answers, alone)

    def test_more_calls_than_a_connection_has_streams(self):
        calls = [self.embed.Embed.future(self.request(), timeout=TIMEOUT) for _ in range(300)]
        for call in calls:
            self.assertEqual(list(call.result().embeddings), self.expected)

    def test_answers_come_while_the_client_still_sends(self):
        got, go_on = [], threading.Semaphore(0)

        def requests():
            for _ in range(5):
                yield self.request()
                go_on.acquire(timeout=TIMEOUT)  # Until the answer is there.

        for answer in self.embed.EmbedStream(requests(), timeout=TIMEOUT):
            got.append(answer)
            go_on.release()
        self.assertEqual(len(got), 5)

    def test_a_cancelled_stream_costs_the_others_nothing(self):
        metric = 'akin_grpc_calls_total{method="tei.v1.Embed/EmbedStream",status="CANCELLED"}'
        before = self.server.metrics().get(metric, 0)
        done = threading.Event()

        def requests():
            for i in range(1000):
                yield self.request(f"text {i}")
            done.wait(TIMEOUT)

        call = self.embed.EmbedStream(requests(), timeout=TIMEOUT)
        next(call)
        other = self.embed.EmbedStream((self.request() for _ in range(100)), timeout=TIMEOUT)
        call.cancel()
        done.set()
        self.assertEqual([list(a.embeddings) for a in other], [self.expected] * 100)
        wait_until(lambda: self.server.metrics().get(metric, 0) == before + 1, "it is not counted as cancelled")
        wait_until(lambda: self.server.metric("te_queue_size") == 0, "what it asked for is still there")
        wait_until(lambda: self.server.metric("akin_answer_bytes") == 0, "its answers are still held")

    def test_keepalive_pings(self):
        options = [("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 5000), ("grpc.keepalive_permit_without_calls", 1),
                   ("grpc.http2.max_pings_without_data", 0), ("grpc.http2.min_ping_interval_without_data_ms", 50)]
        with self.grpc.insecure_channel(self.target, options) as channel:
            embed = self.stubs.EmbedStub(channel).Embed
            states = []
            channel.subscribe(states.append)
            for _ in range(5):
                self.assertEqual(list(embed(self.request(), timeout=TIMEOUT).embeddings), self.expected)
                time.sleep(0.5)
            self.assertNotIn(self.grpc.ChannelConnectivity.TRANSIENT_FAILURE, states)
            self.assertLessEqual(states.count(self.grpc.ChannelConnectivity.CONNECTING), 1, states)

    # --- What the server says of itself ---

    def test_reflection(self):
        from google.protobuf.descriptor_pool import DescriptorPool
        from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

        database = ProtoReflectionDescriptorDatabase(self.channel)
        services = set(database.get_services())
        self.assertEqual(services, {"tei.v1.Info", "tei.v1.Embed", "tei.v1.Predict", "tei.v1.Rerank", "tei.v1.Tokenize",
                                    "akidb.embedding.v1.EmbeddingService", "grpc.health.v1.Health",
                                    "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"})
        pool = DescriptorPool(database)
        for service in services:
            self.assertTrue(pool.FindServiceByName(service).methods)
        self.assertEqual([f.number for f in pool.FindMessageTypeByName("tei.v1.EmbedRequest").fields], [1, 2, 3, 4, 5, 6])
        for missing in (pool.FindServiceByName, pool.FindMessageTypeByName):
            with self.assertRaises(KeyError):
                missing("tei.v1.Nothing")

    def test_reflection_finds_what_the_real_library_finds(self):
        from google.protobuf import descriptor_pb2
        from google.protobuf.descriptor_pool import DescriptorPool
        from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

        stub = reflection_pb2_grpc.ServerReflectionStub(self.channel)
        Request = reflection_pb2.ServerReflectionRequest

        def ask(*requests):
            return list(stub.ServerReflectionInfo(iter(requests), timeout=TIMEOUT))

        pool, names, methods, messages = DescriptorPool(), set(), {}, []

        def walk(scope, message):
            name = f"{scope}.{message.name}"
            messages.append(name)
            names.update([name, *(f"{name}.{part.name}" for part in (*message.field, *message.oneof_decl))])
            for nested in message.nested_type:
                walk(name, nested)
            walk_enums(name, message.enum_type)

        def walk_enums(scope, enums):
            for enum in enums:
                names.update([f"{scope}.{enum.name}", *(f"{scope}.{value.name}" for value in enum.value)])

        files = ("tei/v1/tei.proto", "akidb/embedding/v1/embedding.proto", "grpc/health/v1/health.proto", "grpc/reflection/v1/reflection.proto",
                 "grpc/reflection/v1alpha/reflection.proto")
        for name, answer in zip(files, ask(*(Request(file_by_filename=name) for name in files)), strict=True):
            [data] = answer.file_descriptor_response.file_descriptor_proto
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            self.assertEqual(file.name, name)
            pool.Add(file)
            for message in file.message_type:
                walk(file.package, message)
            walk_enums(file.package, file.enum_type)
            for service in file.service:
                names.add(f"{file.package}.{service.name}")
                methods.update({f"{file.package}.{service.name}.{m.name}": name for m in service.method})
        names |= {"tei.v1.Nothing", "tei.v1.EmbedRequest.nothing", "tei.v1.ModelType.MODEL_TYPE_RERANKER", "x", ".tei.v1.Embed", "tei.v1.Embed."}
        self.assertGreater(len(names), 150)
        names = sorted({*names, *methods})
        for name, answer in zip(names, ask(*(Request(file_containing_symbol=name) for name in names)), strict=True):
            try:
                expected = methods.get(name) or pool.FindFileContainingSymbol(name).name  # Python's pool knows no methods.
            except KeyError:
                self.assertEqual(answer.error_response.error_code, self.grpc.StatusCode.NOT_FOUND.value[0], name)
                continue
            [data] = answer.file_descriptor_response.file_descriptor_proto
            self.assertEqual(descriptor_pb2.FileDescriptorProto.FromString(data).name, expected, name)
        for name, answer in zip(messages, ask(*(Request(all_extension_numbers_of_type=name) for name in messages)), strict=True):
            self.assertEqual((answer.all_extension_numbers_response.base_type_name, len(answer.all_extension_numbers_response.extension_number)), (name, 0))

    def test_reflection_of_the_first_version(self):
        # Its messages are those of v1alpha (grpcio-reflection has no others).
        from grpc_reflection.v1alpha import reflection_pb2

        call = self.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                          request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                          response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
        requests = [reflection_pb2.ServerReflectionRequest(list_services=""),
                    reflection_pb2.ServerReflectionRequest(file_containing_symbol="tei.v1.Embed"),
                    reflection_pb2.ServerReflectionRequest(file_by_filename="nothing.proto")]
        listed, file, missing = call(iter(requests), timeout=TIMEOUT)
        self.assertIn("tei.v1.Embed", [s.name for s in listed.list_services_response.service])
        self.assertEqual(len(file.file_descriptor_response.file_descriptor_proto), 1)
        self.assertEqual(missing.error_response.error_code, self.grpc.StatusCode.NOT_FOUND.value[0])

    def test_health(self):
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        stub = health_pb2_grpc.HealthStub(self.channel)
        for service in ("", "tei.v1.Embed", "akidb.embedding.v1.EmbeddingService", "grpc.health.v1.Health"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING, service)
        self.fails("NOT_FOUND", lambda: stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=TIMEOUT))
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=TIMEOUT)
        self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
        watch.cancel()


class Ending(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import grpc

        cls.grpc = grpc
        make_messages()
        from tei.v1 import tei_pb2, tei_pb2_grpc

        cls.tei, cls.stubs = tei_pb2, tei_pb2_grpc

    def test_who_watches_is_told_that_the_server_ends(self):
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        server = Server("--grpc-port", "0", "--drain-delay", "1")
        self.addCleanup(server.stop)
        with self.grpc.insecure_channel(f"127.0.0.1:{port_of(server)}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
            self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.SERVING)
            begin = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.NOT_SERVING)
            # Until the delay is over, calls are answered, and a probe is told.
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.NOT_SERVING)
            self.stubs.EmbedStub(channel).Embed(self.tei.EmbedRequest(inputs="a"), timeout=TIMEOUT)
            with self.assertRaises(self.grpc.RpcError) as caught:
                next(watch)
            self.assertEqual(caught.exception.code(), self.grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(server.process.wait(TIMEOUT), 0)
            self.assertLess(time.monotonic() - begin, 10)  # And not the drain deadline.

    def test_what_is_under_way_is_answered(self):
        server = Server("--grpc-port", "0", threads=1)
        self.addCleanup(server.stop)
        with self.grpc.insecure_channel(f"127.0.0.1:{port_of(server)}") as channel:
            embed = self.stubs.EmbedStub(channel)
            texts = [f"text {i}" for i in range(300)]

            def requests():
                yield from (self.tei.EmbedRequest(inputs=t) for t in texts[:200])
                server.await_event("draining")
                yield from (self.tei.EmbedRequest(inputs=t) for t in texts[200:])

            answers = embed.EmbedStream(requests(), timeout=TIMEOUT)
            got = [next(answers)]
            calls = [embed.Embed.future(self.tei.EmbedRequest(inputs=t), timeout=TIMEOUT) for t in texts[:50]]
            wait_until(lambda: server.metric('te_request_count{method="single"}') >= 250, "they have not arrived")
            server.process.send_signal(signal.SIGTERM)
            got += answers
            self.assertEqual(len(got), len(texts))
            for call in calls:
                self.assertTrue(call.result().embeddings)
            self.assertEqual(server.process.wait(TIMEOUT), 0)

    def test_a_call_whose_client_goes_is_dropped(self):
        server = start_slow_server(self, "--grpc-port", "0")
        with self.grpc.insecure_channel(f"127.0.0.1:{port_of(server)}") as channel:
            embed = self.stubs.EmbedStub(channel)
            call = embed.EmbedStream(iter([self.tei.EmbedRequest(inputs=ENDLESS)] * 3), timeout=10 * TIMEOUT)
            wait_until(lambda: server.metric("te_queue_size") > 0, "it does not run")
            call.cancel()
            self.assertTrue(embed.Embed(self.tei.EmbedRequest(inputs=QUICK), timeout=TIMEOUT).embeddings)
        # The whole connection goes.
        client = RawClient(port_of(server))
        client.call(1, "/tei.v1.Embed/Embed", string_field(1, ENDLESS))
        wait_until(lambda: server.metric("te_queue_size") > 0, "it does not run")
        client.close()
        with self.grpc.insecure_channel(f"127.0.0.1:{port_of(server)}") as channel:
            self.assertTrue(self.stubs.EmbedStub(channel).Embed(self.tei.EmbedRequest(inputs=QUICK), timeout=TIMEOUT).embeddings)

    def test_a_message_that_does_not_come_and_a_stream_that_rests(self):
        server = Server("--grpc-port", "0", "--request-timeout", "1")
        self.addCleanup(server.stop)
        unary = RawClient(port_of(server))
        self.addCleanup(unary.close)
        unary.send(frame(HEADERS, END_HEADERS, 1, call_headers("/tei.v1.Embed/Embed")) + frame(DATA, 0, 1, b"\0\0\0\0\x09abc"))
        done = threading.Event()

        def requests():
            for _ in range(4):  # Together longer than one may take.
                yield self.tei.EmbedRequest(inputs="a")
                time.sleep(0.5)
            done.wait(TIMEOUT)

        with self.grpc.insecure_channel(f"127.0.0.1:{port_of(server)}") as channel:
            answers, got = self.stubs.EmbedStub(channel).EmbedStream(requests(), timeout=TIMEOUT), []
            with self.assertRaises(self.grpc.RpcError) as caught:
                for answer in answers:
                    got.append(answer)
            done.set()
            self.assertEqual((len(got), caught.exception.code()), (4, self.grpc.StatusCode.DEADLINE_EXCEEDED))
        frames, _ = unary.receive_all(2)
        self.assertTrue([f for f in frames if f[0] == HEADERS and f[1] & END_STREAM and b"\x014" in f[3]], frames)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            key, cert = pathlib.Path(folder, "key.pem"), pathlib.Path(folder, "cert.pem")
            made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                                   "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], capture_output=True)
            if made.returncode != 0:
                self.skipTest("openssl cannot make a certificate here")
            server = Server("--grpc-port", "0", "--tls-cert", str(cert), "--tls-key", str(key))
            self.addCleanup(server.stop)
            credentials = self.grpc.ssl_channel_credentials(cert.read_bytes())
            with self.grpc.secure_channel(f"127.0.0.1:{port_of(server)}", credentials) as channel:
                embed = self.stubs.EmbedStub(channel)
                self.assertTrue(embed.Embed(self.tei.EmbedRequest(inputs="a"), timeout=TIMEOUT).embeddings)
                self.assertEqual(len(list(embed.EmbedStream((self.tei.EmbedRequest(inputs="a") for _ in range(50)), timeout=TIMEOUT))), 50)
            with self.grpc.insecure_channel(f"127.0.0.1:{port_of(server)}") as channel, self.assertRaises(self.grpc.RpcError):
                self.stubs.EmbedStub(channel).Embed(self.tei.EmbedRequest(inputs="a"), timeout=2)


if __name__ == "__main__":
    main("grpc_reflection", "grpc_health")
