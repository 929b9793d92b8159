"""The rows that a journal of accepted requests must give.

    oracle.py JOURNAL...          prints a JSON line for every entity: table, project, id, row

A journal has one JSON object a line, in the order in which requests were answered:

    {"project": "p", "endpoint": "/api/public/ingestion", "outcome": "accepted", "successes": ["event id", ...], "body": "..."}

`successes` is "all" where no event was refused. `outcome` is "unknown" where the client gave up waiting for an answer: such
a request may or may not have been taken. The body of an OTLP request is its OTLP/JSON form, also where it travelled as
protobuf.

Events of an entity are applied in the order of the envelope's time, creates before updates, then in the order of
requests and of events in them. The rows hold texts, milliseconds for times, decimals for costs, and the hash of a text longer than
fold.LONG. Columns that say when something was written are not among them.
"""

import json
import sys
from collections import defaultdict

import events
import spans
from fold import digest, row_of
from jsontext import parse


class Entities:
    """Patches by entity: (table, project, id) -> [(order, patch, is unknown)]."""

    def __init__(self):
        self.patches = defaultdict(list)
        self.otlp = set()
        self.requests = 0

    def read(self, path):
        with open(path, encoding="utf-8", newline="\n") as journal:
            for line in journal:
                if line.endswith("\n"):  # a last line that a killed generator left is no answer that anyone saw
                    self.add(json.loads(line))

    def add(self, entry):
        self.requests += 1
        unsure = entry["outcome"] == "unknown"
        if entry["endpoint"].endswith("/v1/traces"):
            found = spans.patches_of(spans.read(entry["body"]))
        else:
            found = self.of_batch(entry)
        for index, (table, identity, order, patch) in enumerate(found):
            for side in ("input", "output"):
                if side in patch:
                    patch[side] = digest(patch[side])
            key = (table, entry["project"], identity)
            if len(order) == 3:
                self.otlp.add(key)
            else:
                order = (spans.WHOLE, *order)
            self.patches[key].append(((*order, self.requests, index), patch, unsure))

    def of_batch(self, entry):
        taken = None if entry["successes"] == "all" else set(entry["successes"])
        body = parse(entry["body"])
        if entry["endpoint"].endswith("/scores"):
            return  # the generator does not use it
        for event in body["batch"]:
            if taken is None or (isinstance(event, dict) and event.get("id") in taken):
                found = events.patch_of(event)
                if found is not None:
                    yield found

    def keys(self):
        return self.patches.keys()

    def row(self, key, with_unknown=()):
        """The row of an entity; of the requests of unknown outcome those count that are named. `None`: no row."""
        found = [(order, patch) for order, patch, unsure in self.patches[key] if not unsure or order[3] in with_unknown]
        if not found:
            return None
        found = [patch for _, patch in sorted(found, key=lambda pair: pair[0])]
        if key in self.otlp and key[0] == "traces":
            found = spans.first_times(found)
        return row_of(key[0], found)

    def candidates(self, key):
        """The rows that are right: one, or where an outcome is unknown some more."""
        unsure = sorted({order[3] for order, _, is_unsure in self.patches[key] if is_unsure})
        chosen = [frozenset()]
        for request in unsure[:6]:
            chosen += [one | {request} for one in chosen]
        return [self.row(key, one) for one in chosen]


def main():
    entities = Entities()
    for path in sys.argv[1:]:
        entities.read(path)
    for key in entities.keys():
        table, project, identity = key
        line = {"table": table, "project": project, "id": identity, "row": entities.row(key)}
        print(json.dumps(line, default=str, ensure_ascii=False))


if __name__ == "__main__":
    main()
