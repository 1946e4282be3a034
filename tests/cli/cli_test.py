#!/usr/bin/env python3
"""The akin program as users start it: verbs, formats, exit statuses, signals, pipes and full disks.

    cli_test.py --akin build/release/akin --model tests/data/models/bert-mean

Needs only Python's standard library.
"""
import argparse
import array
import ast
import collections
import html.parser
import json
import math
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

AKIN = MODEL = ""
BENCH = []  # A short run of akin bench.
SECONDS = 120  # No call takes longer; a hang is a failure.


def run(*args, stdin=b"", env=None, **kw):
    """-> (status, standard output, standard error); both as bytes."""
    if "stdin_file" in kw:
        stdin, source = None, {"stdin": kw.pop("stdin_file")}
    else:
        source = {"input": stdin}
    p = subprocess.run([AKIN, *args], capture_output="stdout" not in kw, timeout=SECONDS,
                       env={**os.environ, **(env or {})}, **source, **kw)
    return p.returncode, p.stdout, p.stderr


def bench(*args):
    code, out, err = run(*BENCH, *args)
    assert (code, err) == (0, b""), (code, err)
    return json.loads(out)


def embed(*args, **kw):
    return run("embed", "--model", MODEL, *args, **kw)


def sanitizer():
    """"asan", "tsan" or None: some bounds are those of the plain program."""
    program = contents(AKIN)
    return next((s for s in ("asan", "tsan") if f"__{s}_init".encode() in program), None)


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def vectors_of(jsonl):
    return [json.loads(line) for line in jsonl.splitlines()]


def read_npy(path):
    """-> (shape, floats), by the format's specification."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0 and data[9 + length:10 + length] == b"\n"
    header = ast.literal_eval(data[10:10 + length].decode("latin1"))
    assert header["descr"] == "<f4" and header["fortran_order"] is False
    return header["shape"], array.array("f", data[10 + length:])


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(
        sum(x * x for x in a) * sum(y * y for y in b))


def tuned(info):
    return info["num_threads"], info["batch_tokens"], info["tuned"]


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


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="akin-cli-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def fails(self, result, status, *words):
        """One clear line on standard error that holds `words`, and the status."""
        code, _, err = result
        text = err.decode()
        self.assertEqual(code, status, text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("akin"), text)
        for word in words:
            self.assertIn(word, text)

    def nothing_left(self, *expected):
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(expected))


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

    def test_input_that_cannot_be_read(self):
        self.fails(embed("-i", self.path("none.jsonl")), 66, "none.jsonl", "No such file")
        self.fails(embed("-i", self.dir), 66, self.dir, "directory")

    def test_wrong_options_suggest_the_right_ones(self):
        self.fails(run("embed", "--modle", "x"), 2, "--modle", "did you mean --model?")
        self.fails(run("embd", "x"), 2, "embd", "did you mean embed?")
        self.fails(run("embed", "--frobnicate"), 2, "--frobnicate", "--help")
        self.fails(run(), 2, "no command")
        self.fails(run("info", "extra"), 2, "extra")
        self.fails(run("embed", "--threads", "0"), 2, "--threads", "1")
        self.fails(run("embed", "--threads", "many"), 2, "--threads", "many")
        self.fails(embed("x", "--precision", "f7"), 2, "f7", "f32")
        self.fails(embed("x", "--backend", "none"), 2, "none", "native")
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
        if os.geteuid() != 0:
            os.chmod(self.dir, 0o500)
            self.fails(embed("x", "-o", self.path("v.npy")), 73, "v.npy")
            os.chmod(self.dir, 0o700)
        self.nothing_left()

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_full_disk(self):
        self.fails(embed("x", "-o", "/dev/full"), 74, "/dev/full", "No space left")
        with open("/dev/full", "wb") as full:
            for args in (["embed", "--model", MODEL, "x"], ["--help"], ["--version"],
                         ["tokenize", "--model", MODEL, "x"], ["info", "--model", MODEL]):
                p = subprocess.run([AKIN, *args], stdout=full, stderr=subprocess.PIPE, timeout=SECONDS)
                self.fails((p.returncode, b"", p.stderr), 74, "standard output", "No space left")

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
        self.fails(embed("x", stdout=write_end, stderr=subprocess.PIPE), 141, "standard output", "closed")
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
        self.assertEqual(p.stderr.read().count(b"\n"), 1)
        p.stderr.close()
        p.stdin.close()

    def test_npy_into_a_pipe_is_refused(self):
        self.fails(embed("x", "--format", "npy"), 2, "npy", "raw")


class Signals(Case):
    def test_unfinished_output_is_removed(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # As started from a shell, whatever this script's own starter ignores.
            reset = lambda: [signal.signal(s, signal.SIG_DFL) for s in
                             (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
            p = subprocess.Popen([AKIN, "embed", "--model", MODEL, "-o", self.path("v.npy")],
                                 stdin=subprocess.PIPE, preexec_fn=reset)
            p.stdin.write(b"a text\n" * 1000)
            p.stdin.flush()
            end = time.monotonic() + SECONDS
            temporary = []
            while not temporary and time.monotonic() < end:
                temporary = [n for n in os.listdir(self.dir)
                             if os.path.getsize(self.path(n)) > 1000]
                time.sleep(0.01)
            self.assertRegex(temporary[0], r"\A\.v\.npy\.akin-[0-9a-f]{8}\.tmp\Z")
            p.send_signal(number)
            # Ended by the signal, as a shell expects it: $? is 128 + its number. The thread sanitizer
            # holds a raised signal back, as process 1 of a container does: then the status says it.
            self.assertEqual(p.wait(SECONDS), 128 + number if sanitizer() == "tsan" else -number)
            p.stdin.close()
            self.nothing_left()

    def test_shell_sees_130(self):
        script = ('"$1" embed --model "$2" < "$3" & p=$!; sleep 0.3; kill -INT $p; wait $p; echo $?')
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        keep = os.open(fifo, os.O_RDWR)
        code = "import os,signal,sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
        p = subprocess.run(["bash", "-c", script.replace('"$1"', f'{sys.executable} -c "{code}" "$1"'),
                            "bash", AKIN, MODEL, fifo], capture_output=True, timeout=SECONDS)
        os.close(keep)
        self.assertEqual(p.stdout.strip(), b"130", p.stderr)


class Terminal(Case):
    def at_terminal(self, *args, stdin=None, env=None):
        """Standard error (and input, unless given) on a terminal -> (status, output, what it shows)."""
        master, slave = pty.openpty()
        p = subprocess.Popen([AKIN, *args], stdin=stdin or slave, stdout=subprocess.PIPE, stderr=slave,
                             env={**os.environ, "TERM": "xterm", **(env or {})})
        if stdin is None:
            os.write(master, b"a line\n\x04")
        os.close(slave)
        shown, out = b"", b""
        streams = {master, p.stdout.fileno()}
        while streams:
            for fd in select.select(streams, [], [], SECONDS)[0]:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    data = b""
                if not data:
                    streams.discard(fd)
                elif fd == master:
                    shown += data
                else:
                    out += data
        p.stdout.close()
        os.close(master)
        return p.wait(SECONDS), out, shown.decode()

    def test_progress_is_drawn_on_a_terminal_and_erased(self):
        file = self.write("t.jsonl", '{"text":"some words in a line"}\n' * 20000)
        with open(os.devnull) as null:
            code, out, shown = self.at_terminal("embed", "--model", MODEL, "-i", file, stdin=null)
            self.assertEqual((code, out.count(b"\n")), (0, 20000))
            self.assertRegex(shown, r"\r[\d,]+ texts  [\d,]+ texts/s  [\d,]+ tokens/s  \d+%  \d+:\d\d left")
            self.assertTrue(shown.endswith("\r\x1b[K"), repr(shown[-80:]))
            self.assertEqual(self.at_terminal("embed", "--model", MODEL, "-i", file, "--quiet",
                                              stdin=null)[2], "")

    def test_pipe_is_silent(self):
        self.assertEqual(embed(stdin=b"a\n" * 5000)[2], b"")

    def test_person_who_types_is_told_what_is_awaited(self):
        code, out, shown = self.at_terminal("embed", "--model", MODEL)
        self.assertEqual((code, len(vectors_of(out))), (0, 1))
        self.assertIn("Ctrl-D", shown)

    def test_colours_are_for_terminals_that_want_them(self):
        def doctor(env):
            master, slave = pty.openpty()
            p = subprocess.Popen([AKIN, "info", "--help"] if env is None else
                                 [AKIN, "doctor", "--model", MODEL], stdout=slave,
                                 stderr=subprocess.DEVNULL, env={**os.environ, **env})
            os.close(slave)
            shown = b""
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    data = b""
                if not data:
                    break
                shown += data
            os.close(master)
            p.wait(SECONDS)
            return shown
        self.assertIn(b"\x1b[", doctor({"TERM": "xterm", "NO_COLOR": ""}))
        self.assertNotIn(b"\x1b[", doctor({"TERM": "xterm", "NO_COLOR": "1"}))
        self.assertNotIn(b"\x1b[", doctor({"TERM": "dumb", "NO_COLOR": ""}))
        self.assertNotIn(b"\x1b[", run("doctor", "--model", MODEL)[1])


class OtherVerbs(Case):
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
        code, out, _ = run("doctor", "--model", self.path("none"))
        self.assertEqual(code, 3)
        self.assertIn(b"FAILED", out)
        code, out, _ = run("doctor", "--model", self.path("none"), "--json")
        self.assertEqual((code, json.loads(out)["model"]["error"]["category"]), (3, "ModelNotFound"))

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
            self.assertLessEqual(p50["least"], length["p99_ms"])
            self.assertLessEqual(length["p95_ms"], length["p99_ms"])
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

    def test_version_and_help(self):
        self.assertRegex(run("--version")[1].decode(), r"\Aakin \d+\.\d+\.\d+ \(.+\)\n\Z")
        top = run("--help")[1].decode()
        verbs = re.findall(r"(?m)^  (\w+)  +\S", top.split("Subcommands:")[1].split("Examples:")[0])
        # serve is not in every build.
        self.assertEqual(set(verbs) - {"serve"},
                         {"embed", "rerank", "classify", "sparse", "multivector", "similarity", "tokenize", "info", "pull",
                          "models", "bridge", "doctor", "bench", "tune", "completion", "help"})
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
            p = subprocess.run(["bash", "-c", script], capture_output=True, timeout=SECONDS)
            return p.stdout.decode().split()
        self.assertEqual(complete("akin", "emb"), ["embed"])
        self.assertEqual(complete("akin", "embed", "--max"), ["--max-tokens"])
        self.assertEqual(complete("akin", "embed", "--format", "n"), ["npy"])


class Tune(Case):
    """akin tune in a cache of its own."""

    def tune(self, *args):
        return run("tune", "--model", MODEL, "--runs", "1", *args, env={"AKIN_CACHE": self.dir})

    def info(self, *args, **env):
        code, out, err = run("info", "--model", MODEL, "--json", *args, env={"AKIN_CACHE": self.dir, **env})
        self.assertEqual(code, 0, err)
        return json.loads(out), err

    def stored(self):
        folder = self.path("tuning")
        file, = os.listdir(folder)
        return os.path.join(folder, file)

    def store(self, **changes):
        """Another setting, as if it had been found to be best."""
        path = self.stored()
        with open(path, encoding="utf-8") as f:
            tuning = json.load(f)
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**tuning, **changes}, f)

    def test_what_it_finds_is_used_until_it_is_reset(self):
        usual, _ = self.info()
        self.assertFalse(usual["tuned"])
        code, out, err = self.tune()
        self.assertEqual((code, err), (0, b""))
        for word in (b"best: ", b"x the default", self.stored().encode()):
            self.assertIn(word, out)
        self.store(threads=1, batch_tokens=77)
        self.assertEqual(tuned(self.info()[0]), (1, 77, True))
        text = run("info", "--model", MODEL, env={"AKIN_CACHE": self.dir})[1]
        self.assertIn(b"1 thread, batches of 77 tokens, found by akin tune", text)
        text = run("doctor", "--model", MODEL, env={"AKIN_CACHE": self.dir})[1]
        self.assertIn(b"tuned: 1 thread, batches of 77 tokens", text)
        self.assertIn(b"removed", self.tune("--reset")[1])
        self.assertEqual(self.info()[0]["batch_tokens"], usual["batch_tokens"])
        self.assertEqual(self.tune("--reset"), (0, b"nothing was stored\n", b""))

    def test_options_win(self):
        self.tune()
        self.store(threads=1, batch_tokens=77)
        self.assertEqual(tuned(self.info("--batch-tokens", "99")[0]), (1, 99, True))
        self.assertEqual(tuned(self.info("--threads", "2")[0]), (2, 77, True))
        self.assertFalse(self.info("--threads", "2", "--batch-tokens", "99")[0]["tuned"])
        self.assertFalse(self.info(AKIN_THREADS="2")[0]["tuned"])
        self.assertFalse(self.info("--precision", "f32")[0]["tuned"])  # Tuned was another.

    def test_a_vector_is_the_same_with_it(self):
        want = embed("A text.", "another")[1]
        self.tune()
        self.store(threads=1, batch_tokens=3)
        self.assertEqual(run("embed", "--model", MODEL, "A text.", "another", env={"AKIN_CACHE": self.dir})[1], want)

    def test_a_dry_run_stores_nothing(self):
        code, out, _ = self.tune("--dry-run", "--json")
        report = json.loads(out)
        self.assertEqual((code, report["stored"]), (0, False))
        self.assertGreater(report["texts_per_second"], 0)
        self.assertFalse(os.path.exists(self.path("tuning")))

    def test_what_does_not_fit_is_ignored_aloud(self):
        self.tune()
        path = self.stored()
        good = contents(path)
        for changes, word in (({"cpu": "another"}, b"another"), ({"files": "0"}, b"files"),
                              ({"version": "9"}, b"version"), ({"threads": 0}, b"threads"),
                              ({"threads": 1 << 40}, b"threads"), ({"batch_tokens": -5}, b"batch_tokens"),
                              ({"batch_tokens": "x"}, b"batch_tokens"), ({"akin_tuning": 2}, b"no tuning")):
            with open(path, "wb") as f:
                f.write(good)
            self.store(**changes)
            info, err = self.info()
            self.assertFalse(info["tuned"], changes)
            self.assertIn(b"tuning ignored", err)
            self.assertIn(word, err)
            self.assertEqual(err.count(b"\n"), 1)
        for damage in (b"", good[:40], b"[" * 60000, b"\0" * 100, b"1", b"x" * (1 << 20)):
            with open(path, "wb") as f:
                f.write(damage)
            info, err = self.info()
            self.assertFalse(info["tuned"])
            self.assertIn(b"tuning ignored", err)
        os.remove(path)
        os.mkdir(path)
        self.assertIn(b"tuning ignored", self.info()[1])

    def test_a_model_that_was_replaced_is_another_model(self):
        model = self.path("model")
        shutil.copytree(MODEL, model)
        for name in os.listdir(model):
            os.chmod(os.path.join(model, name), 0o755 if os.path.isdir(os.path.join(model, name)) else 0o644)
        env = {"AKIN_CACHE": self.path("cache")}
        self.assertEqual(run("tune", "--model", model, "--runs", "1", env=env)[0], 0)
        self.assertTrue(json.loads(run("info", "--model", model, "--json", env=env)[1])["tuned"])
        os.utime(os.path.join(model, "config.json"), (1, 1))
        code, out, err = run("info", "--model", model, "--json", env=env)
        self.assertEqual((code, json.loads(out)["tuned"]), (0, False))
        self.assertIn(b"files", err)

    def test_many_writers_leave_one_whole_file(self):
        writers = [subprocess.Popen([AKIN, "tune", "--model", MODEL, "--runs", "1"], stdout=subprocess.DEVNULL,
                                    env={**os.environ, "AKIN_CACHE": self.dir}) for _ in range(4)]
        self.assertEqual([w.wait(SECONDS) for w in writers], [0] * 4)
        self.assertEqual(self.info()[0]["tuned"], True)
        self.stored()  # One file and nothing beside it.

    def test_a_cache_that_cannot_be_written_is_an_error(self):
        self.fails(run("tune", "--model", MODEL, "--runs", "1", env={"AKIN_CACHE": self.write("file", "")}),
                   73, "file")
        self.fails(self.tune("--input", self.write("e.jsonl", "")), 2, "e.jsonl")


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

    def test_every_exit_status_is_documented(self):
        with open(DOCS, encoding="utf-8") as f:
            page = f.read()
        rows = re.findall(r"(?m)^ +(\d+)  (\w*)", run("help", "exit-status")[1].decode())
        self.assertGreater(len(rows), 10)
        for status, category in rows:
            self.assertRegex(page, rf"(?m)^\| [^|]*\b{status}\b[^|]*\| [^|]*{category}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", required=True)
    known, rest = parser.parse_known_args()
    AKIN, MODEL = os.path.abspath(known.akin), os.path.abspath(known.model)
    BENCH = ["bench", "--model", MODEL, "--precision", "f32", "--queries", "20", "--warmup", "2", "--runs", "2"]
    unittest.main(argv=[sys.argv[0], *rest])
