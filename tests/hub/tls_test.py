#!/usr/bin/env python3
"""`akin pull` from a hub behind https whose certificate an authority of one's own has signed.

    tls_test.py --akin build/release/akin --model tests/data/models/bert-mean

Skips (77) where there is no openssl to make certificates with.
"""
import pathlib
import select
import shutil
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import fake_hub  # noqa: E402
import hub_case  # noqa: E402
from certificates import Certificates  # noqa: E402

CERTIFICATES = None


class Proxy:
    """Takes CONNECT and passes bytes on; `heads` are the requests that it could read."""

    def __init__(self):
        self.heads = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.heads.append(head.decode())
        host, port = head.split()[1].decode().split(":")
        with socket.create_connection((host, int(port))) as server, client:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            while True:
                for ready in select.select([client, server], [], [], hub_case.SECONDS)[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    (server if ready is client else client).sendall(data)

    def close(self):
        self.socket.close()


class Tls(hub_case.HubCase):
    def setUp(self):
        super().setUp()
        self.hub = self.hub_with(CERTIFICATES.context("server"))

    def hub_with(self, tls):
        hub = fake_hub.FakeHub({"org/name": self.files}, tls)
        self.addCleanup(hub.close)
        return hub

    def environment(self, **changes):
        names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        kept = {k: v for k, v in super().environment().items() if k not in names}
        return {**kept, **changes}

    def test_an_authority_of_one_s_own_is_trusted_where_it_is_named(self):
        for variable, value in (("SSL_CERT_FILE", CERTIFICATES.path("ours.pem")),
                                ("CURL_CA_BUNDLE", CERTIFICATES.path("ours.pem")),
                                ("REQUESTS_CA_BUNDLE", CERTIFICATES.path("ours.pem")),
                                ("REQUESTS_CA_BUNDLE", CERTIFICATES.hashed_folder()),
                                ("SSL_CERT_DIR", CERTIFICATES.hashed_folder())):
            with self.subTest(variable=variable, value=value):
                shutil.rmtree(self.cache, ignore_errors=True)
                self.assert_pulled(self.pull(**{variable: value}))

    def test_the_token_goes_over_tls_to_the_hub_only(self):
        self.hub.gated.add("org/name")
        self.assert_pulled(self.pull(HF_TOKEN="hf_secret", SSL_CERT_FILE=CERTIFICATES.path("ours.pem")))
        self.assertFalse([r for r in self.hub.requests if r[0] == "cdn" and "Authorization" in r[3]])

    def test_a_stranger_s_authority_is_refused_at_once(self):
        # With a wait before the second attempt that would be too long for the test: there is none.
        for trust in ({}, {"SSL_CERT_FILE": CERTIFICATES.path("other.pem")}):
            result = self.pull(AKIN_HUB_RETRY_MS="60000", **trust)
            self.assert_fails_cleanly(result, hub_case.UNAVAILABLE, "certificate", trust.get("SSL_CERT_FILE", "SSL_CERT_FILE"))
        self.assertEqual(self.hub.requests, [])

    def test_a_proxy_gets_no_more_than_the_address(self):
        proxy = Proxy()
        self.addCleanup(proxy.close)
        self.hub.gated.add("org/name")
        self.assert_pulled(self.pull(HF_TOKEN="hf_secret", SSL_CERT_FILE=CERTIFICATES.path("ours.pem"), https_proxy=proxy.address))
        self.assertEqual({h.split()[1] for h in proxy.heads}, {self.hub.endpoint.split("/")[2], self.hub.cdn.split("/")[2]})
        self.assertFalse([h for h in proxy.heads if "hf_secret" in h or not h.startswith("CONNECT ")])

    def test_a_certificate_of_another_host_is_refused_at_once(self):
        self.hub = self.hub_with(CERTIFICATES.context("stranger"))
        result = self.pull(AKIN_HUB_RETRY_MS="60000", SSL_CERT_FILE=CERTIFICATES.path("ours.pem"))
        self.assert_fails_cleanly(result, hub_case.UNAVAILABLE, "127.0.0.1", "SSL")
        self.assertEqual(self.hub.requests, [])

    def test_a_file_that_holds_no_certificates_is_said(self):
        for path in (str(self.folder / "absent.pem"), str(pathlib.Path(hub_case.OPTIONS.model).resolve() / "config.json")):
            result = self.pull(AKIN_HUB_RETRY_MS="60000", SSL_CERT_FILE=path)
            self.assert_fails_cleanly(result, hub_case.UNAVAILABLE, path)

    def test_content_from_a_server_without_tls_is_refused(self):
        plain = self.hub_with(None)
        self.hub.cdn = plain.cdn
        self.assert_fails_cleanly(self.pull(SSL_CERT_FILE=CERTIFICATES.path("ours.pem")), hub_case.UNAVAILABLE,
                                  "from https to http")
        self.assertEqual(plain.requests, [])

    def test_https_to_a_server_without_tls_is_said(self):
        plain = self.hub_with(None)
        result = self.pull(HF_ENDPOINT=plain.endpoint.replace("http:", "https:"))
        self.assert_fails_cleanly(result, hub_case.UNAVAILABLE, "SSL")


def main():
    global CERTIFICATES
    if not shutil.which("openssl"):
        print("SKIPPED: there is no openssl here to make certificates with")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="akin-tls-") as folder:
        CERTIFICATES = Certificates(pathlib.Path(folder))
        hub_case.main()


if __name__ == "__main__":
    main()
