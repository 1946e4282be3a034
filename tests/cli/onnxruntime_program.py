"""The backend onnxruntime from the command line, as the scripts beside this one run it: calls with a bound on their time, and main().

They are called with --akin PROGRAM --model tests/data/onnx/bert-onnx, and end with status 77 where ONNX Runtime's library is missing.
Needs only Python's standard library.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import unittest

# As main() reads them.
ARGUMENTS = argparse.Namespace()
SECONDS = 240
SKIPPED = 77
# The plug-in, where ./dev puts it.
LIBRARIES = pathlib.Path(__file__).resolve().parents[2] / "build/onnxruntime"
OPENVINO = str(LIBRARIES / "openvino/libonnxruntime_providers_openvino_plugin.so")
WITH_OPENVINO = str(LIBRARIES / "with-openvino")  # ONNX Runtime with the provider built in.


def run(*args, cache=None, extra=None):
    environment = {**os.environ, **({"AKIN_CACHE": cache} if cache else {}), **(extra or {})}
    environment.pop("AKIN_THREADS", None)
    done = subprocess.run([ARGUMENTS.akin, *args], capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS,
                          env=environment, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def checked(*args, cache=None, extra=None):
    """What the server says of the model."""
    code, _, err = run("serve", "--check", "--port", "0", "--model", ARGUMENTS.model, "--log-format", "json", *args, cache=cache, extra=extra)
    assert code == 0, err
    return next(json.loads(line) for line in err.splitlines() if "model is fine" in line)


def info(*args, cache=None):
    code, out, err = run("info", "--json", "--model", ARGUMENTS.model, *args, cache=cache)
    assert code == 0, (code, err)
    return json.loads(out), err


def main(*options):
    """Runs the tests of the script; `options` are those that it needs beside --akin and --model."""
    parser = argparse.ArgumentParser()
    for option in ("--akin", "--model", *options):
        parser.add_argument(option, required=True)
    _, rest = parser.parse_known_args(namespace=ARGUMENTS)
    doctor = json.loads(run("doctor", "--json", "--model", ARGUMENTS.model)[1])
    if not doctor["onnxruntime"]["found"]:
        print("SKIPPED: ONNX Runtime's library is not there (./dev setup fetches it)")
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], *rest])
