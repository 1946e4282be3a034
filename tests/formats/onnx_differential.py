#!/usr/bin/env python3
"""Compares formats/onnx with Python's `onnx` on mutated ONNX files.

    onnx_differential.py --reader build/release/tests/formats/onnx_reader [--mutations N] [--seed N|random]

What holds: a file that protobuf cannot read is refused, unless it could read it without the fields that our reader skips;
one that `onnx.checker` finds right is read, unless for a reason
of STRICTER; what both read has the same parts and the same values. (The checker knows operators, our reader does not: it
may read what the checker refuses.) Ends with status 77 and "SKIPPED: why" without the package, which is looked for in this
Python, then in .venv (`./dev test` installs it).
"""
import argparse
import importlib.util
import os
import pathlib
import random
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIP = 77
CHUNK = 500
# Where we refuse what `onnx` takes, by our message: each is a decision of formats/onnx.h or formats/protobuf.h.
STRICTER = [r"holds \d+ bytes, shape and type \(.*\) ask for \d+$",  # The checker only asks for some values.
            r"a name holds a NUL character$", r"has a tensor in segments, which is not supported$",
            r"has \d+ dimensions, at most 16 are allowed$"]
# What our reader reads: message -> field -> None, or the message in it. Everything else is skipped.
FIELDS = {
    "Model": {1: None, 2: None, 7: "Graph", 8: "Opset", 25: "Function"},
    "Opset": {1: None, 2: None},
    "Function": {1: None, 7: "Node", 10: None},
    "Graph": {1: "Node", 2: None, 5: "Tensor", 11: "ValueInfo", 12: "ValueInfo", 15: None},
    "Node": {1: None, 2: None, 3: None, 4: None, 5: "Attribute", 7: None},
    "Attribute": {1: None, 2: None, 3: None, 4: None, 5: "Tensor", 6: "Graph", 8: None, 10: "Tensor", 11: "Graph", 22: None,
                  23: None},
    "Tensor": {1: None, 2: None, 4: None, 5: None, 6: None, 7: None, 8: None, 9: None, 10: None, 11: None, 13: "Entry",
               14: None},
    "Entry": {1: None, 2: None},
    "ValueInfo": {1: None, 2: "Type"},
    "Type": {1: "TensorType"},
    "TensorType": {1: None, 2: "Shape"},
    "Shape": {1: "Dim"},
    "Dim": {1: None, 2: None},
}


def require_onnx():
    """Goes on in .venv's Python, or skips."""
    if importlib.util.find_spec("onnx"):
        return
    venv = ROOT / ".venv"
    if pathlib.Path(sys.prefix).resolve() != venv.resolve() and (venv / "bin/python").exists():
        os.execv(venv / "bin/python", [str(venv / "bin/python"), "-B", *sys.argv])
    print("SKIPPED: the package onnx is not installed (pip install -r tools/requirements-test.txt)")
    sys.exit(SKIP)


def seeds():
    """Small models that have every part: tensors stored in each way, subgraphs, functions, external data."""
    from onnx import TensorProto as T, helper as h
    ids = h.make_tensor_value_info("input_ids", T.INT64, ["batch", "length"])
    out = h.make_tensor_value_info("last_hidden_state", T.FLOAT, ["batch", "length", 3])
    raw = h.make_tensor("table", T.FLOAT, [4, 3], b"\0\0\x80\x3f" * 12, raw=True)
    typed = h.make_tensor("scale", T.FLOAT, [3], [1.5, 2.5, -1.0])
    half = h.make_tensor("half", T.FLOAT16, [2], [1.0, 2.0])
    ints = h.make_tensor("ints", T.INT64, [2], [-1, 1 << 40])
    bytes_ = h.make_tensor("bytes", T.INT8, [3], [-5, 0, 7])
    doubles = h.make_tensor("doubles", T.DOUBLE, [1], [0.1])
    nodes = [h.make_node("Gather", ["table", "input_ids"], ["rows"], name="lookup", axis=0),
             h.make_node("Mul", ["rows", "scale"], ["last_hidden_state"])]
    opsets = [h.make_opsetid("", 17)]
    yield h.make_model(h.make_graph(nodes, "g", [ids], [out], [raw, typed, half, ints, bytes_, doubles]),
                       opset_imports=opsets, ir_version=8).SerializeToString()

    branch = [h.make_graph([h.make_node("Identity", [source], [f"b{i}"])], f"branch{i}", [],
                           [h.make_tensor_value_info(f"b{i}", T.FLOAT, [3])])
              for i, source in enumerate(("scale", "other"))]
    flag = h.make_tensor("flag", T.BOOL, [], [1])
    other = h.make_tensor("other", T.FLOAT, [3], [0.0, 1.0, 2.0])
    nodes = [h.make_node("If", ["flag"], ["chosen"], then_branch=branch[0], else_branch=branch[1]),
             h.make_node("Constant", [], ["one"], value=h.make_tensor("v", T.FLOAT, [1], [1.0])),
             h.make_node("Gather", ["table", "input_ids"], ["rows"]), h.make_node("Mul", ["rows", "chosen"], ["scaled"]),
             h.make_node("Add", ["scaled", "one"], ["last_hidden_state"])]
    yield h.make_model(h.make_graph(nodes, "g", [ids], [out], [raw, typed, other, flag]), opset_imports=opsets,
                       ir_version=8).SerializeToString()

    twice = h.make_function("own", "Twice", ["x"], ["y"], [h.make_node("Add", ["x", "x"], ["y"])], opsets)
    nodes = [h.make_node("Gather", ["table", "input_ids"], ["rows"]),
             h.make_node("Twice", ["rows"], ["last_hidden_state"], domain="own")]
    yield h.make_model(h.make_graph(nodes, "g", [ids], [out], [raw]), opset_imports=opsets + [h.make_opsetid("own", 1)],
                       functions=[twice], ir_version=8).SerializeToString()


def mutate(rng, file):
    """A few changes of bytes, lengths and places."""
    data = bytearray(file)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data)) if data else 0
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2 and data:  # A length that is nearly right.
            data[at] = (data[at] + rng.choice((-1, 1))) % 256
        elif kind == 3:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 5)))
        elif kind == 4:
            del data[at:at + rng.randrange(1, 9)]
        elif kind == 5:
            del data[at:]
        elif data:  # A part twice, or elsewhere.
            part = data[at:at + rng.randrange(1, 40)]
            to = rng.randrange(len(data))
            data[to:to] = part
    return bytes(data)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def written(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def without_skipped(data, message):
    """The message with only the fields of FIELDS."""
    out, at = b"", 0
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 2:
            size, at = varint(data, at)
            part, at = data[at:at + size], at + size
        else:
            at = {0: lambda: varint(data, at)[1], 1: lambda: at + 8, 5: lambda: at + 4}[wire]()
        if number not in FIELDS[message]:
            continue
        inner = FIELDS[message][number]
        if inner is None:
            out += data[start:at]
        elif wire == 2:
            part = without_skipped(part, inner)
            out += written(tag) + written(len(part)) + part
    return out


def damage_is_skipped(file):
    import onnx
    try:
        onnx.ModelProto.FromString(without_skipped(file, "Model"))
        return True
    except Exception:  # protobuf's, or ours where the wire format itself is broken.
        return False


class Unreadable(Exception):
    """A tensor that `onnx` itself cannot give the values of."""


def describe_tensor(t):
    import onnx
    from onnx import numpy_helper
    out = f"T{t.data_type}[" + "".join(f"{d}," for d in t.dims) + "]"
    if t.data_location == onnx.TensorProto.EXTERNAL:
        return out + "external"
    if t.data_type in (onnx.TensorProto.STRING, onnx.TensorProto.UNDEFINED) or t.data_type not in KNOWN_TYPES:
        return out + "strings"
    try:
        return out + fnv(t.raw_data if t.HasField("raw_data") else numpy_helper.to_array(t).tobytes())
    except Exception as error:  # Whatever a damaged tensor makes it raise.
        raise Unreadable(str(error)) from error


def size_of(name):
    """In bytes; protobuf gives a name that is not UTF-8 as bytes."""
    return len(name if isinstance(name, bytes) else name.encode())


def describe_graph(g):
    out = f"({len(g.input)} in {len(g.output)} out"
    for t in g.initializer:
        out += " " + describe_tensor(t)
    for n in g.node:
        out += f" N{len(n.input)}:{len(n.output)}:{size_of(n.op_type)}"
        for a in n.attribute:
            out += "".join(describe_tensor(t) for t in ([a.t] if a.HasField("t") else []) + list(a.tensors))
            out += "".join(describe_graph(i) for i in ([a.g] if a.HasField("g") else []) + list(a.graphs))
    return out + ")"


KNOWN_TYPES = set(range(1, 24)) - {8}


def judge(file):
    """-> ("unreadable" | "right" | "wrong", description or None)"""
    import onnx
    try:
        model = onnx.ModelProto.FromString(file)
    except Exception:  # protobuf's DecodeError, in its several kinds.
        return "unreadable", None
    try:
        onnx.checker.check_model(model)
        verdict = "right"
    except Exception:  # The checker's, and what damaged names make it raise.
        verdict = "wrong"
    try:
        return verdict, describe_graph(model.graph)
    except (Unreadable, UnicodeDecodeError):
        return verdict, None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reader", required=True)
    parser.add_argument("--mutations", type=int, default=3000)
    parser.add_argument("--seed", default="1")
    args = parser.parse_args()
    require_onnx()
    seed = random.SystemRandom().randrange(1 << 32) if args.seed == "random" else int(args.seed)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    files = list(seeds())
    for file in files:
        assert judge(file)[0] == "right"
    originals = files[:]
    counts = {"unreadable": 0, "right": 0, "wrong": 0, "read": 0, "stricter": 0, "skipped": 0}
    findings = []
    while args.mutations > 0:
        files += [mutate(rng, rng.choice(originals)) for _ in range(min(CHUNK, args.mutations))]
        args.mutations -= CHUNK
        data = b"".join(len(f).to_bytes(4, "little") + f for f in files)
        lines = subprocess.run([args.reader], input=data, capture_output=True, check=True, timeout=120).stdout
        lines = lines.decode("utf-8", "replace").splitlines()
        assert len(lines) == len(files), (len(lines), len(files))
        for file, line in zip(files, lines):
            verdict, description = judge(file)
            refused = line.startswith("refused: ")
            counts[verdict] += 1
            counts["read"] += not refused
            if verdict == "unreadable" and not refused:
                if damage_is_skipped(file):
                    counts["skipped"] += 1
                else:
                    findings.append((file, "protobuf cannot read it, we do: " + line))
            elif verdict == "right" and refused:
                if any(re.search(reason, line) for reason in STRICTER):
                    counts["stricter"] += 1
                else:
                    findings.append((file, "the checker finds it right, we: " + line))
            elif not refused and description is not None and description != line:
                findings.append((file, f"other parts:\n  onnx {description}\n  akin {line}"))
        files = []
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    # Each verdict has to have been there, or the comparison compares nothing.
    assert min(counts["unreadable"], counts["right"], counts["wrong"], counts["read"]) > 0
    for file, what in findings[:20]:
        print(f"{file.hex()}\n  {what}")
    if findings:
        sys.exit(f"{len(findings)} differences")


if __name__ == "__main__":
    main()
