//! The client of the ingestion benchmarks: sends at a rate, and looks when what was accepted is visible.

use std::collections::HashMap;
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
use crate::product::KEYS;
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
        let options = SendOptions {
            url: self.url.clone(),
            keys: vec![Key {
                project: ProjectId::new(PROJECT)?,
                public: KEYS[0].to_owned(),
                secret: Secret::new(KEYS[1]),
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
    let mut open: HashMap<String, Instant> = HashMap::new();
    let mut is_over = false;
    let mut last = Instant::now();
    while !is_over || !open.is_empty() {
        loop {
            match probes.try_recv() {
                Ok((id, at)) => drop(open.insert(id, at)),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => {
                    is_over = true;
                    break;
                }
            }
        }
        if !open.is_empty() {
            let ids: Vec<String> = open.keys().map(|id| format!("'{id}'")).collect();
            let sql = format!(
                "SELECT id FROM observations PREWHERE id IN ({}) WHERE project_id = '{PROJECT}' SETTINGS max_threads = 1",
                ids.join(",")
            );
            let answer = server.ask(database, &sql)?;
            let now = Instant::now();
            for id in answer.lines() {
                if let Some(at) = open.remove(id) {
                    found.record(u64::try_from(now.saturating_duration_since(at).as_micros())?)?;
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
    Ok(found)
}
