#!/usr/bin/env python3
"""akin similarity, tokenize, info, doctor, help, completion, and that docs/cli.md says what is so.

    verbs_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import json
import os
import re
import select
import shutil
import struct
import subprocess

from akin_program import AKIN, MODEL, SECONDS, Case, cosine, embed, main, read_npy, run, vectors_of



def shortest_of_float32(x):
    """The fewest digits that are read as the same float32 as `x`."""
    same = struct.pack("f", x)
    return next(s for s in (f"{x:.{digits}g}" for digits in range(1, 10)) if struct.pack("f", float(s)) == same)


class Verbs(Case):
    def test_similarity_is_a_labelled_matrix(self):
        texts = ["A dog barks.", "東京は日本の首都です。", "x" * 300]
        code, out, err = run("similarity", "--model", MODEL, *texts)
        self.assertEqual(code, 0, err)
        lines = out.decode().splitlines()
        self.assertEqual(lines[0].split(), ["1", "2", "3"])
        self.assertTrue(lines[1].startswith("1 A dog barks."))
        self.assertEqual([line.split()[-3 + i] for i, line in enumerate(lines[1:])], ["1.0000"] * 3)
        matrix = json.loads(run("similarity", "--model", MODEL, "--json", *texts)[1])["similarity"]
        vectors = [r["embedding"] for r in vectors_of(embed(*texts)[1])]
        for i in range(3):
            for j in range(3):
                self.assertAlmostEqual(matrix[i][j], cosine(vectors[i], vectors[j]), 6)

    def test_similarity_has_the_digits_of_a_float32(self):
        texts = [f"Text {i} of some words that are{' not' * (i % 3)} alike." for i in range(40)]
        out = run("similarity", "--model", MODEL, "--json", *texts)[1].decode()
        for i, row in enumerate(json.loads(out)["similarity"]):
            self.assertEqual(row[i], 1)
            self.assertTrue(all(-1 <= x <= 1 for x in row))
        for number in re.findall(r"[\d.e-]+", out[out.index("similarity"):]):
            self.assertEqual(float(number), float(shortest_of_float32(float(number))))

    def test_similarity_of_two_texts_is_seen_at_a_glance(self):
        out = run("similarity", "--model", MODEL, "same", "same")[1].decode()
        self.assertIn("similarity 1.0000", out)
        self.fails(run("similarity", "--model", MODEL, "one"), 2, "found 1")
        self.fails(run("similarity", "--model", MODEL, stdin=b"x\n" * 1001), 2, "1,000")

    def test_tokenize_shows_ids_offsets_and_pieces(self):
        text = "Café and 東京"
        out = json.loads(run("tokenize", "--model", MODEL, "--json", text)[1])
        self.assertEqual(len(out["ids"]), len(out["tokens"]))
        for begin, end in out["offsets"]:
            self.assertTrue(0 <= begin <= end <= len(text))
        file = os.path.join(MODEL, "tokenizer.json")
        ids = run("tokenize", "--tokenizer", file, "--ids", text)[1].decode().split()
        self.assertEqual([int(i) for i in ids], out["ids"])
        self.assertEqual(int(run("tokenize", "--model", MODEL, "--count", text)[1]), len(ids))
        people = run("tokenize", "--model", MODEL, text)[1].decode()
        self.assertTrue(people.startswith(text + "\n"), people)
        for number in ids:
            self.assertRegex(people, rf"(?m)^  {number} ")
        special = run("tokenize", "--model", MODEL, "--no-special", "--count", text)[1]
        self.assertLess(int(special), len(ids))
        self.assertEqual(run("tokenize", "--model", MODEL, "--count", stdin=b"a\nb\n")[1].count(b"\n"), 2)
        self.fails(run("tokenize", "--tokenizer", self.path("none.json"), "x"), 3, "none.json")

    def test_tokenize_pads_nothing_and_cuts_only_when_asked(self):
        padded = os.path.join(os.path.dirname(MODEL), "bert-fixed-padding")
        seen = json.loads(run("embed", "--model", padded, "--ids", "a text")[1])["ids"]
        self.assertEqual(json.loads(run("tokenize", "--model", padded, "--json", "a text")[1])["ids"], seen)
        self.assertEqual(int(run("tokenize", "--model", padded, "--count", "a text")[1]), len(seen))
        self.assertGreater(int(run("tokenize", "--model", padded, "--count", "a " * 300)[1]), 300)

    def answers(self, *requests, raw=b""):
        lines = "".join(json.dumps(r) + "\n" for r in requests).encode() + raw
        code, out, err = run("tokenize", "--model", MODEL, "--jsonl", stdin=lines)
        self.assertEqual((code, err), (0, b""))
        return [json.loads(line) for line in out.splitlines()]

    def test_tokenize_answers_requests(self):
        text, pair = "Café and 東京", "a dog"
        one, two, batch, back = self.answers(
            {"id": "x", "text": text}, {"id": 2, "text": text, "pair": pair},
            {"id": 3, "op": "encode_batch", "texts": [text, pair], "truncation": None,
             "padding": {"strategy": "BatchLongest", "pad_id": 7}},
            {"id": 4, "op": "decode", "decode_ids": [], "skip_special_tokens": True})
        shown = json.loads(run("tokenize", "--model", MODEL, "--json", text)[1])
        self.assertEqual((one["id"], one["ids"], one["offsets"]), ("x", shown["ids"], shown["offsets"]))
        self.assertEqual(two["ids"][:len(one["ids"])], one["ids"])
        self.assertEqual(set(two["type_ids"]), {0, 1})
        first, second = batch["batch"]
        self.assertEqual(first["ids"], one["ids"])
        self.assertEqual(len(second["ids"]), len(first["ids"]))
        self.assertEqual(second["ids"][-1], 7)
        self.assertEqual(second["attention_mask"][-1], 0)
        self.assertEqual(back, {"id": 4, "decoded": ""})

    def test_tokenize_cuts_as_the_request_says(self):
        cut = {"max_length": 4, "stride": 1, "direction": "Left"}
        whole, parts, too_few, too_long = self.answers(
            {"id": 1, "text": "a b c d e", "truncation": None},
            {"id": 2, "text": "a b c d e", "truncation": cut},
            {"id": 3, "text": "a", "truncation": {"max_length": 1}},
            {"id": 4, "text": "a b c d e", "truncation": {**cut, "stride": 9}})
        tokens = whole["ids"][1:-1]
        self.assertEqual(parts["ids"][1:-1], tokens[-2:])
        self.assertEqual(parts["overflowing"][0]["ids"][1:-1], tokens[-3:-1])
        self.assertIn("special tokens", too_few["error"])
        self.assertIn("stride", too_long["error"])

    def test_tokenize_answers_bad_lines_with_errors(self):
        bad = [b'{"id":1,"text":7}', b'{"id":"\\u0041","text":"\xff"}', b'[1]', b'{"id":2,"text":"a"',
               b'{"id":3}', b'{"id":4,"op":"fly"}', b'{"id":5,"text":"a","truncation":{}}', b"",
               b'{"id":123456789012345678901234567890,"text":"a"}',
               b'{"id":6,"op":"decode","decode_ids":[-1]}', b'{"id":7,"text":"\\ud800"}',
               b'{"id":8,"text":"fine"}']
        got = self.answers(raw=b"\n".join(bad))
        self.assertEqual([a["id"] for a in got][:7], [1, "A", None, 2, 3, 4, 5])
        self.assertEqual([a["id"] for a in got][-3:], [6, 7, 8])
        self.assertTrue(all(len(a["error"]) > 9 for a in got[:-1] if a["id"] != 8), got)
        self.assertIn("ids", got[-1])
        self.fails(run("tokenize", "--model", MODEL, "--jsonl", "a text"), 2, "--jsonl")
        self.fails(run("tokenize", "--model", MODEL, "--jsonl", "--ids"), 2, "--jsonl")

    def test_tokenize_answers_before_the_next_request(self):
        p = subprocess.Popen([AKIN, "tokenize", "--model", MODEL, "--jsonl"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        self.addCleanup(p.stdout.close)
        for i in range(3):
            p.stdin.write(b'{"id":%d,"text":"a"}\n' % i)
            p.stdin.flush()
            ready, _, _ = select.select([p.stdout], [], [], SECONDS)
            self.assertTrue(ready)
            self.assertEqual(json.loads(p.stdout.readline())["id"], i)
        p.stdin.close()
        self.assertEqual(p.wait(SECONDS), 0)

    def test_info_describes_the_model(self):
        info = json.loads(run("info", "--model", MODEL, "--json", "--precision", "f32")[1])
        with open(os.path.join(MODEL, "config.json"), encoding="utf-8") as f:
            config = json.load(f)
        self.assertEqual(info["dimension"], config["hidden_size"])
        self.assertEqual(info["num_layers"], config["num_hidden_layers"])
        self.assertEqual((info["backend"], info["precision"]), ("native", "f32"))
        self.assertIn(str(info["dimension"]).encode(), run("info", "--model", MODEL)[1])

    def test_doctor_is_well_only_when_everything_works(self):
        code, out, _ = run("doctor", "--model", MODEL, "--json")
        report = json.loads(out)
        self.assertEqual((code, report["ok"], report["model"]["ok"]), (0, True, True))
        self.assertTrue(report["system"]["threads_source"])
        self.assertIn(report["system"]["chosen_isa"],
                      [i["isa"] for i in report["system"]["isas"] if i["usable"]])
        text = run("doctor", "--model", MODEL)[1].decode()
        for word in ("threads", "Instruction sets", "chosen", "memory", "looked for", "embeds a text"):
            self.assertIn(word, text)
        self.assertIn(report["http_client"]["version" if report["http_client"]["found"] else "reason"], text)
        for isa in report["system"]["isas"]:
            self.assertIn(f"  {isa['isa']} ", text)
        code, out, _ = run("doctor", "--model", self.path("none"))
        self.assertEqual(code, 3)
        self.assertIn(b"FAILED", out)
        code, out, _ = run("doctor", "--model", self.path("none"), "--json")
        self.assertEqual((code, json.loads(out)["model"]["error"]["category"]), (3, "ModelNotFound"))

    def test_version_and_help(self):
        self.assertRegex(run("--version")[1].decode(), r"\Aakin \d+\.\d+\.\d+ \(.+\)\n\Z")
        top = run("--help")[1].decode()
        verbs = re.findall(r"(?m)^  (\w+)  +\S", top.split("Subcommands:")[1].split("Examples:")[0])
        # serve is not in every build.
        self.assertEqual(set(verbs) - {"serve"},
                         {"embed", "rerank", "classify", "sparse", "multivector", "similarity", "tokenize", "info", "pull",
                          "models", "bridge", "doctor", "bench", "tune", "plan", "completion", "help"})
        for verb in verbs:
            code, out, err = run(verb, "--help")
            self.assertEqual((code, err), (0, b""))
            self.assertIn(b"Examples:", out)
            self.assertIn(f"akin {verb}".encode(), out)
            self.assertEqual(run("help", verb)[1], out)
        statuses = run("help", "exit-status")[1].decode()
        for word in ("InvalidInput", "73", "74", "130", "141", "143"):
            self.assertIn(word, statuses)
        self.fails(run("help", "nothing"), 2, "nothing")

    def test_help_says_defaults(self):
        for verb, option, default in (("bench", "--runs", "3; with --full 7"), ("bench", "--queries", "200; with --full 2000"),
                                      ("bench", "--warmup", "20"), ("tune", "--runs", "5"), ("embed", "--run-timeout", "60"),
                                      ("embed", "--child-timeout", "30"), ("embed", "--backend", "auto"), ("embed", "--overflow", "truncate")):
            text = " ".join(run(verb, "--help")[1].decode().split())
            self.assertRegex(text, rf"{option} [^()]*?(\([^d][^()]*\)[^()]*?)*\(default: {re.escape(default)}\)", (verb, option))
        # What is not set has none, and nothing is said twice.
        page = run("embed", "--help")[1].decode()
        self.assertEqual(page.count("default: 0)"), 1)  # --window-overlap
        self.assertNotRegex(page, r"default.*\(default: ")

    def test_models_in_folders_are_listed(self):
        os.makedirs(self.path("models/one"))
        for file in ("config.json", "tokenizer.json", "model.safetensors"):
            shutil.copy(os.path.join(MODEL, file), os.path.join(self.path("models/one"), file))
        environment = {**os.environ, "AKIN_CACHE": self.dir, "HF_HOME": self.path("hub")}
        def models(*args):
            return subprocess.run([AKIN, "models", *args], capture_output=True, text=True, env=environment, timeout=SECONDS, check=True).stdout
        self.assertRegex(models(), rf"(?m)^one +folder +{re.escape(self.path('models/one'))}$")
        self.assertEqual(models("--names"), "one\n")
        self.assertEqual(json.loads(models("--json")), [{"model": "one", "path": self.path("models/one")}])

    def test_completions_know_every_option(self):
        options = {verb: set(re.findall(r"(--[a-z-]+)", run(verb, "--help")[1].decode().split("Options:")[1]
                                        .split("Examples:")[0])) for verb in ("embed", "bench")}
        for shell in ("bash", "zsh", "fish"):
            script = run("completion", shell)[1].decode()
            for names in options.values():
                for name in names:
                    self.assertIn(f"-l {name[2:]}" if shell == "fish" else name, script, shell)
            if shutil.which(shell):
                p = subprocess.run([shell, "-n"], input=script.encode(), capture_output=True, timeout=SECONDS)
                self.assertEqual((p.returncode, p.stderr), (0, b""))
        self.fails(run("completion", "csh"), 2, "csh", "bash")

    def test_bash_completes_options_and_values(self):
        if not shutil.which("bash"):
            self.skipTest("no bash here")
        def complete(*words):
            script = run("completion", "bash")[1].decode()
            script += (f"\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _akin; "
                       'echo "${COMPREPLY[@]}"')
            p = subprocess.run(["bash", "-c", script], capture_output=True, timeout=SECONDS, cwd=self.dir,
                               env={**os.environ, "AKIN_CACHE": self.dir, "HF_HOME": self.path("hub")})
            return p.stdout.decode().split()
        self.assertEqual(complete("akin", "emb"), ["embed"])
        self.assertEqual(complete("akin", "embed", "--max"), ["--max-tokens"])
        self.assertEqual(complete("akin", "embed", "--format", "n"), ["npy"])
        self.assertEqual(complete("akin", "embed", "--precision", "b"), ["bf16x3", "bf16"])
        self.assertEqual(complete("akin", "help", "exi"), ["exit-status"])
        self.assertEqual(complete("akin", "help", "emb"), ["embed"])
        self.assertEqual(complete("akin", "completion", "z"), ["zsh"])
        # Models by their names, and folders.
        os.makedirs(self.path("models/one/1_Pooling"))
        for file in ("config.json", "tokenizer.json", "model.safetensors"):
            shutil.copy(os.path.join(MODEL, file), os.path.join(self.path("models/one"), file))
        for option in ("--model", "-m"):
            self.assertEqual(complete(AKIN, "embed", option, "on"), ["one"])
        self.assertEqual(complete(AKIN, "pull", "on"), ["one"])
        os.makedirs(self.path("some-folder"))
        self.assertEqual(complete(AKIN, "embed", "--model", "some"), ["some-folder"])

    def test_no_folder_s_name_is_run_by_a_completion(self):
        if not shutil.which("bash"):
            self.skipTest("no bash here")
        names = ["$(touch ran)", "`touch ran`", "a b", "c;touch ran"]
        for name in [*names, "one"]:
            for place in ("models/", ""):
                os.makedirs(self.path(place + name))
                self.write(f"{place}{name}/config.json", b"{}")
        environment = {**os.environ, "AKIN_MODELS_DIR": self.path("models"), "AKIN_CACHE": self.path("none"), "HF_HOME": self.path("none")}
        p = subprocess.run([AKIN, "models", "--names"], capture_output=True, env=environment, timeout=SECONDS, check=True)
        self.assertEqual(p.stdout, b"one\n")
        # A program that prints such names all the same.
        self.write("fake", b"#!/bin/sh\nprintf '%s\\n' '$(touch ran)' '`touch ran`' 'c;touch ran' two\n")
        os.chmod(self.path("fake"), 0o755)
        script = run("completion", "bash")[1].decode()
        folders = [*names, "models", "one"]
        for program, option, expected in ((AKIN, "--model", [*folders, "one"]), ("./fake", "--model", [*folders, "two"]),
                                          (AKIN, "--optimized-model-cache", folders)):
            line = f"\nCOMP_WORDS=({program} embed {option} ''); COMP_CWORD=3; _akin; printf '%s\\n' \"${{COMPREPLY[@]}}\""
            p = subprocess.run(["bash", "-c", script + line], capture_output=True, text=True, env=environment, cwd=self.dir, timeout=SECONDS)
            self.assertEqual(sorted(p.stdout.splitlines()), sorted(expected), p.stderr)
            self.assertFalse(os.path.exists(self.path("ran")), (program, option))


DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "cli.md")


class Docs(Case):
    def test_every_example_runs(self):
        with open(DOCS, encoding="utf-8") as f:
            examples = re.findall(r"(?ms)^```sh\n(.*?)^```$", f.read())
        self.assertGreater(len(examples), 10)
        # No test depends on a speed: on a busy machine any figure may be a hundredth of the last one.
        examples = [re.sub(r" --fail-below \S+", "", example) for example in examples]
        # The default model is replaced, so that the test says something without the download.
        script = """set -eo pipefail
            akin() { case "$1" in completion) "$AKIN" "$@" ;; *) "$AKIN" "$@" --model "$MODEL" ;; esac; }
            """
        p = subprocess.run(["bash", "-c", script + "\n".join(examples)], cwd=self.dir, capture_output=True,
                           timeout=SECONDS, env={**os.environ, "AKIN": AKIN, "MODEL": MODEL})
        self.assertEqual(p.returncode, 0, p.stderr.decode())
        self.assertEqual(read_npy(self.path("vectors.npy"))[0][0], 2)

    def test_every_option_is_documented_and_every_documented_one_is_there(self):
        option = r"(?<![\w-])--[a-z][a-z0-9-]*"
        verbs = re.findall(r"(?m)^  ([a-z]+)  +\S", run("--help")[1].decode())
        self.assertGreater(len(verbs), 10)
        given = {name: verb for verb in verbs if verb != "help" for name in re.findall(option, run(verb, "--help")[1].decode())}
        if "--port" not in given:
            self.skipTest("built without the server, whose options the pages have")
        folder = os.path.dirname(DOCS)
        pages = {}
        for name in os.listdir(folder):
            if name.endswith(".md"):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    pages[name] = f.read()
        said = set(re.findall(option, "".join(pages.values())))
        self.assertEqual({name: verb for name, verb in given.items() if name not in said}, {})
        for name in ("cli.md", "outputs.md", "tokenizer.md", "hub.md", "python-backend.md", "remote-backend.md", "akidb.md"):
            ours = re.sub(r"\./dev \w+[^`\n]*|cmake[^`\n]*", "", pages[name])  # Options of other programs.
            self.assertEqual(set(re.findall(option, ours)) - set(given), set(), name)

    def test_every_exit_status_is_documented(self):
        with open(DOCS, encoding="utf-8") as f:
            page = f.read()
        rows = re.findall(r"(?m)^ +(\d+)  (\w*)", run("help", "exit-status")[1].decode())
        self.assertGreater(len(rows), 10)
        for status, category in rows:
            self.assertRegex(page, rf"(?m)^\| [^|]*\b{status}\b[^|]*\| [^|]*{category}")


if __name__ == "__main__":
    main()
