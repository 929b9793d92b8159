//! Events as the older clients send them: `POST /api/public/ingestion`.

use super::columns::{observation as o, score as s, trace as t};
use super::json;
use crate::synth::ids;
use crate::synth::plan::{Entity, OBSERVATION_TYPES, SCORE_TYPES};
use crate::synth::rng::derive;
use crate::synth::row::{Cell, Row};
use crate::synth::versions::Version;

/// Before the first event of a body.
pub(super) const HEAD: &[u8] = b"{\"batch\":[";
/// Behind the last.
pub(super) const TAIL: &[u8] =
    b"],\"metadata\":{\"sdk_integration\":\"default\",\"sdk_name\":\"python\",\"sdk_version\":\"2.60.3\"}}";

/// What of an entity an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// What is known when it begins.
    Begin,
    /// What is known when it ends.
    End,
}

impl Part {
    const fn has_begin(self) -> bool {
        !matches!(self, Self::End)
    }

    const fn has_end(self) -> bool {
        !matches!(self, Self::Begin)
    }
}

/// Types of events by the index of the observation's type.
const CREATE: [&str; 10] = [
    "span-create",
    "generation-create",
    "event-create",
    "agent-create",
    "tool-create",
    "chain-create",
    "retriever-create",
    "evaluator-create",
    "embedding-create",
    "guardrail-create",
];
const SPAN: u8 = 0;
const GENERATION: u8 = 1;
const EVENT: u8 = 2;

/// Whether clients send the end of such an observation apart.
pub(super) const fn has_end(kind: u8) -> bool {
    kind != EVENT
}

/// Appends a trace.
pub(super) fn trace(out: &mut Vec<u8>, entity: &Entity, version: &Version, row: &Row, part: Part) {
    envelope(out, "trace-create", entity, version, part);
    member_text(out, row, t::ID, "{\"id\":");
    if part.has_begin() {
        json::member(out, "timestamp");
        time(out, version.time);
        text(out, row, t::NAME, "name");
        text(out, row, t::USER, "userId");
        text(out, row, t::SESSION, "sessionId");
        text(out, row, t::ENVIRONMENT, "environment");
        text(out, row, t::RELEASE, "release");
        text(out, row, t::VERSION, "version");
        if row.cells[t::PUBLIC].num() == 1 {
            out.extend_from_slice(b",\"public\":true");
        }
        texts(out, &row.cells[t::TAGS], "tags");
        map(out, &row.cells[t::METADATA], "metadata");
        payload(out, row, t::INPUT, "input");
    }
    if part.has_end() {
        payload(out, row, t::OUTPUT, "output");
    }
    out.extend_from_slice(b"}}");
}

/// Appends an observation.
pub(super) fn observation(out: &mut Vec<u8>, entity: &Entity, version: &Version, row: &Row, part: Part) {
    let name = match (part, version.kind) {
        (Part::End, SPAN) => "span-update",
        (Part::End, GENERATION) => "generation-update",
        // The other types have no update; a second create says more of the same.
        (_, kind) => CREATE[usize::from(kind) % CREATE.len()],
    };
    debug_assert_eq!(CREATE.len(), OBSERVATION_TYPES.len());
    envelope(out, name, entity, version, part);
    member_text(out, row, o::ID, "{\"id\":");
    text(out, row, o::TRACE, "traceId");
    if part.has_begin() {
        json::member(out, "startTime");
        time(out, version.time);
        text(out, row, o::NAME, "name");
        text(out, row, o::PARENT, "parentObservationId");
        text(out, row, o::ENVIRONMENT, "environment");
        text(out, row, o::VERSION, "version");
        map(out, &row.cells[o::METADATA], "metadata");
        if version.kind != EVENT && version.kind != SPAN {
            text(out, row, o::MODEL, "model");
            payload(out, row, o::PARAMETERS, "modelParameters");
        }
        payload(out, row, o::INPUT, "input");
    } else if !matches!(version.kind, SPAN | GENERATION) {
        // A create without a start would begin when it is sent.
        json::member(out, "startTime");
        time(out, version.time);
    }
    if part.has_end() {
        times(out, row, o::END, "endTime");
        times(out, row, o::COMPLETION_START, "completionStartTime");
        text(out, row, o::LEVEL, "level");
        text(out, row, o::STATUS, "statusMessage");
        payload(out, row, o::OUTPUT, "output");
        counts(out, &row.cells[o::USAGE], "usageDetails");
        costs(out, &row.cells[o::COST], "costDetails");
    }
    out.extend_from_slice(b"}}");
}

/// Appends a score. Those of text become corrections of a trace.
pub(super) fn score(out: &mut Vec<u8>, entity: &Entity, version: &Version, row: &Row) {
    envelope(out, "score-create", entity, version, Part::Whole);
    member_text(out, row, s::ID, "{\"id\":");
    text(out, row, s::NAME, "name");
    text(out, row, s::TRACE, "traceId");
    text(out, row, s::SESSION, "sessionId");
    text(out, row, s::OBSERVATION, "observationId");
    text(out, row, s::ENVIRONMENT, "environment");
    text(out, row, s::SOURCE, "source");
    text(out, row, s::COMMENT, "comment");
    text(out, row, s::QUEUE, "queueId");
    text(out, row, s::EXECUTION, "executionTraceId");
    map(out, &row.cells[s::METADATA], "metadata");
    let (kind, value) = (usize::from(version.kind) % SCORE_TYPES.len(), &row.cells[s::VALUE]);
    let is_session = row.cells[s::SESSION].set;
    let data_type = match SCORE_TYPES[kind] {
        "TEXT" if is_session => "CATEGORICAL",
        "TEXT" => "CORRECTION",
        known => known,
    };
    json::member(out, "dataType");
    json::string(out, data_type.as_bytes());
    json::member(out, "value");
    match SCORE_TYPES[kind] {
        "NUMERIC" => json::double(out, f64::from_bits(value.num().cast_unsigned())),
        "BOOLEAN" => json::integer(out, f64::from_bits(value.num().cast_unsigned()) as i64),
        "CATEGORICAL" => json::string(out, &row.cells[s::STRING_VALUE].text),
        _ => json::string(out, &row.cells[s::LONG].text),
    }
    out.extend_from_slice(b"}}");
}

/// `{"id":…,"type":…,"timestamp":…,"body":`. The id follows from the entity and the part, so that a repeated event has the
/// same.
fn envelope(out: &mut Vec<u8>, name: &str, entity: &Entity, version: &Version, part: Part) {
    let path = if part == Part::End { 51 } else { 50 };
    let [high, low] = [1, 2].map(|half| derive(entity.id.seed, &[path, half, entity.seed]));
    out.extend_from_slice(b"{\"id\":\"");
    ids::uuid(out, high, low);
    out.extend_from_slice(b"\",\"type\":\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\",\"timestamp\":");
    time(
        out,
        if part == Part::Begin {
            version.time
        } else {
            version.event_ts
        },
    );
    out.extend_from_slice(b",\"body\":");
}

fn time(out: &mut Vec<u8>, ms: i64) {
    out.push(b'"');
    json::time(out, ms);
    out.push(b'"');
}

fn member_text(out: &mut Vec<u8>, row: &Row, at: usize, before: &str) {
    out.extend_from_slice(before.as_bytes());
    json::string(out, &row.cells[at].text);
}

fn text(out: &mut Vec<u8>, row: &Row, at: usize, name: &str) {
    if row.cells[at].set {
        json::member(out, name);
        json::string(out, &row.cells[at].text);
    }
}

fn payload(out: &mut Vec<u8>, row: &Row, at: usize, name: &str) {
    if row.cells[at].set {
        json::member(out, name);
        json::payload(out, &row.cells[at].text);
    }
}

fn times(out: &mut Vec<u8>, row: &Row, at: usize, name: &str) {
    if row.cells[at].set {
        json::member(out, name);
        time(out, row.cells[at].num());
    }
}

fn texts(out: &mut Vec<u8>, cell: &Cell, name: &str) {
    for i in 0..cell.ends.len() {
        match i {
            0 => {
                json::member(out, name);
                out.push(b'[');
            }
            _ => out.push(b','),
        }
        json::string(out, cell.part(i));
    }
    close(out, cell, b']');
}

fn map(out: &mut Vec<u8>, cell: &Cell, name: &str) {
    for i in (0..cell.ends.len()).step_by(2) {
        key(out, i, name, cell.part(i));
        json::string(out, cell.part(i + 1));
    }
    close(out, cell, b'}');
}

/// Appends a map of counts.
pub(super) fn counts(out: &mut Vec<u8>, cell: &Cell, name: &str) {
    for (i, count) in cell.nums.iter().enumerate() {
        key(out, i, name, cell.part(i));
        json::integer(out, *count);
    }
    close(out, cell, b'}');
}

fn costs(out: &mut Vec<u8>, cell: &Cell, name: &str) {
    for (i, cost) in cell.nums.iter().enumerate() {
        key(out, i, name, cell.part(i));
        json::decimal(out, *cost);
    }
    close(out, cell, b'}');
}

/// Appends a map's key, and before the first the map's own name.
fn key(out: &mut Vec<u8>, i: usize, name: &str, key: &[u8]) {
    if i == 0 {
        json::member(out, name);
        out.push(b'{');
    } else {
        out.push(b',');
    }
    json::string(out, key);
    out.push(b':');
}

fn close(out: &mut Vec<u8>, cell: &Cell, end: u8) {
    if !cell.ends.is_empty() {
        out.push(end);
    }
}
