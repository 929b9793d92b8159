//! Scores, the older routes of single events, and deletions.

use serde_json::{Value, json};
use tracemill_model::ingest::EntityKind;

use crate::support::{Server, basic};

#[test]
fn scores_singles_and_deletions() {
    let server = Server::start(|_| {});
    let path = "/api/public/scores";
    let one = server.post(
        path,
        "application/json",
        r#"{"id":"s1","traceId":"t","name":"n","value":1}"#,
    );
    assert_eq!((one.status, one.json()), (200, json!({"id": "s1"})));
    let bad = server.post(path, "application/json", r#"{"traceId":"t"}"#);
    assert_eq!((bad.status, bad.json()["message"].is_string()), (400, true));
    let many = server.post(path, "application/json", r#"[{"traceId":"t","name":"n","value":1}]"#);
    assert_eq!((many.status, many.json()), (202, json!({"message": "Accepted"})));
    let mixed = server.post(
        path,
        "application/json",
        r#"[{"traceId":"t","name":"n","value":1},{"name":1}]"#,
    );
    assert_eq!(
        (mixed.status, &mixed.json()["accepted"], &mixed.json()["rejected"]),
        (207, &json!(1), &json!(1))
    );
    let auth = basic("pk-lf-test", "sk-lf-test");
    let headers = [("authorization", auth.as_str()), ("content-type", "application/json")];
    for (method, path, body, id) in [
        ("POST", "traces", json!({"id": "t1"}), "t1"),
        ("POST", "spans", json!({"id": "s1"}), "s1"),
        ("PATCH", "spans", json!({"spanId": "s1"}), "s1"),
        ("POST", "generations", json!({"id": "g1"}), "g1"),
        ("PATCH", "generations", json!({"generationId": "g1"}), "g1"),
        ("POST", "events", json!({"id": "e1"}), "e1"),
    ] {
        let answer = server.send(
            method,
            &format!("/api/public/{path}"),
            &headers,
            body.to_string().as_bytes(),
        );
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"id": id})),
            "{method} {path}"
        );
        let raw: Value = serde_json::from_slice(&server.raws().pop().unwrap().bytes).unwrap();
        // The entity of a body without an id is the envelope's.
        let entity = raw[0]["body"].get("id").unwrap_or(&raw[0]["id"]);
        assert_eq!(entity, id, "{method} {path}");
    }
    let stored = server.raws().len();
    for (path, named) in [("spans", "spanId"), ("generations", "generationId")] {
        let answer = server.send("PATCH", &format!("/api/public/{path}"), &headers, br#"{"name":"n"}"#);
        assert_eq!(answer.status, 400, "an update of nothing that there is");
        assert!(answer.json().to_string().contains(named), "{}", answer.json());
    }
    assert_eq!(server.raws().len(), stored, "nothing of it is stored");
    let trace = server.send("DELETE", "/api/public/traces/a%2Fb%20c", &headers, b"");
    assert_eq!(
        (trace.status, trace.json()),
        (200, json!({"message": "Trace deleted successfully"}))
    );
    let traces = server.send(
        "DELETE",
        "/api/public/traces",
        &headers,
        br#"{"traceIds":["x","y","x"]}"#,
    );
    assert_eq!(traces.status, 200);
    assert_eq!(
        server
            .send("DELETE", "/api/public/traces", &headers, br#"{"traceIds":[]}"#)
            .status,
        400
    );
    assert_eq!(server.send("DELETE", "/api/public/scores/s", &headers, b"").status, 202);
    let bearer = [("authorization", "Bearer pk-lf-test")];
    assert_eq!(server.send("DELETE", "/api/public/scores/s", &bearer, b"").status, 401);
    let deletions = server.memory.deletions.lock().unwrap();
    let ids: Vec<Vec<&str>> = deletions
        .iter()
        .map(|d| d.ids.iter().map(|id| &**id).collect())
        .collect();
    assert_eq!(ids, [vec!["a/b c"], vec!["x", "y"], vec!["s"]]);
    assert_eq!(deletions[2].kind, EntityKind::Score);
}
