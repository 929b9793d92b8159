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

use super::Readers;

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

    /// The same, within a ceiling.
    #[must_use]
    pub fn within(self, ceiling: Self) -> Self {
        let rates = [self.bytes_per_second, ceiling.bytes_per_second];
        Self {
            leaves: self.leaves.min(ceiling.leaves),
            bytes_per_second: rates.into_iter().flatten().min(),
        }
    }
}

/// What passed a gate, and what waits there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passage {
    /// Leaves that are read now.
    pub leaves: u64,
    /// The most that were read at once.
    pub most_leaves: u64,
    /// Bytes that were let through.
    pub bytes: u64,
    /// Readers that wait now.
    pub waiting: u64,
    /// How long readers waited, added up.
    pub waited: Duration,
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
    most_leaves: AtomicU64,
    bytes: AtomicU64,
    waiting: AtomicU64,
    waited_us: AtomicU64,
    readers: Readers,
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
        Self::beside(Readers::default())
    }
}

impl Gate {
    /// A gate whose export also gives way to readers as they come.
    #[must_use]
    pub fn beside(readers: Readers) -> Self {
        Self(Arc::new(Inner {
            settings: watch::Sender::new(Settings::OPEN),
            leaves: watch::Sender::new(0),
            paid: Mutex::default(),
            most_leaves: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            waited_us: AtomicU64::new(0),
            readers,
        }))
    }

    /// To whom the export gives way.
    #[must_use]
    pub fn readers(&self) -> &Readers {
        &self.0.readers
    }

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

    /// What passed, and what waits.
    #[must_use]
    pub fn passage(&self) -> Passage {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Passage {
            leaves: *self.0.leaves.borrow(),
            most_leaves: get(&self.0.most_leaves),
            bytes: get(&self.0.bytes),
            waiting: get(&self.0.waiting),
            waited: Duration::from_micros(get(&self.0.waited_us)),
        }
    }

    /// Waits until a leaf is read.
    pub async fn reads(&self) {
        // The sender is ours, and lives.
        let _ = self.0.leaves.subscribe().wait_for(|leaves| *leaves > 0).await;
    }

    /// Whether a leaf would have to wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self.0.leaves.borrow() >= self.settings().leaves
    }

    /// Waits until another leaf may begin.
    pub async fn leaf(&self) -> Passed {
        let (mut settings, mut leaves) = (self.0.settings.subscribe(), self.0.leaves.subscribe());
        let _waiting = Waiting::enter(&self.0);
        loop {
            let limit = settings.borrow_and_update().leaves;
            leaves.borrow_and_update();
            let entered = self.0.leaves.send_if_modified(|now| {
                let is_free = *now < limit;
                *now += u64::from(is_free);
                self.0.most_leaves.fetch_max(*now, Ordering::Relaxed);
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

    /// Counts bytes of a reader that is not to wait: others wait the longer for them. When they were paid for, and the rate.
    pub fn charge(&self, bytes: u64) -> Option<(Instant, u64)> {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        let rate = self.settings().bytes_per_second?;
        let mut paid = self.0.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let from = paid.map_or(now, |paid| paid.max(now));
        *paid = Some(from + Duration::from_secs_f64(bytes as f64 / rate as f64));
        Some((from, rate))
    }

    /// Waits until that many bytes may have been read: those of the past are paid for before more are taken; and while readers run.
    pub async fn take(&self, bytes: u64) {
        self.0.readers.give_way().await;
        let Some((mut due, rate)) = self.charge(bytes) else {
            return;
        };
        let _waiting = Waiting::enter(&self.0);
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

/// Counts a waiting reader for as long as it lives, and how long that was.
struct Waiting<'a>(&'a Inner, Instant);

impl<'a> Waiting<'a> {
    fn enter(inner: &'a Inner) -> Self {
        inner.waiting.fetch_add(1, Ordering::Relaxed);
        Self(inner, Instant::now())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        let us = u64::try_from(self.1.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.waited_us.fetch_add(us, Ordering::Relaxed);
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
        assert!((9.9..10.2).contains(&gate.passage().waited.as_secs_f64()));
        // Who is not to wait is paid for by who waits.
        let began = Instant::now();
        assert!(gate.charge(100 << 20).is_some());
        assert_eq!(began.elapsed(), Duration::ZERO);
        gate.take(1).await;
        let took = began.elapsed().as_secs_f64();
        assert!((9.9..10.2).contains(&took), "{took}");
    }

    #[tokio::test]
    async fn the_most_leaves_at_once_are_remembered() {
        let gate = Gate::default();
        let both = (gate.leaf().await, gate.leaf().await);
        drop(both);
        let one = gate.leaf().await;
        let passage = gate.passage();
        assert_eq!((passage.leaves, passage.most_leaves, passage.waiting), (1, 2, 0));
        drop(one);
    }

    #[test]
    fn a_ceiling_is_above_what_is_set() {
        let settings = |leaves, bytes_per_second| Settings {
            leaves,
            bytes_per_second,
        };
        for (set, ceiling, expected) in [
            (Settings::OPEN, Settings::OPEN, Settings::OPEN),
            (Settings::OPEN, settings(2, Some(10)), settings(2, Some(10))),
            (settings(1, Some(20)), settings(2, Some(10)), settings(1, Some(10))),
            (settings(3, Some(5)), settings(2, None), settings(2, Some(5))),
            (settings(3, None), settings(u64::MAX, Some(10)), settings(3, Some(10))),
        ] {
            assert_eq!(set.within(ceiling), expected, "{set:?} {ceiling:?}");
        }
    }
}
