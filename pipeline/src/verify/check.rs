//! What manifests and listings must be like: pure.

use std::collections::BTreeSet;

use tracemill_model::Window;
use tracemill_model::manifest::{FileEntry, Manifest, ManifestName, SourceCounts, newest_generations};
use tracemill_model::window::gaps;
use tracemill_sinks::commit::Catalog;
use tracemill_sinks::store::Entry;

use super::Difference;

/// Overlaps of windows, and stretches between the first and the last that no window holds.
#[must_use]
pub fn coverage(windows: &[Window]) -> Vec<Difference> {
    let mut sorted = windows.to_vec();
    sorted.sort_unstable();
    let mut found = Vec::new();
    let mut reach: Option<Window> = None;
    for window in &sorted {
        if let Some(before) = reach.filter(|before| before.overlaps(*window)) {
            found.push(Difference::of_window(
                "overlap",
                *window,
                format!("{before} holds a part of it too"),
            ));
        }
        reach = reach.filter(|before| before.to > window.to).or(Some(*window));
    }
    let range = sorted
        .first()
        .zip(reach)
        .and_then(|(first, last)| Window::new(first.from, last.to));
    for gap in range.map(|range| gaps(range, &sorted)).unwrap_or_default() {
        found.push(Difference::of_window("gap", gap, "no manifest speaks of it".to_owned()));
    }
    found
}

/// Whether a manifest agrees with its own name, its export and itself.
#[must_use]
pub fn manifest(catalog: &Catalog, name: ManifestName, manifest: &Manifest) -> Vec<Difference> {
    let window = name.window;
    let mut found = Vec::new();
    let mut add = |kind, what| found.push(Difference::of_window(kind, window, what));
    if (manifest.window, manifest.generation) != (window, name.generation) {
        let (held, generation) = (manifest.window, manifest.generation);
        add(
            "manifest",
            format!("it is named so, but speaks of {held}, generation {generation}"),
        );
    }
    if manifest.export != catalog.key {
        add("manifest", format!("it speaks of {}", manifest.export));
    }
    let sums = |part: fn(&FileEntry) -> u64| manifest.files.iter().map(part).sum::<u64>();
    for (what, told, sum) in [
        ("rows", manifest.rows, sums(|file| file.rows)),
        ("bytes", manifest.bytes, sums(|file| file.bytes)),
    ] {
        if told != sum {
            add("counts", format!("{told} {what}, but its files have {sum}"));
        }
    }
    let live = manifest.source.live;
    let letters = manifest.letters.as_ref().map_or(0, |letters| letters.count);
    if manifest.rows > live || (manifest.rows < live && letters == 0) {
        add(
            "counts",
            format!("{} rows were written, but {live} were live", manifest.rows),
        );
    }
    found.extend(files(catalog, manifest));
    found
}

fn files(catalog: &Catalog, manifest: &Manifest) -> Vec<Difference> {
    let window = manifest.window;
    let stem = catalog.layout.stem(window);
    let mut paths = BTreeSet::new();
    let mut found = Vec::new();
    for file in &manifest.files {
        let mut add = |kind, what| found.push(Difference::of_object(kind, Some(window), &file.path, what));
        if !paths.insert(&file.path) {
            add("name", "the manifest names it twice".to_owned());
        }
        let is_named_so = catalog
            .layout
            .parse(&file.path)
            .is_some_and(|name| name.stem == stem && name.generation == manifest.generation);
        if !is_named_so {
            add(
                "name",
                format!("no name of {window}, generation {}", manifest.generation),
            );
        }
        let has_rows = file.rows > 0;
        if has_rows && !(window.contains(file.min_time) && window.contains(file.max_time)) {
            add(
                "times",
                format!(
                    "rows from {} to {} are not within {window}",
                    file.min_time, file.max_time
                ),
            );
        }
    }
    found
}

/// Of the objects of an export, those that nothing names: data that no newest manifest names, manifests and letters of
/// generations that were replaced.
#[must_use]
pub fn strays(catalog: &Catalog, manifests: &[Manifest], data: &[Entry], own: &[Entry]) -> Vec<Difference> {
    let named: BTreeSet<&str> = manifests
        .iter()
        .flat_map(|manifest| manifest.files.iter().map(|file| file.path.as_str()))
        .chain(
            manifests
                .iter()
                .filter_map(|manifest| Some(manifest.letters.as_ref()?.path.as_str())),
        )
        .collect();
    let stray = |entry: &Entry, what: &str| Difference::of_object("stray", None, &entry.path, what.to_owned());
    let mut found: Vec<Difference> = data
        .iter()
        .filter(|entry| !named.contains(entry.path.as_str()))
        .map(|entry| stray(entry, "no manifest names it"))
        .collect();
    let name = |entry: &Entry| ManifestName::parse(entry.path.rsplit('/').next()?);
    let newest: BTreeSet<ManifestName> = newest_generations(own.iter().filter_map(name).collect())
        .into_iter()
        .collect();
    let letters = format!("{}/letters/", catalog.layout.own_folder(&catalog.key));
    for entry in own {
        if name(entry).is_some_and(|name| !newest.contains(&name)) {
            found.push(stray(entry, "a newer generation of its window replaced it"));
        }
        if entry.path.starts_with(&letters) && !named.contains(entry.path.as_str()) {
            found.push(stray(entry, "letters that no manifest names"));
        }
    }
    found
}

/// The windows whose live rows in ClickHouse are others now. `now` must have the windows of `written`.
#[must_use]
pub fn changed(written: &[(Window, SourceCounts)], now: &[(Window, SourceCounts)]) -> Vec<Difference> {
    let counts = |all: &[(Window, SourceCounts)], window: Window| {
        let found = all.iter().find(|(of, _)| *of == window);
        found.map(|(_, counts)| *counts).unwrap_or_default()
    };
    tracemill_operators::reconcile::changed(written, now)
        .into_iter()
        .map(|window| {
            let (then, now) = (counts(written, window), counts(now, window));
            let what = if then.live == now.live {
                format!("{} live rows as before, but others", now.live)
            } else {
                format!("{} live rows were exported, ClickHouse has {} now", then.live, now.live)
            };
            Difference::of_window("changed", window, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tracemill_model::manifest::{Digest, MANIFEST_FORMAT};
    use tracemill_model::{ExportKey, LeafPath, Millis, ProjectId, Table};
    use tracemill_sinks::commit::{Layout, LayoutKind};
    use tracemill_sinks::store::{Store, StoreConfig};

    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window {
            from: Millis(from),
            to: Millis(to),
        }
    }

    fn kinds(differences: &[Difference]) -> Vec<(&'static str, Option<Window>)> {
        differences.iter().map(|one| (one.kind, one.window)).collect()
    }

    #[test]
    fn overlaps_and_gaps_are_named() {
        let of = |windows: &[(i64, i64)]| {
            let windows: Vec<Window> = windows.iter().map(|(from, to)| window(*from, *to)).collect();
            kinds(&coverage(&windows))
        };
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[(0, 10), (20, 30), (10, 20)]), []);
        assert_eq!(of(&[(0, 10), (12, 20)]), [("gap", Some(window(10, 12)))]);
        assert_eq!(of(&[(0, 10), (9, 20)]), [("overlap", Some(window(9, 20)))]);
        // A large window hides what comes after it, and is itself told once for each.
        assert_eq!(
            of(&[(0, 50), (10, 20), (30, 60)]),
            [("overlap", Some(window(10, 20))), ("overlap", Some(window(30, 60)))]
        );
    }

    fn catalog() -> Catalog {
        Catalog {
            store: Store::open(&StoreConfig::new("memory:///")).expect("a store"),
            layout: Layout {
                prefix: String::new(),
                kind: LayoutKind::Langfuse,
                extension: "parquet",
            },
            key: ExportKey {
                project: ProjectId::new("p").expect("an id"),
                table: Table::Traces,
            },
        }
    }

    fn sound(catalog: &Catalog, window: Window, generation: u32) -> Manifest {
        let path = catalog
            .layout
            .data_path(&catalog.key, window, generation, window, &LeafPath::default(), 0);
        Manifest {
            format: MANIFEST_FORMAT,
            export: catalog.key.clone(),
            window,
            generation,
            written_at: Millis(0),
            run: String::new(),
            rows: 3,
            bytes: 30,
            files: vec![FileEntry {
                path,
                leaf: LeafPath::default(),
                rows: 3,
                bytes: 30,
                crc32c: "00000000".to_owned(),
                min_time: window.from,
                max_time: window.to.plus(-1),
            }],
            source: SourceCounts {
                live: 3,
                ..SourceCounts::default()
            },
            letters: None,
            splits: 0,
            query_ids: Vec::new(),
            columns: Vec::new(),
        }
    }

    #[test]
    fn a_manifest_must_agree_with_itself() {
        let catalog = catalog();
        let window = window(0, 900_000);
        let name = ManifestName { window, generation: 2 };
        let whole = sound(&catalog, window, 2);
        assert_eq!(manifest(&catalog, name, &whole), []);
        let with = |break_it: fn(&mut Manifest)| {
            let mut broken = whole.clone();
            break_it(&mut broken);
            let found = manifest(&catalog, name, &broken);
            found.iter().map(|one| one.kind).collect::<Vec<_>>()
        };
        assert_eq!(with(|m| m.generation = 3), ["manifest", "name"]);
        assert_eq!(with(|m| m.bytes = 31), ["counts"]);
        assert_eq!(with(|m| m.source.live = 4), ["counts"], "a live row is missing");
        assert_eq!(with(|m| m.files[0].max_time = Millis(900_000)), ["times"]);
        assert_eq!(
            with(|m| m.files[0].path = "p/traces/other.parquet".to_owned()),
            ["name"]
        );
    }

    #[test]
    fn what_nothing_names_is_stray() {
        let catalog = catalog();
        let window = window(0, 900_000);
        let whole = sound(&catalog, window, 2);
        let entry = |path: String| Entry {
            path,
            size: 1,
            modified: Millis(0),
        };
        let manifest_of = |generation| {
            catalog
                .layout
                .manifest_path(&catalog.key, ManifestName { window, generation })
        };
        let data = [
            entry(whole.files[0].path.clone()),
            entry("p/traces/notes.txt".to_owned()),
        ];
        let own = [entry(manifest_of(1)), entry(manifest_of(2))];
        let found = strays(&catalog, &[whole], &data, &own);
        let paths: Vec<_> = found.iter().filter_map(|one| one.path.as_deref()).collect();
        assert_eq!(paths, ["p/traces/notes.txt", manifest_of(1).as_str()]);
    }

    #[test]
    fn changes_tell_both_sides() {
        let counts = |live, digest| SourceCounts {
            live,
            digest: Digest(digest),
            ..SourceCounts::default()
        };
        let written = [
            (window(0, 1), counts(1, 1)),
            (window(1, 2), counts(2, 2)),
            (window(2, 3), counts(3, 3)),
        ];
        let now = [
            (window(0, 1), counts(1, 1)),
            (window(1, 2), counts(2, 9)),
            (window(2, 3), counts(4, 4)),
        ];
        let found = changed(&written, &now);
        assert_eq!(
            kinds(&found),
            [("changed", Some(window(1, 2))), ("changed", Some(window(2, 3)))]
        );
        assert!(
            found[1].what.contains("3 live rows were exported, ClickHouse has 4"),
            "{}",
            found[1]
        );
    }
}
