//! Time as the tables keep it: milliseconds since the Unix epoch, UTC; and durations with units in their text.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, the resolution of `DateTime64(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub i64);

/// Milliseconds of one UTC day.
pub const DAY_MS: i64 = 86_400_000;

/// The text is not a time that we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time: write `2026-02-25`, `2026-02-25T12:15:00Z` or milliseconds since 1970")]
pub struct TimeError {
    text: String,
}

impl Millis {
    /// Reads an RFC 3339 time, a date (its midnight, UTC), or a whole number of milliseconds.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        let wrong = || TimeError { text: text.to_owned() };
        // A time that no calendar has is written so: see `Display`.
        if let Ok(ms) = text.strip_suffix("ms").unwrap_or(text).parse::<i64>() {
            return Ok(Self(ms));
        }
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(at.as_millisecond()));
        }
        let civil = text
            .parse::<jiff::civil::DateTime>()
            .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)))
            .map_err(|_| wrong())?;
        jiff::tz::TimeZone::UTC
            .to_timestamp(civil)
            .map(|at| Self(at.as_millisecond()))
            .map_err(|_| wrong())
    }

    /// The nearest time that a `DateTime64(3)` holds, which are those from 1900 to 2299.
    #[must_use]
    pub fn within_tables(self) -> Self {
        Self(self.0.clamp(-2_208_988_800_000, 10_413_791_999_999))
    }

    /// The midnight (UTC) at or before this time.
    #[must_use]
    pub fn day(self) -> Self {
        Self(self.0.div_euclid(DAY_MS).saturating_mul(DAY_MS))
    }

    /// This time plus `ms` milliseconds, saturating.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// `2026-02-25T12-15-00`: ISO time cut to seconds with `:` replaced, as the reference names its files.
    #[must_use]
    pub fn file_stem(self) -> String {
        let civil = self.civil();
        format!(
            "{:04}-{:02}-{:02}T{:02}-{:02}-{:02}",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second()
        )
    }

    /// `2026-02-25`.
    #[must_use]
    pub fn date(self) -> String {
        let civil = self.civil();
        format!("{:04}-{:02}-{:02}", civil.year(), civil.month(), civil.day())
    }

    /// The hour of the day, 0 to 23, UTC.
    #[must_use]
    pub fn hour(self) -> u32 {
        (self.0.rem_euclid(DAY_MS) / 3_600_000).unsigned_abs() as u32
    }

    fn civil(self) -> jiff::civil::DateTime {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        jiff::tz::TimeZone::UTC.to_datetime(at)
    }
}

/// RFC 3339 with milliseconds, UTC: `2026-02-25T12:15:00.000Z`.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Millis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The text is not a duration with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a duration: write a number and a unit, for example `500 ms`, `30 s`, `15 min`, `1 h` or `7 d`"
)]
pub struct DurationError {
    text: String,
}

/// Reads a duration with a unit: `ms`, `s`, `min` (or `m`), `h`, `d`, `w`.
///
/// # Errors
/// No number, no unit, an unknown unit, or a number too large.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError { text: text.to_owned() };
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = trimmed[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match trimmed[digits..].trim() {
        "ms" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "w" | "week" | "weeks" => 604_800_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_prints_one() {
        for (text, ms) in [
            ("2026-02-25T12:15:00Z", 1_772_021_700_000),
            ("2026-02-25T13:15:00+01:00", 1_772_021_700_000),
            ("2026-02-25T12:15:00.250Z", 1_772_021_700_250),
            ("2026-02-25", 1_771_977_600_000),
            ("1772021700000", 1_772_021_700_000),
        ] {
            assert_eq!(Millis::parse(text), Ok(Millis(ms)), "{text}");
        }
        assert_eq!(Millis(1_772_021_700_250).to_string(), "2026-02-25T12:15:00.250Z");
        assert_eq!(Millis(1_772_021_700_250).file_stem(), "2026-02-25T12-15-00");
        for far in [Millis(i64::MAX), Millis(i64::MIN), Millis(253_402_300_800_000)] {
            assert_eq!(Millis::parse(&far.to_string()), Ok(far), "{far}");
        }
        assert!(Millis::parse("yesterday").is_err());
    }

    #[test]
    fn days_before_the_epoch_start_at_midnight_too() {
        assert_eq!(Millis(-1).day(), Millis(-DAY_MS));
        assert_eq!(Millis(DAY_MS + 5).day(), Millis(DAY_MS));
        assert_eq!(Millis(-1).hour(), 23);
        // No clock shows these, but a job may name them.
        assert_eq!(Millis(i64::MIN).day(), Millis(i64::MIN));
        assert!(Millis(i64::MAX).day() <= Millis(i64::MAX));
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("15 min"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in [
            "15",
            "min",
            "",
            "1 fortnight",
            "-1 s",
            "99999999999999999999 s",
            "18446744073709551615 w",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
