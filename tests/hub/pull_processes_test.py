#!/usr/bin/env python3
"""`akin pull` on full disks, by many processes at once, and killed."""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_hub  # noqa: E402
from hub_case import HubCase, main, OPTIONS, random_bytes, Result, SECONDS, SEGMENT, UNAVAILABLE  # noqa: E402


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
        if not OPTIONS.no_locks:
            self.skipTest("no --no-locks library")
        self.hub.seconds_per_megabyte = 5  # On a busy machine the last one starts seconds after the first.
        processes = [self.start("pull", "org/name", LD_PRELOAD=OPTIONS.no_locks) for _ in range(8)]
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
        for _ in range(OPTIONS.kills):
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
        print(f"kill -9 at {OPTIONS.kills} moments of {whole:.2f} s; {completed} times the revision was complete", file=sys.stderr)

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


if __name__ == "__main__":
    main()
