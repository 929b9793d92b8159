//! The manifests of one export: the object store is the only state there is.
//!
//! Invariants: a manifest is created, never overwritten; for each window the highest generation counts; the windows of
//! the newest manifests do not overlap, because plans only fill gaps or rewrite whole windows.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tracemill_model::manifest::{Manifest, ManifestName, newest_generations};
use tracemill_model::{ExportKey, Millis, Window};

use super::layout::{DataName, Layout};
use crate::SinkError;
use crate::store::{Created, Store};

/// No manifest is larger: about a million files.
const MAX_MANIFEST: u64 = 256 << 20;
/// Manifests of one export: a hundred years of quarter hours, with room for old generations.
const MAX_MANIFESTS: usize = 8_000_000;
/// Data files of one export that a clean-up looks at.
const MAX_FILES: usize = 8_000_000;

/// Where an export's objects are.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The store.
    pub store: Store,
    /// How objects are named.
    pub layout: Layout,
    /// Whose.
    pub key: ExportKey,
}

impl Catalog {
    /// The newest manifest names, in order of windows. Reads a listing, opens nothing.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn names(&self) -> Result<Vec<ManifestName>, SinkError> {
        Ok(newest_generations(self.all_names().await?))
    }

    async fn all_names(&self) -> Result<Vec<ManifestName>, SinkError> {
        let entries = self
            .store
            .list(&self.layout.manifests_folder(&self.key), MAX_MANIFESTS)
            .await?;
        let file = |path: &str| path.rsplit('/').next().map(str::to_owned);
        Ok(entries
            .iter()
            .filter_map(|entry| ManifestName::parse(&file(&entry.path)?))
            .collect())
    }

    /// Opens a manifest.
    ///
    /// # Errors
    /// Any of the store; [`SinkError::Manifest`] if it is no manifest.
    pub async fn open(&self, name: ManifestName) -> Result<Manifest, SinkError> {
        let path = self.layout.manifest_path(&self.key, name);
        let bytes = self.store.get(&path, MAX_MANIFEST).await?;
        serde_json::from_slice(&bytes).map_err(|error| SinkError::Manifest {
            store: self.store.name().to_owned(),
            path,
            reason: error.to_string(),
        })
    }

    /// Commits a manifest. [`Created::AlreadyExists`] says that somebody else did before.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn create(&self, manifest: &Manifest) -> Result<Created, SinkError> {
        let name = ManifestName {
            window: manifest.window,
            generation: manifest.generation,
        };
        let text = serde_json::to_vec_pretty(manifest).expect("a manifest is always JSON");
        self.store
            .create(&self.layout.manifest_path(&self.key, name), Bytes::from(text))
            .await
    }

    /// The data files of one window, as a listing shows them, with what their names say.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn files_of(&self, window: Window) -> Result<Vec<(String, DataName)>, SinkError> {
        let stem = self.layout.stem(window);
        let mut found = Vec::new();
        for folder in self.folders_of(window) {
            for entry in self.store.list(&folder, MAX_FILES).await? {
                if let Some(name) = self.layout.parse(&entry.path).filter(|name| name.stem == stem) {
                    found.push((entry.path, name));
                }
            }
        }
        Ok(found)
    }

    /// The folders that hold a window's files: the partitions of its days, or the one folder of the export.
    fn folders_of(&self, window: Window) -> BTreeSet<String> {
        let root = tracemill_model::LeafPath::default();
        let folder = |slice: Window| {
            let path = self.layout.data_path(&self.key, window, 1, slice, &root, 0);
            path.rsplit_once('/')
                .map_or_else(String::new, |(folder, _)| folder.to_owned())
        };
        window.days().map(folder).collect()
    }

    /// When the export first ran: `now`, unless an earlier run wrote another time down.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn origin(&self, now: Millis) -> Result<Millis, SinkError> {
        let path = format!("{}/origin.json", self.layout.own_folder(&self.key));
        let text = serde_json::to_vec(&now).expect("a time is always JSON");
        match self.store.create(&path, Bytes::from(text)).await? {
            Created::Created => Ok(now),
            Created::AlreadyExists => {
                let bytes = self.store.get(&path, 1 << 10).await?;
                serde_json::from_slice(&bytes).map_err(|error| SinkError::Manifest {
                    store: self.store.name().to_owned(),
                    path,
                    reason: error.to_string(),
                })
            }
        }
    }

    /// Data files and manifests that count for nothing: files whose window has no manifest of their generation, and
    /// manifests of generations that were replaced. Files of other exporters are left alone. Only whoever owns the export may remove them: they may be what
    /// another exporter is writing.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn garbage(&self) -> Result<Vec<String>, SinkError> {
        let all = self.all_names().await?;
        let newest: BTreeMap<String, u32> = newest_generations(all.clone())
            .into_iter()
            .map(|name| (self.layout.stem(name.window), name.generation))
            .collect();
        let mut garbage: Vec<String> = all
            .into_iter()
            .filter(|name| newest.get(&self.layout.stem(name.window)) != Some(&name.generation))
            .flat_map(|name| {
                [
                    self.layout.manifest_path(&self.key, name),
                    self.layout.letters_path(&self.key, name),
                ]
            })
            .collect();
        let files = self.store.list(&self.layout.data_folder(&self.key), MAX_FILES).await?;
        let mut foreign = 0;
        for entry in files {
            let Some(name) = self.layout.parse(&entry.path) else {
                continue;
            };
            if newest.get(&name.stem) == Some(&name.generation) {
                continue;
            }
            if self.is_ours(&entry.path, &name).await? {
                garbage.push(entry.path);
            } else {
                foreign += 1;
            }
        }
        if foreign > 0 {
            tracing::warn!(export = %self.key, files = foreign, "files_of_another_exporter");
        }
        Ok(garbage)
    }

    /// Whether a data file that no manifest names was written by Tracemill. The reference names its files like our first
    /// ones; its history must never be taken for what a crash of ours left, so the file's own footer is asked.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn is_ours(&self, path: &str, name: &DataName) -> Result<bool, SinkError> {
        const MARK: &[u8] = b"tracemill.window";
        if name.is_tagged || self.layout.extension != "parquet" {
            return Ok(name.is_tagged);
        }
        match self.store.get_tail(path, 64 << 10).await {
            Ok((tail, _)) => Ok(tail.windows(MARK.len()).any(|bytes| bytes == MARK)),
            Err(SinkError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracemill_model::{LeafPath, ProjectId, Table};

    use super::super::layout::LayoutKind;
    use super::*;
    use crate::store::StoreConfig;

    /// Files that the reference wrote have the names of our first ones; they are not ours to remove.
    #[tokio::test]
    async fn only_what_tracemill_wrote_is_garbage() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = ExportKey {
            project: ProjectId::new("p").expect("an id"),
            table: Table::Traces,
        };
        let layout = Layout {
            prefix: String::new(),
            kind: LayoutKind::Langfuse,
            extension: "parquet",
        };
        let store = Store::open(&StoreConfig::new(folder.path().to_string_lossy())).expect("a folder");
        let catalog = Catalog { store, layout, key };
        let window = |day: i64| Window {
            from: Millis(day * 86_400_000),
            to: Millis((day + 1) * 86_400_000),
        };
        let path = |day: i64, generation: u32| {
            let root = LeafPath::default();
            catalog
                .layout
                .data_path(&catalog.key, window(day), generation, window(day), &root, 0)
        };
        for (path, content) in [
            (path(0, 1), "PAR1 of the reference"),
            (path(1, 1), "PAR1 … tracemill.window … of a crash"),
            (path(2, 2), "PAR1 of a crash, by its name"),
        ] {
            catalog.store.put(&path, Bytes::from(content)).await.expect("written");
        }
        let mut garbage = catalog.garbage().await.expect("listed");
        garbage.sort();
        assert_eq!(garbage, [path(1, 1), path(2, 2)]);
    }
}
