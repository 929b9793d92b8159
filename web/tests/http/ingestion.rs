//! Batches of events.

use serde_json::{Value, json};
use tracemill_model::ingest::RawForm;

use crate::support::{INGESTION, Server, trace};

#[test]
fn ingestion_statuses() {
    let server = Server::start(|config| config.body = 10_000);
    let answer = server.batch(&json!([]));
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (207, r#"{"successes":[],"errors":[]}"#),
        "I-1"
    );
    // One error each, the good event beside them is taken.
    for (number, bad) in [
        ("I-5", trace("a\rb", &json!({"id": "t"}))),
        ("I-6", trace("e", &json!({"id": "t", "name": "n".repeat(1_500)}))),
        ("I-8", trace("e", &json!({"id": "t", "environment": "langfuse-test"}))),
        (
            "I-8",
            trace("e", &json!({"id": "t", "environment": ".invalidcharacter!"})),
        ),
        ("I-8", trace("e", &json!({"id": "t", "environment": "e".repeat(44)}))),
    ] {
        let answer = server.batch(&json!([bad, trace("good", &json!({"id": "t"}))]));
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["successes"][0]["id"]),
            (207, &json!("good")),
            "{number}: {body}"
        );
        assert_eq!(body["errors"][0]["status"], 400, "{number}");
        assert_eq!(body["errors"][0]["message"], "Invalid request data", "{number}");
        if number == "I-5" {
            assert!(body["errors"][0]["error"].as_str().unwrap().contains("carriage return"));
        }
    }
    let before = server.raws().len();
    let all_bad = server.batch(&json!([{"id": 5}]));
    assert_eq!(
        (all_bad.status, &all_bad.json()["errors"][0]["id"]),
        (207, &json!("unknown"))
    );
    assert_eq!(server.raws().len(), before, "nothing accepted is nothing stored");
    for (body, status, part) in [
        ("{}", 400, "Invalid request data"),
        ("", 400, "Invalid request data"),
        ("[]", 400, "Invalid request data"),
        (r#"{"batch":{}}"#, 400, "Invalid request data"),
        ("{", 400, "Invalid JSON"),
    ] {
        let answer = server.post(INGESTION, "application/json", body);
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.body.contains(part), "{body}: {answer:?}");
    }
    assert_eq!(
        server.post(INGESTION, "application/json", b"{\"batch\":\"\xff\"}").body,
        "Invalid JSON"
    );
    assert_eq!(server.post(INGESTION, "text/plain", r#"{"batch":[]}"#).status, 400);
    assert_eq!(
        server
            .post(INGESTION, "application/ld+json; charset=utf-8", r#"{"batch":[]}"#)
            .status,
        207
    );
    let large = server.post(INGESTION, "application/json", vec![b' '; 3_000_000]);
    assert_eq!((large.status, large.body.as_str()), (413, "Body exceeded 10000b limit"));
    let get = server.send("GET", INGESTION, &[], b"");
    assert_eq!(
        (get.status, get.json()),
        (
            405,
            json!({"error": "MethodNotAllowedError", "message": "Method not allowed"})
        )
    );
    assert_eq!(server.send("GET", "/api/public/otel/v1/logs", &[], b"").status, 404);
    assert_eq!(server.budget.used(), 0);
}

#[test]
fn odd_ids_and_payloads_are_stored_as_sent() {
    let server = Server::start(|_| {});
    for sign in "&$@=;/+ ,?{}^%`]\">[~<#|".chars() {
        let id = format!("id{sign}x");
        let answer = server.batch(&json!([trace(&id, &json!({"id": id, "input": ["😀", {"a": 1}]}))]));
        assert_eq!(
            (answer.status, &answer.json()["successes"][0]["id"]),
            (207, &json!(id)),
            "I-4"
        );
        let raw = server.raws().pop().unwrap();
        let stored: Value = serde_json::from_slice(&raw.bytes).unwrap();
        assert_eq!(
            (raw.form, &*raw.project, &stored[0]["body"]["input"][0]),
            (RawForm::Events, "p1", &json!("😀")),
            "I-2"
        );
    }
    let digits = r#"{"batch":[{"id":"d","type":"trace-create","timestamp":"2026-03-11T00:00:00Z","body":{"id":"t","metadata":{"n":1983516295378495150.10}}}]}"#;
    server.post(INGESTION, "application/json", digits);
    let raw = server.raws().pop().unwrap();
    assert!(
        String::from_utf8_lossy(&raw.bytes).contains("1983516295378495150.10"),
        "I-10"
    );
}

#[test]
fn types_and_usage_that_is_no_number_of_units() {
    let server = Server::start(|_| {});
    let (mut events, mut ids) = (Vec::new(), Vec::new());
    for word in [
        "generation",
        "span",
        "agent",
        "tool",
        "chain",
        "retriever",
        "evaluator",
        "embedding",
        "guardrail",
    ] {
        events.push(
            json!({"id": word, "type": format!("{word}-create"), "timestamp": "2026-03-11T00:00:00Z",
            "body": {"id": format!("o-{word}"), "traceId": "t"}}),
        );
        ids.push(json!({"id": word, "status": 201}));
    }
    // The value is dropped where it is decoded, the event is taken.
    events.push(
        json!({"id": "usage", "type": "generation-create", "timestamp": "2026-03-11T00:00:00Z",
        "body": {"id": "g", "traceId": "t", "usageDetails": {"key": 0.1}}}),
    );
    ids.push(json!({"id": "usage", "status": 201}));
    let answer = server.batch(&json!(events));
    assert_eq!((answer.status, &answer.json()["errors"]), (207, &json!([])));
    assert_eq!(answer.json()["successes"], json!(ids), "I-3, I-7");
    let raw = server.raws().pop().unwrap();
    let stored: Value = serde_json::from_slice(&raw.bytes).unwrap();
    assert_eq!(stored, json!(events), "as sent");
    let unknown =
        json!([{"id": "u", "type": "session-create", "timestamp": "2026-03-11T00:00:00Z", "body": {"id": "u"}}]);
    assert_eq!(server.batch(&unknown).json()["errors"][0]["status"], 400);
}

#[test]
fn successes_are_in_processing_order_and_logs_are_among_them() {
    let server = Server::start(|_| {});
    let event = |id: &str, kind: &str, second: u32, body: Value| json!({"id": id, "type": kind, "timestamp": format!("2026-03-11T00:00:0{second}Z"), "body": body});
    // With a log (the reference answers nothing of it) and a trace without an id (the reference loses it: D-9).
    let answer = server.batch(&json!([
        event("update@3", "span-update", 3, json!({"id": "s"})),
        event("log", "sdk-log", 0, json!({"log": {"n": 1}})),
        event("update@1", "span-update", 1, json!({"id": "s"})),
        event("create@1", "span-create", 1, json!({"id": "s"})),
        event("trace@2", "trace-create", 2, json!({"name": "no id"})),
    ]));
    let answered = answer.json();
    let successes = answered["successes"].as_array().unwrap();
    let ids: Vec<&str> = successes.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["create@1", "trace@2", "update@1", "update@3", "log"], "I-16");
    let stored: Value = serde_json::from_slice(&server.raws().pop().unwrap().bytes).unwrap();
    assert_eq!(stored.as_array().unwrap().len(), 4, "all but the log, as sent");
    // Nothing is stored of a batch of logs alone.
    let before = server.raws().len();
    let logs = server.batch(&json!([event("log", "sdk-log", 0, json!({"log": "x"}))]));
    assert_eq!(logs.json()["successes"], json!([{"id": "log", "status": 201}]));
    assert_eq!(server.raws().len(), before);
}
