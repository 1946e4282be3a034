"""A model folder whose ONNX graph takes for ever when the text has a certain word, and a server of one thread for it."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from serve_process import ARGUMENTS, Server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from slow_graph import slow_model  # noqa: E402

ENDLESS, QUICK = "winter", "a stone"


def needs_onnxruntime():
    """Skips aloud without its library."""
    doctor = subprocess.run([ARGUMENTS.akin, "doctor", "--json"], capture_output=True, text=True, check=False)
    if not json.loads(doctor.stdout)["onnxruntime"].get("path"):
        raise unittest.SkipTest("ONNX Runtime's library is not here")


def start_slow_server(test, *options):
    """One thread computes, so that nothing else is answered while an endless run goes on."""
    needs_onnxruntime()
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    model = pathlib.Path(folder.name, "slow")
    shutil.copytree(ARGUMENTS.model, model)
    (model / "model.safetensors").unlink()
    config = json.loads((model / "config.json").read_text())
    words = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    (model / "model.onnx").write_bytes(slow_model(config["vocab_size"], config["hidden_size"], {words[ENDLESS]: 10**9}))
    server = Server("--backend", "onnxruntime", "--run-timeout", "0", "--request-timeout", "600", *options, models=[str(model)], threads=1)
    test.addCleanup(server.stop)
    return server
