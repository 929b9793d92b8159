"""Tests of compare.py on a real ClickHouse with the tables of `tracemill migrate`; skipped where none is named.

    TRACEMILL_TEST_CLICKHOUSE=http://127.0.0.1:8123 python3 -m unittest discover -s tests/oracle
"""

import contextlib
import datetime
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import compare
import events
import warehouse
from oracle import Entities

URL = os.environ.get("TRACEMILL_TEST_CLICKHOUSE")
HERE = pathlib.Path(__file__).parent
TRAFFIC = HERE.parent / "traffic" / "traffic.py"
RECORDER = HERE.parent / "clients" / "recorder.py"
TIMES = {name for names in warehouse.TIMES.values() for name in names.split()}


def stamp(millis):
    moment = datetime.datetime.fromtimestamp(millis // 1000, datetime.timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{millis % 1000:03}"


def stored(key, row, version, deleted=0):
    found = {name: stamp(value) if name in TIMES and value is not None else value for name, value in row.items()}
    return found | {"id": key[2], "project_id": key[1], "event_ts": stamp(version), "is_deleted": deleted}


@unittest.skipUnless(URL, "TRACEMILL_TEST_CLICKHOUSE is not set")
class Comparison(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.project = f"compare-{os.getpid()}"
        cls.journal = os.path.join(cls.folder.name, "journal")
        cls.house = warehouse.Warehouse(URL)
        port = 20_000 + os.getpid() % 20_000
        server = subprocess.Popen([sys.executable, RECORDER, "--port", str(port), "--folder", cls.folder.name])
        try:
            subprocess.run(
                [sys.executable, TRAFFIC, "--url", f"http://127.0.0.1:{port}", "--project", f"{cls.project}:k:s", "--journal",
                 cls.journal, "--entities", "120", "--events", "6", "--protocol", "mix", "--odd-ids", "--gzip"],
                check=True, stdout=subprocess.DEVNULL, timeout=60,
            )  # fmt: skip
        finally:
            server.terminate()
            server.wait()
        entities = Entities()
        entities.read(cls.journal)
        cls.rows = {key: entities.row(key) for key in entities.keys()}
        for key, row in cls.rows.items():
            cls.insert(key, row, 1_800_000_000_000)

    @classmethod
    def tearDownClass(cls):
        for table in warehouse.TIMES:
            list(cls.house.query(f"ALTER TABLE {table} DELETE WHERE project_id = '{cls.project}'", mutations_sync=1))
        cls.folder.cleanup()

    @classmethod
    def insert(cls, key, row, version, deleted=0):
        line = json.dumps(stored(key, row, version, deleted), default=str).encode()
        list(cls.house.query(f"INSERT INTO {key[0]} FORMAT JSONEachRow", line))

    def report(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = compare.main(["--clickhouse", URL, "--journal", self.journal])
        return code, json.loads(out.getvalue())

    def test_right_then_every_kind_of_wrong(self):
        code, report = self.report()
        self.assertEqual((code, report["entities"]), (0, len(self.rows)), report)
        version = 1_800_000_001_000

        def wrong(key, counted, change, deleted=0):
            """A newer version that is wrong is seen; the right one after it heals."""
            nonlocal version
            version += 2
            self.insert(key, self.rows[key] | change, version, deleted)
            code, report = self.report()
            self.assertEqual((code, report[counted]), (1, 1), report)
            self.insert(key, self.rows[key], version + 1)
            return report

        of = {table: sorted(key for key in self.rows if key[0] == table) for table in warehouse.TIMES}
        trace, score = of["traces"][0], of["scores"][0]
        paid = next(key for key in of["observations"] if self.rows[key]["total_cost"])
        report = wrong(trace, "differ", {"name": "other"})
        self.assertIn('have "other"', report["samples"]["differ"][0])
        wrong(trace, "differ", {"timestamp": self.rows[trace]["timestamp"] + 1})
        wrong(trace, "differ", {"public": not self.rows[trace]["public"]})
        wrong(trace, "differ", {"tags": [*self.rows[trace]["tags"], "more"]})
        wrong(trace, "differ", {"metadata": self.rows[trace]["metadata"] | {"more": "1"}})
        wrong(paid, "differ", {"total_cost": self.rows[paid]["total_cost"] + events.CENT})
        wrong(paid, "differ", {"usage_details": {"input": 1, "total": 7777}})
        wrong(paid, "differ", {"input": None})
        wrong(score, "differ", {"value": self.rows[score]["value"] + 0.1})
        wrong(trace, "missing", {}, deleted=1)
        # A change of the sort key without a tombstone leaves two rows alive.
        self.insert(score, self.rows[score] | {"name": "elsewhere"}, version)
        self.assertEqual(self.report()[1]["faults"], 1)
        self.insert(score, self.rows[score] | {"name": "elsewhere"}, version + 1, deleted=1)
        self.assertEqual(self.report()[0], 0)
        surplus = ("traces", self.project, "nobody")
        self.insert(surplus, self.rows[trace], version)
        self.assertEqual(self.report()[1]["surplus"], 1)
        self.insert(surplus, self.rows[trace], version + 1, deleted=1)
        self.assertEqual(self.report()[0], 0)

    def test_two_contents_of_one_version(self):
        key = sorted(key for key in self.rows if key[0] == "traces")[1]
        collected = warehouse.Newest()
        collected.add(key[2], "", 5, 0, {"a": 1})
        collected.add(key[2], "", 5, 0, {"a": 1})
        self.assertEqual(collected.faults, [])
        collected.add(key[2], "", 5, 0, {"a": 2})
        self.assertEqual(len(collected.faults), 1)


if __name__ == "__main__":
    unittest.main()
