//! The settings of a service's profile, each with how far a query may change it.

use super::UserProfile;
use crate::service::ServiceKind;

/// How far a query may change a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// Not at all.
    Const,
    /// Within these, both included. To ClickHouse a limit of 0 means "none", so a limit has a lower end too.
    Range {
        /// The least.
        min: u64,
        /// The greatest, if there is one.
        max: Option<u64>,
    },
    /// As it likes.
    Free,
}

/// A setting of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What a query begins with.
    pub value: String,
    /// How far it may go.
    pub bound: Bound,
}

fn constant(name: &'static str, value: &dyn ToString) -> Setting {
    Setting {
        name,
        value: value.to_string(),
        bound: Bound::Const,
    }
}

fn limit(name: &'static str, value: u64, max: u64) -> Setting {
    Setting {
        name,
        value: value.min(max).to_string(),
        bound: Bound::Range { min: 1, max: Some(max) },
    }
}

/// ClickHouse's own defaults of what a client could hide memory with, or turn the server's choice of a victim to others.
const UNTRACKED: u64 = 4 << 20;
const OVERCOMMIT: u64 = 1 << 30;

impl UserProfile {
    /// The settings of its profile, in the order in which they are written.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        if self.kind != ServiceKind::ReadWrite {
            // In this mode ClickHouse lets nobody change it.
            settings.push(Setting {
                name: "readonly",
                value: "2".to_owned(),
                bound: Bound::Free,
            });
        }
        settings.extend(self.size_of_a_query());
        settings.extend(self.size_of_a_user());
        settings.extend(self.priority());
        settings.extend(self.reach());
        settings.push(constant("log_queries", &1));
        settings
    }

    fn size_of_a_query(&self) -> [Setting; 4] {
        let (begin, most) = (&self.limits, &self.ceiling);
        let seconds = begin
            .timeout
            .map_or(600, |timeout| timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0));
        let threads = u64::from(most.threads);
        let memory = most.query_memory.0;
        [
            limit("max_threads", begin.max_threads.map_or(threads, u64::from), threads),
            limit(
                "max_memory_usage",
                begin.max_memory_usage.map_or(memory, |bytes| bytes.0),
                memory,
            ),
            limit("max_execution_time", seconds.max(1), seconds.max(1)),
            // "break" would give a part of the answer as if it were the whole.
            constant("timeout_overflow_mode", &"throw"),
        ]
    }

    fn size_of_a_user(&self) -> [Setting; 6] {
        let most = &self.ceiling;
        [
            constant("max_memory_usage_for_user", &most.user_memory.0),
            constant("max_concurrent_queries_for_user", &most.queries),
            constant("max_temporary_data_on_disk_size_for_user", &most.spilled.0),
            constant("max_untracked_memory", &UNTRACKED),
            constant("memory_overcommit_ratio_denominator", &OVERCOMMIT),
            constant("memory_overcommit_ratio_denominator_for_user", &OVERCOMMIT),
        ]
    }

    fn priority(&self) -> Option<Setting> {
        let priority = self.limits.priority?;
        Some(Setting {
            name: "priority",
            value: priority.to_string(),
            // Whoever is outside the order is not held back, and holds nobody back.
            bound: match priority {
                0 => Bound::Free,
                least => Bound::Range {
                    min: least.into(),
                    max: None,
                },
            },
        })
    }

    fn reach(&self) -> Vec<Setting> {
        let rows = self.max_rows.map(|rows| limit("max_rows_to_read", rows, rows));
        let bytes = self.max_bytes.map(|bytes| limit("max_bytes_to_read", bytes.0, bytes.0));
        let mut reach: Vec<Setting> = rows.into_iter().chain(bytes).collect();
        if !reach.is_empty() {
            reach.push(constant("read_overflow_mode", &"throw"));
        }
        reach
    }
}
