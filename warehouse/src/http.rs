//! The HTTP client below the `clickhouse` crate.
//!
//! Not that crate's own: it has no connect timeout, and it panics on a machine without root certificates even where
//! only plain HTTP is spoken. Certificates are read only for `https` URLs.

use std::time::Duration;

use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::error::WarehouseError;

/// Packets lost while connecting show after this, rather than after the system's two minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Finds a peer that vanished without a word.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// Below the server's `keep_alive_timeout` (10 s, 3 s before 23.11), so that we never write to a closing connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client for one service.
pub(crate) fn client(https: bool) -> Result<clickhouse::Client, WarehouseError> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_keepalive(Some(TCP_KEEPALIVE));
    connector.set_nodelay(true);
    let mut builder = HyperClient::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE_TIMEOUT).pool_timer(TokioTimer::new());
    if !https {
        return Ok(clickhouse::Client::with_http_client(builder.build(connector)));
    }
    connector.enforce_http(false);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(|error| WarehouseError::Config {
            what: format!("cannot use https: no root certificates on this machine ({error})"),
        })?
        .https_only()
        .enable_http1()
        .wrap_connector(connector);
    Ok(clickhouse::Client::with_http_client(builder.build(connector)))
}
