#!/usr/bin/env python3
"""Byte-exact requests on a socket: what is served, what is refused, and what becomes of the connection.

    http_table_test.py --akin PROGRAM --model FOLDER
"""
import socket
import time

from serve_process import ServedTest, Server, main

BODY = b'{"inputs":"a text"}'
HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\n"


def post(headers, body=BODY, line=b"POST /embed HTTP/1.1\r\n"):
    return line + HOST + JSON + headers + b"\r\n" + body


def whole(path, body):
    return post(b"Content-Length: %d\r\n" % len(body), body, b"POST %s HTTP/1.1\r\n" % path)


LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
ONE_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

# (what it is, the bytes, the status, whether the connection stays open)
TABLE = [
    ("a plain request", post(LENGTH), 200, True),
    ("HTTP/1.0 closes", post(LENGTH, line=b"POST /embed HTTP/1.0\r\n"), 200, False),
    ("HTTP/1.0 may keep alive", post(LENGTH + b"Connection: keep-alive\r\n", line=b"POST /embed HTTP/1.0\r\n"), 200, True),
    ("Connection: close", post(LENGTH + b"Connection: close\r\n"), 200, False),
    ("Connection: close among others", post(LENGTH + b"Connection: foo , CLOSE\r\n"), 200, False),
    ("header names in any case", post(b"cOnTeNt-LeNgTh: %d\r\n" % len(BODY)), 200, True),
    ("blanks around a value", post(b"Content-Length: \t %d \t\r\n" % len(BODY)), 200, True),
    ("an absolute target", post(LENGTH, line=b"POST http://x/embed HTTP/1.1\r\n"), 200, True),
    ("an absolute target with a port", post(LENGTH, line=b"POST http://[::1]:80/embed HTTP/1.1\r\n"), 200, True),
    ("an absolute target without a path", b"GET http://x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
    ("an absolute target with a query alone", b"GET http://x?a=b HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
    ("an absolute target with half a bracket", b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("an absolute target without a host", b"GET http:///health HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("an absolute target with a user", b"GET http://me:key@x/health HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("an absolute target with a port that is none", b"GET http://x:8a/health HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("a query is no part of the path", post(LENGTH, line=b"POST /embed?a=b HTTP/1.1\r\n"), 200, True),
    ("a chunked body", post(CHUNKED, ONE_CHUNK), 200, True),
    ("chunked in any case", post(b"Transfer-Encoding: Chunked\r\n", ONE_CHUNK), 200, True),
    ("chunks of one byte", post(CHUNKED, b"".join(b"1\r\n%c\r\n" % c for c in BODY) + b"0\r\n\r\n"), 200, True),
    ("a chunk extension", post(CHUNKED, b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), 200, True),
    ("a trailer", post(CHUNKED, b"%x\r\n%s\r\n0\r\nA: b\r\n\r\n" % (len(BODY), BODY)), 200, True),
    ("GET without a body", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
    ("HEAD", b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
    # Framing that can be read in two ways.
    ("both lengths", post(LENGTH + CHUNKED, ONE_CHUNK), 400, False),
    ("both lengths, the other way round", post(CHUNKED + LENGTH, ONE_CHUNK), 400, False),
    ("two different lengths", post(LENGTH + b"Content-Length: 3\r\n"), 400, False),
    ("the same length twice", post(LENGTH + LENGTH), 400, False),
    ("a list of lengths", post(b"Content-Length: 19, 19\r\n"), 400, False),
    ("a length with a plus", post(b"Content-Length: +19\r\n"), 400, False),
    ("a negative length", post(b"Content-Length: -19\r\n"), 400, False),
    ("a hexadecimal length", post(b"Content-Length: 0x13\r\n"), 400, False),
    ("a length with a point", post(b"Content-Length: 19.0\r\n"), 400, False),
    ("a length with a blank inside", post(b"Content-Length: 1 9\r\n"), 400, False),
    ("no length at all behind the colon", post(b"Content-Length:\r\n"), 400, False),
    ("a length beyond all numbers", post(b"Content-Length: 99999999999999999999999\r\n", b""), 413, False),
    ("a length beyond the limit, without its body", post(b"Content-Length: 2000001\r\n", b""), 413, False),
    ("chunked twice", post(CHUNKED + CHUNKED, ONE_CHUNK), 400, False),
    ("chunked is not last", post(b"Transfer-Encoding: chunked, gzip\r\n", ONE_CHUNK), 400, False),
    ("gzip, chunked", post(b"Transfer-Encoding: gzip, chunked\r\n", ONE_CHUNK), 501, False),
    ("identity", post(b"Transfer-Encoding: identity\r\n", BODY), 501, False),
    ("xchunked", post(b"Transfer-Encoding: xchunked\r\n", ONE_CHUNK), 501, False),
    ("chunked with a vertical tab", post(b"Transfer-Encoding: \x0bchunked\r\n", ONE_CHUNK), 400, False),
    ("chunked in HTTP/1.0", post(CHUNKED, ONE_CHUNK, line=b"POST /embed HTTP/1.0\r\n"), 400, False),
    ("a chunk size with 0x", post(CHUNKED, b"0x13\r\n%s\r\n0\r\n\r\n" % BODY), 400, False),
    ("a chunk size with a sign", post(CHUNKED, b"+13\r\n%s\r\n0\r\n\r\n" % BODY), 400, False),
    ("a chunk size with a blank", post(CHUNKED, b"13 \r\n%s\r\n0\r\n\r\n" % BODY), 400, False),
    ("a chunk size of nine digits", post(CHUNKED, b"000000013\r\n%s\r\n0\r\n\r\n" % BODY), 400, False),
    ("an empty chunk size", post(CHUNKED, b"\r\n%s\r\n0\r\n\r\n" % BODY), 400, False),
    ("a chunk that ends with LF", post(CHUNKED, b"13\n%s\n0\n\n" % BODY), 400, False),
    ("a chunk that is longer than it says", post(CHUNKED, b"5\r\n%s\r\n0\r\n\r\n" % BODY), 400, False),
    ("a huge chunk", post(CHUNKED, b"ffffffff\r\n"), 413, False),
    ("an LF in an extension", post(CHUNKED, b"13;a\nb\r\n%s\r\n0\r\n\r\n" % BODY), 400, False),
    ("an endless extension", post(CHUNKED, b"13;" + b"a" * 5000 + b"\r\n"), 400, False),
    ("an endless trailer", post(CHUNKED, b"0\r\n" + b"a: b\r\n" * 1000), 400, False),
    # Lines.
    ("lines that end with LF", b"GET /health HTTP/1.1\nHost: x\n\n", 400, False),
    ("a bare CR", b"GET /health HTTP/1.1\rHost: x\r\n\r\n", 400, False),
    ("a CR in a value", b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400, False),
    ("an LF in a value", b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\nc: d\r\n\r\n", 400, False),
    ("a NUL in a value", b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400, False),
    ("a folded header", b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400, False),
    ("a tab-folded header", b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", 400, False),
    ("a blank before the first header", b"GET /health HTTP/1.1\r\n Host: x\r\n\r\n", 400, False),
    ("a blank before the colon", b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n", 400, False),
    ("a tab before the colon", post(b"Content-Length\t: 19\r\n"), 400, False),
    ("no name", b"GET /health HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400, False),
    ("no colon", b"GET /health HTTP/1.1\r\nHost: x\r\nab\r\n\r\n", 400, False),
    ("a name with a bracket", b"GET /health HTTP/1.1\r\nHost: x\r\na[b: c\r\n\r\n", 400, False),
    ("a name that is not ASCII", b"GET /health HTTP/1.1\r\nHost: x\r\n\xc3\xa4: c\r\n\r\n", 400, False),
    ("a value that is not ASCII", b"GET /health HTTP/1.1\r\nHost: x\r\na: \xc3\xa4\r\n\r\n", 200, True),
    ("no host", b"GET /health HTTP/1.1\r\n\r\n", 400, False),
    ("two hosts", b"GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400, False),
    ("no host in HTTP/1.0", b"GET /health HTTP/1.0\r\n\r\n", 200, False),
    ("an empty line first", b"\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("no version", b"GET /health\r\nHost: x\r\n\r\n", 400, False),
    ("HTTP/2.0", b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 505, False),
    ("http/1.1 in lower case", b"GET /health http/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("HTTP/1.10", b"GET /health HTTP/1.10\r\nHost: x\r\n\r\n", 400, False),
    ("two blanks in the request line", b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("a tab in the request line", b"GET\t/health HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("a target without a slash", b"GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("a method with a bracket", b"G(T /health HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
    ("a TLS client hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, False),
    ("an unknown expectation", post(LENGTH + b"Expect: more\r\n"), 417, False),
    # Limits.
    ("a long target", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, False),
    ("a request line without an end", b"G" * 20000, 414, False),
    ("long headers", b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 17000 + b"\r\n\r\n", 431, False),
    ("100 headers", b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 99 + b"\r\n", 200, True),
    ("101 headers", b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 100 + b"\r\n", 431, False),
    # Routes and types.
    ("no such path", b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404, True),
    ("a path in another case", post(LENGTH, line=b"POST /EMBED HTTP/1.1\r\n"), 404, False),
    ("a path with a slash more", post(LENGTH, line=b"POST //embed HTTP/1.1\r\n"), 404, False),
    ("a path that climbs", post(LENGTH, line=b"POST /x/../embed HTTP/1.1\r\n"), 404, False),
    ("an escaped path", post(LENGTH, line=b"POST /%65mbed HTTP/1.1\r\n"), 404, False),
    ("another method", b"DELETE /embed HTTP/1.1\r\nHost: x\r\n\r\n", 405, True),
    ("another method below a path", b"TRACE /v1/models/x HTTP/1.1\r\nHost: x\r\n\r\n", 405, True),
    ("no content type", b"POST /embed HTTP/1.1\r\nHost: x\r\n" + LENGTH + b"\r\n" + BODY, 415, False),
    ("text", b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" + LENGTH + b"\r\n" + BODY, 415, False),
    ("a form for Ollama", b"POST /api/embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" + LENGTH + b"\r\n" + BODY, 200, True),
    ("no type for Ollama", b"POST /api/embed HTTP/1.1\r\nHost: x\r\n" + LENGTH + b"\r\n" + BODY, 200, True),
    ("a form for AkiDB", b"POST /api/v1/embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\n{\"texts\":[\"a\"]}", 200, True),
    ("a page's form for Ollama", b"POST /api/embed HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Type: text/plain\r\n" + LENGTH + b"\r\n" + BODY, 415, False),
    ("a page's post without a type", b"POST /api/embed HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n" + LENGTH + b"\r\n" + BODY, 415, False),
    ("a page's form without its origin", b"POST /api/embed HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nContent-Type: text/plain\r\n" + LENGTH + b"\r\n" + BODY, 415, False),
    ("a page's JSON for Ollama", b"POST /api/embed HTTP/1.1\r\nHost: localhost\r\nOrigin: http://here.example\r\n" + JSON + LENGTH + b"\r\n" + BODY, 200, True),
    ("a page by another name for this machine", b"POST /api/embed HTTP/1.1\r\nHost: here.example\r\nOrigin: http://here.example\r\n" + JSON + LENGTH + b"\r\n" + BODY, 403, False),
    ("a charset", b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n" + LENGTH + b"\r\n" + BODY, 200, True),
    # Bodies.
    ("no JSON", post(b"Content-Length: 3\r\n", b"{a}"), 400, True),
    ("an empty body", post(b"Content-Length: 0\r\n", b""), 400, True),
    ("no object", post(b"Content-Length: 4\r\n", b"[12]"), 400, True),
    ("JSON nested too deep", post(b"Content-Length: 200\r\n", b"[" * 100 + b"]" * 100), 400, True),
    ("bytes behind the JSON", post(b"Content-Length: 21\r\n", BODY + b"{}"), 400, True),
    ("broken UTF-8", post(b"Content-Length: 14\r\n", b'{"inputs":"\xff"}'), 400, True),
    ("a lone surrogate", post(b"Content-Length: 19\r\n", b'{"inputs":"\\ud800"}'), 400, True),
    ("a wrong type", post(b"Content-Length: 12\r\n", b'{"inputs":1}'), 422, True),
    ("a missing field", post(b"Content-Length: 2\r\n", b"{}"), 422, True),
    ("the last of two members counts", post(b"Content-Length: 27\r\n", b'{"inputs":1,"inputs":"abc"}'), 200, True),
    ("an empty text", post(b"Content-Length: 13\r\n", b'{"inputs":""}'), 400, True),
    ("no texts", post(b"Content-Length: 13\r\n", b'{"inputs":[]}'), 400, True),
    ("an id beyond the vocabulary", post(b"Content-Length: 22\r\n", b'{"inputs":[999999999]}'), 422, True),
    ("a negative id", post(b"Content-Length: 15\r\n", b'{"inputs":[-1]}'), 422, True),
    # How vectors are written, in each dialect.
    ("a kind of vectors", whole(b"/embed", b'{"inputs":"a","embedding_type":"ubinary"}'), 200, True),
    ("a kind of vectors, null", whole(b"/embed", b'{"inputs":"a","embedding_type":null}'), 200, True),
    ("an unknown kind of vectors", whole(b"/embed", b'{"inputs":"a","embedding_type":"int4"}'), 422, True),
    ("a kind in capitals", whole(b"/embed", b'{"inputs":"a","embedding_type":"INT8"}'), 422, True),
    ("a kind that is a number", whole(b"/embed", b'{"inputs":"a","embedding_type":8}'), 422, True),
    ("an unknown kind for Ollama", whole(b"/api/embed", b'{"input":"a","embedding_type":"int4"}'), 400, True),
    ("an unknown kind for no input", whole(b"/api/embed", b'{"input":[],"embedding_type":"int4"}'), 400, True),
    ("an unknown kind for Ollama's old route", whole(b"/api/embeddings", b'{"prompt":"a","embedding_type":"int4"}'), 400, True),
    ("an unknown kind for AkiDB", whole(b"/api/v1/embed", b'{"texts":["a"],"embedding_type":"int4"}'), 422, True),
    ("an unknown kind for OpenAI", whole(b"/v1/embeddings", b'{"input":"a","embedding_type":"int4"}'), 400, True),
    ("an unknown kind for Cohere", whole(b"/v2/embed", b'{"texts":["a"],"embedding_types":["int4"]}'), 400, True),
]


class Table(ServedTest):
    def test_each_request_gets_its_status_and_the_connection_its_end(self):
        for what, data, status, stays_open in TABLE:
            with self.subTest(what):
                with self.server.connect() as client:
                    client.sendall(data)
                    got, headers, _ = read_answer(client, head=data.startswith(b"HEAD"))
                    self.assertEqual(got, status)
                    self.assertEqual(headers.get("connection") != "close", stays_open)
                    if stays_open:
                        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                        self.assertEqual(read_answer(client)[0], 200)
                    else:
                        self.assertTrue(is_closed(client), "the connection stays open")

    def test_pipelined_requests_are_answered_in_their_order(self):
        texts = [f"text {i}" for i in range(30)]
        bodies = [b'{"inputs":"%s"}' % text.encode() for text in texts]
        data = b"".join(post(b"Content-Length: %d\r\n" % len(body), body) for body in bodies)
        with self.server.connect() as client:
            client.sendall(data)
            answers = [read_answer(client)[2] for _ in texts]
        alone = [self.server.post("/embed", {"inputs": text})[2] for text in texts]
        self.assertEqual(answers, alone)
        self.assertEqual(len(set(answers)), len(texts))

    def test_a_request_may_come_byte_by_byte(self):
        with self.server.connect() as client:
            for byte in post(LENGTH):
                client.sendall(bytes([byte]))
            self.assertEqual(read_answer(client)[0], 200)

    def test_expect_100_continue_is_answered_before_the_body(self):
        with self.server.connect() as client:
            client.sendall(post(LENGTH + b"Expect: 100-continue\r\n", b""))
            self.assertEqual(client.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            client.sendall(BODY)
            self.assertEqual(read_answer(client)[0], 200)

    def test_a_client_that_leaves_at_any_byte_harms_nobody(self):
        data = post(LENGTH)
        for cut in range(0, len(data), 7):
            with self.server.connect() as client:
                client.sendall(data[:cut])
        self.assertEqual(self.server.post("/embed", {"inputs": "a text"})[0], 200)


class SlowClients(ServedTest):
    @classmethod
    def start_server(cls):
        return Server("--header-timeout", "1", "--idle-timeout", "2", "--write-timeout", "2")

    def test_a_head_that_does_not_come_to_an_end_gets_408(self):
        with self.server.connect() as client:
            begin = time.monotonic()
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
            self.assertEqual(read_answer(client)[0], 408)
            self.assertTrue(is_closed(client))
            self.assertLess(time.monotonic() - begin, 10)

    def test_an_idle_connection_is_closed_without_a_word(self):
        with self.server.connect() as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            read_answer(client)
            self.assertTrue(is_closed(client))

    def test_two_hundred_clients_with_half_a_request_do_not_keep_others_waiting(self):
        slow = [self.server.connect() for _ in range(200)]
        for client in slow:
            client.sendall(post(LENGTH, b""))
        for _ in range(20):
            self.assertEqual(self.server.post("/embed", {"inputs": "a text"})[0], 200)
        for client in slow:
            client.close()

    def test_a_client_that_does_not_read_its_answer_loses_its_connection(self):
        body = b'{"inputs":[' + b",".join(b'"%d"' % i for i in range(2000)) + b"]}"
        with self.server.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            request = post(b"Content-Length: %d\r\n" % len(body), body)
            for _ in range(12):
                client.sendall(request)
            time.sleep(5)
            self.assertEqual(self.server.post("/embed", {"inputs": "a text"})[0], 200)
            with self.assertRaises((ConnectionError, AssertionError)):
                for _ in range(12):
                    read_answer(client)


def read_answer(client, head=False):
    """-> (status, headers, body) of the next answer on the socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        # Byte by byte, so that nothing of a pipelined answer behind this one is lost.
        byte = client.recv(1)
        if not byte:
            raise AssertionError(f"the connection ended in the head: {data!r}")
        data += byte
    lines = data.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if line)}
    length = 0 if head else int(headers.get("content-length", 0))
    body = b""
    while len(body) < length:
        part = client.recv(length - len(body))
        if not part:
            raise AssertionError("the connection ended in the body")
        body += part
    return status, headers, body


def is_closed(client):
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


if __name__ == "__main__":
    main()
