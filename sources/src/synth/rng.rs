//! Seeded randomness: sub-seeds by hashing a path of numbers, and the few draws that the generator needs.
//!
//! Only integer arithmetic and the four exact float operations are used, so that every machine draws the same.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// A sub-seed for the place that `path` names: equal paths give equal seeds, others unrelated ones.
pub(super) fn derive(seed: u64, path: &[u64]) -> u64 {
    path.iter().fold(mix(seed ^ 0x7261_6365_6d69_6c6c), |state, step| {
        mix(state.rotate_left(23) ^ mix(step.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    })
}

/// The finalizer of SplitMix64.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A generator of one entity's or one text's draws.
#[derive(Debug)]
pub(super) struct Rng(Xoshiro256PlusPlus);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `[0, n)`; 0 where `n` is 0. The bias for the small `n` here is far below what a test could see.
    #[inline]
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// An index of a slice of that length.
    #[inline]
    pub(super) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number in `[from, to)`; `from` where that is empty.
    #[inline]
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(to.saturating_sub(from).max(0).unsigned_abs()) as i64
    }

    /// True with probability `share`.
    #[inline]
    pub(super) fn chance(&mut self, share: f64) -> bool {
        // 53 bits are exact in a float.
        ((self.next() >> 11) as f64) < share * 9_007_199_254_740_992.0
    }

    #[inline]
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }
}
