//! Where the bars of a timeline are: pure.

/// The width of a timeline, in units of its own.
pub(super) const WIDTH: i64 = 1_000;
/// The least width of a bar: one of no length is seen as well.
const LEAST: i64 = 3;

/// From the first start to the last end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// ms.
    pub(super) from: i64,
    /// ms; not before `from`.
    pub(super) to: i64,
}

/// A bar: `x` and `width` lie within 0..[`WIDTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: i64,
    pub(super) width: i64,
}

impl Extent {
    /// The extent of starts and ends; `None` without any.
    pub(super) fn of(steps: impl Iterator<Item = (i64, Option<i64>)>) -> Option<Self> {
        steps.fold(None, |extent: Option<Self>, (start, end)| {
            let end = end.unwrap_or(start).max(start);
            let wider = extent.map_or((start, end), |extent| (extent.from.min(start), extent.to.max(end)));
            Some(Self {
                from: wider.0,
                to: wider.1,
            })
        })
    }

    /// ms.
    pub(super) fn length(self) -> i64 {
        self.to.saturating_sub(self.from)
    }

    /// A bar. One that ends before it begins, or has no end, is as short as a bar can be.
    pub(super) fn bar(self, start: i64, end: Option<i64>) -> Bar {
        let length = i128::from(self.length().max(1));
        let place = |at: i64| {
            let after = i128::from(at.saturating_sub(self.from)).clamp(0, length);
            i64::try_from(after * i128::from(WIDTH) / length).unwrap_or(WIDTH)
        };
        let (x, end) = (place(start), place(end.unwrap_or(start).max(start)));
        let width = (end - x).max(LEAST);
        Bar {
            x: x.min(WIDTH - width),
            width,
        }
    }

    /// Where round times are on its axis, from its begin: at most six, the first at 0.
    pub(super) fn ticks(self) -> Vec<i64> {
        let length = self.length().max(1);
        let step = STEPS.into_iter().find(|step| length / step <= 5).unwrap_or(length);
        let all = (0..=5_i64)
            .map(|n| n.saturating_mul(step))
            .take_while(|at| *at <= length);
        all.map(|at| i64::try_from(i128::from(at) * i128::from(WIDTH) / i128::from(length)).unwrap_or(WIDTH))
            .collect()
    }
}

const STEPS: [i64; 26] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_200_000,
    1_800_000,
    3_600_000,
    7_200_000,
    21_600_000,
    86_400_000,
    604_800_000,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bars_lie_where_their_times_do() {
        let extent = Extent::of([(100, Some(300)), (50, None), (120, Some(1_050))].into_iter()).expect("steps");
        assert_eq!(extent, Extent { from: 50, to: 1_050 });
        for (start, end, x, width) in [
            (50, Some(1_050), 0, 1_000),
            (550, Some(800), 500, 250),
            (550, None, 500, 3),
            (550, Some(10), 500, 3),
            (1_050, Some(1_050), 997, 3),
            (-900, Some(99_999), 0, 1_000),
        ] {
            assert_eq!(extent.bar(start, end), Bar { x, width }, "{start} {end:?}");
        }
        assert_eq!(Extent::of(std::iter::empty()), None);
    }

    #[test]
    fn an_axis_has_few_round_times() {
        let ticks = |length: i64| {
            Extent {
                from: 7,
                to: 7 + length,
            }
            .ticks()
        };
        assert_eq!(ticks(1_000), [0, 200, 400, 600, 800, 1_000]);
        assert_eq!(ticks(15_000), [0, 333, 666, 1_000]);
        assert_eq!(ticks(14_999), [0, 333, 666]);
        assert_eq!(ticks(400), [0, 250, 500, 750, 1_000]);
        assert_eq!(ticks(0), [0, 1_000]);
    }

    proptest! {
        #[test]
        fn bars_never_leave_the_timeline(from: i64, to: i64, start: i64, end: Option<i64>) {
            let bar = Extent { from: from.min(to), to: from.max(to) }.bar(start, end);
            prop_assert!(bar.x >= 0 && bar.width >= LEAST && bar.x + bar.width <= WIDTH);
        }

        #[test]
        fn an_axis_is_never_crowded(length in 0_i64..i64::MAX / 2) {
            let ticks = Extent { from: 0, to: length }.ticks();
            prop_assert!((1..=6).contains(&ticks.len()));
        }
    }
}
