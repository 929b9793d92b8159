//! Queries, limits, streams and inserts.

use std::time::Duration;

use bytes::Bytes;
use tracemill_model::{Blame, ByteSize, Fault, ProjectId, Table};
use tracemill_warehouse::{Comment, Compression, Secret, Service, ServiceKind, Statement, WarehouseError};

use crate::support::{Engine, sql, until};

/// Reads a stream to its end: its bytes, or its error after so many bytes.
async fn drain(service: &Service, statement: &Statement, format: &str) -> Result<Vec<u8>, (usize, WarehouseError)> {
    let mut stream = service.stream(statement, format).expect("a stream");
    let mut all = Vec::new();
    loop {
        match stream.next().await {
            Ok(Some(chunk)) => all.extend_from_slice(&chunk),
            Ok(None) => return Ok(all),
            Err(error) => {
                assert!(
                    stream.next().await.expect("ended").is_none(),
                    "an error is the last item"
                );
                return Err((all.len(), error));
            }
        }
    }
}

#[tokio::test]
async fn every_query_carries_its_limits_and_its_comment() {
    let engine = Engine::start().await;
    let service = engine.service(ServiceKind::Export, |config| {
        config.limits.max_memory_usage = Some(ByteSize(20_000_000_000));
        config.limits.max_threads = Some(3);
        config.limits.priority = Some(4);
        config.limits.timeout = Some(Duration::from_secs(77));
    });
    let project = ProjectId::new("p'1").expect("an id");
    let statement = Statement::new(
        "SELECT {p:String}, arrayStringConcat({a:Array(String)}, '|'), {n:Int64}",
        Comment::export(Table::Traces, &project),
    );
    let odd = ["it's", "tab\tline\nback\\slash", "ünï?", ""];
    let statement = statement
        .param("p", &project)
        .param("a", odd.as_slice())
        .param("n", -5i64);
    let row = service.one::<(String, String, i64)>(&statement).await.expect("a row");
    assert_eq!(row, ("p'1".to_owned(), odd.join("|"), -5));
    let id = service.execute(&statement).await.expect("run");

    let admin = engine.admin();
    admin.execute(&sql("SYSTEM FLUSH LOGS")).await.expect("flushed");
    let log = "SELECT log_comment, Settings['max_memory_usage'], Settings['max_threads'], Settings['priority'], \
               Settings['max_execution_time'] FROM system.query_log WHERE query_id = {id:String} AND type = 'QueryFinish'";
    let logged = admin
        .one::<(String, String, String, String, String)>(&sql(log).param("id", id.as_str()))
        .await
        .expect("in the query log");
    assert_eq!(
        logged.0,
        r#"{"feature":"blobstorage","type":"trace","kind":"analytic","projectId":"p'1"}"#
    );
    assert_eq!((logged.1.as_str(), logged.2.as_str()), ("20000000000", "3"));
    assert_eq!((logged.3.as_str(), logged.4.as_str()), ("4", "77"));
}

#[tokio::test]
async fn errors_have_a_kind_and_a_fault() {
    let engine = Engine::start().await;
    let admin = engine.admin();
    let cases: [(&str, u32, &str, Fault); 6] = [
        ("SELECT * FROM nowhere", 60, "unknown_table", Fault::User),
        ("SELECT nothing FROM system.one", 47, "unknown_column", Fault::User),
        ("SELECT 1 FROM nodb.t", 81, "unknown_database", Fault::User),
        ("SELEC 1", 62, "syntax", Fault::Bug),
        (
            "SELECT 1 SETTINGS no_such_setting = 1",
            115,
            "unknown_setting",
            Fault::User,
        ),
        ("SELECT {x:String}", 456, "missing_parameter", Fault::Bug),
    ];
    for (text, code, kind, fault) in cases {
        let error = admin.execute(&sql(text)).await.expect_err(text);
        assert_eq!(
            (error.code(), error.kind(), error.fault()),
            (Some(code), kind, fault),
            "{error}"
        );
        assert!(!error.to_string().contains("version 2"), "{error}");
    }
    let wrong = engine.service(ServiceKind::Export, |config| {
        config.password = Some(Secret::new("hunter2"));
    });
    let error = wrong.ping().await.expect_err("refused");
    assert_eq!(
        (error.code(), error.kind(), error.fault()),
        (Some(516), "wrong_credentials", Fault::User),
        "{error}"
    );
    assert!(!error.is_transient() && !error.to_string().contains("hunter2"));

    let greedy = engine.service(ServiceKind::Export, |config| config.limits.max_threads = Some(99));
    let error = greedy.ping().await.expect_err("above the profile's constraint");
    assert_eq!((error.code(), error.kind()), (Some(452), "constraint"), "{error}");
    let unlimited = engine.service(ServiceKind::Export, |config| {
        config.limits.max_memory_usage = Some(ByteSize(0));
    });
    assert_eq!(
        unlimited.ping().await.expect_err("0 is no limit at all").code(),
        Some(452)
    );

    let export = engine.service(ServiceKind::Export, |_| {});
    let error = export
        .execute(&sql("CREATE TABLE x (n UInt8) ENGINE = Memory"))
        .await
        .expect_err("may only read");
    assert_eq!((error.code(), error.kind()), (Some(497), "access_denied"), "{error}");

    let small = engine.service(ServiceKind::Export, |config| {
        config.limits.max_memory_usage = Some(ByteSize::mib(10));
    });
    let hungry = sql("SELECT groupArray(number) FROM numbers(10000000) GROUP BY number % 10 FORMAT Null");
    let error = small.execute(&hungry).await.expect_err("too little memory");
    assert_eq!(
        (error.code(), error.kind(), error.error_type()),
        (Some(241), "memory_limit", "MEMORY_LIMIT"),
        "{error}"
    );
    assert!(error.is_transient());

    let brief = engine.service(ServiceKind::Export, |config| {
        config.limits.timeout = Some(Duration::from_secs(1));
    });
    let error = brief
        .execute(&sql(
            "SELECT sleepEachRow(0.2) FROM numbers(50) SETTINGS max_block_size = 1 FORMAT Null",
        ))
        .await
        .expect_err("too slow");
    assert_eq!((error.code(), error.error_type()), (Some(159), "TIMEOUT"), "{error}");
}

#[tokio::test]
async fn a_failure_in_mid_stream_has_the_servers_code() {
    let engine = Engine::start().await;
    for compression in [Compression::None, Compression::Lz4] {
        let service = engine.service(ServiceKind::Export, |config| config.compression = compression);
        for (rows, block) in [(1_000_000u32, 65_536u32), (3_000, 1_000), (50_000, 777)] {
            let text = format!(
                "SELECT throwIf(number > {rows}), toString(number) FROM numbers({})",
                rows * 2
            );
            let statement = sql(&text).setting("max_block_size", block).setting("max_threads", 1);
            let (received, error) = drain(&service, &statement, "ArrowStream").await.expect_err("it throws");
            assert_eq!(
                (error.code(), error.kind()),
                (Some(395), "thrown"),
                "{compression:?} {rows} {error}"
            );
            assert!(received > 0, "the answer had begun");
        }
        let whole = drain(&service, &sql("SELECT number FROM numbers(1000000)"), "ArrowStream")
            .await
            .expect("whole");
        assert!(whole.len() > 8_000_000 && whole.ends_with(&[255, 255, 255, 255, 0, 0, 0, 0]));
        // Before the first byte it is an error of the status.
        let (received, error) = drain(&service, &sql("SELECT * FROM nowhere"), "ArrowStream")
            .await
            .expect_err("no table");
        assert_eq!((received, error.code()), (0, Some(60)));
    }
}

#[tokio::test]
async fn a_dropped_stream_ends_its_query_and_a_hung_one_is_an_error() {
    let engine = Engine::start().await;
    let service = engine.service(ServiceKind::Export, |config| {
        config.limits.stall = Duration::from_secs(3);
    });
    let mut stream = service
        .stream(&sql("SELECT repeat('x', 1000) FROM system.numbers"), "TSV")
        .expect("a stream");
    assert!(stream.next().await.expect("data").is_some());
    let running = sql("SELECT count() FROM system.processes WHERE query_id = {id:String}")
        .param("id", stream.query_id().as_str());
    let admin = engine.admin();
    assert_eq!(admin.one::<u64>(&running).await.expect("a count"), 1);
    drop(stream);
    until("the query's end", async || {
        admin.one::<u64>(&running).await.expect("a count") == 0
    })
    .await;

    let silent = sql("SELECT sum(s) FROM (SELECT sleepEachRow(2.5) AS s FROM numbers(3)) SETTINGS max_block_size = 1");
    let (_, error) = drain(&service, &silent, "TSV").await.expect_err("silence");
    assert!(matches!(error, WarehouseError::Timeout { .. }), "{error}");
    assert_eq!(
        (error.kind(), error.error_type(), error.is_transient()),
        ("timeout", "TIMEOUT", true)
    );
}

#[tokio::test]
async fn an_insert_is_streamed_and_deduplicated_by_its_token() {
    let engine = Engine::start().await;
    let admin = engine.admin();
    admin
        .execute(&sql(
            "CREATE TABLE copy (n UInt64, s String) ENGINE = MergeTree ORDER BY n \
                       SETTINGS non_replicated_deduplication_window = 100",
        ))
        .await
        .expect("a table");
    let rows = sql("SELECT number AS n, toString(number) AS s FROM numbers(200000)");
    let body = Bytes::from(drain(&admin, &rows, "ArrowStream").await.expect("a body"));
    let count = sql("SELECT count() FROM copy");
    for compression in [Compression::None, Compression::Lz4, Compression::None] {
        let service = engine.service(ServiceKind::ReadWrite, |config| config.compression = compression);
        let mut insert = service.insert(
            "copy",
            &["n", "s"],
            "ArrowStream",
            &Comment::new("test"),
            Some("batch-1"),
        );
        for start in (0..body.len()).step_by(100_000) {
            insert
                .send(body.slice(start..body.len().min(start + 100_000)))
                .await
                .expect("sent");
        }
        assert_eq!(insert.sent_bytes(), body.len() as u64);
        insert.end().await.expect("taken");
        assert_eq!(
            admin.one::<u64>(&count).await.expect("a count"),
            200_000,
            "{compression:?}"
        );
    }
    // An insert that was given up leaves nothing behind.
    let service = engine.service(ServiceKind::ReadWrite, |_| {});
    let mut insert = service.insert(
        "copy",
        &["n", "s"],
        "ArrowStream",
        &Comment::new("test"),
        Some("batch-2"),
    );
    insert.send(body.slice(..1000)).await.expect("sent");
    drop(insert);
    let mut insert = service.insert("nowhere", &["n"], "ArrowStream", &Comment::new("test"), None);
    let error = match insert.send(body.clone()).await {
        Ok(()) => insert.end().await.expect_err("no such table"),
        Err(error) => error,
    };
    assert_eq!(error.code(), Some(60), "{error}");
    assert_eq!(admin.one::<u64>(&count).await.expect("a count"), 200_000);
}

#[tokio::test]
async fn rows_of_a_limit_are_counted_without_it() {
    let engine = Engine::start().await;
    let service = engine.service(ServiceKind::ReadOnly, |_| {});
    let odd = "SELECT concat('it''s \"\\\\/ü', char(10)) AS id, toUInt16(number) AS n FROM numbers(70000) WHERE n % 2 = 0 \
               ORDER BY n DESC LIMIT 2 OFFSET";
    let ask = async |skip: u32| service.counted::<(String, u16)>(&sql(&format!("{odd} {skip}"))).await;
    let counted = ask(1).await.expect("an answer");
    let id = "it's \"\\/ü\n".to_owned();
    assert_eq!(counted.rows, [(id.clone(), 65_532), (id, 65_530)]);
    assert_eq!(counted.total, 35_000);
    assert!(counted.cost.rows >= 70_000, "{counted:?}");
    let beyond = ask(40_000).await.expect("an answer");
    assert_eq!((beyond.rows.len(), beyond.total), (0, 35_000), "beyond the end");
    let wrong = service.counted::<(u16, u16)>(&sql(&format!("{odd} 0"))).await;
    assert!(matches!(wrong, Err(WarehouseError::Answer { .. })), "{wrong:?}");
    // Late: when rows have been made already.
    let late = sql("SELECT throwIf(number = 69999) FROM numbers(70000) LIMIT 65000, 10000");
    let error = service.counted::<(u8,)>(&late).await.expect_err("it fails");
    assert!(matches!(error, WarehouseError::Server { code: 395, .. }), "{error:?}");
}
