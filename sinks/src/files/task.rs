//! The task: events to the writers of their leaves, outcomes back.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracemill_model::{Blame, Fault};
use tracemill_operators::batch::{LeafEvent, LeafJob, LeafStep};
use tracemill_operators::bridge::{Command, Commands, Replies, Ticket};
use tracemill_operators::outcome::{LeafError, LeafResult, Outcome, Timing, Written};
use tracemill_operators::progress::State;

use super::writer::{FilesConfig, LeafWriter, micros};
use crate::SinkError;

/// The steps of a leaf on their way to its writer. Unbounded, but each batch in it carries its permit.
type Steps = mpsc::UnboundedSender<LeafStep>;

/// Writes the files of an export, for `bridge::operator`.
///
/// # Errors
/// A fault that only a person can mend.
pub async fn write_files(
    mut commands: Commands<LeafEvent>,
    replies: Replies<Outcome>,
    config: Arc<FilesConfig>,
) -> Result<(), SinkError> {
    // By the address of the job, which lives at least until its last event was handled here.
    let mut leaves: BTreeMap<usize, Steps> = BTreeMap::new();
    let mut running: JoinSet<Result<(), SinkError>> = JoinSet::new();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Item { ticket, item: LeafEvent { job, what }, .. }) => {
                    let address = Arc::as_ptr(&job) as usize;
                    let is_last = !matches!(what, LeafStep::Rows { .. });
                    let steps = match leaves.entry(address) {
                        Entry::Occupied(entry) => {
                            // The leaf's first ticket holds the epoch for all of them.
                            replies.done(ticket);
                            entry.into_mut()
                        }
                        Entry::Vacant(entry) => {
                            let (sender, steps) = mpsc::unbounded_channel();
                            running.spawn(write_leaf(job, steps, ticket, replies.clone(), Arc::clone(&config)));
                            entry.insert(sender)
                        }
                    };
                    // A writer that has failed is no longer there to hear; it gave its outcome.
                    let _ = steps.send(what);
                    if is_last {
                        leaves.remove(&address);
                    }
                }
                Some(Command::Frontier(_)) => {}
                None => break,
            },
            Some(ended) = running.join_next(), if !running.is_empty() => settle(ended)?,
        }
    }
    while let Some(ended) = running.join_next().await {
        settle(ended)?;
    }
    Ok(())
}

fn settle(ended: Result<Result<(), SinkError>, tokio::task::JoinError>) -> Result<(), SinkError> {
    match ended {
        Ok(result) => result,
        Err(error) => Err(SinkError::Encode {
            format: "leaf",
            reason: format!("writing a leaf panicked: {error}"),
        }),
    }
}

/// How a leaf's steps ended.
enum End {
    Read {
        query_ids: Vec<String>,
        timing: Timing,
    },
    Failed(LeafError),
    /// The dataflow is gone.
    Gone,
}

async fn write_leaf(
    job: Arc<LeafJob>,
    mut steps: mpsc::UnboundedReceiver<LeafStep>,
    ticket: Ticket,
    replies: Replies<Outcome>,
    config: Arc<FilesConfig>,
) -> Result<(), SinkError> {
    let leaf = &job.attempt.leaf;
    let _stage = config
        .progress
        .stage(format!("{} {} write", leaf.window, leaf.path), State::Writing);
    let mut writer = LeafWriter::new(Arc::clone(&config), Arc::clone(&job));
    let written = match write_steps(&mut writer, &mut steps).await {
        Ok(End::Read { query_ids, timing }) => match writer.finish().await {
            Ok((files, mut times)) => {
                times.add(timing);
                times.total = micros(job.started);
                Ok(Written {
                    files,
                    source: job.index.counts(),
                    query_ids,
                    timing: times,
                })
            }
            Err(error) => Err(blame(&config, job.attempt.waits, error).await?),
        },
        Ok(End::Failed(error)) => {
            writer.abort().await;
            Err(error)
        }
        Ok(End::Gone) => {
            writer.abort().await;
            return Ok(());
        }
        Err(error) => {
            writer.abort().await;
            Err(blame(&config, job.attempt.waits, error).await?)
        }
    };
    let result = match written {
        Ok(written) => LeafResult::Written(written),
        Err(error) => LeafResult::Failed {
            error,
            stats: job.stats.clone(),
        },
    };
    replies.give(
        ticket,
        Outcome {
            attempt: job.attempt.clone(),
            result,
        },
    );
    replies.done(ticket);
    Ok(())
}

async fn write_steps(writer: &mut LeafWriter, steps: &mut mpsc::UnboundedReceiver<LeafStep>) -> Result<End, SinkError> {
    while let Some(step) = steps.recv().await {
        match step {
            LeafStep::Rows { batch, times, permit } => {
                writer.write(batch, times.unwrap_or((i64::MAX, i64::MIN))).await?;
                drop(permit);
            }
            LeafStep::End { query_ids, timing } => return Ok(End::Read { query_ids, timing }),
            LeafStep::Failed { error } => return Ok(End::Failed(error)),
        }
    }
    Ok(End::Gone)
}

/// How often in a row a leaf may find the store out of reach before a probe is asked whether it is the leaf after all.
const PATIENCE: u32 = 5;

/// Decides whose fault an error is. A store that also fails a trivial request says nothing about the leaf; one that needs
/// a person ends the task, since smaller leaves would meet the same.
async fn blame(config: &FilesConfig, waits: u32, error: SinkError) -> Result<LeafError, SinkError> {
    let mut error = error;
    if matches!(error, SinkError::Unreachable { .. }) && waits < PATIENCE {
        // The store may be back by the time of a probe; that it was away says nothing about the leaf.
        return Ok(LeafError {
            is_outage: true,
            ..LeafError::of(&error)
        });
    }
    if error.fault() != Fault::User && !matches!(error, SinkError::Encode { .. }) {
        if let Err(outage) = config.store.probe().await {
            error = outage;
        } else {
            return Ok(LeafError::of(&error));
        }
    }
    if error.is_transient() {
        return Ok(LeafError {
            is_outage: true,
            ..LeafError::of(&error)
        });
    }
    match error.fault() {
        Fault::User => Err(error),
        Fault::Remote | Fault::Bug => Ok(LeafError::of(&error)),
    }
}
