//! Reads a body: within its limit, with permits for every byte, and not forever.

use std::sync::atomic::Ordering;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::timeout;
use tracemill_model::ingest::{Encoding, Sdk};
use tracemill_operators::Permit;
use tracemill_operators::decode::otlp::{OtlpError, decompress};

use crate::app::Inner;
use crate::reply::Refusal;

/// The first permit of a body of unknown length, in bytes; each further one doubles what is held.
const FIRST: u64 = 64 << 10;

/// A body, and the right to hold it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    permits: Vec<Permit>,
}

/// How a body is compressed. `None`: in a way that is not known.
pub(crate) fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let Some(value) = headers.get(CONTENT_ENCODING) else {
        return Some(Encoding::Identity);
    };
    let value = value.to_str().ok()?.trim().to_ascii_lowercase();
    match value.as_str() {
        "" | "identity" => Some(Encoding::Identity),
        _ if value.contains("gzip") => Some(Encoding::Gzip),
        "zstd" => Some(Encoding::Zstd),
        _ => None,
    }
}

/// A header `x-langfuse-...`, also with underscores.
pub(crate) fn langfuse<'a>(headers: &'a HeaderMap, hyphens: &str, underscores: &str) -> Option<&'a str> {
    let value = headers.get(hyphens).or_else(|| headers.get(underscores))?;
    value.to_str().ok().filter(|text| !text.is_empty())
}

/// What the client says of itself.
pub(crate) fn sdk(headers: &HeaderMap) -> Sdk {
    let short = |text: &str| text.chars().take(200).collect::<String>().into();
    Sdk {
        name: langfuse(headers, "x-langfuse-sdk-name", "x_langfuse_sdk_name").map(short),
        version: langfuse(headers, "x-langfuse-sdk-version", "x_langfuse_sdk_version").map(short),
    }
}

/// Reads at most `limit` bytes; each byte takes `copies` bytes of memory.
pub(crate) async fn read(app: &Inner, body: Body, limit: u64, copies: u64) -> Result<Held, Refusal> {
    match timeout(app.config.body_timeout, read_on(app, body, limit, copies)).await {
        Ok(read) => {
            if let Ok(held) = &read {
                app.metrics.bytes.fetch_add(held.bytes.len() as u64, Ordering::Relaxed);
            }
            read
        }
        Err(_) => Err(Refusal::Slow(app.config.retry_after)),
    }
}

async fn read_on(app: &Inner, mut body: Body, limit: u64, copies: u64) -> Result<Held, Refusal> {
    let known = body.size_hint().exact();
    if body.size_hint().lower() > limit {
        return Err(Refusal::TooLarge(limit));
    }
    let first = known.unwrap_or(FIRST.min(limit));
    let mut permits = vec![permit(app, first * copies).await?];
    let (mut allowed, mut buffer) = (first, BytesMut::new());
    let mut whole = Bytes::new();
    while let Some(data) = next(app, &mut body).await? {
        let length = (whole.len() + buffer.len() + data.len()) as u64;
        if length > limit {
            return Err(Refusal::TooLarge(limit));
        }
        while length > allowed {
            let more = allowed.min(limit - allowed).max(1);
            permits.push(permit(app, more * copies).await?);
            allowed += more;
        }
        if whole.is_empty() && buffer.is_empty() {
            // Most bodies are one chunk, which is not copied.
            whole = data;
            continue;
        }
        if buffer.is_empty() {
            buffer.reserve(known.map_or(whole.len() + data.len(), |known| known as usize));
            buffer.extend_from_slice(&whole);
            whole = Bytes::new();
        }
        buffer.extend_from_slice(&data);
    }
    let bytes = if buffer.is_empty() { whole } else { buffer.freeze() };
    Ok(Held { bytes, permits })
}

async fn next(app: &Inner, body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = match timeout(app.config.chunk_timeout, body.frame()).await {
            Err(_) => return Err(Refusal::Slow(app.config.retry_after)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Refusal::BodyRead),
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers say nothing to us.
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
}

/// Memory for so many bytes, soon.
async fn permit(app: &Inner, bytes: u64) -> Result<Permit, Refusal> {
    if bytes > app.budget.limit() {
        // The budget would give less than is needed.
        return Err(app.busy());
    }
    if let Some(permit) = app.budget.try_acquire(bytes) {
        return Ok(permit);
    }
    let waited: Result<Permit, _> = timeout(app.config.memory_wait, app.budget.acquire(bytes)).await;
    waited.map_err(|_| app.busy())
}

/// What a decompressed body may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Its bytes, at most.
    pub(crate) limit: u64,
    /// How often they are in memory while it is checked.
    pub(crate) copies: u64,
}

/// What became of a decompressed body: the check's result, beside the body as it was sent.
pub(crate) struct Inflated<T> {
    pub(crate) held: Held,
    pub(crate) result: T,
    /// For what was decompressed, and what the check made of it. `None`: the body was not compressed.
    pub(crate) memory: Option<Permit>,
}

/// Decompresses a body and hands that to `check`. A body that is not compressed is handed as it is.
pub(crate) async fn inflate<T: Send + 'static>(
    app: &Inner,
    mut held: Held,
    encoding: Encoding,
    Sizes { limit, copies }: Sizes,
    check: impl FnOnce(Bytes) -> T + Send + Clone + 'static,
) -> Result<Inflated<T>, Refusal> {
    let length = held.bytes.len() as u64;
    if encoding == Encoding::Identity {
        return app
            .check(length, move || Inflated {
                result: check(held.bytes.clone()),
                held,
                memory: None,
            })
            .await;
    }
    let mut max = limit.min(expected(encoding, &held.bytes).max(FIRST));
    loop {
        let memory = permit(app, max * copies).await?;
        let check = check.clone();
        let tried = app.check(max.min(length * 8), move || {
            let most = usize::try_from(max).unwrap_or(usize::MAX);
            let result = decompress(encoding, &held.bytes, most).map(|bytes| check(bytes.into_owned().into()));
            (held, result, memory)
        });
        let (back, result, memory) = tried.await?;
        match result {
            Ok(result) => {
                return Ok(Inflated {
                    held: back,
                    result,
                    memory: Some(memory),
                });
            }
            Err(OtlpError::TooLarge { .. }) if max >= limit => return Err(Refusal::TooLarge(limit)),
            Err(OtlpError::TooLarge { .. }) => (held, max) = (back, limit),
            Err(_) => return Err(Refusal::Decompress),
        }
    }
}

/// How large a compressed body may become. What is larger (gzip of several members, zstd beyond sixteen times its size) is
/// decompressed again, with memory for the most that is allowed.
fn expected(encoding: Encoding, bytes: &[u8]) -> u64 {
    match (encoding, bytes.last_chunk()) {
        // The last four bytes say the size of the last member, modulo 4 GiB.
        (Encoding::Gzip, Some(size)) => u64::from(u32::from_le_bytes(*size)),
        _ => bytes.len() as u64 * 16,
    }
}

impl Held {
    /// Keeps the permits for what comes of the body.
    pub(crate) fn into_parts(self) -> (Bytes, Vec<Permit>) {
        (self.bytes, self.permits)
    }
}
