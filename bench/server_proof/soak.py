"""What a server holds early and late, for the soaks beside this file."""
import contextlib
import os
import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests/server"))
from serve_process import ARGUMENTS, Server  # noqa: E402

MOST_GROWTH = 0.02


def parse(parser):
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", required=True)
    arguments = parser.parse_args()
    ARGUMENTS.__dict__.update(vars(arguments))
    return arguments


@contextlib.contextmanager
def server(*options, **arguments):
    started = Server("--log-level", "info", *options, **arguments)
    try:
        yield started
    finally:
        started.stop()


class Use:
    """Memory, threads and descriptors of a process at rest, its connections closed."""

    def __init__(self, server_):
        time.sleep(2)
        folder = f"/proc/{server_.process.pid}"
        self.mib = server_.memory("VmRSS") / 2**20
        self.threads = len(os.listdir(folder + "/task"))
        self.descriptors = len(os.listdir(folder + "/fd"))
        server_.log.clear()  # A million lines are not held here.


def compare(what, early, late):
    """Prints both. -> what has grown by more than it may"""
    print(what)
    failures = []
    for name, digits in (("mib", 1), ("threads", 0), ("descriptors", 0)):
        before, after = getattr(early, name), getattr(late, name)
        print(f"  {name:<12} {before:10.{digits}f} early {after:10.{digits}f} at the end {100 * (after / before - 1):8.2f} %")
        if after > before * (1 + MOST_GROWTH):
            failures.append(f"{name} have grown from {before:.{digits}f} to {after:.{digits}f}, by more than {MOST_GROWTH:.0%}")
    sys.stdout.flush()
    return failures


def end(failures):
    for failure in failures:
        print("FAILED:", failure)
    sys.exit(1 if failures else 0)
