//! Walks the text of a valid JSON value piece by piece, without recursion and without building anything.
//!
//! The text must have been read as JSON once before (as a `RawValue` is): what is walked here is not checked again. Of
//! other text the walk gives nonsense, but it ends and does not panic.

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    deepest: usize,
}

impl<'a> Cursor<'a> {
    /// Before the value.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            deepest: 0,
        }
    }

    /// The first byte of what comes next, white space aside; the cursor is then at it.
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Where it is, in bytes from the start of the text.
    #[must_use]
    pub const fn place(&self) -> usize {
        self.at
    }

    /// The text from a place to here.
    #[must_use]
    pub fn since(&self, place: usize) -> &'a str {
        self.text.get(place..self.at).unwrap_or_default()
    }

    /// Starts to measure depth: 0 is here.
    pub const fn measure(&mut self) {
        self.depth = 0;
        self.deepest = 0;
    }

    /// How deep arrays and objects lay in each other since [`Cursor::measure`].
    #[must_use]
    pub const fn deepest(&self) -> usize {
        self.deepest
    }

    /// Goes into the object (`{`) or array (`[`) that comes next; false where something else comes.
    pub fn enter(&mut self, open: u8) -> bool {
        if self.peek() != Some(open) {
            return false;
        }
        self.at += 1;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        true
    }

    /// Within an object: the next name, with its quotes, and the cursor before its value. `None`: the object is left.
    pub fn key(&mut self) -> Option<&'a str> {
        if self.another() != Some(b'"') {
            self.leave();
            return None;
        }
        let from = self.at;
        self.at = end_of_string(self.text.as_bytes(), self.at);
        let key = self.since(from);
        if self.peek() == Some(b':') {
            self.at += 1;
        }
        Some(key)
    }

    /// Within an array: whether there is a next item, with the cursor before it. False: the array is left.
    pub fn item(&mut self) -> bool {
        if matches!(self.another(), None | Some(b']' | b'}' | b':')) {
            self.leave();
            return false;
        }
        true
    }

    fn another(&mut self) -> Option<u8> {
        if self.peek() == Some(b',') {
            self.at += 1;
        }
        self.peek()
    }

    fn leave(&mut self) {
        self.at = (self.at + 1).min(self.text.len());
        self.depth = self.depth.saturating_sub(1);
    }

    /// The text of the value that comes next; the cursor is then behind it.
    pub fn value(&mut self) -> &'a str {
        let first = self.peek();
        let from = self.at;
        let bytes = self.text.as_bytes();
        match first {
            Some(b'"') => self.at = end_of_string(bytes, self.at),
            Some(b'{' | b'[') => self.nested(),
            _ => {
                while bytes
                    .get(self.at)
                    .is_some_and(|byte| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'))
                {
                    self.at += 1;
                }
                // Not JSON; a step, so that every walk ends.
                if self.at == from {
                    self.at = (from + 1).min(bytes.len());
                }
            }
        }
        self.since(from)
    }

    fn nested(&mut self) {
        let bytes = self.text.as_bytes();
        let outside = self.depth;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at = end_of_string(bytes, self.at);
                    continue;
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == outside {
                        self.at += 1;
                        return;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.depth = outside;
    }
}

/// Past the closing quote of the string that opens at `at`.
pub(super) fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(rest) = bytes.get(at..) {
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(found) if rest[found] == b'"' => return at + found + 1,
            Some(found) => at += found + 2,
            None => break,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_as_they_were_written() {
        let mut cursor = Cursor::new(r#" { "a" : [ 1 , {"b": "]\"" } ] ,"c":-1e5, "d": {} } "#);
        assert!(cursor.enter(b'{'));
        assert_eq!(cursor.key(), Some(r#""a""#));
        assert!(cursor.enter(b'['));
        assert!(cursor.item());
        assert_eq!(cursor.value(), "1");
        assert!(cursor.item());
        assert_eq!(cursor.value(), r#"{"b": "]\"" }"#);
        assert!(!cursor.item());
        assert_eq!(cursor.key(), Some(r#""c""#));
        assert_eq!(cursor.value(), "-1e5");
        assert_eq!(cursor.key(), Some(r#""d""#));
        assert_eq!(cursor.value(), "{}");
        assert_eq!(cursor.key(), None);
        assert_eq!(cursor.deepest(), 3);
    }

    proptest! {
        #[test]
        fn ends_on_any_text(text in r#"[\[\]{}":,\\a1é ]{0,60}"#) {
            let mut cursor = Cursor::new(&text);
            let (objects, arrays) = (cursor.enter(b'{'), cursor.enter(b'['));
            let mut steps = 0;
            while (objects && cursor.key().is_some()) || (arrays && cursor.item()) {
                let _ = cursor.value();
                steps += 1;
                prop_assert!(steps <= text.len() + 1);
            }
        }
    }
}
