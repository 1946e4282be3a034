#!/usr/bin/env python3
"""`akin pull` and models that are pulled when they are first used: files, revisions, names, tokens, proxies."""
import contextlib
import json
import os
import pathlib
import pty
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from hub_case import (HubCase, INVALID_INPUT, INVALID_MODEL, main, NOT_FOUND, OPTIONS, SECONDS, UNAVAILABLE,  # noqa: E402
                      UNSUPPORTED)


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
        process = subprocess.Popen([OPTIONS.akin, "pull", "org/name"], env=self.environment(**environment), stdin=subprocess.DEVNULL,
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
        closed = {"HF_ENDPOINT": "http://127.0.0.1:1"}
        self.assert_fails(self.akin("embed", "x", "--model", "models/bge-small", **closed), UNAVAILABLE,
                          "no folder models/bge-small here, and ", "127.0.0.1")
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


if __name__ == "__main__":
    main()
