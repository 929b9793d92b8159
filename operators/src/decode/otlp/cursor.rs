//! Walks over text that is known to be valid JSON, once from left to right, without building anything.
//!
//! On text that is not valid it gives nonsense, but neither panics nor runs on.

use std::borrow::Cow;

/// A place in a text.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    deepest: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            deepest: 0,
        }
    }

    /// The next byte that is not white space; 0 at the end.
    pub(super) fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    fn bump(&mut self) {
        self.at = (self.at + 1).min(self.text.len());
    }

    /// Steps into an object; any other value is skipped, which gives false.
    pub(super) fn enter_object(&mut self) -> bool {
        self.enter(b'{')
    }

    /// Steps into an array; any other value is skipped, which gives false.
    pub(super) fn enter_array(&mut self) -> bool {
        self.enter(b'[')
    }

    fn enter(&mut self, open: u8) -> bool {
        if self.peek() == open {
            self.bump();
            return true;
        }
        self.skip();
        false
    }

    /// The name of the object's next member, with the cursor at its value; `None` behind the object.
    pub(super) fn key(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() == b',' {
            self.bump();
        }
        if self.peek() != b'"' {
            self.bump();
            return None;
        }
        let name = self.string();
        if self.peek() == b':' {
            self.bump();
        }
        Some(name)
    }

    /// Whether the array has a next item, with the cursor at it; if not, the cursor is behind the array.
    pub(super) fn item(&mut self) -> bool {
        if self.peek() == b',' {
            self.bump();
        }
        match self.peek() {
            b']' => {
                self.bump();
                false
            }
            0 => false,
            _ => true,
        }
    }

    /// The string here.
    pub(super) fn string(&mut self) -> Cow<'a, str> {
        let raw = self.raw();
        let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        if inner.contains('\\') {
            Cow::Owned(unescape(inner))
        } else {
            Cow::Borrowed(inner)
        }
    }

    /// A string's text; any other value is skipped.
    pub(super) fn string_or_skip(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() == b'"' {
            return Some(self.string());
        }
        self.skip();
        None
    }

    pub(super) fn skip(&mut self) {
        self.raw();
    }

    /// How deep arrays and objects lie in each other in the deepest value that was skipped or taken as text.
    pub(super) const fn deepest(&self) -> usize {
        self.deepest
    }

    /// The text of the value here.
    pub(super) fn raw(&mut self) -> &'a str {
        let first = self.peek();
        let from = self.at;
        let bytes = self.text.as_bytes();
        match first {
            b'"' => self.at = end_of_string(bytes, self.at),
            b'{' | b'[' => {
                let (mut depth, mut deepest) = (0usize, 0);
                while let Some(&byte) = bytes.get(self.at) {
                    match byte {
                        b'"' => {
                            self.at = end_of_string(bytes, self.at);
                            continue;
                        }
                        b'{' | b'[' => {
                            depth += 1;
                            deepest = deepest.max(depth);
                        }
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
                self.deepest = self.deepest.max(deepest);
            }
            _ => {
                while bytes
                    .get(self.at)
                    .is_some_and(|byte| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t'))
                {
                    self.at += 1;
                }
                if self.at == from {
                    self.bump();
                }
            }
        }
        self.text.get(from..self.at).unwrap_or_default()
    }
}

fn end_of_string(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    bytes.len()
}

/// What is between the quotes; half of a surrogate pair becomes U+FFFD.
fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escaped.chars();
        out.push(match chars.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => {
                let (char, after) = unicode(chars.as_str());
                chars = after.chars();
                char
            }
            Some(other) => other,
            None => break,
        });
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// The character of `XXXX` or `XXXX\uXXXX`, and what follows.
fn unicode(text: &str) -> (char, &str) {
    const LOST: char = char::REPLACEMENT_CHARACTER;
    let Some((unit, rest)) = unit(text) else {
        return (LOST, "");
    };
    if !(0xD800..0xDC00).contains(&unit) {
        return (char::from_u32(unit).unwrap_or(LOST), rest);
    }
    match rest.strip_prefix("\\u").and_then(self::unit) {
        Some((low, after)) if (0xDC00..0xE000).contains(&low) => {
            let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            (char::from_u32(code).unwrap_or(LOST), after)
        }
        _ => (LOST, rest),
    }
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}
