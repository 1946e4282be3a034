"""What the tests of the hub share: a fake hub with a model of real files, a cache of its own, and akin run on them.

    SOME_test.py --akin build/release/akin --model tests/data/models/bert-mean [--no-locks LIBRARY] [--kills N]
"""
import argparse
import collections
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_hub  # noqa: E402

OPTIONS = argparse.Namespace()
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
        self.files = fake_hub.model_files(OPTIONS.model)
        self.hub = fake_hub.FakeHub({"org/name": self.files})
        self.addCleanup(self.hub.close)
        self.repository = self.cache / "models--org--name"

    def environment(self, **changes):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "AKIN_HUB", "HUGGING"))
                and not k.lower().endswith("_proxy")}
        return {**kept, "HF_HOME": str(self.folder), "HF_ENDPOINT": self.hub.endpoint, "AKIN_HUB_RETRY_MS": "2",
                "HOME": str(self.folder), "AKIN_CACHE": str(self.folder / "akin"), **changes}

    def start(self, *arguments, program=(), **environment):
        return subprocess.Popen([*program, OPTIONS.akin, *arguments], env=self.environment(**environment), stdin=subprocess.DEVNULL,
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True, type=os.path.abspath)
    parser.add_argument("--model", required=True)
    parser.add_argument("--no-locks", default="")
    parser.add_argument("--kills", type=int, default=20)
    _, rest = parser.parse_known_args(namespace=OPTIONS)
    unittest.main(argv=[sys.argv[0], *rest])
