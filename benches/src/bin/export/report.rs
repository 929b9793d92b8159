//! The tables, and the ratios that the goals are stated in.

use serde_json::{Map, Value, json};
use tracemill_benches::spread::Spread;

use crate::args::Side;
use crate::sides::Run;
use tracemill_benches::day::Day;

const MIB: f64 = 1024.0 * 1024.0;

/// The runs of a side, without the one that warmed up.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) side: Side,
    pub(crate) runs: Vec<Run>,
    /// Why there are fewer than asked for.
    pub(crate) error: Option<String>,
}

type Figure = (&'static str, usize, fn(&Run) -> f64);

/// Columns of the table: heading, digits behind the point, value.
const FIGURES: [Figure; 7] = [
    ("wall s", 2, |run| run.used.wall.as_secs_f64()),
    ("ClickHouse CPU s", 2, |run| run.server_cpu),
    ("ClickHouse peak MiB", 1, |run| run.queries.memory as f64 / MIB),
    ("ClickHouse read MiB", 0, |run| run.queries.read as f64 / MIB),
    ("queries", 0, |run| run.queries.count as f64),
    ("client CPU s", 2, |run| run.used.cpu.as_secs_f64()),
    ("client peak MiB", 0, |run| run.used.peak as f64 / MIB),
];

impl Runs {
    fn median(&self, figure: fn(&Run) -> f64) -> Option<f64> {
        Spread::of(self.runs.iter().map(figure)).map(|spread| spread.median)
    }

    /// What is right or wrong with its rows.
    fn verdict(&self, day: &Day) -> String {
        let Some(run) = self.runs.last() else {
            let why = self.error.as_deref().unwrap_or("it did not run");
            return format!("none: {why}");
        };
        let size = run.bytes as f64 / MIB;
        match run.rows.checked_sub(day.truth) {
            Some(0) => format!("{} in {size:.0} MiB, right", run.rows),
            Some(more) => format!(
                "{} in {size:.0} MiB, {more} too many (deleted ids, boundary rows)",
                run.rows
            ),
            None => format!("{} in {size:.0} MiB, {} too few", run.rows, day.truth - run.rows),
        }
    }

    fn to_json(&self, day: &Day) -> Value {
        json!({
            "side": self.side.name(),
            "rows": self.verdict(day),
            "error": self.error,
            "runs": self.runs.iter().map(Run::to_json).collect::<Vec<_>>(),
        })
    }
}

/// Describes the data.
pub(crate) fn day_line(day: &Day) -> String {
    format!(
        "{}: {} versions of observations, {:.0} MiB, {} parts, {} rows are right",
        day.name,
        day.versions,
        day.bytes as f64 / MIB,
        day.parts,
        day.truth
    )
}

/// Prints least / median / most of each figure and side, and what came out.
pub(crate) fn print_sides(sides: &[Runs], day: &Day) {
    println!("\n{}\n", day_line(day));
    let mut table = vec![vec!["min / median / max".to_owned()]];
    table[0].extend(
        sides
            .iter()
            .map(|runs| format!("{} ({})", runs.side.name(), runs.runs.len())),
    );
    for (heading, digits, value) in FIGURES {
        let mut line = vec![heading.to_owned()];
        line.extend(sides.iter().map(|runs| {
            Spread::of(runs.runs.iter().map(value)).map_or("-".to_owned(), |Spread { min, median, max }| {
                format!("{min:.digits$} / {median:.digits$} / {max:.digits$}")
            })
        }));
        table.push(line);
    }
    print_table(&table);
    println!();
    for runs in sides {
        println!("rows of {}: {}", runs.side.name(), runs.verdict(day));
    }
}

fn print_table(table: &[Vec<String>]) {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| table.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in table {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// A goal: figure of the exporter against that of another side, and what it must not exceed.
struct Goal {
    name: &'static str,
    against: Side,
    figure: fn(&Run) -> f64,
    most: f64,
}

const GOALS: [Goal; 4] = [
    Goal {
        name: "ClickHouse CPU",
        against: Side::Reference,
        figure: |run| run.server_cpu,
        most: 1.0 / 6.0,
    },
    Goal {
        name: "ClickHouse peak memory",
        against: Side::Reference,
        figure: |run| run.queries.memory as f64,
        most: 1.0 / 30.0,
    },
    Goal {
        name: "wall time",
        against: Side::Reference,
        figure: |run| run.used.wall.as_secs_f64(),
        most: 1.0 / 2.0,
    },
    Goal {
        name: "ClickHouse CPU",
        against: Side::Reference96,
        figure: |run| run.server_cpu,
        most: 1.0 / 50.0,
    },
];

/// The ratios of medians, printed and as JSON.
pub(crate) fn ratios(sides: &[Runs]) -> Value {
    let of = |side: Side| sides.iter().find(|runs| runs.side == side);
    let mut told = Vec::new();
    println!();
    for goal in GOALS {
        let median = |side: Side| of(side).and_then(|runs| runs.median(goal.figure));
        let (Some(ours), Some(theirs)) = (median(Side::Tracemill), median(goal.against)) else {
            continue;
        };
        let ratio = ours / theirs;
        let met = if ratio <= goal.most { "met" } else { "MISSED" };
        println!(
            "{:<24} of {}: 1/{:.1} (at most 1/{:.0}: {met})",
            goal.name,
            goal.against.name(),
            1.0 / ratio,
            1.0 / goal.most
        );
        told.push(json!({
            "figure": goal.name, "against": goal.against.name(), "ratio": ratio, "most": goal.most,
            "met": ratio <= goal.most,
        }));
    }
    Value::from(told)
}

/// All sides as JSON.
pub(crate) fn sides_json(sides: &[Runs], day: &Day) -> Value {
    let mut of_day = Map::new();
    of_day.insert("name".into(), json!(day.name));
    for (name, value) in [
        ("versions", day.versions),
        ("bytes", day.bytes),
        ("parts", day.parts),
        ("right_rows", day.truth),
    ] {
        of_day.insert(name.into(), json!(value));
    }
    json!({"day": of_day, "sides": sides.iter().map(|runs| runs.to_json(day)).collect::<Vec<_>>()})
}
