//! The table, the goals, and the plots.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tracemill_benches::plot::{Chart, Series, Style};

use crate::exporter::Exported;
use crate::row::Row;

/// A row in words, for who waits.
pub(crate) fn line(row: &Row) -> String {
    format!(
        "{}: {} queries, p50 {:.0} ms, p99 {:.0} ms; {:.0} events/s, p99 visible after {:.0} ms; {}",
        row.name,
        row.reads.len(),
        row.at(0.5),
        row.at(0.99),
        row.events(),
        row.visible_ms(),
        row.export.map_or("no export".to_owned(), |export| format!(
            "{:.1} s a day",
            export.seconds
        )),
    )
}

/// The table, as Markdown.
pub(crate) fn table(rows: &[Row], alone: Option<Exported>) -> String {
    let mut out = String::from(
        "| | p50 ms | p99 ms | p99.9 ms | over 1 s | errors | events/s | visible p99 ms | export s a day | x alone | ClickHouse MiB | CPUs: ClickHouse | ingestion | export |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let export = |of: &dyn Fn(Exported) -> String| row.export.map_or("-".to_owned(), of);
        let _ = writeln!(
            out,
            "| {} | {:.0} | {:.0} | {:.0} | {:.1} % | {} | {:.0} | {:.0} | {} | {} | {} | {:.2} | {:.2} | {} |",
            row.name,
            row.at(0.5),
            row.at(0.99),
            row.at(0.999),
            row.over_a_second() * 100.0,
            row.errors(),
            row.events(),
            row.visible_ms(),
            export(&|export| format!("{:.2}", export.seconds)),
            export(&|export| alone.map_or("-".to_owned(), |alone| format!("{:.1}", export.seconds / alone.seconds))),
            row.memory >> 20,
            row.busy.0,
            row.busy.1,
            export(&|export| format!("{:.2}", export.cpu / export.seconds)),
        );
    }
    out
}

/// The goals, met or missed: with the governor against no export.
pub(crate) fn goals(rows: &[Row], alone: Option<Exported>) -> Value {
    let of = |name: &str| rows.iter().find(|row| row.name == name);
    let (Some(none), Some(governed)) = (of("no export"), of("with governor")) else {
        return Value::Null;
    };
    let mut told = vec![
        (
            "interactive p99 against none",
            governed.at(0.99) / none.at(0.99),
            1.3,
            true,
        ),
        ("ingestion against none", governed.events() / none.events(), 0.95, false),
    ];
    if let (Some(alone), Some(export)) = (alone, governed.export) {
        told.push(("export against alone", export.seconds / alone.seconds, 3.0, true));
    }
    let mut goals = Vec::new();
    for (name, value, goal, is_most) in told {
        let met = if is_most { value <= goal } else { value >= goal };
        println!(
            "{name}: {value:.2} ({} {goal}: {})",
            if is_most { "at most" } else { "at least" },
            if met { "met" } else { "MISSED" }
        );
        goals.push(json!({"goal": name, "value": value, "limit": goal, "met": met}));
    }
    Value::from(goals)
}

/// Latency by quantile, one line a row; then over time, one chart a row.
pub(crate) fn charts(rows: &[Row]) -> Vec<Chart> {
    const QUANTILES: [f64; 7] = [0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
    // Each nine takes as much room as the one before.
    let place = |quantile: f64| -(1.0 - quantile).log10();
    let series = rows.iter().enumerate().map(|(colour, row)| Series {
        name: row.name.to_owned(),
        style: Style::Line,
        colour,
        points: (0..=60)
            .map(|step| f64::from(step) / 20.0)
            .map(|nines| (nines, row.at(1.0 - 10_f64.powf(-nines)).max(0.1)))
            .collect(),
    });
    let ticks = QUANTILES.iter().map(|&quantile| {
        let percent = format!("{:.1}", quantile * 100.0);
        (place(quantile), format!("p{}", percent.trim_end_matches(".0")))
    });
    let mut charts = vec![Chart {
        title: "Latency of interactive queries, from when they were due".to_owned(),
        y: "ms".to_owned(),
        height: 340.0,
        is_log: true,
        range: Some((1.0, 10_000.0)),
        ticks: ticks.collect(),
        series: series.collect(),
        ..Chart::default()
    }];
    charts.extend(rows.iter().enumerate().map(|(colour, row)| Chart {
        title: row.name.to_owned(),
        x: "seconds".to_owned(),
        y: "ms".to_owned(),
        height: 170.0,
        is_log: true,
        range: Some((1.0, 10_000.0)),
        series: vec![Series {
            name: "a query".to_owned(),
            style: Style::Dots,
            colour,
            points: row.reads.iter().map(|read| (read.due, read.took * 1e3)).collect(),
        }],
        ..Chart::default()
    }));
    charts
}
