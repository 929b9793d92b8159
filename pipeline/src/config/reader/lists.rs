//! Values of which a key may hold several: lists of texts and of tables, tables whose names the user gives.

use std::fmt::Display;

use super::{Bounds, Section, Text};
use crate::config::raw::{Raw, RawValue};

impl<'a> Section<'a> {
    /// A list of texts.
    pub(in crate::config) fn list(&self, key: &str, example: &str) -> Option<Vec<Text>> {
        let raw = self.get(key)?;
        let RawValue::List(items) = &raw.value else {
            self.wrong_kind(key, raw, "a list", example);
            return None;
        };
        Some(self.texts(key, items, example))
    }

    fn texts(&self, key: &str, items: &[Raw], example: &str) -> Vec<Text> {
        let mut texts = Vec::new();
        for item in items {
            if let RawValue::Text(text) = &item.value {
                texts.extend(self.expanded(key, item.at, text, false));
            } else {
                self.wrong_kind(key, item, "a text", example);
            }
        }
        texts
    }

    /// Either a word or a list of texts: `"all"`, `["a", "b"]`.
    pub(in crate::config) fn word_or_list(&self, key: &str, example: &str) -> Option<Result<Text, Vec<Text>>> {
        match &self.get(key)?.value {
            RawValue::Text(_) => self.text(key).map(Ok),
            _ => self.list(key, example).map(Err),
        }
    }

    /// Every entry as a text, secrets welcome.
    pub(in crate::config) fn all_texts(&self) -> Vec<(String, Text)> {
        let mut texts = Vec::new();
        for entry in &self.table.entries {
            let raw = self.get(&entry.key);
            let text = match raw.map(|raw| &raw.value) {
                Some(RawValue::Text(text)) => self.expanded(&entry.key, entry.raw.at, text, false),
                Some(RawValue::Bool(_) | RawValue::Integer(Some(_))) => entry.raw.value.shown().map(|shown| Text {
                    value: shown.clone(),
                    raw: shown,
                    at: entry.raw.at,
                    path: self.key(&entry.key),
                }),
                _ => {
                    let message = format!(
                        "{:?}{} is {}, not a text",
                        entry.key,
                        self.place(),
                        entry.raw.value.kind()
                    );
                    let remedy = format!("write {} = \"...\"", entry.key);
                    self.report(entry.raw.at, &entry.key, None, message, remedy);
                    None
                }
            };
            texts.extend(text.map(|text| (entry.key.clone(), text)));
        }
        texts
    }

    /// Every entry as a whole number, whatever its name is.
    pub(in crate::config) fn integers<T>(&self, bounds: &Bounds<T>) -> Vec<(String, T)>
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let keys = self.table.entries.iter().map(|entry| entry.key.as_str());
        keys.filter_map(|key| Some((key.to_owned(), self.integer(key, bounds)?)))
            .collect()
    }

    /// A URL or a list of URLs.
    pub(in crate::config) fn urls(&self, key: &str) -> Option<Vec<Text>> {
        let raw = self.get(key)?;
        let RawValue::List(items) = &raw.value else {
            return self.url(key).map(|url| vec![url]);
        };
        let mut urls = Vec::new();
        for item in items {
            if let RawValue::Text(text) = &item.value {
                urls.extend(self.expanded(key, item.at, text, true));
            } else {
                let what = item.value.kind();
                let message = format!("{key:?}{} holds {what}, not a text", self.place());
                self.report(item.at, key, None, message, format!("write {key} = \"...\""));
            }
        }
        Some(urls)
    }

    /// A list of tables, each a section of its own: `access.demo.keys[1]`.
    pub(in crate::config) fn sections(&self, key: &str, example: &str) -> Option<Vec<Section<'a>>> {
        let raw = self.get(key)?;
        let RawValue::List(items) = &raw.value else {
            self.wrong_kind(key, raw, "a list of tables", example);
            return None;
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if let RawValue::Table(table) = &item.value {
                let path = format!("{}[{}]", self.key(key), index + 1);
                sections.push(Section::new(self.context, path, item.at, table));
            } else {
                self.wrong_kind(key, item, "a table", example);
            }
        }
        Some(sections)
    }

    /// Every entry as a table, whatever its name is; what is no table is reported.
    pub(in crate::config) fn entries(&self, example: &str) -> Vec<(String, Section<'a>)> {
        let keys = self.table.entries.iter().map(|entry| entry.key.as_str());
        keys.filter_map(|key| Some((key.to_owned(), self.section(key, example)?)))
            .collect()
    }
}
