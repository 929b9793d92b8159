//! The task beside the merge's `lookup` operator: what ClickHouse has of entities, and where needed their history.
//!
//! An entity's history (its raw objects) is read only where a patch is older than the last write of the stored row: then
//! the order of times must be found again from the events themselves. A row that was written after all of its patches, as
//! nearly all are, is enough by itself.
//!
//! *On error.* Asks are repeated without end: nothing is written of an entity whose state is not known.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tracemill_model::Millis;
use tracemill_model::ingest::raw_name::job_of;
use tracemill_model::ingest::{EntityKey, Text};
use tracemill_operators::bridge::{Command, Commands, Replies};
use tracemill_operators::decode::flow::{Decoder, Fetched, read};
use tracemill_operators::merge::hold::{Ask, Wanted};
use tracemill_operators::merge::piece::Stored as Known;
use tracemill_operators::merge::pieces::Looked;
use tracemill_operators::merge::{Keyed, Patch, Tombstones};
use tracemill_warehouse::{Service, tombstones};

use super::{Stored, history, lookup};
use crate::SourceError;
use crate::raw::{RawStore, patiently, pause};

/// What lookups need.
#[derive(Clone)]
pub struct AnswerConfig {
    /// Where the rows are.
    pub service: Service,
    /// Where the raw objects are.
    pub store: Arc<dyn RawStore>,
    /// What the paths of raw objects begin with.
    pub prefix: Text,
    /// How objects are read.
    pub decoder: Decoder,
    /// Gets the deletions that are found.
    pub tombstones: Tombstones,
    /// How many raw objects of an entity are read at most, the newest; 0: none.
    pub history: usize,
    /// How many asks are answered at once.
    pub at_once: usize,
    /// How much was asked.
    pub figures: Arc<AnswerFigures>,
}

impl std::fmt::Debug for AnswerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerConfig")
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

/// How much was asked.
#[derive(Debug, Default)]
pub struct AnswerFigures {
    /// Asks, each one query or more for each kind of entity.
    pub asks: AtomicU64,
    /// Entities that were stored.
    pub found: AtomicU64,
    /// Entities of which raw objects were read again.
    pub histories: AtomicU64,
}

/// Runs until its commands end.
///
/// # Errors
/// None: what fails is asked again.
pub async fn answer(
    mut commands: Commands<Ask>,
    replies: Replies<Looked>,
    config: Arc<AnswerConfig>,
) -> Result<(), SourceError> {
    let mut running = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !running.is_empty() {
        tokio::select! {
            biased;
            Some(()) = running.next(), if !running.is_empty() => {}
            command = commands.recv(), if is_open && running.len() < config.at_once.max(1) => match command {
                Some(Command::Item { ticket, item, .. }) => {
                    let (config, replies) = (Arc::clone(&config), replies.clone());
                    running.push(async move {
                        for looked in one(item, &config).await {
                            replies.give(ticket, looked);
                        }
                        replies.done(ticket);
                    });
                }
                Some(Command::Frontier(_)) => {}
                None => is_open = false,
            },
        }
    }
    Ok(())
}

async fn one(ask: Ask, config: &AnswerConfig) -> Vec<Looked> {
    config.figures.asks.fetch_add(1, Ordering::Relaxed);
    let keys: Vec<EntityKey> = ask.keys.iter().map(|(keyed, _)| keyed.key.clone()).collect();
    if config.tombstones.has_any() {
        let deleted = repeated("tombstones", || async {
            Ok(tombstones::find(&config.service, &keys).await?)
        });
        config.tombstones.add(deleted.await);
    }
    let mut found = repeated("stored rows", || lookup(&config.service, &keys)).await;
    config.figures.found.fetch_add(found.len() as u64, Ordering::Relaxed);
    let late: HashSet<EntityKey> = ask
        .keys
        .iter()
        .filter(|(keyed, wanted)| config.history > 0 && is_late(found.get(&keyed.key), *wanted))
        .map(|(keyed, _)| keyed.key.clone())
        .collect();
    let mut patches = if late.is_empty() {
        HashMap::new()
    } else {
        config.figures.histories.fetch_add(late.len() as u64, Ordering::Relaxed);
        histories(&late, config).await
    };
    ask.keys
        .into_iter()
        .map(|(key, _)| {
            let stored = found.remove(&key.key).map(|stored| Arc::new(known(stored)));
            Looked {
                is_whole: stored.is_none() || config.history == 0 || late.contains(&key.key),
                stored,
                history: patches.remove(&key).unwrap_or_default(),
                key,
            }
        })
        .collect()
}

fn known(stored: Stored) -> Known {
    let Stored { row, others } = stored;
    // Their versions are given when they are buried.
    let others = others.iter().filter_map(|place| place.grave(&row, Millis(0))).collect();
    Known { row, others }
}

/// Whether a patch may have to be applied before one that is in the row already.
fn is_late(stored: Option<&Stored>, wanted: Wanted) -> bool {
    match (stored, wanted.oldest) {
        (Some(stored), Some(oldest)) => oldest <= stored.row.updated_at(),
        _ => false,
    }
}

/// The patches of those entities in the raw objects that were taken in before.
async fn histories(wanted: &HashSet<EntityKey>, config: &AnswerConfig) -> HashMap<Keyed, Vec<Arc<Patch>>> {
    let keys: Vec<EntityKey> = wanted.iter().cloned().collect();
    let logged = repeated("history", || history(&config.service, &keys)).await;
    let mut paths: HashMap<Text, Millis> = HashMap::new();
    for objects in logged.values() {
        let newest = objects.iter().rev().take(config.history);
        paths.extend(newest.map(|object| (object.path.clone(), object.created_at)));
    }
    let mut patches: HashMap<Keyed, Vec<Arc<Patch>>> = HashMap::new();
    for (path, created) in paths {
        let Some(job) = job_of(&config.prefix, &path, created) else {
            continue;
        };
        let Some(bytes) = patiently(&path, || config.store.read(&path)).await else {
            // Removed meanwhile: what it said is in the row.
            continue;
        };
        let object = Fetched {
            job: Arc::new(job),
            bytes: Ok(bytes),
        };
        for item in read(&object, &config.decoder).patches {
            if wanted.contains(&item.key.key) {
                patches.entry(item.key).or_default().push(item.patch);
            }
        }
    }
    patches
}

async fn repeated<T, F, Fut>(what: &str, mut attempt: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, SourceError>>,
{
    let mut tries = 0;
    loop {
        match attempt().await {
            Ok(answer) => return answer,
            Err(error) => {
                tries += 1;
                let wait = pause(tries);
                tracing::warn!(what, tries, wait_ms = wait.as_millis(), error = %error, "lookup_waiting");
                tokio::time::sleep(wait).await;
            }
        }
    }
}
