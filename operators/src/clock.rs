//! Time, injected.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracemill_model::Millis;

/// Tells the time of day. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Clock {
    /// The machine's.
    #[must_use]
    pub fn system() -> Self {
        Self::of(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// Any other.
    #[must_use]
    pub fn of(now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Millis {
        (self.0)()
    }

    /// Now plus a duration.
    #[must_use]
    pub fn after(&self, duration: Duration) -> Millis {
        self.now().plus(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Waits that double from half a second to half a minute, for the `n`th repetition, from 1.
#[must_use]
pub fn backoff(n: u32) -> Duration {
    Duration::from_millis(500 << n.clamp(1, 7).saturating_sub(1)).min(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<u64> = [0, 1, 2, 3, 6, 7, 8, u32::MAX]
            .map(|n| u64::try_from(backoff(n).as_millis()).unwrap_or(0))
            .to_vec();
        assert_eq!(waits, [500, 500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
    }
}
