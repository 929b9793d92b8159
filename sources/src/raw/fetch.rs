//! The task beside the `fetch` operator: reads the objects of jobs, several at once, each with patience.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tracemill_model::ingest::{Encoding, Holds, Job, RawForm, Sdk, Text};
use tracemill_operators::bridge::{Command, Commands, Replies};
use tracemill_operators::decode::flow::Fetched;

use super::{RawError, RawStore, pause};
use crate::SourceError;
use crate::queue::{EntityJob, Work};

/// What fetching needs.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// Where the objects are.
    pub store: Arc<dyn RawStore>,
    /// What the reference's paths of entities begin with: `events/`.
    pub prefix: Text,
    /// How many jobs are fetched at once.
    pub at_once: usize,
}

/// Runs until its commands end.
///
/// # Errors
/// None: what cannot be read is given on as that.
pub async fn fetch(
    mut commands: Commands<Work>,
    replies: Replies<Fetched>,
    config: Arc<FetchConfig>,
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
                        for object in objects(&item, &config).await {
                            replies.give(ticket, object);
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

/// The objects of a job.
async fn objects(work: &Work, config: &FetchConfig) -> Vec<Fetched> {
    match work {
        Work::Take(job) => vec![object(Arc::new(job.clone()), config).await],
        Work::Entity(entity) => entity_objects(entity, config).await,
        Work::GivenUp { job, reason } => vec![Fetched {
            job: Arc::new(job.clone()),
            bytes: Err(reason.clone()),
        }],
        // Others have nothing to fetch; they do not come here.
        Work::Delete(_) | Work::Row { .. } | Work::Unsupported { .. } | Work::Broken { .. } => Vec::new(),
    }
}

async fn object(job: Arc<Job>, config: &FetchConfig) -> Fetched {
    let found = patiently(&job.object, || config.store.read(&job.object)).await;
    let bytes = found.ok_or_else(|| "there is no such object any more".to_owned());
    Fetched { job, bytes }
}

/// The files of the reference's entity: the one that the job names, or all of the entity's own folder.
async fn entity_objects(entity: &EntityJob, config: &FetchConfig) -> Vec<Fetched> {
    let folder = format!("{}{}/{}/{}", config.prefix, entity.project, entity.kind, entity.id);
    let jobs: Vec<Job> = match (&entity.file_key, entity.skip_list) {
        (Some(file), true) => vec![entity_file(entity, format!("{folder}/{file}.json"), entity.received)],
        _ => {
            let listed = patiently(&folder, || config.store.list(&folder)).await;
            files_of(&folder, listed)
                .into_iter()
                .map(|entry| entity_file(entity, entry.path, entry.modified))
                .collect()
        }
    };
    let mut fetched = Vec::with_capacity(jobs.len());
    for job in jobs {
        fetched.push(object(Arc::new(job), config).await);
    }
    fetched
}

/// Of what lies below an entity's folder, its own files: an id with a slash makes folders below that of another id.
#[must_use]
pub fn files_of(folder: &str, listed: Vec<super::RawEntry>) -> Vec<super::RawEntry> {
    let is_own = |path: &str| {
        path.strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|name| !name.contains('/') && name.ends_with(".json"))
    };
    listed.into_iter().filter(|entry| is_own(&entry.path)).collect()
}

fn entity_file(entity: &EntityJob, path: String, received: tracemill_model::Millis) -> Job {
    Job {
        project: entity.project.clone(),
        object: path.into(),
        form: RawForm::Events,
        encoding: Encoding::Identity,
        bytes: 0,
        holds: Holds::default(),
        received,
        sdk: Sdk::default(),
        access: tracemill_model::ingest::Access::Project,
    }
}

/// Repeats until the store answers.
pub(crate) async fn patiently<T, F, Fut>(path: &str, mut attempt: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, RawError>>,
{
    let mut tries = 0;
    loop {
        match attempt().await {
            Ok(answer) => return answer,
            Err(error) => {
                tries += 1;
                let wait = pause(tries);
                tracing::warn!(path, tries, wait_ms = wait.as_millis(), error = %error, "raw_store_away");
                tokio::time::sleep(wait).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tracemill_model::Millis;

    use super::super::RawEntry;
    use super::*;

    #[test]
    fn an_entity_has_only_its_own_files() {
        let entry = |path: &str| RawEntry {
            path: path.to_owned(),
            modified: Millis(0),
        };
        let listed = [
            "events/p/trace/a/1.json",
            "events/p/trace/a/b/2.json",
            "events/p/trace/ab/3.json",
            "events/p/trace/a/x.txt",
        ];
        let own = files_of("events/p/trace/a", listed.map(entry).to_vec());
        assert_eq!(own, [entry("events/p/trace/a/1.json")]);
    }
}
