"""HTTP/2 by hand, for clients that gRPC's own libraries do not let one write. Frames of RFC 9113; headers of RFC 7541 as
literals without a table and without Huffman's code. Python's standard library only."""
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4
NO_ERROR, CANCEL, ENHANCE_YOUR_CALM = 0, 8, 11


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(values=()):
    """{setting: value}"""
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", k, v) for k, v in dict(values).items()))


def _integer(value, prefix_bits, first):
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytes([first | most]), value - most
    while value >= 128:
        out, value = out + bytes([128 | value & 127]), value >> 7
    return out + bytes([value])


def header_block(fields):
    """[(name, value)] -> literals that are not put into the table."""
    out = b""
    for name, value in fields:
        name, value = name.encode(), value.encode()
        out += b"\x00" + _integer(len(name), 7, 0) + name + _integer(len(value), 7, 0) + value
    return out


def call_headers(path, **more):
    return header_block([(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
                         ("content-type", "application/grpc"), ("te", "trailers"), *more.items()])


def string_field(number, text):
    """A field of a protobuf message with fewer than 16 fields."""
    text = text.encode()
    return _integer(number << 3 | 2, 8, 0) + varint(len(text)) + text


def varint(value):
    out = b""
    while value >= 128:
        out, value = out + bytes([128 | value & 127]), value >> 7
    return out + bytes([value])


def grpc_message(message):
    return b"\x00" + struct.pack(">I", len(message)) + message


def ends_with_status(trailers, status):
    """Whether the field `grpc-status` of a header block has this number, of one digit: whatever its name is written as, the value
    is a string of one byte (Huffman's code is no shorter)."""
    return b"\x01" + str(status).encode() in trailers


class RawClient:
    """A connection. Its own settings are sent with the preface; those of the server are not waited for."""

    def __init__(self, port, values=(), timeout=30, preface=True, source=None, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = b""
        if preface:
            self.send(PREFACE + settings(values))

    def send(self, data):
        """False: the server has closed the connection, or takes nothing any more."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def call(self, stream, path, message):
        """A whole unary call; its message is cut into frames that any server takes. Waits for no window."""
        body = grpc_message(message)
        frames = [frame(HEADERS, END_HEADERS, stream, call_headers(path))]
        for at in range(0, len(body), 16384):
            frames.append(frame(DATA, END_STREAM if at + 16384 >= len(body) else 0, stream, body[at : at + 16384]))
        return self.send(b"".join(frames))

    def call_with_window(self, stream, path, message):
        """The same, sending no more than the server's windows allow."""
        body, window, stream_window = grpc_message(message), 65535, 65535
        self.send(frame(HEADERS, END_HEADERS, stream, call_headers(path)))
        sent = 0
        while sent < len(body):
            size = min(16384, window, stream_window, len(body) - sent)
            if size > 0:
                end = END_STREAM if sent + size == len(body) else 0
                if not self.send(frame(DATA, end, stream, body[sent : sent + size])):
                    return False
                sent, window, stream_window = sent + size, window - size, stream_window - size
                continue
            got = self.receive()
            if got is None or (got[0] in (HEADERS, RST_STREAM) and got[2] == stream):
                return False
            kind, flags, of, payload = got
            if kind == WINDOW_UPDATE and of == 0:
                window += struct.unpack(">I", payload)[0]
            elif kind == WINDOW_UPDATE and of == stream:
                stream_window += struct.unpack(">I", payload)[0]
            elif kind == SETTINGS and not flags & ACK:
                for i in range(0, len(payload), 6):
                    setting, value = struct.unpack(">HI", payload[i : i + 6])
                    if setting == INITIAL_WINDOW_SIZE:
                        stream_window += value - 65535
                self.send(frame(SETTINGS, ACK))
            elif kind == PING and not flags & ACK:
                self.send(frame(PING, ACK, 0, payload))
        return True

    def _read(self, count):
        while len(self._in) < count:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError
            self._in += data
        out, self._in = self._in[:count], self._in[count:]
        return out

    def receive(self, timeout=30):
        """The next frame: (kind, flags, stream, payload); None: the connection has ended, or nothing came in time."""
        self.socket.settimeout(timeout)
        try:
            head = self._read(9)
            length = int.from_bytes(head[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            return kind, flags, stream & 0x7FFFFFFF, self._read(length)
        except OSError:
            return None

    def receive_all(self, seconds):
        """Frames until the connection ends or the time is over -> (frames, whether it has ended)"""
        frames, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                head = self._read(9)
                kind, flags, stream = struct.unpack(">BBI", head[3:])
                frames.append((kind, flags, stream & 0x7FFFFFFF, self._read(int.from_bytes(head[:3], "big"))))
            except TimeoutError:
                return frames, False
            except OSError:
                return frames, True
        return frames, False

    def close(self):
        self.socket.close()
