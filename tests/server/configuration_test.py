#!/usr/bin/env python3
"""The options of `akin serve`: the command line, the environment and the file, and what is wrong with them.

    configuration_test.py --akin PROGRAM --model FOLDER
"""
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from serve_process import ARGUMENTS, Server, f32, main, run
from slow_onnx import start_slow_server


class Configuration(unittest.TestCase):
    def test_an_error_names_where_the_value_came_from(self):
        for name, value, wrong in (("port", "zz", "zz is not a whole number, expected 0 to 65535"), ("log-format", "xml", "is 'xml', expected"),
                                   ("auto-truncate", "maybe", "is 'maybe', expected"), ("bulk-texts", "1e3", "1e3"),
                                   ("backend", "zz", "unknown backend 'zz'"), ("precision", "zz", "unknown precision 'zz'"),
                                   ("isa", "zz", "unknown instruction set 'zz'"), ("pooling", "zz", "'zz'"), ("log-level", "zz", "is 'zz', expected"),
                                   ("optimization-level", "zz", "'zz' is not known"), ("ep", "zz", "no execution provider 'zz'"),
                                   ("dialect", "zz", "'zz'")):
            variable = "AKIN_" + name.upper().replace("-", "_")
            status, error = run("--check", "--model", ARGUMENTS.model, environment={variable: value})
            self.assertEqual(status, 2, error)
            self.assertIn(f"{variable} (--{name})", error)
            self.assertIn(wrong, error)
            # The command line's is the command line's, whatever the environment says.
            status, error = run("--check", "--model", ARGUMENTS.model, f"--{name}", value, environment={variable: "1"})
            self.assertEqual((status, variable in error), (2, False), error)
            with tempfile.TemporaryDirectory() as folder:
                config = pathlib.Path(folder, "akin.toml")
                config.write_text(f'{name} = "{value}"\n')
                status, error = run("--check", "--model", ARGUMENTS.model, "--config", str(config))
                self.assertEqual(status, 2, error)
                self.assertIn(str(config), error)
                self.assertIn(name, error)
                self.assertIn(wrong, error)
        for variable in ("AKIN_PACKED_CACHE_MIB", "AKIN_PIN_THREADS", "AKIN_ISA", "AKIN_THREADS"):
            status, error = run("--check", "--port", "0", "--model", ARGUMENTS.model, environment={variable: "zz"})
            self.assertEqual(status, 2, (variable, error))
            self.assertIn("zz", error)

    def test_a_variable_that_it_does_not_read_is_a_warning(self):
        status, log = run("--check", "--port", "0", "--model", ARGUMENTS.model, "--log-format", "json",
                          environment={"AKIN_PROT": "1", "AKIN_GARDEN_FENCE": "1", "AKIN_SERVICE_PORT": "1", "AKIN_PORT_80_TCP": "1", "AKIN_LAZY": "Off",
                                       "AKIN_BATCH_TOKENS": "64"})
        self.assertEqual(status, 0, log)
        warnings = [line["message"] for line in map(json.loads, log.splitlines()) if line["level"] == "warn"]
        self.assertEqual(warnings, ["akin serve does not read AKIN_BATCH_TOKENS of the environment; did you mean AKIN_MAX_BATCH_TOKENS?",
                                    "akin serve does not read AKIN_GARDEN_FENCE of the environment",
                                    "akin serve does not read AKIN_PROT of the environment; did you mean AKIN_PORT?"])

    def test_a_flag_of_the_environment_is_a_yes_or_a_no(self):
        for variable, option in (("AKIN_LAZY", "--lazy"), ("AKIN_CHECK", "--check"), ("AKIN_AUTO_TRUNCATE", "--auto-truncate")):
            status, error = run("--check", "--port", "0", "--model", ARGUMENTS.model, environment={variable: "maybe"})
            if option == "--check":  # The command line's.
                self.assertEqual(status, 0, error)
                continue
            self.assertEqual(status, 2, error)
            self.assertIn(f"{variable} ({option}) is 'maybe', expected true, yes, on or 1, or false, no, off or 0", error)
            self.assertEqual(run("--check", "--port", "0", "--model", ARGUMENTS.model, environment={variable: "No"})[0], 0)

    def test_help_says_every_default_in_one_way(self):
        text = subprocess.run([ARGUMENTS.akin, "serve", "--help"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(re.findall(r"^  .*--[\w-]+ \S+=\S+ .*Env.*$", re.sub(r"\[?(NAME|KEY)=\S+", "", text), re.MULTILINE), [])
        for words in ("(default: 8080)", "(default: 127.0.0.1)", "(default: info)", "(default: true)", "0: never (default: 0)"):
            self.assertIn(words, text)

    def test_the_command_line_wins_over_the_environment_over_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder, "akin.toml")
            config.write_text('max_client_batch_size = 3\nmax-concurrent-requests = 30\nmax-batch-tokens = 300\n'
                              'api-key = ["from-the-file", "another"]\nlazy = true\n')
            server = Server("--config", str(config), "--max-batch-tokens", "100", key="another",
                            environment={"AKIN_MAX_CONCURRENT_REQUESTS": "20", "AKIN_MAX_BATCH_TOKENS": "200"})
            try:
                info = json.loads(server.get("/info")[2])
                self.assertEqual(info["max_client_batch_size"], 3)
                self.assertEqual(info["max_concurrent_requests"], 20)
                self.assertEqual(info["max_batch_tokens"], 100)
            finally:
                server.stop()

    def test_every_option_comes_from_the_environment_and_from_the_file_too(self):
        text = subprocess.run([ARGUMENTS.akin, "serve", "--help"], capture_output=True, text=True, check=True).stdout
        options = re.findall(r"^  (?:-\w,)?--([\w-]+) ?([^\s(]*).*?(?:\(Env:(\w+)\)|$)", text, re.MULTILINE)
        options = [option for option in options if option[0] not in ("help", "ort-library")]  # The library reads that.
        self.assertGreater(len(options), 60)
        for name, _, variable in options:
            self.assertEqual(variable, "AKIN_" + name.upper().replace("-", "_"))
        # One of the two that exclude each other; --check would end the run, --config is the file.
        options = [option for option in options if option[0] not in ("no-batch-invariant", "config", "check")]

        def value(kind):
            return "true" if not kind else kind.strip("{}").split(",")[0] if kind[0] == "{" else "1" if is_number(kind) else "x=y"

        def is_number(kind):
            return kind.split("=")[0].split(",")[0] in ("N", "SECONDS", "MIB", "BYTES")

        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder, "akin.toml")

            def errors(lines, **environment):
                # The keys are read in their order; the last one ends the run.
                config.write_text("".join(lines) + "zzz = 1\n")
                return run("--config", str(config), environment=environment)

            expected = (2, f"line {len(options) + 1}: there is no option zzz")
            for spell in (str, lambda name: name.replace("-", "_")):
                status, error = errors([f'{spell(name)} = "{value(kind)}"\n' for name, kind, _ in options])
                self.assertEqual(status, expected[0])
                self.assertIn(expected[1], error)
            # What the environment has set is not read from the file, where no number is one.
            status, error = errors([f'{name} = "none"\n' for name, *_ in options],
                                   **{variable: value(kind) for _, kind, variable in options})
            self.assertEqual(status, expected[0])
            self.assertIn(expected[1], error)
            for name, kind, variable in options:
                if is_number(kind):
                    status, error = run("--check", environment={variable: "none"})
                    self.assertEqual(status, 2, variable)
                    self.assertIn(name, error)

    def test_what_excludes_an_option_of_the_file_wins_over_it(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder, "akin.toml")
            arguments = ["--check", "--port", "0", "--model", ARGUMENTS.model, "--config", str(config)]
            config.write_text("batch-invariant = true\nno-batch-invariant = true\n")
            status, error = run(*arguments)
            self.assertEqual(status, 2, error)
            self.assertIn("line 2: no-batch-invariant excludes batch-invariant", error)
            config.write_text("batch-invariant = true\n")
            for given, invariant in (([], b"true"), (["--no-batch-invariant"], b"false")):
                server = start_slow_server(self, "--config", str(config), *given)
                self.assertIn(b'"batch_invariant":' + invariant, server.get("/info")[2])

    def test_pooling_in_place_of_the_model_s_own(self):
        out = subprocess.run([ARGUMENTS.akin, "embed", "--model", ARGUMENTS.model, "--pooling", "cls", "a text"],
                             capture_output=True, text=True, check=True).stdout
        expected = b"".join(f32(x) for x in json.loads(out)["embedding"])
        server = Server("--pooling", "cls")
        try:
            answer = server.post_json("/embed", {"inputs": ["a text"]})[1]
            self.assertEqual(b"".join(f32(x) for x in answer[0]), expected)
            self.assertEqual(json.loads(server.get("/info")[2])["model_type"]["embedding"]["pooling"], "cls")
        finally:
            server.stop()
        status, error = run("--check", "--model", ARGUMENTS.model, "--pooling", "clss")
        self.assertEqual(status, 2, error)
        self.assertIn("clss", error)

    def test_a_file_that_is_wrong_names_its_line(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder, "akin.toml")
            for text, words in (("port = 1\nprot = 2\n", "line 2: there is no option prot (akin serve --help lists them)"),
                                ("port = \n", "line 1: port: no value, expected a whole number"),
                                ('\n\nport = "x"\n', "line 3: port: x is not a whole number, expected 0 to 65535"),
                                ("\nport = abc # c\n", "line 2: port: abc # c is no value of TOML, expected a whole number"),
                                ("payload-limit = 67108865", "line 1: payload-limit: 67108865 not in range 1 to 67108864"),
                                ("port = 70000", "line 1: port: 70000 not in range 0 to 65535"),
                                ("port = 1.5", "line 1: port: expected a whole number"),
                                ("port = 8080\nlog_json = true\nport = 8081\n", "line 3: port is given twice, first in line 1"),
                                ("lazy = maybe", "line 1: lazy: maybe is no value of TOML, expected true or false"),
                                ('\nlazy = "maybe"', "line 2: lazy: maybe is no value of it, expected true or false"),
                                ("lazy = 3", "line 1: lazy: 3 is no value of it, expected true or false"),
                                ("log_level = info", "line 1: log-level: info is no value of TOML, expected a text in quotes"),
                                ("# a\nauto_truncate = \"x\"", "line 2: auto-truncate is 'x', expected true, yes, on or 1"),
                                ("# a\nbackend = \"natve\"", "line 2: backend: unknown backend 'natve'"),
                                ("\nhost = \"1:2:3\"", "line 2: host 1:2:3: "),
                                ("= 3", "line 1: "), ("zzz = abc", "line 1: Error while parsing"),
                                ("[server]\nport = 1\n", "line 1: server: there are no sections"),
                                ("[[server]]\nport = 1\n", "line 1: server: there are no sections")):
                config.write_text(text)
                status, error = run("--check", "--model", ARGUMENTS.model, "--config", str(config))
                self.assertEqual(status, 2, (text, error))
                self.assertIn(f"akin: {config}, {words}", error)
                self.assertEqual((error.count(str(config)), error.count("--port"), error.count("--auto")), (1, 0, 0), error)
            for path in (folder + "/none.toml", folder):
                status, error = run("--check", "--config", path)
                self.assertEqual(status, 66, error)
                self.assertIn(path + ": cannot be read", error)
                self.assertNotIn("line", error)


if __name__ == "__main__":
    main()
