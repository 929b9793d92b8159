//! How long a leaf may be read, without the time that it was made to wait.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The shortest sleep before it is looked again: while the leaf waits, what is left does not shrink.
const LOOK: Duration = Duration::from_millis(5);

/// A time that stands still while its leaf is held back.
#[derive(Debug)]
pub(super) struct Deadline {
    limit: Duration,
    began: Instant,
    held: Mutex<Held>,
}

/// One reader at a time has a leaf's deadline, so at most one pause is under way.
#[derive(Debug, Default)]
struct Held {
    before: Duration,
    since: Option<Instant>,
}

/// The leaf is held back, until this is dropped.
#[derive(Debug)]
pub(super) struct Pause<'a>(&'a Deadline);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = held.since.take() {
            held.before += since.elapsed();
        }
    }
}

impl Deadline {
    /// From now on.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            began: Instant::now(),
            held: Mutex::default(),
        }
    }

    /// The leaf is held back from now on, through no fault of its own.
    pub(super) fn pause(&self) -> Pause<'_> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.since.get_or_insert_with(Instant::now);
        Pause(self)
    }

    /// How long the leaf was held back so far.
    pub(super) fn held_back(&self) -> Duration {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.before + held.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn left(&self) -> Duration {
        (self.limit + self.held_back()).saturating_sub(self.began.elapsed())
    }

    /// What comes before the deadline; `None`: it did not.
    pub(super) async fn within<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(answer);
        loop {
            let left = self.left();
            if left.is_zero() {
                return None;
            }
            // What is ready is taken before the clock is looked at.
            if let Ok(answer) = tokio::time::timeout(left.max(LOOK), &mut answer).await {
                return Some(answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tracemill_operators::governor::{Gate, Settings};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_ends_at_the_deadline() {
        let deadline = Deadline::new(10 * SECOND);
        let began = Instant::now();
        assert_eq!(deadline.within(tokio::time::sleep(9 * SECOND)).await, Some(()));
        assert_eq!(deadline.within(tokio::time::sleep(9 * SECOND)).await, None);
        let took = began.elapsed();
        assert!(
            (10 * SECOND..=10 * SECOND + 2 * LOOK).contains(&took),
            "both share it: {took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_at_the_gate_takes_nothing_of_it() {
        let gate = Gate::default();
        gate.set(Settings {
            leaves: 1,
            bytes_per_second: Some(1_000),
        });
        let deadline = Deadline::new(10 * SECOND);
        let began = Instant::now();
        // Ten seconds of reading, each of a piece that the gate lets through in ten.
        let paced = deadline.within(async {
            for _ in 0..9 {
                tokio::time::sleep(SECOND).await;
                let _pause = deadline.pause();
                gate.take(10_000).await;
            }
        });
        assert_eq!(paced.await, Some(()));
        assert!(began.elapsed() > 70 * SECOND, "{:?}", began.elapsed());
        assert!(deadline.held_back() > 60 * SECOND, "{:?}", deadline.held_back());
        let rest = began.elapsed();
        assert_eq!(deadline.within(std::future::pending::<()>()).await, None);
        assert!(
            (SECOND..=SECOND + 2 * LOOK).contains(&(began.elapsed() - rest)),
            "what it did itself counts: {:?}",
            began.elapsed() - rest
        );
    }
}
