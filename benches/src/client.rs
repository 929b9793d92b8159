//! The client of the ingestion benchmarks: sends at a rate, and looks when what was accepted is visible.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;
use tracemill_model::{ProjectId, Secret};
use tracemill_pipeline::send::{Accepted, Key, SendOptions, SendProgress, SendReport, send};
use tracemill_sources::synth::sdk::Request;

use crate::Failure;
use crate::mixes::PROJECT;
use crate::process::pause;
use crate::product::keys;
use crate::server::ClickHouse;

/// A client of the benchmark's project.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where it sends to: `http://127.0.0.1:port`.
    pub url: String,
    /// Events a second; infinite: as fast as it is taken.
    pub rate: f64,
    /// Connections.
    pub connections: usize,
}

impl Client {
    /// Sends, and returns when all of it was accepted.
    ///
    /// # Errors
    /// Something was refused, or the product is away for long.
    pub fn send<R>(
        &self,
        runtime: &Runtime,
        requests: R,
        accepted: Option<Accepted>,
    ) -> Result<(SendReport, R), Failure>
    where
        R: Iterator<Item = Request> + Send + 'static,
    {
        self.send_as(PROJECT, runtime, requests, accepted)
    }

    /// The same as another project.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_as<R>(
        &self,
        project: &str,
        runtime: &Runtime,
        requests: R,
        accepted: Option<Accepted>,
    ) -> Result<(SendReport, R), Failure>
    where
        R: Iterator<Item = Request> + Send + 'static,
    {
        let [public, secret] = keys(project);
        let options = SendOptions {
            url: self.url.clone(),
            keys: vec![Key {
                project: ProjectId::new(project)?,
                public,
                secret: Secret::new(secret),
            }],
            rate: self.rate,
            connections: self.connections,
            gzip: false,
            accepted,
        };
        let done = runtime.block_on(send(requests, options, Arc::new(SendProgress::default())));
        let (report, requests) = done.map_err(|error| error.to_string())?;
        if report.refused > 0 {
            return Err(format!("{} events were refused", report.refused).into());
        }
        Ok((report, requests))
    }
}

/// What is looked for: the project's observation of that id, whatever tells it from others, and when it was sent.
pub type Probe<T> = (String, String, T, Instant);

/// Looks for observations by id each `every`, until there are no more to look for: microseconds from what was sent to the
/// first look that found it.
///
/// # Errors
/// ClickHouse refuses, or what was accepted does not become visible.
pub fn look(
    server: &ClickHouse,
    database: &str,
    probes: &mpsc::Receiver<(String, Instant)>,
    every: Duration,
) -> Result<Histogram<u64>, Failure> {
    let mut found = Histogram::new(3)?;
    let next = || probes.try_recv().map(|(id, at)| (PROJECT.to_owned(), id, (), at));
    look_for(server, database, next, every, |(), took| {
        found.record(u64::try_from(took.as_micros())?)?;
        Ok(())
    })?;
    Ok(found)
}

/// The same for observations of several projects; `found` hears of each.
///
/// # Errors
/// As [`look`], and those of `found`.
pub fn look_for<T>(
    server: &ClickHouse,
    database: &str,
    next: impl Fn() -> Result<Probe<T>, mpsc::TryRecvError>,
    every: Duration,
    mut found: impl FnMut(T, Duration) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut open: HashMap<(String, String), (T, Instant)> = HashMap::new();
    let mut is_over = false;
    let mut last = Instant::now();
    while !is_over || !open.is_empty() {
        loop {
            match next() {
                Ok((project, id, what, at)) => drop(open.insert((project, id), (what, at))),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => {
                    is_over = true;
                    break;
                }
            }
        }
        if !open.is_empty() {
            let quoted = |names: BTreeSet<&String>| {
                let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
                names.join(",")
            };
            let ids = quoted(open.keys().map(|(_, id)| id).collect());
            let projects = quoted(open.keys().map(|(project, _)| project).collect());
            let sql = format!(
                "SELECT project_id, id FROM observations PREWHERE id IN ({ids}) WHERE project_id IN ({projects}) \
                 SETTINGS max_threads = 1"
            );
            let answer = server.ask(database, &sql)?;
            let now = Instant::now();
            for line in answer.lines() {
                let (project, id) = line.split_once('\t').ok_or("a project and an id")?;
                if let Some((what, at)) = open.remove(&(project.to_owned(), id.to_owned())) {
                    found(what, now.saturating_duration_since(at))?;
                    last = now;
                }
            }
            if now - last > Duration::from_secs(60) {
                return Err(format!("{} probes do not become visible", open.len()).into());
            }
        } else {
            last = Instant::now();
        }
        pause(every);
    }
    Ok(())
}
