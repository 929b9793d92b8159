//! What the pure parts of ingestion take, each alone: reading raw objects, folding patches to rows, prices, encoding rows.
//!
//! `ingest_parts [traces]`: 4,000 without an argument, each a trace with five generations; events of 2 KB as creates with
//! updates, and the same as spans. Prints nanoseconds an event, of which an entity of the first has two.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tracemill_benches::Failure;
use tracemill_benches::spread::Spread;
use tracemill_model::ingest::{Access, Encoding, EntityKey, Holds, Job, RawForm, Row, Sdk};
use tracemill_model::{Millis, ProjectId};
use tracemill_operators::decode::events::{self, Limits, Rules};
use tracemill_operators::decode::flow::{Decoder, Fetched, read};
use tracemill_operators::decode::otlp;
use tracemill_operators::merge::{Patch, fold};
use tracemill_operators::price::Prices;
use tracemill_sinks::rows::{Builder, RowTable};
use tracemill_sources::synth::sdk::{Even, Protocol, Requests, Route, Runs, SdkConfig};

const ROUNDS: usize = 5;
/// When everything is received.
const NOW: Millis = Millis(1_772_100_000_000);

fn main() -> Result<(), Failure> {
    let traces = std::env::args().nth(1).map_or(Ok(4_000), |text| text.parse::<u32>())?;
    println!("{:<22} {:<26} {:>24}", "events", "part", "ns/event, min/med/max");
    measure("create+update, 2 KB", Protocol::Rest, traces)?;
    measure("spans, 2 KB", Protocol::Otlp, traces)
}

/// Raw objects as the intake stores them, and how many events they hold.
fn objects(protocol: Protocol, traces: u32) -> Result<(Vec<Fetched>, f64), Failure> {
    let requests = Requests::new(SdkConfig {
        runs: Runs::Even(Even {
            seed: 1,
            projects: vec![ProjectId::new("bench")?],
            from: Millis::parse("2026-02-25")?,
            traces,
            generations: 5,
            event_bytes: 2_000,
            has_updates: protocol == Protocol::Rest,
        }),
        protocol,
        updates: 0.0,
        behind: 8,
    })
    .map_err(|error| error.to_string())?;
    let (mut all, mut count) = (Vec::new(), 0.0);
    for (number, request) in requests.enumerate() {
        count += f64::from(request.events);
        let (form, bytes) = match request.route {
            Route::Otlp => (RawForm::OtlpProtobuf, request.body),
            Route::Rest => {
                let body: BTreeMap<&str, &serde_json::value::RawValue> = serde_json::from_slice(&request.body)?;
                (RawForm::Events, Bytes::from(body["batch"].get().to_owned()))
            }
        };
        let job = Job {
            project: "bench".into(),
            object: format!("{number}.events.json").as_str().into(),
            form,
            encoding: Encoding::Identity,
            bytes: bytes.len() as u64,
            holds: Holds::default(),
            received: NOW,
            sdk: Sdk::default(),
            access: Access::Project,
        };
        all.push(Fetched {
            job: Arc::new(job),
            bytes: Ok(bytes),
        });
    }
    Ok((all, count))
}

fn measure(name: &str, protocol: Protocol, traces: u32) -> Result<(), Failure> {
    let (objects, events) = objects(protocol, traces)?;
    let decoder: Decoder = Arc::new(|job, bytes| match job.form {
        RawForm::Events => {
            events::object(bytes, job.access, Rules::Public, &Limits::default()).map_err(|e| e.to_string())
        }
        form => otlp::object(bytes, form, job.received, &job.sdk).map_err(|e| e.to_string()),
    });
    let prices = Prices::builtin();
    let mut parts: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let mut of = |part: usize, began: Instant| parts[part].push(began.elapsed().as_nanos() as f64 / events);
        let began = Instant::now();
        for object in &objects {
            let bytes = object.bytes.as_ref().map_err(Clone::clone)?;
            black_box(decoder(&object.job, bytes)?);
        }
        of(0, began);
        let mut entities: BTreeMap<EntityKey, Vec<Arc<Patch>>> = BTreeMap::new();
        let began = Instant::now();
        let decoded: Vec<_> = objects.iter().map(|object| read(object, &decoder)).collect();
        of(1, began);
        for keyd in decoded.into_iter().flat_map(|read| read.patches) {
            entities.entry(keyd.key.key.clone()).or_default().push(keyd.patch);
        }
        let began = Instant::now();
        let mut rows: Vec<Row> = entities
            .iter()
            .filter_map(|(key, patches)| {
                let patches: Vec<&Patch> = patches.iter().map(|patch| &**patch).collect();
                fold(key, None, &patches, NOW)
            })
            .collect();
        of(2, began);
        let began = Instant::now();
        for row in &mut rows {
            if let Row::Observation(row) = row {
                prices.price("bench", row);
            }
        }
        of(3, began);
        let mut builders = [RowTable::Observations, RowTable::Traces].map(Builder::new);
        let began = Instant::now();
        for row in &rows {
            let place = match row {
                Row::Observation(_) => 0,
                _ => 1,
            };
            builders[place].push(row).map_err(|refused| format!("{refused:?}"))?;
        }
        black_box(builders.each_mut().map(Builder::take));
        of(4, began);
    }
    for (part, times) in ["decode", "decode, key and file log", "fold", "price", "encode"]
        .iter()
        .zip(parts)
    {
        if let Some(Spread { min, median, max }) = Spread::of(times) {
            println!(
                "{name:<22} {part:<26} {:>24}",
                format!("{min:.0} / {median:.0} / {max:.0}")
            );
        }
    }
    Ok(())
}
