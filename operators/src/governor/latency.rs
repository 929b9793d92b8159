//! How long interactive queries took in the last seconds.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tracemill_model::Millis;

use crate::clock::Clock;

/// The length of a slot, in ms.
const SLOT_MS: i64 = 1_000;

/// Latencies of the recent past, in slots of a second. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Latency(Arc<Inner>);

struct Inner {
    clock: Clock,
    slots: usize,
    held: Mutex<VecDeque<(i64, Histogram<u64>)>>,
}

/// What they come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    /// Queries.
    pub count: u64,
    /// The middle one.
    pub p50: Duration,
    /// Of a hundred, the ninety-fifth.
    pub p95: Duration,
    /// Of a hundred, the ninety-ninth.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latency({:?})", self.recent())
    }
}

fn empty() -> Histogram<u64> {
    // From 1 us to ten minutes, two digits.
    Histogram::new_with_bounds(1, 600_000_000, 2).expect("constant bounds are valid")
}

impl Latency {
    /// Remembers the last `window`, at least a second.
    #[must_use]
    pub fn new(clock: Clock, window: Duration) -> Self {
        let slots = usize::try_from(window.as_secs()).unwrap_or(usize::MAX).clamp(1, 3_600);
        Self(Arc::new(Inner {
            clock,
            slots,
            held: Mutex::default(),
        }))
    }

    /// A query took that long.
    pub fn record(&self, took: Duration) {
        let slot = self.slot(self.0.clock.now());
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that went back records into the newest slot.
        if held.back().is_none_or(|(newest, _)| *newest < slot) {
            let reused = (held.len() >= self.0.slots).then(|| held.pop_front()).flatten();
            let mut histogram = reused.map_or_else(empty, |(_, histogram)| histogram);
            histogram.reset();
            held.push_back((slot, histogram));
        }
        if let Some((_, histogram)) = held.back_mut() {
            histogram.saturating_record(us);
        }
    }

    /// What the window holds now.
    #[must_use]
    pub fn recent(&self) -> Recent {
        let oldest = self.slot(self.0.clock.now()) - self.0.slots as i64;
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = empty();
        for (slot, histogram) in held.iter() {
            if *slot > oldest {
                all += histogram;
            }
        }
        if all.is_empty() {
            return Recent::default();
        }
        let at = |quantile| Duration::from_micros(all.value_at_quantile(quantile));
        Recent {
            count: all.len(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: Duration::from_micros(all.max()),
        }
    }

    fn slot(&self, now: Millis) -> i64 {
        now.0.div_euclid(SLOT_MS)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn only_the_recent_past_counts() {
        let now = Arc::new(AtomicI64::new(0));
        let clock = Clock::of({
            let now = Arc::clone(&now);
            move || Millis(now.load(Ordering::Relaxed))
        });
        let latency = Latency::new(clock, Duration::from_secs(3));
        assert_eq!(latency.recent(), Recent::default());
        for second in 0..10 {
            now.store(second * 1_000, Ordering::Relaxed);
            let ms = if second == 5 { 900 } else { 10 };
            latency.record(Duration::from_millis(ms));
            let recent = latency.recent();
            assert_eq!(recent.count, (second as u64 + 1).min(3), "second {second}");
            let is_slow = recent.max >= Duration::from_millis(890);
            assert_eq!(is_slow, (5..8).contains(&second), "second {second}: {recent:?}");
        }
        now.store(60_000, Ordering::Relaxed);
        assert_eq!(latency.recent().count, 0, "all of it is long ago");
    }
}
