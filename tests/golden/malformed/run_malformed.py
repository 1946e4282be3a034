#!/usr/bin/env python3
"""Makes the malformed-model corpus in a temporary folder and runs `akin embed` over it.

    run_malformed.py --akin PROGRAM [--slow FACTOR]

The corpus's ONNX cases are not made but unpacked (tests/data/onnx_malformed.tar.xz), because making them takes the `onnx`
package; those that ONNX Runtime itself must refuse are left out, and said, where its library is not there.
"""
import argparse
import json
import pathlib
import shlex
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ONNX_CORPUS = HERE.parent.parent / "data" / "onnx_malformed.tar.xz"
# What our own checks leave to ONNX Runtime, by its own library.
NEED_LIBRARY = "onnx-opset-999 onnx-nan-output".split()


def check(corpus, akin, slow):
    command = f"{shlex.quote(akin)} embed --model {{model}} --json"
    return subprocess.run([sys.executable, "-B", HERE / "check_malformed.py", corpus, "--cmd", command, "--slow", slow],
                          check=False).returncode


def unpack_onnx(folder, akin):
    """The ONNX cases as a corpus of their own."""
    with tarfile.open(ONNX_CORPUS) as archive:
        archive.extractall(folder)  # Ours: links out of a model folder are what some cases are about.
    doctor = subprocess.run([akin, "doctor", "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                            check=False)
    if json.loads(doctor.stdout)["onnxruntime"]["found"]:
        return
    print(f"SKIPPED {len(NEED_LIBRARY)} cases without ONNX Runtime's library: {' '.join(NEED_LIBRARY)}", flush=True)
    path = pathlib.Path(folder) / "expected.json"
    expected = json.loads(path.read_text(encoding="utf-8"))
    expected["cases"] = [case for case in expected["cases"] if case["id"] not in NEED_LIBRARY]
    path.write_text(json.dumps(expected), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--akin", required=True)
    parser.add_argument("--slow", default="1", help="factor on the time bound, for sanitizer builds")
    arguments = parser.parse_args()
    akin = str(pathlib.Path(arguments.akin).resolve())
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([sys.executable, "-B", HERE / "make_malformed.py", f"{work}/corpus"], check=True)
        unpack_onnx(f"{work}/onnx", akin)
        statuses = [check(f"{work}/corpus", akin, arguments.slow), check(f"{work}/onnx", akin, arguments.slow)]
    sys.exit(max(statuses))


if __name__ == "__main__":
    main()
