//! The public API as it describes itself: the document is true, clients' models fit, and no key reads another's rows.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use tracemill_tests::ingestion::{PUBLIC_KEY, SECRET_KEY};
use tracemill_tests::ledger::{service, test_file};
use tracemill_tests::{Running, Site, http, wait_until};

use crate::api_cases::{self, MARK};

/// How long what is waited for may take to happen.
const SOON: Duration = Duration::from_secs(60);

/// `pk-lf-demo:sk-lf-demo`
const KEY: &str = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\n";
/// `pk-lf-other:sk-lf-other`
const OTHER: &str = "Authorization: Basic cGstbGYtb3RoZXI6c2stbGYtb3RoZXI=\r\n";

fn ask(site: &Site, key: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
    let headers = format!("{key}Content-Type: application/json\r\n");
    let body = body.map(Value::to_string).unwrap_or_default();
    let (status, answer) = http::request(site.port(), method, path, &headers, body.as_bytes()).expect("an answer");
    (status, String::from_utf8(answer).expect("UTF-8"))
}

/// A site on which the first project has one of everything, all of whose texts have the mark in them.
fn seeded(more: &str) -> (Site, Running) {
    let site = Site::new().with(more);
    let mut running = site.run();
    let (status, answer) = ask(&site, KEY, "POST", "/api/public/ingestion", Some(&api_cases::rows()));
    assert_eq!(status, 207, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["errors"], json!([]));
    let _ = site.drained(&mut running, SOON);
    (site, running)
}

fn document(site: &Site) -> Value {
    let (status, text) = ask(site, "", "GET", "/api/public/openapi.json", None);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Runs a program on the API and expects that it finds no fault.
fn right(site: &Site, command: &mut Command) -> String {
    let output: Output = command
        .env("TRACEMILL_URL", site.url())
        .env("TRACEMILL_PUBLIC_KEY", PUBLIC_KEY)
        .env("TRACEMILL_SECRET_KEY", SECRET_KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("it can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    told
}

#[test]
fn schemathesis_finds_that_the_document_is_true() {
    let (site, running) = seeded("");
    let told = right(
        &site,
        Command::new(service("schemathesis/bin/python"))
            .arg(test_file("read/schemathesis/run.py"))
            .arg(site.scratch.join("schemathesis")),
    );
    println!("{told}");
    let log = running.stderr();
    let broken: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("read_failed"))
        .take(3)
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let _ = Site::stop(running);
}

#[test]
fn answers_have_the_fields_of_the_sdks_models_and_of_the_document() {
    let (site, running) = seeded("");
    let script = test_file("read/shapes.py");
    let told = right(
        &site,
        Command::new(service("clients/langfuse-4/bin/python"))
            .args(["-W", "ignore"])
            .arg(script)
            .arg(MARK),
    );
    println!("{told}");
    let _ = Site::stop(running);
}

#[test]
fn the_javascript_client_reads_back_what_it_wrote() {
    let site = Site::new();
    let running = site.run();
    let told = right(
        &site,
        Command::new("node")
            .arg(test_file("read/read_back.mjs"))
            .env("TRACEMILL_MODULES", service("clients/js-otel-5")),
    );
    println!("{told}");
    let _ = Site::stop(running);
}

#[test]
fn a_key_never_reads_nor_changes_another_projects_rows() {
    let (site, mut running) = seeded("");
    let document = document(&site);
    let cases = api_cases::all();
    let described = api_cases::operations(&document);
    let tried: std::collections::BTreeSet<_> = cases.iter().map(api_cases::Case::operation).collect();
    assert_eq!(tried, described, "each operation has cases, and no other has");
    for (operation, name) in api_cases::about_rows(&document) {
        let is_tried = cases
            .iter()
            .any(|case| case.operation() == operation && case.tries(&name));
        assert!(is_tried, "{operation:?}: no case has the parameter {name}");
    }
    let rows = |project: &str| {
        let of = |table: &str| {
            let sql =
                format!("SELECT * FROM {table} FINAL WHERE project_id = '{project}' ORDER BY id FORMAT JSONEachRow");
            site.engine.query(&sql)
        };
        ["traces", "observations", "scores"].map(of)
    };
    let before = rows("demo");
    for case in cases.iter().filter(|case| case.method == "GET") {
        let (own, found) = ask(&site, KEY, case.method, &case.path, None);
        assert_eq!(own, 200, "{}: {found}", case.path);
        assert_eq!(found.contains(MARK), case.finds, "{}: {found}", case.path);
        let (status, foreign) = ask(&site, OTHER, case.method, &case.path, None);
        match status {
            // The id that was asked for is told again.
            404 => assert!(!foreign.contains("data"), "{}: {foreign}", case.path),
            _ => assert!(
                status == 200 && !foreign.contains(MARK),
                "{}: {status} {foreign}",
                case.path
            ),
        }
        let (status, _) = ask(&site, "", case.method, &case.path, None);
        assert_eq!(status == 401, case.needs_key, "{} without a key: {status}", case.path);
    }
    for case in cases.iter().filter(|case| case.method != "GET") {
        let (status, answer) = ask(&site, "", case.method, &case.path, case.body.as_ref());
        assert_eq!(status, 401, "{} {}: {answer}", case.method, case.path);
        let (status, answer) = ask(&site, OTHER, case.method, &case.path, case.body.as_ref());
        assert!(
            (200..300).contains(&status),
            "{} {}: {status} {answer}",
            case.method,
            case.path
        );
        let _ = site.drained(&mut running, SOON);
    }
    assert_eq!(rows("demo"), before);
    assert!(
        rows("other").iter().any(|rows| rows.contains(MARK)),
        "the other's own rows are there"
    );
    let _ = Site::stop(running);
}

#[test]
fn a_query_ends_at_the_server_when_its_reader_goes_away() {
    let (site, running) = seeded("");
    // More rows than any query gets through in the time that it has.
    site.engine.execute("RENAME TABLE observations TO observations_stored");
    site.engine.execute(
        "CREATE VIEW observations AS SELECT o.* FROM numbers(100000000000) AS n CROSS JOIN observations_stored AS o \
         WHERE sipHash64(n.number) % 1000000007 = 0",
    );
    let mut reader = TcpStream::connect(("127.0.0.1", site.port())).expect("a connection");
    let request = format!("GET /api/public/observations/{MARK}-span HTTP/1.1\r\nHost: x\r\n{KEY}\r\n");
    reader.write_all(request.as_bytes()).expect("a request");
    let of_reads = "log_comment LIKE '%\"feature\":\"read\"%'";
    let runs = || {
        let running = site
            .engine
            .query("SELECT count() FROM system.processes WHERE Settings['log_comment'] LIKE '%\"feature\":\"read\"%'");
        running.trim() != "0"
    };
    wait_until("the query runs", SOON, runs);
    reader.set_nonblocking(true).expect("a socket");
    let waits = matches!(reader.read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(waits, "the answer is not there yet");
    drop(reader);
    wait_until("the query ends", SOON, || !runs());
    site.engine.execute("SYSTEM FLUSH LOGS");
    let ended = site.engine.query(&format!(
        "SELECT exception_code FROM system.query_log WHERE {of_reads} AND type = 'ExceptionWhileProcessing'"
    ));
    assert_eq!(ended.trim(), "394", "it was cancelled");
    let (status, _) = ask(&site, KEY, "GET", "/api/public/sessions", None);
    assert_eq!(status, 200, "and others are answered");
    let _ = Site::stop(running);
}
