//! Never stuck: whatever fails, the export ends, and all rows but the truly unreadable ones are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tracemill_tests::proxy::Rule;
use tracemill_tests::{Check, Graph, Output, Proxy, StoreServer, wait_until};

use crate::common::{Stage, TABLES, args, assert_consistent, manifests};

const WIDE: &[&str] = &[
    "--seed",
    "21",
    "--projects",
    "1",
    "--days",
    "1",
    "--traces",
    "30",
    "--wide",
];
const NARROW: &[&str] = &["--seed", "22", "--projects", "2", "--days", "3", "--traces", "400"];

/// How long an outage lasts: `TRACEMILL_TEST_OUTAGE` in seconds, else so many.
fn outage(default: u64) -> Duration {
    let given = std::env::var("TRACEMILL_TEST_OUTAGE").ok();
    Duration::from_secs(given.and_then(|text| text.parse().ok()).unwrap_or(default))
}

/// Every record of a split says kind, window and parts.
#[track_caller]
fn splits(output: &Output) -> usize {
    let records = output.records("blob_export_error_splitting");
    for record in &records {
        for field in [
            "table",
            "projectId",
            "errorType",
            "errorMessage",
            "minTimestamp",
            "maxTimestamp",
            "leaf",
            "parts",
        ] {
            assert!(
                record[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field} in {record}"
            );
        }
        assert!(record["originalWindowMs"].as_u64().is_some_and(|ms| ms > 0), "{record}");
        assert!(record["splitWindowMs"].as_u64().is_some_and(|ms| ms > 0), "{record}");
        assert!(
            record["parts"].as_str().is_some_and(|text| text.contains(" | ")),
            "{record}"
        );
    }
    records.len()
}

/// The kinds of the splits, with their numbers.
fn kinds(output: &Output) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for record in output.records("blob_export_error_splitting") {
        *kinds
            .entry(record["errorType"].as_str().unwrap_or_default().to_owned())
            .or_default() += 1;
    }
    kinds
}

/// The letters of a local store, which the manifests name: table and letter.
#[track_caller]
fn letters(store: &Path) -> Vec<(String, Value)> {
    let mut letters = Vec::new();
    for (key, manifest) in manifests(store) {
        let Some(path) = manifest["letters"]["path"].as_str() else {
            continue;
        };
        let text = std::fs::read_to_string(store.join(path)).expect("the letters that the manifest names");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(manifest["letters"]["count"], lines.len(), "{path}");
        letters.extend(lines.into_iter().map(|letter| (key.1.clone(), letter)));
    }
    letters
}

#[track_caller]
fn all_right(stage: &Stage, store: &Path) -> u64 {
    assert_consistent(store);
    TABLES
        .iter()
        .map(|table| Check::new(table, &stage.truth, store).right().count("rows"))
        .sum()
}

#[test]
fn too_little_memory_for_a_whole_window() {
    let stage = Stage::new(WIDE);
    let graph = stage.graph("lake").set("clickhouse.export.max_memory_usage", "96 MiB");
    let output = stage.export(&graph);
    let (splits, kinds) = (splits(&output), kinds(&output));
    println!("96 MiB: {splits} splits {kinds:?} in {:.1?}", output.took);
    assert!(kinds["memory_limit"] > 0, "{kinds:?}");
    assert_eq!(letters(graph.store()), [], "every row fits by itself");
    println!("{} rows", all_right(&stage, graph.store()));
}

#[test]
fn a_deadline_too_short_for_a_whole_window() {
    let stage = Stage::new(WIDE);
    // The proxy slows answers down, so that the deadline is too short for the window on a fast machine as well.
    let proxy = Proxy::slow(stage.engine.port(), 48 << 20);
    let graph = Graph::with_server(stage.scratch.path(), "lake", &proxy.url()).source("deadline", "1500 ms");
    let output = stage.export(&graph);
    let (splits, kinds) = (splits(&output), kinds(&output));
    println!("1.5 s at 48 MiB/s: {splits} splits {kinds:?} in {:.1?}", output.took);
    assert!(kinds["timeout"] > 0, "{kinds:?}");
    assert_eq!(letters(graph.store()), []);
    println!("{} rows", all_right(&stage, graph.store()));
}

/// Some ids of observations that are alive, long enough to be met nowhere else, and named by no other row.
fn some_ids(stage: &Stage, table: &str, count: usize) -> Vec<String> {
    let sql = format!(
        "SELECT id FROM (SELECT id, argMax(is_deleted, event_ts) AS dead FROM {table} WHERE project_id = 'synth-1' GROUP BY id) \
         WHERE dead = 0 AND length(id) >= 16 AND id NOT IN (SELECT assumeNotNull(parent_observation_id) FROM {table} WHERE parent_observation_id IS NOT NULL) ORDER BY cityHash64(id) LIMIT {count}"
    );
    stage
        .engine
        .rows(&sql)
        .into_iter()
        .map(|mut row| row.remove(0))
        .collect()
}

#[track_caller]
fn cut(kind: &str) {
    let stage = Stage::new(NARROW);
    let ids = some_ids(&stage, "observations", 3);
    let rule = Rule {
        kind: kind.to_owned(),
        about: "observation".to_owned(),
        project: "synth-1".to_owned(),
        at: ids.clone(),
    };
    let proxy = Proxy::start(stage.engine.port(), vec![rule]);
    let graph = Graph::with_server(stage.scratch.path(), "lake", &proxy.url());
    let output = stage.export(&graph);
    println!(
        "{kind} cut: {} answers cut, {} splits {:?}, {} letters in {:.1?}",
        proxy.cuts(),
        splits(&output),
        kinds(&output),
        output.records("blob_export_letter").len(),
        output.took
    );
    assert!(proxy.cuts() > 0);
    let letters = letters(graph.store());
    for (table, letter) in &letters {
        assert_eq!(table, "observations", "{letter}");
        assert_eq!(letter["project"], "synth-1", "{letter}");
        assert!(
            letter["reason"].as_str().is_some_and(|reason| reason.contains("cut")),
            "{letter}"
        );
        assert!(letter["kind"].as_str().is_some_and(|kind| kind == "cut"), "{letter}");
    }
    // The letters hold exactly those ids: by name, or as the smallest range that could not be read.
    let of = |id: &str| letters.iter().filter(|(_, letter)| is_about(letter, id)).count();
    for id in &ids {
        assert!(of(id) >= 1, "no letter about {id}");
    }
    assert_eq!(letters.len(), output.records("blob_export_letter").len());
    assert_consistent(graph.store());
    for table in TABLES {
        let report = Check::new(table, &stage.truth, graph.store()).report();
        let count = |name: &str| report.count(name);
        assert_eq!(
            (count("extra"), count("doubled"), count("wrong")),
            (0, 0, 0),
            "{table}: {:#}",
            report.json
        );
        let lost = if table == "observations" { ids.len() as u64 } else { 0 };
        assert_eq!(count("missing"), lost, "{table}: {:#}", report.json);
    }
    let missing: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    println!("missing are the {} that cannot be read", missing.len());
    // What could not be read is exported once it can be.
    proxy.mend();
    for window in windows_with_letters(graph.store()) {
        let more = [
            "--from",
            &window.0,
            "--to",
            &window.1,
            "--project",
            "synth-1",
            "--table",
            "observations",
        ];
        stage.tracemill.ok(args(&graph.write(), "export", &more));
    }
    println!("{} rows after the proxy was mended", all_right(&stage, graph.store()));
}

fn windows_with_letters(store: &Path) -> Vec<(String, String)> {
    let with = manifests(store)
        .into_iter()
        .filter(|(_, manifest)| !manifest["letters"].is_null());
    with.map(|(key, _)| (key.2.to_string(), key.3.to_string())).collect()
}

/// Whether a letter names the id, or a range that holds it.
fn is_about(letter: &Value, id: &str) -> bool {
    match letter["id"].as_str() {
        Some(named) => named == id,
        None => {
            let end = |name: &str| letter["ids"][name].as_str();
            end("from").is_none_or(|from| from <= id) && end("to").is_none_or(|to| id < to)
        }
    }
}

#[test]
fn rows_that_the_network_cuts_become_letters() {
    cut("analytic");
}

#[test]
fn keys_that_the_network_cuts_become_letters() {
    cut("keys");
}

#[test]
fn clickhouse_away_in_the_middle() {
    let mut stage = Stage::new(NARROW);
    let proxy = Proxy::slow(stage.engine.port(), 8 << 20);
    let graph = Graph::with_server(stage.scratch.path(), "lake", &proxy.url());
    let mut running = stage.tracemill.start(args(&graph.write(), "run", &["--once"]));
    running.until("the first window", Duration::from_secs(60), |running| {
        (!running.records("blob_export_job_completed").is_empty()).then_some(())
    });
    stage.engine.kill();
    running.until("it waits", Duration::from_secs(60), |running| {
        (!running.records("blob_export_waiting").is_empty() || !running.records("plan_waits").is_empty()).then_some(())
    });
    std::thread::sleep(outage(8));
    let before = running.records("blob_export_job_completed").len();
    assert_eq!(running.status(), None, "it waits: {}", running.stderr());
    stage.engine.restart();
    let output = running.wait(Duration::from_secs(120));
    assert_eq!(output.code, Some(0), "{}", output.tail());
    assert_eq!(splits(&output), 0, "an outage splits nothing: {}", output.tail());
    println!(
        "{} windows before, {} in all, {} waits, {:.1?}",
        before,
        output.records("blob_export_job_completed").len(),
        output.records("blob_export_waiting").len(),
        output.took
    );
    println!("{} rows", all_right(&stage, graph.store()));
}

#[test]
fn the_store_away_in_the_middle() {
    let stage = Stage::new(NARROW);
    let mut server = StoreServer::start("s3", &stage.scratch.join("store"), &[]);
    let proxy = Proxy::slow(stage.engine.port(), 8 << 20);
    let graph = Graph::with_server(stage.scratch.path(), "lake", &proxy.url());
    let graph = server.store_of(graph, "p");
    let mut running = stage.tracemill.start(args(&graph.write(), "run", &["--once"]));
    running.until("the first window", Duration::from_secs(60), |running| {
        (!running.records("blob_export_job_completed").is_empty()).then_some(())
    });
    server.stop();
    wait_until("it notices", Duration::from_secs(120), || {
        !running.records("blob_export_waiting").is_empty() || !running.records("commit_waits_for_store").is_empty()
    });
    std::thread::sleep(outage(3));
    assert_eq!(running.status(), None, "it waits: {}", running.stderr());
    server.restart();
    let output = running.wait(Duration::from_secs(180));
    assert_eq!(output.code, Some(0), "{}", output.tail());
    assert_eq!(splits(&output), 0, "an outage splits nothing: {}", output.tail());
    server.download("p/", graph.store());
    println!(
        "{} waits of leaves, {} of commits, {:.1?}",
        output.records("blob_export_waiting").len(),
        output.records("commit_waits_for_store").len(),
        output.took
    );
    println!("{} rows", all_right(&stage, graph.store()));
}
