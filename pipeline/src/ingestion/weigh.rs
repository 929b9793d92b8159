//! How many jobs fit into an epoch, and what they take in memory until they are durable. Pure.

use std::collections::VecDeque;

use tracemill_sources::queue::{Pulled, Work};

/// What a byte of a raw object takes, decompressed: itself, the texts of its patches, the encoded rows.
const BYTE: u64 = 3;

/// What an event takes beside its texts: its patch, its row twice, its place in the merge.
const EVENT: u64 = 3 << 10;

/// Bytes of an event where only those of its object are known.
const EVENT_BYTES: u64 = 1 << 10;

/// The size of a job, or of all jobs of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Weight {
    /// Bytes of raw objects, decompressed.
    pub(super) bytes: u64,
    /// Bytes of memory, about.
    pub(super) memory: u64,
}

impl Weight {
    fn of(work: &Work) -> Self {
        let events = match work {
            Work::Take(job) => job.holds.events,
            Work::Entity(_) => 0,
            _ => return Self::default(),
        };
        Self::new(work.bytes(), events.into())
    }

    fn new(bytes: u64, events: u64) -> Self {
        let events = if events == 0 {
            bytes.div_ceil(EVENT_BYTES)
        } else {
            events
        };
        let memory = bytes.saturating_mul(BYTE).saturating_add(events * EVENT);
        Self { bytes, memory }
    }

    fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            memory: self.memory.saturating_add(other.memory),
        }
    }
}

/// What has work to weigh.
pub(super) trait AsWork {
    fn work(&self) -> &Work;
}

impl AsWork for Pulled {
    fn work(&self) -> &Work {
        &self.job
    }
}

/// What an epoch may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) jobs: usize,
    pub(super) bytes: u64,
    pub(super) memory: u64,
}

impl Room {
    /// Moves jobs into an epoch until it is full; it has one at least.
    pub(super) fn fill<T: AsWork>(&self, jobs: &mut Vec<T>, weight: &mut Weight, rest: &mut VecDeque<T>) {
        while jobs.len() < self.jobs.max(1)
            && let Some(next) = rest.front()
        {
            let with = weight.and(Weight::of(next.work()));
            if !jobs.is_empty() && (with.bytes > self.bytes || with.memory > self.memory) {
                return;
            }
            *weight = with;
            jobs.extend(rest.pop_front());
        }
    }

    /// How many more jobs are to be pulled for an epoch, by the size of those it has; 0: it is full.
    pub(super) fn more(&self, jobs: usize, weight: Weight) -> usize {
        let fit = |limit: u64, used: u64| {
            let mean = (used / jobs.max(1) as u64).max(1);
            usize::try_from(limit.saturating_sub(used) / mean).unwrap_or(usize::MAX)
        };
        fit(self.bytes, weight.bytes)
            .min(fit(self.memory, weight.memory))
            .min(self.jobs.saturating_sub(jobs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracemill_model::Millis;
    use tracemill_model::ingest::{Access, Encoding, Holds, Job, RawForm, Sdk};

    const UNKNOWN: u64 = 256 << 10;

    fn job(bytes: u64, encoding: Encoding, holds: Holds) -> Job {
        Job {
            project: "p".into(),
            object: "o".into(),
            form: RawForm::Events,
            encoding,
            bytes,
            holds,
            received: Millis(0),
            sdk: Sdk::default(),
            access: Access::Project,
        }
    }

    impl AsWork for Work {
        fn work(&self) -> &Work {
            self
        }
    }

    fn work(bytes: u64, events: u32) -> Work {
        Work::Take(job(bytes, Encoding::Identity, Holds { bytes, events }))
    }

    #[test]
    fn objects_weigh_what_they_hold() {
        let known = Holds {
            bytes: 10_000,
            events: 4,
        };
        for (bytes, encoding, holds, expected) in [
            (500, Encoding::Gzip, known, (10_000, 3 * 10_000 + 4 * EVENT)),
            (500, Encoding::Gzip, Holds::default(), (4_000, 3 * 4_000 + 4 * EVENT)),
            (500, Encoding::Identity, Holds::default(), (500, 3 * 500 + EVENT)),
            (
                0,
                Encoding::Identity,
                Holds::default(),
                (UNKNOWN, 3 * UNKNOWN + 256 * EVENT),
            ),
        ] {
            let weight = Weight::of(&Work::Take(job(bytes, encoding, holds)));
            assert_eq!(
                (weight.bytes, weight.memory),
                expected,
                "{bytes} {encoding:?} {holds:?}"
            );
        }
        let unsupported = Work::Unsupported {
            name: "n".into(),
            data: "d".into(),
        };
        assert_eq!(Weight::of(&unsupported), Weight::default());
    }

    #[test]
    fn an_epoch_is_full_by_jobs_bytes_or_memory() {
        let room = Room {
            jobs: 4,
            bytes: 10_000,
            memory: 40_000,
        };
        for (sizes, taken, more) in [
            (&[(100, 1); 9][..], 4, 0),
            (&[(3_000, 1); 2], 2, 1),
            // By bytes.
            (&[(3_000, 1); 9], 3, 0),
            (&[(6_000, 1); 2], 1, 0),
            // By memory.
            (&[(10, 1); 3], 3, 1),
            (&[(10, 7); 3], 1, 0),
            // One at least.
            (&[(1 << 40, 1 << 20); 2], 1, 0),
            (&[], 0, 4),
        ] {
            let mut rest: VecDeque<Work> = sizes.iter().map(|&(bytes, events)| work(bytes, events)).collect();
            let (mut jobs, mut weight) = (Vec::new(), Weight::default());
            room.fill(&mut jobs, &mut weight, &mut rest);
            assert_eq!(jobs.len(), taken, "{sizes:?}");
            assert_eq!(rest.len(), sizes.len() - taken, "{sizes:?}");
            assert_eq!(room.more(jobs.len(), weight), more, "{sizes:?}");
        }
    }
}
