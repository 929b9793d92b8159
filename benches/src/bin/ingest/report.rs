//! The table, and the goals.

use serde_json::{Value, json};
use tracemill_benches::spread::Spread;

use crate::load::Run;
use tracemill_benches::mixes::Mix;

const MIB: f64 = 1024.0 * 1024.0;

/// The runs of one mix, and what the ceiling took for the same rows.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) mix: Mix,
    pub(crate) runs: Vec<Run>,
    /// Seconds, CPU seconds of ClickHouse.
    pub(crate) ceilings: Vec<(f64, f64)>,
    /// How the ceiling was reached.
    pub(crate) way: String,
    pub(crate) error: Option<String>,
}

impl Runs {
    fn spread(&self, figure: impl Fn(&Run) -> f64) -> Option<Spread> {
        Spread::of(self.runs.iter().map(figure))
    }

    /// The median of events a second.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.spread(Run::rate).map(|spread| spread.median)
    }

    /// The share of the ceiling, from medians.
    fn share(&self) -> Option<f64> {
        let ours = self.spread(|run| run.seconds)?.median;
        Some(Spread::of(self.ceilings.iter().map(|(seconds, _)| *seconds))?.median / ours)
    }

    /// All of it.
    pub(crate) fn to_json(&self) -> Value {
        let ceilings: Vec<Value> = (self.ceilings.iter())
            .map(|(seconds, cpu)| json!({"seconds": seconds, "clickhouse_cpu_s": cpu}))
            .collect();
        let runs: Vec<Value> = self.runs.iter().map(Run::to_json).collect();
        json!({
            "mix": self.mix.name, "runs": runs, "ceilings": ceilings, "ceiling_way": self.way, "share": self.share(),
            "share_goal": self.mix.share, "cpu_ms_goal": self.mix.cpu_ms, "error": self.error,
        })
    }
}

/// Prints a block for each mix.
pub(crate) fn print(all: &[Runs]) {
    println!(
        "\nmin / median / max of {} rounds",
        all.iter().map(|runs| runs.runs.len()).max().unwrap_or(0)
    );
    for runs in all {
        println!("\n{}", runs.mix.name);
        if let Some(error) = &runs.error {
            println!("  FAILED: {error}");
        }
        let line = |what: &str, digits: usize, spread: Option<Spread>| {
            if let Some(Spread { min, median, max }) = spread {
                println!("  {what:<44} {min:.digits$} / {median:.digits$} / {max:.digits$}");
            }
        };
        let events = |run: &Run| run.sent.events as f64;
        line("events/s, HTTP to visible", 0, runs.spread(Run::rate));
        line(
            "events/s accepted",
            0,
            runs.spread(|run| events(run) / run.sent.took.as_secs_f64()),
        );
        let plain = runs.runs.first().map(|run| run.rows as f64);
        line(
            &format!("rows/s of the ceiling ({})", runs.way),
            0,
            plain.and_then(|rows| Spread::of(runs.ceilings.iter().map(|(seconds, _)| rows / seconds))),
        );
        line("rows/s", 0, runs.spread(|run| run.rows as f64 / run.seconds));
        if let Some(share) = runs.share() {
            println!(
                "  {:<44} {:.0} %{}",
                "share of the ceiling",
                share * 100.0,
                verdict(runs.mix.share, |goal| share >= goal)
            );
        }
        line("CPU ms an event, both, merges included", 4, runs.spread(Run::cpu_ms));
        if let (Some(goal), Some(spread)) = (runs.mix.cpu_ms, runs.spread(Run::cpu_ms)) {
            println!(
                "  {:<44}{}",
                "  at most 0.10",
                verdict(Some(goal), |goal| spread.median <= goal)
            );
        }
        line("  tracemill", 4, runs.spread(|run| run.product_cpu * 1e3 / events(run)));
        line(
            "  ClickHouse until visible",
            4,
            runs.spread(|run| run.server_cpu * 1e3 / events(run)),
        );
        line(
            "  ClickHouse until merged",
            4,
            runs.spread(|run| run.settled_cpu * 1e3 / events(run)),
        );
        line(
            "  (the client itself)",
            4,
            runs.spread(|run| run.client_cpu * 1e3 / events(run)),
        );
        line(
            "selects of the product per 1,000 events",
            3,
            runs.spread(|run| run.queries_of("Select")),
        );
        line(
            "inserts of the product per 1,000 events",
            3,
            runs.spread(|run| run.queries_of("Insert")),
        );
        line(
            "peak resident MiB of tracemill",
            0,
            runs.spread(|run| run.peak as f64 / MIB),
        );
    }
}

fn verdict(goal: Option<f64>, is_met: impl Fn(f64) -> bool) -> String {
    match goal {
        None => String::new(),
        Some(goal) if is_met(goal) => format!(" (goal {goal}: met)"),
        Some(goal) => format!(" (goal {goal}: MISSED)"),
    }
}
