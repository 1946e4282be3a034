#!/usr/bin/env python3
"""bench/peers: the choice of peers, their settings, and the tables, on figures made up here."""
import json
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/peers"))
import check_ratio  # noqa: E402
import compare  # noqa: E402
import own_figures  # noqa: E402
import peer_families  # noqa: E402
import peer_settings  # noqa: E402

MS = 1_000_000


def peer(ms=None, seconds=None, cosine=(1.0, 1.0), version="x 1"):
    record = {"info": {"version": version}, "cos": cosine, "rss_mib": 100}
    if ms:
        record["W1"] = {"rounds": [[int(m * MS)] * 10 for m in ms], "foreign": [0.1]}
    if seconds:
        record["W4"] = {"rounds": [[s] for s in seconds], "foreign": [0.3]}
    return record


RAW = {"threads": 2, "limits": {}, "peers": {
    "ort-fp32": peer([2, 4, 3], [20, 20, 20]),
    "ort-int8": peer([1, 1, 1], [5, 5, 5], cosine=(0.98, 0.99)),
    "broken": peer([0.1, 0.1, 0.1], [1, 1, 1], cosine=(0.2, 0.3)),
    "ct2-fp32": peer(None, [25, 25, 25]),
    "akin-f32": peer([1.5, 1.5, 1.5], [10, 10, 10]),
    "akin-bf16": peer([0.5, 0.5, 0.5], [2, 2, 2], cosine=(0.99995, 0.99999))}}
SETS = {"w1_query": {"texts": 2000}, "w4_short_corpus": {"texts": 10000}}


def cells(line):
    return [c.strip() for c in line.strip("|").split("|")]


class Tables(unittest.TestCase):
    def setUp(self):
        self.results = compare.Results(RAW, SETS)

    def test_figures_are_medians_of_rounds(self):
        self.assertEqual(self.results.figure("ort-fp32", "W1"), 3)
        self.assertEqual(self.results.figure("akin-f32", "W4"), 1000)
        self.assertIsNone(self.results.figure("ct2-fp32", "W1"))

    def test_a_limit_counts_the_texts_that_were_computed(self):
        limited = compare.Results({**RAW, "limits": {"W4": 100}}, SETS)
        self.assertEqual(limited.figure("akin-f32", "W4"), 10)

    def test_wrong_vectors_never_win_and_f32_is_compared_with_f32(self):
        self.assertEqual(self.results.best("W1", compare.WRONG_COSINE), "ort-int8")
        self.assertEqual(self.results.best("W1", compare.F32_COSINE), "ort-fp32")
        self.assertEqual(self.results.best("W4", compare.F32_COSINE), "ort-fp32")

    def test_the_summary_has_the_ratio_to_the_best_f32_and_the_best_of_all(self):
        rows = [cells(line) for line in compare.summary_lines(self.results, ["W1", "W4"])]
        self.assertEqual(len({len(r) for r in rows}), 1)
        self.assertEqual(rows[2][1:], ["1.50", "0.50 x", "1.50 x", "0.50", "0.17 x", "0.50 x",
                                       "3.00 ort-fp32", "1.00 ort-int8"])
        self.assertEqual(rows[3][1:], ["1,000", "2.00 x", "0.50 x", "5,000", "10.00 x", "2.50 x",
                                       "500 ort-fp32", "2,000 ort-int8"])

    def test_the_full_table_has_every_peer_and_says_which_is_wrong(self):
        rows = [cells(line) for line in compare.full_lines(self.results, ["W1", "W4"])]
        self.assertEqual(len({len(r) for r in rows}), 1)
        self.assertEqual([r[0] for r in rows[2:]], list(RAW["peers"]))
        self.assertEqual(rows[2][1], "3.00 [2.00..4.00], P99 3.00")
        self.assertEqual(rows[4][3], "wrong vectors")
        self.assertEqual(rows[5][1], "-")

    def test_foreign_load_is_said(self):
        self.assertEqual(self.results.foreign()[1], 0.3)

    def test_wrong_vectors_of_ours_end_the_run(self):
        compare.check_vectors(RAW)
        for name, cosine in (("akin-f32", (0.9999, 1)), ("akin-bf16", (0.999, 1)), ("ort-fp32", None)):
            with self.assertRaises(SystemExit, msg=name):
                compare.check_vectors({"peers": {**RAW["peers"], name: peer([1], cosine=cosine)}})

    def test_only_what_stands_between_the_markers_is_written_over(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "page.md"
            page.write_text(f"before\n{compare.BEGIN}\nold\n{compare.END}\nafter\n", encoding="utf-8")
            compare.write_into(page, f"{compare.BEGIN}\nnew\n{compare.END}")
            self.assertEqual(page.read_text(encoding="utf-8"),
                             f"before\n{compare.BEGIN}\nnew\n{compare.END}\nafter\n")


class Precisions(unittest.TestCase):
    def profiled(self, *arguments):
        with mock.patch.object(compare, "taken_by_auto", return_value="int16"):
            return compare.profile_precisions(compare.arguments_of(["--model", "m", *arguments]))

    def test_the_profile_is_of_the_usual_precisions(self):
        self.assertEqual(self.profiled(), ["f32", "int16", "int8"])

    def test_the_profile_is_of_the_precisions_that_were_asked_for(self):
        self.assertEqual(self.profiled("--akin-precisions", "bf16,f32"), ["bf16", "f32"])

    def test_auto_in_the_profile_is_what_it_takes_and_no_second_time(self):
        self.assertEqual(self.profiled("--akin-precisions", "f32,auto"), ["f32", "int16"])
        self.assertEqual(self.profiled("--akin-precisions", "int16,auto,w8"), ["int16", "w8"])


class Families(unittest.TestCase):
    def test_families_and_single_peers_can_be_chosen(self):
        self.assertEqual(peer_families.chosen("ct2-int8"), (["ort", "ct2"], ["ort-fp32", "ct2-int8"]))
        self.assertEqual(peer_families.chosen("ort"), (["ort"], ["ort-fp32", "ort-int8"]))
        self.assertEqual(peer_families.chosen("")[0], list(peer_families.FAMILIES))
        with self.assertRaisesRegex(ValueError, "torchserve.*openvino"):
            peer_families.chosen("ort,torchserve")

    def test_every_family_has_its_requirements_and_presets(self):
        presets = (ROOT / "bench/peers/backends.py").read_text(encoding="utf-8")
        for name, family in peer_families.FAMILIES.items():
            self.assertTrue((ROOT / f"bench/peers/requirements-{name}.txt").exists(), name)
            for preset in family.peers:
                self.assertIn(f'"{preset}":', presets)

    def test_a_family_without_disk_space_is_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            full = types.SimpleNamespace(free=2**30)
            real, peer_families.shutil.disk_usage = peer_families.shutil.disk_usage, lambda _: full
            try:
                self.assertFalse(peer_families.Environment(folder).install("st"))
            finally:
                peer_families.shutil.disk_usage = real

    def test_a_family_whose_environment_cannot_be_made_is_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "venv").write_text("in the way")
            self.assertFalse(peer_families.Environment(folder).install("ct2"))


class Settings(unittest.TestCase):
    def test_short_and_long_texts_choose_their_own_batch(self):
        rounds = {"a": {"W4": 3, "W5": 1}, "b": {"W4": 2, "W5": 2}, "c": {"W4": 1, "W5": 3}}
        self.assertEqual(peer_settings.best("ov-fp32", rounds), {"batch": 64, "batch_long": 4})
        self.assertEqual(peer_settings.best("llama-f16", rounds), {"pack": 64})

    def test_they_are_measured_once_for_a_cpu(self):
        asked = []

        def measure(arguments):
            asked.append(arguments)
            return {"peers": {f"ov-fp32@{v}": {w: {"rounds": [[s]]} for w in ("W4", "W5")}
                              for v, s in (("a", 3), ("b", 1), ("c", 2))}}

        with tempfile.TemporaryDirectory() as folder:
            first = peer_settings.tuned(["ov-fp32"], "a CPU", folder, measure)
            self.assertEqual(first, ["--set", "ov-fp32.batch=32", "--set", "ov-fp32.batch_long=8"])
            self.assertEqual(peer_settings.tuned(["ov-fp32"], "a CPU", folder, measure), first)
            self.assertEqual(len(asked), 1)
            peer_settings.tuned(["ov-fp32"], "another CPU", folder, measure)
            self.assertEqual(len(asked), 2)
            (pathlib.Path(folder) / "settings.json").write_text("{", encoding="utf-8")
            self.assertEqual(peer_settings.tuned(["ov-fp32"], "a CPU", folder, measure), first)
            json.loads((pathlib.Path(folder) / "settings.json").read_text(encoding="utf-8"))

    def test_programs_are_looked_at_one_at_a_time_and_what_was_found_is_kept(self):
        asked = []

        def measure(arguments):
            peers = arguments[1].split(",")
            asked.append({p.split("@")[0] for p in peers})
            if len(asked) == 2:
                raise KeyboardInterrupt
            return {"peers": {p: {w: {"rounds": [[1]]} for w in ("W4", "W5")} for p in peers}}

        wanted = ["ort-fp32", "ort-int8", "ct2-int8"]
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(KeyboardInterrupt):
                peer_settings.tuned(wanted, "a CPU", folder, measure)
            peer_settings.tuned(wanted, "a CPU", folder, measure)
        self.assertEqual(asked, [{"ort-fp32", "ort-int8"}, {"ct2-int8"}, {"ct2-int8"}])


class OwnFigures(unittest.TestCase):
    STAGE = {"name": "attention", "share": 0.25, "us_per_call": 1234.5, "share_of_peak": 0.5, "arithmetic": "bf16"}
    BREAKDOWN = {"workload": "single sentences", "calls": 10, "wall_ms": 50,
                 "stages": [{**STAGE, "name": "tokenizing", "share": 0.01, "us_per_call": 3, "share_of_peak": 0}, STAGE]}
    REPORT = {"settings": [
        {"precision": "f32", "breakdowns": [{**BREAKDOWN, "stages": BREAKDOWN["stages"][:1]}],
         "machine_peak": {"threads": 2, "operations_per_second": {"f32": 2e11}, "read_bytes_per_second": {"L2": 1e11}}},
        {"precision": "bf16", "breakdowns": [BREAKDOWN]}]}

    def test_a_stage_without_operations_has_no_share_of_a_peak(self):
        self.assertEqual(own_figures.cell(self.STAGE), "25.0 %, 1,234.5 us, **50 %** of bf16")
        self.assertEqual(own_figures.cell(self.BREAKDOWN["stages"][0]), "1.0 %, 3.0 us")

    def test_stages_that_only_one_precision_has_are_rows_too(self):
        lines = own_figures.stage_lines(self.REPORT, "single sentences")
        self.assertEqual(lines[0], "| single sentences | f32 | bf16 |")
        self.assertEqual(lines[3], "| attention | - | 25.0 %, 1,234.5 us, **50 %** of bf16 |")
        self.assertEqual(lines[-1], "| all of it | 5.00 ms a call | 5.00 ms a call |")

    def test_the_machines_peaks_are_named(self):
        self.assertEqual(own_figures.peak_text(self.REPORT), "Measured peaks of 2 threads: f32 200 GFLOP/s "
                         "(multiply-adds on registers); reads L2 100 GB/s.")

    def test_all_threads_are_set_beside_one(self):
        def setting(threads, rate, ms):
            return {"precision": "bf16", "threads": threads, "texts_per_second": {"median": rate},
                    "latency": [{"tokens": 5, "p50_ms": {"median": 9}}, {"tokens": 512, "p50_ms": {"median": ms}}]}
        reports = {"short": {"settings": [setting(1, 100, 40), setting(4, 390, 20)]},
                   "long": {"settings": [setting(4, 30, 12), setting(1, 10, 40)]}}
        self.assertEqual(own_figures.scaling_lines(reports),
                         ["| 4 threads over one | bf16 |", "|---|---|", "| short, texts/s | 3.90 x |",
                          "| long, texts/s | 3.00 x |", "| one text of 512 tokens, time | 0.30 x |"])

    def test_a_program_that_fails_to_start_is_an_error(self):
        with self.assertRaises(subprocess.CalledProcessError):
            own_figures.start(["false"], {})
        milliseconds, mib = own_figures.start(["true"], {})
        self.assertGreater(milliseconds, 0)
        self.assertGreater(mib, 0)

    def test_what_this_process_holds_is_not_the_other_ones_memory(self):
        held = b"x" * (100 << 20)
        self.assertLess(own_figures.start(["true"], {})[1], 50)
        del held

    def test_the_documents_have_the_places_for_what_is_written(self):
        for document, marks in ((compare.ROOT / "README.md", [compare.BEGIN, compare.END]),
                                (compare.ROOT / "docs" / "performance.md",
                                 [compare.BEGIN, compare.END, compare.PROFILE, compare.END_OF_PROFILE])):
            text = document.read_text(encoding="utf-8")
            self.assertEqual([text.count(mark) for mark in marks], [1] * len(marks), document)


class Ratio(unittest.TestCase):
    RECORDED = {"latency": 2.0, "passages": 1.4}

    def judge(self, *measured):
        queue, said = list(measured), []
        passed = check_ratio.judge(lambda: queue.pop(0), self.RECORDED, said.append)
        return passed, len(measured) - len(queue), said

    def test_a_ratio_a_little_below_the_recorded_one_passes_at_once(self):
        self.assertEqual(self.judge({"latency": 1.1, "passages": 0.8})[:2], (True, 1))

    def test_a_slow_minute_is_measured_again(self):
        slow = {"latency": 0.9, "passages": 1.4}
        self.assertEqual(self.judge(slow, slow, {"latency": 1.9, "passages": 1.4})[:2], (True, 3))

    def test_three_slow_tries_are_a_failure_that_names_the_measure(self):
        slow = {"latency": 2.1, "passages": 0.6}
        passed, tries, said = self.judge(slow, slow, slow)
        self.assertEqual((passed, tries), (False, 3))
        self.assertIn("passages", said[-1])
        self.assertNotIn("latency", said[-1])

    def test_the_recorded_ratios_are_those_that_are_measured(self):
        with open(check_ratio.RECORD, encoding="utf-8") as f:
            recorded = json.load(f)
        self.assertEqual(set(recorded["ratios"]), set(check_ratio.MEASURES))
        self.assertTrue(all(r > 0 for r in recorded["ratios"].values()) and recorded["cpu"])

    def test_a_record_is_the_least_of_several_runs(self):
        self.assertEqual(check_ratio.least([{"a": 3.0, "b": 1.234}, {"a": 2.0, "b": 1.5}]), {"a": 2.0, "b": 1.23})

    def test_different_vectors_have_a_low_cosine(self):
        self.assertAlmostEqual(check_ratio.least_cosine([[1, 0], [3, 4]], [[2, 0], [4, 3]]), 24 / 25)


if __name__ == "__main__":
    unittest.main()
