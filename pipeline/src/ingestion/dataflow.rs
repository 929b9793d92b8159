//! The ingestion graph as a timely dataflow.
//!
//! ```text
//! pull ──► fetch ──► decode ──patches──► merge ──► gather ──► insert ──► letters ──► durable
//! (worker 0)           ├──log entries──────────────────────► insert ──────┤
//!                      └──refusals────────────────────────────────────────┘
//! ```
//!
//! *Frontiers.* The frontier after `letters` is durable: what it has passed is in ClickHouse, or is a letter.
//!
//! *Invariants.* Every worker builds this same graph. Entities are exchanged by key, chunks by table.

use std::sync::Arc;

use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Concat;
use timely::worker::Worker;
use tracemill_model::ingest::{LogEntry, Refusal};
use tracemill_operators::Epoch;
use tracemill_operators::bridge::{self, Context, publish_frontier};
use tracemill_operators::decode::flow::{DecodedStreams, decode};
use tracemill_operators::gather::{Chunk, gather};
use tracemill_operators::merge::Keyed;
use tracemill_operators::merge::flow::merge;
use tracemill_sinks::letters::{LettersTask, letters};
use tracemill_sinks::rows::task::insert;
use tracemill_sources::queue::Work;
use tracemill_sources::raw::fetch;
use tracemill_sources::stored::answer;

use super::pull::Puller;
use super::spec::IngestionSpec;
use crate::PipelineError;

/// Builds the dataflow on this worker. `puller` is `Some` on one worker alone.
pub fn build(worker: &mut Worker, spec: &Arc<IngestionSpec>, context: &Context, puller: Option<Puller>) {
    let name = format!("ingestion[{}]", spec.name);
    worker.dataflow_named::<Epoch, _, _>(&name, |scope| wire(scope, spec, context, puller));
}

fn wire(scope: Scope<'_, Epoch>, spec: &Arc<IngestionSpec>, context: &Context, puller: Option<Puller>) {
    let named = |operator: &str| format!("{operator}[{}]", spec.name);
    let pull = puller.map(|puller| move |emitter| puller.run(emitter));
    let work = bridge::source::<Work, PipelineError, _, _>(scope, &named("pull"), context, pull);
    let by_object = Exchange::new(route);
    let objects = bridge::operator(work, by_object, &named("fetch"), context, |commands, replies| {
        fetch(commands, replies, Arc::clone(&spec.fetch))
    });
    let DecodedStreams { patches, log, refused } = decode(objects, &named("decode"), Arc::clone(&spec.decoder));
    let rows = merge(patches, &spec.name, context, spec.merge.clone(), |commands, replies| {
        answer(commands, replies, Arc::clone(&spec.answer))
    });
    let chunks = gather(rows, &named("gather"), spec.chunk_bytes);
    let by_table = Exchange::new(|chunk: &Chunk| chunk.kind as u64);
    let refused_rows = bridge::operator(chunks, by_table, &named("insert"), context, |commands, replies| {
        insert(commands, replies, spec.insert.clone())
    });
    let mut refused = refused.concat(refused_rows);
    if spec.file_log {
        let to_one = Exchange::new(|_: &LogEntry| 0);
        let refused_lines = bridge::operator(log, to_one, &named("insert_log"), context, |commands, replies| {
            insert(commands, replies, spec.insert.clone())
        });
        refused = refused.concat(refused_lines);
    }
    let by_project =
        Exchange::new(|refusal: &Refusal| u64::from(refusal.project.as_bytes().first().copied().unwrap_or(0)));
    let kept = bridge::operator(refused, by_project, &named("letters"), context, |commands, replies| {
        letters(commands, replies, LettersTask::clone(&spec.letters))
    });
    publish_frontier(kept, &named("durable"), spec.durable.clone());
}

/// Spreads jobs over the workers; an entity's jobs go to one, whose objects may be in its cache.
fn route(work: &Work) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    match work {
        Work::Take(job) | Work::GivenUp { job, .. } => job.object.hash(&mut hasher),
        Work::Entity(entity) => {
            let key = tracemill_model::ingest::EntityKey {
                project: entity.project.clone(),
                kind: entity.kind,
                id: entity.id.clone(),
            };
            return Keyed::new(key).route();
        }
        Work::Delete(_) | Work::Row { .. } | Work::Unsupported { .. } | Work::Broken { .. } => {}
    }
    hasher.finish()
}
