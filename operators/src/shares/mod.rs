//! Fair shares: who goes next where several have work, by weight and by what each has had. Pure; [`turns`] lets tasks wait.
//!
//! Start-time fair queueing. Each party has a tag: the time, in units of cost by weight, at which its next piece of work
//! begins. The least tag goes next, and is the time of all; what it took moves its own tag on. Cost need not be known before.
//!
//! *Invariants.*
//! - Of two parties that both have work all the time, what each has had by its weight differs by no more than one piece of
//!   work of each.
//! - Whoever has work is served: nothing is kept free for the others. A single party gets everything.
//! - A party that had nothing to do begins at the time of all: it has no credit for the past, and is owed nothing.
//! - What is remembered is bounded by the parties that have work, and those that are ahead of the others' time.

pub mod turns;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tracemill_model::ingest::Text;
pub use turns::{Turn, Turns};

/// The part of a unit of cost that a tag can tell apart: divides by every weight up to 16 exactly.
const UNIT: u128 = 720_720;

/// The greatest weight.
pub const MAX_WEIGHT: u32 = 1_000;

/// How much each party has of what is shared, against the others: 1 where nothing else is said. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weights(Arc<BTreeMap<Text, u32>>);

impl Weights {
    /// These weights, from 1 to [`MAX_WEIGHT`]; what is outside is taken as the nearest that is not.
    #[must_use]
    pub fn new<K: Into<Text>>(weights: impl IntoIterator<Item = (K, u32)>) -> Self {
        let named = weights.into_iter();
        Self(Arc::new(
            named
                .map(|(name, weight)| (name.into(), weight.clamp(1, MAX_WEIGHT)))
                .collect(),
        ))
    }

    /// The weight of a party.
    #[must_use]
    pub fn of(&self, name: &str) -> u32 {
        self.0.get(name).copied().unwrap_or(1)
    }
}

/// Who goes next.
#[derive(Debug, Clone, Default)]
pub struct Shares {
    weights: Weights,
    parties: HashMap<Text, Party>,
    /// Those that have work, the least tag first; of equal ones whoever came first.
    waiting: BTreeSet<(u128, u64, Text)>,
    /// Those that have none, but a tag ahead of the time.
    ahead: BTreeSet<(u128, Text)>,
    /// The tag of whoever went last.
    now: u128,
    /// How often somebody was put among the waiting.
    places: u64,
}

#[derive(Debug, Clone, Copy)]
struct Party {
    tag: u128,
    /// Its place among those that wait with the same tag; `None`: it has nothing to do.
    place: Option<u64>,
}

impl Shares {
    /// Nobody has work yet.
    #[must_use]
    pub fn new(weights: Weights) -> Self {
        Self {
            weights,
            ..Self::default()
        }
    }

    /// A party has work. Nothing changes where it had some before.
    pub fn join(&mut self, name: &Text) {
        let party = self.party(name);
        if party.place.is_some() {
            return;
        }
        self.ahead.remove(&(party.tag, Arc::clone(name)));
        self.wait(name, party.tag.max(self.now));
    }

    /// A party has no more work.
    pub fn leave(&mut self, name: &Text) {
        let Some(Party {
            tag,
            place: Some(place),
        }) = self.parties.get(name).copied()
        else {
            return;
        };
        self.waiting.remove(&(tag, place, Arc::clone(name)));
        self.idle(name, tag);
        if self.waiting.is_empty() {
            // Nobody was kept waiting by what was had before: all are equal again.
            let last = self.ahead.last().map(|(tag, _)| *tag);
            self.now = self.now.max(last.unwrap_or(0));
            self.forget();
        }
    }

    /// Who goes next; it stays among those that have work.
    #[must_use]
    pub fn pick(&mut self) -> Option<Text> {
        let (tag, _, name) = self.waiting.first()?;
        let name = Arc::clone(name);
        self.now = self.now.max(*tag);
        self.forget();
        Some(name)
    }

    /// A party has had that much, in whatever unit all are counted. May be told before, while, or after it has it.
    pub fn charge(&mut self, name: &Text, cost: u64) {
        let weight = u128::from(self.weights.of(name));
        let party = self.party(name);
        let tag = party.tag.max(self.now) + u128::from(cost.max(1)) * UNIT / weight;
        match party.place {
            Some(place) => {
                self.waiting.remove(&(party.tag, place, Arc::clone(name)));
                self.wait(name, tag);
            }
            None => {
                self.ahead.remove(&(party.tag, Arc::clone(name)));
                self.idle(name, tag);
            }
        }
    }

    /// How many have work.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn party(&self, name: &Text) -> Party {
        self.parties.get(name).copied().unwrap_or(Party {
            tag: self.now,
            place: None,
        })
    }

    fn wait(&mut self, name: &Text, tag: u128) {
        let place = self.places;
        self.places += 1;
        self.waiting.insert((tag, place, Arc::clone(name)));
        let place = Some(place);
        self.parties.insert(Arc::clone(name), Party { tag, place });
    }

    fn idle(&mut self, name: &Text, tag: u128) {
        if tag > self.now {
            self.ahead.insert((tag, Arc::clone(name)));
            self.parties.insert(Arc::clone(name), Party { tag, place: None });
        } else {
            self.parties.remove(name);
        }
    }

    /// Those that are no longer ahead are like any other that has nothing to do.
    fn forget(&mut self) {
        while let Some((tag, _)) = self.ahead.first()
            && *tag <= self.now
            && let Some((_, name)) = self.ahead.pop_first()
        {
            self.parties.remove(&name);
        }
    }
}
