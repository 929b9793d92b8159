//! The real SDKs against the intake: each row in ClickHouse is as the client's script says that it sent it. The scripts and
//! the judge are those of tests/clients.

use std::process::Command;

use tracemill_tests::ingestion::{PROJECT, PUBLIC_KEY, SECRET_KEY};
use tracemill_tests::ledger::{service, test_file};
use tracemill_tests::{Ingestion, Scratch, Tracemill, python};

#[test]
fn rows_are_as_nine_clients_sent_them() {
    let scratch = Scratch::new();
    let tracemill = Tracemill::new(&scratch.join("logs"));
    let ingestion = Ingestion::start(&tracemill, scratch.path());
    let output = Command::new(python())
        .arg(test_file("clients/run.py"))
        .arg("--packages")
        .arg(service("clients"))
        .arg("--out")
        .arg(scratch.join("said"))
        .args([
            "--clickhouse",
            &ingestion.clickhouse(),
            "--project",
            PROJECT,
            "--wait",
            "30",
        ])
        .env("TRACEMILL_URL", ingestion.url())
        .env("TRACEMILL_PUBLIC_KEY", PUBLIC_KEY)
        .env("TRACEMILL_SECRET_KEY", SECRET_KEY)
        .output()
        .expect("python can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", text(&output.stdout));
    let ended = ingestion.stop();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), ended.tail());
    assert_eq!(
        ended.records("ingestion_letter"),
        [] as [serde_json::Value; 0],
        "no client sends what is a letter"
    );
}
