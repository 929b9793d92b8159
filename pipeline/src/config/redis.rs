//! Where Redis is: the file's `url`, else the variables with which operators of Langfuse say it.
//!
//! A URL may hold a password, so none of them is ever shown but by [`super::url::redacted`].

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tracemill_model::Secret;

use super::fault::Context;
use super::reader::Section;
use super::services::{flag_variable, integer_variable};
use super::url;

/// Where Redis is.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// Empty after faults.
    pub(super) urls: Vec<Secret>,
    /// The URLs without credentials.
    pub(super) address: String,
    pub(super) cluster: bool,
}

const REMEDY: &str = "write url = \"redis://host:6379\", or set REDIS_CONNECTION_STRING or REDIS_HOST";

/// Reads `url` and `cluster`.
pub(super) fn servers(section: &Section<'_>) -> Servers {
    let given = section.boolean("cluster");
    let cluster = match given {
        Some(cluster) => cluster,
        None if section.has("cluster") => false,
        None => flag_variable(section.context, "REDIS_CLUSTER_ENABLED").unwrap_or(false),
    };
    let urls = if section.has("url") {
        of_file(section, cluster)
    } else {
        of_environment(section, cluster)
    };
    let shown: Vec<String> = urls.iter().map(|url| url::redacted(url)).collect();
    Servers {
        urls: urls.into_iter().map(Secret::new).collect(),
        address: shown.join(", "),
        cluster,
    }
}

fn of_file(section: &Section<'_>, cluster: bool) -> Vec<String> {
    let texts = section.urls("url").unwrap_or_default();
    let report = |at, message: String, remedy: &str| section.report(at, "url", None, message, remedy);
    if section.is_empty_list("url") {
        let message = format!("url in {} is an empty list", section.path);
        report(section.at_of("url"), message, "write url = \"redis://host:6379\"");
    }
    if texts.len() > 1 && !cluster {
        let message = format!("{} has {} URLs, but is no cluster", section.path, texts.len());
        report(section.at_of("url"), message, "keep one, or write cluster = true");
    }
    for text in &texts {
        let shown = url::redacted(&text.raw);
        match url::redis(&text.value) {
            Ok(0) => {}
            Ok(number) if cluster => {
                let message = format!(
                    "the URL {shown:?} in {} names database {number}, but a cluster has only 0",
                    section.path
                );
                section.report(text.at, "url", Some(&shown), message, "end the URL after the port");
            }
            Ok(_) => {}
            Err(error) => {
                let message = format!("the URL {shown:?} in {} {}", section.path, error.message);
                section.report(text.at, "url", Some(&shown), message, error.remedy);
            }
        }
    }
    texts.into_iter().map(|text| text.value).collect()
}

fn of_environment(section: &Section<'_>, cluster: bool) -> Vec<String> {
    let context = section.context;
    if flag_variable(context, "REDIS_SENTINEL_ENABLED") == Some(true) {
        let message = "REDIS_SENTINEL_ENABLED is true, but sentinels are not supported";
        let remedy = format!("{} of the master's own name", REMEDY.replace(", or", " or"));
        context.report_variable("REDIS_SENTINEL_ENABLED", message, &remedy);
        return Vec::new();
    }
    let nodes = context.variable("REDIS_CLUSTER_NODES").filter(|_| cluster);
    let (name, urls) = if let Some(nodes) = nodes {
        let nodes = nodes.split(',').map(str::trim).filter(|node| !node.is_empty());
        let urls = nodes.map(|node| format!("{}{node}", before_host(context))).collect();
        ("REDIS_CLUSTER_NODES", urls)
    } else if let Some(url) = context.variable("REDIS_CONNECTION_STRING") {
        ("REDIS_CONNECTION_STRING", vec![url])
    } else if let Some(host) = context.variable("REDIS_HOST") {
        let port = integer_variable(context, "REDIS_PORT", 1, u64::from(u16::MAX)).unwrap_or(6379);
        ("REDIS_HOST", vec![format!("{}{host}:{port}", before_host(context))])
    } else {
        section.missing("url", REMEDY);
        return Vec::new();
    };
    for url in &urls {
        match url::redis(url) {
            Ok(number) if cluster && number > 0 => {
                let message = format!("{name} names database {number}, but a cluster has only 0");
                context.report_variable(name, &message, "end the URL after the port");
            }
            Ok(_) => {}
            Err(error) => {
                context.report_variable(name, &format!("the URL of {name} {}", error.message), &error.remedy);
            }
        }
    }
    urls
}

/// `redis://user:password@` of the variables beside the host.
fn before_host(context: &Context<'_>) -> String {
    let is_tls = flag_variable(context, "REDIS_TLS_ENABLED").unwrap_or(false);
    let scheme = if is_tls { "rediss" } else { "redis" };
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let user = context.variable("REDIS_USERNAME").unwrap_or_default();
    match context.expansion("REDIS_AUTH").filter(|password| !password.is_empty()) {
        Some(password) => format!("{scheme}://{}:{}@", encoded(&user), encoded(&password)),
        None => format!("{scheme}://"),
    }
}
