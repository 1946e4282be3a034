#!/usr/bin/env python3
"""Sparse encoders of which there is an ONNX file and no other weights, against the reference's vectors.

    run_onnx_splade.py --akin PROGRAM --models tests/data/models

Golden models' ONNX files are written as exporters write them (tests/support/onnx_exporter.py). Ends with status 77 and
"SKIPPED: why" without ONNX Runtime's library.
"""
import json
import math
import pathlib
import random
import shutil
import struct
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import onnx_exporter  # noqa: E402
import onnx_models  # noqa: E402
from onnx_models import ARGUMENTS, run  # noqa: E402

MODELS = ("splade-bert", "splade-distilbert")
POOLING = "1_SpladePooling/config.json"


class WrittenOut(onnx_exporter.WrittenOutNorms, onnx_exporter.MaskedLmExporter):
    pass


class Quantized(onnx_exporter.Quantizing, onnx_exporter.MaskedLmExporter):
    pass


class Twice(onnx_exporter.MaskedLmExporter):
    def decoder(self, prefix):
        return self.op("Mul", super().decoder(prefix), self.scalar(2.0))


class Relu(onnx_exporter.MaskedLmExporter):
    def head(self, x, prefix, kind):
        self.gelu = lambda value: self.op("Relu", value)
        return super().head(x, prefix, kind)


class OtherEpsilon(onnx_exporter.MaskedLmExporter):
    def head(self, x, prefix, kind):
        self.config["layer_norm_eps"] = 1e-3
        return super().head(x, prefix, kind)


class States(onnx_exporter.MaskedLmExporter):
    """The encoder alone."""

    def head(self, x, prefix, kind):
        self.nodes[-1] = self.nodes[-1].replace(onnx_exporter.field(2, x), onnx_exporter.field(2, "last_hidden_state"))

    def bytes(self, inputs, outputs):
        shape = ["batch_size", "sequence_length", self.get("hidden_size", "dim")]
        return super().bytes(inputs, [onnx_exporter.value_info("last_hidden_state", onnx_exporter.FLOAT, shape)])


class StatesAndLogits(onnx_exporter.MaskedLmExporter):
    def head(self, x, prefix, kind):
        self.op("Identity", x, output="last_hidden_state")
        return super().head(x, prefix, kind)

    def bytes(self, inputs, outputs):
        shape = ["batch_size", "sequence_length", self.get("hidden_size", "dim")]
        return super().bytes(inputs, [onnx_exporter.value_info("last_hidden_state", onnx_exporter.FLOAT, shape), *outputs])


class StatesAndTwiceTheLogits(Twice, StatesAndLogits):
    pass


class OneRowForEachText(onnx_exporter.MaskedLmExporter):
    def head(self, x, prefix, kind):
        return super().head(self.op("Gather", x, self.scalar(0), axis=1), prefix, kind)

    def logits_shape(self):
        return ["batch_size", self.get("vocab_size")]


class Folder(onnx_models.Folder):
    """Without what makes it a sentence encoder where it is `bare`."""

    def __init__(self, test, name, exporter=onnx_exporter.MaskedLmExporter, bare=False, **options):
        left_out = ("modules.json", "1_SpladePooling", "config_sentence_transformers.json") if bare else ()
        super().__init__(test, name, exporter, left_out=left_out, **options)
        self.case, self.bound = self.golden["cases"][0], self.golden["tolerance"]["f32"]["max_abs_diff"]
        self.case.setdefault("texts", [text for pair in self.case.get("pairs", ()) for text in pair])  # Of a classifier.

    def vectors(self, *options):
        texts = self.path / "texts.jsonl"
        texts.write_text("".join(json.dumps({"text": t}) + "\n" for t in self.case["texts"]), encoding="utf-8")
        code, out, err = run("sparse", "--model", self.path, "--input", texts, *options)
        assert code == 0, err
        return list(map(json.loads, out.splitlines()))

    def largest_difference(self, *options):
        return largest_difference(self.vectors(*options), self.case["sparse"])


def make_xlm_roberta(path):
    """A golden classifier with a masked-language-model head of random numbers; -> the folder."""
    shutil.copytree(ARGUMENTS.models / "cross-xlm-roberta", path)
    config = json.loads((path / "config.json").read_text(encoding="utf-8")) | {"architectures": ["XLMRobertaForMaskedLM"]}
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    exporter = onnx_exporter.Exporter(path)
    size, generator, data = config["hidden_size"], random.Random(1), exporter.data
    header = {name: entry for name, entry in exporter.header.items() if not name.startswith("classifier.")}
    for name, shape in (("dense.weight", [size, size]), ("dense.bias", [size]), ("layer_norm.weight", [size]), ("layer_norm.bias", [size]),
                        ("bias", [config["vocab_size"]])):
        values = [generator.gauss(0, 0.3) for _ in range(math.prod(shape))]
        header["lm_head." + name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += struct.pack(f"<{len(values)}f", *values)
    # Without what is the classifier's: safetensors have no gaps.
    kept, offset = b"", 0
    for entry in header.values():
        if "data_offsets" in entry:
            begin, end = entry["data_offsets"]
            kept += data[begin:end]
            entry["data_offsets"] = [offset, offset + end - begin]
            offset += end - begin
    text = json.dumps(header).encode()
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + kept)
    return path


def largest_difference(found, expected):
    assert len(found) == len(expected) > 1
    worst = 0
    for a, b in zip(found, expected):
        a, b = (dict(zip(v["indices"], v["values"])) for v in (a, b))
        assert len(a) > 10
        worst = max([worst, *(abs(a.get(i, 0) - b.get(i, 0)) for i in a.keys() | b.keys())])
    return worst


class Vectors(unittest.TestCase):
    def test_are_the_references(self):
        for name in MODELS:
            for bare in (False, True):
                folder = Folder(self, name, bare=bare)
                for options in (("--precision", "f32"), ("--backend", "onnxruntime"), ("--backend", "onnxruntime", "--threads", 1),
                                ("--backend", "onnxruntime", "--threads", 2, "--batch-tokens", 1)):
                    with self.subTest((name, bare, options)):
                        self.assertLess(folder.largest_difference(*options, *(("--pooling", "splade") if bare else ())), folder.bound)

    def test_are_those_of_safetensors_whatever_the_pooling(self):
        for values in ({"pooling_strategy": "sum"}, {"activation_function": "log1p_relu"}):
            native = Folder(self, "splade-bert", keep=True, changes={POOLING: values})
            self.assertEqual(native.info()["backend"], "native")
            expected = native.vectors("--precision", "f32")
            folder = Folder(self, "splade-bert", changes={POOLING: values})
            for backend in ("native", "onnxruntime"):
                options = ("--backend", backend, "--precision", "f32")
                self.assertLess(largest_difference(folder.vectors(*options), expected), folder.bound)
                self.assertGreater(folder.largest_difference(*options), 0.1)

    def test_by_the_native_engine_are_those_of_safetensors(self):
        for name in MODELS:
            expected = Folder(self, name, keep=True).vectors("--precision", "f32")
            for exporter in (onnx_exporter.MaskedLmExporter, onnx_exporter.FoldedDecoder, WrittenOut):
                folder = Folder(self, name, exporter)
                with self.subTest((name, exporter.__name__)):
                    self.assertEqual(folder.info()["backend"], "native")
                    self.assertEqual(folder.vectors("--precision", "f32"), expected)
                    self.assertLess(folder.largest_difference("--backend", "onnxruntime"), folder.bound)

    def test_of_xlm_roberta_are_those_of_safetensors(self):
        with tempfile.TemporaryDirectory() as temporary:
            source = make_xlm_roberta(pathlib.Path(temporary) / "xlm-roberta")
            for exporter in (onnx_exporter.MaskedLmExporter, onnx_exporter.FoldedDecoder):
                folders = [Folder(self, source, exporter, keep=keep) for keep in (True, False)]
                for folder in folders:
                    self.assertEqual(folder.info("--pooling", "splade")["backend"], "native")
                options = ("--pooling", "splade", "--precision", "f32")
                expected, found = (folder.vectors(*options) for folder in folders)
                self.assertEqual(found, expected)
                by_runtime = folders[1].vectors(*options, "--backend", "onnxruntime")
                self.assertLess(largest_difference(by_runtime, expected), 5e-5)

    def test_of_quantized_files_are_those_of_the_weights_that_they_stand_for(self):
        for name in MODELS:
            folder = Folder(self, name, Quantized)
            self.assertEqual(folder.info()["backend"], "native")
            found = folder.vectors("--precision", "f32")
            self.assertGreater(largest_difference(found, folder.case["sparse"]), folder.bound)
            (folder.path / "model.safetensors").write_bytes(folder.exporter.safetensors())
            self.assertEqual(found, folder.vectors("--precision", "f32"))
            # ONNX Runtime rounds the rows of a quantized file, too; so it is given these weights in f32.
            (folder.path / "model.onnx").write_bytes(onnx_exporter.MaskedLmExporter(folder.path).model())
            self.assertLess(largest_difference(folder.vectors("--backend", "onnxruntime"), found), folder.bound)

    def test_beside_safetensors_are_made_of_what_the_graph_gives(self):
        for exporter in (onnx_exporter.MaskedLmExporter, States, StatesAndLogits):
            folder = Folder(self, "splade-distilbert", exporter, keep=True)
            with self.subTest(exporter.__name__):
                self.assertLess(folder.largest_difference("--backend", "onnxruntime"), folder.bound)

    def test_of_logits_beside_states(self):
        folder = Folder(self, "splade-bert", StatesAndLogits)
        self.assertEqual(folder.info()["backend"], "onnxruntime")
        self.assertLess(folder.largest_difference(), folder.bound)

    def test_are_of_the_file_that_runs_and_not_of_the_default_one_s_head(self):
        folder, other = Folder(self, "splade-bert"), Folder(self, "splade-bert", StatesAndTwiceTheLogits)
        expected = other.vectors("--backend", "onnxruntime")
        self.assertGreater(largest_difference(expected, folder.case["sparse"]), 0.1)
        shutil.copy(other.path / "model.onnx", folder.path / "model_quantized.onnx")
        shutil.copy(other.path / "model.onnx", folder.path / "other.onnx")
        for options in (("--backend", "onnxruntime", "--precision", "int8"), ("--onnx-file", "other.onnx")):
            with self.subTest(options):
                self.assertEqual(folder.vectors(*options), expected)

    def test_are_not_made_of_one_file_s_states_and_another_s_head(self):
        folder = Folder(self, "splade-bert")
        (folder.path / "states.onnx").write_bytes(States(folder.source).model())
        code, err = folder.refused("sparse", "--onnx-file", "states.onnx")
        self.assertEqual(code, 5, err)
        self.assertIn("no weights of a head", err)


class Notes(unittest.TestCase):
    def test_the_native_engine_says_why_it_does_not_run_it(self):
        for exporter in (Twice, Relu, OtherEpsilon):
            folder = Folder(self, "splade-bert", exporter)
            found = folder.info()
            self.assertEqual((found["backend"], found["kind"], found["outputs"]), ("onnxruntime", "sparse", ["sparse"]))
            self.assertTrue(any("backend native was not taken" in n and "logits of every token" in n for n in found["notes"]), found)
            code, err = folder.refused("sparse", "--backend", "native")
            self.assertEqual(code, 5, err)
            self.assertIn("logits of every token, of a head that is not taken apart; backend onnxruntime runs it", err)

    def test_a_graph_without_logits_of_tokens_has_no_sparse_vectors(self):
        for backend in ("auto", "native", "onnxruntime"):
            code, err = Folder(self, "splade-bert", States).refused("sparse", "--backend", backend)
            self.assertEqual(code, 5, err)
            self.assertIn("states of tokens only", err)
            self.assertIn("no weights of a head", err)
        for keep, options in ((False, ()), (True, ("--backend", "onnxruntime"))):
            code, err = Folder(self, "splade-bert", OneRowForEachText, keep=keep).refused("sparse", *options)
            self.assertEqual(code, 5, err)
            self.assertIn("the graph gives one row for each text", err)

    def test_logits_of_tokens_are_no_vectors_and_no_scores(self):
        for exporter, options in ((Twice, ()), (onnx_exporter.MaskedLmExporter, ("--backend", "onnxruntime"))):
            code, err = Folder(self, "splade-bert", exporter, bare=True).refused("embed", *options)
            self.assertEqual(code, 5, err)
            self.assertIn('pooling "splade"', err)

    def test_the_encoder_under_a_known_head_gives_dense_vectors(self):
        options = ("embed", "--precision", "f32", "a text")
        folders = [Folder(self, "splade-bert", bare=True), Folder(self, "splade-bert", bare=True, keep=True)]
        answers = [run(*options, "--model", folder.path) for folder in folders]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0][0], 0, answers[0])

    def test_a_classifier_of_logits_of_tokens_is_refused(self):
        classifier = Folder(self, "splade-bert", bare=True, changes={"config.json": {"architectures": ["BertForSequenceClassification"]}})
        code, err = classifier.refused("classify")
        self.assertEqual(code, 5, err)
        self.assertIn("logits of every token, expected those of a text", err)

    def test_a_folder_without_any_weights_names_what_is_wanted(self):
        folder = Folder(self, "splade-bert")
        (folder.path / "model.onnx").unlink()
        code, err = folder.refused("sparse")
        self.assertEqual(code, 3, err)
        self.assertIn("model.safetensors", err)


if __name__ == "__main__":
    onnx_models.main()
