//! From a checked configuration to a graph that can be started.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracemill_model::ingest::{EntityKey, Row};
use tracemill_operators::bridge::Frontier;
use tracemill_operators::decode::events;
use tracemill_operators::merge::flow::{Fold, MergeConfig};
use tracemill_operators::merge::hold::{Held, HoldConfig};
use tracemill_operators::merge::{Patch, Tombstones, fold};
use tracemill_operators::price::{PriceFault, Prices};
use tracemill_operators::{Budget, Clock, Weights};
use tracemill_sinks::letters::{Letters, LettersTask};
use tracemill_sinks::rows::task::InsertConfig;
use tracemill_sinks::rows::{Patience, Writer};
use tracemill_sinks::store::Store;
use tracemill_sources::queue::bullmq::{BullConfig, BullProducer, BullQueue, ProducerConfig};
use tracemill_sources::queue::local::{LocalConfig, LocalQueue};
use tracemill_sources::queue::retry::{Backoff, Policy};
use tracemill_sources::queue::{JobHandle, Producer, Queue};
use tracemill_sources::raw::FetchConfig;
use tracemill_sources::stored::{AnswerConfig, AnswerFigures};
use tracemill_warehouse::Service;

use super::decoder::decoder;
use super::pull::{Batching, PullFigures, Puller};
use super::raw::Raw;
use super::spec::IngestionSpec;
use crate::PipelineError;
use crate::assemble::store_config;
use crate::config;
use crate::config::{Backend, BullMq, Checked, IngestionRoute};

/// Bytes of rows that travel to the insert together.
const CHUNK_BYTES: u64 = 4 << 20;

/// How many jobs an epoch may have.
const EPOCH_JOBS: usize = 4096;

/// Raw objects of an entity that are read again at most, to find its order of events.
const HISTORY: usize = 200;

/// The largest raw object after decompression, where no intake says so.
const LARGEST: usize = 256 << 20;

/// A graph that is ready to start, and what others need of it.
#[derive(Debug)]
pub struct Assembled {
    /// The graph.
    pub spec: Arc<IngestionSpec>,
    /// Its source.
    pub puller: Puller,
    /// Where jobs come from.
    pub queue: Arc<dyn Queue>,
    /// Where jobs go.
    pub producer: Arc<dyn Producer>,
    /// The raw store.
    pub store: Store,
    /// Becomes true when no more jobs are to be pulled.
    pub draining: watch::Sender<bool>,
    /// Deletions that wait for their turn.
    pub deletions: mpsc::UnboundedReceiver<(JobHandle, tracemill_sources::queue::Deletion)>,
    /// What was deleted.
    pub tombstones: Tombstones,
    /// What was pulled.
    pub pulled: Arc<PullFigures>,
    /// What is held.
    pub held: Arc<Held>,
    /// What was looked up.
    pub asked: Arc<AnswerFigures>,
    /// Writes rows.
    pub writer: Arc<Writer>,
    /// How many times its age a batch waits; 1 unless somebody governs.
    pub stretch: watch::Sender<u32>,
    /// The age of a batch.
    pub age: std::time::Duration,
}

/// Opens the stores and the queue of the graph, and builds what it needs. Call it on a tokio runtime.
///
/// # Errors
/// A store, the queue or the price file cannot be opened.
pub fn assemble(
    checked: &Checked,
    name: &str,
    route: &IngestionRoute<'_>,
    service: &Service,
    memory: &Budget,
    clock: &Clock,
) -> Result<Assembled, PipelineError> {
    let (queue, producer) = queues(route.queue, &checked.weights, clock)?;
    assemble_with(checked, name, route, service, memory, clock, queue, producer)
}

/// The same with a queue of the caller's.
///
/// # Errors
/// As [`assemble`].
#[expect(clippy::too_many_arguments, reason = "the parts of a graph")]
pub fn assemble_with(
    checked: &Checked,
    name: &str,
    route: &IngestionRoute<'_>,
    service: &Service,
    memory: &Budget,
    clock: &Clock,
    queue: Arc<dyn Queue>,
    producer: Arc<dyn Producer>,
) -> Result<Assembled, PipelineError> {
    let store = open(checked, &route.queue.store)?;
    let letters = letters(checked, route)?;
    let raw = Arc::new(Raw { store: store.clone() });
    let tombstones = Tombstones::default();
    let (held, asked, pulled) = (
        Arc::new(Held::default()),
        Arc::new(AnswerFigures::default()),
        Arc::new(PullFigures::default()),
    );
    let durable = watch::Sender::new(Frontier::start());
    let (draining, drain) = watch::channel(false);
    let (pressed, pressure) = watch::channel(false);
    let (stretch, stretched) = watch::channel(1);
    let (deletions, deleted) = mpsc::unbounded_channel();
    let decoder = decoder(limits(checked), largest(checked));
    let writer = Arc::new(Writer::new(service.clone(), clock.clone(), Patience::jittered()));
    let workers = checked.limits.workers.max(1) as u64;
    let spec = IngestionSpec {
        name: name.to_owned(),
        fetch: Arc::new(FetchConfig {
            store: raw.clone(),
            prefix: route.queue.prefix.as_str().into(),
            at_once: 32,
        }),
        decoder: Arc::clone(&decoder),
        merge: MergeConfig {
            hold: HoldConfig {
                asks_all: false,
                for_ms: i64::try_from(route.merge.held_for.as_millis()).unwrap_or(i64::MAX),
                bytes: route.merge.held_bytes.0 / workers,
                durable: durable.subscribe(),
                clock: clock.clone(),
                gauge: Arc::clone(&held),
            },
            fold: priced_fold(prices(&checked.prices)?, clock.clone()),
            tombstones: tombstones.clone(),
            clock: clock.clone(),
        },
        answer: Arc::new(AnswerConfig {
            service: service.clone(),
            store: raw,
            prefix: route.queue.prefix.as_str().into(),
            decoder,
            tombstones: tombstones.clone(),
            history: if route.merge.history { HISTORY } else { 0 },
            at_once: 2,
            figures: Arc::clone(&asked),
        }),
        chunk_bytes: CHUNK_BYTES,
        insert: InsertConfig {
            writer: Arc::clone(&writer),
            bytes: usize::try_from(route.rows.batch.bytes.0).unwrap_or(usize::MAX),
            age: route.rows.batch.age,
            bucket: bucket(&store).into(),
            pressed: pressure,
            stretch: stretched.clone(),
        },
        file_log: route.rows.file_log,
        letters: LettersTask {
            letters,
            clock: clock.clone(),
            written: Arc::default(),
        },
        durable,
    };
    let puller = Puller {
        queue: Arc::clone(&queue),
        batching: Batching {
            bytes: route.queue.batch.bytes.0,
            jobs: EPOCH_JOBS,
            age: route.queue.batch.age,
            in_flight: route.queue.in_flight,
        },
        memory: memory.clone(),
        durable: spec.durable.subscribe(),
        draining: drain,
        deletions,
        held: Arc::clone(&held),
        pressed,
        stretch: stretched,
        figures: Arc::clone(&pulled),
    };
    Ok(Assembled {
        spec: Arc::new(spec),
        puller,
        queue,
        producer,
        store,
        draining,
        deletions: deleted,
        tombstones,
        pulled,
        held,
        asked,
        writer,
        stretch,
        age: route.rows.batch.age,
    })
}

/// The letters of a graph.
///
/// # Errors
/// Their store cannot be opened.
pub(crate) fn letters(checked: &Checked, route: &IngestionRoute<'_>) -> Result<Letters, PipelineError> {
    let store = open(checked, &route.letters.store)?;
    Ok(Letters::new(store, folder_of(&route.letters.prefix)))
}

/// The store of that name.
pub(crate) fn open(checked: &Checked, name: &str) -> Result<Store, PipelineError> {
    let store = checked.stores.get(name).ok_or_else(|| PipelineError::Usage {
        reason: format!("there is no store {name}"),
    })?;
    Ok(Store::open(&store_config(store))?)
}

/// Letters lie in a folder `letters` of their own; a prefix that names it already is not doubled.
fn folder_of(prefix: &str) -> String {
    prefix.strip_suffix("letters/").unwrap_or(prefix).to_owned()
}

/// The name of the bucket, for the log: the reference deletes raw objects by it.
fn bucket(store: &Store) -> String {
    let name = store.name();
    let below = name.split_once("://").map_or(name, |(_, rest)| rest);
    below
        .split('/')
        .find(|part| !part.is_empty())
        .unwrap_or(below)
        .to_owned()
}

/// What events may be, by the intake's limits.
#[must_use]
pub fn limits(checked: &Checked) -> events::Limits {
    let default = events::Limits::default();
    match &checked.intake {
        Some(intake) => events::Limits {
            events: intake.events,
            depth: intake.nesting,
            ..default
        },
        None => default,
    }
}

fn largest(checked: &Checked) -> usize {
    let bytes = checked.intake.as_ref().map(|intake| intake.decompressed.0);
    bytes.map_or(LARGEST, |bytes| usize::try_from(bytes).unwrap_or(LARGEST))
}

/// The prices that the configuration asks for.
///
/// # Errors
/// The price file cannot be read, or is wrong: every fault with its line.
pub(crate) fn prices(config: &config::Prices) -> Result<Prices, PipelineError> {
    let none = || Prices::parse("").map_err(|faults| price_faults("no prices", &faults));
    let builtin = if config.builtin { Prices::builtin() } else { none()? };
    let Some(file) = &config.file else {
        return Ok(builtin);
    };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| PipelineError::Io {
        what: format!("cannot read the price file {name}"),
        reason: error.to_string(),
    })?;
    let extended = match file.extension() {
        Some(extension) if extension == "json" => builtin.extended_json(&text),
        _ => builtin.extended(&text),
    };
    extended.map_err(|faults| price_faults(&name, &faults))
}

/// All faults at once, as those of the graph file are written.
fn price_faults(file: &str, faults: &[PriceFault]) -> PipelineError {
    let line = |fault: &PriceFault| match fault.line {
        Some(line) => format!("{file}:{line}: {}", fault.message),
        None => format!("{file}: {}", fault.message),
    };
    PipelineError::Config {
        rendered: faults.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}

/// Folds, then prices what may have a price.
fn priced_fold(prices: Prices, clock: Clock) -> Fold {
    Arc::new(move |key: &EntityKey, stored: Option<&Row>, patches: &[&Patch]| {
        let mut row = fold(key, stored, patches, clock.now())?;
        if let Row::Observation(observation) = &mut row {
            prices.price(&key.project, observation);
        }
        Some(row)
    })
}

type Queues = (Arc<dyn Queue>, Arc<dyn Producer>);

fn queues(config: &config::Queue, weights: &Weights, clock: &Clock) -> Result<Queues, PipelineError> {
    let policy = Policy {
        attempts: config.attempts,
        backoff: Backoff::Exponential {
            delay: config.backoff,
            jitter: 0.0,
        },
        longest: std::time::Duration::from_secs(300).max(config.backoff),
    };
    match &config.backend {
        Backend::Local { dir } => {
            std::fs::create_dir_all(dir).map_err(|error| PipelineError::Io {
                what: format!("cannot make {}", dir.display()),
                reason: error.to_string(),
            })?;
            let local = LocalConfig {
                policy,
                weights: weights.clone(),
                ..LocalConfig::new(dir.join("jobs.redb"))
            };
            let queue = Arc::new(LocalQueue::open(&local, clock.clone())?);
            Ok((queue.clone(), queue))
        }
        Backend::BullMq(bull) => {
            let (queue, producer) = bull_queues(bull, config, weights, policy);
            let queue = Arc::new(BullQueue::open(queue, clock.clone())?);
            let producer = Arc::new(BullProducer::new(&producer, clock.clone())?);
            Ok((queue, producer))
        }
    }
}

fn bull_queues(
    bull: &BullMq,
    config: &config::Queue,
    weights: &Weights,
    policy: Policy,
) -> (BullConfig, ProducerConfig) {
    let url = bull
        .urls
        .first()
        .cloned()
        .unwrap_or_else(|| tracemill_model::Secret::new(String::new()));
    let prefix = bull.prefix();
    let queues = bull.queues.iter().map(|name| name.as_str().into()).collect();
    let consumer = BullConfig {
        prefix: prefix.clone(),
        lock: config.lock,
        max_stalled: config.stalls,
        weights: weights.clone(),
        ..BullConfig::new(url.clone(), queues)
    };
    let default = ProducerConfig::new(url);
    let producer = ProducerConfig {
        prefix,
        queue: bull.own.clone().unwrap_or_else(|| default.queue.clone()),
        lanes: bull.lanes,
        policy,
        ..default
    };
    (consumer, producer)
}
