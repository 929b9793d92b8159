"""Compares the ids of exported files with the ledger of `tracemill synth`, for files of every format.

    ids.py --table observations --ledger DIR/observations.tsv --files EXPORT_DIR --format csv|jsonl|parquet
           [--compression none|gzip|zstd] [--phase main|all] [--from MS --to MS] [--project ID...] [--columns NAME,...]

Every file is read whole by a reader that is not ours (csv, json, gzip and zstd of Python and pyarrow), so it also shows that
the files are well formed. Where --columns is given, each file must have exactly these, in this order. Prints one JSON
object, and exits with 1 where an id is missing, extra or doubled.
"""

import argparse
import csv
import io
import json
import pathlib
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq

import ledger

ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}


def rows(path, options):
    """The columns' names and the rows of a file as mappings."""
    if options.format == "parquet":
        table = pq.ParquetFile(path).read()
        return table.schema.names, table.select(["project_id", "id"]).to_pylist()
    compression = None if options.compression == "none" else options.compression
    with pa.input_stream(str(path), compression=compression) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        if options.format == "csv":
            reader = csv.DictReader(text, strict=True)
            found = list(reader)
            if any(None in row or None in row.values() for row in found):
                sys.exit(f"{path}: a row has another number of fields than the header")
            return reader.fieldnames, found
        found = [json.loads(line) for line in text]
        names = {tuple(row) for row in found}
        if len(names) != 1:
            sys.exit(f"{path}: rows have different keys")
        return list(names.pop()), found


def main():
    csv.field_size_limit(1 << 30)
    one = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    one.add_argument("--table", required=True, choices=sorted(ledger.COLUMNS))
    one.add_argument("--ledger", required=True, nargs="+")
    one.add_argument("--files", required=True)
    one.add_argument("--format", required=True, choices=["csv", "jsonl", "parquet"])
    one.add_argument("--compression", default="none", choices=sorted(ENDINGS))
    one.add_argument("--phase", choices=["main", "all"], default="main")
    one.add_argument("--from", dest="start", type=int)
    one.add_argument("--to", dest="end", type=int)
    one.add_argument("--project", nargs="+")
    one.add_argument("--columns")
    options = one.parse_args()
    ending = f".{options.format}" + (ENDINGS[options.compression] if options.format != "parquet" else "")
    folders = {options.table, f"table={options.table}"}
    root = pathlib.Path(options.files)
    paths = [path for path in sorted(root.rglob(f"*{ending}")) if folders & set(path.relative_to(root).parts)]
    paths = [path for path in paths if path.relative_to(root).parts[0] != "_tracemill"]
    columns = (options.columns or ledger.COLUMNS[options.table].replace(" ", ",")).split(",")
    found = Counter()
    for path in paths:
        names, read = rows(path, options)
        if names != columns:
            sys.exit(f"{path} has the columns {names}, not {columns}")
        found.update((row["project_id"], row["id"]) for row in read)
    want = ledger.expected(ledger.read_ledger(options.ledger, options.phase), options)
    want = set(zip(want["project"].to_pylist(), want["id"].to_pylist(), strict=True))
    report = {
        "files": len(paths),
        "rows": sum(found.values()),
        "expected": len(want),
        "missing": len(want - found.keys()),
        "extra": len(found.keys() - want),
        "doubled": sum(count > 1 for count in found.values()),
    }
    report["right"] = not any(report[name] for name in ("missing", "extra", "doubled"))
    print(json.dumps(report))
    return 0 if report["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
