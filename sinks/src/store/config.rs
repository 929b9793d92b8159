//! What a user says about a store, checked without connecting.
//!
//! Invariants: `Debug` shows no option's value; a value of type [`Checked`] has options that exist and fit its kind.

use std::collections::BTreeMap;

use super::address::{Address, StoreKind};
use super::options;
use crate::error::SinkError;
use tracemill_model::Secret;

/// A store as configured: an address, and options by name.
///
/// The address is `gs://bucket/prefix`, `s3://bucket/prefix`, `az://container/prefix`, `abfss://...`, `file:///folder`,
/// a plain path, or `memory://` (tests). The options of each kind are those of [`options::options_of`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where the store is.
    pub url: String,
    /// Options by name, credentials among them.
    pub options: BTreeMap<String, Secret>,
}

/// A configuration that was found right.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The address, taken apart.
    pub address: Address,
    /// Options by [`options::OptionSpec::name`].
    pub options: BTreeMap<&'static str, Secret>,
}

impl StoreConfig {
    /// A store without options.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            options: BTreeMap::new(),
        }
    }

    /// The same with one more option.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.options.insert(name.to_owned(), Secret::new(value));
        self
    }

    /// Checks address and options, and says the first thing that is wrong. Nothing is opened.
    ///
    /// # Errors
    /// [`SinkError::StoreConfig`], with the nearest valid name of an unknown option.
    pub fn check(&self) -> Result<Checked, SinkError> {
        match self.faults() {
            (Some(checked), faults) if faults.is_empty() => Ok(checked),
            (_, mut faults) => Err(faults.remove(0)),
        }
    }

    /// Checks address and options, and says everything that is wrong.
    pub fn faults(&self) -> (Option<Checked>, Vec<SinkError>) {
        let address = match Address::parse(&self.url) {
            Ok(address) => address,
            Err(error) => return (None, vec![error]),
        };
        let mut known = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, value) in &self.options {
            match options::find(address.kind, name) {
                Ok(spec) if known.insert(spec.name, value.clone()).is_some() => {
                    faults.push(fault(
                        &address,
                        format!("option {name:?} is given twice, also as {:?}", spec.name),
                    ));
                }
                Ok(spec) => {
                    if let Err(reason) = check_value(spec.name, value.reveal()) {
                        faults.push(fault(&address, reason));
                    }
                }
                Err(near) => faults.push(unknown(&address, name, near)),
            }
        }
        faults.extend(check_together(&address, &known).map(|reason| fault(&address, reason)));
        (
            Some(Checked {
                address,
                options: known,
            }),
            faults,
        )
    }
}

fn fault(address: &Address, reason: String) -> SinkError {
    let names: Vec<_> = options::options_of(address.kind).map(|spec| spec.name).collect();
    let remedy = format!("options of a {} store: {}", address.kind.name(), names.join(", "));
    SinkError::StoreConfig {
        store: address.name.clone(),
        reason,
        remedy,
    }
}

fn unknown(address: &Address, name: &str, near: Option<&str>) -> SinkError {
    let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
    fault(
        address,
        format!("unknown option {name:?} of a {} store{near}", address.kind.name()),
    )
}

const BOOLEANS: &[&str] = &[
    options::FSYNC,
    options::PATH_STYLE,
    "allow_http",
    "allow_invalid_certificates",
    "skip_signature",
    "virtual_hosted_style_request",
    "unsigned_payload",
    "disable_bulk_delete",
    "disable_tagging",
    "request_payer",
    "s3_express",
    "imdsv1_fallback",
    "use_azure_cli",
    "use_emulator",
    "sse_bucket_key_enabled",
];

fn check_value(name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("option {name:?} is empty"));
    }
    if BOOLEANS.contains(&name) && parse_bool(value).is_none() {
        return Err(format!("option {name:?} must be true or false"));
    }
    let is_url = name.contains("endpoint") || name == "proxy_url";
    if is_url && !(value.starts_with("http://") || value.starts_with("https://")) {
        return Err(format!("option {name:?} must start with http:// or https://"));
    }
    Ok(())
}

/// What is wrong with options that each are right by themselves.
fn check_together(address: &Address, options: &BTreeMap<&'static str, Secret>) -> Option<String> {
    let has = |name: &str| options.contains_key(name);
    match address.kind {
        StoreKind::Gcs if has("service_account") && has("service_account_key") => {
            Some("give \"service_account\" or \"service_account_key\", not both".into())
        }
        StoreKind::S3 if has("access_key_id") != has("secret_access_key") => {
            Some("\"access_key_id\" and \"secret_access_key\" go together".into())
        }
        StoreKind::S3 if has(options::PATH_STYLE) && has("virtual_hosted_style_request") => {
            Some("give \"path_style\" or \"virtual_hosted_style_request\", not both".into())
        }
        StoreKind::S3 if options.get("conditional_put").is_some_and(|v| v.reveal() != "etag") => {
            Some("\"conditional_put\" must be \"etag\": manifests are created conditionally".into())
        }
        StoreKind::Azure if has("account_key") && has("sas_token") => {
            Some("give \"account_key\" or \"sas_token\", not both".into())
        }
        _ => None,
    }
}

/// `true` or `false` in the usual spellings.
pub fn parse_bool(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Some(true),
        "0" | "false" | "off" | "no" | "n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let config = StoreConfig::new("s3://b")
            .with("access_key_id", "AKIA")
            .with("secret_access_key", "hunter2");
        let shown = format!("{config:?} {:?}", config.check().expect("right"));
        assert!(!shown.contains("hunter2") && !shown.contains("AKIA"), "{shown}");
    }

    #[test]
    fn faults_are_named_all_at_once_without_values() {
        let config = StoreConfig::new("s3://b")
            .with("secret_acess_key", "hunter2")
            .with("endpoint", "localhost:9000")
            .with("path_style", "perhaps")
            .with("access_key_id", "AKIA");
        let (_, faults) = config.faults();
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(
            texts.iter().any(|t| t.contains("did you mean \"secret_access_key\"")),
            "{texts:?}"
        );
        assert!(texts.iter().any(|t| t.contains("go together")), "{texts:?}");
        assert!(!texts.concat().contains("hunter2"), "{texts:?}");
        assert!(config.check().is_err());
    }

    #[test]
    fn aliases_count_as_the_same_option() {
        let config = StoreConfig::new("s3://b")
            .with("path_style", "true")
            .with("force_path_style", "true");
        assert!(config.check().expect_err("twice").to_string().contains("twice"));
    }

    #[test]
    fn local_stores_take_no_cloud_options() {
        let error = StoreConfig::new("/lake")
            .with("region", "x")
            .check()
            .expect_err("no region");
        assert!(error.to_string().contains("local folder"), "{error}");
    }
}
