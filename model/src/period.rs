//! How often an export writes a window, and where windows begin and end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Millis, Window, time::DAY_MS};

/// The period of an export. Windows end on its boundaries (UTC; weeks begin on Monday).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Period {
    /// Every 15 minutes.
    #[serde(rename = "15 min")]
    QuarterHour,
    /// Every hour.
    #[serde(rename = "hourly")]
    Hourly,
    /// Every day.
    #[serde(rename = "daily")]
    Daily,
    /// Every week.
    #[serde(rename = "weekly")]
    Weekly,
}

/// Names that a configuration may use for a period.
pub const PERIOD_NAMES: [&str; 4] = ["15 min", "hourly", "daily", "weekly"];

impl Period {
    /// Reads the configuration's name of it (`15m`, the fork's own, is `15 min`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "15 min" | "15m" | "15min" => Some(Self::QuarterHour),
            "hourly" | "1 h" => Some(Self::Hourly),
            "daily" | "1 d" => Some(Self::Daily),
            "weekly" | "7 d" => Some(Self::Weekly),
            _ => None,
        }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn len_ms(self) -> i64 {
        match self {
            Self::QuarterHour => 900_000,
            Self::Hourly => 3_600_000,
            Self::Daily => DAY_MS,
            Self::Weekly => 7 * DAY_MS,
        }
    }

    /// The boundary at or before `at`.
    #[must_use]
    pub fn floor(self, at: Millis) -> Millis {
        // 1970-01-01 was a Thursday: weeks are counted from Monday, 1969-12-29.
        let origin = if self == Self::Weekly { -3 * DAY_MS } else { 0 };
        let length = self.len_ms();
        Millis((at.0 - origin).div_euclid(length) * length + origin)
    }

    /// The first boundary after `at`.
    #[must_use]
    pub fn next(self, at: Millis) -> Millis {
        self.floor(at).plus(self.len_ms())
    }

    /// Cuts `range` into windows that end on boundaries; the first may be shorter, and what lies after the last
    /// boundary within the range is left for later.
    #[must_use]
    pub fn whole_windows(self, range: Window) -> Vec<Window> {
        let mut windows = Vec::new();
        let mut at = range.from;
        while let Some(window) = Window::new(at, self.next(at)).filter(|window| window.to <= range.to) {
            windows.push(window);
            at = window.to;
        }
        windows
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QuarterHour => "15 min",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday() {
        let wednesday = Millis::parse("2026-02-25T12:15:00Z").expect("a time");
        assert_eq!(Period::Weekly.floor(wednesday).to_string(), "2026-02-23T00:00:00.000Z");
        assert_eq!(Period::Weekly.next(wednesday).to_string(), "2026-03-02T00:00:00.000Z");
    }

    #[test]
    fn a_ragged_start_reaches_the_next_boundary_and_a_ragged_end_waits() {
        let range = Window {
            from: Millis(100),
            to: Millis(2_000_000),
        };
        let windows = Period::QuarterHour.whole_windows(range);
        assert_eq!(
            windows,
            [
                Window {
                    from: Millis(100),
                    to: Millis(900_000)
                },
                Window {
                    from: Millis(900_000),
                    to: Millis(1_800_000)
                }
            ]
        );
    }
}
