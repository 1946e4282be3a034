#!/usr/bin/env python3
"""HTTP/2 as nobody should speak it: memory stays bounded, and others are answered meanwhile.

    grpc_abuse_test.py --akin PROGRAM --model FOLDER
"""
import random
import threading
import time

from abuse import CALLS, EMBED, AbusedServer, ask
from abuse_frames import FRAME_CASES, FrameCases
from abuse_messages import MESSAGE_CASES, MessageCases
from raw_http2 import DATA, END_HEADERS, HEADERS, call_headers, frame, string_field
from serve_process import main

# Who has room for a message and does not send it loses it after so long, when others wait; they are refused after twice as long.
SECONDS_IN_ROOM = 5
CASES = {**FRAME_CASES, **MESSAGE_CASES}
# What the process may grow by when all of them come one after the other, in MiB.
TOGETHER = 100


class Abuse(FrameCases, MessageCases, AbusedServer):
    def test_who_never_finishes_messages_loses_the_room_to_who_does(self):
        # Also to others of the same address, short messages at once and long ones in their turn; until then nobody is refused.
        self.seconds = 2.5 * SECONDS_IN_ROOM
        ends = []
        filling = threading.Thread(target=lambda: ends.extend(self.messages_that_are_never_whole()))
        filling.start()
        time.sleep(SECONDS_IN_ROOM / 2)
        self.assertEqual(ends, [])
        for _ in range(CALLS):
            self.assertLess(ask(self.port, source=None), SECONDS_IN_ROOM / 2)
        begin = time.monotonic()
        ask(self.port, text=100_000 * "a")
        self.assertLess(time.monotonic() - begin, SECONDS_IN_ROOM / 2)
        ask(self.port, source=None, text=100_000 * "a")
        self.assertLess(time.monotonic() - begin, 2 * SECONDS_IN_ROOM)
        filling.join()
        self.assertIn("refused", ends)
        self.check(CASES["messages_that_are_never_whole"])

    def test_calls_without_a_message_leave_room_to_their_address(self):
        # Of one address, more than half of what streams may hold; who waits for a second is idle, of which there may be fewer.
        head = call_headers(EMBED)
        for _ in range(95):
            self.connect().send(b"".join(frame(HEADERS, END_HEADERS, stream, head) for stream in range(1, 201, 2)))
        time.sleep(2)
        client = self.connect()
        for stream in range(1, 201, 2):
            client.call(stream, EMBED, string_field(1, "a text"))
        answered = {of for kind, _, of, payload in client.receive_all(self.seconds)[0] if kind == DATA and payload}
        self.assertEqual(len(answered), 100)
        self.check(64)


def test_of(case):
    def test(self):
        getattr(self, case)()
        self.check(CASES[case])

    return test


def test_of_all(order):
    """Nothing of one case is left when the next one comes."""
    def test(self):
        self.seconds = 0.5
        for case in order:
            getattr(self, case)()
            for client in self.clients:
                client.close()
        self.check(TOGETHER)

    return test


for _case in CASES:
    setattr(Abuse, f"test_{_case}", test_of(_case))
for _seed in range(3):
    setattr(Abuse, f"test_all_of_it_in_order_{_seed}", test_of_all(random.Random(_seed).sample(list(CASES), len(CASES))))


if __name__ == "__main__":
    main()
