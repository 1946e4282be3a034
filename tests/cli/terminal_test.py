#!/usr/bin/env python3
"""Signals that end the program, and what it shows on a terminal.

    terminal_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import os
import pty
import select
import signal
import subprocess
import sys
import time

from akin_program import AKIN, MODEL, SECONDS, Case, embed, main, run, sanitizer, vectors_of


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

    def test_what_was_written_is_said_on_a_terminal(self):
        file = self.write("t.jsonl", '{"text":"some words in a line"}\n' * 3000)
        written = self.path("v.npy")
        with open(os.devnull) as null:
            shown = self.at_terminal("embed", "--model", MODEL, "-i", file, "-o", written, "--dimensions", "8", stdin=null)[2]
            self.assertTrue(shown.endswith(f"\r\x1b[Kakin: 3,000 vectors of 8 to {written}\r\n"), repr(shown[-120:]))
            one = self.at_terminal("embed", "--model", MODEL, "-o", written, "a text", stdin=null)[2]
            self.assertTrue(one.endswith(f"akin: 1 vector of 64 to {written}\r\n"), repr(one))
            self.assertEqual(self.at_terminal("embed", "--model", MODEL, "-i", file, "-o", written, "--quiet", stdin=null)[2], "")
        self.assertEqual(run("embed", "--model", MODEL, "-i", file, "-o", written)[2], b"")

    def test_no_progress_stands_among_vectors_on_the_same_terminal(self):
        master, slave = pty.openpty()
        p = subprocess.Popen([AKIN, "embed", "--model", MODEL, "a text"], stdin=subprocess.DEVNULL,
                             stdout=slave, stderr=slave)
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 65536):
                shown += data
        except OSError:
            pass  # The other end has been closed.
        os.close(master)
        self.assertEqual(p.wait(SECONDS), 0)
        self.assertTrue(shown.startswith(b'{"id":0,'), shown[:80])
        self.assertEqual(shown.count(b"\n"), 1)

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


if __name__ == "__main__":
    main()
