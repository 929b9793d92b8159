//! The protobuf wire format, borrowed: fields of a message one after the other.
//!
//! Generated structs would own every text, and one invalid text in them would fail the whole request.

use std::borrow::Cow;

/// The bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// How deep groups may lie in each other, as in protobuf's own libraries.
const MAX_GROUPS: usize = 100;

/// A field's value as the wire has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// A form that nothing of ours has: 32 bits, or a group.
    Other,
}

/// The fields of a message: number and value. Ends after an error.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for place in 0..10 {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            if place == 9 && byte > 1 {
                return Err(Malformed);
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn tag(&mut self) -> Result<(u32, u8), Malformed> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        let number = tag >> 3;
        if number == 0 {
            Err(Malformed)
        } else {
            Ok((number, (tag & 7) as u8))
        }
    }

    fn value(&mut self, number: u32, kind: u8) -> Result<Wire<'a>, Malformed> {
        match kind {
            0 => self.varint().map(Wire::Varint),
            1 => {
                let bytes = self.take(8)?.try_into().map_err(|_| Malformed)?;
                Ok(Wire::Fixed64(u64::from_le_bytes(bytes)))
            }
            2 => {
                let length = self.varint()?;
                self.take(length).map(Wire::Bytes)
            }
            3 => self.group(number).map(|()| Wire::Other),
            5 => self.take(4).map(|_| Wire::Other),
            _ => Err(Malformed),
        }
    }

    /// Skips the rest of a group, and the groups in it.
    fn group(&mut self, number: u32) -> Result<(), Malformed> {
        let mut open = vec![number];
        while let Some(&last) = open.last() {
            match self.tag()? {
                (_, 3) if open.len() >= MAX_GROUPS => return Err(Malformed),
                (number, 3) => open.push(number),
                (number, 4) if number == last => drop(open.pop()),
                (_, 4) => return Err(Malformed),
                (number, kind) => drop(self.value(number, kind)?),
            }
        }
        Ok(())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self
            .tag()
            .and_then(|(number, kind)| Ok((number, self.value(number, kind)?)));
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// A text; what is not UTF-8 in it becomes U+FFFD.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
