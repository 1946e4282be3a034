"""What a client does that behaves badly, and what a server owes the others meanwhile: they are answered, and memory stays bounded."""
import os
import statistics
import subprocess
import sys
import threading
import time
import unittest

from raw_http2 import ACK, DATA, END_STREAM, RST_STREAM, SETTINGS, RawClient, frame, string_field
from serve_process import ARGUMENTS, TIMEOUT, Server

MIB = 1 << 20
EMBED = "/tei.v1.Embed/Embed"
TRUNCATE = b"\x10\x01"
SANITIZED = "AKIN_TEST_SLOW" in os.environ
# A healthy client asks so often at least, before a case and in it, and in it takes no longer than so many times as long.
CALLS = 20
PATIENCE = 100
# What a case sends stops after so long, whatever the server takes of it.
SECONDS = 3


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


class AbusedServer(unittest.TestCase):
    """A server that a well-behaved client asks all the while."""
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
