//! Waiting for conditions.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until `condition` gives a value.
///
/// # Panics
/// With `what` when `within` has passed.
pub fn wait_for<T>(what: &str, within: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(began.elapsed() < within, "waited {within:?} in vain for: {what}");
        std::thread::park_timeout(LOOK);
    }
}

/// Looks until `condition` holds.
///
/// # Panics
/// With `what` when `within` has passed.
pub fn wait_until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, within, || condition().then_some(()));
}
