"""Sends events as clients do, over several connections, and keeps a journal of what was accepted.

    traffic.py --url URL --project id:public:secret... --journal FILE [options]

A request is repeated, with the same events, until it gets an answer that is not transient (no connection, 408, 429, 5xx).
What is accepted is written to the journal (its form: tests/oracle/oracle.py). SIGTERM or SIGINT ends it: no new request
is begun, and those under way have --grace seconds to be answered; what is not is of unknown outcome. Prints a JSON report;
exits with 1 where an answer was anything but an acceptance.

--entities is how many there are, --events how many events each has (of OTLP: spans of a trace). Their events are shuffled over
--shuffle entities. With --duration entities go on until the time is over. With --bad it sends bad requests instead
(tests/traffic/bad.py).
"""

import argparse
import gzip
import json
import os
import random
import signal
import sys
import threading
import time
from itertools import count

import bad
import otlp
from http_post import Pace, Project, Sender
from plan import Plan, otlp_request

SIZES = {"1k": 1000, "2k": 2000, "50k": 50_000}
INGESTION, TRACES = "/api/public/ingestion", "/api/public/otel/v1/traces"


class Journal:
    """Appends a line a request; a line is written at once."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.lock = threading.Lock()

    def add(self, **entry):
        line = (json.dumps(entry) + "\n").encode()
        with self.lock:
            os.write(self.file, line)


class Traffic:
    def __init__(self, options):
        self.options = options
        self.plan = Plan(options)
        self.projects = [Project(text) for text in options.project]
        self.journal = Journal(options.journal)
        self.pace = Pace(options.rate)
        self.stop, self.given_up = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.requests = self.batches()
        self.counts = dict.fromkeys(("requests", "events", "bytes", "retries", "unknown", "refused_events", "refused"), 0)
        self.refusals = []

    # --- what to send ----------------------------------------------------------------------------------------------

    def blocks(self):
        """Ranges of entities whose events are shuffled together."""
        whole = count() if self.options.duration else [0]
        step = self.options.shuffle
        for number in whole:
            if not self.options.duration:
                for start in range(0, self.options.entities, step):
                    yield range(start, min(start + step, self.options.entities))
                return
            yield range(number * step, (number + 1) * step)

    def items(self, entities):
        """(project's place, protocol, events) in the order of sending."""
        protocols = ["rest", "otlp-json", "otlp-protobuf"] if self.options.protocol == "mix" else [self.options.protocol]
        found = []
        for entity in entities:
            # A trace and what is in it go to one project, by one protocol.
            family = entity // 6
            project, protocol = family % len(self.projects), protocols[family // len(self.projects) % len(protocols)]
            clumps = self.plan.clumps(entity) if protocol == "rest" else ([place] for place in range(self.options.events))
            found += [(project, protocol, entity, clump) for clump in clumps]
        random.Random(f"{self.options.seed}/{entities.start}").shuffle(found)
        return found

    def batches(self):
        """(project, protocol, events) of each request."""
        for entities in self.blocks():
            open_batches = {}
            for project, protocol, entity, clump in self.items(entities):
                batch = open_batches.setdefault((project, protocol), [])
                if protocol == "rest":
                    batch += [self.plan.event(entity, place, clump[0]) for place in clump]
                else:
                    batch += [self.plan.span(entity, place) for place in clump]
                if len(batch) >= self.options.batch:
                    yield self.projects[project], protocol, open_batches.pop((project, protocol))
            for (project, protocol), batch in open_batches.items():
                yield self.projects[project], protocol, batch

    # --- sending ---------------------------------------------------------------------------------------------------

    def run(self):
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self.stop.set())
        began = time.monotonic()
        workers = [threading.Thread(target=self.work) for _ in range(self.options.connections)]
        for worker in workers:
            worker.start()
        end = began + self.options.duration if self.options.duration else float("inf")
        while any(worker.is_alive() for worker in workers) and time.monotonic() < end and not self.stop.is_set():
            self.stop.wait(0.05)
        self.stop.set()
        deadline = time.monotonic() + self.options.grace
        for worker in workers:
            worker.join(max(0, deadline - time.monotonic()))
        self.given_up.set()
        for worker in workers:
            worker.join()
        self.counts["seconds"] = round(time.monotonic() - began, 3)
        return self.counts | {"refusals": self.refusals}

    def work(self):
        sender = Sender(self.options.url, self.given_up)
        while not self.stop.is_set():
            with self.lock:
                taken = next(self.requests, None)
            if taken is None:
                break
            self.pace.wait(len(taken[2]), self.stop)
            if not self.stop.is_set():
                self.send(sender, *taken)
        with self.lock:
            self.counts["retries"] += sender.retries
        sender.close()

    def send(self, sender, project, protocol, batch):
        headers = dict(project.headers)
        if protocol == "rest":
            endpoint, said = INGESTION, json.dumps({"batch": batch}, ensure_ascii=False, separators=(",", ":"))
            body, headers["Content-Type"] = said.encode(), "application/json"
        else:
            endpoint, request = TRACES, otlp_request(batch)
            said = json.dumps(request, ensure_ascii=False, separators=(",", ":"))
            body = said.encode() if protocol == "otlp-json" else otlp.request(request)
            headers["Content-Type"] = "application/json" if protocol == "otlp-json" else "application/x-protobuf"
            headers |= {"x-langfuse-sdk-name": "python", "x-langfuse-sdk-version": "3.15.0"}
            if protocol == "otlp-protobuf" and self.options.gzip:
                body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        answer = sender.post(endpoint, body, headers)
        entry = {"project": project.id, "endpoint": endpoint, "body": said}
        with self.lock:
            self.counts["requests"] += 1
            self.counts["events"] += len(batch)
            self.counts["bytes"] += len(body)
        if answer is None:
            self.journal.add(outcome="unknown", successes="all", **entry)
            self.note("unknown", None)
        elif answer[0] == 207:
            self.accepted(entry, batch, json.loads(answer[2]))
        elif answer[0] in (200, 202) and endpoint == TRACES:
            self.journal.add(outcome="accepted", successes="all", status=answer[0], **entry)
        else:
            self.note("refused", f"{answer[0]} {answer[2][:300]!r}")

    def accepted(self, entry, batch, answer):
        named = [success["id"] for success in answer["successes"]]
        everything = sorted(named) == sorted(event["id"] for event in batch)
        self.journal.add(outcome="accepted", successes="all" if everything else named, status=207, **entry)
        if not everything or answer["errors"]:
            self.note("refused_events", f"{answer['errors'][:2]}")

    def note(self, what, line):
        with self.lock:
            self.counts[what] += 1
            if line is not None and len(self.refusals) < 5:
                self.refusals.append(line)


def options_of(arguments):
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--url", default=os.environ.get("TRACEMILL_URL"))
    options.add_argument("--project", nargs="+", default=os.environ.get("TRACEMILL_PROJECTS", "").split())
    options.add_argument("--journal", required=True)
    options.add_argument("--protocol", choices=["rest", "otlp-json", "otlp-protobuf", "mix"], default="rest")
    options.add_argument("--entities", type=int, default=1000)
    options.add_argument("--events", type=int, default=2)
    options.add_argument("--duration", type=float, default=0)
    options.add_argument("--batch", type=int, default=15)
    options.add_argument("--connections", type=int, default=4)
    options.add_argument("--rate", type=float, default=0, help="events a second; 0: as fast as it goes")
    options.add_argument("--size", choices=SIZES, default="2k")
    options.add_argument("--shuffle", type=int, default=1000)
    options.add_argument("--seed", default="1")
    options.add_argument("--grace", type=float, default=30)
    options.add_argument("--creates-only", action="store_true")
    options.add_argument("--no-ties", action="store_true", help="no two events of an entity have one time")
    options.add_argument("--odd-ids", action="store_true")
    options.add_argument("--gzip", action="store_true")
    options.add_argument("--bad", action="store_true")
    options = options.parse_args(arguments)
    options.size = SIZES[options.size]
    if not options.url or not options.project:
        sys.exit("--url and --project are needed, or TRACEMILL_URL and TRACEMILL_PROJECTS")
    return options


def main(arguments=None):
    options = options_of(arguments)
    if options.bad:
        report = bad.run(options.url, Project(options.project[0]), Journal(options.journal), options.seed)
        print(json.dumps(report, indent=1, ensure_ascii=False))
        return 1 if report["wrong"] else 0
    report = Traffic(options).run()
    print(json.dumps(report, ensure_ascii=False))
    return 1 if report["refused"] or report["refused_events"] else 0


if __name__ == "__main__":
    sys.exit(main())
