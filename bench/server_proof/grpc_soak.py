#!/usr/bin/env python3
"""Memory, threads and descriptors of the server after many mixed gRPC calls, beside those after the first 10,000.

    grpc_soak.py --akin PROGRAM --model FOLDER [--calls 100000]

Single texts, compressed ones, streams of 20, health, watches, calls that are cancelled, late or malformed, on 8 channels. Needs
grpcio (tools/requirements-test.txt); ends with 77 without it. Any call that fails against expectation fails the run.
"""
import argparse
import collections
import random
import sys
import threading
import time

import soak

try:
    import grpc
except ImportError:
    print("SKIPPED: grpcio is not installed (./dev test installs it)")
    sys.exit(77)

WORDS = b"how do I reset my password today and where is the library of the town".split()
STREAM = 20
MALFORMED = b"\xff\xff"


def message(text):
    """EmbedRequest with nothing but its first field, `inputs`."""
    length, prefix = len(text), bytearray(b"\x0a")
    while length >= 128:
        prefix.append(length & 127 | 128)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + text


def random_text(random_, words):
    return message(b" ".join(random_.choice(WORDS) for _ in range(words)))


class Calls:
    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.done = 0
        self.failures = collections.Counter()

    def take(self, most):
        with self.lock:
            if self.done >= most:
                return False
            self.done += 1
            return True

    def run(self, most):
        threads = [threading.Thread(target=self.client, args=(i, most)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def client(self, number, most):
        random_ = random.Random(f"{number} {most}")
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            kinds = [(60, self.single), (15, self.compressed), (10, self.health), (3, self.watch), (5, self.cancelled),
                     (2, self.malformed), (2, self.late), (3, self.stream)]
            names, weights = [kind for _, kind in kinds], [weight for weight, _ in kinds]
            while self.take(most):
                kind = random_.choices(names, weights)[0]
                try:
                    kind(channel, random_)
                except (grpc.RpcError, AssertionError) as error:
                    with self.lock:
                        self.failures[f"{kind.__name__}: {error.code() if isinstance(error, grpc.RpcError) else error}"] += 1

    @staticmethod
    def embed(channel):
        return channel.unary_unary("/tei.v1.Embed/Embed")

    def single(self, channel, random_):
        assert self.embed(channel)(random_text(random_, random_.randint(1, 12)), timeout=60)

    def compressed(self, channel, random_):
        assert self.embed(channel)(random_text(random_, random_.randint(1, 30)), timeout=60, compression=grpc.Compression.Gzip)

    def health(self, channel, _):
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60) == b"\x08\x01"

    def watch(self, channel, _):
        call = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=60)
        assert next(call) == b"\x08\x01"
        call.cancel()

    def cancelled(self, channel, random_):
        self.embed(channel).future(random_text(random_, 200), timeout=60).cancel()

    def malformed(self, channel, _):
        self.fails(lambda: self.embed(channel)(MALFORMED, timeout=60), {grpc.StatusCode.INVALID_ARGUMENT})

    def late(self, channel, random_):
        try:
            self.embed(channel)(random_text(random_, 5), timeout=0.0005)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error.code()

    def stream(self, channel, random_):
        texts = [random_text(random_, 8) for _ in range(STREAM)]
        answers = list(channel.stream_stream("/tei.v1.Embed/EmbedStream")(iter(texts), timeout=120))
        assert len(answers) == STREAM, f"{len(answers)} answers"

    @staticmethod
    def fails(call, codes):
        try:
            call()
        except grpc.RpcError as error:
            assert error.code() in codes, error.code()
            return
        raise AssertionError("a malformed message is answered")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=100_000)
    arguments = soak.parse(parser)
    with soak.server() as server:
        calls, begin = Calls(server.port), time.monotonic()
        calls.run(min(10_000, arguments.calls // 2))
        early = soak.Use(server)
        calls.run(arguments.calls)
        late = soak.Use(server)
        seconds = time.monotonic() - begin
    failures = soak.compare(f"{calls.done} mixed calls of gRPC, {seconds:.0f} s", early, late)
    failures += [f"{count} x {what}" for what, count in calls.failures.items()]
    soak.end(failures)


if __name__ == "__main__":
    main()
