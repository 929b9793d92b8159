//! Metadata of traces and observations: later entries win.

use std::collections::HashMap;
use std::sync::LazyLock;

use tracemill_model::ingest::{Metadata, MetadataValue, Text};

use super::super::json;
use super::keys::{Attr, Attrs, Family, Key};
use super::value::{Value, valid_json, write_string};

/// Names that every span has.
pub(super) struct Names {
    pub attributes: Text,
    pub resource: Text,
    pub scope: Text,
}

/// Shared, so that a span does not allocate them.
pub(super) static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    attributes: "attributes".into(),
    resource: "resourceAttributes".into(),
    scope: "scope".into(),
});

/// Collects entries, each name once.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    list: Metadata,
    index: HashMap<Text, usize>,
}

impl Entries {
    const FEW: usize = 32;

    /// Sets an entry.
    pub(super) fn set(&mut self, name: &str, value: MetadataValue) {
        match self.place(name) {
            Some(place) => self.list[place].1 = value,
            None => self.push(name.into(), value),
        }
    }

    /// Sets an entry whose name is shared.
    pub(super) fn set_shared(&mut self, name: &Text, value: MetadataValue) {
        match self.place(name) {
            Some(place) => self.list[place].1 = value,
            None => self.push(name.clone(), value),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        if self.list.len() <= Self::FEW {
            return self.list.iter().position(|(known, _)| &**known == name);
        }
        self.index.get(name).copied()
    }

    fn push(&mut self, name: Text, value: MetadataValue) {
        self.list.push((name, value));
        let from = match self.list.len() {
            few if few <= Self::FEW => return,
            many if many == Self::FEW + 1 => 0,
            many => many - 1,
        };
        let added = self.list.iter().enumerate().skip(from);
        self.index.extend(added.map(|(place, (name, _))| (name.clone(), place)));
    }

    /// They.
    pub(super) fn into_list(self) -> Metadata {
        self.list
    }
}

/// What metadata is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    Trace,
    Observation,
}

/// Adds what the attributes say about a domain: its object, then its single entries.
pub(super) fn collect(attrs: &Attrs<'_>, domain: Domain, out: &mut Entries) {
    let (key, own) = match domain {
        Domain::Trace => (Key::TraceMetadata, Family::TRACE_METADATA),
        Domain::Observation => (Key::ObsMetadata, Family::OBS_METADATA),
    };
    if let Some(base) = attrs.first(&[key, Key::LfMetadata]) {
        object(base, out);
    }
    for attr in attrs.of(own.or(Family::METADATA).or(Family::AI_METADATA)) {
        if !matches!(
            attr.key,
            Some(Key::AiUserId | Key::AiSessionId | Key::AiTags | Key::AiLangfusePrompt)
        ) {
            out.set(&attr.name[attr.family.prefix().len()..], attr.value.to_metadata());
        }
    }
    if let Some(tools) = attrs.truthy(Key::AiTools) {
        out.set("tools", tools.to_metadata());
    }
}

/// An object's entries. What is no object is the one entry `metadata`, as in the ingestion API.
fn object(base: &Value<'_>, out: &mut Entries) {
    match base {
        Value::Map(entries) => {
            for (name, value) in entries {
                out.set(name, value.to_metadata());
            }
        }
        Value::Str(text) | Value::Json(text) => match valid_json(text) {
            Some(raw) => {
                for (name, value) in json::metadata(raw) {
                    out.set_shared(&name, value);
                }
            }
            None => out.set("metadata", MetadataValue::Text((&**text).into())),
        },
        other => out.set("metadata", other.to_metadata()),
    }
}

/// All attributes but those of input and output, as an object of texts.
pub(super) fn attributes(attrs: &Attrs<'_>) -> Text {
    let mut out = String::with_capacity(256);
    out.push('{');
    for attr in attrs.iter().filter(|attr| !is_payload(attr)) {
        if out.len() > 1 {
            out.push(',');
        }
        write_string(&attr.name, &mut out);
        out.push(':');
        write_string(&attr.value.text(), &mut out);
    }
    out.push('}');
    out.into()
}

fn is_payload(attr: &Attr<'_>) -> bool {
    const FLATTENED: Family = Family::PROMPT
        .or(Family::COMPLETION)
        .or(Family::LLM_INPUT)
        .or(Family::LLM_OUTPUT);
    attr.family.meets(FLATTENED)
        || matches!(
            attr.key,
            Some(
                Key::TraceInput
                    | Key::TraceOutput
                    | Key::ObsInput
                    | Key::ObsOutput
                    | Key::AiMessages
                    | Key::AiPrompt
                    | Key::AiToolArgs
                    | Key::AiToolResult
                    | Key::AiResponseText
                    | Key::AiResponseObject
                    | Key::AiResponseToolCalls
                    | Key::AiResultText
                    | Key::AiResultObject
                    | Key::AiResultToolCalls
                    | Key::AdkRequest
                    | Key::AdkResponse
                    | Key::AdkToolArgs
                    | Key::AdkToolResponse
                    | Key::Prompt
                    | Key::AllMessages
                    | Key::Events
                    | Key::LkInput
                    | Key::LkToolOutput
                    | Key::LkResponse
                    | Key::MlflowInputs
                    | Key::MlflowOutputs
                    | Key::TraceloopInput
                    | Key::TraceloopOutput
                    | Key::InputValue
                    | Key::OutputValue
                    | Key::Input
                    | Key::Output
                    | Key::GenAiInput
                    | Key::GenAiOutput
                    | Key::GenAiToolArguments
                    | Key::GenAiToolResult
            )
        )
}
