//! What a process does by its role, and what the workloads of one process do to each other: nothing.

use std::time::Duration;

use tracemill_tests::engine::free_port;
use tracemill_tests::graph::hourly_export;
use tracemill_tests::{Clients, Door, Engine, Running, Scratch, Site, StoreServer, Tracemill, http, wait_until};

use crate::common::args;

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
        {export}
        "#,
        lake = lake.display(),
        export = hourly_export(""),
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

#[test]
fn readers_hold_the_exports_back_and_are_followed_by_full_speed() {
    let site = Site::new();
    let export = export(&site, &site.engine.url());
    // No query is that fast.
    let site = site
        .with(&export)
        .with("[governor]\ntarget_p95 = \"1 ms\"\nfloor = 5\n");
    let mut running = site.run();
    let percent = |running: &Running| site.exports(running)["governor"]["percent"].as_f64();
    running.until("nobody reads: full speed", SOON, |running| {
        (percent(running) == Some(100.0)).then_some(())
    });
    let key = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\n";
    running.until("readers: the least share", SOON, |running| {
        let (status, _) = http::request(site.port(), "GET", "/api/public/traces?limit=5", key, b"").expect("an answer");
        assert_eq!(status, 200);
        (percent(running) == Some(5.0)).then_some(())
    });
    let (_, metrics) = site.tells("/metrics");
    let share = metrics
        .lines()
        .find(|line| line.starts_with("tracemill_governor_share"));
    assert!(share.is_some_and(|line| line.contains("reason=\"slow\"")), "{share:?}");
    assert!(site.exports(&running)["governor"]["bytesPerSecond"].as_u64() > Some(0));
    running.until("they are gone: full speed", SOON, |running| {
        (percent(running) == Some(100.0)).then_some(())
    });
    let _ = Site::stop(running);
}

#[test]
fn a_role_opens_only_what_it_needs() {
    let site = Site::new();
    let export = export(&site, &site.engine.url());
    let site = site.with(&export);
    let queue = site.scratch.join("queue");
    let key = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\nContent-Type: application/json\r\n";
    let ask = |method: &str, path: &str| http::request(site.port(), method, path, key, br#"{"batch":[]}"#);

    let mut web = site.start_as(&["--role", "web"]);
    web.until("it answers", SOON, |_| {
        (ask("GET", "/api/public/health").ok()?.0 == 200).then_some(())
    });
    assert_eq!(ask("GET", "/api/public/traces").expect("an answer").0, 200);
    assert_eq!(
        ask("POST", "/api/public/ingestion").expect("an answer").0,
        404,
        "it takes nothing"
    );
    assert!(!queue.exists(), "it opens no queue");
    let _ = Site::stop(web);

    let mut ingestion = site.start_as(&["--role", "ingestion"]);
    ingestion.until("it takes requests", SOON, |_| {
        (ask("GET", "/api/public/ready").ok()?.0 == 200).then_some(())
    });
    assert_eq!(ask("POST", "/api/public/ingestion").expect("an answer").0, 207);
    assert_eq!(
        ask("GET", "/api/public/traces").expect("an answer").0,
        405,
        "it reads nothing"
    );
    assert!(site.exports(&ingestion).is_null(), "it exports nothing");
    let _ = Site::stop(ingestion);
    std::fs::remove_dir_all(&queue).expect("the queue was there");

    let mut export = site.start_as(&["--role", "export"]);
    export.until("it exports", SOON, |export| {
        (!site.exports(export).is_null()).then_some(())
    });
    assert!(ask("GET", "/api/public/health").is_err(), "it does not listen");
    assert!(!queue.exists(), "it opens no queue");
    let _ = Site::stop(export);
}

/// Clients send for a while, and all of it is stored.
fn goes_on(site: &Site, running: &mut Running, journal: &std::path::Path, seed: &str) {
    let before = std::fs::metadata(journal).map_or(0, |file| file.len());
    let clients = Clients::start(&site.url(), journal, &["--rate", "250", "--seed", seed]);
    wait_until("some are stored", SOON, || clients.heard() > before + (64 << 10));
    assert_eq!(clients.stop().retries, 0, "no client notices");
    // By the metrics: the command `status` asks the stores, which may be away.
    running.until("all of it is acknowledged", SOON, |_| {
        let (_, metrics) = site.tells("/metrics");
        let is = |line: &str| metrics.lines().any(|one| one == line);
        let is_empty = ["waiting", "active", "delayed"]
            .iter()
            .all(|state| is(&format!("tracemill_queue_jobs{{state=\"{state}\"}} 0")));
        (is_empty && is("tracemill_ingestion_epochs_open 0")).then_some(())
    });
}

/// The states of workloads by the metrics.
fn is_up(site: &Site, workload: &str) -> bool {
    let (_, metrics) = site.tells("/metrics");
    let name = format!("tracemill_workload_up{{workload=\"{workload}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    value.expect("the workload is told") == "1"
}

#[test]
fn a_store_that_is_away_stops_the_export_alone_and_each_has_its_own_memory() {
    let site = Site::new();
    let mut server = StoreServer::start("s3", &site.scratch.join("store"), &[]);
    let lake = format!(
        "[store.lake]\nurl = 's3://lake/p/'\n[store.lake.options]\nendpoint = '{}'\nregion = 'us-east-1'\n\
         access_key_id = 'let-me-in'\nsecret_access_key = 'secret'\n",
        server.endpoint()
    );
    let export = export(&site, &site.engine.url());
    let own = format!(
        "[store.lake]\n        url = \"{}\"\n",
        site.scratch.join("lake").display()
    );
    assert!(export.contains(&own), "the store of the export is replaced");
    let site = site.with(&export.replace(&own, &lake));
    let journal = site.scratch.join("journal.jsonl");
    let mut running = site.start_as(&["--role", "ingestion"]);
    running.until("it takes requests", SOON, |_| {
        let ready = http::request(site.port(), "GET", "/api/public/ready", "", b"").ok()?;
        (ready.0 == 200).then_some(())
    });
    goes_on(&site, &mut running, &journal, "first");
    let _ = Site::stop(running);

    server.stop();
    let mut running = site.run();
    goes_on(&site, &mut running, &journal, "away");
    running.until("the export is down, or waits", SOON * 3, |running| {
        let waits = ["workload_failed", "blob_export_waiting", "commit_waits_for_store"];
        waits
            .iter()
            .any(|message| !running.records(message).is_empty())
            .then_some(())
    });
    assert!(is_up(&site, "ingestion"));
    server.restart();
    running.until("it exports", SOON * 4, |running| {
        let exports = site.exports(running)["exports"].clone();
        let committed = exports
            .as_array()?
            .iter()
            .filter_map(|export| export["windowsCommitted"].as_u64());
        (committed.sum::<u64>() > 0).then_some(())
    });
    let (_, metrics) = site.tells("/metrics");
    for workload in ["ingestion", "export"] {
        let name = format!("tracemill_memory_limit_bytes{{workload=\"{workload}\"}} ");
        let limit = metrics.lines().find_map(|line| line.strip_prefix(&name));
        assert_eq!(limit, Some("167772160"), "{workload} has all of the budget for itself");
    }
    running.signal("TERM");
    let output = running.wait(SOON * 10);
    assert_eq!(output.code, Some(0), "{}", output.tail());
    let report = site.compare(&journal);
    assert!(report["right"] == true, "ClickHouse is not the oracle: {report:#}");
}

/// Everything in one file: three services, a queue in Redis, a lake; without the governor, which asks as readers do.
fn everything(scratch: &Scratch, services: [String; 3], redis: &str, port: u16) -> std::path::PathBuf {
    let [read_write, read_only, export] = services;
    let folder = scratch.path().display();
    let windows = hourly_export("");
    let text = format!(
        r#"
        [clickhouse]
        read_write = {{ url = "http://{read_write}" }}
        read_only = {{ url = "http://{read_only}" }}
        export = {{ url = "http://{export}" }}
        [governor]
        enabled = false
        [status]
        dir = "{folder}/status"
        [store.raw]
        url = "{folder}/raw"
        [store.lake]
        url = "{folder}/lake"
        [intake]
        listen = "127.0.0.1:{port}"
        [access.demo]
        keys = [{{ public = "pk-lf-demo", secret = "sk-lf-demo" }}]
        [graph.ingestion.source.jobs]
        type = "queue"
        backend = "bullmq"
        url = "redis://{redis}"
        store = "raw"
        prefix = "events/"
        [graph.ingestion.operator.merge]
        type = "merge"
        input = "jobs"
        [graph.ingestion.sink.rows]
        type = "clickhouse"
        input = "merge"
        rejected = "letters"
        [graph.ingestion.sink.letters]
        type = "letters"
        store = "raw"
        prefix = "letters/"
        {windows}
        "#
    );
    let file = scratch.join("graph.toml");
    std::fs::write(&file, text).expect("written");
    file
}

#[test]
fn a_role_never_knocks_where_it_has_no_business() {
    let scratch = Scratch::new();
    let tracemill = Tracemill::new(&scratch.join("logs"));
    let engine = Engine::start(&tracemill, &scratch.join("clickhouse"));
    let migrate = ["migrate", "--url", &engine.url()];
    tracemill.ok(migrate);
    let (writer, reader, bulk, redis) = (Door::open(), Door::open(), Door::open(), Door::open());
    let [at_writer, at_reader, at_bulk, at_redis] =
        [&writer, &reader, &bulk, &redis].map(|door| door.address().to_string());
    let home = format!("127.0.0.1:{}", engine.port());
    let port = free_port();

    // An export reads by its own service, and connects to no Redis.
    let graph = everything(
        &scratch,
        [at_writer.clone(), at_reader.clone(), home.clone()],
        &at_redis,
        port,
    );
    tracemill.ok(args(&graph, "run", &["--role", "export", "--once"]));
    assert_eq!([writer.knocks(), reader.knocks(), redis.knocks()], [0; 3], "an export");

    // The web reads by its own service alone.
    let graph = everything(&scratch, [at_writer.clone(), home, at_bulk.clone()], &at_redis, port);
    let key = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\n";
    let mut web = tracemill.start(args(&graph, "run", &["--role", "web"]));
    web.until("it answers", SOON, |_| {
        let (status, _) = http::request(port, "GET", "/api/public/traces", key, b"").ok()?;
        (status == 200).then_some(())
    });
    assert_eq!([writer.knocks(), bulk.knocks(), redis.knocks()], [0; 3], "the web");
    let _ = Site::stop(web);

    // Ingestion goes where the others do not, and not where they do: the doors do count.
    let graph = everything(&scratch, [at_writer, at_reader, at_bulk], &at_redis, port);
    let ingestion = tracemill.start(args(&graph, "run", &["--role", "ingestion"]));
    wait_until("ingestion knocks", SOON, || writer.knocks() > 0);
    assert_eq!([reader.knocks(), bulk.knocks()], [0; 2], "ingestion");
    drop(ingestion);
}
