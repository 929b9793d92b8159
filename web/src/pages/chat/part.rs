//! The parts of a message: texts, thoughts, calls of tools and their answers, media.

use serde_json::value::RawValue;

use super::Part;
use super::fields::{Fields, items, text, text_or_json};
use super::message::{call, one_text};

/// Places of media that are longer are the media themselves.
const LONGEST_PLACE: usize = 2_048;

/// The parts of a content: a text, a list, or one part.
pub(super) fn parts(raw: &RawValue) -> Vec<Part> {
    match items(raw) {
        Some(list) => list.into_iter().flat_map(part).collect(),
        None => part(raw),
    }
}

/// One item of a content. A part of the AI SDK's interface messages is a call and its answer at once.
pub(super) fn part(raw: &RawValue) -> Vec<Part> {
    if let Some(text) = text(raw) {
        return match text.is_empty() {
            true => Vec::new(),
            false => vec![Part::Text(text)],
        };
    }
    let told = Fields::of(raw).and_then(|fields| told(&fields));
    told.unwrap_or_else(|| match raw.get() {
        "null" => Vec::new(),
        json => vec![Part::Json(json.to_owned())],
    })
}

/// A part whose shape is known.
fn told(fields: &Fields<'_>) -> Option<Vec<Part>> {
    let Some(kind) = fields.text("type") else {
        return untyped(fields).map(|part| vec![part]);
    };
    let one = match kind.as_str() {
        "text" | "input_text" | "output_text" | "summary_text" | "reasoning_text" => {
            Part::Text(fields.any_text(&["text", "content"])?)
        }
        "refusal" => Part::Text(fields.text("refusal")?),
        "thinking" | "reasoning" => Part::Thought(fields.any_text(&["thinking", "text", "reasoning", "content"])?),
        "tool_use" | "server_tool_use" | "tool-call" | "tool_call" | "function_call" => call(fields)?,
        "tool_result" | "tool-result" | "tool_call_response" | "web_search_tool_result" => answer(fields)?,
        "image" | "image_url" | "input_image" | "file" | "input_file" | "document" | "input_audio" | "audio"
        | "video" | "media" | "blob" | "uri" => media(&kind, fields),
        // What the AI SDK notes between the steps of an answer.
        "step-start" => return Some(Vec::new()),
        _ => return interface(&kind, fields),
    };
    Some(vec![one])
}

/// A part that tells its kind by the name of its field.
fn untyped(fields: &Fields<'_>) -> Option<Part> {
    if let Some(text) = fields.text("text") {
        return Some(Part::Text(text));
    }
    if let Some(inner) = fields.any(&["functionCall", "function_call"]).and_then(Fields::of) {
        return call(&inner);
    }
    if let Some(inner) = fields
        .any(&["functionResponse", "function_response"])
        .and_then(Fields::of)
    {
        return answer(&inner);
    }
    let media = fields
        .any(&["inlineData", "inline_data", "fileData", "file_data"])
        .and_then(Fields::of)?;
    let kind = media
        .any_text(&["mimeType", "mime_type"])
        .unwrap_or_else(|| "file".to_owned());
    Some(Part::Media {
        kind,
        place: media.any_text(&["fileUri", "file_uri"]),
    })
}

fn answer(fields: &Fields<'_>) -> Option<Part> {
    let content = fields.any(&["content", "output", "result", "response"]);
    let content = content.map(|raw| {
        // The AI SDK wraps what a tool gave: `{"type": "text", "value": ...}`.
        let value = Fields::of(raw).filter(|inner| inner.len() == 2 && inner.raw("type").is_some());
        match value.and_then(|inner| inner.raw("value")) {
            Some(value) => text_or_json(value),
            None => one_text(raw),
        }
    });
    let id = fields.any_text(&["tool_use_id", "toolCallId", "id", "tool_call_id"]);
    let name = fields.any_text(&["name", "toolName"]);
    (content.is_some() || id.is_some()).then(|| Part::Answer {
        name,
        id,
        content: content.unwrap_or_default(),
    })
}

/// A part of the AI SDK's interface messages: `tool-<name>` with what went in and came out.
fn interface(kind: &str, fields: &Fields<'_>) -> Option<Vec<Part>> {
    let name = match kind {
        "dynamic-tool" => fields.text("toolName")?,
        _ => kind.strip_prefix("tool-")?.to_owned(),
    };
    let id = fields.text("toolCallId");
    let mut parts = vec![Part::Call {
        name: name.clone(),
        id: id.clone(),
        arguments: fields.raw("input").map(text_or_json).unwrap_or_default(),
    }];
    let output = fields.any(&["output", "errorText"]).map(text_or_json);
    parts.extend(output.map(|content| Part::Answer {
        name: Some(name),
        id,
        content,
    }));
    Some(parts)
}

/// What is in the payload itself (`data:`, base64) has no place.
fn media(kind: &str, fields: &Fields<'_>) -> Part {
    let inner = ["image_url", "source", "file"]
        .into_iter()
        .find_map(|name| fields.object(name));
    let own = fields.any_text(&["image_url", "url", "image", "uri", "file_url", "file_id"]);
    let place = own.or_else(|| inner.as_ref().and_then(|inner| inner.any_text(&["url", "file_id"])));
    let is_place =
        |place: &String| place.len() <= LONGEST_PLACE && (place.contains("://") || place.starts_with("file-"));
    let told = fields.any_text(&["mediaType", "mimeType", "mime_type"]);
    let told = told.or_else(|| {
        inner
            .as_ref()
            .and_then(|inner| inner.any_text(&["media_type", "mime_type"]))
    });
    Part::Media {
        kind: told.unwrap_or_else(|| kind.replace('_', " ")),
        place: place.filter(is_place),
    }
}
