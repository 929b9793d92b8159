//! What only a local folder has: temporary files of killed processes, and folders that are empty.
//!
//! A write that a killed process began is a file `name#<number>` beside its final name. No listing shows it. It is told
//! from an object by that name, which the client library refuses for objects. On error nothing more is removed.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path as FsPath, PathBuf};
use std::time::UNIX_EPOCH;

use tracemill_model::Millis;

use super::{Entry, Store, StoreKind, fault};
use crate::error::SinkError;

impl Store {
    /// The temporary files below a folder that writes under way, or killed processes, have there. Nothing for other
    /// kinds of store: their unfinished uploads cannot be listed (see the module's words on lifecycle rules).
    pub async fn stale_uploads(&self, folder: &str) -> Result<Vec<Entry>, SinkError> {
        let root = PathBuf::from(format!("/{}", self.address.prefix));
        self.path(folder)?;
        if self.kind() != StoreKind::Local {
            return Ok(Vec::new());
        }
        let folder = folder.to_owned();
        let store = self.name().to_owned();
        blocking(&self.address.name, move || {
            let mut found = Vec::new();
            walk(&root, &root.join(&folder), &mut found)
                .map(|()| found)
                .map_err(|error| fault::local(store.clone(), folder.clone(), error.kind(), error.to_string()))
        })
        .await
    }

    /// Removes the temporary files below a folder that were last written before `before`, and says how many. Give it a
    /// time at which no writer of this folder was at work: the start of the one process that may write here.
    pub async fn remove_stale_uploads(&self, folder: &str, before: Millis) -> Result<usize, SinkError> {
        let stale = self.stale_uploads(folder).await?;
        let root = PathBuf::from(format!("/{}", self.address.prefix));
        let store = self.name().to_owned();
        blocking(&self.address.name, move || {
            let mut removed = 0;
            for entry in stale.into_iter().filter(|entry| entry.modified < before) {
                match std::fs::remove_file(root.join(&entry.path)) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(fault::local(store, entry.path, error.kind(), error.to_string())),
                }
            }
            Ok(removed)
        })
        .await
    }

    /// Removes the folders of these objects that are empty now, up to the store's own. Best effort: a folder that
    /// another writer fills again stays.
    pub(super) async fn remove_empty_folders(&self, paths: &[String]) {
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        for path in paths {
            folders.extend(
                FsPath::new(path)
                    .ancestors()
                    .skip(1)
                    .filter(|p| p.components().count() > 0)
                    .map(Into::into),
            );
        }
        let root = PathBuf::from(format!("/{}", self.address.prefix));
        let removed = blocking(&self.address.name, move || {
            // Deepest first: a path sorts before what is below it.
            for folder in folders.iter().rev() {
                let _ = std::fs::remove_dir(root.join(folder));
            }
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::debug!(%error, "empty folders were not removed");
        }
    }
}

/// Runs file system calls off the asynchronous threads.
async fn blocking<T: Send + 'static>(
    store: &str,
    work: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(SinkError::Store {
            store: store.to_owned(),
            path: String::new(),
            reason: error.to_string(),
        }),
    }
}

fn walk(root: &FsPath, folder: &FsPath, found: &mut Vec<Entry>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            walk(root, &path, found)?;
        } else if kind.is_file() && is_temporary(&path) {
            let Ok(metadata) = entry.metadata() else { continue };
            let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let Some(path) = path.strip_prefix(root).ok().and_then(FsPath::to_str) else {
                continue;
            };
            let modified = Millis(i64::try_from(written.as_millis()).unwrap_or(i64::MAX));
            found.push(Entry {
                path: path.to_owned(),
                size: metadata.len(),
                modified,
            });
        }
    }
    Ok(())
}

/// `name#<digits>`.
fn is_temporary(path: &FsPath) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split_once('#')
        .is_some_and(|(_, rest)| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}
