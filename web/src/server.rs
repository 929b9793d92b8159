//! The server: HTTP/1.1 on a listener, until it is told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};

use crate::app::App;
use crate::error::Error;

/// How long no connection is accepted after that failed: most often file descriptors are short.
const PAUSE: Duration = Duration::from_millis(100);

/// What a connection reads ahead at most, and how large a request's head may be, in bytes. No permit covers it.
const READ_BUFFER: usize = 64 << 10;

/// Who is at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves `router` (the app's own, or one that it is a part of) until `shutdown` is done. Then it accepts nothing more, answers
/// what is in progress within the grace of the configuration, and returns.
///
/// # Errors
/// None at present: what fails on a connection ends that connection.
pub async fn serve(
    listener: TcpListener,
    app: &App,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let config = &app.0.config;
    let places = Arc::new(Semaphore::new(config.connections.max(1)));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => ended_well(app, &ended),
            (stream, peer, place) = accept(&listener, &places) => {
                let routes = TowerToHyperService::new(router.clone());
                let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(Peer(peer));
                    routes.call(request)
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(config.head_timeout)
                    .pipeline_flush(true)
                    .max_buf_size(READ_BUFFER)
                    .serve_connection(TokioIo::new(stream), service);
                let connection = graceful.watch(connection);
                let app = app.clone();
                connections.spawn(async move {
                    let _place = place;
                    let _gauge = crate::metrics::Gauge::enter(&app.0.metrics.connections);
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "connection_ended");
                    }
                });
            }
        }
    }
    drop(listener);
    app.0.stopping.store(true, Ordering::Relaxed);
    if tokio::time::timeout(config.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "stopped_with_open_connections");
    }
    connections.shutdown().await;
    Ok(())
}

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and written at once.
                let _ = stream.set_nodelay(true);
                return (stream, peer, place);
            }
            Err(error) => {
                tracing::warn!(%error, "accept_failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn ended_well(app: &App, ended: &Result<(), JoinError>) {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        app.0.metrics.panics.fetch_add(1, Ordering::Relaxed);
    }
}
