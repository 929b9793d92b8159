//! How many interactive queries run at once, and how long others wait for their turn: never a pile-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ReadError;

/// A limit with a queue of bounded length and patience. Turns are given in the order of arrival.
#[derive(Debug)]
pub struct Admission {
    at_once: usize,
    free: Arc<Semaphore>,
    queue: usize,
    waiting: AtomicUsize,
    wait: Duration,
    full: AtomicU64,
    late: AtomicU64,
}

/// A query that may run, until this is dropped.
#[derive(Debug)]
pub struct Admitted(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Admission {
    /// `at_once` run, at least one; `queue` more wait, each for `wait` at most.
    #[must_use]
    pub fn new(at_once: usize, queue: usize, wait: Duration) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            at_once,
            free: Arc::new(Semaphore::new(at_once)),
            queue,
            waiting: AtomicUsize::new(0),
            wait,
            full: AtomicU64::new(0),
            late: AtomicU64::new(0),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ReadError::Busy`]: the queue is full, or the turn did not come in time.
    pub async fn enter(&self) -> Result<Admitted, ReadError> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(Admitted(permit));
        }
        let waiting = Waiting(&self.waiting);
        if waiting.0.fetch_add(1, Ordering::AcqRel) >= self.queue {
            self.full.fetch_add(1, Ordering::Relaxed);
            return Err(ReadError::Busy);
        }
        match tokio::time::timeout(self.wait, Arc::clone(&self.free).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Admitted(permit)),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => {
                self.late.fetch_add(1, Ordering::Relaxed);
                Err(ReadError::Busy)
            }
        }
    }

    /// Queries that were sent away: since the queue was full, and since their turn did not come in time.
    #[must_use]
    pub fn refused(&self) -> (u64, u64) {
        (self.full.load(Ordering::Relaxed), self.late.load(Ordering::Relaxed))
    }

    /// Queries that run, and that wait.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let running = self.at_once - self.free.available_permits();
        (running, self.waiting.load(Ordering::Acquire))
    }
}

/// Counts a waiting query until it is dropped, also when its reader goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_run_a_few_wait_and_the_rest_come_again() {
        let admission = Admission::new(2, 1, Duration::from_secs(3));
        let first = admission.enter().await.expect("a turn");
        let _second = admission.enter().await.expect("a turn");
        let mut third = pin!(admission.enter());
        assert!(poll(third.as_mut()).is_pending());
        assert_eq!(admission.load(), (2, 1));
        assert!(
            matches!(admission.enter().await, Err(ReadError::Busy)),
            "the queue is full"
        );
        drop(first);
        let Poll::Ready(Ok(_third)) = poll(third.as_mut()) else {
            panic!("a turn is free")
        };
        // Nobody leaves: the wait ends.
        assert!(matches!(admission.enter().await, Err(ReadError::Busy)));
        assert_eq!(admission.load(), (2, 0));
        assert_eq!(admission.refused(), (1, 1));
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_leaves_its_place() {
        let admission = Admission::new(1, 1, Duration::from_secs(3));
        let _first = admission.enter().await.expect("a turn");
        {
            let mut second = pin!(admission.enter());
            assert!(poll(second.as_mut()).is_pending());
        }
        assert_eq!(admission.load(), (1, 0));
    }
}
