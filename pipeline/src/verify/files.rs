//! Reading one file back: size, checksum, and the rows that its footer counts.
//!
//! A file is read in pieces, so memory does not grow with it. An object that is not there is a difference; a store that
//! does not answer is an error.

use tracemill_model::Window;
use tracemill_model::manifest::FileEntry;
use tracemill_sinks::SinkError;
use tracemill_sinks::encode::{FooterRead, footer_rows};
use tracemill_sinks::store::Store;

use super::Difference;

/// Bytes that are read at once.
const PIECE: u64 = 4 << 20;
/// How much of a file's end is read first: nearly every footer is smaller.
const TAIL: u64 = 64 << 10;

/// Compares a file with its entry.
///
/// # Errors
/// Any of the store but that the object is missing.
pub async fn check(
    store: &Store,
    window: Window,
    file: &FileEntry,
    is_parquet: bool,
) -> Result<Vec<Difference>, SinkError> {
    let differs = |kind, what| vec![Difference::of_object(kind, Some(window), &file.path, what)];
    let size = match store.head(&file.path).await {
        Ok(entry) => entry.size,
        Err(SinkError::NotFound { .. }) => return Ok(differs("missing", "the object does not exist".to_owned())),
        Err(error) => return Err(error),
    };
    if size != file.bytes {
        return Ok(differs(
            "size",
            format!("it has {size} bytes, the manifest says {}", file.bytes),
        ));
    }
    let mut found = Vec::new();
    let checksum = format!("{:08x}", checksum(store, &file.path, size).await?);
    if checksum != file.crc32c {
        found.extend(differs(
            "checksum",
            format!("its CRC-32C is {checksum}, the manifest says {}", file.crc32c),
        ));
    }
    if is_parquet {
        match rows(store, &file.path).await {
            Ok(rows) if rows == file.rows => {}
            Ok(rows) => {
                let what = format!("its footer counts {rows} rows, the manifest says {}", file.rows);
                found.extend(differs("footer", what));
            }
            Err(SinkError::Encode { reason, .. }) => found.extend(differs("footer", reason)),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn checksum(store: &Store, path: &str, size: u64) -> Result<u32, SinkError> {
    let mut checksum = 0;
    let mut at = 0;
    while at < size {
        let piece = store.get_range(path, at..(at + PIECE).min(size)).await?;
        if piece.is_empty() {
            break;
        }
        checksum = crc32c::crc32c_append(checksum, &piece);
        at += piece.len() as u64;
    }
    Ok(checksum)
}

async fn rows(store: &Store, path: &str) -> Result<u64, SinkError> {
    let mut wanted = TAIL;
    loop {
        let (tail, size) = store.get_tail(path, wanted).await?;
        match footer_rows(&tail, size)? {
            FooterRead::Rows(rows) => return Ok(rows),
            FooterRead::NeedMore(more) if more > wanted => wanted = more,
            FooterRead::NeedMore(_) => {
                return Err(SinkError::Encode {
                    format: "parquet",
                    reason: "a footer without end".to_owned(),
                });
            }
        }
    }
}
