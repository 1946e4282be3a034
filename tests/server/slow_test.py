#!/usr/bin/env python3
"""Slow and silent clients, as slowhttptest makes them (-H slow headers, -B slow bodies, -X slow reading, -R ranges do not
exist here): they cost slots for a moment, and other clients nothing.

    slow_test.py --akin PROGRAM --model FOLDER
"""
import json
import selectors
import socket
import time
import unittest

from serve_process import TIMEOUT, Server, main

HEAD = b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SLOW_CLIENTS = 200


class Slow(unittest.TestCase):
    def setUp(self):
        self.server = Server("--header-timeout", "1", "--write-timeout", "1", "--idle-timeout", "2",
                             "--max-connections", str(SLOW_CLIENTS + 50))
        self.addCleanup(self.server.stop)
        self.right = self.server.post("/embed", {"inputs": "a text"})[2]

    def others_are_served(self):
        for _ in range(10):
            self.assertEqual(self.server.post("/embed", {"inputs": "a text"})[2], self.right)

    def slots_come_back(self, clients):
        """All slow clients are gone within 10 s of their timeout."""
        deadline = time.monotonic() + 12 * TIMEOUT / 60
        while self.server.metric("akin_http_connections") > 1:
            self.assertLess(time.monotonic(), deadline, "slow clients keep their slots")
            self.others_are_served()
            time.sleep(0.1)
        for client in clients:
            client.close()

    def drip(self, clients, byte, seconds=3):
        """Sends a byte now and then to each as long as it lives; -> what each has received."""
        received = {client: b"" for client in clients}
        with selectors.DefaultSelector() as selector:
            for client in clients:
                client.setblocking(False)
                selector.register(client, selectors.EVENT_READ)
            end = time.monotonic() + seconds
            next_byte = time.monotonic()
            while time.monotonic() < end and selector.get_map():
                if time.monotonic() >= next_byte:
                    next_byte += 0.3
                    for key in list(selector.get_map().values()):
                        try:
                            key.fileobj.send(byte)
                        except OSError:
                            pass
                for key, _ in selector.select(0.1):
                    try:
                        data = key.fileobj.recv(4096)
                    except OSError:
                        data = b""
                    received[key.fileobj] += data
                    if not data:
                        selector.unregister(key.fileobj)
        return list(received.values())

    def test_slow_headers_are_408_and_the_end(self):
        clients = [self.server.connect() for _ in range(SLOW_CLIENTS)]
        for client in clients:
            client.sendall(HEAD)
        self.others_are_served()
        answers = self.drip(clients, b"x")
        self.assertEqual({a[:12] for a in answers}, {b"HTTP/1.1 408"})
        self.slots_come_back(clients)

    def test_silent_clients_are_let_go(self):
        clients = [self.server.connect() for _ in range(SLOW_CLIENTS)]
        self.others_are_served()
        self.slots_come_back(clients)

    def test_slow_readers_lose_their_connection(self):
        # Answers that no buffer of the system holds, and nobody who reads them.
        texts = [f"text {i}" for i in range(2000)]
        body = json.dumps({"inputs": texts}).encode()
        request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        clients = []
        for _ in range(4):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", self.server.port))
            client.sendall(request)
            clients.append(client)
        self.others_are_served()
        self.slots_come_back(clients)

    def test_slow_bodies_are_408_after_10_seconds_and_the_end(self):
        # The grace that a body has (docs/serving.md) is no option: this takes as long.
        head = HEAD + b"Content-Length: 100000\r\n\r\n"
        clients = [self.server.connect() for _ in range(SLOW_CLIENTS)]
        begin = time.monotonic()
        for client in clients:
            client.sendall(head + b"{")
        steady = self.server.connect()  # At 1.6 KiB/s it is fast enough.
        steady.sendall(head + b"{")
        self.others_are_served()
        answers = self.drip(clients, b" ", seconds=begin + 8 - time.monotonic())
        self.assertEqual(set(answers), {b""}, "the 10 s had not passed")
        steady.sendall(b" " * int(1600 * (time.monotonic() - begin + 2)))
        answers = self.drip(clients, b" ", seconds=4 * TIMEOUT / 60)
        self.assertEqual({a[:12] for a in answers}, {b"HTTP/1.1 408"})
        self.assertTrue(all(b"the request's body took too long" in a and b"connection: close" in a.lower() for a in answers))
        for _ in range(4):  # It goes on to be read, behind the moment at which the others ended.
            steady.sendall(b" " * 3000)
            time.sleep(0.3)
        steady.setblocking(False)
        with self.assertRaises(BlockingIOError):
            steady.recv(1)
        steady.close()
        self.slots_come_back(clients)


if __name__ == "__main__":
    main()
