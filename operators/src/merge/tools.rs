//! The tools that a model was offered, and those that it called, from an observation's input and output.
//!
//! Best effort: what is not understood gives nothing. Most texts are turned away by a look for a word; texts over
//! [`MAX_BYTES`] are not read.

use std::collections::HashSet;

use serde_json::value::RawValue;
use tracemill_model::ingest::Text;

use super::tree::{elements, quoted};
use crate::decode::json::{entries, payload, string};

/// Longer texts are not looked through.
const MAX_BYTES: usize = 1 << 20;

type Object<'a> = Vec<(Text, &'a RawValue)>;

/// Name and `{"description","parameters"}` of each tool on offer, the first of a name.
pub(super) fn definitions(input: &str) -> Vec<(Text, Text)> {
    let mut found = Vec::new();
    if !is_promising(input) || !input.contains("tool") {
        return found;
    }
    let mut names = HashSet::new();
    let mut add = |tool: &str| {
        if let Some((name, definition)) = definition(tool)
            && names.insert(name.clone())
        {
            found.push((name, definition));
        }
    };
    let input = input.trim();
    let messages = if input.starts_with('[') {
        elements(input)
    } else {
        let top = entries(input);
        list(&top, "tools").into_iter().for_each(|tool| add(tool.get()));
        list(&top, "messages")
    };
    for message in messages {
        if !message.get().contains("tool") {
            continue;
        }
        let message = entries(message.get());
        list(&message, "tools").into_iter().for_each(|tool| add(tool.get()));
        if text(&message, &["role"]).as_deref() == Some("tool")
            && let Some(content) = get(&message, &["content"])
        {
            let inner = entries(content);
            if text(&inner, &["type"]).as_deref() == Some("function") && get(&inner, &["function"]).is_some() {
                add(content);
            }
        }
    }
    found
}

fn definition(tool: &str) -> Option<(Text, Text)> {
    let mut tool = entries(tool);
    if let Some(function) = get(&tool, &["function"]).filter(|function| function.starts_with('{')) {
        tool = entries(function);
    }
    let name = text(&tool, &["name"]).filter(|name| !name.is_empty())?;
    let description = text(&tool, &["description", "desc"]).unwrap_or_default();
    let parameters = get(&tool, &["parameters", "parameters_json_schema", "inputSchema"]);
    let definition = format!(
        r#"{{"description":{},"parameters":{}}}"#,
        quoted(&description),
        quoted(&parameters.and_then(payload).unwrap_or_default())
    );
    Some((name, definition.into()))
}

/// `{"id","arguments","type","index"}` and name of each call, in the order of the output, each call once.
pub(super) fn calls(output: &str) -> (Vec<Text>, Vec<Text>) {
    let mut calls = Calls::default();
    if !is_promising(output) || !(output.contains("tool_calls") || output.contains("tool_use")) {
        return (calls.calls, calls.names);
    }
    let output = output.trim();
    if output.starts_with('[') {
        for message in elements(output) {
            calls.of_message(&entries(message.get()));
        }
    } else {
        let top = entries(output);
        calls.of_message(&top);
        for choice in list(&top, "choices") {
            if let Some(message) = get(&entries(choice.get()), &["message"]) {
                calls.of_message(&entries(message));
            }
        }
    }
    (calls.calls, calls.names)
}

#[derive(Debug, Default)]
struct Calls {
    calls: Vec<Text>,
    names: Vec<Text>,
    seen: HashSet<String>,
}

impl Calls {
    fn of_message(&mut self, message: &Object<'_>) {
        for call in list(message, "tool_calls") {
            self.add(&entries(call.get()));
        }
        for part in list(message, "content") {
            let part = entries(part.get());
            if text(&part, &["type"]).as_deref() == Some("tool_use") {
                self.add(&part);
            }
        }
        if let Some(further) = get(message, &["additional_kwargs"]) {
            for call in list(&entries(further), "tool_calls") {
                self.add(&entries(call.get()));
            }
        }
    }

    fn add(&mut self, call: &Object<'_>) {
        let function = get(call, &["function"]).map(entries).unwrap_or_default();
        let Some(name) = text(&function, &["name"])
            .or_else(|| text(call, &["name", "toolName"]))
            .filter(|name| !name.is_empty())
        else {
            return;
        };
        let id = text(call, &["id", "toolCallId", "call_id"]).unwrap_or_default();
        let arguments = get(&function, &["arguments"])
            .or_else(|| get(call, &["arguments", "args", "input"]))
            .and_then(payload)
            .unwrap_or_else(|| "{}".into());
        let same = if id.is_empty() {
            format!("a {name}\n{arguments}")
        } else {
            format!("i {id}")
        };
        if !self.seen.insert(same) {
            return;
        }
        let ty = text(call, &["type"]).unwrap_or_default();
        let index = get(call, &["index"])
            .filter(|index| index.parse::<u64>().is_ok())
            .unwrap_or("0");
        let json = format!(
            r#"{{"id":{},"arguments":{},"type":{},"index":{index}}}"#,
            quoted(&id),
            quoted(&arguments),
            quoted(&ty)
        );
        self.calls.push(json.into());
        self.names.push(name);
    }
}

fn is_promising(payload: &str) -> bool {
    payload.len() <= MAX_BYTES && payload.trim_start().starts_with(['{', '['])
}

/// The first of these that is there and not null.
fn get<'a>(object: &Object<'a>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| {
        let (_, value) = object.iter().find(|(key, _)| **key == **name)?;
        Some(value.get()).filter(|value| *value != "null")
    })
}

fn text(object: &Object<'_>, names: &[&str]) -> Option<Text> {
    get(object, names).and_then(string)
}

fn list<'a>(object: &Object<'a>, name: &str) -> Vec<&'a RawValue> {
    get(object, &[name]).map(elements).unwrap_or_default()
}
