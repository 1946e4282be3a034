#!/usr/bin/env python3
"""What connections may hold, whose give way to others, and how it is seen that clients of HTTP/1.1 have gone.

    connections_test.py --akin PROGRAM --model FOLDER
"""
import contextlib
import os
import resource
import select
import signal
import socket
import struct
import tempfile
import time
import unittest

from raw_http2 import (DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NO_ERROR, PING, RawClient, call_headers, frame,
                       grpc_message, header_block)
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
    def serve(self, *options, **others):
        server = Server(*options, **others)
        self.addCleanup(server.stop)
        return server

    def connect(self, server, source="127.0.0.1"):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT, source_address=(source, 0))
        self.addCleanup(client.close)
        return client


class Bodies(Connections):
    def send_what_is_read(self, clients, data):
        """A piece of `data` to each in turn, until all have it or none is read any more."""
        at = dict.fromkeys(clients, 0)
        while at:
            _, ready, _ = select.select([], list(at), [], 0.5)
            if not ready:
                return
            for client in ready:
                client.setblocking(False)
                at[client] += client.send(data[at[client]:at[client] + 32768])
                client.settimeout(TIMEOUT)
                if at[client] == len(data):
                    del at[client]

    def test_bodies_that_are_never_whole_have_a_budget_and_others_a_part_of_it(self):
        server = self.serve()
        before = server.memory("VmRSS")
        clients = [self.connect(server, "127.0.0.2") for _ in range(60)]  # 120 MB; their half is 64 MiB.
        begin = time.monotonic()
        self.send_what_is_read(clients, HEAD + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1_990_000)
        for body in (b'{"inputs":"a"' + b" " * 1_900_000 + b"}", b'{"inputs":"a"}'):
            other = self.connect(server, "127.0.0.1" if len(body) > 100 else "127.0.0.2")
            other.sendall(request(body))
            self.assertEqual(status(other), b"200")
        answered, _, _ = select.select(clients, [], [], TIMEOUT)
        self.assertGreater(time.monotonic() - begin, 5)
        answer = answered[0].recv(4096)
        self.assertEqual(answer[9:12], b"408")
        self.assertIn(b"took too long, while others wait for room", answer)
        server.await_event("request", status=429)  # Those behind have waited for 10 s.
        if "AKIN_TEST_SLOW" not in os.environ:
            self.assertLess(server.memory("VmHWM") - before, 100 * MIB)

    def test_a_burst_of_bodies_at_the_same_pace_comes_whole(self):
        server = self.serve()
        for framing in (b"Content-Length: 1900000\r\n\r\n%s", b"Transfer-Encoding: chunked\r\n\r\n1cfde0\r\n%s\r\n0\r\n\r\n"):
            clients = [self.connect(server, "127.0.0.2") for _ in range(120)]  # 228 MB.
            body = b'{"inputs":"a"' + b" " * (1_900_000 - 14) + b"}"
            self.send_what_is_read(clients, HEAD + framing % body)
            self.assertEqual({status(client) for client in clients}, {b"200"})
            for client in clients:
                client.close()

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

    def test_a_connection_has_room_for_an_ordinary_body_whoever_holds_the_rest(self):
        server = self.serve()
        clients = [self.connect(server, "127.0.0.2") for _ in range(34)]
        for length, client in zip([2_000_000] * 33 + [1_100_000], clients):  # Their half but for 8.8 KB.
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % length + b"x" * (length - 10_000))
        body = b'{"inputs":"a"' + b" " * 59_000 + b"}"
        ordinary = [self.connect(server, "127.0.0.2") for _ in range(100)]  # 5.9 MB.
        for client in ordinary:
            client.sendall(request(body)[:-1])
        self.assertEqual(select.select(ordinary, [], [], 2.5)[0], [])
        # By HTTP/2: one of three is on the floor, and the next when that is whole.
        client = RawClient(server.port, source="127.0.0.2")
        self.addCleanup(client.close)
        head = header_block([(":method", "POST"), (":scheme", "http"), (":path", "/embed"), (":authority", "x"),
                             ("content-type", "application/json")])
        for stream in (1, 3, 5):
            data = b"".join(frame(DATA, 0, stream, body[at:at + 10_000]) for at in range(0, len(body), 10_000))
            client.send(frame(HEADERS, END_HEADERS, stream, head) + data)
        for stream in (3, 5, 1):
            client.send(frame(DATA, END_STREAM, stream, b""))
        begin, answered = time.monotonic(), []
        while len(answered) < 3 and (received := client.receive(TIMEOUT)):
            if received[0] == HEADERS:
                answered.append((received[2], received[3][:1]))
        self.assertLess(time.monotonic() - begin, 9)
        self.assertEqual(answered[0], (1, b"\x88"))  # 200, by HPACK.
        self.assertEqual(set(answered), {(stream, b"\x88") for stream in (1, 3, 5)})
        for client in ordinary:
            client.sendall(body[-1:])
        self.assertEqual({status(client) for client in ordinary}, {b"200"})

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


class Crowd(Connections):
    """40 connections at most, of which one client leaves 5 to others."""

    def crowded(self, *options):
        return self.serve("--max-connections", "40", "--api-key", "secret", *options)

    def health(self, server, source):
        """-> whether it is answered, on a connection of its own"""
        with self.connect(server, source) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return client.recv(4096)[9:12] == b"200"

    def numbers(self, server):
        """-> connections that are there, that gave way, that were turned away"""
        headers = {"Authorization": "Bearer secret"}
        lines = server.get("/metrics", headers)[2].decode().splitlines()
        return [int(line.split()[1]) for name in ("", "_gave_way_total", "_turned_away_total") for line in lines
                if line.startswith(f"akin_http_connections{name} ")]

    def test_idle_ones_give_way_to_whoever_comes(self):
        server = self.crowded()
        idle = [self.connect(server, "127.0.0.2") for _ in range(100)]
        for source in ("127.0.0.9", "127.0.0.2"):
            self.assertTrue(self.health(server, source))
        wait_until(lambda: self.numbers(server)[1] >= 65, "most have given way")
        there, _, turned_away = self.numbers(server)
        self.assertLessEqual(there, 36)  # With who asks.
        self.assertEqual(turned_away, 0)
        self.assertEqual(idle[0].recv(1), b"")  # The oldest.
        server.await_event("an idle connection was closed for a new one: there are too many", client="127.0.0.2",
                           option="--max-connections")
        lines = [e for e in server.log if e["message"].startswith("an idle connection was closed")]
        self.assertLess(len(lines), 10)

    def test_slow_heads_are_idle(self):
        server = self.crowded()
        for _ in range(60):
            self.connect(server, "127.0.0.2").sendall(b"GET /health HTTP/1.1\r\nHo")
        for source in ("127.0.0.9", "127.0.0.2"):
            self.assertTrue(self.health(server, source))

    def test_what_is_used_does_not_give_way_to_what_is_not(self):
        server = self.crowded()
        proxy = [self.connect(server, "127.0.0.2") for _ in range(30)]
        asked = b"GET /info HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n"
        for turn in range(5):
            for number, client in enumerate(proxy):
                client.sendall(asked)
                self.assertEqual(status(client), b"200", (turn, number))
                if turn > 0:
                    self.connect(server, f"127.0.1.{number % 8 + 1}")  # Says nothing.
        self.assertTrue(self.health(server, "127.0.0.9"))
        self.assertGreater(self.numbers(server)[1], 100)

    def test_who_only_watches_gives_way_and_is_told(self):
        server = self.crowded()
        watching = []
        for number in range(10):
            for _ in range(35 if number == 0 else 3):
                client = RawClient(server.port, source=f"127.0.1.{number + 1}")
                self.addCleanup(client.socket.close)
                client.send(frame(HEADERS, END_HEADERS, 1, call_headers("/grpc.health.v1.Health/Watch"))
                            + frame(DATA, END_STREAM, 1, grpc_message(b"")))
                told = client.receive()
                while told is not None and told[0] != DATA:
                    told = client.receive()
                if told is not None:
                    watching.append(client)
        self.assertGreaterEqual(len(watching), 40)
        for number in range(10):
            self.assertTrue(self.health(server, f"127.0.0.{number + 9}"), number)
        told = watching[0].receive()
        while told is not None and told[0] != GOAWAY:
            told = watching[0].receive()
        self.assertEqual(struct.unpack(">I", told[3][4:8])[0], NO_ERROR)

    def test_bodies_that_do_not_go_on_give_way_in_the_end(self):
        server = self.crowded()
        head = HEAD + b"Authorization: Bearer secret\r\nContent-Length: 100000\r\n\r\n{"
        held = []
        for number, count in ((1, 35), (2, 3), (3, 1), (4, 1)):
            for _ in range(count):
                held.append(self.connect(server, f"127.0.1.{number}"))
                held[-1].sendall(head)
                held[-1].settimeout(0.02)
                with self.assertRaises(TimeoutError):
                    held[-1].recv(1)
        begin = time.monotonic()
        self.assertTrue(self.health(server, "127.0.0.9"))  # It has waited.
        self.assertLess(time.monotonic() - begin, 9)  # Who is too slow goes after 10 s.
        held[0].settimeout(TIMEOUT)
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(held[0].recv(1), b"")
        held[-1].settimeout(0.02)
        with self.assertRaises(TimeoutError):
            held[-1].recv(1)

    def test_a_limit_of_open_files_counts_as_well(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        server = self.serve("--max-connections", "200", open_files=(64, hard))
        pid = server.process.pid
        self.assertEqual(resource.prlimit(pid, resource.RLIMIT_NOFILE)[0], 200 + 25 + 64)
        for _ in range(150):
            self.connect(server, "127.0.0.2")
        self.assertTrue(self.health(server, "127.0.0.9"))
        # Descriptors may run out all the same.
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used - 20, hard))
        self.assertTrue(self.health(server, "127.0.0.9"))
        server.await_event("a connection was not accepted")

    def test_too_few_open_files_are_said_and_shared(self):
        server = self.serve("--max-connections", "200", open_files=(100, 100))
        server.await_event("fewer connections than --max-connections: this process may not open more files (ulimit -n, "
                           "LimitNOFILE)", connections=45, max_connections=200, files=100)
        for _ in range(120):
            self.connect(server, "127.0.0.2")
        for _ in range(3):
            self.assertTrue(self.health(server, "127.0.0.9"))

    def test_of_a_flood_few_stay_until_they_are_told(self):
        server = self.crowded()
        idle = [RawClient(server.port, source="127.0.0.2") for _ in range(35)]
        for client in idle:
            self.addCleanup(client.close)
            client.send(frame(PING, 0, 0, b"12345678"))
            while (told := client.receive()) and told[0] != PING:
                pass
        os.kill(server.process.pid, signal.SIGSTOP)  # So that all are there at once: 16 are accepted in a turn of the loop.
        for number in range(40):
            self.connect(server, f"127.0.2.{number % 8 + 1}")
        os.kill(server.process.pid, signal.SIGCONT)
        wait_until(lambda: self.numbers(server)[1] >= 30, "most have given way")
        told = [any(received[0] == GOAWAY for received in client.receive_all(0.1)[0]) for client in idle]
        self.assertGreaterEqual(sum(told), 5)
        self.assertLessEqual(sum(told), 3 * 5)  # In each of three turns.

    def test_keyless_requests_keep_nobody_out(self):
        server = self.crowded()
        held = [self.connect(server, f"127.0.1.{number % 10 + 1}") for number in range(40)]
        for turn in range(3):
            for number, client in enumerate(held):  # Each is behind the others again.
                with contextlib.suppress(ConnectionError):
                    client.sendall((b"GET /health HTTP/1.1\r\n", b"GET /info HTTP/1.1\r\n")[number % 2] + b"Host: x\r\n\r\n")
                    client.recv(4096)
            newcomer = self.connect(server, f"127.0.0.{turn + 9}")
            for client in held:  # Before it has asked.
                with contextlib.suppress(ConnectionError):
                    client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                    client.recv(4096)
            for number in range(8):
                self.connect(server, f"127.0.1.{number + 1}")
            newcomer.sendall(b"GET /info HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n")
            self.assertEqual(status(newcomer), b"200", turn)

    def test_who_only_pings_is_idle_and_goes_in_the_end(self):
        server = self.crowded("--idle-timeout", "1")
        clients = [RawClient(server.port, source="127.0.0.2") for _ in range(40)]
        for client in clients:
            self.addCleanup(client.socket.close)
        for source in ("127.0.0.9", "127.0.0.2"):
            self.assertTrue(self.health(server, source))
        last, begin = clients[-1], time.monotonic()
        while last.send(frame(PING, 0, 0, b"12345678")):
            told = last.receive(0.1)
            while told is not None and told[0] != GOAWAY:
                told = last.receive(0.1)
            if told is not None:
                break
            self.assertLess(time.monotonic() - begin, TIMEOUT)
        self.assertEqual(struct.unpack(">I", told[3][4:8])[0], NO_ERROR)
        self.assertGreater(time.monotonic() - begin, 2)  # It has been kept beyond --idle-timeout.

    def test_one_client_alone_has_nearly_all(self):
        with tempfile.TemporaryDirectory() as folder:
            server = self.crowded("--unix-socket", folder + "/socket")
            clients = [socket.socket(socket.AF_UNIX) for _ in range(35)]
            for client in clients:
                self.addCleanup(client.close)
                client.settimeout(TIMEOUT)
                client.connect(folder + "/socket")
            for _ in range(2):
                for client in clients:
                    client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                    self.assertEqual(status(client), b"200")
            self.assertEqual(self.numbers(server), [36, 0, 0])

    def test_requests_under_way_do_not_give_way_and_leave_room_to_others(self):
        server = self.crowded()
        head = HEAD + b"Authorization: Bearer secret\r\nContent-Length: 100\r\n\r\n{"
        clients = []
        for count in range(60):
            clients.append(self.connect(server, "127.0.0.2"))
            clients[-1].sendall(head)
            if count < 35:  # So that it is under way before the next one comes.
                clients[-1].settimeout(0.02)
                with self.assertRaises(TimeoutError):
                    clients[-1].recv(1)
        self.assertTrue(self.health(server, "127.0.0.9"))
        wait_until(lambda: self.numbers(server)[0] == 36, "35 and who asks")
        self.assertGreaterEqual(self.numbers(server)[2], 25)
        server.await_event("a new connection was closed: there are too many", client="127.0.0.2", option="--max-connections")
        clients[0].sendall(b" " * 99)
        clients[0].settimeout(TIMEOUT)
        self.assertEqual(status(clients[0]), b"400")


class Leaving(Connections):
    """Clients that have gone, while the only thread that computes is busy, so that nothing is computed for them (over TLS: tls_test.py)."""

    def leave(self, behind, wait):
        server = start_slow_server(self)
        server.ends_with = {-9}
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
        wait_until(lambda: server.metric("akin_requests_cancelled_total") == 20, "they are dropped")
        self.assertEqual(server.metric("te_queue_size"), 1)  # That of the busy thread.
        self.assertEqual(server.metric("akin_http_left_total"), 20)
        server.process.kill()

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
