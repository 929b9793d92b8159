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
        // Vector 14.
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
        (Some("python"), Some("5"))
    );
    let metrics = server.post("/api/public/otel/v1/metrics", "x/y", "anything");
    assert_eq!((metrics.status, metrics.json()), (200, json!({"message": "OK"})));
    assert_eq!(server.budget.used(), 0);
}
