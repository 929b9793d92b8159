//! Values of arrays as text: the common part of CSV and JSON lines.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

/// A column, its type resolved once a batch, so that no row pays for it.
pub(super) struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    pub(super) values: Values<'a>,
}

/// The values of a column by kind.
pub(super) enum Values<'a> {
    Text(&'a StringArray),
    Bool(&'a BooleanArray),
    Unsigned(Box<dyn Fn(usize) -> u64 + 'a>),
    Signed(Box<dyn Fn(usize) -> i64 + 'a>),
    Float(Box<dyn Fn(usize) -> f64 + 'a>),
    Single(&'a PrimitiveArray<Float32Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, u8),
    /// Milliseconds since the epoch.
    Instant(Box<dyn Fn(usize) -> i64 + 'a>),
    /// Days since the epoch.
    Day(&'a PrimitiveArray<Date32Type>),
    List(&'a [i32], Box<Column<'a>>),
    Map(&'a [i32], Box<Column<'a>>, Box<Column<'a>>),
}

/// Whether a type can be written as text.
pub(super) fn is_supported(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => is_supported(item.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                fields.len() == 2 && fields[0].data_type() == &DataType::Utf8 && is_supported(fields[1].data_type())
            }
            _ => false,
        },
        DataType::Utf8 | DataType::Boolean | DataType::Float32 | DataType::Float64 | DataType::Date32 => true,
        DataType::Decimal128(_, scale) => *scale >= 0,
        DataType::Timestamp(..) => true,
        other => other.is_integer(),
    }
}

impl<'a> Column<'a> {
    /// The column of an array; none for a type that [`is_supported`] denies.
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        Some(Self {
            nulls: array.nulls(),
            values: Values::of(array)?,
        })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }
}

fn getter<'a, T, N>(array: &'a dyn Array) -> Box<dyn Fn(usize) -> N + 'a>
where
    T: ArrowPrimitiveType,
    N: From<T::Native>,
{
    let array = array.as_primitive::<T>();
    Box::new(move |row| N::from(array.value(row)))
}

fn millis<'a, T: ArrowPrimitiveType<Native = i64>>(
    array: &'a dyn Array,
    multiply: i64,
    divide: i64,
) -> Box<dyn Fn(usize) -> i64 + 'a> {
    let array = array.as_primitive::<T>();
    Box::new(move |row| array.value(row).saturating_mul(multiply).div_euclid(divide))
}

impl<'a> Values<'a> {
    fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::UInt8 => Self::Unsigned(getter::<UInt8Type, u64>(array)),
            DataType::UInt16 => Self::Unsigned(getter::<UInt16Type, u64>(array)),
            DataType::UInt32 => Self::Unsigned(getter::<UInt32Type, u64>(array)),
            DataType::UInt64 => Self::Unsigned(getter::<UInt64Type, u64>(array)),
            DataType::Int8 => Self::Signed(getter::<Int8Type, i64>(array)),
            DataType::Int16 => Self::Signed(getter::<Int16Type, i64>(array)),
            DataType::Int32 => Self::Signed(getter::<Int32Type, i64>(array)),
            DataType::Int64 => Self::Signed(getter::<Int64Type, i64>(array)),
            DataType::Float32 => Self::Single(array.as_primitive()),
            DataType::Float64 => Self::Float(getter::<Float64Type, f64>(array)),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive(), u8::try_from(*scale).ok()?),
            DataType::Date32 => Self::Day(array.as_primitive()),
            DataType::Timestamp(unit, _) => Self::Instant(match unit {
                TimeUnit::Second => millis::<TimestampSecondType>(array, 1000, 1),
                TimeUnit::Millisecond => millis::<TimestampMillisecondType>(array, 1, 1),
                TimeUnit::Microsecond => millis::<TimestampMicrosecondType>(array, 1, 1000),
                TimeUnit::Nanosecond => millis::<TimestampNanosecondType>(array, 1, 1_000_000),
            }),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::List(list.value_offsets(), Box::new(Column::of(list.values())?))
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let (keys, values) = (Column::of(map.keys())?, Column::of(map.values())?);
                Self::Map(map.value_offsets(), Box::new(keys), Box::new(values))
            }
            _ => return None,
        })
    }
}

/// The range of child rows of a list or map.
pub(super) fn children(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row].unsigned_abs() as usize..offsets[row + 1].unsigned_abs() as usize
}

/// A decimal number, exactly, without needless zeros.
pub(super) fn put_decimal(out: &mut Vec<u8>, value: i128, scale: u8) {
    let (scale, power) = (usize::from(scale), 10_u128.pow(u32::from(scale)));
    let magnitude = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    put(out, format_args!("{sign}{}", magnitude / power));
    let fraction = magnitude % power;
    if fraction > 0 {
        put(out, format_args!(".{fraction:0scale$}"));
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// An instant as ISO 8601 in UTC with milliseconds: `2026-02-25T12:15:00.123Z`.
pub(super) fn put_instant(out: &mut Vec<u8>, millis: i64) {
    let (day, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    put_day(out, day);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    put(
        out,
        format_args!("T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000),
    );
}

/// A day since the epoch in the proleptic Gregorian calendar: `2026-02-25`. Years beyond 9999 have a sign and six digits.
pub(super) fn put_day(out: &mut Vec<u8>, days: i64) {
    // Counted from 0000-03-01, so that a leap day is the last of its year; 400 years are 146097 days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    match year {
        0..=9999 => put(out, format_args!("{year:04}-{month:02}-{day:02}")),
        _ => put(out, format_args!("{year:+07}-{month:02}-{day:02}")),
    }
}

/// Formatted text. Writing to memory cannot fail.
pub(super) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals() {
        for (value, scale, expected) in [
            (0, 12, "0"),
            (1, 12, "0.000000000001"),
            (-1, 12, "-0.000000000001"),
            (1_500_000_000_000, 12, "1.5"),
            (999_999_999_999_999_999, 12, "999999.999999999999"),
            (-42, 0, "-42"),
            (120, 1, "12"),
            (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
        ] {
            assert_eq!(text(|out| put_decimal(out, value, scale)), expected);
        }
    }

    #[test]
    fn instants() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_772_021_700_123, "2026-02-25T12:15:00.123Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(text(|out| put_instant(out, millis)), expected);
        }
    }
}
