//! One leaf: counted, given its memory, read in two passes.

use std::sync::Arc;
use std::time::Instant;

use tracemill_model::{Blame, Fault};
use tracemill_operators::batch::{LeafEvent, LeafJob, LeafStep};
use tracemill_operators::bridge::{Replies, Ticket};
use tracemill_operators::dedup::{IndexBuilder, key_columns_for};
use tracemill_operators::outcome::{Attempt, LeafError, Timing};
use tracemill_operators::progress::{Stage, State};
use tracemill_operators::split::LeafStats;
use tracemill_operators::{Budget, Permit};
use tracemill_warehouse::{Statement, WarehouseError};

use super::deadline::Deadline;
use super::keys::read_keys;
use super::read::ReadConfig;
use super::rows::{Batches, Pace};
use super::statements;
use crate::SourceError;

/// How the memory of a leaf is made up, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafMemory {
    /// The most that a version index may take; a leaf with more versions is split before it is read.
    pub index_max: u64,
    /// Batches between ClickHouse and the encoder.
    pub batches: u64,
    /// The encoder's row group and the parts that are being sent.
    pub encoder: u64,
}

impl LeafMemory {
    /// Divides a budget: with `leaves` of them at once, each has room for its batches and its encoder in half of its
    /// share; the index may take the budget's other half, also when others then have to wait.
    #[must_use]
    pub fn within(budget: u64, leaves: u64) -> Self {
        const MIB: u64 = 1 << 20;
        let share = budget / leaves.max(1) / 2;
        let batches = (share / 3).clamp(4 * MIB, 24 * MIB);
        let encoder = (share - batches.min(share)).clamp(8 * MIB, 64 * MIB);
        Self {
            index_max: budget.saturating_sub(batches + encoder).min(budget / 2),
            batches,
            encoder,
        }
    }
}

/// What ended a leaf's reading, other than success.
pub(super) enum Stop {
    /// The leaf failed; it may be its own fault.
    Leaf {
        error: LeafError,
        stats: LeafStats,
        job: Option<Arc<LeafJob>>,
    },
    /// Nothing can be read until a person acts.
    Fatal(SourceError),
}

/// Runs one attempt and gives its events.
pub(super) struct LeafRun<'a> {
    pub(super) config: &'a ReadConfig,
    pub(super) attempt: Attempt,
    pub(super) replies: &'a Replies<LeafEvent>,
    pub(super) ticket: Ticket,
    pub(super) stage: &'a Stage,
}

impl LeafRun<'_> {
    /// Reads the leaf. All events but the failure's are given.
    pub(super) async fn run(&self) -> Result<(), Stop> {
        let started = Instant::now();
        let versions = self.count().await?;
        if IndexBuilder::bytes_for(versions) > self.config.leaf_memory.index_max {
            return Err(self.too_many("too_many_ids", versions).await?);
        }
        if self.config.limit().forbids(versions) {
            let own = self.own_count(versions).await?;
            if self.config.limit().forbids(own) {
                return Err(self.too_many("learned", own).await?);
            }
        }
        let mut timing = Timing::default();
        self.stage.enter(State::WaitingForBudget);
        let (memory, working_set) = self.acquire(versions).await;
        timing.budget = micros(started);

        self.stage.enter(State::ReadingKeys);
        let keys_began = Instant::now();
        let mut builder = IndexBuilder::new(&self.attempt.leaf, usize::try_from(versions).unwrap_or(0));
        let config = self.config;
        let deadline = Deadline::new(config.deadline);
        let pace = Pace {
            gate: &config.gate,
            deadline: Some(&deadline),
            is_last: false,
        };
        let read = read_keys(
            &config.service,
            &config.key,
            &self.attempt.leaf,
            &memory,
            pace,
            &mut builder,
        );
        let keys_query = match deadline.within(read).await {
            Some(Ok(query_id)) => query_id,
            Some(Err(error)) => {
                let stats = self.sampled(builder.stats(false), versions).await;
                return Err(self.stop(error, stats, None).await);
            }
            None => {
                let stats = self.sampled(builder.stats(false), versions).await;
                return Err(self.too_late(stats, None));
            }
        };
        let (index, stats) = builder.finish();
        config.turns.charge(&config.project, IndexBuilder::bytes_for(versions));
        timing.keys = micros(keys_began);
        config.progress.add(|c| &c.versions_found, stats.versions);
        if self.attempt.leaf.path.depth() == 0 && self.attempt.waits == 0 {
            config.progress.add(|c| &c.windows_counted, 1);
        }

        let key_columns = key_columns_for(config.key.table);
        let attempt = self.attempt.clone();
        let job = Arc::new(LeafJob {
            attempt,
            index,
            stats,
            memory,
            working_set,
            key_columns,
            started,
        });
        let mut query_ids = vec![keys_query];
        if job.index.expected() > 0 {
            self.stage.enter(State::ReadingRows);
            let pace = Pace {
                is_last: is_last(&job),
                ..pace
            };
            match deadline.within(self.rows(&job, pace, &mut timing)).await {
                Some(read) => query_ids.push(read?),
                None => return Err(self.too_late(job.stats.clone(), Some(&job))),
            }
        }
        self.give(&job, LeafStep::End { query_ids, timing });
        Ok(())
    }

    /// The deadline is the leaf's own: a server that is slow for everything is met with smaller leaves too.
    fn too_late(&self, stats: LeafStats, job: Option<&Arc<LeafJob>>) -> Stop {
        let message = format!("the leaf took longer than its deadline of {:?}", self.config.deadline);
        let error = LeafError {
            kind: "timeout".to_owned(),
            message,
            is_outage: false,
        };
        Stop::Leaf {
            error,
            stats,
            job: job.map(Arc::clone),
        }
    }

    async fn count(&self) -> Result<u64, Stop> {
        let statement = statements::count(&self.config.key, &self.attempt.leaf);
        match self.config.service.one(&statement).await {
            Ok(versions) => Ok(versions),
            Err(error) => Err(self.stop(error.into(), LeafStats::default(), None).await),
        }
    }

    /// Of the `versions` of its id range, those of the leaf itself.
    async fn own_count(&self, versions: u64) -> Result<u64, Stop> {
        let leaf = &self.attempt.leaf;
        if leaf.types.is_none() && leaf.slice == leaf.window {
            return Ok(versions);
        }
        match self
            .config
            .service
            .one(&statements::own_count(&self.config.key, leaf))
            .await
        {
            Ok(own) => Ok(own),
            Err(error) => Err(self.stop(error.into(), LeafStats::default(), None).await),
        }
    }

    /// A leaf that is split before it is read.
    async fn too_many(&self, kind: &str, versions: u64) -> Result<Stop, Stop> {
        let ids = match self.sample().await {
            Ok(ids) => ids,
            Err(error) => return Err(self.stop(error.into(), LeafStats::default(), None).await),
        };
        let stats = LeafStats {
            versions,
            ids,
            ..LeafStats::default()
        };
        let message = format!("{versions} versions are more than a leaf may have");
        let error = LeafError {
            kind: kind.to_owned(),
            message,
            is_outage: false,
        };
        Ok(Stop::Leaf {
            error,
            stats,
            job: None,
        })
    }

    /// Some ids of the leaf, sorted and distinct.
    async fn sample(&self) -> Result<Vec<String>, WarehouseError> {
        let statement = statements::sample(&self.config.key, &self.attempt.leaf);
        let mut ids: Vec<String> = self.config.service.one(&statement).await?;
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// What is known of a leaf whose key columns could not be read to their end: the server picks some ids, so that the
    /// leaf is cut where ids are, and one that cannot be read ends in a letter with its name. Where that fails too, what
    /// had been read must do.
    async fn sampled(&self, read: LeafStats, versions: u64) -> LeafStats {
        match self.sample().await {
            Ok(ids) => LeafStats {
                versions,
                ids,
                has_all_ids: versions <= statements::SAMPLE,
                ..read
            },
            Err(_) => LeafStats { versions, ..read },
        }
    }

    /// All memory that the leaf will need, at once: so no leaf ever waits for another while it holds something.
    async fn acquire(&self, versions: u64) -> (Budget, Permit) {
        let LeafMemory { batches, encoder, .. } = self.config.leaf_memory;
        let index = IndexBuilder::bytes_for(versions);
        let whole = self.config.memory.acquire(index + batches + encoder).await;
        let share = batches.min(whole.bytes());
        let all = Budget::carved("leaf", whole.bytes(), whole);
        let taken = "it is a part of what was just acquired";
        let working_set = all.try_acquire(all.limit() - share).expect(taken);
        // Batches have a budget of their own: one that is larger than all of it must not wait for the working set, which
        // stays for as long as the leaf is read.
        let own = all.try_acquire(share).expect(taken);
        let memory = Budget::carved("batches", share, own);
        (memory, working_set)
    }

    async fn rows(&self, job: &Arc<LeafJob>, pace: Pace<'_>, timing: &mut Timing) -> Result<String, Stop> {
        let began = Instant::now();
        let config = self.config;
        let statement = statements::rows(&config.key, &self.attempt.leaf, &config.columns);
        let mut statement = config.tuning.apply(statement);
        if self.attempt.leaf.path.depth() > 0 {
            statement = small_reads(statement, job.stats.versions);
        }
        let counter = &config.progress.counters().bytes_read;
        let mut batches = match Batches::open(&config.service, statement, &job.memory, Some(counter), pace) {
            Ok(batches) => batches,
            Err(error) => return Err(self.stop(error, job.stats.clone(), Some(job)).await),
        };
        let mut charged = 0;
        loop {
            match batches.next().await {
                Ok(Some(held)) => {
                    config.progress.add(|c| &c.rows_read, held.batch.num_rows() as u64);
                    config.turns.charge(&config.project, batches.bytes() - charged);
                    charged = batches.bytes();
                    self.give(
                        job,
                        LeafStep::Rows {
                            batch: held.batch,
                            times: None,
                            permit: held.permit,
                        },
                    );
                }
                Ok(None) => break,
                Err(error) => return Err(self.stop(error, job.stats.clone(), Some(job)).await),
            }
        }
        timing.rows = micros(began);
        timing.decode = u64::try_from(batches.decode_time().as_micros()).unwrap_or(u64::MAX);
        timing.bytes_read = batches.bytes();
        Ok(batches.query_id().to_string())
    }

    fn give(&self, job: &Arc<LeafJob>, what: LeafStep) {
        self.replies.give(
            self.ticket,
            LeafEvent {
                job: Arc::clone(job),
                what,
            },
        );
    }

    /// Decides whose fault an error is: a server that also fails to answer with nothing says nothing about the leaf.
    async fn stop(&self, error: SourceError, stats: LeafStats, job: Option<&Arc<LeafJob>>) -> Stop {
        let config = self.config;
        let job = job.map(Arc::clone);
        let mut leaf_error = LeafError::of(&error);
        let probe = statements::nothing(&config.key, &config.columns);
        if let Err(outage) = config.service.execute(&probe).await {
            if outage.fault() == Fault::User && !outage.is_transient() {
                return Stop::Fatal(outage.into());
            }
            leaf_error = LeafError::of(&outage);
            leaf_error.is_outage = true;
        } else if is_unreachable(&error) && self.attempt.waits < PATIENCE {
            // It was away and is back: that says nothing about the leaf.
            leaf_error.is_outage = true;
        }
        Stop::Leaf {
            error: leaf_error,
            stats,
            job,
        }
    }
}

/// Whether a failure of the leaf would be a row's end. A query whose answer is held back runs on towards ClickHouse's limit of
/// time: a leaf that is split reads less, what cannot be split must not be held back.
fn is_last(job: &LeafJob) -> bool {
    job.attempt.leaf.path.depth() > 0 && job.stats.has_all_ids && job.stats.ids.len() <= 1
}

/// How often in a row a leaf may find the server out of reach before it is the leaf's own fault after all.
const PATIENCE: u32 = 5;

/// The blocks of a leaf that is a part of what failed: the fewer versions it has, the fewer rows are read at a time, down to
/// a single one, which may be all that fits into a query's memory. Where `PREWHERE` has chosen a row, all rows before it in
/// its granule are read with it; without, they pass one block at a time.
fn small_reads(statement: Statement, versions: u64) -> Statement {
    let statement = statement.setting("max_threads", 1);
    match versions / 8 {
        rows @ 0..=64 => statement
            .setting("max_block_size", rows.max(1))
            .setting("optimize_move_to_prewhere", 0),
        _ => statement,
    }
}

fn is_unreachable(error: &SourceError) -> bool {
    matches!(error, SourceError::Warehouse(error) if error.is_unreachable())
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_divided_within_the_budget() {
        const MIB: u64 = 1 << 20;
        for (budget, leaves) in [(32, 1), (64, 1), (64, 2), (160, 2), (1024, 4)] {
            let memory = LeafMemory::within(budget * MIB, leaves);
            let LeafMemory {
                index_max,
                batches,
                encoder,
            } = memory;
            assert!(
                index_max + batches + encoder <= budget * MIB,
                "{budget} {leaves} {memory:?}"
            );
            assert!(index_max >= budget * MIB / 4, "{budget} {leaves} {memory:?}");
        }
    }
}
