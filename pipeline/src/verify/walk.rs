//! Over the windows of one export: manifests, files, strays.

use futures::{StreamExt, TryStreamExt, stream};
use tracemill_model::Window;
use tracemill_model::manifest::{Manifest, ManifestName};
use tracemill_sinks::SinkError;
use tracemill_sinks::commit::Catalog;
use tracemill_sinks::commit::fence::holder;

use super::{Difference, Tally, check, deep, files};
use crate::PipelineError;
use crate::shelf::Shelf;

/// Objects that are read at once.
const AT_ONCE: usize = 4;
/// Manifests that are opened at once.
const MANIFESTS_AT_ONCE: usize = 16;
/// Objects of an export that are listed.
const MAX_OBJECTS: usize = 8_000_000;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// The manifests, in order of windows.
    pub manifests: Vec<Manifest>,
    /// Files that were read.
    pub files: u64,
    /// Everything that differs.
    pub differences: Vec<Difference>,
    /// What was found and is no difference: objects of an exporter that is at work.
    pub notes: Vec<String>,
}

/// The manifests of those windows; one that cannot be read is `Err` with what is wrong.
///
/// # Errors
/// Any of the store.
pub async fn manifests(
    catalog: &Catalog,
    names: &[ManifestName],
) -> Result<Vec<Result<Manifest, Difference>>, SinkError> {
    let open = async |name: ManifestName| match catalog.open(name).await {
        Ok(manifest) => Ok(Ok(manifest)),
        Err(error @ (SinkError::Manifest { .. } | SinkError::NotFound { .. })) => {
            Ok(Err(Difference::of_window("manifest", name.window, error.to_string())))
        }
        Err(error) => Err(error),
    };
    stream::iter(names.iter().copied().map(open))
        .buffered(MANIFESTS_AT_ONCE)
        .try_collect()
        .await
}

/// Looks at an export. With a range only windows that it touches are looked at, and strays are not looked for.
///
/// # Errors
/// Any of the store.
pub async fn verify(
    shelf: &Shelf,
    range: Option<Window>,
    is_deep: bool,
    tally: &Tally,
) -> Result<Report, PipelineError> {
    let catalog = &shelf.catalog;
    let mut report = Report::default();
    // Listed before the manifests are: what is written meanwhile is then named.
    let listed = match range {
        None => Some((
            catalog
                .store
                .list(&catalog.layout.data_folder(&catalog.key), MAX_OBJECTS)
                .await?,
            catalog
                .store
                .list(&catalog.layout.own_folder(&catalog.key), MAX_OBJECTS)
                .await?,
        )),
        Some(_) => None,
    };
    let mut names = catalog.names().await?;
    names.retain(|name| range.is_none_or(|range| name.window.overlaps(range)));
    let windows: Vec<Window> = names.iter().map(|name| name.window).collect();
    report.differences.extend(check::coverage(&windows));
    for (name, opened) in names.iter().zip(manifests(catalog, &names).await?) {
        match opened {
            Ok(manifest) => {
                report.differences.extend(check::manifest(catalog, *name, &manifest));
                report.manifests.push(manifest);
            }
            Err(difference) => report.differences.push(difference),
        }
    }
    read_files(shelf, &mut report, tally).await?;
    if is_deep && shelf.is_parquet {
        look_deep(shelf, &mut report).await?;
    }
    if let Some((data, own)) = listed {
        let strays = check::strays(catalog, &report.manifests, &data, &own);
        let now = tracemill_operators::Clock::system().now();
        match holder(catalog, now).await?.filter(|holder| holder.alive) {
            Some(holder) if !strays.is_empty() => {
                let (count, owner) = (strays.len(), holder.owner);
                report.notes.push(format!(
                    "{count} objects that no manifest names yet: {owner} is at work"
                ));
            }
            _ => report.differences.extend(strays),
        }
    }
    Ok(report)
}

async fn read_files(shelf: &Shelf, report: &mut Report, tally: &Tally) -> Result<(), PipelineError> {
    let store = &shelf.catalog.store;
    let all = report
        .manifests
        .iter()
        .flat_map(|manifest| manifest.files.iter().map(|file| (manifest.window, file)));
    let reading = all.map(async |(window, file)| {
        let found = files::check(store, window, file, shelf.is_parquet).await;
        tally.add(file);
        found
    });
    let found: Vec<Vec<Difference>> = stream::iter(reading).buffered(AT_ONCE).try_collect().await?;
    report.files = found.len() as u64;
    let letters: Vec<(Window, String, u64)> = report
        .manifests
        .iter()
        .filter_map(|manifest| {
            let letters = manifest.letters.as_ref()?;
            Some((manifest.window, letters.path.clone(), letters.count))
        })
        .collect();
    report.differences.extend(found.into_iter().flatten());
    for (window, path, count) in letters {
        let lines = match store.get(&path, 1 << 30).await {
            Ok(bytes) => bytes.iter().filter(|byte| **byte == b'\n').count() as u64,
            Err(SinkError::NotFound { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        if lines != count {
            let what = format!("{lines} letters are there, the manifest says {count}");
            report
                .differences
                .push(Difference::of_object("letters", Some(window), &path, what));
        }
    }
    Ok(())
}

/// Decodes the files of each window that reads back well.
async fn look_deep(shelf: &Shelf, report: &mut Report) -> Result<(), PipelineError> {
    let broken: Vec<String> = report.differences.iter().filter_map(|one| one.path.clone()).collect();
    for manifest in &report.manifests {
        if manifest.files.iter().any(|file| broken.contains(&file.path)) {
            continue;
        }
        let (store, table) = (shelf.catalog.store.clone(), shelf.catalog.key.table);
        let (manifest, handle) = (manifest.clone(), tokio::runtime::Handle::current());
        let looked = tokio::task::spawn_blocking(move || deep::check(&store, table, &manifest, &handle));
        let found = looked.await.map_err(|error| PipelineError::Io {
            what: "a file cannot be decoded".to_owned(),
            reason: error.to_string(),
        })?;
        report.differences.extend(found);
    }
    Ok(())
}
