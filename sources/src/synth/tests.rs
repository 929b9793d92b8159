//! The generator as a whole, against an oracle that sees nothing but the rows.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMillisecondType, UInt8Type};
use proptest::prelude::*;
use tracemill_model::time::DAY_MS;

use super::*;

/// A row as the oracle keeps it: where it is, and what decides.
#[derive(Debug, Clone)]
struct Seen {
    event_ts: i64,
    time: i64,
    deleted: bool,
    data_type: String,
    row: RecordBatch,
}

type Key = (String, Table, String);
/// The versions of an id with the chunks that they came in.
type Versions = [(Seen, ChunkId)];

fn small() -> SynthConfig {
    SynthConfig {
        projects: ["a", "b"]
            .map(|id| ProjectSpec {
                traces_per_day: 12,
                observations_per_trace: 7.0,
                ..ProjectSpec::named(id)
            })
            .to_vec(),
        days: 2,
        payload: Payload {
            median: 200,
            tail: 0.01,
            max: 8_000,
        },
        chunk_bytes: 16 << 10,
        ..SynthConfig::default()
    }
}

/// A configuration in which every irregularity is common.
fn rough() -> SynthConfig {
    let half = 0.4;
    SynthConfig {
        shares: Shares {
            updated: half,
            repeated: half,
            deleted: half,
            equal: half,
            boundary: half,
            late_new: half,
            late_changed: half,
            retyped: half,
            moved: half,
            ..Shares::default()
        },
        ..small()
    }
}

fn rows(chunk: &Chunk) -> impl Iterator<Item = (Key, Seen)> + '_ {
    chunk.batches.iter().flat_map(|(table, batch)| {
        (0..batch.num_rows()).map(move |i| {
            let text = |name: &str| {
                batch
                    .column_by_name(name)
                    .map(|c| c.as_string::<i32>().value(i).to_owned())
            };
            let ms = |name: &str| batch[name].as_primitive::<TimestampMillisecondType>().value(i);
            let key = (
                text("project_id").expect("is there"),
                *table,
                text("id").expect("is there"),
            );
            let seen = Seen {
                event_ts: ms("event_ts"),
                time: ms(table.time_column()),
                deleted: batch["is_deleted"].as_primitive::<UInt8Type>().value(i) == 1,
                data_type: text("data_type").unwrap_or_default(),
                row: batch.slice(i, 1),
            };
            (key, seen)
        })
    })
}

/// Keeps the newest version of each id, as an export should.
fn replay<'a>(chunks: impl IntoIterator<Item = &'a Chunk>) -> HashMap<Key, Seen> {
    let mut newest: HashMap<Key, Seen> = HashMap::new();
    for (key, seen) in chunks.into_iter().flat_map(rows) {
        match newest.get(&key) {
            Some(known) if known.event_ts > seen.event_ts => {}
            Some(known) if known.event_ts == seen.event_ts => assert_eq!(known.row, seen.row, "{key:?}"),
            _ => {
                newest.insert(key, seen);
            }
        }
    }
    newest
}

fn state(seen: &Seen) -> State {
    if seen.deleted {
        State::Deleted
    } else if seen.data_type == "TEXT" {
        State::LeftOut
    } else {
        State::Live
    }
}

fn all(synth: &Synth) -> Vec<Chunk> {
    synth.chunks().map(|id| synth.chunk(id).expect("a chunk")).collect()
}

/// The ledger's last entry of each id must be what the oracle finds, id by id.
fn check(chunks: &[Chunk], phase: Phase) -> Result<(), TestCaseError> {
    let taken = || chunks.iter().filter(|chunk| chunk.id.phase <= phase);
    let mut found = replay(taken());
    let mut truth: HashMap<Key, &Entry> = HashMap::new();
    for chunk in taken() {
        for entry in &chunk.entries {
            let key = (chunk.project.to_string(), entry.table, entry.id.clone());
            let replaced = truth.insert(key, entry).is_some();
            prop_assert!(!replaced || chunk.id.phase == Phase::Late, "{entry:?} is there twice");
        }
    }
    let mut totals = [Count::default(); 3];
    for (key, entry) in truth {
        let seen = found.remove(&key);
        prop_assert!(seen.is_some(), "{key:?} has no row");
        let seen = seen.expect("just checked");
        prop_assert_eq!(
            (entry.time.0, entry.event_ts.0, entry.state),
            (seen.time, seen.event_ts, state(&seen))
        );
        prop_assert_eq!(entry.fingerprint.is_some(), entry.state == State::Live);
        totals[slot(entry.table)].add(entry.state, 1);
    }
    prop_assert!(
        found.is_empty(),
        "rows of ids that the ledger does not know: {:?}",
        found.keys().next()
    );
    for (table, mut total) in TABLES.into_iter().zip(totals) {
        let sum = |of: fn(&Count) -> i64| taken().map(|chunk| of(&chunk.counts[slot(table)])).sum::<i64>();
        total.versions = taken()
            .flat_map(|c| &c.batches)
            .filter(|b| b.0 == table)
            .map(|b| b.1.num_rows() as i64)
            .sum();
        let counted = (
            sum(|c| c.versions),
            sum(|c| c.ids),
            sum(|c| c.live),
            sum(|c| c.deleted),
            sum(|c| c.left_out),
        );
        prop_assert_eq!(
            counted,
            (total.versions, total.ids, total.live, total.deleted, total.left_out)
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_ledger_is_what_a_replay_of_all_rows_gives(
        seed: u64,
        shares in prop::collection::vec(prop::sample::select(vec![0.0, 0.1, 0.5, 1.0]), 9),
        chunk_bytes in 1u64 << 10..200 << 10,
        traces in 0u32..30,
    ) {
        let mut config = rough();
        config.seed = seed;
        config.chunk_bytes = chunk_bytes;
        config.projects[0].traces_per_day = traces;
        config.shares = Shares {
            updated: shares[0], repeated: shares[1], deleted: shares[2], equal: shares[3], apart: shares[4],
            boundary: shares[5], late_new: shares[6], late_changed: shares[7], moved: shares[8], ..config.shares
        };
        let chunks = all(&Synth::new(config).expect("a valid configuration"));
        check(&chunks, Phase::Main)?;
        check(&chunks, Phase::Late)?;
    }
}

#[test]
fn chunks_are_the_same_in_any_order_and_from_another_generator() {
    let (one, two) = (Synth::new(rough()).expect("valid"), Synth::new(rough()).expect("valid"));
    let mut ids: Vec<_> = one.chunks().collect();
    let forward: Vec<_> = ids.iter().map(|id| one.chunk(*id).expect("a chunk")).collect();
    ids.reverse();
    let backward: Vec<_> = ids.iter().map(|id| two.chunk(*id).expect("a chunk")).collect();
    for (a, b) in forward.iter().zip(backward.iter().rev()) {
        assert_eq!(
            (a.id, &a.batches, &a.entries, a.counts),
            (b.id, &b.batches, &b.entries, b.counts)
        );
    }
    let other = Synth::new(SynthConfig { seed: 2, ..rough() }).expect("valid");
    assert_ne!(other.chunk(ids[0]).expect("a chunk").entries, backward[0].entries);
}

#[test]
fn every_irregularity_is_there_in_the_share_that_was_asked_for() {
    let mut config = small();
    config.projects[0].traces_per_day = 1_000;
    config.fingerprints = false;
    let shares = config.shares;
    let chunks = all(&Synth::new(config).expect("valid"));
    let mut versions: HashMap<Key, Vec<(Seen, ChunkId)>> = HashMap::new();
    for chunk in chunks.iter().filter(|chunk| chunk.project.as_str() == "a") {
        for (key, seen) in rows(chunk) {
            versions.entry(key).or_default().push((seen, chunk.id));
        }
    }
    let ids = versions.len() as f64;
    let near = |what: &str, share: f64, of: &dyn Fn(&Versions) -> bool| {
        let found = versions.values().filter(|all| of(all)).count() as f64 / ids;
        assert!(
            (share * 0.75..share * 1.25).contains(&found),
            "{what}: {found}, not {share}"
        );
    };
    let last = |all: &Versions| all.iter().max_by_key(|v| v.0.event_ts).expect("one").0.clone();
    near("deleted", shares.deleted + shares.late_changed * 0.15, &|all| {
        last(all).deleted
    });
    near("late new", shares.late_new, &|all| {
        all.iter().all(|v| v.1.phase == Phase::Late)
    });
    near("late changed", shares.late_changed, &|all| {
        all.iter().any(|v| v.1.phase == Phase::Late) && all.iter().any(|v| v.1.phase == Phase::Main)
    });
    let twice =
        |all: &Versions| (1..all.len()).any(|i| all[..i].iter().any(|other| other.0.event_ts == all[i].0.event_ts));
    near("equal", shares.equal + shares.late_changed * 0.15, &twice);
    near("boundary", shares.boundary, &|all| {
        [0, 899_999].contains(&(all[0].0.time % 900_000))
    });
    let apart = versions
        .values()
        .filter(|all| all.iter().any(|v| v.1 != all[0].1))
        .count();
    assert!(apart > 100, "{apart} ids with versions in several chunks");
    for exact in [900_000, 3_600_000, DAY_MS] {
        assert!(
            versions.values().flatten().any(|v| v.0.time % exact == 0),
            "no row on a boundary of {exact} ms"
        );
    }
    for all in versions.values() {
        assert!(
            all.iter().all(|v| v.0.time / DAY_MS == all[0].0.time / DAY_MS),
            "an id crosses days"
        );
    }
}

#[test]
fn some_ids_are_in_several_projects_and_some_are_free_text() {
    let mut config = SynthConfig { days: 1, ..small() };
    config
        .projects
        .iter_mut()
        .for_each(|project| project.traces_per_day = 300);
    let chunks = all(&Synth::new(config).expect("valid"));
    let mut owners: BTreeMap<&str, std::collections::BTreeSet<usize>> = BTreeMap::new();
    for chunk in &chunks {
        for entry in &chunk.entries {
            owners.entry(&entry.id).or_default().insert(chunk.id.project);
        }
    }
    assert!(owners.values().filter(|projects| projects.len() == 2).count() >= 3);
    assert!(owners.keys().any(|id| !id.is_ascii() || id.contains(['\'', '"', '\\'])));
    assert!(owners.keys().any(|id| id.len() == 36) && owners.keys().any(|id| id.len() == 32));
}

#[test]
fn all_types_levels_and_kinds_of_values_appear() {
    let mut config = small();
    config.projects[0].traces_per_day = 400;
    let chunks = all(&Synth::new(config).expect("valid"));
    let mut found: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut empty: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (table, batch) in chunks.iter().flat_map(|chunk| &chunk.batches) {
        assert_eq!(batch.schema(), schema(*table));
        for name in ["type", "level", "environment", "data_type"] {
            for value in batch
                .column_by_name(name)
                .into_iter()
                .flat_map(|c| c.as_string::<i32>().iter())
            {
                *found.entry((name, value.expect("not null").to_owned())).or_default() += 1;
            }
        }
        for name in ["input", "output", "version", "status_message", "comment"] {
            for value in batch
                .column_by_name(name)
                .into_iter()
                .flat_map(|c| c.as_string::<i32>().iter())
            {
                let counts = empty.entry(format!("{table}.{name}")).or_default();
                counts.0 += usize::from(value.is_none());
                counts.1 += usize::from(value == Some(""));
            }
        }
    }
    let values = |of: &str| {
        found
            .keys()
            .filter(|key| key.0 == of)
            .map(|key| key.1.as_str())
            .collect::<Vec<_>>()
    };
    let mut types = OBSERVATION_TYPES;
    types.sort_unstable();
    assert_eq!(values("type"), types);
    assert_eq!(values("level"), ["DEBUG", "DEFAULT", "ERROR", "WARNING"]);
    assert_eq!(values("environment"), ["default", "production", "staging"]);
    assert_eq!(values("data_type"), ["BOOLEAN", "CATEGORICAL", "NUMERIC", "TEXT"]);
    for (column, (null, empty)) in &empty {
        assert!(
            *null > 0 && (*empty > 0 || column == "traces.input"),
            "{column}: {null} NULL, {empty} empty"
        );
    }
}

#[test]
fn a_stream_reads_back_and_names_all_columns() {
    let synth = Synth::new(small()).expect("valid");
    let chunk = synth.chunk(synth.chunks().next().expect("a chunk")).expect("a chunk");
    for (table, batch) in &chunk.batches {
        let body = to_ipc_stream(*table, [batch, batch]).expect("a stream");
        let reader = arrow_ipc::reader::StreamReader::try_new(&body[..], None).expect("a stream");
        let read: Vec<_> = reader.collect::<Result<_, _>>().expect("batches");
        assert_eq!(read, [batch.clone(), batch.clone()]);
        assert!(body.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), "the end marker");
        assert_eq!(insert_columns(*table).split(", ").count(), table.columns().len());
    }
    let other = chunk
        .batches
        .iter()
        .find(|(table, _)| *table == Table::Traces)
        .expect("traces");
    assert!(
        to_ipc_stream(Table::Scores, [&other.1]).is_err(),
        "another table's batch"
    );
}

#[test]
fn faults_of_a_configuration_are_named_together() {
    let mut config = small();
    config.projects[1] = config.projects[0].clone();
    config.shares.updated = 1.5;
    config.shares.moved_slot_ms = 7;
    config.payload.max = 1;
    let Err(SynthError::Config(faults)) = Synth::new(config) else {
        panic!("a broken configuration was taken");
    };
    assert_eq!(faults.len(), 4, "{faults:?}");
    let synth = Synth::new(small()).expect("valid");
    let unknown = ChunkId {
        phase: Phase::Main,
        day: 9,
        part: 0,
        project: 0,
    };
    assert!(matches!(synth.chunk(unknown), Err(SynthError::NoSuchChunk(id)) if id == unknown));
}

#[test]
fn texts_pack_about_as_well_as_real_traces() {
    let synth = Synth::new(SynthConfig {
        fingerprints: false,
        ..SynthConfig::reference_day()
    })
    .expect("valid");
    let chunk = synth.chunk(synth.chunks().nth(3).expect("a chunk")).expect("a chunk");
    let (table, batch) = chunk.batches.iter().max_by_key(|b| b.1.num_rows()).expect("rows");
    let body = to_ipc_stream(*table, [batch]).expect("a stream");
    let ratio = body.len() as f64 / zstd::bulk::compress(&body, 1).expect("packed").len() as f64;
    assert!((3.5..5.5).contains(&ratio), "{ratio}");
    let row = chunk.counts[slot(*table)].bytes / chunk.counts[slot(*table)].versions;
    assert!((4_500..6_500).contains(&row), "{row} bytes a row");
}

/// The rows and the ledger with which the Python checker is tested: a change of either side shows on the other. Set
/// `UPDATE_FIXTURES` to write them anew, after a change of the generator or of the canonical form.
#[test]
fn the_fixtures_of_the_python_checker_are_what_the_generator_gives() {
    let mut config = rough();
    config.payload.max = 3_000;
    config.days = 1;
    let synth = Synth::new(config).expect("valid");
    let chunks = all(&synth);
    let mut ledger = Ledger::new(1, |_| Ok(Vec::new())).expect("memory");
    for chunk in &chunks {
        ledger.add(chunk).expect("memory");
    }
    let (summary, files) = ledger.finish().expect("memory");
    assert!(serde_json::to_string(&summary).expect("JSON").contains("\"left_out\""));
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/python/fixtures");
    for (table, ledger) in TABLES.into_iter().zip(files) {
        let path = folder.join(format!("{table}.tsv"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, &ledger).expect("written");
            write_parquet(&folder.join(format!("{table}.parquet")), table, &replay(&chunks));
        }
        let kept = std::fs::read(&path).expect("the fixture");
        assert!(kept == ledger, "{table}.tsv differs from the generator's ledger");
    }
}

fn write_parquet(path: &std::path::Path, table: Table, newest: &HashMap<Key, Seen>) {
    use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
    use parquet::basic::{Compression, ZstdLevel};
    let columns: Vec<usize> = table.export_columns().iter().map(|name| row::at(table, name)).collect();
    let schema = std::sync::Arc::new(schema(table).project(&columns).expect("columns"));
    let zstd = Compression::ZSTD(ZstdLevel::try_new(9).expect("a level"));
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_compression(zstd)
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let file = std::fs::File::create(path).expect("created");
    let mut writer = ArrowWriter::try_new_with_options(file, schema, options).expect("a writer");
    let live = newest
        .iter()
        .filter(|(key, seen)| key.1 == table && state(seen) == State::Live);
    for (_, seen) in live.collect::<BTreeMap<_, _>>() {
        writer
            .write(&seen.row.project(&columns).expect("columns"))
            .expect("written");
    }
    writer.close().expect("closed");
}
