//! How a job lies in the file: attempts (4 bytes), time of adding in ms (8 bytes), then its work as JSON; a failed one has
//! time (8 bytes), length of the reason (4 bytes) and reason before that. Little-endian. Pure.

use std::sync::Arc;

use tracemill_model::Millis;
use tracemill_model::ingest::Text;

use crate::queue::{Work, payload};

const HEAD: usize = 12;

/// A record that could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) attempts: u32,
    pub(super) enqueued: Millis,
    pub(super) work: Work,
}

/// A new job's record.
pub(super) fn new(work: &Work, now: Millis) -> Vec<u8> {
    let json = payload::own(work);
    let mut record = Vec::with_capacity(HEAD + json.len());
    record.extend_from_slice(&0u32.to_le_bytes());
    record.extend_from_slice(&now.0.to_le_bytes());
    record.extend_from_slice(json.as_bytes());
    record
}

/// One attempt more.
pub(super) fn count_attempt(record: &mut [u8]) {
    if let Some(bytes) = record.first_chunk_mut::<4>() {
        *bytes = u32::from_le_bytes(*bytes).saturating_add(1).to_le_bytes();
    }
}

/// When the job was added.
pub(super) fn enqueued(record: &[u8]) -> Option<Millis> {
    let bytes = record.get(4..)?.first_chunk::<8>()?;
    Some(Millis(i64::from_le_bytes(*bytes)))
}

/// The lane of a job: its project, or none where it is of no project or cannot be read.
pub(super) fn lane(record: &[u8]) -> Text {
    lane_of(&read(record).work)
}

/// The lane of what a job asks for.
pub(super) fn lane_of(work: &Work) -> Text {
    work.project().map(Arc::clone).unwrap_or_default()
}

/// Reads a record; one that is damaged is [`Work::Broken`].
pub(super) fn read(record: &[u8]) -> Record {
    let attempts = record.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let work = serde_json::from_slice(record.get(HEAD..).unwrap_or_default()).unwrap_or_else(|error| Work::Broken {
        reason: format!("the record of the job cannot be read: {error}"),
    });
    Record {
        attempts,
        enqueued: enqueued(record).unwrap_or_default(),
        work,
    }
}

/// The record of a job that failed.
pub(super) fn failed(record: &[u8], at: i64, reason: &str) -> Vec<u8> {
    let length = u32::try_from(reason.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(12 + reason.len() + record.len());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&reason.as_bytes()[..length as usize]);
    out.extend_from_slice(record);
    out
}

/// When, why and what of a failed job's record.
pub(super) fn read_failed(bytes: &[u8]) -> Option<(Millis, String, Record)> {
    let at = i64::from_le_bytes(*bytes.first_chunk::<8>()?);
    let length = u32::from_le_bytes(*bytes.get(8..)?.first_chunk::<4>()?) as usize;
    let (reason, record) = bytes.get(12..)?.split_at_checked(length)?;
    Some((Millis(at), String::from_utf8_lossy(reason).into_owned(), read(record)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comes_back(at in any::<i64>(), reason in any::<String>(), name in any::<String>(), attempts in 0u32..9) {
            let work = Work::Unsupported { name: name.into(), data: "{}".into() };
            let mut record = new(&work, Millis(at));
            for _ in 0..attempts {
                count_attempt(&mut record);
            }
            let expected = Record { attempts, enqueued: Millis(at), work };
            prop_assert_eq!(&read(&record), &expected);
            prop_assert_eq!(read_failed(&failed(&record, at, &reason)), Some((Millis(at), reason, expected)));
        }

        #[test]
        fn nothing_panics(bytes in any::<Vec<u8>>()) {
            let _ = (read(&bytes), read_failed(&bytes));
        }
    }
}
