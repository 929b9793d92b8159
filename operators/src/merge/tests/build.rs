//! Patches in few words.

use serde_json::value::RawValue;
use tracemill_model::Millis;
use tracemill_model::ingest::*;

use super::super::{Patch, fold};
use crate::decode::json;

pub(super) const NOW: Millis = Millis(1_000_000);

/// A patch at base second `at`, received in the order in which they are made (`index`).
pub(super) fn patch(kind: EventKind, at: i64, index: u32, body: Body) -> Patch {
    Patch {
        event: Event {
            id: format!("e{index}").into(),
            kind,
            at: Millis(at * 1000),
            rank: Rank::Whole,
            body,
        },
        origin: Origin {
            received: Millis(500_000 + i64::from(index)),
            object: "raw".into(),
            index,
        },
    }
}

pub(super) fn trace(at: i64, index: u32, body: TraceBody) -> Patch {
    let body = TraceBody { id: "t".into(), ..body };
    patch(EventKind::TraceCreate, at, index, Body::Trace(Box::new(body)))
}

pub(super) fn create(ty: ObservationType, at: i64, index: u32, body: ObservationBody) -> Patch {
    let body = ObservationBody { id: "o".into(), ..body };
    patch(
        EventKind::ObservationCreate(ty),
        at,
        index,
        Body::Observation(Box::new(body)),
    )
}

pub(super) fn update(ty: ObservationType, at: i64, index: u32, body: ObservationBody) -> Patch {
    let body = ObservationBody { id: "o".into(), ..body };
    patch(
        EventKind::ObservationUpdate(ty),
        at,
        index,
        Body::Observation(Box::new(body)),
    )
}

pub(super) fn score(at: i64, index: u32, body: ScoreBody) -> Patch {
    patch(EventKind::ScoreCreate, at, index, Body::Score(Box::new(body)))
}

pub(super) fn key(kind: EntityKind) -> EntityKey {
    EntityKey {
        project: "p".into(),
        kind,
        id: "x".into(),
    }
}

/// Folds in the patches' order, in whatever order they come.
pub(super) fn folded(kind: EntityKind, stored: Option<&Row>, patches: &[Patch]) -> Option<Row> {
    let mut patches: Vec<&Patch> = patches.iter().collect();
    patches.sort();
    patches.dedup();
    fold(&key(kind), stored, &patches, NOW)
}

pub(super) fn trace_row(stored: Option<&TraceRow>, patches: &[Patch]) -> TraceRow {
    let stored = stored.map(|row| Row::Trace(Box::new(row.clone())));
    match folded(EntityKind::Trace, stored.as_ref(), patches) {
        Some(Row::Trace(row)) => *row,
        other => panic!("{other:?}"),
    }
}

pub(super) fn observation_row(stored: Option<&ObservationRow>, patches: &[Patch]) -> ObservationRow {
    let stored = stored.map(|row| Row::Observation(Box::new(row.clone())));
    match folded(EntityKind::Observation, stored.as_ref(), patches) {
        Some(Row::Observation(row)) => *row,
        other => panic!("{other:?}"),
    }
}

pub(super) fn val(text: &str) -> Field<Text> {
    Field::Value(text.into())
}

pub(super) fn some(text: &str) -> Option<Text> {
    Some(text.into())
}

pub(super) fn meta(raw: &str) -> Metadata {
    assert!(serde_json::from_str::<&RawValue>(raw).is_ok());
    json::metadata(raw)
}

pub(super) fn texts(texts: &[&str]) -> Vec<Text> {
    texts.iter().map(|text| (*text).into()).collect()
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<(Text, Text)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}
