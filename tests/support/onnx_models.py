"""What the tests of models in ONNX files share: their start and end, and a golden model's folder with an ONNX file.

    if __name__ == "__main__":
        onnx_models.main()

They are called with --akin PROGRAM --models FOLDER, and end with status 77 where ONNX Runtime's library is missing.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SKIP = 77
# As main() reads them.
ARGUMENTS = argparse.Namespace()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--akin", required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    _, rest = parser.parse_known_args(namespace=ARGUMENTS)
    _, doctor, _ = run("doctor", "--json")
    if not json.loads(doctor)["onnxruntime"]["found"]:
        print("SKIPPED: ONNX Runtime's library is not there (./dev setup fetches it)")
        sys.exit(SKIP)
    unittest.main(argv=[sys.argv[0], *rest])


def run(*args):
    """-> (status, standard output, standard error) of akin"""
    done = subprocess.run([ARGUMENTS.akin, *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240, check=False)
    return done.returncode, done.stdout, done.stderr


class Folder:
    """A copy of a golden model with the model.onnx that `exporter` writes of it; without safetensors unless `keep`.

    `name` is that of a golden model, or a path; what fits a pattern of `left_out` is not copied. `changes` of JSON files are
    {file: {key: value}}, where the value None takes the key out.
    """

    def __init__(self, test, name, exporter, keep=False, left_out=(), changes=None):
        self.source = ARGUMENTS.models / name
        temporary = tempfile.TemporaryDirectory()
        test.addCleanup(temporary.cleanup)
        self.path = pathlib.Path(temporary.name) / self.source.name
        shutil.copytree(self.source, self.path, ignore=shutil.ignore_patterns(*left_out, *(() if keep else ("*.safetensors",))))
        self.exporter = exporter(self.source)
        self.onnx = self.exporter.model()
        (self.path / "model.onnx").write_bytes(self.onnx)
        for file, values in (changes or {}).items():
            content = json.loads((self.path / file).read_text(encoding="utf-8")) | values
            (self.path / file).write_text(json.dumps({k: v for k, v in content.items() if k not in values or v is not None}), encoding="utf-8")
        self.golden = json.loads((self.source / "golden.json").read_text(encoding="utf-8"))

    def info(self, *options):
        code, out, err = run("info", "--json", "--model", self.path, *options)
        assert code == 0, err
        return json.loads(out)

    def refused(self, verb, *options):
        """-> (status, standard error)"""
        code, out, err = run(verb, "--model", self.path, *options, "a text")
        assert code != 0 and out == "", (code, out)
        return code, err
