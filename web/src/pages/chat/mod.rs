//! Payloads that are a conversation: which messages, by whom, with which tool calls. Pure.
//!
//! ```text
//! payload ──JSON?──► conversation: a list, or an object that holds one ──► message: role, content ──► parts
//! ```
//!
//! Shapes of OpenAI (both of its APIs), Anthropic, Gemini, the Vercel AI SDK, LangChain and OpenTelemetry are known. A payload
//! of which any message is not understood is no conversation: it is shown as what it is, so that nothing is hidden.

mod fields;
mod message;
mod part;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

use fields::{Fields, items, text};

/// How deep lists and holders of messages may be nested in one another.
const DEEPEST: usize = 6;

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

impl Role {
    /// The role of that name in any of the shapes.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "system" | "developer" | "SystemMessage" | "SystemMessageChunk" => Self::System,
            "user" | "human" | "HumanMessage" | "HumanMessageChunk" => Self::User,
            "assistant" | "ai" | "model" | "AIMessage" | "AIMessageChunk" => Self::Assistant,
            "tool" | "function" | "ToolMessage" | "FunctionMessage" | "ToolMessageChunk" => Self::Tool,
            _ => return None,
        })
    }

    /// For people, and as a class.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: Role,
    /// Of whom, where it is told.
    pub(super) name: Option<String>,
    pub(super) parts: Vec<Part>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// What a model thought before it answered.
    Thought(String),
    /// A tool is called.
    Call {
        name: String,
        id: Option<String>,
        /// JSON as it came, or a text.
        arguments: String,
    },
    /// What a tool answered.
    Answer {
        name: Option<String>,
        id: Option<String>,
        /// JSON as it came, or a text.
        content: String,
    },
    /// An image, a sound, a file: its kind, and where it is if it is not in the payload itself.
    Media {
        kind: String,
        place: Option<String>,
    },
    /// Anything else, as it came.
    Json(String),
}

/// The messages of a payload, if it is a conversation.
pub(super) fn conversation(payload: &str) -> Option<Vec<Message>> {
    let first = payload.trim_start().bytes().next()?;
    if !matches!(first, b'{' | b'[') {
        return None;
    }
    let raw: &RawValue = serde_json::from_str(payload).ok()?;
    let messages = of(raw, 0)?;
    (!messages.is_empty()).then_some(messages)
}

/// The messages of a list, or of what holds one.
fn of(raw: &RawValue, depth: usize) -> Option<Vec<Message>> {
    if depth > DEEPEST {
        return None;
    }
    if let Some(list) = items(raw) {
        let all: Option<Vec<Vec<Message>>> = list.into_iter().map(|item| of(item, depth + 1)).collect();
        return Some(all?.into_iter().flatten().collect());
    }
    let fields = Fields::of(raw)?;
    if let Some(message) = message::message(&fields) {
        return Some(vec![message]);
    }
    held(&fields, depth)
}

/// The messages that an object holds: a request, or an answer.
fn held(fields: &Fields<'_>, depth: usize) -> Option<Vec<Message>> {
    let before = before(fields);
    for name in ["messages", "contents", "input", "prompt"] {
        let Some(raw) = fields.raw(name) else { continue };
        if let Some(text) = text(raw) {
            // A text is a prompt where nothing else is in the object, or instructions are beside it.
            if before.is_empty() && (name != "prompt" || fields.len() > 1) {
                continue;
            }
            return Some(with(before, vec![said(Role::User, text)]));
        }
        if let Some(messages) = of(raw, depth + 1).filter(|messages| !messages.is_empty()) {
            return Some(with(before, messages));
        }
    }
    for name in ["choices", "generations", "candidates", "output", "response"] {
        let list = fields.raw(name).filter(|raw| text(raw).is_none());
        if let Some(messages) = list
            .and_then(|raw| of(raw, depth + 1))
            .filter(|messages| !messages.is_empty())
        {
            return Some(messages);
        }
    }
    // One choice, generation or candidate.
    for name in ["message", "content"] {
        let one = fields
            .raw(name)
            .filter(|raw| text(raw).is_none() && items(raw).is_none());
        if let Some(messages) = one.and_then(|raw| of(raw, depth + 1)) {
            return Some(messages);
        }
    }
    message::answer(fields).map(|message| vec![message])
}

/// What a request says before its messages.
fn before(fields: &Fields<'_>) -> Vec<Message> {
    let names = ["system", "instructions", "systemInstruction", "system_instruction"];
    let Some(raw) = names.into_iter().find_map(|name| fields.raw(name)) else {
        return Vec::new();
    };
    let parts = match Fields::of(raw).and_then(|fields| fields.raw("parts")) {
        Some(inner) => part::parts(inner),
        None => part::parts(raw),
    };
    match parts.is_empty() {
        true => Vec::new(),
        false => vec![Message {
            role: Role::System,
            name: None,
            parts,
        }],
    }
}

fn with(mut before: Vec<Message>, messages: Vec<Message>) -> Vec<Message> {
    before.extend(messages);
    before
}

fn said(role: Role, text: String) -> Message {
    Message {
        role,
        name: None,
        parts: vec![Part::Text(text)],
    }
}
