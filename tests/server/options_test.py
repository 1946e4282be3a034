#!/usr/bin/env python3
"""What options of `akin serve` do that no other test here sets: keys from a file, idle models, cutting, bulk, token ids.

    options_test.py --akin PROGRAM --model FOLDER
"""
import json
import pathlib
import signal
import tempfile
import time
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Server, main, run, wait_until


class Options(unittest.TestCase):
    def start(self, *options, **arguments):
        server = Server(*options, **arguments)
        self.addCleanup(server.stop)
        return server

    def test_keys_of_a_file_are_one_a_line_without_blanks_and_comments(self):
        with tempfile.TemporaryDirectory() as folder:
            keys = pathlib.Path(folder, "keys")
            keys.write_text("# ours\nfirst\n\n  \nsecond  \r\n#third\n")
            server = self.start("--api-key-file", str(keys), "--api-key", "fourth")
            for key, status in (("first", 200), ("second", 200), ("fourth", 200), ("third", 401), ("#third", 401), ("# ours", 401),
                                ("", 401), ("first\tsecond", 401), ("firs", 401), ("second  ", 200)):
                headers = {"Authorization": f"Bearer {key}"}
                self.assertEqual(server.post("/embed", {"inputs": "a"}, headers)[0], status, key)
            self.assertEqual(server.post("/embed", {"inputs": "a"})[0], 401)
            self.assertEqual(server.get("/health")[0], 200)
            keys.write_bytes(b"\xef\xbb\xbf  fifth  \n")
            server = self.start("--api-key-file", str(keys), environment={"AKIN_API_KEY": " sixth\n"})
            for key, status in (("fifth", 200), ("sixth", 200), ("fift", 401)):
                self.assertEqual(server.post("/embed", {"inputs": "a"}, {"Authorization": f"Bearer {key}"})[0], status, key)
            keys.write_bytes(b"fifth\n\nsecret\0key\n")
            status, error = run("--check", "--port", "0", "--model", ARGUMENTS.model, "--api-key-file", str(keys))
            self.assertEqual(status, 2)
            self.assertIn(f"--api-key-file {keys}, line 3: the key has a control character", error)
            self.assertNotIn("secret", error)
            keys.write_text("# none\n\n")
            status, error = run("--check", "--port", "0", "--model", ARGUMENTS.model, "--api-key-file", str(keys))
            self.assertEqual(status, 2)
            self.assertIn(f"--api-key-file {keys} holds no key", error)

    def test_a_model_that_nobody_asks_for_is_let_go_and_comes_back(self):
        server = self.start("--model-idle", "2")
        first = server.post("/embed", {"inputs": "a text"})
        self.assertEqual(first[0], 200)
        asked = time.monotonic()
        while time.monotonic() < asked + 4:  # Who asks keeps it.
            self.assertEqual(server.post("/embed", {"inputs": "a text"})[0], 200)
            time.sleep(0.2)
        self.assertEqual([e for e in server.log if e.get("message") == "model let go: idle"], [])
        wait_until(lambda: server.metric("akin_models_loaded") == 0, "an idle model stays")
        server.await_event("model let go: idle")
        self.assertEqual(server.get("/health/ready")[0], 200)  # It is served all the same.
        again = server.post("/embed", {"inputs": "a text"})
        self.assertEqual((again[0], again[2]), (200, first[2]))
        self.assertEqual(server.metric("akin_models_loaded"), 1)

    def test_texts_that_are_too_long_are_cut_unless_the_server_or_the_request_says_otherwise(self):
        text = "word " * 2000
        server = self.start("--auto-truncate", "false")
        for path, field in (("/embed", "inputs"), ("/embed_all", "inputs")):
            status, answer = server.post_json(path, {field: text})
            self.assertEqual((status, answer["error_type"]), (422, "Validation"), path)
            self.assertRegex(answer["error"], r"must have less than \d+ tokens. Given: 6002")
            self.assertEqual(server.post(path, {field: text, "truncate": True})[0], 200, path)
            self.assertEqual(server.post(path, {field: text, "truncate": False})[0], 422, path)
            self.assertEqual(server.post(path, {field: "a"})[0], 200, path)
        # Other dialects keep their own rule.
        self.assertEqual(server.post("/v1/embeddings", {"input": text})[0], 200)
        cuts = self.start()
        self.assertEqual(cuts.post("/embed", {"inputs": text})[0], 200)
        self.assertEqual(cuts.post("/embed", {"inputs": text, "truncate": False})[0], 422)

    def test_token_ids_of_the_model_s_own_vocabulary(self):
        text = "a cat sleeps in the sun"
        server = self.start("--accept-token-ids")
        ids = [token["id"] for token in server.post_json("/tokenize", {"inputs": text, "add_special_tokens": False})[1][0]]
        expected = server.post_json("/v1/embeddings", {"input": text})[1]["data"]
        self.assertEqual(server.post_json("/v1/embeddings", {"input": ids})[1]["data"], expected)
        both = server.post_json("/v1/embeddings", {"input": [ids, ids[:2]]})[1]["data"]
        self.assertEqual((len(both), both[0]), (2, expected[0]))
        status, answer = server.post_json("/v1/embeddings", {"input": [[1, 10_000_000]]})
        self.assertEqual(status, 400)
        self.assertIn("token id 10000000 is not in the vocabulary", answer["error"]["message"])
        self.assertEqual(server.post("/v1/embeddings", {"input": [[-1]]})[0], 400)
        refuses = self.start()
        status, answer = refuses.post_json("/v1/embeddings", {"input": [ids]})
        self.assertEqual(status, 400)
        self.assertIn("--accept-token-ids", answer["error"]["message"])

    def first_of_two(self, server, texts):
        """A request of so many texts, behind it one of as many that says it is a query: whose answer is written first?"""
        # While the process stands still both arrive, in this order.
        server.process.send_signal(signal.SIGSTOP)
        clients = {}
        for name, header in (("plain", ""), ("query", "x-priority: query\r\n")):
            # In many batches, so that there is an order to speak of.
            body = json.dumps({"inputs": [f"{name} {i} " + "word " * 30 for i in range(texts)]})
            clients[name] = server.connect()
            clients[name].sendall((f"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nx-request-id: {name}\r\n"
                                   f"{header}Content-Length: {len(body)}\r\n\r\n{body}").encode())
            time.sleep(0.05)
        server.process.send_signal(signal.SIGCONT)
        for client in clients.values():
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200"))
            client.close()
        wait_until(lambda: {"plain", "query"} <= {e.get("id") for e in list(server.log)}, "no line in the log")
        return next(e["id"] for e in server.log if e.get("id") in clients)

    def test_requests_of_more_texts_than_bulk_texts_go_behind_the_others(self):
        for bulk_texts, texts, first in (("300", 300, "plain"), ("299", 300, "query"), ("0", 300, "query")):
            server = self.start("--bulk-texts", bulk_texts, "--max-batch-tokens", "64", threads=1)
            server.post("/embed", {"inputs": "warm"})
            self.assertEqual(self.first_of_two(server, texts), first, f"--bulk-texts {bulk_texts}")


if __name__ == "__main__":
    main()
