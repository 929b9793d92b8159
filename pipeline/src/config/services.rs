//! Where ClickHouse is and what its services' queries may take: `[clickhouse]` or `[embedded]`, and the environment.

use std::time::Duration;

use tracemill_model::{ByteSize, Secret};

use super::checked::{Embedded, Engine, Queries, QueryLimits, Role, Server, Servers, WireCompression};
use super::defaults;
use super::fault::Context;
use super::reader::{Bounds, Section, Span, Text};
use super::url::{self, ServerUrl};

/// The three services by their keys, with the variable that holds the URL of each.
const SERVICES: [(&str, &str); 3] = [
    ("read_write", "CLICKHOUSE_URL"),
    ("read_only", "CLICKHOUSE_READ_ONLY_URL"),
    ("export", "CLICKHOUSE_EXPORT_URL"),
];

/// What the file says of one service, before the environment fills the rest.
#[derive(Default)]
struct Given {
    url: Option<ServerUrl>,
    /// A URL was there but could not be read: no second fault for its absence.
    is_broken: bool,
    user: Option<String>,
    password: Option<Secret>,
    database: Option<String>,
}

/// Reads both sections. The engine is `None` where faults keep it from being known.
pub(super) fn read(root: &Section<'_>, role: Role) -> (Option<Engine>, Queries) {
    let servers = root.section("clickhouse", "[clickhouse]");
    let embedded = root.section("embedded", "[embedded]");
    let mut queries = defaults_of_queries();
    if let (Some(_), Some(embedded)) = (&servers, &embedded) {
        root.report(
            embedded.at,
            "embedded",
            None,
            "both [clickhouse] and [embedded] are there".to_owned(),
            "keep [clickhouse] to use a server, or [embedded] to run one",
        );
    }
    fill_from_environment(root.context, &mut queries.export);
    let given = servers.as_ref().map(|section| read_services(section, &mut queries));
    let own = embedded.as_ref().map(|section| read_embedded(section, &mut queries));
    let is_remote = servers.is_some() || (own.is_none() && has_url(root.context));
    let engine = if is_remote {
        let cluster = cluster(root.context, servers.as_ref());
        if let Some(section) = &servers {
            section.finish();
        }
        resolve(root, servers.as_ref(), given.unwrap_or_default(), cluster, role)
            .map(|servers| Engine::Servers(Box::new(servers)))
    } else {
        Some(Engine::Embedded(own.unwrap_or_else(|| Embedded {
            dir: defaults::EMBEDDED_DIR.into(),
            http_port: None,
        })))
    };
    (engine, queries)
}

fn has_url(context: &Context<'_>) -> bool {
    SERVICES
        .iter()
        .any(|(_, variable)| context.variable(variable).is_some())
}

fn defaults_of_queries() -> Queries {
    let limits = |priority, timeout| QueryLimits {
        max_memory_usage: None,
        max_threads: None,
        priority: Some(priority),
        timeout,
        compression: WireCompression::Auto,
    };
    Queries {
        read_write: limits(defaults::READ_WRITE_PRIORITY, defaults::READ_WRITE_TIMEOUT),
        read_only: limits(defaults::READ_ONLY_PRIORITY, defaults::READ_ONLY_TIMEOUT),
        export: QueryLimits {
            max_memory_usage: Some(defaults::EXPORT_MEMORY),
            max_threads: Some(defaults::EXPORT_THREADS),
            ..limits(defaults::EXPORT_PRIORITY, defaults::EXPORT_TIMEOUT)
        },
    }
}

/// The fork's variables for export queries: plain numbers, bytes and milliseconds.
fn fill_from_environment(context: &Context<'_>, export: &mut QueryLimits) {
    let number = |name: &str, from: u64, to: u64| {
        let name = format!("LANGFUSE_CLICKHOUSE_DATA_EXPORT_{name}");
        integer_variable(context, &name, from, to)
    };
    let (least, most) = (defaults::MIN_QUERY_MEMORY.0, defaults::MAX_QUERY_MEMORY.0);
    if let Some(bytes) = number("MAX_MEMORY_USAGE", least, most) {
        export.max_memory_usage = Some(ByteSize(bytes));
    }
    if let Some(threads) = number("MAX_THREADS", 1, 1024) {
        export.max_threads = u32::try_from(threads).ok();
    }
    if let Some(priority) = number("PRIORITY", 0, 1_000) {
        export.priority = u32::try_from(priority).ok();
    }
    let (shortest, longest) = (defaults::MIN_DEADLINE.as_millis(), defaults::MAX_DEADLINE.as_millis());
    if let Some(ms) = number("REQUEST_TIMEOUT_MS", shortest as u64, longest as u64) {
        export.timeout = Duration::from_millis(ms);
    }
}

/// A whole number from the environment, within bounds. The value itself is never shown.
pub(super) fn integer_variable(context: &Context<'_>, name: &str, from: u64, to: u64) -> Option<u64> {
    let text = context.variable(name)?;
    match text.parse::<u64>() {
        Ok(number) if (from..=to).contains(&number) => Some(number),
        Ok(_) => {
            let remedy = format!("choose a number from {from} to {to}");
            context.report_variable(name, &format!("{name} is not within {from} to {to}"), &remedy);
            None
        }
        Err(_) => {
            context.report_variable(name, &format!("{name} is not a whole number"), "write digits alone");
            None
        }
    }
}

/// `true` or `false` from the environment.
pub(super) fn flag_variable(context: &Context<'_>, name: &str) -> Option<bool> {
    match context.variable(name)?.as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            let message = format!("{name} is neither true nor false");
            context.report_variable(name, &message, "set it to true or false");
            None
        }
    }
}

fn read_limits(section: &Section<'_>, limits: &mut QueryLimits) {
    let memory = Bounds {
        range: defaults::MIN_QUERY_MEMORY..=defaults::MAX_QUERY_MEMORY,
        why: "",
    };
    let timeout = Bounds {
        range: Span(defaults::MIN_DEADLINE)..=Span(defaults::MAX_DEADLINE),
        why: "",
    };
    if let Some(size) = section.size("max_memory_usage", &memory) {
        limits.max_memory_usage = Some(size);
    }
    if let Some(threads) = section.integer(
        "max_threads",
        &Bounds {
            range: 1..=1024u32,
            why: "",
        },
    ) {
        limits.max_threads = Some(threads);
    }
    if let Some(priority) = section.integer(
        "priority",
        &Bounds {
            range: 0..=1_000u32,
            why: "",
        },
    ) {
        limits.priority = Some(priority);
    }
    limits.timeout = section.duration("timeout", &timeout).unwrap_or(limits.timeout);
    let choices = [
        ("auto", WireCompression::Auto),
        ("none", WireCompression::None),
        ("lz4", WireCompression::Lz4),
    ];
    limits.compression = section.choice("compression", &choices).unwrap_or(limits.compression);
}

fn limits_of<'q>(queries: &'q mut Queries, service: &str) -> &'q mut QueryLimits {
    match service {
        "read_write" => &mut queries.read_write,
        "read_only" => &mut queries.read_only,
        _ => &mut queries.export,
    }
}

fn read_embedded(section: &Section<'_>, queries: &mut Queries) -> Embedded {
    let dir = section
        .name("dir")
        .map_or_else(|| defaults::EMBEDDED_DIR.into(), |dir| dir.value.into());
    let http_port = section.integer(
        "http_port",
        &Bounds {
            range: 1..=u16::MAX,
            why: "",
        },
    );
    for (service, _) in SERVICES {
        if let Some(section) = section.section(service, &format!("{service} = {{ max_threads = 2 }}")) {
            read_limits(&section, limits_of(queries, service));
            for key in ["url", "user", "password", "database"] {
                section.refuse(
                    key,
                    "is of no use for the embedded engine",
                    "remove it, or use [clickhouse]",
                );
            }
            section.finish();
        }
    }
    section.finish();
    Embedded { dir, http_port }
}

fn read_services(section: &Section<'_>, queries: &mut Queries) -> [Given; 3] {
    SERVICES.map(|(service, _)| {
        let example = format!("{service} = {{ url = \"http://host:8123\" }}");
        let Some(section) = section.section(service, &example) else {
            return Given::default();
        };
        read_limits(&section, limits_of(queries, service));
        let given = read_given(&section);
        section.finish();
        given
    })
}

fn read_given(section: &Section<'_>) -> Given {
    let mut given = Given {
        is_broken: section.has("url"),
        user: section.name("user").map(|user| user.value),
        password: section.text("password").map(|password| Secret::new(password.value)),
        database: section.name("database").map(|database| database.value),
        ..Given::default()
    };
    let Some(text) = section.url("url") else {
        return given;
    };
    match url::server(&text.value) {
        Ok(parts) => {
            report_twice(section, &text, &parts);
            given.user = given.user.or_else(|| parts.user.clone());
            given.password = given.password.or_else(|| parts.password.clone().map(Secret::new));
            given.url = Some(parts);
            given.is_broken = false;
        }
        Err(error) => {
            let shown = url::redacted(&text.raw);
            let message = format!("the URL {shown:?} in {} {}", section.path, error.message);
            section.report(text.at, "url", Some(&shown), message, error.remedy);
        }
    }
    given
}

fn report_twice(section: &Section<'_>, text: &Text, parts: &ServerUrl) {
    for (key, is_in_url) in [("user", parts.user.is_some()), ("password", parts.password.is_some())] {
        if is_in_url && section.has(key) {
            let message = format!("the {key} of {} is given twice, in the URL and as a key", section.path);
            section.report(text.at, key, None, message, "keep one of the two");
        }
    }
}

fn cluster(context: &Context<'_>, section: Option<&Section<'_>>) -> Option<String> {
    if let Some(name) = section.and_then(|section| section.name("cluster")) {
        return Some(name.value);
    }
    let is_enabled = context
        .variable("CLICKHOUSE_CLUSTER_ENABLED")
        .is_some_and(|text| text == "true");
    is_enabled.then(|| {
        context
            .variable("CLICKHOUSE_CLUSTER_NAME")
            .unwrap_or_else(|| "default".to_owned())
    })
}

/// Fills in, key by key, what the file leaves out: from the environment, then from `read_write`.
fn resolve(
    root: &Section<'_>,
    section: Option<&Section<'_>>,
    given: [Given; 3],
    cluster: Option<String>,
    role: Role,
) -> Option<Servers> {
    let is_broken = given.iter().any(|given| given.is_broken);
    let [read_write, read_only, export] = given;
    let context = root.context;
    let read_write = resolve_one(context, SERVICES[0].1, read_write, None);
    let read_only = resolve_one(context, SERVICES[1].1, read_only, read_write.as_ref());
    let export = resolve_one(context, SERVICES[2].1, export, read_write.as_ref());
    // A process that only reads exports nothing.
    let export = export.or_else(|| read_only.clone().filter(|_| role == Role::Web));
    let Some(export) = export else {
        // A variable that is set and gave no server is a fault already.
        let is_set = ["CLICKHOUSE_EXPORT_URL", "CLICKHOUSE_URL"]
            .iter()
            .any(|name| context.variable(name).is_some());
        if !is_broken && !is_set {
            let remedy =
                "write export = { url = \"http://host:8123\" }, or set CLICKHOUSE_EXPORT_URL or CLICKHOUSE_URL";
            section.unwrap_or(root).missing("export", remedy);
        }
        return None;
    };
    Some(Servers {
        read_write,
        read_only,
        export,
        cluster,
    })
}

fn resolve_one(context: &Context<'_>, variable: &str, given: Given, base: Option<&Server>) -> Option<Server> {
    let Given {
        url,
        is_broken,
        user,
        password,
        database,
    } = given;
    if is_broken {
        return None;
    }
    let is_in_file = url.is_some();
    let own = url.or_else(|| url_variable(context, variable));
    let Some(own) = own else {
        // Nothing but limits, or nothing at all: the server of `read_write`, with what this service says otherwise.
        let base = base?;
        return Some(Server {
            url: base.url.clone(),
            user: user.unwrap_or_else(|| base.user.clone()),
            password: password.unwrap_or_else(|| base.password.clone()),
            database: database.unwrap_or_else(|| base.database.clone()),
        });
    };
    let from_url = |part: Option<String>| part.filter(|_| !is_in_file);
    let user = user
        .or_else(|| from_url(own.user))
        .or_else(|| context.variable("CLICKHOUSE_USER"));
    let password = password
        .or_else(|| from_url(own.password).map(Secret::new))
        .or_else(|| context.expansion("CLICKHOUSE_PASSWORD").map(Secret::new));
    let database = database.or_else(|| context.variable("CLICKHOUSE_DB"));
    Some(Server {
        url: own.url,
        user: user.unwrap_or_else(|| defaults::USER.to_owned()),
        password: password.unwrap_or_default(),
        database: database.unwrap_or_else(|| defaults::DATABASE.to_owned()),
    })
}

fn url_variable(context: &Context<'_>, name: &str) -> Option<ServerUrl> {
    let text = context.variable(name)?;
    match url::server(&text) {
        Ok(parts) => Some(parts),
        Err(error) => {
            context.report_variable(name, &format!("the URL of {name} {}", error.message), &error.remedy);
            None
        }
    }
}
