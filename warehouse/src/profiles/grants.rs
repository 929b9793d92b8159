//! What the user of each service is granted: just the tables that it needs, by name.

use crate::service::{ServiceKind, quoted};
use crate::tables::DEFINITIONS;
use crate::tombstones;

/// The tables that hold rows of projects, which people read and exports take.
const ROWS: [&str; 3] = ["traces", "observations", "scores"];

/// Engines of tables that `migrate` makes, without and with a cluster.
const ENGINES: [&str; 2] = ["MergeTree", "ReplacingMergeTree"];

/// The system tables that a service reads, `doctor` included.
pub const SYSTEM_TABLES: [(ServiceKind, &[&str]); 3] = [
    (
        ServiceKind::ReadOnly,
        &[
            "tables",
            "columns",
            "settings",
            "quota_usage",
            // The load by service on the page of operations.
            "processes",
            // `profile-queries`.
            "parts",
            "parts_columns",
            "data_skipping_indices",
            "projections",
        ],
    ),
    (
        ServiceKind::ReadWrite,
        &[
            "tables",
            "columns",
            "settings",
            "quota_usage",
            // The governor of inserts.
            "parts",
            "merges",
            "merge_tree_settings",
        ],
    ),
    (
        ServiceKind::Export,
        &[
            "tables",
            "columns",
            "settings",
            "quota_usage",
            "parts",
            "metrics",
            "asynchronous_metrics",
            "server_settings",
            "processes",
            "mutations",
            "disks",
        ],
    ),
];

/// The tables that a service reads.
#[must_use]
pub fn read_tables(kind: ServiceKind) -> Vec<&'static str> {
    match kind {
        ServiceKind::ReadOnly | ServiceKind::Export => ROWS.to_vec(),
        ServiceKind::ReadWrite => written_tables(),
    }
}

/// The tables that ingestion and `migrate` write.
#[must_use]
pub fn written_tables() -> Vec<&'static str> {
    let defined = DEFINITIONS.iter().map(|definition| definition.name);
    defined.chain([tombstones::TABLE, "tracemill_migrations"]).collect()
}

/// The statements, without a semicolon and without `TO`.
#[must_use]
pub fn grants(kind: ServiceKind, database: &str, cluster: bool) -> Vec<String> {
    let table = |name: &str| format!("{}.{}", name_of(database), name_of(name));
    let mut grants = Vec::new();
    if kind == ServiceKind::ReadWrite {
        for name in written_tables() {
            grants.push(format!("GRANT SELECT, INSERT, CREATE TABLE ON {}", table(name)));
        }
        for name in ROWS {
            // Deletions of projects and traces.
            grants.push(format!("GRANT ALTER DELETE ON {}", table(name)));
        }
        for engine in ENGINES {
            let family = if cluster { "Replicated" } else { "" };
            grants.push(format!("GRANT TABLE ENGINE ON {family}{engine}"));
        }
        if cluster {
            grants.push("GRANT CLUSTER, REMOTE ON *.*".to_owned());
        }
    } else {
        for name in read_tables(kind) {
            grants.push(format!("GRANT SELECT ON {}", table(name)));
        }
    }
    let system = SYSTEM_TABLES.iter().find(|(other, _)| *other == kind);
    for name in system.map_or(&[] as &[&str], |(_, names)| names) {
        grants.push(format!("GRANT SELECT ON system.{name}"));
    }
    if kind == ServiceKind::Export {
        // That it is kept, and nothing of what is in it.
        grants.push("GRANT SHOW TABLES ON system.query_log".to_owned());
    }
    grants
}

/// Quoted only where it must be.
fn name_of(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_owned() } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_cannot_write_and_nobody_has_everything() {
        for kind in [ServiceKind::ReadOnly, ServiceKind::Export] {
            for grant in grants(kind, "lf", false) {
                let is_harmless = grant.starts_with("GRANT SELECT ON ") || grant.starts_with("GRANT SHOW TABLES ON ");
                assert!(is_harmless, "{kind}: {grant}");
            }
        }
        let writes = grants(ServiceKind::ReadWrite, "my-db", false);
        assert!(writes.contains(&"GRANT SELECT, INSERT, CREATE TABLE ON `my-db`.traces".to_owned()));
        for grant in &writes {
            assert!(!grant.contains('*') && !grant.contains("DROP"), "{grant}");
        }
    }

    #[test]
    fn a_cluster_needs_its_own() {
        let writes = grants(ServiceKind::ReadWrite, "default", true);
        for needed in [
            "GRANT CLUSTER, REMOTE ON *.*",
            "GRANT TABLE ENGINE ON ReplicatedReplacingMergeTree",
        ] {
            assert!(writes.iter().any(|grant| grant == needed), "{needed} in {writes:?}");
        }
    }
}
