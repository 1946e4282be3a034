#!/usr/bin/env python3
"""A download of 1 GB by `akin pull` beside curl's, from one server on loopback, in turn; medians and their ratio, and
where the time goes.

    bench/pull_rate.py --akin build/release/akin [--megabytes 1024] [--rounds 5] [--folder /dev/shm]

akin checks the SHA-256 and syncs the file; curl only writes it. The server is the tests' fake hub, which sends by
sendfile(2) here, so that it is not what is measured: its seconds are printed too. All of them share the machine.
"""
import argparse
import collections
import hashlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "hub"))
import fake_hub  # noqa: E402

BLOCK = 1 << 18
# Seconds: on the wall, and of the processors in the client (user, system) and in the server.
Times = collections.namedtuple("Times", "wall user system server")


def serve_from(path):
    """Lets the content network send the file at `path` instead of bytes in memory."""
    def body(request, status, content, headers):
        request.send_response(status)
        for name, value in {**headers, **request.extra_headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.side != "cdn":
            request.wfile.write(content)
            return
        request.wfile.flush()
        wanted = request.headers.get("Range", "bytes=0-")
        at, left = int(wanted.split("=")[1].split("-")[0]), len(content)
        with open(path, "rb") as file:
            while left:
                sent = os.sendfile(request.connection.fileno(), file.fileno(), at, min(left, 1 << 22))
                at, left = at + sent, left - sent
    fake_hub.Handler.body = body


def remember_hash_of(content):
    """Every answer names the large file's hash; computing it anew would take seconds."""
    compute, known = fake_hub.sha256, fake_hub.sha256(content)
    fake_hub.sha256 = lambda other: known if len(other) == len(content) else compute(other)
    return known


def server_seconds():
    times = os.times()  # This process is the server; its clients are its children.
    return times.user + times.system


def timed(command, **environment):
    server, start = server_seconds(), time.monotonic()
    child = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} ended with status {child.returncode}")
    return Times(wall, usage.ru_utime, usage.ru_stime, server_seconds() - server)


def alone(content, folder):
    """Seconds of one core for what nobody can save: the hash, and bringing the bytes into a file."""
    view = memoryview(content)
    start = time.process_time()
    hash_ = hashlib.sha256()
    for at in range(0, len(view), BLOCK):
        hash_.update(view[at:at + BLOCK])
    hashed = time.process_time()
    with tempfile.TemporaryFile(dir=folder) as file:
        for at in range(0, len(view), BLOCK):
            os.write(file.fileno(), view[at:at + BLOCK])
        written = time.process_time()
    return hashed - start, written - hashed


def median(times):
    return Times(*(statistics.median(values) for values in zip(*times)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir())
    options = parser.parse_args()
    content = os.urandom(1 << 20) * options.megabytes
    times = {"curl": [], "akin": []}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = pathlib.Path(folder) / "content"
        path.write_bytes(content)
        serve_from(path)
        known = remember_hash_of(content)
        with fake_hub.FakeHub({"org/name": {"config.json": b"{}", "model.safetensors": content}}) as hub:
            for _ in range(options.rounds):
                with tempfile.TemporaryDirectory(dir=folder) as target:
                    times["curl"].append(timed(["curl", "-sfo", f"{target}/file", f"{hub.cdn}/{known}"]))
                with tempfile.TemporaryDirectory(dir=folder) as target:
                    times["akin"].append(timed([options.akin, "pull", "--quiet", "org/name"], HF_HOME=target,
                                               HF_ENDPOINT=hub.endpoint))
        hash_seconds, write_seconds = alone(content, folder)
    for name, rounds in times.items():
        m = median(rounds)
        print(f"{name}: {options.megabytes / m.wall:.0f} MiB/s ({m.wall:.2f} s; processor seconds: user {m.user:.2f}, "
              f"system {m.system:.2f}, server {m.server:.2f})")
    print(f"alone, of one core: SHA-256 {hash_seconds:.2f} s, writing the file {write_seconds:.2f} s")
    ratios = sorted(c.wall / a.wall for c, a in zip(times["curl"], times["akin"]))
    print(f"{options.megabytes} MiB in {options.folder}, {len(os.sched_getaffinity(0))} cores: ratio "
          f"{statistics.median(ratios):.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f}), load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
