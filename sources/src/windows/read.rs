//! The task that reads leaves: it runs them side by side, within the slots and the memory that they have together.
//!
//! ```text
//!   attempts ──► read[project/table] ──► events of leaves: rows…, end | failed
//! ```
//!
//! *Invariants.* Leaves of all exports begin by fair shares of their projects, counted in bytes read: whatever one has
//! waiting, another's next leaf begins after one that has its turn. A leaf asks for all of its memory at once and holds
//! nothing while it waits, so leaves cannot block each other for good. Each attempt ends in exactly one end or failure, or in
//! the failure of the whole task.
//!
//! *On error.* A leaf's error becomes an event; a fault that only a person can mend (credentials, a missing table) ends
//! the task, which holds the frontier.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracemill_model::ExportKey;
use tracemill_model::ingest::Text;
use tracemill_operators::Budget;
use tracemill_operators::batch::{LeafEvent, LeafJob, LeafStep};
use tracemill_operators::bridge::{Command, Commands, Replies, Ticket};
use tracemill_operators::clock::{Clock, backoff};
use tracemill_operators::governor::Gate;
use tracemill_operators::outcome::Attempt;
use tracemill_operators::progress::{Progress, State};
use tracemill_operators::shares::Turns;
use tracemill_operators::split::LeafLimit;
use tracemill_warehouse::Service;

use super::leaf::{LeafMemory, LeafRun, Stop};
use super::tuning::Tuning;
use crate::SourceError;

/// What reading an export needs.
#[derive(Debug)]
pub struct ReadConfig {
    /// Where the rows are.
    pub service: Service,
    /// Whose rows.
    pub key: ExportKey,
    /// The columns to write, in order.
    pub columns: Vec<String>,
    /// Settings that make wide rows cheap, as far as the server knows them.
    pub tuning: Tuning,
    /// Where leaves take their memory.
    pub memory: Budget,
    /// How much one of them takes.
    pub leaf_memory: LeafMemory,
    /// How many may be read at once, over all exports of the process.
    pub slots: Arc<Semaphore>,
    /// Whose leaf is the next to take what is shared.
    pub turns: Turns,
    /// Whose leaves these are, among the others.
    pub project: Text,
    /// How much of ClickHouse the export may use now.
    pub gate: Gate,
    /// What splits taught.
    pub learned: Arc<Mutex<LeafLimit>>,
    /// What is going on.
    pub progress: Progress,
    /// How long a leaf may be read, from its first query on.
    pub deadline: Duration,
    /// For people: what `status` shows as "until".
    pub clock: Clock,
}

impl ReadConfig {
    pub(super) fn limit(&self) -> MutexGuard<'_, LeafLimit> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the attempts of an export, for `bridge::operator`.
///
/// # Errors
/// A fault that only a person can mend.
pub async fn read(
    mut commands: Commands<Attempt>,
    replies: Replies<LeafEvent>,
    config: Arc<ReadConfig>,
) -> Result<(), SourceError> {
    let mut running: JoinSet<Result<(), SourceError>> = JoinSet::new();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Item { ticket, item, .. }) => {
                    running.spawn(attempt(item, ticket, replies.clone(), Arc::clone(&config)));
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

fn settle(ended: Result<Result<(), SourceError>, tokio::task::JoinError>) -> Result<(), SourceError> {
    match ended {
        Ok(result) => result,
        Err(error) => Err(SourceError::Shape {
            reason: format!("reading a leaf panicked: {error}"),
        }),
    }
}

async fn attempt(
    attempt: Attempt,
    ticket: Ticket,
    replies: Replies<LeafEvent>,
    config: Arc<ReadConfig>,
) -> Result<(), SourceError> {
    let name = format!("{} {}", attempt.leaf.window, attempt.leaf.path);
    let stage = config.progress.stage(name, State::WaitingForSlot);
    if attempt.waits > 0 {
        let pause = backoff(attempt.waits);
        let until = config.clock.after(pause);
        stage.enter(State::BackingOff {
            until,
            error: "an outage".to_owned(),
        });
        tokio::time::sleep(pause).await;
        stage.enter(State::WaitingForSlot);
    }
    // Whoever has the turn waits for a place; the others wait for the turn, each project by its share, not in line behind
    // all that one of them has waiting.
    let turn = config.turns.next(&config.project).await;
    let _slot = config.slots.acquire().await;
    if config.gate.is_full() {
        stage.enter(State::WaitingForGovernor);
    }
    let _passed = config.gate.leaf().await;
    drop(turn);
    let run = LeafRun {
        config: &config,
        attempt: attempt.clone(),
        replies: &replies,
        ticket,
        stage: &stage,
    };
    match run.run().await {
        Ok(()) => {}
        Err(Stop::Leaf { error, stats, job }) => {
            let job = job.unwrap_or_else(|| Arc::new(LeafJob::unread(attempt, stats)));
            replies.give(
                ticket,
                LeafEvent {
                    job,
                    what: LeafStep::Failed { error },
                },
            );
        }
        Err(Stop::Fatal(error)) => return Err(error),
    }
    replies.done(ticket);
    Ok(())
}
