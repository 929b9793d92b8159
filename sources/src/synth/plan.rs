//! What exists: the traces of a unit, their trees of observations, their scores, and where each id lives in time.
//!
//! A unit is a slice of one project's day. Its plan depends on the configuration and its own place alone, and holds no
//! contents, so that a chunk may walk the plans of other units cheaply to find what of them it has to write.

use tracemill_model::time::DAY_MS;
use tracemill_model::{Millis, Table};

use super::config::SynthConfig;
use super::ids::{IdSeed, IdStyle, Role};
use super::rng::{Rng, derive};
use super::versions::{self, Version};

/// The types of observations.
pub const OBSERVATION_TYPES: [&str; 10] = [
    "SPAN",
    "GENERATION",
    "EVENT",
    "AGENT",
    "TOOL",
    "CHAIN",
    "RETRIEVER",
    "EVALUATOR",
    "EMBEDDING",
    "GUARDRAIL",
];

/// How often each type is drawn, of 100.
const TYPE_WEIGHTS: [u64; 10] = [15, 31, 8, 4, 20, 7, 6, 3, 3, 3];

/// The kinds of scores that are exported, and one that is not.
pub(super) const SCORE_TYPES: [&str; 4] = ["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT"];

/// The index of the first kind that an export leaves out.
pub(super) const LEFT_OUT: u8 = 3;

/// A slice of a project's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) project: usize,
    pub(super) day: u32,
    pub(super) part: u32,
}

/// What the entities of one trace share.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceFacts {
    pub(super) project: usize,
    pub(super) seed: u64,
    pub(super) id: IdSeed,
    /// Midnight of its day; all of its times stay within that day.
    pub(super) day: i64,
    pub(super) start: i64,
    pub(super) environment: usize,
    pub(super) session: Option<IdSeed>,
    pub(super) user: Option<u32>,
    pub(super) release: Option<u32>,
    pub(super) topic: usize,
}

/// One id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entity {
    pub(super) table: Table,
    pub(super) seed: u64,
    pub(super) id: IdSeed,
    pub(super) parent: Option<IdSeed>,
    pub(super) duration: i64,
}

/// How a configuration cuts days into units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) traces_per_unit: u32,
    pub(super) units: u32,
}

/// Cuts a project's day so that a unit has about `chunk_bytes`.
pub(super) fn cut(config: &SynthConfig, project: usize) -> Cut {
    let spec = &config.projects[project];
    let mean = config.payload.mean();
    let trace = mean * 0.6 + 500.0 + spec.observations_per_trace * (mean + 900.0) + spec.scores_per_trace * 400.0;
    let traces_per_unit = ((config.chunk_bytes as f64 / trace) as u32).max(1);
    Cut {
        traces_per_unit,
        units: spec.traces_per_day.div_ceil(traces_per_unit),
    }
}

/// Calls `visit` for each id of the unit with its versions, in a fixed order.
pub(super) fn walk<E>(
    config: &SynthConfig,
    unit: Unit,
    mut visit: impl FnMut(&TraceFacts, &Entity, &[Version]) -> Result<(), E>,
) -> Result<(), E> {
    let cut = cut(config, unit.project);
    let spec = &config.projects[unit.project];
    let first = unit.part * cut.traces_per_unit;
    let last = (first + cut.traces_per_unit).min(spec.traces_per_day);
    let mut found = Vec::new();
    for number in first..last {
        let facts = trace_facts(config, unit, number);
        let mut rng = Rng::new(derive(facts.seed, &[10]));
        let mut emit = |entity: &Entity, start: i64, kind: u8| {
            let mut rng = Rng::new(derive(entity.seed, &[11]));
            versions::plan(
                &config.shares,
                facts.day,
                start,
                kind,
                entity.table,
                &mut rng,
                &mut found,
            );
            visit(&facts, entity, &found)
        };
        let observations = count(spec.observations_per_trace, &mut rng);
        emit(&trace_entity(&facts, &mut rng), facts.start, 0)?;
        let mut tree = Tree::default();
        for node in 0..observations {
            let (entity, start, kind) = tree.grow(&facts, node, &mut rng);
            emit(&entity, start, kind)?;
        }
        for score in 0..count(spec.scores_per_trace, &mut rng) {
            let (entity, start, kind) = score_entity(&facts, score, observations, &mut rng);
            emit(&entity, start, kind)?;
        }
    }
    Ok(())
}

/// A count with the given mean: half of it to one and a half, evenly; the fraction by chance.
fn count(mean: f64, rng: &mut Rng) -> u32 {
    let drawn = mean * (0.5 + (rng.below(1 << 20) as f64) / f64::from(1 << 20));
    let whole = drawn as u32;
    whole + u32::from(rng.chance(drawn - f64::from(whole)))
}

fn trace_facts(config: &SynthConfig, unit: Unit, number: u32) -> TraceFacts {
    let project = unit.project as u64;
    let place = [u64::from(unit.day), u64::from(number)];
    let seed = derive(config.seed, &[project, place[0], place[1]]);
    let mut rng = Rng::new(seed);
    // Every 97th trace has the same ids in each project: an id is a key only together with its project.
    let shared = number % 97 == 96;
    let id_seed = derive(
        config.seed,
        &[if shared { u64::MAX } else { project }, 1, place[0], place[1]],
    );
    let style = match derive(id_seed, &[3]) % 1000 {
        0..10 => IdStyle::Custom,
        10..500 => IdStyle::Otel,
        _ => IdStyle::Uuid,
    };
    let day = config.from.day().0 + i64::from(unit.day) * DAY_MS;
    let slot = DAY_MS / i64::from(config.projects[unit.project].traces_per_day.max(1)).max(1);
    let start = day + (i64::from(number) * slot + rng.between(0, slot.max(1))).min(DAY_MS - 1);
    let environment = match rng.below(100) {
        0..75 => 1,
        75..90 => 0,
        _ => 2,
    };
    let session = rng.chance(0.6).then(|| IdSeed {
        style: IdStyle::Uuid,
        seed: derive(config.seed, &[project, 5, place[0], u64::from(number / 5)]),
        role: Role::Trace,
    });
    TraceFacts {
        project: unit.project,
        seed,
        id: IdSeed {
            style,
            seed: id_seed,
            role: Role::Trace,
        },
        day,
        start,
        environment,
        session,
        user: rng.chance(0.8).then(|| rng.below(2000) as u32),
        release: rng.chance(0.7).then_some(unit.day / 2),
        topic: rng.index(64),
    }
}

fn trace_entity(facts: &TraceFacts, rng: &mut Rng) -> Entity {
    Entity {
        table: Table::Traces,
        seed: derive(facts.seed, &[20]),
        id: facts.id,
        parent: None,
        duration: rng.between(400, 90_000),
    }
}

fn observation_id(facts: &TraceFacts, node: u32) -> IdSeed {
    IdSeed {
        seed: derive(facts.id.seed, &[21, u64::from(node)]),
        role: Role::Observation,
        ..facts.id
    }
}

fn score_entity(facts: &TraceFacts, score: u32, observations: u32, rng: &mut Rng) -> (Entity, i64, u8) {
    let kind = match rng.below(100) {
        0..55 => 0,
        55..75 => 1,
        75..96 => 2,
        _ => LEFT_OUT,
    };
    let parent =
        (observations > 0 && rng.chance(0.4)).then(|| observation_id(facts, rng.below(u64::from(observations)) as u32));
    let start = (facts.start + rng.between(1_000, 600_000)).min(facts.day + DAY_MS - 1);
    let entity = Entity {
        table: Table::Scores,
        seed: derive(facts.seed, &[22, u64::from(score)]),
        id: IdSeed {
            seed: derive(facts.id.seed, &[22, u64::from(score)]),
            role: Role::Score,
            ..facts.id
        },
        parent,
        duration: 0,
    };
    (entity, start, kind)
}

/// The open path of a trace's tree: a new node becomes a child of its last node, or of one further up.
#[derive(Debug, Default)]
struct Tree {
    path: Vec<IdSeed>,
    clock: i64,
}

impl Tree {
    fn grow(&mut self, facts: &TraceFacts, node: u32, rng: &mut Rng) -> (Entity, i64, u8) {
        let id = observation_id(facts, node);
        // The root is an agent, or a plain span.
        let kind = if node == 0 {
            if rng.chance(0.7) { 3 } else { 0 }
        } else {
            draw_type(rng)
        };
        while self.path.len() > 1 && rng.chance(0.35) {
            self.path.pop();
        }
        let parent = self.path.last().copied();
        // SPAN, AGENT, TOOL, CHAIN and GUARDRAIL hold others.
        if matches!(kind, 0 | 3 | 4 | 5 | 9) && self.path.len() < 8 {
            self.path.push(id);
        }
        self.clock += rng.between(1, 1_500);
        let start = (facts.start + self.clock).min(facts.day + DAY_MS - 1);
        let entity = Entity {
            table: Table::Observations,
            seed: derive(facts.seed, &[21, u64::from(node)]),
            id,
            parent,
            duration: rng.between(3, 12_000),
        };
        (entity, start, kind)
    }
}

fn draw_type(rng: &mut Rng) -> u8 {
    let mut left = rng.below(100);
    for (kind, weight) in (0_u8..).zip(TYPE_WEIGHTS) {
        if left < weight {
            return kind;
        }
        left -= weight;
    }
    1
}

/// A unit's midnight.
pub(super) fn midnight(config: &SynthConfig, day: u32) -> Millis {
    config.from.day().plus(i64::from(day) * DAY_MS)
}
