//! The numbered behaviours of the OpenTelemetry specification, the captured requests of real clients, and hostile input.
//!
//! Those of HTTP are tested in `web/tests`, those of whole rows in `operators/src/vectors`, those of the dataflow with it.

#![allow(
    clippy::needless_pass_by_value,
    clippy::type_complexity,
    reason = "literals of JSON read better by value, and tables of vectors as they are"
)]

mod clients;
mod fields;
mod hostile;
mod payloads;
mod redact;
mod request;
mod traces;

use serde_json::{Value as Json, json};
use tracemill_model::Millis;
use tracemill_model::ingest::{Body, Event, MetadataValue, ObservationBody, RawForm, Sdk, Text, TraceBody};

use super::super::Decoded;
use super::object;

pub(super) const RECEIVED: Millis = Millis(1_700_000_000_000);
pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(super) const SPAN: &str = "b7ad6b7169203331";
pub(super) const PARENT: &str = "00f067aa0ba902b7";

/// A plain value as an OTLP value.
pub(super) fn any_value(value: &Json) -> Json {
    match value {
        Json::Null => json!({}),
        Json::Bool(value) => json!({"boolValue": value}),
        Json::Number(value) if value.is_i64() || value.is_u64() => json!({"intValue": value.to_string()}),
        Json::Number(value) => json!({"doubleValue": value}),
        Json::String(value) => json!({"stringValue": value}),
        Json::Array(items) => json!({"arrayValue": {"values": items.iter().map(any_value).collect::<Vec<_>>()}}),
        Json::Object(_) => json!({"kvlistValue": {"values": pairs(value)}}),
    }
}

/// A plain object as OTLP attributes.
pub(super) fn pairs(object: &Json) -> Json {
    let object = object.as_object().cloned().unwrap_or_default();
    object
        .iter()
        .map(|(key, value)| json!({"key": key, "value": any_value(value)}))
        .collect()
}

/// A root span; `more` overrides its fields.
pub(super) fn span(attributes: Json, more: Json) -> Json {
    let mut span = json!({
        "traceId": TRACE, "spanId": SPAN, "name": "the-span", "kind": 1,
        "startTimeUnixNano": "1744317592317227000", "endTimeUnixNano": "1744317592500000001",
        "attributes": pairs(&attributes), "status": {},
    });
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        span[key] = value;
    }
    span
}

/// A child span of its own id.
pub(super) fn child(id: &str, attributes: Json) -> Json {
    span(attributes, json!({"spanId": id, "parentSpanId": PARENT}))
}

/// The span event of that name.
pub(super) fn event(name: &str, attributes: Json) -> Json {
    json!({"name": name, "timeUnixNano": "1", "attributes": pairs(&attributes)})
}

pub(super) fn request(resource: Json, scope: Json, spans: Json) -> Json {
    json!({"resourceSpans": [{
        "resource": {"attributes": pairs(&resource)},
        "scopeSpans": [{"scope": scope, "spans": spans}],
    }]})
}

pub(super) fn decode(request: &Json) -> Decoded {
    object(
        request.to_string().as_bytes(),
        RawForm::OtlpJson,
        RECEIVED,
        &Sdk::default(),
    )
    .unwrap()
}

/// The events of spans without resource and scope.
pub(super) fn spans(spans: Json) -> Decoded {
    decode(&request(json!({}), json!({}), spans))
}

/// Trace and observation of one root span with these attributes.
pub(super) fn root(attributes: Json) -> (TraceBody, ObservationBody, Event) {
    only(&spans(json!([span(attributes, json!({}))])))
}

/// The same with a scope of that name.
pub(super) fn scoped(scope: &str, attributes: Json) -> (TraceBody, ObservationBody, Event) {
    only(&decode(&request(
        json!({}),
        json!({"name": scope}),
        json!([span(attributes, json!({}))]),
    )))
}

/// The first trace, the first observation and its event.
pub(super) fn only(decoded: &Decoded) -> (TraceBody, ObservationBody, Event) {
    assert_eq!(decoded.rejected, [], "rejected");
    let trace = traces(decoded).into_iter().next().map(|(_, body)| body).unwrap();
    let event = decoded
        .events
        .iter()
        .find(|event| matches!(event.body, Body::Observation(_)));
    (trace, observations(decoded).remove(0), event.unwrap().clone())
}

pub(super) fn observations(decoded: &Decoded) -> Vec<ObservationBody> {
    let body = |event: &Event| match &event.body {
        Body::Observation(body) => Some((**body).clone()),
        _ => None,
    };
    decoded.events.iter().filter_map(body).collect()
}

pub(super) fn traces(decoded: &Decoded) -> Vec<(Event, TraceBody)> {
    let body = |event: &Event| match &event.body {
        Body::Trace(body) => Some((event.clone(), (**body).clone())),
        _ => None,
    };
    decoded.events.iter().filter_map(body).collect()
}

/// `trace-create`, `generation-create` and so on.
pub(super) fn kinds(decoded: &Decoded) -> Vec<String> {
    decoded.events.iter().map(|event| event.kind.to_string()).collect()
}

pub(super) fn text(text: &str) -> Text {
    text.into()
}

/// An entry of metadata as the column has it.
pub(super) fn entry<'a>(metadata: &'a [(Text, MetadataValue)], name: &str) -> Option<&'a str> {
    let (_, MetadataValue::Text(text) | MetadataValue::Json(text)) =
        metadata.iter().find(|(known, _)| &**known == name)?;
    Some(text)
}

/// An entry of metadata that is JSON.
pub(super) fn tree(metadata: &[(Text, MetadataValue)], name: &str) -> Json {
    entry(metadata, name).map_or(Json::Null, |text| serde_json::from_str(text).unwrap())
}

pub(super) fn usage(body: &ObservationBody) -> Vec<(&str, u64)> {
    let mut usage: Vec<_> = body.usage.iter().map(|(name, value)| (&**name, *value)).collect();
    usage.sort_unstable();
    usage
}
