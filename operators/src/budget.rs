//! The byte budget: backpressure as permits.
//!
//! A batch owns a [`Permit`] from the moment before its bytes exist until its sink is done with it. Budgets form a tree
//! (process, graph, project, leaf): a permit of a child is a permit of each of its ancestors.
//!
//! Invariants:
//! 1. The bytes of all live permits of a budget never exceed its limit, exactly. What is larger than a whole budget asks
//!    for all of it (the one overshoot that exists, and it is counted by [`Budget::clamped`]).
//! 2. Permits are given in the order in which they were asked for, so a large request is not starved by small ones.
//! 3. Whoever can release a permit must not wait for one of the same budget. Only dispatchers wait.
//!
//! Dropping a permit, also by unwinding or by aborting a task, gives its bytes back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes that may be held at once.
#[derive(Clone)]
pub struct Budget(Arc<Node>);

struct Node {
    name: String,
    limit: u64,
    free: Arc<Semaphore>,
    parent: Parent,
    gauge: Gauge,
}

/// Where the bytes of a budget come from.
enum Parent {
    /// It is the process's own.
    None,
    /// Each permit is also asked of that one.
    Shared(Budget),
    /// They were all taken at once, and go back when the last user of this budget is gone.
    Carved { _permit: Permit },
}

#[derive(Default)]
struct Gauge {
    used: AtomicU64,
    peak: AtomicU64,
    waiting: AtomicU64,
    clamped: AtomicU64,
}

/// The right to hold a number of bytes. Shared by wrapping it in an `Arc`.
pub struct Permit {
    bytes: u64,
    budget: Budget,
    _own: OwnedSemaphorePermit,
    _parent: Option<Box<Permit>>,
}

impl Budget {
    /// A budget of its own, `limit` bytes.
    #[must_use]
    pub fn new(name: impl Into<String>, limit: u64) -> Self {
        Self::with_parent(name.into(), limit, Parent::None)
    }

    /// A part of this budget: what it gives is also taken from here. Its limit is at most this one's.
    #[must_use]
    pub fn child(&self, name: impl Into<String>, limit: u64) -> Self {
        Self::with_parent(name.into(), limit.min(self.0.limit), Parent::Shared(self.clone()))
    }

    /// A budget whose bytes are all those of `permit`, so that its users wait only for each other.
    #[must_use]
    pub fn carved(name: impl Into<String>, limit: u64, permit: Permit) -> Self {
        Self::with_parent(name.into(), limit.min(permit.bytes), Parent::Carved { _permit: permit })
    }

    fn with_parent(name: String, limit: u64, parent: Parent) -> Self {
        // A semaphore's request is a u32: budgets above 4 GiB work, single requests are clamped to it.
        let permits = usize::try_from(limit).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(permits));
        Self(Arc::new(Node {
            name,
            limit,
            free,
            parent,
            gauge: Gauge::default(),
        }))
    }

    /// Waits, in order, for `bytes`; more than the limit asks for the limit.
    pub async fn acquire(&self, bytes: u64) -> Permit {
        let asked = self.clamp(bytes);
        let waiting = Waiting::enter(self);
        let own = Arc::clone(&self.0.free)
            .acquire_many_owned(asked)
            .await
            .expect("a budget's semaphore is never closed");
        drop(waiting);
        let parent = match &self.0.parent {
            Parent::Shared(parent) => Some(Box::new(Box::pin(parent.acquire(u64::from(asked))).await)),
            Parent::None | Parent::Carved { .. } => None,
        };
        self.grant(asked, own, parent)
    }

    /// Takes `bytes` if they are free now.
    #[must_use]
    pub fn try_acquire(&self, bytes: u64) -> Option<Permit> {
        let asked = self.clamp(bytes);
        let own = Arc::clone(&self.0.free).try_acquire_many_owned(asked).ok()?;
        let parent = match &self.0.parent {
            Parent::Shared(parent) => Some(Box::new(parent.try_acquire(u64::from(asked))?)),
            Parent::None | Parent::Carved { .. } => None,
        };
        Some(self.grant(asked, own, parent))
    }

    fn clamp(&self, bytes: u64) -> u32 {
        let clamped = bytes.min(self.0.limit);
        if clamped < bytes {
            self.0.gauge.clamped.fetch_add(1, Ordering::Relaxed);
        }
        u32::try_from(clamped).unwrap_or(u32::MAX)
    }

    fn grant(&self, bytes: u32, own: OwnedSemaphorePermit, parent: Option<Box<Permit>>) -> Permit {
        let bytes = u64::from(bytes);
        let used = self.0.gauge.used.fetch_add(bytes, Ordering::AcqRel) + bytes;
        self.0.gauge.peak.fetch_max(used, Ordering::AcqRel);
        Permit {
            bytes,
            budget: self.clone(),
            _own: own,
            _parent: parent,
        }
    }

    /// The most bytes that it gives at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.gauge.used.load(Ordering::Acquire)
    }

    /// The most bytes that were held at once.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.0.gauge.peak.load(Ordering::Acquire)
    }

    /// Requests that wait now: the state `waiting_for_budget`.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.0.gauge.waiting.load(Ordering::Acquire)
    }

    /// Requests that were larger than the whole budget.
    #[must_use]
    pub fn clamped(&self) -> u64 {
        self.0.gauge.clamped.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Budget({} {}/{} peak {})",
            self.0.name,
            self.used(),
            self.limit(),
            self.peak()
        )
    }
}

/// Counts a waiting request for as long as it lives, also when its future is dropped.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn enter(budget: &'a Budget) -> Self {
        let waiting = &budget.0.gauge.waiting;
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Permit {
    /// How many bytes it stands for.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Before the semaphore's own release, so that `used` never counts a byte twice.
        self.budget.0.gauge.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({} of {})", self.bytes, self.budget.0.name)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn gives_exactly_its_bytes_and_in_order() {
        let budget = Budget::new("test", 100);
        let first = budget.try_acquire(60).expect("60 of 100");
        let mut large = pin!(budget.acquire(80));
        let mut small = pin!(budget.acquire(10));
        assert!(poll(large.as_mut()).is_pending());
        assert!(
            poll(small.as_mut()).is_pending(),
            "a small request does not overtake a large one"
        );
        assert_eq!((budget.used(), budget.waiting()), (60, 2));
        drop(first);
        let Poll::Ready(large) = poll(large.as_mut()) else {
            panic!("80 are free")
        };
        let Poll::Ready(small) = poll(small.as_mut()) else {
            panic!("20 are free")
        };
        assert_eq!((budget.used(), budget.peak(), budget.waiting()), (90, 90, 0));
        drop((large, small));
        assert_eq!((budget.used(), budget.peak()), (0, 90));
    }

    #[test]
    fn a_child_takes_from_its_ancestors() {
        let process = Budget::new("process", 100);
        let (one, two) = (process.child("one", 80), process.child("two", 80));
        let held = one.try_acquire(80).expect("80 of 100");
        assert!(two.try_acquire(30).is_none());
        assert_eq!(
            (process.used(), two.used()),
            (80, 0),
            "a refused request leaves nothing behind"
        );
        drop(held);
        assert!(two.try_acquire(30).is_some());
    }

    #[test]
    fn a_carved_budget_returns_its_bytes_after_its_last_permit() {
        let process = Budget::new("process", 100);
        let leaf = Budget::carved("leaf", 40, process.try_acquire(70).expect("70 of 100"));
        let batch = leaf.try_acquire(40).expect("40 of 40");
        drop(leaf);
        assert_eq!(process.used(), 70);
        drop(batch);
        assert_eq!((process.used(), process.peak()), (0, 70));
    }

    #[test]
    fn what_is_larger_than_the_budget_takes_all_of_it() {
        let budget = Budget::new("test", 100);
        let jumbo = budget.try_acquire(1_000_000).expect("all of it");
        assert_eq!((jumbo.bytes(), budget.used(), budget.clamped()), (100, 100, 1));
        assert!(budget.try_acquire(1).is_none());
    }

    #[test]
    fn a_dropped_request_no_longer_waits() {
        let budget = Budget::new("test", 10);
        let held = budget.try_acquire(10).expect("10 of 10");
        {
            let mut request = pin!(budget.acquire(5));
            assert!(poll(request.as_mut()).is_pending());
            assert_eq!(budget.waiting(), 1);
        }
        assert_eq!(budget.waiting(), 0);
        drop(held);
        assert!(budget.try_acquire(10).is_some());
    }
}
