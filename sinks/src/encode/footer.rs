//! How many rows a Parquet file says it has, read from its last bytes.

use bytes::Bytes;
use parquet::file::metadata::{FooterTail, ParquetMetaDataReader};

use super::parquet_error;
use crate::SinkError;

/// The fixed end of a file: the length of the footer and the magic `PAR1`.
const TAIL: usize = 8;

/// What the last bytes of a file told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FooterRead {
    /// The footer is whole, and counts so many rows.
    Rows(u64),
    /// So many of the file's last bytes are needed.
    NeedMore(u64),
}

/// Reads the row count in the footer of a file of `file_size` bytes, given its last bytes. 64 KiB of them nearly always suffice.
///
/// # Errors
///
/// [`SinkError::Encode`] when the bytes are no end of a Parquet file, or the footer and its row groups disagree.
pub fn footer_rows(tail: &[u8], file_size: u64) -> Result<FooterRead, SinkError> {
    if file_size < TAIL as u64 + 4 {
        return Err(parquet_error(format!("{file_size} bytes are too few for a file")));
    }
    if tail.len() as u64 > file_size {
        return Err(parquet_error(format!(
            "{} last bytes of a file of {file_size}",
            tail.len()
        )));
    }
    let Some((before, end)) = tail.split_last_chunk::<TAIL>() else {
        return Ok(FooterRead::NeedMore(TAIL as u64));
    };
    let length = FooterTail::try_new(end).map_err(parquet_error)?.metadata_length();
    let needed = (length + TAIL) as u64;
    if needed > file_size {
        return Err(parquet_error(format!(
            "the footer claims {length} bytes of a file of {file_size}"
        )));
    }
    let Some(start) = before.len().checked_sub(length) else {
        return Ok(FooterRead::NeedMore(needed));
    };
    let footer = Bytes::copy_from_slice(&before[start..]);
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(parquet_error)?;
    let groups: i64 = metadata.row_groups().iter().map(|group| group.num_rows()).sum();
    let rows = metadata.file_metadata().num_rows();
    if rows != groups {
        return Err(parquet_error(format!(
            "the footer counts {rows} rows, its row groups {groups}"
        )));
    }
    u64::try_from(rows)
        .map(FooterRead::Rows)
        .map_err(|_| parquet_error(format!("the footer counts {rows} rows")))
}
