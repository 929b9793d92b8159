//! Keeps passwords out of text that comes from elsewhere: [`scrub`] removes those of URLs from error messages.

pub use tracemill_model::Secret;

/// `text` without the user and password part of any URL in it, and without `secret` wherever that occurs.
#[must_use]
pub fn scrub(text: &str, secret: Option<&Secret>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '\'' | '"' | '`' | ',' | ')'))
            .unwrap_or(after.len());
        // A password may itself hold the characters that end an authority, so look further for its `@`, up to a space.
        let word = after.find(char::is_whitespace).unwrap_or(after.len());
        let at_sign = after[..end].rfind('@').or_else(|| after[..word].rfind('@'));
        rest = match at_sign {
            Some(at_sign) => {
                out.push_str("***");
                &after[at_sign..]
            }
            None => after,
        };
    }
    out.push_str(rest);
    match secret {
        // Shorter ones occur in any text by chance.
        Some(secret) if secret.reveal().len() >= 4 => out.replace(secret.reveal(), "***"),
        _ => out,
    }
}

/// 128 random bits as 32 hexadecimal digits.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "no system of today is without random bytes")]
pub fn random_hex() -> String {
    let mut bytes = [0u8; 16];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "*** ***");
        assert_eq!(format!("{:?}", Some(secret)), "Some(***)");
    }

    #[test]
    fn passwords_of_urls_are_removed() {
        for (text, expected) in [
            ("http://u:p@host:8123/?database=x", "http://***@host:8123/?database=x"),
            (
                "cannot reach http://u:p@host, http://v:q@other",
                "cannot reach http://***@host, http://***@other",
            ),
            ("http://u:a/b?c@host/", "http://***@host/"),
            ("http://host/path mail a@b", "http://host/path mail a@b"),
            ("no url", "no url"),
            ("://", "://"),
        ] {
            assert_eq!(scrub(text, None), expected);
        }
        assert_eq!(scrub("it was hunter2!", Some(&Secret::new("hunter2"))), "it was ***!");
        assert_eq!(scrub("a", Some(&Secret::new("a"))), "a");
    }
}
