#!/usr/bin/env python3
"""`akin pull` from a hub that lies, stalls and breaks."""
import json
import pathlib
import shutil
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_hub  # noqa: E402
from hub_case import HubCase, INVALID_INPUT, INVALID_MODEL, main, NOT_FOUND, random_bytes, SEGMENT, UNAVAILABLE  # noqa: E402


class Faults(HubCase):
    def test_a_cut_is_resumed_where_it_was(self):
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 100_000), times=3)
        result = self.pull("org/name", "--json")
        self.assertEqual(json.loads(result.out)["received_bytes"], sum(map(len, self.files.values())))
        resumed = [r[3].get("Range") for r in self.hub.gets("cdn") if r[3].get("Range")]
        self.assertTrue(all(not r.startswith("bytes=0-") for r in resumed), resumed)
        self.assertGreaterEqual(len(resumed), 2)
        self.assert_right(pathlib.Path(json.loads(result.out)["path"]), self.files)

    def test_a_server_that_always_cuts_is_given_up_and_the_next_run_resumes(self):
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 10_000), times=-1)
        result = self.pull()
        self.assert_fails(result, UNAVAILABLE, "127.0.0.1")
        self.assertEqual(list(self.repository.glob("snapshots/*")), [])
        self.hub.faults.clear()
        kept = sum(p.stat().st_blocks for p in self.repository.glob("blobs/*.akin-part"))
        self.assertGreater(kept, 0)
        again = self.pull("org/name", "--json")
        self.assertLess(json.loads(again.out)["received_bytes"], sum(map(len, self.files.values())) - 10_000)
        self.assert_right(pathlib.Path(json.loads(again.out)["path"]), self.files)
        self.assert_no_leftovers()

    def test_wrong_content_is_never_named(self):
        def change(request):
            request.body_change = lambda content: content[:-1] + bytes([content[-1] ^ 1])
        for server, path, kind in (("cdn", "", "SHA-256"), ("hub", "/resolve/", "git blob id")):
            with self.subTest(kind):
                self.hub.faults.clear()
                shutil.rmtree(self.cache, ignore_errors=True)
                self.fault(server, path, change, times=-1)
                self.assert_fails_cleanly(self.pull(), INVALID_MODEL, kind, "org/name")

    def test_bytes_that_an_earlier_run_left_are_not_believed(self):
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 100_000), times=-1)
        self.pull()
        self.hub.faults.clear()
        for part in self.repository.glob("blobs/*.akin-part"):
            with part.open("r+b") as file:
                file.write(b"damaged")
        self.assert_pulled(self.pull())

    def test_a_file_that_only_lacks_its_name_gets_it_once(self):
        # Killed between the last byte and the name: every segment is complete, and several threads see it.
        files = {**self.files, "model.safetensors": random_bytes(3 * SEGMENT + 5)}
        self.hub.publish("org/name", files)
        for _ in range(10):
            shutil.rmtree(self.cache, ignore_errors=True)
            blobs = self.repository / "blobs"
            blobs.mkdir(parents=True)
            part = blobs / (fake_hub.sha256(files["model.safetensors"]) + ".akin-part")
            part.write_bytes(files["model.safetensors"])
            self.assert_pulled(self.pull(), files)
        self.assertNotIn(part.name[:64], " ".join(r[2] for r in self.hub.gets("cdn")))

    def test_wrong_lengths_are_refused(self):
        faults = {
            "longer total": lambda r: setattr(r, "total_lie", 5) or setattr(r, "cut_after", 70_000),
            "longer": lambda r: setattr(r, "body_change", lambda c: c + b"more"),
            "shorter": lambda r: setattr(r, "body_change", lambda c: c[:-4]),
        }
        for name, apply in faults.items():
            with self.subTest(name):
                self.hub.faults.clear()
                self.fault("cdn", "", apply, times=-1)
                self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "bytes, the hub's list says")

    def test_wrong_ranges_are_not_written(self):
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 100_000), times=2)
        self.fault("cdn", "", lambda r: "Range" in r.headers and setattr(r, "shift_range", 7), times=4)
        self.assert_pulled(self.pull())

    def test_ranges_that_are_ignored_bring_the_whole_file(self):
        files = {**self.files, "model.safetensors": random_bytes(2 * SEGMENT + 12345)}
        self.hub.publish("org/name", files)
        self.fault("cdn", "", lambda r: setattr(r, "ignore_range", True), times=-1)
        self.assert_pulled(self.pull(), files)

    def test_ranges_are_fetched_by_several_connections(self):
        files = {**self.files, "model.safetensors": random_bytes(3 * SEGMENT + 1)}
        self.hub.publish("org/name", files)
        self.fault("cdn", "", lambda r: setattr(r, "cut_after", 5_000_000), times=4)
        self.assert_pulled(self.pull(), files)
        firsts = {r[3]["Range"].split("-")[0] for r in self.hub.gets("cdn") if "Range" in r[3]}
        self.assertLessEqual({f"bytes={i * SEGMENT}" for i in range(4)}, firsts)

    def test_a_changed_etag_is_refused(self):
        self.fault("hub", "config.json", lambda r: setattr(r, "etag", "a" * 40), times=-1)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "ETag", "config.json")
        self.hub.faults.clear()
        shutil.rmtree(self.cache)
        self.fault("hub", "model.safetensors", lambda r: setattr(r, "etag", "b" * 64), times=-1)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "ETag", "model.safetensors")

    def test_an_endless_body_ends(self):
        def endless(request):
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            try:
                for _ in range(2000):
                    request.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            except OSError:
                request.close_connection = True
            return True
        self.fault("cdn", "", endless, times=-1)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "goes on behind its")

    def test_an_endless_list_ends(self):
        self.fault("hub", "/tree/", lambda r: r.extra_headers.update(
            {"Link": f'<{self.hub.endpoint}{r.path}>; rel="next"'}), times=-1)
        self.assert_fails_cleanly(self.pull(), INVALID_MODEL, "does not end")

    def test_a_stall_ends_and_is_resumed(self):
        self.fault("cdn", "", lambda r: setattr(r, "stall_after", 50_000), times=1)
        self.assert_pulled(self.pull(HF_HUB_DOWNLOAD_TIMEOUT="1"))

    def test_too_many_requests_are_waited_for(self):
        def busy(request):
            request.extra_headers["Retry-After"] = "1"
            request.error(429, "")
            return True
        self.fault("hub", "/revision/", busy)
        self.fault("cdn", "", busy)
        start = time.monotonic()
        self.assert_pulled(self.pull())
        self.assertGreaterEqual(time.monotonic() - start, 2)

    def test_a_wait_that_is_too_long_is_said(self):
        def busy(request):
            request.extra_headers["Retry-After"] = "7200"
            request.error(429, "")
            return True
        self.fault("hub", "/revision/", busy, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "429", "7200 s")

    def test_a_wait_of_any_number_of_digits_is_obeyed(self):
        def busy(request):
            request.extra_headers["Retry-After"] = "9" * 20
            request.error(429, "")
            return True
        self.fault("hub", "/revision/", busy, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "429", "asks to wait 1000000 s")
        self.assertEqual(len(self.hub.requests), 1)

    def test_errors_of_the_server_are_tried_again_and_then_said(self):
        def broken(request):
            request.error(503, "")
            return True
        self.fault("hub", "/tree/", broken, times=3)
        self.fault("cdn", "", broken, times=4)
        self.assert_pulled(self.pull())
        self.fault("hub", "/revision/", broken, times=-1)
        self.assert_fails(self.pull(), UNAVAILABLE, "503")

    def test_an_address_that_expired_is_asked_for_anew(self):
        def expired(request):
            request.error(403, "")
            return True
        self.fault("cdn", "", expired, times=2)
        self.assert_pulled(self.pull())

    def test_redirects_have_an_end(self):
        def loop(request):
            request.redirect(self.hub.endpoint + request.path)
            return True
        self.fault("hub", "/resolve/", loop, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "more than 5 redirects")

    def test_redirects_to_other_schemes_are_refused(self):
        for location in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "http://[", ""):
            with self.subTest(location):
                self.hub.faults.clear()
                self.fault("hub", "model.safetensors", lambda r: r.redirect(location) or True, times=-1)
                self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "redirected",
                                          "from http to ftp" if location.startswith("ftp") else "")

    def test_passwords_in_addresses_are_not_shown(self):
        for endpoint in ("ftp://u:sesame@127.0.0.1", "http://u:sesame@127.0.0.1:1/ x", "https://u:sesame@127.0.0.1:99999",
                         self.hub.endpoint + "/?key=sesame", self.hub.endpoint + "/#sesame"):
            with self.subTest(endpoint):
                result = self.pull(HF_ENDPOINT=endpoint)
                self.assert_fails_cleanly(result, INVALID_INPUT, "HF_ENDPOINT")
                self.assertNotIn("sesame", result.err)
        self.fault("hub", "model.safetensors", lambda r: r.redirect("http://u:sesame@127.0.0.1:99999/") or True, times=-1)
        result = self.pull()
        self.assert_fails_cleanly(result, UNAVAILABLE, "redirected", "127.0.0.1:99999")
        self.assertNotIn("sesame", result.err)
        # Nor when the hub itself is asked with one, or through a proxy.
        result = self.pull("org/none", HF_ENDPOINT=self.hub.endpoint.replace("http://", "http://u:sesame@"))
        self.assert_fails(result, NOT_FOUND, "org/none", self.hub.endpoint)
        self.assertNotIn("sesame", result.err)
        result = self.pull(HF_ENDPOINT="http://hub.example", http_proxy="garbage://u:sesame@x")
        self.assert_fails(result, UNAVAILABLE, "garbage://x")
        self.assertNotIn("sesame", result.err)

    def test_an_encoded_answer_is_not_taken_for_the_file(self):
        self.fault("cdn", "", lambda r: setattr(r, "gzip", True), times=2)
        self.assert_pulled(self.pull())
        shutil.rmtree(self.cache)
        self.fault("cdn", "", lambda r: setattr(r, "gzip", True), times=-1)
        self.assert_fails(self.pull(), UNAVAILABLE, "gzip")

    def test_a_page_is_no_hub(self):
        def page(request):
            request.body(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})
            return True
        self.fault("hub", "", page, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "text/html", "HF_ENDPOINT")

    def test_a_page_that_says_404_is_no_hub(self):
        def page(request):
            request.body(404, b"<html>Not found</html>", {"Content-Type": "text/html;charset=utf-8"})
            return True
        self.fault("hub", "", page, times=-1)
        self.assert_fails_cleanly(self.pull(), UNAVAILABLE, "404", "text/html", "HF_ENDPOINT")

    def test_nobody_there_is_said(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            result = self.pull(HF_ENDPOINT=f"http://127.0.0.1:{closed.getsockname()[1]}")
        self.assert_fails_cleanly(result, UNAVAILABLE, "connect")
        self.assert_fails(self.pull(HF_ENDPOINT="hub.example"), INVALID_INPUT, "HF_ENDPOINT", "hub.example")


if __name__ == "__main__":
    main()
