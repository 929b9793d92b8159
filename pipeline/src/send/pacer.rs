//! Lets so many events a second pass, over all connections.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How far a sender that was held up may catch up.
const SLACK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Pacer {
    /// Seconds an event; 0: no limit.
    each: f64,
    next: Mutex<Option<Instant>>,
}

impl Pacer {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            each: if rate > 0.0 { 1.0 / rate } else { 0.0 },
            next: Mutex::new(None),
        }
    }

    /// Waits until it is the turn of so many events.
    pub(super) async fn wait(&self, events: u32) {
        if self.each > 0.0 {
            let turn = self.turn(Instant::now(), events);
            tokio::time::sleep_until(turn).await;
        }
    }

    fn turn(&self, now: Instant, events: u32) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now.checked_sub(SLACK).unwrap_or(now)));
        *next = Some(turn + Duration::from_secs_f64(self.each * f64::from(events)));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_follow_the_rate_and_forget_long_pauses() {
        let pacer = Pacer::new(1_000.0);
        let now = Instant::now();
        assert_eq!(pacer.turn(now, 100), now);
        assert_eq!(pacer.turn(now, 50), now + Duration::from_millis(100));
        assert_eq!(pacer.turn(now, 1), now + Duration::from_millis(150));
        let later = now + Duration::from_secs(60);
        assert_eq!(pacer.turn(later, 1), later - SLACK);
    }
}
