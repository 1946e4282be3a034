#!/usr/bin/env python3
"""Many clients at once: each accepted request gets its own right vector, the others an honest refusal.

    load_test.py --akin PROGRAM --model FOLDER

Everything is bounded by a number of requests, so the tests take a few seconds on an idle machine. Times are
printed, never asserted: other programs run on the machine, too.
"""
import http.client
import json
import os
import random
import socket
import threading
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Server, main


def texts(count):
    words = random.Random(3)
    return [" ".join(f"w{words.randrange(1000)}" for _ in range(1 + words.randrange(20))) for _ in range(count)]


class Ledger:
    """What was sent and what came back."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = self.right = self.wrong = self.refused = self.other = 0
        self.unexplained = []

    def count(self, kind, why=None):
        with self.lock:
            setattr(self, kind, getattr(self, kind) + 1)
            if why is not None:
                self.unexplained.append(why)


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--max-concurrent-requests", "8")
        cls.texts = texts(60)
        cls.expected = {t: cls.server.post("/embed", {"inputs": t})[2] for t in cls.texts}

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def ask_many(self, ledger, seed, count):
        choose = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
        for _ in range(count):
            text = choose.choice(self.texts)
            ledger.count("sent")
            connection.request("POST", "/embed", json.dumps({"inputs": text}), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 200:
                ledger.count("right" if body == self.expected[text] else "wrong")
            elif answer.status == 429 and int(answer.getheader("retry-after")) >= 1:
                ledger.count("refused")
            else:
                ledger.count("other", (answer.status, body))
        connection.close()

    def run_clients(self, count, requests):
        ledger = Ledger()
        threads = [threading.Thread(target=self.ask_many, args=(ledger, i, requests)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10 * TIMEOUT)
            self.assertFalse(thread.is_alive(), "a request was never answered")
        return ledger

    def test_under_overload_each_request_is_answered_once_and_rightly_or_refused(self):
        ledger = self.run_clients(48, 40)
        self.assertEqual(ledger.unexplained, [])
        self.assertEqual(ledger.wrong, 0)
        self.assertEqual(ledger.right + ledger.refused, ledger.sent)
        self.assertGreater(ledger.right, 100)
        self.assertGreater(ledger.refused, 0, "the queue was never full: this is no overload")
        print(f"overload: {ledger.sent} sent, {ledger.right} right, {ledger.refused} refused")

    def test_health_and_metrics_answer_beside_an_overload(self):
        stop = threading.Event()
        found = []

        def look():
            while not stop.is_set():
                found.append(self.server.get("/health")[0])
                found.append(self.server.get("/metrics")[0])

        looker = threading.Thread(target=look)
        looker.start()
        self.run_clients(24, 20)
        stop.set()
        looker.join(TIMEOUT)
        self.assertEqual(set(found), {200})

    def test_clients_that_leave_disturb_nobody(self):
        stop = threading.Event()

        def leave():
            body = json.dumps({"inputs": self.texts}).encode()
            head = (f"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n").encode()
            choose = random.Random(1)
            for _ in range(150):
                if stop.is_set():
                    return
                with self.server.connect() as client:
                    client.sendall(head + body[: choose.choice([0, 10, len(body), len(body)])])
                    if choose.random() < 0.5:  # A reset instead of an orderly end.
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

        leaver = threading.Thread(target=leave)
        leaver.start()
        ledger = self.run_clients(4, 60)
        stop.set()
        leaver.join(TIMEOUT)
        self.assertEqual(ledger.unexplained, [])
        self.assertEqual((ledger.wrong, ledger.right + ledger.refused), (0, ledger.sent))
        self.assertEqual(self.server.post("/embed", {"inputs": "after all"})[0], 200)

    def test_a_bulk_request_shares_with_queries(self):
        bulk = [t + str(i) for i in range(10) for t in self.texts]
        done = threading.Event()
        answers = []

        def ask_bulk():
            answers.append(self.server.post("/embed", {"inputs": bulk})[0])
            done.set()

        thread = threading.Thread(target=ask_bulk)
        thread.start()
        while not done.is_set():
            text = self.texts[0]
            self.assertEqual(self.server.post("/embed", {"inputs": text})[2], self.expected[text])
        thread.join(TIMEOUT)
        self.assertEqual(answers, [200])

    def test_idle_connections_cost_little_memory(self):
        with open(ARGUMENTS.akin, "rb") as program:
            if b"san_init" in program.read():
                self.skipTest("a sanitizer's memory is not the program's")
        self.server.post("/embed", {"inputs": "warm"})
        before = self.server.metric("process_resident_memory_bytes")
        clients = []
        try:
            for _ in range(800):
                clients.append(self.server.connect())
                clients[-1].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                clients[-1].recv(1000)
            grown = self.server.metric("process_resident_memory_bytes") - before
            self.assertGreaterEqual(self.server.metric("akin_http_connections"), 801)
        finally:
            for client in clients:
                client.close()
        print(f"{grown / len(clients) / 1024:.1f} KiB a connection")
        self.assertLess(grown / len(clients), 16 * 1024)

    @unittest.skipIf("AKIN_TEST_SLOW" in os.environ, "sanitizers keep what is freed")
    def test_memory_does_not_grow_with_the_requests(self):
        def burst():
            self.run_clients(4, 250)
            return self.server.metric("process_resident_memory_bytes")

        burst()
        before = burst()
        after = max(burst(), burst())
        print(f"resident {before / 2**20:.1f} MiB, after 2,000 more requests {after / 2**20:.1f} MiB")
        self.assertLess(after, before * 1.03 + 2**20)


if __name__ == "__main__":
    main()
