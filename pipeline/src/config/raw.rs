//! TOML text as a tree of values with their places, in the order of the file.
//!
//! What the parser says about broken text is reported with its line. Only repeated keys leave a tree that is worth
//! checking further; any other error of syntax ends the matter here.

use toml::de::{DeTable, DeValue};

use super::fault::{Context, Report};

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Raw {
    /// Byte offset of its first character; of a table with a header, of that header.
    pub(super) at: usize,
    pub(super) value: RawValue,
}

/// A value of TOML.
#[derive(Debug)]
pub(super) enum RawValue {
    Text(String),
    /// `None` is a number beyond 64 bits.
    Integer(Option<i64>),
    Float(String),
    Bool(bool),
    Date(String),
    List(Vec<Raw>),
    Table(RawTable),
}

/// A table's entries in the order of the file.
#[derive(Debug, Default)]
pub(super) struct RawTable {
    pub(super) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Byte offset of the key.
    pub(super) at: usize,
    pub(super) raw: Raw,
}

impl RawTable {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl RawValue {
    /// What it is, with an article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Date(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// As the file has it, where that is short.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Integer(number) => number.map(|number| number.to_string()),
            Self::Float(text) | Self::Date(text) => Some(text.clone()),
            Self::Bool(value) => Some(value.to_string()),
            Self::List(_) | Self::Table(_) => None,
        }
    }
}

/// Reads the text. `None` after errors that leave nothing to check.
pub(super) fn parse(context: &Context<'_>, text: &str) -> Option<RawTable> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut is_whole = true;
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let is_repeated = error.message() == "duplicate key";
        is_whole &= is_repeated;
        let (message, remedy) = if is_repeated {
            let key = text.get(span.clone()).unwrap_or_default().trim();
            (format!("{key:?} is there twice"), "keep one of the two")
        } else {
            let message = format!("not TOML: {}", error.message().trim().replace('\n', " "));
            (
                message,
                "mend this line; what else may be wrong is told once the file can be read",
            )
        };
        context.report(Report {
            at: span.start,
            path: "",
            value: None,
            message,
            remedy: remedy.to_owned(),
        });
    }
    is_whole.then(|| table(document.get_ref()))
}

fn table(table: &DeTable<'_>) -> RawTable {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            at: key.span().start,
            raw: raw(value.span().start, value.get_ref()),
        })
        .collect();
    entries.sort_by_key(|entry| entry.at);
    RawTable { entries }
}

fn raw(at: usize, value: &DeValue<'_>) -> Raw {
    let value = match value {
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Integer(number) => RawValue::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => RawValue::Float(number.as_str().to_owned()),
        DeValue::Boolean(value) => RawValue::Bool(*value),
        DeValue::Datetime(date) => RawValue::Date(date.to_string()),
        DeValue::Array(list) => {
            RawValue::List(list.iter().map(|item| raw(item.span().start, item.get_ref())).collect())
        }
        DeValue::Table(entries) => RawValue::Table(table(entries)),
    };
    Raw { at, value }
}
