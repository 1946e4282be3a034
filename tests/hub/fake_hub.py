"""A hub on loopback with scripted faults: the part of the Hugging Face Hub's HTTP interface that a download uses.

    with FakeHub({"org/name": {"config.json": b"{}", ...}}) as hub: ... hub.endpoint ...

With `tls` (an ssl.SSLContext) both servers speak https.

Large files (LARGE_BYTES and more) are "LFS": their resolve address redirects to a second server, as the real hub does to
its content network, and their ETag is the SHA-256; others are served in place under their git blob id. Every request is
recorded in `hub.requests` as (server, method, path, headers). `hub.faults` is a list of functions(request) that may answer
a request themselves (True) or change what is answered by setting attributes of `request`.
"""
import hashlib
import http.server
import json
import pathlib
import socket
import threading
import time
import urllib.parse

LARGE_BYTES = 10_000
PAGE = 3  # Entries of a page of the file list: small, so that every test turns pages.


def git_blob_id(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def commit_of(files):
    return hashlib.sha1(json.dumps({k: git_blob_id(v) for k, v in sorted(files.items())}).encode()).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    @property
    def hub(self):
        return self.server.hub

    def do_HEAD(self):
        self.answer(head=True)

    def do_GET(self):
        self.answer(head=False)

    def answer(self, head):
        self.head = head
        self.side = self.server.side
        # What a fault may change.
        self.extra_headers, self.cut_after, self.etag, self.body_change, self.lie_length = {}, None, None, None, 0
        self.gzip, self.ignore_range, self.shift_range, self.total_lie, self.stall_after = False, False, 0, 0, None
        self.hub.requests.append((self.side, self.command, self.path, dict(self.headers)))
        try:
            for fault in list(self.hub.faults):
                if fault(self):
                    return
            self.route()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def route(self):
        url = urllib.parse.urlsplit(self.path)
        parts = [urllib.parse.unquote(p) for p in url.path.split("/")[1:]]
        if self.side == "cdn":
            return self.content(self.hub.blobs[parts[0]], parts[0])
        if parts[:2] == ["api", "models"]:
            return self.api(parts[2] + "/" + parts[3], parts[4:], urllib.parse.parse_qs(url.query))
        if len(parts) >= 5 and parts[2] == "resolve":
            return self.resolve(parts[0] + "/" + parts[1], parts[3], "/".join(parts[4:]))
        return self.error(404, "")

    def permitted(self, repository):
        if repository in self.hub.gated and self.headers.get("Authorization") != "Bearer " + self.hub.token:
            self.error(403 if "Authorization" in self.headers else 401, "GatedRepo")
            return False
        return True

    def api(self, repository, rest, query):
        revisions = self.hub.models.get(repository)
        if revisions is None:
            return self.error(401, "RepoNotFound")
        if not self.permitted(repository):
            return None
        if not rest:
            rest = ["revision", "main"]
        commit = self.hub.commit(repository, "/".join(rest[1:]))
        if commit is None:
            return self.error(404, "RevisionNotFound")
        files = self.hub.commits[commit]
        if rest[0] == "revision":
            return self.json({"id": repository, "modelId": repository, "sha": commit, "private": False, "tags": [],
                              "downloads": 0, "siblings": [{"rfilename": f} for f in files]})
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": d} for d in
                   sorted({f.rsplit("/", 1)[0] for f in files if "/" in f})]
        for name, content in files.items():
            entry = {"type": "file", "path": name, "size": len(content)}
            if len(content) >= LARGE_BYTES:
                entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
                entry["oid"] = "1" * 40  # Of the pointer.
            else:
                entry["oid"] = git_blob_id(content)
            entries.append(entry)
        at = int(query.get("cursor", ["0"])[0])
        if at + PAGE < len(entries):
            self.extra_headers["Link"] = (f'<{self.hub.endpoint}/api/models/{repository}/tree/{commit}?recursive=true'
                                          f'&cursor={at + PAGE}>; rel="next"')
        return self.json(self.hub.change_list(entries[at:at + PAGE]))

    def resolve(self, repository, revision, name):
        if repository not in self.hub.models:
            return self.error(401, "RepoNotFound")
        if not self.permitted(repository):
            return None
        commit = self.hub.commit(repository, revision)
        if commit is None:
            return self.error(404, "RevisionNotFound")
        self.extra_headers["X-Repo-Commit"] = commit
        content = self.hub.commits[commit].get(name)
        if content is None:
            return self.error(404, "EntryNotFound")
        if len(content) < LARGE_BYTES:
            return self.content(content, git_blob_id(content))
        return self.redirect(f"{self.hub.cdn}/{sha256(content)}?signature=secret", content)

    def redirect(self, location, content=None):
        self.send_response(302)
        self.send_header("Location", location)
        if content is not None:
            self.send_header("X-Linked-Etag", f'"{self.etag or sha256(content)}"')
            self.send_header("X-Linked-Size", str(len(content)))
        for name, value in self.extra_headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def error(self, status, code):
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        for name, value in self.extra_headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def json(self, value):
        self.body(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def content(self, content, etag):
        headers = {"ETag": f'"{self.etag or etag}"', "Accept-Ranges": "bytes"}
        if self.gzip:
            headers["Content-Encoding"] = "gzip"
        if self.body_change:
            content = self.body_change(content)
        wanted = self.headers.get("Range")
        if not wanted or self.ignore_range:
            return self.body(200, content, headers)
        first, last = wanted.split("=")[1].split("-")
        first, last = int(first), min(int(last or len(content) - 1), len(content) - 1)
        if first > last:
            return self.body(416, b"", headers)
        headers["Content-Range"] = f"bytes {first + self.shift_range}-{last}/{len(content) + self.total_lie}"
        return self.body(206, memoryview(content)[first:last + 1], headers)

    def body(self, status, content, headers):
        self.send_response(status)
        for name, value in {**headers, **self.extra_headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) + self.lie_length))
        self.end_headers()
        if self.head:
            return
        if self.cut_after is not None:
            self.wfile.write(content[:self.cut_after])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif self.stall_after is not None:
            self.wfile.write(content[:self.stall_after])
            self.wfile.flush()
            self.hub.closing.wait(60)
            self.close_connection = True
        else:
            self.hub.slow_write(self, content)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hub, side):
        self.hub, self.side = hub, side
        super().__init__(("127.0.0.1", 0), Handler)
        if hub.tls:  # The handshake is made by each connection's own thread, at its first byte.
            self.socket = hub.tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):
        pass  # Clients are killed on purpose.


class FakeHub:
    def __init__(self, models, tls=None):
        self.tls = tls
        self.models, self.commits, self.blobs = {}, {}, {}
        self.requests, self.faults, self.gated, self.token = [], [], set(), "hf_secret"
        self.change_list = lambda entries: entries
        self.seconds_per_megabyte = 0
        self.closing = threading.Event()
        for repository, files in models.items():
            self.publish(repository, files)
        self.hub_server, self.cdn_server = Server(self, "hub"), Server(self, "cdn")
        scheme = "https" if tls else "http"
        self.endpoint = f"{scheme}://127.0.0.1:{self.hub_server.server_address[1]}"
        self.cdn = f"{scheme}://127.0.0.1:{self.cdn_server.server_address[1]}"

    def publish(self, repository, files, revision="main"):
        """-> the commit"""
        commit = commit_of(files)
        self.commits[commit] = files
        self.models.setdefault(repository, {})[revision] = commit
        for content in files.values():
            self.blobs[sha256(content)] = content
        return commit

    def commit(self, repository, revision):
        revisions = self.models[repository]
        return revision if revision in revisions.values() else revisions.get(revision)

    def slow_write(self, request, content):
        if not self.seconds_per_megabyte:
            request.wfile.write(content)
            return
        for at in range(0, len(content), 1 << 16):
            request.wfile.write(content[at:at + (1 << 16)])
            time.sleep(self.seconds_per_megabyte / 16)

    def gets(self, side):
        return [r for r in self.requests if r[0] == side and r[1] == "GET"]

    def close(self):
        self.closing.set()
        for server in (self.hub_server, self.cdn_server):
            server.shutdown()
            server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def model_files(folder):
    """The files of a model folder, by their path in it."""
    folder = pathlib.Path(folder)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file() and not p.name.startswith(".")}
