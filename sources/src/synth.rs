//! Synthetic agent runs: rows of traces, observations and scores as Arrow batches, and the ledger of what is true of
//! them.
//!
//! # How rows come about
//!
//! A project's day is cut into units of a few traces. A unit's *plan* says which ids exist, which versions each has and
//! where each is written; its *contents* are rendered only where a row is written. All of it follows from the seed and
//! the place (project, day, unit), so a [`Chunk`] is computed alone, in any order, on any machine, to the same bytes.
//!
//! A chunk of the main phase holds most rows of one unit, and the later versions that the unit before it put off, so
//! that versions of one id lie in different parts of the table. Within a table rows come in no particular order of
//! `event_ts`. The late phase, to be written when the main phase was exported, holds new ids, changes, deletions and
//! plain repetitions in days of the main phase.
//!
//! # What is true
//!
//! - Among the versions of a (project, id) the newest `event_ts` wins; two versions with one `event_ts` are the same row.
//! - All versions of an id lie within one UTC day, also where an update moves the time or changes the type; an export that
//!   decides per window of a day or longer finds the same truth. For shorter windows set `shares.moved_slot_ms` to
//!   their length.
//! - A row leaves in an export of `[from, to)` when its id's newest version is not deleted, has its time within, and (scores) is
//!   `NUMERIC`, `BOOLEAN` or `CATEGORICAL`.
//!
//! # The ledger
//!
//! One text file a table, UTF-8, a header and one line an id and phase, fields separated by tabs:
//! `project`, `id`, `phase` (`main`; `late` replaces the line of `main`), `time_ms`, `event_ts` (both ms), `state` (`live`, `deleted`,
//! `left_out`), `fingerprint` (32 hexadecimal digits; empty unless live and asked for). No field holds a tab or line end.
//!
//! The fingerprint is the MD5 of the row's canonical bytes: for each of the table's export columns, in their order,
//! the column's name, `=`, its value, `;`. A value is `~` for NULL, else `<length>:<bytes>`, the length in decimal
//! bytes, the bytes being:
//!
//! | Type | Bytes |
//! |---|---|
//! | String | as they are |
//! | DateTime64(3) | milliseconds since 1970, decimal |
//! | UInt, Int | decimal |
//! | Bool | `0` or `1` |
//! | Float64 | the bits, big end first, 16 hexadecimal digits |
//! | Decimal(18, 12) | the value times 10^12, decimal |
//! | Array | `<length>:<bytes>` of each element |
//! | Map | `<length>:<bytes>` of key and value of each entry, by key in byte order |
//!
//! Nothing here does I/O but [`Ledger`], which writes to what it is given. Errors: [`SynthError`].

mod batch;
mod config;
mod content;
mod error;
mod fingerprint;
mod ids;
mod ledger;
mod plan;
mod rng;
mod row;
pub mod sdk;
mod size;
mod text;
mod versions;
mod vocab;

#[cfg(test)]
mod tests;

use arrow_array::RecordBatch;
use tracemill_model::table::TABLES;
use tracemill_model::{Millis, ProjectId, Table};

pub use batch::{insert_columns, schema, to_ipc_stream};
pub use config::{Payload, ProjectSpec, Shares, SynthConfig};
pub use error::SynthError;
pub use fingerprint::Fingerprint;
pub use ledger::{Count, Entry, LEDGER_HEADER, Ledger, State, Summary, SummaryLine};
pub use plan::OBSERVATION_TYPES;

use batch::TableBuilder;
use content::Context;
use fingerprint::Fingerprinter;
use plan::{Entity, TraceFacts, Unit};
use row::Row;
use text::Lexicon;
use versions::{Place, Version, newest};

/// When a chunk is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// First.
    Main,
    /// After all of [`Phase::Main`], and after its windows were exported.
    Late,
}

/// Names a chunk. The order is the order in which chunks are meant to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId {
    /// When.
    pub phase: Phase,
    /// The day, counted from the configuration's first.
    pub day: u32,
    /// Which of the project's chunks of that day and phase.
    pub part: u32,
    /// The index of the project in the configuration.
    pub project: usize,
}

/// The rows of one chunk, and what they mean for the ledger.
#[derive(Debug)]
pub struct Chunk {
    /// Which.
    pub id: ChunkId,
    /// Whose rows.
    pub project: ProjectId,
    /// The day's midnight; every row's time lies within the day.
    pub day: Millis,
    /// The rows, at most one batch a table, with [`schema`]'s columns.
    pub batches: Vec<(Table, RecordBatch)>,
    /// The ids whose truth this chunk settles for its phase.
    pub entries: Vec<Entry>,
    /// What it adds to the totals, in the order of [`TABLES`].
    pub counts: [Count; 3],
}

/// The generator.
#[derive(Debug)]
pub struct Synth {
    config: SynthConfig,
    lexicon: Lexicon,
}

impl Synth {
    /// Prepares the vocabulary; no row is made yet.
    ///
    /// # Errors
    /// [`SynthError::Config`] with every fault of the configuration.
    pub fn new(config: SynthConfig) -> Result<Self, SynthError> {
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(SynthError::Config(faults));
        }
        Ok(Self {
            config,
            lexicon: Lexicon::new(),
        })
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &SynthConfig {
        &self.config
    }

    /// All chunks, in the order in which they are meant to be written: days in order, projects in turns, late ones last.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkId> + use<> {
        let mut all: Vec<ChunkId> = (0..self.config.projects.len())
            .flat_map(|p| self.project_chunks(p))
            .collect();
        all.sort_unstable();
        all.into_iter()
    }

    fn project_chunks(&self, project: usize) -> Vec<ChunkId> {
        let units = plan::cut(&self.config, project).units;
        // One more than there are units: it holds what the last unit put off.
        let main = if units == 0 { 0 } else { units + 1 };
        let late = self.late_group(project).map_or(0, |group| units.div_ceil(group));
        let parts = (0..main)
            .map(|part| (Phase::Main, part))
            .chain((0..late).map(|part| (Phase::Late, part)));
        let parts: Vec<_> = parts.collect();
        let chunk = |day: u32, (phase, part): (Phase, u32)| ChunkId {
            phase,
            day,
            part,
            project,
        };
        (0..self.config.days)
            .flat_map(|day| parts.iter().map(move |part| (day, *part)))
            .map(|(day, part)| chunk(day, part))
            .collect()
    }

    /// How many units share a chunk of the late phase, so that it has about a main chunk's size.
    fn late_group(&self, project: usize) -> Option<u32> {
        let share = self.config.shares.late_new + self.config.shares.late_changed;
        let units = plan::cut(&self.config, project).units.max(1);
        (share > 0.0).then(|| (1.0 / share).ceil().min(f64::from(units)) as u32)
    }

    /// The rows of a chunk that [`Self::chunks`] names, and its part of the ledger.
    ///
    /// # Errors
    /// The chunk is not one of this generator's, or a column of it passes 2 GiB.
    pub fn chunk(&self, id: ChunkId) -> Result<Chunk, SynthError> {
        let units = match self.config.projects.get(id.project) {
            Some(_) if id.day < self.config.days => plan::cut(&self.config, id.project).units,
            _ => 0,
        };
        let mut press = Press::new(self, id);
        match (id.phase, self.late_group(id.project)) {
            (Phase::Main, _) if units > 0 && id.part <= units => {
                if id.part < units {
                    press.unit(id.part, |press, facts, entity, versions| {
                        press.home(facts, entity, versions)
                    })?;
                }
                if id.part > 0 {
                    press.unit(id.part - 1, |press, facts, entity, versions| {
                        press.put_off(facts, entity, versions)
                    })?;
                }
            }
            (Phase::Late, Some(group)) if id.part < units.div_ceil(group) => {
                for part in id.part * group..((id.part + 1) * group).min(units) {
                    press.unit(part, |press, facts, entity, versions| {
                        press.late(facts, entity, versions)
                    })?;
                }
            }
            _ => return Err(SynthError::NoSuchChunk(id)),
        }
        press.finish()
    }
}

/// Makes one chunk.
#[derive(Debug)]
struct Press<'a> {
    synth: &'a Synth,
    id: ChunkId,
    builders: [TableBuilder; 3],
    rows: [Row; 3],
    fingerprinters: [Fingerprinter; 3],
    entries: Vec<Entry>,
    counts: [Count; 3],
}

impl<'a> Press<'a> {
    fn new(synth: &'a Synth, id: ChunkId) -> Self {
        Self {
            synth,
            id,
            builders: TABLES.map(TableBuilder::new),
            rows: TABLES.map(Row::new),
            fingerprinters: TABLES.map(Fingerprinter::new),
            entries: Vec::new(),
            counts: Default::default(),
        }
    }

    fn unit(
        &mut self,
        part: u32,
        mut visit: impl FnMut(&mut Self, &TraceFacts, &Entity, &[Version]) -> Result<(), SynthError>,
    ) -> Result<(), SynthError> {
        let ChunkId { project, day, .. } = self.id;
        let synth = self.synth;
        plan::walk(&synth.config, Unit { project, day, part }, |facts, entity, versions| {
            visit(self, facts, entity, versions)
        })
    }

    /// What a unit's own chunk writes, and the truth of its ids after the main phase.
    fn home(&mut self, facts: &TraceFacts, entity: &Entity, versions: &[Version]) -> Result<(), SynthError> {
        let is_main = |version: &Version| version.place != Place::Late;
        let Some(winner) = newest(versions, is_main) else {
            return Ok(());
        };
        let fingerprint = self.write(facts, entity, versions, Place::Home, winner)?;
        self.settle(entity, winner, fingerprint, None);
        Ok(())
    }

    fn put_off(&mut self, facts: &TraceFacts, entity: &Entity, versions: &[Version]) -> Result<(), SynthError> {
        for version in versions.iter().filter(|version| version.place == Place::Next) {
            self.append(facts, entity, version)?;
        }
        Ok(())
    }

    /// What the late phase writes of an id, and its truth in the end.
    fn late(&mut self, facts: &TraceFacts, entity: &Entity, versions: &[Version]) -> Result<(), SynthError> {
        if versions.iter().all(|version| version.place != Place::Late) {
            return Ok(());
        }
        let before = newest(versions, |version| version.place != Place::Late);
        let winner = newest(versions, |_| true).expect("there is a late version");
        let fingerprint = self.write(facts, entity, versions, Place::Late, winner)?;
        self.settle(
            entity,
            winner,
            fingerprint,
            before.map(|version| State::of(entity.table, version)),
        );
        Ok(())
    }

    /// Writes the versions of that place; the fingerprint of the winner, where it leaves in an export.
    fn write(
        &mut self,
        facts: &TraceFacts,
        entity: &Entity,
        versions: &[Version],
        place: Place,
        winner: &Version,
    ) -> Result<Option<Fingerprint>, SynthError> {
        let slot = slot(entity.table);
        let wanted = self.synth.config.fingerprints && State::of(entity.table, winner) == State::Live;
        let mut fingerprint = None;
        for version in versions.iter().filter(|version| version.place == place) {
            self.append(facts, entity, version)?;
            if wanted && fingerprint.is_none() && version.event_ts == winner.event_ts {
                fingerprint = Some(self.fingerprinters[slot].of(&self.rows[slot]));
            }
        }
        if wanted && fingerprint.is_none() {
            self.render(facts, entity, winner);
            fingerprint = Some(self.fingerprinters[slot].of(&self.rows[slot]));
        }
        Ok(fingerprint)
    }

    fn append(&mut self, facts: &TraceFacts, entity: &Entity, version: &Version) -> Result<(), SynthError> {
        self.render(facts, entity, version);
        let slot = slot(entity.table);
        self.counts[slot].versions += 1;
        self.counts[slot].bytes += self.rows[slot].bytes() as i64;
        self.builders[slot].append(&self.rows[slot])
    }

    fn render(&mut self, facts: &TraceFacts, entity: &Entity, version: &Version) {
        let context = Context {
            config: &self.synth.config,
            lexicon: &self.synth.lexicon,
        };
        content::render(context, facts, entity, version, &mut self.rows[slot(entity.table)]);
    }

    fn settle(&mut self, entity: &Entity, winner: &Version, fingerprint: Option<Fingerprint>, before: Option<State>) {
        let mut id = Vec::with_capacity(36);
        entity.id.write(&mut id);
        let state = State::of(entity.table, winner);
        let count = &mut self.counts[slot(entity.table)];
        count.add(state, 1);
        if let Some(before) = before {
            count.add(before, -1);
        }
        self.entries.push(Entry {
            table: entity.table,
            id: String::from_utf8(id).expect("ids are text"),
            time: Millis(winner.time),
            event_ts: Millis(winner.event_ts),
            state,
            fingerprint,
        });
    }

    fn finish(mut self) -> Result<Chunk, SynthError> {
        let mut batches = Vec::with_capacity(TABLES.len());
        for (table, builder) in TABLES.into_iter().zip(&mut self.builders) {
            batches.extend(builder.finish()?.map(|batch| (table, batch)));
        }
        Ok(Chunk {
            id: self.id,
            project: self.synth.config.projects[self.id.project].id.clone(),
            day: plan::midnight(&self.synth.config, self.id.day),
            batches,
            entries: self.entries,
            counts: self.counts,
        })
    }
}

/// The table's place in [`TABLES`].
fn slot(table: Table) -> usize {
    TABLES
        .iter()
        .position(|other| *other == table)
        .expect("TABLES holds every table")
}
