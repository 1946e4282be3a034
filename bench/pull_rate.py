#!/usr/bin/env python3
"""A download of 1 GB by `akin pull` beside curl's, from a fake hub on loopback, in turn; medians and their ratio.

    bench/pull_rate.py --akin build/release/akin [--megabytes 1024] [--rounds 5] [--folder /dev/shm]

akin checks the SHA-256 and syncs the file; curl only writes it. The server sends by sendfile(2), so that it is not what is
measured.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "hub"))
import fake_hub  # noqa: E402


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
    """The list of files names the large one's hash in every answer; computing it would take seconds."""
    compute, known = fake_hub.sha256, fake_hub.sha256(content)
    fake_hub.sha256 = lambda other: known if len(other) == len(content) else compute(other)
    return known


def timed(command, **environment):
    start = time.monotonic()
    subprocess.run(command, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="/dev/shm")
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
    curl, akin = (statistics.median(times[name]) for name in ("curl", "akin"))
    ratios = sorted(c / a for c, a in zip(times["curl"], times["akin"]))
    print(f"{options.megabytes} MiB: curl {options.megabytes / curl:.0f} MiB/s, akin {options.megabytes / akin:.0f} MiB/s, "
          f"ratio {statistics.median(ratios):.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f}), load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
