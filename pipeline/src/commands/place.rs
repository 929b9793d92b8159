//! Where ClickHouse is, for commands that need nothing else of a graph file.

use std::path::PathBuf;

use clap::Args;
use tracemill_warehouse::{Service, ServiceConfig, ServiceKind};

use crate::PipelineError;
use crate::config::Engine;
use crate::session::Session;

/// A graph file, or a server's URL.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct PlaceArg {
    /// The graph file, whose ClickHouse is used.
    #[arg(value_name = "GRAPH.toml")]
    graph: Option<PathBuf>,
    /// A server instead of a graph file: `http://user:password@host:8123/?database=name`.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// A server that can be written to.
#[derive(Debug)]
pub(super) struct Place {
    /// The server.
    pub(super) service: Service,
    /// The cluster that the configuration names.
    pub(super) cluster: Option<String>,
    session: Option<Session>,
}

impl PlaceArg {
    /// Opens it; starts the embedded engine if the graph file asks for it.
    ///
    /// # Errors
    /// Faults of the file or the URL; the engine cannot start.
    pub(super) async fn open(&self) -> Result<Place, PipelineError> {
        let kind = ServiceKind::ReadWrite;
        let Some(graph) = &self.graph else {
            let config = ServiceConfig {
                url: self.url.clone().unwrap_or_default(),
                ..ServiceConfig::default()
            };
            return Ok(Place {
                service: Service::new(kind, &config)?,
                cluster: None,
                session: None,
            });
        };
        let session = Session::open(graph).await?;
        match session.service(kind) {
            Ok(service) => Ok(Place {
                service,
                cluster: match &session.checked.engine {
                    Engine::Servers(servers) => servers.cluster.clone(),
                    Engine::Embedded(_) => None,
                },
                session: Some(session),
            }),
            Err(error) => {
                // The first error is the one to tell.
                let _ = session.close().await;
                Err(error)
            }
        }
    }
}

impl Place {
    /// Stops the engine, if it is ours.
    ///
    /// # Errors
    /// It does not end.
    pub(super) async fn close(self) -> Result<(), PipelineError> {
        match self.session {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}
