//! What each service may take of a server: shares of its memory and threads.

use tracemill_model::ByteSize;

use crate::service::ServiceKind;

/// How large a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Memory of its machine, or of its container.
    pub memory: ByteSize,
    /// Threads of its processors.
    pub threads: u32,
}

/// The server of the documentation: 64 GB and 32 threads.
impl Default for Sizes {
    fn default() -> Self {
        Self {
            memory: ByteSize(64_000_000_000),
            threads: 32,
        }
    }
}

/// How far queries of one user may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    /// Memory of one query.
    pub query_memory: ByteSize,
    /// Memory of all its queries at once.
    pub user_memory: ByteSize,
    /// Threads of one query.
    pub threads: u32,
    /// Queries at once.
    pub queries: u32,
    /// Bytes that all its queries may have written beside at once, where they do not fit into memory.
    pub spilled: ByteSize,
}

/// The part of a machine's memory that ClickHouse takes unless it is told otherwise (`max_server_memory_usage_to_ram_ratio`).
const SERVER_PERCENT: u64 = 90;

/// Of the server's memory, in percent; together 80, so that caches, merges and mutations have a fifth.
const fn memory_percent(kind: ServiceKind) -> u64 {
    match kind {
        ServiceKind::ReadOnly => 30,
        ServiceKind::ReadWrite => 15,
        ServiceKind::Export => 35,
    }
}

impl Sizes {
    /// What the server takes at most: `max_server_memory_usage` unless it was changed.
    #[must_use]
    pub const fn server_memory(&self) -> ByteSize {
        ByteSize(self.memory.0 / 100 * SERVER_PERCENT)
    }

    /// What a service may take.
    ///
    /// One reader's query may take half of what all readers have, and one insert half of what ingestion has; the few queries
    /// of an export may be as large as its share. `queries` is how many the processes of the service have at once by
    /// their own limits.
    #[must_use]
    pub fn ceiling(&self, kind: ServiceKind, queries: u32) -> Ceiling {
        let user_memory = ByteSize(self.server_memory().0 / 100 * memory_percent(kind));
        let (parts, divisor) = match kind {
            ServiceKind::ReadOnly => (2, 1),
            ServiceKind::ReadWrite => (2, 4),
            ServiceKind::Export => (1, 3),
        };
        Ceiling {
            query_memory: ByteSize(user_memory.0 / parts),
            user_memory,
            threads: (self.threads / divisor).max(1),
            queries,
            spilled: ByteSize(user_memory.0.saturating_mul(4)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_users_together_stay_below_the_server() {
        for memory in [
            ByteSize(1),
            ByteSize::gib(1),
            ByteSize(64_000_000_000),
            ByteSize(u64::MAX),
        ] {
            let sizes = Sizes { memory, threads: 2 };
            let all = [ServiceKind::ReadOnly, ServiceKind::ReadWrite, ServiceKind::Export]
                .map(|kind| sizes.ceiling(kind, 64))
                .map(|ceiling| {
                    assert!(ceiling.query_memory <= ceiling.user_memory && ceiling.threads >= 1);
                    ceiling.user_memory.0
                });
            assert!(all.iter().sum::<u64>() <= sizes.server_memory().0, "{memory}");
        }
    }

    #[test]
    fn the_documented_server_has_room_for_the_default_export() {
        let ceiling = Sizes::default().ceiling(ServiceKind::Export, 32);
        assert!(ceiling.query_memory.0 >= 20_000_000_000 && ceiling.threads >= 10);
    }
}
