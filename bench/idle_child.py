"""A child of `--backend python` that computes nothing: every row is ones, of the width in IDLE_CHILD_WIDTH (384). What a call
costs beside it is the bridge's. Python's standard library only.
"""
import array
import functools
import json
import os
import socket

WIDTH = int(os.environ.get("IDLE_CHILD_WIDTH", "384"))


@functools.cache
def ones(rows):
    return array.array("f", [1.0]) * (rows * WIDTH)


channel = socket.socket(fileno=int(os.environ["AKIN_BRIDGE_FD"]))
stream = channel.makefile("rb", buffering=1 << 20)
while line := stream.readline():
    request = json.loads(line)
    stream.read(request.get("bytes", 0))
    answer = {"id": request["id"], "status": "ok"}
    payload = b""
    if request["method"] == "load_model":
        answer |= {"protocol": 1, "frames": "binary", "rows": "tokens", "width": WIDTH, "max_tokens": 512,
                   "name": "an idle child", "precision": "f32"}
    else:
        rows = request["params"]["tokens"]
        payload = memoryview(ones(rows)).cast("B")
        answer |= {"rows": rows, "width": WIDTH, "bytes": len(payload)}
    channel.sendall(b"".join([json.dumps(answer).encode(), b"\n", payload]))
