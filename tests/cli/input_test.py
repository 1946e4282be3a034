#!/usr/bin/env python3
"""Every verb reads files and standard input by the same rules.

    input_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import json
import os

from akin_program import MODEL, Case, embed, main, run, vectors_of

TEXTS = ["A first line.", "", "{\"text\":\"no field\"}"]
PLAIN = "".join(text + "\n" for text in TEXTS)
JSON = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)


def beside(name):
    return os.path.join(os.path.dirname(MODEL), name)


# Verb, its model and the options with which it answers texts alone, a line each.
STREAMS = (("embed", MODEL), ("sparse", beside("splade-bert")), ("multivector", beside("colbert-plain")),
           ("classify", beside("cross-bert-nli")), ("rerank", beside("cross-bert"), "--query", "A query."),
           ("similarity", MODEL, "--json"), ("tokenize", MODEL, "--json"))


class Rules(Case):
    def test_every_verb_reads_a_txt_by_lines_and_other_files_as_json_lines(self):
        txt, jsonl = self.write("t.txt", PLAIN), self.write("t.jsonl", JSON)
        for verb, model, *options in STREAMS:
            call = [verb, "--model", model, *options]
            field = ["--field", "text"] if verb == "rerank" else []
            want = run(*call, "--", *TEXTS)
            self.assertEqual(want[0], 0, (verb, want))
            for what, got in (("txt", run(*call, "--input", txt)), ("jsonl", run(*call, "--input", jsonl, *field)),
                              ("lines of stdin", run(*call, stdin=PLAIN.encode())),
                              ("JSON of stdin", run(*call, *field, "--input", "-", stdin=JSON.encode()))):
                self.assertEqual(got, want, (verb, what))

    def test_the_ending_is_read_in_capitals_too(self):
        self.assertEqual(embed("--input", self.write("T.TXT", PLAIN)), embed("--", *TEXTS))

    def test_the_format_that_is_named_counts_and_not_the_ending(self):
        want = embed("--", *TEXTS)
        plain, lines = self.write("plain.jsonl", PLAIN), self.write("lines.txt", JSON)
        self.assertEqual(embed("--input", plain, "--input-format", "txt"), want)
        self.assertEqual(embed("--input", lines, "--input-format", "jsonl"), want)
        self.assertEqual(embed("--input", "-", "--input-format", "txt", stdin=PLAIN.encode()), want)
        self.assertEqual(embed("--input-format", "jsonl", stdin=JSON.encode()), want)
        self.fails(embed("--input", plain, "--input-format", "csv"), 2, "--input-format", "csv", "txt", "jsonl")

    def test_bench_and_tune_read_as_the_others_do(self):
        few = ("--runs", "1")
        lines = "A first line.\nAnother one.\n"
        for name, extra in (("t.txt", ()), ("t.lines", ("--input-format", "txt"))):
            file = self.write(name, lines)
            code, out, err = run("bench", "--model", MODEL, "--input", file, *extra, *few, "--queries", "2", "--json", "--quiet")
            self.assertEqual(code, 0, err)
            self.assertEqual(json.loads(out)["texts"], 2)
            code, _, err = run("tune", "--model", MODEL, "--input", file, *extra, *few, "--dry-run", "--json", "--quiet")
            self.assertEqual(code, 0, err)
        for verb in ("bench", "tune"):
            self.fails(run(verb, "--model", MODEL, "--input", file, *few, "--quiet"), 2, "t.lines, line 1", "JSON", "--input-format txt")
            self.fails(run(verb, "--model", MODEL, "--field", "body", *few, "--quiet"), 2, "--field", "--input FILE")


class Notes(Case):
    def test_json_lines_that_are_read_as_texts_are_noted(self):
        for verb, model, *options in STREAMS:
            call = [verb, "--model", model, *(option for option in options if option != "--json")]
            code, out, err = run(*call, stdin=JSON.encode())
            self.assertEqual((code, err.count(b"\n")), (0, 1), (verb, err))
            self.assertIn("note: standard input has lines of JSON, each of which was a text; --input-format jsonl", err.decode())
            for quiet in (["--quiet"], ["--input-format", "txt"]):
                self.assertEqual(run(*call, *quiet, stdin=JSON.encode()), (code, out, b""), (verb, quiet))
        # What only begins like them is text.
        for line in (b"{x}\n", b'{"title":"x"}\n', b"[1]\n", b'A text.\n{"text":"x"}\n'):
            self.assertEqual(embed(stdin=line)[::2], (0, b""), line)


class Refused(Case):
    def test_other_lines_than_json_are_said_to_be_none_with_how_they_are_read(self):
        read = "is read as JSON lines"
        wrong = 'line 1: not JSON, expected an object with a field "text"; '
        for lines in ("text,id\nA dog.,1\n", "A dog.\n", "42 dogs\n", "[\n"):
            for name in ("t.lines", "t.CSV", "t.tsv", "t"):
                file = self.write(name, lines)
                columns = f", and columns are not read: make each row a line {{\"text\": ...}}, or save the texts alone as .txt\n"
                ends = columns if name in ("t.CSV", "t.tsv") else "; --input-format txt reads a text a line\n"
                for call in (("embed",), ("bench", "--runs", "1", "--quiet")):
                    code, out, err = run(*call, "--model", MODEL, "--input", file)
                    self.assertEqual((code, out, err.decode()), (2, b"", f"akin: {file}, {wrong}{file} {read}{ends}"))
        self.assertEqual(embed("--input", "-", stdin=b"A dog.\n")[2].decode(),
                         f"akin: standard input, {wrong}standard input (-) {read}; --input-format txt reads a text a line\n")
        text = self.write("t.txt", "A dog.\n")
        self.assertIn(f"{read} (--input-format jsonl); --input", embed("--input", text, "--input-format", "jsonl")[2].decode())
        # What is no text in any format has no hint to another one.
        binary = self.write("bin.dat", b"\x7fELF\xff\xfe\n")
        self.assertEqual(embed("--input", binary), (2, b"", f"akin: {binary}, line 1: not UTF-8 at byte 5\n".encode()))
        # Pairs are of JSON lines only.
        code, _, err = run("rerank", "--model", beside("cross-bert"), "--input", self.write("p.csv", "query,document\n"))
        self.assertEqual(code, 2)
        self.assertIn('columns are not read: make each row a line {"document": ..., "query": ...}\n', err.decode())
        code, _, err = run("rerank", "--model", beside("cross-bert"), "--input", self.write("p.lines", "A dog.\n"))
        self.assertTrue(err.endswith(b"p.lines is read as JSON lines\n"), err)
        # A later line is wrong by itself.
        self.assertTrue(embed("--input", self.write("l.jsonl", '{"text":"x"}\nA dog.\n'))[2].endswith(b'a field "text"\n'))

    def test_a_field_of_plain_lines(self):
        file = self.write("t.txt", PLAIN)
        self.fails(embed("--input", file, "--field", "body"), 2, "--field body", "t.txt", "--input-format jsonl")
        self.fails(embed("--field", "body", stdin=b"x\n"), 2, "--field body", "standard input")
        self.fails(embed("--field", "body", "x"), 2, "--field", "arguments")
        self.fails(embed("--input-format", "txt", "x"), 2, "--input-format", "arguments")

    def test_pairs_of_plain_lines(self):
        file = self.write("t.txt", PLAIN)
        self.fails(run("rerank", "--model", beside("cross-bert"), "--input", file), 2, "t.txt", '"document" and "query"')
        self.fails(run("classify", "--model", beside("cross-bert-nli"), "--input", file, "--pair-field", "b"), 2,
                   "t.txt", '"text" and "b"')

    def test_formats_of_what_is_no_file_of_texts(self):
        self.fails(run("tokenize", "--model", MODEL, "--jsonl", "--input-format", "txt", stdin=b""), 2, "--jsonl", "--input-format")
        code, out, _ = run("embed", "--model", MODEL, "--json", "--field", "x", stdin=b"x")
        self.assertEqual(code, 2)
        self.assertIn("--field", json.loads(out)["error"]["message"])

    def test_json_lines_of_pairs_come_from_standard_input_too(self):
        line = json.dumps({"query": "A query.", "document": "A text."}) + "\n"
        code, out, err = run("rerank", "--model", beside("cross-bert"), "--input-format", "jsonl", stdin=line.encode())
        self.assertEqual((code, err), (0, b""))
        want = run("rerank", "--model", beside("cross-bert"), "A query.", "A text.")[1]
        self.assertEqual(vectors_of(out), vectors_of(want))


class Help(Case):
    def test_the_help_of_every_verb_says_how_it_reads(self):
        for verb in [stream[0] for stream in STREAMS] + ["bench", "tune"]:
            text = " ".join(run(verb, "--help")[1].decode().split())
            for words in ("a text a line of a .txt, JSON lines of any other", "--input-format {txt,jsonl}"):
                self.assertIn(words, text, verb)


if __name__ == "__main__":
    main()
