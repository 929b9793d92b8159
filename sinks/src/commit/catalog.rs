//! The manifests of one export: the object store is the only state there is.
//!
//! Invariants: a manifest is created, never overwritten; for each window the highest generation counts; the windows of
//! the newest manifests do not overlap, because plans only fill gaps or rewrite whole windows.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tracemill_model::manifest::{Manifest, ManifestName, newest_generations};
use tracemill_model::{ExportKey, Millis, Window};

use super::layout::Layout;
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

    /// The data files of one window, as a listing shows them, with their generations.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn files_of(&self, window: Window) -> Result<Vec<(String, u32)>, SinkError> {
        let stem = self.layout.stem(window);
        let mut found = Vec::new();
        for folder in self.folders_of(window) {
            for entry in self.store.list(&folder, MAX_FILES).await? {
                if let Some(name) = self.layout.parse(&entry.path).filter(|name| name.stem == stem) {
                    found.push((entry.path, name.generation));
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
    /// manifests of generations that were replaced. Only whoever owns the export may remove them: they may be what
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
        garbage.extend(files.into_iter().map(|entry| entry.path).filter(|path| {
            self.layout
                .parse(path)
                .is_some_and(|name| newest.get(&name.stem) != Some(&name.generation))
        }));
        Ok(garbage)
    }
}
