//! Making the client of a store from its checked configuration.
//!
//! Nothing is sent here; files that hold keys are read. On error nothing is left behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{BackoffConfig, Certificate, ClientConfigKey, ClientOptions, HeaderValue, ObjectStore, RetryConfig};

use super::address::{Address, StoreKind};
use super::config::parse_bool;
use super::options::{self, CA_CERTIFICATE, FSYNC, PATH_STYLE};
use crate::error::SinkError;
use tracemill_model::Secret;

type Options = BTreeMap<&'static str, Secret>;

/// How often and how long a request is repeated before its error is told: well under half a minute together, because
/// the caller waits longer than that with a better plan (it backs off, and says so).
pub(super) fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(4),
            base: 2.0,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(15),
    }
}

/// The TLS client is built without a provider of its own, and panics if the process has none.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that the process has a provider already: then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// The client for `address`, with `options` as merged from configuration and environment.
pub(super) fn client(address: &Address, options: &Options) -> Result<Arc<dyn ObjectStore>, SinkError> {
    let built: object_store::Result<Arc<dyn ObjectStore>> = match address.kind {
        StoreKind::Memory => Ok(Arc::new(InMemory::new())),
        StoreKind::Local => Ok(Arc::new(
            LocalFileSystem::new().with_fsync(flag(options, FSYNC).unwrap_or(true)),
        )),
        StoreKind::Gcs => gcs(address, options, http(address, options)?).map(|c| Arc::new(c) as _),
        StoreKind::S3 => s3(address, options, http(address, options)?).map(|c| Arc::new(c) as _),
        StoreKind::Azure => azure(address, options, http(address, options)?).map(|c| Arc::new(c) as _),
    };
    built.map_err(|error| refused(address, &innermost(&error)))
}

fn refused(address: &Address, reason: &str) -> SinkError {
    SinkError::StoreConfig {
        store: address.name.clone(),
        reason: reason.to_owned(),
        remedy: format!("check the options of this {} store", address.kind.name()),
    }
}

/// The innermost cause: the outer texts of the library repeat it, and may quote a value.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn flag(options: &Options, name: &str) -> Option<bool> {
    options.get(name).and_then(|value| parse_bool(value.reveal()))
}

/// The HTTP client's options: those given, over our defaults.
fn http(address: &Address, options: &Options) -> Result<ClientOptions, SinkError> {
    install_crypto();
    let mut client = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(5))
        .with_timeout(Duration::from_secs(60))
        .with_user_agent(HeaderValue::from_static(concat!(
            "tracemill/",
            env!("CARGO_PKG_VERSION")
        )))
        .with_content_type_for_suffix("parquet", "application/vnd.apache.parquet")
        .with_content_type_for_suffix("json", "application/json")
        .with_content_type_for_suffix("jsonl", "application/x-ndjson")
        .with_content_type_for_suffix("csv", "text/csv")
        .with_content_type_for_suffix("gz", "application/gzip")
        .with_content_type_for_suffix("zst", "application/zstd");
    let plain = options
        .get("endpoint")
        .is_some_and(|url| url.reveal().starts_with("http://"));
    // GCS asks its metadata service over plain HTTP, Azurite speaks nothing else.
    if plain || address.kind == StoreKind::Gcs || flag(options, "use_emulator") == Some(true) {
        client = client.with_allow_http(true);
    }
    for (name, value) in options {
        if let Ok(key) = name.parse::<ClientConfigKey>() {
            client = client.with_config(key, value.reveal());
        }
    }
    if let Some(path) = options.get(CA_CERTIFICATE) {
        let wrong = |reason: String| refused(address, &format!("option {CA_CERTIFICATE:?}: {reason}"));
        let pem = std::fs::read(path.reveal()).map_err(|error| wrong(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(innermost(&error)))?;
        for certificate in certificates {
            client = client.with_root_certificate(certificate);
        }
    }
    Ok(client)
}

/// The pairs of key and value that go to the library's builder.
fn own<K: std::str::FromStr>(kind: StoreKind, options: &Options) -> impl Iterator<Item = (K, &str)> {
    options.iter().filter_map(move |(name, value)| {
        let spec = options::find(kind, name).ok().filter(|spec| !spec.key.is_empty())?;
        match spec.key.parse::<ClientConfigKey>() {
            Ok(_) => None,
            Err(_) => spec.key.parse().ok().map(|key| (key, value.reveal())),
        }
    })
}

fn gcs(
    address: &Address,
    options: &Options,
    client: ClientOptions,
) -> object_store::Result<object_store::gcp::GoogleCloudStorage> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (key, value) in own(StoreKind::Gcs, options) {
        let value = match key {
            object_store::gcp::GoogleConfigKey::BaseUrl => value.trim_end_matches('/'),
            _ => value,
        };
        builder = builder.with_config(key, value);
    }
    // Without a signature no token is needed, but the library asks for one all the same.
    if flag(options, "skip_signature") == Some(true) && !options.contains_key("bearer_token") {
        builder = builder.with_bearer_token("anonymous");
    }
    builder
        .with_client_options(client)
        .with_retry(retry())
        .with_bucket_name(&address.bucket)
        .build()
}

fn s3(
    address: &Address,
    options: &Options,
    client: ClientOptions,
) -> object_store::Result<object_store::aws::AmazonS3> {
    let mut builder = AmazonS3Builder::new();
    for (key, value) in own(StoreKind::S3, options) {
        builder = builder.with_config(key, value);
    }
    if let Some(path_style) = flag(options, PATH_STYLE) {
        builder = builder.with_virtual_hosted_style_request(!path_style);
    }
    builder
        .with_client_options(client)
        .with_retry(retry())
        .with_bucket_name(&address.bucket)
        .build()
}

fn azure(
    address: &Address,
    options: &Options,
    client: ClientOptions,
) -> object_store::Result<object_store::azure::MicrosoftAzure> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in own(StoreKind::Azure, options) {
        builder = builder.with_config(key, value);
    }
    if let Some(account) = &address.account {
        builder = builder.with_account(account);
    }
    builder
        .with_client_options(client)
        .with_retry(retry())
        .with_container_name(&address.bucket)
        .build()
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::super::config::StoreConfig;

    /// Building a client for HTTPS needs a TLS provider and certificates; without the provider it would panic.
    #[test]
    fn https_clients_are_made_without_a_panic() {
        let configs = [
            StoreConfig::new("gs://b/p").with("bearer_token", "t"),
            StoreConfig::new("gs://b/p"),
            StoreConfig::new("s3://b/p")
                .with("access_key_id", "k")
                .with("secret_access_key", "s")
                .with("region", "eu-1"),
            StoreConfig::new("s3://b/p"),
            StoreConfig::new("az://c/p")
                .with("account_name", "a")
                .with("account_key", "a2V5"),
            StoreConfig::new("abfss://c@acc.dfs.core.windows.net/p"),
        ];
        for config in configs {
            Store::open_with(&config, []).unwrap_or_else(|error| panic!("{}: {error}", config.url));
        }
    }

    #[test]
    fn bad_keys_are_told_without_their_text() {
        let configs = [
            StoreConfig::new("gs://b").with("service_account_key", "{\"private_key\": hunter2"),
            StoreConfig::new("gs://b").with("service_account", "/nowhere/key.json"),
            StoreConfig::new("az://c")
                .with("account_name", "a")
                .with("account_key", "hunter2 hunter2"),
            StoreConfig::new("az://c").with("account_key", "a2V5"),
            StoreConfig::new("s3://b").with("ca_certificate", "/nowhere/ca.pem"),
        ];
        for config in configs {
            let error = Store::open_with(&config, []).expect_err(&config.url);
            assert!(matches!(error, crate::SinkError::StoreConfig { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
