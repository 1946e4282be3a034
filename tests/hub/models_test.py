#!/usr/bin/env python3
"""`akin models`: what is in the cache, damage in it, and removing."""
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_hub  # noqa: E402
from hub_case import HubCase, INVALID_INPUT, INVALID_MODEL, main, NOT_FOUND, OPTIONS, Result, SECONDS, UNAVAILABLE  # noqa: E402


class Models(HubCase):
    def test_the_program_starts_without_the_library_for_requests(self):
        loaded = subprocess.run([OPTIONS.akin, "--version"], env={**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"}, capture_output=True,
                                text=True, timeout=SECONDS, check=True).stdout
        self.assertIn("libc.so", loaded)
        self.assertNotIn("curl", loaded)

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


if __name__ == "__main__":
    main()
