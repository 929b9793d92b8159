//! A price file in JSON, as the TOML that says the same: one reader for both.
//!
//! Numbers keep their text, so that a price is what was written. On error: JSON that is none, or a null, which TOML lacks.

use std::fmt::Write;

use serde_json::value::RawValue;

use super::PriceFault;
use crate::decode::json;

/// The same in TOML. Its lines are not the file's.
pub(super) fn to_toml(text: &str) -> Result<String, PriceFault> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| PriceFault {
        line: Some(error.line()),
        message: format!("not JSON: {error}"),
    })?;
    if !raw.get().starts_with('{') {
        return Err(fault("a price file is an object"));
    }
    let mut out = String::with_capacity(text.len());
    for (name, raw) in json::entries(raw.get()) {
        key(&mut out, &name);
        value(&mut out, raw.get())?;
        out.push('\n');
    }
    Ok(out)
}

fn fault(message: &str) -> PriceFault {
    PriceFault {
        line: None,
        message: message.to_owned(),
    }
}

fn key(out: &mut String, name: &str) {
    string(out, name);
    out.push_str(" = ");
}

fn value(out: &mut String, raw: &str) -> Result<(), PriceFault> {
    match raw.as_bytes().first() {
        Some(b'{') => {
            out.push('{');
            for (at, (name, raw)) in json::entries(raw).into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                key(out, &name);
                value(out, raw.get())?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|error| fault(&error.to_string()))?;
            out.push('[');
            for (at, item) in items.into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                value(out, item.get())?;
            }
            out.push(']');
        }
        Some(b'"') => string(out, &json::string(raw).unwrap_or_default()),
        Some(b'n') => return Err(fault("null says nothing in a price file: leave the name out")),
        _ => out.push_str(raw),
    }
    Ok(())
}

/// A basic string of TOML: what it must escape it can write as `\uXXXX`.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\0'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(out, "\\u{:04X}", u32::from(char));
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::Prices;

    const TOML: &str = r#"
        [alias]
        text_in = ["input", "prompt"]
        [[model]]
        id = "m\u0001\"x"
        match = '(?i)^m$'
        per_million = { text_in = "2.50", output = 0.000001 }
        [[project]]
        id = "p/1"
        [[project.model]]
        id = "own"
        match = '^m$'
        per_unit = { input = 1e-7 }
    "#;
    const JSON: &str = r#"{
        "alias": {"text_in": ["input", "prompt"]},
        "model": [{"id": "m\u0001\"x", "match": "(?i)^m$", "per_million": {"text_in": "2.50", "output": 0.000001}}],
        "project": [{"id": "p\/1", "model": [{"id": "own", "match": "^m$", "per_unit": {"input": 1e-7}}]}]
    }"#;

    #[test]
    fn json_says_the_same_as_toml() {
        let (toml, json) = (
            Prices::parse(TOML),
            Prices::parse("").and_then(|none| none.extended_json(JSON)),
        );
        let (toml, json) = (toml.expect("right"), json.expect("right"));
        assert_eq!(json.len(), 2);
        for prices in [toml, json] {
            assert_eq!(prices.model_id("p/1", "m").map(|id| &**id), Some("own"));
            assert_eq!(prices.model_id("other", "M").map(|id| &**id), Some("m\u{1}\"x"));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, line, why) in [
            ("{\n\"model\": [}", Some(2), "not JSON"),
            ("[]", None, "is an object"),
            (r#"{"model": null}"#, None, "null says nothing"),
            (r#"{"modell": []}"#, None, "modell"),
            (r#"{"model": [{"id": "a", "match": "("}]}"#, None, "regular expression"),
        ] {
            let faults = Prices::parse("").expect("none").extended_json(text).expect_err(text);
            let fault = faults.first().expect("a fault");
            assert_eq!(fault.line, line, "{text}: {fault}");
            assert!(fault.message.contains(why), "{text}: {fault}");
        }
    }
}
