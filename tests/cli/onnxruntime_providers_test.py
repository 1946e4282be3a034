#!/usr/bin/env python3
"""The backend onnxruntime's execution providers: which are had, what is said of the others, how many nodes each ran.

    onnxruntime_providers_test.py --akin PROGRAM --model tests/data/onnx/bert-onnx
"""
import json
import os
import pathlib
import unittest

from onnxruntime_program import ARGUMENTS, OPENVINO, WITH_OPENVINO, info, main, run


class Providers(unittest.TestCase):
    def test_a_required_one_that_is_missing_fails_and_an_optional_one_falls_through(self):
        for verb in (["embed"], ["serve", "--check", "--port", "0"]):
            code, _, err = run(*verb, "--backend", "onnx", "--model", ARGUMENTS.model, "--ep", "coreml:required",
                               *(["a text"] if verb == ["embed"] else []))
            self.assertEqual(code, 2, err)
            self.assertIn("CoreMLExecutionProvider", err)
        # Said where nobody asked, too; the text behind the option is a text.
        code, out, err = run("embed", "--backend", "onnx", "--model", ARGUMENTS.model, "--ep", "coreml", "a text")
        self.assertEqual((code, out.count("\n")), (0, 1), err)
        self.assertIn("not used: execution provider CoreMLExecutionProvider", err)
        self.assertIn("the Python package onnxruntime for macOS has a library with it, for --ort-library PATH", err)
        for name, way in (("cuda", "the Python package onnxruntime-gpu (or NuGet's"),
                          ("openvino", "the Python package onnxruntime-ep-openvino has it as a plug-in, for --ep-library openvino=PATH"),
                          ("dnnl", "it is built from ONNX Runtime's source")):
            _, _, err = run("embed", "--backend", "onnx", "--model", ARGUMENTS.model, "--ep", name, "a text")
            self.assertTrue(way in err or "not used" not in err, err)  # Or this library has it.
        found, _ = info("--backend", "onnx", "--ep", "coreml")
        self.assertEqual(found["isa"], "cpu")
        self.assertTrue(any(note.startswith("not used: ") and "CoreML" in note for note in found["notes"]))

    def test_a_name_that_none_has_is_an_error(self):
        for verb in (["embed", "a text"], ["serve", "--check", "--port", "0"]):
            for name in ("corml", "corml:ModelFormat=MLProgram"):
                code, out, err = run(*verb, "--backend", "onnx", "--model", ARGUMENTS.model, "--ep", name)
                self.assertEqual((code, out), (2, ""), err)
                self.assertIn("there is no execution provider 'corml'", err)
                self.assertIn("did you mean coreml?", err)
        for name in ("CormlExecutionProvider", "corml"):  # Where a plug-in might have it, the library knows.
            plugin = ["--ep-library", f"x={OPENVINO}"] if name == "corml" else []
            if plugin and not os.path.exists(OPENVINO):
                continue
            code, _, err = run("embed", "--backend", "onnx", "--model", ARGUMENTS.model, "--ep", name, *plugin, "a text")
            self.assertEqual(code, 2, err)
            self.assertIn(f"'{name}' is none that ONNX Runtime is known to have", err)
        self.assertEqual(info("--backend", "onnx", "--ep", "CPU")[0]["isa"], "cpu")

    @unittest.skipUnless(os.path.exists(OPENVINO), "OpenVINO's plug-in is not there (./dev test fetches it)")
    def test_a_plug_in_without_a_device_is_said(self):
        plugin = ["--ep-library", f"openvino={OPENVINO}"]
        code, out, err = run("doctor", "--model", ARGUMENTS.model, *plugin)
        self.assertEqual(code, 0, err)
        devices = json.loads(run("doctor", "--json", "--model", ARGUMENTS.model, *plugin)[1])["onnxruntime"]["plugin_devices"]
        if any(device["device"] for device in devices):
            self.assertIn("plug-in     openvino on ", out)
            return
        self.assertEqual(devices, [{"provider": "openvino", "device": ""}])
        self.assertIn("openvino offers no device on this machine", out)
        code, _, err = run("embed", "--backend", "onnx", "--model", ARGUMENTS.model, *plugin, "--ep", "openvino", "a text")
        self.assertEqual(code, 0, err)
        self.assertIn("not used: execution provider OpenVINOExecutionProvider: the plug-in 'openvino' offers no device", err)
        code, _, err = run("embed", "--backend", "onnx", "--model", ARGUMENTS.model, *plugin, "--ep", "openvino:required", "a text")
        self.assertEqual(code, 2, err)


def fields(message):
    """(number, value) of each field of a message of Protocol Buffers; of numbers, and of bytes."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        tag = number()
        if tag & 7 == 0:
            yield tag >> 3, number()
        else:
            size = {1: 8, 5: 4}.get(tag & 7) or number()
            yield tag >> 3, message[at:at + size]
            at += size


def count_nodes(path):
    """Of the graph in the file; none is a Constant, which ONNX Runtime does not run."""
    graph, = (value for number, value in fields(path.read_bytes()) if number == 7)
    operators = [dict(fields(value))[4] for number, value in fields(graph) if number == 1]
    assert b"Constant" not in operators
    return len(operators)


class NodesOfProviders(unittest.TestCase):
    """`akin info --verbose`: a silent fall-back to the CPU is the usual trap."""

    def ran(self, *args):
        """By provider, as it is printed and as it is in the JSON: both are the same."""
        command = ["info", "--model", ARGUMENTS.model, "--backend", "onnx", *args]
        code, out, err = run(*command, "--verbose")
        self.assertEqual(code, 0, err)
        printed = {}
        for line in out.splitlines():
            if line.startswith("provider "):
                _, name, ran, nodes, unit, *rest = line.split()
                self.assertEqual((ran, rest), ("ran", ["of", "the", "graph"]), line)
                self.assertEqual(unit, "node" if nodes == "1" else "nodes", line)
                printed[name] = int(nodes)
        found, _ = info("--backend", "onnx", "--verbose", *args)
        uses = {use["name"].removesuffix("ExecutionProvider").lower(): use["num_nodes"] for use in found["execution_providers"]}
        self.assertEqual(printed, uses)
        return printed

    def test_the_cpu_runs_the_nodes_of_the_file_and_fewer_once_they_are_fused(self):
        nodes = count_nodes(pathlib.Path(ARGUMENTS.model) / "onnx" / "model.onnx")
        self.assertGreater(nodes, 50)
        self.assertEqual(self.ran("--optimization-level", "none"), {"cpu": nodes})
        fused = self.ran()
        self.assertEqual(list(fused), ["cpu"])
        self.assertIn(fused["cpu"], range(20, nodes))
        # One that is not there ran none.
        self.assertEqual(self.ran("--ep", "coreml"), fused)

    def test_nobody_counts_who_is_not_asked(self):
        code, out, err = run("info", "--model", ARGUMENTS.model, "--backend", "onnx")
        self.assertEqual(code, 0, err)
        self.assertNotIn("provider ", out)
        self.assertEqual(info("--backend", "onnx")[0]["execution_providers"], [])

    @unittest.skipUnless(os.path.exists(WITH_OPENVINO), "ONNX Runtime with OpenVINO is not there (./dev test fetches it)")
    def test_a_provider_that_compiles_the_graph_runs_one(self):
        args = ["--ort-library", WITH_OPENVINO, "--ep", "openvino:required:device_type=CPU"]
        _, _, err = run("info", "--model", ARGUMENTS.model, "--backend", "onnx", *args)
        if "RTLD_DEEPBIND" in err:
            self.skipTest("OpenVINO opens a library with RTLD_DEEPBIND, which sanitizers do not take")
        self.assertEqual(self.ran(*args), {"openvino": 1})

    @unittest.skipUnless(os.path.exists(OPENVINO), "OpenVINO's plug-in is not there (./dev test fetches it)")
    def test_a_plug_in_runs_one_where_it_offers_a_device(self):
        plugin = ["--ep-library", f"openvino={OPENVINO}"]
        devices = json.loads(run("doctor", "--json", "--model", ARGUMENTS.model, *plugin)[1])["onnxruntime"]["plugin_devices"]
        if not any(device["device"] for device in devices):
            self.skipTest("OpenVINO's plug-in is loaded and offers no device on this CPU")
        self.assertEqual(self.ran(*plugin, "--ep", "openvino:required"), {"openvino": 1})


if __name__ == "__main__":
    main()
