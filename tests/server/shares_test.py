#!/usr/bin/env python3
"""Clients that fill the queue of `akin serve`, and those who come beside them.

    shares_test.py --akin PROGRAM --model FOLDER
"""
import http.client
import json
import unittest

from serve_process import TIMEOUT, main, wait_until
from slow_onnx import ENDLESS, QUICK, start_slow_server

LARGE = [f"{QUICK} {i}" for i in range(60)]  # By the server's guess 240 tokens.


class Client:
    """Sends from an address of its own, or with a key of its own."""

    def __init__(self, server, address="127.0.0.1", key=None):
        self.server, self.address = server, address
        self.connections = []  # Who lets go of one has left.
        self.headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def send(self, inputs, **headers):
        """-> a connection on which the answer will come"""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT, source_address=(self.address, 0))
        connection.request("POST", "/embed", json.dumps({"inputs": inputs}), {**self.headers, **headers})
        self.connections.append(connection)
        return connection

    def ask(self, inputs, **headers):
        """-> (status, headers with lower-case names, body)"""
        connection = self.send(inputs, **headers)
        try:
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def leave(self):
        for connection in self.connections:
            connection.close()


class Shares(unittest.TestCase):
    """One thread computes, what is sent first keeps it, and so all that follows waits until that is given up."""

    def serve(self, *options, keys=()):
        server = start_slow_server(self, *options, *(word for key in keys for word in ("--api-key", key)))
        server.key = keys[0] if keys else None
        clients = [self.client(server, key=key) for key in keys] or [self.client(server, f"127.0.0.{i}") for i in (1, 2)]
        return server, *clients

    def client(self, *arguments, **key):
        client = Client(*arguments, **key)
        self.addCleanup(client.leave)
        return client

    def hold(self, server, client):
        """-> the connection that holds the thread"""
        held = client.send(ENDLESS)
        wait_until(lambda: server.metric("te_queue_size") == 1 and server.metric("akin_queue_tokens") == 0, "it does not run")
        return held

    def fill(self, server, client, inputs):
        """Until it is refused. -> (connections whose answers will come, the refusal)"""
        sent = []
        while True:
            before = server.metric("te_queue_size")
            refused = {}

            def settled(connection):
                if server.metric("te_queue_size") > before:
                    return True
                connection.sock.settimeout(0.01)
                try:
                    answer = connection.getresponse()
                except TimeoutError:
                    return False
                finally:
                    connection.sock and connection.sock.settimeout(TIMEOUT)
                refused["answer"] = (answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
                return True

            connection = client.send(inputs)
            wait_until(lambda: settled(connection), "it is neither queued nor refused")
            if refused:
                connection.close()
                return sent, refused["answer"]
            sent.append(connection)

    def check_that_others_are_served(self, server, greedy, other, inputs, full, option):
        held = self.hold(server, greedy)
        sent, (status, headers, _) = self.fill(server, greedy, inputs)
        self.assertGreater(len(sent), 0)
        self.assertEqual(status, 429)
        self.assertGreaterEqual(int(headers["retry-after"]), 1)
        server.await_event("request", status=429, full=full, option=option)
        waiting = server.metric("te_queue_size")
        asked = other.send(QUICK)
        wait_until(lambda: server.metric("te_queue_size") == waiting + 1, "the other client's request is not taken")
        large = other.send(inputs)
        wait_until(lambda: server.metric("te_queue_size") == waiting + 2, "nor is as large a one as the first client's")
        self.assertEqual(greedy.ask(QUICK)[0], 429, "the first client has all that it may")
        held.close()
        for connection in (asked, large, *sent):
            answer = connection.getresponse()
            self.assertEqual((answer.status, bool(answer.read())), (200, True))
            connection.close()

    def test_an_address_that_fills_the_queue_with_requests_keeps_no_other_out(self):
        server, greedy, other = self.serve("--max-concurrent-requests", "5")
        self.check_that_others_are_served(server, greedy, other, QUICK, "requests", "--max-concurrent-requests")

    def test_nor_does_one_with_large_requests(self):
        server, greedy, other = self.serve("--max-queue-tokens", "600")
        self.check_that_others_are_served(server, greedy, other, LARGE, "tokens", "--max-queue-tokens")

    def test_nor_does_a_key(self):
        server, greedy, other = self.serve("--max-queue-tokens", "600", keys=("one", "two"))
        self.check_that_others_are_served(server, greedy, other, LARGE, "tokens", "--max-queue-tokens")

    def test_queries_of_a_client_do_not_pass_its_own_share_by(self):
        server, greedy, other = self.serve("--max-concurrent-requests", "4")
        self.hold(server, greedy)
        sent, _ = self.fill(server, greedy, LARGE)
        self.assertEqual(len(sent), 3)
        self.assertEqual(greedy.ask(QUICK, **{"x-priority": "query"})[0], 429)
        other.send(QUICK, **{"x-priority": "bulk"})
        wait_until(lambda: server.metric("te_queue_size") == 5, "it is not taken")

    def test_many_addresses_leave_a_few_words_of_the_next_one_room(self):
        server, first, second = self.serve("--max-concurrent-requests", "16", "--max-queue-tokens", "1500")
        self.hold(server, first)
        for client in (first, second):
            self.assertGreater(len(self.fill(server, client, 3 * LARGE)[0]), 0)
        self.assertGreater(server.metric("akin_queue_tokens"), 1500)
        for i in range(3, 12):
            client = self.client(server, f"127.0.0.{i}")
            self.assertEqual(client.ask(3 * LARGE)[0], 429, "the others have more than one alone may")
            waiting = server.metric("te_queue_size")
            client.send(QUICK)
            wait_until(lambda: server.metric("te_queue_size") == waiting + 1, "a small first request is not taken")

    def test_who_is_refused_is_told_when_its_own_is_done(self):
        server, much, little = self.serve("--max-queue-tokens", "200000", "--max-concurrent-requests", "4")
        much.ask(QUICK)  # From which the server learns its speed.
        self.hold(server, much)
        _, (_, headers, _) = self.fill(server, much, [f"{QUICK} {i}" * 20 for i in range(2000)])
        all_of_it = int(headers["retry-after"])
        _, (_, headers, _) = self.fill(server, little, QUICK)
        print(f"retry after {headers['retry-after']} s, the one with much after {all_of_it} s, {server.metric('akin_tokens_per_second'):.0f} tokens/s")
        self.assertLess(int(headers["retry-after"]), max(2, all_of_it))


if __name__ == "__main__":
    main()
