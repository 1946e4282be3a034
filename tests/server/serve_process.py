"""`akin serve` as a child process, for the tests beside this file. Python's standard library only."""
import argparse
import ctypes
import http.client
import http.server
import importlib.util
import json
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

ARGUMENTS = argparse.Namespace(akin=None, model=None)
# Sanitized programs and busy machines are slow; nothing here waits longer than this.
TIMEOUT = 60 * int(os.environ.get("AKIN_TEST_SLOW", "1"))


def has_package(name):
    """Whether it is installed; a folder of that name beside the tests is none."""
    spec = importlib.util.find_spec(name)
    return spec is not None and any(pathlib.Path(place).parent != pathlib.Path(__file__).parent
                                    for place in spec.submodule_search_locations)


def in_venv():
    """Goes on in .venv's Python, where `./dev test` installs the clients."""
    venv = pathlib.Path(__file__).resolve().parents[2] / ".venv"
    if pathlib.Path(sys.prefix).resolve() != venv.resolve() and (venv / "bin/python").exists():
        os.execv(venv / "bin/python", [str(venv / "bin/python"), "-B", *sys.argv])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", required=True)
    ARGUMENTS.__dict__.update(vars(parser.parse_known_args()[0]))
    arguments = [a for a in sys.argv[1:]]
    for option in ("--akin", "--model"):
        at = arguments.index(option)
        del arguments[at : at + 2]
    unittest.main(argv=[sys.argv[0], *arguments], module="__main__")


def _end_with_parent():
    """Linux's prctl(PR_SET_PDEATHSIG, SIGKILL), for a child before it becomes the program: no server is left when its test is killed."""
    _LIBC.prctl(1, signal.SIGKILL)


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def wait_until(holds, what):
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Server:
    """Starts on a free port of the loopback and is ready when the constructor returns. Ends with the thread that starts it."""

    def __init__(self, *options, models=None, wait=True, environment=None, key=None, threads=2, akin=None, open_files=None):
        models = models or [ARGUMENTS.model]
        command = [akin or ARGUMENTS.akin, "serve", "--port", "0", "--log-format", "json", "--threads", str(threads)]
        for model in models:
            command += ["--model", model]
        self.key = key

        def become():
            if _LIBC:
                _end_with_parent()
            if open_files:  # The soft and the hard limit.
                resource.setrlimit(resource.RLIMIT_NOFILE, open_files)

        self.process = subprocess.Popen(
            [*command, *options], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            env={**os.environ, **(environment or {})}, preexec_fn=become)
        self.log = []
        self.port = None
        self.ends_with = {0}  # The exit statuses that `stop` takes: that of a crash or of a sanitizer's report is none.
        self._events = threading.Condition()
        self.reads_log = threading.Event()  # Cleared: whoever reads its standard error has stopped.
        self.reads_log.set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.await_event("ready" if wait else "listening")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _read(self):
        for line in self.process.stderr:
            self.reads_log.wait(TIMEOUT)
            with self._events:
                try:
                    event = json.loads(line)
                except ValueError:
                    event = {"message": line}
                self.log.append(event)
                if event.get("message") == "listening" and "url" in event:
                    self.port = int(event["url"].rsplit(":", 1)[1])
                self._events.notify_all()
        with self._events:
            self.log.append({"message": "end of the log"})
            self._events.notify_all()

    def await_event(self, message, **fields):
        """Waits for an event with this message and these fields in the log."""
        def is_it(event):
            return {"message": message, **fields}.items() <= event.items()

        def seen():
            return any(is_it(e) or e.get("message") == "end of the log" for e in self.log)

        with self._events:
            if not self._events.wait_for(seen, TIMEOUT):
                raise AssertionError(f"no event '{message}' {fields} within {TIMEOUT} s: {self.log}")
            if not any(map(is_it, self.log)):
                raise AssertionError(f"the server ended without '{message}': {self.log}")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def request(self, method, path, body=None, headers=None):
        """-> (status, headers with lower-case names, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            headers = dict(headers or {})
            if self.key:
                headers.setdefault("Authorization", f"Bearer {self.key}")
            if body is not None:
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, value, headers=None):
        return self.request("POST", path, json.dumps(value).encode(), headers)

    def post_json(self, path, value, headers=None):
        """-> (status, the answer's JSON)"""
        status, _, body = self.post(path, value, headers)
        return status, json.loads(body)

    def metric(self, name):
        for line in self.get("/metrics")[2].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split(" ")[1])
        raise AssertionError(f"there is no metric {name}")

    def metrics(self):
        """-> {sample, labels included: its value}"""
        lines = self.get("/metrics")[2].decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def memory(self, field):
        """"VmRSS" or "VmHWM" of the process, in bytes"""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(field + r":\s+(\d+) kB", file.read())[1]) << 10

    def stop(self):
        """Ends it as an orchestrator does, if it has not ended. -> the exit status, one of `ends_with`"""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(TIMEOUT)
        self.process.stderr.close()
        assert status in self.ends_with, f"the server ended with {status}, expected {self.ends_with}: {self.log[-50:]}"
        return status


class ServedTest(unittest.TestCase):
    """Tests of one server, `self.server`, that begins with the first of them and ends with the last."""

    @classmethod
    def start_server(cls):
        return Server()

    @classmethod
    def setUpClass(cls):
        cls.server = cls.start_server()
        cls.addClassCleanup(cls.server.stop)


def run(*arguments, environment=None):
    """-> (exit status, standard error) of `akin serve` that is to end by itself"""
    done = subprocess.run([ARGUMENTS.akin, "serve", *arguments], capture_output=True, text=True, timeout=TIMEOUT,
                          env={**os.environ, **(environment or {})})
    return done.returncode, done.stderr


class Collector:
    """Takes spans as an OpenTelemetry collector does."""

    def __init__(self, status=200):
        bodies = self.bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bodies.append((self.path, self.headers["Content-Type"], body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def spans(self):
        return [span for _, _, body in self.bodies for resource in body["resourceSpans"]
                for scope in resource["scopeSpans"] for span in scope["spans"]]


def f32(value):
    """The float32 that a number of JSON is, as bytes."""
    return struct.pack("<f", value)
