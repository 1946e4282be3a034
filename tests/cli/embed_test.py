#!/usr/bin/env python3
"""akin embed: texts in, vectors out, in every format; inputs that are wrong, pipes and full disks.

    embed_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import array
import json
import math
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import unittest

from akin_program import (AKIN, MODEL, SECONDS, Case, contents, cosine, embed, main, read_npy, run, sanitizer,
                          vectors_of)


class Embed(Case):
    def test_texts_are_arguments(self):
        code, out, err = embed("A text.", "[a, b]", "{}", "info", "", "--", "--json")
        self.assertEqual((code, err), (0, b""))
        rows = vectors_of(out)
        self.assertEqual([r["id"] for r in rows], [0, 1, 2, 3, 4, 5])
        for i, text in enumerate(["A text.", "[a, b]", "{}", "info", "", "--json"]):
            alone = json.loads(run("embed", "--model", MODEL, "--json", stdin=text.encode())[1])
            self.assertEqual(rows[i]["embedding"], alone["embedding"], text)

    def test_vectors_are_the_references(self):
        path = os.path.join(MODEL, "golden.json")
        if not os.path.exists(path):
            self.skipTest(f"{path} is not there")
        with open(path, encoding="utf-8") as f:
            case = json.load(f)["cases"][0]
        lines = "".join(json.dumps({"text": t}) + "\n" for t in case["texts"])
        code, out, err = embed("--input", "-", "--precision", "f32", stdin=lines.encode())
        self.assertEqual(code, 0, err)
        for got, want in zip(vectors_of(out), case["vectors"], strict=True):
            self.assertGreaterEqual(cosine(got["embedding"], want), 0.99999)

    def test_lines_of_standard_input_keep_blank_ones(self):
        code, out, _ = embed(stdin="a\r\n\nĳ\n".encode())
        self.assertEqual(code, 0)
        self.assertEqual([r["id"] for r in vectors_of(out)], [0, 1, 2])
        self.assertEqual(len(vectors_of(embed("--skip-empty", stdin=b"a\n\nb\n")[1])), 2)

    def test_no_input_gives_no_vector(self):
        self.assertEqual(embed(stdin=b""), (0, b"", b""))

    def test_ids_are_carried_over_verbatim(self):
        lines = (b'{"id":"a\\u00e9","text":"x"}\n{"text":"y"}\n{"text":"z","id":1.50}\n'
                 b'{"id":123456789012345678901234567890,"body":"no","text":"w"}\n')
        code, out, _ = embed("--input", self.write("t.jsonl", lines))
        self.assertEqual(code, 0)
        heads = [re.match(rb'\{"id":(.*),"embedding":', line).group(1) for line in out.splitlines()]
        self.assertEqual(heads, [b'"a\\u00e9"', b"1", b"1.50", b"123456789012345678901234567890"])

    def test_field_names_the_text(self):
        file = self.write("t.jsonl", '{"text":"no","body":"yes"}\n')
        self.assertEqual(vectors_of(embed("-i", file, "--field", "body")[1])[0]["embedding"],
                         vectors_of(embed("yes")[1])[0]["embedding"])

    def test_order_is_kept_over_many_lines(self):
        texts = [("word " * (i * 7 % 40)) + str(i) for i in range(10000)]
        file = self.write("t.jsonl", "".join(json.dumps({"id": i, "text": t}) + "\n"
                                             for i, t in enumerate(texts)))
        code, out, err = embed("-i", file)
        self.assertEqual(code, 0, err)
        rows = vectors_of(out)
        self.assertEqual([r["id"] for r in rows], list(range(10000)))
        picked = [0, 1, 4095, 4096, 5461, 8191, 8192, 9999]
        alone = vectors_of(embed(*(texts[i] for i in picked))[1])
        for i, one in zip(picked, alone, strict=True):
            self.assertEqual(rows[i]["embedding"], one["embedding"])

    def test_formats_hold_the_same_values(self):
        texts = ["one", "two words", "and three words"]
        rows = vectors_of(embed(*texts)[1])
        flat = array.array("f", [x for r in rows for x in r["embedding"]])
        for name, *more in (("v.npy",), ("v.f32",), ("v.raw",), ("v.bin",), ("v", "--format", "npy")):
            code, out, err = embed(*texts, "--output", self.path(name), *more)
            self.assertEqual((code, out, err), (0, b"", b""))
            if "npy" in name or more:
                shape, values = read_npy(self.path(name))
                self.assertEqual(shape, (3, len(rows[0]["embedding"])))
            else:
                values = array.array("f", contents(self.path(name)))
            self.assertEqual(values, flat)
        embed(*texts, "-o", self.path("v.jsonl"))
        self.assertEqual(vectors_of(contents(self.path("v.jsonl"))), rows)
        with open(self.path("redirected.npy"), "wb") as f:
            self.assertEqual(embed(*texts, "--format", "npy", stdout=f)[0], 0)
        self.assertEqual(read_npy(self.path("redirected.npy"))[1], flat)

    def test_vectors_have_length_one_unless_told_otherwise(self):
        length = lambda *a: math.sqrt(sum(
            x * x for x in vectors_of(embed("A text.", *a)[1])[0]["embedding"]))
        self.assertAlmostEqual(length(), 1, 5)
        self.assertAlmostEqual(length("--normalize"), 1, 5)
        self.assertGreater(abs(length("--no-normalize") - 1), 1e-3)

    def test_special_files_are_written_directly(self):
        self.assertEqual(embed("a", "-o", "/dev/null"), (0, b"", b""))
        code, out, _ = embed("a", "-o", "/dev/stdout")
        self.assertEqual((code, len(vectors_of(out))), (0, 1))
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        p = subprocess.Popen([AKIN, "embed", "--model", MODEL, "a", "b", "-o", fifo])
        with open(fifo, "rb") as f:
            self.assertEqual(len(vectors_of(f.read())), 2)
        self.assertEqual(p.wait(SECONDS), 0)
        self.nothing_left("fifo")

    def test_slow_producer_gets_its_vectors_before_the_end(self):
        p = subprocess.Popen([AKIN, "embed", "--model", MODEL], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        for i in range(3):
            p.stdin.write(b"a line\n")
            p.stdin.flush()
            self.assertTrue(select.select([p.stdout], [], [], SECONDS)[0])
            self.assertEqual(json.loads(p.stdout.readline())["id"], i)
        p.stdin.close()
        p.stdout.close()
        self.assertEqual(p.wait(SECONDS), 0)

    def test_cut_texts_are_reported_once(self):
        code, out, err = embed("word " * 50, "short", "--max-tokens", "8")
        self.assertEqual((code, len(vectors_of(out))), (0, 2))
        self.assertRegex(err.decode(), r"\Aakin: 1 of 2 texts was longer than 8 tokens and was cut; "
                                       r"--max-tokens raises the limit, up to \d+\n\Z")
        self.fails(embed("short", "word " * 50, "--max-tokens", "8", "--no-truncate"), 2, "text 2")
        self.nothing_left()

    def test_text_that_is_refused_is_named_by_its_line(self):
        lines = "short\n" * 9000 + "word " * 50 + "\n"
        self.fails(embed("--max-tokens", "8", "--no-truncate", "-o", self.path("v.npy"),
                         stdin=lines.encode()), 2, "standard input, line 9001")
        self.nothing_left()

    def test_json_speaks_of_one_text(self):
        for text in (b"", b"two\nlines\n", "東京".encode(), b"a\0b"):
            code, out, err = embed("--json", stdin=text)
            self.assertEqual((code, err), (0, b""), out)
            self.assertTrue(all(math.isfinite(x) for x in json.loads(out)["embedding"]))
        code, out, _ = embed("--json", "--max-tokens", "4", stdin=b"one two three four five")
        self.assertGreater(json.loads(out)["truncated_tokens"], 0)

    def test_json_failures_are_objects(self):
        for status, category, args, text in (
                (2, "InvalidInput", ["--model", MODEL], b"bad \xff"),
                (2, "InvalidInput", ["--model", MODEL, "--bogus"], b"x"),
                (2, "InvalidInput", ["--model", MODEL, "--threads", "none"], b"x"),
                (2, "InvalidInput", ["--model", MODEL, "--isa", "mmx"], b"x"),
                (2, "InvalidInput", ["--model", MODEL, "--output", "x.npy"], b"x"),
                (3, "ModelNotFound", ["--model", self.path("none")], b"x")):
            code, out, err = run("embed", "--json", *args, stdin=text)
            error = json.loads(out)["error"]
            self.assertEqual((code, error["category"], err), (status, category, b""))
            self.assertTrue(error["message"])

    def test_ten_megabytes_are_one_text(self):
        text = b"word " * 2_000_000
        code, out, err = embed("--input", self.write("t.jsonl", b'{"text":"' + text + b'"}\n'))
        self.assertEqual((code, len(vectors_of(out))), (0, 1))
        self.assertIn(b"1 of 1 text was longer", err)

    def test_memory_is_that_of_a_short_input(self):
        if sanitizer():
            self.skipTest("sanitizers keep freed memory")

        def peak(lines):
            file = self.write("t.jsonl", b"".join(
                b'{"id":%d,"text":"%s"}\n' % (i, b"x" * 2000) for i in range(lines)))
            with open(os.devnull, "wb") as null:
                p = subprocess.Popen([AKIN, "embed", "--model", MODEL, "--max-tokens", "8", "-i", file,
                                      "-o", self.path("v.f32")], stderr=null)
                _, status, usage = os.wait4(p.pid, 0)
                p.returncode = status
            self.assertEqual(status, 0)
            return usage.ru_maxrss / 1024
        self.assertLess(peak(10_000), peak(3_000) + 16)  # MiB; the inputs are 20 and 6 MB.


class BadInput(Case):
    def test_broken_lines_are_named_by_file_and_number(self):
        for line, *words in ((b"{", "not JSON"), (b"hello", "not JSON"), (b"[1]", "an array"),
                             (b"{}", 'no field "text"'), (b'{"text":5}', "a number", "a string"),
                             (b'{"text":"a","x":tru}', "not JSON"), (b'{"text":"a"}}', "not JSON"),
                             (b'{"text":"ab\xff"}', "not UTF-8 at byte 12"),
                             (b'{"text":"a","id":{}}', '"id" is an object')):
            file = self.write("t.jsonl", b'{"text":"fine"}\n\n' + line + b'\n{"text":"fine"}\n')
            self.fails(embed("-i", file, "-o", self.path("v.jsonl")), 2, f"{file}, line 3", *words)
            self.nothing_left("t.jsonl")

    def test_bytes_that_are_not_utf8_are_named(self):
        self.fails(embed(stdin=b"fine\nbad \xff\n"), 2, "standard input, line 2", "byte 5")
        self.fails(embed("fine", b"bad \xff"), 2, "text 2", "byte 5")

    def test_precisions_have_other_names(self):
        vector = embed("x", "--precision", "f32")[1]
        for name in ("fp32", "float32"):
            self.assertEqual(embed("x", "--precision", name)[:2], (0, vector))

    def test_the_name_of_a_file_is_a_text_and_said(self):
        file = self.write("lines.txt", "A line.\nAnother.\n")
        code, out, err = embed(file)
        self.assertEqual((code, out.count(b"\n"), err.count(b"\n")), (0, 1, 1))
        for word in (file, "is a file", "--input"):
            self.assertIn(word, err.decode())
        self.assertEqual(embed("--quiet", file), (0, out, b""))
        for texts in ((file, "x"), (self.dir,), (file + "x",)):
            self.assertEqual(embed(*texts)[2], b"")

    def test_plain_lines_are_no_json_lines(self):
        file = self.write("lines.csv", "\nA line.\nAnother.\n")
        self.fails(embed("-i", file), 2, "lines.csv, line 2", "is read as JSON lines", "columns are not read")
        self.fails(embed("-i", "-", stdin=b"A line.\n"), 2, "standard input, line 1", "--input-format txt")
        for text in ('{"text":"x"}\nA line.\n', '{"text":\n'):
            code, _, err = embed("-i", self.write("t.jsonl", text))
            self.assertEqual(code, 2)
            self.assertNotIn(b"is read as", err)

    def test_input_that_cannot_be_read(self):
        self.fails(embed("-i", self.path("none.jsonl")), 66, "none.jsonl", "No such file")
        self.fails(embed("-i", self.dir), 66, self.dir, "directory")

    def test_wrong_options_suggest_the_right_ones(self):
        self.fails(run("embed", "--modle", "x"), 2, "--modle", "did you mean --model?")
        self.fails(run("--model", "x", "embed", "y"), 2, "--model stands in front of the command", "behind it: akin embed --model")
        self.fails(run("embd", "x"), 2, "embd", "did you mean embed?")
        self.fails(run("embed", "--frobnicate"), 2, "--frobnicate", "--help")
        self.fails(run(), 2, "no command")
        self.fails(run("info", "extra"), 2, "extra")
        self.fails(run("embed", "--threads", "-1"), 2, "--threads: Value -1 not in range 0 to 1024")
        self.fails(run("embed", "--threads", "many"), 2, "--threads", "many")
        self.fails(embed("x", "--precision", "f7"), 2, "f7", "f32")
        self.fails(embed("x", "--backend", "none"), 2, "none", "native", " onnx,")
        self.fails(embed("x", "--backend", "onxruntime"), 2, "did you mean onnxruntime?")
        self.fails(embed("x", "--precision", "bf61"), 2, "did you mean bf16?")
        self.fails(embed("x", "--isa", "avx51"), 2, "did you mean avx512?")
        self.fails(embed("x", "--pooling", "meen"), 2, "did you mean mean?")
        self.fails(run("encode", "x"), 2, "encode", "did you mean embed?")
        self.fails(embed("x", "--window", "12"), 2, "--window belongs to --overflow average, chunks or late")
        self.fails(embed("x", "--window-overlap", "2", "--no-truncate"), 2, "--window-overlap belongs to", "error")
        self.fails(embed("x", "--format", "csv"), 2, "csv", "npy")
        self.fails(embed("x", "-o", self.path("v.txt")), 2, "v.txt", ".npy")
        self.fails(embed("x", "-i", "y"), 2, "--input")
        self.fails(embed("x", "--max-tokens", "1000000"), 2, "1000000")

    def test_model_that_is_not_there_or_broken(self):
        self.fails(run("embed", "--model", self.path("none"), "x"), 3, "none")
        broken = self.path("broken")
        shutil.copytree(MODEL, broken)
        os.chmod(broken, 0o755)
        for name in os.listdir(broken):
            os.chmod(os.path.join(broken, name), 0o755)
        self.write("broken/config.json", "{")
        self.fails(run("embed", "--model", broken, "x"), 4, "config.json")
        os.unlink(os.path.join(broken, "config.json"))
        self.fails(run("embed", "--model", broken, "x"), 3, "config.json")

    def test_output_that_cannot_be_created(self):
        self.fails(embed("x", "-o", self.path("no/folder.npy")), 73, "no/folder.npy")
        self.fails(embed("x", "-o", self.dir), 73, self.dir)
        self.fails(embed("x", "-o", self.path("v.npy"), "--format", "jsonl"), 2, "--format jsonl", "v.npy")
        self.assertEqual(embed("x", "-o", "/dev/null", "--format", "npy")[0], 0)
        if os.geteuid() != 0:
            os.chmod(self.dir, 0o500)
            self.fails(embed("x", "-o", self.path("v.npy")), 73, "v.npy")
            os.chmod(self.dir, 0o700)
        self.nothing_left()

    def test_no_output_replaces_the_input(self):
        text = b'{"text":"a"}\n{"text":"b"}\n'
        same = self.write("same.jsonl", text)
        soft, hard = self.path("soft.jsonl"), self.path("hard.jsonl")
        os.symlink("same.jsonl", soft)
        os.link(same, hard)
        os.mkdir(self.path("folder"))
        # Found before the model, which is not there, is looked for.
        none = ["--model", self.path("none")]
        for output in (same, soft, hard, self.path("folder/../same.jsonl")):
            for verb in ("embed", "sparse", "multivector", "rerank", "classify"):
                with self.subTest((verb, output)):
                    self.fails(run(verb, *none, "--input", same, "--output", output), 2, f"--input {same}",
                               f"--output {output}", "same file")
            for verb in ("embed", "multivector"):
                with self.subTest((verb, output, "ranges")):
                    self.fails(run(verb, *none, "--input", same, "--write-ranges", output), 2, f"--input {same}",
                               f"--write-ranges {output}", "same file")
            self.fails(run("bench", *none, "--input", same, "--html", output), 2, f"--html {output}", "same file")
            self.fails(run("bench", *none, "--input", same, "--json", output), 2, f"--json {output}", "same file")
        with open(same, "rb") as lines:
            self.fails(run("embed", *none, "--output", hard, stdin_file=lines), 2, "standard input", "same file")
        with open(same, "ab") as end:
            self.fails(run("embed", *none, "--input", same, stdout=end, stderr=subprocess.PIPE), 2, "standard output",
                       "same file")
        self.assertEqual(contents(same), text)
        # Two outputs of one name that is not there yet; and what may be both.
        one = run("embed", "--json", *none, "x", "--write-ranges", self.path("v.json"))
        self.assertEqual(one[0], 2)
        self.assertIn("--write-ranges measures", str(one))
        self.fails(run("embed", *none, "x", "-o", self.path("v.jsonl"), "--write-ranges",
                       self.path("folder/../v.jsonl")), 2, "--output", "--write-ranges", "same file")
        self.assertEqual(embed("--input", "/dev/null", "--output", "/dev/null")[0], 0)
        self.nothing_left("same.jsonl", "soft.jsonl", "hard.jsonl", "folder")

    def test_a_file_of_ranges_that_cannot_be_created_is_said_before_the_work(self):
        for verb in ("embed", "multivector"):
            ranges = self.path("no/x.json")
            self.fails(run(verb, "--model", self.path("none"), "--write-ranges", ranges, "x"), 73,
                       f"{ranges}: cannot be created")
            self.fails(run(verb, "--model", self.path("none"), "--write-ranges", self.path("x.json"), "x"), 3, "none")
        self.nothing_left()

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_full_disk(self):
        self.fails(embed("x", "-o", "/dev/full"), 74, "/dev/full", "No space left")
        with open("/dev/full", "wb") as full:
            for args in (["embed", "--model", MODEL, "x"], ["--help"], ["--version"],
                         ["tokenize", "--model", MODEL, "x"], ["info", "--model", MODEL]):
                p = subprocess.run([AKIN, *args], stdout=full, stderr=subprocess.PIPE, timeout=SECONDS)
                self.fails((p.returncode, b"", p.stderr), 74, "standard output", "No space left")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_json_that_cannot_be_written_is_said_on_standard_error(self):
        with open("/dev/full", "wb") as full:
            for args in (["embed", "x"], ["similarity", "x", "y"], ["tokenize", "x"], ["info"]):
                p = subprocess.run([AKIN, args[0], "--json", "--model", MODEL, *args[1:]], stdout=full,
                                   stderr=subprocess.PIPE, timeout=SECONDS, check=False)
                self.fails((p.returncode, b"", p.stderr), 74, "standard output: writing failed: No space left")
                self.assertNotIn(b"to be said", p.stderr)
            # What went wrong before is not lost.
            p = subprocess.run([AKIN, "embed", "--json", "--model", self.path("none"), "x"], stdout=full,
                               stderr=subprocess.PIPE, timeout=SECONDS, check=False)
            self.fails((p.returncode, b"", p.stderr), 74, "standard output: writing failed: No space left",
                       "to be said", self.path("none"))
        read_end, write_end = os.pipe()
        os.close(read_end)
        self.assertEqual(embed("--json", "x", stdout=write_end, stderr=subprocess.PIPE)[::2], (141, b""))
        os.close(write_end)

    def test_file_size_limit_leaves_the_old_file(self):
        old = self.write("v.jsonl", "old")
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        self.fails(embed(*["text"] * 100, "-o", old, preexec_fn=limit), 74, "v.jsonl", "too large")
        self.assertEqual(contents(old), b"old")
        self.nothing_left("v.jsonl")

    def test_closed_pipe(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        self.assertEqual(embed("x", stdout=write_end, stderr=subprocess.PIPE)[::2], (141, b""))
        os.close(write_end)
        # The reader goes while the producer is still there and silent.
        p = subprocess.Popen([AKIN, "embed", "--model", MODEL], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdin.write(b"a\n")
        p.stdin.flush()
        self.assertTrue(p.stdout.readline())
        p.stdout.close()
        p.stdin.write(b"b\n")
        p.stdin.flush()
        self.assertEqual(p.wait(SECONDS), 141)
        self.assertEqual(p.stderr.read(), b"")  # As other programs in front of head.
        p.stderr.close()
        p.stdin.close()

    def test_a_closed_standard_input_is_an_error_and_not_waited_for(self):
        for words in (["embed"], ["embed", "--input", "-"], ["tokenize"]):
            command = " ".join([AKIN, words[0], "--model", MODEL, *words[1:], "<&-"])
            p = subprocess.run(["sh", "-c", command], capture_output=True, timeout=SECONDS, check=False)
            self.fails((p.returncode, p.stdout, p.stderr), 66, "standard input")

    def test_nan_is_no_number_of_seconds(self):
        for seconds in ("nan", "0", "1e9"):
            self.fails(embed("--backend", "python", "--child-timeout", seconds, "x"), 2, "--child-timeout", seconds)

    def test_windows_go_into_lines_which_say_whose_they_are(self):
        text = "many words " * 40
        lines = vectors_of(embed("--overflow", "chunks", "--max-tokens", "12", text)[1])
        self.assertGreater(len(lines), 1)
        for output in ("v.npy", "v.bin"):
            result = embed("--overflow", "chunks", "--max-tokens", "12", "-o", self.path(output), text)
            self.fails(result, 2, "--overflow chunks", "jsonl")
        for overflow in ("chunks", "late"):
            code, out, _ = embed("--json", "--overflow", overflow, text)
            self.assertEqual(code, 2)
            self.assertIn("--json gives one vector", json.loads(out)["error"]["message"])

    def test_npy_into_a_pipe_is_refused(self):
        self.fails(embed("x", "--format", "npy"), 2, "npy", "raw")


if __name__ == "__main__":
    main()
