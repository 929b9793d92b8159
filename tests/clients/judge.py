"""Judges rows in ClickHouse by what client scripts said that they did.

    judge.py --clickhouse URL --project ID [--wait SECONDS] SAID.json...

Each file is the output of a client script, a JSON object:

    {"sdk": "langfuse 5.0.4", "checks": {"auth_check": true}, "logged": [], "rows": [
        {"table": "traces", "id": "...", "others": ["scope"], "fields": {"name": "n", "metadata": {"k": "v"}, ...}}]}

`checks` must all be true and `logged` (the client's own warnings and errors) empty. Every row must be there with every field as it is
said; JSON texts may differ in spaces, escapes and the order of names. `others` are names in metadata that the server adds;
without them metadata is equal as a whole. A field may be {"$between": [from, to]}, {"$contains": text} or {"$in": [...]}. The project must hold no
rows beside those of the files. With --wait it looks again until the rows are there, or the time is over. Prints a JSON report.
"""

import argparse
import decimal
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "oracle"))

import jsontext
import warehouse
from fold import EMPTY


def fits(want, have):
    """Whether a cell is as said."""
    if isinstance(want, dict) and len(want) == 1 and next(iter(want)).startswith("$"):
        ((how, what),) = want.items()
        if how == "$in":
            return any(fits(one, have) for one in what)
        if how == "$contains":
            return isinstance(have, str) and what in have
        return isinstance(have, int) and what[0] <= have <= what[1]
    if isinstance(want, dict):
        return isinstance(have, dict) and want.keys() == have.keys() and all(fits(want[name], have[name]) for name in want)
    if isinstance(have, decimal.Decimal):
        return isinstance(want, (str, int, float)) and decimal.Decimal(str(want)) == have
    if isinstance(want, str) and isinstance(have, str):
        return want == have or jsontext.same(want, have)
    return want == have


def short(value):
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 300 else text[:140] + " ... " + text[-140:]


def faults_of(said, rows):
    """What is wrong with the rows of one client."""
    for row in said["rows"]:
        name = f"{row['table']} {row['id']!r} ({row['fields'].get('name')})"
        found = rows[row["table"]].get(row["id"])
        if found is None:
            yield f"{name}: missing"
            continue
        for column, want in row["fields"].items():
            have = found.get(column, "no such column")
            if column == "metadata":
                have = {key: value for key, value in have.items() if key not in row["others"]}
            if not fits(want, have):
                yield f"{name}: {column}: want {short(want)}, have {short(have)}"


def surplus(clients, rows):
    expected = {(row["table"], row["id"]) for said in clients for row in said["rows"]}
    for table, found in rows.items():
        for identity, row in found.items():
            if (table, identity) not in expected:
                yield f"{table} {identity!r} ({row.get('name')}): nobody sent it"


def judged(clients, house, project):
    rows, faults = {}, []
    for table in EMPTY:
        rows[table], collected = warehouse.newest(house, table, project)
        faults += [f"{table} {identity!r}: {fault}" for identity, fault in collected.faults]
    report = {said["sdk"]: list(faults_of(said, rows)) for said in clients}
    return report | {"others": faults + list(surplus(clients, rows))}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--clickhouse", required=True)
    options.add_argument("--project", required=True)
    options.add_argument("--wait", type=float, default=0)
    options.add_argument("said", nargs="+", type=pathlib.Path)
    options = options.parse_args()
    clients = [json.loads(path.read_text()) for path in options.said]
    house = warehouse.Warehouse(options.clickhouse)
    deadline = time.monotonic() + options.wait
    while any((report := judged(clients, house, options.project)).values()) and time.monotonic() < deadline:
        time.sleep(0.5)
    for said in clients:
        report[said["sdk"]] += [f"check {name} failed" for name, right in said["checks"].items() if not right]
        report[said["sdk"]] += [f"the client logged: {line}" for line in said["logged"]]
    rows = {said["sdk"]: len(said["rows"]) for said in clients}
    right = not any(report.values())
    print(json.dumps({"right": right, "rows": rows, "faults": {k: v for k, v in report.items() if v}}, indent=1, ensure_ascii=False))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
