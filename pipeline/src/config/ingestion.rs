//! The nodes of an ingestion graph after its queue: the merge, the rows' sink and the letters' sink.

use tracemill_model::ByteSize;

use super::checked::{Batch, LetterSink, Merge, RowSink};
use super::defaults;
use super::queue;
use super::reader::{Bounds, Section, Span};
use super::services::{flag_variable, integer_variable};
use super::sinks::given_prefix;
use super::stores::Stores;

/// Reads a merge. Its link is the graph's to read, and is left empty here.
pub(super) fn merge(section: &Section<'_>) -> Merge {
    let held_for = Bounds {
        range: Span(defaults::MIN_AGE)..=Span(defaults::MAX_HELD_FOR),
        why: "",
    };
    let held_bytes = Bounds {
        range: defaults::MIN_HELD_BYTES..=defaults::MAX_MEMORY,
        why: "",
    };
    Merge {
        input: String::new(),
        held_for: section.duration("held_for", &held_for).unwrap_or(defaults::HELD_FOR),
        held_bytes: section.size("held_bytes", &held_bytes).unwrap_or(defaults::HELD_BYTES),
        history: section.boolean("history").unwrap_or(true),
    }
}

/// Reads a sink of type `clickhouse`. Its links are the graph's to read, and are left empty here.
pub(super) fn rows(section: &Section<'_>, memory: ByteSize) -> RowSink {
    let context = section.context;
    let (least, most) = (
        defaults::MIN_AGE.as_millis() as u64,
        defaults::MAX_AGE.as_millis() as u64,
    );
    let name = "LANGFUSE_INGESTION_CLICKHOUSE_WRITE_INTERVAL_MS";
    let interval = integer_variable(context, name, least, most).map(std::time::Duration::from_millis);
    let default = Batch {
        bytes: defaults::INSERT_BYTES.min(memory),
        age: interval.unwrap_or(defaults::INSERT_AGE),
    };
    let file_log = match section.boolean("file_log") {
        None if !section.has("file_log") => flag_variable(context, "LANGFUSE_ENABLE_BLOB_STORAGE_FILE_LOG"),
        given => given,
    };
    RowSink {
        input: String::new(),
        batch: queue::batch(section, default, memory),
        file_log: file_log.unwrap_or(true),
        rejected: String::new(),
    }
}

/// Reads a sink of type `letters`.
pub(super) fn letters(section: &Section<'_>, stores: &Stores) -> LetterSink {
    LetterSink {
        store: queue::raw_store(section, stores),
        prefix: given_prefix(section).unwrap_or_else(|| defaults::LETTERS_PREFIX.to_owned()),
    }
}
