#!/usr/bin/env python3
"""Starting `akin serve`: what ends the start, where it listens, what it says.

    start_test.py --akin PROGRAM --model FOLDER
"""
import http.client
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Server, main, run


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

    def test_check_says_what_the_models_take_of_memory(self):
        static = str(pathlib.Path(ARGUMENTS.model).parent / "static-embedding")
        models = [f"one={ARGUMENTS.model}", f"two={static}", f"three={ARGUMENTS.model}"]
        arguments = ["--threads", "3", "--precision", "f32", "--log-format", "json"]
        for most, count in (([], 3), (["--max-loaded-models", "1"], 2)):
            status, log = run("--check", "--port", "0", *(f"--model={model}" for model in models), *arguments, *most)
            self.assertEqual(status, 0, log)
            lines = [line for line in map(json.loads, log.splitlines()) if "memory" in line["message"]]
            own, total = lines[:-1], lines[-1]
            self.assertEqual([line["model"] for line in own], ["one", "two", "three"])
            self.assertEqual([line["message"] for line in lines], ["memory of the model, at most"] * 3 + ["memory of all models, at most"])
            # As the models that are there at once, and the program; each is rounded up.
            at_once = sum(sorted((line["mib"] for line in own), reverse=True)[:count]) + total["program_mib"]
            self.assertTrue(at_once - 4 <= total["mib"] <= at_once, lines)
            self.assertGreater(total["limit_mib"], total["mib"])
            plan = json.loads(subprocess.run([ARGUMENTS.akin, "plan", "--json", "--model", ARGUMENTS.model, "--threads", "3", "--precision", "f32"],
                                             capture_output=True, text=True, timeout=TIMEOUT).stdout)
            row = plan["precisions"][0]
            self.assertEqual((own[0]["worker_mib"], own[0]["workers"]), (-(-row["worker_bytes"] // 2**20), 3))
            self.assertAlmostEqual(own[0]["mib"], (row["peak_bytes"] - plan["program_bytes"] - plan["stream_bytes"]) / 2**20, delta=3)
            self.assertEqual(total["budgets_mib"], -(-plan["serve_bytes"] // 2**20))

    def test_check_says_what_a_first_load_takes_to_measure(self):
        with tempfile.TemporaryDirectory() as cache:
            logs = [run("--check", "--port", "0", "--log-format", "json", "--model", ARGUMENTS.model, environment={"AKIN_CACHE": cache})[1]
                    for _ in range(2)]
        first, second = ([line for line in map(json.loads, log.splitlines()) if "memory" in line["message"]] for log in logs)
        if first[0]["precision"] == "f32" and "first_load_mib" not in first[0]:
            self.skipTest("nothing is faster than f32 on this CPU")
        self.assertGreater(first[0]["first_load_mib"], first[0]["mib"])
        self.assertGreater(first[1]["first_start_mib"], first[1]["mib"])
        self.assertFalse("first_load_mib" in second[0] or "first_start_mib" in second[1], second)

    def test_a_precision_that_gains_no_speed_is_in_the_log(self):
        status, log = run("--check", "--port", "0", "--log-format", "json", "--model", ARGUMENTS.model, "--isa", "scalar",
                          "--precision", "int8")
        self.assertEqual(status, 0, log)
        notes = [line["note"] for line in map(json.loads, log.splitlines()) if line["message"] == "note"]
        self.assertEqual(notes, ["no faster than f32's here: the products of precision int8 (instruction set scalar), which saves memory"])

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
            self.assertIn("no socket", error)
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


if __name__ == "__main__":
    main()
