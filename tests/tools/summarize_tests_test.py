import pathlib
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import summarize_tests  # noqa: E402

JUNIT = """<testsuite>
<testcase name="good" status="run"><system-out>fine</system-out></testcase>
<testcase name="bad" status="fail"><failure message=""/></testcase>
<testcase name="script" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
<system-out>some words
SKIPPED: no model</system-out></testcase>
<testcase name="Suite.Test" status="notrun"><skipped message=""/>
<system-out>[ RUN ] x
a_test.cc:7: Skipped
CPU lacks avx2
</system-out></testcase>
</testsuite>"""


class SummarizeTests(unittest.TestCase):
    def test_skipped_tests_are_said_with_their_reason_and_counted_as_neither(self):
        self.assertEqual(summarize_tests.summarize(ElementTree.fromstring(JUNIT)).splitlines(), [
            "Skipped tests: 2", "  script: no model", "  Suite.Test: CPU lacks avx2", "FAILED: bad",
            "1 passed, 1 failed"])

    def test_what_a_passing_test_left_out_is_said(self):
        root = ElementTree.fromstring(
            '<testsuite><testcase name="corpus" status="run"><system-out>SKIPPED 2 cases: a b\n3 runs'
            '</system-out></testcase></testsuite>')
        self.assertEqual(summarize_tests.summarize(root),
                         "Skipped tests: none\n  in corpus: 2 cases: a b\n1 passed, 0 failed")

    def test_without_any_skipped_test_it_says_none(self):
        root = ElementTree.fromstring('<testsuite><testcase name="good" status="run"/></testsuite>')
        self.assertEqual(summarize_tests.summarize(root), "Skipped tests: none\n1 passed, 0 failed")


if __name__ == "__main__":
    unittest.main()
