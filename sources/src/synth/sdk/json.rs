//! JSON written straight into a buffer: strings, times, decimals, members of objects.

use crate::synth::text::print;

/// Whether a byte of a string must be escaped.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends a string with its quotes.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => print(out, format_args!("\\u{byte:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends a text that is either JSON, when it begins as an object or an array does, or a plain text.
pub(super) fn payload(out: &mut Vec<u8>, text: &[u8]) {
    match text.first() {
        Some(b'{' | b'[') => out.extend_from_slice(text),
        _ => string(out, text),
    }
}

/// Appends `,"name":`.
pub(super) fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends a decimal number.
pub(super) fn integer(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut left = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a number that is scaled by 10^12.
pub(super) fn decimal(out: &mut Vec<u8>, scaled: i64) {
    const ONE: i64 = 1_000_000_000_000;
    integer(out, scaled / ONE);
    print(out, format_args!(".{:012}", (scaled % ONE).abs()));
}

/// Appends a double as the shortest text that reads back to it. Not for infinities and NaN.
pub(super) fn double(out: &mut Vec<u8>, value: f64) {
    print(out, format_args!("{value:e}"));
}

/// Appends `2026-02-25T12:15:00.123Z`, without quotes. `ms` since 1970, of a year from 1970 to 9999.
pub(super) fn time(out: &mut Vec<u8>, ms: i64) {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days to a date by eras of 400 years, which begin in March.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, width: usize, value: i64| {
        let mut left = value;
        for place in text[at..at + width].iter_mut().rev() {
            *place = b'0' + (left % 10) as u8;
            left /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, rest / 3_600_000);
    put(14, 2, rest / 60_000 % 60);
    put(17, 2, rest / 1_000 % 60);
    put(20, 3, rest % 1_000);
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracemill_model::Millis;

    use super::*;

    fn made(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text: String, number: i64, value: f64, ms in 0..253_402_300_799_999_i64) {
            let read: String = serde_json::from_str(&made(|out| string(out, text.as_bytes()))).expect("JSON");
            prop_assert_eq!(read, text);
            prop_assert_eq!(made(|out| integer(out, number)), number.to_string());
            let at = made(|out| time(out, ms));
            prop_assert_eq!(Millis::parse(&at), Ok(Millis(ms)), "{}", at);
            if value.is_normal() {
                let read: f64 = serde_json::from_str(&made(|out| double(out, value))).expect("a number");
                prop_assert!((read - value).abs() <= value.abs() * 1e-15, "{} {}", read, value);
            }
        }
    }

    #[test]
    fn decimals_and_payloads() {
        assert_eq!(made(|out| decimal(out, 1_500_000_000_007)), "1.500000000007");
        assert_eq!(made(|out| payload(out, b"{\"a\":1}")), "{\"a\":1}");
        assert_eq!(made(|out| payload(out, b"a\"\0")), "\"a\\\"\\u0000\"");
    }
}
