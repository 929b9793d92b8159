//! One place to write: a local folder, GCS, S3 or Azure, behind one set of operations.
//!
//! Invariants: paths are relative to the store's prefix, with `/` between segments and none at the ends; no operation
//! holds more than it says; an object is seen under its name either whole or not at all. Errors name the store and the
//! path and no secret. Requests are repeated a few times within about half a minute; what is then still an error goes to
//! the caller, who backs off where [`Blame::is_transient`](tracemill_model::Blame::is_transient) says so.
//!
//! In a local folder a write goes to a temporary file beside its final name (`name#1`), is synced (option `fsync`), and
//! is renamed into place. A killed process leaves such a file; [`Store::stale_uploads`] finds them. An upload that a
//! killed process left on GCS, S3 or Azure is invisible but paid for, and the client library cannot list it: give the
//! bucket a lifecycle rule that removes unfinished multipart uploads after a day (Azure removes them by itself after a
//! week).

pub mod address;
pub mod config;
mod fault;
mod known;
pub mod langfuse;
mod local;
mod open;
pub mod options;
mod probe;
mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tracemill_model::Millis;

pub use address::StoreKind;
pub use config::StoreConfig;
pub use tracemill_model::Secret;
pub use upload::{Upload, UploadOptions, Uploaded};

use crate::error::SinkError;
use address::Address;
use fault::Doing;

/// A store that is open. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Store {
    address: Arc<Address>,
    client: Arc<dyn ObjectStore>,
}

/// How a conditional creation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object was not there and is now.
    Created,
    /// There was an object already; it was left as it is. After a lost answer it may be the very one that was written:
    /// read it to know.
    AlreadyExists,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path below the store's prefix.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: Millis,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.address.name).finish()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address.name)
    }
}

impl Store {
    /// Opens a store, with what the process's environment adds (`GOOGLE_*`, `AWS_*`, `AZURE_*`; the configuration
    /// wins). Sends nothing: [`Store::probe`] tells whether it works.
    ///
    /// # Errors
    /// [`SinkError::StoreConfig`].
    pub fn open(config: &StoreConfig) -> Result<Self, SinkError> {
        let environment = std::env::vars_os();
        Self::open_with(
            config,
            environment.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    /// [`Store::open`] with another environment.
    ///
    /// # Errors
    /// [`SinkError::StoreConfig`].
    pub fn open_with(
        config: &StoreConfig,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SinkError> {
        let checked = config.check()?;
        let options = options::merge(checked.address.kind, &checked.options, environment);
        let client = open::client(&checked.address, &options)?;
        Ok(Self {
            address: Arc::new(checked.address),
            client,
        })
    }

    /// The address without secrets, as in messages.
    pub fn name(&self) -> &str {
        &self.address.name
    }

    /// The kind of store.
    pub fn kind(&self) -> StoreKind {
        self.address.kind
    }

    /// Where an object is, for people: the store's address and the path.
    pub fn location(&self, path: &str) -> String {
        format!("{}/{path}", self.address.name.trim_end_matches('/'))
    }

    /// Creates an object if there is none. Of several writers exactly one gets [`Created::Created`].
    ///
    /// # Errors
    /// [`SinkError::Unsupported`] if the store cannot do it.
    pub async fn create(&self, path: &str, bytes: Bytes) -> Result<Created, SinkError> {
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self
            .client
            .put_opts(&self.path(path)?, PutPayload::from_bytes(bytes), options)
            .await
        {
            Ok(_) => Ok(Created::Created),
            Err(error) => match self.fault(path, Doing::Writing, &error) {
                SinkError::AlreadyExists { .. } => Ok(Created::AlreadyExists),
                SinkError::Unsupported { store, reason, .. } => Err(SinkError::Unsupported {
                    store,
                    operation: "create an object conditionally",
                    reason,
                }),
                error => Err(error),
            },
        }
    }

    /// Writes an object, replacing what is there.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), SinkError> {
        let put = self.client.put(&self.path(path)?, PutPayload::from_bytes(bytes)).await;
        put.map(drop).map_err(|error| self.fault(path, Doing::Writing, &error))
    }

    /// Reads an object of at most `limit` bytes.
    ///
    /// # Errors
    /// [`SinkError::NotFound`]; [`SinkError::TooLarge`], before anything is read.
    pub async fn get(&self, path: &str, limit: u64) -> Result<Bytes, SinkError> {
        let reading = |error| self.fault(path, Doing::Reading, &error);
        let found = self.client.get(&self.path(path)?).await.map_err(reading)?;
        if found.meta.size > limit {
            let (store, path) = (self.address.name.clone(), path.to_owned());
            return Err(SinkError::TooLarge {
                store,
                path,
                bytes: found.meta.size,
                limit,
            });
        }
        found.bytes().await.map_err(reading)
    }

    /// The last `n` bytes of an object (all of it if it is shorter), and its whole size.
    pub async fn get_tail(&self, path: &str, n: u64) -> Result<(Bytes, u64), SinkError> {
        // Azure answers no ranges that count from the end, and nobody answers a range of an empty object.
        let size = self.head(path).await?.size;
        let from = size.saturating_sub(n);
        if from == size {
            return Ok((Bytes::new(), size));
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(from..size)),
            ..GetOptions::default()
        };
        let reading = |error| self.fault(path, Doing::Reading, &error);
        let found = self
            .client
            .get_opts(&self.path(path)?, options)
            .await
            .map_err(reading)?;
        let size = found.meta.size;
        Ok((found.bytes().await.map_err(reading)?, size))
    }

    /// Bytes `range` of an object. A range that ends behind the object is cut there.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, SinkError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let found = self.client.get_range(&self.path(path)?, range).await;
        found.map_err(|error| self.fault(path, Doing::Reading, &error))
    }

    /// Size and time of an object.
    pub async fn head(&self, path: &str) -> Result<Entry, SinkError> {
        let found = self.client.head(&self.path(path)?).await;
        let meta = found.map_err(|error| self.fault(path, Doing::Reading, &error))?;
        Ok(Entry {
            path: path.to_owned(),
            size: meta.size,
            modified: Millis(meta.last_modified.timestamp_millis()),
        })
    }

    /// All objects below a folder (`""`: below the store's prefix), at most `limit`, sorted by path. A folder that does
    /// not exist is empty. Holds about 100 bytes and the path for each object.
    ///
    /// # Errors
    /// [`SinkError::TooMany`] if there are more than `limit`: nobody works on a part of a listing by mistake.
    pub async fn list(&self, folder: &str, limit: usize) -> Result<Vec<Entry>, SinkError> {
        let mut entries = Vec::new();
        self.list_each(folder, |entry| {
            entries.push(entry);
            entries.len() <= limit
        })
        .await?;
        if entries.len() > limit {
            let (store, path) = (self.address.name.clone(), folder.to_owned());
            return Err(SinkError::TooMany { store, path, limit });
        }
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Hands every object below a folder to `each`, in no order, until that returns false. Holds one page (1000 objects).
    pub async fn list_each(&self, folder: &str, mut each: impl FnMut(Entry) -> bool) -> Result<(), SinkError> {
        let listing = |error| self.fault(folder, Doing::Writing, &error);
        let prefix = self.path(folder)?;
        let mut found = self
            .client
            .list(Some(&prefix).filter(|prefix| !prefix.as_ref().is_empty()));
        while let Some(meta) = found.next().await {
            if let Some(entry) = self.entry(&meta.map_err(listing)?)
                && !each(entry)
            {
                break;
            }
        }
        Ok(())
    }

    /// The folders directly below a folder, sorted, as paths below the store's prefix.
    pub async fn list_folders(&self, folder: &str) -> Result<Vec<String>, SinkError> {
        let prefix = self.path(folder)?;
        let found = self
            .client
            .list_with_delimiter(Some(&prefix).filter(|p| !p.as_ref().is_empty()))
            .await;
        let found = found.map_err(|error| self.fault(folder, Doing::Writing, &error))?;
        let mut folders: Vec<_> = found
            .common_prefixes
            .iter()
            .filter_map(|path| self.relative(path))
            .collect();
        folders.sort_unstable();
        Ok(folders)
    }

    /// Removes objects, many in one request where the store can. Those that are not there are fine. In a local folder
    /// the folders that become empty go too.
    pub async fn delete(&self, paths: &[String]) -> Result<(), SinkError> {
        let locations: Vec<_> = paths.iter().map(|path| self.path(path)).collect::<Result<_, _>>()?;
        let first = paths.first().map_or("", String::as_str);
        let mut results = self
            .client
            .delete_stream(futures::stream::iter(locations).map(Ok).boxed());
        let mut failed = None;
        while let Some(result) = results.next().await {
            match result.map_err(|error| self.fault(first, Doing::Reading, &error)) {
                // The first error is told; the others are still removed.
                Err(error) if !matches!(error, SinkError::NotFound { .. }) => failed = failed.or(Some(error)),
                _ => {}
            }
        }
        if self.kind() == StoreKind::Local {
            self.remove_empty_folders(paths).await;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Begins an upload. Nothing is sent before a part is full.
    ///
    /// # Errors
    /// [`SinkError::BadPath`].
    pub fn upload(&self, path: &str, options: UploadOptions) -> Result<Upload, SinkError> {
        Ok(Upload::new(self.clone(), path.to_owned(), self.path(path)?, options))
    }

    fn fault(&self, path: &str, doing: Doing, error: &object_store::Error) -> SinkError {
        fault::classify(&self.address.name, path, doing, error)
    }

    /// The client's path of a path below the prefix.
    fn path(&self, path: &str) -> Result<Path, SinkError> {
        let joined = match (self.address.prefix.as_str(), path) {
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}/{path}"),
        };
        let bad = |reason: String| SinkError::BadPath {
            store: self.address.name.clone(),
            path: path.to_owned(),
            reason,
        };
        if path.starts_with('/') || path.ends_with('/') {
            return Err(bad("it begins or ends with a slash".into()));
        }
        Path::parse(&joined).map_err(|error| bad(error.to_string()))
    }

    /// The path below the prefix of a client's path.
    fn relative(&self, path: &Path) -> Option<String> {
        let path = path.as_ref();
        match self.address.prefix.as_str() {
            "" => Some(path.to_owned()),
            prefix => path.strip_prefix(prefix)?.strip_prefix('/').map(str::to_owned),
        }
    }

    fn entry(&self, meta: &ObjectMeta) -> Option<Entry> {
        let path = self.relative(&meta.location)?;
        Some(Entry {
            path,
            size: meta.size,
            modified: Millis(meta.last_modified.timestamp_millis()),
        })
    }
}
