//! Stores, limits, status and role: the sections that stand by themselves.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tracemill_model::Secret;
use tracemill_sinks::store::langfuse::event_store;

use super::checked::{Limits, Role, Status, Store};
use super::defaults;
use super::fault::{Context, listed};
use super::reader::{Bounds, Section, Span};
use super::url;

/// Stores by name; one whose URL is faulty is `None`, so that references to it are no second fault.
pub(super) type Stores = BTreeMap<String, Option<Store>>;

/// What a store says about its own address and options: what is wrong, and what to do. Neither may hold a value.
pub type StoreCheck<'a> = dyn Fn(&Store) -> Vec<(String, String)> + 'a;

/// Reads every `[store.NAME]`. An ingestion graph has one more, `raw`, where the file has none of that name and the
/// environment describes the fork's event bucket.
pub(super) fn read(root: &Section<'_>, check: &StoreCheck<'_>) -> Stores {
    let mut stores = of_file(root, check);
    if root.has_source("queue") && !stores.contains_key(defaults::RAW_STORE) {
        stores.extend(of_environment(root.context, check));
    }
    stores
}

/// The store that the fork's variables describe.
fn of_environment(context: &Context<'_>, check: &StoreCheck<'_>) -> Option<(String, Option<Store>)> {
    const BUCKET: &str = "LANGFUSE_S3_EVENT_UPLOAD_BUCKET";
    let name = defaults::RAW_STORE.to_owned();
    let config = event_store(|name| context.variable(name))?;
    let kind = match url::store(&config.url) {
        Ok(kind) => kind,
        Err(error) => {
            context.report_variable(
                BUCKET,
                &format!("the bucket of {BUCKET} {}", error.message),
                &error.remedy,
            );
            return Some((name, None));
        }
    };
    let store = Store {
        name: name.clone(),
        kind,
        url: config.url,
        options: config.options,
    };
    for (message, remedy) in check(&store) {
        let message = format!("the store of LANGFUSE_S3_EVENT_UPLOAD_*: {message}");
        context.report_variable(BUCKET, &message, &remedy);
    }
    Some((name, Some(store)))
}

fn of_file(root: &Section<'_>, check: &StoreCheck<'_>) -> Stores {
    let Some(section) = root.section("store", "[store.NAME]") else {
        return Stores::default();
    };
    section
        .named("[store.NAME]")
        .into_iter()
        .map(|(name, section)| {
            let store = read_store(&name, &section);
            if let Some(store) = &store {
                ask(&section, store, check);
            }
            section.finish();
            (name, store)
        })
        .collect()
}

/// Lets the store check itself. A fault stands at the option that its message names in quotes.
fn ask(section: &Section<'_>, store: &Store, check: &StoreCheck<'_>) {
    let options = section.section("options", "");
    for (message, remedy) in check(store) {
        let named = store.options.keys().find(|key| message.contains(&format!("{key:?}")));
        let (place, key) = match (&options, named) {
            (Some(options), Some(key)) => (options, key.as_str()),
            _ => (section, "url"),
        };
        place.report(
            place.at_of(key),
            key,
            None,
            format!("{message} ({})", place.path),
            remedy,
        );
    }
}

fn read_store(name: &str, section: &Section<'_>) -> Option<Store> {
    let options = section
        .section("options", "options = { region = \"...\" }")
        .map_or_else(BTreeMap::new, |options| {
            let texts = options.all_texts();
            texts
                .into_iter()
                .map(|(key, text)| (key, Secret::new(text.value)))
                .collect()
        });
    if !section.has("url") {
        section.missing("url", "write url = \"gs://bucket/prefix/\" or url = \"./folder\"");
    }
    let text = section.url("url")?;
    match url::store(&text.value) {
        Ok(kind) => Some(Store {
            name: name.to_owned(),
            kind,
            url: text.value,
            options,
        }),
        Err(error) => {
            let shown = url::redacted(&text.raw);
            let message = format!("the URL {shown:?} in {} {}", section.path, error.message);
            section.report(text.at, "url", Some(&shown), message, error.remedy);
            None
        }
    }
}

/// An address with a port, if the key is there.
pub(super) fn address(section: &Section<'_>, key: &str, example: &str) -> Option<SocketAddr> {
    let text = section.name(key)?;
    let address = text.value.parse().ok();
    if address.is_none() {
        let message = format!("{key} = {:?} in {} is no address with a port", text.raw, section.path);
        let port = example.rsplit_once(':').map_or("", |(_, port)| port);
        let remedy = format!("write \"{example}\", \"0.0.0.0:{port}\" for every network, or \"[::]:{port}\"");
        section.report(text.at, key, Some(&text.raw), message, remedy);
    }
    address
}

/// Reads `[limits]`.
pub(super) fn limits(root: &Section<'_>) -> Limits {
    let mut limits = Limits {
        memory: defaults::MEMORY,
        leaves: defaults::LEAVES,
        workers: defaults::WORKERS,
        encode_threads: defaults::ENCODE_THREADS,
    };
    let Some(section) = root.section("limits", "[limits]") else {
        return limits;
    };
    let memory = Bounds {
        range: defaults::MIN_MEMORY..=defaults::MAX_MEMORY,
        why: "",
    };
    limits.memory = section.size("memory", &memory).unwrap_or(limits.memory);
    let count = |key: &str, default: usize| {
        let bounds = Bounds {
            range: 1..=defaults::MAX_PARALLEL,
            why: "",
        };
        section.integer(key, &bounds).unwrap_or(default)
    };
    limits.leaves = count("leaves", limits.leaves);
    limits.workers = count("workers", limits.workers);
    limits.encode_threads = count("encode_threads", limits.encode_threads);
    section.finish();
    limits
}

/// Reads `[status]`.
pub(super) fn status(root: &Section<'_>) -> Status {
    let section = root.section("status", "[status]");
    let dir = section.as_ref().and_then(|section| section.name("dir"));
    let listen = section
        .as_ref()
        .and_then(|section| address(section, "listen", "127.0.0.1:9464"));
    let patience = Bounds {
        range: Span(defaults::MIN_UNHEALTHY_AFTER)..=Span(defaults::MAX_UNHEALTHY_AFTER),
        why: "",
    };
    let unhealthy_after = section
        .as_ref()
        .and_then(|section| section.duration("unhealthy_after", &patience));
    if let Some(section) = &section {
        section.finish();
    }
    Status {
        listen,
        unhealthy_after: unhealthy_after.unwrap_or(defaults::UNHEALTHY_AFTER),
        dir: dir.map_or_else(|| defaults::STATUS_DIR.into(), |dir| dir.value.into()),
    }
}

/// Reads `role`, else `LANGFUSE_WORKER_ROLE`.
pub(super) fn role(root: &Section<'_>) -> Role {
    if let Some(role) = root.choice("role", &Role::NAMES) {
        return role;
    }
    let name = "LANGFUSE_WORKER_ROLE";
    let Some(text) = root.context.variable(name).filter(|_| !root.has("role")) else {
        return Role::All;
    };
    if let Some(role) = Role::parse(&text) {
        return role;
    }
    let names = Role::NAMES.map(|(name, _)| name);
    root.context.report_variable(
        name,
        &format!("{name} is no role"),
        &format!("set it to one of {}", listed(&names)),
    );
    Role::All
}
