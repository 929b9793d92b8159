//! What an insert costs. Run by hand: `cargo nextest run --release -p tracemill-sinks speed --run-ignored all --no-capture`.

use std::time::Instant;

use tracemill_model::ingest::{ObservationRow, Row, Text};
use tracemill_sinks::rows::{Builder, RowTable};
use tracemill_warehouse::{Compression, Service, ServiceConfig, ServiceKind};

use crate::support::{Engine, observation, sql, writer};

const ROWS: usize = 10_000;
const ROUNDS: usize = 10;

/// An observation of about 2 KB: words, so that it compresses as texts do.
fn row(round: usize, n: usize) -> Row {
    let words = |seed: usize, bytes: usize| -> Option<Text> {
        const WORDS: [&str; 16] = [
            "trace",
            "the",
            "model",
            "answered",
            "a",
            "question",
            "of",
            "{\"role\":\"user\"}",
            "with",
            "tokens",
            "and",
            "tools",
            "42",
            "then",
            "stopped",
            "again",
        ];
        let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut text = String::with_capacity(bytes + 20);
        while text.len() < bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(WORDS[(state >> 60) as usize]);
            text.push(' ');
        }
        Some(text.into())
    };
    let seed = round * ROWS + n;
    let row = observation(
        "p",
        &format!("trace-{:032x}", seed / 5),
        &format!(
            "{:032x}",
            (seed as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        ),
    );
    Row::Observation(Box::new(ObservationRow {
        name: "chat completion".into(),
        input: words(seed, 1000),
        output: words(seed + 7, 500),
        metadata: vec![("customer".into(), "acme".into()), ("attempt".into(), "1".into())],
        provided_model_name: Some("gpt-4o".into()),
        model_parameters: Some("{\"temperature\":0.7}".into()),
        usage_details: vec![("input".into(), 250), ("output".into(), 120), ("total".into(), 370)],
        provided_usage_details: vec![("input".into(), 250), ("output".into(), 120), ("total".into(), 370)],
        ..row
    }))
}

#[tokio::test]
#[ignore = "a measurement"]
async fn insert_speed() {
    let engine = Engine::start().await;
    for (name, compression) in [("plain", Compression::None), ("lz4", Compression::Lz4)] {
        let config = ServiceConfig {
            compression,
            ..engine.embedded.admin_config()
        };
        let service = Service::new(ServiceKind::ReadWrite, &config).expect("a service");
        let writer = writer(&service);
        let mut builder = Builder::new(RowTable::Observations);
        let (mut encode, mut insert, mut bytes) = (0.0, 0.0, 0);
        let before = cpu(engine.embedded.pid());
        let own = cpu(std::process::id());
        let mut made = 0.0;
        for round in 0..ROUNDS {
            let rows: Vec<Row> = (0..ROWS).map(|n| row(round, n)).collect();
            let began = cpu(std::process::id());
            let at = Instant::now();
            for row in &rows {
                builder.push(row).expect("fits");
            }
            let batch = builder.take();
            encode += at.elapsed().as_secs_f64();
            bytes += batch.bytes();
            let at = Instant::now();
            let written = writer.write(&batch).await;
            insert += at.elapsed().as_secs_f64();
            assert_eq!(written.rows, ROWS);
            made += cpu(std::process::id()) - began;
        }
        let all = (ROWS * ROUNDS) as f64;
        println!(
            "{name}: {} B a row, encode {:.2} us a row, {:.0} rows/s, server CPU {:.2} us a row, ours {:.2} us a row (with the rows' making {:.2})",
            bytes / (ROWS * ROUNDS),
            encode / all * 1e6,
            all / insert,
            (cpu(engine.embedded.pid()) - before) / all * 1e6,
            made / all * 1e6,
            (cpu(std::process::id()) - own) / all * 1e6,
        );
        service
            .execute(&sql("TRUNCATE TABLE observations"))
            .await
            .expect("emptied");
    }
}

/// What the same rows cost the server in other formats, bytes already made.
#[tokio::test]
#[ignore = "a measurement"]
async fn formats() {
    let engine = Engine::start().await;
    let service = &engine.service;
    let rows: Vec<Row> = (0..ROWS).map(|n| row(0, n)).collect();
    writer(service).write(&crate::support::batch(&rows)).await;
    engine
        .run("CREATE TABLE kept ENGINE = Memory AS SELECT * FROM observations")
        .await;
    let columns = RowTable::Observations.columns();
    for format in ["RowBinary", "Native", "ArrowStream", "JSONEachRow", "RowBinary"] {
        let select = sql(&format!("SELECT {} FROM kept", columns.join(", ")));
        let mut stream = service.stream(&select, format).expect("a stream");
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await.expect("bytes") {
            bytes.extend_from_slice(&chunk);
        }
        let bytes = bytes::Bytes::from(bytes);
        engine.run("TRUNCATE TABLE observations").await;
        let (began, at) = (cpu(engine.embedded.pid()), Instant::now());
        for _ in 0..ROUNDS {
            let comment = tracemill_warehouse::Comment::new("test");
            let insert = service.insert("observations", columns, format, &comment, None);
            let mut insert = insert.setting("async_insert", 0);
            insert.send(bytes.clone()).await.expect("sent");
            insert.end().await.expect("taken");
        }
        let all = (ROWS * ROUNDS) as f64;
        println!(
            "{format}: {} B a row, {:.0} rows/s, server CPU {:.2} us a row",
            bytes.len() / ROWS,
            all / at.elapsed().as_secs_f64(),
            (cpu(engine.embedded.pid()) - began) / all * 1e6,
        );
    }
}

/// CPU seconds of a process so far.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks: f64 = [11, 12]
        .iter()
        .map(|&at| fields[at].parse::<f64>().expect("ticks"))
        .sum();
    ticks / 100.0
}
