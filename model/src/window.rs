//! Windows of an export's time axis, and the arithmetic of coverage: which stretches were written, which are missing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Millis;

/// `[from, to)` of the time column. Never inclusive at both ends, so a boundary row belongs to one window alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first millisecond that belongs to it.
    pub from: Millis,
    /// The first millisecond that no longer belongs to it.
    pub to: Millis,
}

impl Window {
    /// `[from, to)`, or `None` where that is empty.
    #[must_use]
    pub fn new(from: Millis, to: Millis) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// Length in milliseconds.
    #[must_use]
    pub fn len_ms(self) -> i64 {
        self.to.0.saturating_sub(self.from.0)
    }

    /// Whether the time lies inside.
    #[must_use]
    pub fn contains(self, at: Millis) -> bool {
        self.from <= at && at < self.to
    }

    /// Whether the two share a millisecond.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }

    /// The shared part, if any.
    #[must_use]
    pub fn intersect(self, other: Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.to.min(other.to))
    }

    /// The UTC days that it touches, each cut to the window.
    pub fn days(self) -> impl Iterator<Item = Self> {
        let mut at = self.from;
        std::iter::from_fn(move || {
            let end = at.day().plus(crate::time::DAY_MS).min(self.to);
            let day = Self::new(at, end)?;
            at = end;
            Some(day)
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from, self.to)
    }
}

/// The parts of `range` that no window of `covered` holds, in order. `covered` may be unsorted and may overlap.
#[must_use]
pub fn gaps(range: Window, covered: &[Window]) -> Vec<Window> {
    let mut sorted: Vec<Window> = covered.iter().copied().filter(|w| w.overlaps(range)).collect();
    sorted.sort_unstable();
    let mut gaps = Vec::new();
    let mut at = range.from;
    for window in sorted {
        gaps.extend(Window::new(at, window.from));
        at = at.max(window.to);
    }
    gaps.extend(Window::new(at, range.to));
    gaps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window {
            from: Millis(from),
            to: Millis(to),
        }
    }

    #[test]
    fn days_tile_a_window() {
        let day = crate::time::DAY_MS;
        let days: Vec<_> = window(day - 5, 3 * day).days().collect();
        assert_eq!(
            days,
            [window(day - 5, day), window(day, 2 * day), window(2 * day, 3 * day)]
        );
    }

    proptest! {
        #[test]
        fn gaps_and_covered_tile_the_range(parts in prop::collection::vec((0i64..100, 1i64..20), 0..12)) {
            let covered: Vec<_> = parts.iter().map(|(from, len)| window(*from, from + len)).collect();
            let range = window(10, 90);
            let gaps = gaps(range, &covered);
            for at in 0..110 {
                let at = Millis(at);
                let in_gap = gaps.iter().filter(|gap| gap.contains(at)).count();
                let expected = range.contains(at) && !covered.iter().any(|w| w.contains(at));
                prop_assert_eq!(in_gap, usize::from(expected));
            }
            prop_assert!(gaps.windows(2).all(|pair| pair[0].to < pair[1].from));
        }
    }
}
