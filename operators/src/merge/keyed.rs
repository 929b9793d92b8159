//! An entity's key with its hash, which routes and sorts it.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use tracemill_model::ingest::EntityKey;
use twox_hash::XxHash3_64;

/// A key, hashed once. The order is by hash first, so that comparing keys rarely compares texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Keyed {
    hash: u64,
    /// The entity.
    pub key: EntityKey,
}

impl Keyed {
    /// Hashes a key: the same in every process of a cluster.
    #[must_use]
    pub fn new(key: EntityKey) -> Self {
        let mut hasher = XxHash3_64::with_seed(0);
        hasher.write(key.project.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(key.kind.name().as_bytes());
        hasher.write_u8(0xff);
        hasher.write(key.id.as_bytes());
        Self {
            hash: hasher.finish(),
            key,
        }
    }

    /// Which worker owns it, modulo their number.
    #[must_use]
    pub const fn route(&self) -> u64 {
        self.hash
    }
}

impl Hash for Keyed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// For maps of [`Keyed`]: the hash is there already.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `u64` keys are hashed with it; anything else still works.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A map by entity.
pub type KeyedMap<V> = std::collections::HashMap<Keyed, V, std::hash::BuildHasherDefault<AsIs>>;
