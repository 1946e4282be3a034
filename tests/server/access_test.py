#!/usr/bin/env python3
"""Who may call: keys, and the origins of pages in browsers.

    access_test.py --akin PROGRAM --model FOLDER
"""
import base64
import json
import socket
import tempfile
import time
import unittest

from serve_process import ServedTest, Server, main, wait_until


class Keys(ServedTest):
    @classmethod
    def start_server(cls):
        return Server(environment={"AKIN_API_KEY": "first-key,second-key"})

    def test_without_a_valid_key_nothing_but_health_is_reachable(self):
        paths = ["/v1/embeddings", "/embed", "/", "/info", "/metrics", "/docs", "/v1/models", "/nowhere",
                 "//embed", "/EMBED", "/embed/", "/%65mbed", "/./embed", "/health/../embed", "/health/x", "/healthx",
                 "/v1/models/x", "/api/tags", "/embed?x=/health", "/v1//embeddings", "*", "/health/../embed/", "/health//embed",
                 "/health/%2e%2e/embed", "/health%2f..%2fembed", "/health;/../embed", "/health%00", "/health%20", "/health/",
                 "//health", "/HEALTH", "/%68ealth", "/./health", "/embed#/health", "/embed;x", "/embed%00", "/embed%2f",
                 "/\\embed", "/health\\..\\embed", "http://x/embed", "http://health/embed", "http://x/health/../embed"]
        self.assertGreaterEqual(len(paths), 40)
        keys = [None, "", "x", "first-ke", "first-keyy", "FIRST-KEY", "first-key,second-key", "second-key\tx"]
        for path in paths:
            for key in keys:
                headers = {} if key is None else {"Authorization": f"Bearer {key}"}
                for method, body in (("GET", None), ("POST", b'{"inputs":"a"}')):
                    self.assertEqual(self.server.request(method, path, body, headers)[0], 401, (path, key))
        self.assertEqual(self.server.get("/health")[0], 200)

    def test_each_key_opens(self):
        for key in ("first-key", "second-key"):
            for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer  {key} "}, {"api-key": key}):
                self.assertEqual(self.server.post("/embed", {"inputs": "a"}, headers)[0], 200)

    def test_openai_s_clients_learn_what_is_wrong(self):
        status, headers, body = self.server.post("/v1/embeddings", {"input": "a"})
        self.assertEqual((status, headers["www-authenticate"]), (401, "Bearer"))
        self.assertEqual(json.loads(body)["error"]["code"], "invalid_api_key")
        self.assertEqual(self.server.post("/embed", {"inputs": "a"})[::2], (401, b""))

    def test_a_browser_is_asked_for_the_key_and_gets_the_page(self):
        status, headers, _ = self.server.get("/", {"Accept": "text/html,*/*"})
        self.assertEqual((status, headers["www-authenticate"].split()[0]), (401, "Basic"))
        for password, expected in (("first-key", 200), ("wrong", 401), ("", 401)):
            basic = {"Authorization": "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()}
            self.assertEqual(self.server.get("/", basic)[0], expected)
            self.assertEqual(self.server.post("/embed", {"inputs": "a"}, basic)[0], expected)
        for odd in ("Basic", "Basic ", "Basic !", "Basic Zmlyc3Qta2V5"):
            self.assertEqual(self.server.get("/", {"Authorization": odd})[0], 401)

    def test_no_key_is_in_the_log(self):
        self.server.post("/embed", {"inputs": "a"}, {"Authorization": "Bearer first-key"})
        self.assertNotIn("first-key", json.dumps(self.server.log))


class Cors(unittest.TestCase):
    def test_only_the_origins_that_were_named_may_call(self):
        server = Server("--cors-origin", "https://a.example", "--cors-origin", "https://b.example")
        try:
            status, headers, _ = server.request("OPTIONS", "/embed", None, {
                "Origin": "https://b.example", "Access-Control-Request-Method": "POST"})
            self.assertEqual((status, headers["access-control-allow-origin"]), (204, "https://b.example"))
            allowed = headers["access-control-allow-headers"].split(", ")
            for name in ("authorization", "api-key", "content-type", "traceparent", "x-priority", "x-request-timeout-ms"):
                self.assertIn(name, allowed)
            _, headers, _ = server.post("/embed", {"inputs": "a"}, {"Origin": "https://a.example"})
            self.assertEqual(headers["access-control-expose-headers"], "*")
            _, headers, _ = server.post("/embed", {"inputs": "a"}, {"Origin": "https://c.example"})
            self.assertNotIn("access-control-allow-origin", headers)
        finally:
            server.stop()


class Hosts(unittest.TestCase):
    """A page whose name resolves to this machine once it is loaded (DNS rebinding) is of the same origin."""
    def status(self, server, host, **headers):
        return server.post("/embed", {"inputs": "a"}, {"Host": host, **headers})[0]

    def started(self, *options, **more):
        server = Server(*options, **more)
        self.addCleanup(server.stop)
        return server

    def test_pages_reach_us_by_names_of_this_machine_only(self):
        server = self.started()
        for host in ("localhost:8080", "LOCALHOST", "app.localhost:1", "127.0.0.1:8080", "[::1]:8080", "[::1]", "10.0.0.7"):
            self.assertEqual(self.status(server, host, Origin=f"http://{host}"), 200, host)
        for host in ("evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost"):
            for mark in ({"Origin": f"http://{host}"}, {"Sec-Fetch-Site": "same-origin"}):
                self.assertEqual(self.status(server, host, **mark), 403, host)
            self.assertEqual(self.status(server, host), 200, host)    # No page: it could send any name.
        status, headers, body = server.post("/embed", {"inputs": "a"}, {"Host": "evil.example", "Origin": "http://evil.example"})
        self.assertIn(b"evil.example", body)
        self.assertIn(b"--allowed-host", body)
        self.assertNotIn("access-control-allow-origin", headers)

    def test_a_get_without_a_mark_is_answered_under_private_names_only(self):
        """Browsers mark no GET of the same origin over plain HTTP."""
        lists = ("/info", "/v1/models", "/v1/models/bert-mean", "/api/tags", "/api/ps", "/api/version", "/docs", "/", "/openapi.json")
        watched = ("/health", "/health/live", "/health/ready", "/ping", "/metrics")
        with tempfile.TemporaryDirectory() as folder:
            server = self.started("--unix-socket", folder + "/socket")
            for path in lists + watched:
                for host in ("localhost:8080", "127.0.0.1", "akin:8080", "host.docker.internal", "desk.local"):
                    self.assertEqual(server.get(path, {"Host": host})[0], 200, (path, host))
                for method in ("GET", "HEAD"):
                    status, _, body = server.request(method, path, headers={"Host": "evil.example:8080"})
                    self.assertEqual(status, 403 if path in lists else 200, (method, path))
                    self.assertEqual(b"--allowed-host" in body, method == "GET" and path in lists)
            self.assertEqual(server.get("/nowhere", {"Host": "evil.example"})[0], 404)
            local = socket.socket(socket.AF_UNIX)
            self.addCleanup(local.close)
            local.connect(folder + "/socket")
            local.sendall(b"GET /info HTTP/1.1\r\nHost: %2Frun%2Fakin.sock\r\n\r\n")
            self.assertEqual(local.recv(4096)[9:12], b"200")
        cross = {"Host": "evil.example", "Origin": "https://app.example"}
        server = self.started("--allowed-host", "vectors.example", "--cors-origin", "https://app.example")
        for headers, status in (({"Host": "vectors.example"}, 200), (cross, 200), ({"Host": "evil.example"}, 403)):
            self.assertEqual(server.get("/info", headers)[0], status, headers)

    def test_names_that_are_allowed_and_origins_that_may_call_are_let_in(self):
        server = self.started("--allowed-host", "Vectors.example", "--cors-origin", "https://app.example")
        self.assertEqual(self.status(server, "vectors.example:443", Origin="https://vectors.example"), 200)
        self.assertEqual(self.status(server, "other.example", Origin="https://app.example"), 200)
        self.assertEqual(self.status(server, "other.example", Origin="https://other.example"), 403)
        self.assertEqual(self.status(self.started("--allowed-host", "*"), "other.example", Origin="https://other.example"), 200)

    def test_a_key_is_enough(self):
        server = self.started(environment={"AKIN_API_KEY": "secret"}, key="secret")
        self.assertEqual(self.status(server, "evil.example", Origin="http://evil.example"), 200)
        self.assertEqual(server.get("/info", {"Host": "evil.example"})[0], 200)

    def test_whoever_may_come_has_any_name(self):
        server = self.started("--host", "0.0.0.0")
        self.assertEqual(server.get("/v1/models", {"Host": "vectors.example"})[0], 200)


class Lines(unittest.TestCase):
    def lines(self, server, status):
        return [e for e in server.log if e["message"] == "request" and e["status"] == status]

    def test_what_is_refused_before_it_is_read_has_a_line(self):
        server = Server("--payload-limit", "100", environment={"AKIN_API_KEY": "secret"}, key="secret")
        self.addCleanup(server.stop)
        for status, method, path, route, options in (
                (404, "GET", "/private/path", "other", {}), (405, "PUT", "/embed", "other", {}), (413, "POST", "/embed", "/embed", {"body": b"x" * 200}),
                (415, "POST", "/embed", "/embed", {"body": b"x", "headers": {"Content-Type": "text/plain"}})):
            with self.subTest(status=status):
                got, headers, _ = server.request(method, path, **options)
                self.assertEqual(got, status)
                server.await_event("request", status=status)
                [line] = self.lines(server, status)
                self.assertEqual((line["level"], line["method"], line["route"], line["client"], line["id"]),
                                 ("info", method, route, "127.0.0.1", headers["x-request-id"]))
        server.key = "wrong-key"
        for _ in range(20):
            self.assertEqual(server.get("/info")[0], 401)
        server.await_event("request", status=401)
        time.sleep(1.1)
        self.assertEqual(server.get("/info")[0], 401)
        wait_until(lambda: sum(1 + e.get("like_it", 0) for e in self.lines(server, 401)) == 21, "they are not all told")
        self.assertEqual({e["level"] for e in self.lines(server, 401)}, {"warn"})
        self.assertLess(len(self.lines(server, 401)), 8)
        self.assertNotIn("wrong-key", json.dumps(server.log))
        self.assertNotIn("private", json.dumps(server.log))


if __name__ == "__main__":
    main()
