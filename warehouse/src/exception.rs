//! Tells ClickHouse's errors in mid-stream from data.
//!
//! When a query fails after its answer has begun, the server ends the body with a block of this form, whatever the format:
//!
//! ```text
//! \r\n__exception__\r\n<tag>\r\n<message>\n<length of message> <tag>\r\n__exception__\r\n
//! ```
//!
//! The network cuts the body into chunks wherever it likes, also within the block. The sieve holds back what may be the
//! beginning of the block until more has come or the body has ended, so a reader sees data alone, and data that merely looks
//! like the block (somebody's prompt about ClickHouse) passes unchanged. The block is the last thing of a body, so only the
//! last 20 KiB of what has come are looked at.

use bytes::{Bytes, BytesMut};

const MARKER: &[u8] = b"\r\n__exception__\r\n";
const TAG: usize = 16;
/// The server cuts messages at 16 KiB.
const LONGEST_BLOCK: usize = 20 * 1024;

/// Holds back what may be an error.
#[derive(Debug, Default)]
pub(crate) struct Sieve {
    held: Bytes,
}

/// What the end of a body was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// These last bytes of data, often none.
    Data(Bytes),
    /// An error; its text begins with `Code:`.
    Exception(String),
}

impl Sieve {
    /// Takes a chunk and gives the data that is certain by now; often the chunk itself, without a copy.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        let mut data = if self.held.is_empty() {
            chunk
        } else {
            let mut both = BytesMut::with_capacity(self.held.len() + chunk.len());
            both.extend_from_slice(&self.held);
            both.extend_from_slice(&chunk);
            both.freeze()
        };
        let from = data.len().saturating_sub(LONGEST_BLOCK);
        match possible_start(&data[from..]) {
            Some(at) => self.held = data.split_off(from + at),
            None => self.held = Bytes::new(),
        }
        data
    }

    /// The body has ended in order.
    pub(crate) fn end(&mut self) -> End {
        let held = std::mem::take(&mut self.held);
        match whole_block(&held) {
            Some(message) => End::Exception(message),
            None => End::Data(held),
        }
    }

    /// The body was cut: the error's text if the cut lies within or behind its block, and the code can be read.
    pub(crate) fn cut(&mut self) -> Option<String> {
        let held = std::mem::take(&mut self.held);
        if let Some(message) = whole_block(&held) {
            return Some(message);
        }
        let rest = held.strip_prefix(MARKER)?.get(TAG..)?.strip_prefix(b"\r\n")?;
        let text = String::from_utf8_lossy(rest).trim().to_owned();
        let digits = text.strip_prefix("Code: ")?;
        let (code, _) = digits.split_once('.')?;
        code.parse::<u32>().is_ok().then_some(text)
    }
}

/// Where the marker begins, or where the data ends with a beginning of it.
fn possible_start(data: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = data[from..].iter().position(|byte| *byte == MARKER[0]) {
        let at = from + at;
        let length = MARKER.len().min(data.len() - at);
        if data[at..at + length] == MARKER[..length] {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The message of a block that is all of `data`.
fn whole_block(data: &[u8]) -> Option<String> {
    // Data that looks like a block may lie before the true one.
    let mut start = 0;
    loop {
        let block = &data[start..];
        if let Some(message) = message_of(block) {
            return Some(message);
        }
        start += 1 + possible_start(block.get(1..)?)?;
    }
}

fn message_of(block: &[u8]) -> Option<String> {
    let rest = block.strip_prefix(MARKER)?;
    let (tag, rest) = rest.split_at_checked(TAG)?;
    let rest = rest.strip_prefix(b"\r\n")?;
    let rest = rest.strip_suffix(MARKER)?.strip_suffix(tag)?.strip_suffix(b" ")?;
    let end = rest.iter().rposition(|byte| *byte == b'\n')? + 1;
    let length: usize = std::str::from_utf8(&rest[end..]).ok()?.parse().ok()?;
    // The server's count and ours may differ by the line end.
    (length.abs_diff(end) <= 1).then(|| String::from_utf8_lossy(&rest[..end]).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "Code: 395. DB::Exception: Value passed to 'throwIf' is non-zero. (NAME) (version 26.7.2.1)\n";

    fn block(text: &str) -> Vec<u8> {
        let tag = "qyhdlmzjksfnwqsa";
        format!(
            "\r\n__exception__\r\n{tag}\r\n{text}{} {tag}\r\n__exception__\r\n",
            text.len()
        )
        .into_bytes()
    }

    /// Feeds `body` cut at the given places; gives the data that came out and the end.
    fn feed(body: &[u8], cuts: &[usize]) -> (Vec<u8>, End) {
        let mut sieve = Sieve::default();
        let mut out = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().copied().chain([body.len()]) {
            let cut = cut.clamp(at, body.len());
            out.extend_from_slice(&sieve.push(Bytes::copy_from_slice(&body[at..cut])));
            at = cut;
        }
        (out, sieve.end())
    }

    proptest! {
        /// Any data before it, any cuts: the error comes out, and not a byte of it as data.
        #[test]
        fn an_error_is_found_however_it_is_cut(
            data in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'_'), any::<u8>()], 0..300),
            mut cuts in prop::collection::vec(0usize..600, 0..8),
        ) {
            cuts.sort_unstable();
            let mut body = data.clone();
            body.extend(block(TEXT));
            let (out, end) = feed(&body, &cuts);
            prop_assert_eq!(out, data);
            prop_assert_eq!(end, End::Exception(TEXT.trim().to_owned()));
        }

        /// Data that holds markers, even whole blocks, passes unchanged as long as something follows.
        #[test]
        fn data_passes_unchanged(
            parts in prop::collection::vec(prop_oneof![
                Just(MARKER.to_vec()), Just(block(TEXT)), Just(MARKER[..9].to_vec()), prop::collection::vec(any::<u8>(), 0..40),
            ], 0..8),
            mut cuts in prop::collection::vec(0usize..2000, 0..8),
        ) {
            cuts.sort_unstable();
            let mut body = parts.concat();
            body.extend_from_slice(&[0xff; 8]);
            let (mut out, end) = feed(&body, &cuts);
            match end {
                End::Data(rest) => out.extend_from_slice(&rest),
                End::Exception(text) => prop_assert!(false, "{}", text),
            }
            prop_assert_eq!(out, body);
        }
    }

    #[test]
    fn an_error_after_data_that_quotes_one_is_found() {
        let mut body = block("Code: 1. DB::Exception: quoted\n");
        let quoted = body.len();
        body.extend(block(TEXT));
        let (out, end) = feed(&body, &[10, 100]);
        assert_eq!(end, End::Exception(TEXT.trim().to_owned()));
        assert!(out.len() <= quoted);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut sieve = Sieve::default();
        let mut out = sieve.push(Bytes::from_static(MARKER)).len();
        for _ in 0..100 {
            out += sieve.push(Bytes::from(vec![b'x'; 1000])).len();
            assert!(sieve.held.len() <= LONGEST_BLOCK);
        }
        assert_eq!(out, MARKER.len() + 100_000);
    }

    #[test]
    fn a_cut_within_the_block_still_tells_the_code() {
        let whole = block(TEXT);
        let told = |length: usize| {
            let mut sieve = Sieve::default();
            assert_eq!(sieve.push(Bytes::copy_from_slice(&whole[..length])).len(), 0);
            sieve.cut()
        };
        assert_eq!(
            told(MARKER.len() + TAG + 2 + "Code: 39".len()),
            None,
            "39 is not the code"
        );
        assert_eq!(
            told(MARKER.len() + TAG + 2 + "Code: 395.".len()),
            Some("Code: 395.".to_owned())
        );
        assert_eq!(told(whole.len()), Some(TEXT.trim().to_owned()));
        assert_eq!(told(4), None);
    }
}
