"""What the tests of models in ONNX files are called with: --akin PROGRAM --models FOLDER."""
import argparse
import json
import subprocess
import sys

SKIP = 77


def read():
    """-> the arguments, and what is left for unittest. Ends with status 77 where ONNX Runtime's library is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--models", required=True)
    arguments, rest = parser.parse_known_args()
    doctor = json.loads(subprocess.run([arguments.akin, "doctor", "--json"], capture_output=True, check=False).stdout)
    if not doctor["onnxruntime"]["found"]:
        print("SKIPPED: ONNX Runtime's library is not there (./dev setup fetches it)")
        sys.exit(SKIP)
    return arguments, rest
