//! Manifests: the objects that say which files make up a window. Writing one is the commit.
//!
//! Manifests are only ever created, never overwritten: generation `n + 1` is a new object beside generation `n`, and the
//! highest generation of a window is the one that counts. Whoever creates it first has committed; a second writer is
//! refused by the store. So the one conditional operation that a store must have is "create, unless it exists".

use serde::{Deserialize, Serialize};

use crate::{ExportKey, LeafPath, Millis, Window};

/// The version of the manifest's own layout.
pub const MANIFEST_FORMAT: u32 = 1;

/// What was exported of one window, generation by generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`] of the writer.
    pub format: u32,
    /// Whose rows.
    #[serde(flatten)]
    pub export: ExportKey,
    /// Which rows.
    pub window: Window,
    /// How often the window was written, from 1.
    pub generation: u32,
    /// When this was committed.
    pub written_at: Millis,
    /// The run of the exporter that wrote it.
    pub run: String,
    /// The rows of all files.
    pub rows: u64,
    /// The bytes of all files.
    pub bytes: u64,
    /// The files, in no order that matters. Empty for an empty window.
    pub files: Vec<FileEntry>,
    /// What ClickHouse held.
    pub source: SourceCounts,
    /// Where the letters are, if there are any.
    pub letters: Option<LettersEntry>,
    /// How often the window was split.
    pub splits: u32,
    /// The ids of the queries that read it, as in `system.query_log`.
    pub query_ids: Vec<String>,
    /// The columns of the files.
    pub columns: Vec<String>,
}

/// One file of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path within the store's prefix.
    pub path: String,
    /// The leaf that it belongs to.
    pub leaf: LeafPath,
    /// Its rows, as its own footer says where it has one.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// CRC-32C of its bytes, eight hexadecimal digits.
    pub crc32c: String,
    /// The smallest time of a row.
    pub min_time: Millis,
    /// The largest time of a row.
    pub max_time: Millis,
}

/// Where the letters of a window are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LettersEntry {
    /// The path of the object, JSON lines of [`crate::letter::Letter`].
    pub path: String,
    /// How many.
    pub count: u64,
}

/// What the key columns of a window said when it was read; the sums of its leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceCounts {
    /// Rows in the table, every version counted.
    pub versions: u64,
    /// Ids whose newest version is alive: the rows that must be exported.
    pub live: u64,
    /// Ids whose newest version is a tombstone.
    pub deleted: u64,
    /// Order-free digest of (id, `event_ts`) of the live newest versions.
    pub digest: Digest,
}

impl SourceCounts {
    /// Adds another leaf's counts.
    pub fn add(&mut self, other: Self) {
        self.versions += other.versions;
        self.live += other.live;
        self.deleted += other.deleted;
        self.digest = Digest(self.digest.0.wrapping_add(other.digest.0));
    }
}

/// A sum of 128-bit hashes, modulo 2^128: the same set gives the same digest in any order. 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub u128);

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// The name of a manifest: it can be read without opening the object, and names sort by window, then generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestName {
    /// The window.
    pub window: Window,
    /// The generation, from 1.
    pub generation: u32,
}

impl ManifestName {
    /// `<from>_<to>.g<generation>.json`, times in milliseconds padded to 15 digits.
    #[must_use]
    pub fn file_name(self) -> String {
        format!(
            "{:015}_{:015}.g{:06}.json",
            self.window.from.0, self.window.to.0, self.generation
        )
    }

    /// Reads such a name; anything else is `None`.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<Self> {
        let (times, rest) = file_name.split_once(".g")?;
        let (from, to) = times.split_once('_')?;
        let window = Window::new(Millis(from.parse().ok()?), Millis(to.parse().ok()?))?;
        let generation = rest.strip_suffix(".json")?.parse().ok()?;
        Some(Self { window, generation })
    }
}

/// Of many names, the highest generation of each window, in order of windows.
#[must_use]
pub fn newest_generations(mut names: Vec<ManifestName>) -> Vec<ManifestName> {
    names.sort_unstable();
    let mut newest: Vec<ManifestName> = Vec::with_capacity(names.len());
    for name in names {
        match newest.last_mut() {
            Some(last) if last.window == name.window => *last = name,
            _ => newest.push(name),
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(from: i64, to: i64, generation: u32) -> ManifestName {
        ManifestName {
            window: Window {
                from: Millis(from),
                to: Millis(to),
            },
            generation,
        }
    }

    #[test]
    fn names_read_back_and_sort_by_window_then_generation() {
        let one = name(0, 900_000, 1);
        assert_eq!(ManifestName::parse(&one.file_name()), Some(one));
        assert!(one.file_name() < name(0, 900_000, 2).file_name());
        assert!(name(0, 900_000, 2).file_name() < name(900_000, 1_800_000, 1).file_name());
        for wrong in ["", "a.json", "1_2.json", "2_1.g000001.json", "1_2.gx.json"] {
            assert_eq!(ManifestName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_highest_generation_counts() {
        let names = vec![name(10, 20, 1), name(0, 10, 2), name(0, 10, 10), name(0, 10, 1)];
        assert_eq!(newest_generations(names), [name(0, 10, 10), name(10, 20, 1)]);
    }

    #[test]
    fn digests_travel_as_text() {
        let digest = Digest(u128::MAX - 1);
        let text = serde_json::to_string(&digest).expect("text");
        assert_eq!(serde_json::from_str::<Digest>(&text).ok(), Some(digest));
    }
}
