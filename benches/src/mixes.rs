//! What is sent: agent runs that are all alike, in several sizes.

use crate::Failure;
use tracemill_model::{Millis, ProjectId};
use tracemill_sources::synth::sdk::{Even, Protocol, Requests, Runs, SdkConfig};

/// The project that everything belongs to.
pub const PROJECT: &str = "bench";
/// Generations of a trace.
const GENERATIONS: u32 = 5;

/// One kind of load.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// What it is called.
    pub name: &'static str,
    /// Bytes of an event.
    pub event_bytes: u32,
    /// Whether each entity comes as two events.
    pub has_updates: bool,
    /// How it is sent.
    pub protocol: Protocol,
    /// Traces of a whole run.
    pub traces: u32,
    /// The least share of the ceiling, where that is a goal.
    pub share: Option<f64>,
    /// The greatest CPU time of an event in milliseconds, where that is a goal.
    pub cpu_ms: Option<f64>,
}

const fn rest(name: &'static str, event_bytes: u32, has_updates: bool, traces: u32) -> Mix {
    Mix {
        name,
        event_bytes,
        has_updates,
        protocol: Protocol::Rest,
        traces,
        share: if has_updates { None } else { Some(0.30) },
        cpu_ms: None,
    }
}

/// All of them.
pub const MIXES: [Mix; 6] = [
    rest("1 KB creates", 1_000, false, 40_000),
    rest("50 KB creates", 50_000, false, 1_600),
    rest("1 KB create+update", 1_000, true, 20_000),
    rest("50 KB create+update", 50_000, true, 800),
    Mix {
        cpu_ms: Some(0.10),
        ..rest("2 KB create+update", 2_000, true, 16_000)
    },
    Mix {
        protocol: Protocol::Otlp,
        share: None,
        ..rest("2 KB spans", 2_000, false, 32_000)
    },
];

/// What the latency is measured with.
pub const HALF_LOAD: Mix = rest("2 KB creates", 2_000, false, 0);
/// What the backlog is made of.
pub const BACKLOG: Mix = rest("small creates", 300, false, 166_667);

impl Mix {
    /// The requests of so many traces. Equal seeds give equal requests.
    pub fn requests(&self, seed: u64, traces: u32) -> Result<Requests, Failure> {
        self.requests_of(PROJECT, seed, traces)
    }

    /// The same for another project.
    pub fn requests_of(&self, project: &str, seed: u64, traces: u32) -> Result<Requests, Failure> {
        let config = SdkConfig {
            runs: Runs::Even(Even {
                seed,
                projects: vec![ProjectId::new(project)?],
                from: Millis::parse("2026-02-25")?,
                traces,
                generations: GENERATIONS,
                event_bytes: self.event_bytes,
                has_updates: self.has_updates,
            }),
            protocol: self.protocol,
            updates: 0.0,
            behind: 8,
        };
        Requests::new(config).map_err(|error| error.to_string().into())
    }
}
