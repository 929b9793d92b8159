//! A query that does nothing but send a byte every few milliseconds, at the export's `priority`: ClickHouse holds it while a query
//! of readers runs, and a byte that is late says so.
//!
//! ```text
//! a leaf is read ──► SELECT sleepEachRow(…) ──► bytes ──► Heart of the Readers
//! ```
//!
//! It sees readers of whatever process, within milliseconds, for some hundredths of a processor; queries outside the order of
//! priorities (0) it does not see.
//!
//! *On error.* It is begun again after a while, and until then nobody is held by it. So it is where ClickHouse does not send
//! the bytes one by one.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracemill_operators::bridge::{Task, spawn};
use tracemill_operators::governor::Gate;
use tracemill_operators::governor::readers::{BEAT, HELD};
use tracemill_warehouse::{Comment, Service, Statement, WarehouseError};

/// How long one query beats; at most half of what a query may take.
const SPAN: Duration = Duration::from_secs(60);
/// How long it beats on when no leaf is read: the next often follows.
const IDLE: Duration = Duration::from_secs(2);
/// After an error.
const AGAIN: Duration = Duration::from_secs(30);

/// Beats while leaves are read, until the task is dropped.
#[must_use]
pub fn begin(service: Service, gate: Gate) -> Task<()> {
    spawn("heartbeat", async move {
        let mut is_told = false;
        loop {
            gate.reads().await;
            if let Err(error) = beat(&service, &gate).await {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::info!(%error, "the export does not see when readers' queries run");
                }
                sleep(AGAIN).await;
            }
        }
    })
}

async fn beat(service: &Service, gate: &Gate) -> Result<(), WarehouseError> {
    let span = service.limits().timeout.map_or(SPAN, |timeout| SPAN.min(timeout / 2));
    let mut stream = service.stream(&statement(span), "RowBinary")?;
    let heart = gate.readers().heart();
    let mut read_last = Instant::now();
    while let Some(bytes) = stream.next().await? {
        let _ = heart.beat(bytes.len() as u64);
        let now = Instant::now();
        if gate.passage().leaves > 0 {
            read_last = now;
        } else if now - read_last > IDLE {
            break;
        }
    }
    Ok(())
}

fn statement(span: Duration) -> Statement {
    let beats = span.as_millis() / BEAT.as_millis();
    let sql = format!("SELECT sleepEachRow({}) FROM numbers({beats})", BEAT.as_secs_f64());
    Statement::new(sql, Comment::new("heartbeat"))
        .setting("max_block_size", 1)
        .setting("max_threads", 1)
        .setting("low_priority_query_wait_time_ms", HELD.as_millis() as u64)
}
