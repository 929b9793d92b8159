//! The exporter against its peers, on one ClickHouse with one set of rows, and one store.
//!
//! Sides run in turns (A B C A B C), one process each, so that what changes on the machine meanwhile meets all of them. For
//! each run: wall and CPU time and peak memory of the side's process (`wait4`), CPU time of the ClickHouse process (`/proc`,
//! without what it takes when idle), and memory, bytes and queries of `system.query_log`. A side that fails or takes too long is told
//! and left out; the others go on.

mod args;
mod report;
mod sides;
mod stages;

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use tracemill_benches::target::Target;
use tracemill_benches::{Failure, day};

use crate::args::{Args, Side, StoreChoice};
use crate::report::Runs;
use crate::sides::Bench;
use tracemill_benches::day::{Day, Recipe};
use tracemill_benches::server::{ClickHouse, ObjectServer};

/// The most resident memory that the exporter may take.
const MEMORY_GOAL: u64 = 300 << 20;

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let dir = args.dir.join("work");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    let told = bench(&args, &dir);
    // Servers are gone here; the data is large and of no further use. Logs stay.
    if told.is_ok() {
        std::fs::remove_dir_all(dir.join("clickhouse"))?;
    }
    std::fs::write(&args.json, format!("{:#}\n", told?))?;
    println!("\nall figures: {}", args.json.display());
    Ok(())
}

fn bench(args: &Args, dir: &Path) -> Result<Value, Failure> {
    let mut server = ClickHouse::start(&args.tracemill, dir)?;
    let objects = match args.store {
        StoreChoice::S3 => Some(ObjectServer::start(&args.root, dir)?),
        StoreChoice::Local => None,
    };
    let target = match &objects {
        Some(objects) => Target::S3(objects.endpoint.clone(), String::new()),
        None => Target::Local(dir.join("files")),
    };
    let make = |recipe: Recipe, server: &ClickHouse| {
        eprintln!("making the data: {}", recipe.name());
        recipe.make(&args.tracemill, server, dir)
    };
    let day = make(if args.quick { day::TENTH } else { day::REFERENCE }, &server)?;
    server.measure_idle(Duration::from_secs(3))?;
    let bench = Bench {
        args,
        server: &server,
        target: &target,
        dir,
    };
    let sides = in_turns(&bench, &day);
    report::print_sides(&sides, &day);
    let stages = match sides.iter().find(|runs| runs.side == Side::Tracemill) {
        Some(Runs { runs, .. }) if !runs.is_empty() => stages::tell(&bench, &day, &runs[runs.len() - 1])
            .unwrap_or_else(|error| {
                eprintln!("the stages alone: {error}");
                json!({"error": error.to_string()})
            }),
        _ => Value::Null,
    };
    let memory = if sides.iter().any(|runs| runs.side == Side::Tracemill) {
        memory(&bench, &sides, &day, make)?
    } else {
        Value::Null
    };
    Ok(json!({
        "compared": report::sides_json(&sides, &day),
        "stages": stages,
        "memory": memory,
        "ratios": report::ratios(&sides),
        "clickhouse_idle_cpu": server.idle,
    }))
}

/// Every side round by round.
fn in_turns(bench: &Bench<'_>, day: &Day) -> Vec<Runs> {
    let sides = bench.args.sides();
    let mut all: Vec<Runs> = sides
        .iter()
        .map(|side| Runs {
            side: *side,
            runs: Vec::new(),
            error: None,
        })
        .collect();
    for round in 0..=bench.args.rounds(Side::Tracemill).0 {
        for runs in &mut all {
            let (rounds, warms_up) = bench.args.rounds(runs.side);
            let is_wanted = if round == 0 { warms_up } else { round <= rounds };
            if !is_wanted || runs.error.is_some() {
                continue;
            }
            let name = format!("{}-{round}", runs.side.name());
            match bench.run(runs.side, day, &name) {
                Ok(run) => {
                    eprintln!(
                        "{name}: {:.2} s, ClickHouse CPU {:.2} s, {} rows",
                        run.used.wall.as_secs_f64(),
                        run.server_cpu,
                        run.rows
                    );
                    if round > 0 {
                        runs.runs.push(run);
                    }
                }
                Err(error) => {
                    eprintln!("{name} failed: {error}");
                    runs.error = Some(error.to_string());
                }
            }
        }
    }
    all
}

/// Peak memory of the exporter for days of different sizes and for wide rows.
fn memory(
    bench: &Bench<'_>,
    sides: &[Runs],
    day: &Day,
    make: impl Fn(Recipe, &ClickHouse) -> Result<Day, Failure>,
) -> Result<Value, Failure> {
    println!(
        "\npeak resident memory of the exporter (at most {} MiB):",
        MEMORY_GOAL >> 20
    );
    let mut told = Vec::new();
    let of_day = sides
        .iter()
        .filter(|runs| runs.side == Side::Tracemill)
        .flat_map(|runs| &runs.runs);
    if let Some(most) = of_day.map(|run| run.used.peak).max() {
        told.push(memory_line(day, most, true));
    }
    let wide = if bench.args.quick { day::WIDE_TENTH } else { day::WIDE };
    for recipe in [Some(wide), bench.args.big.then_some(day::BIG)].into_iter().flatten() {
        let day = make(recipe, bench.server)?;
        match bench.run(Side::Tracemill, &day, &format!("memory-{}", day.database)) {
            Ok(run) => told.push(memory_line(&day, run.used.peak, run.rows == day.truth)),
            Err(error) => {
                println!("  {} failed: {error}", day.name);
                told.push(json!({"day": day.name, "error": error.to_string()}));
            }
        }
        bench
            .server
            .ask("default", &format!("DROP DATABASE {} SYNC", day.database))?;
    }
    Ok(Value::from(told))
}

fn memory_line(day: &Day, peak: u64, rows_right: bool) -> Value {
    let met = if peak <= MEMORY_GOAL { "met" } else { "MISSED" };
    let rows = if rows_right { "" } else { ", ROWS WRONG" };
    println!("  {:>4} MiB: {met}{rows} ({})", peak >> 20, report::day_line(day));
    json!({"day": day.name, "bytes": day.bytes, "peak_bytes": peak, "met": peak <= MEMORY_GOAL, "rows_right": rows_right})
}
