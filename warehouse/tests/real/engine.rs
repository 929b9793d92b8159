//! Start, stop, restart, and an end without warning.

use std::process::{Command, Stdio};

use tracemill_model::Blame;
use tracemill_warehouse::embedded::{Options, run_if_child};
use tracemill_warehouse::{Embedded, ServiceKind, WarehouseError};

use crate::support::{Engine, admin, is_alive, options, sql, until};

const PARENT_FOLDER: &str = "TRACEMILL_TEST_PARENT_FOLDER";

#[tokio::test]
async fn starts_answers_and_stops() {
    let begun = std::time::Instant::now();
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Embedded::start(&options(folder.path())).await.expect("started");
    println!("start took {:?}", begun.elapsed());
    let pid = engine.pid();
    assert!(is_alive(pid));
    let service = admin(&engine);
    service.ping().await.expect("an answer");
    assert!(
        service
            .server_version()
            .await
            .expect("a version")
            .starts_with(|c: char| c.is_ascii_digit())
    );
    let skew = service.server_time().await.expect("a time").0 - now_ms();
    assert!(skew.abs() < 5_000, "{skew} ms");
    let rss = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    println!("{}", rss.lines().find(|line| line.starts_with("VmRSS")).unwrap_or(""));

    let begun = std::time::Instant::now();
    engine.stop().await.expect("stopped");
    println!("stop took {:?}", begun.elapsed());
    assert!(!is_alive(pid));
    let error = service.ping().await.expect_err("nobody is there");
    assert!(error.is_unreachable() && error.is_transient(), "{error}");
    assert!(folder.path().join("log/clickhouse.log").exists());
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(now.as_millis()).expect("fits")
}

#[tokio::test]
async fn a_second_start_on_the_folder_is_refused_by_name() {
    let engine = Engine::start().await;
    let error = Embedded::start(&options(engine.folder())).await.expect_err("in use");
    match &error {
        WarehouseError::FolderInUse { pid, .. } => assert_eq!(*pid, engine.pid()),
        other => panic!("{other}"),
    }
    engine.admin().ping().await.expect("the first is unharmed");
}

#[tokio::test]
async fn a_port_in_use_is_the_engines_own_error() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        http_port: Some(taken.local_addr().expect("an address").port()),
        ..options(folder.path())
    };
    let error = Embedded::start(&options).await.expect_err("the port is taken");
    assert_eq!(error.kind(), "engine");
    assert!(error.to_string().contains("Address already in use"), "{error}");
}

#[tokio::test]
async fn a_restart_keeps_the_data_the_passwords_and_the_query_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Embedded::start(&options(folder.path())).await.expect("started");
    let service = admin(&engine);
    service
        .execute(&sql("CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n"))
        .await
        .expect("a table");
    service
        .execute(&sql("INSERT INTO kept SELECT number FROM numbers(1000)"))
        .await
        .expect("rows");
    let password = engine.service_config(ServiceKind::Export).password;
    engine.stop().await.expect("stopped");

    let engine = Embedded::start(&options(folder.path())).await.expect("started again");
    assert_eq!(engine.service_config(ServiceKind::Export).password, password);
    let service = admin(&engine);
    assert_eq!(
        service
            .one::<u64>(&sql("SELECT count() FROM kept"))
            .await
            .expect("a count"),
        1000
    );
    let log = sql("SELECT count() FROM system.query_log WHERE query LIKE '%FROM kept%'");
    service.execute(&sql("SYSTEM FLUSH LOGS")).await.expect("flushed");
    assert!(service.one::<u64>(&log).await.expect("the query log is there") > 0);
    engine.stop().await.expect("stopped");
}

/// The body of the process that `an_end_without_warning_ends_the_engine_too` kills: starts an engine and waits.
#[test]
fn parent_that_is_killed() {
    let Some(folder) = std::env::var_os(PARENT_FOLDER) else {
        return;
    };
    run_if_child();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let _engine = Embedded::start(&options(folder.as_ref())).await.expect("started");
        println!("ready");
        std::future::pending::<()>().await;
    });
}

#[tokio::test]
async fn an_end_without_warning_ends_the_engine_too() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().expect("a folder");
    let mut parent = Command::new(std::env::current_exe().expect("this program"))
        .args(["engine::parent_that_is_killed", "--exact", "--nocapture"])
        .env(PARENT_FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a parent");
    let lines = BufReader::new(parent.stdout.take().expect("its output")).lines();
    assert!(
        lines.map_while(Result::ok).any(|line| line.ends_with("ready")),
        "the engine started"
    );
    let run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).expect("run.json")).expect("JSON");
    let pid = u32::try_from(run["pid"].as_u64().expect("a pid")).expect("a pid");
    assert!(is_alive(pid));

    parent.kill().expect("SIGKILL");
    parent.wait().expect("reaped");
    // A start right after it waits for the old engine's end rather than to call the folder in use.
    let engine = Embedded::start(&options(folder.path()))
        .await
        .expect("the folder is free");
    until("the old engine's end", async || !is_alive(pid)).await;
    engine.stop().await.expect("stopped");
}
