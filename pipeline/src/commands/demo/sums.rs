//! What the demo counted, for people.

use tracemill_model::ByteSize;
use tracemill_sources::synth::sdk::compared;

use super::proof::Proof;
use super::through::TakenIn;
use crate::pace::grouped;

/// What was counted on the way.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) taken: TakenIn,
    /// Rows that are in ClickHouse since then: traces, observations, scores.
    pub(super) stored: [u64; 3],
    pub(super) proof: Proof,
}

impl Sums {
    /// Everything, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let TakenIn { report, status, .. } = &self.taken;
        let [traces, observations, scores] = self.stored.map(grouped);
        let mut lines = vec![
            format!(
                "  sent          {} events, {}, in {} requests by both protocols; all answered 2xx, {} tries again, \
                 {} events refused",
                grouped(report.events + report.refused),
                ByteSize(report.bytes),
                grouped(report.requests),
                grouped(report.retries),
                grouped(report.refused)
            ),
            format!(
                "  acknowledged  {} jobs of the queue, of {} requests; {} failed, {} letters",
                grouped(status.acknowledged),
                grouped(report.requests),
                grouped(status.failed),
                grouped(status.letters)
            ),
            format!("  stored        {traces} traces, {observations} observations, {scores} scores in ClickHouse"),
        ];
        lines.extend(self.proof_lines());
        lines
    }

    /// What is in the files, and whether that is what was sent.
    pub(super) fn proof_lines(&self) -> Vec<String> {
        let Proof {
            equal,
            different,
            missing,
            doubled,
            earlier,
            files,
        } = self.proof;
        let kept = self.taken.rows.iter().filter(|row| !row.is_exported).count() as u64;
        let mut exported = format!(
            "  exported      {} rows in {} Parquet files",
            grouped(equal + different),
            grouped(files)
        );
        if kept > 0 {
            exported += &format!("; {} corrections are not exported", grouped(kept));
        }
        if earlier > 0 {
            exported += &format!("; {} rows of earlier demos are there too", grouped(earlier));
        }
        let verdict = format!(
            "  compared      {} rows equal what was sent; {} differ, {} are missing, {} are there twice",
            grouped(equal),
            grouped(different),
            grouped(missing),
            grouped(doubled)
        );
        let columns = |table| compared(table).join(", ");
        let of =
            tracemill_model::table::TABLES.map(|table| format!("                {}: {}", table.name(), columns(table)));
        [vec![exported, verdict], of.to_vec()].concat()
    }
}
