#!/usr/bin/env python3
"""Runs embed_tour, in C++ or in C, and reads what it says."""
import argparse
import os
import pathlib
import re
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--program", required=True)
parser.add_argument("--model", required=True)
parser.add_argument("--backend", required=True)
parser.add_argument("--ort-library")
parser.add_argument("--behind", help="the program `akin`, to be the server that --backend remote asks")
arguments = parser.parse_args()

environment = {**{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}, "FAKE_CHILD_WIDTH": "64"}
if arguments.ort_library:
    if not any(pathlib.Path(arguments.ort_library).glob("libonnxruntime*")):
        print(f"SKIPPED: ONNX Runtime's library is not in {arguments.ort_library}")
        sys.exit(77)
    environment["AKIN_ORT_LIBRARY"] = arguments.ort_library
if arguments.backend.startswith("plugin:") and not os.path.exists(arguments.backend.removeprefix("plugin:")):
    print(f"SKIPPED: {arguments.backend} is not built")
    sys.exit(77)


def run(*options):
    return subprocess.run([arguments.program, *options], capture_output=True, text=True, timeout=120, env=environment)


backend, server = arguments.backend, None
if arguments.behind:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))
    import serve_process
    serve_process.ARGUMENTS.akin = arguments.behind
    server = serve_process.Server(models=[arguments.model])
    backend = f"remote:{server.url}"
try:
    tour = run("--model", arguments.model, "--backend", backend)
finally:
    if server:
        server.stop()
print(tour.stdout, tour.stderr)
assert tour.returncode == 0, tour.returncode
steps = re.findall(r"^(\d)\. (.*)$", tour.stdout, re.MULTILINE)
assert steps == [("1", "Initialize"), ("2", "Health check"), ("3", "Model information"), ("4", "One embedding"),
                 ("5", "A batch of three"), ("6", "Ten timed runs")], steps
name = arguments.backend.partition(":")[0]
assert re.search(rf"^ *backend +{name}(, \S+)*$", tour.stdout, re.MULTILINE)
dimension = int(re.search(r"dimension +(\d+)", tour.stdout)[1])
assert re.findall(r"text (\d) +(\d+) values", tour.stdout) == [(str(i), str(dimension)) for i in (1, 2, 3)]
norms = [float(norm) for norm in re.findall(r"norm ([\d.]+)", tour.stdout)]
assert len(norms) == 4 and all(abs(norm - 1) < 1e-4 for norm in norms), norms
times = re.search(r"10 runs +P50 ([\d.]+) ms, P95 ([\d.]+) ms, P99 ([\d.]+) ms", tour.stdout)
p50, p95, p99 = map(float, times.groups())
assert 0 < p50 <= p95 <= p99
# Whether the target is met is the machine's business; that the sentence is true is ours.
assert ("met" if p95 < 20 else "missed") in tour.stdout.splitlines()[-1]

for options, mention in [(("--model", "/nowhere"), "/nowhere"), (("--backend", "steam"), "steam"), (("--colour", "red"), "--colour")]:
    wrong = run(*options)
    assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1 and mention in wrong.stderr, (options, wrong)
