//! The names of queues and keys: pure.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Our own queue, which no worker of the reference knows.
pub const OWN_QUEUE: &str = "tracemill-ingestion";

/// The names of a queue of ours whose projects are spread over so many lanes: each is a queue of its own.
#[must_use]
pub fn lanes(queue: &str, count: usize) -> Vec<String> {
    (0..count.max(1)).map(|lane| lane_name(queue, lane)).collect()
}

/// The lane of a project. Whoever consumes has all of them, so that builds may differ in what is where.
#[must_use]
pub fn lane_of(project: &str, count: usize) -> usize {
    let mut hasher = std::hash::DefaultHasher::new();
    project.hash(&mut hasher);
    usize::try_from(hasher.finish() % count.max(1) as u64).unwrap_or(0)
}

/// The greatest number of lanes of a queue.
pub const MAX_LANES: usize = 256;
/// The greatest number of shards that are looked for beyond those that are worked on.
const MOST_SHARDS: u32 = 64;

/// The queues in which jobs may be left that nobody with `watched` works on: lanes of `own`, the queue of ours among them, and shards
/// of those of the reference among them.
pub(super) fn beyond(watched: &[String], own: Option<&str>) -> Vec<String> {
    let has = |name: &str| watched.iter().any(|one| one == name);
    let lanes = own.filter(|own| has(own)).map(|own| lanes(own, MAX_LANES));
    let shards = ["ingestion-queue", "otel-ingestion-queue"]
        .into_iter()
        .filter(|base| has(base));
    let shards = shards.flat_map(|base| (0..MOST_SHARDS).map(|at| shard(base, at).to_string()));
    lanes
        .into_iter()
        .flatten()
        .chain(shards)
        .filter(|name| !has(name))
        .collect()
}

/// The first has no number, so that what was added before there were lanes is in it.
fn lane_name(queue: &str, lane: usize) -> String {
    if lane == 0 {
        queue.to_owned()
    } else {
        format!("{queue}-lane-{lane}")
    }
}

/// What stands before the keys of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Prefix {
    /// `bull`, as the reference has it outside of Redis Cluster.
    #[default]
    Bull,
    /// `{<queue>}`, as the reference has it in Redis Cluster: all keys of a queue in one slot.
    Cluster,
    /// Any other.
    Text(String),
}

impl Prefix {
    /// The prefix of a queue's keys, with the colon: `bull:ingestion-queue:`.
    #[must_use]
    pub fn base(&self, queue: &str) -> String {
        match self {
            Self::Bull => format!("bull:{queue}:"),
            Self::Cluster => format!("{{{queue}}}:{queue}:"),
            Self::Text(prefix) => format!("{prefix}:{queue}:"),
        }
    }
}

/// The queues of the reference that a worker in its place consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LangfuseQueues {
    /// Shards of `ingestion-queue`; 0: not consumed.
    pub ingestion_shards: u32,
    /// Shards of `otel-ingestion-queue`; 0: not consumed.
    pub otel_shards: u32,
    /// Whether `secondary-ingestion-queue` is consumed.
    pub secondary: bool,
    /// Whether `trace-delete`, `score-delete` and `project-delete` are consumed.
    pub deletions: bool,
}

impl Default for LangfuseQueues {
    /// One shard each, and everything.
    fn default() -> Self {
        Self {
            ingestion_shards: 1,
            otel_shards: 1,
            secondary: true,
            deletions: true,
        }
    }
}

impl LangfuseQueues {
    /// Their names, what is urgent first.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        let shards = |base: &str, count: u32| -> Vec<Arc<str>> { (0..count).map(|at| shard(base, at)).collect() };
        let mut names = shards("ingestion-queue", self.ingestion_shards);
        names.extend(shards("otel-ingestion-queue", self.otel_shards));
        if self.secondary {
            names.push("secondary-ingestion-queue".into());
        }
        if self.deletions {
            names.extend(["trace-delete", "score-delete", "project-delete"].map(Arc::from));
        }
        names
    }
}

/// The name of a shard: the first has no number.
fn shard(base: &str, at: u32) -> Arc<str> {
    if at == 0 {
        base.into()
    } else {
        format!("{base}-{at}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_the_reference_names_them() {
        assert_eq!(Prefix::Bull.base("trace-delete"), "bull:trace-delete:");
        assert_eq!(
            Prefix::Cluster.base("ingestion-queue-1"),
            "{ingestion-queue-1}:ingestion-queue-1:"
        );
        assert_eq!(Prefix::Text("x".into()).base("q"), "x:q:");
    }

    #[test]
    fn lanes_have_names_of_their_own_and_projects_keep_theirs() {
        assert_eq!(lanes("q", 3), ["q", "q-lane-1", "q-lane-2"]);
        assert_eq!(lanes("q", 0), ["q"]);
        for project in ["", "a", "b"] {
            assert_eq!(lane_of(project, 1), 0);
            assert!(lane_of(project, 7) < 7);
            assert_eq!(lane_of(project, 7), lane_of(project, 7));
        }
        let used: std::collections::BTreeSet<usize> = (0..200).map(|n| lane_of(&format!("p{n}"), 16)).collect();
        assert_eq!(used.len(), 16);
    }

    #[test]
    fn what_a_smaller_number_leaves_behind() {
        let watched = ["q", "q-lane-1", "otel-ingestion-queue"].map(str::to_owned);
        let left = beyond(&watched, Some("q"));
        assert_eq!(left.len(), MAX_LANES - 2 + 63);
        let has = |name: &str| left.iter().any(|one| one == name);
        assert!(has("q-lane-2") && has("q-lane-255") && has("otel-ingestion-queue-1"));
        assert!(!has("q") && !has("q-lane-1") && !has("otel-ingestion-queue") && !has("ingestion-queue-1"));
        assert!(beyond(&["trace-delete".to_owned()], None).is_empty());
    }

    #[test]
    fn shards() {
        let queues = LangfuseQueues {
            ingestion_shards: 3,
            otel_shards: 0,
            secondary: false,
            deletions: true,
        };
        let names: Vec<String> = queues.names().iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "ingestion-queue",
                "ingestion-queue-1",
                "ingestion-queue-2",
                "trace-delete",
                "score-delete",
                "project-delete"
            ]
        );
    }
}
