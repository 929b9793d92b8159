//! Rows as RowBinary, straight into one buffer.
//!
//! Times are `Int64` milliseconds, which no setting of a server reads as anything else. Low cardinality is plain text in this
//! format. A row that its table cannot hold is refused and leaves nothing in the buffer.

use bytes::BytesMut;
use rust_decimal::Decimal;
use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, EntityKind, ObservationRow, ScoreRow, Text, TraceRow};
use uuid::Uuid;

use super::binary::{byte, decimal, long, nullable, nullable_text, text, varint};

/// The columns of `traces`, in the order in which they are written.
pub const TRACES: &[&str] = &[
    "id",
    "timestamp",
    "name",
    "user_id",
    "metadata",
    "release",
    "version",
    "project_id",
    "environment",
    "public",
    "bookmarked",
    "tags",
    "input",
    "output",
    "session_id",
    "created_at",
    "updated_at",
    "event_ts",
    "is_deleted",
];

/// The columns of `observations`.
pub const OBSERVATIONS: &[&str] = &[
    "id",
    "trace_id",
    "project_id",
    "environment",
    "type",
    "parent_observation_id",
    "start_time",
    "end_time",
    "name",
    "metadata",
    "level",
    "status_message",
    "version",
    "input",
    "output",
    "provided_model_name",
    "internal_model_id",
    "model_parameters",
    "provided_usage_details",
    "usage_details",
    "provided_cost_details",
    "cost_details",
    "total_cost",
    "completion_start_time",
    "prompt_id",
    "prompt_name",
    "prompt_version",
    "created_at",
    "updated_at",
    "event_ts",
    "is_deleted",
    "usage_pricing_tier_id",
    "usage_pricing_tier_name",
    "tool_definitions",
    "tool_calls",
    "tool_call_names",
];

/// The columns of `scores`.
pub const SCORES: &[&str] = &[
    "id",
    "timestamp",
    "project_id",
    "environment",
    "trace_id",
    "session_id",
    "dataset_run_id",
    "observation_id",
    "name",
    "value",
    "source",
    "comment",
    "metadata",
    "author_user_id",
    "config_id",
    "data_type",
    "string_value",
    "queue_id",
    "created_at",
    "updated_at",
    "event_ts",
    "is_deleted",
    "execution_trace_id",
    "long_string_value",
];

/// The columns of `blob_storage_file_log`.
pub const FILE_LOG: &[&str] = &[
    "id",
    "project_id",
    "entity_type",
    "entity_id",
    "event_id",
    "bucket_name",
    "bucket_path",
    "created_at",
    "updated_at",
    "event_ts",
    "is_deleted",
];

/// One line of `blob_storage_file_log`: that a raw object holds events of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLog {
    /// The entity.
    pub key: EntityKey,
    /// The raw object's name: one line for each entity and name.
    pub event_id: Text,
    /// The bucket of the raw store.
    pub bucket: Text,
    /// The raw object's key.
    pub path: Text,
    /// When it was received.
    pub at: Millis,
}

/// Why a row cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An amount that `Decimal(18, 12)` cannot hold.
    #[error("{column} holds {value}, and its column holds amounts below 1000000")]
    Amount {
        /// The column.
        column: &'static str,
        /// The amount.
        value: Decimal,
    },
    /// The row is of another kind than the batch.
    #[error("a row of {found} in a batch of {table}")]
    Kind {
        /// The batch's table.
        table: &'static str,
        /// The row's kind.
        found: EntityKind,
    },
}

fn pairs(out: &mut BytesMut, pairs: &[(Text, Text)]) {
    varint(out, pairs.len());
    for (name, value) in pairs {
        text(out, name);
        text(out, value);
    }
}

fn usage(out: &mut BytesMut, pairs: &[(Text, u64)]) {
    varint(out, pairs.len());
    for (name, value) in pairs {
        text(out, name);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn amount(column: &'static str, value: Decimal) -> Result<i64, Refused> {
    decimal(value).ok_or(Refused::Amount { column, value })
}

fn cost(out: &mut BytesMut, column: &'static str, pairs: &[(Text, Decimal)]) -> Result<(), Refused> {
    varint(out, pairs.len());
    for (name, value) in pairs {
        text(out, name);
        long(out, amount(column, *value)?);
    }
    Ok(())
}

fn texts(out: &mut BytesMut, list: &[Text]) {
    varint(out, list.len());
    for item in list {
        text(out, item);
    }
}

fn time(out: &mut BytesMut, at: Millis) {
    long(out, at.0);
}

/// Appends a row of `traces`.
pub(super) fn trace(out: &mut BytesMut, row: &TraceRow) {
    text(out, &row.id);
    time(out, row.timestamp);
    text(out, &row.name);
    nullable_text(out, row.user_id.as_deref());
    pairs(out, &row.metadata);
    nullable_text(out, row.release.as_deref());
    nullable_text(out, row.version.as_deref());
    text(out, &row.project_id);
    text(out, &row.environment);
    byte(out, u8::from(row.public));
    byte(out, u8::from(row.bookmarked));
    texts(out, &row.tags);
    nullable_text(out, row.input.as_deref());
    nullable_text(out, row.output.as_deref());
    nullable_text(out, row.session_id.as_deref());
    time(out, row.created_at);
    time(out, row.updated_at);
    time(out, row.event_ts);
    byte(out, u8::from(row.is_deleted));
}

/// Appends a row of `observations`; on error what it appended is to be cut off.
pub(super) fn observation(out: &mut BytesMut, row: &ObservationRow) -> Result<(), Refused> {
    text(out, &row.id);
    text(out, &row.trace_id);
    text(out, &row.project_id);
    text(out, &row.environment);
    text(out, row.ty.upper());
    nullable_text(out, row.parent_observation_id.as_deref());
    time(out, row.start_time);
    nullable(out, row.end_time, time);
    text(out, &row.name);
    pairs(out, &row.metadata);
    text(out, row.level.name());
    nullable_text(out, row.status_message.as_deref());
    nullable_text(out, row.version.as_deref());
    nullable_text(out, row.input.as_deref());
    nullable_text(out, row.output.as_deref());
    nullable_text(out, row.provided_model_name.as_deref());
    nullable_text(out, row.internal_model_id.as_deref());
    nullable_text(out, row.model_parameters.as_deref());
    usage(out, &row.provided_usage_details);
    usage(out, &row.usage_details);
    cost(out, "provided_cost_details", &row.provided_cost_details)?;
    cost(out, "cost_details", &row.cost_details)?;
    let total = row.total_cost.map(|total| amount("total_cost", total)).transpose()?;
    nullable(out, total, long);
    nullable(out, row.completion_start_time, time);
    nullable_text(out, row.prompt_id.as_deref());
    nullable_text(out, row.prompt_name.as_deref());
    nullable(out, row.prompt_version, |out, version| {
        out.extend_from_slice(&version.to_le_bytes());
    });
    time(out, row.created_at);
    time(out, row.updated_at);
    time(out, row.event_ts);
    byte(out, u8::from(row.is_deleted));
    nullable_text(out, row.usage_pricing_tier_id.as_deref());
    nullable_text(out, row.usage_pricing_tier_name.as_deref());
    pairs(out, &row.tool_definitions);
    texts(out, &row.tool_calls);
    texts(out, &row.tool_call_names);
    Ok(())
}

/// Appends a row of `scores`.
pub(super) fn score(out: &mut BytesMut, row: &ScoreRow) {
    text(out, &row.id);
    time(out, row.timestamp);
    text(out, &row.project_id);
    text(out, &row.environment);
    nullable_text(out, row.trace_id.as_deref());
    nullable_text(out, row.session_id.as_deref());
    nullable_text(out, row.dataset_run_id.as_deref());
    nullable_text(out, row.observation_id.as_deref());
    text(out, &row.name);
    out.extend_from_slice(&row.value.to_le_bytes());
    text(out, &row.source);
    nullable_text(out, row.comment.as_deref());
    pairs(out, &row.metadata);
    nullable_text(out, row.author_user_id.as_deref());
    nullable_text(out, row.config_id.as_deref());
    text(out, &row.data_type);
    nullable_text(out, row.string_value.as_deref());
    nullable_text(out, row.queue_id.as_deref());
    time(out, row.created_at);
    time(out, row.updated_at);
    time(out, row.event_ts);
    byte(out, u8::from(row.is_deleted));
    nullable_text(out, row.execution_trace_id.as_deref());
    text(out, &row.long_string_value);
}

/// Appends a line of `blob_storage_file_log`. Its id is derived from what it says, so that a repeated line is the same line.
pub(super) fn file_log(out: &mut BytesMut, line: &FileLog) {
    let digest = twox_hash::XxHash3_128::oneshot(line.event_id.as_bytes())
        ^ twox_hash::XxHash3_128::oneshot(line.key.id.as_bytes()).rotate_left(1)
        ^ twox_hash::XxHash3_128::oneshot(line.key.project.as_bytes()).rotate_left(2)
        ^ line.key.kind as u128;
    let id = Uuid::from_u128(digest);
    let mut buffer = Uuid::encode_buffer();
    text(out, id.hyphenated().encode_lower(&mut buffer));
    text(out, &line.key.project);
    text(out, line.key.kind.name());
    text(out, &line.key.id);
    text(out, &line.event_id);
    text(out, &line.bucket);
    text(out, &line.path);
    time(out, line.at);
    time(out, line.at);
    time(out, line.at);
    byte(out, 0);
}

#[cfg(test)]
mod tests {
    use tracemill_model::Table;
    use tracemill_model::table::{BLOB_STORAGE_FILE_LOG, Column};

    use super::*;

    #[test]
    fn every_column_is_written() {
        let names = |columns: &'static [Column]| columns.iter().map(|column| column.name).collect::<Vec<_>>();
        assert_eq!(names(Table::Traces.columns()), TRACES);
        assert_eq!(names(Table::Observations.columns()), OBSERVATIONS);
        assert_eq!(names(Table::Scores.columns()), SCORES);
        assert_eq!(names(BLOB_STORAGE_FILE_LOG), FILE_LOG);
    }
}
