//! What is written down of a window when it is committed: a log record and the histograms.

use tracemill_sinks::commit::CommittedWindow;

use crate::export::ExportSpec;
use crate::export::spec::Extent;
use crate::figures::{JOB_DURATION, Last, SPLIT_COUNT, TABLE_DURATION};

/// Records a committed window. The field names are those that operators of the reference know.
pub(crate) fn window_committed(spec: &ExportSpec, window: &CommittedWindow) {
    let CommittedWindow {
        manifest,
        timing,
        splits,
    } = window;
    let table = spec.key.table;
    let duration_ms = timing.total / 1000;
    let is_catching_up = manifest.window.len_ms() > spec.cut.every.len_ms() || spec.extent != Extent::Forever;
    let mode = if is_catching_up { "catchup" } else { "steady" };
    spec.figures
        .record(TABLE_DURATION, format!("table={table}"), duration_ms);
    spec.figures.record(JOB_DURATION, format!("mode={mode}"), duration_ms);
    for (kind, count) in splits {
        let labels = format!("table={table},errorType={kind}");
        spec.figures.record(SPLIT_COUNT, labels, u64::from(*count));
    }
    let last = Last {
        at: spec.clock.now(),
        duration_ms,
    };
    spec.figures.committed(&spec.route, &spec.key, last);
    spec.reached.committed(manifest.window);
    tracing::info!(
        projectId = %spec.key.project,
        tablesExported = %table,
        durationMs = duration_ms,
        isCatchingUp = is_catching_up,
        windowStart = %manifest.window.from,
        windowEnd = %manifest.window.to,
        generation = manifest.generation,
        rows = manifest.rows,
        bytes = manifest.bytes,
        files = manifest.files.len(),
        versions = manifest.source.versions,
        splits = manifest.splits,
        letters = manifest.letters.as_ref().map_or(0, |letters| letters.count),
        bytesRead = timing.bytes_read,
        budgetUs = timing.budget,
        keysUs = timing.keys,
        rowsUs = timing.rows,
        decodeUs = timing.decode,
        dedupUs = timing.dedup,
        encodeUs = timing.encode,
        uploadUs = timing.upload,
        "blob_export_job_completed"
    );
}
