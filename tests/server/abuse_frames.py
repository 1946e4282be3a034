"""Frames of HTTP/2 that cost their sender nothing, or that nobody may send."""
import struct
import time

from abuse import EMBED
from raw_http2 import (CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PING, PREFACE, PRIORITY,
                       PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, call_headers, frame, grpc_message, header_block, settings,
                       string_field)

# What the process may grow by, in MiB.
FRAME_CASES = {
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
}


class FrameCases:
    """Of an AbusedServer."""

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
