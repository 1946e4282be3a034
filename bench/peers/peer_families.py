"""The programs that Akin is measured beside: what each needs, and which of its settings run.

A family is installed by its own requirements file and converted by its own steps of
prepare_models.py, so that one that cannot be had on a machine costs only itself.
"""
import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Family:
    title: str
    peers: tuple            # presets of backends.py
    steps: tuple            # of prepare_models.py
    free_gib: float         # disk space without which it is not even tried
    cost: str               # said before installing
    env: tuple = ()


# onnxruntime comes first: its environment makes the texts, its f32 vectors are the reference.
FAMILIES = {
    "ort": Family("ONNX Runtime", ("ort-fp32", "ort-int8"), ("onnx", "ort"), 2, "a minute"),
    "openvino": Family("OpenVINO", ("ov-fp32", "ov-bf16", "ov-int8"), ("onnx", "openvino"), 3,
                       "half a minute; its int8 model takes two more"),
    "ct2": Family("CTranslate2", ("ct2-fp32", "ct2-int8"), ("ct2",), 1, "seconds"),
    "llama": Family("llama.cpp", ("llama-f16", "llama-q8_0"), ("gguf",), 2,
                    "a quarter of an hour: it is compiled for this CPU",
                    (("CMAKE_ARGS", "-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF"),)),
    "st": Family("sentence-transformers", ("st-fp32", "st-bf16"), (), 14,
                 "minutes and 5 GiB: torch brings GPU libraries along"),
}


def say(message):
    print(f"== {message}", file=sys.stderr, flush=True)


def chosen(text):
    """"ort,ov-int8" -> ([families], [presets]), in the order of FAMILIES; "" is all of them.

    Raises ValueError with the names that there are."""
    known = {peer: name for name, f in FAMILIES.items() for peer in f.peers}
    presets = []
    for word in filter(None, (text or ",".join(FAMILIES)).split(",")):
        if word in FAMILIES:
            presets += FAMILIES[word].peers
        elif word in known:
            presets.append(word)
        else:
            raise ValueError(f"there is no peer '{word}'; there are {', '.join([*FAMILIES, *known])}")
    presets = ["ort-fp32"] + [p for p in presets if p != "ort-fp32"]    # the reference
    names = [n for n in FAMILIES if any(known[p] == n for p in presets)]
    return names, [p for n in names for p in FAMILIES[n].peers if p in presets]


def fingerprint(*files):
    digest = hashlib.sha256()
    for f in files:
        digest.update(pathlib.Path(f).read_bytes())
    return digest.hexdigest()[:16]


class Environment:
    """The Python environment of the peers and their converted models, below one folder."""

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.python = self.work / "venv" / "bin" / "python"

    def stamp(self, kind, name, *files):
        return self.work / f"{kind}-{name}-{fingerprint(*files)}"

    def install(self, name):
        """Whether the family is there, installing it when it is not; says why not."""
        family = FAMILIES[name]
        self.work.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.work).free / 2**30
        if free < family.free_gib and not self.has(name):
            say(f"{family.title} is left out: {free:.1f} GiB of disk are free, it wants {family.free_gib:g}")
            return False
        return self.install_requirements(name, family.title, family.cost, dict(family.env))

    def has(self, name):
        return self.stamp("installed", name, HERE / f"requirements-{name}.txt").exists() and self.python.exists()

    def install_requirements(self, name, title, cost, variables=None):
        """Whether what requirements-NAME.txt lists is there."""
        if self.has(name):
            return True
        say(f"installing {title} into {self.work}/venv ({cost})")
        self.work.mkdir(parents=True, exist_ok=True)
        log, requirements = self.work / f"install-{name}.log", HERE / f"requirements-{name}.txt"
        with open(log, "w", encoding="utf-8") as out:
            done = self.make_venv(out) and subprocess.run(
                [self.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir",
                 "--progress-bar", "off", "-r", requirements],
                stdout=out, stderr=out, env={**os.environ, **(variables or {})}, check=False).returncode == 0
        if done:
            self.stamp("installed", name, requirements).touch()
        else:
            say(f"{title} is left out: it could not be installed, see {log}")
        return done

    def make_venv(self, log):
        # One that was not made to its end has no pip; making it again completes it.
        if self.python.exists() and subprocess.run([self.python, "-c", "import pip"], stderr=log, check=False).returncode == 0:
            return True
        return subprocess.run([sys.executable, "-m", "venv", self.work / "venv"], stdout=log, stderr=log,
                              check=False).returncode == 0

    def make_workloads(self, model):
        if not (self.work / "workloads" / "meta.json").exists():
            say("making the workloads from Debian's package descriptions")
            subprocess.run([self.python, HERE / "make_workloads.py", "--model", model, "--out",
                            self.work / "workloads"], stdout=subprocess.DEVNULL, check=True)

    def convert(self, name, model):
        """Whether the model is there in the family's format; converts it once, says why not."""
        family = FAMILIES[name]
        for step in family.steps:
            stamp = self.stamp("converted", step, HERE / "prepare_models.py",
                               *sorted(pathlib.Path(model).glob("*.safetensors")))
            if stamp.exists():
                continue
            say(f"converting the model for {family.title} ({step})")
            log = self.work / f"convert-{step}.log"
            with open(log, "w", encoding="utf-8") as out:
                status = subprocess.run(
                    [self.python, HERE / "prepare_models.py", "--model", model, "--out",
                     self.work / "converted", "--workloads", self.work / "workloads", "--steps", step],
                    stdout=out, stderr=out, check=False).returncode
            if status:
                say(f"{family.title} is left out: its model could not be made, see {log}")
                return False
            stamp.touch()
        return True
