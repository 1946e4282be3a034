#!/usr/bin/env python3
"""tools/count_instructions.py: the record, the table of changes, and a count under callgrind.

    count_instructions_test.py [--program build/release/bench/count_kernels]
"""
import argparse
import contextlib
import io
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import count_instructions as tool  # noqa: E402

PROGRAM = None


class Record(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "counts.txt"

    def test_it_reads_what_it_wrote(self):
        counts = {("avx2", "linear/qkv/m:1"): 7, ("scalar", "layer_norm/m:14"): 9}
        tool.write_record(self.path, "GCC 12", counts)
        self.assertEqual(tool.read_record(self.path), ("GCC 12", counts))

    def test_without_a_record_everything_is_new(self):
        self.assertEqual(tool.read_record(self.path), ("", {}))
        self.assertTrue(tool.table({}, {("avx2", "a"): 5})[0].endswith("new"))

    def test_a_damaged_line_is_named(self):
        self.path.write_text("avx2 linear/qkv/m:1 many\n", encoding="utf-8")
        with self.assertRaisesRegex(tool.CountError, "line 1.*many"):
            tool.read_record(self.path)

    def test_changes_are_shown(self):
        lines = tool.table({("avx2", "a"): 100, ("avx2", "b"): 100, ("avx2", "c"): 1},
                           {("avx2", "a"): 100, ("avx2", "b"): 150})
        self.assertEqual(len(lines[0].split()), 4)
        self.assertIn("+50.00%", lines[1])
        self.assertIn("gone", lines[2])

    def test_the_record_of_the_repository_is_whole(self):
        compiler, counts = tool.read_record(tool.RECORD)
        self.assertTrue(compiler)
        self.assertEqual({tier for tier, _ in counts}, set(tool.CASES))
        for tier, case in counts:
            self.assertTrue(tool.CASES[tier].fullmatch(case), case)


    def test_a_change_that_is_not_recorded_is_found(self):
        old = {("avx2", "a"): 1000, ("avx2", "b"): 1000, ("avx2", "c"): 1, ("avx2", "d"): 1000}
        new = {("avx2", "a"): 1004, ("avx2", "b"): 1006, ("avx2", "d"): 994, ("avx2", "e"): 1}
        self.assertEqual({case for _, case in tool.unrecorded(old, new)}, {"b", "c", "d", "e"})
        self.assertEqual(tool.unrecorded(old, old), [])


class Count(unittest.TestCase):
    def setUp(self):
        if PROGRAM is None or not PROGRAM.exists():
            self.skipTest("count_kernels is not built")
        if not shutil.which("valgrind"):
            self.skipTest("valgrind is not installed")

    def test_the_same_kernel_has_the_same_count_and_more_rows_have_more(self):
        one = tool.count(PROGRAM, "f32/linear/qkv/m:1", "scalar")
        self.assertEqual(tool.count(PROGRAM, "f32/linear/qkv/m:1", "scalar"), one)
        self.assertGreater(tool.count(PROGRAM, "f32/linear/qkv/m:5", "scalar"), 4 * one)
        self.assertGreater(one, 1152 * 384 / 4)  # The products were computed, and more than once a lane.

    def test_a_step_of_int16_multiplies_twice_as_many_values_as_one_of_f32(self):
        f32, int16 = (tool.count(PROGRAM, f"{precision}/linear/qkv/m:14", "avx2") for precision in ("f32", "int16"))
        self.assertLess(int16, f32)
        self.assertGreater(int16, f32 / 2)

    def test_the_kernels_have_the_recorded_counts(self):
        recorded, now = tool.read_record(tool.RECORD)[0], tool.compiler_of(PROGRAM)
        if recorded != now:
            self.skipTest(f"the counts are recorded with {recorded}, this program is of {now}")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            tool.main(["--program", str(PROGRAM), "--check"])
        self.assertGreater(len(out.getvalue().splitlines()), 20)

    def test_a_case_or_tier_that_is_none_is_an_error(self):
        for case, tier in (("f32/linear/nothing/m:1", "scalar"), ("linear/qkv/m:1", "scalar"), ("f32/linear/qkv/m:1", "mmx"),
                           ("f32/quantize/k:384/m:14", "avx2")):
            with self.assertRaises(tool.CountError):
                tool.count(PROGRAM, case, tier)

    def test_update_writes_the_record_and_a_second_run_finds_no_change(self):
        with tempfile.TemporaryDirectory() as folder:
            args = ["--program", str(PROGRAM), "--record", f"{folder}/r.txt", "--only", "layer_norm"]
            with contextlib.redirect_stdout(io.StringIO()):
                tool.main([*args, "--update"])
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                tool.main(args)
            self.assertEqual(len(out.getvalue().splitlines()), len(tool.CASES))
            self.assertNotIn("%", out.getvalue())
            record = pathlib.Path(folder) / "r.txt"
            compiler, counts = tool.read_record(record)
            tool.write_record(record, compiler, {key: n * 2 for key, n in counts.items()})
            with contextlib.redirect_stdout(out), self.assertRaisesRegex(SystemExit, "layer_norm/m:14 on avx2"):
                tool.main([*args, "--check"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=pathlib.Path)
    known, rest = parser.parse_known_args()
    PROGRAM = known.program
    unittest.main(argv=[sys.argv[0], *rest])
