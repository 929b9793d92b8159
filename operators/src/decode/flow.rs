//! The decoder as a dataflow operator.
//!
//! ```text
//!                       ┌──► patches, to their entities
//!   raw objects ──► decode ──► log entries: which object says something of which entity
//!                       └──► refusals: what could not be read
//! ```
//!
//! *Frontiers.* A plain operator: everything leaves at the epoch of its object, in the same activation.
//!
//! *On error.* What cannot be read becomes a refusal of its own, down to a single event; an object that cannot be read at
//! all is one refusal.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use tracemill_model::ingest::{EntityKey, Job, LogEntry, Origin, Refusal, Text};

use super::Decoded;
use crate::Epoch;
use crate::merge::{Keyd, Keyed, Patch};

/// A raw object with what its job says of it.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it is and how to read it.
    pub job: Arc<Job>,
    /// Its bytes; an error where there is no such object any more.
    pub bytes: Result<Bytes, String>,
}

/// Reads one object.
pub type Decoder = Arc<dyn Fn(&Job, &[u8]) -> Result<Decoded, String> + Send + Sync>;

/// What comes of raw objects.
#[expect(missing_debug_implementations, reason = "streams have none")]
pub struct DecodedStreams<'scope> {
    /// Patches with their entities.
    pub patches: Stream<'scope, Epoch, Vec<Keyd>>,
    /// One for each entity of an object.
    pub log: Stream<'scope, Epoch, Vec<LogEntry>>,
    /// What could not be read.
    pub refused: Stream<'scope, Epoch, Vec<Refusal>>,
}

/// Builds the operator.
pub fn decode<'scope>(
    objects: Stream<'scope, Epoch, Vec<Fetched>>,
    name: &str,
    decoder: Decoder,
) -> DecodedStreams<'scope> {
    let mut builder = OperatorBuilder::new(name.to_owned(), objects.scope());
    let mut input = builder.new_input(objects, Pipeline);
    let (patches, patch_stream) = builder.new_output::<Vec<Keyd>>();
    let (log, log_stream) = builder.new_output::<Vec<LogEntry>>();
    let (refused, refused_stream) = builder.new_output::<Vec<Refusal>>();
    let mut patches: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<Keyd>>> = OutputBuilder::from(patches);
    let mut log: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<LogEntry>>> = OutputBuilder::from(log);
    let mut refused: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<Refusal>>> = OutputBuilder::from(refused);
    builder.build(move |_capabilities| {
        move |_frontiers| {
            let mut patches = patches.activate();
            let mut log = log.activate();
            let mut refused = refused.activate();
            input.for_each(|capability, objects| {
                for object in objects.drain(..) {
                    let read = read(&object, &decoder);
                    patches.session(&capability).give_iterator(read.patches.into_iter());
                    log.session(&capability).give_iterator(read.log.into_iter());
                    refused.session(&capability).give_iterator(read.refused.into_iter());
                }
            });
        }
    });
    DecodedStreams {
        patches: patch_stream,
        log: log_stream,
        refused: refused_stream,
    }
}

/// What one object says.
#[derive(Debug, Default)]
pub struct Read {
    /// Its patches.
    pub patches: Vec<Keyd>,
    /// Its entities, each once.
    pub log: Vec<LogEntry>,
    /// What in it cannot be read.
    pub refused: Vec<Refusal>,
}

/// Reads one object into patches.
#[must_use]
pub fn read(object: &Fetched, decoder: &Decoder) -> Read {
    let job = &object.job;
    let refusal = |index: Option<u32>, id: Text, reason: String| Refusal {
        project: job.project.clone(),
        object: job.object.clone(),
        received: job.received,
        index,
        entity: None,
        id,
        reason,
    };
    let decoded = object.bytes.clone().and_then(|bytes| decoder(job, &bytes));
    let Decoded { events, rejected } = match decoded {
        Ok(decoded) => decoded,
        Err(reason) => {
            let refused = vec![refusal(None, Text::default(), reason)];
            return Read {
                refused,
                ..Read::default()
            };
        }
    };
    let refused = rejected
        .into_iter()
        .map(|rejected| refusal(Some(rejected.index), rejected.id, rejected.reason))
        .collect();
    let mut seen: HashSet<EntityKey> = HashSet::with_capacity(events.len());
    let mut log = Vec::new();
    let mut patches = Vec::with_capacity(events.len());
    for (index, event) in (0..).zip(events) {
        let key = event.key(&job.project);
        if seen.insert(key.clone()) {
            log.push(LogEntry {
                key: key.clone(),
                object: job.object.clone(),
                received: job.received,
            });
        }
        let origin = Origin {
            received: job.received,
            object: job.object.clone(),
            index,
        };
        patches.push(Keyd {
            key: Keyed::new(key),
            patch: Arc::new(Patch { event, origin }),
        });
    }
    Read { patches, log, refused }
}
