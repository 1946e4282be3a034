#!/usr/bin/env python3
"""What connections of HTTP/1.1 may hold, and how it is seen that their clients have gone.

    connections_test.py --akin PROGRAM --model FOLDER
"""
import os
import select
import socket
import time
import unittest

from serve_process import TIMEOUT, Server, main, wait_until
from slow_onnx import ENDLESS, start_slow_server

MIB = 1 << 20
HEAD = b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def request(body):
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def status(client):
    """-> the three digits of the next answer"""
    return client.recv(4096)[9:12]


class Connections(unittest.TestCase):
    def serve(self, *options):
        server = Server(*options)
        self.addCleanup(server.stop)
        return server

    def connect(self, server, source="127.0.0.1"):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT, source_address=(source, 0))
        self.addCleanup(client.close)
        return client


class Bodies(Connections):
    def test_bodies_that_are_never_whole_have_a_budget_and_others_a_part_of_it(self):
        server = self.serve()
        before = server.memory("VmRSS")
        clients = [self.connect(server, "127.0.0.2") for _ in range(60)]  # 120 MB; their half is 64 MiB.
        for client in clients:
            client.sendall(HEAD + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1_990_000)
        body = b'{"inputs":"a"' + b" " * 1_900_000 + b"}"
        other = self.connect(server)
        other.sendall(request(body))
        self.assertEqual(status(other), b"200")
        answered, _, _ = select.select(clients, [], [], TIMEOUT)
        self.assertEqual({status(client) for client in answered}, {b"429"})
        server.await_event("request", status=429)
        if "AKIN_TEST_SLOW" not in os.environ:
            self.assertLess(server.memory("VmHWM") - before, 100 * MIB)

    def test_a_body_without_room_waits_for_others_to_end(self):
        server = self.serve()
        clients = [self.connect(server, "127.0.0.2") for _ in range(34)]  # One more than have room.
        whole = b'{"inputs":"a"' + b" " * 1_999_980 + b"}"
        for client in clients[:-1]:
            client.sendall(request(whole)[:-1])
        last = clients[-1]
        last.sendall(request(whole))
        last.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            status(last)
        for client in clients[:-1]:
            client.sendall(whole[-1:])
        last.settimeout(TIMEOUT)
        self.assertEqual({status(client) for client in clients}, {b"200"})

    def test_what_came_fast_does_not_pay_for_silence(self):
        server = self.serve()
        for framing, begun in ((b"Content-Length: 1000000\r\n\r\n", b"x" * 900_000),
                               (b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + b"x" * 900_000)):
            with self.connect(server) as client:
                client.sendall(HEAD + framing + begun)
                begin = time.monotonic()
                self.assertEqual(status(client), b"408")
                self.assertGreater(time.monotonic() - begin, 9)
                self.assertLess(time.monotonic() - begin, 13 * TIMEOUT / 60)

    def test_bytes_of_a_body_hold_what_they_are(self):
        server = self.serve()
        for _ in range(2):  # What the first ones take stays.
            before = server.memory("VmRSS")
            clients = [self.connect(server) for _ in range(800)]
            for client in clients:
                client.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
            wait_until(lambda: server.metric("akin_http_connections") > 800, "all are there")
            grown = server.memory("VmRSS") - before
            for client in clients:
                client.close()
            wait_until(lambda: server.metric("akin_http_connections") == 1, "all are gone")
            if "AKIN_TEST_SLOW" not in os.environ:
                self.assertLess(grown / len(clients), 24 << 10)


class Leaving(Connections):
    """Clients that have gone, while the only thread that computes is busy, so that nothing is computed for them (over TLS: tls_test.py)."""

    def start(self, *options):
        server = start_slow_server(self, *options)
        server.ends_with = {0, -9, 143}
        return server

    def dropped(self, server, count, metrics):
        wait_until(lambda: metrics("akin_requests_cancelled_total") == count, "they are dropped")
        self.assertEqual(metrics("te_queue_size"), 1)  # That of the busy thread.
        self.assertEqual(metrics("akin_http_left_total"), count)
        server.process.kill()

    def leave(self, behind, wait):
        server = self.start()
        busy = self.connect(server)
        busy.sendall(request(b'{"inputs":"%s"}' % ENDLESS.encode()))
        wait_until(lambda: server.metric("te_queue_size") == 1, "the only thread is busy")
        leaving = [self.connect(server) for _ in range(20)]
        for client in leaving:
            client.sendall(request(b'{"inputs":"a stone"}') + behind)
            if not wait:
                client.close()
        if wait:
            wait_until(lambda: server.metric("te_queue_size") == 21, "they wait")
            for client in leaving:
                client.close()
        self.dropped(server, 20, server.metric)

    def test_after_a_byte_of_the_next_request(self):
        self.leave(b"G", wait=True)

    def test_at_once_after_a_byte_of_the_next_request(self):
        self.leave(b"G", wait=False)

    def test_after_more_than_is_read(self):
        self.leave(b"G" * 100_000, wait=True)

    def test_without_a_byte_more(self):
        self.leave(b"", wait=True)

    def test_who_has_sent_the_next_request_and_stays_is_answered(self):
        server = self.serve()
        with self.connect(server) as client:
            client.sendall(request(b'{"inputs":"a"}') * 3)
            received = b""
            while received.count(b"HTTP/1.1 200") < 3:
                more = client.recv(65536)
                self.assertTrue(more, received)
                received += more


if __name__ == "__main__":
    main()
