#!/usr/bin/env python3
"""What a request's headers say: its id and trace, its deadline, its priority.

    headers_test.py --akin PROGRAM --model FOLDER
"""
import http.client
import json

from api_served import Served
from serve_process import TIMEOUT, main


class Headers(Served):
    def test_a_request_keeps_its_id_and_its_trace(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        _, headers, _ = self.server.post("/embed", {"inputs": "a text"}, {
            "x-request-id": "my-id 1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        self.assertEqual(headers["x-request-id"], "my-id1")
        self.server.await_event("request", id="my-id1")
        events = [e for e in self.server.log if e.get("id") == "my-id1"]
        self.assertEqual([e["trace_id"] for e in events], [trace])
        self.assertNotIn("a text", json.dumps(self.server.log))

    def test_a_deadline_that_has_passed_is_504(self):
        for path, body in (("/v1/embeddings", {"input": "a"}), ("/tokenize", {"inputs": "a"}), ("/decode", {"ids": [5]})):
            self.assertEqual(self.server.post(path, body, {"x-request-timeout-ms": "0"})[0], 504, path)

        for past in ("0", "-1", "-99999999999999999999"):
            self.assertEqual(self.server.post("/embed", {"inputs": "a"}, {"x-request-timeout-ms": past})[0], 504, past)
        for enough in ("60000", "060000", "99999999999999999999"):
            self.assertEqual(self.server.post("/embed", {"inputs": "a"}, {"x-request-timeout-ms": enough})[0], 200, enough)

    def test_a_deadline_of_the_client_s_own_is_no_fault_of_the_server_s(self):
        self.server.post("/embed", {"inputs": "a"}, {"x-request-timeout-ms": "0", "x-request-id": "mine"})
        self.server.await_event("request", id="mine")
        [line] = [e for e in self.server.log if e.get("id") == "mine"]
        self.assertEqual((line["status"], line["level"], line.get("error")), (504, "info", None))

    def test_a_header_that_cannot_be_read_is_400_in_the_dialect_s_shape(self):
        wrong = [("x-request-timeout-ms", value, "a whole number of milliseconds")
                 for value in ("1e3", "50.5", "0x5", "+5", "abc", "5 0", "50, 60", "-", "")]
        wrong += [("x-priority", value, "`query` or `bulk`") for value in ("zz", "query, bulk", "")]
        routes = [("/v1/embeddings", {"input": "a"}, lambda body: body["error"]["message"]),
                  ("/embed", {"inputs": "a"}, lambda body: body["error"]),
                  ("/v2/embed", {"texts": ["a"], "input_type": "search_query", "model": "m", "embedding_types": ["float"]},
                   lambda body: body["message"]),
                  ("/api/embed", {"input": "a", "model": "m"}, lambda body: body["error"]),
                  ("/tokenize", {"inputs": "a"}, lambda body: body["error"]), ("/decode", {"ids": [5]}, lambda body: body["error"])]
        for name, value, expected in wrong:
            for path, body, message in routes:
                with self.subTest(name=name, value=value, path=path):
                    status, answer = self.server.post_json(path, body, {name: value})
                    self.assertEqual(status, 400, answer)
                    self.assertEqual(message(answer), f'header `{name}`: found "{value}", expected {expected}')
        status, answer = self.server.post_json("/embed", {"inputs": "a"}, {"x-priority": "z" * 1000})
        self.assertEqual((status, answer["error_type"]), (400, "Validation"))
        self.assertLess(len(answer["error"]), 200)
        for value in ("query", "bulk", "BULK"):
            self.assertEqual(self.server.post("/embed", {"inputs": "a"}, {"x-priority": value})[0], 200, value)

    def test_a_header_given_twice_is_400(self):
        for name, value in (("x-request-timeout-ms", "60000"), ("x-priority", "query")):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
            self.addCleanup(connection.close)
            body = json.dumps({"inputs": "a"})
            connection.putrequest("POST", "/embed")
            for key, text in (("content-type", "application/json"), ("content-length", str(len(body))), (name, value), (name, value)):
                connection.putheader(key, text)
            connection.endheaders(body.encode())
            response = connection.getresponse()
            answer = json.loads(response.read())
            self.assertEqual(response.status, 400)
            self.assertIn(f"header `{name}`: found more than once", answer["error"])


if __name__ == "__main__":
    main()
