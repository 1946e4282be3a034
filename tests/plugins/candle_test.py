#!/usr/bin/env python3
"""The vectors of plugins/candle beside the reference's.

    candle_test.py --akin PROGRAM --plugin libakin_candle.so models FOLDER ...      golden models that Candle has
    candle_test.py --akin PROGRAM --plugin libakin_candle.so real GOLDEN.json.gz    the default model
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden" / "run_golden.py"
FAMILIES = {"bert", "distilbert", "electra", "roberta", "xlm-roberta", "camembert"}
# What Candle's encoders or a plug-in cannot do, and what the error says of it.
REFUSED = {"bert-quick": "quick_gelu", "jina-bert-v2": "alibi", "colbert-bert": "attend_to_expansion_tokens"}
SKIP = 77


def runs_on_candle(folder):
    """Whether a model's transformer is one of the families."""
    for config in (folder / "config.json", folder / "0_Transformer" / "config.json"):
        if config.is_file():
            content = json.loads(config.read_text(encoding="utf-8"))
            same_width = content.get("embedding_size", content.get("hidden_size")) == content.get("hidden_size")
            return content.get("model_type") in FAMILIES and same_width
    return False


def check_refused(akin, backend, folder):
    verb = "multivector" if folder.name == "colbert-bert" else "embed"
    prompt = ["--prompt-name", "query"] if verb == "multivector" else []
    run = subprocess.run([akin, verb, "--model", folder, "--backend", backend, *prompt, "a text"], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL)
    assert run.returncode == 5 and REFUSED[folder.name] in run.stderr, (folder.name, run.returncode, run.stderr)
    print(f"ok   {folder.name:32s} refused: {REFUSED[folder.name]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--plugin", required=True, type=pathlib.Path)
    parser.add_argument("what", choices=["models", "real"])
    parser.add_argument("paths", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    if not args.plugin.is_file():
        print(f"SKIPPED: {args.plugin} is not there; ./dev plugins builds it (needs cargo)")
        sys.exit(SKIP)
    command = [sys.executable, "-B", GOLDEN, "--akin", args.akin, "--backend", f"plugin:{args.plugin}"]
    if args.what == "real":
        sys.exit(subprocess.run([*command, "real", *args.paths]).returncode)
    with tempfile.TemporaryDirectory() as chosen:
        folders = sorted(golden.parent for path in args.paths for golden in path.glob("*/golden.json"))
        taken = [folder for folder in folders if runs_on_candle(folder)]
        for folder in taken:
            if folder.name in REFUSED:
                check_refused(args.akin, f"plugin:{args.plugin}", folder)
                continue
            pathlib.Path(chosen, folder.name).symlink_to(folder.resolve())
        kinds = {json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"] for folder in taken}
        print(f"{len(taken)} of {len(folders)} models are of Candle's families: {', '.join(sorted(kinds))}", flush=True)
        assert len(kinds) >= 2
        sys.exit(subprocess.run([*command, "models", chosen]).returncode)


if __name__ == "__main__":
    main()
