//! Which ClickHouse users the services of a configuration need, and how far each may go. Pure.
//!
//! A service that the file uses has a user of its own, or the file has a fault: two kinds of work with one user would share its
//! limits. Services that are only fallbacks of another are left out.

mod passwords;

use std::fmt;

use tracemill_model::ByteSize;
use tracemill_warehouse::profiles::{Ceiling, Proof, Sizes, UserProfile, is_element_name};
use tracemill_warehouse::{Limits, ServiceKind};

use crate::PipelineError;
use crate::config::{Checked, Engine, QueryLimits, Server, Servers};

pub(crate) use passwords::{Invented, inventing, sha256_hex, variable_of};

/// Queries of one user at once, however small the process's own limits are: several processes share a user.
const LEAST_QUERIES: u32 = 32;
/// Processes that may run at their own limits at the same time.
const PROCESSES: u32 = 8;

/// Something in the file that no profile can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    what: String,
    remedy: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

/// A service with the server that it is routed to and the limits of its queries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Routed<'a> {
    pub(crate) kind: ServiceKind,
    pub(crate) server: &'a Server,
    pub(crate) limits: &'a QueryLimits,
    /// Whether a graph or a face of the file uses it.
    pub(crate) is_used: bool,
}

/// The services of the file, people's first. One that nothing uses and that has the user of another is a fallback, and left out.
pub(crate) fn routed<'a>(checked: &'a Checked, servers: &'a Servers) -> Vec<Routed<'a>> {
    let queries = &checked.queries;
    let of = |kind, server: Option<&'a Server>, limits, is_used| {
        server.map(|server| Routed {
            kind,
            server,
            limits,
            is_used,
        })
    };
    let exports = checked.graphs.iter().any(|graph| !graph.routes().is_empty());
    let all: Vec<Routed<'a>> = [
        of(
            ServiceKind::ReadOnly,
            servers.read_only.as_ref(),
            &queries.read_only,
            checked.web.is_some(),
        ),
        of(
            ServiceKind::ReadWrite,
            servers.read_write.as_ref(),
            &queries.read_write,
            checked.ingestion().is_some(),
        ),
        of(ServiceKind::Export, Some(&servers.export), &queries.export, exports),
    ]
    .into_iter()
    .flatten()
    .collect();
    let is_fallback = |one: &Routed<'a>| {
        let shares = |other: &Routed<'a>| other.kind != one.kind && other.server.user == one.server.user;
        let is_own = |other: &&Routed<'a>| other.is_used || other.kind == ServiceKind::ReadWrite;
        !one.is_used && all.iter().filter(is_own).any(shares)
    };
    all.iter().filter(|one| !is_fallback(one)).copied().collect()
}

/// The users of a file's services; `proof` tells what stands for a password.
///
/// # Errors
/// All that does not fit, rendered; the file has an embedded engine.
pub(crate) fn users(
    checked: &Checked,
    sizes: &Sizes,
    proof: &dyn Fn(&Server) -> Option<Proof>,
) -> Result<Vec<UserProfile>, PipelineError> {
    let Engine::Servers(servers) = &checked.engine else {
        return Err(PipelineError::Usage {
            reason: format!(
                "{} has the embedded engine, which has its own users; profiles are for a server of [clickhouse]",
                checked.file
            ),
        });
    };
    let all = routed(checked, servers);
    let mut misfits = shared_users(&all);
    let mut users = Vec::new();
    for one in &all {
        misfits.extend(names(one));
        let ceiling = sizes.ceiling(one.kind, queries(checked, one.kind));
        misfits.extend(beyond(one, &ceiling, sizes));
        let proof = proof(one.server);
        if proof.is_none() {
            let kind = one.kind;
            misfits.push(Misfit {
                what: format!("clickhouse.{kind} has no password"),
                remedy: format!(
                    "write password = \"${{{}}}\", and set it or use --generate",
                    variable_of(kind)
                ),
            });
        }
        let is_reader = one.kind == ServiceKind::ReadOnly;
        let reads = checked.web.as_ref().filter(|_| is_reader).map(|web| &web.reads);
        users.push(UserProfile {
            kind: one.kind,
            user: one.server.user.clone(),
            proof: proof.unwrap_or(Proof::Placeholder),
            database: one.server.database.clone(),
            limits: limits(one.limits),
            ceiling,
            max_rows: reads.and_then(|reads| reads.max_rows),
            max_bytes: reads.and_then(|reads| reads.max_bytes),
            cluster: servers.cluster.is_some(),
        });
    }
    if misfits.is_empty() {
        return Ok(users);
    }
    let lines: Vec<String> = misfits
        .iter()
        .map(|misfit| format!("{}: {misfit}", checked.file))
        .collect();
    Err(PipelineError::Config {
        rendered: lines.join("\n"),
    })
}

fn limits(limits: &QueryLimits) -> Limits {
    Limits {
        max_memory_usage: limits.max_memory_usage,
        max_threads: limits.max_threads,
        priority: limits.priority,
        timeout: Some(limits.timeout),
        ..Limits::default()
    }
}

/// How many queries of a service the server is to take at once.
fn queries(checked: &Checked, kind: ServiceKind) -> u32 {
    let at_once = match kind {
        ServiceKind::ReadOnly => checked.web.as_ref().map_or(0, |web| web.reads.at_once),
        ServiceKind::ReadWrite => 8,
        ServiceKind::Export => checked.limits.leaves,
    };
    let at_once = u32::try_from(at_once).unwrap_or(u32::MAX);
    at_once.saturating_mul(PROCESSES).max(LEAST_QUERIES)
}

/// Services that log in as one user.
fn shared_users(all: &[Routed<'_>]) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    for (index, one) in all.iter().enumerate() {
        if let Some(other) = all[..index].iter().find(|other| other.server.user == one.server.user) {
            misfits.push(Misfit {
                what: format!(
                    "clickhouse.{} and clickhouse.{} log in as the same user {:?}, whose limits they would share",
                    other.kind, one.kind, one.server.user
                ),
                remedy: format!("give each a user of its own, such as {}", example(other.kind)),
            });
        }
    }
    misfits
}

fn example(kind: ServiceKind) -> String {
    let user = match kind {
        ServiceKind::ReadOnly => "interactive_user",
        ServiceKind::ReadWrite => "ingestion_user",
        ServiceKind::Export => "export_user",
    };
    format!(
        "{kind} = {{ url = \"http://{user}:${{{}}}@host:8123\" }}",
        variable_of(kind)
    )
}

fn names(one: &Routed<'_>) -> Option<Misfit> {
    let (kind, user) = (one.kind, &one.server.user);
    let remedy = format!("give it a user of its own, such as {}", example(kind));
    if user == "default" {
        let what = format!("clickhouse.{kind} logs in as \"default\", the server's own user");
        return Some(Misfit { what, remedy });
    }
    (!is_element_name(user)).then(|| Misfit {
        what: format!("clickhouse.{kind} logs in as {user:?}, which cannot be a name in users.xml"),
        remedy: "use letters, digits, - and _".to_owned(),
    })
}

/// Limits of the file that the profile would refuse.
fn beyond(one: &Routed<'_>, ceiling: &Ceiling, sizes: &Sizes) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let mut misfit = |key: &str, asked: String, share: String, of: String, flag: &str| {
        misfits.push(Misfit {
            what: format!(
                "{key} of clickhouse.{} is {asked}, and its share of a server with {of} is {share}",
                one.kind
            ),
            remedy: format!("lower it, or say with {flag} how large the server is"),
        });
    };
    if let Some(asked) = one
        .limits
        .max_memory_usage
        .filter(|asked| *asked > ceiling.query_memory)
    {
        let share = ceiling.query_memory;
        misfit(
            "max_memory_usage",
            asked.to_string(),
            share.to_string(),
            ByteSize::to_string(&sizes.memory),
            "--memory",
        );
    }
    if let Some(asked) = one.limits.max_threads.filter(|asked| *asked > ceiling.threads) {
        let (share, of) = (ceiling.threads.to_string(), format!("{} threads", sizes.threads));
        misfit("max_threads", asked.to_string(), share, of, "--threads");
    }
    misfits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const GRAPHS: &str = "
        [store.lake]
        url = \"/tmp/lake\"
        [graph.export.source.windows]
        type = \"windows\"
        [graph.export.operator.newest]
        type = \"dedup\"
        input = \"windows\"
        [graph.export.sink.lake]
        type = \"parquet\"
        input = \"newest\"
        store = \"lake\"
        failed = \"halves\"
        [graph.export.operator.halves]
        type = \"split\"
        into = \"windows\"
        [access.p]
        keys = [{ public = \"pk\", secret = \"sk\" }]
        [web]
    ";

    fn checked(clickhouse: &str) -> Checked {
        let text = format!("[clickhouse]\n{clickhouse}\n{GRAPHS}");
        config::load(&text, "x.toml", &|_| None).unwrap_or_else(|faults| panic!("{}", config::render(&faults)))
    }

    fn hash(server: &Server) -> Option<Proof> {
        let password = server.password.reveal();
        (!password.is_empty()).then(|| Proof::Sha256(sha256_hex(password)))
    }

    fn told(clickhouse: &str, sizes: Sizes) -> Result<Vec<String>, String> {
        users(&checked(clickhouse), &sizes, &hash)
            .map(|users| {
                users
                    .iter()
                    .map(|user| format!("{} {}", user.kind, user.user))
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_service_that_is_used_has_a_user_of_its_own() {
        let server = Sizes::default();
        let (people, exports) = (
            "read_only = { url = \"http://p:x@h:1\" }\n",
            "export = { url = \"http://e:x@h:1\" }\n",
        );
        assert_eq!(
            told(&format!("{people}{exports}"), server),
            Ok(vec!["read_only p".to_owned(), "export e".to_owned()])
        );
        // Nothing writes, so read_write is somebody's who migrates.
        let writes = "read_write = { url = \"http://w:x@h:1\" }\n";
        assert_eq!(
            told(&format!("{writes}{people}{exports}"), server).map(|users| users.len()),
            Ok(3)
        );
        // People's queries fall back to read_write, and nothing writes: it is a reader.
        assert_eq!(
            told(&format!("{writes}{exports}"), server),
            Ok(vec!["read_only w".to_owned(), "export e".to_owned()])
        );
        let twice = told(&format!("{people}export = {{ url = \"http://p:x@h:2\" }}"), server).expect_err("one user");
        assert!(
            twice.contains("read_only and clickhouse.export log in as the same user \"p\""),
            "{twice}"
        );
    }

    #[test]
    fn what_no_profile_can_serve_is_told_at_once() {
        let sizes = Sizes {
            memory: ByteSize::gib(8),
            threads: 2,
        };
        let error = told(
            "read_only = { url = \"http://h:1\", user = \"a.b\", max_threads = 3 }\nexport = { url = \"http://h:1\" }",
            sizes,
        )
        .expect_err("faults");
        for part in [
            "clickhouse.read_only logs in as \"a.b\"",
            "max_threads of clickhouse.read_only is 3",
            "its share of a server with 2 threads is 2",
            "clickhouse.export logs in as \"default\"",
            "max_memory_usage of clickhouse.export is 18.6 GiB",
            "clickhouse.export has no password; write password = \"${CH_EXPORT_PASSWORD}\"",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn the_embedded_engine_has_its_own() {
        let checked = config::load(GRAPHS, "x.toml", &|_| None).expect("no faults");
        assert!(users(&checked, &Sizes::default(), &hash).is_err());
    }
}
