#!/usr/bin/env python3
"""`--backend remote` beside fake_server.py, a test server with faults on demand, and beside `akin serve` itself.

    remote_test.py --akin PROGRAM --model FOLDER
"""
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "server"))
sys.path.insert(0, str(HERE.parents[1] / "support"))
sys.path.insert(0, str(HERE))
import fake_server as fake  # noqa: E402
from certificates import Certificates  # noqa: E402
from serve_process import ARGUMENTS, TIMEOUT, Server, main  # noqa: E402

DIALECTS = ("openai", "tei")
TEXTS = ["A cat sleeps.", "Interest rates rose again.", "Grüße, \"quoted\" \\ and \t\u2028 more", "a"]
# No proxy of the machine's stands between us and the loopback.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}


def lines(texts):
    return "".join(json.dumps({"text": t}) + "\n" for t in texts)


def embed(url, *options, texts=("a text",), model=None, **environment):
    return subprocess.run(
        [ARGUMENTS.akin, "embed", "--model", model or ARGUMENTS.model, "--backend", "remote", "--url", url,
         "--input", "-", *options],
        input=lines(texts), capture_output=True, text=True, timeout=TIMEOUT, check=False,
        env={**ENVIRONMENT, **environment})


def vectors(done):
    return [json.loads(line)["embedding"] for line in done.stdout.splitlines()]


class WithFake(unittest.TestCase):
    def setUp(self):
        self.fake = fake.FakeServer()
        self.addCleanup(self.fake.stop)

    def embed(self, *options, **keywords):
        return embed(self.fake.url, *options, **keywords)

    def fails(self, status, *words, dialect="openai", fault=None, always=None, options=()):
        """The requests of the load, for the width and the health, succeed; the fault is that of the one with the texts."""
        self.fake.faults[:] = [None, None, fault] if fault else []
        self.fake.always = always
        done = self.embed("--dialect", dialect, "--threads", "1", *options, texts=["one text", "and another"])
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        for word in (*words, "backend remote", self.fake.url):
            self.assertIn(word, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, "one clear error")


class RightAnswers(WithFake):
    def check(self, done, texts):
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for text, found in zip(texts, vectors(done), strict=True):
            for x, right in zip(found, fake.vector(text), strict=True):
                self.assertAlmostEqual(x, right, places=6)

    def test_each_text_gets_its_own_vector_in_both_dialects(self):
        texts = TEXTS + [f"text {i}" for i in range(200)]
        for dialect in DIALECTS:
            self.fake.log.clear()
            self.check(self.embed("--dialect", dialect, "--remote-batch-texts", "7", texts=texts), texts)
            sizes = [len(r["body"].get("input", r["body"].get("inputs"))) for r in self.fake.log]
            self.assertLessEqual(max(sizes), 7)
            self.assertLessEqual(len({r["port"] for r in self.fake.log}), 8, "connections are kept")
            self.assertLess(len({r["port"] for r in self.fake.log}), len(self.fake.log))

    def test_what_is_sent_is_the_dialects(self):
        self.check(self.embed("--remote-model", "bge-m3"), ["a text"])
        request = self.fake.log[-1]
        self.assertEqual(request["path"], "/v1/embeddings")
        self.assertEqual(request["body"], {"input": ["a text"], "encoding_format": "base64", "model": "bge-m3"})
        self.check(embed(self.fake.url + "/v1/"), ["a text"])
        self.assertEqual(self.fake.log[-1]["path"], "/v1/embeddings")
        self.assertEqual(self.fake.log[-1]["body"]["model"], pathlib.Path(ARGUMENTS.model).name)
        self.check(self.embed("--dialect", "tei"), ["a text"])
        self.assertEqual(self.fake.log[-1]["path"], "/embed")
        self.assertEqual(self.fake.log[-1]["body"], {"inputs": ["a text"], "truncate": True, "normalize": True})

    def test_texts_are_cut_and_counted_here(self):
        text = "word " * 400
        done = self.embed("--max-tokens", "8", texts=[text])
        self.assertEqual(done.returncode, 0, done.stderr)
        sent = self.fake.log[-1]["body"]["input"][0]
        self.assertTrue(text.startswith(sent))
        self.assertLess(len(sent), 50)
        self.assertEqual(self.embed("--no-truncate", texts=[text * 9]).returncode, 2)

    def test_the_model_needs_no_weights_here(self):
        with tempfile.TemporaryDirectory() as folder:
            small = pathlib.Path(folder) / "small"
            shutil.copytree(ARGUMENTS.model, small, ignore=shutil.ignore_patterns("*.safetensors", "golden.json"))
            self.check(self.embed(model=str(small)), ["a text"])

    def test_info_and_doctor_leave_out_what_is_not_known(self):
        for verb in ("info", "doctor"):
            done = subprocess.run([ARGUMENTS.akin, verb, "--model", ARGUMENTS.model, "--backend", "remote", "--url", self.fake.url],
                                  capture_output=True, text=True, timeout=TIMEOUT, check=False, env=ENVIRONMENT)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"(?m)runs on +remote(, \d+ threads?.*)?$")
            for unknown in (" 0 parameters", " 0 layers", "batches of 0", "()", "\nprecision  ", ", ,"):
                self.assertNotIn(unknown, done.stdout)

    def test_the_key_is_sent_and_never_shown(self):
        for options, environment in ((("--remote-api-key", "sesame"), {}), ((), {"AKIN_REMOTE_API_KEY": "sesame"})):
            self.check(self.embed(*options, **environment), ["a text"])
            self.assertEqual(self.fake.log[-1]["key"], "Bearer sesame")
        self.fake.always = fake.status(401, b'{"error":"who are you"}')
        done = self.embed("--remote-api-key", "sesame")
        self.assertEqual(done.returncode, 2)
        self.assertIn("another API key", done.stderr)
        self.assertNotIn("sesame", done.stderr)
        # Nor where the server repeats it.
        body = json.dumps({"error": {"message": "x" * 290 + "the key sesame is over its limit"}}).encode()
        for code, status in ((400, 2), (404, 2), (429, 6), (503, 6)):
            self.fake.always = fake.status(code, body)
            done = self.embed("--remote-api-key", "sesame", "--remote-retries", "0")
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn("xxx", done.stderr)
            self.assertNotIn("ses", done.stderr)
        self.fake.always = fake.status(401, b'{"error":"who are you"}')
        # A key in the address is not shown either.
        done = embed(self.fake.url.replace("http://", "http://user:sesame@"))
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("sesame", done.stderr)


    def test_a_password_in_an_address_that_is_refused_is_not_shown(self):
        for url, environment in (("http://u:sesame@127.0.0.1:99999", {}), ("ftp://u:sesame@127.0.0.1", {}),
                                 (self.fake.url + "/v1?key=sesame", {}),
                                 ("http://elsewhere.example", {"http_proxy": "garbage://u:sesame@x"})):
            with self.subTest(url):
                done = embed(url, "--remote-retries", "0", **environment)
                self.assertIn(done.returncode, (2, 6), done.stderr)
                self.assertIn("backend remote", done.stderr)
                self.assertNotIn("sesame", done.stderr)
        self.assertEqual(self.fake.log, [], "nothing was asked")


@unittest.skipUnless(shutil.which("openssl"), "there is no openssl here to make certificates with")
class Tls(unittest.TestCase):
    def test_an_authority_of_one_s_own_is_trusted_where_it_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            certificates = Certificates(pathlib.Path(folder))
            server = fake.FakeServer(certificates.context("server"))
            try:
                done = embed(server.url, SSL_CERT_FILE=certificates.path("ours.pem"))
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(len(vectors(done)), 1)
                asked = len(server.log)
                done = embed(server.url, "--remote-retries", "0", SSL_CERT_FILE=certificates.path("other.pem"))
                self.assertEqual(done.returncode, 6, done.stderr)
                self.assertIn("certificate", done.stderr)
                self.assertIn(certificates.path("other.pem"), done.stderr)
                self.assertEqual(len(server.log), asked, "neither key nor text went there")
            finally:
                server.stop()


class Faults(WithFake):
    def test_an_answer_that_is_wrong_is_one_clear_error(self):
        for dialect in DIALECTS:
            self.fails(70, "answers with text/html", dialect=dialect, fault=fake.html)
            self.fails(70, "1 vectors, the request had 2 texts", dialect=dialect, fault=fake.few)
            self.fails(70, "7 values, expected 8", dialect=dialect, fault=fake.narrow)
            self.fails(70, "9 values, expected 8", dialect=dialect, fault=fake.wide)
            self.fails(70, "not finite", dialect=dialect, fault=fake.null)
        self.fails(70, "answer", dialect="tei", fault=fake.nan)  # NaN is no JSON.
        self.fails(70, "not finite", dialect="openai", fault=fake.nan)  # In base64 it may stand.
        self.fails(70, "which has one", dialect="openai", fault=fake.twice)
        self.fails(70, "the answer is longer than", fault=fake.endless)

    def test_what_the_server_refuses_is_the_callers_to_know_and_not_tried_again(self):
        for code in (400, 404, 413, 422):
            self.fake.log.clear()
            self.fails(2, f"status {code}", "too long", fault=fake.status(code, b'{"error":{"message":"too long"}}'))
            self.assertEqual(len(self.fake.log), 3)
        self.fails(2, "redirects to 'http://elsewhere.example/", fault=fake.status(307, Location="http://elsewhere.example/x"))

    def test_what_may_pass_is_tried_again(self):
        for fault in (fake.truncated, fake.reset, fake.status(503), fake.status(429), fake.status(500)):
            self.fake.faults[:] = [None, fault, fault]
            done = self.embed()
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_retry_after_is_obeyed(self):
        self.fake.faults[:] = [None, fake.status(429, Retry_After="1")]
        done = self.embed()
        self.assertEqual(done.returncode, 0, done.stderr)
        refused, again = (r["time"] for r in self.fake.log[1:3])
        self.assertGreaterEqual(again - refused, 0.99)
        # One that is longer than the time there is is not waited for.
        self.fails(6, "asks to wait 100 s", fault=fake.status(503, Retry_After="100"), options=("--remote-timeout", "5"))

    def test_retries_end(self):
        self.fails(6, "status 503", fault=fake.status(503), always=fake.status(503), options=("--remote-retries", "0"))
        self.fake.always = None
        self.fake.log.clear()
        self.fake.faults[:] = [None] + 3 * [fake.status(429)]
        done = self.embed("--remote-retries", "2")
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn("status 429", done.stderr)
        self.assertEqual(len(self.fake.log), 4)

    def test_a_slow_server_costs_the_time_and_no_more(self):
        begin = time.monotonic()
        self.fails(7, "no answer within the time", fault=fake.slow(20), options=("--remote-timeout", "1"))
        self.assertLess(time.monotonic() - begin, 15)

    def test_nobody_there(self):
        self.fake.stop()
        done = self.embed("--remote-retries", "1")
        self.fake = fake.FakeServer()  # For the clean-up.
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn("backend remote", done.stderr)

    def test_wrong_options(self):
        for url, words in (("", "needs an address"), ("ftp://x", "no address"), ("no address", "no address")):
            done = embed(url)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)
        self.assertEqual(self.embed("--dialect", "soap").returncode, 2)


class BehindAkinServe(unittest.TestCase):
    """An Akin in front of another one: the same vectors bit for bit, in both dialects."""

    @classmethod
    def setUpClass(cls):
        os.environ.pop("http_proxy", None)
        cls.back = Server("--precision", "f32", environment={"AKIN_API_KEY": "sesame"}, key="sesame")
        cls.right = vectors(subprocess.run(
            [ARGUMENTS.akin, "embed", "--model", ARGUMENTS.model, "--precision", "f32", "--input", "-"],
            input=lines(TEXTS), capture_output=True, text=True, timeout=TIMEOUT, check=True))

    @classmethod
    def tearDownClass(cls):
        cls.back.stop()

    def test_the_command_line_gives_the_same_bits(self):
        for dialect in DIALECTS:
            done = embed(self.back.url, "--dialect", dialect, texts=TEXTS, AKIN_REMOTE_API_KEY="sesame")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(vectors(done), self.right)

    def test_the_server_keeps_its_own_api_queue_and_metrics(self):
        for dialect in DIALECTS:
            front = Server("--backend", "remote", "--url", self.back.url, "--dialect", dialect,
                           environment={"AKIN_REMOTE_API_KEY": "sesame"})
            try:
                status, answer = front.post_json("/v1/embeddings", {"input": TEXTS, "model": "x"})
                self.assertEqual(status, 200, answer)
                self.assertEqual([d["embedding"] for d in answer["data"]], self.right)
                right = self.back.post_json("/v1/embeddings", {"input": TEXTS, "model": "x"})[1]
                self.assertEqual(answer["usage"], right["usage"], "tokens are counted exactly")
                self.assertEqual(front.post_json("/embed", {"inputs": TEXTS})[1], self.right)
                self.assertGreater(front.metric("te_embed_count"), 0)
            finally:
                front.stop()

    def test_many_clients_of_a_front_each_get_their_own(self):
        fake_back = fake.FakeServer()
        front = Server("--backend", "remote", "--url", fake_back.url, "--remote-connections", "4")
        wrong = []

        def client(number):
            for i in range(30):
                text = f"client {number}, text {i}"
                status, answer = front.post_json("/embed", {"inputs": text, "normalize": False})
                if status != 200 or any(abs(x - y) > 1e-6 for x, y in zip(answer[0], fake.vector(text))):
                    wrong.append((text, status, answer))

        try:
            clients = [threading.Thread(target=client, args=(n,)) for n in range(6)]
            for thread in clients:
                thread.start()
            for thread in clients:
                thread.join(TIMEOUT)
            self.assertEqual(wrong, [])
            # The server behind it goes away: 503 for those who ask meanwhile, and right answers again afterwards.
            fake_back.always = fake.status(503)
            status, answer = front.post_json("/embed", {"inputs": "a text"})
            self.assertIn(status, (424, 429, 503), answer)
            deadline = time.monotonic() + TIMEOUT
            while front.metric("akin_remote_open_breakers") == 0 and time.monotonic() < deadline:
                front.post_json("/embed", {"inputs": "a text"})
            self.assertEqual(front.metric("akin_remote_open_breakers"), 1, "failed again and again")
            fake_back.always = None
            deadline = time.monotonic() + TIMEOUT
            while front.post_json("/embed", {"inputs": "a text"})[0] != 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertEqual(front.post_json("/embed", {"inputs": "a text"})[0], 200)
            self.assertEqual(front.metric("akin_remote_open_breakers"), 0)
            self.assertGreaterEqual(front.metric("akin_remote_failures_total"), 8)
            self.assertGreater(front.metric("akin_remote_retries_total"), 0)
            self.assertGreater(front.metric("akin_remote_requests_total"), front.metric("akin_remote_failures_total"))
        finally:
            front.stop()
            fake_back.stop()


if __name__ == "__main__":
    main()
