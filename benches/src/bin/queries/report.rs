//! The table and the figures.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tracemill_benches::spread::Spread;

use crate::sides::Run;

/// A side of a page: one cold run, and warm ones.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) cold: Vec<Run>,
    pub(crate) warm: Vec<Run>,
}

/// A page: ours, and how the reference asks for the same.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: &'static str,
    /// The goal is about lists.
    pub(crate) is_list: bool,
    pub(crate) ours: Side,
    pub(crate) references: Vec<(&'static str, Side)>,
}

/// At most this part of the reference's bytes, for lists.
const GOAL: f64 = 1.0 / 3.0;

fn time(run: &Run) -> f64 {
    run.iter().map(|asked| asked.ms).sum()
}

impl Side {
    /// Median of the time of a page, in ms.
    fn ms(runs: &[Run]) -> f64 {
        Spread::of(runs.iter().map(time)).map_or(0.0, |spread| spread.median)
    }

    /// Bytes of a page without any cache.
    fn bytes(&self) -> u64 {
        self.sum(|asked| asked.bytes)
    }

    fn sum(&self, of: impl Fn(&crate::sides::Asked) -> u64) -> u64 {
        self.cold.first().map_or(0, |run| run.iter().map(of).sum())
    }

    fn memory(&self) -> u64 {
        let all = self.cold.iter().chain(&self.warm).flatten();
        all.map(|asked| asked.memory).max().unwrap_or(0)
    }

    fn row(&self, page: &str, name: &str, ratio: &str) -> String {
        format!(
            "| {page} | {name} | {:.0} | {:.0} | {} | {:.1} | {:.0} | {ratio} |\n",
            Self::ms(&self.cold),
            Self::ms(&self.warm),
            self.sum(|asked| asked.rows),
            self.bytes() as f64 / 1e6,
            self.memory() as f64 / 1e6,
        )
    }

    fn json(&self) -> Value {
        let steps = self.cold.first().map(|run| {
            run.iter().map(|asked| {
                json!({"step": asked.step, "ms": asked.ms, "rows": asked.rows, "bytes": asked.bytes, "memory": asked.memory, "returned": asked.returned})
            }).collect::<Vec<_>>()
        });
        json!({
            "cold_ms": Self::ms(&self.cold),
            "warm_ms": Self::ms(&self.warm),
            "rows": self.sum(|asked| asked.rows),
            "bytes": self.bytes(),
            "peak_memory": self.memory(),
            "steps": steps,
        })
    }
}

impl Page {
    fn ratio(&self, reference: &Side) -> f64 {
        self.ours.bytes() as f64 / (reference.bytes() as f64).max(1.0)
    }

    fn is_met(&self) -> bool {
        !self.is_list || self.references.iter().all(|(_, side)| self.ratio(side) <= GOAL)
    }

    /// Its lines of the table.
    pub(crate) fn rows(&self) -> String {
        let mut out = self.ours.row(self.name, "tracemill", "");
        for (name, side) in &self.references {
            let ratio = self.ratio(side);
            let goal = match (self.is_list, ratio <= GOAL) {
                (false, _) => "",
                (true, true) => ", met",
                (true, false) => ", MISSED",
            };
            out.push_str(&side.row("", name, &format!("{ratio:.2}{goal}")));
        }
        out
    }
}

/// The table, as Markdown.
pub(crate) fn table(pages: &[Page]) -> String {
    let mut out = String::from(
        "| page | side | cold ms | warm ms | rows read | MB read | peak MB | bytes of ours to theirs |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for page in pages {
        out.push_str(&page.rows());
    }
    let lists = pages.iter().filter(|page| page.is_list && !page.references.is_empty());
    let missed: Vec<&str> = lists
        .clone()
        .filter(|page| !page.is_met())
        .map(|page| page.name)
        .collect();
    let _ = match missed.is_empty() {
        true => writeln!(
            out,
            "\nlists read at most a third of the reference's bytes: met by all {}",
            lists.count()
        ),
        false => writeln!(
            out,
            "\nlists read at most a third of the reference's bytes: MISSED by {}",
            missed.join(", ")
        ),
    };
    out
}

/// All figures.
pub(crate) fn json(pages: &[Page]) -> Value {
    let pages = pages.iter().map(|page| {
        let references: Vec<Value> = page
            .references
            .iter()
            .map(|(name, side)| json!({"name": name, "figures": side.json(), "bytes_of_ours_to_theirs": page.ratio(side)}))
            .collect();
        json!({"page": page.name, "is_list": page.is_list, "met": page.is_met(), "tracemill": page.ours.json(), "references": references})
    });
    pages.collect()
}
