//! One export as a timely dataflow.
//!
//! ```text
//!            ┌───────────────── attempts, round + 1 ──────────────────┐
//!            ▼                                                        │
//! plan ──► leaves ──► read ──► dedup ──► files ──► outcomes ──► split ┴─► reports ──► commit ──► durable
//! (home)          (by leaf)                                                        (home)
//! ```
//!
//! *Frontiers.* The frontier after `commit` is the export's cursor; it is published as `durable`.
//!
//! *Invariants.* Every worker builds this same graph. Plan and commit work on the export's home worker (by hash of its
//! key), each leaf on one worker (by hash of window and path); only descriptions travel between workers.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use timely::dataflow::Scope;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, ConnectLoop, Feedback};
use timely::worker::Worker;
use tokio::sync::watch;
use tracemill_model::Leaf;
use tracemill_model::Window;
use tracemill_operators::Epoch;
use tracemill_operators::bridge::{self, Context, publish_frontier};
use tracemill_operators::dedup::dedup;
use tracemill_operators::epoch::Rounds;
use tracemill_operators::outcome::{Attempt, LeafReport, PlannedWindow};
use tracemill_operators::split::{SplitConfig, route};
use tracemill_sinks::SinkError;
use tracemill_sinks::commit::{CommitConfig, CommittedWindow, Fence, commit};
use tracemill_sinks::files::{FilesConfig, write_files};
use tracemill_sources::windows::{ReadConfig, read};

use super::planner::Planner;
use super::spec::ExportSpec;
use crate::PipelineError;

/// What only the home worker of an export holds: taken there, once.
#[derive(Debug)]
pub struct Home {
    /// The right to write the export.
    pub fence: Fence,
    /// The window that the last owner was about to commit.
    pub adopted: Option<(Window, u32)>,
    /// The windows that were written, with their generations.
    pub covered: Vec<(Window, u32)>,
}

/// The worker that plans and commits an export.
#[must_use]
pub fn home_of(spec: &ExportSpec, peers: usize) -> usize {
    usize::try_from(hash(&spec.key) % peers.max(1) as u64).unwrap_or(0)
}

/// The same on every worker and in every process of a cluster.
fn hash<T: Hash>(value: &T) -> u64 {
    // SipHash with fixed keys: `DefaultHasher::new` promises equal results for equal input within one build.
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Builds the dataflow on this worker. `home` is `Some` on the export's home worker alone.
pub fn build(worker: &mut Worker, spec: &Arc<ExportSpec>, context: &Context, home: Option<Home>) {
    let name = format!("export[{}]", spec.key);
    worker.dataflow_named::<Epoch, _, _>(&name, |scope| wire(scope, spec, context, home));
}

fn wire(scope: Scope<'_, Epoch>, spec: &Arc<ExportSpec>, context: &Context, home: Option<Home>) {
    let key = spec.key.clone();
    let named = |operator: &str| format!("{operator}[{key}]");
    let (committed, watch_committed) = watch::channel(0);
    let home_index = home_of(spec, scope.peers()) as u64;
    let (plan, commit_config) = match home {
        Some(home) => {
            let planner = {
                let spec = Arc::clone(spec);
                move |emitter| Planner::new(spec, emitter, watch_committed, home.covered).run(home.adopted)
            };
            (Some(planner), Some(commit_config(spec, home.fence, committed)))
        }
        None => (None, None),
    };

    let planned = bridge::source::<PlannedWindow, PipelineError, _, _>(scope, &named("plan"), context, plan);
    let roots = planned.flat_map(|window| first_attempts(&window));
    let (feedback, again) = scope.feedback::<Vec<Attempt>>(Rounds(1));
    let attempts = roots.concat(again);
    let by_leaf = Exchange::new(|attempt: &Attempt| hash(&(attempt.leaf.window, &attempt.leaf.path)));
    let reading = Arc::new(read_config(spec));
    let events = bridge::operator(attempts, by_leaf, &named("read"), context, |commands, replies| {
        read(commands, replies, reading)
    });
    let kept = dedup(events, &named("dedup"));
    let writing = Arc::new(files_config(spec));
    let outcomes = bridge::operator(kept, Pipeline, &named("files"), context, |commands, replies| {
        write_files(commands, replies, writing)
    });
    let (reports, retries) = route(outcomes, &named("split"), split_config(spec));
    retries.connect_loop(feedback);
    let to_home = Exchange::new(move |_: &LeafReport| home_index);
    let windows = bridge::operator(reports, to_home, &named("commit"), context, |commands, replies| {
        run_commit(commands, replies, commit_config)
    });
    let told = windows.map({
        let spec = Arc::clone(spec);
        move |window| crate::journal::window_committed(&spec, &window)
    });
    publish_frontier(told, &named("durable"), spec.durable.clone());
}

/// The leaves that a window begins with.
fn first_attempts(planned: &PlannedWindow) -> Vec<Attempt> {
    vec![Attempt {
        leaf: Leaf::root(planned.window),
        generation: planned.generation,
        waits: 0,
    }]
}

/// Off the home worker there is nothing to commit, and nothing comes.
async fn run_commit(
    mut commands: bridge::Commands<LeafReport>,
    replies: bridge::Replies<CommittedWindow>,
    config: Option<CommitConfig>,
) -> Result<(), SinkError> {
    match config {
        Some(config) => commit(commands, replies, config).await,
        None => {
            while commands.recv().await.is_some() {}
            Ok(())
        }
    }
}

fn commit_config(spec: &Arc<ExportSpec>, fence: Fence, committed: watch::Sender<u64>) -> CommitConfig {
    CommitConfig {
        catalog: spec.catalog.clone(),
        fence,
        run: spec.owner.run.clone(),
        columns: spec.columns.clone(),
        progress: spec.progress.clone(),
        clock: spec.clock.clone(),
        allow_letters: spec.allow_letters,
        committed,
    }
}

fn read_config(spec: &Arc<ExportSpec>) -> ReadConfig {
    ReadConfig {
        service: spec.service.clone(),
        key: spec.key.clone(),
        columns: spec.columns.clone(),
        tuning: spec.tuning.clone(),
        memory: spec.memory.clone(),
        leaf_memory: spec.leaf_memory,
        slots: Arc::clone(&spec.slots),
        turns: spec.turns.clone(),
        project: spec.key.project.as_str().into(),
        gate: spec.gate.clone(),
        learned: Arc::clone(&spec.learned),
        progress: spec.progress.clone(),
        deadline: spec.deadline,
        clock: spec.clock.clone(),
    }
}

fn files_config(spec: &Arc<ExportSpec>) -> FilesConfig {
    FilesConfig {
        store: spec.catalog.store.clone(),
        layout: spec.catalog.layout.clone(),
        key: spec.key.clone(),
        encode: spec.encode.clone(),
        upload: spec.upload,
        file_size: spec.file_size,
        progress: spec.progress.clone(),
    }
}

fn split_config(spec: &Arc<ExportSpec>) -> SplitConfig {
    SplitConfig {
        key: spec.key.clone(),
        learned: Arc::clone(&spec.learned),
        progress: spec.progress.clone(),
        clock: spec.clock.clone(),
    }
}
