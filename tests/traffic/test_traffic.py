"""Tests of the generator against a server that fails as servers do.

    python3 -m unittest discover -s tests/traffic
"""

import contextlib
import http.server
import io
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import otlp
import traffic
from plan import otlp_request


class Flaky(http.server.BaseHTTPRequestHandler):
    """Takes requests, or refuses for a moment, or ends the connection before or after it took them."""

    protocol_version = "HTTP/1.1"
    rng = random.Random(7)
    taken = []
    outcomes = ["take", "take", "busy", "limit", "drop", "take and drop", "error"]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        outcome = self.rng.choice(self.outcomes)
        if outcome in ("take", "take and drop"):
            self.taken.append((self.path, body))
        if "drop" in outcome:
            self.close_connection = True
        elif outcome == "take":
            is_batch = self.path.endswith("/ingestion")
            ids = [{"id": event["id"], "status": 201} for event in json.loads(body)["batch"]] if is_batch else []
            self.answer(207 if is_batch else 200, {"successes": ids, "errors": []})
        else:
            self.answer({"busy": 503, "limit": 429, "error": 500}[outcome], {})

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def server(handler):
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.server_port}"
    finally:
        found.shutdown()
        found.server_close()
        thread.join()


class Sending(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.journal = os.path.join(self.folder.name, "journal")

    def entries(self):
        with open(self.journal, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def test_everything_arrives_and_is_in_the_journal(self):
        out = io.StringIO()
        with server(Flaky) as url, contextlib.redirect_stdout(out):
            code = traffic.main(
                ["--url", url, "--project", "a:k:s", "b:k:s", "--journal", self.journal, "--entities", "60", "--events", "5",
                 "--size", "1k", "--odd-ids"]
            )  # fmt: skip
        report = json.loads(out.getvalue())
        self.assertEqual((code, report["events"], report["unknown"]), (0, 300, 0), report)
        self.assertGreater(report["retries"], 5)
        journaled = [event["id"] for entry in self.entries() for event in json.loads(entry["body"])["batch"]]
        self.assertEqual(len(journaled), 300)
        self.assertEqual(len(set(journaled)), 300)
        arrived = {event["id"] for _, body in Flaky.taken for event in json.loads(body)["batch"]}
        self.assertEqual(arrived, set(journaled))

    def test_the_same_seed_gives_the_same_events(self):
        events = []
        for _ in range(2):
            options = traffic.options_of(["--url", "http://x", "--project", "a:k:s", "--journal", self.journal, "--entities", "20"])
            events.append([batch for _, _, batch in traffic.Traffic(options).batches()])
        self.assertEqual(*events)

    def test_told_to_stop_while_nobody_answers(self):
        with server(type("Silent", (Flaky,), {"outcomes": ["take and drop"]})) as url:
            command = [sys.executable, pathlib.Path(traffic.__file__), "--url", url, "--project", "a:k:s", "--journal", self.journal]
            process = subprocess.Popen([*command, "--grace", "0.2", "--connections", "3"], stdout=subprocess.PIPE)
            before = len(Flaky.taken)
            while len(Flaky.taken) < before + 3:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            report = json.loads(process.communicate(timeout=20)[0])
        self.assertEqual(report["unknown"], len(self.entries()))
        self.assertEqual({entry["outcome"] for entry in self.entries()}, {"unknown"})


class Protobuf(unittest.TestCase):
    def test_a_span_byte_by_byte(self):
        span = {
            "traceId": "01" * 16, "spanId": "02" * 8, "name": "n", "startTimeUnixNano": "1", "endTimeUnixNano": "2",
            "attributes": [{"key": "k", "value": {"intValue": "-1"}}], "status": {"code": 2},
        }  # fmt: skip
        raw = otlp.span(span)
        self.assertTrue(raw.startswith(b"\x0a\x10" + b"\x01" * 16 + b"\x12\x08" + b"\x02" * 8))
        self.assertIn(b"\x39" + b"\x01" + bytes(7) + b"\x41" + b"\x02" + bytes(7), raw)
        self.assertIn(b"\x4a\x10\x0a\x01k\x12\x0b\x18" + b"\xff" * 9 + b"\x01", raw)
        self.assertTrue(raw.endswith(b"\x7a\x02\x18\x02"))
        self.assertEqual(otlp.varint(300), b"\xac\x02")
        self.assertEqual(otlp.request(otlp_request([span]))[:1], b"\x0a")


if __name__ == "__main__":
    unittest.main()
