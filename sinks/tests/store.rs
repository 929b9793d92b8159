//! The same cases against every kind of store: a local folder, memory, our GCS and S3 server, moto and Azurite, the last
//! four over HTTP. The servers are started by `tests/servers/start.py`; what those need from the registries is installed
//! by `scripts/test-services.sh`. Nothing is skipped: a server that does not start fails its tests.

#![allow(clippy::disallowed_methods, reason = "a test blocks on its runtime")]

#[path = "store/cases.rs"]
mod cases;
#[path = "store/clouds.rs"]
mod clouds;
#[path = "store/local.rs"]
mod local;
#[path = "store/server.rs"]
mod server;
