//! Never stuck: whatever fails, the export ends, and all rows but the truly unreadable ones are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tracemill_tests::moments::{last_for, outage};
use tracemill_tests::proxy::{Cut, Rule};
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
    let graph = stage.graph("lake").set("clickhouse.export.max_memory_usage", "16 MiB");
    let output = stage.export(&graph);
    let (splits, kinds) = (splits(&output), kinds(&output));
    println!("16 MiB: {splits} splits {kinds:?} in {:.1?}", output.took);
    assert!(kinds["memory_limit"] > 0, "{kinds:?}");
    assert_eq!(letters(graph.store()), []);
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

/// The project of which something cannot be read, and a condition that chooses its live observations.
const BROKEN: &str = "synth-1";

/// Ids of live observations: every one that fits `condition`.
fn live_ids(stage: &Stage, condition: &str) -> Vec<String> {
    let sql = format!(
        "SELECT id FROM (SELECT id, argMax(is_deleted, event_ts) AS dead FROM observations \
         WHERE project_id = '{BROKEN}' GROUP BY id) WHERE dead = 0 AND {condition}"
    );
    let rows = stage.engine.rows(&sql);
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// Three that no other row names, long enough to be met nowhere else.
fn some_ids(stage: &Stage) -> Vec<String> {
    let parents =
        "SELECT assumeNotNull(parent_observation_id) FROM observations WHERE parent_observation_id IS NOT NULL";
    live_ids(
        stage,
        &format!("length(id) >= 16 AND id NOT IN ({parents}) ORDER BY cityHash64(id) LIMIT 3"),
    )
}

/// The queries of that kind about the broken project's observations.
fn rule(kind: &str, cut: Cut) -> Rule {
    Rule {
        kind: kind.to_owned(),
        about: "observation".to_owned(),
        project: BROKEN.to_owned(),
        cut,
    }
}

/// Exports through a proxy that cuts by that rule; `ids` are those of the live rows that cannot be read so.
#[track_caller]
fn cut(stage: &Stage, ids: &[String], rule: Rule) {
    let kind = rule.kind.clone();
    let proxy = Proxy::start(stage.engine.port(), vec![rule]);
    let graph = Graph::with_server(stage.scratch.path(), "lake", &proxy.url());
    let output = stage.export(&graph);
    println!(
        "{kind}: {} answers cut, {} splits {:?}, {} letters in {:.1?}",
        proxy.cuts(),
        splits(&output),
        kinds(&output),
        output.records("blob_export_letter").len(),
        output.took
    );
    assert!(proxy.cuts() > 0);
    let letters = letters(graph.store());
    let mut named = BTreeSet::new();
    for (table, letter) in &letters {
        assert_eq!(
            (table.as_str(), &letter["project"]),
            ("observations", &BROKEN.into()),
            "{letter}"
        );
        assert_eq!(letter["kind"], "cut", "{letter}");
        let reason = letter["reason"].as_str().expect("a reason");
        assert!(reason.contains("was cut after"), "{letter}");
        named.insert(letter["id"].as_str().expect("a key").to_owned());
    }
    assert_eq!(letters.len(), output.records("blob_export_letter").len());
    assert!(
        ids.iter().all(|id| named.contains(id)),
        "{ids:?} are not all of {named:?}"
    );
    assert_consistent(graph.store());
    for table in TABLES {
        let report = Check::new(table, &stage.truth, graph.store()).report();
        let counts = ["extra", "doubled", "wrong", "missing"].map(|name| report.count(name));
        let lost = if table == "observations" { ids.len() as u64 } else { 0 };
        assert_eq!(counts, [0, 0, 0, lost], "{table}: {:#}", report.json);
    }
    // What could not be read is exported once it can be.
    proxy.mend();
    for (from, to) in windows_with_letters(graph.store()) {
        let more = [
            "--from",
            &from,
            "--to",
            &to,
            "--project",
            BROKEN,
            "--table",
            "observations",
        ];
        stage.tracemill.ok(args(&graph.write(), "export", &more));
    }
    println!("{} rows after the proxy was mended", all_right(stage, graph.store()));
}

fn windows_with_letters(store: &Path) -> Vec<(String, String)> {
    let with = manifests(store)
        .into_iter()
        .filter(|(_, manifest)| !manifest["letters"].is_null());
    with.map(|(key, _)| (key.2.to_string(), key.3.to_string())).collect()
}

#[test]
fn rows_that_the_network_cuts_become_letters() {
    let stage = Stage::new(NARROW);
    let ids = some_ids(&stage);
    cut(&stage, &ids, rule("analytic", Cut::At(ids.clone())));
}

#[test]
fn keys_that_the_network_cuts_become_letters() {
    let stage = Stage::new(NARROW);
    let ids = some_ids(&stage);
    cut(&stage, &ids, rule("keys", Cut::At(ids.clone())));
}

#[test]
fn every_query_that_touches_a_range_of_ids_is_cut() {
    let stage = Stage::new(&["--seed", "23", "--projects", "2", "--days", "1", "--traces", "300"]);
    let sorted = live_ids(&stage, "1 ORDER BY id LIMIT 5 OFFSET 700");
    let (from, to) = (sorted[0].clone(), sorted[4].clone());
    let after = 3000;
    cut(
        &stage,
        &sorted[..4],
        rule("analytic", Cut::Touching { from, to, after }),
    );
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
    last_for(outage(8));
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
    last_for(outage(3));
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
