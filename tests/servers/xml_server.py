"""A small object server for tests: the part of the GCS and S3 XML APIs that the exporter's client uses.

It exists because no emulator of GCS takes multipart uploads over the XML API, and because streaming hundreds of MB to
it must cost little CPU and no memory: bodies go to files as they come, a completed multipart upload is a list of its
parts' files, and answers are sent from the files.

It refuses what the real services refuse: a wrong token or access key, an unknown bucket, a precondition that does not
hold, an unknown upload, a part that is too small or out of order or has another tag, a tag or length that does not
match. What it knows is in a journal in its data folder, so a restarted server goes on. Standard library only.

Beside the API it answers GET /_test/state (counts of requests, unfinished uploads) and PUT /_test/fail?every=N&late=M:
every Nth request is answered 503 before, every Mth after it was carried out.
"""

import argparse
import base64
import bisect
import hashlib
import json
import os
import re
import shutil
import sys
import threading
import time
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree
from xml.sax.saxutils import escape

MIN_PART = 5 * 1024 * 1024
PAGE = 1000
CHUNK = 1 << 20


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status, code, message=""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


class Bucket:
    """The objects of one bucket: a dictionary and its keys in order."""

    def __init__(self):
        self.objects = {}
        self.keys = []

    def set(self, key, record):
        if key not in self.objects:
            bisect.insort(self.keys, key)
        self.objects[key] = record

    def remove(self, key):
        if self.objects.pop(key, None) is not None:
            del self.keys[bisect.bisect_left(self.keys, key)]


class State:
    """All that the server knows. Every method that changes it holds the lock and writes the journal."""

    def __init__(self, folder, buckets):
        self.folder = folder
        self.lock = threading.Lock()
        self.buckets = {}
        self.uploads = {}
        self.counts = {}
        self.requests = 0
        self.number = int(time.time() * 1_000_000)
        self.fail_every = self.fail_late = 0
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "journal.jsonl")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                for line in lines:
                    if line.endswith("\n"):
                        self.apply(json.loads(line))
        self.journal = open(path, "a", encoding="utf-8")
        for name in buckets:
            if name not in self.buckets:
                self.record({"do": "bucket", "bucket": name})

    def apply(self, entry):
        what = entry["do"]
        if what == "bucket":
            self.buckets.setdefault(entry["bucket"], Bucket())
        elif what == "set":
            self.buckets[entry["bucket"]].set(entry["key"], entry["record"])
        elif what == "remove":
            self.buckets[entry["bucket"]].remove(entry["key"])
        elif what == "begin":
            self.uploads[entry["id"]] = {"bucket": entry["bucket"], "key": entry["key"], "parts": {}}
        elif what == "part":
            self.uploads[entry["id"]]["parts"][int(entry["part"])] = entry["record"]
        elif what == "end":
            self.uploads.pop(entry["id"], None)

    def record(self, entry):
        self.apply(entry)
        self.journal.write(json.dumps(entry) + "\n")
        self.journal.flush()

    def next(self):
        self.number += 1
        return self.number

    def bucket(self, name):
        found = self.buckets.get(name)
        if found is None:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist.")
        return found

    def object(self, bucket, key):
        found = self.bucket(bucket).objects.get(key)
        if found is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        return found

    def upload(self, bucket, key, name):
        found = self.uploads.get(name)
        if found is None or (found["bucket"], found["key"]) != (bucket, key):
            raise Refused(404, "NoSuchUpload", "The requested upload was not found.")
        return found

    def new_record(self, files):
        number = self.next()
        size = sum(size for _, size in files)
        return {"files": files, "size": size, "generation": number, "etag": f'"{number:x}"', "time": time.time()}

    def replace(self, bucket, key, record):
        old = self.bucket(bucket).objects.get(key)
        self.record({"do": "set", "bucket": bucket, "key": key, "record": record})
        self.drop_files(old)

    def drop_files(self, record):
        for name, _ in record["files"] if record else []:
            try:
                os.unlink(os.path.join(self.folder, name))
            except FileNotFoundError:
                pass


class Handler(BaseHTTPRequestHandler):
    """One request. The dialect, the state and what is accepted as credentials are attributes of the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "xml-server"

    def log_message(self, format, *args):  # noqa: A002 - the name of the base class
        if self.server.verbose:
            super().log_message(format, *args)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def handle_any(self):
        self.state = self.server.state
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        bucket, _, key = url.path.lstrip("/").partition("/")
        bucket, key = urllib.parse.unquote(bucket), urllib.parse.unquote(key)
        self.left = int(self.headers.get("Content-Length") or 0)
        self.answered = False
        try:
            if bucket == "_test":
                return self.test(key)
            number = self.count(key)
            if self.state.fail_every and number % self.state.fail_every == 0:
                raise Refused(503, "ServiceUnavailable", "injected before")
            self.late = self.state.fail_late and number % self.state.fail_late == 0
            self.authorize()
            self.route(bucket, key)
        except Refused as refused:
            self.error(refused)
        except BrokenPipeError:
            self.close_connection = True
        return None

    def count(self, key):
        what = self.command + (" object" if key else " bucket")
        what += "".join(f" {name}" for name in ("uploads", "uploadId", "delete") if name in self.query)
        with self.state.lock:
            self.state.requests += 1
            self.state.counts[what] = self.state.counts.get(what, 0) + 1
            return self.state.requests

    def authorize(self):
        wanted, given = self.server.credential, self.headers.get("Authorization", "")
        if not wanted:
            return
        if self.server.dialect == "gcs":
            if given != f"Bearer {wanted}":
                raise Refused(401, "AuthenticationRequired", "Authentication required.")
        elif f"Credential={wanted}/" not in given:
            raise Refused(403, "InvalidAccessKeyId", "The access key id does not exist in our records.")

    def route(self, bucket, key):
        has = self.query.__contains__
        if not key:
            routes = {"GET": self.list, "PUT": self.make_bucket, "HEAD": self.head_bucket}
            if self.command == "POST" and has("delete") and self.server.dialect == "s3":
                return self.bulk_delete(bucket)
            handler = routes.get(self.command)
            return handler(bucket) if handler else self.unknown()
        if self.command == "POST":
            handler = self.begin if has("uploads") else self.complete if has("uploadId") else None
        elif self.command == "PUT":
            handler = self.put_part if has("uploadId") else self.put
        elif self.command == "DELETE":
            handler = self.abort if has("uploadId") else self.delete
        else:
            handler = self.get if self.command in ("GET", "HEAD") else None
        return handler(bucket, key) if handler else self.unknown()

    def unknown(self):
        raise Refused(501, "NotImplemented")

    # Bodies and answers.

    def store_body(self):
        """Streams the body to a new file; gives its (name, size)."""
        size, digest = self.left, self.headers.get("Content-MD5")
        hasher = hashlib.md5() if digest else None
        with self.state.lock:
            name = f"data-{self.state.next()}"
        path = os.path.join(self.state.folder, name)
        buffer = memoryview(bytearray(min(CHUNK, max(size, 1))))
        try:
            with open(path, "wb", buffering=0) as file:
                while self.left:
                    read = self.rfile.readinto1(buffer[: min(self.left, len(buffer))])
                    if not read:
                        raise Refused(400, "IncompleteBody")
                    self.left -= read
                    if hasher:
                        hasher.update(buffer[:read])
                    file.write(buffer[:read])
            if hasher and base64.b64encode(hasher.digest()).decode() != digest:
                raise Refused(400, "BadDigest")
        except (Refused, OSError):
            os.unlink(path)
            raise
        return [name, size]

    def read_body(self):
        body, self.left = self.rfile.read(self.left), 0
        return body

    def error(self, refused):
        body = f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message></Error>"
        self.answer(refused.status, body)

    def answer(self, status, body="", headers=()):
        if self.answered:
            return
        self.answered = True
        if getattr(self, "late", False) and status < 500:
            status, headers = 503, ()
            body = "<Error><Code>ServiceUnavailable</Code><Message>injected after</Message></Error>"
        while self.left:  # What was not read would be taken for the next request.
            read = self.rfile.read(min(self.left, CHUNK))
            self.left = self.left - len(read) if read else 0
        data = ('<?xml version="1.0" encoding="UTF-8"?>' + body).encode() if body else b""
        self.send_response(status)
        if data:
            self.send_header("Content-Type", "application/xml")
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def marks(self, record):
        yield "ETag", record["etag"]
        if self.server.dialect == "gcs":
            yield "x-goog-generation", str(record["generation"])

    # Buckets.

    def make_bucket(self, bucket):
        self.read_body()
        with self.state.lock:
            self.state.record({"do": "bucket", "bucket": bucket})
        self.answer(200)

    def head_bucket(self, bucket):
        self.state.bucket(bucket)
        self.answer(200)

    def list(self, bucket):
        if self.query.get("list-type") != "2":
            raise Refused(501, "NotImplemented", "only list-type=2")
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        page = min(int(self.query.get("max-keys", PAGE)), PAGE)
        after = self.query.get("continuation-token") or self.query.get("start-after", "")
        contents, folders, last = [], [], None
        with self.state.lock:
            found = self.state.bucket(bucket)
            at = max(bisect.bisect_left(found.keys, prefix), bisect.bisect_right(found.keys, after))
            while at < len(found.keys) and len(contents) + len(folders) < page:
                key = found.keys[at]
                if not key.startswith(prefix):
                    at = len(found.keys)
                    break
                cut = key.find(delimiter, len(prefix)) if delimiter else -1
                if cut >= 0:
                    last = key[: cut + len(delimiter)] + "\U0010ffff"
                    folders.append(key[: cut + len(delimiter)])
                    at = bisect.bisect_left(found.keys, last)
                else:
                    last = key
                    contents.append((key, found.objects[key]))
                    at += 1
            more = at < len(found.keys) and found.keys[at].startswith(prefix)
        rows = [f"<IsTruncated>{str(more).lower()}</IsTruncated>"]
        if more:
            rows.append(f"<NextContinuationToken>{escape(last)}</NextContinuationToken>")
        for key, record in contents:
            when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record["time"]))
            rows.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{when}.{int(record['time'] * 1000) % 1000:03}Z"
                f"</LastModified><ETag>{escape(record['etag'])}</ETag><Size>{record['size']}</Size></Contents>"
            )
        rows += [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders]
        self.answer(200, f"<ListBucketResult>{''.join(rows)}</ListBucketResult>")

    # Objects.

    def check_condition(self, bucket, key):
        """The preconditions of a write; called with the lock held."""
        record = self.state.bucket(bucket).objects.get(key)
        if self.server.dialect == "gcs":
            wanted = self.headers.get("x-goog-if-generation-match")
            have = record["generation"] if record else 0
            holds = wanted is None or int(wanted) == have
        else:
            none, match = self.headers.get("If-None-Match"), self.headers.get("If-Match")
            holds = not (none == "*" and record) and (match is None or (record and record["etag"] == match))
        if not holds:
            raise Refused(412, "PreconditionFailed", "At least one of the preconditions did not hold.")

    def put(self, bucket, key):
        if "x-goog-copy-source" in self.headers or "x-amz-copy-source" in self.headers:
            raise Refused(501, "NotImplemented", "no copies")
        self.state.bucket(bucket)
        file = self.store_body()
        try:
            with self.state.lock:
                self.check_condition(bucket, key)
                record = self.state.new_record([file])
                self.state.replace(bucket, key, record)
        except Refused:
            self.state.drop_files({"files": [file]})
            raise
        self.answer(200, headers=self.marks(record))

    def get(self, bucket, key):
        with self.state.lock:
            record = self.state.object(bucket, key)
            # Opened under the lock: an object that is replaced meanwhile is still read whole.
            names = record["files"] if self.command == "GET" else []
            files = [(open(os.path.join(self.state.folder, name), "rb"), size) for name, size in names]
        try:
            size, status = record["size"], 200
            start, end = 0, size
            span = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            if span and span.group(0) != "bytes=-":
                first, final = span.groups()
                start = int(first) if first else max(size - int(final), 0)
                end = min(int(final) + 1, size) if first and final else size
                status = 206
                if start >= end:
                    raise Refused(416, "InvalidRange", "The requested range is not satisfiable.")
            self.send_response(status)
            for name, value in self.marks(record):
                self.send_header(name, value)
            self.send_header("Last-Modified", formatdate(record["time"], usegmt=True))
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(end - start))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.end_headers()
            self.answered = True
            for file, length in files:
                if start < length and end > 0 and end > start:
                    self.connection.sendfile(file, max(start, 0), min(end, length) - max(start, 0))
                start, end = max(start - length, 0), end - length
        finally:
            for file, _ in files:
                file.close()

    def delete(self, bucket, key):
        with self.state.lock:
            if self.server.dialect == "gcs":
                self.state.object(bucket, key)
            self.remove(bucket, key)
        self.answer(204)

    def remove(self, bucket, key):
        old = self.state.bucket(bucket).objects.get(key)
        if old:
            self.state.record({"do": "remove", "bucket": bucket, "key": key})
            self.state.drop_files(old)

    def bulk_delete(self, bucket):
        tree = ElementTree.fromstring(self.read_body())
        keys = [node.text for node in tree.iter() if node.tag.rpartition("}")[2] == "Key"]
        if len(keys) > 1000:
            raise Refused(400, "MalformedXML", "more than 1000 keys")
        with self.state.lock:
            for key in keys:
                self.remove(bucket, key)
        rows = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{rows}</DeleteResult>")

    # Multipart uploads.

    def begin(self, bucket, key):
        self.read_body()
        with self.state.lock:
            self.state.bucket(bucket)
            name = f"upload-{self.state.next():x}"
            self.state.record({"do": "begin", "id": name, "bucket": bucket, "key": key})
        self.answer(
            200,
            f"<InitiateMultipartUploadResult><Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key>"
            f"<UploadId>{name}</UploadId></InitiateMultipartUploadResult>",
        )

    def put_part(self, bucket, key):
        name, part = self.query["uploadId"], int(self.query.get("partNumber", 0))
        self.state.upload(bucket, key, name)
        if not 1 <= part <= 10_000:
            raise Refused(400, "InvalidArgument", "partNumber must be 1 to 10000")
        file = self.store_body()
        with self.state.lock:
            upload = self.state.uploads.get(name)
            if upload is None:  # Aborted meanwhile.
                self.state.drop_files({"files": [file]})
                raise Refused(404, "NoSuchUpload")
            record, old = self.state.new_record([file]), upload["parts"].get(part)
            self.state.record({"do": "part", "id": name, "part": part, "record": record})
            self.state.drop_files(old)
        self.answer(200, headers=[("ETag", record["etag"])])

    def complete(self, bucket, key):
        tree, name = ElementTree.fromstring(self.read_body()), self.query["uploadId"]
        plain = [node for node in tree.iter() if node.tag.rpartition("}")[2] == "Part"]
        wanted = [{child.tag.rpartition("}")[2]: child.text for child in node} for node in plain]
        with self.state.lock:
            upload = self.state.upload(bucket, key, name)
            numbers = [int(part["PartNumber"]) for part in wanted]
            if not numbers or numbers != sorted(set(numbers)):
                raise Refused(400, "InvalidPartOrder", "The parts were not in ascending order.")
            parts = [upload["parts"].get(number) for number in numbers]
            for part, record in zip(wanted, parts):
                if record is None or record["etag"].strip('"') != part["ETag"].strip('"'):
                    raise Refused(400, "InvalidPart", f"part {part['PartNumber']} was not found")
            if any(record["size"] < MIN_PART for record in parts[:-1]):
                raise Refused(400, "EntityTooSmall", "A part but the last is smaller than 5 MiB.")
            self.check_condition(bucket, key)
            record = self.state.new_record([file for part in parts for file in part["files"]])
            self.state.replace(bucket, key, record)
            for number, part in upload["parts"].items():
                if number not in numbers:
                    self.state.drop_files(part)
            self.state.record({"do": "end", "id": name})
        self.answer(
            200,
            f"<CompleteMultipartUploadResult><Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key>"
            f"<ETag>{escape(record['etag'])}</ETag></CompleteMultipartUploadResult>",
            [header for header in self.marks(record) if header[0] != "ETag"],
        )

    def abort(self, bucket, key):
        name = self.query["uploadId"]
        with self.state.lock:
            upload = self.state.upload(bucket, key, name)
            self.state.record({"do": "end", "id": name})
            for part in upload["parts"].values():
                self.state.drop_files(part)
        self.answer(204)

    # For tests.

    def test(self, what):
        self.read_body()
        if what == "fail":
            self.state.fail_every = int(self.query.get("every", 0))
            self.state.fail_late = int(self.query.get("late", 0))
        with self.state.lock:
            uploads = [{"id": name, "key": upload["key"]} for name, upload in self.state.uploads.items()]
            objects = {name: len(bucket.keys) for name, bucket in self.state.buckets.items()}
            seen = {"requests": self.state.counts, "uploads": uploads, "objects": objects}
        data = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """The server with what its handlers share."""

    daemon_threads = True
    request_queue_size = 128


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--dialect", choices=["gcs", "s3"], default="gcs")
    arguments.add_argument("--data", required=True, help="folder for objects and journal")
    arguments.add_argument("--port", type=int, default=0, help="0: any free one")
    arguments.add_argument("--bucket", action="append", default=[], help="a bucket that exists; may be repeated")
    arguments.add_argument("--credential", default="", help="the bearer token (gcs) or access key id (s3) that is let in")
    arguments.add_argument("--fail", type=int, default=0, metavar="N", help="answer every Nth request with 503")
    arguments.add_argument("--clean", action="store_true", help="begin with an empty data folder")
    arguments.add_argument("--verbose", action="store_true")
    given = arguments.parse_args()
    if given.clean:
        shutil.rmtree(given.data, ignore_errors=True)
    server = Server(("127.0.0.1", given.port), Handler)
    server.state = State(given.data, given.bucket or ["tracemill"])
    server.state.fail_every = given.fail
    server.dialect, server.credential, server.verbose = given.dialect, given.credential, given.verbose
    print(f"READY {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
