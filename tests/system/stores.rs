//! The whole export against object stores over HTTP.

use serde_json::Value;
use tracemill_tests::scratch::files_ending;
use tracemill_tests::{Check, Output, StoreServer};

use crate::common::{Stage, TABLES, args, assert_consistent, totals};

/// Files above 10 MiB, in parts of 5 MiB.
const SYNTH: &[&str] = &[
    "--seed",
    "51",
    "--projects",
    "1",
    "--days",
    "2",
    "--traces",
    "40",
    "--wide",
];

#[test]
fn the_whole_export_into_every_kind_of_store() {
    let stage = Stage::new(SYNTH);
    for (name, kind, more) in [
        ("s3", "s3", &[][..]),
        ("moto", "s3-moto", &[]),
        ("gcs", "gcs", &["--credential", "let-me-in"]),
        ("azurite", "azure", &[]),
        ("s3-failing", "s3", &["--fail", "7"]),
        ("gcs-failing", "gcs", &["--credential", "let-me-in", "--fail", "7"]),
    ] {
        whole_export(&stage, name, kind, more);
    }
}

#[track_caller]
fn whole_export(stage: &Stage, name: &str, kind: &'static str, more: &[&str]) {
    let server = StoreServer::start(kind, &stage.scratch.join(&format!("store-{name}")), more);
    let graph = server.store_of(stage.graph(name).sink("part_size", "5 MiB"), "some/prefix");
    let output = stage.export(&graph);
    let is_ours = matches!(kind, "s3" | "gcs");
    if is_ours {
        let state = server.state();
        assert_eq!(state["uploads"], serde_json::json!([]), "no upload is left");
        let parts = state["requests"]["PUT object uploadId"].as_u64();
        assert!(parts > Some(4), "multipart was used: {state}");
        println!("  {parts:?} parts");
        server.mend();
    }
    server.download("some/prefix/", graph.store());
    assert_consistent(graph.store());
    let rows = TABLES.map(|table| Check::new(table, &stage.truth, graph.store()).right().count("rows"));
    let files = files_ending(graph.store(), ".parquet");
    let largest = files.iter().map(|path| path.metadata().expect("a file").len()).max();
    assert!(largest > Some(10 << 20), "the largest file has {largest:?} bytes");
    let splits = totals(&output)["observations"].splits;
    assert_eq!(
        splits, 0,
        "requests that fail now and then are repeated, and split nothing"
    );
    println!("{name}: {rows:?} rows in {:.1?}", output.took);
}

#[test]
fn status_tells_what_this_machine_knows_while_the_store_is_away() {
    let stage = Stage::new(&["--seed", "52", "--projects", "1", "--days", "1", "--traces", "5"]);
    let server = StoreServer::start("s3", &stage.scratch.join("store-away"), &[]);
    let graph = server.store_of(stage.graph("away"), "some/prefix");
    let _ = stage.export(&graph);
    let status = || stage.tracemill.run(args(&graph.write(), "status", &["--json"]));
    let told = |output: &Output| -> Value { serde_json::from_str(&output.stdout).expect("JSON") };
    let there = status();
    assert_eq!(there.code, Some(0), "{}", there.tail());
    assert!(!told(&there)["exports"].as_array().expect("exports").is_empty());
    drop(server);
    let away = status();
    assert_eq!(away.code, Some(3), "the store is away: {}", away.tail());
    let away = told(&away);
    assert!(away["error"].is_string(), "{away:#}");
    assert!(!away["runs"].as_array().expect("runs").is_empty(), "{away:#}");
}
