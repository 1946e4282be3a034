#!/usr/bin/env python3
"""Models that are not there or cannot be read, and options that a model has no use for: what is said of them.

    model_files_test.py --akin build/release/akin --model tests/data/models/bert-mean
"""
import json
import os
import pathlib
import shutil
import subprocess

from akin_program import AKIN, MODEL, Case, main, run


class Files(Case):
    def copy(self, name="model"):
        folder = pathlib.Path(self.path(name))
        shutil.copytree(MODEL, folder, copy_function=shutil.copyfile)
        return folder

    def test_that_are_no_files_are_named_with_their_folder(self):
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            folder = self.copy(name.split(".", maxsplit=1)[0])
            (folder / name).unlink()
            (folder / name).mkdir()
            self.fails(run("embed", "--model", folder, "a"), 3, f"{name} is not a regular file but a folder (model folder '{folder}')")

    def test_that_are_empty_are_named_with_their_folder(self):
        for name in ("config.json", "model.safetensors", "tokenizer.json", "modules.json"):
            folder = self.copy(name.split(".", maxsplit=1)[0])
            (folder / name).write_bytes(b"")
            self.fails(run("embed", "--model", folder, "a"), 4, f"{name}: ", f"(model folder '{folder}')")

    def test_that_may_not_be_read_are_not_called_broken(self):
        for name in ("config.json", "model.safetensors"):
            folder = self.copy(name.split(".", maxsplit=1)[0])
            (folder / name).chmod(0)
            for path in (folder, folder.parent):
                path.chmod(0o755)
            other = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
            try:
                done = subprocess.run([AKIN, "embed", "--model", folder, "a"], capture_output=True, stdin=subprocess.DEVNULL, check=False, **other)
            except PermissionError:
                self.skipTest("root alone may run this akin")
            self.assertEqual((done.returncode, done.stdout), (3, b""), done.stderr)
            self.assertIn(f"{name}: cannot be read: Permission denied (model folder '{folder}')".encode(), done.stderr)

    def test_of_a_tokenizer_that_may_not_be_read_end_alike_in_every_verb(self):
        folder = self.copy()
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer.json").mkdir()
        for arguments in (("tokenize", "--model", folder), ("tokenize", "--tokenizer", folder), ("embed", "--model", folder)):
            self.fails(run(*arguments, "a"), 3, "tokenizer.json is not a regular file but a folder")
        self.fails(run("tokenize", "--tokenizer", folder / "none.json", "a"), 3, "none.json is not there; expected a tokenizer.json")

    def test_that_do_not_say_how_to_pool_leave_a_note(self):
        folder = self.copy()
        pooling = "no modules.json: mean pooling; --pooling says otherwise"
        length = "no modules.json: vectors are not normalized; --normalize says otherwise"
        for arguments in (("embed", "a"), ("similarity", "a", "b"), ("info",), ("doctor",)):
            self.assertNotIn("no modules.json", b"".join(run(arguments[0], "--model", folder, *arguments[1:])[1:]).decode())
        (folder / "modules.json").unlink()
        self.assertEqual(run("embed", "--model", folder, "a")[2].decode(), f"akin: {pooling}\nakin: {length}\n")
        for note in (pooling, length):
            self.assertIn(note, run("info", "--model", folder)[1].decode())
            self.assertIn(note, run("doctor", "--model", folder)[1].decode())
        self.assertEqual(json.loads(run("info", "--json", "--model", folder)[1])["notes"], [pooling, length])
        self.assertEqual(json.loads(run("doctor", "--json", "--model", folder)[1])["model"]["notes"], [pooling, length])
        # Who has said it needs no note.
        self.assertEqual(run("embed", "--model", folder, "--pooling", "mean", "a")[::2], (0, f"akin: {length}\n".encode()))
        self.assertEqual(run("embed", "--model", folder, "--pooling", "mean", "--no-normalize", "a")[::2], (0, b""))
        for option in ("--normalize", "--no-normalize"):
            for call in (("embed", "a"), ("similarity", "a", "b")):
                self.assertEqual(run(*call, "--model", folder, option)[2].decode(), f"akin: {pooling}\n")

    def test_notes_are_silenced_and_warnings_are_not(self):
        folder = self.copy()
        (folder / "modules.json").unlink()
        for call in (("embed", "a"), ("similarity", "a", "b"), ("embed", "--json", "a")):
            self.assertEqual(run(*call, "--model", folder, "--quiet")[::2], (0, b""), call)
        long = "word " * 600
        for call in (("embed", long), ("similarity", "a", long)):
            code, _, err = run(*call, "--model", folder, "-q")
            self.assertEqual((code, err.count(b"\n")), (0, 1), err)
            self.assertIn(b"1 of ", err)
            self.assertIn(b" cut", err)


class Names(Case):
    def test_that_are_none_are_answered_with_those_that_are_there(self):
        env = {"AKIN_MODELS_DIR": self.dir, "AKIN_CACHE": self.path("cache"), "HF_HUB_CACHE": self.path("hub")}
        for name in ("first-Model", "second-model", "third"):
            shutil.copytree(MODEL, self.path(name))
        self.fails(run("embed", "--model", "model", "a", env=env), 3, "'model' is not in", "; did you mean first-Model, second-model?")
        self.fails(run("embed", "--model", "thirds", "a", env=env), 3, "; did you mean third?")
        self.fails(run("embed", "--model", "nothing-like-it", "a", env=env), 3, "; there is: first-Model, second-model, third; give")
        self.fails(run("embed", "--model", "", "a", env=env), 2, "--model: The value is empty")

    def test_that_are_there_are_listed_without_a_word_on_the_hub(self):
        env = {"AKIN_MODELS_DIR": self.dir, "AKIN_CACHE": self.path("cache"), "HF_HUB_CACHE": self.path("hub"), "HOME": self.path("home")}
        self.assertEqual(run("models", env=env)[1], b"no models here; akin pull ORG/NAME fetches one\n")
        shutil.copytree(MODEL, self.path("first"))
        self.assertEqual(run("models", env=env)[1].decode(), f"first  folder     {self.path('first')}\n")


class Options(Case):
    def test_are_named_where_the_library_names_its_fields(self):
        for options, words in ((["--max-tokens", "5000"], "akin: --max-tokens is 5000, expected 1 to"),
                               (["--dimensions", "5000"], "akin: --dimensions is 5000, expected 1 to"),
                               (["--truncate-dim", "5000"], "akin: --truncate-dim is 5000, expected 1 to"),
                               (["--prompt-name", "none"], "akin: --prompt-name is \"none\"; model"),
                               (["--backend", "natve"], "akin: --backend: unknown backend 'natve'"),
                               (["--overflow", "zz"], "akin: --overflow: "),
                               (["--overflow", "chunks", "--window", "2"], "akin: text 1: --window is 2, but special tokens"),
                               (["--overflow", "chunks", "--window", "3", "--window-overlap", "9"], "akin: text 1: --window-overlap is 9, expected")):
            self.fails(run("embed", "--model", MODEL, *options, "a b c d e"), 2, words)
        self.fails(run("tokenize", "--model", MODEL, "--max-tokens", "1", "a"), 2, "akin: text 1: --max-tokens is 1, fewer")
        lines = self.write("words.jsonl", json.dumps({"text": "a b c d e"}) + "\n")
        self.fails(run("embed", "--model", MODEL, "--input", lines, "--overflow", "chunks", "--window", "2"), 2, "words.jsonl, line 1: --window is 2")
        # What a line says is named as it is there.
        lines = self.write("lines.jsonl", json.dumps({"text": "a", "truncate_dim": 5000}) + "\n")
        self.fails(run("embed", "--model", MODEL, "--input", lines), 2, "lines.jsonl, line 1: truncate_dim is 5000")
        lines = self.write("lines.jsonl", json.dumps({"text": "a", "prompt_name": "none"}) + "\n")
        self.fails(run("embed", "--model", MODEL, "--input", lines), 2, "lines.jsonl, line 1: prompt_name is \"none\"")

    def test_of_a_precision_that_is_not_computed_are_said(self):
        for isa in ("scalar", "avx2", "avx2-vnni", "neon"):
            info = run("info", "--model", MODEL, "--isa", isa, "--precision", "bf16x3", "--json")
            if info[0] != 0:
                continue  # Another CPU's.
            info = json.loads(info[1])
            code, _, err = run("embed", "--model", MODEL, "--isa", isa, "--precision", "bf16x3", "a")
            said = f"not used: precision bf16x3: instruction set {isa} has no products of it; computed in f32"
            self.assertEqual((code, info["precision"]), (0, "bf16x3" if isa == "scalar" else "f32"))
            self.assertEqual(said in info["notes"], isa != "scalar", info)
            self.assertEqual(said.encode() in err, isa != "scalar", err)

    def test_of_a_precision_that_gains_no_speed_are_said_once(self):
        slow = {"scalar": {"bf16x3", "int16", "bf16", "w8", "int8"}, "avx2": {"bf16", "w8"}, "avx2-vnni": {"bf16", "w8"},
                "avx512": {"int16", "bf16", "w8", "int8"}, "avx512-vnni": {"bf16", "w8"}, "neon": {"bf16", "w8", "int8"}, "amx": set()}
        usable = [isa for isa in slow if run("info", "--model", MODEL, "--isa", isa)[0] == 0]
        for isa in usable:
            for precision in ("f32", "bf16x3", "int16", "bf16", "w8", "int8"):
                options = ["--model", MODEL, "--isa", isa, "--precision", precision]
                info = json.loads(run("info", "--json", *options)[1])
                if info["precision"] != precision or (isa == "avx2" and precision.startswith("int")):
                    continue  # Said otherwise, or measured.
                said = f"no faster than f32's here: the products of precision {precision} (instruction set {isa})"
                said += "" if precision == "bf16x3" else ", which saves memory"
                self.assertFalse(precision == "bf16x3" and any("saves memory" in note for note in info["notes"]), info)
                expected = 1 if precision in slow[isa] else 0
                self.assertEqual(sum(note.startswith(said) for note in info["notes"]), expected, info)
                self.assertEqual(info["precision_reason"], "requested")
                for quiet in ([], ["--quiet"]):
                    code, _, err = run("embed", *options, *quiet, "a")
                    count = 0 if quiet else expected
                    self.assertEqual((code, err.count(said.encode()), err.count(b"\n")), (0, count, count), err)
        isa = "neon" if "neon" in usable else "avx2"
        text = run("info", "--model", MODEL, "--isa", isa, "--precision", "bf16")[1].decode()
        self.assertEqual((text.count("no faster than f32's here"), text.count("(requested)")), (1, 1), text)

    def test_of_measured_settings_are_said_by_the_first(self):
        code, out, err = run("bench", "--model", MODEL, "--isa", "scalar", "--precisions", "bf16,int8,f32", "--thread-counts", "1,2", "--warmup", "0",
                             "--runs", "1", "--queries", "1", "--quality-only")
        self.assertEqual((code, err.count(b"no faster than f32's here"), err.count(b"precision bf16")), (0, 1, 1), err)

    def test_of_backends_that_a_static_model_has_no_use_for_are_said(self):
        model = pathlib.Path(MODEL).parent / "static-embedding"
        want = run("embed", "--model", model, "a")
        self.assertEqual((want[0], want[2]), (0, b""))
        for options, said in ((["--ep", "cuda"], b"not used: backend onnxruntime: a static model's"),
                              (["--run-timeout", "5"], b"not used: backend onnxruntime: a static model's"),
                              (["--backend", "python"], b"not used: backend python: a static model's"),
                              (["--precision", "int8"], b"not used: precision int8: there are no products")):
            code, out, err = run("embed", "--model", model, *options, "a")
            self.assertEqual((code, out), want[:2])
            self.assertIn(said, err)
            self.assertEqual(err.count(b"\n"), 1)


if __name__ == "__main__":
    main()
