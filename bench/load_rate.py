#!/usr/bin/env python3
"""From the start of the process to the first vector of a large model, beside a program that only reads the file once
and writes as many bytes of new memory as the packed weights take (read_and_write.cc), in turn; medians, the least,
and their ratios.

    bench/load_rate.py --akin build/release/akin --read-and-write build/release/bench/read_and_write [--rounds 11]

The model has BERT-base's sizes (12 layers of 768, 436 MB in float32) and random numbers; it is made in a temporary
folder, so that its file is in the page cache. Nothing is kept of earlier loads (AKIN_PACKED_CACHE_MIB=0).
"""
import argparse
import array
import collections
import json
import os
import pathlib
import random
import shutil
import statistics
import struct
import subprocess
import tempfile
import time

HIDDEN, LAYERS, INTERMEDIATE, VOCABULARY, POSITIONS = 768, 12, 3072, 30522, 512
LINEAR_WEIGHTS = LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INTERMEDIATE)
BYTES_A_WEIGHT = {"f32": 4, "bf16": 2, "int8": 1}
Times = collections.namedtuple("Times", "wall processor")


def shapes():
    for name, rows in (("word", VOCABULARY), ("position", POSITIONS), ("token_type", 2)):
        yield f"embeddings.{name}_embeddings.weight", [rows, HIDDEN]
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        linears = [(part, HIDDEN, HIDDEN) for part in
                   ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")]
        linears += [("intermediate.dense", INTERMEDIATE, HIDDEN), ("output.dense", HIDDEN, INTERMEDIATE)]
        for part, outputs, inputs in linears:
            yield f"{prefix}{part}.weight", [outputs, inputs]
            yield f"{prefix}{part}.bias", [outputs]
        norms += [prefix + "attention.output.LayerNorm", prefix + "output.LayerNorm"]
    for norm in norms:
        yield norm + ".weight", [HIDDEN]
        yield norm + ".bias", [HIDDEN]


def write_weights(path):
    generator = random.Random(1)
    block = array.array("f", (generator.gauss(0, 0.04) for _ in range(1 << 16))).tobytes()
    header, offset = {}, 0
    for name, shape in shapes():
        count = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + count]}
        offset += count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while offset > 0:
            offset -= file.write(block[:offset])


def make_model(small_model, folder):
    """BERT-base with the tokenizer of a small model."""
    shutil.copytree(small_model, folder)
    for file, changes in (
            ("config.json", {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
                             "num_attention_heads": HIDDEN // 64, "intermediate_size": INTERMEDIATE,
                             "max_position_embeddings": POSITIONS}),
            ("1_Pooling/config.json", {"word_embedding_dimension": HIDDEN})):
        path = folder / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    write_weights(folder / "model.safetensors")


def run(command, environment):
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    if status != 0:
        raise SystemExit(f"{command[0]} ended with status {status}")
    return Times(wall, usage.ru_utime + usage.ru_stime)


def main():
    root = pathlib.Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--akin", required=True, help="the program")
    parser.add_argument("--read-and-write", required=True, help="what it is compared with")
    parser.add_argument("--rounds", type=int, default=11, help="runs of each (11)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of both (all)")
    a = parser.parse_args()
    environment = {**os.environ, "AKIN_PACKED_CACHE_MIB": "0"}
    with tempfile.TemporaryDirectory() as temporary:
        model = pathlib.Path(temporary) / "bert-base"
        make_model(root / "tests/data/models/bert-mean", model)
        weights = model / "model.safetensors"
        print(f"{weights.stat().st_size / 1e6:.0f} MB, {a.threads} threads, {a.rounds} rounds; milliseconds, median (least)")
        print("| precision | what | wall | processor time |\n|---|---|---|---|")
        for precision, width in BYTES_A_WEIGHT.items():
            commands = {
                "read and write": [a.read_and_write, str(weights), str(LINEAR_WEIGHTS * width), str(a.threads)],
                "akin, first vector": [a.akin, "embed", "--model", str(model), "--precision", precision, "--threads",
                                       str(a.threads), "--quiet", "a text"]}
            times = {name: [] for name in commands}
            for _ in range(a.rounds):
                for name, command in commands.items():
                    times[name].append(run(command, environment))
            middle = {}
            for name, runs in times.items():
                walls, processors = [[getattr(t, field) * 1000 for t in runs] for field in Times._fields]
                middle[name] = statistics.median(walls), statistics.median(processors)
                print(f"| {precision} | {name} | {middle[name][0]:.0f} ({min(walls):.0f}) | "
                      f"{middle[name][1]:.0f} ({min(processors):.0f}) |")
            ratios = [ours / least for ours, least in zip(middle["akin, first vector"], middle["read and write"])]
            print(f"| {precision} | ratio | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
