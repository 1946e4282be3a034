#!/usr/bin/env python3
"""The backend onnxruntime from the command line: what is tuned is used, providers, loads in another process.

    onnxruntime_test.py --akin PROGRAM --model tests/data/onnx/bert-onnx --crashing LIBRARY --old LIBRARY

Skips aloud without ONNX Runtime's library. Needs only Python's standard library.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

ARGUMENTS = None
SECONDS = 240
SKIPPED = 77
# The plug-in, where ./dev puts it.
LIBRARIES = pathlib.Path(__file__).resolve().parents[2] / "build/onnxruntime"
OPENVINO = str(LIBRARIES / "openvino/libonnxruntime_providers_openvino_plugin.so")
WITH_OPENVINO = str(LIBRARIES / "with-openvino")  # ONNX Runtime with the provider built in.


def run(*args, cache=None, extra=None):
    environment = {**os.environ, **({"AKIN_CACHE": cache} if cache else {}), **(extra or {})}
    environment.pop("AKIN_THREADS", None)
    done = subprocess.run([ARGUMENTS.akin, *args], capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS,
                          env=environment, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def checked(*args, cache=None, extra=None):
    """What the server says of the model."""
    code, _, err = run("serve", "--check", "--port", "0", "--model", ARGUMENTS.model, "--log-format", "json", *args, cache=cache, extra=extra)
    assert code == 0, err
    return next(json.loads(line) for line in err.splitlines() if "model is fine" in line)


def info(*args, cache=None):
    code, out, err = run("info", "--json", "--model", ARGUMENTS.model, *args, cache=cache)
    assert code == 0, (code, err)
    return json.loads(out), err


class Tune(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.cache = self.folder.name

    def tune(self, *args):
        return run("tune", "--model", ARGUMENTS.model, "--runs", "1", *args, cache=self.cache)

    def store(self, **changes):
        """Another setting, as if it had been found to be best."""
        path, = (pathlib.Path(self.cache) / "tuning").iterdir()
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def used(self, *args):
        found, err = info(*args, cache=self.cache)
        return (found["num_threads"], found["batch_tokens"], found["shape_buckets"], found["tuned"]), err

    def test_budgets_threads_and_buckets_are_measured_stored_and_used(self):
        code, out, err = self.tune("--backend", "onnxruntime")
        self.assertEqual((code, err), (0, ""))
        for part in ("batches of 128 tokens", "1 thread, ", "padded to 16, 32", "padded to 32, ", "best: "):
            self.assertIn(part, out)
        self.store(threads=1, batch_tokens=77, shape_buckets=[8, 32])
        # "onnx" is short for it; another backend and other options are other measurements.
        for backend in ("onnxruntime", "onnx"):
            self.assertEqual(self.used("--backend", backend), ((1, 77, [8, 32], True), ""))
        self.assertFalse(self.used("--backend", "native")[0][3])
        self.assertFalse(self.used("--backend", "onnx", "--optimization-level", "basic")[0][3])
        self.assertEqual(self.used("--backend", "onnx", "--shape-buckets", "16,64")[0], (1, 77, [16, 64], True))
        code, out, _ = run("embed", "--backend", "onnx", "--model", ARGUMENTS.model, "one text", cache=self.cache)
        self.assertEqual((code, out.count("\n")), (0, 1))
        self.assertIn("padded to 8, 32", run("info", "--backend", "onnx", "--model", ARGUMENTS.model,
                                             cache=self.cache)[1])

    def test_what_does_not_fit_is_ignored_aloud(self):
        self.tune("--backend", "onnxruntime", "--batch-tokens", "64", "--threads", "1")
        for changes in ({"shape_buckets": [8, 8]}, {"shape_buckets": "x"}, {"shape_buckets": [0]},
                        {"shape_buckets": [1 << 40]}, {"onnxruntime": "1.0.0"}, {"backend": "native"}):
            before = (pathlib.Path(self.cache) / "tuning")
            path, = before.iterdir()
            good = path.read_text()
            self.store(**changes)
            used, err = self.used("--backend", "onnxruntime")
            self.assertFalse(used[3], changes)
            self.assertIn("tuning ignored", err)
            self.assertIn(next(iter(changes)), err)
            path.write_text(good)

    def test_models_that_read_first_tokens_and_kept_graphs_are_tuned_too(self):
        graphs = os.path.join(self.cache, "graphs")
        options = ["--backend", "onnxruntime", "--pooling", "cls", "--optimized-model-cache", graphs]
        code, _, err = self.tune(*options)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(len(os.listdir(graphs)), 1)  # Of all candidates.
        self.store(threads=1, batch_tokens=79, shape_buckets=[8, 64])
        self.assertEqual(self.used(*options), ((1, 79, [8, 64], True), ""))
        texts = ["one text", "another text that is somewhat longer than the one before"]
        vectors = []
        for cache in (self.cache, os.path.join(self.cache, "untuned")):
            code, out, err = run("embed", "--model", ARGUMENTS.model, *options, *texts, cache=cache)
            self.assertEqual((code, err), (0, ""))
            vectors.append([x for line in out.splitlines() for x in json.loads(line)["embedding"]])
        self.assertEqual(len(os.listdir(graphs)), 1)
        self.assertLess(max(abs(a - b) for a, b in zip(*vectors)), 1e-6)

    def test_the_server_uses_it(self):
        self.tune("--backend", "onnxruntime")
        self.store(threads=1, batch_tokens=78, shape_buckets=[8, 32])
        library = {"AKIN_ORT_LIBRARY": json.loads(run("doctor", "--json")[1])["onnxruntime"]["path"]}
        for extra in ({}, library):
            with self.subTest(extra):
                fine = checked("--backend", "onnxruntime", cache=self.cache, extra=extra)
                self.assertEqual((fine["threads"], fine["batch_tokens"], fine["shape_buckets"]), (1, 78, "8 32"))
                self.assertEqual(fine["tuned"], "threads batch_tokens shape_buckets")
        for options, tuned in ((["--threads", "1"], "batch_tokens shape_buckets"), (["--max-batch-tokens", "64"], "threads shape_buckets"),
                               (["--shape-buckets", "16"], "threads batch_tokens"), (["--threads", "1", "--max-batch-tokens", "64"], ""),
                               (["--optimization-level", "basic"], "")):
            with self.subTest(options):
                self.assertEqual(checked("--backend", "onnxruntime", *options, cache=self.cache)["tuned"], tuned)

    def test_a_server_that_has_loaded_its_model_says_what_is_tuned(self):
        self.tune("--backend", "onnxruntime", "--threads", "1")
        self.store(threads=1, batch_tokens=78, shape_buckets=[8, 32])
        server = subprocess.Popen([ARGUMENTS.akin, "serve", "--port", "0", "--model", ARGUMENTS.model, "--log-format", "json", "--backend",
                                   "onnxruntime"], stderr=subprocess.PIPE, env={**os.environ, "AKIN_CACHE": self.cache})
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.wait, 60)
        self.addCleanup(server.kill)
        bound = threading.Timer(SECONDS, server.kill)  # Then the log ends.
        bound.start()
        self.addCleanup(bound.cancel)
        loaded = next((line for line in map(json.loads, server.stderr) if line["message"] == "model loaded"), None)
        self.assertIsNotNone(loaded, f"no model is loaded within {SECONDS} s")
        self.assertEqual((loaded["threads"], loaded["batch_tokens"], loaded["shape_buckets"]), (1, 78, "8 32"))
        self.assertEqual(loaded["tuned"], "threads batch_tokens shape_buckets")


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


class Files(unittest.TestCase):
    def test_a_precision_without_a_file_is_said(self):
        note = "not used: precision bf16, for which there is no ONNX file: onnx/model.onnx runs as it is"
        command = ["--backend", "onnx", "--model", ARGUMENTS.model, "--precision"]
        code, out, err = run("embed", *command, "bf16", "a text")
        self.assertEqual((code, out.count("\n"), err), (0, 1, f"akin: {note}\n"))
        self.assertIn(note, run("info", *command, "bf16")[1])
        self.assertEqual(run("embed", *command, "int8", "a text")[2], "")  # There is one.


    def test_what_is_in_the_file_counts_not_its_name(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ARGUMENTS.model, folder, dirs_exist_ok=True)
            onnx = pathlib.Path(folder, "onnx")
            quantized, = onnx.glob("*quantized*.onnx")
            os.replace(quantized, onnx / "model.onnx")
            command = ["embed", "--backend", "onnx", "--model", folder, "--precision"]
            precision = json.loads(run("info", "--json", "--backend", "onnx", "--model", folder)[1])["precision"]
            self.assertEqual(precision, "int8")
            note = "akin: not used: precision f32: onnx/model.onnx is int8, and runs as it is\n"
            self.assertEqual(run(*command, "f32", "a text")[2], note)
            self.assertEqual(run(*command, "int8", "a text")[2], "")

    def test_the_limit_of_buckets_is_not_that_of_positions(self):
        code, _, err = run("embed", "--model", ARGUMENTS.model, "--shape-buckets", "8,16", "--max-tokens", "17", "a text")
        self.assertEqual(code, 2)
        self.assertIn("--max-tokens is 17, expected 1 to 16, the last of the shape buckets of model", err)


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


class Options(unittest.TestCase):
    def test_a_text_behind_an_option_is_a_text(self):
        for option in (["--ep", "cpu"], ["--shape-buckets", "16,64"],
                       ["--session-config", "session.intra_op.allow_spinning=0"]):
            code, out, err = run("embed", "--backend", "onnx", "--model", ARGUMENTS.model, *option, "a text", "another")
            self.assertEqual((code, out.count("\n")), (0, 2), (option, err))


    # What each does is tested elsewhere; a value that is the default asks as well.
    GIVEN = (["--ep", "cpu"], ["--ep", "openvino:required"], ["--onnx-file", "model.onnx"], ["--ort-library", "somewhere"],
             ["--shape-buckets", "16,64"], ["--optimization-level", "basic"], ["--optimization-level", "all"], ["--optimized-model-cache", "somewhere"],
             ["--session-config", "session.intra_op.allow_spinning=0"], ["--run-timeout", "5"], ["--run-timeout", "60"], ["--isolate-load"],
             ["--batch-invariant"], ["--no-batch-invariant"])

    def test_another_backend_does_not_ignore_them(self):
        for option in self.GIVEN:
            for verb in (["embed", "a text"], ["serve", "--check", "--port", "0"], ["tune"]):
                for backend in ("native", "python"):
                    with self.subTest((option, verb[0], backend)):
                        code, out, err = run(*verb, "--backend", backend, "--model", ARGUMENTS.model, *option)
                        self.assertEqual((code, out), (2, ""), err)
                        self.assertIn(f"{option[0]} is an option of the backend onnxruntime, and --backend is {backend}", err)

    def test_what_the_environment_sets_for_all_models_is_no_fault(self):
        for variable, value in (("AKIN_EP", "cpu"), ("AKIN_RUN_TIMEOUT", "5"), ("AKIN_SHAPE_BUCKETS", "16,64"), ("AKIN_ISOLATE_LOAD", "true")):
            self.assertEqual(checked("--backend", "native", extra={variable: value})["backend"], "native")
        self.assertEqual(json.loads(run("doctor", "--json", "--backend", "native", "--model", ARGUMENTS.model)[1])["model"]["backend"], "native")

    def test_with_auto_each_asks_for_onnx_runtime(self):
        self.assertEqual(info()[0]["backend"], "native")
        with tempfile.TemporaryDirectory() as cache:
            for option in self.GIVEN:
                if option[-1] in ("openvino:required", "somewhere"):
                    continue
                with self.subTest(option):
                    self.assertEqual(info(*option)[0]["backend"], "onnxruntime")
            self.assertEqual(info("--optimized-model-cache", cache)[0]["backend"], "onnxruntime")
        for option in (["--run-timeout", "5"], ["--batch-invariant"]):
            self.assertEqual(checked(*option)["backend"], "onnxruntime")
            doctor = json.loads(run("doctor", "--json", "--model", ARGUMENTS.model, *option)[1])
            self.assertEqual(doctor["model"]["backend"], "onnxruntime")

    def test_an_empty_model_is_not_the_default(self):
        for verb in (["info"], ["embed", "a text"], ["serve", "--check", "--port", "0"]):
            code, out, err = run(*verb, "--model", "")
            self.assertEqual((code, out), (2, ""), err)
            self.assertIn("--model: The value is empty", err)


class Library(unittest.TestCase):
    def test_naming_it_to_the_doctor_or_by_the_environment_asks_for_no_backend(self):
        path = json.loads(run("doctor", "--json")[1])["onnxruntime"]["path"]
        for args, extra in ((["--ort-library", path], {}), ([], {"AKIN_ORT_LIBRARY": path})):
            found = json.loads(run("doctor", "--json", "--model", ARGUMENTS.model, *args, extra=extra)[1])
            self.assertEqual((found["model"]["backend"], found["onnxruntime"]["path"]), ("native", path))
        self.assertEqual(checked(extra={"AKIN_ORT_LIBRARY": path})["backend"], "native")
        self.assertEqual(checked("--ort-library", path)["backend"], "onnxruntime")

    def test_one_that_is_truncated_or_a_pipe_is_refused(self):
        whole = pathlib.Path(ARGUMENTS.crashing).read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            cut, pipe = pathlib.Path(folder, "cut.so"), pathlib.Path(folder, "pipe.so")
            cut.write_bytes(whole[:len(whole) // 2])
            os.mkfifo(pipe)
            for path, why in ((cut, "is truncated"), (pipe, "is not a regular file")):
                for option in ("--ort-library", "--ep-library"):
                    value = f"a={path}" if option == "--ep-library" else str(path)
                    for verb in (["info"], ["embed", "a text"], ["serve", "--check", "--port", "0"]):
                        with self.subTest((path.name, option, verb[0])):
                            code, out, err = run(*verb, "--backend", "onnx", "--model", ARGUMENTS.model, option, value)
                            self.assertEqual((code, out), (2, ""), err)
                            self.assertIn(str(path), err)
                            self.assertIn(why, err)


    def test_one_that_is_named_to_the_doctor_and_missing_is_a_failure(self):
        for option in (["--json"], []):
            code, out, _ = run("doctor", "--model", ARGUMENTS.model, "--ort-library", "nothere", *option)
            self.assertEqual(code, 2)
            self.assertIn("ONNX Runtime's library 'nothere' is not there", out)
        self.assertFalse(json.loads(run("doctor", "--json", "--model", ARGUMENTS.model, "--ort-library", "nothere")[1])["ok"])

    def test_folders_that_were_looked_in_are_named(self):
        environment = {name: value for name, value in os.environ.items() if name not in ("AKIN_ORT_LIBRARY", "LD_LIBRARY_PATH")}
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(os.path.realpath(folder), "bin", "akin")
            program.parent.mkdir()
            shutil.copy(ARGUMENTS.akin, program)
            out = subprocess.run([program, "doctor", "--json", "--model", ARGUMENTS.model], capture_output=True, text=True, timeout=SECONDS,
                                 env=environment, check=False).stdout
            found = json.loads(out)["onnxruntime"]
            if found["found"]:
                self.skipTest(f"the system has one: {found['path']}")
            for place in (program.parent, program.parents[1] / "lib", program.parents[1] / "lib" / "akin"):
                self.assertIn(f"{place}, ", found["reason"])
            # A model for which nobody asked for ONNX Runtime: it says why it is wanted.
            model = pathlib.Path(folder, "model")
            shutil.copytree(ARGUMENTS.model, model)
            (model / "model.safetensors").unlink()
            config = json.loads((model / "config.json").read_text())
            (model / "config.json").write_text(json.dumps({**config, "num_hidden_layers": config["num_hidden_layers"] + 1}))
            err = subprocess.run([program, "info", "--model", model], capture_output=True, text=True, timeout=SECONDS, env=environment,
                                 check=False).stderr
            self.assertRegex(err, "backend native was not taken: .*model.onnx.*; ONNX Runtime's library was not found")

    def test_the_doctor_has_named_it_in_the_environment_before_it_is_loaded(self):
        """Loading may start threads, which may read the environment while it is changed."""
        environment = {name: value for name, value in os.environ.items() if name != "AKIN_ORT_LIBRARY"}
        out = subprocess.run([ARGUMENTS.akin, "doctor", "--ort-library", ARGUMENTS.old], capture_output=True, text=True, timeout=SECONDS,
                             env=environment, check=False).stdout
        self.assertIn("is ONNX Runtime 1.1.0 with AKIN_ORT_LIBRARY, expected 1.", out)


class IsolatedLoad(unittest.TestCase):
    def test_a_runtime_that_dies_is_an_error(self):
        stub = ["--backend", "onnx", "--model", ARGUMENTS.model, "--ort-library", ARGUMENTS.crashing]
        self.assertEqual(run("info", *stub)[0], -6)  # What it is for.
        for verb in (["info"], ["embed", "a text"], ["serve", "--check", "--port", "0"]):
            code, out, err = run(*verb, *stub, "--isolate-load")
            self.assertEqual((code, out), (4, ""), err)
            self.assertIn("brought down the process that tried it first (signal 6", err)

    def test_a_good_model_loads_and_a_bad_one_says_why(self):
        found, err = info("--backend", "onnx", "--isolate-load")
        self.assertEqual((found["backend"], err), ("onnxruntime", ""))
        code, _, err = run("info", "--backend", "onnx", "--model", ARGUMENTS.model, "--isolate-load", "--onnx-file",
                           "none.onnx")
        self.assertEqual(code, 3)
        self.assertIn("none.onnx", err)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--akin", "--model", "--crashing", "--old"):
        parser.add_argument(option, required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    doctor = json.loads(run("doctor", "--json", "--model", ARGUMENTS.model)[1])
    if not doctor["onnxruntime"]["found"]:
        print("SKIPPED: ONNX Runtime's library is not there (./dev setup fetches it)")
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], *rest])
