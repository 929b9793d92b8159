//! What goes on in the background: locks are kept, and jobs of workers that are gone come back.

use std::sync::Arc;
use std::time::Duration;

use super::held::Inner;
use crate::queue::QueueError;
use crate::queue::payload::OWN_JOB;

/// How many locks one call keeps.
const TOGETHER: usize = 1_000;

/// Keeps the locks of everything that is held, four times in a lock's life.
pub(super) async fn locks(inner: Arc<Inner>, lock: Duration) {
    loop {
        tokio::time::sleep(lock / 4).await;
        // Redis may be away: what is held stays held, and its locks are taken again if nobody else had the jobs.
        if let Err(error) = extend(&inner, lock).await {
            tracing::debug!(%error, "locks_not_kept");
        }
    }
}

async fn extend(inner: &Inner, lock: Duration) -> Result<(), QueueError> {
    for (source, jobs) in inner.all() {
        for jobs in jobs.chunks(TOGETHER) {
            let lost: Vec<String> = inner
                .commands
                .run(
                    &inner.scripts.extend,
                    &inner.sources[source].base,
                    inner.clock.now().0,
                    |call| {
                        call.arg(&inner.token).arg(lock.as_millis() as u64);
                        for (_, id) in jobs {
                            call.arg(&**id);
                        }
                    },
                )
                .await?;
            for (handle, _) in jobs.iter().filter(|(_, id)| lost.iter().any(|lost| **lost == **id)) {
                inner.lose(*handle);
            }
        }
    }
    Ok(())
}

/// Looks for jobs without a worker, once in `interval` over all workers of a queue.
pub(super) async fn stalled(inner: Arc<Inner>, interval: Duration, most: u32) {
    loop {
        for source in &inner.sources {
            let found: Result<(Vec<String>, Vec<String>), QueueError> = inner
                .commands
                .run(&inner.scripts.stalled, &source.base, inner.clock.now().0, |call| {
                    call.arg(interval.as_millis() as u64).arg(most).arg(OWN_JOB);
                })
                .await;
            match found {
                Ok((again, failed)) => {
                    let queue = &source.name;
                    if !again.is_empty() {
                        tracing::warn!(%queue, jobs = again.len(), "jobs_stalled");
                    }
                    if !failed.is_empty() {
                        tracing::error!(%queue, jobs = failed.len(), ids = ?failed, "jobs_stalled_too_often");
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "stalled_jobs_not_looked_for");
                    break;
                }
            }
        }
        tokio::time::sleep(interval).await;
    }
}
