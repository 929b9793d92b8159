//! Slows those who guess: so many attempts to sign in from an address, and from all. Pure.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use tracemill_model::Millis;

use crate::limit::Bucket;

/// Attempts of an address at once.
const BURST: u32 = 6;
/// The next of an address comes after that time. ms.
const PAUSE: i64 = 10_000;
/// Attempts a second of all addresses, and at once.
const ALL: (u32, u32) = (5, 100);
/// Addresses that are remembered.
const KEPT: usize = 10_000;

/// Who has tried of late.
#[derive(Debug)]
pub(super) struct Attempts {
    all: Bucket,
    of: HashMap<IpAddr, Tried>,
    order: VecDeque<IpAddr>,
}

/// As a bucket that empties: when it is empty again.
#[derive(Debug, Clone, Copy)]
struct Tried {
    empty_at: i64,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            all: Bucket::new(ALL.0, ALL.1),
            of: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl Attempts {
    /// Counts an attempt. Else how many seconds there are to wait.
    pub(super) fn enter(&mut self, address: Option<IpAddr>, now: Millis) -> Result<(), u64> {
        let wait = |ms: i64| u64::try_from(ms.max(0)).unwrap_or(0).div_ceil(1_000).max(1);
        if let Some(address) = address.map(network) {
            let most = now.0.saturating_add(PAUSE * i64::from(BURST));
            let known = self.of.get(&address).map_or(now.0, |tried| tried.empty_at.max(now.0));
            // A clock that was set back must not lock anybody out.
            let known = if known > most { now.0 } else { known };
            let empty_at = known.saturating_add(PAUSE);
            if empty_at > most {
                return Err(wait(empty_at - most));
            }
            self.remember(address, Tried { empty_at });
        }
        let tokens = self.all.take(now);
        tokens.granted.then_some(()).ok_or_else(|| wait(tokens.wait_ms))
    }

    /// An address that has proved itself begins anew.
    pub(super) fn succeeded(&mut self, address: Option<IpAddr>) {
        if let Some(tried) = address.and_then(|address| self.of.get_mut(&network(address))) {
            tried.empty_at = i64::MIN;
        }
    }

    fn remember(&mut self, address: IpAddr, tried: Tried) {
        if self.of.insert(address, tried).is_none() {
            self.order.push_back(address);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.of.remove(&oldest);
        }
    }
}

/// One who has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_tries_a_few_times_and_then_slowly() {
        let mut attempts = Attempts::default();
        let now = Millis(1_000_000);
        for _ in 0..BURST {
            assert_eq!(attempts.enter(at("10.0.0.1"), now), Ok(()));
        }
        assert_eq!(attempts.enter(at("10.0.0.1"), now), Err(10));
        assert_eq!(attempts.enter(at("10.0.0.1"), now.plus(4_500)), Err(6));
        assert_eq!(attempts.enter(at("10.0.0.2"), now), Ok(()), "others are not held up");
        assert_eq!(attempts.enter(at("10.0.0.1"), now.plus(PAUSE)), Ok(()));
        assert_eq!(attempts.enter(at("10.0.0.1"), now.plus(PAUSE)), Err(10));
        attempts.succeeded(at("10.0.0.1"));
        assert_eq!(attempts.enter(at("10.0.0.1"), now.plus(PAUSE)), Ok(()));
        // A clock that was set back holds nobody up for long.
        let _ = attempts.enter(at("10.0.0.1"), Millis(0));
        assert_eq!(attempts.enter(at("10.0.0.1"), Millis(1_000)), Ok(()));
    }

    #[test]
    fn one_who_has_many_addresses_is_one() {
        let mut attempts = Attempts::default();
        for n in 0..BURST {
            assert_eq!(attempts.enter(at(&format!("2001:db8::{n}")), Millis(0)), Ok(()));
        }
        assert!(attempts.enter(at("2001:db8::ffff"), Millis(0)).is_err());
        assert!(attempts.enter(at("2001:db8:0:1::1"), Millis(0)).is_ok());
    }

    #[test]
    fn all_together_are_held_up_and_little_is_remembered() {
        let mut attempts = Attempts::default();
        let tried = (0..20_000_u32).map(|n| attempts.enter(Some(IpAddr::V4(n.into())), Millis(0)));
        assert_eq!(tried.filter(Result::is_ok).count(), ALL.1 as usize);
        assert_eq!((attempts.of.len(), attempts.order.len()), (KEPT, KEPT));
    }
}
