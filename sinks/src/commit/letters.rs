//! Letters as objects: JSON lines beside the manifest that names them.

use bytes::Bytes;
use tracemill_model::ExportKey;
use tracemill_model::letter::Letter;
use tracemill_model::manifest::{LettersEntry, ManifestName};

use super::catalog::Catalog;
use super::tree::GivenUp;
use crate::SinkError;

/// Writes the letters of a window. Overwrites those of an earlier attempt at the same generation.
pub(super) async fn write(
    catalog: &Catalog,
    name: ManifestName,
    given_up: &[GivenUp],
) -> Result<Option<LettersEntry>, SinkError> {
    if given_up.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    for one in given_up {
        text.push_str(&serde_json::to_string(&letter(&catalog.key, one)).expect("a letter is always JSON"));
        text.push('\n');
    }
    let path = catalog.layout.letters_path(&catalog.key, name);
    catalog.store.put(&path, Bytes::from(text)).await?;
    Ok(Some(LettersEntry {
        path,
        count: given_up.len() as u64,
    }))
}

fn letter(export: &ExportKey, one: &GivenUp) -> Letter {
    let leaf = &one.attempt.leaf;
    Letter {
        export: export.clone(),
        window: leaf.window,
        id: one.id.clone(),
        ids: leaf.ids.clone(),
        kind: one.error.kind.clone(),
        reason: one.error.message.clone(),
        attempts: u32::try_from(leaf.path.depth() + 1).unwrap_or(u32::MAX),
        at: one.at,
    }
}
