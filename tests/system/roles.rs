//! What a process does by its role, and what the workloads of one process do to each other: nothing.

use std::time::Duration;

use tracemill_tests::engine::free_port;
use tracemill_tests::{Clients, Site, http, wait_until};

/// How long what is waited for may take to happen.
const SOON: Duration = Duration::from_secs(60);

/// An export of everything into a local folder, by that server.
fn export(site: &Site, url: &str) -> String {
    let lake = site.scratch.join("lake");
    format!(
        r#"
        [clickhouse.export]
        url = "{url}"
        [store.lake]
        url = "{lake}"
        [graph.export.source.windows]
        type = "windows"
        every = "hourly"
        lag = "0 s"
        [graph.export.operator.newest]
        type = "dedup"
        input = "windows"
        [graph.export.sink.files]
        type = "parquet"
        input = "newest"
        store = "lake"
        failed = "halves"
        [graph.export.operator.halves]
        type = "split"
        into = "windows"
        "#,
        lake = lake.display()
    )
}

#[test]
fn an_export_that_cannot_run_leaves_ingestion_running() {
    let site = Site::new();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let export = export(&site, &nobody);
    let site = site.with(&export);
    let mut running = site.run();
    running.until("the export failed and was started again", SOON, |running| {
        let failed = running.records("workload_failed");
        let exports = failed.iter().filter(|record| record["workload"] == "export");
        (exports.count() >= 2).then_some(())
    });
    let journal = site.scratch.join("journal.jsonl");
    let clients = Clients::start(&site.url(), &journal, &["--rate", "250", "--seed", "beside"]);
    wait_until("some are stored", SOON, || clients.heard() > 64 << 10);
    let sent = clients.stop();
    assert_eq!(sent.retries, 0, "no client notices");
    let _ = site.drained(&mut running, SOON);
    let (_, metrics) = site.tells("/metrics");
    let has = |line: &str| assert!(metrics.lines().any(|one| one.starts_with(line)), "{line}: {metrics}");
    has("tracemill_workload_up{workload=\"export\"} 0");
    has("tracemill_workload_up{workload=\"ingestion\"} 1");
    has("tracemill_queue_jobs{state=\"waiting\"} 0");
    let rows = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tracemill_ingestion_rows_written_total "));
    assert!(rows.and_then(|rows| rows.parse::<u64>().ok()) > Some(0), "{metrics}");
    has("tracemill_http_requests_total{face=\"intake\",route=\"ingestion\",status=\"207\"}");
    // Down for seconds, not for minutes.
    assert_eq!(site.tells("/healthz"), (200, "ok\n".to_owned()));
    running.signal("TERM");
    let output = running.wait(SOON * 10);
    // What the process could not do is its end, not what it did.
    assert_eq!(output.code, Some(3), "{}", output.tail());
    let report = site.compare(&journal);
    assert!(report["right"] == true, "ClickHouse is not the oracle: {report:#}");
}

#[test]
fn a_password_that_is_refused_ends_all_at_once() {
    let site = Site::new();
    let url = site.engine.url().replace("http://", "http://nobody:wrong@");
    let export = export(&site, &url);
    let site = site.with(&export);
    let output = site.start().wait(SOON);
    assert_eq!(output.code, Some(10), "{}", output.tail());
    assert!(http::request(site.port(), "GET", "/api/public/health", "", b"").is_err());
}
