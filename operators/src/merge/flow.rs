//! The merge as a dataflow: a differential collection of what is known of the entities that are being written.
//!
//! ```text
//!   patches ──► hold ──steps──► pieces ──► collection ──► reduce: fold ──► stamp ──► rows
//!  (by key)       └──asks──► lookup ──looked──┘            (by entity)
//! ```
//!
//! *Frontiers.* An epoch leaves when all of its entities were looked up and folded; lookups of later epochs run meanwhile.
//!
//! *Invariants.* One worker owns an entity, so updates cannot overtake each other. An entity's state is the fold of all of
//! its pieces in the patches' own order, whatever the order of arrival.

use std::future::Future;
use std::sync::Arc;

use differential_dataflow::AsCollection;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use tracemill_model::ingest::{EntityKey, Row};

use super::hold::{Ask, HoldConfig, Keyd, Unread, hold};
use super::piece::{Merged, Piece};
use super::pieces::{Looked, pieces};
use super::stamp::{Stamped, stamp};
use super::tombstones::Tombstones;
use super::{Keyed, Patch};
use crate::bridge::{self, Commands, Context, Replies};
use crate::{Clock, Epoch};

/// Folds what is stored and the patches, in order, to a row with its usage and cost; `None`: they make none.
pub type Fold = Arc<dyn Fn(&EntityKey, Option<&Row>, &[&Patch]) -> Option<Row> + Send + Sync>;

/// What the merge needs.
#[derive(Clone)]
pub struct MergeConfig {
    /// How long and how much is held.
    pub hold: HoldConfig,
    /// How a row comes of its patches.
    pub fold: Fold,
    /// What was deleted.
    pub tombstones: Tombstones,
    /// Now.
    pub clock: Clock,
}

impl std::fmt::Debug for MergeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MergeConfig")
            .field("hold", &self.hold)
            .finish_non_exhaustive()
    }
}

/// Builds the merge. `lookup` answers each [`Ask`] with one [`Looked`] for each of its entities.
pub fn merge<'scope, E, F, Fut>(
    patches: Stream<'scope, Epoch, Vec<Keyd>>,
    name: &str,
    context: &Context,
    config: MergeConfig,
    lookup: F,
) -> Stream<'scope, Epoch, Vec<Stamped>>
where
    E: std::error::Error + Send + Sync + 'static,
    F: FnOnce(Commands<Ask>, Replies<Looked>) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
{
    let MergeConfig {
        hold: held,
        fold,
        tombstones,
        clock,
    } = config;
    let gauge = Arc::clone(&held.gauge);
    let unread = Unread::default();
    let (steps, asks) = hold(patches, &format!("hold[{name}]"), held, unread.clone());
    let looked = bridge::operator(asks, Pipeline, &format!("lookup[{name}]"), context, lookup);
    let changes = pieces(steps, looked, &format!("pieces[{name}]"), unread);
    let states = changes
        .as_collection()
        .reduce_named(&format!("fold[{name}]"), move |key, group, out| {
            state(&fold, key, group, out);
        });
    stamp(states.inner, &format!("stamp[{name}]"), clock, tombstones, gauge)
}

fn state(fold: &Fold, key: &Keyed, group: &[(&Piece, isize)], out: &mut Vec<(Merged, isize)>) {
    let mut stored = None;
    let mut patches = Vec::with_capacity(group.len());
    for (piece, _) in group {
        match piece {
            Piece::Stored(found) => stored = Some(&**found),
            Piece::Patch(patch) => patches.push(&**patch),
        }
    }
    let base = stored.map(|stored| &stored.row).filter(|row| !row.is_deleted());
    if let Some(row) = fold(&key.key, base, &patches) {
        let newest = patches.iter().map(|patch| &patch.origin).max();
        out.push((Merged::new(row, stored, newest), 1));
    }
}
