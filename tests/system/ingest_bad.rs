//! Bad requests: each gets its documented status, and the good events beside them are in ClickHouse, and nothing else is.
//! The requests are those of tests/traffic/bad.py, the truth that of tests/oracle.

use std::path::Path;
use std::time::Duration;

use tracemill_tests::ingestion::{PROJECT, PUBLIC_KEY, SECRET_KEY};
use tracemill_tests::ledger::{run_python, test_file};
use tracemill_tests::{Ingestion, Scratch, Tracemill, wait_for};

#[test]
fn bad_requests_get_their_status_and_harm_nothing() {
    let scratch = Scratch::new();
    let tracemill = Tracemill::new(&scratch.join("logs"));
    let ingestion = Ingestion::start(&tracemill, scratch.path());
    let journal = scratch.join("journal.jsonl");
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let (said, stderr, code) = run_python([
        path(&test_file("traffic/traffic.py")),
        "--bad".to_owned(),
        "--url".to_owned(),
        ingestion.url(),
        "--project".to_owned(),
        format!("{PROJECT}:{PUBLIC_KEY}:{SECRET_KEY}"),
        "--journal".to_owned(),
        path(&journal),
    ]);
    println!("{said}");
    assert_eq!(code, Some(0), "{said}{stderr}");
    let compare = [
        path(&test_file("oracle/compare.py")),
        "--clickhouse".to_owned(),
        ingestion.clickhouse(),
        "--journal".to_owned(),
        path(&journal),
    ];
    let mut last = String::new();
    let report = wait_for("the rows are those of the journal", Duration::from_secs(30), || {
        let (report, stderr, code) = run_python(&compare);
        if last != report {
            println!("{report}{stderr}");
            last.clone_from(&report);
        }
        (code == Some(0)).then_some(report)
    });
    assert!(report.contains("\"entities\""), "something was compared: {report}");
    let ended = ingestion.stop();
    // The intake counts spans and does not read them: one that nests too deep is the only letter.
    let letters = ended.records("ingestion_letter");
    let reasons: Vec<&str> = letters.iter().filter_map(|letter| letter["reason"].as_str()).collect();
    assert_eq!(reasons, ["an attribute is nested more than 64 deep"]);
}
