#!/usr/bin/env python3
"""Draining and stopping `akin serve`.

    drain_test.py --akin PROGRAM --model FOLDER
"""
import http.client
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Server, main


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


if __name__ == "__main__":
    main()
