//! The one place where timely and tokio meet.
//!
//! A timely worker is a plain thread that never waits for I/O. I/O runs in a tokio task beside the operator: commands go
//! out and replies come back over channels, and each reply wakes the operator through its activator.
//!
//! ```text
//!   worker thread                               tokio
//!   input ──► operator ── Command{ticket} ────► task
//!               ▲  │                              │
//!   capability  │  └──► output (at the ticket's   │
//!   per ticket  └────── Reply{ticket} ◄───────────┘
//!                        epoch) + wake
//! ```
//!
//! *Frontiers.* A ticket holds the capability of its item until the task says [`Replies::done`]; so the output's frontier
//! passes an epoch only when all of its work has ended well.
//!
//! *Invariants.*
//! 1. No capability leaves its worker, and nothing on a worker waits.
//! 2. Outputs are given before the capability that they need is dropped.
//! 3. Inputs are always drained; what may pile up in a channel is bounded by permits or by windows in flight.
//! 4. A worker does a bounded amount of work per activation, then asks to be activated again.
//!
//! *On error.* A task that fails, or ends without saying that it is finished, releases nothing: its operator keeps every
//! capability (it is wedged), goes on draining its input, and reports to [`Failures`].

mod operator;
mod source;
mod task;
#[cfg(test)]
mod tests;
mod watch;

pub use operator::{Command, Commands, Replies, Ticket, operator};
pub use source::{Emitter, source};
pub use task::{Context, Failure, Failures, Task, spawn, spawn_named};
pub use watch::{Frontier, publish_frontier};

/// Replies that one activation handles at most, before it lets the other operators of its worker run.
const FUEL: usize = 256;
