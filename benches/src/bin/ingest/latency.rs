//! The time from a client's 2xx to the row: by id, over connections of its own, at half of what the product can take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracemill_benches::Failure;
use tracemill_benches::process::cpu_of;
use tracemill_model::Table;
use tracemill_pipeline::send::Accepted;
use tracemill_sources::synth::sdk::Request;

use tracemill_benches::client::look;
use tracemill_benches::mixes::HALF_LOAD;
use tracemill_benches::product::Product;

use crate::load::Bench;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Looks a second at most follow so many requests a second.
const PROBES: f64 = 25.0;
/// The goal.
const GOAL_MS: f64 = 2_000.0;

/// Measures at `rate` events a second, and prints.
pub(crate) fn measure(bench: &Bench<'_>, rate: f64) -> Result<Value, Failure> {
    let name = "latency";
    bench.database(name)?;
    let product = Product::start(
        &bench.args.tracemill,
        &bench.dir.join(name),
        &bench.server.address,
        name,
    )?;
    let seconds = if bench.args.quick { 8 } else { bench.args.latency_for };
    let traces = (rate * f64::from(seconds) / 6.0) as u32;
    let requests = HALF_LOAD.requests(2, traces.max(100))?;
    let every = (rate / 100.0 / PROBES).ceil().max(1.0) as u64;
    let (probe, probes) = mpsc::channel::<(String, Instant)>();
    let seen = AtomicU64::new(0);
    let accepted: Accepted = Arc::new(move |request: &Request, at: Instant| {
        let (table, id) = &request.last;
        if *table == Table::Observations && seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(every) {
            // Nobody listens when the looking failed; that is told there.
            let _ = probe.send((id.clone(), at));
        }
    });
    let before = [bench.server.cpu()?, cpu_of(product.pid())?.as_secs_f64()];
    let began = Instant::now();
    let (sent, found) = std::thread::scope(|scope| {
        let looking = scope.spawn(move || look(bench.server, name, &probes, LOOK));
        // The sender, and with it the channel, is gone when everything is sent.
        let sent = bench.send(requests, &product.url, rate, Some(accepted));
        (sent, looking.join())
    });
    let (sent, _) = sent?;
    let found = found.map_err(|_| "the looking panicked")??;
    let took = began.elapsed().as_secs_f64();
    let busy = [
        (bench.server.cpu()? - before[0]) / took,
        (cpu_of(product.pid())?.as_secs_f64() - before[1]) / took,
    ];
    product.stop()?;
    bench.drop_database(name)?;
    let at = |quantile: f64| found.value_at_quantile(quantile) as f64 / 1e3;
    let met = if at(0.99) < GOAL_MS { "met" } else { "MISSED" };
    println!(
        "\nfrom 2xx to visible at {:.0} events/s ({} probes): p50 {:.0} ms, p90 {:.0} ms, p99 {:.0} ms, most {:.0} ms (p99 below {GOAL_MS} ms: {met}); \
         processors busy: tracemill {:.2}, ClickHouse {:.2}",
        sent.events as f64 / sent.took.as_secs_f64(),
        found.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        busy[1],
        busy[0],
    );
    Ok(json!({
        "rate": sent.events as f64 / sent.took.as_secs_f64(), "wanted_rate": rate, "probes": found.len(), "p50_ms": at(0.5), "p90_ms": at(0.9),
        "p99_ms": at(0.99), "max_ms": at(1.0), "goal_ms": GOAL_MS, "met": at(0.99) < GOAL_MS,
        "product_busy": busy[1], "clickhouse_busy": busy[0],
    }))
}
