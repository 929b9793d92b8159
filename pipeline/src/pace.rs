//! How fast something goes and how long it still takes: pure arithmetic over samples.
//!
//! The time left is told only when the whole is known; a guess that people plan by is worse than none.

use std::collections::VecDeque;
use std::time::Duration;

use tracemill_model::{ByteSize, Table};
use tracemill_operators::progress::Progress;

/// What is known at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Rows that are through.
    pub rows: u64,
    /// Bytes that are through.
    pub bytes: u64,
    /// Steps done, in whatever unit `total` has.
    pub done: u64,
    /// All steps, where that is known.
    pub total: Option<u64>,
    /// What else there is to say.
    pub note: String,
}

/// Rates are taken over this time.
const SPAN: Duration = Duration::from_secs(8);
/// Below this time since the start nothing is said about the time left.
const LEAST: Duration = Duration::from_secs(1);

/// Remembers enough samples to tell a rate.
#[derive(Debug, Default)]
pub struct Pace {
    seen: VecDeque<(Duration, u64, u64)>,
}

impl Pace {
    /// Notes a sample, taken so long after the start.
    pub fn note(&mut self, at: Duration, sample: &Sample) {
        self.seen.push_back((at, sample.bytes, sample.done));
        while self.seen.len() > 2 && self.seen.get(1).is_some_and(|second| at - second.0 >= SPAN) {
            self.seen.pop_front();
        }
    }

    fn change(&self) -> Option<(f64, u64, u64)> {
        let (first, last) = (self.seen.front()?, self.seen.back()?);
        let seconds = (last.0.checked_sub(first.0)?).as_secs_f64();
        (seconds > 0.0).then(|| (seconds, last.1.saturating_sub(first.1), last.2.saturating_sub(first.2)))
    }

    /// Bytes a second, lately.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        self.change()
            .map_or(0, |(seconds, bytes, _)| (bytes as f64 / seconds) as u64)
    }

    /// How long the rest takes at the rate of late. `None`: the whole is not known, nothing moves, or it has just begun.
    #[must_use]
    pub fn left(&self, sample: &Sample) -> Option<Duration> {
        let total = sample.total?;
        let (seconds, _, done) = self.change()?;
        if done == 0 || self.seen.back()?.0 < LEAST {
            return None;
        }
        let left = total.saturating_sub(sample.done) as f64 * seconds / done as f64;
        Duration::try_from_secs_f64(left).ok()
    }
}

/// The rows that all of these exports will have read when they are through with what their plans know of; `None` while
/// a plan has not looked yet, or no window of a table has been counted that has windows to come.
///
/// Windows that were not counted yet are taken to be as large as the export's windows that were, and those of an export
/// without any as large as the table's in other projects.
#[must_use]
pub fn expected_rows<'a>(exports: impl IntoIterator<Item = (Table, &'a Progress)>) -> Option<u64> {
    let exports: Vec<(Table, [u64; 4])> = exports
        .into_iter()
        .map(|(table, progress)| {
            let plans = progress.get(|c| &c.plans);
            let (known, counted) = (progress.get(|c| &c.windows_known), progress.get(|c| &c.windows_counted));
            (table, [plans, known, counted, progress.get(|c| &c.versions_found)])
        })
        .collect();
    let of_table = |table: Table| {
        let same = exports.iter().filter(|(of, _)| *of == table);
        same.fold((0, 0), |(windows, rows), (_, [.., counted, found])| {
            (windows + counted, rows + found)
        })
    };
    exports
        .iter()
        .map(
            |(table, [plans, known, counted, found])| match (plans, known, counted) {
                (0, ..) => None,
                (_, 0, _) => Some(0),
                (.., 0) => match of_table(*table) {
                    (0, _) => None,
                    (windows, rows) => Some(scaled(rows, *known, windows)),
                },
                _ => Some(scaled(*found, *known.max(counted), *counted)),
            },
        )
        .sum()
}

fn scaled(value: u64, times: u64, of: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(times) / u128::from(of)).unwrap_or(u64::MAX)
}

/// `1,234,567`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 s`, `2 min 10 s`, `1 h 4 min`.
#[must_use]
pub fn for_people(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..172_800 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// The line beside a bar.
#[must_use]
pub fn line(sample: &Sample, pace: &Pace) -> String {
    let mut text = String::new();
    if let Some(left) = pace.left(sample).filter(|left| !left.is_zero()) {
        text.push_str(&format!("~{} left  ", for_people(left)));
    }
    text.push_str(&format!(
        "{} rows  {}  {}/s",
        grouped(sample.rows),
        ByteSize(sample.bytes),
        ByteSize(pace.bytes_per_second())
    ));
    if !sample.note.is_empty() {
        text.push_str("  ");
        text.push_str(&sample.note);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(done: u64, total: Option<u64>) -> Sample {
        Sample {
            rows: done,
            bytes: done * 10,
            done,
            total,
            note: String::new(),
        }
    }

    #[test]
    fn the_time_left_is_told_only_when_the_whole_is_known() {
        let mut pace = Pace::default();
        for (second, done) in [(0, 0), (2, 20), (4, 40)] {
            pace.note(Duration::from_secs(second), &sample(done, None));
        }
        assert_eq!(pace.left(&sample(40, None)), None);
        assert_eq!(pace.left(&sample(40, Some(100))), Some(Duration::from_secs(6)));
        assert_eq!(pace.bytes_per_second(), 100);
        let mut still = Pace::default();
        still.note(Duration::from_secs(3), &sample(5, None));
        still.note(Duration::from_secs(9), &sample(5, None));
        assert_eq!(still.left(&sample(5, Some(9))), None, "nothing moves");
    }

    #[test]
    fn rates_forget_what_was_long_ago() {
        let mut pace = Pace::default();
        pace.note(Duration::ZERO, &sample(0, None));
        pace.note(Duration::from_secs(100), &sample(1_000_000, None));
        for second in 101..120 {
            pace.note(Duration::from_secs(second), &sample(1_000_000, None));
        }
        assert_eq!(pace.bytes_per_second(), 0);
    }

    #[test]
    fn expectations_wait_for_every_export() {
        let (one, two) = (Progress::default(), Progress::default());
        let expected = || expected_rows([(Table::Traces, &one), (Table::Traces, &two)]);
        assert_eq!(expected(), None, "no plan has looked");
        for progress in [&one, &two] {
            progress.add(|c| &c.plans, 1);
        }
        assert_eq!(expected(), Some(0), "nothing to do");
        one.add(|c| &c.windows_known, 4);
        assert_eq!(expected(), None, "nothing was counted");
        one.add(|c| &c.windows_counted, 2);
        one.add(|c| &c.versions_found, 100);
        assert_eq!(expected(), Some(200));
        two.add(|c| &c.windows_known, 3);
        assert_eq!(expected(), Some(350), "as large as those of the same table");
        let others = expected_rows([(Table::Traces, &one), (Table::Scores, &two)]);
        assert_eq!(others, None, "another table says nothing");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(for_people(Duration::from_secs(3_700)), "1 h 1 min");
        assert_eq!(for_people(Duration::from_secs(61)), "1 min 1 s");
    }
}
