//! JSON for reading: indented and coloured, with every number digit by digit as it came. Pure, and linear in the text.
//!
//! The text is looked at byte by byte; it is known to be JSON before. Nothing is parsed into numbers or maps, so keys keep their
//! order, and twins stay.

use std::fmt::{self, Write};

use serde::de::IgnoredAny;

/// A text that is JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a>(&'a str);

/// What a stretch of a pretty text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Text,
    Number,
    Word,
}

impl Kind {
    const fn class(self) -> &'static str {
        match self {
            Self::Key => "jk",
            Self::Text => "js",
            Self::Number => "jn",
            Self::Word => "jw",
        }
    }
}

impl<'a> Json<'a> {
    /// The text, if it is JSON.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str::<IgnoredAny>(text).is_ok().then_some(Self(text))
    }

    /// Writes it as HTML: escaped, indented by two spaces, with a `<span>` around what has a colour.
    pub(super) fn write_html(self, out: &mut impl Write) -> fmt::Result {
        let (bytes, mut at, mut depth) = (self.0.as_bytes(), 0, 0_usize);
        while let Some(byte) = bytes.get(at).copied() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => at += 1,
                b'{' | b'[' => {
                    let close = blank(bytes, at + 1);
                    if matches!(bytes.get(close), Some(b'}' | b']')) {
                        out.write_str(if byte == b'{' { "{}" } else { "[]" })?;
                        at = close + 1;
                        continue;
                    }
                    depth += 1;
                    out.write_char(char::from(byte))?;
                    line(out, depth)?;
                    at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    line(out, depth)?;
                    out.write_char(char::from(byte))?;
                    at += 1;
                }
                b',' => {
                    out.write_char(',')?;
                    line(out, depth)?;
                    at += 1;
                }
                b':' => {
                    out.write_str(": ")?;
                    at += 1;
                }
                _ => {
                    let end = token(bytes, at);
                    let kind = match byte {
                        b'"' if bytes.get(blank(bytes, end)) == Some(&b':') => Kind::Key,
                        b'"' => Kind::Text,
                        b't' | b'f' | b'n' => Kind::Word,
                        _ => Kind::Number,
                    };
                    write!(out, "<span class={}>", kind.class())?;
                    escape(out, self.0.get(at..end).unwrap_or_default())?;
                    out.write_str("</span>")?;
                    at = end;
                }
            }
        }
        Ok(())
    }
}

/// Where the token that begins there ends.
fn token(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    if bytes[begin] == b'"' {
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\\' => at += 2,
                b'"' => return at + 1,
                _ => at += 1,
            }
        }
        return bytes.len();
    }
    while bytes.get(at).is_some_and(|byte| !b",:]} \t\r\n".contains(byte)) {
        at += 1;
    }
    at
}

/// The next place that is not blank.
fn blank(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

fn line(out: &mut impl Write, depth: usize) -> fmt::Result {
    // Deeper than that, indentation tells nothing, and would take more than the text.
    write!(out, "\n{:1$}", "", 2 * depth.min(40))
}

fn escape(out: &mut impl Write, text: &str) -> fmt::Result {
    let Ok(escaped) = askama::filters::escape(text, askama::filters::Html);
    write!(out, "{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        let mut out = String::new();
        Json::of(text).expect("JSON").write_html(&mut out).expect("written");
        out
    }

    /// Without its colours.
    fn plain(text: &str) -> String {
        let html = html(text);
        let mut parts = html
            .split('<')
            .map(|part| part.split_once('>').map_or(part, |(_, rest)| rest));
        let text: String = parts.by_ref().collect();
        text.replace("&#34;", "\"")
    }

    #[test]
    fn it_is_indented_and_nothing_is_rewritten() {
        let text = r#"{"b":1.10,"a":[12345678901234567890123,{"x":null},[],{ }],"b":"twice","e":1e400}"#;
        let expected = "{\n  \"b\": 1.10,\n  \"a\": [\n    12345678901234567890123,\n    {\n      \"x\": null\n    },\n    [],\n    {}\n  ],\n  \"b\": \"twice\",\n  \"e\": 1e400\n}";
        assert_eq!(plain(text), expected);
        assert_eq!(plain(" [ ] "), "[]");
        assert_eq!(plain("true"), "true");
    }

    #[test]
    fn colours_tell_keys_texts_numbers_and_words() {
        let html = html(r#"{"k" : "a:b", "n": -2, "w": false}"#);
        for part in [
            "<span class=jk>&#34;k&#34;</span>: <span class=js>&#34;a:b&#34;</span>",
            "<span class=jn>-2</span>",
            "<span class=jw>false</span>",
        ] {
            assert!(html.contains(part), "{html}");
        }
    }

    #[test]
    fn what_users_sent_is_escaped() {
        let html = html(r#"{"<script>":"</pre><img src=x onerror=alert(1)>\"&"}"#);
        for part in ["<script", "<img", "</pre"] {
            assert!(!html.contains(part), "{html}");
        }
        assert!(html.contains("\\&#34;&#38;"), "{html}");
    }

    #[test]
    fn other_texts_are_no_json() {
        for text in ["", "plain", "{\"a\":", "[1,]", "{} {}", "{'a':1}"] {
            assert!(Json::of(text).is_none(), "{text}");
        }
        let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(
            html(&deep).len() < 100 * deep.len(),
            "as deep as it comes, without a stack"
        );
    }
}
