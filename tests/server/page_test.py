#!/usr/bin/env python3
"""The page for people in a real browser: what a user sees after the page has loaded, on a screen and on a phone.

    page_test.py --akin PROGRAM --model FOLDER

Needs Chromium; skips aloud without. AKIN_TEST_SCREENSHOTS=FOLDER keeps the pictures.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from browser import BROWSER, CONTROL, OPTIONS, SHIFT, Browser
from serve_process import ARGUMENTS, TIMEOUT, ServedTest, Server, main


def browse(url, *options):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run([BROWSER, *OPTIONS, f"--user-data-dir={profile}", "--virtual-time-budget=4000", *options, url],
                              capture_output=True, text=True, timeout=3 * TIMEOUT)


class Page(ServedTest):
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
        self.assertEqual(len(re.findall(r'<td style="--share', page)), 25)
        self.assertEqual(page.count("<circle"), 5)
        self.assertGreater(page.count('class="token'), 20)
        self.assertIn("values a vector", page)
        self.assertRegex(page, r"<dt[^>]*>compute</dt><dd>\d+ ms")
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
        paths = json.loads(self.server.get("/openapi.json")[2])["paths"]  # All there are (routes_test.cc).
        page = browse(self.server.url + "/docs", "--dump-dom").stdout
        shown = re.findall(r"<summary><b>(\w+)</b><code>([^<]*)</code>", page)
        self.assertEqual(sorted(shown), sorted((method.upper(), path) for path, methods in paths.items() for method in methods))


# What Tab can stop at, and what it should look like there.
STOPS = """[...document.querySelectorAll("a[href], button, textarea, select, summary, [tabindex]")].filter(e => e.checkVisibility())"""
FOCUSED = """(() => { const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {index: STOPS.indexOf(e), id: e.id || e.getAttribute("href") || e.getAttribute("aria-label") || e.tagName,
          outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
          inside: box.top < innerHeight && box.bottom > 0 && box.left >= 0 && box.right <= innerWidth + 1}; })()""".replace("STOPS", STOPS)
# Whose text is hard to read: by WCAG's contrast of what is painted, [[text, ratio]].
FAINT = """(() => {
  const pixel = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => { pixel.clearRect(0, 0, 1, 1); pixel.fillStyle = colour; pixel.fillRect(0, 0, 1, 1); return [...pixel.getImageData(0, 0, 1, 1).data]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] / 255 + below[i] * (1 - top[3] / 255)).concat(255);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                       return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => e === null ? rgba("Canvas") : over(rgba(getComputedStyle(e).backgroundColor), behind(e.parentElement));
  const found = [];
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].filter(n => n.nodeType === 3 && n.data.trim()).map(n => n.data.trim()).join(" ");
    if (!own || !e.checkVisibility() || ["SCRIPT", "STYLE", "OPTION", "title"].includes(e.tagName)) continue;
    const style = getComputedStyle(e), opacity = (e => { let all = 1; for (; e; e = e.parentElement) all *= getComputedStyle(e).opacity; return all; })(e);
    const paper = behind(e), text = rgba(e.namespaceURI.endsWith("svg") ? style.fill : style.color);
    text[3] *= opacity;
    const [a, b] = [light(over(text, paper)), light(paper)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push([own.slice(0, 40), ratio]);
  }
  return found; })()"""


class ByHand(unittest.TestCase):
    """What one does with a keyboard, with a screen reader, on a phone."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(models=[str(pathlib.Path(ARGUMENTS.model).with_name("bert-cls-prompts"))])
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.server.stop()

    def show(self, path="/", **options):
        self.browser.show("about:blank")
        self.browser.show(self.server.url + path, **options)
        self.browser.wait("document.body.dataset.done && document.querySelector('#live dd') && !document.getElementById('prompt-row').hidden" if path == "/" else "document.querySelector('details')")

    def text(self, element):
        return self.browser.run(f"document.getElementById('{element}').textContent")

    def tab_through(self):
        """The stops of Tab until it leaves the page, or comes round."""
        stops = []
        while len(stops) < 100:
            self.browser.press("Tab")
            stop = self.browser.run(FOCUSED)
            if stop["index"] < 0 or stops and stop["index"] == stops[0]["index"]:
                return stops
            stops.append(stop)
        raise AssertionError(f"Tab is caught: {stops[-3:]}")

    def test_tab_reaches_all_in_the_order_of_the_page_and_shows_where_it_is(self):
        for path, width, dark in (("/", 1280, False), ("/", 360, True), ("/docs", 360, False)):
            with self.subTest(path=path, width=width):
                self.show(path, width=width, dark=dark)
                stops = self.tab_through()
                self.assertEqual([s["index"] for s in stops], list(range(self.browser.run(STOPS + ".length"))), stops)
                self.assertEqual([s["id"] for s in stops if s["outline"] < 2 or not s["inside"]], [])
                if path == "/":
                    self.assertEqual([s["id"] for s in stops], ["texts", "go", "prompt", "Table of similarities", "/docs", "/metrics"])

    def test_everything_is_done_with_the_keyboard_alone(self):
        press, wait = self.browser.press, self.browser.wait
        self.show()
        press("Tab")
        press("a", CONTROL)
        self.browser.type("a cat\na dog\ninterest rates")
        press("Tab")
        press("Enter")
        wait("document.body.dataset.done === '3'")
        wait("document.getElementById('status').textContent.startsWith('3 texts compared')")
        self.assertEqual(self.browser.run("document.activeElement.id"), "go")  # The focus stays where it was.
        before = self.text("heat")
        press("Tab")
        press("ArrowDown")
        wait(f"document.getElementById('heat').textContent !== {before!r}")
        self.assertNotEqual(self.browser.run("document.getElementById('prompt').value"), "")
        press("Tab", SHIFT)
        press("Tab", SHIFT)
        press("a", CONTROL)
        self.browser.type("one text")
        press("Enter", CONTROL)
        wait("document.body.dataset.done === '1'")
        press("a", CONTROL)
        self.browser.type(" ")
        press("Tab")
        press(" ")
        wait("document.getElementById('error').textContent === 'Please write a text.'")
        press("Tab", SHIFT)
        press("a", CONTROL)
        self.browser.type("\n".join(f"text {i}" for i in range(30)))
        press("Enter", CONTROL)
        wait("document.body.dataset.done === '24'")
        self.assertIn("6 more were left out", self.text("status"))
        self.assertEqual(self.text("error"), "")

    def test_assistive_technology_is_told_what_all_of_it_is(self):
        self.show()
        names = self.browser.names()
        for expected in (("textbox", "Texts, one a line (at most 24)"), ("button", "Compare"), ("combobox", "Prompt"), ("table", "How alike are they?"),
                         ("region", "Table of similarities"), ("image", "Map of the texts"), ("heading", "Akin"), ("rowheader", "1 A cat sleeps on the warm windowsill."),
                         ("columnheader", "5"), ("link", "Metrics")):
            self.assertIn(expected, names)
        roles = {role for role, _ in names}
        self.assertLessEqual({"main", "banner", "status"}, roles)
        self.browser.run("document.getElementById('texts').value = ''; document.getElementById('go').click()")
        self.browser.wait("document.getElementById('error').textContent !== ''")
        self.assertIn("alert", {role for role, _ in self.browser.names()})  # Without words there is none.
        unnamed = {role for role, name in names if not name.strip()}
        self.assertEqual(unnamed & {"button", "link", "textbox", "combobox", "image", "region", "heading", "table"}, set())

    def test_the_docs_send_what_they_show(self):
        self.show("/docs")
        self.browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        bodies = self.browser.run("[...document.querySelectorAll('details')].filter(d => d.querySelector('textarea')).map(d => d.querySelector('code').textContent)")
        for path in ("/v1/embeddings", "/embed", "/api/embed", "/v2/embed", "/tokenize", "/similarity"):
            with self.subTest(path=path):
                at = bodies.index(path)
                self.browser.run(f"[...document.querySelectorAll('details')].filter(d => d.querySelector('textarea'))[{at}].querySelector('button').click()")
                said = f"[...document.querySelectorAll('details')].filter(d => d.querySelector('textarea'))[{at}].querySelector('[role=status]').textContent"
                self.browser.wait(f"/^[0-9]/.test({said})")
                self.assertRegex(self.browser.run(said), r"\A200 OK, \d+ ms, ")
        self.assertIn("curl " + self.server.url + "/v1/embeddings", self.browser.run("document.body.textContent"))

    def test_of_several_models_one_is_chosen(self):
        other = ARGUMENTS.model.replace("bert-mean", "bert-max")
        server = Server(models=["one=" + ARGUMENTS.model, "two=" + other])
        self.addCleanup(server.stop)
        self.browser.show(server.url + "/")
        self.browser.wait("document.body.dataset.done && !document.getElementById('model-row').hidden && document.getElementById('model').textContent.startsWith('one:')")
        self.assertIn(("combobox", "Model"), self.browser.names())
        before = self.text("heat")
        self.browser.run("document.getElementById('which').focus()")
        self.browser.press("ArrowDown")
        self.browser.wait(f"document.getElementById('model').textContent.startsWith('two:') && document.getElementById('heat').textContent !== {before!r}")

    def test_a_phone_scrolls_up_and_down_only(self):
        for path in ("/", "/docs"):
            for width in (320, 360):
                with self.subTest(path=path, width=width):
                    self.show(path, width=width, height=740)
                    if path == "/":
                        self.browser.run("document.getElementById('texts').focus()")
                        self.browser.press("a", CONTROL)
                        self.browser.type("\n".join(["Donaudampfschifffahrtsgesellschaft" * 4, "https://example.org/" + "a" * 90] + [f"text {i}" for i in range(22)]))
                        self.browser.press("Enter", CONTROL)
                        self.browser.wait("document.body.dataset.done === '24'")
                    else:
                        self.browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
                    self.assertEqual(self.browser.run("[document.documentElement.scrollWidth, innerWidth]"), [width, width])

    def test_all_text_is_easy_to_read_in_light_and_dark(self):
        for path in ("/", "/docs"):
            for dark in (False, True):
                with self.subTest(path=path, dark=dark):
                    self.show(path, dark=dark)
                    self.assertEqual(self.browser.run(FAINT), [])

    def test_labels_of_the_map_are_as_large_on_a_phone(self):
        self.show(width=360)
        height = self.browser.run("document.querySelector('#map text').getBoundingClientRect().height")
        self.assertGreater(height, 12)
        self.browser.show(self.server.url + "/#turned", width=740, height=360)
        self.browser.wait("document.getElementById('map').clientWidth === document.getElementById('map').viewBox.baseVal.width")

    def compare(self, texts):
        self.browser.run(f"document.getElementById('texts').value = {json.dumps(chr(10).join(texts))}; delete document.body.dataset.done; document.getElementById('go').click()")
        self.browser.wait(f"document.body.dataset.done === '{len(texts)}'")

    def test_texts_at_one_point_of_the_map_are_one_point(self):
        labels = "[...document.querySelectorAll('#map text')].map(e => e.textContent)"
        titles = "[...document.querySelectorAll('#map circle title')].map(e => e.textContent.split('\\n'))"
        for texts, expected, says in (
                (["A text."], ["1 A text."], "One text is one point"), (["A text."] * 24, ["1–24 A text."], "do not differ"),
                (["A cat.", "A dog.", "A cat."], ["1, 3 A cat.", "2 A dog."], "differ most"), (["A cat.", "A cat.", "Rates."], ["1, 2 A cat.", "3 Rates."], "differ most"),
                (["A cat.", "Rates."] * 12, ["1, 3, 5 and 9 more: A cat.", "2, 4, 6 and 9 more: Rates."], "differ most")):
            with self.subTest(texts=texts):
                self.show(width=1280)
                self.compare(texts)
                self.assertEqual(self.browser.run(labels), expected)
                said = self.browser.run(titles)  # Of each point, all that stand at it.
                self.assertEqual(len(said), len(expected))
                self.assertEqual(sorted(line for lines in said for line in lines), sorted(f"{i + 1} {text}" for i, text in enumerate(texts)))
                self.assertEqual(self.browser.run("document.querySelectorAll('#map line').length"), 0)
                self.assertIn(says, self.text("map-says"))

    def test_the_map_is_no_taller_than_it_has_to_be_beside_a_long_table(self):
        self.show(width=1280)
        self.compare([f"text {i}" for i in range(24)])
        heat, card = (self.browser.run(f"document.getElementById('{name}').closest('section').getBoundingClientRect().height") for name in ("heat", "map"))
        self.assertLess(card, heat - 200)

    def test_labels_of_the_map_cover_neither_each_other_nor_a_point(self):
        close = [f"The cat number {i} sleeps on the warm windowsill." for i in range(20)] + ["Interest rates rise.", "Copper conducts.", "Bees dance.", "東京は日本の首都です。"]
        topics = ["cats", "dogs", "interest rates", "olive trees", "trains", "bees"]
        apart = [f"{'Notes' if i % 2 else 'A long treatise'} on {topics[i % 6]}, part {i}" for i in range(24)]
        for name, texts in (("close", close), ("apart", apart), ("few", apart[:3])):
            for width in (320, 360, 1280):
                with self.subTest(texts=name, width=width):
                    self.show(width=width, height=740)
                    self.compare(texts)
                    boxes = self.browser.run("""(() => { const frame = document.getElementById("map").getBoundingClientRect();
                      const box = e => { const b = e.getBoundingClientRect(); return [b.left - frame.left, b.top - frame.top, b.right - frame.left, b.bottom - frame.top]; };
                      return {texts: [...document.querySelectorAll("#map text")].map(e => [e.textContent, ...box(e)]), dots: [...document.querySelectorAll("#map circle")].map(box),
                              all: [...document.querySelectorAll("#map circle title")].map(e => e.textContent.split("\\n").map(line => parseInt(line))),
                              frame: [frame.width, frame.height]}; })()""")
                    labels = boxes["texts"]
                    # Every text is at some point, and every point has a label, which begins with the number of the first one there.
                    self.assertEqual(sorted(number for numbers in boxes["all"] for number in numbers), list(range(1, len(texts) + 1)))
                    self.assertEqual([int(re.match(r"\d+", label[0])[0]) for label in labels], [numbers[0] for numbers in boxes["all"]])
                    self.assertGreater(len(labels), len(texts) / 2)
                    for i, (text, left, top, right, bottom) in enumerate(labels):
                        self.assertTrue(left >= 0 and top >= 0 and right <= boxes["frame"][0] and bottom <= boxes["frame"][1], labels[i])
                        for other in labels[:i]:
                            self.assertFalse(left < other[3] and other[1] < right and top < other[4] and other[2] < bottom, (labels[i], other))
                        for dot in boxes["dots"]:
                            self.assertFalse(left < dot[2] and dot[0] < right and top < dot[3] and dot[1] < bottom, (labels[i], dot))
                    if name == "few" or width == 1280 and name == "apart":  # Where there is room, there are words.
                        self.assertGreater(sum(" " in label[0] for label in labels), len(labels) / 2)
                    if keep := os.environ.get("AKIN_TEST_SCREENSHOTS"):
                        self.browser.run("document.getElementById('map').scrollIntoView()")
                        self.browser.picture(pathlib.Path(keep, f"map-{name}-{width}.png"))

    def test_pictures_can_be_taken_on_a_screen_and_on_a_phone(self):
        keep = os.environ.get("AKIN_TEST_SCREENSHOTS")
        with tempfile.TemporaryDirectory() as scratch:
            for name, width in (("screen", 1280), ("phone", 360)):
                for dark in (False, True):
                    path = pathlib.Path(keep or scratch, f"{name}-{'dark' if dark else 'light'}.png")
                    self.show(width=width, dark=dark)
                    self.browser.press("Tab")
                    self.browser.picture(path)
                    self.assertGreater(path.stat().st_size, 20_000, path)


if __name__ == "__main__":
    if BROWSER is None:
        print("SKIPPED: there is no chromium")
        sys.exit(77)
    main()
