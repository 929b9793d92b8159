//! What can be asked of each view: names of the public API, and what they are in our tables.

use tracemill_model::Table;

/// Entities that totals are of.
#[derive(Debug, PartialEq)]
pub struct View {
    /// Its name.
    pub name: &'static str,
    pub(super) table: Table,
    /// The column of the trace's id.
    pub(super) trace: &'static str,
    /// Of rows with one of these values alone.
    pub(super) only: Option<(&'static str, &'static [&'static str])>,
    /// What it is grouped by.
    pub dimensions: &'static [Dimension],
    /// What totals are of.
    pub measures: &'static [Measure],
    /// What can be a filter, and has too many values to group by.
    pub filters_only: &'static [&'static str],
}

/// What totals are grouped by.
#[derive(Debug, PartialEq)]
pub struct Dimension {
    /// Its name.
    pub name: &'static str,
    /// Where it comes from.
    pub(super) of: Of,
    /// An expression over columns of the view, or over what was joined.
    pub(super) sql: &'static str,
}

/// What totals are of.
#[derive(Debug, PartialEq)]
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// An expression over columns of the view.
    pub(super) sql: &'static str,
    /// How many scores an observation has, which another table knows.
    pub(super) is_of_scores: bool,
}

/// Which table knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Own,
    /// The trace: `t`.
    Trace,
    /// The observation that was scored: `n`.
    Observation,
}

impl View {
    /// The view of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        VIEWS.iter().find(|view| view.name == name)
    }

    /// Its dimension of that name.
    #[must_use]
    pub fn dimension(&self, name: &str) -> Option<&'static Dimension> {
        self.dimensions.iter().find(|dimension| dimension.name == name)
    }

    /// Its measure of that name.
    #[must_use]
    pub fn measure(&self, name: &str) -> Option<&'static Measure> {
        self.measures.iter().find(|measure| measure.name == name)
    }
}

const fn own(name: &'static str, sql: &'static str) -> Dimension {
    Dimension { name, of: Of::Own, sql }
}

const fn of_trace(name: &'static str, sql: &'static str) -> Dimension {
    Dimension {
        name,
        of: Of::Trace,
        sql,
    }
}

const fn of_observation(name: &'static str, sql: &'static str) -> Dimension {
    Dimension {
        name,
        of: Of::Observation,
        sql,
    }
}

const fn measure(name: &'static str, sql: &'static str) -> Measure {
    Measure {
        name,
        sql,
        is_of_scores: false,
    }
}

/// Units of input, output and in all of an observation, and what they cost.
pub(crate) const INPUT_TOKENS: &str = "arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'input'), usage_details)))";
pub(crate) const OUTPUT_TOKENS: &str =
    "arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'output'), usage_details)))";
pub(crate) const TOTAL_TOKENS: &str = "usage_details['total']";
pub(crate) const INPUT_COST: &str = "arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'input'), cost_details)))";
pub(crate) const OUTPUT_COST: &str = "arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'output'), cost_details)))";
/// Whether an observation has no parent.
pub(crate) const IS_ROOT: &str = "CAST(empty(ifNull(parent_observation_id, '')), 'Bool')";
/// Units of output a second; null where no time passed.
pub(crate) const OUTPUT_SPEED: &str = "if(dateDiff('millisecond', start_time, end_time) > 0, \
     arraySum(mapValues(mapFilter((k, v) -> startsWith(k, 'output'), usage_details))) \
     / dateDiff('millisecond', start_time, end_time) * 1000, NULL)";
const TOTAL_SPEED: &str = "if(dateDiff('millisecond', start_time, end_time) > 0, \
     usage_details['total'] / dateDiff('millisecond', start_time, end_time) * 1000, NULL)";

const OBSERVATION_MEASURES: &[Measure] = &[
    measure("count", "1"),
    measure("latency", "dateDiff('millisecond', start_time, end_time)"),
    measure(
        "streamingLatency",
        "dateDiff('millisecond', completion_start_time, end_time)",
    ),
    measure("inputTokens", INPUT_TOKENS),
    measure("outputTokens", OUTPUT_TOKENS),
    measure("totalTokens", TOTAL_TOKENS),
    measure("outputTokensPerSecond", OUTPUT_SPEED),
    measure("tokensPerSecond", TOTAL_SPEED),
    measure("inputCost", INPUT_COST),
    measure("outputCost", OUTPUT_COST),
    measure("totalCost", "total_cost"),
    measure(
        "timeToFirstToken",
        "dateDiff('millisecond', start_time, completion_start_time)",
    ),
    Measure {
        name: "countScores",
        sql: "",
        is_of_scores: true,
    },
];

const OBSERVATION_DIMENSIONS: &[Dimension] = &[
    own("environment", "CAST(environment, 'String')"),
    own("type", "CAST(type, 'String')"),
    own("name", "nullIf(name, '')"),
    own("level", "CAST(level, 'String')"),
    own("version", "version"),
    own("providedModelName", "provided_model_name"),
    own("promptName", "prompt_name"),
    own("promptVersion", "prompt_version"),
    own("isRootObservation", IS_ROOT),
    own("startTimeMonth", "formatDateTime(start_time, '%Y-%m', 'UTC')"),
    of_trace("tags", "t.3"),
    of_trace("release", "t.4"),
    of_trace("traceName", "nullIf(t.2, '')"),
    of_trace("traceRelease", "t.4"),
    of_trace("traceVersion", "t.5"),
];

/// Dimensions of scores, with one of their own at the end.
macro_rules! score_dimensions {
    ($own:expr) => {
        &[
            own("environment", "CAST(environment, 'String')"),
            own("name", "name"),
            own("source", "source"),
            own("dataType", "data_type"),
            own("configId", "config_id"),
            own("timestampMonth", "formatDateTime(timestamp, '%Y-%m', 'UTC')"),
            own("timestampDay", "formatDateTime(timestamp, '%Y-%m-%d', 'UTC')"),
            of_trace("traceName", "nullIf(t.2, '')"),
            of_trace("tags", "t.3"),
            of_trace("traceRelease", "t.4"),
            of_trace("traceVersion", "t.5"),
            of_observation("observationName", "nullIf(n.2, '')"),
            of_observation("observationModelName", "n.3"),
            of_observation("observationPromptName", "n.4"),
            of_observation("observationPromptVersion", "n.5"),
            $own,
        ]
    };
}

const SCORE_FILTERS: &[&str] = &["id", "traceId", "userId", "sessionId", "observationId"];

/// All views.
pub const VIEWS: &[View] = &[
    View {
        name: "observations",
        table: Table::Observations,
        trace: "trace_id",
        only: None,
        dimensions: OBSERVATION_DIMENSIONS,
        measures: OBSERVATION_MEASURES,
        filters_only: &["id", "traceId", "userId", "sessionId", "parentObservationId"],
    },
    View {
        name: "scores-numeric",
        table: Table::Scores,
        trace: "trace_id",
        only: Some(("data_type", &["NUMERIC", "BOOLEAN"])),
        dimensions: score_dimensions!(own("value", "value")),
        measures: &[measure("count", "1"), measure("value", "value")],
        filters_only: SCORE_FILTERS,
    },
    View {
        name: "scores-boolean",
        table: Table::Scores,
        trace: "trace_id",
        only: Some(("data_type", &["BOOLEAN"])),
        dimensions: score_dimensions!(own("booleanValue", "CAST(value != 0, 'Bool')")),
        measures: &[measure("count", "1"), measure("value", "value")],
        filters_only: SCORE_FILTERS,
    },
    View {
        name: "scores-categorical",
        table: Table::Scores,
        trace: "trace_id",
        only: Some(("data_type", &["CATEGORICAL"])),
        dimensions: score_dimensions!(own("stringValue", "string_value")),
        measures: &[measure("count", "1")],
        filters_only: SCORE_FILTERS,
    },
];
