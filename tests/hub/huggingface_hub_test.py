#!/usr/bin/env python3
"""Akin and Python's huggingface_hub on one cache and one fake hub: each finds what the other has fetched.

    huggingface_hub_test.py --akin build/release/akin --model tests/data/models/bert-mean

Skips (77) where the package is not there: it is looked for in this Python, then in .venv (`./dev test` installs it).
"""
import argparse
import importlib.util
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_hub  # noqa: E402

AKIN = MODEL = ""
SECONDS = 100

# What users write; in a process of its own, since the package reads the environment once.
SNAPSHOT = "import huggingface_hub as h; print(h.snapshot_download('org/name', **{}))"
SCAN = """
import huggingface_hub as h, json
c = h.scan_cache_dir()
print(json.dumps({"warnings": [str(w) for w in c.warnings], "size": c.size_on_disk,
  "repos": {r.repo_id: {v.commit_hash: [sorted(v.refs), sorted(str(f.file_name) for f in v.files)] for v in r.revisions}
            for r in c.repos}}))
"""
NO_EXIST = """
import huggingface_hub as h
print([h.try_to_load_from_cache('org/name', f) is h._CACHED_NO_EXIST for f in ('added_tokens.json', 'config.json')])
"""


class SharedCache(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="akin-hub-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.files = fake_hub.model_files(MODEL)
        self.hub = fake_hub.FakeHub({"org/name": self.files})
        self.addCleanup(self.hub.close)
        self.repository = self.folder / "hub" / "models--org--name"

    def start(self, command, **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "AKIN_HUB")) and not k.lower().endswith("_proxy")}
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**kept, "HF_HOME": str(self.folder), "HF_ENDPOINT": self.hub.endpoint,
                                     "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "AKIN_HUB_RETRY_MS": "2", **environment})

    def run_command(self, command, **environment):
        process = self.start(command, **environment)
        out, err = process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, 0, err)
        return out.strip()

    def akin(self, *arguments, **environment):
        return self.run_command([AKIN, *arguments], **environment)

    def python(self, code, **environment):
        return self.run_command([sys.executable, "-B", "-c", code], **environment)

    def contents_asked(self):
        return [r[2] for r in self.hub.requests if r[1] == "GET" and "/api/" not in r[2]]

    def test_python_finds_what_akin_pulled(self):
        ours = self.akin("pull", "org/name")
        asked = self.contents_asked()
        theirs = self.python(SNAPSHOT.format("{}"))
        self.assertEqual(theirs, ours)
        self.assertEqual(self.contents_asked(), asked)  # Nothing was downloaded again,
        self.hub.close()
        self.assertEqual(self.python(SNAPSHOT.format("{'local_files_only': True}")), ours)  # nor is the hub needed.

    def test_akin_finds_what_python_downloaded(self):
        theirs = self.python(SNAPSHOT.format("{}"))
        asked = len(self.hub.requests)
        answer = json.loads(self.akin("info", "--model", "org/name", "--json"))
        self.assertEqual(answer["path"], theirs)
        self.assertEqual(len(self.hub.requests), asked)
        pulled = json.loads(self.akin("pull", "org/name", "--json"))
        self.assertEqual((pulled["path"], pulled["received_bytes"]), (theirs, 0))

    def test_akin_completes_what_python_began(self):
        self.python("import huggingface_hub as h; h.hf_hub_download('org/name', 'config.json')")
        self.akin("embed", "--model", "org/name", "A text.")
        self.assertEqual(len([r for r in self.contents_asked() if r.endswith("/config.json") and "Pooling" not in r]), 1)
        theirs = self.python(SNAPSHOT.format("{'local_files_only': True}"))
        self.assertEqual(fake_hub.model_files(theirs), self.files)

    def test_python_reads_the_cache_without_a_complaint(self):
        self.akin("pull", "org/name")
        old = {**self.files, "config.json": self.files["config.json"] + b"\n"}
        commit = self.hub.publish("org/name", old, "v1.0")
        self.akin("pull", "org/name@v1.0")
        scan = json.loads(self.python(SCAN))
        self.assertEqual(scan["warnings"], [])
        self.assertEqual(scan["repos"]["org/name"][commit][0], ["v1.0"])
        self.assertEqual(len(scan["repos"]["org/name"]), 2)
        self.assertEqual(scan["size"], json.loads(self.akin("models", "--json"))[0]["bytes"])
        self.akin("models", "--remove", "org/name@v1.0")
        scan = json.loads(self.python(SCAN))
        self.assertEqual((scan["warnings"], len(scan["repos"]["org/name"])), ([], 1))

    def test_what_is_not_there_is_known_to_both(self):
        self.akin("pull", "org/name")
        self.assertEqual(self.python(NO_EXIST), "[True, False]")

    def test_both_at_the_same_time_download_once(self):
        files = {**self.files, "model.safetensors": random.Random(3).randbytes(3_000_000)}
        self.hub.publish("org/name", files)
        self.hub.seconds_per_megabyte = 0.7
        processes = [self.start([sys.executable, "-B", "-c", SNAPSHOT.format("{}")], HF_HUB_DISABLE_XET="1") for _ in range(2)]
        while not list(self.repository.glob("blobs/*.incomplete")) and processes[0].poll() is None:
            time.sleep(0.01)
        processes += [self.start([AKIN, "pull", "org/name"]) for _ in range(2)]
        for process in processes:
            out, err = process.communicate(timeout=SECONDS)
            self.assertEqual(process.returncode, 0, err)
            self.assertEqual(fake_hub.model_files(out.strip()), files)
        cdn = [r[2] for r in self.hub.gets("cdn")]
        self.assertEqual(len(cdn), len(set(cdn)), cdn)

    def test_blobs_that_models_share_are_read(self):
        snapshot = pathlib.Path(self.akin("pull", "org/name"))
        blob = (snapshot / "model.safetensors").resolve()
        shared = self.folder / "hub" / "blobs" / "ab" / ("ab" + "0" * 62)
        shared.parent.mkdir(parents=True)
        blob.rename(shared)
        blob.symlink_to(os.path.relpath(shared, blob.parent))
        self.akin("embed", "--model", "org/name", "A text.")
        self.assertEqual(json.loads(self.akin("pull", "org/name", "--json"))["received_bytes"], 0)
        self.akin("models", "--verify")


def in_python_with_the_package():
    """Goes on in .venv's Python, or skips."""
    if importlib.util.find_spec("huggingface_hub"):
        return
    venv = ROOT / ".venv"
    if pathlib.Path(sys.prefix).resolve() != venv.resolve() and (venv / "bin/python").exists():
        os.execv(venv / "bin/python", [str(venv / "bin/python"), "-B", *sys.argv])
    print("SKIPPED: Python's huggingface_hub is not installed (./dev test installs it)")
    sys.exit(77)


def main():
    global AKIN, MODEL
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--model", required=True)
    options, rest = parser.parse_known_args()
    in_python_with_the_package()
    AKIN, MODEL = os.path.abspath(options.akin), options.model
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
