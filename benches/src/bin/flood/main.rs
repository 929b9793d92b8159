//! A flood: ten projects send at a steady rate, then one of them many times that, while the nine others go on.
//!
//! One process, one ClickHouse, one run. From a request's answer to its last row, by id, of the nine: before the flood and
//! during it, and how the two compare. Writes figures as JSON.

mod senders;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tracemill_benches::Failure;
use tracemill_benches::process::cpu_of;
use tracemill_benches::product::{Product, migrate};
use tracemill_benches::server::ClickHouse;

use crate::senders::{Load, Phase, Times};

/// The goal: p99 with the flood against that without it.
const GOAL: f64 = 1.3;

/// Measures what one project's flood does to the time from an answer to the row of nine others.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Seconds instead of minutes: shows that it works, and nothing else.
    #[arg(long)]
    quick: bool,
    /// Seconds of each of the two phases.
    #[arg(long, default_value_t = 90)]
    span: u64,
    /// Events a second of each project.
    #[arg(long, default_value_t = 40.0)]
    rate: f64,
    /// How many times its rate the flooding project sends; 0: as fast as it is taken.
    #[arg(long, default_value_t = 20)]
    times: u32,
    /// Projects, the flooding one among them.
    #[arg(long, default_value_t = 10)]
    projects: usize,
    /// The working folder: each run has a new folder in it, which is removed in the end unless the run failed.
    #[arg(long)]
    dir: PathBuf,
    /// Where the figures go as JSON.
    #[arg(long)]
    json: PathBuf,
    /// The binary that is measured.
    #[arg(long)]
    tracemill: PathBuf,
}

fn main() -> Result<(), Failure> {
    let mut args = Args::parse();
    if args.quick {
        args.span = args.span.min(12);
    }
    let dir = args.dir.join(format!("flood-{}", std::process::id()));
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
    let server = ClickHouse::start(&args.tracemill, dir)?;
    let name = "flood";
    server.ask("default", &format!("CREATE DATABASE {name}"))?;
    migrate(&args.tracemill, &server.url(name), &dir.join("migrate.log"))?;
    let projects: Vec<String> = (0..args.projects.max(2)).map(|at| format!("p{at}")).collect();
    let product = Product::start_for(&args.tracemill, &dir.join("product"), &server.address, name, &projects)?;
    let load = Load {
        server: &server,
        database: name,
        url: &product.url,
        runtime: &runtime,
        projects: &projects,
        rate: args.rate,
        flood: args.rate * f64::from(args.times.saturating_sub(1)),
        is_unbounded: args.times == 0,
        span: Duration::from_secs(args.span),
    };
    let cpu = || -> Result<[f64; 2], Failure> { Ok([cpu_of(product.pid())?.as_secs_f64(), server.cpu()?]) };
    let before = cpu()?;
    let times = load.run()?;
    let after = cpu()?;
    product.stop()?;
    let took = times.took.as_secs_f64();
    let busy = [(after[0] - before[0]) / took, (after[1] - before[1]) / took];
    tell(args, &times, busy)
}

/// Milliseconds at a quantile.
fn at(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}

fn tell(args: &Args, times: &Times, busy: [f64; 2]) -> Result<Value, Failure> {
    const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("most", 1.0)];
    let of = |phase: Phase| times.found.get(&phase).ok_or("a phase without any probe");
    let (calm, flood, own) = (of(Phase::Calm)?, of(Phase::Flood)?, times.found.get(&Phase::Own));
    println!(
        "\nfrom 2xx to visible, of {} projects at {} events/s each; then another sends {:.0} events/s (it sent {} events)",
        args.projects - 1,
        args.rate,
        times.flood_rate,
        times.flood_events
    );
    println!(
        "{:<28}{:>8}{:>10}{:>10}{:>10}{:>10}",
        "", "probes", "p50 ms", "p90 ms", "p99 ms", "most ms"
    );
    let line = |what: &str, histogram: &Histogram<u64>| {
        let values: String = QUANTILES
            .iter()
            .map(|(_, q)| format!("{:>10.0}", at(histogram, *q)))
            .collect();
        println!("{what:<28}{:>8}{values}", histogram.len());
    };
    line("the others, without it", calm);
    line("the others, with it", flood);
    if let Some(own) = own {
        line("the flooding project", own);
    }
    let ratios: BTreeMap<&str, f64> = QUANTILES
        .iter()
        .map(|(name, q)| (*name, at(flood, *q) / at(calm, *q)))
        .collect();
    let values: String = QUANTILES
        .iter()
        .map(|(name, _)| format!("{:>10.2}", ratios[name]))
        .collect();
    let met = ratios["p99"] <= GOAL;
    println!(
        "{:<28}{:>8}{values}   p99 at most {GOAL} times: {}",
        "ratio",
        "",
        if met { "met" } else { "MISSED" }
    );
    println!("processors busy: tracemill {:.2}, ClickHouse {:.2}", busy[0], busy[1]);
    let json = |histogram: &Histogram<u64>| {
        let mut values: serde_json::Map<String, Value> = QUANTILES
            .iter()
            .map(|(name, q)| (format!("{name}_ms"), json!(at(histogram, *q))))
            .collect();
        values.insert("probes".to_owned(), json!(histogram.len()));
        Value::Object(values)
    };
    Ok(json!({
        "projects": args.projects, "rate": args.rate, "times": args.times, "span_s": args.span,
        "flood_rate": times.flood_rate, "flood_events": times.flood_events,
        "calm": json(calm), "flood": json(flood), "flooding": own.map(json), "ratio": ratios, "goal": GOAL, "met": met,
        "product_busy": busy[0], "clickhouse_busy": busy[1],
    }))
}
