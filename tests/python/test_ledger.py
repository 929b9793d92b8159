"""Tests of ledger.py on the fixtures, which the generator's own test writes and checks.

    python -m unittest discover -s tests/python
"""

import contextlib
import hashlib
import io
import json
import pathlib
import struct
import tempfile
import unittest

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import ledger

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


def run(*arguments):
    """Exit code and report."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = ledger.main([str(argument) for argument in arguments])
    return code, json.loads(out.getvalue())


def plain_fingerprint(row, table):
    """The canonical form value by value, straight from its definition."""
    text = b""
    for name in ledger.COLUMNS[table].split():
        value = row[name]
        text += name.encode() + b"=" + (b"~" if value is None else prefixed(plain(value))) + b";"
    return hashlib.md5(text).hexdigest()


def plain(value):
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if isinstance(value, (int, str)):
        return str(value).encode()
    if isinstance(value, float):
        return struct.pack(">d", value).hex().encode()
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):
            pairs = sorted((key.encode(), plain(item)) for key, item in value)
            return b"".join(prefixed(key) + prefixed(item) for key, item in pairs)
        return b"".join(prefixed(plain(item)) for item in value)
    if hasattr(value, "as_tuple"):
        return str(int(value.scaleb(12))).encode()
    millis = round(value.timestamp() * 1000)
    return str(millis).encode()


def prefixed(data):
    return str(len(data)).encode() + b":" + data


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def check(self, table, rows, *more, pieces=1):
        """Runs the check on the rows as files, with both readers; they must agree."""
        target = self.folder / "p1" / table
        target.mkdir(parents=True, exist_ok=True)
        for old in target.glob("*"):
            old.unlink()
        step = max(1, -(-rows.num_rows // pieces))
        for i in range(pieces):
            pq.write_table(rows.slice(i * step, step), target / f"{i}.parquet")
        arguments = ["check", "--table", table, "--ledger", FIXTURES / f"{table}.tsv", "--files", self.folder, *more]
        answers = [run(*arguments, "--reader", reader) for reader in ("pyarrow", "duckdb")]
        for code, report in answers:
            report.pop("reader")
            self.assertEqual(code, 0 if report["right"] else 1)
        for name in ("missing_samples", "extra_samples", "doubled_samples", "wrong_samples"):
            for _, report in answers:
                report[name].sort(key=json.dumps)
        self.assertEqual(answers[0], answers[1])
        return answers[0][1]

    def differences(self, report):
        return {name: report[name] for name in ("missing", "extra", "doubled", "wrong") if report[name]}

    def test_the_generator_s_rows_are_right(self):
        for table in ledger.COLUMNS:
            rows = pq.read_table(FIXTURES / f"{table}.parquet")
            report = self.check(table, rows, pieces=3)
            self.assertEqual(self.differences(report), {}, table)
            self.assertEqual(report["rows"], rows.num_rows)
            self.assertGreater(report["rows"], 10)

    def test_columns_and_values_give_the_same_fingerprint(self):
        for table in ledger.COLUMNS:
            rows = pq.read_table(FIXTURES / f"{table}.parquet").combine_chunks()
            whole = [text for batch in rows.to_batches() for text in ledger.fingerprints(batch, table)]
            self.assertEqual(whole, [plain_fingerprint(row, table) for row in rows.to_pylist()], table)
            # Batches that begin within an array must not read its start.
            part = rows.to_batches()[0].slice(3, 5)
            self.assertEqual(ledger.fingerprints(part, table), whole[3:8], table)

    def test_one_row_less_twice_or_changed_is_found(self):
        for table in ledger.COLUMNS:
            rows = pq.read_table(FIXTURES / f"{table}.parquet")
            one = rows.slice(4, 1)
            key = {"project": one["project_id"][0].as_py(), "id": one["id"][0].as_py()}

            less = self.check(table, pa.concat_tables([rows.slice(0, 4), rows.slice(5)]))
            self.assertEqual(self.differences(less), {"missing": 1}, table)
            self.assertEqual(less["missing_samples"], [key])

            twice = self.check(table, pa.concat_tables([rows, one]), pieces=2)
            self.assertEqual(self.differences(twice), {"doubled": 1}, table)
            self.assertEqual(twice["doubled_samples"], [key])

            place = rows.schema.get_field_index("name")
            name = pa.chunked_array([pc.binary_join_element_wise(one["name"].combine_chunks(), "x", "")])
            changed = one.set_column(place, rows.schema.field("name"), name.cast(rows.schema.field("name").type))
            wrong = self.check(table, pa.concat_tables([rows.slice(0, 4), changed, rows.slice(5)]))
            self.assertEqual(self.differences(wrong), {"wrong": 1}, table)
            self.assertEqual(wrong["wrong_samples"], [key])

    def test_null_is_not_the_empty_text(self):
        rows = pq.read_table(FIXTURES / "observations.parquet")
        filled = rows.set_column(
            rows.schema.get_field_index("output"), "output", pc.fill_null(rows["output"], pa.scalar("", pa.string()))
        )
        self.assertEqual(self.differences(self.check("observations", filled)), {"wrong": rows["output"].null_count})

    def test_a_row_of_another_project_or_state_is_extra(self):
        rows = pq.read_table(FIXTURES / "traces.parquet")
        other = rows.slice(0, 1)
        place = rows.schema.get_field_index("project_id")
        other = other.set_column(place, rows.schema.field("project_id"), pa.chunked_array([pa.array(["c"])]))
        report = self.check("traces", pa.concat_tables([rows, other]))
        self.assertEqual(self.differences(report), {"extra": 1})
        self.assertIsNone(report["extra_samples"][0]["state"])

    def test_ranges_end_before_their_end(self):
        rows = pq.read_table(FIXTURES / "observations.parquet")
        times = rows["start_time"].cast(pa.int64())
        cut = sorted(times.to_pylist())[rows.num_rows // 2]
        early, late = rows.filter(pc.less(times, cut)), rows.filter(pc.greater_equal(times, cut))
        self.assertEqual(self.differences(self.check("observations", early, "--to", cut)), {})
        self.assertEqual(self.differences(self.check("observations", late, "--from", cut)), {})
        on_the_cut = rows.filter(pc.equal(times, cut))
        both = self.check("observations", pa.concat_tables([early, on_the_cut]), "--to", cut)
        self.assertEqual(self.differences(both), {"extra": on_the_cut.num_rows})

    def test_the_late_phase_changes_the_truth(self):
        rows = pq.read_table(FIXTURES / "observations.parquet")
        report = self.check("observations", rows, "--phase", "main")
        self.assertGreater(report["extra"], 0)
        self.assertGreater(report["wrong"], 0)

    def test_no_files_are_all_missing(self):
        rows = pq.read_table(FIXTURES / "scores.parquet")
        code, report = run(
            "check", "--table", "scores", "--ledger", FIXTURES / "scores.tsv", "--files", self.folder
        )
        self.assertEqual((code, report["missing"], report["rows"]), (1, rows.num_rows, 0))

    def test_schema_names_types_and_nullability(self):
        code, columns = run("schema", FIXTURES / "scores.parquet")
        self.assertEqual(code, 0)
        self.assertEqual([column["name"] for column in columns], ledger.COLUMNS["scores"].split())
        self.assertEqual(columns[1], {"name": "timestamp", "type": "timestamp[ms, tz=UTC]", "nullable": False})
        self.assertEqual(columns[4], {"name": "trace_id", "type": "string", "nullable": True})


if __name__ == "__main__":
    unittest.main()
