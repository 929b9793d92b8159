//! What ingestion is about: events that clients send, entities that they are about, and the rows that come of them.
//!
//! ```text
//!   raw object ──decode──► Event (a patch of one entity) ──merge──► Row (the entity's whole state) ──► ClickHouse
//! ```
//!
//! Texts are shared slices ([`Text`]): a payload is decoded once and then only pointed to.

pub mod entity;
pub mod event;
pub mod job;
pub mod raw_name;
pub mod row;

use std::sync::Arc;

pub use entity::{EntityKey, EntityKind};
pub use event::{Body, Event, EventKind, Field, Level, Metadata, MetadataValue, ObservationBody, ObservationType};
pub use event::{Origin, Rank, ScoreBody, ScoreSource, ScoreType, ScoreValue, TraceBody};
pub use job::{Access, Encoding, Holds, Job, LogEntry, RawForm, Refusal, Sdk};
pub use row::{ObservationRow, Row, ScoreRow, TraceRow};

/// A text that many may point to.
pub type Text = Arc<str>;
