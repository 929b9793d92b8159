//! `profiles`: the users of ClickHouse that a graph file's services log in as, with limits that they cannot lift.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use tracemill_model::{ByteSize, Secret};
use tracemill_warehouse::profiles::{Proof, Sizes, UserProfile, users_xml};

use crate::PipelineError;
use crate::config::{Checked, Engine, Server};
use crate::profiles::{Invented, inventing, routed, sha256_hex, users, variable_of};
use crate::session::{load_text, read};

/// The file that is described where none is given.
const EXAMPLE: &str = include_str!("../../../examples/three-roles.toml");
const EXAMPLE_NAME: &str = "examples/three-roles.toml";

/// New passwords, each with the variable that it belongs into.
type Secrets = Vec<(String, Secret)>;

/// Arguments of `profiles`.
#[derive(Debug, Args)]
pub(super) struct ProfilesArgs {
    /// The graph file, whose [clickhouse] has the users. Without it: those of examples/three-roles.toml, with placeholders for the
    /// hashes of their passwords.
    #[arg(value_name = "GRAPH.toml")]
    graph: Option<PathBuf>,
    /// Memory of the machine that ClickHouse runs on.
    #[arg(long, value_name = "SIZE", default_value = "64 GB", value_parser = size)]
    memory: ByteSize,
    /// Threads of the machine that ClickHouse runs on.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: u32,
    /// Where the users may come from, such as 10.0.0.0/8; may be repeated. From everywhere without it.
    #[arg(long = "network", value_name = "NETWORK", value_parser = network)]
    networks: Vec<String>,
    /// Make new passwords for those variables that are not set, such as ${CH_EXPORT_PASSWORD}, and print them once as
    /// NAME=value to standard error.
    #[arg(long)]
    generate: bool,
    /// Where the new passwords go instead: a file that is not there yet, readable by its owner alone.
    #[arg(long, value_name = "FILE", requires = "generate")]
    secrets: Option<PathBuf>,
    /// Where the users go; standard output without it. A file that is there is replaced at once.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn size(text: &str) -> Result<ByteSize, String> {
    let size = ByteSize::parse(text).map_err(|error| error.to_string())?;
    if size < ByteSize::gib(1) {
        return Err("a server has 1 GiB at the least".to_owned());
    }
    Ok(size)
}

/// An address, with or without the length of a prefix.
fn network(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no network: write one as 10.0.0.0/8, 10.1.2.3 or fd00::/8");
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    match length.map(str::parse::<u8>) {
        None => Ok(text.to_owned()),
        Some(Ok(length)) if length <= most => Ok(text.to_owned()),
        Some(_) => Err(wrong()),
    }
}

/// `tracemill profiles`.
pub(super) fn profiles(args: &ProfilesArgs) -> Result<(), PipelineError> {
    let sizes = Sizes {
        memory: args.memory,
        threads: args.threads,
    };
    let (users, secrets) = if args.generate {
        generated(args.graph.as_deref(), &sizes)?
    } else {
        (known(args.graph.as_deref(), &sizes)?, Vec::new())
    };
    let networks = if args.networks.is_empty() {
        vec!["::/0".to_owned()]
    } else {
        args.networks.clone()
    };
    let text = users_xml(&users, &sizes, &networks);
    // The passwords first: without them the users are of no use.
    if args.generate {
        tell_secrets(&secrets, args.secrets.as_deref())?;
    }
    match &args.output {
        Some(path) => replace(path, &text),
        None => {
            let mut stdout = std::io::stdout().lock();
            stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush())
                .map_err(|error| io("cannot write to standard output", &error))
        }
    }
}

fn io(what: &str, error: &std::io::Error) -> PipelineError {
    PipelineError::Io {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

fn source(graph: Option<&Path>) -> Result<(String, String), PipelineError> {
    match graph {
        Some(path) => Ok((read(path)?, path.display().to_string())),
        None => Ok((EXAMPLE.to_owned(), EXAMPLE_NAME.to_owned())),
    }
}

/// Users whose passwords the services have; of the example, users without.
fn known(graph: Option<&Path>, sizes: &Sizes) -> Result<Vec<UserProfile>, PipelineError> {
    let (text, name) = source(graph)?;
    if graph.is_none() {
        let invented = Invented::default();
        let checked = load_text(&text, &name, &inventing(&text, &|_| None, &invented), None)?;
        return users(&checked, sizes, &|_| Some(Proof::Placeholder));
    }
    let checked = load_text(&text, &name, &|name| std::env::var(name).ok(), None)?;
    users(&checked, sizes, &proof)
}

fn proof(server: &Server) -> Option<Proof> {
    let password = server.password.reveal();
    (!password.is_empty()).then(|| Proof::Sha256(sha256_hex(password)))
}

/// Users with new passwords where a variable that holds one is not set, and those passwords by variable.
fn generated(graph: Option<&Path>, sizes: &Sizes) -> Result<(Vec<UserProfile>, Secrets), PipelineError> {
    let (text, name) = source(graph)?;
    let env = |name: &str| std::env::var(name).ok().filter(|_| graph.is_some());
    let invented = Invented::default();
    let checked = match load_text(&text, &name, &inventing(&text, &env, &invented), None) {
        Ok(checked) => checked,
        // Faults are told with the environment as it is.
        Err(error) => return Err(load_text(&text, &name, &env, None).err().unwrap_or(error)),
    };
    let mut secrets = Vec::new();
    for (kind, password) in passwords(&checked) {
        if let Some(variable) = invented.variable(&password) {
            secrets.push((variable, password));
        } else if password.reveal().is_empty() {
            let variable = variable_of(kind);
            eprintln!("clickhouse.{kind} has no password yet: write password = \"${{{variable}}}\" beside its user");
            secrets.push((variable.to_owned(), invented.value(variable)));
        }
    }
    secrets.dedup_by(|one, other| one.0 == other.0);
    if graph.is_some() {
        refuse_others(&name, &invented, &secrets)?;
    }
    let users = users(&checked, sizes, &|server| {
        proof(server).or_else(|| {
            let kind = routed_kind(&checked, server)?;
            Some(Proof::Sha256(sha256_hex(invented.value(variable_of(kind)).reveal())))
        })
    })?;
    Ok((users, secrets))
}

fn passwords(checked: &Checked) -> Vec<(tracemill_warehouse::ServiceKind, Secret)> {
    let Engine::Servers(servers) = &checked.engine else {
        return Vec::new();
    };
    let all = routed(checked, servers);
    all.iter().map(|one| (one.kind, one.server.password.clone())).collect()
}

fn routed_kind(checked: &Checked, server: &Server) -> Option<tracemill_warehouse::ServiceKind> {
    let Engine::Servers(servers) = &checked.engine else {
        return None;
    };
    let all = routed(checked, servers);
    all.iter().find(|one| one.server == server).map(|one| one.kind)
}

/// A variable that is no password of ClickHouse is not for us to make up.
fn refuse_others(name: &str, invented: &Invented, secrets: &[(String, Secret)]) -> Result<(), PipelineError> {
    let mut others = invented.variables();
    others.retain(|variable| secrets.iter().all(|(known, _)| known != variable));
    if others.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = others
        .iter()
        .map(|variable| {
            format!("{name}: the environment variable {variable} is not set, and is no password of ClickHouse; set {variable}")
        })
        .collect();
    Err(PipelineError::Config {
        rendered: lines.join("\n"),
    })
}

fn tell_secrets(secrets: &[(String, Secret)], file: Option<&Path>) -> Result<(), PipelineError> {
    let lines: String = secrets
        .iter()
        .map(|(name, value)| format!("{name}={}\n", value.reveal()))
        .collect();
    if secrets.is_empty() {
        eprintln!("every password is set already; none was made");
        return Ok(());
    }
    let Some(path) = file else {
        eprint!("{lines}");
        return Ok(());
    };
    let what = format!("cannot create {}", path.display());
    let mut options = std::fs::OpenOptions::new();
    let created = options.create_new(true).write(true).mode(0o600).open(path);
    created
        .and_then(|mut file| file.write_all(lines.as_bytes()))
        .map_err(|error| io(&what, &error))
}

/// The server reads the file whenever it changes, so it must never see a part of it.
fn replace(path: &Path, text: &str) -> Result<(), PipelineError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    let opened = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o644)
        .open(&temporary);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|error| io(&format!("cannot write {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses() {
        for (text, expected) in [
            ("::/0", true),
            ("10.0.0.0/8", true),
            ("10.1.2.3", true),
            ("10.0.0.0/33", false),
            ("10.0.0.0/", false),
            ("host", false),
            ("<ip>", false),
            ("", false),
        ] {
            assert_eq!(network(text).is_ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_documented_users_are_what_the_command_writes() {
        let sizes = Sizes::default();
        let users = known(None, &sizes).expect("the example has users");
        let written = users_xml(&users, &sizes, &["::/0".to_owned()]);
        let documented = include_str!("../../../docs/clickhouse-users.xml");
        assert!(
            written == documented,
            "write it again: tracemill profiles --output docs/clickhouse-users.xml"
        );
    }
}
