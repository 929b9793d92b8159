//! What an operator may choose: formats, layouts, file sizes, projects, columns, starts, periods and ranges.

use std::path::Path;

use serde_json::Value;
use toml::Table;
use tracemill_tests::ledger::{run_python, test_file};
use tracemill_tests::scratch::files_below;
use tracemill_tests::{Check, Graph};

use crate::common::{Stage, TABLES, args, assert_consistent, manifests, totals};

const DAY: i64 = 86_400_000;
/// Midnight of 2026-02-25, where the rows begin.
const FIRST: i64 = 1_771_977_600_000;
const SMALL: &[&str] = &["--projects", "2", "--days", "2", "--traces", "60", "--payload", "600 B"];

/// The ids of every file of a table, compared with the ledger by `tests/python/ids.py`.
#[track_caller]
fn assert_ids(stage: &Stage, graph: &Graph, table: &str, more: &[&str]) -> Value {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut args = vec![path(&test_file("python/ids.py")), "--ledger".to_owned()];
    args.push(path(&stage.truth.join(format!("{table}.tsv"))));
    args.extend([
        "--files".to_owned(),
        path(graph.store()),
        "--table".to_owned(),
        table.to_owned(),
    ]);
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    let (stdout, stderr, code) = run_python(&args);
    assert_eq!(code, Some(0), "{table} {more:?}: {stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("a report");
    println!("{table} {more:?}: {report}");
    assert!(report["files"].as_u64() > Some(0), "{report}");
    report
}

#[track_caller]
fn assert_right(stage: &Stage, graph: &Graph, more: &[&str]) {
    for table in TABLES {
        let report = Check::new(table, &stage.truth, graph.store()).more(more).right();
        assert!(report.count("rows") > 0, "{table} has rows");
    }
}

#[test]
fn csv_and_jsonl_hold_the_same_ids() {
    let stage = Stage::new(SMALL);
    for (format, compression) in [("csv", "gzip"), ("jsonl", "zstd"), ("csv", "none"), ("jsonl", "gzip")] {
        let graph = stage
            .graph(&format!("{format}-{compression}"))
            .sink("type", format)
            .sink("compression", compression);
        stage.export(&graph);
        assert_consistent(graph.store());
        for table in TABLES {
            assert_ids(
                &stage,
                &graph,
                table,
                &["--format", format, "--compression", compression],
            );
        }
    }
}

#[test]
fn small_files_in_the_hive_layout() {
    let stage = Stage::new(&[
        "--projects",
        "1",
        "--days",
        "2",
        "--traces",
        "200",
        "--payload",
        "4 KiB",
    ]);
    let graph = stage
        .graph("hive")
        .sink("layout", "hive")
        .sink("file_size", "1 MiB")
        .sink("row_group", "256 KiB");
    let output = stage.export(&graph);
    assert_consistent(graph.store());
    assert!(totals(&output)["observations"].files > 4, "several files a window");
    assert_right(&stage, &graph, &[]);
    for path in files_below(&graph.store().join("table=observations")) {
        let text = path.to_string_lossy().into_owned();
        assert!(text.contains("/project=synth-1/date=2026-02-2"), "{text}");
    }
}

#[test]
fn some_projects_leave_with_traces_alone_and_some_not_at_all() {
    let stage = Stage::new(&["--projects", "3", "--traces", "40", "--payload", "300 B"]);
    let list = |ids: &[&str]| ids.iter().map(|id| toml::Value::from(*id)).collect::<Vec<_>>();
    let graph = stage
        .graph("lake")
        .set("projects.ids", list(&["synth-1", "synth-2"]))
        .set("projects.trace_only", list(&["synth-2"]));
    stage.export(&graph);
    let mut exports: Vec<(String, String)> = manifests(graph.store()).into_keys().map(|key| (key.0, key.1)).collect();
    exports.dedup();
    let known = |project: &str, table: &str| (project.to_owned(), table.to_owned());
    let expected = [
        known("synth-1", "observations"),
        known("synth-1", "scores"),
        known("synth-1", "traces"),
        known("synth-2", "traces"),
    ];
    assert_eq!(exports, expected);
    assert_consistent(graph.store());
    for (table, projects) in [
        ("traces", &["synth-1", "synth-2"][..]),
        ("observations", &["synth-1"]),
        ("scores", &["synth-1"]),
    ] {
        let more: Vec<&str> = ["--project"].iter().chain(projects).copied().collect();
        let report = Check::new(table, &stage.truth, graph.store()).more(&more).right();
        assert!(report.count("rows") > 0);
    }
}

#[test]
fn chosen_columns_are_all_that_leaves() {
    let stage = Stage::new(&["--projects", "1", "--traces", "40", "--payload", "300 B"]);
    let chosen = ["id", "project_id", "start_time", "type", "usage_details"];
    let list: Vec<toml::Value> = chosen.iter().map(|name| toml::Value::from(*name)).collect();
    let columns = Table::from_iter([("observations".to_owned(), toml::Value::from(list))]);
    let graph = stage.graph("lake").source("columns", columns);
    stage.export(&graph);
    let chosen = chosen.join(",");
    assert_ids(
        &stage,
        &graph,
        "observations",
        &["--format", "parquet", "--columns", &chosen],
    );
    assert_ids(&stage, &graph, "traces", &["--format", "parquet"]);
}

#[test]
fn every_start_begins_where_it_says() {
    let stage = Stage::new(SMALL);
    let start = |name: &str, start: &[(&str, &str)]| {
        let table: Table = start
            .iter()
            .map(|(key, value)| ((*key).to_owned(), toml::Value::from(*value)))
            .collect();
        stage.graph(name).source("start", table)
    };
    let history = start("history", &[("mode", "full-history")]);
    stage.export(&history);
    assert_right(&stage, &history, &[]);

    let date = start("date", &[("mode", "from-date"), ("date", "2026-02-26")]);
    stage.export(&date);
    assert_right(&stage, &date, &["--from", &(FIRST + DAY).to_string()]);
    assert!(manifests(date.store()).keys().all(|key| key.2 == FIRST + DAY));

    let now = start("now", &[("mode", "from-now")]);
    for _ in 0..2 {
        let output = stage.export(&now);
        assert!(totals(&output).is_empty(), "nothing is newer than the first run");
    }
    assert!(manifests(now.store()).is_empty());
}

#[test]
fn every_period_tiles_the_rows() {
    // Moved rows stay within 15 minutes here, so that the newest version of an id is the same for every period.
    let stage = Stage::new(&[
        "--projects",
        "1",
        "--days",
        "2",
        "--traces",
        "60",
        "--payload",
        "300 B",
        "--slot",
        "15",
    ]);
    let mut counts = Vec::new();
    for (every, most) in [
        ("15 min", DAY / 96),
        ("hourly", DAY / 24),
        ("daily", DAY),
        ("weekly", 7 * DAY),
    ] {
        let graph = stage
            .graph(&every.replace(' ', "-"))
            .source("every", every)
            .source("catch_up", "off");
        stage.export(&graph);
        assert_consistent(graph.store());
        assert_right(&stage, &graph, &[]);
        let windows = manifests(graph.store());
        assert!(
            windows.keys().all(|key| key.3 - key.2 <= most),
            "{every}: no window is longer"
        );
        counts.push(windows.keys().filter(|key| key.1 == "traces").count());
    }
    println!("windows of traces: {counts:?}");
    assert!(
        counts[0] > 180 && counts[1] > 46 && counts[2] == 2 && counts[3] == 1,
        "{counts:?}"
    );
}

#[test]
fn a_range_is_exported_again_as_the_next_generation() {
    let stage = Stage::new(SMALL);
    let graph = stage.graph("lake");
    let file = graph.write();
    stage.export(&graph);
    let before = manifests(graph.store());
    let range = [
        "--from",
        "2026-02-26",
        "--to",
        "2026-02-27",
        "--table",
        "observations",
        "--project",
        "synth-2",
    ];
    for generation in [2, 3] {
        stage.tracemill.ok(args(&file, "export", &range));
        let after = manifests(graph.store());
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        for (key, manifest) in &after {
            let is_chosen = (key.0.as_str(), key.1.as_str(), key.2) == ("synth-2", "observations", FIRST + DAY);
            let expected = if is_chosen { generation } else { 1 };
            assert_eq!(manifest["generation"], expected, "{key:?}");
            assert!(is_chosen || manifest == &before[key], "{key:?} was not to be touched");
        }
        assert_consistent(graph.store());
        assert_right(&stage, &graph, &[]);
    }
}

#[test]
fn a_plan_writes_nothing_and_foretells_the_run() {
    let stage = Stage::new(SMALL);
    let graph = stage.graph("lake");
    let file = graph.write();
    let plan = stage.tracemill.ok(args(&file, "plan", &["--windows"]));
    println!("{}", plan.stdout);
    assert!(
        files_below(graph.store()).is_empty(),
        "{:?}",
        files_below(graph.store())
    );
    let output = stage.export(&graph);
    let windows: u64 = totals(&output).values().map(|totals| totals.windows).sum();
    assert_eq!(windows, 12, "2 projects, 3 tables, 2 days");
    assert!(plan.stdout.contains("in all: 12 windows"), "{}", plan.stdout);
    let again = stage.tracemill.ok(args(&file, "plan", &[]));
    assert!(again.stdout.contains("in all: 0 windows"), "{}", again.stdout);
}
