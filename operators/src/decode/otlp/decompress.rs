//! Bodies as they come in: gzip and zstd, with a hard bound on what they may become; and the way back.

use std::borrow::Cow;
use std::io::{Read, Write};

use tracemill_model::ingest::Encoding;

use super::OtlpError;

/// The largest window of zstd that is accepted, as a power of two: 8 MiB, what the format asks readers to support.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The bytes without their compression; at most `max_bytes`, also in memory.
///
/// # Errors
/// They are not of that encoding, or are more than `max_bytes`.
pub fn decompress(encoding: Encoding, bytes: &[u8], max_bytes: usize) -> Result<Cow<'_, [u8]>, OtlpError> {
    match encoding {
        Encoding::Identity if bytes.len() > max_bytes => Err(OtlpError::TooLarge { limit: max_bytes }),
        Encoding::Identity => Ok(Cow::Borrowed(bytes)),
        Encoding::Gzip => bounded(
            flate2::read::MultiGzDecoder::new(bytes),
            bytes.len(),
            max_bytes,
            encoding,
        ),
        Encoding::Zstd => {
            let wrong = |_| OtlpError::Compressed { encoding };
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(wrong)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(wrong)?;
            bounded(decoder, bytes.len(), max_bytes, encoding)
        }
    }
}

/// The bytes in that encoding.
#[must_use]
pub fn compress(encoding: Encoding, bytes: Vec<u8>) -> Vec<u8> {
    const TAKES: &str = "memory takes every byte";
    match encoding {
        Encoding::Identity => bytes,
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&bytes).expect(TAKES);
            encoder.finish().expect(TAKES)
        }
        Encoding::Zstd => zstd::stream::encode_all(&*bytes, zstd::DEFAULT_COMPRESSION_LEVEL).expect(TAKES),
    }
}

fn bounded(
    reader: impl Read,
    compressed: usize,
    max_bytes: usize,
    encoding: Encoding,
) -> Result<Cow<'static, [u8]>, OtlpError> {
    let mut out = Vec::with_capacity(compressed.saturating_mul(4).min(max_bytes));
    let one_more = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(one_more)
        .read_to_end(&mut out)
        .map_err(|_| OtlpError::Compressed { encoding })?;
    if out.len() > max_bytes {
        return Err(OtlpError::TooLarge { limit: max_bytes });
    }
    Ok(Cow::Owned(out))
}
