//! The names of objects: pure text, both ways.
//!
//! Data files carry window, generation and leaf in their names, so that a retry overwrites and never adds, and so that a
//! listing alone tells which files no manifest can name. What Tracemill keeps for itself is under `_tracemill/`.

use tracemill_model::manifest::ManifestName;
use tracemill_model::{ExportKey, LeafPath, Millis, Window};

/// How data files are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayoutKind {
    /// `<prefix><project>/<table>/<to>.parquet`, as the reference names its files.
    Langfuse,
    /// `<prefix>table=…/project=…/date=…/`; the files of a window lie in the partition of its first day, so windows
    /// must not cross midnight (the plan sees to that: leaves are cut at midnight).
    Hive,
}

/// The naming of one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What comes before everything, verbatim.
    pub prefix: String,
    /// The form of what follows.
    pub kind: LayoutKind,
    /// The extension of data files without its leading dot.
    pub extension: &'static str,
}

/// What the name of a data file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataName {
    /// The window's end, to the resolution of the name, as text that is the same for all files of a window.
    pub stem: String,
    /// The generation.
    pub generation: u32,
    /// Whether generation and leaf are in the name. Without them it is a name that the reference gives its files too, so
    /// the name alone does not say whose file it is.
    pub is_tagged: bool,
}

impl Layout {
    /// The folder of an export's data files, without a slash at its end.
    #[must_use]
    pub fn data_folder(&self, key: &ExportKey) -> String {
        match self.kind {
            LayoutKind::Langfuse => format!("{}{}/{}", self.prefix, key.project, key.table),
            LayoutKind::Hive => format!("{}table={}/project={}", self.prefix, key.table, key.project),
        }
    }

    /// The path of a data file. `slice` is what its leaf covers of the window, `sequence` counts the files of a leaf.
    #[must_use]
    pub fn data_path(
        &self,
        key: &ExportKey,
        window: Window,
        generation: u32,
        slice: Window,
        leaf: &LeafPath,
        sequence: u32,
    ) -> String {
        let folder = self.data_folder(key);
        let stem = self.stem(window);
        let extension = self.extension;
        // Only Parquet files can say themselves who wrote them (see `Catalog::is_ours`), so only they may look like the
        // reference's.
        let is_plain = generation == 1 && leaf.depth() == 0 && sequence == 0 && self.extension == "parquet";
        let rest = if is_plain {
            String::new()
        } else {
            format!(".g{generation}-{leaf}-{sequence}")
        };
        match self.kind {
            LayoutKind::Langfuse => format!("{folder}/{stem}{rest}.{extension}"),
            LayoutKind::Hive => format!("{folder}/date={}/{stem}{rest}.{extension}", slice.from.date()),
        }
    }

    /// The text that begins the names of all files of a window.
    #[must_use]
    pub fn stem(&self, window: Window) -> String {
        let with_ms = |at: Millis| match at.0.rem_euclid(1000) {
            0 => at.file_stem(),
            // The reference cuts names to seconds, so that windows which end within the same second overwrite each other.
            ms => format!("{}-{ms:03}", at.file_stem()),
        };
        match self.kind {
            LayoutKind::Langfuse => with_ms(window.to),
            LayoutKind::Hive => format!("{}_{}", with_ms(window.from), with_ms(window.to)),
        }
    }

    /// Reads the name of a data file of this sink; anything else is `None`.
    #[must_use]
    pub fn parse(&self, path: &str) -> Option<DataName> {
        let file = path
            .rsplit('/')
            .next()?
            .strip_suffix(self.extension)?
            .strip_suffix('.')?;
        let (stem, generation, is_tagged) = match file.split_once(".g") {
            None => (file, 1, false),
            Some((stem, rest)) => {
                let (generation, leaf) = rest.split_once('-')?;
                leaf.starts_with('r').then_some(())?;
                (stem, generation.parse().ok()?, true)
            }
        };
        stem.starts_with(|c: char| c.is_ascii_digit()).then(|| DataName {
            stem: stem.to_owned(),
            generation,
            is_tagged,
        })
    }

    /// The folder of what belongs to an export but is no data.
    #[must_use]
    pub fn own_folder(&self, key: &ExportKey) -> String {
        format!("{}_tracemill/{}/{}", self.prefix, key.project, key.table)
    }

    /// The folder of the manifests.
    #[must_use]
    pub fn manifests_folder(&self, key: &ExportKey) -> String {
        format!("{}/manifests", self.own_folder(key))
    }

    /// The path of a manifest.
    #[must_use]
    pub fn manifest_path(&self, key: &ExportKey, name: ManifestName) -> String {
        format!("{}/{}", self.manifests_folder(key), name.file_name())
    }

    /// The path of a window's letters.
    #[must_use]
    pub fn letters_path(&self, key: &ExportKey, name: ManifestName) -> String {
        format!("{}/letters/{}l", self.own_folder(key), name.file_name())
    }

    /// The folder of the owners' tokens.
    #[must_use]
    pub fn owners_folder(&self, key: &ExportKey) -> String {
        format!("{}/owners", self.own_folder(key))
    }
}

#[cfg(test)]
mod tests {
    use tracemill_model::{ProjectId, Table};

    use super::*;

    fn key() -> ExportKey {
        ExportKey {
            project: ProjectId::new("p1").expect("an id"),
            table: Table::Traces,
        }
    }

    fn layout(kind: LayoutKind) -> Layout {
        Layout {
            prefix: "lake/".to_owned(),
            kind,
            extension: "parquet",
        }
    }

    fn window(from: &str, to: &str) -> Window {
        Window {
            from: Millis::parse(from).expect("a time"),
            to: Millis::parse(to).expect("a time"),
        }
    }

    #[test]
    fn the_first_file_of_a_window_is_named_as_the_reference_does() {
        let window = window("2026-02-25T12:00:00Z", "2026-02-25T12:15:00Z");
        let root = LeafPath::default();
        let langfuse = layout(LayoutKind::Langfuse);
        let path = langfuse.data_path(&key(), window, 1, window, &root, 0);
        assert_eq!(path, "lake/p1/traces/2026-02-25T12-15-00.parquet");
        let later = langfuse.data_path(&key(), window, 2, window, &root.child(1), 3);
        assert_eq!(later, "lake/p1/traces/2026-02-25T12-15-00.g2-r1-3.parquet");
        let hive = layout(LayoutKind::Hive).data_path(&key(), window, 1, window, &root, 1);
        assert_eq!(
            hive,
            "lake/table=traces/project=p1/date=2026-02-25/2026-02-25T12-00-00_2026-02-25T12-15-00.g1-r-1.parquet"
        );
    }

    #[test]
    fn names_read_back() {
        for kind in [LayoutKind::Langfuse, LayoutKind::Hive] {
            let layout = layout(kind);
            let window = window("2026-02-25T12:00:00Z", "2026-02-25T12:00:00.250Z");
            for (generation, leaf, sequence) in [(1, LeafPath::default(), 0), (3, LeafPath::default().child(0), 7)] {
                let path = layout.data_path(&key(), window, generation, window, &leaf, sequence);
                let is_tagged = generation > 1;
                let name = DataName {
                    stem: layout.stem(window),
                    generation,
                    is_tagged,
                };
                assert_eq!(layout.parse(&path), Some(name), "{path}");
            }
        }
        let langfuse = layout(LayoutKind::Langfuse);
        for other in [
            "lake/p1/traces/README.md",
            "lake/p1/traces/x.parquet",
            "lake/p1/traces/2026.gx-r.parquet",
            "",
        ] {
            assert_eq!(langfuse.parse(other), None, "{other}");
        }
    }

    #[test]
    fn windows_that_end_within_one_second_have_names_of_their_own() {
        let langfuse = layout(LayoutKind::Langfuse);
        let one = langfuse.stem(window("2026-02-25T12:00:00Z", "2026-02-25T12:00:01.100Z"));
        let two = langfuse.stem(window("2026-02-25T12:00:01.100Z", "2026-02-25T12:00:01.200Z"));
        assert_ne!(one, two);
    }
}
