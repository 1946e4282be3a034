#!/usr/bin/env python3
"""What the server holds for clients that take their answers slowly or never, and what it gives back when it rests.

    memory_test.py --akin PROGRAM --model FOLDER
"""
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import raw_http2
from serve_process import ARGUMENTS, TIMEOUT, Server, main, wait_until

MIB = 1 << 20
CLIENTS = 12
TOKENS = "a " * 150_000  # Some 30 times as long when its tokens come back.
# Sanitizers hold memory of their own, and keep what is freed.
SANITIZED = "AKIN_TEST_SLOW" in os.environ


def status_bytes(server, field):
    with open(f"/proc/{server.process.pid}/status") as file:
        return int(re.search(field + r":\s+(\d+) kB", file.read())[1]) << 10


class Unread(unittest.TestCase):
    """Many clients ask for long answers and read nothing."""

    def start(self, *options, models=None):
        self.server = Server(*options, models=models)
        self.addCleanup(self.server.stop)
        self.assertEqual(self.server.post("/embed", {"inputs": "a text"})[0], 200)
        self.base = status_bytes(self.server, "VmRSS")

    def send(self, path, value):
        body = json.dumps(value, separators=(",", ":")).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(TIMEOUT)
        client.connect(("127.0.0.1", self.server.port))
        client.sendall(head.encode() + body)
        return client

    def heads(self, clients):
        """The first bytes of each answer, which do not make room for the rest."""
        return [client.recv(512) for client in clients]

    def check(self, path, value, held_mib, most_answered):
        """The system's own buffers take an answer of up to 4 MiB, which then counts no longer: those of `path` are much longer."""
        clients = [self.send(path, value)]
        heads = self.heads(clients)
        self.assertTrue(heads[0].startswith(b"HTTP/1.1 200"), "refused by an idle server")
        others = [self.send(path, value) for _ in range(CLIENTS - 1)]
        clients, heads = clients + others, heads + self.heads(others)
        answered = [h for h in heads if h.startswith(b"HTTP/1.1 200")]
        refused = [h for h in heads if h.startswith(b"HTTP/1.1 429")]
        self.assertEqual(len(answered) + len(refused), CLIENTS, heads)
        self.assertLessEqual(len(answered), most_answered)
        self.assertTrue(all(b"retry-after" in h.lower() for h in refused), refused[:1])
        if not SANITIZED:
            grown = status_bytes(self.server, "VmHWM") - self.base
            self.assertLess(grown, held_mib * MIB, f"{grown / MIB:.0f} MiB")
        # Small answers have the other half.
        self.assertEqual(self.server.post("/embed", {"inputs": "a text"})[0], 200)
        for client in clients:
            client.close()
        # What nobody reads any more is given to others.
        wait_until(lambda: self.server.request("POST", path, json.dumps(value, separators=(",", ":")).encode())[0] == 200, "the answers of clients that left are still counted")

    def test_tokenize(self):
        # An answer has 10 MiB, in a string of up to 16; two of them are one half.
        self.start("--answer-memory", "64")
        self.check("/tokenize", {"inputs": TOKENS}, 150, 4)

    def test_decode(self):
        # 400,000 times a token of 42 characters: 16 MiB.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        model = pathlib.Path(folder.name, "long-tokens")
        shutil.copytree(ARGUMENTS.model, model)
        tokenizer = json.loads((model / "tokenizer.json").read_text())
        vocab = tokenizer["model"]["vocab"]
        token = next(token for token, i in vocab.items() if i == 9)
        tokenizer["model"]["vocab"] = {42 * "z" if t == token else t: i for t, i in vocab.items()}
        (model / "tokenizer.json").write_text(json.dumps(tokenizer))
        self.start("--answer-memory", "64", models=[str(model)])
        self.assertEqual(self.server.post_json("/decode", {"ids": [9, 9]})[1], [42 * "z" + " " + 42 * "z"])
        self.check("/decode", {"ids": [9] * 400_000}, 150, 3)

    def start_for_vectors(self):
        """For answers of some 16 MiB, which the system's buffers do not take; only the room for them refuses requests."""
        self.start("--answer-memory", "64", "--max-client-batch-size", "30000", "--max-queue-tokens", "10000000")

    def test_embed_all(self):
        # 12 times 32 texts, which are the most that it takes, of 48 tokens with 64 values.
        self.start_for_vectors()
        instance = {"type": "embed_all", "inputs": ["word " * 200 + str(i) for i in range(32)], "truncate": True}
        self.check("/vertex", {"instances": [instance] * 12}, 150, 5)

    def test_embed(self):
        # 24,000 vectors of 64 values.
        self.start_for_vectors()
        self.check("/embed", {"inputs": ["a"] * 24_000}, 150, 5)

    def test_vertex_with_its_parts(self):
        self.start_for_vectors()
        self.check("/vertex", {"instances": [{"inputs": ["a"] * 3000}] * 8}, 150, 5)

    def test_of_several_vertex_requests_at_once_one_is_always_answered(self):
        # Of 16 parts that take 1.1 MiB each by the guess: together more than the half that large ones share.
        self.start("--answer-memory", "20", "--max-queue-tokens", "10000000")
        instance = {"inputs": ["a"] * 1400}
        body = json.dumps({"instances": [instance] * 16}).encode()
        self.assertEqual(self.server.request("POST", "/vertex", body)[0], 200)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for _ in range(3):
                statuses = list(pool.map(lambda _: self.server.request("POST", "/vertex", body)[0], range(4)))
                self.assertIn(200, statuses)
                self.assertLessEqual(set(statuses), {200, 429})

    def test_one_answer_may_take_all_but_no_more(self):
        self.start("--answer-memory", "10")
        status, _, body = self.server.post("/tokenize", {"inputs": TOKENS})
        self.assertEqual((status, len(json.loads(body)[0])), (200, 150_002))
        status, answer = self.server.post_json("/tokenize", {"inputs": 2 * TOKENS})
        self.assertEqual(status, 422)
        self.assertRegex(answer["error"], "the answer would take [0-9]+ MiB, --answer-memory is 10 MiB")

    def test_one_that_does_not_read_keeps_nobody_out(self):
        self.start("--answer-memory", "32", "--write-timeout", "600")
        large = {"inputs": "a " * 300_000}  # 20 MiB: more than the half that large ones share.
        reader = self.send("/tokenize", large)
        self.assertTrue(reader.recv(64).startswith(b"HTTP/1.1 200"))
        for _ in range(8):
            self.assertEqual(self.server.post("/embed", {"inputs": "a"})[0], 200)
        status, headers, body = self.server.post("/tokenize", large)  # The same address.
        self.assertEqual((status, json.loads(body)["error_type"]), (429, "Overloaded"))
        self.assertIn("--answer-memory", json.loads(body)["error"])
        metrics = self.server.get("/metrics")[2].decode()
        self.assertIn('te_request_failure{err="answer_memory"} 1\n', metrics)
        self.assertIn('akin_requests_refused_total{full="answers"} 1\n', metrics)
        self.server.await_event("request", status=429, full="answers", option="--answer-memory")
        self.assertGreater(int(re.search(r"^akin_answer_bytes (\d+)$", metrics, re.M)[1]), 16 * MIB)
        other = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT, source_address=("127.0.0.2", 0))
        self.addCleanup(other.close)
        other.request("POST", "/tokenize", json.dumps(large), {"content-type": "application/json"})
        self.assertEqual(other.getresponse().status, 200)

    def test_only_what_is_asked_for_is_reserved(self):
        # 2,000 vectors of 8 values as base64 have some 200 KB, whatever the model's width.
        self.start("--answer-memory", "8")
        value = {"input": [f"text {i}" for i in range(2000)], "encoding_format": "base64", "dimensions": 8, "model": "m"}
        clients = [self.send("/v1/embeddings", value) for _ in range(CLIENTS)]
        heads = self.heads(clients)
        self.assertEqual([h[:12] for h in heads], CLIENTS * [b"HTTP/1.1 200"])


class UnreadGrpc(unittest.TestCase):
    """The same over gRPC: clients whose window is never open."""

    def start(self, *options):
        self.server = Server("--grpc-port", "0", *options)
        self.addCleanup(self.server.stop)
        self.port = next(e["grpc_port"] for e in self.server.log if e["message"] == "listening" and "grpc_port" in e)
        self.assertEqual(self.server.post("/embed", {"inputs": "a text"})[0], 200)
        self.base = status_bytes(self.server, "VmRSS")

    def setUp(self):
        if b"grpc-port" not in subprocess.run([ARGUMENTS.akin, "serve", "--help"], capture_output=True).stdout:
            self.skipTest("built without gRPC")

    def ask(self, path="/tei.v1.Tokenize/Tokenize", text=TOKENS):
        client = raw_http2.RawClient(self.port, {raw_http2.INITIAL_WINDOW_SIZE: 0}, timeout=TIMEOUT)
        self.addCleanup(client.close)
        self.assertTrue(client.call_with_window(1, path, raw_http2.string_field(1, text)))
        return client

    def end_of(self, client, seconds):
        """How stream 1 ended: "refused", "cancelled", or None."""
        deadline = time.monotonic() + seconds
        while received := client.receive(max(0.01, deadline - time.monotonic())):
            kind, flags, stream, payload = received
            if stream == 1 and kind == raw_http2.HEADERS and flags & raw_http2.END_STREAM:
                return "refused" if raw_http2.ends_with_status(payload, 8) else payload
            if stream == 1 and kind == raw_http2.RST_STREAM:
                return "cancelled" if payload == raw_http2.CANCEL.to_bytes(4, "big") else payload
        return None

    def test_answers_that_nobody_takes(self):
        self.start("--answer-memory", "64", "--write-timeout", "600")
        clients = [self.ask() for _ in range(CLIENTS)]
        ends = [self.end_of(client, 0.3) for client in clients]
        self.assertGreater(ends.count("refused"), CLIENTS // 2, ends)
        self.assertGreater(ends.count(None), 0, ends)
        self.assertEqual(ends.count("refused") + ends.count(None), CLIENTS, ends)
        if not SANITIZED:
            grown = status_bytes(self.server, "VmHWM") - self.base
            self.assertLess(grown, 250 * MIB, f"{grown / MIB:.0f} MiB")
        for client in clients:
            client.close()
        wait_until(lambda: self.server.post("/tokenize", {"inputs": TOKENS})[0] == 200, "the answers of clients that left are still counted")

    def test_what_the_server_says_of_itself_needs_no_room(self):
        self.start("--answer-memory", "2", "--write-timeout", "600")
        self.assertIn("refused", (self.end_of(self.ask(text="a " * 2000), 0.3) for _ in range(50)))
        for path in ("/tei.v1.Info/Info", "/akidb.embedding.v1.EmbeddingService/GetModelInfo"):
            client = raw_http2.RawClient(self.port, timeout=TIMEOUT)
            self.addCleanup(client.close)
            client.call(1, path, b"")
            kinds = []
            while received := client.receive(TIMEOUT):
                kind, flags, stream, _ = received
                kinds += [kind] * (stream == 1)
                if stream == 1 and flags & raw_http2.END_STREAM:
                    break
            self.assertEqual(kinds, [raw_http2.HEADERS, raw_http2.DATA, raw_http2.HEADERS], path)

    def test_clients_that_leave_while_their_text_is_tokenized(self):
        self.start()
        for i in range(40):
            client = self.ask()
            time.sleep(0.005 * (i % 8))
            client.close()
        wait_until(lambda: self.server.post("/tokenize", {"inputs": TOKENS})[0] == 200, "the server does not recover")
        self.assertIsNone(self.server.process.poll())

    def test_they_are_let_go_after_the_write_timeout(self):
        self.start("--answer-memory", "64", "--write-timeout", "1")
        client = self.ask()
        self.assertEqual(self.end_of(client, TIMEOUT), "cancelled")
        wait_until(lambda: self.server.post("/tokenize", {"inputs": TOKENS})[0] == 200, "an answer that was given up is still counted")


class Rest(unittest.TestCase):
    @unittest.skipIf(SANITIZED, "sanitizers keep what is freed")
    def test_memory_of_large_requests_is_given_back(self):
        server = Server("--answer-memory", "1024", threads=1)  # Each keeps some 23 MiB to tokenize in.
        self.addCleanup(server.stop)
        self.assertEqual(server.post("/embed", {"inputs": "a text"})[0], 200)
        base = status_bytes(server, "VmRSS")
        for _ in range(4):
            self.assertEqual(server.post("/tokenize", {"inputs": "a " * 450_000})[0], 200)
        self.assertGreater(status_bytes(server, "VmHWM") - base, 100 * MIB, "the requests were not large")
        deadline = time.monotonic() + 30
        while status_bytes(server, "VmRSS") - base > 50 * MIB:
            self.assertLess(time.monotonic(), deadline, f"{(status_bytes(server, 'VmRSS') - base) / MIB:.0f} MiB stay")
            time.sleep(0.2)
        self.assertEqual(server.post("/embed", {"inputs": "a text"})[0], 200)


if __name__ == "__main__":
    main()
