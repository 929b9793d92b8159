//! Times as the protocol writes them: `2026-02-25T12:15:00.123456Z`, with an offset, cut to whole milliseconds.

use tracemill_model::Millis;
use tracemill_model::time::DAY_MS;

/// Reads `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM|±HHMM)`. `None`: not of this form, or not on the calendar.
#[must_use]
pub fn datetime(text: &str) -> Option<Millis> {
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| date[at] != byte) {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..10])?);
    let (hour, minute, second) = (digits(&date[11..13])?, digits(&date[14..16])?, digits(&date[17..])?);
    if day < 1 || day > days_of_month(year, month)? || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (ms, rest) = fraction(rest)?;
    let offset = offset_ms(rest)?;
    let of_day = (hour * 3600 + minute * 60 + second) * 1000 + ms;
    Some(Millis(days_since_1970(year, month, day) * DAY_MS + of_day - offset))
}

/// The milliseconds of a fraction, further digits cut, and what follows it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let place = |at: usize| if at < length { i64::from(rest[at] - b'0') } else { 0 };
    Some((place(0) * 100 + place(1) * 10 + place(2), &rest[length..]))
}

fn offset_ms(rest: &[u8]) -> Option<i64> {
    let (sign, rest) = match rest {
        b"Z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [a, b, b':', c, d] | [a, b, c, d] => (digits(&[*a, *b])?, digits(&[*c, *d])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

fn days_of_month(year: i64, month: i64) -> Option<i64> {
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => return None,
    })
}

/// Of the proleptic Gregorian calendar; years are counted from March, so that the leap day is a year's last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cut_not_rounded() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-02-25T12:15:00Z", 1_772_021_700_000),
            ("2026-02-25T12:15:00.9999999Z", 1_772_021_700_999),
            ("2026-02-25T12:15:00.5Z", 1_772_021_700_500),
            ("2026-02-25T13:15:00.25+01:00", 1_772_021_700_250),
            ("2026-02-25T04:45:00-0730", 1_772_021_700_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("1969-12-31T23:59:59.999Z", -1),
            // Vector 17's time.
            ("2024-10-12T12:13:14.123Z", 1_728_735_194_123),
        ] {
            assert_eq!(datetime(text), Some(Millis(ms)), "{text}");
        }
    }

    #[test]
    fn nothing_else() {
        for text in [
            "",
            "2026-02-25",
            "2026-02-25T12:15:00",
            "2026-02-25T12:15Z",
            "2026-02-25t12:15:00Z",
            "2026-02-25T12:15:00z",
            "2026-02-25 12:15:00Z",
            "2025-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-02-25T24:00:00Z",
            "2026-02-25T12:15:60Z",
            "2026-02-25T12:15:00.Z",
            "2026-02-25T12:15:00+1:00",
            "2026-02-25T12:15:00+24:00",
            "2026-02-25T12:15:00Z ",
            "2026-02-25T12:15:0éZ",
            "+2026-02-25T12:15:00Z",
        ] {
            assert_eq!(datetime(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_that_is_printed_is_read(ms in -62_135_596_800_000i64..253_402_300_799_999) {
            prop_assert_eq!(datetime(&Millis(ms).to_string()), Some(Millis(ms)));
        }

        #[test]
        fn any_text(text in "\\PC{0,40}") {
            let _ = datetime(&text);
        }
    }
}
