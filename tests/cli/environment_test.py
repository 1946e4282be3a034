#!/usr/bin/env python3
"""Variables that stand for options, in every verb that has the option; words of flags; variables that nothing reads.

    environment_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import json
import os
import re

from akin_program import MODEL, Case, main, run


def beside(name):
    return os.path.join(os.path.dirname(MODEL), name)


# Each verb that loads a model, with what it needs to end soon, and a model that fits it.
VERBS = ((("embed", "x"), MODEL), (("similarity", "x", "y"), MODEL), (("tokenize", "x"), MODEL), (("info",), MODEL),
         (("rerank", "x", "y"), beside("cross-bert")), (("classify", "x"), beside("cross-bert-nli")), (("sparse", "x"), beside("splade-bert")),
         (("multivector", "x"), beside("colbert-plain")), (("doctor",), MODEL), (("bench", "--quality-only", "--quiet"), MODEL),
         (("tune", "--dry-run", "--runs", "1", "--quiet"), MODEL), (("plan",), MODEL),
         (("bridge",), MODEL))


class Options(Case):
    def test_the_model_comes_from_the_environment_in_every_verb(self):
        for call, model in VERBS:
            code, out, err = run(*call, env={"AKIN_MODEL": model, "AKIN_PRECISION": "f32"})
            self.assertEqual(code, 0, (call, out, err))
            code, out, err = run(*call, env={"AKIN_MODEL": self.path("none")})
            if call[0] != "bridge":  # That one waits to be asked for a model.
                self.assertEqual(code, 3, (call, err))
                self.assertIn(b"AKIN_MODEL" if call[0] != "doctor" else b"none", err + out, call)
            text = run(call[0], "--help")[1].decode()
            for words in ("(Env:AKIN_MODEL)", "AKIN_MODELS_DIR", "docs/cli.md#environment"):
                self.assertIn(words, text, call)

    def test_every_option_of_the_model_has_the_variable_that_its_help_names(self):
        text = run("embed", "--help")[1].decode()
        options = re.findall(r"^  (?:-\w,)?--([\w-]+)[^\n]*?\(Env:(\w+)\)", text, re.MULTILINE)
        self.assertGreater(len(options), 28)
        for name, variable in options:
            self.assertEqual(variable, "AKIN_" + name.upper().replace("-", "_"))
        for name, wrong in (("batch-tokens", "zz"), ("precision", "zz"), ("backend", "zz"), ("pooling", "zz"), ("ep", "zz"), ("dialect", "zz"),
                            ("run-timeout", "zz"), ("remote-retries", "zz"), ("batch-invariant", "zz")):
            variable = dict(options)[name]
            self.fails(run("embed", "--model", MODEL, "x", env={variable: wrong}), 2, f"{variable} (--{name})", wrong)

    def test_doctor_says_of_a_cache_that_nothing_can_be_kept_there(self):
        doctor = ("doctor", "--model", MODEL)
        nowhere, there = {"AKIN_CACHE": self.write("file", "") + "/cache"}, {"AKIN_CACHE": self.path("not/yet/there")}
        self.assertIn("nothing can be kept there, so that loading takes longer: Not a directory", run(*doctor, env=nowhere)[1].decode())
        self.assertNotIn("nothing can be kept", run(*doctor, env=there)[1].decode())
        for environment, is_writable in ((nowhere, False), (there, True)):
            self.assertIs(json.loads(run(*doctor, "--json", env=environment)[1])["system"]["cache_is_writable"], is_writable)

    def test_the_command_line_wins(self):
        code, out, err = run("info", "--json", "--model", MODEL, "--precision", "f32", env={"AKIN_MODEL": "none", "AKIN_PRECISION": "zz"})
        self.assertEqual((code, json.loads(out)["precision"]), (0, "f32"), err)
        # Also over what the option excludes.
        want = run("tokenize", "--tokenizer", MODEL, "--ids", "x")
        self.assertEqual(want[0], 0)
        self.assertEqual(run("tokenize", "--tokenizer", MODEL, "--ids", "x", env={"AKIN_MODEL": "none"}), want)
        code, out, err = run("info", "--json", "--model", MODEL, "--no-batch-invariant", "--backend", "onnx", env={"AKIN_BATCH_INVARIANT": "1"})
        self.assertNotIn("excludes", json.loads(out)["error"]["message"])  # There is no ONNX file.

    def test_an_empty_variable_is_none(self):
        self.assertEqual(run("embed", "--model", MODEL, "x", env={"AKIN_PRECISION": "", "AKIN_BATCH_INVARIANT": "", "AKIN_MODLE": ""})[::2], (0, b""))

    def test_options_of_a_backend_do_not_choose_it(self):
        # Nor do they make a model without ONNX files one that is not found.
        for variable, value in (("AKIN_EP", "openvino"), ("AKIN_RUN_TIMEOUT", "3"), ("AKIN_BATCH_INVARIANT", "1"), ("AKIN_SHAPE_BUCKETS", "16,64"),
                                ("AKIN_OPTIMIZATION_LEVEL", "basic")):
            environment = {variable: value, "AKIN_MODEL": MODEL}
            for verb in (("embed", "x"), ("serve", "--check", "--port", "0")):
                code, _, err = run(*verb, env=environment)
                self.assertEqual(code, 0, (variable, verb, err))
            self.assertEqual(json.loads(run("info", "--json", env=environment)[1])["backend"], "native", variable)
            # On the command line they do, whatever the variable says.
            option = "--" + variable[5:].lower().replace("_", "-")
            words = [option] if option == "--batch-invariant" else [option, value]
            error = json.loads(run("info", "--json", *words, env=environment)[1])["error"]["message"]
            self.assertRegex(error, f"ONNX file.*; {option} asks for ONNX Runtime|has no backend", variable)

    def test_what_is_missing_is_said_with_the_variables_that_ask_for_it(self):
        asked = ({"AKIN_MODEL": MODEL, "AKIN_BACKEND": "onnxruntime"}, "its name is from AKIN_MODEL, the backend is from AKIN_BACKEND"), \
                ({"AKIN_BACKEND": "onnxruntime"}, "the backend is from AKIN_BACKEND")
        for environment, notes in asked:
            words = [] if "AKIN_MODEL" in environment else ["--model", MODEL]
            code, _, err = run("embed", "x", *words, env=environment)
            if b"has no backend" in err:
                self.skipTest("this akin was built without ONNX Runtime")
            self.assertEqual((code, err.decode().count("ONNX file")), (3, 1), err)
            self.assertTrue(err.endswith(f" ({notes})\n".encode()), err)
        # Of a model that is not there at all it is the name alone.
        code, _, err = run("embed", "x", "--ep", "cpu", env={"AKIN_MODEL": "./nowhere"})
        self.assertEqual((code, b"asks for" in err, err.endswith(b" (its name is from AKIN_MODEL)\n")), (3, False, True), err)

    def test_a_model_that_is_isolated_by_the_environment_is_loaded_once_more_and_not_for_ever(self):
        code, _, err = run("embed", "--model", MODEL, "x", env={"AKIN_ISOLATE_LOAD": "1"})
        self.assertEqual((code, err), (0, b""))


class Flags(Case):
    def test_words_of_flags(self):
        for word in ("true", "yes", "on", "1", "TRUE", "Off", "false", "no", "0"):
            code, out, err = run("info", "--json", "--model", MODEL, "--backend", "native", env={"AKIN_BATCH_INVARIANT": word})
            self.assertEqual((code, err), (0, b""), (word, out))
        for word in ("maybe", "2", "-1", "tru", "disable"):
            self.fails(run("info", "--model", MODEL, env={"AKIN_BATCH_INVARIANT": word}), 2,
                       f"AKIN_BATCH_INVARIANT (--batch-invariant) is '{word}', expected true, yes, on or 1")

    def test_help_is_there_when_a_variable_is_wrong(self):
        for variable in ("AKIN_BATCH_INVARIANT", "AKIN_BATCH_TOKENS"):
            code, out, err = run("embed", "--help", env={variable: "zz"})
            self.assertEqual((code, err), (0, b""))
            self.assertIn(b"Env:" + variable.encode(), out)


class Unknown(Case):
    def test_a_mistyped_variable_is_a_warning_with_the_one_that_was_meant(self):
        for typed, meant in (("AKIN_MODLE", "AKIN_MODEL"), ("AKIN_PROT", "AKIN_PORT"), ("AKIN_TREADS", "AKIN_THREADS"), ("AKIN_CASHE", "AKIN_CACHE")):
            code, out, err = run("embed", "--model", MODEL, "x", env={typed: "1"})
            self.assertEqual((code, out.count(b"\n")), (0, 1), err)
            self.assertEqual(err.decode(), f"akin: warning: nothing reads {typed} of the environment; did you mean {meant}?\n")

    def test_what_is_read_and_what_is_like_nothing_of_ours_is_none(self):
        read = {"AKIN_PORT": "x", "AKIN_GRPC_PORT": "x", "AKIN_HUB_RETRY_MS": "1", "AKIN_BRIDGE_OPTIONS": "x", "AKIN_TEST_MODEL": "x"}
        for variables in (read, {"AKIN_GARDEN_FENCE": "1"}, {"AKIN_SERVICE_HOST": "1", "AKIN_PORT_80_TCP_ADDR": "1"}):
            self.assertEqual(run("embed", "--model", MODEL, "x", env=variables)[::2], (0, b""), variables)


if __name__ == "__main__":
    main()
