#!/usr/bin/env python3
"""Compares `akin embed` with the reference's vectors, on one instruction-set tier in one precision.

    run_golden.py --akin PROGRAM [--isa TIER] [--precision P] [--kinds K,...] models FOLDER ...
                                                        every folder in those with a golden.json
    run_golden.py --akin PROGRAM [--isa TIER] [--precision P] real GOLDEN.json.gz
    run_golden.py --akin PROGRAM [--backend B] onnx GOLDEN.json.gz              a model of fetch_onnx_models.py

`real` takes the model's folder from AKIN_TEST_MODEL or from the cache, `onnx` from the cache. Ends with status 77 and
"SKIPPED: why" when the tier, the model or the backend's library is not there.
"""
import argparse
import gzip
import json
import math
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))
sys.path.insert(0, str(HERE))
import check_models  # noqa: E402
import fetch_model  # noqa: E402

SKIP = 77
# What Load says of a tier that this machine does not have.
NOT_HERE = ("CPU lacks", "operating system does not save", "not an x86-64 CPU", "not an aarch64 CPU",
            "ONNX Runtime's library", "has no backend", "mlx-embeddings installed", "which onnxruntime runs")


# What a precision promises on the real model; golden files ask for less. Tiny random models have no
# redundancy, so theirs are the golden files' own, w8 counted as int8.
REAL_BOUNDS = {"bf16x3": {"min_cos": 0.999999, "max_abs_diff": 2e-5}, "f16": {"min_cos": 0.99999},
               "int16": {"min_cos": 0.99999}, "bf16": {"min_cos": 0.9999},
               "w8": {"min_cos": 0.998}, "int8": {"min_cos": 0.998}}
TINY_BOUNDS = {"bf16x3": "f32", "f16": "bf16", "int16": "bf16", "w8": "int8"}
# bf16x3's largest difference is stated for vectors of length 1; sparse ones are longer.
BF16X3_DIFFERENCE = 2e-5


def with_bounds(golden, precision, real):
    """Puts the bound for `precision` into the golden file."""
    content = json.loads(golden.read_text(encoding="utf-8"))
    tolerance = content.get("tolerance", {})
    if real and precision in REAL_BOUNDS:
        tolerance[precision] = REAL_BOUNDS[precision]
    elif precision in TINY_BOUNDS and TINY_BOUNDS[precision] in tolerance:
        tolerance[precision] = tolerance[TINY_BOUNDS[precision]]
    if precision == "bf16x3" and content.get("kind") == "sparse":
        allowed = BF16X3_DIFFERENCE * longest_sparse_vector(content)
        tolerance[precision] = tolerance[precision] | {"max_abs_diff": allowed}
    golden.write_text(json.dumps(content), encoding="utf-8")


def longest_sparse_vector(content):
    return max(math.hypot(*vector["values"]) for case in content["cases"] for vector in case["sparse"])


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIP)


def test_python():
    """The interpreter for --backend python: the one with what tests compare with, as a rule."""
    own = HERE.parent.parent / ".venv" / "bin" / "python"
    return os.environ.get("AKIN_TEST_PYTHON") or (str(own) if own.is_file() else sys.executable)


def onnx_model(name):
    folder = fetch_model.models_folder() / f"onnx-{name}"
    if not (folder / "onnx" / "model.onnx").is_file():
        skip(f"{name} is not at {folder} (tools/fetch_onnx_models.py fetches it)")
    return folder


def require_tier(akin, folder, backend):
    """Skips when the tier in AKIN_ISA or the backend cannot run here; any other failure is for the comparison."""
    probe = subprocess.run([akin, "embed", "--model", folder, "--backend", backend, "a"], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, check=False)
    if probe.returncode != 0 and any(words in probe.stderr for words in NOT_HERE):
        skip(probe.stderr.strip())


def require_precision(akin, folders, precision):
    """A failure where the tier in AKIN_ISA computes in another precision: its vectors would show nothing of this one."""
    for folder in folders:
        asked = subprocess.run([akin, "info", "--json", "--model", folder, "--precision", precision], capture_output=True,
                               text=True, stdin=subprocess.DEVNULL, check=False)
        info = json.loads(asked.stdout) if asked.returncode == 0 else {"kind": "static"}    # The comparison says what is wrong.
        if info["kind"] == "static":    # Without products: any other model answers for the tier.
            continue
        if info["precision"] != precision:
            sys.exit(f"{folder.name}: {precision} was asked for, and {info['isa']} computes in {info['precision']}: "
                     "these goldens do not test it")
        return


def real_model():
    folder = os.environ.get("AKIN_TEST_MODEL") or fetch_model.models_folder() / fetch_model.NAME
    if not (pathlib.Path(folder) / "model.safetensors").is_file():
        skip(f"the default model is not at {folder} (fetch it with ./dev demo, or set AKIN_TEST_MODEL)")
    return pathlib.Path(folder)


def without_prompts(golden):
    """Leaves out the cases with a prompt, and says so: folders made of a bare ONNX file name none."""
    content = json.loads(golden.read_text(encoding="utf-8"))
    kept = [case for case in content["cases"] if not case.get("prompt_name")]
    if len(kept) < len(content["cases"]):
        print(f"     {content['model']}: {len(content['cases']) - len(kept)} cases with a prompt left out")
    golden.write_text(json.dumps(content | {"cases": kept}), encoding="utf-8")


def copy_of_golden(folder, work):
    path = work / f"{folder.name}.json"
    path.write_bytes((folder / "golden.json").read_bytes())
    return path


def with_other_outputs(model, golden, work):
    """-> (model, golden) of each output that the golden file has: "also" holds those beside its own kind."""
    content = json.loads(golden.read_text(encoding="utf-8"))
    yield model, golden
    for kind, other in content.get("also", {}).items():
        path = work / f"{golden.stem}-{kind}.json"
        path.write_text(json.dumps(content | other | {"kind": kind, "model": f"{content['model']} ({kind})"}),
                        encoding="utf-8")
        yield model, path


def shorten(golden, texts):
    """Keeps the first `texts` texts of every case in the golden file."""
    content = json.loads(golden.read_text(encoding="utf-8"))
    for case in content["cases"]:
        for key, per_text in case.items():
            if isinstance(per_text, list):
                case[key] = per_text[:texts]
    golden.write_text(json.dumps(content), encoding="utf-8")


def compare(akin, folder, golden, precision, backend):
    command = (f"{shlex.quote(akin)} {{task}} --model {{model}} --input {{input}} --output {{output}} "
               f"--precision {{precision}} --backend {backend}")
    arguments = argparse.Namespace(cmd=command, precision=precision, golden=golden, ids=False, onnx=False,
                                   timeout=120 * float(os.environ.get("AKIN_TEST_SLOW", "1")))
    result = check_models.check_model(arguments, folder)
    print(f"{'FAIL' if result.errors else 'ok  '} {result.name:32s} cases {result.cases:2d}  worst cosine "
          f"{result.worst_cos:.7f}  worst difference {result.worst_diff:.2e}", flush=True)
    for error in result.errors[:5]:
        print(f"       {error}")
    return not result.errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--isa", default="")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--texts", type=int, help="only the first texts of each case: for emulated tiers")
    parser.add_argument("what", choices=["models", "real", "onnx"])
    parser.add_argument("paths", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    if args.backend == "python":
        os.environ["AKIN_PYTHON"] = test_python()
    if args.isa:
        os.environ["AKIN_ISA"] = args.isa
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if args.what == "real":
            golden = work / "golden.json"
            golden.write_bytes(gzip.decompress(args.paths[0].read_bytes()))
            pairs = [(real_model(), golden)]
        elif args.what == "onnx":
            model = onnx_model(args.paths[0].name.removesuffix(".json.gz"))
            (work / "unpacked").mkdir()
            (work / "unpacked" / "golden.json").write_bytes(gzip.decompress(args.paths[0].read_bytes()))
            pairs = [(model, copy_of_golden(work / "unpacked", work))]
            without_prompts(pairs[0][1])
        else:
            models = sorted(golden.parent for path in args.paths for golden in path.glob("*/golden.json"))
            pairs = [pair for m in models for pair in with_other_outputs(m, copy_of_golden(m, work), work)]
        if not pairs:
            sys.exit(f"{args.paths}: no model folder with a golden.json")
        require_tier(args.akin, pairs[0][0], args.backend)
        if args.isa:
            require_precision(args.akin, [model for model, _ in pairs], args.precision)
        for _, golden in pairs:
            with_bounds(golden, args.precision, args.what == "real")
            if args.texts:
                shorten(golden, args.texts)
        passed = [compare(args.akin, model, golden, args.precision, args.backend) for model, golden in pairs]
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
