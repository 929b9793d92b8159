"""A stub of the server, to write the client scripts against: takes everything, keeps every request.

    recorder.py --port N --folder DIR          a file a request: NNNN.json (method, path, headers), NNNN.body

It checks nothing, and is no part of any verdict.
"""

import argparse
import http.server
import itertools
import json
import pathlib
import threading

PROJECT = {"id": "p", "name": "p", "organization": {"id": "o", "name": "o"}, "metadata": {}}


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    numbers = itertools.count(1)
    lock = threading.Lock()
    folder = None

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return parts
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def keep(self, body):
        with self.lock:
            name = f"{next(self.numbers):04}"
        head = {"method": self.command, "path": self.path, "headers": dict(self.headers)}
        (self.folder / f"{name}.json").write_text(json.dumps(head, indent=1))
        (self.folder / f"{name}.body").write_bytes(body)

    def do_GET(self):
        self.keep(b"")
        self.answer(200, {"data": [PROJECT]} if "projects" in self.path else {"status": "OK"})

    def do_POST(self):
        body = self.body()
        self.keep(body)
        path = self.path.split("?")[0]
        if path.endswith("/ingestion"):
            events = json.loads(body)["batch"]
            successes = [{"id": event["id"], "status": 201} for event in events if isinstance(event, dict) and "id" in event]
            self.answer(207, {"successes": successes, "errors": []})
        elif path.endswith("/scores"):
            self.answer(202, {"message": "Accepted"})
        else:
            self.answer(200, {})

    def log_message(self, *_):
        pass


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--folder", type=pathlib.Path, required=True)
    options = options.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    Recorder.folder = options.folder
    http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Recorder).serve_forever()


if __name__ == "__main__":
    main()
