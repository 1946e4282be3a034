"""A TEST SERVER, no model: an embedding server on the loopback whose vectors are a formula of the text's bytes, with
faults on demand. Python's standard library only.

    vector(text)[j] = ((sum of bytes + 7 * j) % 97) / 97 - 0.5

`faults` is a list: the next requests take one each. `log` holds what was asked.
"""
import base64
import http.server
import json
import struct
import threading
import time

WIDTH = 8


def vector(text):
    return [((sum(text.encode()) + 7 * j) % 97) / 97 - 0.5 for j in range(WIDTH)]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, headers=None, content_type="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        fake = self.server.fake
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with fake.lock:
            fake.log.append({"path": self.path, "body": body, "key": self.headers.get("Authorization"),
                             "port": self.client_address[1], "time": time.monotonic()})
            fault = fake.faults.pop(0) if fake.faults else fake.always
        texts = body.get("input", body.get("inputs"))
        vectors = [vector(t) for t in texts]
        if fault is not None and fault(self, texts, vectors):
            return
        self.answer(200, self.shape(body, vectors))

    def shape(self, body, vectors):
        if "inputs" in body:
            return vectors
        if body.get("encoding_format") == "base64":
            vectors = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
        # Out of order: `index` says which is which.
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        return {"object": "list", "model": body["model"], "data": data[::-1],
                "usage": {"prompt_tokens": len(vectors), "total_tokens": len(vectors)}}


# --- Faults: return True when they have answered themselves; others spoil `vectors` ------------------------------


def status(code, body=b"", **headers):
    return lambda handler, texts, vectors: handler.answer(
        code, body, {k.replace("_", "-"): v for k, v in headers.items()}) or True


def html(handler, texts, vectors):
    handler.answer(200, b"<html><body>Welcome to nginx</body></html>", content_type="text/html")
    return True


def few(handler, texts, vectors):
    del vectors[-1]


def wide(handler, texts, vectors):
    vectors[-1] = vectors[-1] + [0.0]


def narrow(handler, texts, vectors):
    for v in vectors:
        del v[-1]


def null(handler, texts, vectors):
    body = [v[:-1] + [None] for v in vectors]
    handler.answer(200, body if "/embed" == handler.path else {"data": [{"index": i, "embedding": v}
                                                                         for i, v in enumerate(body)]})
    return True


def nan(handler, texts, vectors):
    vectors[-1][-1] = float("nan")


def twice(handler, texts, vectors):
    handler.answer(200, {"data": [{"index": 0, "embedding": v} for v in vectors]})
    return True


def truncated(handler, texts, vectors):
    body = json.dumps(vectors).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True
    return True


def reset(handler, texts, vectors):
    handler.close_connection = True
    handler.connection.close()
    return True


def slow(seconds):
    return lambda handler, texts, vectors: time.sleep(seconds)


def endless(handler, texts, vectors):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    piece = b"10000\r\n" + b"[" * 0x10000 + b"\r\n"
    try:
        for _ in range(4096):  # 256 MiB, if nobody hangs up.
            handler.wfile.write(piece)
    except OSError:
        pass
    handler.close_connection = True
    return True


class FakeServer:
    """Answers on a free port of the loopback until `stop`; with `tls` (an ssl.SSLContext) by https."""

    def __init__(self, tls=None):
        self.lock = threading.Lock()
        self.log, self.faults, self.always = [], [], None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.fake = self
        if tls:  # The handshake is made by each connection's own thread.
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
