//! The `queue` source: where jobs wait, which of Redis's queues are worked on, and how jobs are taken and tried.

use std::time::Duration;

use tracemill_model::ByteSize;
use tracemill_sources::queue::bullmq::lanes;

use super::checked::{Backend, Batch, BullMq, Queue};
use super::defaults;
use super::fault::{Context, listed, nearest};
use super::reader::{Bounds, Section, Span};
use super::redis;
use super::services::{flag_variable, integer_variable};
use super::sinks::{self, given_prefix, prefix_fault};
use super::stores::Stores;

/// The queue of ours where the file names no queues.
pub(super) const OWN: &str = "tracemill-ingestion";
/// What every queue of ours begins with.
const OWN_BEGIN: &str = "tracemill-";

/// The fork's queues that are worked on, with the variable that turns each off.
const QUEUES: [(&str, &str); 7] = [
    ("ingestion-queue", "QUEUE_CONSUMER_INGESTION_QUEUE_IS_ENABLED"),
    (
        "secondary-ingestion-queue",
        "QUEUE_CONSUMER_INGESTION_SECONDARY_QUEUE_IS_ENABLED",
    ),
    ("otel-ingestion-queue", "QUEUE_CONSUMER_OTEL_INGESTION_QUEUE_IS_ENABLED"),
    ("trace-delete", "QUEUE_CONSUMER_TRACE_DELETE_QUEUE_IS_ENABLED"),
    ("score-delete", "QUEUE_CONSUMER_SCORE_DELETE_QUEUE_IS_ENABLED"),
    ("project-delete", "QUEUE_CONSUMER_PROJECT_DELETE_QUEUE_IS_ENABLED"),
    (
        "clickhouse-writer-dlq-queue",
        "QUEUE_CONSUMER_CLICKHOUSE_WRITER_DLQ_QUEUE_IS_ENABLED",
    ),
];

/// The queues that the fork shards, with the variable that says how often.
const SHARDED: [(&str, &str); 2] = [
    ("ingestion-queue", "LANGFUSE_INGESTION_QUEUE_SHARD_COUNT"),
    ("otel-ingestion-queue", "LANGFUSE_OTEL_INGESTION_QUEUE_SHARD_COUNT"),
];

const EVENT_PREFIX: &str = "LANGFUSE_S3_EVENT_UPLOAD_PREFIX";
const EVENT_BUCKET: &str = "LANGFUSE_S3_EVENT_UPLOAD_BUCKET";

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Local,
    BullMq,
}

/// Reads a source of that type.
pub(super) fn read(section: &Section<'_>, stores: &Stores, memory: ByteSize) -> Queue {
    let number = |key, range, default| section.integer(key, &Bounds { range, why: "" }).unwrap_or(default);
    let time = |key, from: Duration, to: Duration, default| {
        let range = Span(from)..=Span(to);
        section.duration(key, &Bounds { range, why: "" }).unwrap_or(default)
    };
    let default = Batch {
        bytes: defaults::EPOCH_BYTES,
        age: defaults::EPOCH_AGE,
    };
    let in_flight = Bounds {
        range: 1..=defaults::MAX_EPOCHS,
        why: "",
    };
    Queue {
        backend: backend(section),
        store: raw_store(section, stores),
        prefix: given_prefix(section).unwrap_or_else(|| default_prefix(section)),
        batch: batch(section, default, memory),
        in_flight: section.integer("in_flight", &in_flight).unwrap_or(defaults::EPOCHS),
        attempts: number("attempts", 1..=defaults::MAX_ATTEMPTS, defaults::ATTEMPTS),
        backoff: time("backoff", defaults::MIN_AGE, defaults::MAX_BACKOFF, defaults::BACKOFF),
        lock: time("lock", defaults::MIN_LOCK, defaults::MAX_LOCK, defaults::LOCK),
        stalls: number("stalls", 0..=defaults::MAX_STALLS, defaults::STALLS),
    }
}

fn backend(section: &Section<'_>) -> Backend {
    let kinds = [("local", Kind::Local), ("bullmq", Kind::BullMq)];
    match section.choice("backend", &kinds) {
        Some(Kind::BullMq) => {
            section.refuse(
                "dir",
                "is for the local queue alone",
                "remove it, or write backend = \"local\"",
            );
            Backend::BullMq(bullmq(section))
        }
        chosen => {
            // Of a queue of an unknown kind no key can be called wrong.
            let is_known = chosen.is_some() || !section.has("backend");
            for key in ["url", "cluster", "queues", "shards", "lanes"] {
                if is_known {
                    let remedy = "remove it, or write backend = \"bullmq\"";
                    section.refuse(key, "is for a queue on Redis alone", remedy);
                } else {
                    section.pass_over(key);
                }
            }
            let dir = section.name("dir");
            Backend::Local {
                dir: dir.map_or_else(|| defaults::QUEUE_DIR.into(), |dir| dir.value.into()),
            }
        }
    }
}

fn bullmq(section: &Section<'_>) -> BullMq {
    let redis::Servers { urls, address, cluster } = redis::servers(section);
    let names = names(section);
    let own = names.iter().find(|name| name.starts_with(OWN_BEGIN)).cloned();
    let bounds = Bounds {
        range: 1..=defaults::MAX_LANES,
        why: "",
    };
    let lanes = section.integer("lanes", &bounds).unwrap_or(defaults::LANES);
    BullMq {
        urls,
        address,
        cluster,
        queues: with_shards(section, &with_lanes(&names, own.as_ref(), lanes)),
        own,
        lanes,
    }
}

/// The names of the file, else ours and those of the fork that are not turned off.
fn names(section: &Section<'_>) -> Vec<String> {
    const EXAMPLE: &str = "queues = [\"tracemill-ingestion\", \"ingestion-queue\", \"otel-ingestion-queue\"]";
    let Some(texts) = section.list("queues", EXAMPLE) else {
        let is_on = |variable| flag_variable(section.context, variable).unwrap_or(true);
        let fork = QUEUES.iter().filter(|(_, variable)| is_on(variable));
        return [OWN]
            .into_iter()
            .chain(fork.map(|(name, _)| *name))
            .map(str::to_owned)
            .collect();
    };
    if section.is_empty_list("queues") {
        let message = format!("queues in {} is an empty list", section.path);
        section.report(
            section.at_of("queues"),
            "queues",
            None,
            message,
            format!("write {EXAMPLE}"),
        );
    }
    let mut names: Vec<String> = Vec::new();
    for text in texts {
        let (message, remedy) = match fault_of(&text.value) {
            Some(remedy) => (
                format!("{:?} in {} is no queue", text.raw, section.key("queues")),
                remedy,
            ),
            None if names.contains(&text.value) => (
                format!("the queue {:?} is twice in {}", text.raw, section.key("queues")),
                "remove one of the two".to_owned(),
            ),
            None => {
                names.push(text.value);
                continue;
            }
        };
        section.report(text.at, "queues", Some(&text.raw), message, remedy);
    }
    names
}

/// What to write instead of a name that no queue has: ours are named freely, the fork's are known.
fn fault_of(name: &str) -> Option<String> {
    if let Some(own) = name.strip_prefix(OWN_BEGIN) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_fine = !own.is_empty() && own.chars().all(is_name);
        return (!is_fine).then(|| "names have letters, digits, \"-\", \"_\" and \".\"".to_owned());
    }
    let is_shard = |base: &str| {
        let shard = name.strip_prefix(base).and_then(|rest| rest.strip_prefix('-'));
        shard.is_some_and(|shard| shard.parse::<usize>().is_ok_and(|shard| shard < defaults::MAX_SHARDS))
    };
    let is_known = QUEUES.iter().any(|(base, _)| *base == name) || SHARDED.iter().any(|(base, _)| is_shard(base));
    let known: Vec<&str> = [OWN].into_iter().chain(QUEUES.map(|(name, _)| name)).collect();
    (!is_known).then(|| nearest(name, &known))
}

/// The queue of ours that jobs are added to is followed by its other lanes.
fn with_lanes(names: &[String], own: Option<&String>, count: usize) -> Vec<String> {
    let all = |name: &String| match own {
        Some(own) if own == name => lanes(own, count),
        _ => vec![name.clone()],
    };
    names.iter().flat_map(all).collect()
}

/// Every sharded queue is followed by its shards.
fn with_shards(section: &Section<'_>, names: &[String]) -> Vec<String> {
    let bounds = Bounds {
        range: 1..=defaults::MAX_SHARDS,
        why: "",
    };
    let given = section.integer("shards", &bounds);
    let count = |name: &str| {
        let (_, variable) = SHARDED.iter().find(|(base, _)| *base == name)?;
        if section.has("shards") {
            return given;
        }
        let count = integer_variable(section.context, variable, 1, defaults::MAX_SHARDS as u64);
        count.and_then(|count| usize::try_from(count).ok())
    };
    let mut queues: Vec<String> = Vec::new();
    for name in names {
        let shards = (1..count(name).unwrap_or(1)).map(|shard| format!("{name}-{shard}"));
        for queue in [name.clone()].into_iter().chain(shards) {
            if !queues.contains(&queue) {
                queues.push(queue);
            }
        }
    }
    queues
}

/// `batch = { bytes, age }`: no more than the budget, which it could never get otherwise.
pub(super) fn batch(section: &Section<'_>, default: Batch, memory: ByteSize) -> Batch {
    let Some(section) = section.section("batch", "batch = { bytes = \"16 MiB\", age = \"1 s\" }") else {
        return default;
    };
    let bytes = Bounds {
        range: defaults::MIN_BATCH..=memory.min(defaults::MAX_BATCH),
        why: " (no more than the memory budget)",
    };
    let age = Bounds {
        range: Span(defaults::MIN_AGE)..=Span(defaults::MAX_AGE),
        why: "",
    };
    let batch = Batch {
        bytes: section.size("bytes", &bytes).unwrap_or(default.bytes),
        age: section.duration("age", &age).unwrap_or(default.age),
    };
    section.finish();
    batch
}

/// The store that the file names, else the one that is called `raw`.
pub(super) fn raw_store(section: &Section<'_>, stores: &Stores) -> String {
    let raw = defaults::RAW_STORE;
    if section.has("store") || stores.contains_key(raw) {
        section.pass_over("store");
        let named = section.has("store").then(|| sinks::store(section, stores));
        return named.flatten().unwrap_or_else(|| raw.to_owned());
    }
    let names: Vec<&str> = stores.keys().map(String::as_str).collect();
    let add = format!("add [store.{raw}] with a url, or set {EVENT_BUCKET}");
    let remedy = match names.as_slice() {
        [] => add,
        _ => format!("{add}; or write store = NAME with one of {}", listed(&names)),
    };
    section.missing("store", remedy);
    raw.to_owned()
}

/// The fork's prefix, which is empty by default where the fork's variables name the bucket.
fn default_prefix(section: &Section<'_>) -> String {
    let context: &Context<'_> = section.context;
    match context.variable(EVENT_PREFIX) {
        Some(prefix) => {
            if let Some(fault) = prefix_fault(&prefix) {
                let message = format!("{EVENT_PREFIX} {fault}");
                context.report_variable(EVENT_PREFIX, &message, "write folders with slashes between: events/");
            }
            prefix
        }
        None if context.variable(EVENT_BUCKET).is_some() => String::new(),
        None => defaults::RAW_PREFIX.to_owned(),
    }
}
