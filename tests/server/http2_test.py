#!/usr/bin/env python3
"""HTTP/2 on the port of HTTP/1.1: the same answers to the same requests, and what only HTTP/2 has.

    http2_test.py --akin PROGRAM --model FOLDER

What needs to read headers asks curl, and skips aloud where curl is missing or cannot speak HTTP/2.
"""
import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from raw_http2 import (ACK, CANCEL, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, NO_ERROR, PING, PREFACE, RST_STREAM, WINDOW_UPDATE,
                       RawClient, frame, header_block, string_field)
from serve_process import TIMEOUT, ServedTest, Server, has_package, in_venv, main, wait_until
from slow_onnx import ENDLESS, start_slow_server

# What differs from answer to answer.
VARYING = re.compile(r"date|x-request-id|connection|x-[a-z]+-time")
VARYING_VALUES = re.compile(rb'(?<="id":")[0-9a-f]{32}|(?<=_duration":)\d+|(?<="duration_ms":)\d+')
STATUS_200 = b"\x88"  # RFC 7541, appendix A: the first field of an answer with this status.


def has_curl():
    curl = shutil.which("curl")
    return curl is not None and b"HTTP2" in subprocess.run([curl, "--version"], capture_output=True).stdout


needs_curl = unittest.skipUnless(has_curl(), "there is no curl that speaks HTTP/2")


def curl(url, *options, body=None):
    """-> (version, status, headers but those that vary, body)"""
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(TIMEOUT), "--include", *options,
                           *(["--data-binary", "@-"] if body is not None else []), url], input=body, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"curl ended with {done.returncode}: {done.stderr}")
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    while head.split(b" ")[1] == b"100":
        head, _, rest = rest.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    version, status = lines[0].split(" ")[:2]
    headers = sorted(line for line in lines[1:] if not VARYING.fullmatch(line.split(":")[0]))
    return version, int(status), headers, rest


def request(path, method="POST", **more):
    """The block of a request's head; `content_length=5` is a header."""
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost")]
    if method == "POST":
        fields.append(("content-type", "application/json"))
    return header_block(fields + [(name.replace("_", "-"), value) for name, value in more.items()])


def post(stream, path, value, **more):
    body = json.dumps(value).encode()
    return (frame(HEADERS, END_HEADERS, stream, request(path, content_length=str(len(body)), **more))
            + frame(DATA, END_STREAM, stream, body))


def answers(client, streams, seconds=TIMEOUT):
    """-> {stream: (first byte of its head, body)}, of those that end in time or are all."""
    heads, bodies, ended, end = {}, {}, set(), time.monotonic() + seconds
    while ended < set(streams) and time.monotonic() < end:
        received = client.receive(max(0.01, end - time.monotonic()))
        if received is None:
            break
        kind, flags, stream, payload = received
        if kind == HEADERS:
            heads[stream] = payload[:1]
        if kind == DATA:
            bodies[stream] = bodies.get(stream, b"") + payload
            client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload) or 1)))
        if kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM):
            ended.add(stream)
    return {s: (heads.get(s), bodies.get(s, b"")) for s in ended}


class Same(ServedTest):
    """What HTTP/1.1 answers."""

    @classmethod
    def start_server(cls):
        return Server("--cors-origin", "http://here.example", "--payload-limit", "5000")

    def both(self, path, *options, body=None):
        """-> (status, headers, body), the same by both versions"""
        old, new = (curl(self.server.url + path, version, *options, body=body) for version in ("--http1.1", "--http2-prior-knowledge"))
        for headers, got in (old[2:], new[2:]):
            if got:
                headers.remove(f"content-length: {len(got)}")  # Varies with what does.
        old, new = ((*answer[:3], VARYING_VALUES.sub(b"", answer[3])) for answer in (old, new))
        self.assertEqual((old[0], new[0]), ("HTTP/1.1", "HTTP/2"))
        self.assertEqual(old[1:], new[1:], path)
        return new[1:]

    @needs_curl
    def test_answers_are_the_same_bytes(self):
        as_json = ("-H", "content-type: application/json")
        for path, options, body, status in [
            ("/embed", as_json, b'{"inputs":["a text","another"]}', 200),
            ("/embed", (*as_json, "-H", "accept: application/octet-stream"), b'{"inputs":"a"}', 200),
            ("/v1/embeddings", as_json, b'{"input":"a","model":"x","encoding_format":"base64"}', 200),
            ("/v2/embed", as_json, b'{"texts":["a"],"model":"x","input_type":"search_query","embedding_types":["float"]}', 200),
            ("/api/embed", (), b'{"input":"a","model":"x"}', 200),
            ("/api/v1/embed", as_json, b'{"texts":["a"]}', 200),
            ("/tokenize", as_json, b'{"inputs":"a"}', 200),
            ("/embed", as_json, b"{a}", 400), ("/embed", as_json, b'{"inputs":1}', 422), ("/embed", as_json, b"", 400),
            ("/embed", ("-H", "content-type: text/plain"), b"a", 415), ("/rerank", as_json, b'{"query":"a","texts":["b"]}', 424),
            ("/nowhere", (), None, 404), ("/embed", (), None, 405), ("/embed?x=y", as_json, b'{"inputs":"a"}', 200),
            ("/health", (), None, 200), ("/", (), None, 200), ("/docs", (), None, 200), ("/openapi.json", (), None, 200),
            ("/info", (), None, 200), ("/v1/models", (), None, 200),
        ]:
            with self.subTest(path=path, body=body):
                self.assertEqual(self.both(path, *options, body=body)[0], status)

    @needs_curl
    def test_head_has_no_body(self):
        status, headers, body = self.both("/info", "--head")
        self.assertEqual((status, body), (200, b""))
        self.assertNotIn("content-length: 0", headers)

    @needs_curl
    def test_pages_of_other_origins(self):
        origin = ("-H", "origin: http://here.example")
        status, headers, _ = self.both("/embed", *origin, "-X", "OPTIONS", "-H", "access-control-request-method: POST")
        self.assertEqual(status, 204)
        self.assertIn("access-control-allow-origin: http://here.example", headers)
        status, headers, _ = self.both("/embed", *origin, "-H", "content-type: application/json", body=b'{"inputs":"a"}')
        self.assertEqual(status, 200)
        self.assertIn("access-control-expose-headers: *", headers)

    @needs_curl
    def test_bodies_that_are_too_large(self):
        text = ("-H", "content-type: application/json")
        status, _, body = self.both("/embed", *text, body=b" " * 5001)
        self.assertEqual(status, 413)
        self.assertIn("larger than 5000 bytes (--payload-limit)", str(body))
        self.assertEqual(self.both("/embed", *text, body=b" " * 4985 + b'{"inputs":"abc"}'[:15])[0], 400)
        # Whose length nobody says: HTTP/1.1 has chunks for it.
        self.assertEqual(self.both("/embed", *text, "-H", "transfer-encoding: chunked", body=b" " * 5001)[0], 413)

    def test_a_length_that_is_too_large_is_refused_before_the_body(self):
        client = RawClient(self.server.port)
        self.addCleanup(client.close)
        client.send(frame(HEADERS, END_HEADERS, 1, request("/embed", content_length="5001")))
        head, body = answers(client, [1])[1]
        self.assertNotEqual(head, STATUS_200)
        self.assertIn(b"larger than 5000 bytes", body)


class Key(ServedTest):
    @classmethod
    def start_server(cls):
        return Server(key="secret", environment={"AKIN_API_KEY": "secret"})

    def test_no_key_is_answered_before_the_body(self):
        client = RawClient(self.server.port)
        self.addCleanup(client.close)
        client.send(frame(HEADERS, END_HEADERS, 1, request("/v1/embeddings", content_length="1000")))
        head, body = answers(client, [1])[1]
        self.assertNotEqual(head, STATUS_200)
        self.assertIn(b"API key", body)
        # The rest is not wanted, as is said after a moment; the connection goes on.
        received = client.receive()
        self.assertEqual(received[0::3], (RST_STREAM, struct.pack(">I", NO_ERROR)))
        client.send(post(3, "/embed", {"inputs": "a"}, authorization="Bearer secret"))
        self.assertEqual(answers(client, [3])[3][0], STATUS_200)


class Streams(unittest.TestCase):
    def start(self, *options):
        server = Server(*options)
        self.addCleanup(server.stop)
        return server

    def connect(self, server, **options):
        client = RawClient(server.port, timeout=TIMEOUT, **options)
        self.addCleanup(client.close)
        return client

    def test_a_hundred_streams_get_their_own_answers(self):
        server = self.start()
        texts = [f"text {i} " * (1 + i % 7) for i in range(100)]
        expected = [server.post("/embed", {"inputs": text})[2] for text in texts]
        client = self.connect(server)
        bodies = {2 * i + 1: json.dumps({"inputs": text}).encode() for i, text in enumerate(texts)}
        # All heads, then all bodies, a piece of each in turn, in one write.
        wire = [frame(HEADERS, END_HEADERS, s, request("/embed")) for s in bodies]
        wire += [frame(DATA, 0, s, body[:10]) for s, body in bodies.items()]
        wire += [frame(DATA, END_STREAM, s, body[10:]) for s, body in reversed(bodies.items())]
        client.send(b"".join(wire))
        got = answers(client, bodies)
        self.assertEqual([got[s] for s in bodies], [(STATUS_200, e) for e in expected])
        self.assertEqual(server.metric("akin_http_connections"), 2)

    def test_bodies_in_single_bytes_and_padded(self):
        server = self.start()
        client = self.connect(server)
        body = b'{"inputs":"a text"}'
        wire = frame(HEADERS, END_HEADERS, 1, request("/embed")) + b"".join(frame(DATA, 0x8, 1, b"\2" + body[i : i + 1] + b"\0\0") for i in range(len(body)))
        for byte in wire + frame(DATA, END_STREAM, 1):
            client.send(bytes([byte]))
        self.assertEqual(answers(client, [1])[1], (STATUS_200, server.post("/embed", {"inputs": "a text"})[2]))

    def test_a_request_that_is_reset_is_dropped(self):
        server = start_slow_server(self)
        server.ends_with = {0, 143}
        client = self.connect(server)
        client.send(post(1, "/embed", {"inputs": "a stone"}))
        self.assertEqual(answers(client, [1])[1][0], STATUS_200)
        client.send(post(3, "/embed", {"inputs": ENDLESS}) + post(5, "/embed", {"inputs": "a stone"}))
        wait_until(lambda: server.metric("te_queue_size") == 2, "it is computed")
        client.send(b"".join(frame(RST_STREAM, 0, s, struct.pack(">I", CANCEL)) for s in (3, 5)))
        wait_until(lambda: server.metric("akin_requests_cancelled_total") == 2, "both have left")
        server.await_event("request", route="/embed", status=499)
        server.process.kill()
        server.ends_with = {-9}

    def test_requests_of_a_closed_socket_are_dropped_before_they_are_computed(self):
        server = start_slow_server(self)
        server.ends_with = {0, 143}
        busy, leaving = self.connect(server), self.connect(server)
        busy.send(post(1, "/embed", {"inputs": ENDLESS}))
        wait_until(lambda: server.metric("te_queue_size") == 1, "the only thread is busy")
        leaving.send(b"".join(post(s, "/embed", {"inputs": f"a stone {s}"}) for s in (1, 3, 5)))
        wait_until(lambda: server.metric("te_queue_size") == 4, "they wait")
        leaving.close()
        # While the thread still computes the first, so that it cannot have computed these.
        wait_until(lambda: server.metric("akin_requests_cancelled_total") == 3, "they are dropped")
        self.assertEqual(server.metric("te_queue_size"), 1)
        self.assertEqual(server.metric("akin_http_left_total"), 3)
        server.process.kill()
        server.ends_with = {-9}

    def test_bodies_that_are_never_whole_have_a_budget(self):
        server = self.start("--payload-limit", str(2 << 20))
        clients = [self.connect(server) for _ in range(2)]
        begin = server.memory("VmRSS")
        piece = frame(DATA, 0, 0, b" " * 16384)
        ended = 0
        for client in clients:  # Of 130 MB each 100 streams, as the windows allow.
            window = 65535 + (1 << 20)
            client.send(b"".join(frame(HEADERS, END_HEADERS, s, request("/embed")) for s in range(1, 200, 2)))
            of_stream, done = {s: 65535 for s in range(1, 200, 2)}, set()
            sent = {s: 0 for s in of_stream}
            end = time.monotonic() + TIMEOUT
            while time.monotonic() < end and len(done) < 5:
                for s in of_stream:
                    if s not in done and of_stream[s] >= 16384 and sent[s] < 1_300_000 and window >= 16384:
                        client.send(piece[:5] + struct.pack(">I", s) + piece[9:])
                        of_stream[s], sent[s], window = of_stream[s] - 16384, sent[s] + 16384, window - 16384
                received = client.receive(0.2)
                if received is None:
                    continue
                kind, flags, of, payload = received
                if kind == WINDOW_UPDATE:
                    more = struct.unpack(">I", payload)[0]
                    if of == 0:
                        window += more
                    else:
                        of_stream[of] += more
                if kind == HEADERS:
                    done.add(of)
                if kind == DATA:
                    self.assertTrue(b"too many bodies of requests are under way" in payload or b"took too long" in payload, payload)
            ended += len(done)
        self.assertGreaterEqual(ended, 10)
        if "AKIN_TEST_SLOW" not in os.environ:  # A client's half of 128 MiB, in strings that grow by doubling.
            self.assertLess(server.memory("VmHWM") - begin, 128 << 20)
        self.assertEqual(server.post("/embed", {"inputs": "a"})[0], 200)

    def test_a_slow_body_ends_with_408(self):
        server = self.start()
        client = self.connect(server)
        begin = time.monotonic()
        client.send(frame(HEADERS, END_HEADERS, 1, request("/embed")) + frame(DATA, 0, 1, b"{"))
        head, body = answers(client, [1])[1]
        self.assertGreaterEqual(time.monotonic() - begin, 9)
        self.assertNotEqual(head, STATUS_200)
        self.assertIn(b"too long", body)
        client.send(post(3, "/embed", {"inputs": "a"}))
        self.assertEqual(answers(client, [3])[3][0], STATUS_200)

    def test_draining_ends_with_the_last_answer(self):
        server = self.start("--drain-delay", "1")
        busy, idle = self.connect(server), self.connect(server)
        texts = [f"text {i}" for i in range(2000)]
        body = json.dumps({"inputs": texts}).encode()
        busy.send(frame(HEADERS, END_HEADERS, 1, request("/embed")))
        for at in range(0, len(body), 16384):
            busy.send(frame(DATA, END_STREAM if at + 16384 >= len(body) else 0, 1, body[at : at + 16384]))
        # What is not taken keeps it under way.
        while (received := busy.receive()) and received[0] != DATA:
            pass
        server.process.terminate()
        got, ended = idle.receive_all(TIMEOUT)
        self.assertTrue(ended)
        self.assertEqual([p[4:8] for k, _, _, p in got if k == GOAWAY], [struct.pack(">I", NO_ERROR)])
        size, goaways = len(received[3]), []
        busy.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)) + frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 30)))
        got, ended = busy.receive_all(TIMEOUT)
        self.assertTrue(ended)
        goaways = [struct.unpack(">II", p[:8]) for k, _, _, p in got if k == GOAWAY]
        self.assertEqual(goaways[-1], (1, NO_ERROR))
        whole = received[3] + b"".join(p for k, _, _, p in got if k == DATA)
        self.assertGreater(len(whole), size)
        self.assertEqual(len(json.loads(whole)), 2000)
        self.assertEqual(server.process.wait(TIMEOUT), 0)

    def test_what_there_is_too_much_of_is_logged_once_a_second(self):
        server = self.start()
        for _ in range(20):
            client = self.connect(server)
            client.send(20_000 * frame(PING, 0, 0, b"12345678"))
            frames, ended = client.receive_all(TIMEOUT)
            self.assertTrue(ended)
            last = frames[-1] if frames else None  # A reset may have taken it.
            if last and last[0] == GOAWAY:
                self.assertEqual(last[3][4:8], struct.pack(">I", ENHANCE_YOUR_CALM))
        server.await_event("a connection was ended for what it sent", level="warn", too_many="frames without data", peer="127.0.0.1")
        lines = [e for e in server.log if e["message"].startswith("a connection was ended")]
        self.assertLess(len(lines), 20)
        time.sleep(1.1)
        client = self.connect(server)
        client.send(20_000 * frame(PING, 0, 0, b"12345678"))
        client.receive_all(TIMEOUT)
        wait_until(lambda: sum(e["message"].startswith("a connection was ended") for e in server.log) > len(lines), "a line")
        self.assertEqual(sum(1 + e.get("like_it", 0) for e in server.log if e["message"].startswith("a connection was ended")), 21)

    def test_memory_of_idle_connections(self):
        server = self.start()
        server.post("/embed", {"inputs": "a"})
        before = server.memory("VmRSS")
        clients = [self.connect(server) for _ in range(500)]
        for client in clients:  # One after the other: what 500 requests under way hold at once is not that of idle connections.
            client.send(post(1, "/embed", {"inputs": "a"}))
            self.assertEqual(answers(client, [1])[1][0], STATUS_200)
        if "AKIN_TEST_SLOW" not in os.environ:
            self.assertLess((server.memory("VmRSS") - before) / len(clients), 48 << 10)


    @unittest.skipUnless(os.path.exists("/proc/net/tcp"), "what the system says of sockets is not here")
    def test_connections_whose_other_end_has_gone_are_noticed(self):
        server = self.start()
        client = self.connect(server)
        client.send(post(1, "/embed", {"inputs": "a"}))
        self.assertEqual(answers(client, [1])[1][0], STATUS_200)
        here, there = f":{server.port:04X}", f":{client.socket.getsockname()[1]:04X}"
        with open("/proc/net/tcp") as file:
            timers = [fields[5][:2] for fields in map(str.split, file) if fields[1].endswith(here) and fields[2].endswith(there)]
        self.assertEqual(timers, ["02"], "no keep-alive timer")

    def test_what_is_no_http2_has_a_line_and_counts(self):
        server = self.start()
        for _ in range(3):
            client = self.connect(server)
            client.send(frame(PING, 0, 0, b"1234"))
            client.receive_all(TIMEOUT)
        wait_until(lambda: server.metric("akin_http_malformed_total") == 3, "they are counted")
        server.await_event("a connection was ended for what it sent", level="warn", peer="127.0.0.1")
        lines = [e for e in server.log if e["message"].startswith("a connection was ended")]
        self.assertTrue(all(e["malformed"] for e in lines), lines)


class Transports(unittest.TestCase):
    @needs_curl
    def test_tls_tells_by_the_handshake(self):
        with tempfile.TemporaryDirectory() as folder:
            made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
                                   "/CN=localhost", "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"], capture_output=True)
            if made.returncode != 0:
                self.skipTest("openssl cannot make a certificate here")
            server = Server("--tls-cert", folder + "/cert.pem", "--tls-key", folder + "/key.pem")
            self.addCleanup(server.stop)
            url = f"https://127.0.0.1:{server.port}/embed"
            as_json = ("--insecure", "-H", "content-type: application/json")
            new = curl(url, *as_json, "--http2", body=b'{"inputs":"a"}')
            old = curl(url, *as_json, "--http1.1", body=b'{"inputs":"a"}')
            unsaid = curl(url, *as_json, "--no-alpn", body=b'{"inputs":"a"}')
            self.assertEqual([a[0] for a in (new, old, unsaid)], ["HTTP/2", "HTTP/1.1", "HTTP/1.1"])
            self.assertEqual((new[1:], unsaid[1:]), (old[1:], old[1:]))
            context = ssl._create_unverified_context()
            context.set_alpn_protocols(["http/1.1"])
            with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as plain, context.wrap_socket(plain) as client:
                client.sendall(PREFACE + frame(4))
                self.assertEqual(client.recv(1000)[:12], b"HTTP/1.1 505")
            context.set_alpn_protocols(["something-else"])
            with socket.create_connection(("127.0.0.1", server.port)) as plain, context.wrap_socket(plain) as client:
                self.assertIsNone(client.selected_alpn_protocol())

    def test_every_port_takes_everything(self):
        server = Server("--grpc-port", "0")
        self.addCleanup(server.stop)
        grpc_port = next(e["grpc_port"] for e in server.log if "grpc_port" in e)
        right = server.post("/embed", {"inputs": "a text"})[2]
        for port in (server.port, grpc_port):
            client = RawClient(port)
            self.addCleanup(client.close)
            client.send(post(1, "/embed", {"inputs": "a text"}))
            client.call(3, "/tei.v1.Embed/Embed", string_field(1, "a text"))
            got = answers(client, [1, 3])
            self.assertEqual(got[1], (STATUS_200, right))
            self.assertGreater(len(got[3][1]), 4 * 64)
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as old:
                old.request("POST", "/embed", b'{"inputs":"a text"}', {"Content-Type": "application/json"})
                self.assertEqual(old.getresponse().read(), right)

    @needs_curl
    def test_a_unix_socket_speaks_both(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server("--unix-socket", folder + "/s")
            self.addCleanup(server.stop)
            got = [curl("http://localhost/health", "--unix-socket", folder + "/s", version)[:2] for version in ("--http1.1", "--http2-prior-knowledge")]
            self.assertEqual(got, [("HTTP/1.1", 200), ("HTTP/2", 200)])

    @needs_curl
    def test_an_upgrade_is_not_taken(self):
        server = Server()
        self.addCleanup(server.stop)
        self.assertEqual(curl(server.url + "/health", "--http2")[:2], ("HTTP/1.1", 200))

    def test_a_preface_in_pieces(self):
        server = Server("--header-timeout", "1")
        self.addCleanup(server.stop)
        client = RawClient(server.port, preface=False)
        self.addCleanup(client.close)
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":
            client.send(bytes([byte]))
        client.send(frame(4) + post(1, "/embed", {"inputs": "a"}))
        self.assertEqual(answers(client, [1])[1][0], STATUS_200)
        for wrong in (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"PRI /", b"P" * 30):
            with server.connect() as other:
                other.sendall(wrong)
                self.assertRegex(other.recv(1000), rb"HTTP/1.1 4|HTTP/1.1 505")
        with server.connect() as half:
            half.sendall(b"PRI * HT")
            self.assertEqual(half.recv(1000)[:12], b"HTTP/1.1 408")

    @unittest.skipUnless(has_package("grpc"), "the package grpcio is not installed")
    def test_grpcio_by_the_port_of_http_and_by_a_unix_socket(self):
        import grpc

        with tempfile.TemporaryDirectory() as folder:
            server = Server("--unix-socket", folder + "/s")
            self.addCleanup(server.stop)
            got = []
            for target in (f"127.0.0.1:{server.port}", f"unix:{folder}/s"):
                with grpc.insecure_channel(target) as channel:
                    embed = channel.unary_unary("/tei.v1.Embed/Embed")
                    got.append(embed(string_field(1, "a text"), timeout=TIMEOUT))
            self.assertGreater(len(got[0]), 4 * 64)
            # What an answer took, behind the vector, differs.
            self.assertEqual(*(answer[: 4 * 64] for answer in got))

    @unittest.skipUnless(has_package("httpx") and has_package("h2"), "the packages httpx and h2 are not installed")
    def test_httpx(self):
        import httpx

        server = Server()
        self.addCleanup(server.stop)
        expected = [server.post_json("/embed", {"inputs": f"text {i}"})[1] for i in range(50)]

        async def ask():
            async with httpx.AsyncClient(http1=False, http2=True, timeout=TIMEOUT) as client:
                got = await asyncio.gather(*(client.post(server.url + "/embed", json={"inputs": f"text {i}"}) for i in range(50)))
                self.assertEqual({a.http_version for a in got}, {"HTTP/2"})
                return [a.json() for a in got]

        self.assertEqual(asyncio.run(ask()), expected)


if __name__ == "__main__":
    if not all(map(has_package, ("grpc", "httpx", "h2"))):
        in_venv()
    main()
