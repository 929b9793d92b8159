"""Compares exported Parquet files with the ledger of `tracemill synth`.

    ledger.py check --table observations --ledger DIR/observations.tsv --files EXPORT_DIR [--reader duckdb] [--from MS --to MS]
    ledger.py schema FILE.parquet

`check` recomputes the fingerprint of every exported row (the canonical form is defined in the module docs of the
generator, sources/src/synth.rs) and compares the multiset of rows with the ledger's live ids whose time lies in
[from, to). It prints one JSON object with the counts of missing, extra, doubled and wrong rows and some samples of each, and
exits with 1 if any is not 0. It reads in batches; memory does not grow with the rows' sizes, only with their number.

`schema` prints names, types and nullability of a file's columns as JSON.
"""

import argparse
import hashlib
import json
import multiprocessing
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

# The export columns in the order of the files; how a value is read follows from its Arrow type.
COLUMNS = {
    "traces": "id timestamp name environment project_id metadata user_id session_id release version public bookmarked"
    " tags input output",
    "observations": "id trace_id project_id environment type parent_observation_id start_time end_time name metadata"
    " level status_message version input output provided_model_name model_parameters usage_details cost_details"
    " completion_start_time prompt_name prompt_version",
    "scores": "id timestamp project_id environment trace_id observation_id name value source comment data_type"
    " string_value",
}
BATCH_BYTES = 32 << 20
SAMPLES = 5


# --- the canonical form, by whole columns ---------------------------------------------------------------------------


def scalar_bytes(array):
    """Each value's canonical bytes as large_binary; NULL stays NULL."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return scalar_bytes(array.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        # Exact: a time that is not a whole millisecond is an error.
        array = array.cast(pa.timestamp("ms", kind.tz)).cast(pa.int64())
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pa.types.is_decimal(kind):
        wide = array.cast(pa.decimal128(38, 12))
        array = scaled(wide)
    elif pa.types.is_float64(kind):
        bits = np.asarray(array.fill_null(0.0)).view(np.uint64)
        texts = pa.array([f"{value:016x}" for value in bits.tolist()], pa.large_string())
        array = pc.if_else(array.is_valid(), texts, None)
    elif not (pa.types.is_integer(kind) or is_text(kind)):
        raise TypeError(f"no canonical form for {kind}")
    if not is_text(array.type):
        array = array.cast(pa.large_string())
    return array.cast(pa.large_binary())


def scaled(array):
    """decimal128(38, 12) as its unscaled integers: the low words, since 18 digits fit 64 bits."""
    if len(array) == 0:
        return pa.array([], pa.int64())
    words = np.frombuffer(array.buffers()[1], dtype=np.int64)
    words = words[2 * array.offset : 2 * (array.offset + len(array))]
    if array.null_count == 0 and not np.array_equal(words[1::2], words[0::2] >> 63):
        raise ValueError("a decimal has more than 18 digits")
    return pc.if_else(array.is_valid(), pa.array(words[0::2].copy()), None)


def is_text(kind):
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def prefixed(array):
    """`<length>:<bytes>` of each value."""
    lengths = pc.binary_length(array).cast(pa.large_string()).cast(pa.large_binary())
    return join(lengths, b":", array)


def join(*parts):
    binary = [pa.scalar(part, pa.large_binary()) if isinstance(part, bytes) else part for part in parts]
    empty = pa.scalar(b"", pa.large_binary())
    return pc.binary_join_element_wise(*binary, empty, null_handling="emit_null")


def list_bytes(offsets, elements):
    """The elements of each list, joined."""
    lists = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), elements)
    return pc.binary_join(lists, pa.scalar(b"", pa.large_binary()))


def offsets_of(array):
    offsets = np.asarray(array.offsets).astype(np.int64)
    return offsets - offsets[0], int(offsets[0]), int(offsets[-1])


def map_bytes(array):
    """Entries as prefixed key and value, by key."""
    offsets, first, last = offsets_of(array)
    keys = scalar_bytes(array.keys[first:last])
    items = scalar_bytes(array.items[first:last])
    row = np.repeat(np.arange(len(array)), np.diff(offsets))
    order = in_key_order(row, keys)
    if order is not None:
        keys, items = keys.take(order), items.take(order)
    return list_bytes(offsets, join(prefixed(keys), prefixed(items)))


def in_key_order(row, keys):
    """The order that sorts entries by row and key; None where they are sorted."""
    if len(keys) < 2:
        return None
    up = pc.less(keys[:-1], keys[1:]).to_numpy(zero_copy_only=False)
    if np.all(up | (row[1:] != row[:-1])):
        return None
    table = pa.table({"row": row, "key": keys})
    return pc.sort_indices(table, sort_keys=[("row", "ascending"), ("key", "ascending")])


def column_bytes(array):
    """Each value's canonical bytes, NULL as NULL."""
    kind = array.type
    if pa.types.is_map(kind):
        if array.null_count:
            raise ValueError("a map is NULL")
        return map_bytes(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if array.null_count:
            raise ValueError("a list is NULL")
        offsets, first, last = offsets_of(array)
        return list_bytes(offsets, prefixed(scalar_bytes(array.values[first:last])))
    return scalar_bytes(array)


def fingerprints(batch, table):
    """The fingerprint of each row as hexadecimal digits."""
    parts = []
    for name in COLUMNS[table].split():
        array = batch.column(batch.schema.get_field_index(name))
        values = pc.fill_null(prefixed(column_bytes(array)), pa.scalar(b"~", pa.large_binary()))
        parts += [f"{name}=".encode(), values, b";"]
    rows = join(*parts)
    ends = np.frombuffer(rows.buffers()[1], dtype=np.int64)[rows.offset : rows.offset + len(rows) + 1].tolist()
    data = memoryview(rows.buffers()[2]) if len(rows) else memoryview(b"")
    md5 = hashlib.md5
    return [md5(data[a:b], usedforsecurity=False).hexdigest() for a, b in zip(ends, ends[1:])]


# --- reading --------------------------------------------------------------------------------------------------------


def rows_a_batch(path):
    """So many rows that a batch stays near BATCH_BYTES."""
    meta = pq.read_metadata(path)
    size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    return max(1, min(16384, BATCH_BYTES * max(meta.num_rows, 1) // max(size, 1)))


def batches(path, reader, table):
    columns = COLUMNS[table].split()
    if reader == "pyarrow":
        # The file's own types, without the Arrow schema that a writer may have put into its metadata.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches(rows_a_batch(path), columns=columns, use_threads=False)
        return
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    names = ", ".join(f'"{name}"' for name in columns)
    query = f"SELECT {names} FROM read_parquet(?, hive_partitioning = false)"
    relation = connection.sql(query, params=[str(path)])
    yield from relation.to_arrow_reader(rows_a_batch(path))


def read_file(job):
    """Project, id and fingerprint of each row of a file."""
    path, reader, table = job
    schema = pa.schema([("project", pa.large_string()), ("id", pa.large_string()), ("found", pa.large_string())])
    found = []
    for batch in batches(path, reader, table):
        text = [column_text(batch, name) for name in ("project_id", "id")]
        found.append(pa.record_batch([*text, pa.array(fingerprints(batch, table), pa.large_string())], schema=schema))
    return pa.Table.from_batches(found, schema)


def column_text(batch, name):
    array = batch.column(batch.schema.get_field_index(name))
    return scalar_bytes(array).cast(pa.large_string())


# --- the ledger -----------------------------------------------------------------------------------------------------


def read_ledger(paths, phase):
    """All ids of the ledger in their last state: `late` lines replace those of `main`."""
    text = pa.large_string()
    types = {
        "project": text, "id": text, "phase": pa.string(), "time_ms": pa.int64(), "event_ts": pa.int64(),
        "state": pa.string(), "fingerprint": text,
    }
    options = {
        "parse_options": pa.csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False),
        "convert_options": pa.csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    }
    whole = pa.concat_tables([pa.csv.read_csv(path, **options) for path in paths])
    main = whole.filter(pc.equal(whole["phase"], "main"))
    if phase == "main":
        return main
    late = whole.filter(pc.equal(whole["phase"], "late"))
    kept = main.join(late.select(["project", "id"]), ["project", "id"], join_type="left anti")
    return pa.concat_tables([kept.select(whole.column_names), late])


def expected(ledger, options):
    keep = pc.equal(ledger["state"], "live")
    if options.start is not None:
        keep = pc.and_(keep, pc.greater_equal(ledger["time_ms"], options.start))
    if options.end is not None:
        keep = pc.and_(keep, pc.less(ledger["time_ms"], options.end))
    if options.project:
        keep = pc.and_(keep, pc.is_in(ledger["project"], pa.array(options.project, pa.large_string())))
    return ledger.filter(keep).select(["project", "id", "fingerprint"])


# --- the comparison -------------------------------------------------------------------------------------------------


def compare(want, rows, ledger):
    """Counts and samples of each difference."""
    keys = ["project", "id"]
    grouped = rows.group_by(keys).aggregate([("found", "count"), ("found", "min"), ("found", "max")])
    both = want.join(grouped, keys, join_type="inner")
    missing = want.join(grouped, keys, join_type="left anti")
    extra = grouped.join(want, keys, join_type="left anti")
    doubled = grouped.filter(pc.greater(grouped["found_count"], 1))
    known = pc.not_equal(both["fingerprint"], "")
    same = pc.and_(
        pc.equal(both["fingerprint"], both["found_min"]), pc.equal(both["fingerprint"], both["found_max"])
    )
    wrong = both.filter(pc.and_(known, pc.invert(same)))
    report = {
        "expected": want.num_rows,
        "rows": rows.num_rows,
        "without_fingerprint": both.filter(pc.invert(known)).num_rows,
    }
    for name, table in (("missing", missing), ("extra", extra), ("doubled", doubled), ("wrong", wrong)):
        report[name] = table.num_rows
        some = table.select(keys).slice(0, SAMPLES)
        if name == "extra" and some.num_rows:
            # Why it should not be there: deleted, left out, of another range, or unknown.
            some = some.join(ledger.select([*keys, "state", "time_ms"]), keys, join_type="left outer")
        report[f"{name}_samples"] = some.to_pylist()
    report["right"] = not any(report[name] for name in ("missing", "extra", "doubled", "wrong"))
    return report


def check(options):
    files = sorted(path for folder in options.files for path in found_files(pathlib.Path(folder), options))
    jobs = [(path, options.reader, options.table) for path in files]
    # Largest first, so that the last one does not run alone.
    jobs.sort(key=lambda job: -job[0].stat().st_size)
    if options.jobs > 1 and len(jobs) > 1:
        with multiprocessing.get_context("spawn").Pool(min(options.jobs, len(jobs))) as pool:
            tables = list(pool.imap_unordered(read_file, jobs))
    else:
        tables = [read_file(job) for job in jobs]
    empty = pa.table({name: pa.array([], pa.large_string()) for name in ("project", "id", "found")})
    ledger = read_ledger(options.ledger, options.phase)
    report = compare(expected(ledger, options), pa.concat_tables([empty, *tables]), ledger)
    report = {"table": options.table, "reader": options.reader, "files": len(files), **report}
    print(json.dumps(report, ensure_ascii=False))
    return 0 if report["right"] else 1


def found_files(folder, options):
    """The table's Parquet files of a folder: those below `<table>/` or `table=<table>/`, else all; or one file."""
    if folder.is_file():
        return [folder]
    paths = sorted(folder.rglob("*.parquet"))
    own = [path for path in paths if {options.table, f"table={options.table}"} & set(path.relative_to(folder).parts[:-1])]
    others = {name for table in COLUMNS for name in (table, f"table={table}")}
    return own + [path for path in paths if not others & set(path.relative_to(folder).parts[:-1])]


def schema(options):
    found = pq.read_schema(options.file)
    columns = [{"name": field.name, "type": str(field.type), "nullable": field.nullable} for field in found]
    print(json.dumps(columns, indent=1))
    return 0


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("check", help="compare exported files with the ledger")
    one.add_argument("--table", required=True, choices=sorted(COLUMNS))
    one.add_argument("--ledger", required=True, nargs="+", help="ledger files of the table")
    one.add_argument("--files", required=True, nargs="+", help="folders with Parquet files, or files")
    one.add_argument("--reader", choices=["pyarrow", "duckdb"], default="pyarrow")
    one.add_argument("--phase", choices=["main", "all"], default="all", help="the truth before or after the late phase")
    one.add_argument("--from", dest="start", type=int, metavar="MS")
    one.add_argument("--to", dest="end", type=int, metavar="MS")
    one.add_argument("--project", nargs="+", help="only these projects are expected")
    one.add_argument("--jobs", type=int, default=2, help="processes that read files")
    one.set_defaults(run=check)
    two = commands.add_parser("schema", help="print a file's columns as JSON")
    two.add_argument("file")
    two.set_defaults(run=schema)
    options = parser.parse_args(arguments)
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
