//! Reads ClickHouse's error text: `Code: 241. DB::Exception: ... (MEMORY_LIMIT_EXCEEDED) (version 26.7.2.1 (official build))`.

/// An error text taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// The number after `Code:`.
    pub code: u32,
    /// The name in the last parentheses before the version, empty where the text has none.
    pub name: String,
    /// What remains: no code, no class, no name, no version, no stack trace.
    pub text: String,
}

/// Takes an error text apart. `None` where the text is not ClickHouse's: a proxy's page, say.
#[must_use]
pub fn parse(text: &str) -> Option<ServerMessage> {
    let start = text.find("Code: ")?;
    // A page that quotes an error somewhere is not an error.
    if !text[..start].trim().is_empty() {
        return None;
    }
    let rest = &text[start + "Code: ".len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let code = rest[..digits].parse().ok()?;
    let mut body = rest[digits..].trim_start_matches(['.', ',', ' ']);
    if let Some(trace) = body.find("Stack trace:") {
        body = body[..trace].trim_end_matches([' ', ',', '\n']);
    }
    for class in [
        "DB::Exception: ",
        "DB::NetException: ",
        "DB::ErrnoException: ",
        "e.displayText() = DB::Exception: ",
    ] {
        body = body.strip_prefix(class).unwrap_or(body);
    }
    let body = match body.rfind("(version ") {
        Some(version) => body[..version].trim_end(),
        None => body.trim_end(),
    };
    let (text, name) = match body.rfind('(') {
        Some(open) if is_name(body[open + 1..].trim_end_matches(['.', ' '])) => {
            let name = body[open + 1..].trim_end_matches(['.', ' ']).trim_end_matches(')');
            (body[..open].trim_end(), name)
        }
        _ => (body, ""),
    };
    Some(ServerMessage {
        code,
        name: name.to_owned(),
        text: text.trim_end_matches('.').to_owned(),
    })
}

/// `MEMORY_LIMIT_EXCEEDED)`.
fn is_name(text: &str) -> bool {
    text.strip_suffix(')').is_some_and(|name| {
        name.len() > 2
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<(u32, String, String)> {
        parse(text).map(|message| (message.code, message.name, message.text))
    }

    fn of(code: u32, name: &str, text: &str) -> Option<(u32, String, String)> {
        Some((code, name.to_owned(), text.to_owned()))
    }

    #[test]
    fn takes_real_texts_apart() {
        assert_eq!(
            read(
                "Code: 516. DB::Exception: default: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED) (version 26.7.2.1 (official build))"
            ),
            of(
                516,
                "AUTHENTICATION_FAILED",
                "default: Authentication failed: password is incorrect, or there is no user with such name"
            )
        );
        assert_eq!(
            read(
                "Code: 241. DB::Exception: (for query) memory limit exceeded: would use 1.00 GiB (attempt to allocate chunk of 4.00 MiB), maximum: 953.67 MiB: While executing MergeTreeSelect. (MEMORY_LIMIT_EXCEEDED) (version 26.7.2.1)"
            )
            .map(|parts| (parts.0, parts.1)),
            Some((241, "MEMORY_LIMIT_EXCEEDED".to_owned()))
        );
        assert_eq!(read("Code: 241"), of(241, "", ""));
        assert_eq!(
            read("Code: 210. DB::NetException: Connection refused (localhost:9000). (NETWORK_ERROR)"),
            of(210, "NETWORK_ERROR", "Connection refused (localhost:9000)")
        );
        assert_eq!(
            read(
                "Code: 60. DB::Exception: Table default.x does not exist. (UNKNOWN_TABLE), Stack trace:\n0. foo (BAR)"
            ),
            of(60, "UNKNOWN_TABLE", "Table default.x does not exist")
        );
        assert_eq!(
            read("Code: 395. DB::Exception: Value passed to throwIf (A)"),
            of(395, "", "Value passed to throwIf (A)")
        );
    }

    #[test]
    fn a_proxy_is_not_clickhouse() {
        for text in [
            "<html>503 Service Unavailable</html>",
            "",
            "<p>Code: 60. DB::Exception: x</p>",
            "Code: x",
            "Code: ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC*", code in 0u32..2000) {
            let _ = parse(&text);
            let read = parse(&format!("Code: {code}. DB::Exception: {text} (SOME_NAME) (version 1)"));
            prop_assert_eq!(read.map(|m| m.code), Some(code));
        }
    }
}
