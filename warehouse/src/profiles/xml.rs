//! The text of `users.d/tracemill.xml`.

use std::fmt::Write;

use tracemill_model::ByteSize;

use super::{Bound, Proof, Sizes, UserProfile, grants};
use crate::service::ServiceKind;

/// What stands in place of a hash that nobody gave.
const PLACEHOLDER: &str = "REPLACE_WITH_SHA256";

/// The file: for each user a profile with constraints, a quota and grants. The same input gives the same text.
#[must_use]
pub fn users_xml(users: &[UserProfile], sizes: &Sizes, networks: &[String]) -> String {
    let mut text = header(users, sizes);
    text.push_str("<clickhouse>\n    <profiles>\n");
    for user in users {
        profile(user, &mut text);
    }
    text.push_str("    </profiles>\n\n    <quotas>\n");
    text.push_str("        <!-- Counted by the hour, see system.quota_usage; 0 is counted and not limited. A limit of the export's makes it\n");
    text.push_str("             wait until the hour is over: nothing is lost, its lag grows. -->\n");
    for user in users {
        quota(&user.user, &mut text);
    }
    text.push_str("    </quotas>\n\n    <users>\n");
    for (index, user) in users.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        login(user, networks, &mut text);
    }
    text.push_str("    </users>\n</clickhouse>\n");
    text
}

fn header(users: &[UserProfile], sizes: &Sizes) -> String {
    let placeholder = if users.iter().any(|user| user.proof == Proof::Placeholder) {
        format!(
            "\nReplace each {PLACEHOLDER} by the hash of that user's password, 64 hexadecimal digits:\n    \
             printf %s \"$PASSWORD\" | sha256sum\nor let `tracemill profiles GRAPH.toml` write the hashes of the passwords that a graph file has.\n"
        )
    } else {
        String::new()
    };
    let all: u64 = users.iter().map(|user| user.ceiling.user_memory.0).sum();
    format!(
        "\
<!--
Users, profiles and quotas of a ClickHouse server that Tracemill works with: one user for each kind of work, so that no
kind can take what another needs. Written by `tracemill profiles`; put it into users.d/ of the server, 24.8 or newer.
What another file says of users, profiles and quotas of these names is replaced.
{placeholder}
The limits are for a server with {memory} of memory and {threads} threads. Its users together may take {all}, and
max_server_memory_usage, unless it was changed, is {server}: the rest is for caches and merges.

A profile gives the value that a query begins with; its constraints say how far a query may change it. To ClickHouse a
limit of 0 means \"none\", so each constraint has a lower end too. What would lift another limit is constant. A query that
asks for more is refused (error 452), not clipped: what a graph file says must lie within the constraints.

priority: 1 goes first, greater numbers wait for smaller ones, 0 is outside the order and never waits.
readonly 2: reads and changes of settings, nothing else, whatever is granted.

Narrow <networks> to the addresses that the users come from. `tracemill doctor GRAPH.toml` tells whether all of it holds.
-->
",
        memory = decimal(sizes.memory),
        threads = sizes.threads,
        all = decimal(ByteSize(all)),
        server = decimal(sizes.server_memory()),
    )
}

/// As people size machines: `57.6 GB`.
fn decimal(bytes: ByteSize) -> String {
    let (unit, name) = match bytes.0 {
        0..1_000_000_000 => (1e6, "MB"),
        1_000_000_000..1_000_000_000_000 => (1e9, "GB"),
        _ => (1e12, "TB"),
    };
    let text = format!("{:.1}", bytes.0 as f64 / unit);
    format!("{} {name}", text.strip_suffix(".0").unwrap_or(&text))
}

fn profile(user: &UserProfile, text: &mut String) {
    let name = &user.user;
    let _ = writeln!(text, "        <{name} replace=\"1\">");
    let mut constraints = String::new();
    for setting in user.settings() {
        let of = setting.name;
        let _ = writeln!(text, "            <{of}>{}</{of}>", setting.value);
        let bound = match setting.bound {
            Bound::Free => continue,
            Bound::Const => "<const/>".to_owned(),
            Bound::Range { min, max } => {
                let max = max.map(|max| format!("<max>{max}</max>")).unwrap_or_default();
                format!("<min>{min}</min>{max}")
            }
        };
        let _ = writeln!(constraints, "                <{of}>{bound}</{of}>");
    }
    let _ = writeln!(
        text,
        "            <constraints>\n{constraints}            </constraints>\n        </{name}>"
    );
}

fn quota(name: &str, text: &mut String) {
    let _ = write!(
        text,
        "        <{name} replace=\"1\">
            <interval>
                <duration>3600</duration>
                <queries>0</queries>
                <errors>0</errors>
                <result_rows>0</result_rows>
                <read_rows>0</read_rows>
                <execution_time>0</execution_time>
            </interval>
        </{name}>
"
    );
}

const fn about(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::ReadOnly => "The service read_only: people, dashboards, the read API.",
        ServiceKind::ReadWrite => "The service read_write: ingestion, deletions, `migrate`, `synth`.",
        ServiceKind::Export => {
            "The service export, and what the governor and `doctor` see of the server. All that an exporting process needs."
        }
    }
}

fn login(user: &UserProfile, networks: &[String], text: &mut String) {
    let name = &user.user;
    let hash = match &user.proof {
        Proof::Sha256(hash) => hash.as_str(),
        Proof::Placeholder => PLACEHOLDER,
    };
    let networks: String = networks.iter().map(|network| format!("<ip>{network}</ip>")).collect();
    let grants: String = grants(user.kind, &user.database, user.cluster)
        .iter()
        .map(|grant| format!("                <query>{}</query>\n", escaped(grant)))
        .collect();
    let _ = write!(
        text,
        "        <!-- {about} -->
        <{name} replace=\"1\">
            <password_sha256_hex>{hash}</password_sha256_hex>
            <networks>{networks}</networks>
            <profile>{name}</profile>
            <quota>{name}</quota>
            <grants>
{grants}            </grants>
        </{name}>
",
        about = about(user.kind),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::Limits;
    use crate::profiles::raises;

    fn user(kind: ServiceKind) -> UserProfile {
        UserProfile {
            kind,
            user: format!("{kind}_user"),
            proof: Proof::Sha256("ab".repeat(32)),
            database: "a&b".to_owned(),
            limits: Limits {
                max_threads: Some(99),
                priority: Some(2),
                timeout: Some(Duration::from_millis(1500)),
                ..Limits::default()
            },
            ceiling: Sizes::default().ceiling(kind, 7),
            max_rows: Some(5),
            max_bytes: None,
            cluster: false,
        }
    }

    #[test]
    fn a_profile_begins_within_its_constraints() {
        let text = users_xml(
            &[user(ServiceKind::Export)],
            &Sizes::default(),
            &["10.0.0.0/8".to_owned()],
        );
        for part in [
            "<max_threads>10</max_threads>",
            "<max_threads><min>1</min><max>10</max></max_threads>",
            "<max_execution_time>2</max_execution_time>",
            "<priority><min>2</min></priority>",
            "<max_memory_usage_for_user><const/></max_memory_usage_for_user>",
            "<max_rows_to_read><min>1</min><max>5</max></max_rows_to_read>",
            "<readonly>2</readonly>",
            "<ip>10.0.0.0/8</ip>",
            "GRANT SELECT ON `a&amp;b`.traces",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains(PLACEHOLDER) && !text.contains("<password>"), "{text}");
    }

    #[test]
    fn what_another_file_says_of_the_same_name_is_replaced() {
        // ClickHouse does not start with a user who has two passwords.
        let text = users_xml(&[user(ServiceKind::Export)], &Sizes::default(), &[]);
        let names = text.matches("<export_user replace=\"1\">").count();
        assert_eq!(
            (names, text.matches("<export_user>").count()),
            (3, 0),
            "profile, quota and user: {text}"
        );
    }

    #[test]
    fn what_a_client_would_try_is_bounded() {
        for kind in [ServiceKind::ReadOnly, ServiceKind::ReadWrite, ServiceKind::Export] {
            let settings = user(kind).settings();
            for raise in raises(kind, Some(2)) {
                let setting = settings.iter().find(|setting| setting.name == raise.setting);
                let setting = setting.unwrap_or_else(|| panic!("{kind}: no {raise:?}"));
                let value = raise.value.parse::<u64>();
                let is_refused = match &setting.bound {
                    Bound::Const => setting.value != raise.value,
                    Bound::Range { min, max } => {
                        value.is_ok_and(|value| value < *min || max.is_some_and(|max| value > max))
                    }
                    // ClickHouse's own rule.
                    Bound::Free => setting.name == "readonly",
                };
                assert!(is_refused, "{kind}: {raise:?} is within {setting:?}");
            }
        }
    }

    #[test]
    fn sizes_for_people() {
        for (bytes, expected) in [
            (64_000_000_000, "64 GB"),
            (57_600_000_000, "57.6 GB"),
            (900_000_000, "900 MB"),
            (2_500_000_000_000, "2.5 TB"),
        ] {
            assert_eq!(decimal(ByteSize(bytes)), expected);
        }
    }
}
