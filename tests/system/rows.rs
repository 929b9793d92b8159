//! Right to the row: what leaves is what the ledger says is live, for all tables, days and projects, and every
//! irregularity that the generator makes.

use std::path::Path;

use tracemill_tests::scratch::files_ending;
use tracemill_tests::{Check, ledger};

use crate::common::{Stage, TABLES, assert_consistent};

/// Four projects of three days, with small payloads: what is tested is which rows leave.
const SYNTH: &[&str] = &[
    "--seed",
    "7",
    "--projects",
    "4",
    "--days",
    "3",
    "--traces",
    "12000",
    "--payload",
    "160 B",
];

#[test]
fn two_million_versions_leave_as_the_ledger_says() {
    let stage = Stage::new(SYNTH);
    // ClickHouse itself collapses versions of one insert; what counts is what the export has to read.
    let versions = TABLES.map(|table| stage.count(table));
    println!("versions in ClickHouse: {versions:?} of {} written", stage.versions);
    assert!(versions.iter().sum::<u64>() >= 2_000_000, "{versions:?}");
    assert_irregular(&stage);
    let graph = stage.graph("lake");
    stage.export(&graph);
    assert_eq!(
        assert_consistent(graph.store()),
        36,
        "one file a project, day and table"
    );
    for table in TABLES {
        for reader in ["pyarrow", "duckdb"] {
            let report = Check::new(table, &stage.truth, graph.store()).reader(reader).right();
            let (rows, files) = (report.count("rows"), report.count("files"));
            println!(
                "{table} by {reader}: {rows} rows of {files} files in {:.1?}",
                report.took
            );
            assert_eq!((report.count("without_fingerprint"), files), (0, 12));
        }
    }
    the_checker_can_fail(&stage, graph.store());
}

/// Asserts that every kind of irregularity is in ClickHouse, so that the test tests it.
fn assert_irregular(stage: &Stage) {
    for table in TABLES {
        let (time, types, left_out) = match table {
            "observations" => ("start_time", "uniqExact(type)", "0"),
            "scores" => (
                "timestamp",
                "1",
                "data_type NOT IN ('NUMERIC', 'BOOLEAN', 'CATEGORICAL')",
            ),
            _ => ("timestamp", "1", "0"),
        };
        let of_id = format!(
            "SELECT count() AS n, uniqExact(event_ts) AS versions, argMax(is_deleted, event_ts) AS deleted, \
             uniqExact({time}) AS times, uniqExact(_part) AS parts, {types} AS types, \
             argMin(event_ts, rowNumberInAllBlocks()) = max(event_ts) AS newest_first, \
             countIf(toUnixTimestamp64Milli({time}) % 900000 = 0) AS edge, \
             countIf(toUnixTimestamp64Milli({time}) % 86400000 = 0) AS midnight, \
             countIf(toUnixTimestamp64Milli({time}) % 900000 = 899999) AS before_edge, \
             countIf({left_out}) AS left_out FROM {table} GROUP BY project_id, id"
        );
        let names = [
            "updated",
            "equal",
            "deleted",
            "moved",
            "apart",
            "retyped",
            "out_of_order",
            "edge",
            "midnight",
            "before_edge",
            "left_out",
        ];
        let sql = format!(
            "SELECT countIf(versions > 1), countIf(n > versions), countIf(deleted), countIf(times > 1), countIf(parts > 1), \
             countIf(types > 1), countIf(versions > 1 AND newest_first), countIf(edge > 0), countIf(midnight > 0), \
             countIf(before_edge > 0), countIf(left_out > 0) FROM ({of_id})"
        );
        let found = stage.engine.rows(&sql).remove(0);
        let found: Vec<(&str, u64)> = names
            .into_iter()
            .zip(found.iter().map(|text| text.parse().expect("a number")))
            .collect();
        println!("{table}: ids that are {found:?}");
        // Only observations have a type that is a part of their sort key, and only some kinds of scores are exported.
        let is_missing = |(name, count): &(&str, u64)| match *name {
            "retyped" if table != "observations" => false,
            "left_out" if table != "scores" => false,
            _ => *count == 0,
        };
        let missing: Vec<_> = found.iter().filter(|kind| is_missing(kind)).collect();
        assert!(missing.is_empty(), "{table} lacks irregularities: {missing:?}");
    }
}

/// The same comparison of files with one file less, one file twice and one row changed.
fn the_checker_can_fail(stage: &Stage, store: &Path) {
    let mut files = files_ending(store, ".parquet");
    files.retain(|path| path.components().any(|part| part.as_os_str() == "scores"));
    let some = stage.scratch.join("some/scores");
    std::fs::create_dir_all(&some).expect("a folder");
    let copy = |from: &Path, name: &str| std::fs::copy(from, some.join(name)).map(drop).expect("a copy");
    for (n, path) in files.iter().enumerate().skip(1) {
        copy(path, &format!("{n}.parquet"));
    }
    let counts = || {
        let report = Check::new("scores", &stage.truth, &some).report();
        let counts = ["missing", "extra", "doubled", "wrong"].map(|name| report.count(name));
        assert_eq!(report.is_right(), counts == [0; 4], "{}", report.json);
        counts
    };
    let [missing, extra, doubled, wrong] = counts();
    assert!(
        missing > 1000 && [extra, doubled, wrong] == [0; 3],
        "a file less: {missing} missing"
    );

    copy(&files[0], "0.parquet");
    assert_eq!(counts(), [0; 4], "the copy is whole");
    copy(&files[0], "twice.parquet");
    assert_eq!(counts(), [0, 0, missing, 0], "a file twice");
    std::fs::remove_file(some.join("twice.parquet")).expect("it is there");

    let changed = some.join("0.parquet").to_string_lossy().into_owned();
    let script = "import sys, pyarrow as pa, pyarrow.parquet as pq\n\
        t = pq.read_table(sys.argv[1]); i = t.schema.get_field_index('name')\n\
        v = t['name'].to_pylist(); v[1] += 'x'\n\
        pq.write_table(t.set_column(i, t.schema.field(i), pa.array(v, t.schema.field(i).type)), sys.argv[1])";
    let (_, stderr, code) = ledger::run_python(["-c", script, &changed]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(counts(), [0, 0, 0, 1], "a row changed");
}
