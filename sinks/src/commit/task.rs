//! The task that commits windows, in the order of their epochs.
//!
//! *Frontiers.* A window is committed when the input frontier has passed it: no report of its leaves can come any more.
//! Its reports' capabilities are released after its manifest is in the store, so the output frontier is the export's
//! durable cursor.
//!
//! *Invariants.*
//! 1. Before a manifest is created, every object of its window and generation that it does not name is removed.
//! 2. After it was created, the files of earlier generations are removed.
//! 3. A window whose leaves do not tile it is never committed.
//!
//! *On error.* An outage of the store is waited for without end; a lost race, or a fault that only a person can mend,
//! ends the task and holds the frontier.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tracemill_model::manifest::{MANIFEST_FORMAT, Manifest, ManifestName};
use tracemill_model::{Blame, Window};
use tracemill_operators::bridge::{Command, Commands, Frontier, Replies, Ticket};
use tracemill_operators::clock::{Clock, backoff};
use tracemill_operators::outcome::{LeafReport, Timing};
use tracemill_operators::progress::{Progress, Stage, State};

use super::catalog::Catalog;
use super::fence::{Fence, HEARTBEAT};
use super::letters;
use super::tree::{Whole, WindowTree};
use crate::SinkError;
use crate::store::Created;

/// What committing an export needs.
#[derive(Debug)]
pub struct CommitConfig {
    /// Where its objects are.
    pub catalog: Catalog,
    /// The right to write them.
    pub fence: Fence,
    /// The run's id, for manifests.
    pub run: String,
    /// The columns of the files.
    pub columns: Vec<String>,
    /// What is going on.
    pub progress: Progress,
    /// Now.
    pub clock: Clock,
    /// Whether a letter is an answer to a row that cannot leave; if not, the export stops there.
    pub allow_letters: bool,
    /// Told of each committed window, in order.
    pub committed: watch::Sender<u64>,
}

/// A window that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedWindow {
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// Where the time went, summed over its leaves.
    pub timing: Timing,
    /// How often it was split, by the kind of error.
    pub splits: BTreeMap<String, u32>,
}

/// Commits the windows of an export, for `bridge::operator`.
///
/// # Errors
/// A lost race, a fault that only a person can mend, or leaves that do not make up their window.
pub async fn commit(
    mut commands: Commands<LeafReport>,
    replies: Replies<CommittedWindow>,
    mut config: CommitConfig,
) -> Result<(), SinkError> {
    let mut windows: BTreeMap<u64, Pending> = BTreeMap::new();
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Item { ticket, epoch, item }) => {
                    let pending = windows.entry(epoch.window()).or_default();
                    pending.tickets.push(ticket);
                    pending.tree.add(item)?;
                }
                Some(Command::Frontier(frontier)) => {
                    commit_passed(&mut windows, frontier, &replies, &mut config).await?;
                }
                None => break,
            },
            _ = heartbeat.tick() => {
                // A missed sign of life costs nothing but politeness: the next one, or the intent, comes soon.
                let _ = config.fence.beat(config.clock.now()).await;
            }
        }
    }
    let now = config.clock.now();
    config.fence.release(now).await
}

/// The reports of a window whose frontier has not passed.
#[derive(Default)]
struct Pending {
    tree: WindowTree,
    tickets: Vec<Ticket>,
}

async fn commit_passed(
    windows: &mut BTreeMap<u64, Pending>,
    frontier: Frontier,
    replies: &Replies<CommittedWindow>,
    config: &mut CommitConfig,
) -> Result<(), SinkError> {
    while let Some(entry) = windows
        .first_entry()
        .filter(|entry| frontier.passed_window(*entry.key()))
    {
        let (number, pending) = entry.remove_entry();
        let whole = pending.tree.finish()?;
        let stage = config
            .progress
            .stage(format!("{} commit", whole.window), State::Committing);
        let committed = commit_window(whole, config, &stage).await?;
        config.progress.add(|c| &c.windows_committed, 1);
        config.committed.send_replace(number + 1);
        if let Some(first) = pending.tickets.first() {
            replies.give(*first, committed);
        }
        for ticket in pending.tickets {
            replies.done(ticket);
        }
    }
    Ok(())
}

/// Commits one window, waiting out any outage of the store.
async fn commit_window(whole: Whole, config: &mut CommitConfig, stage: &Stage) -> Result<CommittedWindow, SinkError> {
    if !config.allow_letters && !whole.given_up.is_empty() {
        let errors: Vec<String> = whole
            .given_up
            .iter()
            .map(|one| format!("{}: {}", one.attempt.leaf, one.error.message))
            .collect();
        return Err(SinkError::Stuck {
            export: config.catalog.key.to_string(),
            window: whole.window,
            rows: errors.join("; "),
        });
    }
    let mut tries = 0;
    loop {
        match try_commit(&whole, config).await {
            Ok(manifest) => {
                return Ok(CommittedWindow {
                    manifest: Arc::new(manifest),
                    timing: whole.timing,
                    splits: whole.splits,
                });
            }
            Err(error) if error.is_transient() => {
                tries += 1;
                let pause = backoff(tries);
                tracing::warn!(%error, window = %whole.window, "commit_waits_for_store");
                stage.enter(State::BackingOff {
                    until: config.clock.after(pause),
                    error: error.to_string(),
                });
                tokio::time::sleep(pause).await;
                stage.enter(State::Committing);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn try_commit(whole: &Whole, config: &mut CommitConfig) -> Result<Manifest, SinkError> {
    let name = ManifestName {
        window: whole.window,
        generation: whole.generation,
    };
    let catalog = &config.catalog;
    let letters = letters::write(catalog, name, &whole.given_up).await?;
    let manifest = manifest(whole, config, letters);
    remove_unnamed(catalog, &manifest).await?;
    config
        .fence
        .intend(whole.window, whole.generation, config.clock.now())
        .await?;
    let catalog = &config.catalog;
    let manifest = match catalog.create(&manifest).await? {
        Created::Created => manifest,
        Created::AlreadyExists => {
            // Ours, if an answer got lost; or that of the owner before us, whose intent we adopted.
            let existing = catalog.open(name).await?;
            if existing.run != manifest.run && !is_same_content(&existing, &manifest) {
                let (store, window) = (catalog.store.name().to_owned(), whole.window);
                return Err(SinkError::Conflict {
                    store,
                    export: catalog.key.to_string(),
                    window,
                    run: existing.run,
                });
            }
            existing
        }
    };
    remove_older(catalog, whole.window, whole.generation).await?;
    Ok(manifest)
}

/// Whether two manifests name the same files with the same bytes. Files of one window and generation share their names,
/// so whoever loses the race may have overwritten what the winner's manifest describes.
fn is_same_content(one: &Manifest, two: &Manifest) -> bool {
    let files = |manifest: &Manifest| -> BTreeSet<(String, String, u64)> {
        manifest
            .files
            .iter()
            .map(|file| (file.path.clone(), file.crc32c.clone(), file.bytes))
            .collect()
    };
    files(one) == files(two)
}

fn manifest(
    whole: &Whole,
    config: &CommitConfig,
    letters: Option<tracemill_model::manifest::LettersEntry>,
) -> Manifest {
    let files = whole.written.files.clone();
    Manifest {
        format: MANIFEST_FORMAT,
        export: config.catalog.key.clone(),
        window: whole.window,
        generation: whole.generation,
        written_at: config.clock.now(),
        run: config.run.clone(),
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        files,
        source: whole.written.source,
        letters,
        splits: whole.splits.values().sum(),
        query_ids: whole.written.query_ids.clone(),
        columns: config.columns.clone(),
    }
}

/// Removes what earlier attempts at this generation left.
async fn remove_unnamed(catalog: &Catalog, manifest: &Manifest) -> Result<(), SinkError> {
    let found = catalog.files_of(manifest.window).await?;
    let is_named = |path: &str| manifest.files.iter().any(|file| file.path == path);
    let mut unnamed = Vec::new();
    for (path, name) in found {
        if name.generation == manifest.generation && !is_named(&path) && catalog.is_ours(&path, &name).await? {
            unnamed.push(path);
        }
    }
    remove(catalog, unnamed).await
}

/// Removes the files, manifests and letters of the generations before this one.
async fn remove_older(catalog: &Catalog, window: Window, generation: u32) -> Result<(), SinkError> {
    if generation <= 1 {
        return Ok(());
    }
    let found = catalog.files_of(window).await?;
    let mut older: Vec<String> = found
        .into_iter()
        .filter(|(_, name)| name.generation < generation)
        .map(|(path, _)| path)
        .collect();
    let before = ManifestName {
        window,
        generation: generation - 1,
    };
    older.push(catalog.layout.manifest_path(&catalog.key, before));
    older.push(catalog.layout.letters_path(&catalog.key, before));
    remove(catalog, older).await
}

async fn remove(catalog: &Catalog, paths: Vec<String>) -> Result<(), SinkError> {
    if paths.is_empty() {
        Ok(())
    } else {
        catalog.store.delete(&paths).await
    }
}
