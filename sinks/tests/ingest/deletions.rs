//! Deletions leave nothing of the deleted, keep the neighbours, and can be interrupted anywhere.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, EntityKind, Row};
use tracemill_sinks::deletions::{Deleter, Deletion, Redact, Redacted, Report, Target};
use tracemill_sinks::rows::{Builder, FileLog, RowTable};
use tracemill_sinks::store::{Store, StoreConfig};
use tracemill_sources::stored::history;
use tracemill_warehouse::tombstones::{Buried, find, since};

use crate::support::{Engine, NOON, batch, key, observation, score, trace, writer};

/// Raw objects of this test: a line `kind id` an event.
#[derive(Default)]
struct Lines {
    /// Fails once that many objects were read.
    fails_at: u32,
    read: AtomicU32,
}

impl Redact for Lines {
    fn redact(&self, _: &str, bytes: Bytes, doomed: &HashSet<EntityKey>) -> Result<Redacted, String> {
        let read = self.read.fetch_add(1, Ordering::SeqCst) + 1;
        if read == self.fails_at {
            return Err("as told".to_owned());
        }
        let text = String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())?;
        let keeps = |line: &&str| {
            let (kind, id) = line.split_once(' ').expect("a kind and an id");
            !doomed.contains(&key("p", EntityKind::parse(kind).expect("a kind"), id))
        };
        let left: Vec<&str> = text.lines().filter(keeps).collect();
        Ok(match left.len() {
            0 => Redacted::Empty,
            n if n == text.lines().count() => Redacted::Unchanged,
            _ => Redacted::Rewritten(left.join("\n").into()),
        })
    }
}

const OBJECTS: [(&str, &[(&str, &str)]); 4] = [
    ("raw/1", &[("trace", "t1"), ("observation", "o1"), ("score", "s1")]),
    (
        "raw/2",
        &[
            ("trace", "t1"),
            ("trace", "t2"),
            ("observation", "o2"),
            ("observation", "o1"),
        ],
    ),
    ("raw/3", &[("trace", "t2"), ("score", "s2")]),
    ("raw/4", &[("score", "s1"), ("score", "lone")]),
];

async fn stage(engine: &Engine) -> Store {
    let url = engine.folder.path().join("raw").to_string_lossy().into_owned();
    let store = Store::open(&StoreConfig::new(url)).expect("a store");
    let writer = writer(&engine.service);
    let mut log = Builder::new(RowTable::FileLog);
    for (path, events) in OBJECTS {
        let lines: Vec<String> = events.iter().map(|(kind, id)| format!("{kind} {id}")).collect();
        store.put(path, lines.join("\n").into()).await.expect("written");
        for (kind, id) in events {
            let line = FileLog {
                key: key("p", EntityKind::parse(kind).expect("a kind"), id),
                event_id: path.into(),
                bucket: "b".into(),
                path: path.into(),
                at: Millis(NOON),
            };
            log.push_log(&line).expect("a line");
        }
    }
    writer.write(&log.take()).await;
    for project in ["p", "q"] {
        let trace = |id| Row::Trace(Box::new(trace(project, id)));
        let observation = |trace, id| Row::Observation(Box::new(observation(project, trace, id)));
        let score = |trace, id| Row::Score(Box::new(score(project, trace, id)));
        writer.write(&batch(&[trace("t1"), trace("t2")])).await;
        writer
            .write(&batch(&[observation("t1", "o1"), observation("t2", "o2")]))
            .await;
        writer
            .write(&batch(&[
                score(Some("t1"), "s1"),
                score(Some("t2"), "s2"),
                score(None, "lone"),
            ]))
            .await;
    }
    store
}

async fn left(engine: &Engine, project: &str) -> String {
    engine
        .text(&format!(
            "SELECT arrayStringConcat(arraySort(groupArray(id)), ' ') FROM (SELECT id FROM traces WHERE project_id = '{project}' \
             UNION ALL SELECT id FROM observations WHERE project_id = '{project}' \
             UNION ALL SELECT id FROM scores WHERE project_id = '{project}')"
        ))
        .await
}

fn deletion(what: Target) -> Deletion {
    Deletion {
        project: "p".into(),
        what,
        at: Millis(NOON + 1),
    }
}

async fn check_trace_is_gone(engine: &Engine, store: &Store) {
    assert_eq!(left(engine, "p").await, "lone o2 s2 t2", "I-69, I-70");
    assert_eq!(
        left(engine, "q").await,
        "lone o1 o2 s1 s2 t1 t2",
        "the other project's are there"
    );
    for (path, expected) in [
        ("raw/1", None),
        ("raw/2", Some("trace t2\nobservation o2")),
        ("raw/3", Some("trace t2\nscore s2")),
        ("raw/4", Some("score lone")),
    ] {
        let text = store.get(path, 1000).await.ok();
        assert_eq!(text.as_deref(), expected.map(str::as_bytes), "I-70: {path}");
    }
    let gone = [("trace", "t1"), ("observation", "o1"), ("score", "s1")];
    let gone = gone.map(|(kind, id)| key("p", EntityKind::parse(kind).expect("a kind"), id));
    assert!(
        history(&engine.service, &gone).await.expect("found").is_empty(),
        "I-70: the log's lines are hidden"
    );
    let kept = [key("p", EntityKind::Trace, "t2")];
    assert_eq!(history(&engine.service, &kept).await.expect("found")[&kept[0]].len(), 2);
    assert_eq!(find(&engine.service, &gone).await.expect("found").len(), 3);
    assert!(find(&engine.service, &kept).await.expect("found").is_empty());
}

#[tokio::test]
async fn a_trace_goes_with_all_that_is_its_own() {
    let engine = Engine::start().await;
    let store = stage(&engine).await;
    let deleter = Deleter::new(engine.ingestion(), store.clone(), Lines::default());
    let job = deletion(Target::Traces(vec!["t1".into(), "never-was".into()]));
    let report = deleter.delete(&job, Millis(NOON + 2)).await.expect("deleted");
    assert_eq!((report.entities, report.rows), (4, 3), "I-69: no list of pending ids");
    check_trace_is_gone(&engine, &store).await;
    let again = deleter.delete(&job, Millis(NOON + 3)).await.expect("deleted again");
    assert_eq!(
        again,
        Report {
            entities: 2,
            ..Report::default()
        },
        "I-69: what is gone already is left alone"
    );
    let nothing = deletion(Target::Traces(Vec::new()));
    let report = deleter.delete(&nothing, Millis(NOON + 3)).await.expect("nothing");
    assert_eq!(report, Report::default(), "I-69: an empty job does nothing");
    check_trace_is_gone(&engine, &store).await;
}

#[tokio::test]
async fn a_deletion_that_failed_anywhere_is_finished_by_the_next() {
    let engine = Engine::start().await;
    let store = stage(&engine).await;
    let job = deletion(Target::Traces(vec!["t1".into()]));
    for fails_at in 1..=4 {
        let lines = Lines {
            fails_at,
            read: AtomicU32::new(0),
        };
        let deleter = Deleter::new(engine.service.clone(), store.clone(), lines);
        let failed = deleter.delete(&job, Millis(NOON + 2)).await;
        // Rows go last, so that what belongs to the trace can still be found.
        if failed.is_err() {
            assert_eq!(left(&engine, "p").await, "lone o1 o2 s1 s2 t1 t2");
        }
    }
    let deleter = Deleter::new(engine.service.clone(), store.clone(), Lines::default());
    deleter.delete(&job, Millis(NOON + 3)).await.expect("deleted");
    check_trace_is_gone(&engine, &store).await;
}

#[tokio::test]
async fn scores_and_projects_go() {
    let engine = Engine::start().await;
    let store = stage(&engine).await;
    store.put("own/p/unlogged", "x".into()).await.expect("written");
    let deleter = Deleter::new(engine.ingestion(), store.clone(), Lines::default());
    let scores = deletion(Target::Scores(vec!["lone".into(), "s2".into()]));
    deleter.delete(&scores, Millis(NOON + 2)).await.expect("deleted");
    assert_eq!(left(&engine, "p").await, "o1 o2 s1 t1 t2", "I-71");
    assert_eq!(store.get("raw/4", 1000).await.expect("kept"), "score s1", "I-71");
    let gone = ["lone", "s2"].map(|id| key("p", EntityKind::Score, id));
    assert!(
        history(&engine.service, &gone).await.expect("found").is_empty(),
        "I-71: the log's lines are hidden"
    );
    let project = deletion(Target::Project {
        folders: vec!["own/p".to_owned()],
    });
    let report = deleter.delete(&project, Millis(NOON + 3)).await.expect("deleted");
    assert_eq!((report.objects_removed, report.rows), (5, 5));
    assert_eq!(left(&engine, "p").await, "", "I-72");
    assert_eq!(left(&engine, "q").await, "lone o1 o2 s1 s2 t1 t2");
    assert!(store.list("", 100).await.expect("listed").is_empty());
    let tombstones = since(&engine.service, Millis(0)).await.expect("found");
    assert!(tombstones.iter().any(|one| one.what == Buried::Project("p".into())));
    let again = deleter.delete(&project, Millis(NOON + 4)).await.expect("deleted again");
    assert_eq!(again, Report::default(), "I-72: nothing was there any more");
}
