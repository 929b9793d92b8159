//! Spans as the newer clients send them: `POST /api/public/otel/v1/traces`, protobuf.
//!
//! A span arrives complete. The trace's own fields travel on its root span.

use super::columns::{observation as o, trace as t};
use super::json;
use super::protobuf as pb;
use crate::synth::ids::IdSeed;
use crate::synth::plan::{Entity, OBSERVATION_TYPES, TraceFacts};
use crate::synth::rng::derive;
use crate::synth::row::{Cell, Row};
use crate::synth::versions::Version;

/// The field of a `Span` that holds its attributes.
const ATTRIBUTES: u8 = 9;
/// The field of a `ScopeSpans` that holds a span.
const SPANS: u8 = 2;

/// Appends a span, as a field of its `ScopeSpans`. `trace`: the trace's row, for the root span.
pub(super) fn span(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    (facts, entity, version): (&TraceFacts, &Entity, &Version),
    row: &Row,
    trace: Option<&Row>,
) {
    scratch.clear();
    let span = &mut *scratch;
    pb::bytes(span, 1, &trace_id(facts.id));
    pb::bytes(span, 2, &span_id(entity.id));
    if let Some(parent) = entity.parent {
        pb::bytes(span, 4, &span_id(parent));
    }
    pb::bytes(span, 5, &row.cells[o::NAME].text);
    pb::number(span, 6, 1);
    let end = if row.cells[o::END].set {
        row.cells[o::END].num()
    } else {
        version.time
    };
    for (field, ms) in [(7, version.time), (8, end.max(version.time))] {
        pb::fixed64(
            span,
            field,
            ms.unsigned_abs() * 1_000_000 + derive(entity.seed, &[60]) % 1_000_000,
        );
    }
    observation(span, version, row);
    if let Some(trace) = trace {
        root(span, trace);
    }
    if &row.cells[o::LEVEL].text == b"ERROR" {
        // Status: its message, and the code of an error.
        let message = &row.cells[o::STATUS].text;
        span.push(15 << 3 | 2);
        pb::varint(span, (pb::bytes_len(message.len()) + 2) as u64);
        pb::bytes(span, 2, message);
        pb::number(span, 3, 2);
    }
    pb::bytes(out, SPANS, scratch);
}

fn observation(span: &mut Vec<u8>, version: &Version, row: &Row) {
    let kind = OBSERVATION_TYPES[usize::from(version.kind) % OBSERVATION_TYPES.len()];
    let mut lower = [0_u8; 16];
    let lower = &mut lower[..kind.len()];
    lower.copy_from_slice(kind.as_bytes());
    lower.make_ascii_lowercase();
    attribute(span, "langfuse.observation.type", lower);
    text(span, row, o::ENVIRONMENT, "langfuse.environment");
    text(span, row, o::VERSION, "langfuse.version");
    text(span, row, o::INPUT, "langfuse.observation.input");
    text(span, row, o::OUTPUT, "langfuse.observation.output");
    text(span, row, o::LEVEL, "langfuse.observation.level");
    text(span, row, o::STATUS, "langfuse.observation.status_message");
    text(span, row, o::MODEL, "langfuse.observation.model.name");
    text(span, row, o::PARAMETERS, "langfuse.observation.model.parameters");
    map(span, &row.cells[o::METADATA], b"langfuse.observation.metadata.");
    let mut value = Vec::with_capacity(96);
    if row.cells[o::COMPLETION_START].set {
        json::time(&mut value, row.cells[o::COMPLETION_START].num());
        attribute(span, "langfuse.observation.completion_start_time", &value);
        value.clear();
    }
    let usage = &row.cells[o::USAGE];
    if !usage.ends.is_empty() {
        object(&mut value, usage, json::integer);
        attribute(span, "langfuse.observation.usage_details", &value);
        value.clear();
    }
    let cost = &row.cells[o::COST];
    if !cost.ends.is_empty() {
        object(&mut value, cost, json::decimal);
        attribute(span, "langfuse.observation.cost_details", &value);
    }
}

fn root(span: &mut Vec<u8>, row: &Row) {
    text(span, row, t::NAME, "langfuse.trace.name");
    text(span, row, t::USER, "user.id");
    text(span, row, t::SESSION, "session.id");
    text(span, row, t::RELEASE, "langfuse.release");
    text(span, row, t::INPUT, "langfuse.trace.input");
    text(span, row, t::OUTPUT, "langfuse.trace.output");
    if row.cells[t::PUBLIC].num() == 1 {
        pb::flag(span, ATTRIBUTES, "langfuse.trace.public", true);
    }
    let tags = &row.cells[t::TAGS];
    if !tags.ends.is_empty() {
        let items = (0..tags.ends.len()).map(|i| tags.part(i));
        pb::list(span, ATTRIBUTES, "langfuse.trace.tags", items);
    }
    map(span, &row.cells[t::METADATA], b"langfuse.trace.metadata.");
}

/// A request with these spans.
pub(super) fn request(spans: &[u8]) -> Vec<u8> {
    let mut resource = Vec::with_capacity(160);
    for (key, value) in [
        ("service.name", "tracemill-synth"),
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.name", "opentelemetry"),
    ] {
        pb::attribute(&mut resource, 1, [key.as_bytes(), b""], value.as_bytes());
    }
    let mut scope = Vec::with_capacity(40);
    pb::bytes(&mut scope, 1, b"langfuse-sdk");
    pb::bytes(&mut scope, 2, b"3.9.0");
    let scope_spans = pb::bytes_len(scope.len()) + spans.len();
    let resource_spans = pb::bytes_len(resource.len()) + pb::bytes_len(scope_spans);
    let mut out = Vec::with_capacity(resource_spans + 12);
    for (field, len) in [(1, resource_spans), (1, resource.len())] {
        out.push(field << 3 | 2);
        pb::varint(&mut out, len as u64);
    }
    out.extend_from_slice(&resource);
    out.push(2 << 3 | 2);
    pb::varint(&mut out, scope_spans as u64);
    pb::bytes(&mut out, 1, &scope);
    out.extend_from_slice(spans);
    out
}

/// The bytes whose digits [`IdSeed::write`] writes in the form of OpenTelemetry.
fn trace_id(id: IdSeed) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&derive(id.seed, &[1]).to_be_bytes());
    bytes[8..].copy_from_slice(&derive(id.seed, &[2]).to_be_bytes());
    bytes
}

fn span_id(id: IdSeed) -> [u8; 8] {
    derive(id.seed, &[2]).to_be_bytes()
}

fn attribute(span: &mut Vec<u8>, key: &str, value: &[u8]) {
    pb::attribute(span, ATTRIBUTES, [key.as_bytes(), b""], value);
}

fn text(span: &mut Vec<u8>, row: &Row, at: usize, key: &str) {
    if row.cells[at].set {
        attribute(span, key, &row.cells[at].text);
    }
}

fn map(span: &mut Vec<u8>, cell: &Cell, prefix: &[u8]) {
    for i in (0..cell.ends.len()).step_by(2) {
        pb::attribute(span, ATTRIBUTES, [prefix, cell.part(i)], cell.part(i + 1));
    }
}

fn object(out: &mut Vec<u8>, cell: &Cell, value: impl Fn(&mut Vec<u8>, i64)) {
    for (i, number) in cell.nums.iter().enumerate() {
        out.push(if i == 0 { b'{' } else { b',' });
        json::string(out, cell.part(i));
        out.push(b':');
        value(out, *number);
    }
    out.push(b'}');
}
