//! The columns that conditions may be about: their names in the public API, and where they are in our tables.

use crate::query::metrics::{
    INPUT_COST, INPUT_TOKENS, IS_ROOT, OUTPUT_COST, OUTPUT_SPEED, OUTPUT_TOKENS, TOTAL_TOKENS,
};

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name, and others that it has.
    pub(crate) names: &'static [&'static str],
    pub(crate) kind: Kind,
    pub(crate) of: Of,
}

/// What is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Time,
    Flag,
    Array,
    Map,
    /// Categories of scores.
    Categories,
    /// The truth of scores.
    Truth,
}

/// Where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    /// In the table that is asked.
    Own(&'static str),
    /// In the trace.
    Trace(&'static str),
    /// In the observation that was scored: an aggregate over [`OBSERVED`].
    Observation(&'static str),
    /// What a trace's observations come to: an aggregate over [`SUMMED`].
    Sums(&'static str),
    /// What a trace's scores of a name come to: an aggregate over [`SCORED`].
    Scores(&'static str),
}

const fn own(names: &'static [&'static str], kind: Kind, sql: &'static str) -> Column {
    Column {
        names,
        kind,
        of: Of::Own(sql),
    }
}

const fn column(names: &'static [&'static str], kind: Kind, of: Of) -> Column {
    Column { names, kind, of }
}

/// Of an observation that was scored: `r.3` and on.
pub(crate) const OBSERVED: &[&str] = &["name", "provided_model_name", "prompt_name", "prompt_version"];

/// Of a trace's observations: `r.3` and on.
pub(crate) const SUMMED: &[&str] = &[
    "start_time",
    "end_time",
    "level",
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOTAL_TOKENS,
    INPUT_COST,
    OUTPUT_COST,
    "total_cost",
];

/// Of a trace's scores: `r.3` and on.
pub(crate) const SCORED: &[&str] = &["name", "data_type", "value", "ifNull(string_value, '')"];

/// Of traces.
pub(crate) const TRACES: &[Column] = &[
    own(&["id"], Kind::Text, "id"),
    own(&["name"], Kind::Text, "name"),
    own(&["timestamp", "fromTimestamp", "toTimestamp"], Kind::Time, "timestamp"),
    own(&["userId"], Kind::Text, "user_id"),
    own(&["sessionId"], Kind::Text, "session_id"),
    own(&["environment"], Kind::Text, "environment"),
    own(&["version"], Kind::Text, "version"),
    own(&["release"], Kind::Text, "release"),
    own(&["tags"], Kind::Array, "tags"),
    own(&["bookmarked"], Kind::Flag, "bookmarked"),
    own(&["public"], Kind::Flag, "public"),
    own(&["metadata"], Kind::Map, "metadata"),
    column(
        &["latency"],
        Kind::Number,
        Of::Sums("dateDiff('millisecond', min(r.3), max(ifNull(r.4, r.3))) / 1000"),
    ),
    column(&["inputTokens"], Kind::Number, Of::Sums("sum(r.6)")),
    column(&["outputTokens"], Kind::Number, Of::Sums("sum(r.7)")),
    column(&["totalTokens", "tokens"], Kind::Number, Of::Sums("sum(r.8)")),
    column(&["inputCost"], Kind::Number, Of::Sums("toFloat64(sum(r.9))")),
    column(&["outputCost"], Kind::Number, Of::Sums("toFloat64(sum(r.10))")),
    column(
        &["totalCost"],
        Kind::Number,
        Of::Sums("toFloat64(sum(ifNull(r.11, 0)))"),
    ),
    column(
        &["level"],
        Kind::Text,
        Of::Sums(
            "multiIf(countIf(r.5 = 'ERROR') > 0, 'ERROR', countIf(r.5 = 'WARNING') > 0, 'WARNING', \
             countIf(r.5 = 'DEFAULT') > 0, 'DEFAULT', 'DEBUG')",
        ),
    ),
    column(&["errorCount"], Kind::Number, Of::Sums("countIf(r.5 = 'ERROR')")),
    column(&["warningCount"], Kind::Number, Of::Sums("countIf(r.5 = 'WARNING')")),
    column(&["defaultCount"], Kind::Number, Of::Sums("countIf(r.5 = 'DEFAULT')")),
    column(&["debugCount"], Kind::Number, Of::Sums("countIf(r.5 = 'DEBUG')")),
    column(
        &["scores_avg", "scores"],
        Kind::Number,
        Of::Scores("avgIf(r.5, r.4 IN ('NUMERIC', 'BOOLEAN'))"),
    ),
    column(
        &["score_categories"],
        Kind::Categories,
        Of::Scores("groupUniqArrayIf(r.6, r.4 = 'CATEGORICAL')"),
    ),
    column(
        &["score_booleans"],
        Kind::Truth,
        Of::Scores("if(countIf(r.4 = 'BOOLEAN') = 0, NULL, maxIf(r.5, r.4 = 'BOOLEAN') != 0)"),
    ),
];

/// Of observations.
pub(crate) const OBSERVATIONS: &[Column] = &[
    own(&["id"], Kind::Text, "id"),
    own(&["type"], Kind::Text, "type"),
    own(&["name"], Kind::Text, "name"),
    own(&["traceId"], Kind::Text, "trace_id"),
    own(&["parentObservationId"], Kind::Text, "parent_observation_id"),
    own(&["startTime", "fromStartTime", "toStartTime"], Kind::Time, "start_time"),
    own(&["endTime"], Kind::Time, "end_time"),
    own(&["environment"], Kind::Text, "environment"),
    own(&["level"], Kind::Text, "level"),
    own(&["statusMessage"], Kind::Text, "status_message"),
    own(&["version"], Kind::Text, "version"),
    own(&["isRootObservation"], Kind::Flag, IS_ROOT),
    column(&["userId"], Kind::Text, Of::Trace("user_id")),
    column(&["sessionId"], Kind::Text, Of::Trace("session_id")),
    column(&["traceName"], Kind::Text, Of::Trace("name")),
    column(&["release", "traceRelease"], Kind::Text, Of::Trace("release")),
    column(&["traceVersion"], Kind::Text, Of::Trace("version")),
    column(&["traceTags", "tags"], Kind::Array, Of::Trace("tags")),
    own(
        &["latency"],
        Kind::Number,
        "dateDiff('millisecond', start_time, end_time) / 1000",
    ),
    own(
        &["timeToFirstToken"],
        Kind::Number,
        "dateDiff('millisecond', start_time, completion_start_time) / 1000",
    ),
    own(&["tokensPerSecond"], Kind::Number, OUTPUT_SPEED),
    own(&["inputTokens"], Kind::Number, INPUT_TOKENS),
    own(&["outputTokens"], Kind::Number, OUTPUT_TOKENS),
    own(&["totalTokens", "tokens"], Kind::Number, TOTAL_TOKENS),
    own(&["inputCost"], Kind::Number, INPUT_COST),
    own(&["outputCost"], Kind::Number, OUTPUT_COST),
    own(&["totalCost"], Kind::Number, "toFloat64(total_cost)"),
    own(&["model", "providedModelName"], Kind::Text, "provided_model_name"),
    own(&["promptName"], Kind::Text, "prompt_name"),
    own(&["promptVersion"], Kind::Number, "prompt_version"),
    own(&["input"], Kind::Text, "input"),
    own(&["output"], Kind::Text, "output"),
    own(&["metadata"], Kind::Map, "metadata"),
    own(
        &["startTimeMonth"],
        Kind::Text,
        "formatDateTime(start_time, '%Y-%m', 'UTC')",
    ),
];

/// Of scores.
pub(crate) const SCORES: &[Column] = &[
    own(&["id"], Kind::Text, "id"),
    own(&["name"], Kind::Text, "name"),
    own(&["timestamp", "fromTimestamp", "toTimestamp"], Kind::Time, "timestamp"),
    own(&["environment"], Kind::Text, "environment"),
    own(&["source"], Kind::Text, "source"),
    own(&["dataType"], Kind::Text, "data_type"),
    own(&["value"], Kind::Number, "value"),
    own(&["booleanValue"], Kind::Flag, "value != 0"),
    own(&["stringValue"], Kind::Text, "string_value"),
    own(&["comment"], Kind::Text, "comment"),
    own(&["configId"], Kind::Text, "config_id"),
    own(&["queueId"], Kind::Text, "queue_id"),
    own(&["authorUserId"], Kind::Text, "author_user_id"),
    own(&["traceId"], Kind::Text, "trace_id"),
    own(&["observationId"], Kind::Text, "observation_id"),
    own(&["sessionId"], Kind::Text, "session_id"),
    own(&["datasetRunId"], Kind::Text, "dataset_run_id"),
    own(&["metadata"], Kind::Map, "metadata"),
    own(
        &["timestampMonth"],
        Kind::Text,
        "formatDateTime(timestamp, '%Y-%m', 'UTC')",
    ),
    own(
        &["timestampDay"],
        Kind::Text,
        "formatDateTime(timestamp, '%Y-%m-%d', 'UTC')",
    ),
    column(&["userId"], Kind::Text, Of::Trace("user_id")),
    column(&["traceName"], Kind::Text, Of::Trace("name")),
    column(&["tags", "traceTags"], Kind::Array, Of::Trace("tags")),
    column(&["traceRelease"], Kind::Text, Of::Trace("release")),
    column(&["traceVersion"], Kind::Text, Of::Trace("version")),
    column(&["observationName"], Kind::Text, Of::Observation("any(r.3)")),
    column(&["observationModelName"], Kind::Text, Of::Observation("any(r.4)")),
    column(&["observationPromptName"], Kind::Text, Of::Observation("any(r.5)")),
    column(&["observationPromptVersion"], Kind::Number, Of::Observation("any(r.6)")),
];
