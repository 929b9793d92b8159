//! JSON values that merge: opened only where two objects or two arrays meet, texts everywhere else, so that numbers keep
//! their digits. At most [`MAX_DEPTH`] levels are opened; what lies deeper is replaced and not merged.

use std::collections::HashMap;

use serde_json::value::RawValue;
use tracemill_model::ingest::Text;

use crate::decode::json;

const MAX_DEPTH: usize = 64;

/// Up to this many names are looked for one after another.
const FEW: usize = 16;

/// What meets what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Object,
    Array,
    Scalar,
}

impl Shape {
    pub(super) fn of(json: &str) -> Self {
        match json.as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            _ => Self::Scalar,
        }
    }
}

/// A JSON value.
#[derive(Debug)]
pub(super) enum Node {
    /// Not opened: compact JSON. `is_stored`: names in it count as not sent by any patch.
    Closed {
        json: Text,
        is_stored: bool,
    },
    Object(Named<Node>),
    Array(Vec<Node>),
}

impl Node {
    pub(super) const fn sent(json: Text) -> Self {
        Self::Closed { json, is_stored: false }
    }

    /// From the text of a stored value. `None`: it is not the JSON of an object or array.
    pub(super) fn stored(text: &str) -> Option<Self> {
        let text = text.trim();
        if Shape::of(text) == Shape::Scalar || serde_json::from_str::<&RawValue>(text).is_err() {
            return None;
        }
        Some(Self::Closed {
            json: json::compact(text).into(),
            is_stored: true,
        })
    }

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Closed { json, .. } => Shape::of(json),
            Self::Object(_) => Shape::Object,
            Self::Array(_) => Shape::Array,
        }
    }

    /// Merges the value that `json` is into this one.
    pub(super) fn merge(&mut self, json: &str) {
        self.merge_at(json, 0);
    }

    fn merge_at(&mut self, json: &str, depth: usize) {
        let is_equal = matches!(self, Self::Closed { json: old, .. } if **old == *json);
        if is_equal || depth >= MAX_DEPTH || self.shape() != Shape::of(json) {
            *self = Self::sent(json.into());
            return;
        }
        self.open();
        match self {
            Self::Object(entries) => {
                for (hint, (name, value)) in json::entries(json).into_iter().enumerate() {
                    match entries.touch(&name, hint) {
                        Some(old) => old.merge_at(value.get(), depth + 1),
                        None => entries.push(name, Self::sent(value.get().into())),
                    }
                }
            }
            Self::Array(items) => {
                for (at, value) in elements(json).into_iter().enumerate() {
                    match items.get_mut(at) {
                        Some(old) => old.merge_at(value.get(), depth + 1),
                        None => items.push(Self::sent(value.get().into())),
                    }
                }
            }
            Self::Closed { .. } => *self = Self::sent(json.into()),
        }
    }

    /// Opens one level of an object or array.
    fn open(&mut self) {
        let Self::Closed { json, is_stored } = self else { return };
        let is_stored = *is_stored;
        let closed = |value: &RawValue| Self::Closed {
            json: value.get().into(),
            is_stored,
        };
        let opened = match Shape::of(json) {
            Shape::Object => {
                let entries = json::entries(json)
                    .into_iter()
                    .map(|(name, value)| (name, closed(value)));
                Self::Object(if is_stored {
                    Named::stored(entries)
                } else {
                    Named::sent(entries)
                })
            }
            Shape::Array => Self::Array(elements(json).into_iter().map(closed).collect()),
            Shape::Scalar => return,
        };
        *self = opened;
    }

    /// Its compact JSON.
    pub(super) fn into_text(self) -> Text {
        if let Self::Closed { json, .. } = self {
            return json;
        }
        let mut out = String::new();
        self.write(&mut out);
        out.into()
    }

    fn write(self, out: &mut String) {
        match self {
            Self::Closed { json, .. } => out.push_str(&json),
            Self::Object(entries) => {
                out.push('{');
                for (at, (name, value)) in entries.into_ordered().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(&name));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            Self::Array(items) => {
                out.push('[');
                for (at, value) in items.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(']');
            }
        }
    }
}

/// The text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The elements of an array; nothing for other values.
pub(super) fn elements(json: &str) -> Vec<&RawValue> {
    serde_json::from_str(json).unwrap_or_default()
}

/// Values by name, which know in which order patches first sent them.
#[derive(Debug)]
pub(super) struct Named<V> {
    slots: Vec<Slot<V>>,
    /// Where each name is, once there are more than a few.
    places: Option<HashMap<Text, usize>>,
    sent: usize,
}

#[derive(Debug)]
struct Slot<V> {
    name: Text,
    /// The how-manieth of the names that were sent; the last of all for a name that is only stored.
    order: usize,
    value: V,
}

impl<V> Named<V> {
    pub(super) fn stored(entries: impl Iterator<Item = (Text, V)>) -> Self {
        let slots = entries.map(|(name, value)| Slot {
            name,
            order: usize::MAX,
            value,
        });
        Self {
            slots: slots.collect(),
            places: None,
            sent: 0,
        }
    }

    fn sent(entries: impl Iterator<Item = (Text, V)>) -> Self {
        let mut named = Self::stored(entries);
        named.sent = named.slots.len();
        for (order, slot) in named.slots.iter_mut().enumerate() {
            slot.order = order;
        }
        named
    }

    /// The value of that name, which a patch sends. `hint`: where it probably is.
    pub(super) fn touch(&mut self, name: &Text, hint: usize) -> Option<&mut V> {
        let at = self.find(name, hint)?;
        let slot = &mut self.slots[at];
        if slot.order == usize::MAX {
            slot.order = self.sent;
            self.sent += 1;
        }
        Some(&mut slot.value)
    }

    fn find(&mut self, name: &Text, hint: usize) -> Option<usize> {
        if self.slots.get(hint).is_some_and(|slot| slot.name == *name) {
            return Some(hint);
        }
        if self.slots.len() <= FEW {
            return self.slots.iter().position(|slot| slot.name == *name);
        }
        let slots = &self.slots;
        let places = self.places.get_or_insert_with(|| {
            slots
                .iter()
                .enumerate()
                .map(|(at, slot)| (slot.name.clone(), at))
                .collect()
        });
        places.get(name).copied()
    }

    /// Adds a name that is not there, which a patch sends.
    pub(super) fn push(&mut self, name: Text, value: V) {
        if let Some(places) = &mut self.places {
            places.insert(name.clone(), self.slots.len());
        }
        self.slots.push(Slot {
            name,
            order: self.sent,
            value,
        });
        self.sent += 1;
    }

    pub(super) fn into_ordered(mut self) -> impl ExactSizeIterator<Item = (Text, V)> {
        if !self.slots.is_sorted_by_key(|slot| slot.order) {
            self.slots.sort_by_key(|slot| slot.order);
        }
        self.slots.into_iter().map(|slot| (slot.name, slot.value))
    }
}
