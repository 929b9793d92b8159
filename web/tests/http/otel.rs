//! OpenTelemetry.

use serde_json::json;
use tracemill_model::ingest::{Encoding, RawForm};

use crate::support::{OTEL, Server, basic, gzip, otlp_json};

#[test]
fn otel_statuses() {
    let server = Server::start(|config| config.otlp = 100_000);
    let auth = basic("pk-lf-test", "sk-lf-test");
    let send = |content_type: &str, more: &[(&str, &str)], body: &[u8]| {
        let mut headers = vec![("authorization", auth.as_str()), ("content-type", content_type)];
        headers.extend_from_slice(more);
        server.send("POST", OTEL, &headers, body)
    };
    let good = otlp_json();
    let bomb = gzip(&vec![b' '; 50_000_000]);
    let (gz, zs) = (gzip(good.as_bytes()), zstd::encode_all(good.as_bytes(), 3).unwrap());
    let v = "x_langfuse_ingestion_version";
    for (content_type, more, body, status, part) in [
        ("application/json", vec![], good.as_bytes(), 200, "{}"),
        ("application/json", vec![("content-encoding", "gzip")], &gz, 200, "{}"),
        ("application/json", vec![("content-encoding", "zstd")], &zs, 200, "{}"),
        (
            "application/json",
            vec![("content-encoding", "br")],
            &zs,
            400,
            "Unsupported content encoding",
        ),
        (
            "application/json",
            vec![("content-encoding", "gzip")],
            b"no gzip",
            400,
            "Failed to decompress request body",
        ),
        (
            "application/json",
            vec![("content-encoding", "gzip")],
            &bomb,
            413,
            "Body exceeded",
        ),
        ("text/plain", vec![], good.as_bytes(), 400, "Invalid content type"),
        (
            "application/json",
            vec![],
            b"null",
            400,
            "Failed to parse OTel JSON Trace",
        ),
        (
            "application/json",
            vec![],
            b"\xff",
            400,
            "Failed to parse OTel JSON Trace",
        ),
        (
            "application/x-protobuf",
            vec![],
            b"\xff\xff",
            400,
            "Failed to parse OTel Protobuf Trace",
        ),
        ("application/x-protobuf", vec![], b"", 200, ""),
        ("application/json", vec![], b"{\"resourceSpans\":[]}", 200, "{}"),
        ("application/json", vec![(v, "5")], b"{}", 200, "{}"),
        (
            "application/json",
            vec![(v, "5")],
            good.as_bytes(),
            400,
            "Unsupported x-langfuse-ingestion-version: \\\"5\\\"",
        ),
        (
            "application/json",
            vec![(v, "x")],
            good.as_bytes(),
            400,
            "Unsupported x-langfuse-ingestion-version",
        ),
        ("application/json", vec![(v, "4abc")], good.as_bytes(), 200, "{}"),
        ("application/json", vec![(v, "")], good.as_bytes(), 200, "{}"),
        (
            "application/json; charset=utf-8",
            vec![],
            &[b' '; 200_000],
            413,
            "Body exceeded",
        ),
    ] {
        let answer = send(content_type, &more, body);
        assert_eq!(answer.status, status, "{content_type} {more:?}: {answer:?}");
        assert!(answer.body.contains(part), "{more:?}: {answer:?}");
    }
    for empty in ["{}", r#"{"resourceSpans":[]}"#, r#"{"resourceSpans":null}"#] {
        let answer = send("application/json", &[], empty.as_bytes());
        assert_eq!((answer.status, &*answer.body), (200, "{}"), "I-14, O-64: {empty}");
    }
    let raws = server.raws();
    assert_eq!(raws.len(), 5);
    assert_eq!(
        (raws[1].encoding, &raws[1].bytes[..]),
        (Encoding::Gzip, &gz[..]),
        "handed on as sent"
    );
    assert_eq!((raws[2].encoding, raws[2].form), (Encoding::Zstd, RawForm::OtlpJson));
    send(
        "application/json",
        &[("x_langfuse_sdk_name", "python"), ("x_langfuse_sdk_version", "5")],
        good.as_bytes(),
    );
    let sdk = server.raws().pop().unwrap().sdk;
    assert_eq!(
        (sdk.name.as_deref(), sdk.version.as_deref()),
        (Some("python"), Some("5")),
        "I-14"
    );
    let metrics = server.post("/api/public/otel/v1/metrics", "x/y", "anything");
    assert_eq!((metrics.status, metrics.json()), (200, json!({"message": "OK"})));
    assert_eq!(server.budget.used(), 0);
}

/// The reference writes some clients' spans to a table of events as well. Here there is none, and every client's spans are
/// taken alike; only what the headers say of the client is kept.
#[test]
fn no_client_is_preferred() {
    let server = Server::start(|_| {});
    let auth = basic("pk-lf-test", "sk-lf-test");
    let body = otlp_json();
    let (name, version, ingestion) = (
        "x-langfuse-sdk-name",
        "x-langfuse-sdk-version",
        "x-langfuse-ingestion-version",
    );
    for (number, told) in [
        ("I-66, O-67", vec![(name, "python"), (version, "4.0.0")]),
        ("O-67", vec![(name, "python"), (version, "4.2.1")]),
        ("I-66, O-67", vec![(name, "python"), (version, "4.0.0-rc.1")]),
        ("O-67", vec![(name, "python"), (version, "4.1.0-rc.1")]),
        ("I-66, O-67", vec![(name, "python"), (version, "3.9.0")]),
        ("O-67", vec![(name, "python"), (version, "3.9.0-rc.1")]),
        ("I-66, O-67", vec![(name, "javascript"), (version, "5.0.0")]),
        ("O-67", vec![(name, "javascript"), (version, "5.1.3")]),
        ("O-67", vec![(name, "javascript"), (version, "5.0.0-beta.1")]),
        ("I-66, O-67", vec![(name, "javascript"), (version, "4.6.0")]),
        ("O-67", vec![(name, "ruby"), (version, "9.0.0")]),
        ("I-66, O-67", vec![(version, "4.0.0")]),
        ("I-66, O-67", vec![(name, "python")]),
        ("O-67", vec![(name, "python"), (version, "")]),
        ("I-66, O-67", vec![(name, "python"), (version, "not-a-version")]),
        ("I-66, O-68", vec![(ingestion, "4")]),
        ("O-68", vec![(ingestion, "4"), (name, "python"), (version, "3.0.0")]),
        ("I-66, O-68", vec![(ingestion, "3")]),
        ("O-68", vec![(ingestion, "1")]),
        (
            "I-14, O-65",
            vec![
                ("x_langfuse_sdk_name", "python"),
                ("x_langfuse_sdk_version", "4.0.0"),
                ("x_langfuse_ingestion_version", "4"),
            ],
        ),
        ("O-70", vec![]),
    ] {
        let mut headers = vec![("authorization", auth.as_str()), ("content-type", "application/json")];
        headers.extend_from_slice(&told);
        let answer = server.send("POST", OTEL, &headers, body.as_bytes());
        assert_eq!((answer.status, &*answer.body), (200, "{}"), "{number}: {told:?}");
        let raw = server.raws().pop().unwrap();
        assert_eq!(raw.bytes, body.as_bytes(), "{number}: {told:?}");
        let of = |part: &str| {
            let found = told.iter().find(|(name, _)| name.replace('_', "-") == part);
            found.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        let kept = (raw.sdk.name.as_deref(), raw.sdk.version.as_deref());
        assert_eq!(kept, (of(name), of(version)), "{number}: {told:?}");
    }
    // Ids as bytes and times as halves, as the reference stores them.
    let stored = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": {"type": "Buffer", "data": [44, 206, 24, 247, 232, 205, 6, 90, 11, 78, 99, 78, 239, 114, 131, 145]},
        "spanId": {"type": "Buffer", "data": [223, 227, 135, 254, 167, 239, 59, 2]}, "name": "s",
        "startTimeUnixNano": {"low": 466_848_096, "high": 406_528_574, "unsigned": true},
    }]}]}]});
    let answer = server.post(OTEL, "application/json", stored.to_string());
    assert_eq!(answer.status, 200, "O-62");
}
