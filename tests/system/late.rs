//! Rows that are added, changed or deleted after their window was exported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tracemill_tests::Check;

use crate::common::{Stage, TABLES, WindowKey, args, assert_consistent, manifests};

const HOUR: i64 = 3_600_000;
const SYNTH: &[&str] = &[
    "--seed",
    "5",
    "--projects",
    "2",
    "--days",
    "2",
    "--traces",
    "250",
    "--slot",
    "60",
];

/// What a reconciliation may read: what says which version of an id is the newest, whose and when it is, and if it lives.
const NARROW: [&str; 7] = [
    "id",
    "event_ts",
    "project_id",
    "is_deleted",
    "type",
    "data_type",
    "timestamp",
];

#[test]
fn late_rows_rewrite_their_windows_and_no_others() {
    let stage = Stage::new(SYNTH);
    let graph = stage.graph("lake").source("every", "hourly").source("catch_up", "off");
    let file = graph.write();
    stage.export(&graph);
    let before = manifests(graph.store());
    assert!(before.values().all(|manifest| manifest["generation"] == 1));
    for table in TABLES {
        let _ = Check::new(table, &stage.truth, graph.store()).right();
    }

    let more: Vec<&str> = SYNTH.iter().copied().chain(["--phase", "late"]).collect();
    let rows = stage.synth(&stage.truth, &more);
    let expected = changed_windows(&stage.truth);
    let share = |table: &str| expected.iter().filter(|key| key.1 == table).count();
    println!(
        "{rows} late rows change {:?} of {} windows",
        TABLES.map(|table| (table, share(table))),
        before.len()
    );
    assert!(!expected.is_empty() && expected.len() < before.len());

    let output = stage.tracemill.ok(args(&file, "reconcile", &[]));
    println!("reconcile: {:.1?}", output.took);
    let after = manifests(graph.store());
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>(),
        "the same windows"
    );
    let rewritten: BTreeSet<WindowKey> = after
        .iter()
        .filter(|(key, manifest)| manifest != &&before[*key])
        .map(|(key, _)| key.clone())
        .collect();
    assert_eq!(
        rewritten, expected,
        "windows that were written again, and those whose rows changed"
    );
    for key in &rewritten {
        assert_eq!(after[key]["generation"], 2, "{key:?}");
    }
    for table in TABLES {
        let report = Check::new(table, &stage.truth, graph.store()).phase("all").right();
        println!("{table}: {} rows after reconciliation", report.count("rows"));
    }
    assert_consistent(graph.store());
    an_unchanged_table_costs_narrow_reads(&stage, &file, graph.store());
}

/// Reconciles again, and looks at what ClickHouse says was read.
fn an_unchanged_table_costs_narrow_reads(stage: &Stage, file: &Path, store: &Path) {
    let before = manifests(store);
    let began = stage.engine.query("SELECT toUnixTimestamp64Micro(now64(6))");
    let output = stage.tracemill.ok(args(file, "reconcile", &[]));
    assert!(output.records("blob_export_job_completed").is_empty());
    assert_eq!(manifests(store), before, "nothing changed, so nothing is written");
    stage.engine.execute("SYSTEM FLUSH LOGS");
    let queries = stage.engine.rows(&format!(
        "SELECT JSONExtractString(log_comment, 'type') AS what, JSONExtractString(log_comment, 'kind') AS kind, count(), \
         sum(read_rows), sum(read_bytes), max(read_bytes), arrayStringConcat(arraySort(groupUniqArrayArray(columns)), ' ') \
         FROM system.query_log WHERE type = 'QueryFinish' AND toUnixTimestamp64Micro(query_start_time_microseconds) >= {began} \
         AND JSONExtractString(log_comment, 'feature') = 'blobstorage' GROUP BY what, kind ORDER BY what, kind"
    ));
    println!("type kind queries rows bytes most-bytes-of-a-query columns");
    let (mut reads, mut bytes) = (0, 0);
    for fields in &queries {
        println!("{}", fields.join(" "));
        let columns = fields[6]
            .split(' ')
            .filter(|column| !column.is_empty() && !column.starts_with("system."));
        for column in columns {
            let name = column.rsplit('.').next().unwrap_or_default();
            assert!(
                NARROW.contains(&name) || name == "start_time",
                "reconciliation reads {column}: {fields:?}"
            );
        }
        reads += u64::from(fields[1] == "keys");
        bytes += fields[4].parse::<u64>().expect("bytes");
    }
    assert_eq!(reads, 3, "each table's keys are read: {queries:?}");
    let all: u64 = stage
        .engine
        .query("SELECT sum(data_uncompressed_bytes) FROM system.parts WHERE active AND database = currentDatabase()")
        .parse()
        .expect("bytes");
    println!("{bytes} bytes read, of tables of {all} bytes");
    assert!(bytes * 10 < all, "{bytes} of {all} bytes");
}

/// A line of the ledger: time and `event_ts` of an id's newest version, and whether it leaves in an export.
type Line = (i64, i64, bool);

/// The hours whose live (id, `event_ts`) the late phase changes, by the ledger alone. It holds both phases: the truth after
/// the first, and the lines that the second replaces.
fn changed_windows(truth: &Path) -> BTreeSet<WindowKey> {
    let mut windows = BTreeSet::new();
    for table in TABLES {
        let text = std::fs::read_to_string(truth.join(format!("{table}.tsv"))).expect("a ledger");
        let mut phases: [BTreeMap<(&str, &str), Line>; 2] = Default::default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |at: usize| fields[at].parse::<i64>().expect("a number");
            let line = (number(3), number(4), fields[5] == "live");
            phases[usize::from(fields[2] == "late")].insert((fields[0], fields[1]), line);
        }
        let [main, late] = phases;
        for (key, after) in late {
            let was = main.get(&key).copied();
            if was == Some(after) {
                continue;
            }
            for (time, _, _) in was.into_iter().chain([after]).filter(|(_, _, is_live)| *is_live) {
                let from = time.div_euclid(HOUR) * HOUR;
                windows.insert((key.0.to_owned(), table.to_owned(), from, from + HOUR));
            }
        }
    }
    windows
}
