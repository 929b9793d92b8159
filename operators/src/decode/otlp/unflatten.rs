//! Dotted names to arrays and objects: `gen_ai.prompt.0.content` to `[{"content": ...}]`.

use std::collections::HashMap;

use super::keys::{Attr, Attrs, Family, Key};
use super::value::{Value, write_string};

/// Names nest at most this deep: what follows is one segment.
const MAX_SEGMENTS: usize = 32;
/// So many missing items of arrays are null; further ones are left out.
const MAX_GAPS: usize = 1000;

enum Node<'v, 'a> {
    Leaf(&'v Value<'a>),
    Array(Vec<(usize, Node<'v, 'a>)>, HashMap<usize, usize>),
    Object(Vec<(&'v str, Node<'v, 'a>)>, HashMap<&'v str, usize>),
}

/// The value of the family: that of its bare name if it counts as true, otherwise what its dotted names make.
pub(super) fn value(attrs: &Attrs<'_>, family: Family, bare: Key) -> String {
    if let Some(value) = attrs.truthy(bare) {
        return value.text().into_owned();
    }
    let mut out = String::new();
    let prefix = family.prefix();
    let is_array = attrs.of(family).any(|attr| starts_with_index(rest(attr, prefix)));
    let mut root = if is_array { Node::array() } else { Node::object() };
    for attr in attrs.of(family).filter(|attr| attr.key != Some(bare)) {
        let mut segments = rest(attr, prefix).splitn(MAX_SEGMENTS, '.');
        let first = segments.next().unwrap_or_default();
        root.set(first, segments, &attr.value);
    }
    root.write(&mut out, &mut { MAX_GAPS });
    out
}

fn rest<'v>(attr: &'v Attr<'_>, prefix: &str) -> &'v str {
    let name: &'v str = &attr.name;
    name.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(name)
}

fn starts_with_index(rest: &str) -> bool {
    rest.split_once('.').is_some_and(|(first, _)| is_index(first))
}

fn is_index(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit())
}

impl<'v, 'a> Node<'v, 'a> {
    fn array() -> Self {
        Self::Array(Vec::new(), HashMap::new())
    }

    fn object() -> Self {
        Self::Object(Vec::new(), HashMap::new())
    }

    /// Sets what the segments lead to. What an array cannot hold is left out, and what lies on the way is replaced.
    fn set(&mut self, segment: &'v str, mut more: std::str::SplitN<'v, char>, value: &'v Value<'a>) {
        let next = more.next();
        let slot = match self {
            Self::Array(items, places) => {
                let Ok(index) = segment.parse::<usize>() else { return };
                let place = *places.entry(index).or_insert_with(|| {
                    items.push((index, Self::Leaf(&Value::Null)));
                    items.len() - 1
                });
                &mut items[place].1
            }
            Self::Object(entries, places) => {
                let place = *places.entry(segment).or_insert_with(|| {
                    entries.push((segment, Self::Leaf(&Value::Null)));
                    entries.len() - 1
                });
                &mut entries[place].1
            }
            Self::Leaf(_) => return,
        };
        let Some(next) = next else {
            *slot = Self::Leaf(value);
            return;
        };
        if matches!(slot, Self::Leaf(_)) {
            *slot = if is_index(next) { Self::array() } else { Self::object() };
        }
        slot.set(next, more, value);
    }

    fn write(&mut self, out: &mut String, gaps: &mut usize) {
        match self {
            Self::Leaf(value) => value.write_json(out),
            Self::Array(items, _) => {
                items.sort_by_key(|(index, _)| *index);
                out.push('[');
                let mut next = 0;
                for (place, (index, item)) in items.iter_mut().enumerate() {
                    let gap = index.saturating_sub(next).min(*gaps);
                    *gaps -= gap;
                    if place > 0 {
                        out.push(',');
                    }
                    out.push_str(&"null,".repeat(gap));
                    item.write(out, gaps);
                    next = index.saturating_add(1);
                }
                out.push(']');
            }
            Self::Object(entries, _) => {
                out.push('{');
                for (place, (name, entry)) in entries.iter_mut().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    write_string(name, out);
                    out.push(':');
                    entry.write(out, gaps);
                }
                out.push('}');
            }
        }
    }
}
