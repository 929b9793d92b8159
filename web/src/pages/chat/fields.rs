//! JSON that is looked into where it is needed, with nothing of the rest parsed or rewritten.

use std::collections::HashMap;

use serde_json::value::RawValue;

/// The fields of an object.
#[derive(Debug)]
pub(super) struct Fields<'a>(HashMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// `None`: it is no object.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        raw.get()
            .starts_with('{')
            .then(|| serde_json::from_str(raw.get()).ok().map(Self))?
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a field is there, be it null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A field that is there and not null.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// The first of these that is there.
    pub(super) fn any(&self, names: &[&str]) -> Option<&'a RawValue> {
        names.iter().find_map(|name| self.raw(name))
    }

    /// A field that is a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.raw(name).and_then(text)
    }

    /// The first of these that is a text.
    pub(super) fn any_text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// A field that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Fields<'a>> {
        self.raw(name).and_then(Fields::of)
    }

    /// A field that is a list.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        self.raw(name).and_then(items)
    }
}

/// The items of a list. `None`: it is none.
pub(super) fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    raw.get()
        .starts_with('[')
        .then(|| serde_json::from_str(raw.get()).ok())?
}

/// A text. `None`: it is none.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    raw.get()
        .starts_with('"')
        .then(|| serde_json::from_str(raw.get()).ok())?
}

/// A text as it is, anything else as JSON.
pub(super) fn text_or_json(raw: &RawValue) -> String {
    text(raw).unwrap_or_else(|| raw.get().to_owned())
}
