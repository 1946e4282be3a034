"""ONNX files whose weights are integers that nodes of the graph make numbers of again; mixed into onnx_exporter.Exporter.

`safetensors()` afterwards is the file with the weights that they stand for.
"""
import struct

from onnx_exporter import FLOAT, INT8, UINT8, Exporter, field, tensor


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Dequantizing:
    """Per tensor: (Cast(q) - Cast(zero point)) * scale, q of uint8."""

    TABLES = False  # Whether tables are quantized, too.

    def linear(self, x, name, output=None):
        (rows, columns), raw = self.values(name + ".weight")
        values = struct.unpack(f"<{rows * columns}f", raw)
        turned = [values[r * columns + c] for c in range(columns) for r in range(rows)]
        weight, exact = self.weight(turned, columns, rows)
        self.keep(name + ".weight", [exact[c * rows + r] for r in range(rows) for c in range(columns)])
        product = self.op("MatMul", x, weight)
        return self.op("Add", product, self.named(name + ".bias"), output=output)

    def row_linear(self, x, name, output=None):
        return self.linear(x, name, output)

    def named(self, name):
        if not self.TABLES or not name.endswith("_embeddings.weight"):
            return super().named(name)
        (rows, columns), raw = self.values(name)
        weight, exact = self.weight(struct.unpack(f"<{rows * columns}f", raw), rows, columns, name)
        self.keep(name, exact)
        return weight

    def keep(self, name, exact):
        begin, end = self.header[name]["data_offsets"]
        self.data = self.data[:begin] + struct.pack(f"<{len(exact)}f", *exact) + self.data[end:]

    def safetensors(self):
        return self.head_bytes + self.data

    def weight(self, values, rows, columns, name=None):
        """-> the value's name, what it stands for"""
        low, high = min(0.0, *values), max(0.0, *values)
        scale = f32((high - low) / 255)
        zero = round(-low / scale)
        numbers = [min(255, max(0, round(v / scale) + zero)) for v in values]
        q = self.integers(numbers, UINT8, [rows, columns], name)
        return (self.dequantized(q, [scale], [], self.integers([zero], UINT8, []), name),
                [f32((n - zero) * scale) for n in numbers])

    def integers(self, numbers, kind, dims, name=None):
        name = name + "_q" if name else self.fresh()
        self.initializers.append(tensor(name, kind, dims, struct.pack(f"{len(numbers)}{'B' if kind == UINT8 else 'b'}", *numbers)))
        return name

    def dequantized(self, q, scales, dims, zero, name):
        difference = self.op("Sub", self.op("Cast", q, to=FLOAT), self.op("Cast", zero, to=FLOAT))
        return self.op("Mul", self.constant(scales, FLOAT, dims), difference, output=name)


class ByColumn(Dequantizing):
    """Cast(q) * scale [1, columns], q of int8."""

    def weight(self, values, rows, columns, name=None):
        scales = [f32(max(abs(v) for v in values[c::columns]) / 127) for c in range(columns)]
        return self.stepped(values, [rows, columns], scales, [1, columns], lambda i: i % columns, name)

    def stepped(self, values, shape, scales, dims, place, name):
        numbers = [max(-127, min(127, round(v / scales[place(i)]))) for i, v in enumerate(values)]
        q = self.integers(numbers, INT8, shape, name)
        return (self.dequantized(q, scales, dims, None, name),
                [f32(n * scales[place(i)]) for i, n in enumerate(numbers)])

    def dequantized(self, q, scales, dims, zero, name):
        return self.op("Mul", self.op("Cast", q, to=FLOAT), self.constant(scales, FLOAT, dims), output=name)


class ByRow(ByColumn):
    """Cast(q) * scale [rows, 1], of tables, too, whose rows are words."""

    TABLES = True

    def weight(self, values, rows, columns, name=None):
        scales = [f32(max(map(abs, values[r * columns:(r + 1) * columns])) / 127) or 1.0 for r in range(rows)]
        return self.stepped(values, [rows, columns], scales, [rows, 1], lambda i: i // columns, name)


class LinearByColumn(ByColumn):
    """DequantizeLinear along its axis, 1."""

    AXIS = {}

    def dequantized(self, q, scales, dims, zero, name):
        return self.op("DequantizeLinear", q, self.constant(scales, FLOAT), output=name, **self.AXIS)


class LinearByRow(ByRow):
    """DequantizeLinear along axis 0."""

    def dequantized(self, q, scales, dims, zero, name):
        return self.op("DequantizeLinear", q, self.constant(scales, FLOAT), output=name, axis=0)


class LookedUp(Dequantizing):
    """Rows of tables are looked up first, and then dequantized."""

    def op(self, kind, *inputs, output=None, **attributes):
        name = inputs[0] if inputs else ""
        if kind != "Gather" or not name.endswith("_embeddings.weight"):
            return super().op(kind, *inputs, output=output, **attributes)
        (rows, columns), raw = self.values(name)
        self.initializers = [i for i in self.initializers if field(8, name) not in i]
        self.lookup = (inputs[1], attributes)
        weight, exact = self.weight(struct.unpack(f"<{rows * columns}f", raw), rows, columns, name)
        self.keep(name, exact)
        return weight

    lookup = None

    def dequantized(self, q, scales, dims, zero, name):
        if self.lookup is not None:
            (ids, attributes), self.lookup, name = self.lookup, None, None
            q = super().op("Gather", q, ids, **attributes)
        return super().dequantized(q, scales, dims, zero, name)


class LinearTurned(LinearByRow):
    """Weights of products are stored [out, in], a scale for each output, and turned by a Transpose."""

    def linear(self, x, name, output=None):
        (rows, columns), raw = self.values(name + ".weight")
        weight, exact = self.weight(struct.unpack(f"<{rows * columns}f", raw), rows, columns)
        self.keep(name + ".weight", exact)
        product = self.op("MatMul", x, self.op("Transpose", weight, perm=[1, 0]))
        return self.op("Add", product, self.named(name + ".bias"), output=output)


class LookedUpByColumn(LookedUp, LinearByColumn):
    """Rows are looked up and then dequantized, their columns being the last of three dimensions."""

    def dequantized(self, q, scales, dims, zero, name):
        if self.lookup is None:
            return LinearByColumn.dequantized(self, q, scales, dims, zero, name)
        (ids, attributes), self.lookup = self.lookup, None
        return self.op("DequantizeLinear", Exporter.op(self, "Gather", q, ids, **attributes), self.constant(scales, FLOAT), axis=2)
