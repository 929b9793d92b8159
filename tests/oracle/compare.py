"""Compares what ClickHouse holds with what a journal of accepted requests must give.

    compare.py --clickhouse URL --journal FILE... [--project ID...] [--samples N]

Every entity of the projects (without --project: those in the journal) is compared, column by column. Prints a JSON report, and
exits with 1 where an entity is missing, surplus, doubled or differs. `as_json` counts the cells that differ in spaces,
escapes or the order of names of a JSON text alone, which is not held against them. Times of writing are not compared.
"""

import argparse
import json
import sys

import jsontext
import warehouse
from fold import EMPTY, digest
from oracle import Entities

# What the oracle does not know of: prices and prompts.
UNKNOWN = {"internal_model_id", "prompt_name"}


def differences(expected, found, counts):
    """(column, expected, found) of every cell that differs."""
    for column in sorted(expected.keys() - UNKNOWN):
        want, have = expected[column], found.get(column)
        if want == have:
            continue
        if isinstance(want, dict) and isinstance(have, dict) and want.keys() == have.keys():
            if all(want[name] == have[name] or equal(want[name], have[name], counts) for name in want):
                continue
        elif equal(want, have, counts):
            continue
        yield column, want, have


def equal(want, have, counts):
    if isinstance(want, str) and isinstance(have, str) and jsontext.same(want, have):
        counts["as_json"] += 1
        return True
    return False


def shorten(row):
    for side in ("input", "output"):
        if side in row:
            row[side] = digest(row[side])
    return row


def sample(value):
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 400 else text[:200] + " ... " + text[-200:]


class Report:
    def __init__(self, samples):
        self.counts = dict.fromkeys(("entities", "versions", "unsettled", "missing", "surplus", "faults", "differ", "as_json"), 0)
        self.samples = samples
        self.shown = {}

    def say(self, what, line):
        self.counts[what] += 1
        shown = self.shown.setdefault(what, [])
        if len(shown) < self.samples:
            shown.append(line)

    def right(self):
        return not any(self.counts[name] for name in ("missing", "surplus", "faults", "differ"))


def compare_table(report, entities, house, table, project):
    found, collected = warehouse.newest(house, table, project, shorten)
    report.counts["versions"] += collected.versions
    for identity, fault in collected.faults:
        report.say("faults", f"{table} {project}/{identity!r}: {fault}")
    expected = {key for key in entities.keys() if key[:2] == (table, project)}
    for identity in found.keys() - {key[2] for key in expected}:
        report.say("surplus", f"{table} {project}/{identity!r}")
    for key in sorted(expected):
        compare_entity(report, key, entities.candidates(key), found.get(key[2]))


def compare_entity(report, key, candidates, row):
    report.counts["entities"] += 1
    report.counts["unsettled"] += len(candidates) > 1
    name = f"{key[0]} {key[1]}/{key[2]!r}"
    if row is None:
        if None not in candidates:
            report.say("missing", name)
        return
    found = [list(differences(one, row, report.counts)) for one in candidates if one is not None]
    if all(found):
        cells = min(found, key=len)
        report.say("differ", f"{name}: " + "; ".join(f"{c}: want {sample(w)}, have {sample(h)}" for c, w, h in cells))


def main(arguments=None):
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--clickhouse", required=True)
    options.add_argument("--journal", required=True, nargs="+")
    options.add_argument("--project", nargs="+")
    options.add_argument("--samples", type=int, default=5)
    options = options.parse_args(arguments)
    entities = Entities()
    for path in options.journal:
        entities.read(path)
    report = Report(options.samples)
    house = warehouse.Warehouse(options.clickhouse)
    for project in options.project or sorted({project for _, project, _ in entities.keys()}):
        for table in EMPTY:
            compare_table(report, entities, house, table, project)
    print(json.dumps(report.counts | {"right": report.right(), "samples": report.shown}, indent=1, ensure_ascii=False))
    return 0 if report.right() else 1


if __name__ == "__main__":
    sys.exit(main())
