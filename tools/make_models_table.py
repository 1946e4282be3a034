#!/usr/bin/env python3
"""Writes docs/models.md from the golden models that the tests compare Akin with.

    make_models_table.py [--check] --akin PROGRAM FOLDER ...

Every folder in FOLDER ... with a golden.json is a model; its config.json says the architecture, its
golden.json what it is for and which release of the reference made its numbers. --check changes nothing
and fails when the page is not what would be written, or when an architecture that PROGRAM supports has
no model.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "models.md"
NAMES = {
    "bert": "BERT", "roberta": "RoBERTa", "xlm-roberta": "XLM-RoBERTa", "camembert": "CamemBERT", "ernie": "ERNIE",
    "distilbert": "DistilBERT", "mpnet": "MPNet", "albert": "ALBERT", "electra": "ELECTRA", "deberta-v2": "DeBERTa v2, v3",
    "nomic_bert": "Nomic BERT", "gte": "GTE (transformers)", "new": "GTE (own repositories)",
    "jina_embeddings_v3": "Jina v3", "modernbert": "ModernBERT", "eurobert": "EuroBERT", "llama": "Llama",
    "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3", "gemma2": "Gemma 2",
    "gemma3_text": "Gemma 3, EmbeddingGemma", "gpt_neox": "GPT-NeoX", "t5": "T5 (encoder)", "mt5": "mT5 (encoder)",
    "bert/alibi": "Jina v2"}
HEAD = """# Models

What `config.json` may say in `"model_type"`, and the models that every change is compared with: tiny ones with random
weights whose vectors the reference computed in float32. Akin gives them with a cosine of at least 0.999999 and no component
further off than 2e-5, on every instruction set of the machine that runs the tests, and in the lower precisions within the bounds in each
model's `golden.json`. This page is written by `tools/make_models_table.py` from those models.

Weights are read from `model.safetensors` or its shards (`model.safetensors.index.json`), in F32, F16 or BF16, under the
names of transformers or of the original repository; where there are none, from an ONNX graph (`onnx/model.onnx` or `model.onnx`) that is
nothing but a BERT-like encoder, with a head that is known or none (see below). `pytorch_model.bin` is a pickle, which can run code: it is refused, and
the message says how to convert it. Layers of a file behind those that `config.json` counts are left out, as transformers does, and
a note on standard error and in `akin info` says so. What a configuration asks for and Akin does not have is refused with the key and its
value.

"""
TAIL = """
## Quantized ONNX files

The native engine computes with the numbers that a file's integers stand for, (q - zero point) * scale in float32:

| in the graph | read natively |
|---|---|
| `DequantizeLinear` of an initializer of int8 or uint8; scales and zero points of the tensor, or along `axis` | yes |
| `Cast` to float, then `Mul` by a scale, with `Sub` of a zero point between them or without; of the tensor, of its columns or of its rows | yes |
| either of these behind the `Gather` that looks up the rows of a table; of the tensor or of its columns (`axis` -1, or the number of the last dimension where the graph's inputs or initializers say how many dimensions the ids have) | yes |
| either of these before a `Transpose` that turns the matrix of a product, stored [out, in] | yes |
| `DynamicQuantizeLinear` and `MatMulInteger` (onnxruntime's `quantize_dynamic`) | yes: the weights; rows are not rounded to 8 bits as ONNX Runtime rounds them, so that the vectors are nearer to those of the model before it was quantized |
| `QuantizeLinear` of activations (static quantization), 4 and 16 bits, blocks (`block_size`, `MatMulNBits`), ONNX Runtime's fused operators; products with weights in float16 or bfloat16 | no |

A graph with anything else is refused with the operator and the node that is not understood, and under `--backend auto` ONNX Runtime runs it.

## Not supported

Refused by name: relative keys in BERT (`position_embedding_type`), grouped convolutions of DeBERTa
(`conv_groups`), adapters that are not merged (Jina v3's `lora_adaptations`), Nomic BERT's other block forms; sentence-transformers'
`CNN`, `LSTM`, `BoW`, `WordEmbeddings`, `WordWeights`, `WeightedLayerPooling` and `SparseAutoEncoder`.
"""


def architecture(config):
    model_type = config.get("model_type", "")
    positions = config.get("position_embedding_type")
    special = f"{model_type}/{positions}"
    return special if special in NAMES else model_type


def read_models(folders):
    """{architecture: [(name, about, reference)]}"""
    rows = {}
    for folder in folders:
        for path in sorted(folder.glob("*/golden.json")):
            config_path = path.parent / "config.json"
            golden = json.loads(path.read_text(encoding="utf-8"))
            if not config_path.is_file() or golden.get("expect") == "refuse":
                continue
            key = architecture(json.loads(config_path.read_text(encoding="utf-8")))
            if key not in NAMES:
                continue
            versions = golden["made_with"]
            reference = f"transformers {versions['transformers']}"
            if "make_models.py" in golden["about"]:
                reference = "its published description"
            rows.setdefault(key, []).append((path.parent.name, golden["about"], reference))
    return rows


def page(rows):
    text = HEAD + "| architecture | `model_type` | models | checked against |\n|---|---|---|---|\n"
    for key in NAMES:
        if key not in rows:
            continue
        models = ", ".join(f"`{name}`" for name, _, _ in sorted(rows[key]))
        references = ", ".join(sorted({reference for _, _, reference in rows[key]}))
        model_type = key.split("/")[0]
        text += f"| {NAMES[key]} | `{model_type}` | {models} | {references} |\n"
    return text + TAIL


def supported_types(akin):
    """What Akin itself names when it meets a type that nobody has."""
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "config.json").write_text('{"model_type": "nobody"}', encoding="utf-8")
        (pathlib.Path(folder) / "tokenizer.json").write_text("{}", encoding="utf-8")
        answer = subprocess.run([akin, "info", "--model", folder], capture_output=True, text=True, check=False,
                                stdin=subprocess.DEVNULL)
    found = re.search(r"supported: ([^(\n]*)", answer.stderr)  # The model's folder stands behind them.
    if not found:
        sys.exit(f"{akin} does not name the types that it supports: {answer.stderr}")
    return found.group(1).strip().split(", ")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--akin", required=True)
    parser.add_argument("folders", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    rows = read_models(args.folders)
    missing = [t for t in supported_types(args.akin) if t not in rows]
    if missing:
        sys.exit(f"no golden model for: {', '.join(missing)}")
    text = page(rows)
    if not args.check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE} is not what the golden models say: run tools/make_models_table.py without --check")


if __name__ == "__main__":
    main()
