//! When faults happen, how many, and how long they last.

use std::time::Duration;

/// SplitMix64: the same moments in each run of a test.
#[derive(Debug, Clone)]
pub struct Moments(u64);

impl Moments {
    /// Those of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number of `[from, to)`.
    ///
    /// # Panics
    /// There is none.
    pub fn next(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (z ^ (z >> 31)) % (to - from)
    }

    /// The same in milliseconds.
    ///
    /// # Panics
    /// As [`Self::next`].
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.next(from, to))
    }
}

/// Kills: `TRACEMILL_TEST_KILLS`, else so many.
#[must_use]
pub fn kills(default: u32) -> u32 {
    let given = std::env::var("TRACEMILL_TEST_KILLS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// How long an outage lasts: `TRACEMILL_TEST_OUTAGE` in seconds, else so many.
#[must_use]
pub fn outage(default: u64) -> Duration {
    let given = std::env::var("TRACEMILL_TEST_OUTAGE").ok();
    Duration::from_secs(given.and_then(|text| text.parse().ok()).unwrap_or(default))
}

/// The outage's own length: what is tested is that it may last, so nothing else can be waited for.
#[expect(clippy::disallowed_methods, reason = "the time that passes is the test's subject")]
pub fn last_for(length: Duration) {
    std::thread::sleep(length);
}
