//! Ingestion against plain inserts: from HTTP through queue and merge to rows, on one ClickHouse in one run.
//!
//! For each mix of events, round by round in turns: the product takes requests that were made before and brings them into
//! fresh tables; then the same final rows go into fresh tables of the same server by the fastest plain insert, which is the
//! ceiling. For each run: wall time until every entity is visible as its last event says, CPU time of the product and of
//! ClickHouse (`/proc`, without what it takes when idle, with its merges until they end), queries by kind, peak memory.
//! Then the time from an answer to the row at half load, and with `--backlog` the memory under a million events.

mod args;
mod backlog;
mod ceiling;
mod latency;
mod load;
mod report;

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use tracemill_benches::Failure;
use tracemill_benches::server::ClickHouse;

use crate::args::{Args, Part};
use crate::ceiling::Way;
use crate::load::Bench;
use crate::report::Runs;
use tracemill_benches::mixes::{HALF_LOAD, MIXES};

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    // Nothing is removed before the end: some file systems pass over what was deleted in the last minute each time a file
    // is made, which took an eighth of the product's CPU time.
    let dir = args.dir.join(format!("ingest-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let told = bench(&args, &dir);
    match &told {
        Ok(_) => std::fs::remove_dir_all(&dir)?,
        Err(_) => eprintln!("what it left is in {}", dir.display()),
    }
    std::fs::write(&args.json, format!("{:#}\n", told?))?;
    println!("\nall figures: {}", args.json.display());
    Ok(())
}

fn bench(args: &Args, dir: &Path) -> Result<Value, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut server = ClickHouse::start(&args.tracemill, dir)?;
    server.measure_idle(Duration::from_secs(3))?;
    let bench = Bench {
        args,
        server: &server,
        runtime: &runtime,
        dir: dir.to_owned(),
    };
    let mixes = if args.wants(Part::Load) {
        load(&bench)
    } else {
        Vec::new()
    };
    report::print(&mixes);
    let latency = if args.wants(Part::Latency) {
        told(
            "latency",
            half_rate(&bench, &mixes).and_then(|rate| latency::measure(&bench, rate)),
        )
    } else {
        Value::Null
    };
    let backlog = if args.wants(Part::Backlog) {
        told("backlog", backlog::measure(&bench))
    } else {
        Value::Null
    };
    Ok(json!({
        "mixes": mixes.iter().map(Runs::to_json).collect::<Vec<_>>(),
        "latency": latency,
        "backlog": backlog,
        "clickhouse_idle_cpu": server.idle,
    }))
}

/// A part that fails is told; the others go on.
fn told(name: &str, outcome: Result<Value, Failure>) -> Value {
    outcome.unwrap_or_else(|error| {
        eprintln!("{name}: {error}");
        json!({"error": error.to_string()})
    })
}

/// Half of what was measured for creates, or of what is measured now.
fn half_rate(bench: &Bench<'_>, mixes: &[Runs]) -> Result<f64, Failure> {
    if let Some(rate) = bench.args.latency_rate {
        return Ok(rate);
    }
    let known = mixes
        .iter()
        .find(|runs| runs.mix.event_bytes == 1_000 && !runs.mix.has_updates);
    // Events of 2 KB are at most half as fast as those of 1 KB.
    if let Some(rate) = known.and_then(Runs::rate) {
        return Ok(rate / 3.0);
    }
    let run = bench.run(&HALF_LOAD, if bench.args.quick { 2_000 } else { 10_000 }, "half_load")?;
    bench.drop_database("half_load")?;
    Ok(run.rate() / 2.0)
}

/// Every mix round by round.
fn load(bench: &Bench<'_>) -> Vec<Runs> {
    let wanted = MIXES.into_iter().filter(|mix| mix.name.contains(&bench.args.mix));
    let mut all: Vec<(Runs, Option<Way>)> = wanted
        .map(|mix| {
            let runs = Runs {
                mix,
                runs: Vec::new(),
                ceilings: Vec::new(),
                way: "none".to_owned(),
                error: None,
            };
            (runs, None)
        })
        .collect();
    for round in 0..bench.args.rounds() {
        for (place, (runs, way)) in all.iter_mut().enumerate() {
            if runs.error.is_some() {
                continue;
            }
            if let Err(error) = once(bench, runs, way, &format!("mix{place}_{round}")) {
                eprintln!("{}: {error}", runs.mix.name);
                runs.error = Some(error.to_string());
            }
        }
    }
    all.into_iter().map(|(runs, _)| runs).collect()
}

fn once(bench: &Bench<'_>, runs: &mut Runs, way: &mut Option<Way>, name: &str) -> Result<(), Failure> {
    let traces = if bench.args.quick {
        runs.mix.traces / 10
    } else {
        runs.mix.traces
    };
    let run = bench.run(&runs.mix, traces, name)?;
    let (seconds, cpu, found) = ceiling::measure(bench, name, *way)?;
    bench.drop_database(name)?;
    eprintln!(
        "{}: {:.0} events/s, {:.4} ms CPU an event; the plain insert of {} rows takes {seconds:.2} s, all of it {:.2} s",
        runs.mix.name,
        run.rate(),
        run.cpu_ms(),
        run.rows,
        run.seconds
    );
    runs.way = format!("{}, {} connections", found.format, found.connections);
    *way = Some(found);
    runs.ceilings.push((seconds, cpu));
    runs.runs.push(run);
    Ok(())
}
