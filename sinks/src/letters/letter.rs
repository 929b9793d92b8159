//! What a letter says, and where it is. Pure.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use tracemill_model::Millis;
use tracemill_model::ingest::EntityKind;
use twox_hash::XxHash3_128;
use uuid::Uuid;

/// What a letter is about: the same thing has the same letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Whose.
    pub project: String,
    /// `trace`, `observation`, `score`; or what could not even be told: `event`, `span`, `object`.
    pub kind: String,
    /// The entity's id, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The raw object; of an entity, the newest of those that its row was made of. Empty: not known.
    pub object: String,
    /// The place among the object's events, where it is one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// When the raw object was received.
    pub received: Millis,
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterState {
    /// Nobody has looked at it.
    #[default]
    Open,
    /// It was given to the graph again.
    Replayed,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// What about.
    #[serde(flatten)]
    pub about: Subject,
    /// The kind of error, as in logs; for ClickHouse's with its code: `violated_constraint 469`.
    pub code: String,
    /// What is wrong, for people.
    pub reason: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When it first failed.
    pub first: Millis,
    /// When it last failed.
    pub last: Millis,
    /// What became of it.
    #[serde(default)]
    pub state: LetterState,
}

impl Subject {
    /// The path below the folder of letters.
    pub(super) fn path(&self) -> String {
        let date = self.received.date().replace('-', "/");
        format!("{}/{date}/{}.json", segment(&self.project), self.name())
    }

    /// Whether it is an entity's row, which many objects may have made, and not something within one object.
    fn is_entity(&self) -> bool {
        self.id.is_some() && EntityKind::parse(&self.kind).is_some()
    }

    /// A name that follows from the kind and the id, and of what is not an entity from the object and the place.
    fn name(&self) -> Uuid {
        let mut digest = XxHash3_128::new();
        let object = if self.is_entity() { "" } else { &self.object };
        for part in [object, &self.kind, self.id.as_deref().unwrap_or_default()] {
            digest.write(&(part.len() as u64).to_le_bytes());
            digest.write(part.as_bytes());
        }
        let index = self.index.map_or(u64::MAX, u64::from);
        digest.write(&index.to_le_bytes());
        uuid::Builder::from_custom_bytes(digest.finish_128().to_be_bytes()).into_uuid()
    }
}

impl Letter {
    /// This letter, written where there was one before.
    pub(super) fn after(&self, before: &Self) -> Self {
        Self {
            attempts: self.attempts.saturating_add(before.attempts),
            first: self.first.min(before.first),
            last: self.last.max(before.last),
            ..self.clone()
        }
    }
}

/// A text as one segment of a path, so that different texts have different ones: what is not a letter, a digit, `-`, `_` or a
/// dot within is written as `%XX`.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0);
        if is_plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.is_empty() { "%".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            project: "p/1".to_owned(),
            kind: "event".to_owned(),
            id: Some("a".to_owned()),
            object: "raw/1.json".to_owned(),
            index: Some(3),
            received: Millis(1_772_021_700_250),
        }
    }

    #[test]
    fn a_path_follows_from_the_subject_alone() {
        let path = subject().path();
        assert!(
            path.starts_with("p%2F1/2026/02/25/") && path.ends_with(".json"),
            "{path}"
        );
        assert_eq!(path, subject().path());
        let others = [
            Subject {
                index: Some(4),
                ..subject()
            },
            Subject {
                index: None,
                ..subject()
            },
            Subject {
                kind: "score".to_owned(),
                ..subject()
            },
            Subject { id: None, ..subject() },
            Subject {
                object: "raw/2.json".to_owned(),
                ..subject()
            },
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(other.path(), path, "{at}");
        }
    }

    #[test]
    fn an_entity_has_one_letter_whatever_its_objects_are() {
        let of = |object: &str, id: &str| Subject {
            kind: "trace".to_owned(),
            id: Some(id.to_owned()),
            object: object.to_owned(),
            index: None,
            ..subject()
        };
        assert_eq!(of("raw/1.json", "a").path(), of("raw/2.json", "a").path());
        assert_ne!(of("raw/1.json", "a").path(), of("raw/1.json", "b").path());
    }

    #[test]
    fn segments_are_safe_and_differ() {
        for (text, expected) in [
            ("p-1", "p-1"),
            ("..", "%2E."),
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            ("", "%"),
        ] {
            assert_eq!(segment(text), expected);
        }
    }
}
