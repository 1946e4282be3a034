"""What the tests of the routes compare with: the vectors of `akin embed`, bit for bit."""
import json
import math
import struct
import subprocess

from serve_process import ARGUMENTS, ServedTest, f32

TEXTS = ["A cat sleeps in the sun.", "Interest rates rose again.", "zero", "A cat sleeps in the sun."]


def reference(texts, *options):
    """The vectors of `akin embed`, as bytes."""
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    out = subprocess.run(
        [ARGUMENTS.akin, "embed", "--model", ARGUMENTS.model, "--input", "-", *options],
        input=lines, capture_output=True, text=True, check=True).stdout
    return [bits(json.loads(line)["embedding"]) for line in out.splitlines()]


def bits(vector):
    return b"".join(f32(x) for x in vector)


def rounded(x):
    return struct.unpack("<f", f32(x))[0]


def length(vector):
    return math.sqrt(sum(x * x for x in vector))


class Served(ServedTest):
    """One server, and what the library says of TEXTS."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.expected = reference(TEXTS, "--normalize")
        cls.raw = reference(TEXTS, "--no-normalize")
        cls.dimension = len(cls.expected[0]) // 4
