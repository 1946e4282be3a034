#!/usr/bin/env python3
"""HTTP/2 as nobody should speak it: memory stays bounded, and others are answered meanwhile.

    grpc_abuse_test.py --akin PROGRAM --model FOLDER
"""
import gzip
import os
import random
import statistics
import struct
import subprocess
import sys
import threading
import time
import unittest

from raw_http2 import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS,
                       INITIAL_WINDOW_SIZE, PING, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, RawClient,
                       call_headers, ends_with_status, frame, grpc_message, header_block, settings, string_field)
from serve_process import ARGUMENTS, TIMEOUT, Server, main

MIB = 1 << 20
EMBED = "/tei.v1.Embed/Embed"
HEALTH = "/grpc.health.v1.Health/"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
TRUNCATE = b"\x10\x01"
SANITIZED = "AKIN_TEST_SLOW" in os.environ
# A healthy client asks so often at least, before a case and in it, and in it takes no longer than so many times as long.
CALLS = 20
PATIENCE = 100
# What a case sends stops after so long, whatever the server takes of it.
SECONDS = 3
# Who has room for a message and does not send it loses it after so long, when others wait; they are refused after twice as long.
SECONDS_IN_ROOM = 5


class Refused(Exception):
    pass


# Of another client than those that behave badly.
OTHER = "127.0.0.2" if sys.platform == "linux" else None


def ask(port, source=OTHER, text="a text"):
    """A well-behaved unary call -> seconds until its answer."""
    begin = time.monotonic()
    client = RawClient(port, timeout=TIMEOUT, source=source)
    try:
        if not client.call_with_window(1, EMBED, string_field(1, text) + TRUNCATE):
            raise Refused
        data = b""
        while received := client.receive(TIMEOUT):
            kind, flags, stream, payload = received
            if kind == SETTINGS and not flags & ACK:
                client.send(frame(SETTINGS, ACK))
            if stream == 1 and kind == DATA:
                data += payload
            if stream == 1 and flags & END_STREAM and len(data) > 64 * 4:
                return time.monotonic() - begin
            if stream == 1 and (flags & END_STREAM or kind == RST_STREAM):
                break
        raise Refused
    finally:
        client.close()


class Abuse(unittest.TestCase):
    # Room in the queue, which would be full for everybody.
    OPTIONS = ("--max-queue-tokens", "10000000", "--max-concurrent-requests", "10000")

    def setUp(self):
        if b"grpc-port" not in subprocess.run([ARGUMENTS.akin, "serve", "--help"], capture_output=True).stdout:
            self.skipTest("built without gRPC")
        self.server = Server(*self.OPTIONS)
        self.addCleanup(self.server.stop)
        self.port = self.server.port
        self.seconds, self.clients = SECONDS, []
        self.quiet = [ask(self.port) for _ in range(CALLS)]
        self.base = self.server.memory("VmRSS")
        self.times, self.refused, self.over = [], 0, threading.Event()
        self.healthy = threading.Thread(target=self.ask_again_and_again)
        self.healthy.start()

    def ask_again_and_again(self):
        while not self.over.is_set() or len(self.times) < CALLS:
            begin = time.monotonic()
            try:
                ask(self.port)
            except (Refused, OSError):
                self.refused += 1
            self.times.append(time.monotonic() - begin)
            time.sleep(0.02)

    def connect(self, **options):
        client = RawClient(self.port, timeout=self.seconds, **options)
        self.clients.append(client)
        self.addCleanup(client.close)
        return client

    def flood(self, piece, times):
        """Sends `piece` as often, until the time is over or the server has enough; reads nothing. -> how often it was taken"""
        client, end = self.connect(), time.monotonic() + self.seconds
        for i in range(times):
            if time.monotonic() > end or not client.send(piece):
                return i
        return times

    def check(self, most_mib):
        """Others were answered all the while, and are now; the process has grown by no more than that."""
        self.over.set()
        self.healthy.join(CALLS * TIMEOUT)
        self.assertFalse(self.healthy.is_alive())
        self.assertIsNone(self.server.process.poll())
        self.assertEqual(self.refused, 0)
        quiet, now = statistics.mean(self.quiet), statistics.mean(self.times)
        self.assertLess(now, PATIENCE * quiet, f"{now * 1000:.1f} ms, {quiet * 1000:.1f} ms when nobody else asks")
        ask(self.port)
        self.assertEqual(self.server.get("/health")[0], 200)
        grown = self.server.memory("VmHWM") - self.base
        if not SANITIZED:
            self.assertLess(grown, most_mib * MIB, f"{grown / MIB:.0f} MiB")

    # --- Streams that are begun and given up ---------------------------------------------------------

    def reset_streams(self, begin, end=None, total=60_000):
        """So many streams, on one connection after the other, as each lasts. -> how many connections that took"""
        end = end or (lambda stream: frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL)))
        connections, sent, over = 0, 0, time.monotonic() + self.seconds
        while sent < total and time.monotonic() < over:
            client, first = self.connect(), 1
            connections += 1
            while sent < total and time.monotonic() < over:
                streams = range(first, first + 200, 2)
                if not client.send(b"".join(begin(s) + end(s) for s in streams)):
                    break
                first, sent = first + 200, sent + 100
            client.close()
        return connections

    def rapid_resets(self):
        headers = call_headers(EMBED)
        self.assertGreater(self.reset_streams(lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, headers)), 1)

    def rapid_resets_of_whole_calls(self):
        headers, message = call_headers(EMBED), grpc_message(string_field(1, "a text"))
        self.reset_streams(lambda stream: frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, END_STREAM, stream, message))

    def rapid_resets_of_half_calls(self):
        headers, message = call_headers(EMBED), grpc_message(1000 * b"x")[:500]
        self.reset_streams(lambda stream: frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, 0, stream, message))

    def rapid_resets_of_requests(self):
        head = header_block([(":method", "POST"), (":scheme", "http"), (":path", "/embed"), (":authority", "x"), ("content-type", "application/json")])
        body = b'{"inputs":"a text"}'
        self.reset_streams(lambda stream: frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, END_STREAM, stream, body))

    def resets_that_the_server_is_made_to_send(self):
        headers, message = call_headers(EMBED), grpc_message(string_field(1, "a text"))
        self.reset_streams(lambda stream: frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, END_STREAM, stream, message),
                           end=lambda stream: frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7FFFFFFF)))

    def calls_whose_time_is_over(self):
        headers, message = call_headers(EMBED, **{"grpc-timeout": "1n"}), grpc_message(string_field(1, "a text"))
        self.reset_streams(lambda stream: frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, END_STREAM, stream, message), end=lambda stream: b"")

    # --- Headers -------------------------------------------------------------------------------------

    def continuations_without_an_end(self):
        client, end = self.connect(), time.monotonic() + self.seconds
        client.send(frame(HEADERS, 0, 1, call_headers(EMBED)))
        piece = header_block([(f"x-{i:04d}", "v" * 100) for i in range(140)])
        for _ in range(1000):  # 16 MB.
            if time.monotonic() > end or not client.send(frame(CONTINUATION, 0, 1, piece)):
                return
        self.fail("16 MB of headers were taken")

    def a_header_value_without_an_end(self):
        client, end = self.connect(), time.monotonic() + self.seconds
        length = (1 << 31) - 1 - 127  # Seven bits a byte, the lowest first.
        name_and_length = b"\x00\x01x\x7f" + bytes([length >> 7 * i & 127 | (128 if i < 4 else 0) for i in range(5)])
        client.send(frame(HEADERS, 0, 1, call_headers(EMBED) + name_and_length))
        taken = 0
        while time.monotonic() < end and client.send(frame(CONTINUATION, 0, 1, 16384 * b"v")):
            taken += 1
        self.assertLess(taken, 1000)

    def headers_that_are_wrong_and_too_large(self):
        # Whose size gRPC's library could not say (CVE-2023-1428: it ended the process).
        for name, value in (("te", "x"), (":scheme", "x"), ("grpclb_client_stats", "x"), ("grpc-timeout", "x"), ("content-type", "x/y")):
            fields = {":method": "POST", ":scheme": "http", ":path": EMBED, ":authority": "localhost", "te": "trailers", name: value}
            client = self.connect()
            client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block([*fields.items(), *((f"x-{i}", 1000 * "v") for i in range(12))])))
            client.receive_all(0.2)

    def empty_continuations(self):
        client = self.connect()
        client.send(frame(HEADERS, 0, 1, call_headers(EMBED)))
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and client.send(1000 * frame(CONTINUATION, 0, 1)):
            pass

    def a_table_of_headers_that_is_named_again_and_again(self):
        value = b"v" * 4000
        entry = b"\x40\x01x" + b"\x7f" + bytes([(4000 - 127) & 127 | 128, (4000 - 127) >> 7]) + value  # Into the table.
        client, end = self.connect(), time.monotonic() + self.seconds
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, call_headers(EMBED) + entry))
        for i in range(200):  # 16,000 times 4,000 bytes each.
            if time.monotonic() > end or not client.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 3, call_headers(EMBED) + b"\xbe" * 16000)):
                break

    def heads_that_are_never_whole(self):
        clients = [self.connect() for _ in range(300)]
        for client in clients:
            client.send(frame(HEADERS, 0, 1, call_headers(EMBED) + header_block([("x-a", "v" * 10_000)])))
        time.sleep(0.5)

    # --- Frames that ask for nothing -----------------------------------------------------------------

    def pings(self):
        self.assertLess(self.flood(1000 * frame(PING, 0, 0, b"12345678"), 2000), 2000)

    def settings(self):
        self.assertLess(self.flood(1000 * settings({INITIAL_WINDOW_SIZE: 70000}), 2000), 2000)

    def windows(self):
        self.assertLess(self.flood(1000 * frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)), 2000), 2000)

    def priorities(self):
        self.assertLess(self.flood(b"".join(frame(PRIORITY, 0, s, b"\0\0\0\0\1") for s in range(1, 2001, 2)), 2000), 2000)

    def unknown_frames(self):
        self.assertLess(self.flood(1000 * frame(200, 0, 0, b"x"), 2000), 2000)

    def empty_data(self):
        client, end = self.connect(), time.monotonic() + self.seconds
        client.send(frame(HEADERS, END_HEADERS, 1, call_headers(EMBED)))
        while time.monotonic() < end and client.send(1000 * frame(DATA, 0, 1)):
            pass

    def single_bytes(self):
        client, end = self.connect(), time.monotonic() + self.seconds
        client.send(frame(HEADERS, END_HEADERS, 1, call_headers(EMBED)) + frame(DATA, 0, 1, b"\0" + struct.pack(">I", 4 << 20)))
        while time.monotonic() < end and client.send(1000 * frame(DATA, 0, 1, b"x")):
            pass

    # --- What nobody may send ------------------------------------------------------------------------

    def frames_that_are_none(self):
        for wrong in (frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + call_headers(EMBED)), frame(DATA, 0, 1, b"x"),
                      frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0)), frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF)),
                      frame(HEADERS, END_HEADERS, 2, call_headers(EMBED)), frame(HEADERS, END_HEADERS, 0, call_headers(EMBED)),
                      frame(RST_STREAM, 0, 99, struct.pack(">I", 0)), frame(SETTINGS, 0, 0, b"12345"), frame(PING, 0, 0, b"1"),
                      frame(CONTINUATION, END_HEADERS, 1, b""), frame(HEADERS, 0, 1, b"") + frame(PING, 0, 0, b"12345678"),
                      b"\xff\xff\xff\0\0\0\0\0\1", frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff")):
            clients = [self.connect() for _ in range(20)]
            for client in clients:
                client.send(wrong)
            for client in clients:
                frames, ended = client.receive_all(self.seconds)
                self.assertTrue(ended, wrong)
                self.assertNotIn(DATA, [f[0] for f in frames])
                client.close()

    def data_beyond_the_window(self):
        for _ in range(20):
            client = self.connect()
            client.send(frame(HEADERS, END_HEADERS, 1, call_headers(EMBED)) + frame(DATA, 0, 1, b"\0" + struct.pack(">I", 4 << 20)))
            for _ in range(1000):
                if not client.send(frame(DATA, 0, 1, 16384 * b"x")):
                    break

    def prefaces_that_are_cut_and_others(self):
        for data in (b"", PREFACE[:10], PREFACE, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01", 1000 * b"\0"):
            for _ in range(20):
                self.connect(preface=False).send(data)

    # --- What is not taken, or never whole -----------------------------------------------------------

    def windows_that_never_open(self):
        clients = [self.connect(values={INITIAL_WINDOW_SIZE: 0}) for _ in range(50)]
        for client in clients:
            for stream in range(1, 41, 2):
                client.call(stream, EMBED, string_field(1, "a text"))
        time.sleep(0.5)

    def answers_that_nobody_reads(self):
        # Of 100 KiB each, 20 MB of them, on connections whose windows are open.
        texts = b"".join(string_field(1, f"text {i}") for i in range(400))
        for _ in range(10):
            client = self.connect(values={INITIAL_WINDOW_SIZE: 1 << 30})
            client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
            for stream in range(1, 41, 2):
                self.assertTrue(client.call(stream, "/akidb.embedding.v1.EmbeddingService/Embed", texts))
        time.sleep(0.5)

    def messages_that_are_never_whole(self):
        # Of 4 MB each, on streams enough for 400 MB a connection; the windows that the server gives are kept.
        ends = []
        threads = [threading.Thread(target=lambda client: ends.append(self.fill(client, streams=100, seconds=self.seconds)), args=(self.connect(),))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends

    def test_who_never_finishes_messages_loses_the_room_to_who_does(self):
        # Also to others of the same address, short messages at once and long ones in their turn; until then nobody is refused.
        self.seconds = 2.5 * SECONDS_IN_ROOM
        ends = []
        filling = threading.Thread(target=lambda: ends.extend(self.messages_that_are_never_whole()))
        filling.start()
        time.sleep(SECONDS_IN_ROOM / 2)
        self.assertEqual(ends, [])
        for _ in range(CALLS):
            self.assertLess(ask(self.port, source=None), SECONDS_IN_ROOM / 2)
        begin = time.monotonic()
        ask(self.port, text=100_000 * "a")
        self.assertLess(time.monotonic() - begin, SECONDS_IN_ROOM / 2)
        ask(self.port, source=None, text=100_000 * "a")
        self.assertLess(time.monotonic() - begin, 2 * SECONDS_IN_ROOM)
        filling.join()
        self.assertIn("refused", ends)
        self.check(CASES["messages_that_are_never_whole"])

    def test_calls_without_a_message_leave_room_to_their_address(self):
        # Of one address, more than half of what streams may hold; who waits for a second is idle, of which there may be fewer.
        head = call_headers(EMBED)
        for _ in range(95):
            self.connect().send(b"".join(frame(HEADERS, END_HEADERS, stream, head) for stream in range(1, 201, 2)))
        time.sleep(2)
        client = self.connect()
        for stream in range(1, 201, 2):
            client.call(stream, EMBED, string_field(1, "a text"))
        answered = {of for kind, _, of, payload in client.receive_all(self.seconds)[0] if kind == DATA and payload}
        self.assertEqual(len(answered), 100)
        self.check(64)

    def fill(self, client, streams, seconds):
        """-> how a stream ends: "refused" with RESOURCE_EXHAUSTED, the code of an error, or None after that time."""
        body = b"\x00" + struct.pack(">I", 4 << 20) + b"x" * 4_000_000
        window = initial = 65535
        of_stream, end = {}, time.monotonic() + seconds
        for stream in range(1, 2 * streams, 2):
            client.send(frame(HEADERS, END_HEADERS, stream, call_headers(EMBED)))
            of_stream[stream], sent = initial, 0
            while sent < len(body) and time.monotonic() < end:
                size = min(16384, window, of_stream[stream], len(body) - sent)
                if size > 0:
                    if not client.send(frame(DATA, 0, stream, body[sent : sent + size])):
                        return None
                    sent, window = sent + size, window - size
                    of_stream[stream] -= size
                    continue
                received = client.receive(max(end - time.monotonic(), 0.001))
                if received is None:
                    return None
                kind, flags, of, payload = received
                if kind == HEADERS and flags & END_STREAM and ends_with_status(payload, 8):
                    return "refused"
                if kind == RST_STREAM:
                    return struct.unpack(">I", payload)[0]
                if kind == WINDOW_UPDATE and of == 0:
                    window += struct.unpack(">I", payload)[0]
                elif kind == WINDOW_UPDATE and of in of_stream:
                    of_stream[of] += struct.unpack(">I", payload)[0]
                elif kind == PING and not flags & ACK:
                    client.send(frame(PING, ACK, 0, payload))
                elif kind == SETTINGS and not flags & ACK:
                    for setting, value in struct.iter_unpack(">HI", payload):
                        if setting == INITIAL_WINDOW_SIZE:
                            of_stream = {s: w + value - initial for s, w in of_stream.items()}
                            initial = value
                    client.send(frame(SETTINGS, ACK))
        return None

    def whole_messages_without_end(self):
        # Of streams whose answers nobody reads, or whose answer comes with their end.
        for path, message in (("/tei.v1.Rerank/RerankStream", b""), ("/tei.v1.Rerank/RerankStream", string_field(1, "a query") + string_field(2, 4000 * "x")),
                              (EMBED + "Stream", string_field(1, "a text")), (EMBED + "Stream", b""), (REFLECTION, string_field(4, "tei.v1.Embed"))):
            clients = [self.connect(values={INITIAL_WINDOW_SIZE: 0}) for _ in range(4)]
            for client in clients:
                self.pour(client, path, 1000 * grpc_message(message), seconds=self.seconds / 8)

    def pour(self, client, path, piece, seconds):
        """Sends `piece` on a stream again and again, as far as the server's windows let it, until it ends the stream."""
        client.send(frame(HEADERS, END_HEADERS, 1, call_headers(path)))
        window = of_stream = initial = 65535
        end, at = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            size = min(16384, window, of_stream, len(piece) - at)
            if size > 0:
                if not client.send(frame(DATA, 0, 1, piece[at : at + size])):
                    return
                window, of_stream, at = window - size, of_stream - size, (at + size) % len(piece)
                continue
            received = client.receive(left)
            if received is None or received[0] == RST_STREAM or (received[0] == HEADERS and received[1] & END_STREAM):
                return
            kind, flags, of, payload = received
            if kind == WINDOW_UPDATE:
                window += struct.unpack(">I", payload)[0] if of == 0 else 0
                of_stream += struct.unpack(">I", payload)[0] if of == 1 else 0
            elif kind == SETTINGS and not flags & ACK:
                for setting, value in struct.iter_unpack(">HI", payload):
                    if setting == INITIAL_WINDOW_SIZE:
                        of_stream, initial = of_stream + value - initial, value
                client.send(frame(SETTINGS, ACK))

    # --- A few bytes that become many ----------------------------------------------------------------

    BOMB = grpc_message(gzip.compress(string_field(1, (4 * MIB - 64) * "a"), 9))
    BOMB = b"\1" + BOMB[1:]

    def watches_of_long_names(self):
        client = self.connect()
        for stream in range(1, 121, 2):
            client.send(frame(HEADERS, END_HEADERS, stream, call_headers(HEALTH + "Watch", **{"grpc-encoding": "gzip"})) + frame(DATA, 0, stream, self.BOMB))
        client.receive_all(0.5)

    def bombs(self):
        for path in (HEALTH + "Check", REFLECTION, EMBED):
            end = time.monotonic() + self.seconds / 3
            while time.monotonic() < end:
                client, headers = self.connect(), call_headers(path, **{"grpc-encoding": "gzip"})
                for stream in range(1, 201, 2):
                    client.send(frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, END_STREAM, stream, self.BOMB))
                client.receive_all(0.2)
                client.close()


# What the process may grow by, in MiB.
CASES = {
    "rapid_resets": 4,
    "rapid_resets_of_whole_calls": 4,
    "rapid_resets_of_half_calls": 4,
    "rapid_resets_of_requests": 4,
    "resets_that_the_server_is_made_to_send": 4,
    "calls_whose_time_is_over": 4,
    "continuations_without_an_end": 4,
    "a_header_value_without_an_end": 4,
    "headers_that_are_wrong_and_too_large": 4,
    "empty_continuations": 4,
    "a_table_of_headers_that_is_named_again_and_again": 4,
    "heads_that_are_never_whole": 20,
    "pings": 4,
    "settings": 4,
    "windows": 4,
    "priorities": 4,
    "unknown_frames": 4,
    "empty_data": 4,
    "single_bytes": 8,
    "frames_that_are_none": 4,
    "data_beyond_the_window": 16,
    "prefaces_that_are_cut_and_others": 4,
    "windows_that_never_open": 16,
    "answers_that_nobody_reads": 56,
    "messages_that_are_never_whole": 32,
    "whole_messages_without_end": 48,
    "watches_of_long_names": 8,
    "bombs": 24,
}
TOGETHER = 100


def test_of(case):
    def test(self):
        getattr(self, case)()
        self.check(CASES[case])

    return test


def test_of_all(order):
    """Nothing of one case is left when the next one comes."""
    def test(self):
        self.seconds = 0.5
        for case in order:
            getattr(self, case)()
            for client in self.clients:
                client.close()
        self.check(TOGETHER)

    return test


for _case in CASES:
    setattr(Abuse, f"test_{_case}", test_of(_case))
for _seed in range(3):
    setattr(Abuse, f"test_all_of_it_in_order_{_seed}", test_of_all(random.Random(_seed).sample(list(CASES), len(CASES))))


if __name__ == "__main__":
    main()
