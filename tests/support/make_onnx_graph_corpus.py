#!/usr/bin/env python3
"""Writes the seeds of fuzz/onnx_graph_fuzz: the corners of golden models' weights, as the ONNX files that exporters make of them.

    make_onnx_graph_corpus.py tests/data/models tests/data/fuzz/onnx_graph

A seed is a config.json, a zero byte, and the ONNX file.
"""
import itertools
import json
import math
import pathlib
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import onnx_dequantizing as dequantizing  # noqa: E402
import onnx_exporter as onnx  # noqa: E402

# A model may have as many hidden units as positions.
HIDDEN, OTHERS = 4, 8


class WrittenOut(onnx.WrittenOutNorms, onnx.Exporter):
    pass


class Quantized(onnx.Quantizing, onnx.Exporter):
    pass


class QuantizedByRow(onnx.QuantizingByRow, onnx.Exporter):
    pass


class MaskedLmWrittenOut(onnx.WrittenOutNorms, onnx.MaskedLmExporter):
    pass


class MaskedLmQuantized(onnx.Quantizing, onnx.MaskedLmExporter):
    pass


class LinearTurned(dequantizing.LinearTurned, onnx.Exporter):
    pass


class LookedUpByColumn(dequantizing.LookedUpByColumn, onnx.Exporter):
    pass


class ZeroOf(onnx.Quantizing, onnx.Exporter):
    """A zero point of a type that no matrix has."""

    def zero(self, kind, zeros):
        return (self.KIND, [HIDDEN], self.VALUES)


class ZeroOfStrings(ZeroOf):
    KIND, VALUES = 8, b"".join(onnx.field(6, "x") for _ in range(HIDDEN))


class ZeroOfInt4(ZeroOf):
    KIND, VALUES = 22, onnx.field(9, bytes(HIDDEN // 2))


class ZeroOfInt64(ZeroOf):
    KIND, VALUES = onnx.INT64, onnx.field(9, bytes(8 * HIDDEN))


# The last three are refused.
SEEDS = (("cross-bert", onnx.Exporter), ("cross-bert", WrittenOut), ("cross-bert", QuantizedByRow), ("cross-distilbert", Quantized),
         ("cross-electra", onnx.Exporter), ("cross-xlm-roberta", onnx.Exporter), ("splade-bert", onnx.MaskedLmExporter),
         ("splade-bert", MaskedLmWrittenOut), ("splade-distilbert", onnx.FoldedDecoder), ("splade-distilbert", MaskedLmQuantized),
         ("cross-bert", LinearTurned), ("cross-distilbert", LookedUpByColumn),
         ("cross-bert", ZeroOfStrings), ("cross-bert", ZeroOfInt4), ("cross-bert", ZeroOfInt64))


def shrink(model, folder):
    """The model with one layer and the first of every dimension."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    sizes = {}
    for names, size in ((("hidden_size", "dim", "embedding_size"), HIDDEN),
                        (("intermediate_size", "hidden_dim", "vocab_size", "max_position_embeddings"), OTHERS)):
        for name in set(names) & set(config):
            sizes[config[name]] = size
            config[name] = size
    config["n_layers" if "n_layers" in config else "num_hidden_layers"] = 1
    (folder / "config.json").write_text(json.dumps(config, separators=(",", ":")), encoding="utf-8")
    exporter = onnx.Exporter(model)
    header, data = {}, b""
    for name, entry in exporter.header.items():
        if name == "__metadata__" or any(f".{i}." in name for i in range(1, 9)):
            continue
        shape = entry["shape"]
        values = struct.unpack(f"<{math.prod(shape)}f", exporter.values(name)[1])
        small = [sizes.get(n, n) for n in shape]
        strides = [math.prod(shape[i + 1:]) for i in range(len(shape))]
        kept = [values[sum(i * s for i, s in zip(at, strides))] for at in itertools.product(*map(range, small))]
        header[name] = {"dtype": "F32", "shape": small, "data_offsets": [len(data), len(data) + 4 * len(kept)]}
        data += struct.pack(f"<{len(kept)}f", *kept)
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    models, corpus = map(pathlib.Path, sys.argv[1:])
    corpus.mkdir(parents=True, exist_ok=True)
    for name, exporter in SEEDS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            shrink(models / name, folder)
            seed = (folder / "config.json").read_bytes() + b"\0" + exporter(folder).model()
        (corpus / f"{name}-{exporter.__name__}").write_bytes(seed)


if __name__ == "__main__":
    main()
