//! The whole export against object stores over HTTP.

use tracemill_tests::{Check, StoreServer};

use crate::common::{Stage, TABLES, assert_consistent, totals};

/// Files above 10 MiB, in parts of 5 MiB.
const SYNTH: &[&str] = &[
    "--seed",
    "51",
    "--projects",
    "2",
    "--days",
    "2",
    "--traces",
    "40",
    "--wide",
];

#[track_caller]
fn whole_export(kind: &'static str, more: &[&str]) {
    let stage = Stage::new(SYNTH);
    let server = StoreServer::start(kind, &stage.scratch.join("store"), more);
    let graph = server.store_of(stage.graph("lake").sink("part_size", "5 MiB"), "some/prefix");
    let output = stage.export(&graph);
    server.download("some/prefix/", graph.store());
    assert_consistent(graph.store());
    let mut rows = 0;
    for table in TABLES {
        rows += Check::new(table, &stage.truth, graph.store()).right().count("rows");
    }
    let largest = tracemill_tests::scratch::files_ending(graph.store(), ".parquet")
        .iter()
        .map(|path| path.metadata().expect("a file").len())
        .max();
    assert!(largest > Some(10 << 20), "the largest file has {largest:?} bytes");
    println!(
        "{kind}: {rows} rows, {} splits, {:.1?}",
        totals(&output)["observations"].splits,
        output.took
    );
    if matches!(kind, "s3" | "gcs") {
        let state = server.state();
        assert_eq!(state["uploads"], serde_json::json!([]), "no upload is left");
        let parts = state["requests"]["PUT object uploadId"].as_u64();
        assert!(parts > Some(4), "multipart was used: {state}");
        println!("  {parts:?} parts, {} requests failed on purpose", state["failed"]);
    }
}

#[test]
fn s3() {
    whole_export("s3", &[]);
}

#[test]
fn moto() {
    whole_export("s3-moto", &[]);
}

#[test]
fn gcs() {
    whole_export("gcs", &["--credential", "let-me-in"]);
}

#[test]
fn azurite() {
    whole_export("azure", &[]);
}

#[test]
fn s3_with_failing_requests() {
    whole_export("s3", &["--fail", "7"]);
}

#[test]
fn gcs_with_failing_requests() {
    whole_export("gcs", &["--credential", "let-me-in", "--fail", "7"]);
}
