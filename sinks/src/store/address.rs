//! The address of a store: a URL or a folder, taken apart.
//!
//! Pure: nothing is opened. A URL that holds credentials or a query is refused, so an address may be printed.

use std::path::{Component, Path as FsPath, PathBuf};

use crate::error::SinkError;

/// Which kind of store an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// A folder of this machine.
    Local,
    /// This process's memory, for tests.
    Memory,
    /// Google Cloud Storage.
    Gcs,
    /// Amazon S3 or a compatible server.
    S3,
    /// Azure Blob Storage.
    Azure,
}

impl StoreKind {
    /// The kind's name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local folder",
            Self::Memory => "memory",
            Self::Gcs => "GCS",
            Self::S3 => "S3",
            Self::Azure => "Azure",
        }
    }
}

/// An address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The kind of store.
    pub kind: StoreKind,
    /// Bucket or container; empty for folders and memory.
    pub bucket: String,
    /// Where everything goes: for folders the absolute path without its leading `/`, else the prefix in the bucket.
    /// No `/` at either end.
    pub prefix: String,
    /// The Azure account, where the address names it.
    pub account: Option<String>,
    /// The address as it is shown in messages.
    pub name: String,
}

const REMEDY: &str = "write one of: /a/folder, file:///a/folder, gs://bucket/prefix, s3://bucket/prefix, \
                      az://container/prefix, abfss://container@account.dfs.core.windows.net/prefix";

impl Address {
    /// Takes `url` apart. A relative folder is taken from the current directory.
    pub fn parse(url: &str) -> Result<Self, SinkError> {
        let url = url.trim();
        if url.is_empty() {
            return Err(bad("(empty)", "the address is empty".into()));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return match url.split_once(':') {
                Some((scheme, _)) if scheme.len() > 1 && !scheme.contains(['/', '.']) => {
                    Err(bad(&shown(url), format!("{scheme:?} must be followed by ://")))
                }
                _ => folder(url),
            };
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return match rest.strip_prefix("localhost").unwrap_or(rest) {
                path if path.starts_with('/') => folder(&percent_decoded(path)),
                _ => Err(bad(&shown(url), "a file:// address needs an absolute path".into())),
            };
        }
        if rest.contains(['?', '#']) {
            return Err(bad(
                &shown(url),
                "an address has no query or fragment; credentials are options".into(),
            ));
        }
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = tidy(prefix).map_err(|reason| bad(&shown(url), reason))?;
        match scheme.as_str() {
            "memory" => Ok(Self::new(
                StoreKind::Memory,
                "memory",
                "",
                &tidy(rest).unwrap_or_default(),
                None,
            )),
            "gs" | "gcs" => bucket(StoreKind::Gcs, "gs", host, &prefix, url),
            "s3" | "s3a" | "s3n" => bucket(StoreKind::S3, "s3", host, &prefix, url),
            "az" | "azure" | "adl" | "abfs" | "abfss" | "wasb" | "wasbs" => azure(host, &prefix, url),
            "https" | "http" => azure_https(host, &prefix, url),
            other => {
                let known = ["file", "gs", "s3", "az", "abfss", "memory"];
                let near = super::options::nearest(other, known).map(|n| format!("; did you mean {n}://?"));
                Err(bad(
                    &shown(url),
                    format!("unknown scheme {other:?}{}", near.unwrap_or_default()),
                ))
            }
        }
    }

    fn new(kind: StoreKind, scheme: &str, bucket: &str, prefix: &str, account: Option<String>) -> Self {
        let slash = if prefix.is_empty() || bucket.is_empty() {
            ""
        } else {
            "/"
        };
        let name = format!("{scheme}://{bucket}{slash}{prefix}");
        Self {
            kind,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            account,
            name,
        }
    }
}

fn bad(store: &str, reason: String) -> SinkError {
    SinkError::StoreConfig {
        store: store.to_owned(),
        reason,
        remedy: REMEDY.to_owned(),
    }
}

/// The address without anything that may be a credential: what stands before an `@`, and the query.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        (None, Some((_, rest))) => format!("***@{rest}"),
        (_, None) => url.to_owned(),
    }
}

/// A prefix without `/` at its ends and without empty, `.` or `..` segments.
fn tidy(prefix: &str) -> Result<String, String> {
    let prefix = prefix.trim_matches('/');
    match prefix
        .split('/')
        .find(|part| matches!(*part, "." | "..") || (part.is_empty() && !prefix.is_empty()))
    {
        Some(part) => Err(format!("the prefix {prefix:?} has a segment {part:?}")),
        None => Ok(prefix.to_owned()),
    }
}

fn folder(path: &str) -> Result<Address, SinkError> {
    let absolute = std::path::absolute(path).map_err(|error| bad(path, error.to_string()))?;
    let mut clean = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    let prefix = FsPath::to_str(&clean).map(|text| text.trim_matches('/').to_owned());
    let Some(prefix) = prefix else {
        return Err(bad(path, "the path is not UTF-8".into()));
    };
    Ok(Address::new(StoreKind::Local, "file", "", &format!("/{prefix}"), None)).map(|mut address| {
        address.prefix = prefix;
        address
    })
}

fn bucket(kind: StoreKind, scheme: &str, host: &str, prefix: &str, url: &str) -> Result<Address, SinkError> {
    if host.contains('@') {
        return Err(bad(
            &shown(url),
            "credentials do not belong in the address; they are options".into(),
        ));
    }
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if host.is_empty() || !host.chars().all(valid) {
        return Err(bad(&shown(url), format!("{host:?} is not the name of a bucket")));
    }
    Ok(Address::new(kind, scheme, host, prefix, None))
}

/// `container`, or `container@account.dfs.core.windows.net`.
fn azure(host: &str, prefix: &str, url: &str) -> Result<Address, SinkError> {
    match host.split_once('@') {
        None => bucket(StoreKind::Azure, "az", host, prefix, url),
        Some((container, host)) => match host.split_once('.') {
            Some((account, rest)) if rest.ends_with("core.windows.net") && !container.contains(':') => {
                let mut address = bucket(StoreKind::Azure, "az", container, prefix, url)?;
                address.account = Some(account.to_owned());
                Ok(address)
            }
            _ => Err(bad(
                &shown(url),
                "expected container@account.dfs.core.windows.net".into(),
            )),
        },
    }
}

/// `account.blob.core.windows.net/container/prefix`.
fn azure_https(host: &str, path: &str, url: &str) -> Result<Address, SinkError> {
    let account = host
        .strip_suffix(".blob.core.windows.net")
        .or_else(|| host.strip_suffix(".dfs.core.windows.net"));
    let (container, prefix) = path.split_once('/').unwrap_or((path, ""));
    match account {
        Some(account) if !account.contains('@') => {
            let mut address = bucket(StoreKind::Azure, "az", container, prefix, url)?;
            address.account = Some(account.to_owned());
            Ok(address)
        }
        _ => Err(bad(
            &shown(url),
            "an endpoint is an option (endpoint = ...), the address names the bucket".into(),
        )),
    }
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = path.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let cases = [
            (
                "gs://lf-lake/langfuse/",
                StoreKind::Gcs,
                "lf-lake",
                "langfuse",
                "gs://lf-lake/langfuse",
            ),
            ("gcs://b", StoreKind::Gcs, "b", "", "gs://b"),
            ("s3://b/a/c", StoreKind::S3, "b", "a/c", "s3://b/a/c"),
            ("S3A://b/", StoreKind::S3, "b", "", "s3://b"),
            ("az://c/p", StoreKind::Azure, "c", "p", "az://c/p"),
            (
                "abfss://c@acc.dfs.core.windows.net/p",
                StoreKind::Azure,
                "c",
                "p",
                "az://c/p",
            ),
            (
                "https://acc.blob.core.windows.net/c/p/q",
                StoreKind::Azure,
                "c",
                "p/q",
                "az://c/p/q",
            ),
            (
                "file:///data/la%20ke/",
                StoreKind::Local,
                "",
                "data/la ke",
                "file:///data/la ke",
            ),
            ("/data/../lake//x", StoreKind::Local, "", "lake/x", "file:///lake/x"),
            ("memory://", StoreKind::Memory, "", "", "memory://"),
        ];
        for (url, kind, bucket, prefix, name) in cases {
            let address = Address::parse(url).expect(url);
            let got = (
                address.kind,
                address.bucket.as_str(),
                address.prefix.as_str(),
                address.name.as_str(),
            );
            assert_eq!(got, (kind, bucket, prefix, name), "{url}");
        }
        let account = Address::parse("abfss://c@acc.dfs.core.windows.net")
            .expect("abfss")
            .account;
        assert_eq!(account.as_deref(), Some("acc"));
    }

    #[test]
    fn a_relative_folder_is_below_the_current_one() {
        let address = Address::parse("lake").expect("relative");
        assert!(
            address.name.starts_with("file:///") && address.name.ends_with("/lake"),
            "{}",
            address.name
        );
    }

    #[test]
    fn bad_addresses_are_refused_and_never_show_a_secret() {
        for url in [
            "",
            "gs://",
            "gs:bucket",
            "s4://b",
            "ftp://host/x",
            "s3://KEY:hunter2@bucket/x",
            "s3://b/a/../c",
            "s3://b/a//c",
            "az://c?sig=hunter2",
            "https://KEY:hunter2@example.com/b",
            "https://example.com/b",
            "file://relative",
            "gs://b ad",
        ] {
            let error = Address::parse(url).expect_err(url);
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(matches!(error, SinkError::StoreConfig { .. }), "{error:?}");
        }
    }
}
