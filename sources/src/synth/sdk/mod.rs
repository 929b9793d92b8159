//! The same agent runs as requests of the Langfuse clients: batches of events, and protobuf with spans.
//!
//! [`Requests`] yields finished bodies, one after the other, in the order in which a client would send them. Equal
//! configurations give equal requests to the byte, ids included, so that a request may be sent again. Of each entity there
//! is one live state; versions, deletions and the late phase are [`Synth`](super::Synth)'s alone. [`Expectation`] says what
//! is to be in the tables in the end.
//!
//! - REST: up to 100 events or about 1 MB a request, as the clients cut them. A chosen share of entities comes as two
//!   events, what is known when it begins and what is known when it ends; the second is some traces behind, as it is where
//!   runs take longer than a client waits to flush.
//! - OTLP: up to 512 spans or 4 MB a request. Ids are hexadecimal there, whatever they are elsewhere. Scores go by REST.
//!
//! No I/O. Errors: those of the configuration.

mod columns;
mod even;
mod json;
mod otlp;
mod protobuf;
mod record;
mod rest;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::Bytes;
use serde::Serialize;
use tracemill_model::table::TABLES;
use tracemill_model::{Millis, ProjectId, Table};

use self::record::Record;
pub use self::record::{SentRow, compared, digest};
use self::rest::Part;
use super::content::{self, Context};
use super::error::SynthError;
use super::ids::IdStyle;
use super::plan::{self, Entity, TraceFacts, Unit};
use super::rng::derive;
use super::row::Row;
use super::text::Lexicon;
use super::versions::Version;
use super::{Shares, SynthConfig, slot};

/// Events of a REST batch.
const REST_EVENTS: u32 = 100;
/// Bytes of a REST batch that is not one event alone.
const REST_BYTES: usize = 1_000_000;
/// Spans of an OTLP request.
const OTLP_SPANS: u32 = 512;
/// Bytes of an OTLP request that is not one span alone.
const OTLP_BYTES: usize = 4 << 20;
/// Row bytes that are made at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// How the clients talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Batches of events.
    Rest,
    /// Spans.
    Otlp,
    /// Every second trace, by chance.
    Mix,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Runs {
    /// Agent runs of all sorts. Versions and phases of the configuration do not count here.
    Agents(SynthConfig),
    /// Runs that are all alike.
    Even(Even),
}

/// Runs that are all alike: a trace with some generations, every event of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Even {
    /// The seed.
    pub seed: u64,
    /// Whose.
    pub projects: Vec<ProjectId>,
    /// When the first began; the others follow within a day.
    pub from: Millis,
    /// Traces a project.
    pub traces: u32,
    /// Generations a trace.
    pub generations: u32,
    /// Bytes of an event, about.
    pub event_bytes: u32,
    /// Whether each entity comes as two events (not by OTLP).
    pub has_updates: bool,
}

/// Everything that decides the requests.
#[derive(Debug, Clone, PartialEq)]
pub struct SdkConfig {
    /// What is sent.
    pub runs: Runs,
    /// How.
    pub protocol: Protocol,
    /// The share of entities that come as two events, of agent runs by REST.
    pub updates: f64,
    /// By how many traces of its project the second event is behind.
    pub behind: usize,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/api/public/ingestion`, JSON.
    Rest,
    /// `/api/public/otel/v1/traces`, protobuf.
    Otlp,
}

impl Route {
    /// The path behind the server's address.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Rest => "/api/public/ingestion",
            Self::Otlp => "/api/public/otel/v1/traces",
        }
    }

    /// The content type of the bodies.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Rest => "application/json",
            Self::Otlp => "application/x-protobuf",
        }
    }

    /// The version that the client says it has.
    #[must_use]
    pub const fn sdk_version(self) -> &'static str {
        match self {
            Self::Rest => "2.60.3",
            Self::Otlp => "3.9.0",
        }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The place of its project in the configuration.
    pub project: usize,
    /// Where it goes.
    pub route: Route,
    /// Not compressed.
    pub body: Bytes,
    /// Events or spans.
    pub events: u32,
    /// The entity that its last event is about: where that is visible, so is the rest, or will be at once.
    pub last: (Table, String),
}

/// Rows that are there in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// The project.
    pub project: ProjectId,
    /// Its traces.
    pub traces: u64,
    /// Its observations.
    pub observations: u64,
    /// Its scores.
    pub scores: u64,
}

type Visit<'a> = dyn FnMut(&TraceFacts, &Entity, &Version, &[Row; 3]) + 'a;

/// Makes requests.
#[derive(Debug)]
pub struct Requests {
    runs: Runs,
    lexicon: Lexicon,
    rows: [Row; 3],
    /// What is made next, last first.
    units: Vec<Unit>,
    desk: Desk,
}

impl Requests {
    /// Makes none yet.
    ///
    /// # Errors
    /// [`SynthError::Config`] with every fault of the configuration.
    pub fn new(mut config: SdkConfig) -> Result<Self, SynthError> {
        let mut faults = Vec::new();
        if !(0.0..=1.0).contains(&config.updates) {
            faults.push(format!("updates is {}, a share is from 0 to 1", config.updates));
        }
        let projects = match &mut config.runs {
            Runs::Agents(agents) => {
                agents.shares = Shares::none();
                agents.chunk_bytes = CHUNK_BYTES;
                faults.extend(agents.faults());
                agents.projects.iter().map(|project| project.id.clone()).collect()
            }
            Runs::Even(even) => even.projects.clone(),
        };
        if !faults.is_empty() {
            return Err(SynthError::Config(faults));
        }
        let mut units = units(&config.runs);
        units.reverse();
        Ok(Self {
            lexicon: Lexicon::new(),
            rows: TABLES.map(Row::new),
            units,
            desk: Desk::new(&config, projects),
            runs: config.runs,
        })
    }

    /// The same, remembering what each row must be: see [`Self::take_record`].
    #[must_use]
    pub fn recording(mut self) -> Self {
        self.desk.record.begin();
        self
    }

    /// What all rows so far must be, in no particular order; nothing without [`Self::recording`]. Take it when there are no
    /// more requests: a trace is known to be sent only with its first span.
    #[must_use]
    pub fn take_record(&mut self) -> Vec<SentRow> {
        self.desk.record.take()
    }

    /// How many units of work there are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.units.len()
    }

    /// What all requests so far, and those that are begun, lead to; all of it when there are no more.
    #[must_use]
    pub fn expectation(&self) -> Vec<Expectation> {
        let of = |open: &Open| Expectation {
            project: open.project.clone(),
            traces: open.rows[slot(Table::Traces)],
            observations: open.rows[slot(Table::Observations)],
            scores: open.rows[slot(Table::Scores)],
        };
        self.desk.open.iter().map(of).collect()
    }

    fn advance(&mut self, unit: Unit) {
        let Self {
            runs,
            lexicon,
            rows,
            desk,
            ..
        } = self;
        match runs {
            Runs::Agents(config) => {
                let context = Context { config, lexicon };
                let walked = plan::walk(config, unit, |facts, entity, versions| {
                    let (mut facts, mut entity) = (*facts, *entity);
                    if desk.is_otlp(facts.seed) {
                        for id in [&mut facts.id, &mut entity.id].into_iter().chain(&mut entity.parent) {
                            id.style = IdStyle::Otel;
                        }
                    }
                    content::render(context, &facts, &entity, &versions[0], &mut rows[slot(entity.table)]);
                    desk.add(&facts, &entity, &versions[0], rows);
                    Ok::<(), Infallible>(())
                });
                let Ok(()) = walked;
            }
            Runs::Even(even) => {
                let (first, last) = (unit.part * EVEN_TRACES, (unit.part + 1) * EVEN_TRACES);
                for number in first..last.min(even.traces) {
                    even::walk(
                        even,
                        unit.project,
                        number,
                        lexicon,
                        rows,
                        &mut |facts, entity, version, rows| {
                            desk.add(facts, entity, version, rows);
                        },
                    );
                }
            }
        }
    }
}

/// Even traces that are made at a time.
const EVEN_TRACES: u32 = 16;

/// All units: days in order, projects in turns.
fn units(runs: &Runs) -> Vec<Unit> {
    let (days, projects) = match runs {
        Runs::Agents(config) => (config.days, config.projects.len()),
        Runs::Even(even) => (1, even.projects.len()),
    };
    let parts = |project: usize| match runs {
        Runs::Agents(config) => plan::cut(config, project).units,
        Runs::Even(even) => even.traces.div_ceil(EVEN_TRACES),
    };
    let mut all = Vec::new();
    for day in 0..days {
        for project in 0..projects {
            all.extend((0..parts(project)).map(|part| Unit { project, day, part }));
        }
    }
    all.sort_by_key(|unit| (unit.day, unit.part, unit.project));
    all
}

impl Iterator for Requests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        loop {
            if let Some(request) = self.desk.ready.pop_front() {
                return Some(request);
            }
            match self.units.pop() {
                Some(unit) => self.advance(unit),
                None if self.desk.is_done() => return None,
                None => self.desk.finish(),
            }
        }
    }
}

/// Puts events into requests.
#[derive(Debug)]
struct Desk {
    protocol: Protocol,
    updates: f64,
    behind: usize,
    open: Vec<Open>,
    ready: VecDeque<Request>,
    event: Vec<u8>,
    scratch: Vec<u8>,
    record: Record,
}

/// The end of an entity: its table, and the event's texts before and after the envelope.
type End = (Table, Vec<u8>, Vec<u8>);

/// Requests of one project that are being filled.
#[derive(Debug)]
struct Open {
    project: ProjectId,
    rest: Batch,
    otlp: Batch,
    /// Ends of entities, by trace; the newest last.
    ends: VecDeque<Vec<End>>,
    /// A trace that goes with its root span, if that comes.
    trace: Option<(Entity, Version)>,
    rows: [u64; 3],
}

#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    events: u32,
    last: Option<(Table, Vec<u8>)>,
}

impl Desk {
    fn new(config: &SdkConfig, projects: Vec<ProjectId>) -> Self {
        let open = |project| Open {
            project,
            rest: Batch::default(),
            otlp: Batch::default(),
            ends: VecDeque::new(),
            trace: None,
            rows: [0; 3],
        };
        let updates = match &config.runs {
            Runs::Agents(_) => config.updates,
            Runs::Even(even) => f64::from(u8::from(even.has_updates)),
        };
        Self {
            protocol: config.protocol,
            updates,
            behind: config.behind,
            open: projects.into_iter().map(open).collect(),
            ready: VecDeque::new(),
            event: Vec::new(),
            scratch: Vec::new(),
            record: Record::default(),
        }
    }

    fn is_otlp(&self, trace: u64) -> bool {
        match self.protocol {
            Protocol::Rest => false,
            Protocol::Otlp => true,
            Protocol::Mix => derive(trace, &[40]) & 1 == 1,
        }
    }

    /// Whether the entity comes as two events.
    fn is_apart(&self, entity: &Entity, kind: u8) -> bool {
        let can = match entity.table {
            Table::Traces => true,
            Table::Observations => rest::has_end(kind),
            Table::Scores => false,
        };
        can && ((derive(entity.seed, &[41]) >> 11) as f64) < self.updates * 9_007_199_254_740_992.0
    }

    fn add(&mut self, facts: &TraceFacts, entity: &Entity, version: &Version, rows: &[Row; 3]) {
        let project = facts.project;
        let is_otlp = self.is_otlp(facts.seed);
        if entity.table == Table::Traces {
            self.settle(project);
        }
        self.open[project].rows[slot(entity.table)] += 1;
        if entity.table != Table::Traces || !is_otlp {
            let row = &rows[slot(entity.table)];
            self.record.add(project, entity.table, version.kind, row);
        }
        match entity.table {
            Table::Traces if is_otlp => self.open[project].trace = Some((*entity, *version)),
            Table::Observations if is_otlp => {
                let is_root = self.open[project].trace.take().is_some();
                let trace = is_root.then_some(&rows[slot(Table::Traces)]);
                if let Some(trace) = trace {
                    self.record
                        .add_on_root(project, trace, &rows[slot(Table::Observations)]);
                }
                let mut event = std::mem::take(&mut self.event);
                event.clear();
                let row = &rows[slot(Table::Observations)];
                otlp::span(&mut event, &mut self.scratch, (facts, entity, version), row, trace);
                self.put(project, Route::Otlp, entity.table, row_id(row, entity.table), &event);
                self.event = event;
            }
            _ => self.rest(project, entity, version, &rows[slot(entity.table)]),
        }
    }

    /// Before the next trace of a project: what is due of the traces before it.
    fn settle(&mut self, project: usize) {
        let open = &mut self.open[project];
        // A trace without a span has nothing that it could travel on, and is not there for these clients.
        if open.trace.take().is_some() {
            open.rows[slot(Table::Traces)] -= 1;
        }
        if self.updates > 0.0 {
            open.ends.push_back(Vec::new());
            if open.ends.len() > self.behind + 1 {
                self.flush_ends(project);
            }
        }
    }

    fn flush_ends(&mut self, project: usize) {
        for (table, id, event) in self.open[project].ends.pop_front().unwrap_or_default() {
            self.put(project, Route::Rest, table, &id, &event);
        }
    }

    fn rest(&mut self, project: usize, entity: &Entity, version: &Version, row: &Row) {
        let mut event = std::mem::take(&mut self.event);
        let write = |event: &mut Vec<u8>, part| match entity.table {
            Table::Traces => rest::trace(event, entity, version, row, part),
            Table::Observations => rest::observation(event, entity, version, row, part),
            Table::Scores => rest::score(event, entity, version, row),
        };
        let id = row_id(row, entity.table);
        let is_apart = self.is_apart(entity, version.kind);
        event.clear();
        write(&mut event, if is_apart { Part::Begin } else { Part::Whole });
        self.put(project, Route::Rest, entity.table, id, &event);
        if is_apart {
            event.clear();
            write(&mut event, Part::End);
            if let Some(ends) = self.open[project].ends.back_mut() {
                ends.push((entity.table, id.to_vec(), event.clone()));
            }
        }
        self.event = event;
    }

    fn put(&mut self, project: usize, route: Route, table: Table, id: &[u8], event: &[u8]) {
        let (most_events, most_bytes) = match route {
            Route::Rest => (REST_EVENTS, REST_BYTES),
            Route::Otlp => (OTLP_SPANS, OTLP_BYTES),
        };
        let batch = self.batch(project, route);
        if batch.events > 0 && (batch.events >= most_events || batch.bytes.len() + event.len() > most_bytes) {
            self.send(project, route);
        }
        let batch = self.batch(project, route);
        if route == Route::Rest {
            batch
                .bytes
                .extend_from_slice(if batch.events == 0 { rest::HEAD } else { b"," });
        }
        batch.bytes.extend_from_slice(event);
        batch.events += 1;
        match &mut batch.last {
            Some((last, text)) => {
                *last = table;
                text.clear();
                text.extend_from_slice(id);
            }
            none => *none = Some((table, id.to_vec())),
        }
    }

    fn batch(&mut self, project: usize, route: Route) -> &mut Batch {
        let open = &mut self.open[project];
        match route {
            Route::Rest => &mut open.rest,
            Route::Otlp => &mut open.otlp,
        }
    }

    fn send(&mut self, project: usize, route: Route) {
        let batch = self.batch(project, route);
        let Some((table, id)) = batch.last.take() else { return };
        // The next body is about as large.
        let next = Vec::with_capacity(batch.bytes.len() + 4096);
        let mut body = std::mem::replace(&mut batch.bytes, next);
        let events = std::mem::take(&mut batch.events);
        match route {
            Route::Rest => body.extend_from_slice(rest::TAIL),
            Route::Otlp => body = otlp::request(&body),
        }
        self.ready.push_back(Request {
            project,
            route,
            body: body.into(),
            events,
            last: (table, String::from_utf8(id).expect("ids are text")),
        });
    }

    fn is_done(&self) -> bool {
        let empty = |open: &Open| {
            open.rest.events == 0 && open.otlp.events == 0 && open.ends.is_empty() && open.trace.is_none()
        };
        self.open.iter().all(empty)
    }

    /// What is begun is sent.
    fn finish(&mut self) {
        for project in 0..self.open.len() {
            if self.open[project].trace.take().is_some() {
                self.open[project].rows[slot(Table::Traces)] -= 1;
            }
            while !self.open[project].ends.is_empty() {
                self.flush_ends(project);
            }
            self.send(project, Route::Rest);
            self.send(project, Route::Otlp);
        }
    }
}

fn row_id(row: &Row, table: Table) -> &[u8] {
    let at = match table {
        Table::Traces => columns::trace::ID,
        Table::Observations => columns::observation::ID,
        Table::Scores => columns::score::ID,
    };
    &row.cells[at].text
}
