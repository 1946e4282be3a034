#!/usr/bin/env python3
"""The native engine and ONNX Runtime on the same ONNX file and texts: how far apart their vectors are.

    run_backends_agree.py --akin PROGRAM MODEL=COSINE [MODEL=COSINE ...]

MODEL is a folder, or a name of tools/fetch_onnx_models.py; COSINE is the least that is allowed between the two vectors of
a text. With MODEL=COSINE:FOLDER the native engine runs FOLDER (safetensors of the model that the file was made from); `default` is
the default model. Ends with status 77 and "SKIPPED: why" where a model or ONNX Runtime's library is not there.
"""
import argparse
import array
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import fetch_model  # noqa: E402

SKIP = 77
# Of one to some two hundred tokens, so that padding, runs of one text and of several are there.
TEXTS = ["apple", "red apples fall", "How do I reset my password?", "A cat sleeps on the warm windowsill.", "Zürich, 3 °C; naïve café — 42 %",
         "query: interest rates rose again this year, to the surprise of nobody who had read the minutes",
         " ".join(["the kitten naps in the sunshine and then it eats"] * 5), " ".join(["numbers 1 2 3 and words"] * 30)] * 3


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIP)


def folder_of(name):
    if name == "default":
        folder = pathlib.Path(os.environ.get("AKIN_TEST_MODEL", ""))
        return folder if folder.is_dir() and os.environ.get("AKIN_TEST_MODEL") else skip("AKIN_TEST_MODEL names no folder (./dev test sets it)")
    for folder in (pathlib.Path(name), fetch_model.models_folder() / f"onnx-{name}"):
        if (folder / "config.json").exists():
            return folder
    return skip(f"the model {name} is not there (./dev test fetches it)")


def vectors(akin, folder, work, *options):
    texts, out = work / "texts.jsonl", work / "vectors.f32"
    texts.write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS), encoding="utf-8")
    done = subprocess.run([akin, "embed", "--model", str(folder), "--input", str(texts), "--output", str(out), "--format", "raw",
                           "--precision", "f32", "--quiet", *options], capture_output=True, timeout=240, check=False)
    if done.returncode != 0:
        sys.exit(f"akin embed {' '.join(options)}: {done.stderr.decode()}")
    values = array.array("f", out.read_bytes())
    width = len(values) // len(TEXTS)
    return [values[i * width:(i + 1) * width] for i in range(len(TEXTS))]


def cosine(a, b):
    assert len(a) == len(b) > 0
    return math.fsum(x * y for x, y in zip(a, b)) / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--akin", required=True)
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    doctor = json.loads(subprocess.run([args.akin, "doctor", "--json"], capture_output=True, check=False).stdout)
    if not doctor["onnxruntime"]["found"]:
        skip("ONNX Runtime's library is not there (./dev setup fetches it)")
    failed = False
    with tempfile.TemporaryDirectory() as work:
        for model in args.models:
            name, _, rest = model.partition("=")
            bound, _, native_name = rest.partition(":")
            folder = folder_of(name)
            native_folder = folder_of(native_name) if native_name else folder
            native = vectors(args.akin, native_folder, pathlib.Path(work), "--backend", "native")
            foreign = vectors(args.akin, folder, pathlib.Path(work), "--backend", "onnxruntime")
            least = min(map(cosine, native, foreign))
            print(f"{pathlib.Path(name).name}: least cosine {least:.7f}, allowed {bound}", flush=True)
            failed |= least < float(bound)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
