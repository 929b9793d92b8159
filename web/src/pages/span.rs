//! The time that a page is about: one of a few, or from and to. Pure.

use tracemill_model::Millis;
use tracemill_model::time::DAY_MS;

use crate::query::Span;

/// The times that one can choose: value, name, length in ms (0: all).
const PRESETS: [(&str, &str, i64); 6] = [
    ("1h", "Last hour", 3_600_000),
    ("24h", "Last 24 hours", DAY_MS),
    ("7d", "Last 7 days", 7 * DAY_MS),
    ("30d", "Last 30 days", 30 * DAY_MS),
    ("90d", "Last 90 days", 90 * DAY_MS),
    ("all", "All time", 0),
];

/// A time that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) span: Span,
    /// The preset's value; empty where from and to were given.
    pub(super) preset: &'static str,
    /// As they were given.
    pub(super) from: String,
    pub(super) to: String,
    /// What is wrong with what was given.
    pub(super) fault: Option<String>,
}

/// A preset as a form offers it.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) value: &'static str,
    pub(super) name: &'static str,
    pub(super) is_chosen: bool,
}

impl Chosen {
    /// What `span`, `from` and `to` of a query say; `default` where they say nothing.
    pub(super) fn read(preset: &str, from: &str, to: &str, default: &str, now: Millis) -> Self {
        let known = |name: &str| PRESETS.into_iter().find(|(value, ..)| *value == name);
        let mut faults = Vec::new();
        let mut time = |name: &str, text: &str| {
            if text.trim().is_empty() {
                return None;
            }
            // Beyond what ClickHouse's DateTime64 holds.
            let read = Millis::parse(text)
                .ok()
                .filter(|at| (-2_208_988_800_000..=10_413_791_999_999).contains(&at.0));
            if read.is_none() {
                faults.push(format!("“{name}” is not a time such as 2026-02-25T12:00."));
            }
            read
        };
        let (begin, end) = (time("From", from), time("To", to));
        let is_own = begin.is_some() || end.is_some() || !faults.is_empty();
        let (value, _, length) = known(preset).or_else(|| known(default)).unwrap_or(PRESETS[2]);
        let preset_span = Span {
            from: (length > 0).then(|| now.plus(-length)),
            to: None,
        };
        Self {
            span: if is_own {
                Span { from: begin, to: end }
            } else {
                preset_span
            },
            preset: if is_own { "" } else { value },
            from: from.trim().to_owned(),
            to: to.trim().to_owned(),
            fault: faults.into_iter().next(),
        }
    }

    /// For the form.
    pub(super) fn presets(&self) -> Vec<Preset> {
        let one = |(value, name, _)| Preset {
            value,
            name,
            is_chosen: value == self.preset,
        };
        PRESETS.into_iter().map(one).collect()
    }

    /// How long it is, in ms; `None`: without end.
    pub(super) fn length(&self, now: Millis) -> Option<i64> {
        let to = self.span.to.unwrap_or(now);
        self.span.from.map(|from| to.0.saturating_sub(from.0))
    }

    /// In words: `in the last 7 days`.
    pub(super) fn words(&self) -> String {
        match self.preset {
            "" => "in this time".to_owned(),
            "all" => "at any time".to_owned(),
            value => {
                let name = PRESETS
                    .into_iter()
                    .find(|(own, ..)| *own == value)
                    .map_or("", |(_, name, _)| name);
                format!("in the {}", name.to_lowercase())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_772_021_700_000);

    fn read(preset: &str, from: &str, to: &str) -> Chosen {
        Chosen::read(preset, from, to, "7d", NOW)
    }

    #[test]
    fn presets_and_defaults() {
        assert_eq!(read("1h", "", "").span.from, Some(NOW.plus(-3_600_000)));
        assert_eq!(read("", "", "").preset, "7d");
        assert_eq!(read("nonsense", "", "").preset, "7d");
        assert_eq!(read("all", "", "").span, Span::default());
        assert_eq!(read("all", "", "").length(NOW), None);
        assert_eq!(
            (
                read("24h", "", "").words().as_str(),
                read("all", "", "").words().as_str()
            ),
            ("in the last 24 hours", "at any time")
        );
    }

    #[test]
    fn from_and_to_win_over_a_preset() {
        let own = read("1h", "2026-02-25T12:00", "2026-02-26");
        assert_eq!((own.preset, own.length(NOW)), ("", Some(43_200_000)));
        assert_eq!(own.fault, None);
        let wrong = read("1h", "yesterday", "");
        assert!(wrong.fault.is_some_and(|fault| fault.contains("From")));
        assert!(read("", "99999-01-01", "").fault.is_some());
    }
}
