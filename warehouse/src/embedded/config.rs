//! The files that the engine reads: `config.xml` and `users.xml`. Pure text; the same for the library and for a server binary.

use std::collections::BTreeMap;
use std::path::Path;

use tracemill_model::ByteSize;

use crate::service::ServiceKind;

/// Everything that the texts depend on.
#[derive(Debug, Clone)]
pub(super) struct Settings<'a> {
    pub(super) folder: &'a Path,
    pub(super) http_port: u16,
    pub(super) tcp_port: Option<u16>,
    pub(super) max_server_memory: Option<ByteSize>,
}

/// A user with the profile of the same shape that a production server should have.
struct User {
    name: &'static str,
    threads: u32,
    memory: u64,
    seconds: u32,
    priority: u32,
    grants: &'static [&'static str],
}

const READ: &[&str] = &["SHOW ON *.*", "SELECT ON *.*"];
const WRITE: &[&str] = &[
    "SHOW ON *.*",
    "SELECT ON *.*",
    "INSERT ON *.*",
    "CREATE ON *.*",
    "ALTER ON *.*",
    "DROP ON *.*",
    "TRUNCATE ON *.*",
    "OPTIMIZE ON *.*",
    "TABLE ENGINE ON *",
];

const USERS: [User; 3] = [
    User {
        name: "interactive_user",
        threads: 32,
        memory: 16_000_000_000,
        seconds: 30,
        priority: 1,
        grants: READ,
    },
    User {
        name: "ingestion_user",
        threads: 8,
        memory: 8_000_000_000,
        seconds: 60,
        priority: 1,
        grants: WRITE,
    },
    User {
        name: "export_user",
        threads: 10,
        memory: 32_000_000_000,
        seconds: 600,
        priority: 2,
        grants: READ,
    },
];

/// The user of a service.
pub(super) const fn user_of(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::ReadWrite => "ingestion_user",
        ServiceKind::ReadOnly => "interactive_user",
        ServiceKind::Export => "export_user",
    }
}

/// Names of the users that have a password.
pub(super) fn user_names() -> impl Iterator<Item = &'static str> {
    USERS.iter().map(|user| user.name)
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// `config.xml`. Paths are absolute: a relative one would follow the current folder.
pub(super) fn config_xml(settings: &Settings<'_>) -> String {
    let at = |name: &str| xml(&settings.folder.join(name).to_string_lossy());
    let tcp = settings
        .tcp_port
        .map(|port| format!("    <tcp_port>{port}</tcp_port>\n"))
        .unwrap_or_default();
    let memory = match settings.max_server_memory {
        Some(bytes) => format!("    <max_server_memory_usage>{}</max_server_memory_usage>\n", bytes.0),
        None => "    <max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>\n".to_owned(),
    };
    format!(
        r#"<!-- Written at every start: changes are lost. -->
<clickhouse>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{http}</http_port>
{tcp}{memory}    <path>{data}/</path>
    <tmp_path>{data}/tmp/</tmp_path>
    <user_files_path>{data}/user_files/</user_files_path>
    <logger>
        <level>information</level>
        <log>{log}/clickhouse.log</log>
        <errorlog>{log}/clickhouse.err.log</errorlog>
        <size>32M</size>
        <count>3</count>
    </logger>
    <users_config>{users}</users_config>
    <user_directories>
        <users_xml><path>{users}</path></users_xml>
    </user_directories>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <timezone>UTC</timezone>
    <mark_cache_size>268435456</mark_cache_size>
    <query_log>
        <database>system</database>
        <table>query_log</table>
        <flush_interval_milliseconds>500</flush_interval_milliseconds>
    </query_log>
</clickhouse>
"#,
        http = settings.http_port,
        data = at("data"),
        log = at("log"),
        users = at("users.xml"),
    )
}

/// `users.xml`: `default` without a password, from this machine alone, and one user for each service. A limit that is 0 means
/// "none" to ClickHouse, so each constraint has a lower end too.
pub(super) fn users_xml(passwords: &BTreeMap<String, String>) -> String {
    let mut profiles = String::new();
    let mut users = String::new();
    for user in &USERS {
        let User {
            name,
            threads,
            memory,
            seconds,
            priority,
            ..
        } = user;
        profiles.push_str(&format!(
            r"        <{name}>
            <max_threads>{threads}</max_threads>
            <max_memory_usage>{memory}</max_memory_usage>
            <max_execution_time>{seconds}</max_execution_time>
            <priority>{priority}</priority>
            <constraints>
                <max_threads><min>1</min><max>{threads}</max></max_threads>
                <max_memory_usage><min>1</min><max>{memory}</max></max_memory_usage>
                <max_execution_time><min>1</min><max>{seconds}</max></max_execution_time>
                <priority><min>{priority}</min></priority>
            </constraints>
        </{name}>
"
        ));
        let grants: String = user
            .grants
            .iter()
            .map(|grant| format!("                <query>GRANT {grant}</query>\n"))
            .collect();
        let password = xml(passwords.get(*name).map_or("", String::as_str));
        users.push_str(&format!(
            r"        <{name}>
            <password>{password}</password>
            <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
            <profile>{name}</profile>
            <quota>default</quota>
            <grants>
{grants}            </grants>
        </{name}>
"
        ));
    }
    format!(
        r"<!-- Written at every start: changes are lost. -->
<clickhouse>
    <profiles>
        <default/>
{profiles}    </profiles>
    <quotas><default/></quotas>
    <users>
        <default>
            <password></password>
            <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <access_management>1</access_management>
        </default>
{users}    </users>
</clickhouse>
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_a_user_with_a_capped_profile() {
        let passwords = user_names()
            .map(|name| (name.to_owned(), format!("pw-{name}")))
            .collect();
        let text = users_xml(&passwords);
        for kind in [ServiceKind::ReadWrite, ServiceKind::ReadOnly, ServiceKind::Export] {
            let name = user_of(kind);
            assert!(text.contains(&format!("<password>pw-{name}</password>")));
            assert!(text.contains(&format!("<profile>{name}</profile>")));
        }
        assert!(text.contains("<max_memory_usage><min>1</min><max>32000000000</max></max_memory_usage>"));
    }

    #[test]
    fn paths_are_quoted() {
        let settings = Settings {
            folder: Path::new("/a&b/<c>"),
            http_port: 1,
            tcp_port: Some(2),
            max_server_memory: Some(ByteSize::gib(1)),
        };
        let text = config_xml(&settings);
        assert!(text.contains("<path>/a&amp;b/&lt;c&gt;/data/</path>"), "{text}");
        assert!(text.contains("<tcp_port>2</tcp_port>") && text.contains("<max_server_memory_usage>1073741824<"));
    }
}
