//! An opened configuration: the file read and checked, the engine running if it is ours, the services ready.

use std::path::Path;

use tracemill_model::Blame;
use tracemill_operators::Clock;
use tracemill_sinks::SinkError;
use tracemill_sinks::store::StoreConfig;
use tracemill_warehouse::embedded::Options;
use tracemill_warehouse::{Embedded, Service, ServiceConfig, ServiceKind};

use crate::PipelineError;
use crate::assemble::{Shared, service_config, store_config};
use crate::config::{self, Checked, Engine, QueryLimits, Role};

/// Reads and checks a graph file with the process's environment.
///
/// # Errors
/// The file cannot be read; or every fault of it, rendered.
pub fn load(path: &Path) -> Result<Checked, PipelineError> {
    load_as(path, None)
}

/// The same for a process of that role, whatever the file and the environment say.
///
/// # Errors
/// As [`load`].
pub fn load_as(path: &Path, role: Option<Role>) -> Result<Checked, PipelineError> {
    let env = |name: &str| std::env::var(name).ok();
    load_text(&read(path)?, &path.display().to_string(), &env, role)
}

/// The text of a graph file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(path: &Path) -> Result<String, PipelineError> {
    std::fs::read_to_string(path).map_err(|error| PipelineError::Io {
        what: format!("cannot read {}", path.display()),
        reason: error.to_string(),
    })
}

/// Checks the text of a graph file with that environment.
///
/// # Errors
/// Every fault of it, rendered.
pub(crate) fn load_text(
    text: &str,
    name: &str,
    env: &dyn Fn(&str) -> Option<String>,
    role: Option<Role>,
) -> Result<Checked, PipelineError> {
    config::load_as(text, name, env, &check_store, role).map_err(|faults| PipelineError::Config {
        rendered: config::render(&faults),
    })
}

/// What the store itself says of its address and options.
fn check_store(store: &config::Store) -> Vec<(String, String)> {
    let config: StoreConfig = store_config(store);
    let (_, faults) = config.faults();
    faults
        .into_iter()
        .map(|fault| match fault {
            SinkError::StoreConfig { reason, remedy, .. } => (reason, remedy),
            other => {
                let hint = other.hint().unwrap_or_default();
                (other.to_string(), hint)
            }
        })
        .collect()
}

/// A configuration that is in use.
#[derive(Debug)]
pub struct Session {
    /// What the file says.
    pub checked: Checked,
    /// The engine, if it is ours.
    pub engine: Option<Embedded>,
}

impl Session {
    /// Reads the file, and starts the embedded engine if the configuration asks for it.
    ///
    /// # Errors
    /// Faults of the file; the engine cannot start.
    pub async fn open(path: &Path) -> Result<Self, PipelineError> {
        Self::of(load(path)?).await
    }

    /// The same for a configuration that was read.
    ///
    /// # Errors
    /// The engine cannot start.
    pub async fn of(checked: Checked) -> Result<Self, PipelineError> {
        let engine = match &checked.engine {
            Engine::Servers(_) => None,
            Engine::Embedded(embedded) => {
                let options = Options {
                    http_port: embedded.http_port,
                    ..Options::new(embedded.dir.clone())
                };
                Some(Embedded::start(&options).await?)
            }
        };
        Ok(Self { checked, engine })
    }

    /// One of the three services, with the configuration's limits.
    ///
    /// # Errors
    /// It is not configured, or its URL cannot be used.
    pub fn service(&self, kind: ServiceKind) -> Result<Service, PipelineError> {
        Ok(Service::new(kind, &self.service_config(kind)?)?)
    }

    /// How one of the three is reached, with the configuration's limits.
    ///
    /// # Errors
    /// It is not configured.
    pub(crate) fn service_config(&self, kind: ServiceKind) -> Result<ServiceConfig, PipelineError> {
        let queries = &self.checked.queries;
        let limits: &QueryLimits = match kind {
            ServiceKind::ReadWrite => &queries.read_write,
            ServiceKind::ReadOnly => &queries.read_only,
            ServiceKind::Export => &queries.export,
        };
        match (&self.checked.engine, &self.engine) {
            (Engine::Servers(servers), _) => {
                let server = match kind {
                    ServiceKind::Export => Some(&servers.export),
                    ServiceKind::ReadOnly => servers.read_only.as_ref().or(servers.read_write.as_ref()),
                    ServiceKind::ReadWrite => servers.read_write.as_ref(),
                };
                let server = server.ok_or_else(|| PipelineError::Usage {
                    reason: format!("the configuration has no clickhouse.{kind}, which this needs"),
                })?;
                Ok(service_config(server, limits))
            }
            (Engine::Embedded(_), Some(engine)) => Ok(embedded_config(engine, kind, limits)),
            (Engine::Embedded(_), None) => Err(PipelineError::Usage {
                reason: "the engine is stopped".to_owned(),
            }),
        }
    }

    /// What the exports of this process share.
    ///
    /// # Errors
    /// As [`Self::service`].
    pub fn shared(&self, clock: Clock) -> Result<Shared, PipelineError> {
        Ok(Shared::new(&self.checked, self.service(ServiceKind::Export)?, clock))
    }

    /// Stops the engine, if it is ours.
    ///
    /// # Errors
    /// It does not end.
    pub async fn close(self) -> Result<(), PipelineError> {
        match self.engine {
            Some(engine) => Ok(engine.stop().await?),
            None => Ok(()),
        }
    }
}

/// The embedded engine's own users and profiles, with the configuration's limits where they are stricter is what the
/// server sees to; so the configuration's limits are sent as they are.
fn embedded_config(engine: &Embedded, kind: ServiceKind, limits: &QueryLimits) -> ServiceConfig {
    let mut config = engine.service_config(kind);
    config.limits.max_memory_usage = limits.max_memory_usage;
    config.limits.max_threads = limits.max_threads;
    config.limits.priority = limits.priority;
    config.limits.timeout = Some(limits.timeout);
    config
}
