//! The histograms that operators of the reference watch, over all exports of a process.
//!
//! Names and labels are those of the reference: `langfuse.blob_export.table_duration_ms{table}`,
//! `langfuse.blob_export.job_duration_ms{mode}`, `langfuse.blob_export.split_count{table,errorType}`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use serde::Serialize;

/// All histograms. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Figures(Arc<Mutex<Histograms>>);

/// By name and labels.
type Histograms = BTreeMap<(&'static str, String), Histogram<u64>>;

/// How long one table of one window took, in ms.
pub const TABLE_DURATION: &str = "langfuse.blob_export.table_duration_ms";
/// How long one window took from plan to commit, in ms.
pub const JOB_DURATION: &str = "langfuse.blob_export.job_duration_ms";
/// How often one window was split.
pub const SPLIT_COUNT: &str = "langfuse.blob_export.split_count";

/// One histogram, summed up.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
        let mut histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = histograms.entry((name, labels)).or_insert_with(|| {
            Histogram::new_with_bounds(1, 1 << 40, 3).expect("the bounds are constants that hdrhistogram takes")
        });
        histogram.saturating_record(value);
    }

    /// All of them, by name and labels.
    #[must_use]
    pub fn summaries(&self) -> Vec<Summary> {
        let histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
