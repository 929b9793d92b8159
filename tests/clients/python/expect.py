"""What a client script says that it did: the rows that must come of it. See tests/clients/README.md for the form."""

import contextlib
import importlib.metadata
import json
import logging
import os
import sys
import time

ENVIRONMENT, RELEASE = "client-tests", "release-7"
# Metadata of every kind: what a script sends, and the texts that the column must hold.
METADATA = {
    "text": "plain",
    "digits": "1983516295378495150",
    "integer": 5,
    "large": 9007199254740993,
    "fraction": 5.5,
    "flag": True,
    "nested": {"large": 12345678901234567890, "a": {"b": [1, 2.25, "three", None]}, "unicode": "naïve 日本 🙂"},
    "list": ["x", 2],
    "ключ 🙂": "quotes \" and \\ and\nlines\tand tabs",
}
BIG = "".join(f"line {number}: {'日本 and ' if number % 7 else 'ascii '}{'x' * (number % 50)}\n" for number in range(8000))[:300_000]


def text(value):
    """What a column of text holds of a value."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def texts(metadata):
    return {name: text(sent(value)) for name, value in metadata.items()}


def sent(value):
    """A value as the clients send it: integers that JavaScript cannot hold become texts, within others too."""
    if isinstance(value, dict):
        return {name: sent(item) for name, item in value.items()}
    if isinstance(value, list):
        return [sent(item) for item in value]
    is_large = isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1
    return str(value) if is_large else value


def between(start):
    """A time within the minute after `start`, in seconds."""
    return {"$between": [int(start * 1000), int(start * 1000) + 60_000]}


class Faults(logging.Handler):
    """Warnings and errors that anything logs."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.found = []

    def emit(self, record):
        self.found.append(f"{record.name} {record.levelname}: {record.getMessage()}"[:500])


class Said:
    def __init__(self, package="langfuse"):
        self.began = time.time()
        self.sdk = f"{package} {importlib.metadata.version(package)}"
        self.rows = []
        self.checks = {}
        self.faults = Faults()
        logging.getLogger().addHandler(self.faults)
        for name in ("langfuse", "opentelemetry"):
            logger = logging.getLogger(name)
            logger.propagate = True
            logger.setLevel(logging.WARNING)

    def row(self, table, identity, others=(), **fields):
        """`others`: names in metadata that the server adds by itself."""
        self.rows.append({"table": table, "id": identity, "others": list(others), "fields": fields})

    def check(self, name, right):
        self.checks[name] = bool(right)

    def done(self):
        out = {"sdk": self.sdk, "checks": self.checks, "logged": self.faults.found, "rows": self.rows}
        print(json.dumps(out, ensure_ascii=False))
        sys.stdout.flush()
        sys.exit(0 if all(self.checks.values()) and not self.faults.found else 1)


def settings():
    """Address and keys."""
    names = ("TRACEMILL_URL", "TRACEMILL_PUBLIC_KEY", "TRACEMILL_SECRET_KEY")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        sys.exit(f"not set: {', '.join(missing)}")
    return [os.environ[name] for name in names]


@contextlib.contextmanager
def broken():
    """Takes the error that the body raises."""
    try:
        yield
    except ValueError:
        return
    raise AssertionError("nothing was raised")
