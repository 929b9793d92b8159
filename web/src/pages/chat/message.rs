//! One message: its role and its parts.

use super::fields::{Fields, items, text, text_or_json};
use super::part::{part, parts};
use super::{Message, Part, Role};

/// An object that is a message, or an item of a conversation that stands for one.
pub(super) fn message(fields: &Fields<'_>) -> Option<Message> {
    if let Some(inner) = constructed(fields) {
        return inner;
    }
    let kind = fields.text("type");
    if let Some(message) = kind.as_deref().and_then(|kind| item(kind, fields)) {
        return Some(message);
    }
    let role = fields.text("role").or(kind).and_then(|name| Role::of(&name))?;
    // LangChain's stored form has the rest one level deeper.
    match fields.object("data") {
        Some(data) if fields.raw("content").is_none() => of_role(role, &data),
        _ => of_role(role, fields),
    }
}

/// LangChain's serialised form, with the class as the last of its `id`. `None`: it is not of that form.
fn constructed(fields: &Fields<'_>) -> Option<Option<Message>> {
    let id = fields.list("id").filter(|_| fields.raw("lc").is_some())?;
    let role = id.last().and_then(|raw| text(raw)).and_then(|class| Role::of(&class));
    let kwargs = fields.object("kwargs");
    Some(role.zip(kwargs).and_then(|(role, kwargs)| of_role(role, &kwargs)))
}

/// An item that has a type in place of a role.
fn item(kind: &str, fields: &Fields<'_>) -> Option<Message> {
    let (role, parts) = match kind {
        "function_call" | "function_call_output" | "reasoning" if fields.raw("role").is_none() => {
            let role = if kind == "function_call_output" {
                Role::Tool
            } else {
                Role::Assistant
            };
            (role, part_of(kind, fields)?)
        }
        _ => return None,
    };
    Some(Message {
        role,
        name: None,
        parts,
    })
}

fn part_of(kind: &str, fields: &Fields<'_>) -> Option<Vec<Part>> {
    let id = fields.text("call_id");
    Some(match kind {
        "function_call" => vec![Part::Call {
            name: fields.text("name")?,
            id,
            arguments: fields.raw("arguments").map(text_or_json).unwrap_or_default(),
        }],
        "function_call_output" => vec![Part::Answer {
            name: None,
            id,
            content: fields.raw("output").map(text_or_json)?,
        }],
        _ => {
            let summary = fields.any(&["summary", "content"]).map(parts).unwrap_or_default();
            let told = summary.into_iter().filter_map(|part| match part {
                Part::Text(text) => Some(Part::Thought(text)),
                _ => None,
            });
            told.collect()
        }
    })
}

/// The fields of a message whose role is known. `None`: it says nothing that is understood.
fn of_role(role: Role, fields: &Fields<'_>) -> Option<Message> {
    let content = fields.any(&["content", "parts"]);
    let calls = calls(fields);
    if content.is_none() && calls.is_empty() && !fields_tell_nothing(fields) {
        return None;
    }
    let name = fields.text("name").filter(|name| !name.is_empty());
    let thought = fields
        .any_text(&["reasoning_content", "reasoning"])
        .filter(|text| !text.is_empty());
    let mut all: Vec<Part> = thought.map(Part::Thought).into_iter().collect();
    match content {
        Some(raw) if role == Role::Tool && !holds_answers(raw) => all.push(Part::Answer {
            name: name.clone(),
            id: fields.any_text(&["tool_call_id", "toolCallId"]),
            content: one_text(raw),
        }),
        Some(raw) => all.extend(parts(raw)),
        None => {}
    }
    if let Some(refusal) = fields.text("refusal") {
        all.push(Part::Text(refusal));
    }
    // Some put the calls among the parts as well.
    if !all.iter().any(|part| matches!(part, Part::Call { .. })) {
        all.extend(calls);
    }
    let name = name.filter(|_| role != Role::Tool);
    Some(Message { role, name, parts: all })
}

/// `{"role": "assistant", "content": null}`: a message that is empty.
fn fields_tell_nothing(fields: &Fields<'_>) -> bool {
    fields.has("content") || fields.raw("refusal").is_some() || fields.raw("reasoning_content").is_some()
}

/// Whether the parts of a tool's message name their tools themselves.
fn holds_answers(raw: &serde_json::value::RawValue) -> bool {
    items(raw).is_some_and(|list| {
        let mut answers = list.into_iter().flat_map(part);
        answers.any(|part| matches!(part, Part::Answer { .. }))
    })
}

/// Content as one text: parts that are texts are joined, anything else is JSON.
pub(super) fn one_text(raw: &serde_json::value::RawValue) -> String {
    let all = match items(raw) {
        Some(list) if !list.is_empty() => list.into_iter().flat_map(part).collect::<Vec<_>>(),
        _ => return text_or_json(raw),
    };
    let texts: Option<Vec<String>> = all
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        })
        .collect();
    texts.map_or_else(|| raw.get().to_owned(), |texts| texts.join("\n"))
}

/// The tools that a message calls beside its content.
fn calls(fields: &Fields<'_>) -> Vec<Part> {
    let own = fields.any(&["tool_calls", "toolCalls"]).and_then(items);
    let more = || {
        fields
            .object("additional_kwargs")
            .and_then(|more| more.list("tool_calls"))
    };
    let list = own.filter(|list| !list.is_empty()).or_else(more).unwrap_or_default();
    let mut calls: Vec<Part> = list.into_iter().filter_map(|raw| call(&Fields::of(raw)?)).collect();
    calls.extend(fields.object("function_call").as_ref().and_then(call));
    calls
}

/// A call in any of its shapes.
pub(super) fn call(fields: &Fields<'_>) -> Option<Part> {
    let id = fields.any_text(&["id", "toolCallId", "call_id"]);
    let inner = fields.object("function");
    let own = inner.as_ref().unwrap_or(fields);
    let arguments = own.any(&["arguments", "args", "input"]);
    Some(Part::Call {
        name: own.any_text(&["name", "toolName"])?,
        id,
        arguments: arguments.map(text_or_json).unwrap_or_default(),
    })
}

/// An answer without a role: a text, and the tools that are called.
pub(super) fn answer(fields: &Fields<'_>) -> Option<Message> {
    let calls = calls(fields);
    let text = fields
        .text("text")
        .filter(|_| !calls.is_empty() || fields.has("finishReason"));
    if calls.is_empty() && text.is_none() {
        return None;
    }
    let thought = fields.any_text(&["reasoning", "reasoningText"]).map(Part::Thought);
    let text = text.filter(|text| !text.is_empty()).map(Part::Text);
    let parts = thought.into_iter().chain(text).chain(calls).collect();
    Some(Message {
        role: Role::Assistant,
        name: None,
        parts,
    })
}
