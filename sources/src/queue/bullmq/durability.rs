//! Whether Redis keeps what it is given: asked once, as soon as it answers, and told in the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracemill_model::Blame;

use super::held::Inner;
use crate::queue::QueueError;

/// How long to wait for a server that is away.
const AGAIN: Duration = Duration::from_secs(5);

/// Warns of each setting that may lose jobs. Ends after that; a server that does not tell its settings is noted.
pub(super) async fn tell(inner: Arc<Inner>) {
    loop {
        match settings(&inner).await {
            Ok(settings) => {
                for (setting, means) in weaknesses(&settings) {
                    tracing::warn!(setting, means, "redis_may_lose_jobs");
                }
                return;
            }
            Err(error) if error.is_transient() => tokio::time::sleep(AGAIN).await,
            Err(error) => {
                tracing::info!(%error, "redis_does_not_tell_its_settings");
                return;
            }
        }
    }
}

async fn settings(inner: &Inner) -> Result<HashMap<String, String>, QueueError> {
    let mut settings = inner.commands.settings("append*").await?;
    settings.extend(inner.commands.settings("maxmemory*").await?);
    Ok(settings)
}

/// The settings that may lose jobs, and what each means.
fn weaknesses(settings: &HashMap<String, String>) -> Vec<(String, &'static str)> {
    let keeps = |name: &str, right: &str| settings.get(name).is_none_or(|value| value == right);
    let shown = |name: &str| format!("{name} {}", settings.get(name).map_or("", String::as_str));
    let mut found = Vec::new();
    if !keeps("appendonly", "yes") {
        let means = "a restart of redis forgets the jobs since its last snapshot";
        found.push((shown("appendonly"), means));
    } else if !keeps("appendfsync", "always") {
        let means = "a crash of redis or of its machine forgets the jobs of the last seconds: `tracemill replay --since` \
                     takes their raw objects in again";
        found.push((shown("appendfsync"), means));
    }
    if !keeps("maxmemory-policy", "noeviction") {
        found.push((shown("maxmemory-policy"), "jobs may be evicted where memory is short"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_may_lose_jobs() {
        let all = |only: &str, fsync: &str, policy: &str| -> HashMap<String, String> {
            [
                ("appendonly", only),
                ("appendfsync", fsync),
                ("maxmemory-policy", policy),
                ("maxmemory", "0"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
        };
        for (settings, expected) in [
            (all("yes", "always", "noeviction"), &[][..]),
            (all("yes", "everysec", "noeviction"), &["appendfsync everysec"]),
            (all("no", "everysec", "noeviction"), &["appendonly no"]),
            (
                all("no", "always", "allkeys-lru"),
                &["appendonly no", "maxmemory-policy allkeys-lru"],
            ),
            // A server that hides them.
            (HashMap::new(), &[]),
        ] {
            let found: Vec<String> = weaknesses(&settings).into_iter().map(|(setting, _)| setting).collect();
            assert_eq!(found, expected);
        }
    }
}
