"""Clients that keep a ledger while a server ends: what each of their requests has come to.

A request is the server's once its bytes are in the server's socket. On the loopback that is when `send` returns, and whether
the server had said by then that nothing follows is the state of our own socket (CLOSE_WAIT): so a request that gets no answer
is `lost` where the connection still stood behind its last byte, and `crossed` where the client was told before. Linux only.
"""
import json
import select
import socket
import threading

from serve_process import TIMEOUT

ESTABLISHED = 1  # tcpi_state, the first byte of TCP_INFO.


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.answers = {}  # id: (status, text, body)
        self.lost, self.cut, self.crossed = [], [], []

    def answered(self, key, answer):
        with self.lock:
            assert key not in self.answers, f"{key} is answered twice"
            self.answers[key] = answer


class Client(threading.Thread):
    """Asks for one text after the other, on a connection as long as the server keeps it, until nobody listens any more."""

    def __init__(self, ledger, name, port, texts, requests=1_000_000):
        super().__init__()
        self.ledger, self.prefix, self.port, self.texts, self.requests = ledger, name, port, texts, requests
        self.socket = None
        self.start()

    def run(self):
        try:
            for number in range(self.requests):
                if not self.connected():
                    return
                self.ask(f"{self.prefix}-{number}", self.texts[number % len(self.texts)])
        finally:
            self.close()

    def connected(self):
        """A pool of connections looks, before it sends, whether the other end has gone."""
        if self.socket is not None:
            if not select.select([self.socket], [], [], 0)[0]:
                return True
            self.close()
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        except OSError:
            return False
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return True

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def ask(self, key, text):
        body = json.dumps({"inputs": text}).encode()
        try:
            self.socket.sendall(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nx-request-id: %s\r\n"
                                b"Content-Length: %d\r\n\r\n%s" % (key.encode(), len(body), body))
            stood = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED
        except OSError:
            return self.close()  # It had ended before all of it was sent.
        received = b""
        try:
            while (answer := self.whole(received)) is None:
                data = self.socket.recv(1 << 16)
                if not data:
                    break
                received += data
        except TimeoutError:
            stood = True
        except OSError:
            pass
        if received and answer is None:
            self.ledger.cut.append(key)
        elif answer is None:
            (self.ledger.lost if stood else self.ledger.crossed).append(key)
        else:
            closes, status, body = answer
            self.ledger.answered(key, (status, text, body))
            if not closes:
                return None
        return self.close()

    @staticmethod
    def whole(received):
        """-> (whether the connection ends, status, body) of an answer that has come whole"""
        head, end, body = received.partition(b"\r\n\r\n")
        if not end:
            return None
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        if len(body) < length:
            return None
        return b"connection: close" in lines, int(lines[0].split()[1]), body


def logged(log, prefix):
    """-> [(id, status)] of the requests in the server's log, a line each"""
    return [(e["id"], e["status"]) for e in log
            if e.get("message") == "request" and str(e.get("id", "")).startswith(prefix)]
