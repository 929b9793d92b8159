//! Sending an object of unknown size in parts.
//!
//! Invariants: at most `max_in_flight` parts are being sent and at most one is being filled, so the upload holds at most
//! `part_size * (max_in_flight + 1)` bytes, beside the bytes of the `push` that waits; the parts but the last have
//! exactly `part_size`; the object appears under its name only in [`Upload::finish`], whole.
//!
//! On error the upload is over: nothing more is sent, and [`Upload::abort`] removes what the store holds of it. A future
//! of `push` that is dropped half-way leaves an upload that can only be aborted. An upload that is dropped stops sending
//! at once; in a local folder its temporary file goes too, elsewhere the parts stay until the bucket's lifecycle rule
//! removes them, so abort where you can.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use tokio::task::JoinSet;

use super::fault::Doing;
use super::{Store, StoreKind};
use crate::error::SinkError;

/// The smallest part that all stores take.
const MIN_PART: usize = 5 * 1024 * 1024;
/// The most parts that all stores take.
const MAX_PARTS: usize = 10_000;

/// How an upload is cut and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadOptions {
    /// Bytes of a part: at least 5 MiB, which is what smaller values become (local folders and memory take any size).
    /// An object has at most 10,000 parts.
    pub part_size: usize,
    /// How many parts are sent at once, at least one.
    pub max_in_flight: usize,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            part_size: 8 * 1024 * 1024,
            max_in_flight: 2,
        }
    }
}

/// What was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// Size in bytes.
    pub bytes: u64,
    /// CRC-32C of all bytes.
    pub crc32c: u32,
    /// The store's mark for this content, if it gives one.
    pub e_tag: Option<String>,
    /// The store's version or generation, if it has one.
    pub version: Option<String>,
}

/// An upload under way.
pub struct Upload {
    store: Store,
    path: String,
    location: Path,
    part_size: usize,
    max_in_flight: usize,
    filling: Vec<Bytes>,
    filling_bytes: usize,
    bytes: u64,
    crc32c: u32,
    parts: usize,
    multipart: Option<Box<dyn MultipartUpload>>,
    in_flight: JoinSet<object_store::Result<usize>>,
    in_flight_bytes: usize,
    broken: bool,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let location = self.store.location(&self.path);
        f.debug_struct("Upload")
            .field("to", &location)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Upload {
    pub(super) fn new(store: Store, path: String, location: Path, options: UploadOptions) -> Self {
        let least = if matches!(store.kind(), StoreKind::Local | StoreKind::Memory) {
            1
        } else {
            MIN_PART
        };
        Self {
            store,
            path,
            location,
            part_size: options.part_size.max(least),
            max_in_flight: options.max_in_flight.max(1),
            filling: Vec::new(),
            filling_bytes: 0,
            bytes: 0,
            crc32c: 0,
            parts: 0,
            multipart: None,
            in_flight: JoinSet::new(),
            in_flight_bytes: 0,
            broken: false,
        }
    }

    /// Where it goes, below the store's prefix.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How many bytes were pushed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many bytes are in memory: those of the part being filled and of the parts being sent.
    pub fn held_bytes(&self) -> usize {
        self.filling_bytes + self.in_flight_bytes
    }

    /// Takes bytes. Returns when they are held within the bound; parts go on being sent meanwhile. Slices of one large
    /// buffer keep all of it in memory.
    ///
    /// # Errors
    /// Those of any part sent so far. Then only [`Upload::abort`] is left.
    pub async fn push(&mut self, mut bytes: Bytes) -> Result<(), SinkError> {
        self.check_usable()?;
        self.broken = true;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = self.part_size - self.filling_bytes;
            let piece = bytes.split_to(room.min(bytes.len()));
            self.filling_bytes += piece.len();
            self.filling.push(piece);
            if self.filling_bytes == self.part_size {
                self.send_part().await?;
            }
        }
        self.broken = false;
        Ok(())
    }

    /// Sends what is left and makes the object appear, replacing one of that name. Objects smaller than a part go in one
    /// request.
    ///
    /// # Errors
    /// Any; what the store holds of the upload has then been removed, as far as it could be reached.
    pub async fn finish(mut self) -> Result<Uploaded, SinkError> {
        let result = match self.check_usable() {
            Ok(()) => self.complete().await,
            Err(error) => Err(error),
        };
        match result {
            Ok((e_tag, version)) => Ok(Uploaded {
                bytes: self.bytes,
                crc32c: self.crc32c,
                e_tag,
                version,
            }),
            Err(error) => {
                // The error of the upload matters more than that of the clean-up.
                let _ = self.abort().await;
                Err(error)
            }
        }
    }

    /// Ends the upload and removes what the store holds of it. The object, or the one before it, stays as it is.
    pub async fn abort(mut self) -> Result<(), SinkError> {
        self.in_flight.shutdown().await;
        match self.multipart.take() {
            Some(mut multipart) => multipart.abort().await.map_err(|error| self.fault(&error)),
            None => Ok(()),
        }
    }

    async fn complete(&mut self) -> Result<(Option<String>, Option<String>), SinkError> {
        if self.multipart.is_none() {
            let payload = self.take_filling();
            let put = self.store.client.put(&self.location, payload).await;
            let put = put.map_err(|error| self.fault(&error))?;
            return Ok((put.e_tag, put.version));
        }
        if self.filling_bytes > 0 {
            self.send_part().await?;
        }
        while !self.in_flight.is_empty() {
            self.join_part().await?;
        }
        let Some(multipart) = self.multipart.as_mut() else {
            return Ok((None, None));
        };
        let done = multipart.complete().await;
        match done {
            Ok(done) => {
                self.multipart = None;
                Ok((done.e_tag, done.version))
            }
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// Sends the part that is full, once there is room for it among those in flight.
    async fn send_part(&mut self) -> Result<(), SinkError> {
        if self.parts == MAX_PARTS {
            let (store, path) = (self.store.name().to_owned(), self.path.clone());
            let limit = MAX_PARTS as u64 * self.part_size as u64;
            return Err(SinkError::TooLarge {
                store,
                path,
                bytes: self.bytes,
                limit,
            });
        }
        while self.in_flight.len() >= self.max_in_flight {
            self.join_part().await?;
        }
        // Errors of parts that ended meanwhile are told now, not at the end.
        while let Some(done) = self.in_flight.try_join_next() {
            self.joined(done)?;
        }
        let bytes = self.filling_bytes;
        let mut multipart = match self.multipart.take() {
            Some(multipart) => multipart,
            None => {
                let begun = self.store.client.put_multipart(&self.location).await;
                begun.map_err(|error| self.fault(&error))?
            }
        };
        let part = multipart.put_part(self.take_filling());
        self.multipart = Some(multipart);
        self.in_flight.spawn(async move { part.await.map(|()| bytes) });
        self.in_flight_bytes += bytes;
        self.parts += 1;
        Ok(())
    }

    fn take_filling(&mut self) -> PutPayload {
        self.filling_bytes = 0;
        std::mem::take(&mut self.filling).into_iter().collect()
    }

    async fn join_part(&mut self) -> Result<(), SinkError> {
        match self.in_flight.join_next().await {
            Some(done) => self.joined(done),
            None => Ok(()),
        }
    }

    fn joined(&mut self, done: Result<object_store::Result<usize>, tokio::task::JoinError>) -> Result<(), SinkError> {
        let result = done
            .map_err(|error| object_store::Error::JoinError { source: error })
            .flatten();
        let bytes = result.map_err(|error| self.fault(&error))?;
        self.in_flight_bytes -= bytes;
        Ok(())
    }

    fn fault(&self, error: &object_store::Error) -> SinkError {
        self.store.fault(&self.path, Doing::Writing, error)
    }

    fn check_usable(&self) -> Result<(), SinkError> {
        if !self.broken {
            return Ok(());
        }
        let (store, path) = (self.store.name().to_owned(), self.path.clone());
        Err(SinkError::Store {
            store,
            path,
            reason: "the upload failed before; it can only be aborted".into(),
        })
    }
}
