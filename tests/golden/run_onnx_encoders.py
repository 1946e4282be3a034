#!/usr/bin/env python3
"""Graphs that are an encoder written in another way, and those that are one and more.

    run_onnx_encoders.py --akin PROGRAM --models tests/data/models

The native engine runs the former as ONNX Runtime does, and refuses the latter. Ends with status 77 and "SKIPPED: why" without
ONNX Runtime's library.
"""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE)]
import onnx_dequantizing  # noqa: E402
import onnx_models  # noqa: E402
from onnx_exporter import FLOAT, INT64, UINT8, Exporter, WrittenOutNorms  # noqa: E402
from run_onnx_classifiers import BOUND, RERANK, Folder  # noqa: E402


class CopiedTable(Exporter):
    """The table of words is read through an Identity."""

    def op(self, kind, *inputs, output=None, **attributes):
        if kind == "Gather" and inputs[0].endswith("word_embeddings.weight"):
            inputs = (super().op("Identity", inputs[0]), *inputs[1:])
        return super().op(kind, *inputs, output=output, **attributes)


class Copied(Exporter):
    """Every parameter is an Identity of an initializer of another name, as the second of two of equal values."""

    def named(self, name):
        stored = super().named(name)
        self.initializers[-1] = self.initializers[-1].replace(name.encode(), name.replace("e", "E").encode())
        return self.op("Identity", stored.replace("e", "E"), output=name)

    def constant(self, values, kind=INT64, dims=None):
        name = super().constant(values, kind, dims)
        return self.op("Identity", name) if dims is not None and len(dims) == 2 and kind == FLOAT else name


class CopiedWrittenOut(WrittenOutNorms, Copied):
    pass


class InFront(Exporter):
    """Something is done to what a layer's query reads."""

    def linear(self, x, name):
        if name.endswith("layer.1.attention.self.query"):
            x = self.in_front(x)
        return super().linear(x, name)


class AnothersMatrix(InFront):
    """A product with a matrix that another layer has used."""

    matrix = None

    def constant(self, values, kind=INT64, dims=None):
        name = super().constant(values, kind, dims)
        if dims == [64, 64]:
            self.matrix = self.matrix or name
        return name

    def in_front(self, x):
        return self.op("MatMul", x, self.matrix)


class OneOfMatrices(InFront):
    """A product with a list of matrices."""

    def in_front(self, x):
        return self.op("MatMul", x, self.constant([float(i % 65 == 0) * 2 for i in range(64 * 64)], FLOAT, [1, 64, 64]))


class OfTable(onnx_dequantizing.ByColumn, Exporter):
    """A product with a table, whose rows are looked up, too."""

    TABLES = True

    def linear(self, x, name, output=None):
        if not name.endswith("0.output.dense"):
            return super().linear(x, name, output)
        part = self.op("Slice", x, self.constant([0]), self.constant([self.get("max_position_embeddings")]), self.constant([-1]))
        product = self.op("MatMul", part, "bert.embeddings.position_embeddings.weight")
        return self.op("Add", super().linear(x, name), product, output=output)


class OfRows(onnx_dequantizing.LookedUp, Exporter):
    """A product with rows that are looked up in integers."""

    def linear(self, x, name, output=None):
        if name.endswith("layer.1.attention.self.query"):
            q = self.integers([0] * 64 * 64, UINT8, [64, 64])
            self.lookup = (self.constant(list(range(64))), {})
            x = self.op("MatMul", x, self.dequantized(q, [1.0], [], self.integers([0], UINT8, []), None))
        return super().linear(x, name, output)


class Raised(Exporter):
    """The half of a GELU has four dimensions, and so has what is made with it."""

    def scalar(self, value):
        return self.constant([value], FLOAT, [1, 1, 1, 1]) if value == 0.5 else super().scalar(value)

    def encoder(self, prefix, kind):
        self.scalar = super().scalar
        states = super().encoder(prefix, kind)
        del self.scalar
        return states

    def row_linear(self, x, name, output=None):
        product = self.op("MatMul", x, self.op("Transpose", self.named(name + ".weight"), perm=[1, 0]))
        return self.op("Add", product, self.named(name + ".bias"), output=output)


class RaisedNorm(WrittenOutNorms, Exporter):
    """The epsilon of a norm has four dimensions."""

    def norm(self, x, name):
        if name.endswith("encoder.layer.0.output.LayerNorm"):
            scalar = self.scalar
            self.scalar = lambda value: scalar(value) if value > 1 else self.constant([value], FLOAT, [1, 1, 1, 1])
            x = super().norm(x, name)
            del self.scalar
            return x
        return super().norm(x, name)


class Copies(unittest.TestCase):
    def test_are_what_they_are_copies_of(self):
        for name in ("cross-bert", "cross-distilbert"):
            for form in (CopiedTable, Copied, CopiedWrittenOut):
                with self.subTest((name, form.__name__)):
                    folder = Folder(self, name, form)
                    self.assertEqual(folder.info()["backend"], "native")
                    for backend in ("native", "onnxruntime"):
                        self.assertLess(folder.largest_difference("--backend", backend), BOUND)


class More(unittest.TestCase):
    def check_is_refused(self, folder, *words):
        code, err = folder.refused(*RERANK, "--backend", "native")
        self.assertEqual(code, 5, err)
        for word in (*words, "backend onnxruntime runs it"):
            self.assertIn(word, err)

    def test_products_are_refused(self):
        for form, word in ((AnothersMatrix, "whose place is not known"), (OneOfMatrices, "products of attention"),
                           (OfTable, "position_embeddings.weight_q' whose place is not known"), (OfRows, "products of attention")):
            with self.subTest(form.__name__):
                folder = Folder(self, "cross-bert", form)
                self.assertEqual(folder.info()["backend"], "onnxruntime")
                self.assertTrue(list(folder.scores()))
                self.check_is_refused(folder, word)

    def test_numbers_that_add_dimensions_are_refused(self):
        self.check_is_refused(Folder(self, "cross-electra", Raised))
        self.check_is_refused(Folder(self, "cross-bert", RaisedNorm), "norms of an unknown form")


if __name__ == "__main__":
    onnx_models.main()
