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

    def test_every_file_that_it_links_to_exists(self):
        for name in re.findall(r"\]\(([^)#:]+)\)", self.readme):
            self.assertTrue((ROOT / name).exists(), name)

    def test_every_dev_command_that_it_names_exists(self):
        dev = (ROOT / "dev").read_text(encoding="utf-8")
        for name in set(re.findall(r"\./dev (\w+)", self.readme)):
            self.assertIn(f"\ncmd_{name}()", dev)

    def test_ci_runs_the_test_command_of_the_readme(self):
        ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
        self.assertIn("./dev test", self.readme)
        self.assertRegex(ci, r"exec \./dev test </dev/null\n$")

    def test_the_measured_table_stands_between_its_markers(self):
        for path in ("README.md", "docs/performance.md"):
            text = (ROOT / path).read_text(encoding="utf-8")
            self.assertEqual((text.count("<!-- generated: peers -->"), text.count("<!-- end -->")), (1, 1))


if __name__ == "__main__":
    unittest.main()
