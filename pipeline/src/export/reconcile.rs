//! Windows to write again: those whose live rows are no longer the ones that their manifests count.

use tracemill_model::manifest::{ManifestName, SourceCounts};
use tracemill_model::{Millis, Window};
use tracemill_operators::reconcile::changed;
use tracemill_sources::windows::digest::digests;

use super::spec::ExportSpec;
use crate::PipelineError;

/// Of the windows that were written, those to write again, with the generation that is there.
///
/// Looks back as far as the export's setting says, counted from the newest window; without a setting at all of them.
///
/// # Errors
/// Any of ClickHouse or the store.
pub(crate) async fn changed_windows(
    spec: &ExportSpec,
    written: &[(Window, u32)],
) -> Result<Vec<(Window, u32)>, PipelineError> {
    let newest = written.iter().map(|(window, _)| window.to).max().unwrap_or_default();
    let since = match spec.reconcile {
        Some(reconcile) => newest.plus(-i64::try_from(reconcile.lookback.as_millis()).unwrap_or(i64::MAX)),
        None => Millis(i64::MIN),
    };
    let looked_at: Vec<(Window, u32)> = written
        .iter()
        .filter(|(window, _)| window.to > since)
        .copied()
        .collect();
    let mut exported: Vec<(Window, SourceCounts)> = Vec::with_capacity(looked_at.len());
    for (window, generation) in &looked_at {
        let name = ManifestName {
            window: *window,
            generation: *generation,
        };
        let manifest = spec.catalog.open(name).await?;
        exported.push((*window, manifest.source));
    }
    let windows: Vec<Window> = exported.iter().map(|(window, _)| *window).collect();
    let index_max = spec.leaf_memory.index_max;
    let now = digests(&spec.service, &spec.key, &windows, &spec.memory, index_max, &spec.gate).await?;
    let (count, key) = (windows.len(), spec.key.clone());
    let differing = tokio::task::spawn_blocking(move || changed(&exported, &now))
        .await
        .map_err(|error| PipelineError::Graph {
            operator: "reconcile".to_owned(),
            reason: error.to_string(),
            code: 70,
            hint: None,
        })?;
    tracing::info!(export = %key, windows = count, changed = differing.len(), "reconciled");
    Ok(looked_at
        .into_iter()
        .filter(|(window, _)| differing.contains(window))
        .collect())
}
