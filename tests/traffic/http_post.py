"""A connection that posts until it is answered."""

import base64
import http.client
import socket
import threading
import time
import urllib.parse

TRANSIENT = {408, 429, 500, 502, 503, 504}
LONGEST_WAIT = 5.0


class Sender:
    """One connection of one thread. What is transient is tried again with the same bytes until `given_up` is set."""

    def __init__(self, url, given_up=None, timeout=60):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port or 80
        self.prefix = parts.path.rstrip("/")
        self.given_up = given_up or threading.Event()
        self.timeout = timeout
        self.connection = None
        self.retries = 0

    def post(self, path, body, headers):
        """(status, headers, body); `None` where it gave up."""
        wait = 0.05
        while not self.given_up.is_set():
            answer = self.once("POST", path, body, headers)
            if answer is not None and answer[0] not in TRANSIENT:
                return answer
            self.retries += 1
            asked = answer[1].get("Retry-After", "") if answer else ""
            pause = min(float(asked), LONGEST_WAIT) if asked.isdigit() else wait
            self.given_up.wait(pause)
            wait = min(wait * 2, LONGEST_WAIT)
        return None

    def once(self, method, path, body=None, headers=()):
        """One try; `None` where there was no answer."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection.request(method, self.prefix + path, body, dict(headers))
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Pace:
    """Lets at most so many events a second pass, over all threads."""

    def __init__(self, rate):
        self.rate = rate
        self.next = time.monotonic()
        self.lock = threading.Lock()

    def wait(self, events, given_up):
        if not self.rate:
            return
        with self.lock:
            now = time.monotonic()
            start = max(self.next, now)
            self.next = start + events / self.rate
        given_up.wait(start - now)


class Project:
    """A project and its keys, from `id:public:secret`."""

    def __init__(self, text):
        self.id, self.public, self.secret = text.split(":", 2)
        pair = base64.b64encode(f"{self.public}:{self.secret}".encode()).decode()
        self.headers = {"Authorization": f"Basic {pair}", "x-langfuse-public-key": self.public}
