//! The dataflow operator: outcomes in, reports for the commit and new attempts for the feedback edge out.
//!
//! ```text
//!                  ┌──► reports (written, split, given up) ──► commit
//!   outcomes ──► split
//!                  └──► attempts ──► feedback, round + 1
//! ```
//!
//! *Frontiers.* A plain operator; both outputs leave at the epoch of their outcome.
//!
//! *Invariants.* Each outcome gives one report or one attempt of the same leaf; a split gives its report and its parts.

use std::sync::{Arc, Mutex, PoisonError};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use tracemill_model::ExportKey;

use super::{LeafLimit, LeafStats, Split, split};
use crate::outcome::{Attempt, LeafError, LeafReport, LeafResult, Outcome};
use crate::progress::Progress;
use crate::{Clock, Epoch};

/// What the operator needs.
#[derive(Debug, Clone)]
pub struct SplitConfig {
    /// Whose leaves.
    pub key: ExportKey,
    /// What splits teach; shared with the reading side.
    pub learned: Arc<Mutex<LeafLimit>>,
    /// What is going on.
    pub progress: Progress,
    /// Now.
    pub clock: Clock,
}

type Reports<'scope> = Stream<'scope, Epoch, Vec<LeafReport>>;
type Attempts<'scope> = Stream<'scope, Epoch, Vec<Attempt>>;

/// Routes the outcomes of leaves: to the commit, or back to be read again in parts.
pub fn route<'scope>(
    outcomes: Stream<'scope, Epoch, Vec<Outcome>>,
    name: &str,
    config: SplitConfig,
) -> (Reports<'scope>, Attempts<'scope>) {
    let mut builder = OperatorBuilder::new(name.to_owned(), outcomes.scope());
    let mut input = builder.new_input(outcomes, Pipeline);
    let (reports, report_stream) = builder.new_output::<Vec<LeafReport>>();
    let (attempts, attempt_stream) = builder.new_output::<Vec<Attempt>>();
    let mut reports: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<LeafReport>>> = OutputBuilder::from(reports);
    let mut attempts: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<Attempt>>> = OutputBuilder::from(attempts);
    builder.build(move |_capabilities| {
        move |_frontiers| {
            let mut reports = reports.activate();
            let mut attempts = attempts.activate();
            input.for_each(|capability, outcomes| {
                for outcome in outcomes.drain(..) {
                    let (report, again) = decide(outcome, &config);
                    reports.session(&capability).give_iterator(report.into_iter());
                    attempts.session(&capability).give_iterator(again.into_iter());
                }
            });
        }
    });
    (report_stream, attempt_stream)
}

fn decide(outcome: Outcome, config: &SplitConfig) -> (Option<LeafReport>, Vec<Attempt>) {
    let Outcome { attempt, result } = outcome;
    match result {
        LeafResult::Written(written) => {
            config
                .learned
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .succeeded(written.source.versions);
            (Some(LeafReport::Written { attempt, written }), Vec::new())
        }
        LeafResult::Failed { error, stats: _ } if error.is_outage => {
            config.progress.add(|c| &c.outages, 1);
            tracing::warn!(
                table = %config.key.table,
                projectId = %config.key.project,
                leaf = %attempt.leaf,
                errorType = error.kind,
                errorMessage = error.message,
                waits = attempt.waits + 1,
                "blob_export_waiting"
            );
            let again = Attempt {
                waits: attempt.waits.saturating_add(1),
                ..attempt
            };
            (None, vec![again])
        }
        LeafResult::Failed { error, stats } => on_failure(attempt, error, &stats, config),
    }
}

fn on_failure(
    attempt: Attempt,
    error: LeafError,
    stats: &LeafStats,
    config: &SplitConfig,
) -> (Option<LeafReport>, Vec<Attempt>) {
    // What was split before it was tried has taught nothing new.
    if !matches!(error.kind.as_str(), "learned" | "too_many_ids" | "changed") {
        config
            .learned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failed(stats.versions);
    }
    match split(&attempt.leaf, config.key.table, stats) {
        Split::Parts(parts) => {
            config.progress.add(|c| &c.splits, 1);
            log_split(&attempt, &error, &parts, config);
            let again = parts.iter().map(|leaf| Attempt {
                leaf: leaf.clone(),
                generation: attempt.generation,
                waits: 0,
            });
            let again = again.collect();
            (Some(LeafReport::Split { attempt, parts, error }), again)
        }
        Split::Single { .. } if error.kind == "changed" => {
            // One id whose rows change while they are read: it is read again, not given up.
            let again = Attempt {
                waits: attempt.waits.saturating_add(1),
                ..attempt
            };
            (None, vec![again])
        }
        Split::Single { id } => {
            config.progress.add(|c| &c.letters, 1);
            tracing::error!(
                table = %config.key.table,
                projectId = %config.key.project,
                id,
                leaf = %attempt.leaf,
                errorType = error.kind,
                errorMessage = error.message,
                "blob_export_letter"
            );
            (
                Some(LeafReport::GivenUp {
                    attempt,
                    id,
                    error,
                    at: config.clock.now(),
                }),
                Vec::new(),
            )
        }
    }
}

fn log_split(attempt: &Attempt, error: &LeafError, parts: &[tracemill_model::Leaf], config: &SplitConfig) {
    let leaf = &attempt.leaf;
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    tracing::warn!(
        table = %config.key.table,
        projectId = %config.key.project,
        errorType = error.kind,
        errorMessage = error.message,
        originalWindowMs = leaf.window.len_ms(),
        splitWindowMs = leaf.slice.len_ms(),
        minTimestamp = %leaf.slice.from,
        maxTimestamp = %leaf.slice.to,
        leaf = %leaf,
        parts = parts.join(" | "),
        "blob_export_error_splitting"
    );
}
