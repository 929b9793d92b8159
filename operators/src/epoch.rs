//! The one timestamp of all dataflows.
//!
//! For an export an epoch is (window number, round), compared in that order and kept in one integer: the window number
//! above, the round in the low [`ROUND_BITS`] bits. The split's feedback edge adds a round and nothing else, so work
//! that is fed back stays in its window, and a frontier that has reached the next window says: all of this one is done.

use std::fmt;

use differential_dataflow::lattice::Lattice;
use serde::{Deserialize, Serialize};
use timely::order::{PartialOrder, TotalOrder};
use timely::progress::Timestamp;
use timely::progress::timestamp::{PathSummary, Refines};

/// How many bits of an epoch count rounds.
pub const ROUND_BITS: u32 = 20;

const ROUND_MASK: u64 = (1 << ROUND_BITS) - 1;

/// A point of an export's progress: (window number, round) in one integer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Epoch(u64);

impl Epoch {
    /// The first round of a window.
    #[must_use]
    pub const fn of_window(number: u64) -> Self {
        Self(number << ROUND_BITS)
    }

    /// The window's number, counted from 0 since the dataflow began.
    #[must_use]
    pub const fn window(self) -> u64 {
        self.0 >> ROUND_BITS
    }

    /// How often its work was fed back.
    #[must_use]
    pub const fn round(self) -> u64 {
        self.0 & ROUND_MASK
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.window(), self.round())
    }
}

impl PartialOrder for Epoch {
    fn less_equal(&self, other: &Self) -> bool {
        self.0 <= other.0
    }
}

impl TotalOrder for Epoch {}

/// How far a path through the graph advances an epoch: a number of rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rounds(pub u64);

impl PartialOrder for Rounds {
    fn less_equal(&self, other: &Self) -> bool {
        self.0 <= other.0
    }
}

impl PathSummary<Epoch> for Rounds {
    fn results_in(&self, epoch: &Epoch) -> Option<Epoch> {
        // A round that would spill into the window number is invalid: the message is dropped by timely rather than
        // counted for another window. `split` gives up long before (see `split::MAX_DEPTH`).
        let round = epoch.round().checked_add(self.0).filter(|round| *round <= ROUND_MASK)?;
        Some(Epoch((epoch.0 & !ROUND_MASK) | round))
    }

    fn followed_by(&self, other: &Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl Timestamp for Epoch {
    type Summary = Rounds;

    fn minimum() -> Self {
        Self(0)
    }
}

/// So that it can be the time of a whole dataflow.
impl Refines<()> for Epoch {
    fn to_inner((): ()) -> Self {
        Self(0)
    }

    fn to_outer(self) {}

    fn summarize(_: Rounds) {}
}

impl Lattice for Epoch {
    fn join(&self, other: &Self) -> Self {
        *self.max(other)
    }

    fn meet(&self, other: &Self) -> Self {
        *self.min(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_never_passes_into_the_next_window() {
        let last = Epoch((7 << ROUND_BITS) | ROUND_MASK);
        assert_eq!(Rounds(1).results_in(&last), None);
        assert_eq!(
            Rounds(1)
                .results_in(&Epoch::of_window(7))
                .map(|e| (e.window(), e.round())),
            Some((7, 1))
        );
        assert_eq!(Rounds(0).results_in(&last), Some(last));
        assert!(last < Epoch::of_window(8));
    }
}
