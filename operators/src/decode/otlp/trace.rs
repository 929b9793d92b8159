//! What a span says of its trace.

use std::collections::HashSet;

use tracemill_model::Millis;
use tracemill_model::ingest::{Field, Metadata, MetadataValue, Rank, Text, TraceBody};

use super::super::json;
use super::keys::{Attrs, Family, Key};
use super::value::{Value, valid_json};

/// Whether the span is a root: it has no parent, or says that it is one.
pub(super) fn is_root(parent: &str, attrs: &Attrs<'_>) -> bool {
    parent.is_empty() || attrs.get(Key::AsRoot).is_some_and(|value| &*value.text() == "true")
}

/// How much the span knows of its trace.
pub(super) fn rank(parent: &str, attrs: &Attrs<'_>) -> Rank {
    const UPDATES: [Key; 20] = [
        Key::TraceName,
        Key::TraceInput,
        Key::TraceOutput,
        Key::TraceMetadata,
        Key::TracePublic,
        Key::TraceTags,
        Key::UserId,
        Key::SessionId,
        Key::LfUserId,
        Key::LfSessionId,
        Key::ObsUserId,
        Key::ObsSessionId,
        Key::ObsMetadataTags,
        Key::TraceUserId,
        Key::TraceSessionId,
        Key::TraceMetadataTags,
        Key::AiUserId,
        Key::AiSessionId,
        Key::AiTags,
        Key::TagTags,
    ];
    if is_root(parent, attrs) {
        Rank::Whole
    } else if attrs.first(&UPDATES).is_some()
        || attrs.has(Family::TRACE_METADATA)
        || attrs.get(Key::TraceMetadata).is_some()
    {
        Rank::Part
    } else {
        Rank::Stub
    }
}

/// User, session, tags and public, which any span may carry.
pub(super) fn shared(attrs: &Attrs<'_>, body: &mut TraceBody) {
    let field = |keys: &[Key]| Field::or_absent(attrs.first(keys).map(Value::to_text));
    body.user_id = field(&[
        Key::LfUserId,
        Key::UserId,
        Key::ObsUserId,
        Key::TraceUserId,
        Key::AiUserId,
    ]);
    body.session_id = field(&[
        Key::LfSessionId,
        Key::SessionId,
        Key::GenAiConversation,
        Key::ObsSessionId,
        Key::TraceSessionId,
        Key::AiSessionId,
    ]);
    let tags = attrs.first(&[
        Key::TraceTags,
        Key::LfTags,
        Key::ObsMetadataTags,
        Key::TraceMetadataTags,
        Key::AiTags,
        Key::TagTags,
    ]);
    body.tags = tags.map(self::tags).unwrap_or_default();
    let public = attrs.first_present(&[Key::TracePublic, Key::LfPublic]);
    body.public = public.map(|value| &*value.text() == "true");
}

/// An array's items; a text that is a JSON array, a list with commas, or one tag.
fn tags(value: &Value<'_>) -> Vec<Text> {
    match value {
        Value::Array(items) => (items.iter())
            .filter(|item| **item != Value::Null)
            .map(Value::to_text)
            .collect(),
        Value::Str(text) | Value::Json(text) => {
            if let Some(items) = items(text) {
                return items;
            }
            if matches!(value, Value::Json(_)) {
                return Vec::new();
            }
            match text.contains(',') {
                true => text.split(',').map(|tag| tag.trim().into()).collect(),
                false => vec![(&**text).into()],
            }
        }
        _ => Vec::new(),
    }
}

/// The items of a JSON array's text.
fn items(text: &str) -> Option<Vec<Text>> {
    let raw = valid_json(text).filter(|raw| raw.starts_with('['))?;
    let mut cursor = super::cursor::Cursor::new(raw);
    cursor.enter_array();
    let mut items = Vec::new();
    while cursor.item() {
        items.extend(json::payload(cursor.raw()));
    }
    Some(items)
}

/// A trace of which nothing is known but that an observation names it, and what that observation's metadata tells.
pub(super) fn stub(id: Text, at: Millis, environment: Option<Text>, metadata: &Metadata) -> TraceBody {
    let text = |name: &str| {
        metadata.iter().find_map(|(known, value)| match value {
            MetadataValue::Text(text) if &**known == name && !text.trim().is_empty() => Some(text.clone()),
            _ => None,
        })
    };
    let (session, thread, user) = (text("langfuse_session_id"), text("thread_id"), text("langfuse_user_id"));
    let tags = metadata.iter().find(|(name, _)| &**name == "langfuse_tags");
    let mut seen = HashSet::new();
    let tags = tags
        .and_then(|(_, MetadataValue::Text(text) | MetadataValue::Json(text))| items(text))
        .unwrap_or_default()
        .into_iter()
        .filter(|tag| !tag.trim().is_empty() && seen.insert(tag.clone()))
        .collect();
    let promoted = [
        ("langfuse_session_id", &session),
        ("thread_id", &thread),
        ("langfuse_user_id", &user),
    ];
    TraceBody {
        id,
        timestamp: Some(at),
        environment,
        metadata: promoted
            .into_iter()
            .filter_map(|(name, text)| Some((name.into(), MetadataValue::Text(text.clone()?))))
            .collect(),
        user_id: Field::or_absent(user),
        session_id: Field::or_absent(session.or(thread)),
        tags,
        ..TraceBody::default()
    }
}
