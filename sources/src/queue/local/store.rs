//! The tables of a local queue, and the transactions over them: synchronous, the only place that touches the file.
//!
//! | table | key | value |
//! |---|---|---|
//! | `waiting` | number | a [`record`](super::record), also while its job is pulled |
//! | `delayed` | (due in ms, number) | the same |
//! | `failed` | number | the same with reason and time |
//!
//! Numbers grow; a job that comes back gets a new one, so that a number names one delivery. Errors of the disk leave the
//! database unusable until it is opened again, which the next write tries.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::record;
use crate::queue::QueueError;

const WAITING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("waiting");
const DELAYED: TableDefinition<'_, (i64, u64), &[u8]> = TableDefinition::new("delayed");
const FAILED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("failed");

/// Memory for pages of the file.
const CACHE: usize = 64 << 20;
/// A file below this size is not compacted.
const COMPACT_FROM: u64 = 64 << 20;
/// How many delayed jobs become due in one transaction at most.
const PROMOTE: usize = 10_000;

/// A change, and what it answers.
#[derive(Debug)]
pub(super) enum Change {
    /// New records, due at that time or at once.
    Add { records: Vec<Vec<u8>>, due: Option<i64> },
    /// Jobs that are done.
    Done(Vec<u64>),
    /// A job that comes back, due at that time or at once.
    Retry { number: u64, due: Option<i64> },
    /// A job that failed for good.
    Fail { number: u64, reason: String, at: i64 },
    /// Delayed jobs that are due become waiting ones.
    Promote { now: i64 },
}

/// What the tables hold after a transaction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Rows of `waiting`: those that are pulled too.
    pub(super) waiting: u64,
    pub(super) delayed: u64,
    pub(super) failed: u64,
    /// When the next delayed job is due.
    pub(super) next_due: Option<i64>,
    /// The number after the last one given.
    pub(super) next_number: u64,
}

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
    pub(super) fn open(path: &Path, keep_failed: u64) -> Result<(Self, Counts), QueueError> {
        let mut database = open(path)?;
        let bytes = fs::metadata(path).map_or(0, |file| file.len());
        if bytes > COMPACT_FROM && stored(&database)? < bytes / 4 {
            database.compact().map_err(storage)?;
        }
        let store = Self {
            path: path.to_owned(),
            database: RwLock::new(Some(database)),
            keep_failed,
        };
        let counts = store.apply(0, &[])?;
        Ok((store, counts))
    }

    /// Closes the file. What comes later finds it closed.
    pub(super) fn close(&self) {
        self.database.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Opens the file again after an error.
    pub(super) fn reopen(&self) -> Result<(), QueueError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        database.take();
        let opened = open(&self.path).map_err(|error| QueueError::Storage {
            reason: error.to_string(),
        })?;
        *database = Some(opened);
        Ok(())
    }

    /// Makes the changes durable, all or none. Numbers are given from `next` on.
    pub(super) fn apply(&self, next: u64, changes: &[Change]) -> Result<Counts, QueueError> {
        self.with(|database| transaction(database, next, changes, self.keep_failed))
    }

    /// Up to `max` waiting records from a number on.
    pub(super) fn read(&self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, QueueError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(WAITING)?;
            let rows = table.range(from..)?.take(max);
            rows.map(|row| {
                row.map(|(number, record)| (number.value(), record.value().to_vec()))
                    .map_err(Into::into)
            })
            .collect()
        })
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

fn transaction(database: &Database, next: u64, changes: &[Change], keep_failed: u64) -> Result<Counts, redb::Error> {
    let write = database.begin_write()?;
    let counts;
    {
        let mut tables = Tables {
            waiting: write.open_table(WAITING)?,
            delayed: write.open_table(DELAYED)?,
            failed: write.open_table(FAILED)?,
            next,
        };
        tables.next = tables.next.max(tables.after_last()?);
        for change in changes {
            tables.apply(change)?;
        }
        while tables.failed.len()? > keep_failed {
            tables.failed.pop_first()?;
        }
        let next_due = tables.delayed.first()?.map(|(key, _)| key.value().0);
        counts = Counts {
            waiting: tables.waiting.len()?,
            delayed: tables.delayed.len()?,
            failed: tables.failed.len()?,
            next_due,
            next_number: tables.next,
        };
    }
    write.commit()?;
    Ok(counts)
}

struct Tables<'a> {
    waiting: redb::Table<'a, u64, &'static [u8]>,
    delayed: redb::Table<'a, (i64, u64), &'static [u8]>,
    failed: redb::Table<'a, u64, &'static [u8]>,
    next: u64,
}

impl Tables<'_> {
    /// The number after the last one of the lists that a start finds. Those of `delayed` need not be looked at: a job that
    /// becomes due gets a new number, and there its number only tells jobs of one time apart.
    fn after_last(&self) -> Result<u64, redb::Error> {
        let waiting = self.waiting.last()?.map_or(0, |(number, _)| number.value() + 1);
        let failed = self.failed.last()?.map_or(0, |(number, _)| number.value() + 1);
        Ok(waiting.max(failed))
    }

    fn put(&mut self, record: &[u8], due: Option<i64>) -> Result<(), redb::Error> {
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
                self.waiting.insert(self.next, record)?;
                self.next += 1;
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change) -> Result<(), redb::Error> {
        match change {
            Change::Add { records, due } => {
                for record in records {
                    self.put(record, *due)?;
                }
            }
            Change::Done(numbers) => {
                for number in numbers {
                    self.waiting.remove(number)?;
                }
            }
            Change::Retry { number, due } => {
                let taken = self.waiting.remove(number)?.map(|record| record.value().to_vec());
                if let Some(mut record) = taken {
                    record::count_attempt(&mut record);
                    self.put(&record, *due)?;
                }
            }
            Change::Fail { number, reason, at } => {
                let taken = self.waiting.remove(number)?.map(|record| record.value().to_vec());
                if let Some(mut record) = taken {
                    record::count_attempt(&mut record);
                    self.failed.insert(self.next, &*record::failed(&record, *at, reason))?;
                    self.next += 1;
                }
            }
            Change::Promote { now } => {
                for _ in 0..PROMOTE {
                    let due = self.delayed.first()?.is_some_and(|(key, _)| key.value().0 <= *now);
                    let taken = if due { self.delayed.pop_first()? } else { None };
                    let Some(record) = taken.map(|(_, record)| record.value().to_vec()) else {
                        break;
                    };
                    self.put(&record, None)?;
                }
            }
        }
        Ok(())
    }
}
