//! What follows from an insert's errors, by the server's own.

use std::sync::Arc;
use std::time::Duration;

use tracemill_operators::bridge::spawn;
use tracemill_sinks::rows::{RowTable, WriteState, Writer};
use tracemill_warehouse::{Service, ServiceConfig, ServiceKind};

use crate::proxy::{Fault, Proxy};
use crate::support::{Engine, batch, service_at, sql, traces, writer};

fn ids(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |n| format!("{prefix}-{n}"))
}

#[tokio::test]
async fn a_refused_row_is_found_and_the_others_go_in() {
    let engine = Engine::start().await;
    engine
        .run("ALTER TABLE traces ADD CONSTRAINT no_poison CHECK NOT startsWith(id, 'poison')")
        .await;
    let mut rows = traces("p", ids("good", 500));
    rows.insert(123, traces("p", ["poison-1".to_owned()]).remove(0));
    rows.insert(400, traces("q", ["poison-2".to_owned()]).remove(0));
    let written = writer(&engine.ingestion()).write(&batch(&rows)).await;
    assert_eq!(written.rows, 500);
    let rejected: Vec<_> = written
        .rejected
        .iter()
        .map(|rejected| {
            (
                rejected.row,
                &*rejected.key.project,
                &*rejected.key.id,
                rejected.code,
                rejected.kind,
            )
        })
        .collect();
    assert_eq!(
        rejected,
        [
            (123, "p", "poison-1", 469, "violated_constraint"),
            (400, "q", "poison-2", 469, "violated_constraint")
        ],
        "I-59"
    );
    assert!(written.rejected[0].reason.contains("no_poison") && written.rejected[0].attempts > 1);
    assert!(written.inserts < 50, "{}", written.inserts);
    assert_eq!(engine.count("SELECT uniqExact(id) FROM traces").await, 500);
    let single = writer(&engine.ingestion())
        .write(&batch(&traces("p", ["poison".to_owned()])))
        .await;
    assert_eq!((single.rows, single.rejected.len(), single.inserts), (0, 1, 1));
}

#[tokio::test]
async fn answers_that_are_swallowed_are_verified_not_repeated() {
    let engine = Engine::start().await;
    let proxy = Proxy::start(&engine.embedded.url(), 1).await;
    let rows = traces("p", ids("t", 3000));
    let written = writer(&service_at(proxy.url.clone())).write(&batch(&rows)).await;
    assert!(proxy.left() == 0, "an answer was swallowed");
    assert_eq!(
        (written.rows, written.verified, written.inserts),
        (3000, 3000, 1),
        "I-61: verified, not inserted twice"
    );
    assert_eq!(engine.count("SELECT count() FROM traces").await, 3000);
}

#[tokio::test]
async fn rows_that_are_lost_while_their_token_is_remembered_are_sent_again() {
    let engine = Engine::start().await;
    let rows = traces("p", ids("t", 100));
    writer(&engine.ingestion()).write(&batch(&rows)).await;
    // As after a kill between the note of the token and the rows: a deletion leaves the token.
    engine.run("DELETE FROM traces WHERE 1").await;
    assert_eq!(engine.count("SELECT count() FROM traces").await, 0);
    let proxy = Proxy::start(&engine.embedded.url(), 1).await;
    let written = writer(&service_at(proxy.url.clone())).write(&batch(&rows)).await;
    assert!(proxy.left() == 0, "an answer was swallowed");
    assert_eq!((written.rows, written.inserts), (100, 3));
    assert_eq!(engine.count("SELECT count() FROM traces").await, 100);
}

#[tokio::test]
async fn what_is_missing_after_a_cut_is_sent_again() {
    let engine = Engine::start().await;
    // Half of the rows are there in an older version, and another project has all of the ids: neither counts.
    let mut older = traces("p", ids("t", 50));
    for row in &mut older {
        row.set_version(tracemill_model::Millis(1), tracemill_model::Millis(1));
    }
    let direct = writer(&engine.service);
    direct.write(&batch(&older)).await;
    direct.write(&batch(&traces("q", ids("t", 100)))).await;
    // Thirty are there as they should be, as after an insert that got half-way.
    direct.write(&batch(&traces("p", ids("t", 30)))).await;
    engine.run("ALTER TABLE traces ADD CONSTRAINT closed CHECK 0").await;
    let proxy = Proxy::start(&engine.embedded.url(), 1).await;
    let service = service_at(proxy.url.clone());
    let slow = Arc::new(writer(&service));
    let all = batch(&traces("p", ids("t", 100)));
    let writing = Arc::clone(&slow);
    let task = tokio::spawn(async move { writing.write(&all).await });
    // The first answer (a refusal) is swallowed; verification finds thirty, and only the rest is tried again.
    while proxy.left() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let written = task.await.expect("written");
    assert_eq!((written.verified, written.rejected.len()), (30, 70), "I-61");
    assert!(
        written.rejected.iter().all(|rejected| rejected.row >= 30),
        "I-61: only what is missing is sent again"
    );
}

#[tokio::test]
async fn faults_of_configuration_hold_and_go_on_when_mended() {
    let engine = Engine::start().await;
    engine.run("RENAME TABLE traces TO hidden").await;
    let writer = Arc::new(writer(&engine.service));
    let task = tokio::spawn(write(&writer, 10));
    let held = until_held(&writer).await;
    assert!(held.contains("UNKNOWN_TABLE"), "{held}");
    engine.run("RENAME TABLE hidden TO traces").await;
    assert_eq!(task.await.expect("written"), 10);
    assert!(writer.states().list().is_empty());

    // Rows are not blamed for a column that cannot be made of what they hold.
    let instead = |ty: &str| format!("ALTER TABLE traces DROP COLUMN public, ADD COLUMN public {ty}");
    engine.run(&instead("Array(String)")).await;
    let task = tokio::spawn(write(&writer, 11));
    let held = until_held(&writer).await;
    assert!(held.contains("traces.public"), "{held}");
    engine.run(&instead("Bool")).await;
    assert_eq!(task.await.expect("written"), 11);
}

#[tokio::test]
async fn columns_of_wider_types_take_what_is_written() {
    let engine = Engine::start().await;
    for (column, ty) in [
        ("public", "UInt64"),
        ("name", "LowCardinality(String)"),
        ("session_id", "LowCardinality(Nullable(String))"),
        ("environment", "String"),
        ("metadata", "Map(String, String)"),
    ] {
        engine
            .run(&format!("ALTER TABLE traces MODIFY COLUMN {column} {ty}"))
            .await;
    }
    let rows = traces("p", ids("t", 3));
    let written = writer(&engine.service).write(&batch(&rows)).await;
    assert_eq!((written.rows, written.rejected.len()), (3, 0));
    let found = engine.count("SELECT count() FROM traces").await;
    assert_eq!(found, 3);
}

fn write(writer: &Arc<Writer>, rows: usize) -> impl Future<Output = usize> + Send + 'static {
    let writer = Arc::clone(writer);
    async move { writer.write(&batch(&traces("p", ids("t", rows)))).await.rows }
}

async fn until_held(writer: &Writer) -> String {
    loop {
        for (table, state) in writer.states().list() {
            assert_eq!(table, RowTable::Traces);
            if let WriteState::Held { why } = state {
                return why;
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn too_many_months_and_too_little_memory_are_halved() {
    let engine = Engine::start().await;
    let months = |count: i64| {
        let mut rows = traces("p", ids("t", usize::try_from(count).expect("small")));
        for (row, month) in rows.iter_mut().zip(0_i64..) {
            if let tracemill_model::ingest::Row::Trace(row) = row {
                row.timestamp = tracemill_model::Millis(month * 31 * 86_400_000);
            }
        }
        rows
    };
    let written = writer(&engine.ingestion()).write(&batch(&months(300))).await;
    assert_eq!((written.rows, written.rejected.len()), (300, 0));
    assert!(written.inserts > 3, "{}", written.inserts);

    let config = ServiceConfig {
        limits: tracemill_warehouse::Limits {
            max_memory_usage: Some(tracemill_model::ByteSize::mib(24)),
            ..tracemill_warehouse::Limits::default()
        },
        ..engine.embedded.admin_config()
    };
    let small = Service::new(ServiceKind::ReadWrite, &config).expect("a service");
    let mut rows = traces("big", ids("t", 64));
    for row in &mut rows {
        if let tracemill_model::ingest::Row::Trace(row) = row {
            row.input = Some("x".repeat(1 << 20).into());
        }
    }
    let written = writer(&small).write(&batch(&rows)).await;
    assert_eq!((written.rows, written.rejected.len()), (64, 0), "I-63: halved, not cut");
    assert!(written.inserts > 2, "{}", written.inserts);
    assert_eq!(
        engine
            .count("SELECT uniqExact(id) FROM traces WHERE project_id = 'big'")
            .await,
        64
    );
}

#[tokio::test]
async fn an_outage_is_waited_for() {
    let engine = Engine::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let writer = Arc::new(writer(&service_at(format!("http://127.0.0.1:{port}"))));
    let task = tokio::spawn(write(&writer, 5));
    loop {
        let states = writer.states().list();
        if let Some((_, WriteState::BackingOff { why, .. })) = states.first() {
            assert!(why.contains("cannot reach clickhouse"), "{why}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let server = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("the port again");
    let upstream = engine.embedded.url().trim_start_matches("http://").to_owned();
    let _forwarding = spawn("forward", async move {
        let mut running = Vec::new();
        while let Ok((mut client, _)) = server.accept().await {
            let mut up = tokio::net::TcpStream::connect(&upstream).await.expect("the server");
            running.push(spawn("connection", async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut up).await;
            }));
        }
    });
    assert_eq!(
        task.await.expect("written"),
        5,
        "I-59: an outage ends no row, and none is given up"
    );
}

/// Too many queries, then a connection that ends before the server has read the rows, then success.
#[tokio::test]
async fn what_passes_is_tried_again() {
    let engine = Engine::start().await;
    let proxy = Proxy::with_faults(&engine.embedded.url(), &[Fault::Busy, Fault::Cut]).await;
    let written = writer(&service_at(proxy.url.clone()))
        .write(&batch(&traces("p", ids("t", 10))))
        .await;
    assert_eq!(
        (written.rows, written.verified, written.inserts, proxy.left()),
        (10, 0, 3, 0),
        "I-62"
    );
    assert_eq!(engine.count("SELECT count() FROM traces").await, 10);
}

#[tokio::test]
async fn the_same_rows_have_the_same_token_and_go_in_once() {
    let engine = Engine::start().await;
    let rows = batch(&traces("p", ids("t", 20)));
    let first = writer(&engine.service).write(&rows).await;
    let second = writer(&engine.service).write(&rows).await;
    assert_eq!((first.rows, second.rows), (20, 20));
    assert_eq!(engine.count("SELECT count() FROM traces").await, 20);
    engine
        .service
        .execute(&sql("SYSTEM FLUSH LOGS"))
        .await
        .expect("flushed");
    let logged = engine
        .text(
            "SELECT any(log_comment) || any(Settings['async_insert']) FROM system.query_log \
             WHERE query LIKE 'INSERT INTO `traces`%' AND type = 'QueryFinish'",
        )
        .await;
    assert_eq!(
        logged,
        r#"{"feature":"ingestion","type":"traces","operation_name":"writeToClickhouse","projectId":"p"}0"#
    );
}
