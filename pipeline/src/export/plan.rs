//! Which windows come next: pure decisions.
//!
//! Coverage is what the manifests say; the plan fills its gaps between the start and the horizon. So a window is never
//! planned twice, and one that is missing is always found, wherever it is.

use std::time::Duration;

use tracemill_model::time::DAY_MS;
use tracemill_model::window::gaps;
use tracemill_model::{Millis, Period, Window};

/// How far the data of a project reaches, asked of ClickHouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// The newest times of live rows of traces and of observations, from the cursor on. A table without rows there does
    /// not count.
    pub sources: [Option<Millis>; 2],
    /// The newest time of the exported table itself.
    pub own: Option<Millis>,
}

/// How windows are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The length of a window in steady state; windows end on its boundaries.
    pub every: Period,
    /// The longest window while catching up; `None` takes one period at a time.
    pub catch_up: Option<Duration>,
}

/// How far windows may reach now.
///
/// Not beyond now minus the lag, and not beyond the source watermark (the smaller of the newest trace and the newest
/// observation): what is newer may still be on its way. A watermark that has stood still for twice the lag (an hour at
/// least) says that nothing more is coming, and is no longer waited for. And not beyond the period of the newest row, so
/// that an idle project makes no empty windows. `None`: there is nothing to export.
#[must_use]
pub fn horizon(now: Millis, lag: Duration, every: Period, reach: &Reach) -> Option<Millis> {
    const PATIENCE: Duration = Duration::from_secs(3600);
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let limit = now.plus(-ms(lag));
    let known = reach.sources.iter().flatten().copied();
    let newest = known.clone().chain(reach.own).max()?;
    let is_current = |at: &Millis| limit.0.saturating_sub(at.0) <= ms((2 * lag).max(PATIENCE));
    let watermark = known.min().filter(is_current).unwrap_or(limit);
    let end_of_data = every.next(newest);
    Some(every.floor(limit.min(watermark).min(end_of_data)))
}

/// The windows to export, in order of time: the gaps of `covered` between `start` and `horizon`.
///
/// More than one period behind, windows grow: to the next boundary of `catch_up` (whole days by default), since within a
/// day rows are sorted by id and any part of a day costs nearly as much to read as all of it.
#[must_use]
pub fn windows(start: Millis, horizon: Millis, covered: &[Window], cut: Cut) -> Vec<Window> {
    let Some(range) = Window::new(start, horizon) else {
        return Vec::new();
    };
    gaps(range, covered)
        .into_iter()
        .flat_map(|gap| tile(gap, cut))
        .collect()
}

/// The end of what is covered without a gap from the start on.
#[must_use]
pub fn cursor(start: Millis, covered: &[Window]) -> Millis {
    let mut windows = covered.to_vec();
    windows.sort_unstable();
    windows.into_iter().fold(
        start,
        |at, window| if window.from <= at { at.max(window.to) } else { at },
    )
}

fn tile(gap: Window, cut: Cut) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut at = gap.from;
    while let Some(window) = Window::new(at, next_end(at, gap.to, cut).min(gap.to)) {
        at = window.to;
        windows.push(window);
    }
    windows
}

fn next_end(at: Millis, end: Millis, cut: Cut) -> Millis {
    let one = cut.every.next(at);
    let Some(cap) = cut.catch_up.filter(|_| one < end) else {
        return one;
    };
    let cap = i64::try_from(cap.as_millis()).unwrap_or(i64::MAX).max(1);
    if cap >= DAY_MS {
        // Whole days, counted from the first midnight.
        return at.day().plus(cap / DAY_MS * DAY_MS);
    }
    // The last boundary within the cap, or one period where the cap is shorter than that.
    cut.every
        .floor(at.plus(cap))
        .min(at.day().plus(DAY_MS))
        .max(if cap < cut.every.len_ms() { at.plus(cap) } else { one })
}

/// For a backfill of `[from, to)`: each window that was written and is touched, to be written again whole, and each gap,
/// as it is asked for. The number is the generation that is there, 0 for a gap.
#[must_use]
pub fn backfill(range: Window, written: &[(Window, u32)], cut: Cut) -> Vec<(Window, u32)> {
    let covered: Vec<Window> = written.iter().map(|(window, _)| *window).collect();
    let mut windows: Vec<(Window, u32)> = written
        .iter()
        .filter(|(window, _)| window.overlaps(range))
        .copied()
        .collect();
    windows.extend(
        gaps(range, &covered)
            .into_iter()
            .flat_map(|gap| tile(gap, cut))
            .map(|window| (window, 0)),
    );
    windows.sort_unstable();
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIN: i64 = 60_000;
    const HOUR: i64 = 60 * MIN;

    fn cut(every: Period, catch_up: Option<u64>) -> Cut {
        Cut {
            every,
            catch_up: catch_up.map(Duration::from_secs),
        }
    }

    fn at(text: &str) -> Millis {
        Millis::parse(text).expect("a time")
    }

    fn reach(traces: Option<&str>, observations: Option<&str>) -> Reach {
        Reach {
            sources: [traces.map(at), observations.map(at)],
            own: None,
        }
    }

    #[test]
    fn the_horizon_stays_behind_now_and_behind_the_sources() {
        let lag = Duration::from_secs(1800);
        let now = at("2026-02-25T12:00:00Z");
        for (reach, expected, why) in [
            (
                reach(Some("2026-02-25T11:59:00Z"), Some("2026-02-25T11:58:00Z")),
                Some("2026-02-25T11:30:00Z"),
                "now - lag",
            ),
            (
                reach(Some("2026-02-25T11:59:00Z"), Some("2026-02-25T11:07:00Z")),
                Some("2026-02-25T11:00:00Z"),
                "a source lags",
            ),
            (
                reach(Some("2026-02-25T11:59:00Z"), Some("2026-02-25T08:00:00Z")),
                Some("2026-02-25T11:30:00Z"),
                "it has ended",
            ),
            (
                reach(Some("2026-02-25T11:59:00Z"), None),
                Some("2026-02-25T11:30:00Z"),
                "an empty source does not count",
            ),
            (
                reach(Some("2026-02-25T03:07:00Z"), None),
                Some("2026-02-25T03:15:00Z"),
                "idle: to the end of its data",
            ),
            (reach(None, None), None, "nothing there"),
        ] {
            assert_eq!(
                horizon(now, lag, Period::QuarterHour, &reach),
                expected.map(at),
                "{why}"
            );
        }
    }

    #[test]
    fn steady_state_takes_periods_and_catching_up_takes_days() {
        let quarter = cut(Period::QuarterHour, Some(86_400));
        let start = at("2026-02-23T22:00:00Z");
        let lengths = |horizon: &str| -> Vec<i64> {
            windows(start, at(horizon), &[], quarter)
                .into_iter()
                .map(|window| window.len_ms() / MIN)
                .collect()
        };
        assert_eq!(lengths("2026-02-23T22:15:00Z"), [15]);
        assert_eq!(lengths("2026-02-23T23:00:00Z"), [60], "an hour behind is one window");
        assert_eq!(lengths("2026-02-26T01:00:00Z"), [120, 1440, 1440, 60]);
        let none = windows(start, at("2026-02-23T23:00:00Z"), &[], cut(Period::QuarterHour, None));
        assert_eq!(none.len(), 4);
        let capped = windows(
            start,
            at("2026-02-24T02:00:00Z"),
            &[],
            cut(Period::QuarterHour, Some(3600)),
        );
        assert!(capped.iter().all(|window| window.len_ms() == HOUR), "{capped:?}");
    }

    #[test]
    fn a_backfill_rewrites_whole_windows_and_fills_gaps() {
        let hour = |n: i64| Window {
            from: Millis(n * HOUR),
            to: Millis((n + 1) * HOUR),
        };
        let range = Window {
            from: Millis(HOUR / 2),
            to: Millis(3 * HOUR),
        };
        let plan = backfill(
            range,
            &[(hour(0), 2), (hour(2), 1), (hour(7), 1)],
            cut(Period::Hourly, Some(86_400)),
        );
        assert_eq!(plan, [(hour(0), 2), (hour(1), 0), (hour(2), 1)]);
    }

    proptest! {
        #[test]
        fn windows_and_coverage_tile_start_to_horizon(
            covered in prop::collection::vec((0i64..400, 1i64..40), 0..6),
            start in 0i64..400,
            length in 0i64..600,
            every in prop::sample::select(vec![Period::QuarterHour, Period::Hourly, Period::Daily, Period::Weekly]),
            catch_up in prop::option::of(prop::sample::select(vec![60_u64, 1000, 3600, 7200, 86_400, 200_000])),
        ) {
            let covered: Vec<Window> =
                covered.iter().map(|(from, len)| Window { from: Millis(from * 15 * MIN), to: Millis((from + len) * 15 * MIN) }).collect();
            let (start, horizon) = (Millis(start * 15 * MIN + 7), Millis((start + length) * 15 * MIN));
            let windows = windows(start, horizon, &covered, cut(every, catch_up));
            prop_assert!(windows.windows(2).all(|pair| pair[0].to <= pair[1].from));
            let mut all = windows.clone();
            all.extend(&covered);
            if let Some(range) = Window::new(start, horizon) {
                prop_assert_eq!(gaps(range, &all), Vec::<Window>::new());
                prop_assert!(windows.iter().all(|window| range.intersect(*window) == Some(*window)));
            }
            prop_assert!(windows.iter().all(|window| !covered.iter().any(|other| other.overlaps(*window))));
            // Days are never cut into more pieces than periods.
            let longest = i64::try_from(catch_up.unwrap_or(0)).unwrap_or(0) * 1000;
            prop_assert!(windows.iter().all(|window| window.len_ms() <= longest.max(every.len_ms()).max(1)));
        }
    }
}
