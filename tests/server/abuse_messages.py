"""Messages of gRPC that are never whole, never end, or become many bytes; answers that nobody takes."""
import gzip
import struct
import threading
import time

from abuse import EMBED, MIB
from raw_http2 import (ACK, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
                       call_headers, ends_with_status, frame, grpc_message, string_field)

HEALTH = "/grpc.health.v1.Health/"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

# What the process may grow by, in MiB.
MESSAGE_CASES = {
    "windows_that_never_open": 16,
    "answers_that_nobody_reads": 56,
    "messages_that_are_never_whole": 32,
    "whole_messages_without_end": 48,
    "watches_of_long_names": 8,
    "bombs": 24,
}


class MessageCases:
    """Of an AbusedServer."""

    # --- What is not taken, or never whole -----------------------------------------------------------

    def windows_that_never_open(self):
        clients = [self.connect(values={INITIAL_WINDOW_SIZE: 0}) for _ in range(50)]
        for client in clients:
            for stream in range(1, 41, 2):
                client.call(stream, EMBED, string_field(1, "a text"))
        time.sleep(0.5)

    def answers_that_nobody_reads(self):
        # Of 100 KiB each, 20 MB of them, on connections whose windows are open.
        texts = b"".join(string_field(1, f"text {i}") for i in range(400))
        for _ in range(10):
            client = self.connect(values={INITIAL_WINDOW_SIZE: 1 << 30})
            client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
            for stream in range(1, 41, 2):
                self.assertTrue(client.call(stream, "/akidb.embedding.v1.EmbeddingService/Embed", texts))
        time.sleep(0.5)

    def messages_that_are_never_whole(self):
        # Of 4 MB each, on streams enough for 400 MB a connection; the windows that the server gives are kept.
        ends = []
        threads = [threading.Thread(target=lambda client: ends.append(self.fill(client, streams=100, seconds=self.seconds)), args=(self.connect(),))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends

    def fill(self, client, streams, seconds):
        """-> how a stream ends: "refused" with RESOURCE_EXHAUSTED, the code of an error, or None after that time."""
        body = b"\x00" + struct.pack(">I", 4 << 20) + b"x" * 4_000_000
        window = initial = 65535
        of_stream, end = {}, time.monotonic() + seconds
        for stream in range(1, 2 * streams, 2):
            client.send(frame(HEADERS, END_HEADERS, stream, call_headers(EMBED)))
            of_stream[stream], sent = initial, 0
            while sent < len(body) and time.monotonic() < end:
                size = min(16384, window, of_stream[stream], len(body) - sent)
                if size > 0:
                    if not client.send(frame(DATA, 0, stream, body[sent : sent + size])):
                        return None
                    sent, window = sent + size, window - size
                    of_stream[stream] -= size
                    continue
                received = client.receive(max(end - time.monotonic(), 0.001))
                if received is None:
                    return None
                kind, flags, of, payload = received
                if kind == HEADERS and flags & END_STREAM and ends_with_status(payload, 8):
                    return "refused"
                if kind == RST_STREAM:
                    return struct.unpack(">I", payload)[0]
                if kind == WINDOW_UPDATE and of == 0:
                    window += struct.unpack(">I", payload)[0]
                elif kind == WINDOW_UPDATE and of in of_stream:
                    of_stream[of] += struct.unpack(">I", payload)[0]
                elif kind == PING and not flags & ACK:
                    client.send(frame(PING, ACK, 0, payload))
                elif kind == SETTINGS and not flags & ACK:
                    for setting, value in struct.iter_unpack(">HI", payload):
                        if setting == INITIAL_WINDOW_SIZE:
                            of_stream = {s: w + value - initial for s, w in of_stream.items()}
                            initial = value
                    client.send(frame(SETTINGS, ACK))
        return None

    def whole_messages_without_end(self):
        # Of streams whose answers nobody reads, or whose answer comes with their end.
        for path, message in (("/tei.v1.Rerank/RerankStream", b""), ("/tei.v1.Rerank/RerankStream", string_field(1, "a query") + string_field(2, 4000 * "x")),
                              (EMBED + "Stream", string_field(1, "a text")), (EMBED + "Stream", b""), (REFLECTION, string_field(4, "tei.v1.Embed"))):
            clients = [self.connect(values={INITIAL_WINDOW_SIZE: 0}) for _ in range(4)]
            for client in clients:
                self.pour(client, path, 1000 * grpc_message(message), seconds=self.seconds / 8)

    def pour(self, client, path, piece, seconds):
        """Sends `piece` on a stream again and again, as far as the server's windows let it, until it ends the stream."""
        client.send(frame(HEADERS, END_HEADERS, 1, call_headers(path)))
        window = of_stream = initial = 65535
        end, at = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            size = min(16384, window, of_stream, len(piece) - at)
            if size > 0:
                if not client.send(frame(DATA, 0, 1, piece[at : at + size])):
                    return
                window, of_stream, at = window - size, of_stream - size, (at + size) % len(piece)
                continue
            received = client.receive(left)
            if received is None or received[0] == RST_STREAM or (received[0] == HEADERS and received[1] & END_STREAM):
                return
            kind, flags, of, payload = received
            if kind == WINDOW_UPDATE:
                window += struct.unpack(">I", payload)[0] if of == 0 else 0
                of_stream += struct.unpack(">I", payload)[0] if of == 1 else 0
            elif kind == SETTINGS and not flags & ACK:
                for setting, value in struct.iter_unpack(">HI", payload):
                    if setting == INITIAL_WINDOW_SIZE:
                        of_stream, initial = of_stream + value - initial, value
                client.send(frame(SETTINGS, ACK))

    # --- A few bytes that become many ----------------------------------------------------------------

    BOMB = grpc_message(gzip.compress(string_field(1, (4 * MIB - 64) * "a"), 9))
    BOMB = b"\1" + BOMB[1:]

    def watches_of_long_names(self):
        client = self.connect()
        for stream in range(1, 121, 2):
            client.send(frame(HEADERS, END_HEADERS, stream, call_headers(HEALTH + "Watch", **{"grpc-encoding": "gzip"})) + frame(DATA, 0, stream, self.BOMB))
        client.receive_all(0.5)

    def bombs(self):
        for path in (HEALTH + "Check", REFLECTION, EMBED):
            end = time.monotonic() + self.seconds / 3
            while time.monotonic() < end:
                client, headers = self.connect(), call_headers(path, **{"grpc-encoding": "gzip"})
                for stream in range(1, 201, 2):
                    client.send(frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, END_STREAM, stream, self.BOMB))
                client.receive_all(0.2)
                client.close()
