//! Rows as the read API tells them: field names, numbers and times as its clients expect. Plain functions.

mod observation;
pub(crate) mod observation_v2;
mod score;
pub(crate) mod score_v3;
mod trace;

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use tracemill_model::Millis;

pub(crate) use observation::observation;
pub(crate) use score::{score, score_of_trace};
pub(crate) use trace::{details, trace};

/// JSON as text, with nothing of it rewritten.
pub(crate) type Json = Box<RawValue>;

/// A payload: JSON where the text is JSON, digit by digit as it came; else the text itself.
pub(crate) fn payload(text: Option<&str>) -> Json {
    let Some(text) = text else { return null() };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) => json.to_owned(),
        Err(_) => raw(&Value::String(text.to_owned())),
    }
}

/// Metadata: an object of payloads.
pub(crate) fn metadata(pairs: &[(String, String)]) -> Json {
    let all: std::collections::BTreeMap<&str, Json> = pairs
        .iter()
        .map(|(name, text)| (name.as_str(), payload(Some(text))))
        .collect();
    serde_json::value::to_raw_value(&all).unwrap_or_else(|_| null())
}

pub(crate) fn null() -> Json {
    raw(&Value::Null)
}

fn raw(value: &Value) -> Json {
    serde_json::value::to_raw_value(value).expect("a value is always JSON")
}

/// `2026-02-25T12:15:00.000Z`.
pub(crate) fn time(ms: i64) -> String {
    Millis(ms).to_string()
}

/// Seconds between two times.
pub(crate) fn seconds(from: i64, to: Option<i64>) -> Option<f64> {
    to.map(|to| (to - from) as f64 / 1_000.0)
}

/// A decimal number as ClickHouse prints it, as JSON.
pub(crate) fn decimal(text: &str) -> Value {
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}

/// Decimals by name.
pub(crate) fn decimals(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs.iter().map(|(name, text)| (name.clone(), decimal(text))).collect()
}

/// The path of a trace's page.
pub(crate) fn html_path(project: &str, trace: &str) -> String {
    format!("/project/{project}/traces/{trace}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_told_as_they_came() {
        for (text, expected) in [
            (None, "null"),
            (Some("plain"), "\"plain\""),
            (Some("{\"a\": 1.10}"), "{\"a\": 1.10}"),
            (Some("12345678901234567890123"), "12345678901234567890123"),
            (Some("{\"a\": "), "\"{\\\"a\\\": \""),
            (Some(""), "\"\""),
        ] {
            assert_eq!(payload(text).get(), expected);
        }
        let pairs = [("b".to_owned(), "1".to_owned()), ("a".to_owned(), "x".to_owned())];
        assert_eq!(metadata(&pairs).get(), r#"{"a":"x","b":1}"#);
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!(decimal("0.000123").to_string(), "0.000123");
        assert_eq!(decimal("7").to_string(), "7");
        assert_eq!(decimal("x"), Value::Null);
        assert_eq!(time(1_772_021_700_250), "2026-02-25T12:15:00.250Z");
        assert_eq!(seconds(1_000, Some(2_500)), Some(1.5));
    }
}
