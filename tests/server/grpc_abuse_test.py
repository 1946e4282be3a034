#!/usr/bin/env python3
"""HTTP/2 as nobody should speak it, to the gRPC port: memory stays bounded, and others are answered meanwhile.

    grpc_abuse_test.py --akin PROGRAM --model FOLDER
"""
import os
import re
import statistics
import struct
import subprocess
import threading
import time
import unittest

from raw_http2 import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS,
                       INITIAL_WINDOW_SIZE, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, RawClient, call_headers,
                       ends_with_status, frame, grpc_message, header_block, settings, string_field)
from serve_process import ARGUMENTS, TIMEOUT, Server, main

MIB = 1 << 20
EMBED = "/tei.v1.Embed/Embed"
SANITIZED = "AKIN_TEST_SLOW" in os.environ
# A healthy client asks so often at least, before a case and in it, and in it takes no longer than so many times as long.
CALLS = 20
PATIENCE = 100
# What a case sends stops after so long, whatever the server takes of it.
SECONDS = 3


class Refused(Exception):
    pass


def ask(port):
    """A well-behaved unary call -> seconds until its answer."""
    begin = time.monotonic()
    client = RawClient(port, timeout=TIMEOUT)
    try:
        client.call(1, EMBED, string_field(1, "a text"))
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
    def setUp(self):
        if b"grpc-port" not in subprocess.run([ARGUMENTS.akin, "serve", "--help"], capture_output=True).stdout:
            self.skipTest("built without gRPC")
        self.server = Server("--grpc-port", "0")
        self.addCleanup(self.server.stop)
        self.port = next(e["grpc_port"] for e in self.server.log if e["message"] == "listening" and "grpc_port" in e)
        self.quiet = [ask(self.port) for _ in range(CALLS)]
        self.base = self.memory("VmRSS")
        self.times, self.refused, self.over = [], 0, threading.Event()
        self.healthy = threading.Thread(target=self.ask_again_and_again)
        self.healthy.start()

    def memory(self, field):
        with open(f"/proc/{self.server.process.pid}/status") as file:
            return int(re.search(field + r":\s+(\d+) kB", file.read())[1]) << 10

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
        client = RawClient(self.port, timeout=SECONDS, **options)
        self.addCleanup(client.close)
        return client

    def flood(self, piece, times):
        """Sends `piece` as often, until the time is over or the server has enough; reads nothing."""
        client, end = self.connect(), time.monotonic() + SECONDS
        for _ in range(times):
            if time.monotonic() > end or not client.send(piece):
                break
        return client

    def check(self, most_mib, may_refuse=False, average=statistics.mean):
        """Others were answered all the while, and are now; the process has grown by no more than that. Where all room is
        taken, of memory for connections or in the queue, some of them may be refused, and then not for long."""
        self.over.set()
        self.healthy.join(CALLS * TIMEOUT)
        self.assertFalse(self.healthy.is_alive())
        self.assertIsNone(self.server.process.poll())
        self.assertLessEqual(self.refused, len(self.times) // 4 if may_refuse else 0)
        quiet, now = average(self.quiet), average(self.times)
        self.assertLess(now, PATIENCE * quiet, f"{now * 1000:.1f} ms, {quiet * 1000:.1f} ms when nobody else asks")
        ask(self.port)
        self.assertEqual(self.server.get("/health")[0], 200)
        if not SANITIZED:
            grown = self.memory("VmHWM") - self.base
            self.assertLess(grown, most_mib * MIB, f"{grown / MIB:.0f} MiB")

    def reset_streams(self, begin):
        client, end = self.connect(), time.monotonic() + SECONDS
        reset = struct.pack(">I", CANCEL)
        for first in range(0, 10_000, 100):
            streams = range(2 * first + 1, 2 * first + 201, 2)
            if time.monotonic() > end or not client.send(b"".join(begin(s) + frame(RST_STREAM, 0, s, reset) for s in streams)):
                break
        client.receive_all(0.5)

    # Some 20 KiB a stream that gRPC has not yet ended (docs/serving.md), during which it lets a call or two wait.
    def test_rapid_reset(self):
        headers = call_headers(EMBED)
        self.reset_streams(lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, headers))
        self.check(300, may_refuse=True, average=statistics.median)

    def test_rapid_reset_of_whole_requests(self):
        headers, message = call_headers(EMBED), grpc_message(string_field(1, "a text"))
        self.reset_streams(lambda stream: frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, END_STREAM, stream, message))
        self.check(300, may_refuse=True, average=statistics.median)

    def test_continuations_without_an_end(self):
        client, end = self.connect(), time.monotonic() + SECONDS
        client.send(frame(HEADERS, 0, 1, call_headers(EMBED)))
        piece = header_block([(f"x-{i:04d}", "v" * 100) for i in range(140)])
        for _ in range(1000):  # 16 MB.
            if time.monotonic() > end or not client.send(frame(CONTINUATION, 0, 1, piece)):
                break
        self.check(80)

    def test_a_header_value_without_an_end(self):
        client, end = self.connect(), time.monotonic() + SECONDS
        length = (1 << 31) - 1 - 127  # Seven bits a byte, the lowest first.
        name_and_length = b"\x00\x01x\x7f" + bytes([length >> 7 * i & 127 | (128 if i < 4 else 0) for i in range(5)])
        client.send(frame(HEADERS, 0, 1, call_headers(EMBED) + name_and_length))
        while time.monotonic() < end and client.send(frame(CONTINUATION, 0, 1, 16384 * b"v")):
            pass
        client.close()
        self.check(80)

    def test_headers_that_are_wrong_and_too_large(self):
        # Whose size gRPC cannot say (CVE-2023-1428: it ended the process).
        for name, value in (("te", "x"), (":scheme", "x"), ("grpclb_client_stats", "x"), ("grpc-timeout", "x"), ("content-type", "x/y")):
            fields = {":method": "POST", ":scheme": "http", ":path": EMBED, ":authority": "localhost", "te": "trailers", name: value}
            client = self.connect()
            client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block([*fields.items(), *((f"x-{i}", 1000 * "v") for i in range(12))])))
            client.receive_all(0.2)
        self.check(50)

    def test_empty_continuations(self):
        client = self.connect()
        client.send(frame(HEADERS, 0, 1, call_headers(EMBED)))
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and client.send(1000 * frame(CONTINUATION, 0, 1)):
            pass
        self.check(190, may_refuse=True)

    def test_a_table_of_headers_that_is_named_again_and_again(self):
        value = b"v" * 4000
        entry = b"\x40\x01x" + b"\x7f" + bytes([(4000 - 127) & 127 | 128, (4000 - 127) >> 7]) + value  # Into the table.
        client, end = self.connect(), time.monotonic() + SECONDS
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, call_headers(EMBED) + entry))
        for i in range(200):  # 16,000 times 4,000 bytes each.
            if time.monotonic() > end or not client.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 3, call_headers(EMBED) + b"\xbe" * 16000)):
                break
        self.check(50)

    def test_pings(self):
        self.flood(1000 * frame(PING, 0, 0, b"12345678"), 200)
        self.check(130)

    def test_settings(self):
        self.flood(1000 * settings({INITIAL_WINDOW_SIZE: 70000}), 200)
        self.check(50)

    def test_window_updates(self):
        self.flood(1000 * frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)), 200)
        self.check(50)

    def test_prefaces_that_are_cut_and_others(self):
        for i in range(300):
            self.connect(preface=False).send([PREFACE[:10], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00"][i % 3])
        time.sleep(0.5)
        self.check(50)

    def test_windows_that_never_open(self):
        clients = [self.connect(values={INITIAL_WINDOW_SIZE: 0}) for _ in range(50)]
        for client in clients:
            for stream in range(1, 41, 2):
                client.call(stream, EMBED, string_field(1, "a text"))
        time.sleep(0.5)
        self.check(80, may_refuse=True)

    def test_messages_that_are_never_whole(self):
        # Of 4 MB each, on streams enough for 400 MB a connection; the windows that the server gives are kept.
        ends = [self.fill(self.connect(), streams=100, seconds=5) for _ in range(3)]
        self.assertIn("refused", ends)
        self.check(200, may_refuse=True)

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
                received = client.receive(1)
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


if __name__ == "__main__":
    main()
