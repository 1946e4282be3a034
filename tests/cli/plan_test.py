#!/usr/bin/env python3
"""akin plan: what it says before a model is loaded, and what akin embed then holds.

    plan_test.py --akin build/release/akin --model tests/data/models/bert-mean

With AKIN_TEST_MODEL also of that model. The plan is never less than what was held. It is more by what it says of texts
under way, by the program's pages that nobody touched and by rows of words that no text had; beside these by 6 MiB at most.
"""
import json
import os
import random
import re
import subprocess
import sys
import threading
import unittest

from akin_program import AKIN, MODEL, SECONDS, Case, main, run, sanitizer

MIB = 1 << 20
PRECISIONS = ["f32", "bf16x3", "int16", "bf16", "w8", "int8"]
WORDS = "a quick cat finds the house where rivers grow old and bees dance under trees while people talk of rates".split()
MODELS = [MODEL] + [m for m in [os.environ.get("AKIN_TEST_MODEL")] if m]


def texts(count):
    words = random.Random(1)
    return [" ".join(words.choice(WORDS) for _ in range(words.randint(40, 180))) for _ in range(count)]


def held(model, lines, *options, env):
    """VmHWM and RssFile of akin embed after these texts, in bytes.

    Of the living process: ru_maxrss of a child counts what its parent held before exec.
    """
    with subprocess.Popen([AKIN, "embed", "--model", model, "--quiet", *options], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **env}) as process:
        watchdog = threading.Timer(SECONDS, process.kill)
        watchdog.start()

        def write():
            process.stdin.write("".join(line + "\n" for line in lines).encode())
            process.stdin.flush()
        writer = threading.Thread(target=write)
        writer.start()
        answers = [process.stdout.readline() for _ in lines]
        writer.join()
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            found = dict(re.findall(r"(VmHWM|RssFile):\s+(\d+) kB", status.read()))
        process.stdin.close()
        process.wait()
        watchdog.cancel()
    assert process.returncode == 0 and all(b"embedding" in a for a in answers), process.returncode
    return int(found["VmHWM"]) << 10, int(found["RssFile"]) << 10


class Plan(Case):
    def plan(self, *args, model=MODEL, status=0):
        code, out, err = run("plan", "--model", model, "--json", *args, env={"AKIN_CACHE": self.dir})
        self.assertEqual((code, err), (status, b""), out)
        return json.loads(out)

    @unittest.skipUnless(sys.platform == "linux" and not sanitizer(), "no VmHWM, or a sanitizer's own memory")
    def test_no_embed_of_200_texts_holds_more_and_not_much_less(self):
        env = {"AKIN_CACHE": self.dir}
        lines = texts(200)
        for model in MODELS:
            for threads in ("1", "3") if model == MODEL else ("2",):
                plan = self.plan("--threads", threads, model=model)
                self.assertEqual([row["precision"] for row in plan["precisions"]], PRECISIONS)
                first, _ = held(model, lines, "--threads", threads, env={"AKIN_CACHE": self.path("other")})
                self.assertLessEqual(first, plan["auto_peak_bytes"], (model, "auto"))
                for row in plan["precisions"]:
                    case = (model, threads, row["precision"])
                    # Packed anew, then as an earlier process has left it.
                    (anew, program), (again, _) = [held(model, lines, "--threads", threads, "--precision", row["precision"], env=env)
                             for _ in range(2)]
                    self.assertLessEqual(max(anew, again), row["peak_bytes"], case)
                    unused = plan["stream_bytes"] + plan["program_bytes"] - program + min(row["table_bytes"], 8 * MIB)
                    self.assertLess(row["peak_bytes"], anew + unused + 6 * MIB, case)

    def test_rows_add_up_and_fewer_threads_and_tokens_need_less(self):
        one, two = self.plan("--threads", "1"), self.plan("--threads", "2")
        few = self.plan("--threads", "1", "--max-batch-tokens", "16", "--max-tokens", "16")
        self.assertEqual(few["batch_tokens"], 16)
        self.assertEqual(few, self.plan("--threads", "1", "--batch-tokens", "16", "--max-tokens", "16") | {
            k: few[k] for k in few if k.startswith(("program", "tokenizer", "precisions", "auto_peak"))})
        for a, b, c in zip(one["precisions"], two["precisions"], few["precisions"]):
            self.assertEqual(a["weight_bytes"], b["weight_bytes"])
            self.assertLess(a["peak_bytes"], b["peak_bytes"])
            self.assertLess(c["worker_bytes"], a["worker_bytes"])
            for row, plan in ((a, one), (b, two)):
                parts = (row["weight_bytes"] + row["table_bytes"] + row["worker_bytes"] * plan["num_threads"] +
                         plan["program_bytes"] + plan["tokenizer_bytes"] + plan["stream_bytes"])
                self.assertGreaterEqual(row["peak_bytes"], parts)
                self.assertLess(row["peak_bytes"], parts + 4 * MIB + row["loading_bytes"] + plan["tokenizer_loading_bytes"])
        weights = {row["precision"]: row["weight_bytes"] for row in one["precisions"]}
        self.assertLess(weights["bf16"], weights["f32"])
        self.assertLess(weights["int8"], weights["bf16"])

    def test_one_precision_is_one_row(self):
        plan = self.plan("--precision", "int8")
        self.assertEqual([row["precision"] for row in plan["precisions"]], ["int8"])
        self.assertEqual((plan["auto_takes"], plan["auto_peak_bytes"]), ("int8", plan["precisions"][0]["peak_bytes"]))

    def test_what_auto_takes_is_known_after_the_first_load(self):
        # On a tier that has nothing faster than f32 it is known before.
        self.assertEqual(self.plan("--isa", "scalar")["auto_takes"], "f32")
        plan = self.plan()
        if plan["auto_takes"] == "f32":
            self.skipTest("nothing is faster than f32 on this CPU")
        self.assertEqual(plan["auto_takes"], "")
        most = max(row["peak_bytes"] for row in plan["precisions"])
        self.assertGreaterEqual(plan["auto_peak_bytes"], most - 2 * MIB)
        self.assertEqual(run("embed", "--model", MODEL, "a", env={"AKIN_CACHE": self.dir})[0], 0)
        info = json.loads(run("info", "--model", MODEL, "--json", env={"AKIN_CACHE": self.dir})[1])
        self.assertEqual(self.plan()["auto_takes"], info["precision"])

    def test_memory_says_what_fits(self):
        plan = self.plan("--memory", "100g")
        self.assertEqual((plan["memory_limit_bytes"], plan["memory_limit_source"]), (100 << 30, "--memory"))
        self.assertTrue(plan["anything_fits"] and all(row["fits"] for row in plan["precisions"]))
        small = self.plan("--memory", "1MiB", status=1)
        self.assertFalse(small["anything_fits"] or any(row["fits"] for row in small["precisions"]))
        code, out, err = run("plan", "--model", MODEL, "--memory", "1m", "--precision", "f32")
        self.assertEqual((code, err), (1, b""))
        for word in (b"--precision", b"--max-batch-tokens", b"--threads", b"--max-tokens", b" no\n"):
            self.assertIn(word, out)
        for size in ("", "much", "12x", "-3m", "1.5.2g", "nan"):
            self.fails(run("plan", "--model", MODEL, "--memory", size), 2, "--memory")
        for size, count in (("1536k", 1536 << 10), ("0.5G", 1 << 29), ("800000000", 800_000_000), ("2mib", 2 << 20)):
            self.assertEqual(self.plan("--memory", size, status=int(count < 20 * MIB))["memory_limit_bytes"], count)

    def test_table_is_aligned_and_lists_serves_budgets(self):
        code, out, err = run("plan", "--model", MODEL, "--memory", "2g")
        self.assertEqual((code, err), (0, b""))
        lines = out.decode().splitlines()
        head = next(i for i, line in enumerate(lines) if line.strip().startswith("MiB"))
        rows = lines[head:head + 1 + len(PRECISIONS)]
        self.assertEqual([row.split()[0] for row in rows], ["MiB", *PRECISIONS])
        self.assertEqual(len({len(row) for row in rows}), 1, rows)
        plan = self.plan()
        self.assertEqual(plan["serve_bytes"], sum(budget["bytes"] for budget in plan["serve"]))
        if plan["serve"]:  # In every build but one without the server.
            text = out.decode()
            for word in ("--queue-memory", "--answer-memory", "--max-connections", "together"):
                self.assertIn(word, text)

    def test_what_cannot_be_planned_is_said(self):
        self.fails(run("plan", "--model", self.path("none")), 3, "none")
        self.fails(run("plan", "--model", MODEL, "--backend", "python"), 5, "python", "not known beforehand")
        self.fails(run("plan", "--model", MODEL, "--max-tokens", "1000000"), 2, "positions")
        self.fails(run("plan", "--model", MODEL, "--memory"), 2, "--memory")
        here, elsewhere = ("neon", "avx2") if run("info", "--model", MODEL, "--isa", "neon")[0] == 0 else ("scalar", "neon")
        self.assertEqual(self.plan("--isa", here)["isa"], here)
        self.fails(run("plan", "--model", MODEL, "--isa", elsewhere), 2, f"'{elsewhere}'", "a plan is of this machine")
        self.assertIn(b"that this machine's CPU has", run("plan", "--help")[1])

    def test_models_of_every_kind_have_a_plan(self):
        folder = os.path.dirname(MODEL)
        for name in ("splade-bert", "colbert-plain", "cross-bert", "static-embedding", "model2vec", "bert-dense-two"):
            with self.subTest(name):
                plan = self.plan("--threads", "2", model=os.path.join(folder, name))
                self.assertGreater(plan["precisions"][0]["peak_bytes"], plan["program_bytes"])


main()
