//! Connections: what is sent slowly or in pieces, CORS, health, and the stop.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::support::{INGESTION, Server, basic, read, trace};

#[test]
fn information_and_cors() {
    let server = Server::start(|_| {});
    let health = server.send("GET", "/api/public/health", &[("origin", "http://page")], b"");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("OK")));
    assert_eq!(health.header("access-control-allow-origin"), Some("http://page"));
    let auth = basic("pk-lf-test", "sk-lf-test");
    let projects = server.send("GET", "/api/public/projects", &[("authorization", &auth)], b"");
    let expected =
        json!({"data": [{"id": "p1", "name": "Project", "organization": {"id": "o1", "name": "Org"}, "metadata": {}}]});
    assert_eq!((projects.status, projects.json()), (200, expected));
    let asked = [
        ("origin", "http://page"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = server.send("OPTIONS", INGESTION, &asked, b"");
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-headers")),
        (204, Some("authorization"))
    );
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
}

#[test]
fn chunks_pipelines_and_slow_bodies() {
    let server = Server::start(|config| {
        config.chunk_timeout = Duration::from_millis(100);
        config.drain_timeout = Duration::from_millis(100);
    });
    let auth = basic("pk-lf-test", "sk-lf-test");
    let head =
        format!("POST {INGESTION} HTTP/1.1\r\nhost: t\r\nauthorization: {auth}\r\ncontent-type: application/json\r\n");
    let mut stream = server.connect();
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{\"bat\r\n7\r\nch\":[]}}\r\n0\r\n\r\n");
    stream.write_all(chunked.repeat(3).as_bytes()).unwrap();
    for _ in 0..3 {
        assert_eq!(read(&mut stream).status, 207);
    }
    stream
        .write_all(format!("{head}content-length: 100\r\n\r\n{{").as_bytes())
        .unwrap();
    let slow = read(&mut stream);
    assert_eq!((slow.status, slow.header("connection")), (503, Some("close")));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection closes");
}

#[test]
fn slow_heads_end() {
    let server = Server::start(|config| config.head_timeout = Duration::from_millis(100));
    let mut stream = server.connect();
    stream.write_all(b"POST / HT").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_stop_answers_what_is_in_progress() {
    let mut server = Server::start(|config| config.in_flight = 1);
    server.memory.held.store(true, Ordering::SeqCst);
    let auth = basic("pk-lf-test", "sk-lf-test");
    let body = json!({"batch": [trace("e", &json!({"id": "t"}))]}).to_string();
    let mut stream = server.connect();
    let head = format!(
        "POST {INGESTION} HTTP/1.1\r\nhost: t\r\nauthorization: {auth}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    server.runtime.block_on(server.memory.entered.notified());
    assert_eq!(
        server.batch(&json!([])).status,
        429,
        "one request of the project is in flight"
    );
    server.stop.take().unwrap().send(()).unwrap();
    server.memory.release.notify_one();
    assert_eq!(read(&mut stream).status, 207);
    let ended = server.ended.take().unwrap();
    server
        .runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(10), ended).await })
        .unwrap()
        .unwrap();
    assert!(
        TcpStream::connect(server.address).is_err(),
        "nothing is accepted any more"
    );
    assert_eq!((server.raws().len(), server.budget.used()), (1, 0));
    assert_eq!(server.app.metrics().snapshot().in_flight, 0);
}
