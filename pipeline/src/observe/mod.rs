//! What a running process tells its operators over HTTP: `/metrics` for Prometheus, `/healthz` for an orchestrator.
//!
//! ```text
//! workloads ──register──► Registry ──look, every few seconds──► Health
//!                            │                                    │
//!                            └──► Snapshot ──► /metrics ◄─────────┴──► /healthz
//! ```
//!
//! *Invariants.* It listens on an address of its own, which clients of the intake need not reach: names of projects are among
//! the labels. Looking takes from the workloads what they count anyway, and waits for none of them.
//!
//! *On error.* An address that cannot be had ends the process at its start.

pub mod exposition;
mod governed;
pub mod health;
mod listen;
pub mod metrics;
mod registry;

pub use listen::listen;
pub use registry::{Registry, Snapshot};
