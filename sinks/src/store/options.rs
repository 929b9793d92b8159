//! The options of a store: which exist, what the environment adds, and which one was probably meant.
//!
//! Pure: the environment is handed in. What the configuration says wins over the environment; and credentials come
//! from one of the two only, so that half of one set never mixes with half of another.

use std::collections::BTreeMap;

use super::address::StoreKind;
use super::known::{AZURE, GCS, HTTP, LOCAL, S3};
pub use super::known::{CA_CERTIFICATE, FSYNC, OptionSpec, PATH_STYLE};
use tracemill_model::Secret;

/// The options of a kind of store.
pub fn options_of(kind: StoreKind) -> impl Iterator<Item = &'static OptionSpec> {
    let (own, http): (&'static [OptionSpec], &'static [OptionSpec]) = match kind {
        StoreKind::Local => (LOCAL, &[]),
        StoreKind::Memory => (&[], &[]),
        StoreKind::Gcs => (GCS, HTTP),
        StoreKind::S3 => (S3, HTTP),
        StoreKind::Azure => (AZURE, HTTP),
    };
    own.iter().chain(http)
}

/// The option of that name, or the nearest name there is.
pub fn find(kind: StoreKind, name: &str) -> Result<&'static OptionSpec, Option<&'static str>> {
    let wanted = name.to_ascii_lowercase();
    options_of(kind)
        .find(|spec| spec.name == wanted || spec.aliases.contains(&wanted.as_str()))
        .ok_or_else(|| {
            nearest(
                &wanted,
                options_of(kind).flat_map(|s| std::iter::once(s.name).chain(s.aliases.iter().copied())),
            )
        })
}

/// The candidate that looks most like `wanted`, if one looks like it at all.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(wanted, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The options of a store of this kind: what is configured, completed by the environment. Keys are the names of
/// [`OptionSpec::name`].
pub fn merge(
    kind: StoreKind,
    configured: &BTreeMap<&'static str, Secret>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<&'static str, Secret> {
    let names_credentials = configured
        .keys()
        .any(|name| find(kind, name).is_ok_and(|spec| spec.credential));
    let mut merged = BTreeMap::new();
    let mut strength = BTreeMap::new();
    for (variable, value) in environment {
        let Some(spec) = from_environment(kind, &variable) else {
            continue;
        };
        if value.is_empty() || (spec.credential && names_credentials) {
            continue;
        }
        // Of several variables for one option the one listed first wins, whatever the order of the environment.
        let rank = spec
            .aliases
            .iter()
            .position(|alias| alias.eq_ignore_ascii_case(&variable))
            .unwrap_or(usize::MAX);
        let before = strength.get(spec.name).copied();
        if before.is_none_or(|before| rank < before) {
            strength.insert(spec.name, rank);
            merged.insert(spec.name, Secret::new(value));
        }
    }
    merged.extend(configured.iter().map(|(name, value)| (*name, value.clone())));
    merged
}

/// The option that an environment variable sets: those of the provider's own SDKs.
fn from_environment(kind: StoreKind, variable: &str) -> Option<&'static OptionSpec> {
    let start = match kind {
        StoreKind::Gcs => "GOOGLE_",
        StoreKind::S3 => "AWS_",
        StoreKind::Azure => "AZURE_",
        StoreKind::Local | StoreKind::Memory => return None,
    };
    if variable == "SERVICE_ACCOUNT" && kind == StoreKind::Gcs {
        return find(kind, "service_account").ok();
    }
    if !variable.starts_with(start) {
        return None;
    }
    let wanted = variable.to_ascii_lowercase();
    // By its full name only: AWS_TIMEOUT is nobody's variable.
    options_of(kind).find(|spec| spec.key == wanted || spec.aliases.contains(&wanted.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn every_key_is_known_to_the_client_library() {
        for kind in [StoreKind::Gcs, StoreKind::S3, StoreKind::Azure] {
            for spec in options_of(kind).filter(|spec| !spec.key.is_empty()) {
                let known = match kind {
                    StoreKind::Gcs => spec.key.parse::<object_store::gcp::GoogleConfigKey>().is_ok(),
                    StoreKind::S3 => spec.key.parse::<object_store::aws::AmazonS3ConfigKey>().is_ok(),
                    _ => spec.key.parse::<object_store::azure::AzureConfigKey>().is_ok(),
                };
                assert!(known, "{} of {}", spec.key, kind.name());
            }
        }
    }

    #[test]
    fn names_are_unique_within_a_kind() {
        for kind in [StoreKind::Local, StoreKind::Gcs, StoreKind::S3, StoreKind::Azure] {
            let mut seen = std::collections::BTreeSet::new();
            for name in options_of(kind).flat_map(|s| std::iter::once(s.name).chain(s.aliases.iter().copied())) {
                assert!(seen.insert(name), "{name} twice in {}", kind.name());
            }
        }
    }

    #[test]
    fn an_unknown_option_names_the_nearest() {
        assert_eq!(find(StoreKind::S3, "regoin"), Err(Some("region")));
        assert_eq!(find(StoreKind::S3, "acces_key_id"), Err(Some("access_key_id")));
        assert_eq!(find(StoreKind::Gcs, "zzz"), Err(None));
        assert_eq!(find(StoreKind::S3, "Force_Path_Style").map(|s| s.name), Ok(PATH_STYLE));
    }

    #[test]
    fn configuration_wins_and_credentials_do_not_mix() {
        let configured = BTreeMap::from([
            ("access_key_id", Secret::new("mine")),
            ("secret_access_key", Secret::new("s")),
        ]);
        let environment = env(&[
            ("AWS_ACCESS_KEY_ID", "theirs"),
            ("AWS_SESSION_TOKEN", "theirs"),
            ("AWS_REGION", "eu-west-1"),
            ("PATH", "/bin"),
            ("AWS_BUCKET", "other"),
        ]);
        let merged = merge(StoreKind::S3, &configured, environment);
        let names: Vec<_> = merged.iter().map(|(k, v)| (*k, v.reveal())).collect();
        assert_eq!(
            names,
            [
                ("access_key_id", "mine"),
                ("region", "eu-west-1"),
                ("secret_access_key", "s")
            ]
        );
    }

    #[test]
    fn the_environment_alone_is_enough() {
        let merged = merge(
            StoreKind::Gcs,
            &BTreeMap::new(),
            env(&[
                ("GOOGLE_APPLICATION_CREDENTIALS", "/key.json"),
                ("AWS_REGION", "x"),
                ("GOOGLE_BEARER_TOKEN", ""),
            ]),
        );
        assert_eq!(merged.keys().copied().collect::<Vec<_>>(), ["application_credentials"]);
    }
}
