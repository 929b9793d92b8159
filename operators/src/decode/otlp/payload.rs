//! Input and output of a span: the first family of attributes that has any of the two gives both.

use std::fmt::Write as _;

use tracemill_model::ingest::Text;

use super::cursor::Cursor;
use super::keys::{Attrs, Family, Key};
use super::span::SpanEvent;
use super::unflatten;
use super::value::{Value, valid_json, write_object, write_string};

/// Input and output, as their columns have them.
pub(super) type Payload = (Option<Text>, Option<Text>);

/// Of an observation.
pub(super) fn of_observation(attrs: &Attrs<'_>, events: &[SpanEvent<'_>], scope: &str) -> Payload {
    let (input, output) = (attrs.get(Key::ObsInput), attrs.get(Key::ObsOutput));
    if input.is_some() || output.is_some() {
        return (input.map(Value::to_text), output.map(Value::to_text));
    }
    other_families(attrs, events, scope).unwrap_or_default()
}

/// Of the trace of a root span: the observation's, unless the trace has its own.
pub(super) fn of_trace(attrs: &Attrs<'_>, of_observation: &Payload) -> Payload {
    let (input, output) = (attrs.truthy(Key::TraceInput), attrs.truthy(Key::TraceOutput));
    if input.is_none() && output.is_none() {
        return of_observation.clone();
    }
    let own = |value: Option<&Value<'_>>, other| value.or_else(|| attrs.get(other)).map(Value::to_text);
    (own(input, Key::ObsInput), own(output, Key::ObsOutput))
}

/// Families 2 to 17.
fn other_families(attrs: &Attrs<'_>, events: &[SpanEvent<'_>], scope: &str) -> Option<Payload> {
    if scope == "ai" {
        return Some(vercel(attrs));
    }
    let pair = |input: Key, output: Key| either(attrs.get(input), attrs.get(output));
    let flattened = |input: (Family, Key), output: (Family, Key)| {
        attrs.has(input.0.or(output.0)).then(|| {
            let side = |(family, bare)| Some(unflatten::value(attrs, family, bare).into());
            (side(input), side(output))
        })
    };
    messages(events)
        .or_else(|| contents(events, scope))
        .or_else(|| adk(attrs))
        .or_else(|| pair(Key::Prompt, Key::AllMessages))
        .or_else(|| {
            let output = attrs.truthy(Key::LkToolOutput).or_else(|| attrs.get(Key::LkResponse));
            either(attrs.get(Key::LkInput), output)
        })
        .or_else(|| attrs.get(Key::Events).and_then(logfire))
        .or_else(|| pair(Key::MlflowInputs, Key::MlflowOutputs))
        .or_else(|| pair(Key::TraceloopInput, Key::TraceloopOutput))
        .or_else(|| pair(Key::InputValue, Key::OutputValue))
        .or_else(|| pair(Key::Input, Key::Output))
        .or_else(|| pair(Key::ToolArguments, Key::ToolResponse))
        .or_else(|| {
            flattened(
                (Family::PROMPT, Key::GenAiPrompt),
                (Family::COMPLETION, Key::GenAiCompletion),
            )
        })
        .or_else(|| flattened((Family::LLM_INPUT, Key::LlmInput), (Family::LLM_OUTPUT, Key::LlmOutput)))
        .or_else(|| pair(Key::GenAiInput, Key::GenAiOutput))
        .or_else(|| pair(Key::GenAiToolArguments, Key::GenAiToolResult))
}

/// Both sides, if one of them counts as true.
fn either(input: Option<&Value<'_>>, output: Option<&Value<'_>>) -> Option<Payload> {
    let truthy = |side: Option<&Value<'_>>| side.is_some_and(Value::is_truthy);
    (truthy(input) || truthy(output)).then(|| (input.map(Value::to_text), output.map(Value::to_text)))
}

fn vercel(attrs: &Attrs<'_>) -> Payload {
    let input = attrs.first_present(&[Key::AiMessages, Key::AiPrompt, Key::AiToolArgs]);
    let text = attrs.get(Key::AiResponseText);
    let output = match (text, attrs.get(Key::AiResponseToolCalls)) {
        (Some(text), Some(calls)) => {
            let mut out = r#"{"role":"assistant","content":"#.to_owned();
            text.write_json(&mut out);
            out.push_str(r#","tool_calls":"#);
            calls.write_json(&mut out);
            out.push('}');
            Some(out.into())
        }
        _ => text
            .filter(|text| text.is_truthy())
            .or_else(|| {
                attrs.first_present(&[
                    Key::AiResultText,
                    Key::AiToolResult,
                    Key::AiResponseObject,
                    Key::AiResultObject,
                    Key::AiResponseToolCalls,
                    Key::AiResultToolCalls,
                ])
            })
            .map(Value::to_text),
    };
    (input.map(Value::to_text), output)
}

/// The role that an event's name gives to its message.
fn role(event: &SpanEvent<'_>) -> Option<&'static str> {
    match &*event.name {
        "gen_ai.system.message" => Some("system"),
        "gen_ai.user.message" => Some("user"),
        "gen_ai.assistant.message" => Some("assistant"),
        "gen_ai.tool.message" => Some("tool"),
        _ => None,
    }
}

/// Span events, one a message, and one a choice.
fn messages(events: &[SpanEvent<'_>]) -> Option<Payload> {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for event in events {
        if let Some(role) = role(event) {
            inputs.push(message(event, role));
        } else if event.name == "gen_ai.choice" {
            outputs.push(object(event));
        }
    }
    if inputs.is_empty() && outputs.is_empty() {
        return None;
    }
    let output = match outputs.len() {
        0 => None,
        1 => outputs.pop().map(Text::from),
        _ => Some(array(&outputs)),
    };
    Some(((!inputs.is_empty()).then(|| array(&inputs)), output))
}

fn array(items: &[String]) -> Text {
    format!("[{}]", items.join(",")).into()
}

fn object(event: &SpanEvent<'_>) -> String {
    let mut out = String::new();
    write_object(event.attributes.iter().map(|(name, value)| (&**name, value)), &mut out);
    out
}

fn message(event: &SpanEvent<'_>, role: &str) -> String {
    let mut out = r#"{"role":"#.to_owned();
    match event.attributes.iter().rfind(|(name, _)| name == "role") {
        Some((_, own)) => own.write_json(&mut out),
        None => write_string(role, &mut out),
    }
    for (name, value) in event.attributes.iter().filter(|(name, _)| name != "role") {
        out.push(',');
        write_string(name, &mut out);
        out.push(':');
        value.write_json(&mut out);
    }
    out.push('}');
    out
}

/// The first event with a prompt and the first with a completion; their attributes are read as a span's are.
fn contents(events: &[SpanEvent<'_>], scope: &str) -> Option<Payload> {
    let find = |name: &str| events.iter().find(|event| event.name == name);
    let (prompt, completion) = (find("gen_ai.content.prompt"), find("gen_ai.content.completion"));
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let side = |event: Option<&SpanEvent<'_>>, pick: fn(Payload) -> Option<Text>| -> Option<Text> {
        let Some(event) = event else { return Some("{}".into()) };
        let attrs = Attrs::new(event.attributes.clone(), false);
        // Events are not read again, so this ends.
        pick(of_observation(&attrs, &[], scope)).or_else(|| Some(object(event).into()))
    };
    Some((side(prompt, |(input, _)| input), side(completion, |(_, output)| output)))
}

fn adk(attrs: &Attrs<'_>) -> Option<Payload> {
    let side = |own, tool| {
        attrs
            .truthy(own)
            .filter(|value| value.as_str() != Some("{}"))
            .or_else(|| attrs.get(tool))
    };
    either(
        side(Key::AdkRequest, Key::AdkToolArgs),
        side(Key::AdkResponse, Key::AdkToolResponse),
    )
}

/// Logfire's `events`: an array, or its JSON text.
fn logfire(events: &Value<'_>) -> Option<Payload> {
    let text = events.text();
    let mut cursor = Cursor::new(valid_json(&text)?);
    if cursor.peek() != b'[' {
        return None;
    }
    cursor.enter_array();
    let (mut inputs, mut output) = (String::new(), None);
    while cursor.item() {
        let raw = cursor.raw();
        if !is_choice(raw) {
            let comma = if inputs.is_empty() { "" } else { "," };
            let _ = write!(inputs, "{comma}{}", super::super::json::compact(raw));
        } else if output.is_none() {
            output = Some(super::super::json::compact(raw).into());
        }
    }
    let input = (!inputs.is_empty()).then(|| format!("[{inputs}]").into());
    (input.is_some() || output.is_some()).then_some((input, output))
}

fn is_choice(raw: &str) -> bool {
    let mut cursor = Cursor::new(raw);
    let mut found = false;
    if cursor.enter_object() {
        while let Some(key) = cursor.key() {
            if key == "event.name" {
                found = cursor.string_or_skip().as_deref() == Some("gen_ai.choice");
            } else {
                cursor.skip();
            }
        }
    }
    found
}
