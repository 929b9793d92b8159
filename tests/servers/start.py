"""Starts one test server, and ends it when standard input closes or on SIGTERM.

    start.py gcs|s3|s3-moto|azure --data FOLDER [--bucket NAME]... [--port N] [--credential TEXT] [--fail N] [--keep]

Prints `READY <port>` once the server answers and its buckets exist. `gcs` and `s3` are our own small server
(xml_server.py); `s3-moto` is moto and `azure` is Azurite, both of the cache folder that scripts/test-services.sh fills.
The log of a server goes to FOLDER/server.log. With --keep, standard input is not watched.
"""

import argparse
import base64
import ctypes
import hashlib
import hmac
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from email.utils import formatdate

START_TIMEOUT_S = 60
HERE = os.path.dirname(os.path.abspath(__file__))
# Azurite's well-known account, the same everywhere.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def cache():
    """The folder of scripts/test-services.sh."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("TRACEMILL_CACHE") or os.path.join(home, "tracemill")


def installed(*parts):
    path = os.path.join(cache(), "services", *parts)
    if not os.path.exists(path):
        sys.exit(f"{path} is not there: run scripts/test-services.sh first")
    return path


def die_with_parent():
    """In the child: a signal when this launcher dies, however it does."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)


def command_of(given):
    if given.server in ("gcs", "s3"):
        command = [sys.executable, os.path.join(HERE, "xml_server.py"), "--dialect", given.server]
        command += ["--data", given.data, "--port", str(given.port), "--credential", given.credential]
        command += ["--fail", str(given.fail)] + [x for name in given.bucket for x in ("--bucket", name)]
        return command, r"READY (\d+)"
    if given.server == "s3-moto":
        python = installed("python", "bin", "python")
        code = (
            "import sys; from moto.server import ThreadedMotoServer as S; "
            f"s = S(ip_address='127.0.0.1', port={given.port}, verbose=False); s.start(); "
            "print('READY', s.get_host_and_port()[1], flush=True); import threading; threading.Event().wait()"
        )
        return [python, "-c", code], r"READY (\d+)"
    main = installed("node", "node_modules", "azurite", "dist", "src", "blob", "main.js")
    command = ["node", main, "--blobHost", "127.0.0.1", "--blobPort", str(given.port), "--location", given.data]
    command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    return command, r"listens on http://127\.0\.0\.1:(\d+)"


def make_buckets(given, port):
    """Creates the buckets of the servers that are not ours."""
    for name in given.bucket:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        if given.server == "s3-moto":
            connection.request("PUT", f"/{name}")
        else:
            date = formatdate(usegmt=True)
            headers = {"x-ms-date": date, "x-ms-version": "2021-12-02", "Content-Length": "0"}
            signed = "PUT\n" + "\n" * 11 + f"x-ms-date:{date}\nx-ms-version:2021-12-02\n"
            signed += f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
            digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
            headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
            connection.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 201, 409):
            raise SystemExit(f"cannot create {name}: {answer.status} {body[:300]!r}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("server", choices=["gcs", "s3", "s3-moto", "azure"])
    arguments.add_argument("--data", required=True)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--bucket", action="append", default=[])
    arguments.add_argument("--credential", default="")
    arguments.add_argument("--fail", type=int, default=0)
    arguments.add_argument("--keep", action="store_true")
    given = arguments.parse_args()
    given.bucket = given.bucket or ["tracemill"]
    os.makedirs(given.data, exist_ok=True)
    command, ready = command_of(given)
    with open(os.path.join(given.data, "server.log"), "ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            preexec_fn=die_with_parent,
        )

    def stop(*_):
        child.kill()
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if not given.keep:
        # The parent holds the other end of standard input: when it goes, however it goes, this read returns.
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), stop()), daemon=True).start()
    # A server that never says that it is ready must not hold its caller up for ever.
    late = threading.Timer(START_TIMEOUT_S, lambda: (print("the server did not start", file=sys.stderr), stop()))
    late.daemon = True
    late.start()
    port = None
    for line in child.stdout:
        found = re.search(ready, line.decode(errors="replace"))
        if found and port is None:
            port = int(found.group(1))
            late.cancel()
            if given.server not in ("gcs", "s3"):
                make_buckets(given, port)
            print(f"READY {port}", flush=True)
    status = child.wait()
    sys.exit(f"the server ended with status {status}; see {given.data}/server.log")


if __name__ == "__main__":
    main()
