//! The addresses of pages. Pure. Ids are escaped, so that no id leaves its place in a path.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What has a meaning in a path or in what follows it.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'\'');

/// An id as a part of a path or of a query.
pub(super) fn segment(id: &str) -> String {
    utf8_percent_encode(id, SEGMENT).to_string()
}

/// The pages of a project begin with it.
pub(super) fn project(project: &str) -> String {
    format!("/project/{}", segment(project))
}

pub(super) fn trace(project: &str, trace: &str) -> String {
    format!("/project/{}/traces/{}", segment(project), segment(trace))
}

pub(super) fn step(project: &str, trace: &str, step: &str) -> String {
    format!(
        "/project/{}/traces/{}/step/{}",
        segment(project),
        segment(trace),
        segment(step)
    )
}

pub(super) fn session(project: &str, session: &str) -> String {
    format!("/project/{}/sessions/{}", segment(project), segment(session))
}

/// The traces with one property.
pub(super) fn traces_with(project: &str, name: &str, value: &str) -> String {
    format!("/project/{}/traces?{name}={}", segment(project), segment(value))
}

/// A query of these pairs, those without a value left out: `?a=1&b=2`.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&segment(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_leaves_its_place() {
        let hostile = "a/../b?x=1#y\"><script>'&%2f\\\u{1}";
        let path = step("p", hostile, hostile);
        assert_eq!(path.matches('/').count(), 6, "{path}");
        for part in ["?", "#", "\"", "<", ">", "'", "&", "\\", " "] {
            assert!(!path.contains(part), "{part}: {path}");
        }
        let decoded = percent_encoding::percent_decode_str(&segment(hostile))
            .decode_utf8_lossy()
            .into_owned();
        assert_eq!(decoded, hostile);
        assert_eq!(
            query([("q", "a&b=c"), ("user", ""), ("page", "2")]),
            "?q=a%26b%3Dc&page=2"
        );
    }
}
