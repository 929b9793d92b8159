//! Memory under a backlog: a million small events are accepted while ClickHouse stands still, the process is killed, and
//! a new one finds them in its queue.

use std::time::Instant;

use serde_json::{Value, json};
use tracemill_benches::Failure;
use tracemill_benches::process::peak_of;
use tracemill_benches::server::ClickHouse;

use crate::load::Bench;
use tracemill_benches::mixes::BACKLOG;
use tracemill_benches::product::Product;

const MIB: f64 = 1024.0 * 1024.0;

/// ClickHouse, stopped; it goes on when this is dropped.
struct Stopped<'a>(&'a ClickHouse);

impl<'a> Stopped<'a> {
    fn new(server: &'a ClickHouse) -> Self {
        signal(server, libc::SIGSTOP);
        Self(server)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        signal(self.0, libc::SIGCONT);
    }
}

fn signal(server: &ClickHouse, signal: libc::c_int) {
    // SAFETY: kill takes no pointers; the server is a child's child that lives as long as its owner.
    unsafe { libc::kill(server.pid.cast_signed(), signal) };
}

/// Measures, and prints.
pub(crate) fn measure(bench: &Bench<'_>) -> Result<Value, Failure> {
    let (name, folder) = ("backlog", bench.dir.join("backlog"));
    bench.database(name)?;
    let start = || Product::start(&bench.args.tracemill, &folder, &bench.server.address, name);
    let traces = if bench.args.quick {
        BACKLOG.traces / 10
    } else {
        BACKLOG.traces
    };
    let product = start()?;
    let stopped = Stopped::new(bench.server);
    let (sent, requests) = bench.send(BACKLOG.requests(3, traces)?, &product.url, 0.0, None)?;
    let taking = peak_of(product.pid())?;
    product.kill()?;
    drop(stopped);
    let began = Instant::now();
    let mut product = start()?;
    bench.wait_visible(name, &BACKLOG, &requests.expectation(), &mut product)?;
    let took = began.elapsed().as_secs_f64();
    let working = peak_of(product.pid())?;
    product.stop()?;
    bench.drop_database(name)?;
    println!(
        "\na backlog of {} events of {:.0} bytes: accepted in {:.1} s with a peak of {:.0} MiB, then worked off in {took:.1} s ({:.0} events/s) with a peak of {:.0} MiB",
        sent.events,
        sent.bytes as f64 / sent.events as f64,
        sent.took.as_secs_f64(),
        taking as f64 / MIB,
        sent.events as f64 / took,
        working as f64 / MIB,
    );
    Ok(json!({
        "events": sent.events, "accepted_s": sent.took.as_secs_f64(), "retries": sent.retries, "accepting_peak_bytes": taking,
        "worked_off_s": took, "working_peak_bytes": working,
    }))
}
