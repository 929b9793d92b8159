//! Requests a second, and in flight: per project.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use tracemill_model::Millis;

/// A token bucket in one number: the time at which it would be full again (µs).
#[derive(Debug)]
pub(crate) struct Bucket {
    full_at: AtomicI64,
    /// µs a token takes to come back; 0: no limit.
    interval: i64,
    burst: i64,
}

/// What a bucket says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) granted: bool,
    /// Tokens that are left.
    pub(crate) remaining: u32,
    /// When the bucket is full again.
    pub(crate) full_at: Millis,
    /// When the next token comes, in milliseconds from now, where none was granted.
    pub(crate) wait_ms: i64,
}

impl Bucket {
    pub(crate) fn new(rate: u32, burst: u32) -> Self {
        Self {
            full_at: AtomicI64::new(i64::MIN),
            interval: if rate == 0 {
                0
            } else {
                (1_000_000 / i64::from(rate)).max(1)
            },
            burst: i64::from(burst.max(1)),
        }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&self, now: Millis) -> Tokens {
        let now_us = now.0.saturating_mul(1_000);
        let capacity = self.interval * self.burst;
        let mut known = self.full_at.load(Ordering::Relaxed);
        loop {
            // A clock that was set back must not lock a project out for as long.
            let full_at = known.clamp(now_us, now_us.saturating_add(capacity));
            let next = full_at.saturating_add(self.interval);
            let granted = self.interval == 0 || next.saturating_sub(now_us) <= capacity;
            let becomes = if granted { next } else { full_at };
            match self
                .full_at
                .compare_exchange_weak(known, becomes, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return self.tokens(granted, becomes, now_us),
                Err(current) => known = current,
            }
        }
    }

    fn tokens(&self, granted: bool, full_at: i64, now_us: i64) -> Tokens {
        let used = full_at.saturating_sub(now_us);
        let left = self.burst - used.checked_div(self.interval).unwrap_or(0);
        let wait_us = used + self.interval - self.interval * self.burst;
        Tokens {
            granted,
            remaining: if granted { u32::try_from(left).unwrap_or(0) } else { 0 },
            full_at: Millis(full_at / 1_000),
            wait_ms: if granted { 0 } else { (wait_us.max(0) + 999) / 1_000 },
        }
    }
}

/// Requests in progress.
#[derive(Debug, Default)]
pub(crate) struct InFlight(AtomicU32);

impl InFlight {
    /// Whether one more of `limit` (0: any number) may begin. Counts it if so.
    pub(crate) fn enter(&self, limit: u32) -> bool {
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        if limit == 0 || before < limit {
            return true;
        }
        self.leave();
        false
    }

    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn now(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let bucket = Bucket::new(10, 3);
        let now = Millis(1_000_000);
        let granted: Vec<bool> = (0..5).map(|_| bucket.take(now).granted).collect();
        assert_eq!(granted, [true, true, true, false, false]);
        assert_eq!(bucket.take(now).wait_ms, 100);
        assert!(!bucket.take(now.plus(99)).granted);
        assert!(bucket.take(now.plus(100)).granted);
        assert!(!bucket.take(now.plus(100)).granted);
        assert_eq!(bucket.take(now.plus(10_000)).remaining, 2);
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let bucket = Bucket::new(10, 2);
        assert!(bucket.take(Millis(100_000_000)).granted);
        let back = Millis(1_000);
        assert!(!bucket.take(back).granted);
        assert!(bucket.take(back.plus(100)).granted);
    }

    #[test]
    fn no_limit_is_none() {
        let bucket = Bucket::new(0, 1);
        assert!((0..1_000).all(|_| bucket.take(Millis(0)).granted));
    }
}
