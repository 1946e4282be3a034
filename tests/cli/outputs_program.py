"""The akin program on models of every kind, as the scripts beside this one run it, and main().

They are called with --akin PROGRAM --models tests/data/models. Needs only Python's standard library.
"""
import argparse
import json
import math
import os
import struct
import subprocess
import sys
import unittest

_parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
_parser.add_argument("--akin", required=True)
_parser.add_argument("--models", required=True)
_known, _rest = _parser.parse_known_args()

AKIN, MODELS = _known.akin, _known.models
LONG = "the river weighs a jar of honey at the third attempt and " * 9


def main():
    """Runs the tests of the script; what is left of its arguments is unittest's."""
    unittest.main(argv=[sys.argv[0], *_rest])


def run(verb, model, *args, stdin=""):
    """-> (status, lines of JSON, standard error)"""
    p = subprocess.run([AKIN, verb, "--model", os.path.join(MODELS, model), "--precision", "f32", *args],
                       input=stdin, capture_output=True, text=True, timeout=120, check=False)
    lines = [json.loads(line) for line in p.stdout.splitlines()] if p.returncode == 0 else []
    return p.returncode, lines, p.stderr


def vectors(model, *args, verb="embed", **kw):
    code, lines, err = run(verb, model, *args, **kw)
    assert code == 0, err
    return [line["embedding"] for line in lines]


def length(vector):
    return math.sqrt(sum(x * x for x in vector))


def half(x):
    """x in half precision, as a line shows it: with the digits of a float32."""
    return struct.unpack("f", struct.pack("f", struct.unpack("e", struct.pack("e", x))[0]))[0]


def shown(x):
    return struct.unpack("f", struct.pack("f", x))[0]
