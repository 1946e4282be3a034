#!/usr/bin/env python3
"""Bodies that come by HTTP/2, many at once: those for which there is no room wait for it, as HTTP/1.1's do.

    http2_bodies_test.py --akin PROGRAM --model FOLDER
"""
import collections
import json
import os
import select
import struct
import sys
import time
import unittest

from raw_http2 import DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, RST_STREAM, WINDOW_UPDATE, RawClient, frame, header_block
from serve_process import TIMEOUT, Server, main

MIB = 1 << 20
FRAME = 16384
MOST_STREAMS = 100
REFUSED = b"too many bodies of requests are under way"
TOO_LONG = b"the request's body took too long"
SLOW = TOO_LONG + b", while others wait for room"


def head(**more):
    fields = [(":method", "POST"), (":scheme", "http"), (":path", "/embed"), (":authority", "x"), ("content-type", "application/json")]
    return header_block(fields + [(name.replace("_", "-"), value) for name, value in more.items()])


class Uploader:
    """A connection that sends the bodies of `count` requests, a frame of each in turn, as far as its windows go; of each but for the
    last `keeps` bytes. `pace`: so many bytes a second in all. `one_by_one`: of one request, then of the next. `answers`: {stream: "200"
    or what the answer says}"""

    def __init__(self, server, body, count, knows_length=True, keeps=0, source="127.0.0.2", frame_bytes=FRAME, pace=None, one_by_one=False):
        self.client = RawClient(server.port, source=source)
        self.body, self.keeps = body, keeps
        self.head = head(content_length=str(len(body))) if knows_length else head()
        self.left = [2 * i + 1 for i in range(count)]  # To begin.
        self.at, self.window = {}, {0: 65535}  # What has been sent of those that are under way.
        self.answers, self.heads, self.received = {}, {}, b""
        self.frame_bytes, self.pace, self.one_by_one = frame_bytes, pace, one_by_one
        self.begin, self.sent = time.monotonic(), 0

    def go_on(self):
        """Whether anything happened."""
        while self.left and len(self.at) < MOST_STREAMS:
            stream = self.left.pop(0)
            self.at[stream], self.window[stream] = 0, 65535
            self.client.send(frame(HEADERS, END_HEADERS, stream, self.head))
        out = []
        for stream, at in list(self.at.items()):
            size = min(self.frame_bytes, self.window[stream], self.window[0], len(self.body) - self.keeps - at)
            if size > 0 and (self.pace is None or self.sent + size <= self.pace * (time.monotonic() - self.begin)):
                end = END_STREAM if at + size == len(self.body) else 0
                out.append(frame(DATA, end, stream, self.body[at:at + size]))
                if not self.one_by_one:
                    self.at.pop(stream)  # Behind the others.
                self.at[stream] = at + size
                self.sent += size
                self.window[stream] -= size
                self.window[0] -= size
            if self.one_by_one and size > 0:
                break
        self.client.send(b"".join(out))
        ready, _, _ = select.select([self.client.socket], [], [], 0)
        if ready:
            self.received += self.client.socket.recv(MIB)
        while len(self.received) >= 9 and len(self.received) >= 9 + (size := int.from_bytes(self.received[:3], "big")):
            kind, flags, stream = struct.unpack(">BBI", self.received[3:9])
            self.take(kind, flags, stream, self.received[9:9 + size])
            self.received = self.received[9 + size:]
        return bool(out or ready)

    def take(self, kind, flags, stream, payload):
        if kind == WINDOW_UPDATE and stream in self.window:
            self.window[stream] += struct.unpack(">I", payload)[0]
        if kind == HEADERS:
            self.heads[stream] = payload[:1]
        if kind == DATA:
            self.client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload) or 1)))
            self.answers[stream] = "200" if self.heads[stream] == b"\x88" else payload  # By HPACK.
        if kind == RST_STREAM:
            self.answers.setdefault(stream, f"reset: {struct.unpack('>I', payload)[0]}")
        if kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM):
            self.at.pop(stream, None)

    @property
    def is_over(self):
        return not self.left and not self.at


class Bodies(unittest.TestCase):
    def serve(self, *options):
        server = Server(*options)
        self.addCleanup(server.stop)
        return server

    def uploader(self, *arguments, **options):
        uploader = Uploader(*arguments, **options)
        self.addCleanup(uploader.client.close)
        return uploader

    def run_all(self, uploaders, seconds=TIMEOUT):
        """-> how often there was which answer"""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not all(each.is_over for each in uploaders):
            under_way = [each for each in uploaders if not each.is_over]
            if not any([each.go_on() for each in under_way]):
                select.select([each.client.socket for each in under_way], [], [], 0.1)
        return collections.Counter(answer for each in uploaders for answer in each.answers.values())

    def test_a_burst_of_bodies_at_the_same_pace_comes_whole(self):
        server = self.serve()
        before = server.memory("VmRSS")
        body = b'{"inputs":"a"' + b" " * (1_900_000 - 14) + b"}"
        for connections, each, knows_length in ((1, 60, True), (1, 120, True), (60, 1, True), (120, 1, True), (1, 120, False)):
            uploaders = [self.uploader(server, body, each, knows_length) for _ in range(connections)]
            with self.subTest(connections=connections, each=each, knows_length=knows_length):
                self.assertEqual(self.run_all(uploaders), {"200": connections * each})
            for uploader in uploaders:
                uploader.client.close()
        if "AKIN_TEST_SLOW" not in os.environ:  # Half of the room, and what those that wait have sent.
            self.assertLess(server.memory("VmHWM") - before, 128 * MIB)

    def test_who_waits_for_too_long_is_told_so_and_another_client_has_its_part(self):
        server = self.serve()
        body = b'{"inputs":"a"' + b" " * 1_899_985 + b"}"
        never_whole = self.uploader(server, body, 80, keeps=1)
        begin = time.monotonic()
        self.run_all([never_whole], 3)
        self.assertEqual(never_whole.answers, {})
        other = self.uploader(server, body, 3, source="127.0.0.1")
        self.assertEqual(self.run_all([other]), {"200": 3})
        short = self.uploader(server, b'{"inputs":"a"' + b" " * 50_000 + b"}", 3)  # On the floor, one after the other.
        self.assertEqual(self.run_all([short]), {"200": 3})
        while not any(REFUSED in answer for answer in never_whole.answers.values()) and time.monotonic() < begin + TIMEOUT:
            self.run_all([never_whole], 0.1)
        self.assertGreater(time.monotonic() - begin, 9)
        answers = list(never_whole.answers.values())
        self.assertIn(SLOW, answers[0])
        # Those that still have room have been silent for 10 s by then.
        self.assertTrue(all(TOO_LONG in answer or REFUSED in answer for answer in answers), answers)

    def test_bodies_that_share_a_slow_link_are_not_late(self):
        # The grace of 10 s is no option: this takes as long. Of each in turn comes far less than 1 KiB/s; one by one the last one
        # begins after it.
        server = self.serve()
        body = b'{"inputs":"a"' + b" " * 1986 + b"}"
        pace = 100 * len(body) // 14
        in_turns = self.uploader(server, body, 100, frame_bytes=100, pace=pace)
        one_by_one = self.uploader(server, body, 100, frame_bytes=1000, pace=pace, one_by_one=True)
        too_slow = self.uploader(server, body, 100, frame_bytes=100, pace=100)
        self.run_all([in_turns, one_by_one, too_slow])
        self.assertGreater(time.monotonic() - in_turns.begin, 13)
        for uploader in (in_turns, one_by_one):
            self.assertEqual(collections.Counter(uploader.answers.values()), {"200": 100})
        self.assertEqual(len(too_slow.answers), 100)
        self.assertTrue(all(TOO_LONG in answer for answer in too_slow.answers.values()))

    @unittest.skipUnless(sys.platform == "linux", "how much of what is sent lies in a socket is the system's")
    def test_who_takes_answers_slowly_is_told_of_windows_between_them(self):
        server = self.serve("--max-concurrent-requests", "1000")
        client = RawClient(server.port, values={INITIAL_WINDOW_SIZE: (1 << 31) - 1}, receive_buffer=65536)
        self.addCleanup(client.close)
        client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
        asks, upload = range(1, 181, 2), 181  # Some 2 MB of answers.
        texts = json.dumps({"inputs": 30 * ["a text"]}).encode()
        for stream in asks:
            client.send(frame(HEADERS, END_HEADERS, stream, head()) + frame(DATA, END_STREAM, stream, texts))
        end = time.monotonic() + TIMEOUT
        while server.metric("te_embed_success") < 30 * len(asks) and time.monotonic() < end:
            time.sleep(0.1)
        client.send(frame(HEADERS, END_HEADERS, upload, head(content_length="1000000")))
        for _ in range(3):
            client.send(frame(DATA, 0, upload, FRAME * b" "))
        time.sleep(0.5)
        before, opened = 0, False
        while not opened and (received := client.receive(TIMEOUT)):
            kind, _, stream, payload = received
            before += len(payload)
            opened = kind == WINDOW_UPDATE and stream == upload
        self.assertTrue(opened)
        self.assertLess(before, MIB)


if __name__ == "__main__":
    main()
