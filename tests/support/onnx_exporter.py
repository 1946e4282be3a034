"""Safetensors of a classifier or a masked language model -> model.onnx, in the form that torch.onnx gives transformers' classes.

Biases, tables, norms and the head keep their names; the encoder's matrices lose them and are transposed, as exporters
do. For BERT, ELECTRA, DistilBERT and (XLM-)RoBERTa in f32. Needs only Python's standard library.
"""
import json
import math
import struct

FLOAT, UINT8, INT8, INT64 = 1, 2, 3, 7


# --- Protocol Buffers, fields by their numbers in onnx.proto ---

def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    """An integer, a float, a list of integers, or a graph's bytes."""
    if isinstance(value, bytes):
        return field(1, name) + field(6, value) + field(20, 5)
    if isinstance(value, list):
        return field(1, name) + b"".join(field(8, i) for i in value) + field(20, 7)
    return field(1, name) + (field(2, value) + field(20, 1) if isinstance(value, float) else field(3, value) + field(20, 2))


def tensor(name, kind, dims, raw):
    return b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + field(9, raw)


def value_info(name, kind, dims):
    shape = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


# --- The graph ---

class Graph:
    def __init__(self):
        self.nodes, self.initializers, self.count = [], [], 0

    def fresh(self):
        self.count += 1
        return f"val_{self.count}"

    def op(self, kind, *inputs, output=None, **attributes):
        output = output or self.fresh()
        self.nodes.append(b"".join(field(1, i) for i in inputs) + field(2, output) + field(4, kind) +
                          b"".join(field(5, attribute(k, v)) for k, v in attributes.items()))
        return output

    def constant(self, values, kind=INT64, dims=None):
        name = self.fresh()
        dims = [len(values)] if dims is None else dims
        self.initializers.append(tensor(name, kind, dims, struct.pack(f"<{len(values)}{'q' if kind == INT64 else 'f'}", *values)))
        return name

    def scalar(self, value):
        return self.constant([value], INT64 if isinstance(value, int) else FLOAT, [])

    def graph(self, inputs, outputs):
        return (b"".join(field(1, n) for n in self.nodes) + field(2, "main_graph") +
                b"".join(field(5, i) for i in self.initializers) + b"".join(field(11, i) for i in inputs) +
                b"".join(field(12, o) for o in outputs))

    def bytes(self, inputs, outputs):
        return field(1, 8) + field(2, "test") + field(7, self.graph(inputs, outputs)) + field(8, field(1, "") + field(2, 17))


class Exporter(Graph):
    def __init__(self, folder):
        super().__init__()
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        data = (folder / "model.safetensors").read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        self.head_bytes, self.data, self.header = data[:8 + size], data[8 + size:], json.loads(data[8:8 + size])

    def get(self, *names):
        return next(self.config[n] for n in names if n in self.config)

    def values(self, name):
        entry = self.header[name]
        assert entry["dtype"] == "F32", name
        begin, end = entry["data_offsets"]
        return entry["shape"], self.data[begin:end]

    def named(self, name):
        shape, raw = self.values(name)
        self.initializers.append(tensor(name, FLOAT, shape, raw))
        return name

    def linear(self, x, name):
        """MatMul and Add, as of a tensor of three dimensions."""
        (rows, columns), raw = self.values(name + ".weight")
        values = struct.unpack(f"<{rows * columns}f", raw)
        turned = [values[r * columns + c] for c in range(columns) for r in range(rows)]
        product = self.op("MatMul", x, self.constant(turned, FLOAT, [columns, rows]))
        return self.op("Add", product, self.named(name + ".bias"))

    def row_linear(self, x, name, output=None):
        """Gemm, as of a matrix."""
        return self.op("Gemm", x, self.named(name + ".weight"), self.named(name + ".bias"), output=output, alpha=1.0, beta=1.0, transB=1)

    def norm(self, x, name):
        eps = float(self.config.get("layer_norm_eps", 1e-12))
        return self.op("LayerNormalization", x, self.named(name + ".weight"), self.named(name + ".bias"), axis=-1, epsilon=eps)

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.scalar(math.sqrt(2.0))))
        return self.op("Mul", self.op("Mul", x, self.op("Add", erf, self.scalar(1.0))), self.scalar(0.5))

    def positions(self, kind):
        if "roberta" in kind:  # The number of tokens so far that are no padding.
            pad = self.scalar(self.config["pad_token_id"])
            real = self.op("Cast", self.op("Not", self.op("Equal", "input_ids", pad)), to=INT64)
            number = self.op("Mul", self.op("CumSum", real, self.scalar(1)), real)
            return self.op("Add", number, pad)
        length = self.op("Gather", self.op("Shape", "input_ids"), self.constant([1]))
        limit = self.get("max_position_embeddings")
        table = self.constant(list(range(limit)), INT64, [1, limit])
        return self.op("Slice", table, self.constant([0]), length, self.constant([1]))

    def embeddings(self, prefix, kind):
        stem = prefix + "embeddings."
        x = self.op("Gather", self.named(stem + "word_embeddings.weight"), "input_ids")
        if kind != "distilbert":
            x = self.op("Add", x, self.op("Gather", self.named(stem + "token_type_embeddings.weight"), "token_type_ids"))
        x = self.op("Add", x, self.op("Gather", self.named(stem + "position_embeddings.weight"), self.positions(kind)))
        return self.norm(x, stem + "LayerNorm")

    def attention(self, x, names, mask):
        heads, size = self.get("num_attention_heads", "n_heads"), self.get("hidden_size", "dim")
        split = self.constant([0, 0, heads, size // heads])
        query, key, value = (self.op("Reshape", self.linear(x, n), split) for n in names)
        query, value = (self.op("Transpose", v, perm=[0, 2, 1, 3]) for v in (query, value))
        scores = self.op("MatMul", query, self.op("Transpose", key, perm=[0, 2, 3, 1]))
        scores = self.op("Div", scores, self.scalar(math.sqrt(size // heads)))
        weights = self.op("Softmax", self.op("Add", scores, mask), axis=-1)
        context = self.op("Transpose", self.op("MatMul", weights, value), perm=[0, 2, 1, 3])
        return self.op("Reshape", context, self.constant([0, 0, size]))

    def encoder(self, prefix, kind):
        mask = self.op("Cast", self.op("Unsqueeze", "attention_mask", self.constant([1, 2])), to=FLOAT)
        mask = self.op("Mul", self.op("Sub", self.scalar(1.0), mask), self.scalar(-3.4028234663852886e38))
        x = self.embeddings(prefix, kind)
        for i in range(self.get("num_hidden_layers", "n_layers")):
            if kind == "distilbert":
                layer = f"{prefix}transformer.layer.{i}."
                names = [layer + f"attention.{n}_lin" for n in "qkv"]
                rest = [layer + n for n in ("attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm")]
            else:
                layer = f"{prefix}encoder.layer.{i}."
                names = [layer + f"attention.self.{n}" for n in ("query", "key", "value")]
                rest = [layer + n for n in ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense",
                                            "output.LayerNorm")]
            out, norm, up, down, last = rest
            x = self.norm(self.op("Add", self.linear(self.attention(x, names, mask), out), x), norm)
            x = self.norm(self.op("Add", self.linear(self.gelu(self.linear(x, up)), down), x), last)
        return x

    def head(self, x, prefix, kind):
        first = self.op("Gather", x, self.scalar(0), axis=1)
        if kind == "distilbert":
            return self.row_linear(self.op("Relu", self.row_linear(first, "pre_classifier")), "classifier", "logits")
        if kind == "bert":
            return self.row_linear(self.op("Tanh", self.row_linear(first, prefix + "pooler.dense")), "classifier", "logits")
        dense = self.row_linear(first, "classifier.dense")
        return self.row_linear(self.gelu(dense) if kind == "electra" else self.op("Tanh", dense), "classifier.out_proj", "logits")

    def model(self):
        kind = self.config["model_type"]
        prefix = next(n for n in self.header if ".embeddings." in n).split(".")[0] + "."
        self.head(self.encoder(prefix, kind), prefix, kind)
        inputs = ["input_ids", "attention_mask"] + (["token_type_ids"] if kind != "distilbert" else [])
        dims = ["batch_size", "sequence_length"]
        return self.bytes([value_info(n, INT64, dims) for n in inputs], [value_info("logits", FLOAT, self.logits_shape())])

    def logits_shape(self):
        return ["batch_size", "num_labels"]  # Exporters do not say how many there are.


class WrittenOutNorms:
    """Mixed in: norms as exporters write them where an opset has none."""

    def norm(self, x, name):
        centered = self.op("Sub", x, self.op("ReduceMean", x, axes=[-1]))
        variance = self.op("ReduceMean", self.op("Pow", centered, self.scalar(2.0)), axes=[-1])
        root = self.op("Sqrt", self.op("Add", variance, self.scalar(float(self.config.get("layer_norm_eps", 1e-12)))))
        return self.op("Add", self.op("Mul", self.op("Div", centered, root), self.named(name + ".weight")), self.named(name + ".bias"))


class Quantizing:
    """Mixed in: products as onnxruntime.quantization.quantize_dynamic leaves them. Weights are uint8 with one scale and zero point."""

    def steps(self, values, rows):
        """-> numbers, scales, zero points, where they are no zeros; one scale for all rows, or one for each"""
        low, high = min(0.0, *values), max(0.0, *values)
        scale = struct.unpack("<f", struct.pack("<f", (high - low) / 255))[0]
        zero = round(-low / scale)
        return [min(255, max(0, round(v / scale) + zero)) for v in values], [scale], [zero]

    def linear(self, x, name, output=None):
        (rows, columns), raw = self.values(name + ".weight")
        numbers, scales, zeros = self.steps(struct.unpack(f"<{rows * columns}f", raw), rows)
        # What the weights are now, for safetensors().
        exact = [(n - (zeros or [0])[0]) * scales[i // columns % len(scales)] for i, n in enumerate(numbers)]
        begin, end = self.header[name + ".weight"]["data_offsets"]
        self.data = self.data[:begin] + struct.pack(f"<{len(exact)}f", *exact) + self.data[end:]
        turned = [numbers[r * columns + c] for c in range(columns) for r in range(rows)]
        kind, code = (UINT8, "B") if zeros else (INT8, "b")
        weight, scale = self.fresh(), self.constant(scales, FLOAT, [] if len(scales) == 1 else [len(scales)])
        self.initializers.append(tensor(weight, kind, [columns, rows], struct.pack(f"{len(turned)}{code}", *turned)))
        names = [self.fresh() for _ in range(3)]
        self.nodes.append(field(1, x) + b"".join(field(2, n) for n in names) + field(4, "DynamicQuantizeLinear"))
        inputs = [names[0], weight, names[2]]
        if zeros:
            inputs.append(self.fresh())
            kind, dims, stored = self.zero(kind, zeros)
            self.initializers.append(b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, inputs[3]) + stored)
        product = self.op("Cast", self.op("MatMulInteger", *inputs), to=FLOAT)
        product = self.op("Mul", product, self.op("Mul", names[1], scale))
        return self.op("Add", product, self.named(name + ".bias"), output=output)

    def zero(self, kind, zeros):
        """-> type, dimensions and the field of the values of a zero point"""
        return kind, [], field(9, bytes(zeros))

    def row_linear(self, x, name, output=None):
        return self.linear(x, name, output)

    def safetensors(self):
        """The file, with the weights that the quantized ones stand for. After model()."""
        return self.head_bytes + self.data


class QuantizingByRow(Quantizing):
    """Weights are int8 with a scale for each output."""

    def steps(self, values, rows):
        size = len(values) // rows
        parts = [values[r * size:(r + 1) * size] for r in range(rows)]
        scales = [struct.unpack("<f", struct.pack("<f", max(map(abs, part)) / 127))[0] for part in parts]
        return [max(-127, min(127, round(v / s))) for part, s in zip(parts, scales) for v in part], scales, []


class MaskedLmExporter(Exporter):
    """Of BERT, DistilBERT and XLM-RoBERTa: logits of the vocabulary for each token, decoded by the table of words."""

    def head(self, x, prefix, kind):
        dense, norm, bias = {"bert": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"),
                             "distilbert": ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
                             "xlm-roberta": ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias")}[kind]
        x = self.norm(self.gelu(self.linear(x, dense)), norm)
        return self.op("Add", self.op("MatMul", x, self.decoder(prefix)), self.named(bias), output="logits")

    def decoder(self, prefix):
        return self.op("Transpose", prefix + "embeddings.word_embeddings.weight", perm=[1, 0])

    def logits_shape(self):
        return ["batch_size", "sequence_length", self.get("vocab_size")]


class FoldedDecoder(MaskedLmExporter):
    """The turned table of words is a constant of its own."""

    def decoder(self, prefix):
        (rows, columns), raw = self.values(prefix + "embeddings.word_embeddings.weight")
        values = struct.unpack(f"<{rows * columns}f", raw)
        return self.constant([values[r * columns + c] for c in range(columns) for r in range(rows)], FLOAT, [columns, rows])


def export(folder):
    """The bytes of model.onnx of a transformers folder."""
    return Exporter(folder).model()
