#!/usr/bin/env python3
"""Rerankers and classifiers of which there is an ONNX file and no other weights, against the reference's scores.

    run_onnx_classifiers.py --akin PROGRAM --models tests/data/models

Golden models' ONNX files are written as exporters write them (tests/support/onnx_exporter.py). Where Python has onnxruntime,
it runs them, too. Ends with status 77 and "SKIPPED: why" without ONNX Runtime's library.
"""
import json
import math
import pathlib
import shutil
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import onnx_exporter  # noqa: E402
import onnx_models  # noqa: E402
from onnx_models import ARGUMENTS, run  # noqa: E402

MODELS = ("cross-bert", "cross-bert-identity", "cross-bert-nli", "cross-distilbert", "cross-electra", "cross-xlm-roberta")
# Of scores; the reference's own bound.
BOUND = 2e-5
RERANK = ("rerank", "--query", "a question")


class WrittenOut(onnx_exporter.WrittenOutNorms, onnx_exporter.Exporter):
    pass


class Quantized(onnx_exporter.Quantizing, onnx_exporter.Exporter):
    pass


class QuantizedByRow(onnx_exporter.QuantizingByRow, onnx_exporter.Exporter):
    pass


class Folder(onnx_models.Folder):
    def __init__(self, test, name, exporter=onnx_exporter.Exporter, **options):
        super().__init__(test, name, exporter, **options)

    def scores(self, *options):
        """Pairs of the found and the reference's scores of each pair of texts."""
        for case in self.golden["cases"]:
            pairs = self.path / "pairs.jsonl"
            pairs.write_text("".join(json.dumps({"id": i, "query": q, "document": d}) + "\n" for i, (q, d) in enumerate(case["pairs"])),
                             encoding="utf-8")
            code, out, err = run("rerank", "--model", self.path, "--input", pairs, *options)
            assert code == 0, err
            lines = sorted(map(json.loads, out.splitlines()), key=lambda line: line["id"])
            assert len(lines) == len(case["scores"]) > 0
            for line, expected in zip(lines, case["scores"]):
                assert len(line["scores"]) == len(expected)
                yield line["scores"], expected

    def largest_difference(self, *options):
        return max(abs(a - b) for found, expected in self.scores(*options) for a, b in zip(found, expected))


class Scores(unittest.TestCase):
    def test_are_the_references_by_every_backend(self):
        for name in MODELS:
            for exporter in (onnx_exporter.Exporter, WrittenOut):
                folder = Folder(self, name, exporter)
                self.assertEqual(folder.info()["backend"], "native", name)
                for backend in ("auto", "native", "onnxruntime"):
                    with self.subTest((name, exporter.__name__, backend)):
                        self.assertLess(folder.largest_difference("--backend", backend), BOUND)

    def test_of_quantized_files_are_those_of_the_weights_that_they_stand_for(self):
        for name in MODELS:
            for exporter in (Quantized, QuantizedByRow):
                folder = Folder(self, name, exporter)
                with self.subTest((name, exporter.__name__)):
                    self.assertEqual(folder.info()["backend"], "native")
                    found = list(folder.scores())
                    self.assertGreater(folder.largest_difference(), BOUND)
                    (folder.path / "model.safetensors").write_bytes(folder.exporter.safetensors())
                    self.assertEqual(found, list(folder.scores()))
                    # ONNX Runtime rounds the rows of a quantized file, too; so it is given these weights in f32.
                    (folder.path / "model.onnx").write_bytes(onnx_exporter.export(folder.path))
                    by_runtime = folder.scores("--backend", "onnxruntime")
                    self.assertLess(max(abs(a - b) for (f, _), (r, _) in zip(found, by_runtime) for a, b in zip(f, r)), BOUND)

    def test_are_pythons_onnxruntime_s(self):
        try:
            import numpy
            import onnxruntime
        except ImportError as error:
            self.skipTest(f"{error} (tools/requirements-test.txt)")
        for name in MODELS:
            folder = Folder(self, name)
            session = onnxruntime.InferenceSession(folder.onnx, providers=["CPUExecutionProvider"])
            for case in folder.golden["cases"]:
                for ids, types, logits in zip(case["ids"], case["type_ids"], case["logits"]):
                    feed = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": types}
                    feed = {i.name: numpy.array([feed[i.name]], numpy.int64) for i in session.get_inputs()}
                    found = session.run(None, feed)[0][0]
                    self.assertLess(max(abs(a - b) for a, b in zip(found, logits)), BOUND, name)


class DefaultFileThatCannotBeOpened(unittest.TestCase):
    POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4\n"

    def test_does_not_matter_where_another_is_named(self):
        folder = Folder(self, "cross-bert-nli")
        (folder.path / "other.onnx").write_bytes(folder.onnx)
        (folder.path / "model.onnx").write_bytes(self.POINTER)
        self.assertLess(folder.largest_difference("--backend", "onnxruntime", "--onnx-file", "other.onnx"), BOUND)
        self.assertEqual(folder.info("--onnx-file", "other.onnx")["labels"], ["contradiction", "entailment", "neutral"])
        for backend in ("auto", "native", "onnxruntime"):
            _, err = folder.refused(*RERANK, "--backend", backend)
            self.assertIn("model.onnx", err)

    def test_is_not_named_where_another_has_no_head(self):
        folder = Folder(self, "cross-bert-nli")
        shutil.copy(ARGUMENTS.models.parent / "onnx/bert-onnx/onnx/model.onnx", folder.path / "states.onnx")
        (folder.path / "model.onnx").write_bytes(self.POINTER)
        code, _, err = run("info", "--model", folder.path, "--onnx-file", "states.onnx")
        self.assertEqual(code, 5, err)
        self.assertRegex(err, r"no weights of a head \(.*states\.onnx")
        self.assertNotIn("model.onnx", err)


class Labels(unittest.TestCase):
    def test_of_id2label_and_the_model_s_activation(self):
        for backend in ("native", "onnxruntime"):
            folder = Folder(self, "cross-bert-nli")
            code, out, err = run("classify", "--backend", backend, "--model", folder.path, "a man sleeps")
            self.assertEqual(code, 0, err)
            answer = json.loads(out)
            self.assertEqual(len(answer["scores"]), 3)
            self.assertAlmostEqual(math.fsum(answer["scores"]), 1, 5)  # classify makes one certainty of several labels.
            largest = answer["scores"].index(max(answer["scores"]))
            self.assertEqual(answer["label"], ["contradiction", "entailment", "neutral"][largest])
            self.assertEqual(folder.info("--backend", backend)["labels"], ["contradiction", "entailment", "neutral"])

    def test_without_id2label_there_are_two_as_transformers_has_it(self):
        folder = Folder(self, "cross-distilbert", changes={"config.json": dict.fromkeys(("id2label", "label2id", "num_labels"))})
        self.assertEqual(folder.info("--backend", "onnxruntime")["labels"], ["LABEL_0", "LABEL_1"])

    def test_that_contradict_the_graph_are_an_error(self):
        folder = Folder(self, "cross-bert-nli", changes={"config.json": {"id2label": {"0": "a", "1": "b"}}})
        for backend in ("auto", "onnxruntime"):
            _, err = folder.refused(*RERANK, "--backend", backend)
            self.assertIn("the graph gives 3 logits", err)
            self.assertIn('"id2label") has 2 labels', err)


class Relu(onnx_exporter.Exporter):
    def op(self, kind, *inputs, **attributes):
        return super().op("Relu" if kind == "Tanh" else kind, *inputs, **attributes)


class OtherAttributes(onnx_exporter.Exporter):
    """Of every node of one kind."""

    KIND, CHANGED = None, {}

    def op(self, kind, *inputs, **attributes):
        return super().op(kind, *inputs, **attributes | (self.CHANGED if kind == self.KIND else {}))


class Twice(OtherAttributes):
    KIND, CHANGED = "Gemm", {"alpha": 2.0}


class SecondToken(onnx_exporter.Exporter):
    def head(self, x, prefix, kind):
        shifted = self.op("Slice", x, self.constant([1]), self.constant([1 << 40]), self.constant([1]))
        return super().head(shifted, prefix, kind)


class TanhOfElectra(onnx_exporter.Exporter):
    def head(self, x, prefix, kind):
        return super().head(x, prefix, "roberta")


class ThreeQuarters(onnx_exporter.Exporter):
    """Of a GELU in the head."""

    def head(self, x, prefix, kind):
        self.half = 0.75
        return super().head(x, prefix, kind)

    def scalar(self, value):
        return super().scalar(self.half if value == 0.5 and hasattr(self, "half") else value)


class ReadByAnother(onnx_exporter.Exporter):
    """What comes out of the first linear layer."""

    def op(self, kind, *inputs, output=None, **attributes):
        if kind == "Erf" and self.in_head:
            super().op("Shape", inputs[0])
        return super().op(kind, *inputs, output=output, **attributes)

    in_head = False

    def head(self, x, prefix, kind):
        self.in_head = True
        return super().head(x, prefix, kind)


class OtherPadding(onnx_exporter.Exporter):
    def positions(self, kind):
        self.config["pad_token_id"] += 1
        try:
            return super().positions(kind)
        finally:
            self.config["pad_token_id"] -= 1


class Backwards(OtherAttributes):
    KIND, CHANGED = "CumSum", {"reverse": 1}


class PlainPositions(onnx_exporter.Exporter):
    def positions(self, kind):
        return super().positions("bert")


class QuantizedElsewhere(Quantized):
    """The scale is not that of the row which is multiplied."""

    def op(self, kind, *inputs, **attributes):
        if kind == "Mul" and len(self.scales) > 1 and inputs[0] == self.scales[-1]:
            inputs = (self.scales[-2], *inputs[1:])
        return super().op(kind, *inputs, **attributes)

    scales = ()

    def linear(self, x, name, output=None):
        if name == "classifier":  # Fresh names are counted: the scale's is the fourth from now.
            self.scales = (*self.scales, f"val_{self.count + 4}")
        else:
            self.scales = (f"val_{self.count + 4}",)
        return super().linear(x, name, output)


class NoInput(onnx_exporter.Exporter):
    def op(self, kind, *inputs, **attributes):
        return super().op(kind, *(() if kind == "Tanh" else inputs), **attributes)


class NoOutput(onnx_exporter.Exporter):
    def op(self, kind, *inputs, output=None, **attributes):
        output = super().op(kind, *inputs, output=output, **attributes)
        if kind == "MatMul":
            self.nodes[-1] = self.nodes[-1].replace(onnx_exporter.field(2, output), b"")
        return output


class OtherName(onnx_exporter.Exporter):
    def row_linear(self, x, name, output=None):
        shape, raw = self.values(name + ".weight")
        self.initializers.append(onnx_exporter.tensor("val_w" + name, onnx_exporter.FLOAT, shape, raw))
        return self.op("Gemm", x, "val_w" + name, self.named(name + ".bias"), output=output, transB=1)


class States(onnx_exporter.Exporter):
    """The encoder alone."""

    def model(self):
        self.op("Identity", self.encoder("bert.", "bert"), output="last_hidden_state")
        inputs = [onnx_exporter.value_info(n, onnx_exporter.INT64, ["n", "m"]) for n in ("input_ids", "attention_mask", "token_type_ids")]
        return self.bytes(inputs, [onnx_exporter.value_info("last_hidden_state", onnx_exporter.FLOAT, ["n", "m", 64])])


class StatesAndLogits(onnx_exporter.Exporter):
    def bytes(self, inputs, outputs):
        self.op("Identity", self.states, output="last_hidden_state")
        return super().bytes(inputs, [onnx_exporter.value_info("last_hidden_state", onnx_exporter.FLOAT, ["n", "m", 64]), *outputs])

    def head(self, x, prefix, kind):
        self.states = x
        return super().head(x, prefix, kind)


class StatesAndTwiceTheLogits(Twice, StatesAndLogits):
    pass


class TwoLabels(onnx_exporter.Exporter):
    """The first ones."""

    def values(self, name):
        shape, raw = super().values(name)
        if not name.startswith("classifier."):
            return shape, raw
        return [2, *shape[1:]], raw[:len(raw) // shape[0] * 2]


class FileThatIsNotTheDefault(unittest.TestCase):
    # The file that options take.
    OPTIONS = {"other.onnx": ("--onnx-file", "other.onnx"), "model_quantized.onnx": ("--backend", "onnxruntime", "--precision", "int8")}

    def folder(self, name, exporter, **options):
        folder = Folder(self, name, **options)
        other = exporter(folder.source).model()
        for file in self.OPTIONS:
            (folder.path / file).write_bytes(other)
        return folder

    def test_gives_the_scores(self):
        expected = list(Folder(self, "cross-bert", StatesAndTwiceTheLogits).scores("--backend", "onnxruntime"))
        self.assertGreater(max(abs(a - b) for found, reference in expected for a, b in zip(found, reference)), 1e-3)
        folder = self.folder("cross-bert", StatesAndTwiceTheLogits)
        for options in self.OPTIONS.values():
            with self.subTest(options):
                self.assertEqual(list(folder.scores(*options)), expected)

    def test_has_as_many_labels_as_config_json_says_and_not_as_the_default_one(self):
        folder = self.folder("cross-bert-nli", TwoLabels, changes={"config.json": dict.fromkeys(("id2label", "label2id", "num_labels"))})
        self.assertEqual(len(folder.info()["labels"]), 3)  # Of the native engine, which takes the default one's weights.
        for options in self.OPTIONS.values():
            with self.subTest(options):
                self.assertEqual(folder.info(*options)["labels"], ["LABEL_0", "LABEL_1"])

    def test_of_states_is_not_put_under_the_head_of_the_default_one(self):
        folder = self.folder("cross-bert", States)
        self.assertEqual(folder.info()["backend"], "native")
        for file, options in self.OPTIONS.items():
            with self.subTest(options):
                code, err = folder.refused(*RERANK, *options)
                self.assertEqual(code, 5, err)
                self.assertIn("states of tokens and no logits", err)
                self.assertRegex(err, rf"no weights of a head \(.*{file}")


class Doubts(unittest.TestCase):
    def test_another_head_under_the_same_names_is_not_taken_for_the_known_one(self):
        cases = {"cross-bert": (Relu, Twice, SecondToken, OtherName, QuantizedElsewhere),
                 "cross-electra": (TanhOfElectra, ThreeQuarters, ReadByAnother),
                 "cross-xlm-roberta": (OtherPadding, Backwards, PlainPositions)}
        for name, exporter in ((name, exporter) for name, exporters in cases.items() for exporter in exporters):
            folder = Folder(self, name, exporter)
            with self.subTest(exporter.__name__):
                found = folder.info()
                self.assertEqual(found["backend"], "onnxruntime")
                self.assertTrue(any("backend native was not taken" in note for note in found["notes"]), found)
                code, err = folder.refused(*RERANK, "--backend", "native")
                self.assertEqual(code, 5, err)
                self.assertIn("backend onnxruntime runs it", err)

    def test_a_damaged_head_is_an_error(self):
        for exporter, words in ((NoInput, "(Tanh) has 0 inputs, expected 1"), (NoOutput, "(MatMul) has no output")):
            folder = Folder(self, "cross-bert", exporter)
            for backend in ("auto", "native", "onnxruntime"):
                with self.subTest((exporter.__name__, backend)):
                    code, err = folder.refused(*RERANK, "--backend", backend)
                    self.assertEqual(code, 4, err)
                    self.assertIn(words, err)

    def test_a_graph_without_logits_has_no_scores(self):
        folder = Folder(self, "cross-bert", States)
        code, err = folder.refused(*RERANK, "--backend", "onnxruntime")
        self.assertEqual(code, 5, err)
        self.assertIn("states of tokens and no logits", err)

    def test_logits_beside_states_are_taken(self):
        folder = Folder(self, "cross-bert", StatesAndLogits)
        self.assertEqual(folder.info()["backend"], "onnxruntime")
        self.assertLess(folder.largest_difference(), BOUND)


if __name__ == "__main__":
    onnx_models.main()
