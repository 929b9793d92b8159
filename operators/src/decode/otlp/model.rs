//! Model, its parameters and its prompt.

use std::borrow::Cow;

use tracemill_model::ingest::Text;

use super::super::json;
use super::cursor::Cursor;
use super::keys::{Attrs, Family, Key};
use super::value::{Value, valid_json, write_string};

/// The model's name.
pub(super) fn name(attrs: &Attrs<'_>) -> Option<Text> {
    let keys = [
        Key::ObsModel,
        Key::GenAiResponseModel,
        Key::AiModelId,
        Key::GenAiRequestModel,
        Key::LlmResponseModel,
        Key::LlmModel,
        Key::Model,
    ];
    attrs.first(&keys).map(Value::to_text)
}

/// The parameters as an object's JSON text. `None`: there are none.
pub(super) fn parameters(attrs: &Attrs<'_>, scope: &str) -> Option<Text> {
    let own = |key| attrs.truthy(key).and_then(|value| sanitized(&value.text()));
    let found = own(Key::ObsModelParameters)
        .or_else(|| (scope == "ai").then(|| vercel(attrs)))
        .or_else(|| own(Key::LlmParameters))
        .or_else(|| own(Key::ModelConfig))
        .unwrap_or_else(|| requested(attrs));
    (found != "{}").then(|| found.into())
}

/// Texts and numbers as they are, everything else as the text of its JSON. `None`: it is no object.
fn sanitized(text: &str) -> Option<String> {
    let raw = valid_json(text).filter(|raw| raw.starts_with('{'))?;
    let mut object = Object::new();
    for (name, value) in json::entries(raw) {
        match value.get().as_bytes().first() {
            Some(b'"' | b'-' | b'0'..=b'9') => object.member(&name).push_str(value.get()),
            _ => write_string(&json::compact(value.get()), object.member(&name)),
        }
    }
    Some(object.close())
}

struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    /// Where the member's value goes.
    fn member(&mut self, name: &str) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        write_string(name, &mut self.0);
        self.0.push(':');
        &mut self.0
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The eight settings of the Vercel AI SDK, null where unknown.
fn vercel(attrs: &Attrs<'_>) -> String {
    let settings: [(&str, &[Key]); 8] = [
        ("maxSteps", &[Key::AiMaxSteps]),
        ("toolChoice", &[Key::AiToolChoice]),
        ("maxTokens", &[Key::GenAiMaxTokens]),
        ("finishReason", &[Key::GenAiFinishReasons, Key::GenAiFinishReason]),
        ("system", &[Key::GenAiSystem, Key::AiModelProvider]),
        ("maxRetries", &[Key::AiMaxRetries]),
        ("mode", &[Key::AiMode]),
        ("temperature", &[Key::GenAiTemperature]),
    ];
    let mut object = Object::new();
    for (name, keys) in settings {
        let out = object.member(name);
        match attrs.first_present(keys) {
            Some(value) => write_string(&value.text(), out),
            None => out.push_str("null"),
        }
    }
    object.close()
}

fn requested(attrs: &Attrs<'_>) -> String {
    let mut object = Object::new();
    for attr in attrs
        .of(Family::REQUEST)
        .filter(|attr| attr.key != Some(Key::GenAiRequestModel))
    {
        let out = object.member(&attr.name[Family::REQUEST.prefix().len()..]);
        match &attr.value {
            value @ (Value::Str(_) | Value::Int(_) | Value::Double(_)) => value.write_json(out),
            other => write_string(&other.text(), out),
        }
    }
    object.close()
}

/// The linked prompt's name and version. A version is a whole number above zero, or the text of one.
pub(super) fn prompt(attrs: &Attrs<'_>) -> (Option<Text>, Option<u16>) {
    let linked = attrs.get(Key::AiLangfusePrompt).map(Value::text);
    let linked = linked.as_deref().and_then(valid_json).map(members);
    let (linked_name, linked_version) = linked.unwrap_or_default();
    let name = attrs
        .first(&[Key::ObsPromptName, Key::LfPromptName])
        .map(Value::to_text)
        .or_else(|| linked_name.map(Text::from));
    let version = attrs
        .first(&[Key::ObsPromptVersion, Key::LfPromptVersion])
        .map(Value::text)
        .or_else(|| linked_version.map(Cow::Owned));
    let version = version.and_then(|version| version.trim().parse().ok());
    (
        name.filter(|name| !name.is_empty()),
        version.filter(|version| *version > 0),
    )
}

fn members(raw: &str) -> (Option<String>, Option<String>) {
    let (mut name, mut version) = (None, None);
    let mut cursor = Cursor::new(raw);
    if cursor.enter_object() {
        while let Some(key) = cursor.key() {
            match &*key {
                "name" => name = cursor.string_or_skip().map(Cow::into_owned),
                "version" => version = Some(cursor.raw().trim_matches('"').to_owned()),
                _ => cursor.skip(),
            }
        }
    }
    (name, version)
}
