#!/usr/bin/env python3
"""Starting, configuring, draining and stopping `akin serve`.

    operation_test.py --akin PROGRAM --model FOLDER
"""
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Collector, Server, f32, main
from slow_onnx import start_slow_server


def run(*arguments, environment=None):
    """-> (exit status, standard error) of `akin serve` that is to end by itself"""
    done = subprocess.run([ARGUMENTS.akin, "serve", *arguments], capture_output=True, text=True, timeout=TIMEOUT,
                          env={**os.environ, **(environment or {})})
    return done.returncode, done.stderr


class Start(unittest.TestCase):
    def test_check_says_what_is_wrong_and_ends(self):
        self.assertEqual(run("--check", "--port", "0", "--model", ARGUMENTS.model)[0], 0)
        cases = [(["--model", "/nowhere/at/all"], 3, "/nowhere/at/all"),
                 (["--host", "not an address"], 2, "--host"),
                 (["--log-format", "xml"], 2, "xml"),
                 (["--log-level", "loud"], 2, "loud"),
                 (["--auto-truncate", "maybe"], 2, "maybe"),
                 (["--tls-cert", "x.pem"], 2, "--tls-key"),
                 (["--api-key-file", "/nowhere/keys"], 66, "/nowhere/keys"),
                 (["--model", "a=x", "--model", "a=y"], 2, "two models"),
                 (["--max-batch-tokens", "0"], 2, "--max-batch-tokens"),
                 (["--port", "70000"], 2, "--port"),
                 (["--prot", "1"], 2, "did you mean --port")]
        for arguments, status, words in cases:
            model = [] if "--model" in arguments else ["--model", ARGUMENTS.model]
            got, error = run("--check", *([] if "--port" in arguments else ["--port", "0"]), *model, *arguments)
            self.assertEqual(got, status, (arguments, error))
            self.assertIn(words, error)

    def test_an_address_in_use_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            status, error = run("--port", str(port), "--model", ARGUMENTS.model)
        self.assertEqual(status, 6)
        self.assertIn(f"127.0.0.1:{port}", error)

    def test_a_port_for_grpc_in_use_is_said_by_check_too(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            # Not both on one port, either.
            with socket.create_server(("127.0.0.1", 0)) as free:
                same = free.getsockname()[1]
            for http_port, grpc_port in ((0, port), (same, same)):
                for check in (["--check"], []):
                    status, error = run(*check, "--port", str(http_port), "--grpc-port", str(grpc_port), "--model", ARGUMENTS.model)
                    if "built without gRPC" in error:
                        self.skipTest("this akin was built without gRPC")
                    self.assertEqual(status, 6, (check, error))
                    self.assertIn(f"--grpc-port: cannot listen on 127.0.0.1:{grpc_port} for gRPC: Address already in use", error)
        status, error = run("--check", "--port", "0", "--grpc-port", "0", "--model", ARGUMENTS.model)
        self.assertEqual(status, 0, error)

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

    def test_a_variable_that_nothing_reads_is_a_warning(self):
        status, log = run("--check", "--port", "0", "--model", ARGUMENTS.model, "--log-format", "json",
                          environment={"AKIN_PROT": "1", "AKIN_GARDEN_FENCE": "1", "AKIN_SERVICE_PORT": "1", "AKIN_PORT_80_TCP": "1", "AKIN_LAZY": "Off"})
        self.assertEqual(status, 0, log)
        warnings = [line["message"] for line in map(json.loads, log.splitlines()) if line["level"] == "warn"]
        self.assertEqual(warnings, ["nothing reads AKIN_GARDEN_FENCE of the environment",
                                    "nothing reads AKIN_PROT of the environment; did you mean AKIN_PORT?"])

    def test_a_flag_of_the_environment_is_a_yes_or_a_no(self):
        for variable, option in (("AKIN_LAZY", "--lazy"), ("AKIN_CHECK", "--check"), ("AKIN_AUTO_TRUNCATE", "--auto-truncate")):
            status, error = run("--check", "--port", "0", "--model", ARGUMENTS.model, environment={variable: "maybe"})
            if option == "--check":  # The command line's.
                self.assertEqual(status, 0, error)
                continue
            self.assertEqual(status, 2, error)
            self.assertIn(f"{variable} ({option}) is 'maybe', expected true, yes, on or 1, or false, no, off or 0", error)
            self.assertEqual(run("--check", "--port", "0", "--model", ARGUMENTS.model, environment={variable: "No"})[0], 0)

    def test_a_model_that_cannot_be_loaded_ends_the_start(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "config.json").write_text("{")
            status, error = run("--port", "0", "--model", folder)
        self.assertEqual(status, 4, error)
        # What can be known beforehand is said before anybody is told that the server listens.
        for name in ("/nowhere/at/all", "no-such-model"):
            status, error = run("--port", "0", "--model", ARGUMENTS.model, "--model", name)
            self.assertEqual((status, error.count(name)), (3, 1), error)
            self.assertNotIn("listening", error)

    def test_a_lazy_model_that_is_not_there_may_still_come(self):
        with tempfile.TemporaryDirectory() as folder:
            late = pathlib.Path(folder, "late")
            server = Server("--lazy", models=["here=" + ARGUMENTS.model, f"late={late}"])
            try:
                missing = [line["model"] for line in server.log if line["message"] == "model is not there"]
                self.assertEqual(missing, ["late"])
                self.assertEqual(json.loads(server.get("/api/tags")[2])["models"][1]["modified_at"], "0001-01-01T00:00:00Z")
                self.assertEqual(json.loads(server.get("/v1/models")[2])["data"][1]["created"], 0)
                shutil.copytree(ARGUMENTS.model, late, copy_function=shutil.copyfile)
                self.assertEqual(server.post_json("/v1/embeddings", {"input": "a", "model": "late"})[0], 200)
            finally:
                server.stop()

    def test_help_says_every_default_in_one_way(self):
        text = subprocess.run([ARGUMENTS.akin, "serve", "--help"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(re.findall(r"^  .*--[\w-]+ \S+=\S+ .*Env.*$", re.sub(r"\[?(NAME|KEY)=\S+", "", text), re.MULTILINE), [])
        for words in ("(default: 8080)", "(default: 127.0.0.1)", "(default: info)", "(default: true)", "0: never (default: 0)"):
            self.assertIn(words, text)

    def test_an_address_that_others_reach_without_a_key_is_a_warning(self):
        for options, expected in (([], 0), (["--host", "0.0.0.0"], 1), (["--host", "0.0.0.0", "--api-key", "secret"], 0)):
            server = Server(*options)
            server.stop()
            self.assertEqual(len([e for e in server.log if "--api-key" in e["message"] and e["level"] == "warn"]), expected, options)

    def test_what_is_to_be_known_of_a_model_is_in_the_log(self):
        said = [("bare", "no modules.json: mean pooling; --pooling says otherwise"),
                ("bare", "no modules.json: vectors are not normalized; --normalize says otherwise")]
        with tempfile.TemporaryDirectory() as folder:
            bare = pathlib.Path(folder, "bare")
            shutil.copytree(ARGUMENTS.model, bare, copy_function=shutil.copyfile)
            (bare / "modules.json").unlink()
            status, log = run("--check", "--port", "0", "--log-format", "json", "--model", str(bare), "--model", ARGUMENTS.model)
            self.assertEqual(status, 0, log)
            notes = [line for line in map(json.loads, log.splitlines()) if line["message"] == "note"]
            self.assertEqual([(line["model"], line["note"]) for line in notes], said)
            server = Server("--model", str(bare))
            try:
                notes = [(line["model"], line["note"]) for line in server.log if line["message"] == "note"]
                self.assertEqual(notes, said)
            finally:
                server.stop()

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
                                ("port = 70000", "line 1: port: 70000 not in range 0 to 65535"),
                                ("port = 1.5", "line 1: port: expected a whole number"),
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

    def test_a_unix_socket_serves_and_is_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/akin.sock"
            server = Server("--unix-socket", path)
            try:
                client = http.client.HTTPConnection("localhost")
                client.sock = socket.socket(socket.AF_UNIX)
                client.sock.connect(path)
                client.request("GET", "/health")
                self.assertEqual(client.getresponse().status, 200)
                client.close()
            finally:
                server.stop()
            self.assertFalse(os.path.exists(path))

    def test_a_file_under_the_socket_s_name_is_left_alone(self):
        with tempfile.NamedTemporaryFile() as file:
            status, error = run("--port", "0", "--unix-socket", file.name, "--model", ARGUMENTS.model)
            self.assertEqual(status, 6, error)
            self.assertTrue(os.path.exists(file.name))

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
                                   "/CN=localhost", "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"],
                                  capture_output=True)
            if made.returncode != 0:
                self.skipTest("openssl cannot make a certificate here")
            server = Server("--tls-cert", folder + "/cert.pem", "--tls-key", folder + "/key.pem")
            try:
                context = ssl.create_default_context(cafile=folder + "/cert.pem")
                context.check_hostname = False
                client = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=TIMEOUT)
                for _ in range(3):
                    client.request("POST", "/embed", '{"inputs":"a"}', {"Content-Type": "application/json"})
                    answer = client.getresponse()
                    self.assertEqual(answer.status, 200)
                    self.assertGreater(len(json.loads(answer.read())[0]), 1)
                client.close()
                with server.connect() as plain:
                    plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                    self.assertNotIn(b"200 OK", plain.recv(1000))
            finally:
                self.assertEqual(server.stop(), 0)


class IdleSpin(unittest.TestCase):
    """The event loop looks out for the next request for a moment only where other cores compute."""

    def spins(self, cpus, threads):
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cpus)  # Which the server takes over.
        try:
            server = Server(threads=threads, environment={"AKIN_THREADS": ""})
        finally:
            os.sched_setaffinity(0, allowed)
        self.addCleanup(server.stop)
        return next(e["idle_spin"] for e in server.log if e["message"] == "ready")

    def test_it_goes_by_the_cores_not_by_the_threads(self):
        cpus = os.sched_getaffinity(0)
        self.assertFalse(self.spins({min(cpus)}, 4))
        self.assertFalse(self.spins(cpus, 1))
        doctor = subprocess.run([ARGUMENTS.akin, "doctor", "--json"], capture_output=True, text=True, check=False,
                                env={**os.environ, "AKIN_THREADS": ""})
        self.assertEqual(self.spins(cpus, 4), json.loads(doctor.stdout)["system"]["threads"] > 1)


class Drain(unittest.TestCase):
    def test_every_accepted_request_is_answered_when_the_server_is_told_to_end(self):
        for seed in range(6):
            server = Server()
            expected = server.post("/embed", {"inputs": ["a text"] * 3})[2]
            answers, refused, threads = [], [], []

            def ask():
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
                try:
                    while True:
                        sent = False
                        try:
                            connection.request("POST", "/embed", '{"inputs":["a text","a text","a text"]}',
                                               {"Content-Type": "application/json"})
                            sent = True
                            answer = connection.getresponse()
                            answers.append((answer.status, answer.read()))
                            if answer.getheader("connection") == "close":
                                return
                        except http.client.RemoteDisconnected:
                            return  # An idle connection was closed as our request left.
                        except OSError:
                            if sent:
                                refused.append("lost")
                            return
                finally:
                    connection.close()

            for _ in range(6):
                threads.append(threading.Thread(target=ask))
                threads[-1].start()
            time.sleep(random.Random(seed).uniform(0.0, 0.25))
            self.assertEqual(server.stop(), 0)
            for thread in threads:
                thread.join(TIMEOUT)
            self.assertTrue(answers)
            self.assertEqual({a for a in answers}, {(200, expected)})

    def test_readiness_turns_before_the_door_closes(self):
        server = Server("--drain-delay", "1")
        server.process.send_signal(signal.SIGTERM)
        server.await_event("draining")
        self.assertEqual(server.get("/health/ready")[0], 503)
        self.assertEqual(server.get("/health/live")[0], 200)
        self.assertEqual(server.post("/embed", {"inputs": "still served"})[0], 200)
        self.assertEqual(server.process.wait(TIMEOUT), 0)
        server.stop()

    def test_an_idle_client_does_not_hold_up_the_end(self):
        server = Server()
        with server.connect() as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1000)
            begin = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - begin, 15)

    def test_a_client_that_never_finishes_is_left_at_the_deadline(self):
        server = Server("--drain-deadline", "1", "--header-timeout", "60")
        with server.connect() as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHo")
            time.sleep(0.2)
            self.assertEqual(server.stop(), 0)

    def test_a_second_signal_ends_at_once(self):
        server = Server("--drain-delay", "60")
        server.process.send_signal(signal.SIGTERM)
        server.await_event("draining")
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(TIMEOUT), 128 + signal.SIGTERM)
        server.ends_with = {128 + signal.SIGTERM}
        server.stop()

    def test_a_signal_ends_it_while_a_model_waits_for_a_hub_that_says_nothing(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            hub = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with tempfile.TemporaryDirectory() as cache:
                path = os.path.join(cache, "socket")
                server = Server("--unix-socket", path, models=["org/name"], wait=False,
                                environment={"HF_ENDPOINT": hub, "HF_HUB_CACHE": cache, "HF_HUB_OFFLINE": "0"})
                silent.settimeout(TIMEOUT)
                connection, _ = silent.accept()
                begin = time.monotonic()
                self.assertEqual(server.stop(), 0)
                self.assertLess(time.monotonic() - begin, 15)
                self.assertFalse(os.path.exists(path))
                connection.close()

    def test_no_password_of_an_address_is_shown(self):
        p = subprocess.run([ARGUMENTS.akin, "serve", "--check", "--model", ARGUMENTS.model, "--otlp-endpoint",
                            "http://user:secret@host:port"], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual(p.returncode, 2)
        self.assertIn("--otlp-endpoint", p.stderr)
        self.assertNotIn("secret", p.stderr)

    def test_a_signal_while_loading_ends_it(self):
        server = Server(wait=False)
        server.ends_with = {0, -signal.SIGTERM}
        server.stop()


class Traces(unittest.TestCase):
    TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

    def test_spans_go_to_the_collector(self):
        collector = Collector()
        server = Server("--otlp-endpoint", collector.endpoint, "--otlp-service-name", "mine")
        try:
            server.post("/embed", {"inputs": ["a text", "b"]}, {"traceparent": f"00-{self.TRACE}-00f067aa0ba902b7-01"})
            server.post("/embed", {"inputs": "b"}, {"traceparent": f"00-{'1' * 32}-00f067aa0ba902b7-00"})  # Not sampled.
            server.post("/embed", {"inputs": ""})
            server.get("/health")
        finally:
            self.assertEqual(server.stop(), 0)  # What is left is sent before the end.
        path, content_type, body = collector.bodies[0]
        self.assertEqual((path, content_type), ("/v1/traces", "application/json"))
        resource = {a["key"]: a["value"] for a in body["resourceSpans"][0]["resource"]["attributes"]}
        self.assertEqual(resource["service.name"], {"stringValue": "mine"})
        first, second = collector.spans()
        self.assertEqual((first["traceId"], first["parentSpanId"]), (self.TRACE, "00f067aa0ba902b7"))
        self.assertEqual((first["name"], first["kind"]), ("POST /embed", 2))
        self.assertLess(int(first["startTimeUnixNano"]), int(first["endTimeUnixNano"]))
        facts = {a["key"]: next(iter(a["value"].values())) for a in first["attributes"]}
        self.assertEqual((facts["http.response.status_code"], facts["akin.texts"]), ("200", "2"))
        self.assertNotIn("a text", json.dumps(collector.bodies))
        self.assertNotIn("parentSpanId", second)
        self.assertIn({"key": "http.response.status_code", "value": {"intValue": "400"}}, second["attributes"])

    def test_a_collector_that_is_gone_costs_no_request(self):
        collector = Collector(status=503)
        for endpoint in (collector.endpoint, "http://127.0.0.1:1"):
            server = Server("--otlp-endpoint", endpoint)
            try:
                self.assertEqual(server.post("/embed", {"inputs": "a"})[0], 200)
                server.await_event("the trace collector does not take spans; they are dropped")
                self.assertEqual(server.metric("akin_spans_dropped_total"), 1)
                self.assertEqual(server.post("/embed", {"inputs": "a"})[0], 200)
            finally:
                self.assertEqual(server.stop(), 0)

    def test_an_endpoint_that_is_none_is_refused(self):
        for endpoint in ("https://host", "host:4318", "http://", "http://host:port"):
            done = subprocess.run([ARGUMENTS.akin, "serve", "--otlp-endpoint", endpoint, "--check"],
                                  capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--otlp-endpoint", done.stderr)


class Memory(unittest.TestCase):
    def test_models_are_let_go_over_the_budget_but_for_the_last(self):
        other = ARGUMENTS.model.replace("bert-mean", "bert-max")
        server = Server("--memory-budget", "1", models=["one=" + ARGUMENTS.model, "two=" + other])
        try:
            server.await_event("model let go: over the memory budget")
            self.assertEqual(server.metric("akin_models_loaded"), 1)
            for name in ("one", "two"):
                self.assertEqual(server.post("/v1/embeddings", {"input": "a", "model": name})[0], 200)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
