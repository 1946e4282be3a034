#!/usr/bin/env python3
"""Draining and stopping `akin serve`. AKIN_TEST_DRAINS=200 is the long form: so many moments at which it is told to end.

    drain_test.py --akin PROGRAM --model FOLDER
"""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from drain_ledger import Client, Ledger, logged
from serve_process import ARGUMENTS, TIMEOUT, Server, main

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "hub"))
from fake_hub import FakeHub


# Moments at which a server is told to end, of all kinds together; `./dev proof server` sets 200.
MOMENTS = int(os.environ.get("AKIN_TEST_DRAINS", "12"))
TEXTS = ["a text", ["another text", "and one more"], [f"text {i} of many" for i in range(120)], "a longer text " * 40]
# Without the handler of a signal, the first few milliseconds, the system ends it.
BEFORE_ITS_FIRST_INSTRUCTION = {0, -signal.SIGTERM}


@unittest.skipUnless(sys.platform == "linux", "reads the state of a socket as Linux has it")
class Moments(unittest.TestCase):
    """SIGTERM at random moments: every request that the server has received is answered, rightly or with 503."""

    @classmethod
    def setUpClass(cls):
        server = Server()
        cls.expected = {json.dumps(text): server.post("/embed", {"inputs": text})[2] for text in TEXTS}
        server.stop()

    def moments(self, share, seed):
        """-> (seed, a random number from 0 to 1) of so many hundredths of all moments, at least one"""
        for i in range(max(1, MOMENTS * share // 100)):
            yield f"{seed}{i}", random.Random(f"{seed} {i}").random()

    def clients(self, server, seed, count=8):
        ledger = Ledger()
        order = random.Random(seed)
        return ledger, [Client(ledger, f"{seed}-{i}", server.port, order.sample(TEXTS, len(TEXTS)))
                        for i in range(count)]

    def join(self, clients):
        for client in clients:
            client.join(2 * TIMEOUT)
            self.assertFalse(client.is_alive(), "a client still waits for an answer")

    def check(self, server, seed, ledger, may_refuse=False):
        self.assertEqual((ledger.lost, ledger.cut), ([], []), f"{seed}: received, and not answered")
        for status, text, body in ledger.answers.values():
            self.assertIn(status, {200, 503} if may_refuse else {200}, body)
            if status == 200:
                self.assertEqual(body, self.expected[json.dumps(text)])
        lines = logged(server.log, f"{seed}-")
        self.assertEqual(sorted(lines), sorted((key, status) for key, (status, _, _) in ledger.answers.items()), seed)

    def end_under_load(self, server, seed, moment):
        ledger, clients = self.clients(server, seed)
        time.sleep(0.3 * moment)
        server.stop()
        self.join(clients)
        return ledger

    def test_under_load(self):
        answers = crossed = 0
        for seed, moment in self.moments(50, "w"):
            server = Server()
            ledger = self.end_under_load(server, seed, moment)
            self.check(server, seed, ledger)
            answers, crossed = answers + len(ledger.answers), crossed + len(ledger.crossed)
        self.assertGreater(answers, 0)
        print(f"under load: {answers} answered, none lost, {crossed} sent to a connection that the client was told had ended")

    def test_a_server_that_loses_requests_is_found_out(self):
        with tempfile.TemporaryDirectory() as folder:
            loses = os.path.join(folder, "loses")
            with open(loses, "w") as file:
                file.write(f'#!/bin/sh\n"{os.path.abspath(ARGUMENTS.akin)}" "$@" &\ntrap "kill -9 $!; exit 0" TERM\nwait\n')
            os.chmod(loses, 0o700)
            for attempt in range(20):  # The moment may be one at which nothing is under way.
                server = Server(akin=loses)
                ledger = self.end_under_load(server, f"k{attempt}", 0.5)
                if ledger.lost or ledger.cut:
                    with self.assertRaises(AssertionError):
                        self.check(server, f"k{attempt}", ledger)
                    return
        self.fail("requests that a kill has lost were not missed")

    def test_while_models_load(self):
        for seed, moment in self.moments(15, "l"):
            # The same folder under many names takes as long as many.
            server = Server(models=[f"m{i}={ARGUMENTS.model}" for i in range(12)], wait=False)
            ledger, clients = self.clients(server, seed)
            time.sleep(0.15 * moment)
            server.stop()
            self.join(clients)
            self.check(server, seed, ledger, may_refuse=True)

    def test_while_it_downloads(self):
        files = {str(path.relative_to(ARGUMENTS.model)): path.read_bytes()
                 for path in pathlib.Path(ARGUMENTS.model).rglob("*") if path.is_file()}
        with FakeHub({"org/name": files}) as hub:
            hub.seconds_per_megabyte = 0.6
            for seed, moment in self.moments(15, "d"):
                with tempfile.TemporaryDirectory() as cache:
                    server = Server(models=["here=" + ARGUMENTS.model, "there=org/name"], wait=False,
                                    environment={"HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": cache, "HF_HUB_OFFLINE": "0"})
                    ledger, clients = self.clients(server, seed, 4)
                    time.sleep(0.6 * moment)
                    begin = time.monotonic()
                    server.stop()
                    self.assertLess(time.monotonic() - begin, TIMEOUT / 4, "it has waited for the download")
                    self.join(clients)
                    self.check(server, seed, ledger, may_refuse=True)

    def test_while_it_starts(self):
        for _, moment in self.moments(10, "s"):
            process = subprocess.Popen([ARGUMENTS.akin, "serve", "--port", "0", "--model", ARGUMENTS.model],
                                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            time.sleep(0.1 * moment)
            process.send_signal(signal.SIGTERM)
            self.assertIn(process.wait(TIMEOUT), BEFORE_ITS_FIRST_INSTRUCTION)

    def test_a_second_signal_under_load_ends_it_at_once(self):
        for seed, moment in self.moments(10, "t"):
            server = Server("--drain-delay", "60")
            server.ends_with = {128 + signal.SIGTERM}
            ledger, clients = self.clients(server, seed)
            time.sleep(0.2 * moment)
            server.process.send_signal(signal.SIGTERM)
            server.await_event("draining")
            time.sleep(0.2 * moment)
            begin = time.monotonic()
            server.stop()
            self.assertLess(time.monotonic() - begin, TIMEOUT / 6)
            self.join(clients)
            for status, text, body in ledger.answers.values():  # What has been answered was right.
                self.assertEqual((status, body), (200, self.expected[json.dumps(text)]))

    def test_requests_that_had_come_before_the_signal_was_seen(self):
        # All that happens while the process stands still meets it at once: requests on connections that were idle, and on
        # those that the system has accepted for it, more of both than it learns of in one look.
        server = Server()
        text, ledger = TEXTS[0], Ledger()
        idle = [server.connect() for _ in range(200)]
        for client in idle:
            client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1000)
        server.process.send_signal(signal.SIGSTOP)
        body = json.dumps({"inputs": text}).encode()
        new = [server.connect() for _ in range(200)]
        for number, client in enumerate(idle + new):
            client.sendall(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nx-request-id: b-%d\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (number, len(body), body))
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGCONT)
        for number, client in enumerate(idle + new):
            received = b""
            try:
                while data := client.recv(1 << 16):
                    received += data
            except ConnectionResetError:
                pass
            answer = Client.whole(received)
            if answer is None:
                ledger.lost.append(number)
            else:
                ledger.answered(f"b-{number}", (answer[1], text, answer[2]))
            client.close()
        server.process.wait(TIMEOUT)  # A second signal would end it before its last word.
        server.stop()
        self.check(server, "b", ledger)


class Drain(unittest.TestCase):
    def test_readiness_turns_before_the_door_closes(self):
        server = Server("--drain-delay", "1")
        server.process.send_signal(signal.SIGTERM)
        server.await_event("draining")
        self.assertEqual(server.get("/health/ready")[0], 503)
        self.assertEqual(server.get("/health/live")[0], 200)
        self.assertEqual(server.post("/embed", {"inputs": "still served"})[0], 200)
        self.assertEqual(server.process.wait(TIMEOUT), 0)
        server.stop()

    def test_a_terminal_that_closes_ends_it_in_the_same_way(self):
        server = Server("--drain-delay", "1")
        server.process.send_signal(signal.SIGHUP)
        server.await_event("draining", signal=signal.SIGHUP)
        self.assertEqual(server.post("/embed", {"inputs": "still served"})[0], 200)
        self.assertEqual(server.process.wait(TIMEOUT), 0)
        server.stop()

    def test_a_terminal_that_closes_does_not_end_what_runs_under_nohup(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Which a child takes over.
        try:
            server = Server()
        finally:
            signal.signal(signal.SIGHUP, before)
        server.process.send_signal(signal.SIGHUP)
        self.assertEqual(server.post("/embed", {"inputs": "still served"})[0], 200)
        self.assertEqual(server.stop(), 0)
        self.assertEqual([event["signal"] for event in server.log if event["message"] == "draining"], [signal.SIGTERM])

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


if __name__ == "__main__":
    main()
