//! Is a Redis fit to hold the queue? Asked once, before anything depends on it.

use tracemill_model::Secret;

use super::connection::Connection;
use super::names::{Prefix, beyond};
use crate::queue::QueueError;

/// The oldest version that has what our scripts call.
const OLDEST: (u32, u32) = (5, 0);

/// Which of its queues are worked on.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// What stands before the keys.
    pub prefix: &'a Prefix,
    /// All queues, with their lanes and shards.
    pub queues: &'a [String],
    /// The queue of ours among them.
    pub own: Option<&'a str>,
}

/// What a Redis says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedisReport {
    /// Its version, as it writes it; empty where it does not say.
    pub version: String,
    /// What it does when its memory is full: `noeviction` or else.
    pub eviction: Option<String>,
    /// Whether it has an append-only file.
    pub has_log: Option<bool>,
    /// Whether it can be written to.
    pub is_replica: bool,
    /// Lanes and shards that have jobs and are not worked on, and how many jobs each has.
    pub left: Vec<(String, u64)>,
}

impl RedisReport {
    fn read(info: &str) -> Self {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        Self {
            version: field("redis_version").unwrap_or_default().to_owned(),
            eviction: field("maxmemory_policy").map(str::to_owned),
            has_log: field("aof_enabled").map(|enabled| enabled == "1"),
            is_replica: field("role").is_some_and(|role| role == "slave"),
            left: Vec::new(),
        }
    }

    /// Its version for people.
    #[must_use]
    pub fn version(&self) -> &str {
        match self.version.as_str() {
            "" => "unknown",
            version => version,
        }
    }

    /// Why it cannot hold a queue, and what to do.
    #[must_use]
    pub fn fault(&self) -> Option<(String, &'static str)> {
        let mut numbers = self.version.split('.').map(|part| part.parse::<u32>().ok());
        let version = (numbers.next().flatten(), numbers.next().flatten());
        if let (Some(major), Some(minor)) = version
            && (major, minor) < OLDEST
        {
            let (major, minor) = OLDEST;
            let what = format!(
                "redis {} is too old: {major}.{minor} is the oldest that will do",
                self.version
            );
            return Some((what, "install a newer Redis or Valkey"));
        }
        let what = "this redis is a replica, and cannot be written to".to_owned();
        self.is_replica.then_some((what, "name the master in url"))
    }

    /// What may lose jobs, and what to do; none of it keeps a queue from working.
    #[must_use]
    pub fn warnings(&self) -> Vec<(String, &'static str)> {
        let mut warnings = Vec::new();
        if let Some(policy) = self.eviction.as_deref().filter(|policy| *policy != "noeviction") {
            warnings.push((
                format!("maxmemory-policy is {policy}: a full redis throws jobs away"),
                "run `redis-cli CONFIG SET maxmemory-policy noeviction`, and write it into redis.conf",
            ));
        }
        if self.has_log == Some(false) {
            warnings.push((
                "appendonly is no: a redis that dies forgets the jobs since its last snapshot".to_owned(),
                "run `redis-cli CONFIG SET appendonly yes`, and write it into redis.conf; raw objects whose jobs were lost \
                 come in by `tracemill replay`",
            ));
        }
        if !self.left.is_empty() {
            let queues: Vec<String> = self
                .left
                .iter()
                .map(|(name, jobs)| format!("{name} has {jobs}"))
                .collect();
            warnings.push((
                format!("jobs are in queues that are not worked on: {}", queues.join(", ")),
                "where no other worker has these, make `lanes` or `shards` as great as before until they are empty",
            ));
        }
        warnings
    }
}

/// Connects, and asks. On a cluster, whose queues lie on several nodes, no queue is looked at.
///
/// # Errors
/// The URL cannot be read, Redis does not answer, or refuses the user or the password.
pub async fn probe(url: &Secret, watched: Watched<'_>) -> Result<RedisReport, QueueError> {
    let connection = Connection::new(url)?;
    let report = ask(&connection, watched).await;
    connection.close().await;
    report
}

async fn ask(connection: &Connection, watched: Watched<'_>) -> Result<RedisReport, QueueError> {
    let mut report = RedisReport::read(&connection.info().await?);
    if *watched.prefix != Prefix::Cluster {
        let names = beyond(watched.queues, watched.own);
        let bases: Vec<String> = names.iter().map(|name| watched.prefix.base(name)).collect();
        match connection.jobs(&bases).await {
            Ok(jobs) => report.left = names.into_iter().zip(jobs).filter(|(_, jobs)| *jobs > 0).collect(),
            // A user may be let at its own queues alone.
            Err(error @ QueueError::Refused { .. }) => tracing::info!(%error, "other_queues_are_not_seen"),
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(version: &str, policy: &str, log: &str, role: &str) -> RedisReport {
        RedisReport::read(&format!(
            "# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n# Memory\r\nmaxmemory_policy:{policy}\r\n\
             # Persistence\r\naof_enabled:{log}\r\n# Replication\r\nrole:{role}\r\n"
        ))
    }

    #[test]
    fn what_is_wrong_is_said() {
        let fine = report("7.2.4", "noeviction", "1", "master");
        assert_eq!(
            (fine.version.as_str(), fine.fault(), fine.warnings()),
            ("7.2.4", None, vec![])
        );
        let warned = report("6.2", "allkeys-lru", "0", "master");
        assert_eq!(warned.fault(), None);
        let warnings = warned.warnings();
        assert!(warnings[0].0.contains("maxmemory-policy is allkeys-lru") && warnings[1].0.contains("appendonly"));
        for (report, why) in [
            (report("4.0.14", "noeviction", "1", "master"), "redis 4.0.14 is too old"),
            (report("7.2.4", "noeviction", "1", "slave"), "replica"),
        ] {
            let (what, _) = report.fault().expect("a fault");
            assert!(what.contains(why), "{what}");
        }
        // A server that says nothing is not judged.
        let silent = RedisReport::read("");
        assert_eq!((silent.fault(), silent.warnings()), (None, vec![]));
    }
}
