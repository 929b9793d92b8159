//! What is refused for a while: rates, memory, what is behind the intake; and what is too much.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::support::{INGESTION, OTEL, Server, basic, gzip, otlp_json, trace};

#[test]
fn what_is_transient_is_503_and_tells_nothing() {
    let server = Server::start(|_| {});
    server.memory.fails.store(true, Ordering::SeqCst);
    for answer in [
        server.batch(&json!([trace("e", &json!({"id": "t"}))])),
        server.post(OTEL, "application/json", otlp_json()),
    ] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
        assert!(!answer.body.contains("secret"), "{answer:?}");
    }
    assert_eq!(server.send("GET", "/api/public/ready", &[], b"").status, 503);
    server.memory.broken.store(true, Ordering::SeqCst);
    let bug = server.batch(&json!([trace("e", &json!({"id": "t"}))]));
    assert_eq!(
        (bug.status, bug.json()),
        (500, json!({"error": "Internal Server Error"}))
    );
}

#[test]
fn limits_of_rate_and_memory() {
    let server = Server::start(|config| {
        (config.rate, config.burst) = (1, 2);
        config.memory_wait = Duration::from_millis(20);
    });
    let held = server.budget.try_acquire(256 << 20).unwrap();
    let busy = server.batch(&json!([]));
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")));
    drop(held);
    assert_eq!(server.batch(&json!([])).status, 207);
    let limited = server.batch(&json!([]));
    assert_eq!(
        (limited.status, limited.body.as_str()),
        (429, "429 - rate limit exceeded")
    );
    assert_eq!(
        (limited.header("retry-after"), limited.header("x-ratelimit-limit")),
        (Some("1"), Some("2"))
    );
    assert_eq!(limited.header("x-ratelimit-remaining"), Some("0"));
    assert!(limited.header("x-ratelimit-reset").unwrap().contains("GMT+0000"));
}

#[test]
fn numbers_of_events_and_their_nesting() {
    let server = Server::start(|config| {
        (config.content.events, config.content.nesting, config.content.spans) = (3, 6, 1);
    });
    let many = |count: usize| json!(vec![trace("e", &json!({"id": "t"})); count]);
    let full = server.batch(&many(3));
    assert_eq!(
        (full.status, full.json()["successes"].as_array().unwrap().len()),
        (207, 3)
    );
    let over = server.batch(&many(4));
    assert_eq!((over.status, over.body.as_str()), (413, "More than 3 items"));
    let scores = server.post(
        "/api/public/scores",
        "application/json",
        json!([{}, {}, {}, {}]).to_string(),
    );
    assert_eq!(scores.status, 413);
    let auth = basic("pk-lf-test", "sk-lf-test");
    let headers = [("authorization", auth.as_str()), ("content-type", "application/json")];
    let ids = json!({"traceIds": ["a", "a", "b", "c"]}).to_string();
    let deletion = server.send("DELETE", "/api/public/traces", &headers, ids.as_bytes());
    assert_eq!(deletion.status, 413);
    // The event is 1, its body 2, the first array 3.
    let nested = |depth: usize| {
        let input = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!(
            r#"{{"batch":[{{"id":"deep","type":"trace-create","timestamp":"2026-03-11T00:00:00Z","body":{{"id":"t","input":{input}}}}},
            {{"id":"flat","type":"trace-create","timestamp":"2026-03-11T00:00:00Z","body":{{"id":"t"}}}}]}}"#
        )
    };
    // One that is too deep is one error, however deep: nothing recurses.
    for (depth, errors) in [(4, 0), (5, 1), (1_000_000, 1)] {
        let answer = server.post(INGESTION, "application/json", nested(depth));
        let body = answer.json();
        assert_eq!(
            (answer.status, body["errors"].as_array().unwrap().len()),
            (207, errors),
            "{depth} deep"
        );
        assert_eq!(body["successes"].as_array().unwrap().len(), 2 - errors, "{depth} deep");
    }
    let span = json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "s"});
    let spans = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span, span]}]}]}).to_string();
    let otel = server.post(OTEL, "application/json", spans);
    assert_eq!((otel.status, otel.json()), (413, json!({"error": "More than 1 items"})));
    let deep = format!(
        r#"{{"resourceSpans":{}{}}}"#,
        "[".repeat(1_000_000),
        "]".repeat(1_000_000)
    );
    let refused = server.post(OTEL, "application/json", deep);
    assert_eq!(
        (refused.status, refused.json()),
        (400, json!({"error": "Failed to parse OTel JSON Trace"}))
    );
    assert_eq!(server.raws().len(), 4);
    assert_eq!(server.budget.used(), 0);
}

#[test]
fn compressed_batches_are_held_within_the_budget() {
    let server = Server::start(|_| {});
    let auth = basic("pk-lf-test", "sk-lf-test");
    let body = json!({"batch": [trace("e", &json!({"id": "t", "input": " ".repeat(2_000_000)}))]}).to_string();
    let halves = [gzip(&body.as_bytes()[..1_000]), gzip(&body.as_bytes()[1_000..])].concat();
    let large = gzip(&vec![b' '; 10_000_000]);
    let mut lying = gzip(body.as_bytes());
    let size = lying.len() - 4;
    lying[size..].copy_from_slice(&1u32.to_le_bytes());
    let mixed = [gzip(body.as_bytes()), gzip(b"  ")].concat();
    for (encoding, bytes, status) in [
        ("gzip", gzip(body.as_bytes()), 207),
        ("gzip", halves, 207),
        // The last member says less than all of it, so that it is decompressed twice.
        ("gzip", mixed, 207),
        ("zstd", zstd::encode_all(body.as_bytes(), 3).unwrap(), 207),
        ("gzip", large, 413),
        ("gzip", lying, 400),
        ("gzip", vec![1, 2], 400),
    ] {
        let headers = [
            ("authorization", auth.as_str()),
            ("content-type", "application/json"),
            ("content-encoding", encoding),
        ];
        let answer = server.send("POST", INGESTION, &headers, &bytes);
        assert_eq!(answer.status, status, "{encoding} of {}: {answer:?}", bytes.len());
    }
    assert_eq!(server.raws().len(), 4);
    assert!(server.raws().iter().all(|raw| raw.bytes.len() > 2_000_000));
    assert_eq!(server.budget.used(), 0);
}

/// What the whole budget would not suffice for is too large, or broken: never "try again later".
#[test]
fn what_can_never_fit_is_not_transient() {
    let server = Server::with_memory(1 << 20, |config| {
        (config.body, config.otlp, config.otlp_compressed) = (1 << 20, 1 << 20, 1 << 20);
        config.memory_wait = Duration::from_millis(20);
    });
    let auth = basic("pk-lf-test", "sk-lf-test");
    let good = gzip(otlp_json().as_bytes());
    // Its last bytes say a size of 4 GiB.
    let cut_off = [&good[..good.len() - 12], &[0xff; 4]].concat();
    let spaces = vec![b' '; (1 << 20) - 10];
    for (path, encoding, bytes, status) in [
        (OTEL, "gzip", gzip(&vec![b' '; 2 << 20]), 413),
        (OTEL, "gzip", cut_off.clone(), 400),
        (OTEL, "gzip", good, 200),
        (OTEL, "identity", spaces.clone(), 400),
        (INGESTION, "gzip", gzip(&spaces), 413),
        (INGESTION, "gzip", cut_off, 400),
        (INGESTION, "identity", spaces, 413),
    ] {
        let headers = [
            ("authorization", auth.as_str()),
            ("content-type", "application/json"),
            ("content-encoding", encoding),
        ];
        let answer = server.send("POST", path, &headers, &bytes);
        assert_eq!(
            answer.status,
            status,
            "{path} {encoding} of {}: {answer:?}",
            bytes.len()
        );
    }
    assert_eq!(server.raws().len(), 1);
    assert_eq!(server.budget.used(), 0);
}
