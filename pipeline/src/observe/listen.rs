//! The listener of `/metrics` and `/healthz`.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tracemill_operators::Clock;
use tracemill_operators::bridge::{Task, spawn};

use super::metrics;
use super::registry::Registry;
use crate::PipelineError;

/// How often it is looked whether everything moves.
const LOOK: Duration = Duration::from_secs(5);

/// What is told and watched until both are dropped.
#[derive(Debug)]
pub struct Listening {
    _served: Option<Task<()>>,
    _watched: Task<()>,
}

/// Watches the workloads, and answers on the address if there is one.
///
/// # Errors
/// The address cannot be had.
pub async fn listen(
    address: Option<SocketAddr>,
    registry: &Registry,
    clock: &Clock,
) -> Result<Listening, PipelineError> {
    let served = match address {
        Some(address) => Some(serve(address, registry, clock).await?),
        None => None,
    };
    let (registry, clock) = (registry.clone(), clock.clone());
    let watched = spawn("health", async move {
        let mut told = false;
        loop {
            registry.look(&clock).await;
            let ill = registry.ill();
            if !ill.is_empty() && !std::mem::replace(&mut told, true) {
                for ill in &ill {
                    tracing::error!(workload = ill.workload, since = %ill.since, why = ill.why, "not_healthy");
                }
            }
            told &= !ill.is_empty();
            tokio::time::sleep(LOOK).await;
        }
    });
    Ok(Listening {
        _served: served,
        _watched: watched,
    })
}

async fn serve(address: SocketAddr, registry: &Registry, clock: &Clock) -> Result<Task<()>, PipelineError> {
    let listener = TcpListener::bind(address).await.map_err(|error| PipelineError::Io {
        what: format!("cannot listen on {address}, which [status] names"),
        reason: error.to_string(),
    })?;
    let at = listener.local_addr().unwrap_or(address);
    tracing::info!(address = %at, "telling_status");
    let router = Router::new()
        .route("/metrics", get(all))
        .route("/healthz", get(healthy))
        .with_state((registry.clone(), clock.clone()));
    Ok(spawn("status", async move {
        if let Err(error) = axum::serve(listener, router).into_future().await {
            tracing::error!(%error, "telling_status_failed");
        }
    }))
}

async fn all(State((registry, clock)): State<(Registry, Clock)>) -> Response {
    let text = metrics::render(&registry.snapshot(&clock).await);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// 200 while everything that has work moves; else 503 with a line for each workload that does not.
async fn healthy(State((registry, _)): State<(Registry, Clock)>) -> Response {
    let ill = registry.ill();
    if ill.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    let lines = ill
        .iter()
        .map(|ill| format!("{} since {}: {}\n", ill.workload, ill.since, ill.why));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>()).into_response()
}
