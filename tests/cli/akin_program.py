"""The akin program as the scripts beside this one run it: calls with a bound on their time, what they check, and main().

Needs only Python's standard library.
"""
import argparse
import array
import ast
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

_parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
_parser.add_argument("--akin", required=True, type=os.path.abspath)
_parser.add_argument("--model", required=True, type=os.path.abspath)
_known, _rest = _parser.parse_known_args()

AKIN, MODEL = _known.akin, _known.model
SECONDS = 120  # No call takes longer; a hang is a failure.


def main():
    """Runs the tests of the script; what is left of its arguments is unittest's."""
    unittest.main(argv=[sys.argv[0], *_rest])


def run(*args, stdin=b"", env=None, **kw):
    """-> (status, standard output, standard error); both as bytes."""
    if "stdin_file" in kw:
        stdin, source = None, {"stdin": kw.pop("stdin_file")}
    else:
        source = {"input": stdin}
    p = subprocess.run([AKIN, *args], capture_output="stdout" not in kw, timeout=SECONDS,
                       env={**os.environ, **(env or {})}, **source, **kw)
    return p.returncode, p.stdout, p.stderr


def embed(*args, **kw):
    return run("embed", "--model", MODEL, *args, **kw)


def sanitizer():
    """"asan", "tsan" or None: some bounds are those of the plain program."""
    program = contents(AKIN)
    return next((s for s in ("asan", "tsan") if f"__{s}_init".encode() in program), None)


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def vectors_of(jsonl):
    return [json.loads(line) for line in jsonl.splitlines()]


def read_npy(path):
    """-> (shape, floats), by the format's specification."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0 and data[9 + length:10 + length] == b"\n"
    header = ast.literal_eval(data[10:10 + length].decode("latin1"))
    assert header["descr"] == "<f4" and header["fortran_order"] is False
    return header["shape"], array.array("f", data[10 + length:])


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(
        sum(x * x for x in a) * sum(y * y for y in b))


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="akin-cli-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def fails(self, result, status, *words):
        """One clear line on standard error that holds `words`, and the status."""
        code, _, err = result
        text = err.decode()
        self.assertEqual(code, status, text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("akin"), text)
        for word in words:
            self.assertIn(word, text)

    def nothing_left(self, *expected):
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(expected))
