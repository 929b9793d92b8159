//! An input or an output as it is shown: as a conversation, as JSON or as text. Pure.

use super::chat::{Message, Part, conversation};
use super::format::bytes;
use super::json::Json;

/// A payload that is longer is shown in part; the rest is behind a link.
const LONGEST: usize = 2 << 20;
/// So much of it.
const PART: usize = 128 << 10;
/// Blocks that are longer are folded.
const FOLDED: usize = 3_000;

/// How a payload is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// As a conversation, where it is one.
    Chat,
    /// As it came.
    Json,
}

/// A payload with its heading.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) title: &'static str,
    /// `input` or `output`: the name of its anchor and of its link.
    pub(super) name: &'static str,
    pub(super) size: String,
    /// Where it is as it came, and nothing else.
    pub(super) raw: String,
    pub(super) shown: Shown,
}

/// What is shown.
#[derive(Debug)]
pub(super) enum Shown {
    Nothing,
    Chat(Vec<Turn>),
    /// HTML that is escaped already.
    Json(String),
    Text(String),
    /// The beginning of a text that is too long.
    Cut(String),
}

/// A message.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) role: &'static str,
    pub(super) name: String,
    pub(super) blocks: Vec<Block>,
}

/// A part of a message.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: &'static str,
    /// Above it; may be empty.
    pub(super) label: String,
    pub(super) text: String,
    /// In place of the text: HTML that is escaped already.
    pub(super) json: Option<String>,
    pub(super) is_folded: bool,
}

impl Payload {
    /// `base`: the page of what it is of.
    pub(super) fn new(title: &'static str, name: &'static str, text: Option<&str>, view: View, base: &str) -> Self {
        Self {
            title,
            name,
            size: text.map(|text| bytes(text.len() as u64)).unwrap_or_default(),
            raw: format!("{base}/{name}"),
            shown: shown(text, view),
        }
    }

    /// Whether it can be seen as a conversation.
    pub(super) fn is_chat(&self) -> bool {
        matches!(self.shown, Shown::Chat(_))
    }
}

fn shown(text: Option<&str>, view: View) -> Shown {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Shown::Nothing;
    };
    if text.len() > LONGEST {
        return Shown::Cut(text[..text.floor_char_boundary(PART)].to_owned());
    }
    if view == View::Chat
        && let Some(messages) = conversation(text)
    {
        return Shown::Chat(messages.into_iter().map(turn).collect());
    }
    match coloured(text) {
        Some(html) => Shown::Json(html),
        None => Shown::Text(text_of(text)),
    }
}

/// A text that is a JSON string is shown as what it says.
fn text_of(text: &str) -> String {
    match text.starts_with('"').then(|| serde_json::from_str(text)) {
        Some(Ok(inner)) => inner,
        _ => text.to_owned(),
    }
}

/// A value of metadata: HTML of JSON, or a text.
pub(super) fn value(text: &str) -> Block {
    block("json", String::new(), text)
}

/// Objects and lists as HTML.
fn coloured(text: &str) -> Option<String> {
    let is_nested = text.trim_start().starts_with(['{', '[']);
    let json = Json::of(text).filter(|_| is_nested)?;
    let mut html = String::with_capacity(text.len() * 2);
    json.write_html(&mut html).ok()?;
    Some(html)
}

fn turn(message: Message) -> Turn {
    Turn {
        role: message.role.name(),
        name: message.name.unwrap_or_default(),
        blocks: message.parts.into_iter().map(part).collect(),
    }
}

fn part(part: Part) -> Block {
    match part {
        Part::Text(text) => block("text", String::new(), &text),
        Part::Thought(text) => Block {
            is_folded: true,
            ..block("thought", "Thought".to_owned(), &text)
        },
        Part::Call { name, id, arguments } => block("call", with_id(&format!("Calls {name}"), id), &arguments),
        Part::Answer { name, id, content } => {
            let label = name.map_or_else(|| "Answer".to_owned(), |name| format!("Answer of {name}"));
            block("answer", with_id(&label, id), &content)
        }
        Part::Media { kind, place } => {
            let text = place.unwrap_or_else(|| "in the payload itself".to_owned());
            block("media", format!("Media: {kind}"), &text)
        }
        Part::Json(json) => block("json", String::new(), &json),
    }
}

fn with_id(label: &str, id: Option<String>) -> String {
    match id {
        Some(id) => format!("{label} · {id}"),
        None => label.to_owned(),
    }
}

fn block(kind: &'static str, label: String, text: &str) -> Block {
    let json = if kind == "text" { None } else { coloured(text) };
    let is_folded = text.len() > FOLDED && kind != "text";
    let text = if json.is_some() { String::new() } else { text_of(text) };
    Block {
        kind,
        label,
        text,
        json,
        is_folded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_can_be_seen_as_json_as_well() {
        let text = r#"[{"role":"user","content":"Hi"}]"#;
        let payload = |text, view| Payload::new("Input", "input", text, view, "/x");
        assert!(payload(Some(text), View::Chat).is_chat());
        assert!(matches!(payload(Some(text), View::Json).shown, Shown::Json(_)));
        assert!(matches!(payload(Some("\"a\\nb\""), View::Chat).shown, Shown::Text(text) if text == "a\nb"));
        assert!(matches!(payload(Some("{not json"), View::Chat).shown, Shown::Text(_)));
        assert!(matches!(payload(None, View::Chat).shown, Shown::Nothing));
        assert!(matches!(payload(Some(""), View::Chat).shown, Shown::Nothing));
        assert_eq!(payload(Some(text), View::Chat).raw, "/x/input");
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let long = "ü".repeat(LONGEST);
        let Shown::Cut(part) = shown(Some(&long), View::Chat) else {
            panic!("cut")
        };
        assert!(part.len() <= PART && part.chars().all(|letter| letter == 'ü'));
    }

    #[test]
    fn what_a_tool_is_asked_is_json_and_long_answers_are_folded() {
        let Block { json, label, .. } = part(Part::Call {
            name: "f".to_owned(),
            id: Some("1".to_owned()),
            arguments: "{\"a\":1}".to_owned(),
        });
        assert!(json.is_some_and(|html| html.contains("jk")));
        assert_eq!(label, "Calls f · 1");
        let answer = part(Part::Answer {
            name: None,
            id: None,
            content: "x".repeat(FOLDED + 1),
        });
        assert!(answer.is_folded && answer.json.is_none());
    }
}
