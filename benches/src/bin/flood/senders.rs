//! The senders, one thread each, and who looks for what they sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;
use tracemill_benches::Failure;
use tracemill_benches::client::{Client, Probe, look_for};
use tracemill_benches::mixes::HALF_LOAD;
use tracemill_benches::process::pause;
use tracemill_benches::server::ClickHouse;
use tracemill_model::Table;
use tracemill_pipeline::send::{Accepted, SendReport};
use tracemill_sources::synth::sdk::Request;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Before anything counts: connections, caches, the first merges.
const WARM: Duration = Duration::from_secs(5);
/// Of the flood every such request is looked for.
const EVERY: u64 = 10;
/// More traces than anybody sends who is not held back.
const TRACES: u32 = 2_000_000;

/// What a probe tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The others, before the flood.
    Calm,
    /// The others, during the flood.
    Flood,
    /// The flooding project, during the flood.
    Own,
}

/// What is sent.
pub(crate) struct Load<'a> {
    pub(crate) server: &'a ClickHouse,
    pub(crate) database: &'a str,
    pub(crate) url: &'a str,
    pub(crate) runtime: &'a Runtime,
    /// The first floods.
    pub(crate) projects: &'a [String],
    /// Events a second of each.
    pub(crate) rate: f64,
    /// Events a second of the flood, beside those.
    pub(crate) flood: f64,
    /// The flood has no rate.
    pub(crate) is_unbounded: bool,
    /// Of each phase.
    pub(crate) span: Duration,
}

/// What was seen.
pub(crate) struct Times {
    pub(crate) found: BTreeMap<Phase, Histogram<u64>>,
    pub(crate) flood_events: u64,
    /// Events a second that were taken of the flood.
    pub(crate) flood_rate: f64,
    pub(crate) took: Duration,
}

type Probes = mpsc::Sender<Probe<Phase>>;

impl Load<'_> {
    /// Sends both phases.
    pub(crate) fn run(&self) -> Result<Times, Failure> {
        let began = Instant::now();
        let calm = began + WARM;
        let flood = calm + self.span;
        let end = flood + self.span;
        let (probes, open) = mpsc::channel::<Probe<Phase>>();
        let found: Mutex<BTreeMap<Phase, Histogram<u64>>> = Mutex::default();
        let report = std::thread::scope(|scope| {
            let (server, database, found) = (self.server, self.database, &found);
            let looking = scope.spawn(move || {
                look_for(
                    server,
                    database,
                    || open.try_recv(),
                    LOOK,
                    |phase, took| {
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        let micros = u64::try_from(took.as_micros())?;
                        match found.get_mut(&phase) {
                            Some(histogram) => histogram.record(micros)?,
                            None => {
                                let mut histogram = Histogram::new(3)?;
                                histogram.record(micros)?;
                                found.insert(phase, histogram);
                            }
                        }
                        Ok(())
                    },
                )
            });
            let mut sending = Vec::new();
            for (at, project) in self.projects.iter().enumerate() {
                let accepted = (at > 0).then(|| steady(project, probes.clone(), [calm, flood, end]));
                sending.push(scope.spawn(move || {
                    // They do not all send at the same moment.
                    pause(Duration::from_millis(237 * at as u64));
                    self.send(project, at as u64 + 10, self.rate, end, accepted)
                }));
            }
            let accepted = flooding(&self.projects[0], probes);
            let flooded = scope.spawn(move || {
                pause(flood.saturating_duration_since(Instant::now()));
                let rate = if self.is_unbounded { 0.0 } else { self.flood };
                self.send(&self.projects[0], 1, rate, end, Some(accepted))
            });
            let flooded = flooded.join().map_err(|_| "the flood panicked")??;
            for sending in sending {
                sending.join().map_err(|_| "a sender panicked")??;
            }
            looking.join().map_err(|_| "the looking panicked")??;
            Ok::<SendReport, Failure>(flooded)
        })?;
        Ok(Times {
            found: found.into_inner().unwrap_or_else(PoisonError::into_inner),
            flood_events: report.events,
            flood_rate: report.events as f64 / report.took.as_secs_f64(),
            took: began.elapsed(),
        })
    }

    fn send(
        &self,
        project: &str,
        seed: u64,
        rate: f64,
        end: Instant,
        accepted: Option<Accepted>,
    ) -> Result<SendReport, Failure> {
        let client = Client {
            url: self.url.to_owned(),
            rate,
            connections: 2,
        };
        let seconds = (WARM + self.span * 2).as_secs_f64();
        // Six events a trace; it ends when it is time.
        let traces = if rate > 0.0 {
            (rate * seconds / 3.0) as u32 + 100
        } else {
            TRACES
        };
        let requests = HALF_LOAD.requests_of(project, seed, traces)?;
        let requests = requests.take_while(move |_| Instant::now() < end);
        let (report, _) = client.send_as(project, self.runtime, requests, accepted)?;
        Ok(report)
    }
}

fn probe(project: &str, request: &Request) -> Option<(String, String)> {
    let (table, id) = &request.last;
    (*table == Table::Observations).then(|| (project.to_owned(), id.clone()))
}

/// Of one of the others, every request is looked for.
fn steady(project: &str, probes: Probes, [calm, flood, end]: [Instant; 3]) -> Accepted {
    let project = project.to_owned();
    Arc::new(move |request: &Request, at: Instant| {
        let phase = if at < flood { Phase::Calm } else { Phase::Flood };
        if at >= calm
            && at < end
            && let Some((project, id)) = probe(&project, request)
        {
            // Nobody listens when the looking failed; that is told there.
            let _ = probes.send((project, id, phase, at));
        }
    })
}

fn flooding(project: &str, probes: Probes) -> Accepted {
    let project = project.to_owned();
    let seen = std::sync::atomic::AtomicU64::new(0);
    Arc::new(move |request: &Request, at: Instant| {
        let count = seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if count.is_multiple_of(EVERY)
            && let Some((project, id)) = probe(&project, request)
        {
            let _ = probes.send((project, id, Phase::Own, at));
        }
    })
}
