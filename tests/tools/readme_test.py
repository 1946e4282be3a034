import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Readme(unittest.TestCase):
    def setUp(self):
        self.readme = (ROOT / "README.md").read_text(encoding="utf-8")

    def test_the_example_is_the_code_that_the_install_test_compiles_and_runs(self):
        program = (ROOT / "tests/install/consumer/main.cc").read_text(encoding="utf-8")
        snippet = program.split("// README-BEGIN\n")[1].split("\n// README-END")[0]
        self.assertIn(snippet, self.readme)

    def test_ci_runs_the_test_command_of_the_readme(self):
        ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
        self.assertIn("./dev test", self.readme)
        self.assertRegex(ci, r"exec \./dev test </dev/null\n$")

    def test_the_measured_table_stands_between_its_markers(self):
        for path in ("README.md", "docs/performance.md"):
            text = (ROOT / path).read_text(encoding="utf-8")
            self.assertEqual((text.count("<!-- generated: peers -->"), text.count("<!-- end -->")), (1, 1))


PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def without_code(page):
    return re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))


def headings(page):
    """What links may name behind a #, as forges make it of the headings."""
    texts = re.findall(r"(?m)^#+ (.*)", without_code(page))
    words = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).strip().lower() for text in texts)
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in words}


class Pages(unittest.TestCase):
    def test_every_link_leads_to_a_file_and_a_heading(self):
        links = 0
        for page in PAGES:
            for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
                if "://" in link:
                    continue
                links += 1
                name, _, heading = link.partition("#")
                target = page.parent / name if name else page
                self.assertTrue(target.exists(), (page.name, link))
                if heading:
                    self.assertIn(heading, headings(target), (page.name, link))
        self.assertGreater(links, 100)

    def test_every_dev_command_that_they_name_exists(self):
        dev = (ROOT / "dev").read_text(encoding="utf-8")
        for page in PAGES:
            for name in set(re.findall(r"\./dev ([a-z]\w*)", page.read_text(encoding="utf-8"))):
                self.assertIn(f"\ncmd_{name}()", dev, page.name)


if __name__ == "__main__":
    unittest.main()
