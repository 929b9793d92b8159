//! What the export asks before it begins a leaf and for each piece that it reads: how many leaves at once, how many bytes a
//! second.
//!
//! A stream that is not read on lets ClickHouse's query wait, so pacing holds within a leaf as well. Invariants: a change of
//! the settings holds for those who wait already; somebody always gets on, however low the settings are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How much of ClickHouse the export may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Leaves at once, at least one.
    pub leaves: u64,
    /// Bytes of answers a second; `None` is without a limit.
    pub bytes_per_second: Option<u64>,
}

impl Settings {
    /// No limit beyond the configuration's own.
    pub const OPEN: Self = Self {
        leaves: u64::MAX,
        bytes_per_second: None,
    };
}

/// The longest pause before the settings are looked at again.
const LONGEST: Duration = Duration::from_millis(500);

/// Shared by everything that reads for the export. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: watch::Sender<Settings>,
    leaves: watch::Sender<u64>,
    /// When what was taken so far is paid for.
    paid: Mutex<Option<Instant>>,
    bytes: AtomicU64,
    waiting: AtomicU64,
}

/// A leaf that is read, until this is dropped.
#[derive(Debug)]
pub struct Passed(Gate);

impl Drop for Passed {
    fn drop(&mut self) {
        self.0.0.leaves.send_modify(|leaves| *leaves -= 1);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Inner {
            settings: watch::Sender::new(Settings::OPEN),
            leaves: watch::Sender::new(0),
            paid: Mutex::default(),
            bytes: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        }))
    }
}

impl Gate {
    /// From now on.
    pub fn set(&self, settings: Settings) {
        let settings = Settings {
            leaves: settings.leaves.max(1),
            bytes_per_second: settings.bytes_per_second.map(|bytes| bytes.max(1)),
        };
        self.0
            .settings
            .send_if_modified(|now| std::mem::replace(now, settings) != settings);
    }

    /// What holds now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        *self.0.settings.borrow()
    }

    /// Bytes that were let through.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Readers that wait here now.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Whether a leaf would have to wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self.0.leaves.borrow() >= self.settings().leaves
    }

    /// Waits until another leaf may begin.
    pub async fn leaf(&self) -> Passed {
        let (mut settings, mut leaves) = (self.0.settings.subscribe(), self.0.leaves.subscribe());
        let _waiting = Waiting::enter(&self.0.waiting);
        loop {
            let limit = settings.borrow_and_update().leaves;
            leaves.borrow_and_update();
            let entered = self.0.leaves.send_if_modified(|now| {
                let is_free = *now < limit;
                *now += u64::from(is_free);
                is_free
            });
            if entered {
                return Passed(self.clone());
            }
            // Both senders are ours, and live.
            tokio::select! {
                _ = settings.changed() => {}
                _ = leaves.changed() => {}
            }
        }
    }

    /// Waits until that many bytes may have been read: those of the past are paid for before more are taken.
    pub async fn take(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        let Some(rate) = self.settings().bytes_per_second else {
            return;
        };
        let mut due = {
            let mut paid = self.0.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let from = paid.map_or(now, |paid| paid.max(now));
            *paid = Some(from + Duration::from_secs_f64(bytes as f64 / rate as f64));
            from
        };
        let _waiting = Waiting::enter(&self.0.waiting);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST)).await;
            match self.settings().bytes_per_second {
                None => {
                    *self.0.paid.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    return;
                }
                // What is left of the wait is as much shorter as the rate is higher.
                Some(now) if now > rate => {
                    let left = due.saturating_duration_since(Instant::now());
                    due = Instant::now() + left.mul_f64(rate as f64 / now as f64);
                }
                Some(_) => {}
            }
        }
    }
}

/// Counts a waiting reader for as long as it lives.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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

    #[tokio::test]
    async fn so_many_leaves_pass_and_a_change_holds_for_those_who_wait() {
        let gate = Gate::default();
        let settings = |leaves| Settings {
            leaves,
            bytes_per_second: None,
        };
        gate.set(settings(1));
        let first = gate.leaf().await;
        let mut second = pin!(gate.leaf());
        assert!(poll(second.as_mut()).is_pending() && gate.is_full());
        gate.set(settings(2));
        let Poll::Ready(second) = poll(second.as_mut()) else {
            panic!("two may pass")
        };
        gate.set(settings(0));
        let mut third = pin!(gate.leaf());
        assert!(poll(third.as_mut()).is_pending(), "one at a time again");
        drop(first);
        assert!(poll(third.as_mut()).is_pending(), "one is still there");
        drop(second);
        assert!(poll(third.as_mut()).is_ready(), "and never none");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_come_at_their_rate() {
        let gate = Gate::default();
        let began = Instant::now();
        for _ in 0..1_000 {
            gate.take(1 << 20).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "nothing waits without a limit");
        gate.set(Settings {
            leaves: 1,
            bytes_per_second: Some(10 << 20),
        });
        for _ in 0..101 {
            gate.take(1 << 20).await;
        }
        let took = began.elapsed().as_secs_f64();
        assert!((9.9..10.2).contains(&took), "{took}");
        assert_eq!(gate.bytes(), 1_101 << 20);
    }
}
