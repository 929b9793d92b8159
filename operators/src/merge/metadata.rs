//! Metadata: what was stored and what each event says, merged deeply, each value a text in the end.
//!
//! Objects merge by name and arrays by index; anything else overwrites, null (the text `null`) included. Stored values are
//! texts; one that reads as a JSON object or array merges with a patch of the same shape as what it was before it was
//! stored. Names that patches sent come first, in the order in which they were first sent, then those that only the stored
//! row has: so the order does not depend on what was stored meanwhile.

use tracemill_model::ingest::{Metadata, MetadataValue, Text};

use super::tree::{Named, Node, Shape};

#[derive(Debug)]
enum Value {
    /// From the stored row: a text or the JSON text of some value.
    Stored(Text),
    Text(Text),
    Json(Node),
}

pub(super) fn fold<'a>(stored: &[(Text, Text)], patches: impl Iterator<Item = &'a Metadata>) -> Vec<(Text, Text)> {
    let mut merged = Named::stored(
        stored
            .iter()
            .map(|(name, text)| (name.clone(), Value::Stored(text.clone()))),
    );
    for patch in patches {
        for (hint, (name, value)) in patch.iter().enumerate() {
            let new = || match value {
                MetadataValue::Text(text) => Value::Text(text.clone()),
                MetadataValue::Json(json) => Value::Json(Node::sent(json.clone())),
            };
            match merged.touch(name, hint) {
                None => merged.push(name.clone(), new()),
                Some(old) => match value {
                    MetadataValue::Json(json) => apply(old, json),
                    MetadataValue::Text(_) => *old = new(),
                },
            }
        }
    }
    // Of its own and no larger: collecting would keep the slots' memory for as long as the row is held.
    let ordered = merged.into_ordered();
    let mut texts = Vec::with_capacity(ordered.len());
    texts.extend(ordered.map(|(name, value)| (name, value.text())));
    texts
}

fn apply(old: &mut Value, json: &Text) {
    match old {
        Value::Json(node) => node.merge(json),
        Value::Stored(text) if text != json && Shape::of(json) != Shape::Scalar => {
            match Node::stored(text).filter(|node| node.shape() == Shape::of(json)) {
                Some(mut node) => {
                    node.merge(json);
                    *old = Value::Json(node);
                }
                None => *old = Value::Json(Node::sent(json.clone())),
            }
        }
        Value::Stored(_) | Value::Text(_) => *old = Value::Json(Node::sent(json.clone())),
    }
}

impl Value {
    fn text(self) -> Text {
        match self {
            Self::Stored(text) | Self::Text(text) => text,
            Self::Json(node) => node.into_text(),
        }
    }
}
