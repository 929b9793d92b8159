//! The tables of a local queue, and the transactions over them: synchronous, the only place that touches the file.
//!
//! | table | key | value |
//! |---|---|---|
//! | `jobs` | (lane, number) | a [`record`](super::record), also while its job is pulled |
//! | `lanes` | lane | how many rows of `jobs` it has, at least one |
//! | `delayed` | (due in ms, number) | a record |
//! | `failed` | number | the same with reason and time |
//!
//! A lane is a project's. Numbers grow over all lanes; a job that comes back gets a new one, so that a number names one
//! delivery. Errors of the disk leave the database unusable until it is opened again, which the next write tries.
//!
//! Files of the versions before lanes have a table `waiting` by number alone: its rows are moved when the file is opened.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use redb::{TableDefinition, TableHandle, WriteTransaction};
use tracemill_model::ingest::Text;

use super::record;
use crate::queue::QueueError;

const JOBS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("jobs");
const LANES: TableDefinition<'_, &str, u64> = TableDefinition::new("lanes");
/// Of the versions before lanes.
const WAITING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("waiting");
const DELAYED: TableDefinition<'_, (i64, u64), &[u8]> = TableDefinition::new("delayed");
const FAILED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("failed");

/// Memory for pages of the file.
const CACHE: usize = 64 << 20;
/// A file below this size is not compacted.
const COMPACT_FROM: u64 = 64 << 20;
/// How many delayed jobs become due, or rows of an older file are moved, in one transaction at most.
const TOGETHER: usize = 10_000;

/// A change, and what it answers.
#[derive(Debug)]
pub(super) enum Change {
    /// New records with their lanes, due at that time or at once.
    Add {
        records: Vec<(Text, Vec<u8>)>,
        due: Option<i64>,
    },
    /// Jobs that are done.
    Done(Vec<(Text, u64)>),
    /// A job that comes back, due at that time or at once.
    Retry { lane: Text, number: u64, due: Option<i64> },
    /// A job that failed for good.
    Fail {
        lane: Text,
        number: u64,
        reason: String,
        at: i64,
    },
    /// Delayed jobs that are due become waiting ones.
    Promote { now: i64 },
}

/// What the tables hold after a transaction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Rows of `jobs`: those that are pulled too.
    pub(super) waiting: u64,
    pub(super) delayed: u64,
    pub(super) failed: u64,
    /// When the next delayed job is due.
    pub(super) next_due: Option<i64>,
    /// The number after the last one given.
    pub(super) next_number: u64,
}

/// What became of a lane in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LaneChange {
    /// Rows that it has now, those that are pulled too.
    pub(super) rows: u64,
    /// The number after the last one that it was given; 0: it was given none.
    pub(super) end: u64,
}

/// Lanes that a transaction changed.
pub(super) type LaneChanges = BTreeMap<Text, LaneChange>;

/// The file.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    /// `None`: closed, or to be opened again after an error.
    database: RwLock<Option<Database>>,
    keep_failed: u64,
}

fn storage(error: impl Into<redb::Error>) -> QueueError {
    QueueError::Storage {
        reason: error.into().to_string(),
    }
}

impl Store {
    /// Opens or makes the file.
    pub(super) fn open(path: &Path, keep_failed: u64) -> Result<(Self, Counts, LaneChanges), QueueError> {
        let mut database = open(path)?;
        let bytes = fs::metadata(path).map_or(0, |file| file.len());
        if bytes > COMPACT_FROM && stored(&database)? < bytes / 4 {
            database.compact().map_err(storage)?;
        }
        while move_older(&database).map_err(storage)? {}
        let (next, lanes) = survey(&database).map_err(storage)?;
        let store = Self {
            path: path.to_owned(),
            database: RwLock::new(Some(database)),
            keep_failed,
        };
        let (counts, _) = store.apply(next, &[])?;
        Ok((store, counts, lanes))
    }

    /// Closes the file. What comes later finds it closed.
    pub(super) fn close(&self) {
        self.database.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Opens the file again after an error. A transaction that failed may be in it after all: answers what opening it does.
    pub(super) fn reopen(&self) -> Result<(u64, LaneChanges), QueueError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        database.take();
        let opened = open(&self.path).map_err(|error| QueueError::Storage {
            reason: error.to_string(),
        })?;
        let found = survey(&opened).map_err(storage)?;
        *database = Some(opened);
        Ok(found)
    }

    /// Makes the changes durable, all or none. Numbers are given from `next` on.
    pub(super) fn apply(&self, next: u64, changes: &[Change]) -> Result<(Counts, LaneChanges), QueueError> {
        self.with(|database| transaction(database, next, changes, self.keep_failed))
    }

    /// Looks at the jobs as they are now.
    pub(super) fn look<T>(&self, run: impl FnOnce(&Jobs) -> Result<T, redb::Error>) -> Result<T, QueueError> {
        self.with(|database| run(&Jobs(database.begin_read()?.open_table(JOBS)?)))
    }

    /// The newest failed records.
    pub(super) fn failed(&self, max: usize) -> Result<Vec<(u64, Vec<u8>)>, QueueError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(FAILED)?;
            let rows = table.iter()?.rev().take(max);
            rows.map(|row| {
                row.map(|(number, record)| (number.value(), record.value().to_vec()))
                    .map_err(Into::into)
            })
            .collect()
        })
    }

    fn with<T>(&self, run: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, QueueError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        run(database.as_ref().ok_or(QueueError::Closed)?).map_err(storage)
    }
}

/// The jobs at one moment.
pub(super) struct Jobs(ReadOnlyTable<(&'static str, u64), &'static [u8]>);

/// A job's number and record.
pub(super) type Row = (u64, Vec<u8>);

impl Jobs {
    /// Those of a lane, from a number on.
    pub(super) fn of(
        &self,
        lane: &str,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<Row, redb::Error>> + 'static, redb::Error> {
        let rows = self.0.range((lane, from)..=(lane, u64::MAX))?;
        Ok(rows.map(|row| {
            row.map(|(key, record)| (key.value().1, record.value().to_vec()))
                .map_err(Into::into)
        }))
    }
}

fn open(path: &Path) -> Result<Database, QueueError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| QueueError::Open {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Database::builder()
        .set_cache_size(CACHE)
        .create(path)
        .map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => QueueError::InUse { path: path.to_owned() },
            other => QueueError::Open {
                path: path.to_owned(),
                reason: other.to_string(),
            },
        })
}

/// How many bytes of the file are in use.
fn stored(database: &Database) -> Result<u64, QueueError> {
    let write = database.begin_write().map_err(storage)?;
    let stats = write.stats().map_err(storage)?;
    write.abort().map_err(storage)?;
    Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
}

/// Moves rows of an older file. `false`: there are none any more.
fn move_older(database: &Database) -> Result<bool, redb::Error> {
    let write = database.begin_write()?;
    let is_older = write.list_tables()?.any(|table| table.name() == "waiting");
    if !is_older {
        write.abort()?;
        return Ok(false);
    }
    let moved = {
        let mut older = write.open_table(WAITING)?;
        let mut tables = Tables::open(&write, 0)?;
        let mut moved = 0;
        while moved < TOGETHER
            && let Some((number, record)) = older.pop_first()?
        {
            tables.next = number.value();
            tables.put(&record::lane(record.value()), record.value(), None)?;
            moved += 1;
        }
        tables.finish()?;
        moved
    };
    if moved == 0 {
        write.delete_table(WAITING)?;
    }
    write.commit()?;
    Ok(moved > 0)
}

/// The number after the last one that is in the tables, and the lanes. Numbers of `delayed` need not be looked at: a job
/// that becomes due gets a new one, and there its number only tells jobs of one time apart.
fn survey(database: &Database) -> Result<(u64, LaneChanges), redb::Error> {
    let write = database.begin_write()?;
    let mut lanes = LaneChanges::new();
    let next = {
        let tables = Tables::open(&write, 0)?;
        for lane in tables.lanes.iter()? {
            let (name, rows) = lane?;
            let mut jobs = tables.jobs.range((name.value(), 0)..=(name.value(), u64::MAX))?;
            let end = jobs.next_back().transpose()?.map_or(0, |(key, _)| key.value().1 + 1);
            let rows = rows.value();
            lanes.insert(name.value().into(), LaneChange { rows, end });
        }
        let failed = tables.failed.last()?.map_or(0, |(number, _)| number.value() + 1);
        lanes.values().map(|lane| lane.end).max().unwrap_or(0).max(failed)
    };
    write.abort()?;
    Ok((next, lanes))
}

fn transaction(
    database: &Database,
    next: u64,
    changes: &[Change],
    keep_failed: u64,
) -> Result<(Counts, LaneChanges), redb::Error> {
    let write = database.begin_write()?;
    let (counts, lanes);
    {
        let mut tables = Tables::open(&write, next)?;
        for change in changes {
            tables.apply(change)?;
        }
        while tables.failed.len()? > keep_failed {
            tables.failed.pop_first()?;
        }
        lanes = tables.finish()?;
        let next_due = tables.delayed.first()?.map(|(key, _)| key.value().0);
        counts = Counts {
            waiting: tables.jobs.len()?,
            delayed: tables.delayed.len()?,
            failed: tables.failed.len()?,
            next_due,
            next_number: tables.next,
        };
    }
    write.commit()?;
    Ok((counts, lanes))
}

struct Tables<'a> {
    jobs: redb::Table<'a, (&'static str, u64), &'static [u8]>,
    lanes: redb::Table<'a, &'static str, u64>,
    delayed: redb::Table<'a, (i64, u64), &'static [u8]>,
    failed: redb::Table<'a, u64, &'static [u8]>,
    next: u64,
    /// Rows that each lane has gained or lost, and the number after the last one.
    changed: BTreeMap<Text, (i64, u64)>,
}

impl<'a> Tables<'a> {
    fn open(write: &'a WriteTransaction, next: u64) -> Result<Self, redb::Error> {
        Ok(Self {
            jobs: write.open_table(JOBS)?,
            lanes: write.open_table(LANES)?,
            delayed: write.open_table(DELAYED)?,
            failed: write.open_table(FAILED)?,
            next,
            changed: BTreeMap::new(),
        })
    }

    fn put(&mut self, lane: &Text, record: &[u8], due: Option<i64>) -> Result<(), redb::Error> {
        match due {
            Some(due) => {
                let mut number = self.next;
                // After a restart the number may be taken by an older delayed job of the same millisecond.
                while self.delayed.get((due, number))?.is_some() {
                    number += 1;
                }
                self.delayed.insert((due, number), record)?;
                self.next = number + 1;
            }
            None => {
                self.jobs.insert((&**lane, self.next), record)?;
                self.next += 1;
                let (rows, end) = self.changed.entry(Arc::clone(lane)).or_default();
                *rows += 1;
                *end = self.next;
            }
        }
        Ok(())
    }

    /// Takes a job out of its lane.
    fn take(&mut self, lane: &Text, number: u64) -> Result<Option<Vec<u8>>, redb::Error> {
        let taken = self
            .jobs
            .remove((&**lane, number))?
            .map(|record| record.value().to_vec());
        if taken.is_some() {
            self.changed.entry(Arc::clone(lane)).or_default().0 -= 1;
        }
        Ok(taken)
    }

    fn apply(&mut self, change: &Change) -> Result<(), redb::Error> {
        match change {
            Change::Add { records, due } => {
                for (lane, record) in records {
                    self.put(lane, record, *due)?;
                }
            }
            Change::Done(jobs) => {
                for (lane, number) in jobs {
                    self.take(lane, *number)?;
                }
            }
            Change::Retry { lane, number, due } => {
                if let Some(mut record) = self.take(lane, *number)? {
                    record::count_attempt(&mut record);
                    self.put(lane, &record, *due)?;
                }
            }
            Change::Fail {
                lane,
                number,
                reason,
                at,
            } => {
                if let Some(mut record) = self.take(lane, *number)? {
                    record::count_attempt(&mut record);
                    self.failed.insert(self.next, &*record::failed(&record, *at, reason))?;
                    self.next += 1;
                }
            }
            Change::Promote { now } => {
                for _ in 0..TOGETHER {
                    let due = self.delayed.first()?.is_some_and(|(key, _)| key.value().0 <= *now);
                    let taken = if due { self.delayed.pop_first()? } else { None };
                    let Some(record) = taken.map(|(_, record)| record.value().to_vec()) else {
                        break;
                    };
                    self.put(&record::lane(&record), &record, None)?;
                }
            }
        }
        Ok(())
    }

    /// Writes how many rows the changed lanes have.
    fn finish(&mut self) -> Result<LaneChanges, redb::Error> {
        let mut lanes = LaneChanges::new();
        for (lane, (gained, end)) in std::mem::take(&mut self.changed) {
            let before = self.lanes.get(&*lane)?.map_or(0, |rows| rows.value());
            let rows = before.saturating_add_signed(gained);
            if rows == 0 {
                self.lanes.remove(&*lane)?;
            } else {
                self.lanes.insert(&*lane, rows)?;
            }
            lanes.insert(lane, LaneChange { rows, end });
        }
        Ok(lanes)
    }
}
