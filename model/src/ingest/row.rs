//! The merged state of an entity: one row of its table, column by column.
//!
//! Maps keep each name once. `event_ts` is the version: of rows with the same sort key the largest wins, and a winner with
//! `is_deleted` removes them all.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{EntityKey, EntityKind, Level, ObservationType, Text};
use crate::Millis;

/// A row of one of the tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Row {
    /// Of `traces`.
    Trace(Box<TraceRow>),
    /// Of `observations`.
    Observation(Box<ObservationRow>),
    /// Of `scores`.
    Score(Box<ScoreRow>),
}

impl Row {
    /// Its entity.
    #[must_use]
    pub fn key(&self) -> EntityKey {
        let (project, kind, id) = match self {
            Self::Trace(row) => (&row.project_id, EntityKind::Trace, &row.id),
            Self::Observation(row) => (&row.project_id, EntityKind::Observation, &row.id),
            Self::Score(row) => (&row.project_id, EntityKind::Score, &row.id),
        };
        EntityKey {
            project: project.clone(),
            kind,
            id: id.clone(),
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> EntityKind {
        match self {
            Self::Trace(_) => EntityKind::Trace,
            Self::Observation(_) => EntityKind::Observation,
            Self::Score(_) => EntityKind::Score,
        }
    }

    /// Its version.
    #[must_use]
    pub const fn event_ts(&self) -> Millis {
        match self {
            Self::Trace(row) => row.event_ts,
            Self::Observation(row) => row.event_ts,
            Self::Score(row) => row.event_ts,
        }
    }

    /// When it was last written.
    #[must_use]
    pub const fn updated_at(&self) -> Millis {
        match self {
            Self::Trace(row) => row.updated_at,
            Self::Observation(row) => row.updated_at,
            Self::Score(row) => row.updated_at,
        }
    }

    /// Sets its version, and the time of its change.
    pub fn set_version(&mut self, event_ts: Millis, updated_at: Millis) {
        let (version, updated) = match self {
            Self::Trace(row) => (&mut row.event_ts, &mut row.updated_at),
            Self::Observation(row) => (&mut row.event_ts, &mut row.updated_at),
            Self::Score(row) => (&mut row.event_ts, &mut row.updated_at),
        };
        *version = event_ts;
        *updated = updated_at;
    }

    /// Whether it is a tombstone.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        match self {
            Self::Trace(row) => row.is_deleted,
            Self::Observation(row) => row.is_deleted,
            Self::Score(row) => row.is_deleted,
        }
    }

    /// Makes it a tombstone: key and times stay, payloads go.
    pub fn bury(&mut self) {
        match self {
            Self::Trace(row) => {
                row.is_deleted = true;
                row.input = None;
                row.output = None;
                row.metadata.clear();
            }
            Self::Observation(row) => {
                row.is_deleted = true;
                row.input = None;
                row.output = None;
                row.metadata.clear();
                row.tool_definitions.clear();
                row.tool_calls.clear();
                row.tool_call_names.clear();
            }
            Self::Score(row) => {
                row.is_deleted = true;
                row.long_string_value = Text::default();
                row.comment = None;
                row.metadata.clear();
            }
        }
    }

    /// The day (midnight, UTC) and the further column of the sort key: type of an observation, name of a score. Rows of an
    /// entity that differ in it do not replace each other.
    #[must_use]
    pub fn place(&self) -> (Millis, &str) {
        match self {
            Self::Trace(row) => (row.timestamp.day(), ""),
            Self::Observation(row) => (row.start_time.day(), row.ty.upper()),
            Self::Score(row) => (row.timestamp.day(), &row.name),
        }
    }

    /// About how many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let texts = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.len());
        let pairs = |pairs: &[(Text, Text)]| {
            pairs
                .iter()
                .map(|(name, value)| name.len() + value.len() + 32)
                .sum::<usize>()
        };
        let bytes = match self {
            Self::Trace(row) => 400 + texts(&row.input) + texts(&row.output) + pairs(&row.metadata),
            Self::Observation(row) => {
                800 + texts(&row.input)
                    + texts(&row.output)
                    + pairs(&row.metadata)
                    + texts(&row.model_parameters)
                    + pairs(&row.tool_definitions)
                    + row.tool_calls.iter().map(|call| call.len() + 32).sum::<usize>()
            }
            Self::Score(row) => 400 + texts(&row.comment) + row.long_string_value.len() + pairs(&row.metadata),
        };
        bytes as u64
    }
}

/// A row of `traces`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the column of its name")]
pub struct TraceRow {
    pub id: Text,
    pub project_id: Text,
    pub timestamp: Millis,
    pub name: Text,
    pub user_id: Option<Text>,
    pub metadata: Vec<(Text, Text)>,
    pub release: Option<Text>,
    pub version: Option<Text>,
    pub environment: Text,
    pub public: bool,
    pub bookmarked: bool,
    pub tags: Vec<Text>,
    pub input: Option<Text>,
    pub output: Option<Text>,
    pub session_id: Option<Text>,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub event_ts: Millis,
    pub is_deleted: bool,
}

/// A row of `observations`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the column of its name")]
pub struct ObservationRow {
    pub id: Text,
    pub project_id: Text,
    /// Empty where no event has named a trace.
    pub trace_id: Text,
    pub environment: Text,
    /// Column `type`.
    pub ty: ObservationType,
    pub parent_observation_id: Option<Text>,
    pub start_time: Millis,
    pub end_time: Option<Millis>,
    pub completion_start_time: Option<Millis>,
    pub name: Text,
    pub metadata: Vec<(Text, Text)>,
    pub level: Level,
    pub status_message: Option<Text>,
    pub version: Option<Text>,
    pub input: Option<Text>,
    pub output: Option<Text>,
    pub provided_model_name: Option<Text>,
    pub internal_model_id: Option<Text>,
    pub model_parameters: Option<Text>,
    pub provided_usage_details: Vec<(Text, u64)>,
    pub usage_details: Vec<(Text, u64)>,
    pub provided_cost_details: Vec<(Text, Decimal)>,
    pub cost_details: Vec<(Text, Decimal)>,
    pub total_cost: Option<Decimal>,
    pub prompt_id: Option<Text>,
    pub prompt_name: Option<Text>,
    pub prompt_version: Option<u16>,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub event_ts: Millis,
    pub is_deleted: bool,
    pub usage_pricing_tier_id: Option<Text>,
    pub usage_pricing_tier_name: Option<Text>,
    pub tool_definitions: Vec<(Text, Text)>,
    pub tool_calls: Vec<Text>,
    pub tool_call_names: Vec<Text>,
}

/// A row of `scores`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the column of its name")]
pub struct ScoreRow {
    pub id: Text,
    pub project_id: Text,
    pub timestamp: Millis,
    pub environment: Text,
    pub trace_id: Option<Text>,
    pub session_id: Option<Text>,
    pub dataset_run_id: Option<Text>,
    pub observation_id: Option<Text>,
    pub name: Text,
    pub value: f64,
    pub source: Text,
    pub comment: Option<Text>,
    pub metadata: Vec<(Text, Text)>,
    pub author_user_id: Option<Text>,
    pub config_id: Option<Text>,
    pub data_type: Text,
    pub string_value: Option<Text>,
    pub queue_id: Option<Text>,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub event_ts: Millis,
    pub is_deleted: bool,
    pub execution_trace_id: Option<Text>,
    pub long_string_value: Text,
}
