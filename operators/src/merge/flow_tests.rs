//! The merge under real timely workers and a real tokio runtime, with lookups that are scripted.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use timely::dataflow::operators::Inspect;
use tokio::sync::watch;
use tracemill_model::Millis;
use tracemill_model::ingest::{
    Body, EntityKey, EntityKind, Event, EventKind, Field, Origin, Rank, Row, TraceBody, TraceRow,
};

use super::flow::{MergeConfig, merge};
use super::hold::{Held, HoldConfig, Keyd};
use super::piece::Stored;
use super::pieces::Looked;
use super::stamp::Stamped;
use super::{Keyed, Patch, Tombstones};
use crate::bridge::{Command, Context, Emitter, Frontier, publish_frontier, source};
use crate::{Clock, Epoch};

const DEADLINE: Duration = Duration::from_secs(60);

fn key(id: u32) -> EntityKey {
    EntityKey {
        project: "p".into(),
        kind: EntityKind::Trace,
        id: format!("t{id}").as_str().into(),
    }
}

/// A patch that names a trace after its time.
fn patch(id: u32, at: i64, place: u32) -> Keyd {
    let key = key(id);
    let body = TraceBody {
        id: key.id.clone(),
        name: Field::Value(format!("n{at}").as_str().into()),
        tags: vec![format!("g{at}").as_str().into()],
        ..TraceBody::default()
    };
    let event = Event {
        id: format!("e{at}").as_str().into(),
        kind: EventKind::TraceCreate,
        at: Millis(at),
        rank: Rank::Whole,
        body: Body::Trace(Box::new(body)),
    };
    let origin = Origin {
        received: Millis(0),
        object: format!("o{place}").as_str().into(),
        index: place,
    };
    Keyd {
        key: Keyed::new(key),
        patch: Arc::new(Patch { event, origin }),
    }
}

fn row(key: &EntityKey, name: &str, tags: &[String], version: i64) -> Row {
    Row::Trace(Box::new(TraceRow {
        id: key.id.clone(),
        project_id: key.project.clone(),
        timestamp: Millis(0),
        name: name.into(),
        user_id: None,
        metadata: Vec::new(),
        release: None,
        version: None,
        environment: "default".into(),
        public: false,
        bookmarked: false,
        tags: tags.iter().map(|tag| tag.as_str().into()).collect(),
        input: None,
        output: None,
        session_id: None,
        created_at: Millis(0),
        updated_at: Millis(version),
        event_ts: Millis(version),
        is_deleted: false,
    }))
}

/// The last name wins, tags add up: as the real fold, and small.
fn fold(key: &EntityKey, stored: Option<&Row>, patches: &[&Patch]) -> Option<Row> {
    let (mut name, mut tags) = match stored {
        Some(Row::Trace(row)) => (row.name.to_string(), row.tags.iter().map(ToString::to_string).collect()),
        _ => (String::new(), Vec::new()),
    };
    for patch in patches {
        if let Body::Trace(body) = &patch.event.body {
            name = body.name.value().map_or(name, ToString::to_string);
            tags.extend(body.tags.iter().map(ToString::to_string));
        }
    }
    tags.sort();
    tags.dedup();
    Some(row(key, &name, &tags, 0))
}

/// What was written and what is stored: the table.
#[derive(Default)]
struct Table {
    rows: HashMap<EntityKey, Row>,
    /// What raw objects hold of rows, read where a patch is older than the row.
    history: HashMap<EntityKey, Vec<Arc<Patch>>>,
    written: Vec<(EntityKey, Millis)>,
}

struct Script {
    epochs: Vec<Vec<Keyd>>,
    workers: usize,
    for_ms: i64,
    tombstones: Tombstones,
}

/// Runs a script; rows are "stored" as soon as they leave the merge, as the frontier that follows them says.
fn run(script: Script, table: Table) -> (Table, Arc<Held>) {
    let Script {
        epochs,
        workers,
        for_ms,
        tombstones,
    } = script;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let context = Context::new(runtime.handle().clone());
    let table = Arc::new(Mutex::new(table));
    let gauge = Arc::new(Held::default());
    let now = Arc::new(AtomicI64::new(1_000_000));
    let clock = Clock::of({
        let now = Arc::clone(&now);
        move || Millis(now.fetch_add(1, Ordering::Relaxed))
    });
    let (publish, durable) = watch::channel(Frontier::start());
    let epochs = Arc::new(epochs);
    let late = Arc::new(AtomicU64::new(0));
    let on_worker = (Arc::clone(&table), Arc::clone(&gauge), Arc::clone(&epochs), durable);
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (table, gauge, epochs, durable) = &on_worker;
        let (table, epochs) = (Arc::clone(table), Arc::clone(epochs));
        let config = MergeConfig {
            hold: HoldConfig {
                asks_all: false,
                for_ms,
                bytes: u64::MAX,
                durable: durable.clone(),
                clock: clock.clone(),
                gauge: Arc::clone(gauge),
            },
            fold: Arc::new(fold),
            tombstones: tombstones.clone(),
            clock: clock.clone(),
        };
        worker.dataflow::<Epoch, _, _>(|scope| {
            let mut durable = durable.clone();
            let task = (scope.index() == 0).then_some(move |emitter: Emitter<Keyd>| async move {
                for (number, patches) in (0..).zip(epochs.iter()) {
                    for patch in patches {
                        emitter.give(Epoch::of_window(number), patch.clone());
                    }
                    emitter.advance(Epoch::of_window(number + 1));
                    // Every other epoch overlaps with the one before.
                    if number % 2 == 1 {
                        let passed = |frontier: &Frontier| frontier.passed_window(number);
                        let _ = durable.wait_for(passed).await;
                    }
                }
                emitter.close();
                Ok::<(), Infallible>(())
            });
            let patches = source(scope, "script", &context, task);
            let (looked_in, late) = (Arc::clone(&table), Arc::clone(&late));
            let rows = merge(patches, "test", &context, config, |mut commands, replies| async move {
                while let Some(command) = commands.recv().await {
                    let Command::Item { ticket, item, .. } = command else {
                        continue;
                    };
                    // Lookups of one epoch may take longer than those of the next.
                    for _ in 0..late.fetch_add(7, Ordering::Relaxed) % 13 {
                        tokio::task::yield_now().await;
                    }
                    for (key, wanted) in item.keys {
                        let table = looked_in.lock().expect("not poisoned");
                        let row = table.rows.get(&key.key).cloned();
                        let is_late = |row: &Row| wanted.oldest.is_some_and(|oldest| oldest <= row.updated_at());
                        let is_read = row.as_ref().is_some_and(is_late);
                        let history = table.history.get(&key.key).filter(|_| is_read);
                        let looked = Looked {
                            is_whole: row.is_none() || is_read,
                            history: history.cloned().unwrap_or_default(),
                            stored: row.map(|row| {
                                let others = Vec::new();
                                Arc::new(Stored { row, others })
                            }),
                            key,
                        };
                        replies.give(ticket, looked);
                    }
                    replies.done(ticket);
                }
                Ok::<(), Infallible>(())
            });
            let written = rows.inspect(move |Stamped { row, .. }| {
                let mut table = table.lock().expect("not poisoned");
                table.written.push((row.key(), row.event_ts()));
                table.rows.insert(row.key(), row.clone());
            });
            publish_frontier(written, "durable", publish.clone());
        });
        let began = Instant::now();
        while worker.has_dataflows() {
            assert!(began.elapsed() < DEADLINE, "a standstill");
            worker.step_or_park(Some(Duration::from_millis(20)));
        }
    });
    drop(guards.expect("workers"));
    let table = std::mem::take(&mut *table.lock().expect("not poisoned"));
    (table, gauge)
}

fn names(table: &Table) -> BTreeMap<String, (String, usize)> {
    let rows = table.rows.iter();
    rows.map(|(key, row)| match row {
        Row::Trace(row) => (key.id.to_string(), (row.name.to_string(), row.tags.len())),
        _ => unreachable!("only traces"),
    })
    .collect()
}

/// The truth: the newest name of each, and how many distinct patches there were.
fn truth(all: &[(u32, i64)]) -> BTreeMap<String, (String, usize)> {
    let mut times: BTreeMap<u32, std::collections::BTreeSet<i64>> = BTreeMap::new();
    for (id, at) in all {
        times.entry(*id).or_default().insert(*at);
    }
    times
        .into_iter()
        .map(|(id, times)| {
            let last = times.last().expect("one at least");
            (format!("t{id}"), (format!("n{last}"), times.len()))
        })
        .collect()
}

fn epochs(all: &[(u32, i64)], each: usize) -> Vec<Vec<Keyd>> {
    let patches: Vec<Keyd> = (0..).zip(all).map(|(place, (id, at))| patch(*id, *at, place)).collect();
    patches.chunks(each.max(1)).map(<[Keyd]>::to_vec).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_order_over_any_epochs_gives_the_same(
        all in prop::collection::vec((0u32..6, 0i64..40), 1..80),
        each in 1usize..9,
        workers in prop::sample::select(vec![1usize, 3]),
    ) {
        // Held for ever: all patches of an entity are known together.
        let script = Script { epochs: epochs(&all, each), workers, for_ms: i64::MAX / 2, tombstones: Tombstones::default() };
        let (table, _) = run(script, Table::default());
        prop_assert_eq!(names(&table), truth(&all));
        let mut last: HashMap<EntityKey, Millis> = HashMap::new();
        for (key, version) in &table.written {
            let before = last.insert(key.clone(), *version);
            prop_assert!(before.is_none_or(|before| before < *version), "versions only grow");
        }
    }

    #[test]
    fn what_is_let_go_is_looked_up_again(each in 1usize..9, workers in prop::sample::select(vec![1usize, 3])) {
        // Held for no time, in order of times: what is stored is all that is known of an entity when it comes again.
        let all: Vec<(u32, i64)> = (0..120).map(|n| (n % 5, i64::from(n))).collect();
        let script = Script { epochs: epochs(&all, each), workers, for_ms: 0, tombstones: Tombstones::default() };
        let (table, gauge) = run(script, Table::default());
        prop_assert_eq!(names(&table), truth(&all));
        prop_assert!(gauge.lookups.load(Ordering::Relaxed) > 5, "entities were let go");
    }
}

#[test]
fn what_is_durable_is_let_go_though_no_patch_comes() {
    let script = Script {
        // The last ones only tell the time.
        epochs: vec![vec![patch(1, 5, 0)], vec![patch(2, 5, 1)], Vec::new(), Vec::new()],
        workers: 1,
        for_ms: 0,
        tombstones: Tombstones::default(),
    };
    let (_, gauge) = run(script, Table::default());
    let held = [&gauge.entities, &gauge.bytes].map(|gauge| gauge.load(Ordering::Relaxed));
    assert_eq!(held, [0, 0]);
}

#[test]
fn what_is_stored_already_is_not_written_and_versions_go_on() {
    let same = row(&key(1), "n5", &["g5".to_owned()], 7_000_000);
    let other = row(&key(2), "old", &["g1".to_owned()], 9_000_000);
    let table = Table {
        rows: [same, other].into_iter().map(|row| (row.key(), row)).collect(),
        ..Table::default()
    };
    let script = Script {
        epochs: vec![vec![patch(1, 5, 0), patch(2, 5, 1)]],
        workers: 1,
        for_ms: 1000,
        tombstones: Tombstones::default(),
    };
    let (table, _) = run(script, table);
    let versions: Vec<_> = table
        .written
        .iter()
        .map(|(key, at)| (key.id.to_string(), at.0))
        .collect();
    assert_eq!(
        versions,
        [("t2".to_owned(), 9_000_002)],
        "above what was stored, though the clock is behind"
    );
}

/// Of a request there is one row an entity, however many events it has; of an empty one there is none.
#[test]
fn one_row_an_entity_and_epoch() {
    let four = vec![patch(1, 5, 0), patch(2, 5, 1), patch(1, 6, 2), patch(2, 7, 3)];
    for (epochs, expected) in [(vec![four], 2), (vec![vec![]], 0)] {
        let script = Script {
            epochs,
            workers: 3,
            for_ms: 1000,
            tombstones: Tombstones::default(),
        };
        let (table, _) = run(script, Table::default());
        assert_eq!(
            (table.written.len(), table.rows.len()),
            (expected, expected),
            "I-68, O-74"
        );
    }
}

/// A span that only names a trace.
fn stub(id: u32, at: i64, place: u32) -> Keyd {
    let Keyd { key, patch } = patch(id, at, place);
    let mut patch = Arc::unwrap_or_clone(patch);
    patch.event.rank = Rank::Stub;
    patch.event.body = Body::Trace(Box::default());
    let patch = Arc::new(patch);
    Keyd { key, patch }
}

#[test]
fn a_late_patch_of_a_held_entity_reads_its_history() {
    for (first, name) in [(stub(1, 8, 1), "n7"), (patch(1, 9, 1), "n9")] {
        let stored = row(&key(1), "n7", &["g7".to_owned()], 7);
        let table = Table {
            rows: HashMap::from([(stored.key(), stored)]),
            history: HashMap::from([(key(1), vec![patch(1, 7, 0).patch])]),
            ..Table::default()
        };
        // The first is enough with the stored row, and the entity is held from then on; the second was before that row.
        let script = Script {
            epochs: vec![vec![first], vec![], vec![patch(1, 5, 2)], vec![], vec![patch(1, 4, 3)]],
            workers: 1,
            for_ms: i64::MAX / 2,
            tombstones: Tombstones::default(),
        };
        let (table, gauge) = run(script, table);
        assert_eq!(names(&table)["t1"].0, name);
        let lookups = gauge.lookups.load(Ordering::Relaxed);
        assert_eq!(lookups, 2, "once its history is at hand nothing more is asked");
    }
}

#[test]
fn what_was_deleted_stays_deleted() {
    let tombstones = Tombstones::default();
    tombstones.add([(key(1), Millis(0))]);
    let script = Script {
        epochs: vec![vec![patch(1, 5, 0), patch(2, 5, 1)], vec![patch(1, 6, 2)]],
        workers: 1,
        for_ms: 1000,
        tombstones,
    };
    let (table, _) = run(script, Table::default());
    assert_eq!(names(&table).into_keys().collect::<Vec<_>>(), ["t2"]);
}
