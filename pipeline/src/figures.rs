//! The histograms that operators of the reference watch, over all exports of a process.
//!
//! Names and labels are those of the reference: `langfuse.blob_export.table_duration_ms{table}`,
//! `langfuse.blob_export.job_duration_ms{mode}`, `langfuse.blob_export.split_count{table,errorType}`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tracemill_model::{ExportKey, Millis};

/// All histograms. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    histograms: Arc<Mutex<Histograms>>,
    last: Arc<Mutex<BTreeMap<(String, String), Last>>>,
}

/// By name and labels.
type Histograms = BTreeMap<(&'static str, String), Histogram<u64>>;

/// The newest window of an export that this process committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// When it was committed.
    pub at: Millis,
    /// How long its leaves took, in ms.
    pub duration_ms: u64,
}

/// How long one table of one window took, in ms.
pub const TABLE_DURATION: &str = "langfuse.blob_export.table_duration_ms";
/// How long one window took from plan to commit, in ms.
pub const JOB_DURATION: &str = "langfuse.blob_export.job_duration_ms";
/// How often one window was split.
pub const SPLIT_COUNT: &str = "langfuse.blob_export.split_count";

/// One histogram, summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The name.
    pub name: String,
    /// Its labels, `table=traces`.
    pub labels: String,
    /// Values recorded.
    pub count: u64,
    /// The middle one.
    pub p50: u64,
    /// Of a hundred, the ninety-ninth.
    pub p99: u64,
    /// The largest.
    pub max: u64,
    /// The mean.
    pub mean: f64,
}

impl Figures {
    /// Records a value.
    pub fn record(&self, name: &'static str, labels: String, value: u64) {
        let mut histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = histograms.entry((name, labels)).or_insert_with(|| {
            Histogram::new_with_bounds(1, 1 << 40, 3).expect("the bounds are constants that hdrhistogram takes")
        });
        histogram.saturating_record(value);
    }

    /// Notes that a window of an export was committed.
    pub fn committed(&self, route: &str, key: &ExportKey, last: Last) {
        let mut all = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((route.to_owned(), key.to_string()), last);
    }

    /// The newest commit of an export.
    #[must_use]
    pub fn last(&self, route: &str, key: &ExportKey) -> Option<Last> {
        let all = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(route.to_owned(), key.to_string())).copied()
    }

    /// All of them, by name and labels.
    #[must_use]
    pub fn summaries(&self) -> Vec<Summary> {
        let histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        histograms
            .iter()
            .map(|((name, labels), histogram)| Summary {
                name: (*name).to_owned(),
                labels: labels.clone(),
                count: histogram.len(),
                p50: histogram.value_at_quantile(0.5),
                p99: histogram.value_at_quantile(0.99),
                max: histogram.max(),
                mean: histogram.mean(),
            })
            .collect()
    }
}

/// A table of them for people; empty without any.
#[must_use]
pub fn table(summaries: &[Summary]) -> String {
    use std::fmt::Write;
    let width = |text: fn(&Summary) -> &str| summaries.iter().map(|summary| text(summary).len()).max().unwrap_or(0);
    let (names, labels) = (width(|summary| &summary.name), width(|summary| &summary.labels));
    let mut text = String::new();
    if !summaries.is_empty() {
        let _ = writeln!(
            text,
            "{:names$}  {:labels$}  {:>8}  {:>9}  {:>9}  {:>9}  {:>10}",
            "histogram", "labels", "count", "p50", "p99", "max", "mean"
        );
    }
    for summary in summaries {
        let _ = writeln!(
            text,
            "{:names$}  {:labels$}  {:>8}  {:>9}  {:>9}  {:>9}  {:>10.1}",
            summary.name, summary.labels, summary.count, summary.p50, summary.p99, summary.max, summary.mean
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_values_apart() {
        let figures = Figures::default();
        figures.record(TABLE_DURATION, "table=traces".to_owned(), 10);
        figures.record(TABLE_DURATION, "table=traces".to_owned(), 30);
        figures.record(TABLE_DURATION, "table=scores".to_owned(), u64::MAX);
        let summaries = figures.summaries();
        assert_eq!(summaries.len(), 2);
        assert_eq!((summaries[1].count, summaries[1].p50, summaries[1].max), (2, 10, 30));
    }
}
