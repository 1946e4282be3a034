#!/usr/bin/env python3
"""akin bench: reports, pages, comparisons, and the protocol of the harness for peers.

    bench_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import array
import collections
import html.parser
import json

from akin_program import MODEL, Case, contents, embed, main, run, vectors_of


BENCH = ["bench", "--model", MODEL, "--precision", "f32", "--queries", "20", "--warmup", "2", "--runs", "2"]  # A short run.


def bench(*args):
    code, out, err = run(*BENCH, *args)
    assert (code, err) == (0, b""), (code, err)
    return json.loads(out)


class PageChecker(html.parser.HTMLParser):
    """Counts elements, keeps those left open, and everything that a browser would fetch."""

    VOID = {"meta", "line", "rect", "circle", "polyline"}

    def __init__(self):
        super().__init__()
        self.open, self.outside, self.count = [], [], collections.Counter()

    def handle_starttag(self, tag, attributes):
        self.count[tag] += 1
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in ("script", "link", "img", "iframe") or {"src", "href"} & {k for k, _ in attributes}:
            self.outside.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, tag


class Bench(Case):
    def test_bench_measures_after_a_check(self):
        report = bench("--json")
        for key in ("first_vector_ms", "checked_texts", "peak_memory_bytes", "texts", "tokens"):
            self.assertGreater(report[key], 0, key)
        self.assertTrue(report["machine"]["cpu"] and report["machine"]["kernel"] and report["compiler"])
        setting, = report["settings"]
        lengths = [length["tokens"] for length in setting["latency"]]
        self.assertEqual(lengths, [n for n in (5, 16, 32, 64, 128, 256, 512) if n <= max(lengths)])
        for length in setting["latency"]:
            p50 = length["p50_ms"]
            self.assertTrue(0 < p50["least"] <= p50["median"] <= p50["most"])
            # Of 20 calls there is no P99, and of fewer, on a slow machine, no P95.
            self.assertEqual((length["p95_ms"] is None, length["p99_ms"]), (length["calls"] < 20, None))
            self.assertLessEqual(p50["least"], length["p95_ms"] or p50["least"])
            self.assertGreaterEqual(length["calls"], 6)
        for key in ("tokens_per_second", "gflops", "load_ms", "threads", "batch_tokens"):
            self.assertGreater(setting[key], 0, key)
        self.assertTrue(0 < setting["tokenize_share"] < 1)
        self.assertNotIn("quality", setting)  # f32 is what the others are measured against.
        file = self.write("t.jsonl", '{"text":"one"}\n{"text":"two"}\n')
        out = run(*BENCH, "--input", file)[1].decode()
        for word in ("machine", "load", "P95", "texts/s", "2 texts", "t.jsonl"):
            self.assertIn(word, out)
        self.fails(run(*BENCH, "--input", self.write("e.jsonl", "")), 2, "e.jsonl")

    def test_percentiles_are_of_enough_calls(self):
        few, many = self.path("few.json"), self.path("many.json")
        page = self.path("page.html")
        code, out, err = run("bench", "--model", MODEL, "--precision", "f32", "--queries", "9", "--warmup", "0", "--runs", "3",
                             "--json", few, "--html", page, "--quiet")
        self.assertEqual(code, 0, err)
        with open(few, encoding="utf-8") as file:
            for length in json.load(file)["settings"][0]["latency"]:
                self.assertEqual((length["calls"], length["p95_ms"], length["p99_ms"]), (9, None, None))
        rows = [line.split() for line in out.decode().splitlines()]
        self.assertEqual([row[2:] for row in rows if row[:1] == ["16"]], [["-", "-", "9"]])
        self.assertIn("P95 takes 20, P99 100", out.decode())
        with open(page, encoding="utf-8") as file:
            self.assertEqual(file.read().count("<td>-</td>"), 2 * sum(row[2:] == ["-", "-", "9"] for row in rows))
        # A report without them is one to compare with, and P99 is there from 100 calls on.
        code, out, err = run("bench", "--model", MODEL, "--precision", "f32", "--queries", "100", "--warmup", "0", "--runs", "1",
                             "--json", many, "--compare", few, "--quiet")
        self.assertEqual(code, 0, err)
        with open(many, encoding="utf-8") as file:
            report = json.load(file)
        self.assertTrue(any("16 tokens, P50" in change["what"] for change in report["changes"]), report["changes"])
        for length in report["settings"][0]["latency"]:
            if length["calls"] == 100:
                self.assertTrue(length["p50_ms"]["least"] <= length["p95_ms"] <= length["p99_ms"])
        self.assertEqual(report["settings"][0]["latency"][0]["calls"], 100)

    def test_bench_says_where_the_time_goes(self):
        setting, = bench("--json")["settings"]
        peak = setting["machine_peak"]
        self.assertGreater(peak["read_bytes_per_second"]["memory"], 0)
        self.assertEqual(peak["threads"], setting["threads"])
        self.assertEqual([b["workload"] for b in setting["breakdowns"]], ["all texts in one call", "single sentences"])
        for breakdown in setting["breakdowns"]:
            stages = {stage["name"]: stage for stage in breakdown["stages"]}
            self.assertAlmostEqual(sum(stage["share"] for stage in breakdown["stages"]), 1, delta=0.02)
            self.assertGreater(stages["attention"]["operations_per_second"], 0)
            self.assertGreater(stages["feed-forward up"]["bytes_per_second"], 0)
            self.assertIn("linear", [kernel["name"] for kernel in breakdown["kernels"]])
            shares = [kernel["share"] for kernel in breakdown["kernels"]]
            self.assertEqual(shares, sorted(shares, reverse=True))
        out = run(*BENCH)[1].decode()
        for word in ("where the time goes", "feed-forward down", "of peak", "GB/s", "hand-over"):
            self.assertIn(word, out)

    def test_bench_scores_a_retrieval_task(self):
        self.write("corpus.jsonl", "".join(json.dumps({"id": f"d{i}", "text": f"text {i}"}) + "\n" for i in range(30)))
        self.write("queries.jsonl", '{"id":"q","text":"text 7"}\n{"id":"r","text":"text 8"}\n')
        self.write("qrels.tsv", "q\td7\nr\td8\n")
        report = bench("--retrieval", self.path(""), "--quality-only", "--json")
        setting, = report["settings"]
        self.assertEqual(setting["latency"], [])
        self.assertNotIn("texts_per_second", setting)
        retrieval = setting["retrieval"]
        self.assertEqual((retrieval["queries"], retrieval["documents"], retrieval["ranks"]), (2, 30, [1, 1]))
        self.assertEqual((retrieval["recall_at_1"], retrieval["ndcg_at_10"]), (1, 1))
        out = run(*BENCH, "--retrieval", self.path(""), "--quality-only")[1].decode()
        self.assertIn("nDCG@10", out)
        self.write("qrels.tsv", "q\td99\n")
        self.fails(run(*BENCH, "--retrieval", self.path("")), 2, "qrels.tsv, line 1", "d99")
        self.fails(run(*BENCH, "--retrieval", self.path("none")), 66, "corpus.jsonl")
        self.fails(run(*BENCH, "--quality-only", "--compare", "x.json"), 2, "--quality-only")

    def test_bench_refuses_before_it_measures(self):
        """What is wrong costs no run: this one would take days."""
        endless = ["bench", "--queries", "1000000", "--runs", "1000000"]
        none = [*endless, "--model", self.path("none")]  # Not even loaded.
        self.fails(run(*none, "--compare", self.path("old.json")), 66, "old.json")
        self.fails(run(*none, "--compare", self.write("no.json", "{}")), 2, "no.json", "no report of akin bench")
        self.fails(run(*none, "--html", self.path("x/r")), 73, "x/r: cannot be created")
        self.fails(run(*none, "--html", self.path("r")), 3, "none")
        self.fails(run(*none, "--json", self.path("x/r")), 73, "x/r: cannot be created")  # In words: it prints for people.
        code, out, _ = run(*none, "--json")
        self.assertEqual((code, json.loads(out)["error"]["category"]), (3, "ModelNotFound"))
        self.assertEqual(run(*none, "--json", self.path("r"))[0], 3)
        self.fails(run(*endless, "--model", MODEL, "--retrieval", self.path("x")), 66, "x/corpus.jsonl")
        self.nothing_left("no.json")

    def test_bench_measures_settings_side_by_side(self):
        report = bench("--precisions", "f32", "--thread-counts", "1,2", "--json=-")
        self.assertEqual([(s["precision"], s["threads"]) for s in report["settings"]], [("f32", 1), ("f32", 2)])
        self.fails(run(*BENCH, "--precisions", "f31"), 2, "--precisions", "f31")

    def test_bench_writes_pages_that_need_nothing_from_elsewhere(self):
        file = self.write("<b>&.jsonl", '{"text":"one"}\n')
        code, out, err = run(*BENCH, "--input", file, "--html", self.path("r.html"), "--json", self.path("r.json"))
        self.assertEqual((code, err), (0, b""))
        self.assertIn(b"machine", out)
        page = contents(self.path("r.html")).decode()
        checker = PageChecker()
        checker.feed(page)
        self.assertEqual(checker.open, [])
        self.assertEqual(checker.outside, [])
        self.assertEqual(checker.count["svg"], 5)  # Latency, throughput, two breakdowns, the roofline.
        self.assertIn("prefers-color-scheme: dark", page)
        self.assertIn("&lt;b&gt;&amp;.jsonl", page)
        self.assertNotIn("<b>", page)
        self.nothing_left("<b>&.jsonl", "r.html", "r.json")
        self.fails(run(*BENCH, "--html", self.path("none/r.html")), 73, "none")

    def test_bench_compares_with_an_older_report(self):
        old = self.path("old.json")
        self.assertEqual(run(*BENCH, "--json", old)[0], 0)
        def compare(scale, *args):
            with open(old, encoding="utf-8") as f:
                report = json.load(f)
            setting = report["settings"][0]
            for length in setting["latency"]:
                length["p50_ms"] = {k: v * scale for k, v in length["p50_ms"].items()}
            rate = setting["texts_per_second"]
            setting["texts_per_second"] = {k: v / scale for k, v in rate.items()}
            return run(*BENCH, "--compare", self.write("scaled.json", json.dumps(report)), *args)
        # An older report that was a thousand times as slow, or as fast: far outside of any noise.
        code, out, err = compare(1000, "--json", "--fail-below", "1")
        self.assertEqual((code, err), (0, b""))
        report = json.loads(out)
        self.assertGreater(len(report["changes"]), 3)
        for change in report["changes"]:
            self.assertTrue(change["speedup"] > 10 and change["beyond_noise"], change)
        code, out, err = compare(0.001, "--fail-below", "0.5")
        self.assertEqual(code, 1)
        self.assertIn(b"slower", out)
        self.assertIn(b"allowed are 0.5", err)
        self.assertEqual(compare(0.001)[0], 0)  # Only --fail-below makes it a failure.
        self.fails(run(*BENCH, "--fail-below", "0.5"), 2, "--compare")

    def test_bench_refuses_what_is_no_report(self):
        wide = {"median": 2, "least": 1, "most": 3}
        def report(**changes):
            setting = {"precision": "f32", "threads": 1, "latency": [], "texts_per_second": wide, **changes}
            return json.dumps({"akin_bench": 1, "corpus": "built-in sentences", "settings": [setting]})
        for name, text, words in (
                ("empty", "", ["no report"]), ("list", "[1]", ["no report"]), ("other", "{}", ["no report"]),
                ("newer", '{"akin_bench": 2}', ["format 2", "expected 1"]),
                ("deep", "[" * 100000, ["no report"]),
                ("none", '{"akin_bench": 1, "settings": 7}', ["none of the settings"]),
                ("threads", report(threads=7), ["none of the settings"]),
                ("negative", report(texts_per_second={**wide, "least": -1}), ["texts_per_second"]),
                ("text", report(texts_per_second="fast"), ["texts_per_second"]),
                ("missing", report(latency=[{"tokens": 5}]), ["p50_ms"])):
            path = self.write(name, text)
            self.fails(run(*BENCH, "--threads", "1", "--compare", path), 2, name, *words)
        self.fails(run(*BENCH, "--compare", self.path("nowhere")), 66, "nowhere")
        self.fails(run(*BENCH, "--compare", self.dir), 66)
        with open(self.path("huge"), "wb") as f:
            f.truncate(1 << 30)
        self.fails(run(*BENCH, "--compare", self.path("huge")), 2, "huge", "larger")

    def test_peer_speaks_the_harness_protocol(self):
        file = self.write("t.jsonl", '{"text":"a b c"}\n{"text":"d"}\n{"text":"e f"}\n')
        requests = [
            {"op": "latency", "file": file, "max_len": 64, "pad_to": 0, "warmup": 2, "calls": 5},
            {"op": "latency", "file": file, "max_len": 64, "pad_to": 64, "warmup": 0, "calls": 1},
            {"op": "throughput", "file": file, "max_len": 64, "warmup": 2, "runs": 3, "limit": 2},
            {"op": "embed", "file": file, "max_len": 64, "out": self.path("v.f32")},
            {"op": "dance", "file": file, "max_len": 64},
            {"op": "embed", "file": self.path("none"), "max_len": 64, "out": self.path("w.f32")},
            {"op": "latency", "file": file, "max_len": 100000, "warmup": 0, "calls": 1},
            {"op": "quit"}]
        lines = "".join(json.dumps(r) + "\n" for r in requests) + "never read\n"
        code, out, err = run("bench", "--peer", "--model", MODEL, stdin=lines.encode())
        self.assertEqual((code, err), (0, b""))
        ready, one, padded, many, done, dance, none, long = map(json.loads, out.splitlines())
        self.assertTrue(ready["ready"] and ready["load_s"] > 0 and "akin" in ready["version"])
        self.assertEqual(len(one["ns"]), 5)
        self.assertEqual(len(padded["ns"]), 1)
        self.assertTrue(all(isinstance(x, int) and x > 0 for x in one["ns"]))
        self.assertEqual(len(many["seconds"]), 3)
        values = array.array("f", contents(self.path("v.f32")))
        self.assertEqual(len(values), done["rows"] * done["dim"])
        want = vectors_of(embed("a b c", "d", "e f")[1])
        self.assertEqual(values, array.array("f", [x for r in want for x in r["embedding"]]))
        self.assertIn("dance", dance["unsupported"])
        self.assertIn("none", none["error"])
        self.assertIn("positions", long["unsupported"])


if __name__ == "__main__":
    main()
