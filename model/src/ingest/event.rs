//! One change that a client sent, validated: a patch of one entity.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{EntityKey, EntityKind, Text};
use crate::Millis;

/// A value of a patch, where absent (keep what is there) and null (clear it) differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Field<T> {
    /// Not sent.
    #[default]
    Absent,
    /// Sent as null.
    Null,
    /// Sent.
    Value(T),
}

impl<T> Field<T> {
    /// The value, where there is one.
    #[must_use]
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// A value, or absent.
    #[must_use]
    pub fn or_absent(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

/// The type of an event as clients name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// `trace-create`.
    TraceCreate,
    /// `score-create`.
    ScoreCreate,
    /// `span-create`, `generation-create`, `agent-create` and so on; `observation-create` with the body's type.
    ObservationCreate(ObservationType),
    /// `span-update`, `generation-update`; `observation-update` with the body's type.
    ObservationUpdate(ObservationType),
}

impl EventKind {
    /// Creates come before updates of the same time.
    #[must_use]
    pub const fn is_update(self) -> bool {
        matches!(self, Self::ObservationUpdate(_))
    }

    /// What it is about.
    #[must_use]
    pub const fn entity(self) -> EntityKind {
        match self {
            Self::TraceCreate => EntityKind::Trace,
            Self::ScoreCreate => EntityKind::Score,
            Self::ObservationCreate(_) | Self::ObservationUpdate(_) => EntityKind::Observation,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TraceCreate => f.write_str("trace-create"),
            Self::ScoreCreate => f.write_str("score-create"),
            Self::ObservationCreate(ty) => write!(f, "{}-create", ty.lower()),
            Self::ObservationUpdate(ty) => write!(f, "{}-update", ty.lower()),
        }
    }
}

/// The ten types of observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ObservationType {
    Span,
    Event,
    Generation,
    Agent,
    Tool,
    Chain,
    Retriever,
    Evaluator,
    Embedding,
    Guardrail,
}

impl ObservationType {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Span,
        Self::Event,
        Self::Generation,
        Self::Agent,
        Self::Tool,
        Self::Chain,
        Self::Retriever,
        Self::Evaluator,
        Self::Embedding,
        Self::Guardrail,
    ];

    /// As in the column `type`: `GENERATION`.
    #[must_use]
    pub const fn upper(self) -> &'static str {
        match self {
            Self::Span => "SPAN",
            Self::Event => "EVENT",
            Self::Generation => "GENERATION",
            Self::Agent => "AGENT",
            Self::Tool => "TOOL",
            Self::Chain => "CHAIN",
            Self::Retriever => "RETRIEVER",
            Self::Evaluator => "EVALUATOR",
            Self::Embedding => "EMBEDDING",
            Self::Guardrail => "GUARDRAIL",
        }
    }

    /// As in the names of events: `generation`.
    #[must_use]
    pub const fn lower(self) -> &'static str {
        match self {
            Self::Span => "span",
            Self::Event => "event",
            Self::Generation => "generation",
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Chain => "chain",
            Self::Retriever => "retriever",
            Self::Evaluator => "evaluator",
            Self::Embedding => "embedding",
            Self::Guardrail => "guardrail",
        }
    }

    /// From either form.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|ty| ty.upper() == name || ty.lower() == name)
    }

    /// Whether model, usage and cost belong to it: all but spans and events.
    #[must_use]
    pub const fn is_generation_like(self) -> bool {
        !matches!(self, Self::Span | Self::Event)
    }
}

/// The level of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug,
    #[default]
    Default,
    Warning,
    Error,
}

impl Level {
    /// As in the column `level`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Default => "DEFAULT",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Debug, Self::Default, Self::Warning, Self::Error]
            .into_iter()
            .find(|level| level.name() == name)
    }
}

/// How much an event knows of its entity: of two, the one that knows more wins whatever their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Rank {
    /// A trace that is known only because a span names it.
    Stub,
    /// A child span that also says something of its trace.
    Part,
    /// A root span, or what a client sent about the entity itself.
    #[default]
    Whole,
}

/// Where an event comes from, which also orders events of the same time: what was received later wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// When its raw object was received.
    pub received: Millis,
    /// The raw object.
    pub object: Text,
    /// Its place among the object's events.
    pub index: u32,
}

/// An event: one patch of one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The envelope's id; of a span, its span id.
    pub id: Text,
    /// What kind of change.
    pub kind: EventKind,
    /// The envelope's time: events of an entity are applied in its order.
    pub at: Millis,
    /// How much it knows.
    pub rank: Rank,
    /// The change.
    pub body: Body,
}

impl Event {
    /// The entity that it is about.
    #[must_use]
    pub fn key(&self, project: &Text) -> EntityKey {
        EntityKey {
            project: project.clone(),
            kind: self.kind.entity(),
            id: self.body.id().clone(),
        }
    }
}

/// The change itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// Of a trace.
    Trace(Box<TraceBody>),
    /// Of an observation.
    Observation(Box<ObservationBody>),
    /// Of a score.
    Score(Box<ScoreBody>),
}

impl Body {
    /// The entity's id.
    #[must_use]
    pub fn id(&self) -> &Text {
        match self {
            Self::Trace(body) => &body.id,
            Self::Observation(body) => &body.id,
            Self::Score(body) => &body.id,
        }
    }
}

/// Top-level entries of metadata in the order in which they were sent, each name once.
pub type Metadata = Vec<(Text, MetadataValue)>;

/// One entry's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MetadataValue {
    /// A JSON string, unescaped.
    Text(Text),
    /// Any other JSON value: its own text without insignificant spaces, numbers as they were written.
    Json(Text),
}

/// Of a trace.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns that they become say it")]
pub struct TraceBody {
    pub id: Text,
    /// The trace's own time; the event's where absent.
    pub timestamp: Option<Millis>,
    pub name: Field<Text>,
    pub user_id: Field<Text>,
    pub session_id: Field<Text>,
    pub release: Field<Text>,
    pub version: Field<Text>,
    /// `None`: not sent, which means `default` where nothing is stored.
    pub environment: Option<Text>,
    pub public: Option<bool>,
    pub tags: Vec<Text>,
    pub metadata: Metadata,
    /// The column's text: strings as they are, other values as JSON text. Null and absent keep.
    pub input: Option<Text>,
    pub output: Option<Text>,
}

/// Of an observation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns that they become say it")]
pub struct ObservationBody {
    pub id: Text,
    pub trace_id: Option<Text>,
    pub parent_observation_id: Option<Text>,
    pub name: Field<Text>,
    pub environment: Option<Text>,
    /// The observation's own start; the event's time where absent.
    pub start_time: Option<Millis>,
    pub end_time: Option<Millis>,
    pub completion_start_time: Option<Millis>,
    pub metadata: Metadata,
    pub input: Option<Text>,
    pub output: Option<Text>,
    pub level: Field<Level>,
    pub status_message: Option<Text>,
    pub version: Option<Text>,
    pub model: Field<Text>,
    /// JSON text of the map.
    pub model_parameters: Option<Text>,
    /// What the client says that was used: `input`, `output`, `total` and others. Empty keeps.
    pub usage: Vec<(Text, u64)>,
    /// What the client says that it cost, in USD. Empty keeps.
    pub cost: Vec<(Text, Decimal)>,
    pub prompt_name: Option<Text>,
    pub prompt_version: Option<u16>,
    /// A span that arrived whole: nothing that is stored can add to it, so nothing is looked up.
    pub is_complete: bool,
}

/// Of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns that they become say it")]
pub struct ScoreBody {
    pub id: Text,
    pub name: Text,
    pub trace_id: Option<Text>,
    pub session_id: Field<Text>,
    pub dataset_run_id: Field<Text>,
    pub observation_id: Field<Text>,
    pub environment: Option<Text>,
    pub value: ScoreValue,
    /// `None`: from the value.
    pub data_type: Option<ScoreType>,
    pub source: ScoreSource,
    pub comment: Field<Text>,
    pub metadata: Metadata,
    pub config_id: Field<Text>,
    pub queue_id: Field<Text>,
    pub execution_trace_id: Field<Text>,
}

/// A score's value as it was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ScoreValue {
    /// A number.
    Number(f64),
    /// A text.
    Text(Text),
}

/// The kinds of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ScoreType {
    Numeric,
    Categorical,
    Boolean,
    Correction,
}

impl ScoreType {
    /// As in the column `data_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Numeric => "NUMERIC",
            Self::Categorical => "CATEGORICAL",
            Self::Boolean => "BOOLEAN",
            Self::Correction => "CORRECTION",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Numeric, Self::Categorical, Self::Boolean, Self::Correction]
            .into_iter()
            .find(|ty| ty.name() == name)
    }
}

/// Who scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ScoreSource {
    #[default]
    Api,
    Eval,
    Annotation,
}

impl ScoreSource {
    /// As in the column `source`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Eval => "EVAL",
            Self::Annotation => "ANNOTATION",
        }
    }

    /// The source of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Api, Self::Eval, Self::Annotation]
            .into_iter()
            .find(|source| source.name() == name)
    }
}
