//! What the handlers cost, without sockets and with an intake that does nothing. Run by hand, in release:
//! `cargo test --release -p tracemill-web --test http measure -- --ignored --nocapture`.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tracemill_operators::{Budget, Clock};
use tracemill_web::{App, Config, Deletion, Intake, IntakeError, Parts, Raw, Readiness};

use crate::support::{INGESTION, OTEL, basic, keys};

struct Nothing;

#[async_trait::async_trait]
impl Intake for Nothing {
    async fn take(&self, _: Raw) -> Result<(), IntakeError> {
        Ok(())
    }

    async fn delete(&self, _: Deletion) -> Result<(), IntakeError> {
        Ok(())
    }

    fn ready(&self) -> Readiness {
        Readiness::Ready
    }
}

/// Nanoseconds that this thread has run on a processor.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let (mut out, mut length) = (vec![number << 3 | 2], content.len());
    while length >= 128 {
        out.push(length as u8 | 128);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

fn protobuf(spans: usize) -> Vec<u8> {
    let text = field(1, "a word and ".repeat(170).as_bytes());
    let attribute = [field(1, b"langfuse.observation.input"), field(2, &text)].concat();
    let span = [
        field(1, &[7; 16]),
        field(2, &[8; 8]),
        field(5, b"span"),
        field(9, &attribute),
    ]
    .concat();
    field(1, &field(2, &field(2, &span).repeat(spans)))
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let config = Config {
        rate: 0,
        ..Config::default()
    };
    let app = App::new(Parts {
        keys: keys(),
        config,
        budget: Budget::new("test", 256 << 20),
        clock: Clock::system(),
        intake: Some(Arc::new(Nothing)),
        reader: None,
        pages: None,
        operations: None,
    });
    let service = TowerToHyperService::new(app.router());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let words = "words \"and\" more\n".repeat(48);
    let events: Vec<_> = (0..10)
        .map(|n| {
            json!({"id": format!("e{n}"), "type": "generation-create", "timestamp": "2026-03-11T00:00:00Z",
            "body": {"id": format!("o{n}"), "traceId": "t", "name": "call", "model": "gpt-4o", "startTime": "2026-03-11T00:00:00Z",
                "input": [{"role": "user", "content": words}], "output": {"role": "assistant", "content": words},
                "usageDetails": {"input": 10, "output": 20}, "metadata": {"a": 1, "b": "c"}}})
        })
        .collect();
    let batch = Bytes::from(json!({ "batch": events }).to_string());
    let spans = Bytes::from(protobuf(10));
    for (path, content_type, body) in [
        (INGESTION, "application/json", &batch),
        (OTEL, "application/x-protobuf", &spans),
    ] {
        let run = |times: u32| {
            runtime.block_on(async {
                for _ in 0..times {
                    let request = Request::post(path)
                        .header("authorization", basic("pk-lf-test", "sk-lf-test"))
                        .header("content-type", content_type)
                        .header("content-length", body.len())
                        .body(Body::from(body.clone()))
                        .unwrap();
                    let response = service.call(request).await.unwrap();
                    assert!(response.status().is_success(), "{response:?}");
                }
            });
        };
        run(2_000);
        let before = cpu();
        run(20_000);
        let each = (cpu() - before) / 20_000;
        let bytes = body.len();
        println!("{path}: {bytes} bytes, {each} ns a request, {} ns an event", each / 10);
    }
}
