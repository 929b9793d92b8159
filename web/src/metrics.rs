//! What the intake counts. Bounded: routes, statuses and projects are known beforehand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tracemill_model::ingest::Text;

/// The routes that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Route {
    Ingestion,
    OtelTraces,
    OtelMetrics,
    Scores,
    Single,
    Delete,
    Projects,
    Read,
    Health,
    Page,
    Other,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Ingestion,
        Self::OtelTraces,
        Self::OtelMetrics,
        Self::Scores,
        Self::Single,
        Self::Delete,
        Self::Projects,
        Self::Read,
        Self::Health,
        Self::Page,
        Self::Other,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingestion => "ingestion",
            Self::OtelTraces => "otel_traces",
            Self::OtelMetrics => "otel_metrics",
            Self::Scores => "scores",
            Self::Single => "single",
            Self::Delete => "delete",
            Self::Projects => "projects",
            Self::Read => "read",
            Self::Health => "health",
            Self::Page => "page",
            Self::Other => "other",
        }
    }
}

/// The statuses that are answered; others count as 0.
const STATUSES: [u16; 18] = [
    0, 200, 202, 204, 207, 303, 400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503, 431,
];

/// Counters and gauges of one intake.
#[derive(Debug)]
pub struct Metrics {
    requests: [[AtomicU64; STATUSES.len()]; Route::ALL.len()],
    latency: [Mutex<Histogram<u64>>; Route::ALL.len()],
    projects: Vec<Events>,
    /// Bytes of bodies, as sent.
    pub(crate) bytes: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) panics: AtomicU64,
}

#[derive(Debug)]
struct Events {
    project: Text,
    accepted: AtomicU64,
    rejected: AtomicU64,
}

/// The figures at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Answers by route and status; 0: a status without a counter of its own.
    pub requests: Vec<(Route, u16, u64)>,
    /// Time to the answer by route, in µs.
    pub latency: Vec<(Route, Histogram<u64>)>,
    /// Events or spans by project: accepted, rejected.
    pub events: Vec<(Text, u64, u64)>,
    /// Bytes of bodies, as sent.
    pub bytes: u64,
    /// Requests in progress.
    pub in_flight: u64,
    /// Open connections.
    pub connections: u64,
    /// Connections that ended by a bug.
    pub panics: u64,
}

impl Metrics {
    pub(crate) fn new(projects: impl Iterator<Item = Text>) -> Self {
        Self {
            requests: Default::default(),
            // Up to ten minutes, two digits: some 20 KB each.
            latency: std::array::from_fn(|_| {
                Mutex::new(Histogram::new_with_bounds(1, 600_000_000, 2).expect("constant bounds are valid"))
            }),
            projects: projects
                .map(|project| Events {
                    project,
                    accepted: AtomicU64::new(0),
                    rejected: AtomicU64::new(0),
                })
                .collect(),
            bytes: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        }
    }

    pub(crate) fn answered(&self, route: Route, status: u16, took: Duration) {
        let place = STATUSES.iter().position(|known| *known == status).unwrap_or(0);
        self.requests[route as usize][place].fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut latency = self.latency[route as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        latency.saturating_record(us);
    }

    pub(crate) fn events(&self, project: usize, accepted: usize, rejected: usize) {
        if let Some(events) = self.projects.get(project) {
            events.accepted.fetch_add(accepted as u64, Ordering::Relaxed);
            events.rejected.fetch_add(rejected as u64, Ordering::Relaxed);
        }
    }

    /// The figures now; rows that are zero are left out.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let requests = Route::ALL.into_iter().flat_map(|route| {
            let counters = STATUSES.iter().zip(&self.requests[route as usize]);
            counters.map(move |(status, counter)| (route, *status, load(counter)))
        });
        let latency = Route::ALL.into_iter().map(|route| {
            let held = self.latency[route as usize]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            (route, held.clone())
        });
        Snapshot {
            requests: requests.filter(|(_, _, count)| *count > 0).collect(),
            latency: latency.filter(|(_, histogram)| !histogram.is_empty()).collect(),
            events: self
                .projects
                .iter()
                .map(|events| (events.project.clone(), load(&events.accepted), load(&events.rejected)))
                .collect(),
            bytes: load(&self.bytes),
            in_flight: load(&self.in_flight),
            connections: load(&self.connections),
            panics: load(&self.panics),
        }
    }
}

/// Counts one for as long as it lives.
pub(crate) struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    pub(crate) fn enter(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
