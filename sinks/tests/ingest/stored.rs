//! Lookups by odd ids, of moved entities and of tombstones.

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKind, ObservationType, Row};
use tracemill_sources::stored::{lookup, tombstones};
use tracemill_warehouse::tombstones::{Buried, bury, find};

use crate::support::{Engine, NOON, batch, key, observation, score, trace, traces, writer};

fn odd_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "'",
        "\\",
        "\\'",
        "a\nb",
        "a\tb",
        "a\rb",
        "a\0b",
        "\u{8}\u{c}\u{1b}",
        "['x']",
        "{ids:Array(String)}",
        "--",
        "/a/b/../c",
        "%2F",
        " lead",
        "trail ",
        "NULL",
        "\u{1f9ea}",
        "\u{feff}bom",
        "1'; DROP TABLE traces; --",
        "\r\n--boundary\r\n",
    ]
    .map(str::to_owned)
    .to_vec();
    ids.push("\u{e9}".repeat(800));
    ids.push("'".repeat(800));
    ids
}

#[tokio::test]
async fn any_id_is_found_and_only_it() {
    let engine = Engine::start().await;
    let service = engine.ingestion();
    let ids = odd_ids();
    writer(&service).write(&batch(&traces("p'1", ids.clone()))).await;
    writer(&service)
        .write(&batch(&traces("p2", ids.iter().map(|id| format!("{id}x")))))
        .await;
    let keys: Vec<_> = ids.iter().map(|id| key("p'1", EntityKind::Trace, id)).collect();
    let found = lookup(&service, &keys).await.expect("found");
    for key in &keys {
        assert!(found.contains_key(key), "{key}");
    }
    let others: Vec<_> = ids.iter().map(|id| key("p2", EntityKind::Trace, id)).collect();
    assert!(lookup(&service, &others).await.expect("found").is_empty());
    // Verification and tombstones take them too.
    let buried: Vec<_> = keys.iter().cloned().map(Buried::Entity).collect();
    bury(&service, &buried, Millis(NOON)).await.expect("buried");
    assert_eq!(find(&service, &keys).await.expect("found").len(), ids.len());
    assert!(find(&service, &others).await.expect("found").is_empty());
    bury(&service, &[Buried::Project("p2".into())], Millis(NOON + 5))
        .await
        .expect("buried");
    bury(&service, &buried[..1], Millis(NOON + 7))
        .await
        .expect("buried again");
    let since = tombstones(&service, Millis(NOON + 1)).await.expect("found");
    let since: Vec<_> = since.into_iter().map(|one| (one.what, one.at.0)).collect();
    assert_eq!(
        since,
        [(Buried::Project("p2".into()), NOON + 5), (buried[0].clone(), NOON + 7)]
    );
}

#[tokio::test]
async fn the_newest_of_all_places_wins_and_the_others_can_be_buried() {
    let engine = Engine::start().await;
    let service = engine.ingestion();
    let at = |ty, day: i64, event_ts: i64, name: &str| {
        let mut row = observation("p", "t", "o");
        row.ty = ty;
        row.start_time = Millis(NOON + day * 86_400_000);
        row.event_ts = Millis(event_ts);
        row.name = name.into();
        Row::Observation(Box::new(row))
    };
    let rows = [
        at(ObservationType::Span, 0, 1, "oldest"),
        at(ObservationType::Generation, 0, 3, "newest"),
        at(ObservationType::Span, -400, 2, "older"),
        at(ObservationType::Generation, 0, 2, "replaced"),
    ];
    let writer = writer(&service);
    // Every version stays where it was written.
    engine.run("SYSTEM STOP MERGES").await;
    writer.write(&batch(&rows)).await;
    let o = key("p", EntityKind::Observation, "o");
    let found = lookup(&service, std::slice::from_ref(&o))
        .await
        .expect("found")
        .remove(&o)
        .expect("stored");
    assert!(matches!(&found.row, Row::Observation(row) if &*row.name == "newest"));
    let others: Vec<_> = found
        .others
        .iter()
        .map(|place| (&*place.part, place.time.0, place.event_ts.0))
        .collect();
    assert_eq!(others, [("SPAN", NOON, 1), ("SPAN", NOON - 400 * 86_400_000, 2)]);
    let graves: Vec<Row> = found
        .others
        .iter()
        .filter_map(|place| place.grave(&found.row, Millis(9)))
        .collect();
    writer.write(&batch(&graves)).await;
    engine.run("SYSTEM START MERGES").await;
    let live = "SELECT count() FROM observations FINAL";
    assert_eq!(engine.count(live).await, 1, "only the newest is left");
    // Its tombstones are newer now; of the entity they say that it is gone, so they must not be newer than the entity.
    let mut moved = found.row.clone();
    moved.set_version(Millis(9), Millis(9));
    writer.write(&batch(&[moved.clone()])).await;
    let found = lookup(&service, std::slice::from_ref(&o))
        .await
        .expect("found")
        .remove(&o)
        .expect("stored");
    assert!(found.row == moved && found.others.is_empty());
}

#[tokio::test]
async fn tombstones_are_found_and_unknown_texts_are_read() {
    let engine = Engine::start().await;
    let service = engine.ingestion();
    let mut gone = trace("p", "gone");
    gone.is_deleted = true;
    gone.event_ts = Millis(NOON + 1);
    let rows = [Row::Trace(Box::new(trace("p", "gone"))), Row::Trace(Box::new(gone))];
    writer(&service).write(&batch(&rows)).await;
    let renamed = |name: &str, event_ts: i64| {
        let mut row = score("p", None, "s");
        row.name = name.into();
        row.event_ts = Millis(event_ts);
        Row::Score(Box::new(row))
    };
    writer(&service)
        .write(&batch(&[renamed("a", 5), renamed("b", 4)]))
        .await;
    writer(&service)
        .write(&batch(&[Row::Observation(Box::new(observation("p", "t", "o")))]))
        .await;
    engine
        .run(
            "INSERT INTO observations (id, project_id, trace_id, type, level, start_time, event_ts) \
             SELECT 'strange', 'p', unhex('fffe'), 'THOUGHT', 'LOUD', toDateTime64('2026-02-25', 3), now64(3)",
        )
        .await;
    let keys = [
        key("p", EntityKind::Trace, "gone"),
        key("p", EntityKind::Score, "s"),
        key("p", EntityKind::Observation, "strange"),
        key("p", EntityKind::Observation, "nowhere"),
        key("p", EntityKind::Trace, "o"),
    ];
    let found = lookup(&service, &keys).await.expect("found");
    assert_eq!(found.len(), 3);
    assert!(found[&keys[0]].row.is_deleted());
    assert_eq!(found[&keys[1]].row.place().1, "a");
    assert_eq!(found[&keys[1]].others.len(), 1);
    assert!(matches!(&found[&keys[2]].row, Row::Observation(row) if row.ty == ObservationType::Span));
}

#[tokio::test]
async fn thousands_of_ids_take_few_queries() {
    let engine = Engine::start().await;
    let service = engine.ingestion();
    let ids: Vec<String> = (0..6000).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
    writer(&service).write(&batch(&traces("p", ids.clone()))).await;
    let keys: Vec<_> = ids.iter().map(|id| key("p", EntityKind::Trace, id)).collect();
    assert_eq!(lookup(&service, &keys).await.expect("found").len(), 6000);
    engine.run("SYSTEM FLUSH LOGS").await;
    let queries = engine
        .count("SELECT count() FROM system.query_log WHERE type = 'QueryFinish' AND log_comment LIKE '%\"lookup%'")
        .await;
    assert!(queries <= 8, "{queries}");
}
