//! The ledger: what is true of the generated rows, written as the generator goes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use tracemill_model::table::TABLES;
use tracemill_model::{Millis, ProjectId, Table};

use super::fingerprint::Fingerprint;
use super::plan::LEFT_OUT;
use super::versions::Version;
use super::{Chunk, Phase, ids};

/// The first line of a ledger file.
pub const LEDGER_HEADER: &str = "project\tid\tphase\ttime_ms\tevent_ts\tstate\tfingerprint\n";

/// Whether an id leaves in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It does.
    Live,
    /// Its newest version is a deletion.
    Deleted,
    /// It is a score of a kind that exports leave out.
    LeftOut,
}

impl State {
    pub(super) fn of(table: Table, newest: &Version) -> Self {
        if newest.deleted {
            Self::Deleted
        } else if table == Table::Scores && newest.kind >= LEFT_OUT {
            Self::LeftOut
        } else {
            Self::Live
        }
    }

    /// Its name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Deleted => "deleted",
            Self::LeftOut => "left_out",
        }
    }
}

/// The truth of one id after its phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which table's.
    pub table: Table,
    /// The id.
    pub id: String,
    /// The newest version's time column.
    pub time: Millis,
    /// The newest version's `event_ts`.
    pub event_ts: Millis,
    /// Whether it leaves in an export.
    pub state: State,
    /// Of the newest version's export columns; `None` unless live and asked for.
    pub fingerprint: Option<Fingerprint>,
}

/// Counts of rows and ids. Of a late chunk the differences to the main phase, so that counts add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    /// Rows written, each version and each repetition.
    pub versions: i64,
    /// Their bytes, about as ClickHouse counts them uncompressed.
    pub bytes: i64,
    /// Distinct ids.
    pub ids: i64,
    /// Of them: what leaves in an export.
    pub live: i64,
    /// Of them: deleted.
    pub deleted: i64,
    /// Of them: scores of kinds that exports leave out.
    pub left_out: i64,
}

impl Count {
    pub(super) fn add(&mut self, state: State, n: i64) {
        self.ids += n;
        *match state {
            State::Live => &mut self.live,
            State::Deleted => &mut self.deleted,
            State::LeftOut => &mut self.left_out,
        } += n;
    }

    fn merge(&mut self, other: &Self) {
        self.versions += other.versions;
        self.bytes += other.bytes;
        self.ids += other.ids;
        self.live += other.live;
        self.deleted += other.deleted;
        self.left_out += other.left_out;
    }
}

/// The totals of one project, table and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SummaryLine {
    /// Whose rows.
    pub project: ProjectId,
    /// Which table.
    pub table: Table,
    /// The day's midnight.
    pub day: Millis,
    /// After the main phase.
    pub main: Count,
    /// After the late phase.
    pub all: Count,
}

/// The totals of all chunks that a ledger was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The generator's seed.
    pub seed: u64,
    /// Everything after the main phase.
    pub main: Count,
    /// Everything after the late phase.
    pub all: Count,
    /// By project, table and day.
    pub lines: Vec<SummaryLine>,
}

/// Writes the ledger files and keeps the totals. Chunks may come in any order; the lines then do too.
#[derive(Debug)]
pub struct Ledger<W> {
    seed: u64,
    files: [W; 3],
    counts: BTreeMap<(ProjectId, Table, Millis), (Count, Count)>,
    line: Vec<u8>,
}

impl<W: Write> Ledger<W> {
    /// Opens one writer a table and writes the headers. Buffered writers are advised: a line is one write.
    ///
    /// # Errors
    /// A writer cannot be opened or written.
    pub fn new(seed: u64, mut open: impl FnMut(Table) -> io::Result<W>) -> io::Result<Self> {
        let [a, b, c] = TABLES;
        let mut files = [open(a)?, open(b)?, open(c)?];
        for file in &mut files {
            file.write_all(LEDGER_HEADER.as_bytes())?;
        }
        Ok(Self {
            seed,
            files,
            counts: BTreeMap::new(),
            line: Vec::new(),
        })
    }

    /// Adds a chunk. Each chunk once.
    ///
    /// # Errors
    /// A writer fails.
    pub fn add(&mut self, chunk: &Chunk) -> io::Result<()> {
        let phase = match chunk.id.phase {
            Phase::Main => "main",
            Phase::Late => "late",
        };
        for entry in &chunk.entries {
            self.line.clear();
            let (project, id) = (&chunk.project, &entry.id);
            let (time, event_ts, state) = (entry.time.0, entry.event_ts.0, entry.state.name());
            write!(self.line, "{project}\t{id}\t{phase}\t{time}\t{event_ts}\t{state}\t")?;
            if let Some(fingerprint) = entry.fingerprint {
                let bits = u128::from_be_bytes(fingerprint);
                ids::hex(&mut self.line, (bits >> 64) as u64, 16);
                ids::hex(&mut self.line, bits as u64, 16);
            }
            self.line.push(b'\n');
            self.files[super::slot(entry.table)].write_all(&self.line)?;
        }
        for (table, count) in TABLES.into_iter().zip(&chunk.counts) {
            let key = (chunk.project.clone(), table, chunk.day);
            let (main, all) = self.counts.entry(key).or_default();
            all.merge(count);
            if chunk.id.phase == Phase::Main {
                main.merge(count);
            }
        }
        Ok(())
    }

    /// Flushes the files and gives the totals, and the writers in the order of [`TABLES`].
    ///
    /// # Errors
    /// A writer cannot be flushed.
    pub fn finish(mut self) -> io::Result<(Summary, [W; 3])> {
        for file in &mut self.files {
            file.flush()?;
        }
        let (mut main, mut all) = (Count::default(), Count::default());
        let mut lines = Vec::with_capacity(self.counts.len());
        for ((project, table, day), (of_main, of_all)) in self.counts {
            main.merge(&of_main);
            all.merge(&of_all);
            lines.push(SummaryLine {
                project,
                table,
                day,
                main: of_main,
                all: of_all,
            });
        }
        let seed = self.seed;
        Ok((Summary { seed, main, all, lines }, self.files))
    }
}
