//! Whether and when a job is tried again: pure.

use std::time::Duration;

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Backoff {
    /// Not at all.
    #[default]
    None,
    /// Always as long.
    Fixed {
        /// The wait.
        delay: Duration,
        /// The share of it, 0 to 1, that chance may take away.
        jitter: f64,
    },
    /// Twice as long each time.
    Exponential {
        /// The first wait.
        delay: Duration,
        /// The share of each wait, 0 to 1, that chance may take away.
        jitter: f64,
    },
}

/// The longest wait that is kept exactly: about 24 days. Longer ones are cut.
const LONGEST: Duration = Duration::from_millis(1 << 31);

/// How often a job is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// All attempts, the first included; 0 and 1 both mean one. `u32::MAX`: without end.
    pub attempts: u32,
    /// The waits between them.
    pub backoff: Backoff,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Policy {
    /// One attempt.
    fn default() -> Self {
        Self {
            attempts: 0,
            backoff: Backoff::None,
            longest: LONGEST,
        }
    }
}

impl Policy {
    /// The wait before the next attempt of a job of which `made` attempts failed before the present one; `None`: that was
    /// the last. `chance` is between 0 and 1.
    #[must_use]
    pub fn next(&self, made: u32, chance: f64) -> Option<Duration> {
        if self.attempts != u32::MAX && made.saturating_add(1) >= self.attempts {
            return None;
        }
        let (full, jitter) = match self.backoff {
            Backoff::None => return Some(Duration::ZERO),
            Backoff::Fixed { delay, jitter } => (delay, jitter),
            Backoff::Exponential { delay, jitter } => {
                let factor = 1u32.checked_shl(made.min(31)).unwrap_or(u32::MAX);
                (delay.saturating_mul(factor), jitter)
            }
        };
        let full = full.min(self.longest).min(LONGEST);
        let share = 1.0 - jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0);
        Some(Duration::from_millis((full.as_millis() as f64 * share).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(attempts: u32, backoff: Backoff) -> Policy {
        Policy {
            attempts,
            backoff,
            ..Policy::default()
        }
    }

    #[test]
    fn as_the_reference_waits() {
        let second = |n| Some(Duration::from_secs(n));
        let exponential = policy(
            6,
            Backoff::Exponential {
                delay: Duration::from_secs(5),
                jitter: 0.0,
            },
        );
        let waits: Vec<_> = (0..6).map(|made| exponential.next(made, 0.5)).collect();
        assert_eq!(waits, [second(5), second(10), second(20), second(40), second(80), None]);
        let fixed = policy(
            3,
            Backoff::Fixed {
                delay: Duration::from_secs(1),
                jitter: 0.0,
            },
        );
        assert_eq!(
            [fixed.next(0, 0.0), fixed.next(1, 0.0), fixed.next(2, 0.0)],
            [second(1), second(1), None]
        );
        assert_eq!(policy(2, Backoff::None).next(0, 0.0), Some(Duration::ZERO));
        for one in [0, 1] {
            assert_eq!(policy(one, Backoff::None).next(0, 0.0), None);
        }
    }

    proptest! {
        #[test]
        fn never_more_attempts_and_never_longer(attempts in 0u32..50, made in 0u32..100, ms in 0u64..u64::MAX / 2, jitter in -1.0f64..2.0, chance in 0.0f64..1.0) {
            for backoff in [
                Backoff::Fixed { delay: Duration::from_millis(ms), jitter },
                Backoff::Exponential { delay: Duration::from_millis(ms), jitter },
            ] {
                let wait = policy(attempts, backoff).next(made, chance);
                prop_assert_eq!(wait.is_some(), made + 1 < attempts);
                prop_assert!(wait.is_none_or(|wait| wait <= LONGEST));
                prop_assert!(policy(u32::MAX, backoff).next(made, chance).is_some());
            }
        }
    }
}
