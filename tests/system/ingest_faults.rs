//! Faults around ingestion, each while clients send: what was answered with success arrives, once, as an oracle says.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tracemill_tests::moments::outage;
use tracemill_tests::proxy::Swallow;
use tracemill_tests::scratch::files_below;
use tracemill_tests::{Clients, Proxy, Running, Site, StoreServer, http, wait_for, wait_until};

/// How long what is waited for may take to happen.
const SOON: Duration = Duration::from_secs(60);

/// How long the work that is left may take in the end.
const WITHIN: Duration = Duration::from_secs(240);

/// Bytes of a journal that some hundred events make.
const SOME: u64 = 2 << 20;

/// The journal, and clients that write it. They were heard at least once.
fn clients(site: &Site, journal: &Path, more: &[&str]) -> Clients {
    let clients = Clients::start(&site.url(), journal, more);
    wait_until("the first requests are accepted", SOON, || clients.heard() > 0);
    clients
}

/// The most memory that a process had, in MiB.
fn peak(running: &Running) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}

#[test]
fn answers_to_inserts_that_nobody_hears() {
    let site = Site::new();
    let proxy = Proxy::start(site.engine.port(), Vec::new());
    let site = site.at(&proxy.url()).timeout("3 s");
    let journal = site.scratch.join("journal.jsonl");
    let running = site.run();
    let began = Instant::now();
    let clients = clients(&site, &journal, &["--rate", "250", "--seed", "swallowed"]);
    proxy.swallow(Swallow {
        one_in: 3,
        silent_one_in: 10,
    });
    wait_until("answers are swallowed", WITHIN, || proxy.swallowed() >= 40);
    proxy.mend();
    let (swallowed, inserts) = (proxy.swallowed(), proxy.inserts_answered());
    let sent = clients.stop();
    let unknown = running.records("the outcome of an insert is not known").len();
    let report = site.right(running, &journal, WITHIN);
    println!("{swallowed} of {inserts} answers were swallowed, {unknown} outcomes not known; {sent:?}");
    println!("{report}; all in {:.1?}", began.elapsed());
    assert!(unknown > 0, "the fault was met");
    assert_eq!(sent.retries, 0, "no client notices");
}

/// A client's request that is not in the journal, of another project.
fn probe(site: &Site) -> http::Answer {
    let body = r#"{"batch": [{"id": "e", "type": "trace-create", "timestamp": "2026-02-25T12:00:00.000Z",
                   "body": {"id": "probe"}}]}"#;
    // pk-lf-other:sk-lf-other
    let headers = "Authorization: Basic cGstbGYtb3RoZXI6c2stbGYtb3RoZXI=\r\nContent-Type: application/json\r\n";
    http::exchange(site.port(), "POST", "/api/public/ingestion", headers, body.as_bytes()).expect("an answer")
}

#[test]
fn the_raw_store_refuses_for_a_while() {
    let site = Site::new();
    let server = StoreServer::start("s3", &site.scratch.join("store"), &["--credential", "let-me-in"]);
    let site = site.stored_in(&server);
    let journal = site.scratch.join("journal.jsonl");
    let mut running = site.run();
    let began = Instant::now();
    let clients = clients(&site, &journal, &["--rate", "250", "--seed", "store"]);
    wait_until("some are stored", SOON, || clients.heard() > SOME);
    server.fail(1);
    let refused = Instant::now();
    let answer = wait_for("a request is refused", SOON, || {
        let answer = probe(&site);
        (answer.status != 207).then_some(answer)
    });
    assert_eq!(answer.status, 503, "{answer:?}");
    let after = answer
        .header("retry-after")
        .and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(after >= Some(1), "it says when to come again: {}", answer.head);
    // What was on its way when the store failed is answered by now.
    let (heard, outage) = (clients.heard(), outage(20));
    wait_until("the outage is over", outage + SOON, || refused.elapsed() >= outage);
    assert_eq!(clients.heard(), heard, "nothing is accepted that is not stored");
    assert_eq!(probe(&site).status, 503);
    assert_eq!(running.status(), None, "it waits: {}", running.stderr());
    server.mend();
    wait_until("requests are accepted again", SOON, || clients.heard() > heard + SOME);
    let sent = clients.stop();
    let report = site.right(running, &journal, WITHIN);
    println!("refused for {outage:?}; {sent:?}");
    println!("{report}; all in {:.1?}", began.elapsed());
    assert!(sent.retries > 0, "clients met the refusals: {sent:?}");
}

#[test]
fn clickhouse_is_down_for_long() {
    let mut site = Site::new();
    let journal = site.scratch.join("journal.jsonl");
    let mut running = site.run();
    let began = Instant::now();
    let clients = clients(&site, &journal, &["--rate", "200", "--seed", "down"]);
    let status = wait_for("rows are written", SOON, || {
        let status = site.status(&running);
        (status["written"].as_u64() > Some(0)).then_some(status)
    });
    site.engine.kill();
    let (down, outage) = (Instant::now(), outage(45));
    let mut heard = Vec::new();
    while down.elapsed() < outage {
        let (from, piece) = (Instant::now(), (outage / 10).min(SOON));
        let before = clients.heard();
        wait_until("a tenth of the outage is over", piece + SOON, || {
            from.elapsed() >= piece
        });
        heard.push(clients.heard() - before);
        assert_eq!(running.status(), None, "it waits: {}", running.stderr());
    }
    let (waiting, memory) = (site.status(&running), peak(&running));
    site.engine.restart();
    let up = Instant::now();
    let sent = clients.stop();
    site.drained(&mut running, WITHIN.max(outage));
    let (caught_up, most) = (up.elapsed(), peak(&running));
    let report = site.right(running, &journal, WITHIN);
    println!(
        "down for {:.1?}; {sent:?}; bytes of the journal meanwhile: {heard:?}",
        up - down
    );
    println!(
        "then {}, in memory {memory} MiB; in the end {most} MiB",
        waiting["queue"]
    );
    println!("caught up in {caught_up:.1?}; {report}; all in {:.1?}", began.elapsed());
    assert!(heard.iter().all(|bytes| *bytes > 0), "the intake goes on: {heard:?}");
    assert_eq!(sent.retries, 0, "no client notices");
    assert!(waiting["queue"]["waiting"].as_u64() > Some(0), "jobs wait: {waiting:#}");
    assert!(waiting["acknowledged"].as_u64() >= status["acknowledged"].as_u64());
}

/// The proof that the comparison of these tests can fail: an accepted request whose raw object is lost.
#[test]
fn a_raw_object_that_is_lost_is_noticed() {
    let mut site = Site::new();
    let journal = site.scratch.join("journal.jsonl");
    let mut running = site.run();
    site.engine.kill();
    let clients = clients(&site, &journal, &["--rate", "250", "--seed", "lost"]);
    wait_until("objects wait", SOON, || {
        files_below(&site.raw().join("events")).len() > 80
    });
    let sent = clients.stop();
    let objects = files_below(&site.raw().join("events"));
    // The newest: the first ones are in memory already.
    let lost = objects.last().expect("some");
    std::fs::remove_file(lost).expect("removed");
    site.engine.restart();
    site.drained(&mut running, WITHIN);
    let _ = Site::stop(running);
    let report = site.compare(&journal);
    println!(
        "{} of {} objects is lost; {sent:?}; {report}",
        lost.display(),
        objects.len()
    );
    assert_eq!(report["right"], false);
    let count = |name: &str| report[name].as_u64().unwrap_or(0);
    assert!(count("missing") + count("differ") > 0, "{report:#}");
    let letters = site.letters();
    let name = lost.file_name().expect("a file").to_string_lossy();
    assert_eq!(letters.len(), 1, "it is a letter, as the only one: {letters:?}");
    assert!(letters[0].to_string().contains(&*name), "{letters:?}");
    assert_ne!(letters[0]["reason"], Value::Null, "{letters:?}");
}
