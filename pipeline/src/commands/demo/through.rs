//! The demo's way in: requests as the Langfuse clients send them, to this process's own intake, until every job of its
//! queue is acknowledged.
//!
//! *On error.* Ingestion that fails ends the sending; what keeps a client from sending stops ingestion.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::time::interval;
use tracemill_sources::synth::sdk::{Expectation, Requests, SdkConfig, SentRow};

use crate::PipelineError;
use crate::bars::Watch;
use crate::ingestion::process::{self, Face};
use crate::ingestion::status::{Gauges, IngestionStatus};
use crate::send::{Key, SendOptions, SendProgress, SendReport, send};
use crate::session::Session;

/// How long what is under way may take once everything was acknowledged.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked whether there is more to wait for.
const LOOK: Duration = Duration::from_millis(25);
/// Connections at once.
const CONNECTIONS: usize = 4;

/// What went in.
#[derive(Debug)]
pub(super) struct TakenIn {
    /// What the clients know of it.
    pub(super) report: SendReport,
    /// How many rows there must be.
    pub(super) expected: Vec<Expectation>,
    /// What each of them must be.
    pub(super) rows: Vec<SentRow>,
    /// What ingestion knows of it, when it was done.
    pub(super) status: IngestionStatus,
}

/// Runs ingestion, and sends all requests through it.
///
/// # Errors
/// Ingestion cannot start, or fails; a request is refused.
pub(super) async fn through(session: &Session, config: SdkConfig, keys: Vec<Key>) -> Result<TakenIn, PipelineError> {
    let (stop, stopped) = watch::channel(false);
    let (tell, told) = oneshot::channel();
    let ingestion = process::run_told(session, stopped, STOP_WITHIN, Face::Own, move |gauges| {
        // Who asked is there: it is the other half of this function.
        let _ = tell.send(gauges.clone());
    });
    let sending = async {
        let gauges: Gauges = told.await.map_err(|_| ended())?;
        let (report, requests) = all(session, config, keys).await?;
        settled(&gauges).await;
        Ok((gauges, report, requests))
    };
    tokio::pin!(ingestion, sending);
    let sent: Result<(Gauges, SendReport, Requests), PipelineError> = tokio::select! {
        biased;
        failed = &mut ingestion => return Err(failed.err().unwrap_or_else(ended)),
        sent = &mut sending => sent,
    };
    stop.send_replace(true);
    let stopped = ingestion.await;
    let (gauges, report, mut requests) = sent?;
    stopped?;
    Ok(TakenIn {
        report,
        expected: requests.expectation(),
        rows: requests.take_record(),
        // Counters are complete when everything has stopped.
        status: gauges.status(None).await,
    })
}

async fn all(session: &Session, config: SdkConfig, keys: Vec<Key>) -> Result<(SendReport, Requests), PipelineError> {
    let intake = session.checked.intake.as_ref().ok_or_else(ended)?;
    listening(intake.listen).await;
    let requests = Requests::new(config).map_err(|error| PipelineError::Usage {
        reason: error.to_string(),
    })?;
    let options = SendOptions {
        url: format!("http://{}", intake.listen),
        keys,
        rate: 0.0,
        connections: CONNECTIONS,
        gzip: false,
        accepted: None,
    };
    let progress = Arc::new(SendProgress::default());
    let watch = Watch::begin("sending", {
        let progress = Arc::clone(&progress);
        move || progress.sample()
    });
    let sent = send(requests.recording(), options, progress).await;
    drop(watch);
    sent
}

/// Until somebody listens there. Where nobody ever does, ingestion has failed and says why.
async fn listening(address: SocketAddr) {
    let mut look = interval(LOOK);
    while TcpStream::connect(address).await.is_err() {
        look.tick().await;
    }
}

/// Until the queue is empty: what is acknowledged is in ClickHouse, or is a letter.
async fn settled(gauges: &Gauges) {
    let mut look = interval(LOOK);
    loop {
        look.tick().await;
        let status = gauges.status(None).await;
        let queue = &status.queue;
        if [queue.waiting, queue.active, queue.delayed] == [Some(0); 3] {
            return;
        }
    }
}

fn ended() -> PipelineError {
    PipelineError::Io {
        what: "ingestion ended".to_owned(),
        reason: "there was still something to send".to_owned(),
    }
}
