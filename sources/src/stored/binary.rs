//! ClickHouse's RowBinary, read value by value.

use rust_decimal::Decimal;
use tracemill_model::Millis;
use tracemill_model::ingest::Text;

use crate::SourceError;

/// Why a row could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// So many bytes at least are missing.
    More(usize),
    /// The bytes are not what was asked for.
    Broken(&'static str),
}

impl From<Stop> for SourceError {
    fn from(stop: Stop) -> Self {
        let reason = match stop {
            Stop::More(bytes) => format!("it ends within a row, {bytes} bytes or more before its end"),
            Stop::Broken(what) => what.to_owned(),
        };
        Self::Shape { reason }
    }
}

type Read<T> = Result<T, Stop>;

/// The bytes of rows, from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, bytes: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(bytes)
            .ok_or_else(|| Stop::More(bytes - self.rest.len()))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Stop::Broken("a value of another size"))
    }

    pub(super) fn byte(&mut self) -> Read<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn flag(&mut self) -> Read<bool> {
        Ok(self.byte()? != 0)
    }

    pub(super) fn length(&mut self) -> Read<usize> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).map_err(|_| Stop::Broken("a length beyond this machine"));
            }
        }
        Err(Stop::Broken("a length without an end"))
    }

    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// What is not UTF-8 is replaced: such a text came from elsewhere.
    pub(super) fn text(&mut self) -> Read<Text> {
        Ok(String::from_utf8_lossy(self.bytes()?).into())
    }

    pub(super) fn nullable<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag()? { Ok(None) } else { read(self).map(Some) }
    }

    pub(super) fn nullable_text(&mut self) -> Read<Option<Text>> {
        self.nullable(Self::text)
    }

    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let length = self.length()?;
        // A length may lie; every item has a byte at least.
        let mut items = Vec::with_capacity(length.min(self.left()));
        for _ in 0..length {
            items.push(read(self)?);
        }
        Ok(items)
    }

    pub(super) fn map<T>(&mut self, mut read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<(Text, T)>> {
        self.list(|reader| Ok((reader.text()?, read(reader)?)))
    }

    pub(super) fn short(&mut self) -> Read<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn unsigned(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn long(&mut self) -> Read<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn time(&mut self) -> Read<Millis> {
        self.long().map(Millis)
    }

    pub(super) fn float(&mut self) -> Read<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// `Decimal(18, 12)`, without the zeros at its end.
    pub(super) fn decimal(&mut self) -> Read<Decimal> {
        Ok(Decimal::new(self.long()?, 12).normalize())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_read_or_waited_for() {
        let mut reader = Reader::new(&[3, b'a', b'b', b'c', 1, 0, 2, 0xff, 0xfe]);
        assert_eq!(reader.text().as_deref(), Ok("abc"));
        assert_eq!(reader.nullable_text(), Ok(None));
        assert_eq!(reader.nullable_text(), Ok(Some("\u{fffd}\u{fffd}".into())));
        assert_eq!(reader.left(), 0);
        assert_eq!(Reader::new(&[200, 1, 0]).bytes(), Err(Stop::More(199)));
        assert!(matches!(Reader::new(&[0xff; 10]).length(), Err(Stop::Broken(_))));
        let cost = Reader::new(&1_100_000_000_000_i64.to_le_bytes()).decimal();
        assert_eq!(cost.map(|cost| cost.to_string()), Ok("1.1".to_owned()));
    }

    proptest! {
        #[test]
        fn noise_neither_panics_nor_allocates_much(noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&noise);
            let _ = reader.map(Reader::text);
            let _ = reader.list(Reader::decimal);
        }
    }
}
