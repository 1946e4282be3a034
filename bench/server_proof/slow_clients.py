#!/usr/bin/env python3
"""Slow clients beside normal ones: what they cost the others, and when their slots are free again.

    slow_clients.py --akin PROGRAM --model FOLDER [--connections 1000] [--seconds 15]

The four kinds of slowhttptest, each in turn: headers (-H) and bodies (-B) that come a byte now and then, answers that are read a
byte at a time (-X), ranges by the hundred (-R). Normal clients, in a process of their own, ask for one short text each before,
beside and after them. Fails when beside slow ones their P99 is twice what it was (the mean of before and after) or more, or when slots are
not back within 10 s of the timeout.
"""
import argparse
import http.client
import json
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time

import soak

TIMEOUT = 12  # Of answers and of idle connections; of headers 10 s, and a body's grace is as long.
BODY = '{"inputs":"how do I reset my password"}'
RANGES = ",".join(f"5-{i}" for i in range(1300))


def normal(port, seconds, clients=4):
    """Asks with a few clients -> milliseconds of each answer. Ends the process by an exception when one is not right."""
    begin, times, lock = time.monotonic(), [], threading.Lock()

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < begin + seconds:
            start = time.perf_counter()
            connection.request("POST", "/embed", BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            right = answer.read().startswith(b"[[") and answer.status == 200
            with lock:
                times.append(1000 * (time.perf_counter() - start) if right else None)
            time.sleep(0.002)  # Some load, not all that there can be.

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


class Normal:
    """The same in a process of its own, beside what this one does."""

    def __init__(self, server, seconds):
        self.process = subprocess.Popen([sys.executable, "-B", __file__, "--normal", str(server.port), str(seconds)],
                                        stdout=subprocess.PIPE, text=True)

    def p99(self):
        times = json.loads(self.process.communicate(timeout=300)[0])
        assert self.process.returncode == 0 and times and None not in times, "normal clients were not answered"
        return statistics.quantiles(times, n=100)[98]


class Slow:
    """Connections of one kind. `request`: sent at once. `drip`: a byte now and then. `reads`: as much now and then."""

    def __init__(self, server, count, request, drip=b"", reads=0):
        self.drip, self.reads = drip, reads
        self.selector, self.sockets = selectors.DefaultSelector(), []
        for _ in range(count):
            connection = socket.socket()
            if reads:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(request)
            connection.setblocking(False)
            self.sockets.append(connection)

    def go_on(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for connection in self.sockets:
                try:
                    if self.drip:
                        connection.send(self.drip)
                    if self.reads:
                        connection.recv(self.reads)
                except OSError:
                    pass
            time.sleep(min(1, max(0, end - time.monotonic())))

    def close(self):
        for connection in self.sockets:
            connection.close()


def kinds():
    post = b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    get = b"GET /api-doc/openapi.json HTTP/1.1\r\nHost: x\r\n"
    return [("slow headers (-H)", dict(request=post, drip=b"x"), 10),
            ("slow bodies (-B)", dict(request=post + b"Content-Length: 100000\r\n\r\n{", drip=b" "), 10),
            ("slow reading (-X)", dict(request=(get + b"\r\n") * 40, reads=1), TIMEOUT),
            ("ranges (-R)", dict(request=get + b"Range: bytes=0-," + RANGES.encode() + b"\r\n\r\n"), TIMEOUT)]


def measure(server, name, kind, timeout, arguments):
    failures = []
    before = Normal(server, arguments.seconds).p99()
    total = server.metric("akin_http_connections_total")
    slow = Slow(server, arguments.connections, **kind)
    begin, accepted = time.monotonic(), 0
    while accepted < arguments.connections and time.monotonic() < begin + 60:  # What they ask for at first is no slowness.
        accepted = server.metric("akin_http_connections_total") - total
    begin = time.monotonic()
    beside = Normal(server, arguments.seconds)
    slow.go_on(arguments.seconds)
    p99 = beside.p99()
    deadline = begin + max(timeout, arguments.seconds) + timeout + 10
    while (left := server.metric("akin_http_connections")) > 1 and time.monotonic() < deadline:
        slow.go_on(0.5)
    back = time.monotonic() - begin
    after = Normal(server, arguments.seconds).p99()
    slow.close()
    usual = (before + after) / 2
    print(f"{name}: {arguments.connections} connections; P99 of the others {before:.1f} ms before, {p99:.1f} beside, {after:.1f} after "
          f"({p99 / usual:.2f} x); slots back after {back:.1f} s (timeout {timeout} s)", flush=True)
    if accepted < arguments.connections:
        failures.append(f"{name}: only {accepted:.0f} connections were accepted within a minute")
    if p99 >= 2 * usual:
        failures.append(f"{name}: P99 of the others {p99:.1f} ms, expected less than twice {usual:.1f}")
    if left > 1:
        failures.append(f"{name}: {left:.0f} connections still stand after {back:.1f} s")
    return failures


def main():
    if sys.argv[1:2] == ["--normal"]:
        return print(json.dumps(normal(int(sys.argv[2]), float(sys.argv[3]))))
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15)
    arguments = soak.parse(parser)
    failures = []
    for name, kind, timeout in kinds():
        with soak.server("--write-timeout", str(TIMEOUT), "--idle-timeout", str(TIMEOUT)) as server:
            failures += measure(server, name, kind, timeout, arguments)
    return soak.end(failures)


if __name__ == "__main__":
    main()
