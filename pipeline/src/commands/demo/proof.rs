//! Whether the rows in the Parquet files are those that were sent: each file is decoded, and each row's columns are compared
//! with what its client sent, by digest.
//!
//! Rows that were not sent this time are of an earlier demo, and are counted alone. Memory: 64 bytes a row that was sent,
//! and a file at a time.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tracemill_model::{ProjectId, Table};
use tracemill_sources::synth::sdk::{SentRow, compared, digest};

use crate::PipelineError;
use crate::assemble::Choice;
use crate::session::Session;
use crate::shelf::{Shelf, shelves};
use crate::verify::walk::manifests;

/// The largest file that is read.
const LARGEST: u64 = 4 << 30;

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Proof {
    /// Rows that are what was sent.
    pub(super) equal: u64,
    /// Rows of which a column is another.
    pub(super) different: u64,
    /// Rows that were sent and are not there.
    pub(super) missing: u64,
    /// Rows that are there twice.
    pub(super) doubled: u64,
    /// Rows that were not sent this time.
    pub(super) earlier: u64,
    /// Files that were read.
    pub(super) files: u64,
}

impl Proof {
    /// Everything that is not as it must be.
    pub(super) const fn differences(&self) -> u64 {
        self.different + self.missing + self.doubled
    }
}

/// The rows that must be there: by project, table and id what they must be, and whether they were seen.
#[derive(Debug)]
struct Sent(HashMap<(usize, Table, u128), (u128, bool)>);

impl Sent {
    fn new(rows: &[SentRow]) -> Self {
        let exported = rows.iter().filter(|row| row.is_exported);
        Self(
            exported
                .map(|row| ((row.project, row.table, row.id), (row.content, false)))
                .collect(),
        )
    }

    fn see(&mut self, place: (usize, Table, u128), content: u128, proof: &mut Proof) {
        let counter = match self.0.get_mut(&place) {
            None => &mut proof.earlier,
            Some((_, true)) => &mut proof.doubled,
            Some((expected, is_seen)) => {
                *is_seen = true;
                if *expected == content {
                    &mut proof.equal
                } else {
                    &mut proof.different
                }
            }
        };
        *counter += 1;
    }
}

/// Compares all files of the exports with what was sent. `projects` are in the order of the places that the rows name.
///
/// # Errors
/// A file cannot be read.
pub(super) async fn prove(session: &Session, projects: &[ProjectId], rows: &[SentRow]) -> Result<Proof, PipelineError> {
    let mut sent = Sent::new(rows);
    let mut proof = Proof::default();
    for shelf in shelves(&session.checked, &Choice::default()).await? {
        let key = &shelf.catalog.key;
        let Some(project) = projects.iter().position(|id| *id == key.project) else {
            continue;
        };
        for path in files(&shelf).await? {
            let bytes = shelf.catalog.store.get(&path, LARGEST).await?;
            let table = key.table;
            let read = move || contents(bytes, table).map_err(|reason| unreadable(&path, reason));
            let contents = tokio::task::spawn_blocking(read)
                .await
                .map_err(|error| unreadable("a file", error.to_string()))??;
            proof.files += 1;
            for (id, content) in contents {
                sent.see((project, table, id), content, &mut proof);
            }
        }
    }
    proof.missing = sent.0.values().filter(|(_, is_seen)| !is_seen).count() as u64;
    Ok(proof)
}

/// The files that the manifests name.
async fn files(shelf: &Shelf) -> Result<Vec<String>, PipelineError> {
    let names = shelf.catalog.names().await?;
    let mut files = Vec::new();
    for manifest in manifests(&shelf.catalog, &names).await? {
        let manifest = manifest.map_err(|difference| unreadable("a manifest", difference.to_string()))?;
        files.extend(manifest.files.into_iter().map(|file| file.path));
    }
    Ok(files)
}

fn unreadable(path: &str, reason: String) -> PipelineError {
    PipelineError::Io {
        what: format!("cannot read {path}"),
        reason,
    }
}

/// Digests of each row's id and of its columns.
fn contents(bytes: Bytes, table: Table) -> Result<Vec<(u128, u128)>, String> {
    let names = compared(table);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| error.to_string())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let reader = builder
        .with_projection(mask)
        .build()
        .map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    for batch in reader {
        digests(&batch.map_err(|error| error.to_string())?, names, &mut out)?;
    }
    Ok(out)
}

fn digests(batch: &RecordBatch, names: &[&str], out: &mut Vec<(u128, u128)>) -> Result<(), String> {
    let columns = names
        .iter()
        .map(|name| {
            let column = batch.column_by_name(name);
            let texts = column.and_then(|column| column.as_string_opt::<i32>());
            texts.ok_or_else(|| format!("there is no column {name} of texts"))
        })
        .collect::<Result<Vec<_>, String>>()?;
    for row in 0..batch.num_rows() {
        let texts = columns.iter().map(|column| {
            if column.is_null(row) {
                &[]
            } else {
                column.value(row).as_bytes()
            }
        });
        out.push((digest(texts.clone().take(1)), digest(texts)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_differ_is_counted() {
        let row = |id: u128, is_exported| SentRow {
            project: 0,
            table: Table::Scores,
            id,
            content: id + 100,
            is_exported,
        };
        let mut sent = Sent::new(&[row(1, true), row(2, true), row(3, true), row(4, false)]);
        let mut proof = Proof::default();
        for (project, id, content) in [(0, 1, 101), (0, 2, 0), (0, 1, 101), (0, 9, 1), (1, 3, 103)] {
            sent.see((project, Table::Scores, id), content, &mut proof);
        }
        let expected = Proof {
            equal: 1,
            different: 1,
            doubled: 1,
            earlier: 2,
            ..Proof::default()
        };
        assert_eq!((proof, proof.differences()), (expected, 2));
    }
}
