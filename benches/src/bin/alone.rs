//! The read and the encoder by themselves, on the rows that the exporter reads: their own limits.
//!
//! `alone URL PROJECT FROM TO`: times in milliseconds. Sends the exporter's two queries for the window and throws the
//! answers away; then sends the second again and encodes its batches as Parquet, of which the encoder's time alone counts.
//! Prints JSON.

use std::hint::black_box;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use tracemill_benches::Failure;
use tracemill_model::{ExportKey, IdRange, Leaf, Millis, ProjectId, Table, Window};
use tracemill_operators::dedup::key_columns_for;
use tracemill_sinks::encode::schema::{conform, target_schema};
use tracemill_sinks::encode::{EncodeOptions, Encoder, Format};
use tracemill_sources::windows::statements;
use tracemill_warehouse::{ByteStream, Service, ServiceConfig, ServiceKind, Statement};

/// As the exporter asks for Arrow of the pinned server.
const SETTINGS: [(&str, &str); 9] = [
    ("max_threads", "1"),
    ("preferred_max_column_in_block_size_bytes", "800000"),
    ("use_query_condition_cache", "0"),
    ("output_format_arrow_use_native_writer", "1"),
    ("output_format_arrow_parallel_encoding", "0"),
    ("output_format_arrow_string_as_string", "0"),
    ("output_format_arrow_low_cardinality_as_dictionary", "0"),
    ("output_format_arrow_compression_method", "none"),
    ("output_format_arrow_fixed_string_as_fixed_byte_array", "1"),
];

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, project, from, to] = args.as_slice() else {
        return Err("usage: alone URL PROJECT FROM TO".into());
    };
    let window = Window::new(Millis(from.parse()?), Millis(to.parse()?)).ok_or("no window")?;
    let key = ExportKey {
        project: ProjectId::new(project.as_str())?,
        table: Table::Observations,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(run(url, &key, window))
}

async fn run(url: &str, key: &ExportKey, window: Window) -> Result<(), Failure> {
    let config = ServiceConfig {
        url: url.to_owned(),
        ..ServiceConfig::default()
    };
    let service = Service::new(ServiceKind::Export, &config)?;
    let columns: Vec<String> = key.table.export_columns().iter().map(|&name| name.to_owned()).collect();
    let rows = || tuned(statements::rows(key, &Leaf::root(window), &columns));
    let keys = tuned(statements::keys(key, window, &IdRange::default()));
    let (keys_s, keys_bytes) = drain(service.stream(&keys, "ArrowStream")?).await?;
    let (rows_s, rows_bytes) = drain(service.stream(&rows(), "ArrowStream")?).await?;
    let skip = key_columns_for(key.table);
    let (encode, file_bytes) = encode(service.stream(&rows(), "ArrowStream")?, skip).await?;
    let told = serde_json::json!({
        "keys_s": keys_s, "keys_bytes": keys_bytes, "rows_s": rows_s, "rows_bytes": rows_bytes,
        "encode_s": encode.as_secs_f64(), "file_bytes": file_bytes,
    });
    println!("{told}");
    Ok(())
}

fn tuned(statement: Statement) -> Statement {
    SETTINGS
        .iter()
        .fold(statement, |statement, (name, value)| statement.setting(name, value))
}

/// Reads an answer to its end: seconds and bytes.
async fn drain(mut stream: ByteStream) -> Result<(f64, u64), Failure> {
    let (began, mut bytes) = (Instant::now(), 0);
    while let Some(chunk) = stream.next().await? {
        bytes += black_box(&chunk).len() as u64;
    }
    Ok((began.elapsed().as_secs_f64(), bytes))
}

/// Encodes an answer; the time in the encoder, and the size of the file.
async fn encode(mut stream: ByteStream, skip: usize) -> Result<(Duration, u64), Failure> {
    let (mut decoder, mut encoder, mut taken) = (StreamDecoder::new(), None, Duration::ZERO);
    while let Some(chunk) = stream.next().await? {
        let mut buffer = Buffer::from(chunk);
        while !buffer.is_empty() {
            let Some(batch) = decoder.decode(&mut buffer)? else {
                continue;
            };
            taken += encode_batch(&mut encoder, &batch, skip)?;
        }
    }
    let encoder = encoder.ok_or("there are no rows")?;
    let began = Instant::now();
    let finished = encoder.finish()?;
    Ok((taken + began.elapsed(), finished.bytes))
}

fn encode_batch(encoder: &mut Option<Encoder>, batch: &RecordBatch, skip: usize) -> Result<Duration, Failure> {
    let columns: Vec<usize> = (skip..batch.num_columns()).collect();
    let batch = batch.project(&columns)?;
    let target = std::sync::Arc::new(target_schema(batch.schema_ref())?);
    let began = Instant::now();
    let conformed = conform(batch, &target)?;
    if encoder.is_none() {
        *encoder = Some(Encoder::new(&target, &EncodeOptions::new(Format::Parquet))?);
    }
    if let Some(encoder) = encoder {
        encoder.write(&conformed.batch)?;
        black_box(encoder.take_output());
    }
    Ok(began.elapsed())
}
