//! ClickHouse's RowBinary: values one after another, little-endian, strings and lists with a length in front. Nothing names a
//! column, so the order is that of the statement.

use bytes::BytesMut;
use rust_decimal::{Decimal, RoundingStrategy};

/// Digits after the point of `Decimal(18, 12)`.
const SCALE: u32 = 12;

/// The first integer that `Decimal(18, 12)` cannot hold, in units of its last digit.
const DECIMAL_END: i128 = 1_000_000_000_000_000_000;

/// LEB128.
pub(super) fn varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.extend_from_slice(&[(value & 0x7f) as u8 | 0x80]);
        value >>= 7;
    }
    out.extend_from_slice(&[value as u8]);
}

pub(super) fn text(out: &mut BytesMut, value: &str) {
    varint(out, value.len());
    out.extend_from_slice(value.as_bytes());
}

pub(super) fn byte(out: &mut BytesMut, value: u8) {
    out.extend_from_slice(&[value]);
}

pub(super) fn long(out: &mut BytesMut, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// The mark before a nullable value, then the value.
pub(super) fn nullable<T>(out: &mut BytesMut, value: Option<T>, write: impl FnOnce(&mut BytesMut, T)) {
    byte(out, u8::from(value.is_none()));
    if let Some(value) = value {
        write(out, value);
    }
}

pub(super) fn nullable_text(out: &mut BytesMut, value: Option<&str>) {
    nullable(out, value, text);
}

/// `Decimal(18, 12)` in units of its last digit, rounded half to even; `None` where it has more than six digits before the
/// point.
pub(super) fn decimal(value: Decimal) -> Option<i64> {
    let value = if value.scale() > SCALE {
        value.round_dp_with_strategy(SCALE, RoundingStrategy::MidpointNearestEven)
    } else {
        value
    };
    let factor = 10_i128.pow(SCALE.saturating_sub(value.scale()));
    let units = value.mantissa().checked_mul(factor)?;
    let fits = -DECIMAL_END < units && units < DECIMAL_END;
    fits.then(|| i64::try_from(units).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.000000000001", Some(1)),
            ("-0.000000000001", Some(-1)),
            ("0.0000000000005", Some(0)),
            ("0.0000000000015", Some(2)),
            ("0.0000000000025", Some(2)),
            ("0.00000000000251", Some(3)),
            ("-0.0000000000015", Some(-2)),
            ("999999.999999999999", Some(999_999_999_999_999_999)),
            ("-999999.999999999999", Some(-999_999_999_999_999_999)),
            ("999999.9999999999995", None),
            ("1000000", None),
            ("-1000000", None),
            ("79228162514264337593543950335", None),
            ("1.10", Some(1_100_000_000_000)),
        ] {
            let value: Decimal = text.parse().expect("a decimal");
            assert_eq!(decimal(value), expected, "{text}");
        }
    }

    #[test]
    fn lengths_are_leb128() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (5_000_000, &[0xc0, 0x96, 0xb1, 2]),
        ] {
            let mut out = BytesMut::new();
            varint(&mut out, value);
            assert_eq!(&out[..], expected);
        }
    }
}
