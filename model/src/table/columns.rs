//! The columns, one line each.

/// One column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type as `system.columns` prints it.
    pub ty: &'static str,
    /// The default expression, empty for none.
    pub default: &'static str,
    /// The codec, empty for the server's own.
    pub codec: &'static str,
}

const fn column(name: &'static str, ty: &'static str) -> Column {
    Column {
        name,
        ty,
        default: "",
        codec: "",
    }
}

const fn defaulted(name: &'static str, ty: &'static str, default: &'static str) -> Column {
    Column {
        name,
        ty,
        default,
        codec: "",
    }
}

const fn coded(name: &'static str, ty: &'static str, codec: &'static str) -> Column {
    Column {
        name,
        ty,
        default: "",
        codec,
    }
}

pub(super) const TRACES: &[Column] = &[
    column("id", "String"),
    column("timestamp", "DateTime64(3)"),
    defaulted("name", "String", "''"),
    column("user_id", "Nullable(String)"),
    column("metadata", "Map(LowCardinality(String), String)"),
    column("release", "Nullable(String)"),
    column("version", "Nullable(String)"),
    column("project_id", "String"),
    defaulted("environment", "LowCardinality(String)", "'default'"),
    column("public", "Bool"),
    column("bookmarked", "Bool"),
    column("tags", "Array(String)"),
    coded("input", "Nullable(String)", "ZSTD(3)"),
    coded("output", "Nullable(String)", "ZSTD(3)"),
    column("session_id", "Nullable(String)"),
    defaulted("created_at", "DateTime64(3)", "now()"),
    defaulted("updated_at", "DateTime64(3)", "now()"),
    column("event_ts", "DateTime64(3)"),
    column("is_deleted", "UInt8"),
];

pub(super) const OBSERVATIONS: &[Column] = &[
    column("id", "String"),
    column("trace_id", "String"),
    column("project_id", "String"),
    defaulted("environment", "LowCardinality(String)", "'default'"),
    column("type", "LowCardinality(String)"),
    column("parent_observation_id", "Nullable(String)"),
    column("start_time", "DateTime64(3)"),
    column("end_time", "Nullable(DateTime64(3))"),
    defaulted("name", "String", "''"),
    column("metadata", "Map(LowCardinality(String), String)"),
    column("level", "LowCardinality(String)"),
    column("status_message", "Nullable(String)"),
    column("version", "Nullable(String)"),
    coded("input", "Nullable(String)", "ZSTD(3)"),
    coded("output", "Nullable(String)", "ZSTD(3)"),
    column("provided_model_name", "Nullable(String)"),
    column("internal_model_id", "Nullable(String)"),
    column("model_parameters", "Nullable(String)"),
    column("provided_usage_details", "Map(LowCardinality(String), UInt64)"),
    column("usage_details", "Map(LowCardinality(String), UInt64)"),
    column("provided_cost_details", "Map(LowCardinality(String), Decimal(18, 12))"),
    column("cost_details", "Map(LowCardinality(String), Decimal(18, 12))"),
    column("total_cost", "Nullable(Decimal(18, 12))"),
    column("completion_start_time", "Nullable(DateTime64(3))"),
    column("prompt_id", "Nullable(String)"),
    column("prompt_name", "Nullable(String)"),
    column("prompt_version", "Nullable(UInt16)"),
    defaulted("created_at", "DateTime64(3)", "now()"),
    defaulted("updated_at", "DateTime64(3)", "now()"),
    column("event_ts", "DateTime64(3)"),
    column("is_deleted", "UInt8"),
    column("usage_pricing_tier_id", "Nullable(String)"),
    column("usage_pricing_tier_name", "Nullable(String)"),
    defaulted("tool_definitions", "Map(String, String)", "map()"),
    defaulted("tool_calls", "Array(String)", "[]"),
    defaulted("tool_call_names", "Array(String)", "[]"),
];

pub(super) const SCORES: &[Column] = &[
    column("id", "String"),
    column("timestamp", "DateTime64(3)"),
    column("project_id", "String"),
    defaulted("environment", "LowCardinality(String)", "'default'"),
    column("trace_id", "Nullable(String)"),
    column("session_id", "Nullable(String)"),
    column("dataset_run_id", "Nullable(String)"),
    column("observation_id", "Nullable(String)"),
    column("name", "String"),
    column("value", "Float64"),
    column("source", "String"),
    coded("comment", "Nullable(String)", "ZSTD(1)"),
    column("metadata", "Map(LowCardinality(String), String)"),
    column("author_user_id", "Nullable(String)"),
    column("config_id", "Nullable(String)"),
    column("data_type", "String"),
    column("string_value", "Nullable(String)"),
    column("queue_id", "Nullable(String)"),
    defaulted("created_at", "DateTime64(3)", "now()"),
    defaulted("updated_at", "DateTime64(3)", "now()"),
    column("event_ts", "DateTime64(3)"),
    column("is_deleted", "UInt8"),
    column("execution_trace_id", "Nullable(String)"),
    coded("long_string_value", "String", "ZSTD(3)"),
];

/// The columns of `blob_storage_file_log`, which no export reads.
pub const BLOB_STORAGE_FILE_LOG: &[Column] = &[
    column("id", "String"),
    column("project_id", "String"),
    column("entity_type", "String"),
    column("entity_id", "String"),
    column("event_id", "String"),
    column("bucket_name", "String"),
    column("bucket_path", "String"),
    defaulted("created_at", "DateTime64(3)", "now()"),
    defaulted("updated_at", "DateTime64(3)", "now()"),
    column("event_ts", "DateTime64(3)"),
    column("is_deleted", "UInt8"),
];

pub(super) const TRACES_EXPORT: &[&str] = &[
    "id",
    "timestamp",
    "name",
    "environment",
    "project_id",
    "metadata",
    "user_id",
    "session_id",
    "release",
    "version",
    "public",
    "bookmarked",
    "tags",
    "input",
    "output",
];

pub(super) const OBSERVATIONS_EXPORT: &[&str] = &[
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
    "model_parameters",
    "usage_details",
    "cost_details",
    "completion_start_time",
    "prompt_name",
    "prompt_version",
];

pub(super) const SCORES_EXPORT: &[&str] = &[
    "id",
    "timestamp",
    "project_id",
    "environment",
    "trace_id",
    "observation_id",
    "name",
    "value",
    "source",
    "comment",
    "data_type",
    "string_value",
];
