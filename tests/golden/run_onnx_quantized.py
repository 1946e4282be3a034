#!/usr/bin/env python3
"""Models of which there is an ONNX file with integer weights that the graph itself makes numbers of again.

    run_onnx_quantized.py --akin PROGRAM --models tests/data/models

The native engine reads those whose form is known (tests/support/onnx_dequantizing.py writes them), and they are then the same numbers
as the safetensors that they stand for. Ends with status 77 and "SKIPPED: why" without ONNX Runtime's library.
"""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE)]
import onnx_dequantizing  # noqa: E402
import onnx_exporter  # noqa: E402
import onnx_models  # noqa: E402
from onnx_exporter import FLOAT, Exporter, field  # noqa: E402
from run_onnx_classifiers import BOUND, RERANK, Folder  # noqa: E402

MODELS = ("cross-bert", "cross-distilbert")


def of(form):
    return type(form.__name__, (form, Exporter), {})


FORMS = [of(getattr(onnx_dequantizing, name)) for name in ("Dequantizing", "ByColumn", "ByRow", "LinearByColumn", "LinearByRow", "LinearTurned", "LookedUp",
                                                         "LookedUpByColumn")]


class Scores(unittest.TestCase):
    def test_are_those_of_the_weights_that_the_integers_stand_for(self):
        for name in MODELS:
            for form in FORMS:
                with self.subTest((name, form.__name__)):
                    folder = Folder(self, name, form)
                    self.assertEqual(folder.info()["backend"], "native")
                    found = list(folder.scores())
                    self.assertGreater(folder.largest_difference(), BOUND)
                    # Of more than the basic level ONNX Runtime 1.32 makes products of blocks of DequantizeLinear's, whose rows are rounded.
                    by_runtime = list(folder.scores("--backend", "onnxruntime", "--optimization-level", "basic"))
                    self.assertLess(max(abs(a - b) for (f, _), (r, _) in zip(found, by_runtime) for a, b in zip(f, r)), BOUND)
                    (folder.path / "model.safetensors").write_bytes(folder.exporter.safetensors())
                    self.assertEqual(found, list(folder.scores()))


class AddedTo(onnx_dequantizing.ByColumn):
    """scale * q + offset."""

    def dequantized(self, q, scales, dims, zero, name):
        return self.op("Add", super().dequantized(q, scales, dims, zero, None), self.scalar(0.0), output=name)


class CutBefore(onnx_dequantizing.Dequantizing):
    """The difference of integers may leave their range."""

    def dequantized(self, q, scales, dims, zero, name):
        return self.op("Mul", self.op("Cast", self.op("Sub", q, zero), to=FLOAT), self.constant(scales, FLOAT, dims), output=name)


class ScalesOfAll(onnx_dequantizing.ByColumn):
    """A scale for every number."""

    def dequantized(self, q, scales, dims, zero, name):
        rows = self.rows
        return super().dequantized(q, scales * rows, [rows, len(scales)], zero, name)

    def weight(self, values, rows, columns, name=None):
        self.rows = rows
        return super().weight(values, rows, columns, name)


class Blocks(onnx_dequantizing.LinearByColumn):
    AXIS = {"axis": 0, "block_size": 32}

    def bytes(self, inputs, outputs):
        return super().bytes(inputs, outputs).replace(b"\x42\x04\x0a\x00\x10\x11", b"\x42\x04\x0a\x00\x10\x15")  # Opset 21.


class ComputedZero(onnx_dequantizing.Dequantizing):
    """A zero point that is a sum."""

    def dequantized(self, q, scales, dims, zero, name):
        zero = self.op("Add", self.op("Cast", zero, to=FLOAT), self.scalar(0.0))
        return self.op("Mul", self.op("Sub", self.op("Cast", q, to=FLOAT), zero), self.constant(scales, FLOAT, dims), output=name)


class ZeroOfStrings(onnx_exporter.Quantizing):
    def zero(self, kind, zeros):
        return 8, [], field(6, "x")


class ZeroOfInt4(onnx_exporter.Quantizing):
    """Two to a byte."""

    def zero(self, kind, zeros):
        return 22, [64], field(9, bytes(32))


class ZeroOfInt64(onnx_exporter.Quantizing):
    """With as many bytes as eight of int8."""

    def zero(self, kind, zeros):
        return onnx_exporter.INT64, [], field(9, bytes(8))


class DifferenceOfInt64(onnx_dequantizing.Dequantizing):
    def dequantized(self, q, scales, dims, zero, name):
        return super().dequantized(q, scales, dims, self.constant([0], onnx_exporter.INT64, []), name)


class LinearOfInt8(onnx_dequantizing.Dequantizing):
    """DequantizeLinear of uint8 with a zero point of int8."""

    def dequantized(self, q, scales, dims, zero, name):
        zero = self.integers([0], onnx_exporter.INT8, [])
        return self.op("DequantizeLinear", q, self.constant(scales, FLOAT, dims), zero, output=name)


class AddedToTables(onnx_dequantizing.ByRow):
    def dequantized(self, q, scales, dims, zero, name):
        weight = super().dequantized(q, scales, dims, zero, None)
        return self.op("Add", weight, self.scalar(0.0), output=name) if name else weight


class Unknown(unittest.TestCase):
    CASES = ((AddedTo, "makes the weight of operator 'MatMul' (node 'val_", "with operator 'Add' (node 'val_", "not understood"),
             (CutBefore, "makes the weight of operator 'MatMul' (node 'val_", "with operator 'Sub' (node 'val_"),
             (ScalesOfAll, "layer.0.attention.self.query.weight' is int8 [", "float [", "does not read"),
             (DifferenceOfInt64, "makes the weight of operator 'MatMul' (node 'val_", "not understood"),
             (ComputedZero, "with operator 'Add' (node 'val_"),
             (AddedToTables, "makes the weight of operator 'Gather'", "with operator 'Add' (node 'bert.embeddings.word_embeddings.weight')"))

    def test_forms_are_refused_by_name_and_left_to_onnx_runtime(self):
        for form, *words in self.CASES:
            with self.subTest(form.__name__):
                folder = Folder(self, "cross-bert", of(form))
                self.assertEqual(folder.info()["backend"], "onnxruntime")
                code, err = folder.refused(*RERANK, "--backend", "native")
                self.assertEqual(code, 5, err)
                for word in (*words, "backend onnxruntime runs it"):
                    self.assertIn(word, err)

    def test_a_zero_point_of_another_type_is_refused(self):
        for form, found in ((ZeroOfStrings, "string []"), (ZeroOfInt4, "int4 [64]"), (ZeroOfInt64, "int64 []"), (LinearOfInt8, "int8 []")):
            with self.subTest(form.__name__):
                code, err = Folder(self, "cross-bert", of(form)).refused(*RERANK, "--backend", "native")
                self.assertEqual(code, 5, err)
                self.assertIn("is uint8 [64, 64] with zero points 'val_", err)
                self.assertIn(found, err)

    def test_blocks_of_a_dimension_are_not_read_as_columns(self):
        code, err = Folder(self, "cross-bert", of(Blocks)).refused(*RERANK, "--backend", "native")
        self.assertEqual(code, 5, err)
        self.assertIn("is int8 [64, 64] with scales", err)


if __name__ == "__main__":
    onnx_models.main()
