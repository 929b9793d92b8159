//! Reading one table of the file: typed values with their bounds; what was never asked for is an unknown key.

mod lists;

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use tracemill_model::{ByteSize, time::parse_duration};

use super::expand;
use super::fault::{Context, Report, listed, nearest};
use super::raw::{Raw, RawTable, RawValue};

/// A text of the file with its variables filled in.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    /// As the file has it: what faults show.
    pub(super) raw: String,
    pub(super) at: usize,
    pub(super) path: String,
}

/// A table of the file that is being read. [`Section::finish`] reports the keys that nobody asked for.
pub(super) struct Section<'a> {
    pub(super) context: &'a Context<'a>,
    /// `graph.export.sink.lake`, empty for the whole file.
    pub(super) path: String,
    pub(super) at: usize,
    table: &'a RawTable,
    asked: RefCell<Vec<String>>,
    refused: RefCell<Vec<String>>,
}

/// What a number may be, and why.
pub(super) struct Bounds<T> {
    pub(super) range: RangeInclusive<T>,
    /// Follows the limit in the message: `(what a column chunk can hold)`. May be empty.
    pub(super) why: &'static str,
}

impl<'a> Section<'a> {
    pub(super) fn new(context: &'a Context<'a>, path: String, at: usize, table: &'a RawTable) -> Self {
        Self {
            context,
            path,
            at,
            table,
            asked: RefCell::default(),
            refused: RefCell::default(),
        }
    }

    pub(super) fn key(&self, key: &str) -> String {
        if key.is_empty() {
            self.path.clone()
        } else if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// ` in graph.export`, or nothing for the whole file.
    fn place(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!(" in {}", self.path)
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    fn get(&self, key: &str) -> Option<&'a Raw> {
        self.asked.borrow_mut().push(key.to_owned());
        self.table.get(key).map(|entry| &entry.raw)
    }

    pub(super) fn report(&self, at: usize, key: &str, value: Option<&str>, message: String, remedy: impl Into<String>) {
        let path = self.key(key);
        self.context.report(Report {
            at,
            path: &path,
            value,
            message,
            remedy: remedy.into(),
        });
    }

    /// The key has to be there, and is not.
    pub(super) fn missing(&self, key: &str, remedy: impl Into<String>) {
        self.report(
            self.at,
            key,
            None,
            format!("{key:?} is missing{}", self.place()),
            remedy,
        );
    }

    /// A key that would be understood elsewhere is of no use here: reported when it is there.
    pub(super) fn refuse(&self, key: &str, why: &str, remedy: &str) {
        self.refused.borrow_mut().push(key.to_owned());
        if let Some(entry) = self.table.get(key) {
            self.report(entry.at, key, None, format!("{key:?}{} {why}", self.place()), remedy);
        }
    }

    /// Of a key that may be there nothing is known.
    pub(super) fn pass_over(&self, key: &str) {
        self.asked.borrow_mut().push(key.to_owned());
    }

    fn wrong_kind(&self, key: &str, raw: &Raw, wanted: &str, example: &str) {
        let shown = raw.value.shown().filter(|_| !is_secret(&self.key(key)));
        let got = match &shown {
            Some(shown) => format!("{} ({shown})", raw.value.kind()),
            None => raw.value.kind().to_owned(),
        };
        let message = format!("{key:?}{} is {got}, not {wanted}", self.place());
        self.report(raw.at, key, shown.as_deref(), message, format!("write {example}"));
    }

    /// A text, its variables filled in.
    pub(super) fn text(&self, key: &str) -> Option<Text> {
        let raw = self.get(key)?;
        let RawValue::Text(text) = &raw.value else {
            self.wrong_kind(key, raw, "a text", &format!("{key} = \"...\""));
            return None;
        };
        self.expanded(key, raw.at, text, false)
    }

    /// A text that is a URL.
    pub(super) fn url(&self, key: &str) -> Option<Text> {
        let raw = self.get(key)?;
        let RawValue::Text(text) = &raw.value else {
            self.wrong_kind(key, raw, "a text", &format!("{key} = \"...\""));
            return None;
        };
        self.expanded(key, raw.at, text, true)
    }

    fn expanded(&self, key: &str, at: usize, text: &str, is_url: bool) -> Option<Text> {
        let lookup = |name: &str| self.context.expansion(name);
        let result = if is_url {
            expand::expand_url(text, &lookup)
        } else {
            expand::expand(text, &lookup)
        };
        match result {
            Ok(value) => Some(Text {
                value,
                raw: text.to_owned(),
                at,
                path: self.key(key),
            }),
            Err(errors) => {
                for error in errors {
                    self.report(
                        at,
                        key,
                        None,
                        format!("{} ({})", error.message, self.key(key)),
                        error.remedy,
                    );
                }
                None
            }
        }
    }

    /// A text that must not be empty.
    pub(super) fn name(&self, key: &str) -> Option<Text> {
        let text = self.text(key)?;
        if text.value.is_empty() {
            self.report(
                text.at,
                key,
                Some(""),
                format!("{key:?}{} is empty", self.place()),
                "write a name",
            );
            return None;
        }
        Some(text)
    }

    /// A size with its unit.
    pub(super) fn size(&self, key: &str, bounds: &Bounds<ByteSize>) -> Option<ByteSize> {
        let example = format!("{key} = \"64 MiB\"");
        let text = self.unit_text(key, "a size with a unit", &example)?;
        match ByteSize::parse(&text.value) {
            Ok(size) => self.within(key, text.at, &text.raw, size, bounds),
            Err(_) if text.value.trim_start().starts_with('-') => self.not_a(key, &text, "is negative", &example),
            Err(_) => self.not_a(key, &text, "is not a size", &example),
        }
    }

    /// A duration with its unit.
    pub(super) fn duration(&self, key: &str, bounds: &Bounds<Span>) -> Option<Duration> {
        let example = format!("{key} = \"15 min\" (ms, s, min, h, d, w)");
        let text = self.unit_text(key, "a duration with a unit", &example)?;
        self.parsed_duration(key, &text, bounds)
    }

    /// A duration, or `off`.
    pub(super) fn duration_or_off(&self, key: &str, bounds: &Bounds<Span>) -> Option<Option<Duration>> {
        let example = format!("{key} = \"1 d\" or \"off\"");
        let text = self.unit_text(key, "a duration with a unit", &example)?;
        if text.value == "off" {
            return Some(None);
        }
        self.parsed_duration(key, &text, bounds).map(Some)
    }

    fn parsed_duration(&self, key: &str, text: &Text, bounds: &Bounds<Span>) -> Option<Duration> {
        let example = format!("{key} = \"15 min\" (ms, s, min, h, d, w)");
        match parse_duration(&text.value) {
            Ok(duration) => self
                .within(key, text.at, &text.raw, Span(duration), bounds)
                .map(|span| span.0),
            Err(_) if text.value.trim_start().starts_with('-') => self.not_a(key, text, "is negative", &example),
            Err(_) => self.not_a(key, text, "is not a duration", &example),
        }
    }

    fn unit_text(&self, key: &str, wanted: &str, example: &str) -> Option<Text> {
        let raw = self.get(key)?;
        match &raw.value {
            RawValue::Text(text) => self.expanded(key, raw.at, text, false),
            _ => {
                self.wrong_kind(key, raw, wanted, example);
                None
            }
        }
    }

    fn not_a<T>(&self, key: &str, text: &Text, what: &str, example: &str) -> Option<T> {
        let message = format!("{key} = {:?}{} {what}", text.raw, self.place());
        self.report(text.at, key, Some(&text.raw), message, format!("write {example}"));
        None
    }

    /// A whole number.
    pub(super) fn integer<T>(&self, key: &str, bounds: &Bounds<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let raw = self.get(key)?;
        let RawValue::Integer(number) = &raw.value else {
            let example = format!("{key} = {} (without quotes)", bounds.range.start());
            self.wrong_kind(key, raw, "a whole number", &example);
            return None;
        };
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => self.within(key, raw.at, &number.to_string(), number, bounds),
            None => {
                let shown = number.map_or_else(|| "it".to_owned(), |number| number.to_string());
                self.outside(key, raw.at, &shown, bounds);
                None
            }
        }
    }

    fn within<T: PartialOrd + Display>(
        &self,
        key: &str,
        at: usize,
        shown: &str,
        value: T,
        bounds: &Bounds<T>,
    ) -> Option<T> {
        if bounds.range.contains(&value) {
            return Some(value);
        }
        self.outside(key, at, shown, bounds);
        None
    }

    fn outside<T: PartialOrd + Display>(&self, key: &str, at: usize, shown: &str, bounds: &Bounds<T>) {
        let (from, to) = (bounds.range.start(), bounds.range.end());
        let message = format!(
            "{key} = {shown}{} is not within {from} to {to}{}",
            self.place(),
            bounds.why
        );
        self.report(
            at,
            key,
            Some(shown),
            message,
            format!("choose a value from {from} to {to}"),
        );
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        let raw = self.get(key)?;
        let RawValue::Bool(value) = &raw.value else {
            self.wrong_kind(key, raw, "a boolean", &format!("{key} = true or {key} = false"));
            return None;
        };
        Some(*value)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        self.chosen(key, &text, choices)
    }

    pub(super) fn chosen<T: Copy>(&self, key: &str, text: &Text, choices: &[(&str, T)]) -> Option<T> {
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text.value) {
            return Some(*choice);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let message = format!("{:?} is no {key}{}", text.raw, self.place());
        let hint = nearest(&text.value, &names);
        let remedy = if hint.starts_with("did") {
            format!("{hint} (one of {})", listed(&names))
        } else {
            hint
        };
        self.report(text.at, key, Some(&text.raw), message, remedy);
        None
    }

    /// A table under that key.
    pub(super) fn section(&self, key: &str, example: &str) -> Option<Section<'a>> {
        let raw = self.get(key)?;
        let RawValue::Table(table) = &raw.value else {
            self.wrong_kind(key, raw, "a table", example);
            return None;
        };
        Some(Section::new(self.context, self.key(key), raw.at, table))
    }

    /// Every entry as a table, by the names that the user gave; what is no table, and what is no name, is reported.
    pub(super) fn named(&self, example: &str) -> Vec<(String, Section<'a>)> {
        let mut sections = Vec::new();
        for entry in &self.table.entries {
            let key = entry.key.as_str();
            if !is_name(key) {
                let message = format!("{key:?}{} cannot be a name", self.place());
                self.report(
                    entry.at,
                    key,
                    None,
                    message,
                    "names have letters, digits, \"-\" and \"_\"",
                );
            }
            if let Some(section) = self.section(key, example) {
                sections.push((key.to_owned(), section));
            }
        }
        sections
    }

    /// Whether a source of any graph is of that type, without reading any.
    pub(super) fn has_source(&self, ty: &str) -> bool {
        fn tables(raw: Option<&RawValue>) -> impl Iterator<Item = &RawTable> {
            let entries = match raw {
                Some(RawValue::Table(table)) => table.entries.as_slice(),
                _ => &[],
            };
            entries.iter().filter_map(|entry| match &entry.raw.value {
                RawValue::Table(table) => Some(table),
                _ => None,
            })
        }
        let value = |table: &'a RawTable, key: &str| table.get(key).map(|entry| &entry.raw.value);
        tables(value(self.table, "graph"))
            .flat_map(|graph| tables(value(graph, "source")))
            .any(|source| matches!(value(source, "type"), Some(RawValue::Text(text)) if text == ty))
    }

    /// Whether the key holds a text, without reading it.
    pub(super) fn is_text(&self, key: &str) -> bool {
        self.table
            .get(key)
            .is_some_and(|entry| matches!(entry.raw.value, RawValue::Text(_)))
    }

    /// Whether the key holds anything: an entry of a table, or what is no table, which is a fault already.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|entry| match &entry.raw.value {
            RawValue::Table(table) => !table.entries.is_empty(),
            _ => true,
        })
    }

    /// Where the key's value stands; the table itself where there is none.
    pub(super) fn at_of(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.at, |entry| entry.raw.at)
    }

    /// Whether the key holds a list of nothing.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.table
            .get(key)
            .is_some_and(|entry| matches!(&entry.raw.value, RawValue::List(items) if items.is_empty()))
    }

    /// A date, written with or without quotes.
    pub(super) fn date(&self, key: &str) -> Option<Text> {
        let raw = self.get(key)?;
        match &raw.value {
            RawValue::Date(date) => Some(Text {
                value: date.clone(),
                raw: date.clone(),
                at: raw.at,
                path: self.key(key),
            }),
            RawValue::Text(text) => self.expanded(key, raw.at, text, false),
            _ => {
                self.wrong_kind(key, raw, "a date", &format!("{key} = \"2026-02-25\""));
                None
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        let refused = self.refused.borrow();
        let mut names: Vec<&str> = asked.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        for entry in &self.table.entries {
            if asked.contains(&entry.key) || refused.contains(&entry.key) {
                continue;
            }
            let message = format!("unknown key {:?}{}", entry.key, self.place());
            let hint = nearest(&entry.key, &names);
            self.report(entry.at, &entry.key, None, message, hint);
        }
    }
}

/// What may name a graph, a node or a store: it appears in paths, in logs and in pictures.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

/// Keys, with their paths, whose values are not shown even where they are wrong.
fn is_secret(path: &str) -> bool {
    const PARTS: [&str; 9] = [
        "access",
        "bcrypt",
        "credential",
        "hash",
        "key",
        "password",
        "salt",
        "secret",
        "token",
    ];
    PARTS.iter().any(|part| path.contains(part))
}

/// A duration that prints with the largest unit that divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

impl Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.0.as_millis();
        for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
            if ms > 0 && ms.is_multiple_of(unit) {
                return write!(f, "{} {name}", ms / unit);
            }
        }
        write!(f, "{ms} ms")
    }
}
