//! Isolation: what people who read, events that come in, and a day that is exported do to each other on one ClickHouse.
//!
//! Each row has the same open loop of interactive queries and the same steady ingestion; the export beside them differs:
//! none, the reference's query with the reference's limits, and the product with its limits off, on, and with its governor.
//! The product exports the day several times in one process, each time whole, so that there is enough to measure. An export by
//! itself says how long it takes unhindered. Then `step` triples the readers' load for a minute.
//! Writes figures as JSON, and two plots as SVG.

mod args;
mod exporter;
mod readers;
mod report;
mod row;
mod step;

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use tracemill_benches::server::ClickHouse;
use tracemill_benches::{Failure, day, plot};

use crate::args::Args;
use crate::exporter::{Exported, Exporter};
use crate::row::Bench;

const ROWS: [(&str, Option<Exporter>); 5] = [
    ("no export", None),
    ("the reference's query", Some(Exporter::Reference)),
    ("limits off", Some(Exporter::Unlimited)),
    ("with limits", Some(Exporter::Limited)),
    ("with governor", Some(Exporter::Governed)),
];

fn main() -> Result<(), Failure> {
    let mut args = Args::parse();
    if args.quick {
        args.days = args.days.min(8);
    }
    let dir = args.dir.join(format!("isolation-{}", std::process::id()));
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
    let recipe = if args.quick { day::TENTH } else { day::REFERENCE };
    let day = recipe.make(&args.tracemill, &server, dir)?;
    server.measure_idle(Duration::from_secs(3))?;
    let bench = Bench {
        args,
        server: &server,
        runtime: &runtime,
        day: &day,
        dir: dir.to_owned(),
    };
    let (alone, rows) = if args.step { (None, Vec::new()) } else { rows(&bench)? };
    let step = if args.step || args.rows.is_empty() {
        Some(bench.step()?)
    } else {
        None
    };
    println!("\n{}", report::table(&rows, alone));
    let goals = report::goals(&rows, alone);
    let told = step.as_ref().map(step::Step::print);
    if !rows.is_empty() {
        write(&args.json, "isolation", &report::charts(&rows))?;
    }
    if let Some(step) = &step {
        write(&args.json, "governor", &step.charts())?;
    }
    Ok(json!({
        "rows": rows.iter().map(row::Row::to_json).collect::<Vec<_>>(),
        "alone_day_s": alone.map(|alone| alone.seconds),
        "goals": goals,
        "step": told,
    }))
}

/// The export by itself, and the rows.
fn rows(bench: &Bench<'_>) -> Result<(Option<Exported>, Vec<row::Row>), Failure> {
    let args = bench.args;
    // Once to warm up: files and indexes are read from disk by nobody afterwards.
    bench.export("warm", 1).run(Exporter::Limited, 0.0)?;
    let alone = bench.export("alone", args.days).run(Exporter::Limited, 0.0)?;
    eprintln!("the export alone: {:.2} s a day", alone.seconds);
    let wanted = ROWS
        .into_iter()
        .filter(|(name, _)| args.rows.split(',').any(|part| name.contains(part)));
    let rows = wanted
        .map(|(name, exporter)| bench.row(name, exporter))
        .collect::<Result<_, _>>()?;
    Ok((Some(alone), rows))
}

fn write(json: &Path, name: &str, charts: &[plot::Chart]) -> Result<(), Failure> {
    let path = json.with_file_name(format!("{name}.svg"));
    std::fs::write(&path, plot::page(charts))?;
    println!("plot: {}", path.display());
    Ok(())
}
