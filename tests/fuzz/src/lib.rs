//! What must hold of whatever was decoded, for all targets.
//!
//! A target's first bytes choose how the rest is read, so that one corpus reaches every way in. ASCII digits and letters
//! are good choosers, see `scripts/fuzz.sh`.

pub mod ingestion;
pub mod jobs;
mod mutate;
pub mod otlp;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tracemill_model::Millis;
use tracemill_model::ingest::{Body, EntityKey, Event, Origin, Row, Text};
use tracemill_operators::decode::Decoded;
use tracemill_operators::merge::piece::{Merged, Stored};
use tracemill_operators::merge::{Patch, fold};
use tracemill_operators::price::Prices;

pub use mutate::mutate;

/// When everything is received, and when rows are written.
pub const NOW: Millis = Millis(1_772_020_800_123);

static PRICES: LazyLock<Prices> = LazyLock::new(Prices::builtin);

/// Times at which an object may say that it was received: also those that no clock shows.
#[must_use]
pub fn received(chooser: u8) -> Millis {
    Millis(match chooser & 7 {
        1 => 0,
        2 => i64::MAX,
        3 => i64::MIN,
        4 => -1,
        _ => NOW.0 - 60_000,
    })
}

/// The first `N` bytes, and the rest.
#[must_use]
pub fn split<const N: usize>(data: &[u8]) -> Option<([u8; N], &[u8])> {
    let (chooser, rest) = data.split_first_chunk()?;
    Some((*chooser, rest))
}

/// Some texts but not others.
#[must_use]
pub fn picks(text: &str, chooser: u8) -> bool {
    let sum = text.bytes().fold(chooser, |sum, byte| sum.rotate_left(3) ^ byte);
    sum & 1 == 1
}

/// Checks what was decoded, and folds it into rows.
///
/// # Panics
/// Something of it is not as it must be.
pub fn check(decoded: &Decoded, received: Millis) {
    for rejected in &decoded.rejected {
        assert!(!rejected.reason.is_empty(), "a rejection without a reason");
    }
    let project: Text = "p".into();
    let mut entities: BTreeMap<EntityKey, Vec<Patch>> = BTreeMap::new();
    for (index, event) in (0..).zip(&decoded.events) {
        check_event(event);
        let origin = Origin {
            received,
            object: "raw/1".into(),
            index,
        };
        let patch = Patch {
            event: event.clone(),
            origin,
        };
        entities.entry(event.key(&project)).or_default().push(patch);
    }
    for (key, mut patches) in entities {
        patches.sort();
        check_entity(&key, &patches.iter().collect::<Vec<_>>());
    }
}

fn check_event(event: &Event) {
    assert!(!event.id.is_empty(), "an event without an id");
    let id = event.body.id();
    assert!(!id.is_empty(), "an event of nothing");
    assert!(id.encode_utf16().count() <= 800, "an id that is too long");
    let is_of_kind = match &event.body {
        Body::Trace(_) => event.kind.entity().name() == "trace",
        Body::Observation(_) => event.kind.entity().name() == "observation",
        Body::Score(body) => {
            assert!(!body.name.is_empty(), "a score without a name");
            event.kind.entity().name() == "score"
        }
    };
    assert!(is_of_kind, "a body of another kind than its event");
}

/// The row of all patches: the same when folded again, onto itself, and onto what the first half of them gave.
fn check_entity(key: &EntityKey, patches: &[&Patch]) {
    let row = folded(key, None, patches);
    assert_eq!(row, folded(key, None, patches), "folded twice");
    let Some(row) = row else { return };
    check_row(key, &row);
    is_the_same(&row, &row, folded(key, Some(&row), patches), "onto itself");
    let early: Vec<&Patch> = patches.iter().copied().step_by(2).collect();
    if let Some(stored) = folded(key, None, &early) {
        is_the_same(&row, &stored, folded(key, Some(&stored), patches), "onto a part");
    }
}

fn is_the_same(row: &Row, stored: &Row, again: Option<Row>, how: &str) {
    let again = again.expect("a stored row stays");
    let stored = Stored {
        row: stored.clone(),
        others: Vec::new(),
    };
    let (left, right) = (
        Merged::new(row.clone(), None, None),
        Merged::new(again.clone(), Some(&stored), None),
    );
    // A digest does not say what differs.
    if left != right {
        assert_eq!(row, &again, "{how}");
    }
}

fn folded(key: &EntityKey, stored: Option<&Row>, patches: &[&Patch]) -> Option<Row> {
    let mut row = fold(key, stored, patches, NOW)?;
    if let Row::Observation(row) = &mut row {
        PRICES.price(&key.project, row);
        let once = row.clone();
        PRICES.price(&key.project, row);
        assert_eq!(once, *row, "priced twice");
    }
    Some(row)
}

fn check_row(key: &EntityKey, row: &Row) {
    assert_eq!(&row.key(), key);
    assert_eq!((row.event_ts(), row.is_deleted()), (NOW, false));
    match row {
        Row::Trace(row) => assert!(!row.environment.is_empty()),
        Row::Observation(row) => {
            assert!(!row.environment.is_empty());
            assert!(
                row.end_time.is_none_or(|end| end >= row.start_time),
                "ends before it starts"
            );
            let names = |list: &[(Text, u64)]| {
                let mut names: Vec<&Text> = list.iter().map(|(name, _)| name).collect();
                names.sort();
                names.windows(2).all(|pair| pair[0] != pair[1])
            };
            assert!(
                names(&row.usage_details),
                "a kind of usage twice: {:?}",
                row.usage_details
            );
        }
        Row::Score(row) => {
            assert!(!row.name.is_empty() && row.value.is_finite());
        }
    }
}
