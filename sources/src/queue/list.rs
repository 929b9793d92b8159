//! A queue over a list that is known from the start, each entry of which is handed out once: for replays.
//!
//! *Invariants.* Nothing is kept: what is not done when the process ends is in the list of the next replay. What cannot be
//! done is counted, and never handed out again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tracemill_model::Millis;

use super::{Acknowledged, Depth, Failed, JobHandle, Producer, Pulled, Queue, QueueError, Retried, State, Work};

/// The queue's name in what it hands out.
const NAME: &str = "list";

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    waiting: VecDeque<Work>,
    active: HashMap<u64, Work>,
    failed: Vec<Failed>,
    is_closed: bool,
}

/// The list.
#[derive(Debug)]
pub struct ListQueue {
    inner: Mutex<Inner>,
    is_empty: watch::Sender<bool>,
    name: Arc<str>,
}

impl ListQueue {
    /// Hands these out, in their order.
    #[must_use]
    pub fn new(work: impl IntoIterator<Item = Work>) -> Self {
        let waiting: VecDeque<Work> = work.into_iter().collect();
        Self {
            is_empty: watch::Sender::new(waiting.is_empty()),
            inner: Mutex::new(Inner {
                waiting,
                ..Inner::default()
            }),
            name: NAME.into(),
        }
    }

    /// Waits until everything was handed out.
    pub async fn handed_out(&self) {
        // The sender is this queue's own, so it cannot be gone.
        let _ = self.is_empty.subscribe().wait_for(|is_empty| *is_empty).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for ListQueue {
    async fn pull(&self, max: usize, max_wait: Duration) -> Result<Vec<Pulled>, QueueError> {
        let pulled: Vec<Pulled> = {
            let mut inner = self.lock();
            let count = if inner.is_closed {
                0
            } else {
                max.min(inner.waiting.len())
            };
            (0..count)
                .filter_map(|_| {
                    let job = inner.waiting.pop_front()?;
                    let id = inner.next;
                    inner.next += 1;
                    inner.active.insert(id, job.clone());
                    Some(Pulled {
                        id: JobHandle(id),
                        job,
                        attempts: 0,
                        enqueued: Millis(0),
                        queue: Arc::clone(&self.name),
                    })
                })
                .collect()
        };
        if pulled.is_empty() && max > 0 {
            tokio::time::sleep(max_wait).await;
        }
        let is_empty = self.lock().waiting.is_empty();
        self.is_empty
            .send_if_modified(|was| std::mem::replace(was, is_empty) != is_empty);
        Ok(pulled)
    }

    async fn done(&self, handles: &[JobHandle]) -> Result<Acknowledged, QueueError> {
        let mut inner = self.lock();
        let (ours, lost): (Vec<JobHandle>, Vec<JobHandle>) = handles
            .iter()
            .copied()
            .partition(|handle| inner.active.remove(&handle.0).is_some());
        Ok(Acknowledged { done: ours.len(), lost })
    }

    async fn retry(&self, handle: JobHandle, _reason: &str) -> Result<Retried, QueueError> {
        let mut inner = self.lock();
        let Some(job) = inner.active.remove(&handle.0) else {
            return Ok(Retried::Lost);
        };
        inner.waiting.push_back(job);
        drop(inner);
        self.is_empty.send_replace(false);
        Ok(Retried::After(Duration::ZERO))
    }

    async fn fail(&self, handle: JobHandle, reason: &str) -> Result<bool, QueueError> {
        let mut inner = self.lock();
        let Some(job) = inner.active.remove(&handle.0) else {
            return Ok(false);
        };
        inner.failed.push(Failed {
            queue: Arc::clone(&self.name),
            id: handle.0.to_string().into(),
            job,
            attempts: 1,
            reason: reason.to_owned(),
            at: Millis(0),
        });
        Ok(true)
    }

    fn take_lost(&self) -> Vec<JobHandle> {
        Vec::new()
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let inner = self.lock();
        Ok(Depth {
            waiting: inner.waiting.len() as u64,
            active: inner.active.len() as u64,
            failed: inner.failed.len() as u64,
            ..Depth::default()
        })
    }

    async fn failed(&self, max: usize) -> Result<Vec<Failed>, QueueError> {
        Ok(self.lock().failed.iter().rev().take(max).cloned().collect())
    }

    fn state(&self) -> State {
        if self.lock().is_closed {
            State::Closed
        } else {
            State::Ready
        }
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.lock().is_closed = true;
        Ok(())
    }
}

#[async_trait]
impl Producer for ListQueue {
    /// The list is what it is.
    async fn add_work(&self, _work: &[Work], _delay: Duration) -> Result<(), QueueError> {
        Err(QueueError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(name: &str) -> Work {
        Work::Unsupported {
            name: name.into(),
            data: "".into(),
        }
    }

    #[tokio::test]
    async fn each_entry_is_handed_out_once() {
        let queue = ListQueue::new(["a", "b", "c"].map(work));
        let two = queue.pull(2, Duration::ZERO).await.expect("two");
        assert_eq!(
            two.iter().map(|one| &one.job).collect::<Vec<_>>(),
            [&work("a"), &work("b")]
        );
        let last = queue.pull(2, Duration::ZERO).await.expect("one");
        assert_eq!(last.len(), 1);
        queue.handed_out().await;
        assert!(queue.pull(2, Duration::ZERO).await.expect("none").is_empty());
        let handles = [two[0].id, last[0].id];
        assert_eq!(queue.done(&handles).await.expect("done").done, 2);
        assert_eq!(queue.done(&handles).await.expect("lost").lost, handles);
        assert!(queue.fail(two[1].id, "no").await.expect("failed"));
        let depth = queue.depth().await.expect("a depth");
        assert_eq!((depth.waiting, depth.active, depth.failed), (0, 0, 1));
        assert_eq!(
            queue.add_work(&[work("d")], Duration::ZERO).await,
            Err(QueueError::Closed)
        );
    }

    #[tokio::test]
    async fn an_empty_list_is_handed_out_at_once() {
        ListQueue::new([]).handed_out().await;
    }
}
