"""A TEST CHILD, no model: its rows are a formula of the token ids, so that a test knows each right answer.

    value(token, column) = ((31 * token + 7 * column) % 97) / 97 - 0.5

MODE, the first argument or FAKE_CHILD_MODE, says how it behaves. A batch that begins with one of the token ids
of FAULTS makes it misbehave once.
"""
import array
import json
import os
import socket
import subprocess
import sys
import time

DELAY = float(os.environ.get("FAKE_CHILD_DELAY", "0"))  # Seconds that each answer takes.
WIDTH = int(os.environ.get("FAKE_CHILD_WIDTH", "8"))
MODE = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("FAKE_CHILD_MODE", "good")
FD = int(os.environ["AKIN_BRIDGE_FD"])
os.set_inheritable(FD, MODE == "leak-socket")
channel = socket.socket(fileno=FD)
stream = channel.makefile("rb")


def say(message, payload=b""):
    channel.sendall(json.dumps(message).encode() + b"\n" + payload)


def rows_of(ids):
    return [[((31 * t + 7 * j) % 97) / 97 - 0.5 for j in range(WIDTH)] for t in ids]


def ok(request, rows, width=WIDTH):
    """The answer in bytes, or in JSON."""
    answer = {"id": request["id"], "status": "ok"}
    if MODE == "json":
        say(answer | {"embeddings": rows})
    else:
        values = array.array("f", [x for row in rows for x in row])
        say(answer | {"rows": len(rows), "width": width, "bytes": 4 * len(values)}, values.tobytes())


def die(request, rows):
    os._exit(9)


def hang(request, rows):
    time.sleep(600)


def few(request, rows):
    ok(request, rows[:-1])


def nan(request, rows):
    rows[-1][-1] = None if MODE == "json" else float("nan")
    ok(request, rows)


def wide(request, rows):
    ok(request, [row + [0.0] for row in rows], WIDTH + 1)


def stray(request, rows):
    ok(request | {"id": 10**9}, rows)
    ok(request, rows)
    ok(request, rows)


def garbage(request, rows):
    channel.sendall(b"Loading weights: 100%\n")
    time.sleep(600)


def refuse(request, rows):
    say({"id": request["id"], "status": "error", "code": "InvalidInput", "message": "this token is not for me"})


def short(request, rows):
    say({"id": request["id"], "status": "ok", "rows": len(rows), "width": WIDTH, "bytes": 12}, bytes(12))


def cut(request, rows):
    say({"id": request["id"], "status": "ok", "rows": len(rows), "width": WIDTH, "bytes": 4 * WIDTH * len(rows)}, b"abc")
    os._exit(0)


def flood(request, rows):
    try:
        while True:
            channel.sendall(b"x" * (1 << 20))
    except OSError:
        os._exit(0)


def slow(request, rows):
    time.sleep(0.02)
    ok(request, rows)


FAULTS = {900: die, 901: hang, 902: few, 903: nan, 904: wide, 905: stray, 906: garbage, 907: refuse, 908: short,
          909: cut, 910: flood, 911: slow}


def ids_of(request, payload):
    params = request["params"]
    if "input_ids" in params:
        return [t for row in params["input_ids"] for t in row]
    words = array.array("i", payload)
    return list(words[params["sequences"]:params["sequences"] + params["tokens"]])


def load(request):
    print("a library prints on standard output")
    print("and on standard error", file=sys.stderr)
    if MODE == "die-at-start":
        sys.exit("no module named sentence_formers")
    if MODE == "hang-at-start":
        time.sleep(600)
    if MODE == "old":
        return say({"id": request["id"], "status": "ok", "protocol": 0, "frames": "binary", "rows": "tokens"})
    if MODE == "wrong-id":
        request = request | {"id": 999}
    if MODE == "wrong-id-error":
        return say({"id": 999, "status": "error", "code": "ModelNotFound", "message": "there is no model"})
    if MODE == "noise":
        for _ in range(20):
            sys.stdout.write("noise " * 10000 + "\n")
            sys.stderr.write("more noise " * 10000 + "\n")
    if MODE == "no-model":
        return say({"id": request["id"], "status": "error", "code": "ModelNotFound", "message": "there is no model"})
    if MODE in ("grandchild", "leak-socket"):
        subprocess.Popen(["sleep", "300"], close_fds=MODE == "grandchild")
    say({"id": request["id"], "status": "ok", "protocol": 1, "frames": "json" if MODE == "json" else "binary",
         "rows": "tokens", "width": WIDTH, "max_tokens": 512, "vocab_size": 100000, "name": "a test child",
         "precision": "f32"})


def main():
    waiting = []
    while line := stream.readline():
        request = json.loads(line)
        payload = stream.read(request.get("bytes", 0))
        if request["method"] == "load_model":
            load(request)
            continue
        if MODE == "noise":
            print("noise", flush=True)
        ids = ids_of(request, payload)
        time.sleep(DELAY)
        fault = FAULTS.get(ids[0], ok)
        if MODE == "reversed":  # Three requests, answered in the opposite order.
            waiting.append((request, rows_of(ids)))
            if len(waiting) == 3:
                for late in reversed(waiting):
                    ok(*late)
                waiting.clear()
            continue
        fault(request, rows_of(ids))


main()
