//! The governor of a process that exports: a look each second, a decision, a change of the gate. That of a process that
//! ingests is in [`inserts`].
//!
//! ```text
//! latencies of this process's own readers, else a probe ──► Law ──► Gate of the exports
//! memory, queries, merges and parts of ClickHouse ─────────┘
//! readers' queries as they run, by [`heartbeat`] or in this process ──► the export stands still
//! ```
//!
//! A process that answers queries itself knows how long they take, and whether there are any. One that only exports sends a
//! reader's small lookup each second, and goes by how long that takes.
//!
//! *On error.* What ClickHouse does not tell (no grant, away) is left out of the decision; the first time is logged.

pub mod heartbeat;
pub mod inserts;
mod parts;
mod sample;
mod status;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use tracemill_model::Millis;
use tracemill_operators::Clock;
use tracemill_operators::bridge::{Task, spawn};
use tracemill_operators::governor::{Gate, Latency, Law, Readers, Reason, Settings};
use tracemill_warehouse::Service;

use crate::config;
pub use sample::Load;
use sample::Sampler;
pub use status::{Given, GovernorStatus, Told};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// Latencies of that time count.
pub const RECENT: Duration = Duration::from_secs(4);
/// What a probe is to take at most, unless a target is given: far more than it takes on a server that is not overloaded.
const PROBE: Duration = Duration::from_millis(100);
/// The least that counts as full speed, in bytes a second: what was seen of small windows says nothing of large ones, and a part of
/// that little would starve these.
const LEAST: f64 = 64.0 * 1024.0 * 1024.0;
/// What was the full speed fades by that part each second, so that a peak of long ago is not taken for it.
const FADES: f64 = 0.002;

/// What a governor works with.
#[derive(Debug)]
pub struct Parts {
    /// What it may do.
    pub config: config::Governor,
    /// What it changes.
    pub gate: Gate,
    /// How long queries of this process's readers take.
    pub latency: Latency,
    /// Where it looks at ClickHouse.
    pub export: Service,
    /// Where it probes, where this process answers no queries itself: the service of interactive queries.
    pub interactive: Option<Service>,
    /// Leaves at once at full speed.
    pub leaves: u64,
    /// Now.
    pub clock: Clock,
    /// Where it tells what it does.
    pub told: Told,
}

/// Whether the exports stand still while readers' queries run: where they share ClickHouse's machine, unless it is said.
#[must_use]
pub fn gives_way(config: &config::Governor, export: &Service) -> bool {
    config.enabled && config.give_way.unwrap_or_else(|| export.is_local())
}

/// Governs until the task is dropped; `None` where it is switched off. The ceiling holds in any case.
#[must_use]
pub fn begin(parts: Parts) -> Option<Task<()>> {
    parts.gate.set(parts.config.ceiling);
    parts.config.enabled.then(|| spawn("governor", govern(parts)))
}

async fn govern(parts: Parts) {
    let Parts {
        config,
        gate,
        latency,
        export,
        interactive,
        leaves,
        clock,
        told,
    } = parts;
    let mut bounds = config.bounds;
    if interactive.is_some() {
        bounds.target = bounds.target.or(Some(PROBE));
    }
    let mut law = Law::new(bounds);
    let mut sampler = Sampler::new(export, interactive, latency, &clock);
    let mut speed = Speed::default();
    let mut ways = Ways::default();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let read = speed.look(gate.bytes(), law.share());
        let (mut sample, load) = sampler.look().await;
        sample.is_exporting = read > 0;
        let before = law.share();
        let reason = law.step(sample);
        let settings = settings(law.share(), leaves, speed.full).within(config.ceiling);
        gate.set(settings);
        let status = GovernorStatus::new(&law, settings, reason, sample);
        let given = ways.look(gate.readers());
        let status = status.beside(gate.passage(), config.ceiling, given, load);
        told.tell(&status, clock.now());
        log(before, &law, settings, reason);
    }
}

fn log(before: f64, law: &Law, settings: Settings, reason: Reason) {
    if (before - law.share()).abs() > f64::EPSILON {
        let percent = (law.share() * 100.0).round();
        tracing::debug!(percent, leaves = settings.leaves, bytes_per_second = settings.bytes_per_second, %reason, "governor");
    }
}

/// The share of full speed as leaves and bytes a second.
fn settings(share: f64, leaves: u64, full: f64) -> Settings {
    if share >= 1.0 {
        return Settings::OPEN;
    }
    Settings {
        leaves: ((leaves as f64 * share).ceil() as u64).max(1),
        bytes_per_second: Some((full * share) as u64),
    }
}

/// What went to readers, looked at every second.
#[derive(Debug, Default)]
struct Ways(VecDeque<(Instant, Duration, Duration)>);

impl Ways {
    fn look(&mut self, readers: &Readers) -> Given {
        let now = (Instant::now(), readers.busy(), readers.given());
        self.0.push_back(now);
        if self.0.len() as u64 > RECENT.as_secs() + 1 {
            self.0.pop_front();
        }
        let (at, busy, given) = self.0.front().copied().unwrap_or(now);
        let span = (now.0 - at).as_secs_f64();
        let percent = |part: Duration| match span > 0.0 {
            true => (part.as_secs_f64() / span * 1_000.0).round() / 10.0,
            false => 0.0,
        };
        Given {
            busy_percent: percent(now.1.saturating_sub(busy)),
            percent: percent(now.2.saturating_sub(given)),
            total_ms: u64::try_from(now.2.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// How fast the exports are when nothing holds them back.
#[derive(Debug)]
struct Speed {
    bytes: u64,
    full: f64,
}

impl Default for Speed {
    fn default() -> Self {
        Self { bytes: 0, full: LEAST }
    }
}

impl Speed {
    /// Bytes since the last look. At full speed they say how fast that is.
    fn look(&mut self, bytes: u64, share: f64) -> u64 {
        let read = bytes.saturating_sub(self.bytes);
        self.bytes = bytes;
        if share >= 1.0 && read > 0 {
            self.full = (self.full * (1.0 - FADES)).max(read as f64).max(LEAST);
        }
        read
    }
}

/// When that was, for people.
fn since(at: Millis, now: Millis) -> Duration {
    Duration::from_millis(u64::try_from(now.0.saturating_sub(at.0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_leaves_and_bytes() {
        assert_eq!(settings(1.0, 4, 100.0), Settings::OPEN);
        let half = settings(0.5, 3, 100.0);
        assert_eq!((half.leaves, half.bytes_per_second), (2, Some(50)));
        assert_eq!(settings(0.01, 4, 1_000.0).leaves, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_went_to_readers_is_of_the_recent_seconds() {
        let (readers, mut ways) = (Readers::new(0.1), Ways::default());
        let pass = |ms| tokio::time::advance(Duration::from_millis(ms));
        assert_eq!(ways.look(&readers), Given::default());
        let running = readers.enter();
        pass(500).await;
        drop(running);
        pass(500).await;
        assert!((ways.look(&readers).busy_percent - 50.0).abs() < 0.1);
        for seconds in [25.0, 16.7, 12.5, 0.0] {
            pass(1_000).await;
            let busy = ways.look(&readers).busy_percent;
            assert!((busy - seconds).abs() < 0.1, "{busy} instead of {seconds}");
        }
    }

    #[test]
    fn full_speed_is_what_was_seen_at_full_speed_and_never_little() {
        let mut speed = Speed::default();
        const SEEN: u64 = 400 << 20;
        assert_eq!(speed.look(1_000, 0.5), 1_000);
        assert!((speed.full - LEAST).abs() < 1.0, "held back it says nothing");
        assert_eq!(speed.look(3_000, 1.0), 2_000);
        assert!(
            (speed.full - LEAST).abs() < 1.0,
            "a small window is no measure of a large one"
        );
        let _ = speed.look(3_000 + SEEN, 1.0);
        assert!((speed.full - SEEN as f64).abs() < 1.0);
        let _ = speed.look(4_000 + SEEN, 1.0);
        assert!(speed.full > SEEN as f64 * 0.99, "a slow second does not forget it");
        assert_eq!(speed.look(100, 1.0), 0, "counted anew");
    }
}
