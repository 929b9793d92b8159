//! Agent runs that are all alike: a trace with so many generations, every event of one size. For measurements.

use tracemill_model::Table;
use tracemill_model::time::DAY_MS;

use super::columns::{observation as o, trace as t};
use super::{Even, Visit, slot};
use crate::synth::ids::{IdSeed, IdStyle, Role};
use crate::synth::plan::{Entity, TraceFacts};
use crate::synth::rng::{Rng, derive};
use crate::synth::row::Row;
use crate::synth::text::{Lexicon, Writer, print};
use crate::synth::versions::{Place, Version};
use crate::synth::vocab;

/// What an event has around its payload, in bytes: a trace's, an observation's beginning, its end, and all of it.
const AROUND: [usize; 4] = [310, 450, 420, 600];
const GENERATION: u8 = 1;

/// Calls `visit` for each entity of a trace.
pub(super) fn walk(
    even: &Even,
    project: usize,
    number: u32,
    lexicon: &Lexicon,
    rows: &mut [Row; 3],
    visit: &mut Visit<'_>,
) {
    let seed = derive(even.seed, &[70, project as u64, u64::from(number)]);
    let id = |path: u64, role: Role| IdSeed {
        style: IdStyle::Otel,
        seed: derive(seed, &[path]),
        role,
    };
    let mut rng = Rng::new(seed);
    let step = (DAY_MS / i64::from(even.traces.max(1))).max(1);
    let start = even.from.0 + i64::from(number) * step % DAY_MS;
    let facts = TraceFacts {
        project,
        seed,
        id: id(1, Role::Trace),
        day: even.from.day().0,
        start,
        environment: 1,
        session: Some(IdSeed {
            style: IdStyle::Uuid,
            seed: derive(even.seed, &[71, u64::from(number / 5)]),
            role: Role::Trace,
        }),
        user: Some(number % 2_000),
        release: None,
        topic: 1,
    };
    let trace = Entity {
        table: Table::Traces,
        seed: derive(seed, &[2]),
        id: facts.id,
        parent: None,
        duration: 5_000,
    };
    let mut writer = Writer {
        lexicon,
        rng: Rng::new(rng.next()),
    };
    let version = version(start, trace.duration);
    fill_trace(&mut rows[slot(Table::Traces)], &facts, even, &mut writer);
    visit(&facts, &trace, &version, rows);
    for n in 0..even.generations {
        let entity = Entity {
            table: Table::Observations,
            seed: derive(seed, &[3, u64::from(n)]),
            id: id(100 + u64::from(n), Role::Observation),
            parent: (n > 0).then(|| id(100, Role::Observation)),
            duration: 800 + i64::from(n),
        };
        let version = self::version(start + 5 + i64::from(n) * 900, entity.duration);
        fill_generation(
            &mut rows[slot(Table::Observations)],
            &facts,
            &entity,
            &version,
            even,
            &mut writer,
        );
        visit(&facts, &entity, &version, rows);
    }
}

fn version(time: i64, duration: i64) -> Version {
    Version {
        event_ts: time + duration,
        time,
        kind: GENERATION,
        salt: 0,
        deleted: false,
        place: Place::Home,
    }
}

/// Bytes of input and of output.
fn sizes(even: &Even, whole: usize, begin: usize, end: usize) -> (usize, usize) {
    let bytes = even.event_bytes as usize;
    if even.has_updates {
        (bytes.saturating_sub(begin).max(24), bytes.saturating_sub(end).max(24))
    } else {
        let left = bytes.saturating_sub(whole).max(48);
        (left * 2 / 3, left / 3)
    }
}

fn fill_trace(row: &mut Row, facts: &TraceFacts, even: &Even, writer: &mut Writer<'_>) {
    row.clear();
    facts.id.write(row.text(t::ID));
    row.set_text(t::NAME, "support-chat");
    row.set_text(t::ENVIRONMENT, vocab::ENVIRONMENTS[facts.environment]);
    if let (Some(user), Some(session)) = (facts.user, facts.session) {
        print(row.text(t::USER), format_args!("user-{user}@example.org"));
        session.write(row.text(t::SESSION));
    }
    row.push(t::TAGS, b"load");
    row.put(t::METADATA, "framework", b"custom");
    let (input, output) = sizes(even, AROUND[0] + 100, AROUND[0], AROUND[0] - 140);
    message(row.text(t::INPUT), "user", input, writer);
    message(row.text(t::OUTPUT), "assistant", output, writer);
}

fn fill_generation(
    row: &mut Row,
    facts: &TraceFacts,
    entity: &Entity,
    version: &Version,
    even: &Even,
    writer: &mut Writer<'_>,
) {
    row.clear();
    entity.id.write(row.text(o::ID));
    facts.id.write(row.text(o::TRACE));
    if let Some(parent) = entity.parent {
        parent.write(row.text(o::PARENT));
    }
    row.set_text(o::NAME, "answer");
    row.set_text(o::TYPE, "GENERATION");
    row.set_text(o::ENVIRONMENT, vocab::ENVIRONMENTS[facts.environment]);
    row.set_text(o::LEVEL, "DEFAULT");
    row.set_num(o::END, version.time + entity.duration);
    row.put(o::METADATA, "attempt", b"1");
    row.set_text(o::MODEL, "gpt-4o-mini");
    row.set_text(o::PARAMETERS, "{\"temperature\":0.5,\"max_tokens\":1024}");
    let (input, output) = sizes(even, AROUND[3], AROUND[1], AROUND[2]);
    message(row.text(o::INPUT), "user", input, writer);
    message(row.text(o::OUTPUT), "assistant", output, writer);
    let (input, output) = (input as i64 / 4 + 1, output as i64 / 4 + 1);
    for (key, count) in [("input", input), ("output", output), ("total", input + output)] {
        row.put_num(o::USAGE, key, count);
    }
}

fn message(out: &mut Vec<u8>, role: &str, size: usize, writer: &mut Writer<'_>) {
    print(out, format_args!("{{\"role\":\"{role}\",\"content\":\""));
    writer.prose(out, size.saturating_sub(out.len() + 2));
    out.extend_from_slice(b"\"}");
}
