//! Reads what `SHOW GRANTS` says, and finds what is more than a service needs.

use tracemill_warehouse::ServiceKind;

/// A line of `SHOW GRANTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// `SELECT`, `ALTER DELETE`; without lists of columns.
    pub(super) privileges: Vec<String>,
    /// `default.traces`, `*.*`; without quotes.
    pub(super) object: String,
    /// `WITH GRANT OPTION`.
    pub(super) hands_on: bool,
}

/// Reads a line; `None` for roles, revocations and what else is there.
pub(super) fn parse(line: &str) -> Option<Grant> {
    let rest = line.strip_prefix("GRANT ")?;
    let (privileges, rest) = rest.split_once(" ON ")?;
    let (object, tail) = rest.split_once(" TO ")?;
    Some(Grant {
        privileges: list(privileges),
        object: object.replace('`', ""),
        hands_on: tail.ends_with(" WITH GRANT OPTION"),
    })
}

/// Privileges between commas, without their columns: `SELECT(a, b), INSERT`.
fn list(text: &str) -> Vec<String> {
    let mut depth = 0usize;
    let mut all = vec![String::new()];
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => all.push(String::new()),
            c if depth == 0 => all.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    all.iter().map(|one| one.trim().to_owned()).collect()
}

/// What a service that reads may have anywhere.
const HARMLESS: [&str; 3] = ["SELECT", "dictGet", "CHECK"];
/// What ingestion may have within its own database.
const WRITES: [&str; 8] = [
    "SELECT",
    "INSERT",
    "CREATE TABLE",
    "ALTER DELETE",
    "ALTER UPDATE",
    "OPTIMIZE",
    "TABLE ENGINE",
    "CHECK",
];

/// The grants that are more than a service of that database needs, as they are written.
pub(super) fn too_wide(kind: ServiceKind, database: &str, lines: &[String]) -> Vec<String> {
    let is_wide = |line: &&String| parse(line).is_some_and(|grant| is_too_wide(kind, database, &grant));
    lines.iter().filter(is_wide).cloned().collect()
}

fn is_too_wide(kind: ServiceKind, database: &str, grant: &Grant) -> bool {
    if grant.hands_on {
        return true;
    }
    let is_ours = grant.object.starts_with(&format!("{database}.")) || grant.object == database;
    let is_system = grant.object.starts_with("system.") || grant.object.starts_with("INFORMATION_SCHEMA.");
    grant.privileges.iter().any(|privilege| {
        let privilege = privilege.as_str();
        if privilege.starts_with("SHOW") {
            return false;
        }
        if kind == ServiceKind::ReadWrite {
            // Distributed DDL, and engines, are not of a database.
            let is_apart = matches!(privilege, "CLUSTER" | "REMOTE" | "TABLE ENGINE")
                || (matches!(privilege, "READ" | "WRITE") && grant.object == "REMOTE");
            let is_needed =
                is_apart || (is_system && privilege == "SELECT") || (is_ours && WRITES.contains(&privilege));
            return !is_needed;
        }
        !HARMLESS.contains(&privilege) || !(is_ours || is_system)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_show_grants() {
        assert_eq!(
            parse("GRANT SELECT(a, b), ALTER DELETE ON `my-db`.t TO u WITH GRANT OPTION"),
            Some(Grant {
                privileges: vec!["SELECT".to_owned(), "ALTER DELETE".to_owned()],
                object: "my-db.t".to_owned(),
                hands_on: true
            })
        );
        assert_eq!(parse("GRANT reader TO u"), None);
        assert_eq!(parse("REVOKE SELECT ON a.b FROM u"), None);
    }

    #[test]
    fn more_than_is_needed() {
        use ServiceKind::{Export, ReadOnly, ReadWrite};
        for (kind, line, expected) in [
            (ReadOnly, "GRANT SELECT ON default.traces TO u", false),
            (ReadOnly, "GRANT SELECT ON default.* TO u", false),
            (ReadOnly, "GRANT SELECT ON system.parts TO u", false),
            (Export, "GRANT SELECT ON *.* TO u", true),
            (Export, "GRANT SELECT ON other.secrets TO u", true),
            (Export, "GRANT INSERT ON default.traces TO u", true),
            (Export, "GRANT SHOW TABLES ON *.* TO u", false),
            (ReadOnly, "GRANT ALL ON *.* TO u WITH GRANT OPTION", true),
            (ReadOnly, "GRANT SELECT ON default.traces TO u WITH GRANT OPTION", true),
            (
                ReadWrite,
                "GRANT SELECT, INSERT, CREATE TABLE ON default.traces TO u",
                false,
            ),
            (ReadWrite, "GRANT INSERT ON *.* TO u", true),
            (ReadWrite, "GRANT DROP TABLE ON default.* TO u", true),
            (ReadWrite, "GRANT TABLE ENGINE ON ReplacingMergeTree TO u", false),
            (ReadWrite, "GRANT CLUSTER, REMOTE ON *.* TO u", false),
            (ReadWrite, "GRANT READ, WRITE ON REMOTE TO u", false),
            (ReadWrite, "GRANT READ, WRITE ON S3 TO u", true),
            (ReadWrite, "GRANT SYSTEM ON *.* TO u", true),
        ] {
            let found = too_wide(kind, "default", &[line.to_owned()]);
            assert_eq!(!found.is_empty(), expected, "{kind}: {line}");
        }
    }

    #[test]
    fn what_profiles_grants_is_not_too_wide() {
        for kind in [ServiceKind::ReadOnly, ServiceKind::ReadWrite, ServiceKind::Export] {
            for cluster in [false, true] {
                let lines: Vec<String> = tracemill_warehouse::profiles::grants(kind, "my-db", cluster)
                    .into_iter()
                    .map(|grant| format!("{grant} TO u"))
                    .collect();
                assert!(lines.iter().all(|line| parse(line).is_some()), "{lines:?}");
                assert_eq!(too_wide(kind, "my-db", &lines), [] as [String; 0]);
            }
        }
    }
}
