//! What is held of each entity, as changes of a collection: the inside of the merge.
//!
//! ```text
//!   steps ────┐
//!             ├──► pieces ──► ((entity, piece), epoch, ±1)
//!   looked ───┘
//! ```
//!
//! *Frontiers.* Changes leave at the epoch of the step or of the lookup's answer.
//!
//! *Invariants.* A piece is in the collection at most once; when its entity is let go, exactly what was put is retracted.

use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::hold::{Step, Unread};
use super::piece::{Piece, Stored};
use super::{Keyed, KeyedMap, Patch};
use crate::Epoch;

/// What a lookup says of an entity.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Which.
    pub key: Keyed,
    /// What is stored, if anything.
    pub stored: Option<Arc<Stored>>,
    /// Its patches in raw objects that were taken in before.
    pub history: Vec<Arc<Patch>>,
    /// Whether there is nothing more to be known: nothing is stored, or its history was read.
    pub is_whole: bool,
}

type Change = ((Keyed, Piece), Epoch, isize);

/// Builds the operator.
pub(super) fn pieces<'scope>(
    steps: Stream<'scope, Epoch, Vec<Step>>,
    looked: Stream<'scope, Epoch, Vec<Looked>>,
    name: &str,
    unread: Unread,
) -> Stream<'scope, Epoch, Vec<Change>> {
    let mut builder = OperatorBuilder::new(name.to_owned(), steps.scope());
    let mut steps = builder.new_input(steps, Pipeline);
    let mut looked = builder.new_input(looked, Pipeline);
    let (output, changes) = builder.new_output::<Vec<Change>>();
    let mut output: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<Change>>> = OutputBuilder::from(output);
    builder.build(move |_capabilities| {
        let mut groups = Groups::default();
        move |_frontiers| {
            let mut output = output.activate();
            steps.for_each(|capability, items| {
                let Some(&epoch) = capability.least() else { return };
                let mut session = output.session(&capability);
                for step in items.drain(..) {
                    match step {
                        Step::Put(item) => {
                            let change = groups.put(&item.key, Piece::Patch(item.patch));
                            session.give_iterator(change.map(|change| (change, epoch, 1)).into_iter());
                        }
                        Step::LetGo(key) => {
                            let gone = groups.let_go(&key);
                            session.give_iterator(gone.into_iter().map(|piece| ((key.clone(), piece), epoch, -1)));
                        }
                    }
                }
            });
            looked.for_each(|capability, items| {
                let Some(&epoch) = capability.least() else { return };
                let mut session = output.session(&capability);
                for looked in items.drain(..) {
                    let Looked {
                        key,
                        stored,
                        history,
                        is_whole,
                    } = looked;
                    if is_whole {
                        unread.end(&key);
                    }
                    let stored = stored.map(Piece::Stored).into_iter();
                    for piece in stored.chain(history.into_iter().map(Piece::Patch)) {
                        let change = groups.put(&key, piece);
                        session.give_iterator(change.map(|change| (change, epoch, 1)).into_iter());
                    }
                }
            });
        }
    });
    changes
}

#[derive(Default)]
struct Groups(KeyedMap<Vec<Piece>>);

impl Groups {
    /// Adds a piece; `None`: it is there.
    fn put(&mut self, key: &Keyed, piece: Piece) -> Option<(Keyed, Piece)> {
        let group = self.0.entry(key.clone()).or_default();
        match group.binary_search(&piece) {
            Ok(_) => None,
            Err(place) => {
                group.insert(place, piece.clone());
                Some((key.clone(), piece))
            }
        }
    }

    fn let_go(&mut self, key: &Keyed) -> Vec<Piece> {
        self.0.remove(key).unwrap_or_default()
    }
}
