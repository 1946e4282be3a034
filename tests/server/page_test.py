#!/usr/bin/env python3
"""The page for people in a real browser: what a user sees after the page has loaded, on a screen and on a phone.

    page_test.py --akin PROGRAM --model FOLDER

Needs Chromium; skips aloud without. AKIN_TEST_SCREENSHOTS=FOLDER keeps the pictures.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from serve_process import ARGUMENTS, TIMEOUT, Server, main

BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)


def browse(url, *options):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(
            [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
             "--virtual-time-budget=4000", *options, url],
            capture_output=True, text=True, timeout=3 * TIMEOUT)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_it_loads_nothing_from_elsewhere(self):
        for path in ("/", "/docs"):
            status, headers, body = self.server.get(path)
            self.assertEqual(status, 200)
            self.assertIn("default-src 'none'", headers["content-security-policy"])
            for reference in re.findall(r'(?:src|href)="([^"]*)"', body.decode()):
                self.assertTrue(reference.startswith(("/", "data:")) and not reference.startswith("//"), reference)

    def test_it_compares_maps_and_shows_tokens(self):
        page = browse(self.server.url + "/", "--dump-dom").stdout
        self.assertIn('data-done="5"', page)
        self.assertEqual(len(re.findall(r'<td style="background', page)), 25)
        self.assertEqual(page.count("<circle"), 5)
        self.assertGreater(page.count('class="token'), 20)
        self.assertIn("values a vector", page)
        self.assertRegex(page, r"<dt>compute</dt><dd>\d+ ms")
        self.assertIn('<p id="error" role="alert"></p>', page)

    def test_it_offers_the_prompts_that_the_model_has(self):
        self.assertIn('<label id="prompt-row" for="prompt" hidden="">', browse(self.server.url + "/", "--dump-dom").stdout)
        model = pathlib.Path(ARGUMENTS.model).with_name("bert-cls-prompts")
        server = Server(models=[str(model)])
        self.addCleanup(server.stop)
        page = browse(server.url + "/", "--dump-dom").stdout
        self.assertIn('<label id="prompt-row" for="prompt">', page)
        self.assertIn('<option value="query">query</option>', page)

    def test_behind_a_key_it_works_for_whoever_has_it(self):
        server = Server("--api-key", "secret")
        self.addCleanup(server.stop)
        self.assertEqual(server.get("/", {"Accept": "text/html"})[0], 401)
        page = browse(server.url.replace("http://", "http://me:secret@") + "/", "--dump-dom").stdout
        self.assertIn('data-done="5"', page)

    def test_the_docs_list_every_route(self):
        page = browse(self.server.url + "/docs", "--dump-dom").stdout
        self.assertGreater(page.count("<details>"), 20)
        self.assertIn("/v1/embeddings", page)

    def test_pictures_can_be_taken_on_a_screen_and_on_a_phone(self):
        keep = os.environ.get("AKIN_TEST_SCREENSHOTS")
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(keep or scratch)
            for name, size in (("screen", "1280,1500"), ("phone", "390,2600")):
                for mode, options in (("light", []), ("dark", ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"])):
                    path = folder / f"{name}-{mode}.png"
                    browse(self.server.url + "/", f"--window-size={size}", f"--screenshot={path}", *options)
                    self.assertGreater(path.stat().st_size, 20_000, path)


if __name__ == "__main__":
    if BROWSER is None:
        print("SKIPPED: there is no chromium")
        sys.exit(77)
    main()
