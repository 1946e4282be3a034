#!/usr/bin/env python3
"""`akin pull` when a call of the system fails: one error, nothing left behind, and the next pull is right.

    failing_io_test.py --akin build/release/akin --model tests/data/models/bert-mean

strace(1) makes the calls fail; skips (77) where it is not there or may not trace.
"""
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hub_case  # noqa: E402

# The n-th call of each thread fails so.
FAULTS = [("pwrite64", "ENOSPC", 1), ("pwrite64", "ENOSPC", 2), ("pwrite64", "EIO", 3), ("pwrite64", "ENOSPC", 8),
          ("fsync", "EIO", 1), ("fsync", "ENOSPC", 3), ("rename", "EIO", 1), ("rename", "ENOSPC", 2), ("ftruncate", "ENOSPC", 1),
          ("mkdir", "EACCES", 2), ("mkdir", "ENOSPC", 13), ("symlink", "ENOSPC", 1), ("symlink", "EIO", 5), ("write", "ENOSPC", 1),
          ("openat", "EMFILE", 2), ("openat", "EIO", 5), ("flock", "EIO", 1), ("clone3", "EAGAIN", 1)]


class FailingCalls(hub_case.HubCase):
    def test_each_is_an_error_or_does_not_matter(self):
        trace = self.folder / "trace"
        struck = 0
        for call, error, which in FAULTS:
            with self.subTest(call=call, error=error, which=which):
                shutil.rmtree(self.cache, ignore_errors=True)
                # A leak checker cannot work under strace.
                result = self.pull("org/name", "--quiet", ASAN_OPTIONS="detect_leaks=0", program=(
                    "strace", "-f", "-o", str(trace), "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={which}"))
                struck += "INJECTED" in trace.read_text(errors="replace")
                if result.status == 0:
                    self.assert_pulled(result)
                else:
                    self.assert_fails(result, hub_case.UNAVAILABLE)
                    self.assert_no_leftovers()
                self.assert_pulled(self.pull())
        self.assertGreaterEqual(struck, len(FAULTS) // 2)


def main():
    works = shutil.which("strace") and subprocess.run(["strace", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0
    if not works:
        print("SKIPPED: there is no strace here, or it may not trace")
        sys.exit(77)
    hub_case.main()


if __name__ == "__main__":
    main()
