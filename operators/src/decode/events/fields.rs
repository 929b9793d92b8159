//! The fields of a body, and how each kind of value is read.

use tracemill_model::Millis;
use tracemill_model::ingest::{Field, Metadata, Text};

use super::{Reading, Rules, datetime};
use crate::decode::json;
use crate::decode::walk::Cursor;

/// What is wrong with an event, for the person who sent it.
pub(super) type Fault = String;

/// The text of a value, where its name was there.
pub(super) type Raw<'a> = Option<&'a str>;

macro_rules! fields {
    ($($field:ident = $name:literal,)*) => {
        /// The values of a body by name, as text; names that no body has are left out. The last value of a name counts.
        #[derive(Debug, Default)]
        pub(super) struct Fields<'a> {
            $(pub(super) $field: Raw<'a>,)*
        }

        impl<'a> Fields<'a> {
            fn set(&mut self, name: &str, value: &'a str) {
                match name {
                    $($name => self.$field = Some(value),)*
                    _ => {}
                }
            }
        }
    };
}

fields! {
    id = "id",
    trace_id = "traceId",
    name = "name",
    start_time = "startTime",
    end_time = "endTime",
    input = "input",
    output = "output",
    metadata = "metadata",
    environment = "environment",
    parent_observation_id = "parentObservationId",
    level = "level",
    status_message = "statusMessage",
    version = "version",
    ty = "type",
    completion_start_time = "completionStartTime",
    model = "model",
    model_parameters = "modelParameters",
    usage = "usage",
    usage_details = "usageDetails",
    cost_details = "costDetails",
    prompt_name = "promptName",
    prompt_version = "promptVersion",
    timestamp = "timestamp",
    session_id = "sessionId",
    user_id = "userId",
    release = "release",
    public = "public",
    tags = "tags",
    external_id = "externalId",
    value = "value",
    string_value = "stringValue",
    long_string_value = "longStringValue",
    data_type = "dataType",
    observation_id = "observationId",
    dataset_run_id = "datasetRunId",
    comment = "comment",
    source = "source",
    config_id = "configId",
    queue_id = "queueId",
    execution_trace_id = "executionTraceId",
    log = "log",
}

impl<'a> Fields<'a> {
    /// The fields of the object that comes next; `None`: it is something else, which is passed over.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Box<Self>> {
        if !cursor.enter(b'{') {
            cursor.value();
            return None;
        }
        let mut fields = Box::<Self>::default();
        while let Some(key) = cursor.key() {
            let value = cursor.value();
            with_name(key, |name| fields.set(name, value));
        }
        Some(fields)
    }
}

/// Calls with a key without its quotes and escapes.
pub(super) fn with_name<T>(key: &str, call: impl FnOnce(&str) -> T) -> T {
    if key.contains('\\') {
        return call(&json::string(key).unwrap_or_default());
    }
    call(key.get(1..key.len().saturating_sub(1)).unwrap_or_default())
}

pub(super) fn fault<T>(name: &str, rule: &str) -> Result<T, Fault> {
    Err(format!("{name}: {rule}"))
}

pub(super) fn is_null(raw: &str) -> bool {
    raw.starts_with('n')
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// A text, or null, or absent.
pub(super) fn text(name: &str, raw: Raw<'_>) -> Result<Field<Text>, Fault> {
    match raw {
        None => Ok(Field::Absent),
        Some(raw) if is_null(raw) => Ok(Field::Null),
        Some(raw) => json::string(raw).map_or_else(|| fault(name, "must be a string"), |text| Ok(Field::Value(text))),
    }
}

/// Whether it is a text that is not empty.
pub(super) fn is_set(field: &Field<Text>) -> bool {
    field.value().is_some_and(|text| !text.is_empty())
}

/// A text of which null and the empty one say nothing.
pub(super) fn filled(name: &str, raw: Raw<'_>) -> Result<Option<Text>, Fault> {
    Ok(match text(name, raw)? {
        Field::Value(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

/// Whether a text has more UTF-16 units than `limit`.
pub(super) fn is_longer(text: &str, limit: usize) -> bool {
    // A text never has more UTF-16 units than bytes.
    text.len() > limit && text.encode_utf16().nth(limit).is_some()
}

/// An id, or null, or absent.
pub(super) fn id(name: &str, raw: Raw<'_>, reading: Reading<'_>) -> Result<Option<Text>, Fault> {
    let Field::Value(id) = text(name, raw)? else {
        return Ok(None);
    };
    let limit = reading.limits.id;
    if id.is_empty() {
        return fault(name, "must not be empty");
    }
    if is_longer(&id, limit) {
        return fault(name, &format!("must have at most {limit} characters"));
    }
    if id.contains('\r') {
        return fault(name, "must not contain carriage return characters");
    }
    Ok(Some(id))
}

/// A time, or null, or absent.
pub(super) fn time(name: &str, raw: Raw<'_>) -> Result<Option<Millis>, Fault> {
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Ok(None);
    };
    let plain = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    let read = match plain {
        Some(text) if !text.contains('\\') => datetime(text),
        Some(_) => json::string(raw).and_then(|text| datetime(&text)),
        None => None,
    };
    read.map_or_else(
        || {
            fault(
                name,
                "must be a date and time with an offset, as 2026-02-25T12:15:00.000Z",
            )
        },
        |at| Ok(Some(at)),
    )
}

/// A number that is whole, or null, or absent.
pub(super) fn integer(name: &str, raw: Raw<'_>) -> Result<Option<i128>, Fault> {
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Ok(None);
    };
    match whole(raw).filter(|number| number.unsigned_abs() <= u128::from(u64::MAX)) {
        Some(number) => Ok(Some(number)),
        None => fault(name, "must be an integer of at most 64 bits"),
    }
}

/// A JSON number that is whole, also where it is written as `5.0` or `1e3`.
pub(super) fn whole(raw: &str) -> Option<i128> {
    if !is_number(raw) {
        return None;
    }
    if let Ok(number) = raw.parse() {
        return Some(number);
    }
    let number: f64 = raw.parse().ok()?;
    // Beyond it a double is not exact.
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_991.0).then_some(number as i128)
}

/// A finite number, as a double.
pub(super) fn double(raw: &str) -> Option<f64> {
    is_number(raw)
        .then(|| raw.parse().ok())
        .flatten()
        .filter(|number: &f64| number.is_finite())
}

/// A JSON number as text, or nothing.
pub(super) fn number(raw: &str) -> Option<&str> {
    is_number(raw).then_some(raw)
}

/// Metadata, where payloads are wanted.
pub(super) fn metadata(raw: Raw<'_>, reading: Reading<'_>) -> Metadata {
    raw.filter(|_| reading.payloads).map(json::metadata).unwrap_or_default()
}

/// An input or output, where payloads are wanted.
pub(super) fn payload(raw: Raw<'_>, reading: Reading<'_>) -> Option<Text> {
    raw.filter(|_| reading.payloads).and_then(json::payload)
}

/// An environment, or absent.
pub(super) fn environment(raw: Raw<'_>, reading: Reading<'_>) -> Result<Option<Text>, Fault> {
    const NAME: &str = "environment";
    let Some(raw) = raw else { return Ok(None) };
    let Some(mut text) = json::string(raw) else {
        return fault(NAME, "must be a string");
    };
    let is_public = reading.rules == Rules::Public;
    if is_public && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        text = text.to_ascii_lowercase().into();
    }
    if text.len() > 40 {
        return fault(NAME, "must have at most 40 characters");
    }
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if text.is_empty() || !text.bytes().all(is_allowed) {
        return fault(NAME, "must be of lower-case letters, digits, hyphens and underscores");
    }
    if is_public && text.starts_with("langfuse") {
        return fault(NAME, "must not begin with `langfuse`");
    }
    Ok(Some(text))
}
