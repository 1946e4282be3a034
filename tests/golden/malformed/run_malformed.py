#!/usr/bin/env python3
"""Makes the malformed-model corpus in a temporary folder and runs `akin embed` over it.

    run_malformed.py --akin PROGRAM [--slow FACTOR]

What the corpus has for parts of Akin that do not exist yet is left out by name, and said.
"""
import argparse
import pathlib
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# The corpus's ONNX cases need the ONNX Runtime backend and the `onnx` package to be written at all;
# make_malformed.py does not have them yet.
ONNX_CASES = (
    "ok-onnx ok-onnx-external ok-onnx-hub-cache onnx-empty onnx-noise onnx-cut onnx-ext-parent "
    "onnx-ext-nested-parent onnx-ext-absolute onnx-ext-symlink onnx-ext-mem-addr "
    "onnx-ext-past-end onnx-ext-missing onnx-raw-short onnx-dims-wrap onnx-dim-negative "
    "onnx-input-unknown onnx-op-domain onnx-cycle onnx-opset-999 onnx-function-chain "
    "onnx-nan-output").split()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--akin", required=True)
    parser.add_argument("--slow", default="1", help="factor on the time bound, for sanitizer builds")
    arguments = parser.parse_args()
    print(f"SKIPPED {len(ONNX_CASES)} ONNX cases: {' '.join(ONNX_CASES)}", flush=True)
    with tempfile.TemporaryDirectory() as work:
        corpus = f"{work}/corpus"
        subprocess.run([sys.executable, "-B", HERE / "make_malformed.py", corpus], check=True)
        command = f"{shlex.quote(str(pathlib.Path(arguments.akin).resolve()))} embed --model {{model}} --json"
        checked = subprocess.run(
            [sys.executable, "-B", HERE / "check_malformed.py", corpus, "--cmd", command,
             "--slow", arguments.slow], check=False)
    sys.exit(checked.returncode)


if __name__ == "__main__":
    main()
