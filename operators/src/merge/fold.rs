//! The fold, and the two rules that nearly every column follows: the last that is sent wins, the first that is sent stays.

use std::sync::LazyLock;

use tracemill_model::Millis;
use tracemill_model::ingest::{Body, EntityKey, EntityKind, Field, Rank, Row, Text};

use super::{Patch, observation, score, trace};

/// One patch of the entity's kind.
#[derive(Debug)]
pub(super) struct Sent<'a, B> {
    pub(super) patch: &'a Patch,
    pub(super) body: &'a B,
}

impl<B> Sent<'_, B> {
    pub(super) const fn at(&self) -> Millis {
        self.patch.event.at
    }

    pub(super) const fn rank(&self) -> Rank {
        self.patch.event.rank
    }
}

/// The row of an entity: its stored row, if there is one, with all patches applied.
///
/// `patches` are distinct, in their order, and of this entity; those of another kind are passed over. `event_ts` and
/// `updated_at` become `now`: it is the caller's part to raise them above what was stored. What prices decide (model,
/// usage, cost, tier of an observation) is left empty. A stored tombstone stays one: an entity that may live again is
/// folded without it.
///
/// `None`: neither a stored row nor any patch that makes one.
#[must_use]
pub fn fold(key: &EntityKey, stored: Option<&Row>, patches: &[&Patch], now: Millis) -> Option<Row> {
    debug_assert!(patches.is_sorted(), "patches come in their order");
    if let Some(tombstone) = stored.filter(|row| row.is_deleted()) {
        let mut row = tombstone.clone();
        row.set_version(now, now);
        return Some(row);
    }
    match key.kind {
        EntityKind::Trace => {
            let stored = match stored {
                Some(Row::Trace(row)) => Some(&**row),
                _ => None,
            };
            let sent = of_kind(patches, |body| match body {
                Body::Trace(body) => Some(&**body),
                _ => None,
            });
            trace::row(key, stored, &sent, now).map(|row| Row::Trace(Box::new(row)))
        }
        EntityKind::Observation => {
            let stored = match stored {
                Some(Row::Observation(row)) => Some(&**row),
                _ => None,
            };
            let sent = of_kind(patches, |body| match body {
                Body::Observation(body) => Some(&**body),
                _ => None,
            });
            observation::row(key, stored, &sent, now).map(|row| Row::Observation(Box::new(row)))
        }
        EntityKind::Score => {
            let stored = match stored {
                Some(Row::Score(row)) => Some(&**row),
                _ => None,
            };
            let sent = of_kind(patches, |body| match body {
                Body::Score(body) => Some(&**body),
                _ => None,
            });
            score::row(key, stored, &sent, now).map(|row| Row::Score(Box::new(row)))
        }
    }
}

fn of_kind<'a, B>(patches: &[&'a Patch], body: impl Fn(&'a Body) -> Option<&'a B>) -> Vec<Sent<'a, B>> {
    patches
        .iter()
        .filter_map(|patch| body(&patch.event.body).map(|body| Sent { patch, body }))
        .collect()
}

/// A value that overwrites (`Some(Some)`), one that clears (`Some(None)`), or nothing sent.
pub(super) type Said<'a, T> = Option<Option<&'a T>>;

/// Null clears.
pub(super) const fn said<T>(field: &Field<T>) -> Said<'_, T> {
    match field {
        Field::Absent => None,
        Field::Null => Some(None),
        Field::Value(value) => Some(Some(value)),
    }
}

/// Null keeps.
pub(super) const fn given<T>(value: Option<&T>) -> Said<'_, T> {
    match value {
        Some(value) => Some(Some(value)),
        None => None,
    }
}

/// Null and the empty text keep.
pub(super) fn filled(value: Option<&Text>) -> Said<'_, Text> {
    given(value.filter(|text| !text.is_empty()))
}

/// The last that was sent, else what is stored.
///
/// What does not come from a whole event (a child span that names the trace's user) yields to a stored value, unless that
/// value came from such an event itself: the stored row does not say how much its writer knew.
pub(super) fn last<'a, B, T: PartialEq>(
    stored: Option<&'a T>,
    sent: &[Sent<'a, B>],
    get: impl Fn(&'a B) -> Said<'a, T>,
) -> Option<&'a T> {
    let (mut whole, mut part, mut is_of_part) = (None, None, stored.is_none());
    for sent in sent {
        let Some(value) = get(sent.body) else { continue };
        if sent.rank() == Rank::Whole {
            whole = Some(value);
        } else {
            is_of_part = is_of_part || value == stored;
            part = Some(value);
        }
    }
    match (whole, part) {
        (Some(value), _) => value,
        (None, Some(value)) if is_of_part => value,
        _ => stored,
    }
}

/// The first that was sent among those who know most; what is stored, where it comes from none of these patches.
///
/// A stored value that one of the patches has sent was the first of those that had arrived when the row was written: with
/// an earlier one at hand now, that is the first.
pub(super) fn first<'a, B, T: PartialEq>(
    stored: Option<&'a T>,
    sent: &[Sent<'a, B>],
    get: impl Fn(&'a B) -> Option<&'a T>,
) -> Option<&'a T> {
    let mut best: Option<(Rank, &T)> = None;
    let mut is_of_these = stored.is_none();
    for sent in sent {
        let Some(value) = get(sent.body) else { continue };
        is_of_these = is_of_these || stored == Some(value);
        if best.is_none_or(|(rank, _)| sent.rank() > rank) {
            best = Some((sent.rank(), value));
        }
    }
    if is_of_these {
        best.map(|(_, value)| value)
    } else {
        stored
    }
}

/// When the first of the patches was received.
pub(super) fn first_received<B>(sent: &[Sent<'_, B>], now: Millis) -> Millis {
    sent.iter().map(|sent| sent.patch.origin.received).min().unwrap_or(now)
}

/// The first environment that was sent, as [`first`], else the default. A stored default may be that of a patch that names
/// none, and is then no one's word.
pub(super) fn environment<'a, B>(
    stored: Option<&'a Text>,
    sent: &[Sent<'a, B>],
    get: impl Fn(&'a B) -> Option<&'a Text>,
) -> Text {
    let default = default_environment();
    let is_implied = |stored: &&Text| **stored == default && sent.iter().any(|sent| get(sent.body).is_none());
    let stored = stored.filter(|stored| !is_implied(stored));
    first(stored, sent, get).cloned().unwrap_or(default)
}

fn default_environment() -> Text {
    static DEFAULT: LazyLock<Text> = LazyLock::new(|| "default".into());
    DEFAULT.clone()
}

/// The empty text.
pub(super) fn no_text() -> Text {
    static EMPTY: LazyLock<Text> = LazyLock::new(Text::default);
    EMPTY.clone()
}
