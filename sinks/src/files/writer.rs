//! One leaf's files: encoded, uploaded, read back.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use tracemill_model::manifest::FileEntry;
use tracemill_model::{ByteSize, ExportKey, Millis};
use tracemill_operators::batch::LeafJob;
use tracemill_operators::outcome::Timing;
use tracemill_operators::progress::Progress;

use crate::SinkError;
use crate::commit::Layout;
use crate::encode::{EncodeOptions, Encoder, FooterRead, Format, footer_rows, schema};
use crate::store::{Store, Upload, UploadOptions, Uploaded};

/// What writing the files of an export needs.
#[derive(Debug)]
pub struct FilesConfig {
    /// Where they go.
    pub store: Store,
    /// How they are named.
    pub layout: Layout,
    /// Whose rows.
    pub key: ExportKey,
    /// What they are. Its `max_held` and the upload's parts must fit in a leaf's working set.
    pub encode: EncodeOptions,
    /// How they are sent.
    pub upload: UploadOptions,
    /// The size at which a file is ended and the next begun.
    pub file_size: ByteSize,
    /// What is going on.
    pub progress: Progress,
}

/// How much of a file's end is read back first: nearly every footer is smaller.
const TAIL: u64 = 64 << 10;

/// The files of one leaf.
pub(super) struct LeafWriter {
    config: Arc<FilesConfig>,
    job: Arc<LeafJob>,
    target: Option<SchemaRef>,
    open: Option<OpenFile>,
    files: Vec<FileEntry>,
    pub(super) timing: Timing,
}

/// A file that is being written.
struct OpenFile {
    encoder: Encoder,
    upload: Upload,
    times: (i64, i64),
}

impl LeafWriter {
    pub(super) fn new(config: Arc<FilesConfig>, job: Arc<LeafJob>) -> Self {
        Self {
            config,
            job,
            target: None,
            open: None,
            files: Vec::new(),
            timing: Timing::default(),
        }
    }

    /// Encodes rows, and sends what is ready.
    pub(super) async fn write(&mut self, batch: RecordBatch, times: (i64, i64)) -> Result<(), SinkError> {
        let target = match &self.target {
            Some(target) => Arc::clone(target),
            None => Arc::clone(self.target.insert(schema::target_schema(batch.schema_ref())?)),
        };
        let rows = batch.num_rows() as u64;
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.begin(&target)?,
        };
        let began = Instant::now();
        let encoded = tokio::task::spawn_blocking(move || {
            let conformed = schema::conform(batch, &target)?;
            file.encoder.write(&conformed.batch)?;
            Ok::<_, SinkError>((file, conformed.repaired))
        });
        let (mut file, repaired) = encoded.await.map_err(|error| self.panicked(&error))??;
        self.timing.encode += micros(began);
        file.times = (file.times.0.min(times.0), file.times.1.max(times.1));
        let progress = &self.config.progress;
        progress.add(|c| &c.rows_written, rows);
        progress.add(|c| &c.repaired, repaired);

        let began = Instant::now();
        for bytes in file.encoder.take_output() {
            progress.add(|c| &c.bytes_written, bytes.len() as u64);
            file.upload.push(bytes).await?;
        }
        self.timing.upload += micros(began);
        let is_full = file.encoder.encoded_bytes() >= self.config.file_size.0;
        self.open = Some(file);
        if is_full { self.end_file().await } else { Ok(()) }
    }

    fn begin(&self, target: &SchemaRef) -> Result<OpenFile, SinkError> {
        let FilesConfig {
            store,
            layout,
            key,
            encode,
            upload,
            ..
        } = &*self.config;
        let attempt = &self.job.attempt;
        let leaf = &attempt.leaf;
        let sequence = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let path = layout.data_path(key, leaf.window, attempt.generation, leaf.slice, &leaf.path, sequence);
        let mut encoder = Encoder::new(target, encode)?;
        for (name, value) in [
            ("tracemill.project", key.project.to_string()),
            ("tracemill.table", key.table.to_string()),
            ("tracemill.window", leaf.window.to_string()),
            ("tracemill.leaf", leaf.to_string()),
            ("tracemill.generation", attempt.generation.to_string()),
        ] {
            encoder.add_metadata(name, &value);
        }
        let upload = store.upload(&path, *upload)?;
        Ok(OpenFile {
            encoder,
            upload,
            times: (i64::MAX, i64::MIN),
        })
    }

    /// Ends the open file, if any: encodes the rest, completes the upload, reads its end back.
    async fn end_file(&mut self) -> Result<(), SinkError> {
        let Some(OpenFile {
            mut encoder,
            mut upload,
            times,
        }) = self.open.take()
        else {
            return Ok(());
        };
        let rows = encoder.rows();
        encoder.add_metadata("tracemill.rows", &rows.to_string());
        let path = upload.path().to_owned();
        let began = Instant::now();
        let finished = tokio::task::spawn_blocking(move || encoder.finish());
        let finished = match finished.await.map_err(|error| self.panicked(&error)) {
            Ok(Ok(finished)) => finished,
            Ok(Err(error)) | Err(error) => {
                // The encoder's error is the one to tell.
                let _ = upload.abort().await;
                return Err(error);
            }
        };
        self.timing.encode += micros(began);
        let began = Instant::now();
        for bytes in finished.output {
            self.config.progress.add(|c| &c.bytes_written, bytes.len() as u64);
            upload.push(bytes).await?;
        }
        let uploaded = upload.finish().await?;
        read_back(&self.config, &path, &uploaded, finished.rows).await?;
        self.timing.upload += micros(began);
        self.config.progress.add(|c| &c.files_written, 1);
        self.files.push(FileEntry {
            path,
            leaf: self.job.attempt.leaf.path.clone(),
            rows: finished.rows,
            bytes: uploaded.bytes,
            crc32c: format!("{:08x}", uploaded.crc32c),
            min_time: Millis(times.0),
            max_time: Millis(times.1),
        });
        Ok(())
    }

    /// Ends the leaf: its files are complete.
    pub(super) async fn finish(mut self) -> Result<(Vec<FileEntry>, Timing), SinkError> {
        self.end_file().await?;
        Ok((self.files, self.timing))
    }

    /// Gives the leaf up. What is under way is taken back; what is complete is left to be overwritten or removed.
    pub(super) async fn abort(self) {
        if let Some(file) = self.open {
            // The leaf has failed already, for a reason that says more than this would.
            let _ = file.upload.abort().await;
        }
    }

    fn panicked(&self, error: &tokio::task::JoinError) -> SinkError {
        SinkError::Encode {
            format: self.config.encode.format.name(),
            reason: format!("the encoder panicked: {error}"),
        }
    }
}

/// What the store has must be what was sent: its size, and for Parquet the rows that its footer counts.
async fn read_back(config: &FilesConfig, path: &str, uploaded: &Uploaded, rows: u64) -> Result<(), SinkError> {
    let store = &config.store;
    let differs = |what: String| SinkError::ReadBack {
        store: store.name().to_owned(),
        path: path.to_owned(),
        what,
    };
    if config.encode.format != Format::Parquet {
        let size = store.head(path).await?.size;
        return if size == uploaded.bytes {
            Ok(())
        } else {
            Err(differs(format!("{size} bytes instead of {}", uploaded.bytes)))
        };
    }
    let mut wanted = TAIL;
    loop {
        let (tail, size) = store.get_tail(path, wanted).await?;
        if size != uploaded.bytes {
            return Err(differs(format!("{size} bytes instead of {}", uploaded.bytes)));
        }
        match footer_rows(&tail, size)? {
            FooterRead::Rows(found) if found == rows => return Ok(()),
            FooterRead::Rows(found) => return Err(differs(format!("{found} rows instead of {rows}"))),
            FooterRead::NeedMore(more) if more > wanted => wanted = more,
            FooterRead::NeedMore(_) => return Err(differs("a footer without end".to_owned())),
        }
    }
}

pub(super) fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
