#!/usr/bin/env python3
"""`akin pull` and `akin models` against a hub that lies, stalls and breaks; kills, full disks, many processes.

    pull_test.py --akin build/release/akin --model tests/data/models/bert-mean [--no-locks LIBRARY] [--kills N]
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import pty
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_hub  # noqa: E402

AKIN = MODEL = NO_LOCKS = ""
KILLS = 20
SECONDS = 100  # No call takes longer; a hang is a failure.
SEGMENT = 16 << 20  # PartialFile::kSegmentBytes
NOT_FOUND, INVALID_INPUT, INVALID_MODEL, UNSUPPORTED, UNAVAILABLE = 3, 2, 4, 5, 6
Result = collections.namedtuple("Result", "status out err")


def random_bytes(count, seed=1):
    return random.Random(seed).randbytes(count)


class HubCase(unittest.TestCase):
    """One model of real files on a fake hub, and a cache of its own."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="akin-hub-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.cache = self.folder / "hub"
        self.files = fake_hub.model_files(MODEL)
        self.hub = fake_hub.FakeHub({"org/name": self.files})
        self.addCleanup(self.hub.close)
        self.repository = self.cache / "models--org--name"

    def environment(self, **changes):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "AKIN_HUB", "HUGGING"))
                and not k.lower().endswith("_proxy")}
        return {**kept, "HF_HOME": str(self.folder), "HF_ENDPOINT": self.hub.endpoint, "AKIN_HUB_RETRY_MS": "2",
                "HOME": str(self.folder), **changes}

    def start(self, *arguments, program=(), **environment):
        return subprocess.Popen([*program, AKIN, *arguments], env=self.environment(**environment), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def akin(self, *arguments, **options):
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Result(process.returncode, out, err)

    def pull(self, model="org/name", *arguments, **options):
        return self.akin("pull", model, *arguments, **options)

    def assert_pulled(self, result, files=None):
        self.assertEqual(result.status, 0, result.err)
        snapshot = pathlib.Path(result.out.strip())
        self.assert_right(snapshot, self.files if files is None else files)
        self.assert_no_leftovers()
        return snapshot

    def assert_right(self, snapshot, files):
        """The snapshot has these files and no other, right to the last byte."""
        self.assertEqual(fake_hub.model_files(snapshot).keys(), files.keys())
        for name, content in files.items():
            self.assertEqual((snapshot / name).read_bytes(), content, name)

    def assert_no_leftovers(self):
        for path in self.cache.rglob("*"):
            self.assertNotIn("akin-part", path.name)
            self.assertFalse(path.name.startswith(".akin-"), path)
        for blob in self.repository.glob("blobs/*"):
            content = blob.read_bytes()
            self.assertIn(blob.name, (fake_hub.sha256(content), fake_hub.git_blob_id(content)))

    def assert_fails(self, result, status, *words):
        self.assertEqual(result.status, status, result)
        self.assertEqual(result.out, "")
        self.assertEqual(result.err.count("\n"), 1, result.err)
        for word in words:
            self.assertIn(word, result.err)
        self.assertNotIn("hf_secret", result.err)

    def assert_fails_cleanly(self, result, status, *words):
        """And nothing is left behind that could be taken for a revision or a file."""
        self.assert_fails(result, status, *words)
        self.assert_no_leftovers()
        self.assertEqual(list(self.repository.glob("snapshots/*")), [])
        self.assertEqual(list(self.repository.glob("refs/*")), [])

    def fault(self, server, path, apply, times=1):
        """Applies to the first `times` requests of that server whose path holds `path`."""
        left = [times]

        def maybe(request):
            if request.side != server or path not in request.path or left[0] == 0:
                return False
            left[0] -= 1
            return apply(request) is True
        self.hub.faults.append(maybe)


class Pull(HubCase):
    def test_a_model_is_pulled_whole_and_the_second_time_nothing_comes(self):
        snapshot = self.assert_pulled(self.pull())
        self.assertEqual((self.repository / "refs/main").read_text(), snapshot.name)
        contents = len([r for r in self.hub.requests if "/api/" not in r[2]])
        again = json.loads(self.pull("org/name", "--json").out)
        self.assertEqual((again["received_bytes"], again["files"]), (0, len(self.files)))
        self.assertEqual(len([r for r in self.hub.requests if "/api/" not in r[2]]), contents)

    def test_a_model_by_name_is_pulled_when_it_is_first_used_and_then_needs_no_hub(self):
        first = self.akin("embed", "--model", "org/name", "A text.")
        self.assertEqual(first.status, 0, first.err)
        self.assertIn("pulled org/name", first.err)
        self.hub.close()
        second = self.akin("embed", "--model", "org/name", "A text.")
        self.assertEqual((second.status, second.out, second.err), (0, first.out, ""))
        tokens = self.akin("tokenize", "--model", "org/name", "A text.")
        self.assertEqual(tokens.status, 0, tokens.err)
        info = json.loads(self.akin("info", "--json", "--model", "org/name").out)
        self.assertEqual(info["model"], "org/name")

    def test_revisions_are_branches_tags_and_commits(self):
        old = {**self.files, "config.json": self.files["config.json"] + b"\n"}
        commit = self.hub.publish("org/name", old, "v1.0")
        self.hub.publish("org/name", old, "refs/pr/1")
        for revision in ("v1.0", "refs/pr/1", commit):
            self.assertEqual(self.assert_pulled(self.pull(f"org/name@{revision}"), old).name, commit)
        self.assertEqual((self.repository / "refs/refs/pr/1").read_text(), commit)
        newest = self.assert_pulled(self.pull())
        self.assertNotEqual(newest.name, commit)
        models = json.loads(self.akin("models", "--json").out)
        self.assertEqual({r["commit"]: r["names"] for r in models[0]["revisions"]},
                         {commit: ["refs/pr/1", "v1.0"], newest.name: ["main"]})

    def test_a_branch_that_moved_brings_only_what_changed(self):
        self.assert_pulled(self.pull())
        files = {**self.files, "README.md": b"new", "config.json": self.files["config.json"] + b" "}
        self.hub.publish("org/name", files)
        del files["README.md"]
        result = self.pull("org/name", "--json")
        self.assertEqual(json.loads(result.out)["received_bytes"], len(files["config.json"]))
        self.assert_right(pathlib.Path(json.loads(result.out)["path"]), files)

    def test_only_needed_files_come(self):
        junk = {"pytorch_model.bin": b"pickle", "tf_model.h5": b"x", "onnx/model.onnx": b"x", "README.md": b"x",
                "model.fp16.safetensors": b"x", "openvino/openvino_model.xml": b"x", "pytorch_model.bin.index.json": b"{}",
                "modeling.py": b"x", "rust_model.ot": b"x", "onnx/config.json": b"{}"}
        self.hub.publish("org/name", {**self.files, **junk})
        self.assert_pulled(self.pull())

    def test_without_safetensors_the_onnx_graph_comes(self):
        files = {"config.json": b"{}", "tokenizer.json": b"{}", "onnx/model.onnx": b"graph", "onnx/model.onnx_data": b"data"}
        others = {"onnx/model_quantized.onnx": b"q", "pytorch_model.bin": b"pickle"}
        self.hub.publish("org/name", {**files, **others})
        self.assert_pulled(self.pull(), files)

    def test_pickles_alone_are_refused(self):
        self.hub.publish("org/name", {"config.json": b"{}", "pytorch_model.bin": b"pickle"})
        self.assert_fails_cleanly(self.pull(), UNSUPPORTED, "org/name", "pickled", "safetensors")
        self.assertFalse(self.repository.exists())

    def test_patterns_choose_files(self):
        files = {"onnx/model.onnx": b"graph", "README.md": b"read"}
        self.hub.publish("org/name", {**self.files, **files})
        self.assert_pulled(self.pull("org/name", "--include", "onnx/*", "--include", "*.md"), files)
        self.assert_fails(self.pull("org/name", "--include", "*.bin"), INVALID_INPUT, "*.bin", "none")

    def test_shards_come_all(self):
        files = {"config.json": b"{}", "model.safetensors.index.json": b"{}",
                 **{f"model-0000{i}-of-00002.safetensors": b"shard%d" % i for i in (1, 2)}}
        self.hub.publish("org/name", files)
        self.assert_pulled(self.pull(), files)

    def test_equal_files_are_one_blob_and_empty_ones_come_too(self):
        files = {**self.files, "2_Normalize/config.json": b"", "3_Same/config.json": self.files["1_Pooling/config.json"]}
        self.hub.publish("org/name", files)
        self.assert_pulled(self.pull(), files)

    def pull_at_terminal(self, **environment):
        """Standard error on a terminal -> (status, what it shows)."""
        terminal, end = pty.openpty()
        process = subprocess.Popen([AKIN, "pull", "org/name"], env=self.environment(**environment), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=end)
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(terminal, 4096):
                shown += chunk
        os.close(terminal)
        process.communicate(timeout=SECONDS)
        return process.returncode, shown

    def test_progress_is_shown_on_a_terminal_only(self):
        self.hub.seconds_per_megabyte = 0.6
        self.assertEqual(self.pull("org/name", "--quiet").err, "")
        shutil.rmtree(self.cache)
        status, shown = self.pull_at_terminal()
        self.assertEqual(status, 0)
        self.assertIn(b"%  ", shown)
        self.assertIn(b" of 897.3 kB", shown)
        self.assertIn(b"pulled org/name: 10 files, 897.3 kB", shown)

    def test_waits_for_a_hub_that_is_not_there_are_shown(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        status, shown = self.pull_at_terminal(HF_ENDPOINT=f"http://127.0.0.1:{port}", AKIN_HUB_RETRY_MS="100")
        self.assertEqual(status, UNAVAILABLE)
        self.assertRegex(shown, rb"trying again in \d s: [^\r]*127.0.0.1[^\r]* port %d" % port)


class Names(HubCase):
    def test_what_does_not_exist_is_said(self):
        self.assert_fails_cleanly(self.pull("org/other"), NOT_FOUND, "org/other", "does not exist", "HF_TOKEN")
        self.assert_fails_cleanly(self.pull("org/name@v9"), NOT_FOUND, "org/name@v9", "revision")
        self.assertFalse(self.cache.exists())

    def test_a_mistyped_folder_is_no_name_of_a_model(self):
        for verb in (("embed", "x"), ("info",), ("tokenize", "x")):
            result = self.akin(*verb, "--model", "models/bge-small")
            self.assert_fails(result, NOT_FOUND, "no folder models/bge-small here, and models/bge-small@main",
                              self.hub.endpoint)
        self.assertNotIn("no folder", self.akin("info", "--model", "models/bge-small@main").err)
        asked = len(self.hub.requests)
        (self.folder / "models").mkdir()
        for verb in (("embed", "x"), ("info",), ("tokenize", "x"), ("doctor",)):
            result = self.akin(*verb, "--model", "models/bge-small", program=("env", "-C", str(self.folder)))
            self.assertEqual(result.status, NOT_FOUND, result.err)
            self.assertIn("no folder models/bge-small here", result.out + result.err)
        self.assertEqual(len(self.hub.requests), asked)
        (self.folder / "org").mkdir()  # Who means the hub nevertheless can say so.
        self.assertEqual(self.akin("pull", "org/name", program=("env", "-C", str(self.folder))).status, 0)
        self.assertEqual(self.akin("info", "--model", "org/name", program=("env", "-C", str(self.folder))).status, 0)

    def test_names_that_are_none_are_refused_before_anything_is_asked(self):
        for name in ("name", "../name", "org/../x", "org/na--me", "/org/name", "org/name/x", "org/name@", "org/name@../x",
                     "org/name@a//b", "org/.name", "org/na me", "o" * 99 + "/n"):
            self.assert_fails(self.pull(name), INVALID_INPUT)
        self.assertEqual(self.hub.requests, [])

    def test_hostile_file_names_refuse_the_whole_model(self):
        for name in ("../evil", "a/../../evil", "/etc/evil", "a//b", "a/./b", "a/", "", "x\u0000y", "x\ny", "..",
                     "a" * 300, "/".join("a" * 600)):
            with self.subTest(name=name):
                self.hub.change_list = lambda entries, name=name: [
                    {"type": "file", "path": name, "size": 1, "oid": "0" * 40}, *entries]
                self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "org/name@main", "path")
        self.assertEqual([p for p in self.folder.rglob("*evil*")], [])

    def test_a_list_that_contradicts_itself_is_refused(self):
        changes = {
            "twice": lambda entries: entries + entries,
            "SHA-256": lambda entries: [{**e, "oid": "../x", "lfs": None} for e in entries],
            "size": lambda entries: [{**e, "size": -1, "lfs": None} for e in entries],
            "type": lambda entries: [{k: v for k, v in e.items() if k != "type"} for e in entries],
            "array": lambda entries: {"error": "no"},
        }
        for word, change in changes.items():
            with self.subTest(word):
                self.hub.change_list = change
                self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "org/name", word)

    def test_a_commit_that_is_none_is_refused(self):
        def answer(request):
            if "/revision/" not in request.path:
                return False
            request.json({"sha": "../../evil"})
            return True
        self.hub.faults.append(answer)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "sha", "commit")


class Faults(HubCase):
    def test_a_cut_is_resumed_where_it_was(self):
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 100_000), times=3)
        result = self.pull("org/name", "--json")
        self.assertEqual(json.loads(result.out)["received_bytes"], sum(map(len, self.files.values())))
        resumed = [r[3].get("Range") for r in self.hub.gets("cdn") if r[3].get("Range")]
        self.assertTrue(all(not r.startswith("bytes=0-") for r in resumed), resumed)
        self.assertGreaterEqual(len(resumed), 2)
        self.assert_right(pathlib.Path(json.loads(result.out)["path"]), self.files)

    def test_a_server_that_always_cuts_is_given_up_and_the_next_run_resumes(self):
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 10_000), times=-1)
        result = self.pull()
        self.assert_fails(result, UNAVAILABLE, "127.0.0.1")
        self.assertEqual(list(self.repository.glob("snapshots/*")), [])
        self.hub.faults.clear()
        kept = sum(p.stat().st_blocks for p in self.repository.glob("blobs/*.akin-part"))
        self.assertGreater(kept, 0)
        again = self.pull("org/name", "--json")
        self.assertLess(json.loads(again.out)["received_bytes"], sum(map(len, self.files.values())) - 10_000)
        self.assert_right(pathlib.Path(json.loads(again.out)["path"]), self.files)
        self.assert_no_leftovers()

    def test_wrong_content_is_never_named(self):
        def change(request):
            request.body_change = lambda content: content[:-1] + bytes([content[-1] ^ 1])
        for server, path, kind in (("cdn", "", "SHA-256"), ("hub", "/resolve/", "git blob id")):
            with self.subTest(kind):
                self.hub.faults.clear()
                shutil.rmtree(self.cache, ignore_errors=True)
                self.fault(server, path, change, times=-1)
                self.assert_fails_cleanly(self.pull(), INVALID_MODEL, kind, "org/name")

    def test_bytes_that_an_earlier_run_left_are_not_believed(self):
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 100_000), times=-1)
        self.pull()
        self.hub.faults.clear()
        for part in self.repository.glob("blobs/*.akin-part"):
            with part.open("r+b") as file:
                file.write(b"damaged")
        self.assert_pulled(self.pull())

    def test_a_file_that_only_lacks_its_name_gets_it_once(self):
        # Killed between the last byte and the name: every segment is complete, and several threads see it.
        files = {**self.files, "model.safetensors": random_bytes(3 * SEGMENT + 5)}
        self.hub.publish("org/name", files)
        for _ in range(10):
            shutil.rmtree(self.cache, ignore_errors=True)
            blobs = self.repository / "blobs"
            blobs.mkdir(parents=True)
            part = blobs / (fake_hub.sha256(files["model.safetensors"]) + ".akin-part")
            part.write_bytes(files["model.safetensors"])
            self.assert_pulled(self.pull(), files)
        self.assertNotIn(part.name[:64], " ".join(r[2] for r in self.hub.gets("cdn")))

    def test_wrong_lengths_are_refused(self):
        faults = {
            "longer total": lambda r: setattr(r, "total_lie", 5) or setattr(r, "cut_after", 70_000),
            "longer": lambda r: setattr(r, "body_change", lambda c: c + b"more"),
            "shorter": lambda r: setattr(r, "body_change", lambda c: c[:-4]),
        }
        for name, apply in faults.items():
            with self.subTest(name):
                self.hub.faults.clear()
                self.fault("cdn", "", apply, times=-1)
                self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "bytes, the hub's list says")

    def test_wrong_ranges_are_not_written(self):
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 100_000), times=2)
        self.fault("cdn", "", lambda r: "Range" in r.headers and setattr(r, "shift_range", 7), times=4)
        self.assert_pulled(self.pull())

    def test_ranges_that_are_ignored_bring_the_whole_file(self):
        files = {**self.files, "model.safetensors": random_bytes(2 * SEGMENT + 12345)}
        self.hub.publish("org/name", files)
        self.fault("cdn", "", lambda r: setattr(r, "ignore_range", True), times=-1)
        self.assert_pulled(self.pull(), files)

    def test_ranges_are_fetched_by_several_connections(self):
        files = {**self.files, "model.safetensors": random_bytes(3 * SEGMENT + 1)}
        self.hub.publish("org/name", files)
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 5_000_000), times=4)
        self.assert_pulled(self.pull(), files)
        firsts = {r[3]["Range"].split("-")[0] for r in self.hub.gets("cdn") if "Range" in r[3]}
        self.assertLessEqual({f"bytes={i * SEGMENT}" for i in range(4)}, firsts)

    def test_a_changed_etag_is_refused(self):
        self.fault("hub", "config.json", lambda r: setattr(r, "etag", "a" * 40), times=-1)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "ETag", "config.json")
        self.hub.faults.clear()
        shutil.rmtree(self.cache)
        self.fault("hub", "model.safetensors", lambda r: setattr(r, "etag", "b" * 64), times=-1)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "ETag", "model.safetensors")

    def test_an_endless_body_ends(self):
        def endless(request):
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            try:
                for _ in range(2000):
                    request.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            except OSError:
                request.close_connection = True
            return True
        self.fault("cdn", "", endless, times=-1)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "goes on behind its")

    def test_an_endless_list_ends(self):
        self.fault("hub", "/tree/", lambda r: r.extra_headers.update(
            {"Link": f'<{self.hub.endpoint}{r.path}>; rel="next"'}), times=-1)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "does not end")

    def test_a_stall_ends_and_is_resumed(self):
        self.fault("cdn", "", lambda r: setattr(r, "stall_after", 50_000), times=1)
        self.assert_pulled(self.pull(HF_HUB_DOWNLOAD_TIMEOUT="1"))

    def test_too_many_requests_are_waited_for(self):
        def busy(request):
            request.extra_headers["Retry-After"] = "1"
            request.error(429, "")
            return True
        self.fault("hub", "/revision/", busy)
        self.fault("cdn", "", busy)
        start = time.monotonic()
        self.assert_pulled(self.pull())
        self.assertGreaterEqual(time.monotonic() - start, 2)

    def test_a_wait_that_is_too_long_is_said(self):
        def busy(request):
            request.extra_headers["Retry-After"] = "7200"
            request.error(429, "")
            return True
        self.fault("hub", "/revision/", busy, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "429", "7200 s")

    def test_a_wait_of_any_number_of_digits_is_obeyed(self):
        def busy(request):
            request.extra_headers["Retry-After"] = "9" * 20
            request.error(429, "")
            return True
        self.fault("hub", "/revision/", busy, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "429", "asks to wait 1000000 s")
        self.assertEqual(len(self.hub.requests), 1)

    def test_errors_of_the_server_are_tried_again_and_then_said(self):
        def broken(request):
            request.error(503, "")
            return True
        self.fault("hub", "/tree/", broken, times=3)
        self.fault("cdn", "", broken, times=4)
        self.assert_pulled(self.pull())
        self.fault("hub", "/revision/", broken, times=-1)
        self.assert_fails(self.pull(), UNAVAILABLE, "503")

    def test_an_address_that_expired_is_asked_for_anew(self):
        def expired(request):
            request.error(403, "")
            return True
        self.fault("cdn", "", expired, times=2)
        self.assert_pulled(self.pull())

    def test_redirects_have_an_end(self):
        def loop(request):
            request.redirect(self.hub.endpoint + request.path)
            return True
        self.fault("hub", "/resolve/", loop, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "more than 5 redirects")

    def test_redirects_to_other_schemes_are_refused(self):
        for location in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "http://[", ""):
            with self.subTest(location):
                self.hub.faults.clear()
                self.fault("hub", "model.safetensors", lambda r: r.redirect(location) or True, times=-1)
                self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "redirected",
                                          "from http to ftp" if location.startswith("ftp") else "")

    def test_passwords_in_addresses_are_not_shown(self):
        for endpoint in ("ftp://u:sesame@127.0.0.1", "http://u:sesame@127.0.0.1:1/ x", "https://u:sesame@127.0.0.1:99999",
                         self.hub.endpoint + "/?key=sesame", self.hub.endpoint + "/#sesame"):
            with self.subTest(endpoint):
                result = self.pull(HF_ENDPOINT=endpoint)
                self.assert_fails_cleanly(result, INVALID_INPUT, "HF_ENDPOINT")
                self.assertNotIn("sesame", result.err)
        self.fault("hub", "model.safetensors", lambda r: r.redirect("http://u:sesame@127.0.0.1:99999/") or True, times=-1)
        result = self.pull()
        self.assert_fails_cleanly(result, UNAVAILABLE, "redirected", "127.0.0.1:99999")
        self.assertNotIn("sesame", result.err)
        # Nor when the hub itself is asked with one, or through a proxy.
        result = self.pull("org/none", HF_ENDPOINT=self.hub.endpoint.replace("http://", "http://u:sesame@"))
        self.assert_fails(result, NOT_FOUND, "org/none", self.hub.endpoint)
        self.assertNotIn("sesame", result.err)
        result = self.pull(HF_ENDPOINT="http://hub.example", http_proxy="garbage://u:sesame@x")
        self.assert_fails(result, UNAVAILABLE, "garbage://x")
        self.assertNotIn("sesame", result.err)

    def test_an_encoded_answer_is_not_taken_for_the_file(self):
        self.fault("cdn", "", lambda r: setattr(r, "gzip", True), times=2)
        self.assert_pulled(self.pull())
        shutil.rmtree(self.cache)
        self.fault("cdn", "", lambda r: setattr(r, "gzip", True), times=-1)
        self.assert_fails(self.pull(), UNAVAILABLE, "gzip")

    def test_a_page_is_no_hub(self):
        def page(request):
            request.body(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})
            return True
        self.fault("hub", "", page, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "text/html", "HF_ENDPOINT")

    def test_a_page_that_says_404_is_no_hub(self):
        def page(request):
            request.body(404, b"<html>Not found</html>", {"Content-Type": "text/html;charset=utf-8"})
            return True
        self.fault("hub", "", page, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "404", "text/html", "HF_ENDPOINT")

    def test_nobody_there_is_said(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            result = self.pull(HF_ENDPOINT=f"http://127.0.0.1:{closed.getsockname()[1]}")
        self.assert_fails_cleanly(result, UNAVAILABLE, "connect")
        self.assert_fails(self.pull(HF_ENDPOINT="hub.example"), INVALID_INPUT, "HF_ENDPOINT", "hub.example")


class Tokens(HubCase):
    def setUp(self):
        super().setUp()
        self.hub.gated.add("org/name")

    def test_a_gated_model_needs_the_token(self):
        self.assert_fails_cleanly(self.pull(), NOT_FOUND, "gated", "HF_TOKEN")
        self.assert_fails_cleanly(self.pull(HF_TOKEN="hf_other"), NOT_FOUND, "gated", "HF_TOKEN")
        self.assert_pulled(self.pull(HF_TOKEN="hf_secret"))

    def test_the_token_that_login_stored_is_taken(self):
        (self.folder / "token").write_text("hf_secret\n")
        self.assert_fails(self.pull(HF_HUB_DISABLE_IMPLICIT_TOKEN="1"), NOT_FOUND, "gated")
        self.assert_pulled(self.pull())

    def test_the_token_goes_to_the_hub_only(self):
        self.assert_pulled(self.pull(HF_TOKEN="hf_secret"))
        self.assertTrue(all(r[3].get("Authorization") == "Bearer hf_secret" for r in self.hub.requests if r[0] == "hub"))
        self.assertTrue(self.hub.gets("cdn"))
        self.assertFalse([r for r in self.hub.requests if r[0] == "cdn" and "Authorization" in r[3]])

    def test_a_token_that_would_break_a_header_is_refused(self):
        result = self.pull(HF_TOKEN="hf_secret\r\nX-Evil: 1")
        self.assert_fails(result, INVALID_INPUT, "token")
        self.assertEqual(self.hub.requests, [])


class Offline(HubCase):
    def test_offline_the_cache_is_all_there_is(self):
        self.assert_fails(self.pull(HF_HUB_OFFLINE="1"), NOT_FOUND, "org/name", "HF_HUB_OFFLINE")
        self.assert_fails(self.akin("embed", "--model", "org/name", "x", HF_HUB_OFFLINE="YES"), NOT_FOUND, "HF_HUB_OFFLINE")
        self.assertEqual(self.hub.requests, [])
        self.assert_pulled(self.pull())
        asked = len(self.hub.requests)
        self.assert_pulled(self.pull(HF_HUB_OFFLINE="true"))
        self.assertEqual(len(self.hub.requests), asked)

    def test_a_proxy_is_used(self):
        """The fake hub stands in as the proxy of two hosts that only a proxy can reach."""
        direct, seen = (self.hub.endpoint, self.hub.cdn), []
        self.hub.endpoint, self.hub.cdn = "http://hub.invalid", "http://content.invalid"

        def forward(request):
            seen.append(request.path)
            request.side = "cdn" if request.path.startswith(self.hub.cdn) else "hub"
            request.path = request.path.removeprefix(self.hub.endpoint).removeprefix(self.hub.cdn)
        self.hub.faults.append(forward)
        self.assert_pulled(self.pull(http_proxy=direct[0]))
        self.assertTrue(seen[0].startswith("http://hub.invalid/api/models/org/name"), seen[0])
        self.assertTrue(any(path.startswith("http://content.invalid/") for path in seen), seen)
        # A host that no_proxy names is asked directly.
        self.hub.faults.clear()
        self.hub.endpoint, self.hub.cdn = direct
        shutil.rmtree(self.cache)
        self.assert_pulled(self.pull(http_proxy="http://127.0.0.1:9", no_proxy="127.0.0.1"))


class Disk(HubCase):
    def test_a_full_disk_is_said_and_nothing_stays(self):
        with self.small_disk(600):
            self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "cannot be written", "free")

    def test_a_disk_that_fills_up_is_said_and_nothing_stays(self):
        files = {"config.json": b"{}", "model.safetensors": random_bytes(3_000_000)}
        self.hub.publish("org/name", files)
        self.hub.seconds_per_megabyte = 0.3
        with self.small_disk(4000):
            process = self.start("pull", "org/name")
            while not list(self.cache.rglob("*.akin-part")):
                time.sleep(0.01)
            with contextlib.suppress(OSError):
                (self.folder / "small" / "filler").write_bytes(bytes(4_000_000))
            out, err = process.communicate(timeout=SECONDS)
            self.assert_fails_cleanly(Result(process.returncode, out, err), UNAVAILABLE, "No space left")
            (self.folder / "small" / "filler").unlink()
            self.assert_pulled(self.pull(HF_HUB_CACHE=str(self.cache)), files)

    @contextlib.contextmanager
    def small_disk(self, kilobytes):
        small = self.folder / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", small], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        self.cache = small / "hub"
        self.repository = self.cache / "models--org--name"
        before, self.environment = self.environment, lambda **c: before(**{"HF_HUB_CACHE": str(self.cache), **c})
        try:
            yield
        finally:
            self.environment = before
            subprocess.run(["umount", small], check=True)

    def test_a_disk_that_cannot_be_written_is_said(self):
        (self.folder / "file").write_text("")
        cache = str(self.folder / "file" / "hub")
        self.assert_fails(self.pull(HF_HUB_CACHE=cache), UNAVAILABLE, cache, "cannot be written")

    def test_a_complete_model_needs_no_writing(self):
        self.assert_pulled(self.pull())
        subprocess.run(["chmod", "-R", "a-w", self.cache], check=True)
        try:
            self.assert_pulled(self.pull())
        finally:
            subprocess.run(["chmod", "-R", "u+w", self.cache], check=True)

    def test_what_abandoned_runs_left_is_removed(self):
        self.assert_pulled(self.pull())
        (self.repository / "blobs" / ("c" * 64 + ".akin-part")).write_bytes(b"x")
        old = self.repository / "blobs" / ("d" * 64 + ".12-34.akin-part")
        old.write_bytes(b"x")
        os.utime(old, (1, 1))
        (self.repository / ".akin-99-1").mkdir()
        (self.repository / ".akin-99-1" / "config.json").symlink_to("../blobs/x")
        self.hub.publish("org/name", {**self.files, "config.json": b"{} "})
        self.assertEqual(self.pull().status, 0)
        self.assert_no_leftovers()


class Processes(HubCase):
    def test_what_one_left_that_was_killed_at_the_last_moment_is_removed(self):
        # All files have their names, the ref's new content has not.
        self.assert_pulled(self.pull())
        (self.repository / ".akin-1-1").write_text("0" * 40)
        (self.repository / ".akin-1-2").mkdir()
        (self.repository / ".akin-1-2" / "config.json").symlink_to("../../blobs/x")
        self.assert_pulled(self.pull())

    def test_sixteen_processes_download_once(self):
        self.hub.seconds_per_megabyte = 0.5
        processes = [self.start("pull", "org/name") for _ in range(16)]
        for process in processes:
            out, err = process.communicate(timeout=SECONDS)
            self.assertEqual(process.returncode, 0, err)
            self.assert_right(pathlib.Path(out.strip()), self.files)
        self.assert_no_leftovers()
        self.assertEqual(len(self.hub.gets("cdn")), 2)  # Two large files, once each.

    def test_without_locks_the_result_is_right(self):
        if not NO_LOCKS:
            self.skipTest("no --no-locks library")
        self.hub.seconds_per_megabyte = 1
        processes = [self.start("pull", "org/name", LD_PRELOAD=NO_LOCKS) for _ in range(8)]
        for process in processes:
            out, err = process.communicate(timeout=SECONDS)
            self.assertEqual(process.returncode, 0, err)
            self.assert_right(pathlib.Path(out.strip()), self.files)
        self.assert_no_leftovers()
        self.assertGreater(len(self.hub.gets("cdn")), 2)  # They did not know of each other.

    def test_kill_9_at_any_moment_leaves_the_cache_right(self):
        files = {**self.files, "model.safetensors": random_bytes(SEGMENT + 3_000_000)}
        self.hub.publish("org/name", files)
        start = time.monotonic()
        self.assert_pulled(self.pull(), files)
        whole = time.monotonic() - start
        moments = random.Random(5)
        completed = 0
        for _ in range(KILLS):
            # From nothing when there is nothing more to do, and now and then else; mostly where the last one stopped.
            if list(self.repository.glob("refs/*")) or moments.random() < 0.2:
                shutil.rmtree(self.repository, ignore_errors=True)
            process = self.start("pull", "org/name")
            time.sleep(moments.uniform(0, whole))
            process.kill()
            process.communicate(timeout=SECONDS)
            for snapshot in self.repository.glob("snapshots/*"):
                self.assert_right(snapshot, files)  # Complete or absent.
                completed += 1
            for ref in self.repository.glob("refs/*"):
                self.assertTrue((self.repository / "snapshots" / ref.read_text()).is_dir())
            for blob in self.repository.glob("blobs/*"):
                if not blob.name.endswith(".akin-part"):
                    content = blob.read_bytes()
                    self.assertIn(blob.name, (fake_hub.sha256(content), fake_hub.git_blob_id(content)))
        self.assert_pulled(self.pull(), files)
        print(f"kill -9 at {KILLS} moments of {whole:.2f} s; {completed} times the revision was complete", file=sys.stderr)

    def test_ctrl_c_ends_at_once_and_the_next_run_resumes(self):
        self.hub.seconds_per_megabyte = 2
        process = self.start("pull", "org/name")
        while not list(self.cache.rglob("*.akin-part")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=5), -signal.SIGINT)
        process.communicate()
        self.hub.seconds_per_megabyte = 0
        self.assert_pulled(self.pull())


class Models(HubCase):
    def test_an_empty_cache_is_no_error(self):
        self.assertEqual(self.akin("models", "--json").out, "[]\n")
        self.assertIn("akin pull", self.akin("models").out)

    def test_damage_is_found(self):
        snapshot = self.assert_pulled(self.pull())
        self.assertEqual(self.akin("models", "--verify").status, 0)
        blob = (snapshot / "model.safetensors").resolve()
        blob.write_bytes(b"x" + blob.read_bytes()[1:])
        (self.repository / "refs/gone").write_text("e" * 40)
        (self.repository / "blobs" / fake_hub.git_blob_id(self.files["config.json"])).unlink()
        result = self.akin("models", "--verify", "--json")
        self.assertEqual(result.status, INVALID_MODEL)
        faults = json.loads(result.out)[0]["faults"]
        self.assertEqual(len(faults), 3, faults)
        for word in (blob.name, "refs/gone", "config.json leads to no file"):
            self.assertTrue(any(word in fault for fault in faults), (word, faults))

    def test_a_link_out_of_the_cache_is_found(self):
        snapshot = self.assert_pulled(self.pull())
        outside = self.folder / "outside.json"
        outside.write_bytes(self.files["config.json"])
        config = snapshot / "config.json"
        config.unlink()
        config.symlink_to(outside)
        result = self.akin("models", "--verify", "--json")
        self.assertEqual(result.status, INVALID_MODEL)
        self.assertEqual(json.loads(result.out)[0]["faults"],
                         [f"snapshots/{snapshot.name}/config.json leads out of the cache"])
        self.assert_fails(self.akin("info", "--model", "org/name"), INVALID_MODEL, "config.json")

    def test_blobs_that_all_models_share_are_of_the_cache(self):
        snapshot = self.assert_pulled(self.pull())
        blob = (snapshot / "config.json").resolve()
        shared = self.cache / "blobs" / blob.name
        shared.parent.mkdir()
        blob.rename(shared)
        blob.symlink_to(shared)
        self.assertEqual(self.akin("models", "--verify").status, 0)

    def test_a_ref_that_is_a_pipe_stops_nobody(self):
        self.assert_pulled(self.pull())
        ref = self.repository / "refs/main"
        ref.unlink()
        os.mkfifo(ref)
        self.assertEqual(json.loads(self.akin("models", "--json").out)[0]["model"], "org/name")
        result = self.akin("models", "--verify", "--json")
        self.assertEqual(result.status, INVALID_MODEL)
        self.assertEqual(json.loads(result.out)[0]["faults"], ["refs/main stands for no revision in the cache"])
        self.assert_fails(self.akin("info", "--model", "org/name", HF_HUB_OFFLINE="1"), NOT_FOUND, "org/name")
        self.assert_pulled(self.pull())  # It becomes a file again.
        self.assertTrue(ref.is_file())
        ref.unlink()
        os.mkfifo(ref)
        self.assertEqual(self.akin("models", "--remove", "org/name").status, 0)
        self.assertFalse(self.repository.exists())

    def test_removing_frees_the_space(self):
        self.assert_pulled(self.pull())
        self.assert_fails(self.akin("models", "--remove"), INVALID_INPUT, "which")
        self.assert_fails(self.akin("models", "--remove", "org/other"), NOT_FOUND, "org/other")
        result = self.akin("models", "--remove", "org/name", "--json")
        self.assertEqual(json.loads(result.out)[0]["freed_bytes"], sum(map(len, self.files.values())))
        self.assertEqual([p for p in self.cache.rglob("*") if p.is_file()], [])
        self.assert_fails(self.akin("models", "--remove", "org/name"), NOT_FOUND)

    def test_removing_a_revision_keeps_what_others_use(self):
        old = {**self.files, "config.json": self.files["config.json"] + b"\n"}
        self.hub.publish("org/name", old, "v1")
        self.assert_pulled(self.pull())
        self.assert_pulled(self.pull("org/name@v1"), old)
        result = self.akin("models", "--remove", "org/name@v1", "--json")
        self.assertEqual(json.loads(result.out)[0]["freed_bytes"], len(old["config.json"]), result)
        asked = len(self.hub.requests)
        self.assert_pulled(self.pull(HF_HUB_OFFLINE="1"))
        self.assertEqual(len(self.hub.requests), asked)
        self.assert_fails(self.akin("models", "--remove", "org/name@v1"), NOT_FOUND)

    def test_what_is_being_downloaded_is_not_removed(self):
        self.hub.seconds_per_megabyte = 1
        process = self.start("pull", "org/name")
        while not list(self.cache.rglob("*.akin-part")):
            time.sleep(0.01)
        self.assert_fails(self.akin("models", "--remove", "org/name"), UNAVAILABLE, "being downloaded")
        out, err = process.communicate(timeout=SECONDS)
        self.assert_pulled(Result(process.returncode, out, err))


def main():
    global AKIN, MODEL, NO_LOCKS, KILLS
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--no-locks", default="")
    parser.add_argument("--kills", type=int, default=KILLS)
    options, rest = parser.parse_known_args()
    AKIN, MODEL, NO_LOCKS, KILLS = os.path.abspath(options.akin), options.model, options.no_locks, options.kills
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
