//! Keys, and what they may write.

use serde_json::json;

use crate::support::{INGESTION, OTEL, Server, basic, trace};

#[test]
fn keys_and_their_scopes() {
    let server = Server::start(|_| {});
    let host = "Confirm that you've configured the correct host.";
    let no_header = server.send("POST", INGESTION, &[], b"{}");
    assert_eq!(
        (no_header.status, no_header.json()["message"].as_str().unwrap()),
        (401, "No authorization header")
    );
    let good = basic("pk-lf-test", "sk-lf-test");
    let slow = basic("pk-slow", "sk-slow");
    for (header, otel, status, text) in [
        ("Digest x", false, 401, "Invalid authorization header".to_owned()),
        ("Basic !!!", false, 401, format!("Invalid authorization header. {host}")),
        (
            &basic("pk-lf-test", "wrong"),
            false,
            401,
            format!("Invalid credentials. {host}"),
        ),
        (
            &basic("pk-other", "sk-lf-test"),
            false,
            401,
            format!("Invalid credentials. {host}"),
        ),
        (
            &basic("pk-slow", "wrong"),
            false,
            401,
            format!("Invalid credentials. {host}"),
        ),
        (
            &basic("pk-slow", "wrong"),
            false,
            401,
            format!("Invalid credentials. {host}"),
        ),
        ("Bearer pk-other", false, 401, format!("Invalid public key. {host}")),
        (
            "Bearer pk-lf-test",
            true,
            401,
            "Access denied - need to use basic auth with secret key".to_owned(),
        ),
        (&slow, false, 207, String::new()),
        (&slow, false, 207, String::new()),
        (&good, false, 207, String::new()),
        (&good, true, 200, String::new()),
    ] {
        let (path, body) = if otel {
            (OTEL, "{}")
        } else {
            (INGESTION, r#"{"batch":[]}"#)
        };
        let headers = [("authorization", header), ("content-type", "application/json")];
        let answer = server.send("POST", path, &headers, body.as_bytes());
        assert_eq!(answer.status, status, "{header}: {answer:?}");
        if status == 401 {
            let expected = if otel {
                json!({"message": text})
            } else {
                json!({"error": "UnauthorizedError", "message": text})
            };
            assert_eq!(answer.json(), expected, "{header}");
        }
    }
    let score = json!({"id": "s", "type": "score-create", "timestamp": "2026-03-11T00:00:00Z",
        "body": {"name": "n", "value": 1, "traceId": "t"}});
    let body = json!({"batch": [trace("t", &json!({"id": "t"})), score, {"id": 1}]}).to_string();
    let headers = [
        ("authorization", "Bearer pk-lf-test"),
        ("content-type", "application/json"),
    ];
    let answer = server.send("POST", INGESTION, &headers, body.as_bytes()).json();
    assert_eq!(answer["successes"], json!([{"id": "s", "status": 201}]));
    assert_eq!(
        (&answer["errors"][0]["status"], &answer["errors"][1]["status"]),
        (&json!(400), &json!(401))
    );
    assert_eq!(answer["errors"][1]["error"], "Access Scope Denied");
}

/// The reference asks a database for keys, and answers 500 where it cannot. Here the keys are configured: what may be
/// missing is the time to compare a slow hash.
#[test]
fn a_key_that_cannot_be_checked_in_time_is_503() {
    let server = Server::start(|config| config.bcrypt_wait = std::time::Duration::ZERO);
    let slow = basic("pk-slower", "sk-slower");
    let headers = [("authorization", slow.as_str()), ("content-type", "application/json")];
    let answer = server.send("POST", INGESTION, &headers, br#"{"batch":[]}"#);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "I-13");
}
