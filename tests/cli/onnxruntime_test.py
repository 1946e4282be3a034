#!/usr/bin/env python3
"""The backend onnxruntime from the command line: its files, its options, its library, loads in another process.

    onnxruntime_test.py --akin PROGRAM --model tests/data/onnx/bert-onnx --crashing LIBRARY --old LIBRARY
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from onnxruntime_program import ARGUMENTS, SECONDS, checked, info, main, run


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

    def test_what_the_environment_sets_asks_for_nothing_and_counts_where_onnx_runtime_runs(self):
        missing = {"AKIN_EP": "nothing:required", "AKIN_EP_LIBRARY": "a=nowhere"}
        self.assertEqual(checked(extra=missing)["backend"], "native")
        for more in ({"AKIN_BACKEND": "onnxruntime"}, {"AKIN_ISOLATE_LOAD": "1", "AKIN_BACKEND": "onnxruntime"}):
            code, _, err = run("embed", "--model", ARGUMENTS.model, "a text", extra={**missing, **more})
            self.assertEqual(code, 2, err)
            self.assertIn("nowhere", err)
        # The option is the command line's where both give it.
        code, out, _ = run("info", "--json", "--model", ARGUMENTS.model, "--run-timeout", "5", extra={"AKIN_RUN_TIMEOUT": "3"})
        self.assertEqual((code, json.loads(out)["backend"]), (0, "onnxruntime"))

    def test_what_the_environment_sets_asks_for_nothing_of_the_process_that_loads_first(self):
        crashing = {"AKIN_ORT_LIBRARY": ARGUMENTS.crashing, "AKIN_EP": "cpu"}
        code, _, err = run("embed", "--model", ARGUMENTS.model, "a text", extra={**crashing, "AKIN_ISOLATE_LOAD": "1"})
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(run("embed", "--model", ARGUMENTS.model, "--isolate-load", "a text", extra=crashing)[0], 4)

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
    main("--crashing", "--old")
