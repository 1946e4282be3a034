"""Akin's reference child: runs a model for `akin --backend python`.

Speaks the protocol of docs/python-backend.md on the socket whose number is in AKIN_BRIDGE_FD. Needs the
standard library and one of sentence-transformers, onnxruntime, mlx-embeddings. Akin has cut texts into token
ids; this gives the last layer's state of every token (or, of an ONNX graph that has nothing else, the vectors),
and Akin does the rest.
"""
import sys

# `python -c` puts the current folder in front; no file that happens to lie there is ours to run.
sys.path[:] = [entry for entry in sys.path if entry]

import importlib.util
import json
import os
import pathlib
import socket

PROTOCOL = 1
# Models that this runs are safetensors or ONNX; nothing here opens a pickle or the network.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")


class Refusal(Exception):
    """What Akin is told: one of its categories, and why."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Channel:
    """Lines of JSON, with bytes behind those that say so."""

    def __init__(self, fd):
        os.set_inheritable(fd, False)  # A process that the model starts must not keep it open.
        self.socket = socket.socket(fileno=fd)
        self.file = self.socket.makefile("rb", buffering=1 << 20)

    def receive(self):
        """-> (message, bytes), or None at the end."""
        line = self.file.readline()
        if not line.endswith(b"\n"):
            return None
        message = json.loads(line)
        payload = self.file.read(message.get("bytes", 0))
        return message, payload

    def send(self, message, payload=b""):
        if payload:
            message["bytes"] = len(payload)
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if len(payload) < 1 << 16:
            self.socket.sendall(line + payload)
        else:
            self.socket.sendall(line)
            self.socket.sendall(payload)


def read_json(folder, name):
    path = folder / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


# --- Libraries ---------------------------------------------------------------------------------------------------
# Each has a `description` for the answer to load_model and run(ids, mask, types) -> an array [batch, length, width],
# or [batch, width] where it says "vectors".


class SentenceTransformers:
    MODULE, NAME = "sentence_transformers", "sentence-transformers"

    def __init__(self, folder, threads):
        import sentence_transformers
        import torch

        if not list(folder.glob("*.safetensors")):
            raise Refusal("ModelNotFound", "the folder has no *.safetensors, which sentence-transformers is to read")
        torch.set_num_threads(threads)
        model = sentence_transformers.SentenceTransformer(
            str(folder), local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True})
        self.torch, self.module = torch, model[0].eval()
        inner = getattr(self.module, "auto_model", None)
        if inner is None:
            raise Refusal("UnsupportedModel", f"its first module is {type(self.module).__name__}, not a transformer")
        self.device = next(inner.parameters()).device
        self.takes_types = getattr(inner.config, "type_vocab_size", 0) > 0
        self.description = {
            "rows": "tokens", "width": inner.config.hidden_size, "vocab_size": inner.config.vocab_size,
            "precision": str(inner.dtype).replace("torch.bfloat", "bf").replace("torch.float", "f"),
            "num_parameters": sum(p.numel() for p in inner.parameters()),
            "name": f"{self.NAME} {sentence_transformers.__version__}, torch {torch.__version__}, {self.device}"}

    def run(self, ids, mask, types):
        tensor = self.torch.from_numpy
        features = {"input_ids": tensor(ids).to(self.device), "attention_mask": tensor(mask).to(self.device)}
        if self.takes_types:
            features["token_type_ids"] = tensor(types).to(self.device)
        with self.torch.inference_mode():
            return self.module(features)["token_embeddings"].float().cpu().numpy()


class OnnxRuntime:
    MODULE, NAME = "onnxruntime", "onnxruntime"
    STATES, VECTORS = ("last_hidden_state", "token_embeddings"), ("sentence_embedding", "pooler_output")

    def __init__(self, folder, threads):
        import onnxruntime

        files = [f for f in (folder / "onnx" / "model.onnx", folder / "model.onnx") if f.is_file()]
        if not files:
            raise Refusal("ModelNotFound", "the folder has no onnx/model.onnx and no model.onnx, which onnxruntime runs")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(files[0]), options)
        self.inputs = {i.name: i.type for i in self.session.get_inputs()}
        unknown = set(self.inputs) - {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
        if unknown:
            raise Refusal("UnsupportedModel", f"{files[0].name} has an input {sorted(unknown)[0]}")
        outputs = {o.name: o for o in self.session.get_outputs()}
        self.output = next((n for n in self.STATES + self.VECTORS if n in outputs), None)
        if self.output is None:
            raise Refusal("UnsupportedModel", f"{files[0].name} has none of the outputs {self.STATES + self.VECTORS}")
        width = outputs[self.output].shape[-1]
        if not isinstance(width, int):
            width = read_json(folder, "config.json").get("hidden_size", 0)
        self.description = {
            "rows": "tokens" if self.output in self.STATES else "vectors", "width": width, "precision": "f32",
            "name": f"{self.NAME} {onnxruntime.__version__}, {self.session.get_providers()[0]}"}

    def run(self, ids, mask, types):
        import numpy

        known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        if "position_ids" in self.inputs:
            known["position_ids"] = numpy.broadcast_to(numpy.arange(ids.shape[1]), ids.shape)
        feed = {name: known[name].astype("int32" if kind == "tensor(int32)" else "int64", copy=False)
                for name, kind in self.inputs.items()}
        return self.session.run([self.output], feed)[0].astype("float32", copy=False)


class MlxEmbeddings:
    MODULE, NAME = "mlx_embeddings", "mlx-embeddings"

    def __init__(self, folder, threads):
        import mlx.core
        import mlx_embeddings

        self.mlx = mlx.core
        self.model, _ = mlx_embeddings.load(str(folder))
        config = read_json(folder, "config.json")
        self.takes_types = config.get("type_vocab_size", 0) > 0
        self.description = {"rows": "tokens", "width": config.get("hidden_size", 0),
                            "vocab_size": config.get("vocab_size", 0), "name": f"{self.NAME}, mlx {mlx.core.__version__}"}

    def run(self, ids, mask, types):
        import numpy

        arguments = {"attention_mask": self.mlx.array(mask)}
        if self.takes_types:
            arguments["token_type_ids"] = self.mlx.array(types)
        states = self.model(self.mlx.array(ids), **arguments).last_hidden_state
        return numpy.array(states.astype(self.mlx.float32))


LIBRARIES = (SentenceTransformers, OnnxRuntime, MlxEmbeddings)


def choose_library(folder, wanted, threads):
    """The one that is wanted, or the first that is installed and finds its kind of file."""
    names = ", ".join(library.NAME for library in LIBRARIES)
    chosen = [library for library in LIBRARIES if wanted in ("", library.NAME)]
    if not chosen:
        raise Refusal("InvalidInput", f"there is no library {wanted}; expected one of {names}")
    installed = [library for library in chosen if importlib.util.find_spec(library.MODULE)]
    if not installed:
        raise Refusal("InvalidInput", f"{sys.executable} has none of {wanted or names} installed")
    missing = []
    for library in installed:
        try:
            return library(folder, threads)
        except Refusal as refusal:
            if refusal.code != "ModelNotFound":
                raise
            missing.append(str(refusal))
    raise Refusal("ModelNotFound", "; ".join(missing))


# --- The three kinds of messages ---------------------------------------------------------------------------------


class Bridge:
    def __init__(self):
        self.library = None
        self.binary = True

    def load_model(self, params, _):
        if params["protocol"] != PROTOCOL:
            raise Refusal("Internal", f"this child speaks version {PROTOCOL} of the protocol, not {params['protocol']}")
        folder = pathlib.Path(params["model"])
        self.library = choose_library(folder, params.get("library", ""), max(1, params.get("threads", 1)))
        self.binary = "binary" in params["frames"]
        config = read_json(folder, "config.json")
        description = {"max_tokens": config.get("max_position_embeddings", 1 << 20)} | self.library.description
        return description | {"protocol": PROTOCOL, "frames": "binary" if self.binary else "json"}, b""

    def embed_batch(self, params, payload):
        import numpy

        lengths, ids, types = self.read_batch(params, payload)
        shape = len(lengths), int(lengths.max())
        mask = (numpy.arange(shape[1]) < lengths[:, None]).astype("int64")
        padded_ids, padded_types = numpy.zeros(shape, "int64"), numpy.zeros(shape, "int64")
        padded_ids[mask == 1], padded_types[mask == 1] = ids, types
        rows = self.library.run(padded_ids, mask, padded_types)
        if rows.ndim == 3:
            rows = rows[mask == 1]
        if not self.binary:
            return {"embeddings": rows.tolist()}, b""
        return {"rows": rows.shape[0], "width": rows.shape[1]}, rows.astype("<f4", copy=False).tobytes()

    @staticmethod
    def read_batch(params, payload):
        import numpy

        if "input_ids" in params:
            flat = [numpy.concatenate([numpy.asarray(row, "int64") for row in params[name]])
                    for name in ("input_ids", "token_type_ids")]
            return numpy.array([len(row) for row in params["input_ids"]]), *flat
        words = numpy.frombuffer(payload, "<i4")
        sequences, tokens = params["sequences"], params["tokens"]
        return numpy.split(words, [sequences, sequences + tokens])

    def answer(self, message, payload):
        try:
            handler = {"load_model": self.load_model, "embed_batch": self.embed_batch}[message["method"]]
            answer, out = handler(message["params"], payload)
            return {"id": message["id"], "status": "ok"} | answer, out
        except Refusal as refusal:
            return {"id": message["id"], "status": "error", "code": refusal.code, "message": str(refusal)}, b""
        except Exception as error:  # A library's; its text may be long, and Akin cuts it.
            text = f"{type(error).__name__}: {error}"
            return {"id": message["id"], "status": "error", "code": "Internal", "message": text}, b""


def main():
    channel = Channel(int(os.environ.pop("AKIN_BRIDGE_FD")))
    bridge = Bridge()
    while (received := channel.receive()) is not None:
        channel.send(*bridge.answer(*received))
    os._exit(0)  # Akin has closed the socket; there is nothing that would be worth a slow end.


if __name__ == "__main__":
    main()
