//! `${NAME}` in a text becomes the value of that environment variable; `$$` becomes `$`. A `$` before anything else is
//! itself.

/// What stands between two places where something changes.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Literal(&'t str),
    Variable(&'t str),
}

/// Why a text cannot be expanded: what is wrong, what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExpandError {
    pub(super) message: String,
    pub(super) remedy: String,
}

/// Fills in the variables. Every variable that is not set is an error of its own.
pub(super) fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<ExpandError>> {
    fill(&pieces(text)?, lookup, |_| Use::AsItIs)
}

/// Fills in the variables of a URL. A variable within `user:password@` is the user or password as it is, so what a URL
/// could not hold there (`@`, `/`, `:`) is encoded.
pub(super) fn expand_url(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<ExpandError>> {
    let pieces = pieces(text)?;
    let credentials = credentials_end(&pieces);
    if let Some(name) = credentials.and_then(|end| without_colon(&pieces[..=end])) {
        return Err(vec![ExpandError {
            message: format!("{name} stands in the URL's user, which has no password after it"),
            remedy: format!("write user:${{{name}}}@host, or user = \"${{{name}}}\" beside the URL"),
        }]);
    }
    let begin = pieces
        .iter()
        .position(|piece| matches!(piece, Piece::Literal(literal) if literal.contains("://")));
    fill(&pieces, lookup, |index| {
        if credentials.is_some_and(|end| index < end) {
            Use::Encoded
        } else if begin.is_some_and(|begin| begin < index) {
            Use::WithoutAt
        } else {
            Use::AsItIs
        }
    })
}

/// How a variable's value goes into the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    AsItIs,
    /// Percent-encoded: a user or a password.
    Encoded,
    /// A host or a path, in which an `@` would make a password of what stands before it, or show one that was meant.
    WithoutAt,
}

fn fill(
    pieces: &[Piece<'_>],
    lookup: &dyn Fn(&str) -> Option<String>,
    uses: impl Fn(usize) -> Use,
) -> Result<String, Vec<ExpandError>> {
    let mut text = String::new();
    let mut errors = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Variable(name) => match lookup(name) {
                Some(value) if uses(index) == Use::WithoutAt && value.contains('@') => errors.push(ExpandError {
                    message: format!("{name} holds an \"@\", but stands where a host or a path does"),
                    remedy: format!("write user:${{{name}}}@host for a password"),
                }),
                Some(value) => {
                    if uses(index) == Use::Encoded {
                        text.extend(percent_encoding::utf8_percent_encode(
                            &value,
                            percent_encoding::NON_ALPHANUMERIC,
                        ));
                    } else {
                        text.push_str(&value);
                    }
                }
                None => errors.push(ExpandError {
                    message: format!("the environment variable {name} is not set"),
                    remedy: format!("set {name}, or write $${{{name}}} for the text itself"),
                }),
            },
        }
    }
    if errors.is_empty() { Ok(text) } else { Err(errors) }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Vec<ExpandError>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        pieces.push(Piece::Literal(before));
        if let Some(after) = from.strip_prefix("$$") {
            pieces.push(Piece::Literal("$"));
            rest = after;
        } else if let Some(inner) = from.strip_prefix("${") {
            let end = inner.find('}').ok_or_else(|| vec![unclosed()])?;
            let name = &inner[..end];
            if !is_name(name) {
                return Err(vec![misnamed(name)]);
            }
            pieces.push(Piece::Variable(name));
            rest = &inner[end + 1..];
        } else {
            pieces.push(Piece::Literal("$"));
            rest = &from[1..];
        }
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}

/// The index of the piece that ends `user:password` with an `@` before the URL's path begins.
fn credentials_end(pieces: &[Piece<'_>]) -> Option<usize> {
    let mut found = None;
    let mut is_begun = false;
    for (index, piece) in pieces.iter().enumerate() {
        let Piece::Literal(literal) = piece else { continue };
        let authority = match literal.split_once("://") {
            Some((_, after)) if !is_begun => {
                is_begun = true;
                after
            }
            _ => literal,
        };
        let end = authority.find(['/', '?', '#']);
        if authority[..end.unwrap_or(authority.len())].contains('@') {
            found = Some(index);
        }
        if end.is_some() {
            break;
        }
    }
    found
}

/// The variable of a user without a password: most likely a password whose colon was forgotten, which would show.
fn without_colon<'t>(credentials: &[Piece<'t>]) -> Option<&'t str> {
    let mut name = None;
    let mut is_begun = false;
    for piece in credentials {
        match piece {
            Piece::Variable(variable) => name = name.or(Some(*variable).filter(|_| is_begun)),
            Piece::Literal(literal) => {
                let part = literal.split_once("://").map_or(*literal, |(_, after)| after);
                is_begun |= literal.contains("://");
                if is_begun && part.split('@').next().is_some_and(|part| part.contains(':')) {
                    return None;
                }
            }
        }
    }
    name
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn unclosed() -> ExpandError {
    ExpandError {
        message: "a \"${\" is never closed".to_owned(),
        remedy: "write ${NAME} for an environment variable, or $$ for a dollar sign".to_owned(),
    }
}

fn misnamed(name: &str) -> ExpandError {
    ExpandError {
        message: format!("{name:?} cannot be the name of an environment variable"),
        remedy: "write ${NAME} with letters, digits and underscores, or $$ for a dollar sign".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "PASSWORD" => Some("p@ss/w:rd".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn fills_in_and_escapes() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${A}", "one"),
            ("x${A}y${A}", "xoneyone"),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("5 $ and $x", "5 $ and $x"),
            ("$$$${A}", "$${A}"),
        ] {
            assert_eq!(expand(text, &lookup), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn names_every_variable_that_is_missing() {
        let errors = expand("${B} ${A} ${C}", &lookup).expect_err("two are missing");
        assert_eq!(errors.len(), 2);
        assert!(errors[0].message.contains(" B ") && errors[1].message.contains(" C "));
        for wrong in ["${", "${A", "${}", "${A:-x}", "${1}"] {
            assert_eq!(expand(wrong, &lookup).map_err(|errors| errors.len()), Err(1), "{wrong}");
        }
    }

    #[test]
    fn a_password_within_a_url_may_hold_anything() {
        let text = |url| expand_url(url, &lookup);
        assert_eq!(
            text("http://u:${PASSWORD}@h:1/${A}"),
            Ok("http://u:p%40ss%2Fw%3Ard@h:1/one".to_owned())
        );
        assert_eq!(text("http://${A}:1"), Ok("http://one:1".to_owned()));
        for wrong in [
            "http://u:${PASSWORD}%h",
            "http://h/${PASSWORD}@",
            "http://u:${A}@h/${PASSWORD}",
        ] {
            let errors = text(wrong).expect_err(wrong);
            assert!(!errors[0].message.contains("p@ss"), "{errors:?}");
        }
        assert_eq!(text("${A}://u@h"), Ok("one://u@h".to_owned()));
    }
}
