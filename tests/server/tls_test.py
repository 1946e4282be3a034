#!/usr/bin/env python3
"""TLS, by both versions of HTTP: what is agreed on, handshakes that never end, sessions, and how connections end.

    tls_test.py --akin PROGRAM --model FOLDER
"""
import contextlib
import json
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import unittest

from raw_http2 import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RawClient, frame, header_block, settings
from serve_process import TIMEOUT, Server, main, wait_until
from slow_onnx import ENDLESS, start_slow_server

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
HTTP1, HTTP2 = "http/1.1", "h2"


def make_certificate(test):
    """-> options of the server"""
    folder = tempfile.TemporaryDirectory()
    test.addClassCleanup(folder.cleanup) if isinstance(test, type) else test.addCleanup(folder.cleanup)
    cert, key = folder.name + "/cert.pem", folder.name + "/key.pem"
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                           "-keyout", key, "-out", cert], capture_output=True)
    if made.returncode != 0:
        raise unittest.SkipTest("openssl cannot make a certificate here")
    return "--tls-cert", cert, "--tls-key", key, "--unix-socket", folder.name + "/akin.sock"


def context(protocols=(HTTP2, HTTP1), version=None):
    made = ssl._create_unverified_context()
    if protocols:
        made.set_alpn_protocols(protocols)
    if version:
        made.minimum_version = made.maximum_version = VERSIONS[version]
    return made


def hello(of):
    """A client's first flight."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        of.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


def post(path, value, more=""):
    body = json.dumps(value).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def post2(stream, path, value):
    fields = [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"), ("content-type", "application/json")]
    return frame(HEADERS, END_HEADERS, stream, header_block(fields)) + frame(DATA, END_STREAM, stream, json.dumps(value).encode())


class Tls:
    """Of a server with TLS on its port and without it on a Unix socket."""

    def connect(self, server, of, session=None):
        plain = server.connect()
        client = of.wrap_socket(plain, session=session)
        self.addCleanup(client.close)
        return client

    def speak(self, server, protocol, version=None):
        """-> a connection that has sent nothing but, by HTTP/2, its preface"""
        client = self.connect(server, context((protocol,), version))
        self.assertEqual(client.selected_alpn_protocol(), protocol)
        if protocol == HTTP2:
            client.sendall(PREFACE + settings())
        return client

    def ask(self, protocol, path, value):
        return post(path, value) if protocol == HTTP1 else post2(1, path, value)

    def metric(self, server, name):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT)
            client.connect(self.options[-1])
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        return next(float(line.split(" ")[1]) for line in text.splitlines() if line.startswith(name + " "))

    def assert_answers(self, server):
        for protocol in (HTTP1, HTTP2):
            client = self.speak(server, protocol)
            client.sendall(self.ask(protocol, "/embed", {"inputs": "a"}))
            received = b""
            while not (b"200 OK" in received or b"\x88" in received):
                more = client.recv(65536)
                self.assertTrue(more, f"{protocol}: {received}")
                received += more

    def assert_ends(self, client):
        """The server closes within the patience."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while client.recv(65536):
                pass

    def close_with_notice(self, client):
        """Sends close_notify and closes, as curl and browsers do."""
        client.settimeout(0)
        with contextlib.suppress(OSError):
            client.unwrap()
        client.close()

    def reset(self, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


class Handshakes(Tls, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.options = make_certificate(cls)
        cls.server = Server(*cls.options, "--header-timeout", "1")
        cls.addClassCleanup(cls.server.stop)

    def test_what_is_agreed_on(self):
        for version in VERSIONS:
            for offered, agreed in [((HTTP2, HTTP1), HTTP2), ((HTTP1, HTTP2), HTTP2), ((HTTP1,), HTTP1), ((HTTP2,), HTTP2),
                                    (("spdy/3", HTTP1), HTTP1), (("something-else",), None), ((), None)]:
                with self.subTest(version=version, offered=offered):
                    client = self.connect(self.server, context(offered, version))
                    self.assertEqual((client.version(), client.selected_alpn_protocol()), ("TLSv" + version, agreed))
                    client.sendall(PREFACE + settings() if agreed == HTTP2 else b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    received = client.recv(1000)
                    self.assertEqual(received[3:4] if agreed == HTTP2 else received[:15], b"\x04" if agreed == HTTP2 else b"HTTP/1.1 200 OK")

    def test_who_has_agreed_on_one_version_is_held_to_it(self):
        client = self.connect(self.server, context((HTTP1,)))
        client.sendall(PREFACE + settings())
        self.assertEqual(client.recv(1000)[:12], b"HTTP/1.1 505")
        client = self.connect(self.server, context((HTTP2,)))
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reader = RawClient.__new__(RawClient)
        reader.socket, reader._in = client, b""
        frames, has_ended = reader.receive_all(TIMEOUT)
        self.assertTrue(has_ended)
        self.assertNotIn(b"HTTP/1.1", b"".join(f[3] for f in frames[:1]))

    def test_old_versions_are_refused(self):
        old = ssl._create_unverified_context()
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with self.assertWarns(DeprecationWarning):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.connect(self.server, old)
        self.assert_answers(self.server)

    def test_handshakes_that_never_end(self):
        late = self.metric(self.server, "akin_http_timeouts_total")
        first = hello(context())
        clients = [self.server.connect() for _ in range(4)]
        silent, half, whole, trickling = clients
        half.sendall(first[:50])
        whole.sendall(first)  # And never its own Finished.
        no_preface = self.connect(self.server, context((HTTP2,)))
        begin = time.monotonic()
        with contextlib.suppress(OSError):  # Each byte comes soon; the handshake does not.
            for byte in first:
                trickling.sendall(bytes([byte]))
                time.sleep(0.05)
                if time.monotonic() - begin > 10:
                    self.fail("a handshake in single bytes goes on")
        for client in (silent, half, whole, no_preface):
            self.assert_ends(client)
        self.assertLess(time.monotonic() - begin, 10)
        wait_until(lambda: self.metric(self.server, "akin_http_timeouts_total") == late + 5, "all are counted")
        for client in clients:
            client.close()  # Which a test that fails leaves to Python.
        self.assert_answers(self.server)

    def test_what_is_no_handshake(self):
        late = self.metric(self.server, "akin_http_timeouts_total")
        broken = bytearray(hello(context()))
        broken[5] = 99  # No message of a handshake.
        for bytes_ in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PREFACE, b"\0" * 1000, bytes(broken), b"\x16\x03\x01\xff\xff" + b"a" * 70000):
            with self.server.connect() as client:
                with contextlib.suppress(OSError):
                    client.sendall(bytes_)
                self.assert_ends(client)
        self.assertEqual(self.metric(self.server, "akin_http_timeouts_total"), late, "at once")
        self.assert_answers(self.server)

    def s_client(self, *options, commands):
        """-> all that it says; each command after a moment"""
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", *options],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for command in commands:
            time.sleep(0.4)
            with contextlib.suppress(OSError):
                client.stdin.write(command)
                client.stdin.flush()
        time.sleep(0.4)
        with contextlib.suppress(OSError):
            client.stdin.close()
        said = client.stdout.read()
        client.wait(TIMEOUT)
        client.stdout.close()
        return said

    def test_a_session_is_not_negotiated_anew(self):
        said = self.s_client("-tls1_2", commands=[b"R\n"])
        self.assertIn(b"RENEGOTIATING", said)
        self.assertIn(b"no renegotiation", said)
        self.assert_answers(self.server)

    def test_keys_may_be_made_anew(self):
        said = self.s_client("-tls1_3", commands=[b"K\n", b"k\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"])
        self.assertIn(b"KEYUPDATE", said)
        self.assertIn(b"HTTP/1.1 200 OK", said)

    def test_sessions_go_on_by_tickets_and_not_by_what_the_server_keeps(self):
        for version, with_tickets in (("1.3", True), ("1.2", True), ("1.2", False)):  # Those of 1.3 are sent unasked.
            with self.subTest(version=version, with_tickets=with_tickets):
                of = context((HTTP1,), version)
                if not with_tickets:
                    of.options |= ssl.OP_NO_TICKET
                session = None
                for reused in (False, with_tickets, with_tickets):
                    client = self.connect(self.server, of, session)
                    client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    self.assertEqual(client.recv(1000)[:15], b"HTTP/1.1 200 OK")
                    self.assertEqual(client.session_reused, reused)
                    session = client.session
                    self.assertEqual(session.has_ticket, with_tickets)


class Ends(Tls, unittest.TestCase):
    def setUp(self):
        self.options = make_certificate(self)

    def test_clients_that_go_in_the_middle_of_something(self):
        server = Server(*self.options, "--header-timeout", "30", "--idle-timeout", "30")
        self.addCleanup(server.stop)
        for protocol in (HTTP1, HTTP2):
            request = self.ask(protocol, "/embed", {"inputs": "a"})
            for sent in (b"", request[:20], request[:-5]):
                for leave in (socket.socket.close, self.reset, self.close_with_notice):
                    client = self.speak(server, protocol)
                    client.sendall(sent)
                    leave(client)
        server.connect().close()
        with server.connect() as client:
            client.sendall(hello(context())[:50])
        wait_until(lambda: self.metric(server, "akin_http_connections") == 1, "nobody is left but who asks")
        self.assertEqual(self.metric(server, "akin_http_timeouts_total"), 0)
        self.assert_answers(server)

    def test_who_leaves_before_the_answer_is_dropped(self):
        server = start_slow_server(self, *self.options)
        busy = self.speak(server, HTTP1)
        busy.sendall(self.ask(HTTP1, "/embed", {"inputs": ENDLESS}))
        wait_until(lambda: self.metric(server, "te_queue_size") == 1, "the only thread is busy")
        count = 0
        for protocol in (HTTP1, HTTP2):
            for leave in (socket.socket.close, self.reset, self.close_with_notice):
                with self.subTest(protocol=protocol, leave=leave.__name__):
                    client = self.speak(server, protocol)
                    client.sendall(self.ask(protocol, "/embed", {"inputs": "a stone"}))
                    wait_until(lambda: self.metric(server, "te_queue_size") == 2, "it waits")
                    leave(client)
                    count += 1
                    wait_until(lambda: self.metric(server, "akin_requests_cancelled_total") == count, "it is dropped")
                    self.assertEqual(self.metric(server, "akin_http_left_total"), count)
        server.process.kill()
        server.ends_with = {-9}

    def say_and_close_half(self, server, of, words):
        """-> what comes for them until the server closes its half, too"""
        incoming, outgoing, received = ssl.MemoryBIO(), ssl.MemoryBIO(), b""
        client = of.wrap_bio(incoming, outgoing)
        with server.connect() as plain:
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    incoming.write(plain.recv(65536))
            client.write(words)
            plain.sendall(outgoing.read())
            plain.shutdown(socket.SHUT_WR)
            while more := plain.recv(65536):
                incoming.write(more)
        with contextlib.suppress(ssl.SSLError):
            while more := client.read(65536):
                received += more
        return received

    def test_half_closed(self):
        """Who says that nothing follows is answered by HTTP/1.1 what is known at once; by HTTP/2 the connection ends."""
        server = Server(*self.options)
        self.addCleanup(server.stop)
        for version in VERSIONS:
            got = self.say_and_close_half(server, context((HTTP1,), version), b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(got[:15], b"HTTP/1.1 200 OK")
            self.say_and_close_half(server, context((HTTP2,), version), PREFACE + settings() + post2(1, "/embed", {"inputs": "a"}))
        wait_until(lambda: self.metric(server, "akin_http_connections") == 1, "nobody is left but who asks")


if __name__ == "__main__":
    main()
