//! What the governor and admission promise, on the real engine: inserts become fewer while parts pile up, exports stay below
//! their ceiling and end right at it, readers are never piled up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tracemill_tests::http::{self, Answer};
use tracemill_tests::{Check, Clients, Engine, Graph, Output, Proxy, Running, Site, wait_until};

use crate::common::{Stage, TABLES, args, assert_consistent, totals};

/// How long what is waited for may take to happen.
const SOON: Duration = Duration::from_secs(120);

/// A ceiling, in bytes a second.
const RATE: u64 = 1 << 20;

/// When each insert into a table began, in ms.
fn inserts(engine: &Engine, table: &str) -> Vec<i64> {
    let _ = engine.query("SYSTEM FLUSH LOGS");
    let sql = format!(
        "SELECT toUnixTimestamp64Milli(query_start_time_microseconds) FROM system.query_log \
         WHERE type = 'QueryFinish' AND query_kind = 'Insert' AND log_comment LIKE '%writeToClickhouse%' \
         AND has(tables, currentDatabase() || '.{table}') ORDER BY 1"
    );
    let text = engine.query(&sql);
    text.lines().map(|line| line.parse().expect("ms")).collect()
}

/// A time of a status file, in ms.
fn ms(engine: &Engine, at: &Value) -> i64 {
    let at = at.as_str().expect("a time");
    let sql = format!("SELECT toUnixTimestamp64Milli(parseDateTime64BestEffort('{at}', 3, 'UTC'))");
    engine.query(&sql).parse().expect("ms")
}

#[test]
fn inserts_become_fewer_while_parts_pile_up_and_come_back_when_they_are_merged() {
    let site = Site::new();
    for table in TABLES {
        let sql = format!("ALTER TABLE {table} MODIFY SETTING parts_to_delay_insert = 60");
        site.engine.execute(&sql);
    }
    site.engine.execute("SYSTEM STOP MERGES");
    let mut running = site.run();
    let journal = site.scratch.join("journal.jsonl");
    let clients = Clients::start(&site.url(), &journal, &["--rate", "250", "--seed", "parts"]);
    let governor = |running: &Running| site.status(running)["governor"].clone();
    let stretched = running.until("batches wait eight times their age", SOON, |running| {
        let governor = governor(running);
        (governor["stretch"] == 8).then_some(governor)
    });
    assert_eq!(stretched["reason"], "many_parts", "{stretched:#}");
    assert_eq!(
        (&stretched["waitMs"], &stretched["delayAt"]),
        (&1_600.into(), &60.into())
    );
    let (_, metrics) = site.tells("/metrics");
    let has = |metrics: &str, line: &str| {
        assert!(metrics.lines().any(|one| one.starts_with(line)), "{line}: {metrics}");
    };
    has(&metrics, "tracemill_ingestion_stretch{reason=\"many_parts\"} 8");
    has(&metrics, "tracemill_ingestion_parts_to_delay{table=");
    assert!(!running.records("inserts_stretched").is_empty());

    let changes = stretched["changes"].as_array().expect("changes");
    let at = |factor: u64| {
        let change = changes.iter().find(|change| change[1] == factor);
        ms(&site.engine, &change.expect("a change to that factor")[0])
    };
    let (first, last) = (at(2), at(8));
    let table = "observations";
    let after = |last: i64| inserts(&site.engine, table).into_iter().filter(move |at| *at > last);
    wait_until("some more inserts", SOON, || after(last).count() >= 5);
    let gaps = |times: Vec<i64>| -> Vec<i64> { times.windows(2).map(|pair| pair[1] - pair[0]).collect() };
    let before = inserts(&site.engine, table).into_iter().filter(|at| *at < first);
    let (before, after) = (gaps(before.collect()), gaps(after(last).collect()));
    println!("ms between inserts before: {before:?}, stretched: {after:?}");
    assert!(before.len() >= 10 && before.iter().any(|gap| *gap < 800), "{before:?}");
    // The first of them may have begun to wait before.
    assert!(after[1..].iter().all(|gap| *gap >= 1_500), "{after:?}");

    site.engine.execute("SYSTEM START MERGES");
    running.until("batches wait their age again", SOON * 2, |running| {
        (governor(running)["stretch"] == 1).then_some(())
    });
    assert!(!running.records("inserts_relaxed").is_empty());
    let sent = clients.stop();
    assert_eq!(sent.retries, 0, "no client notices");
    let _ = site.right(running, &journal, SOON);
}

/// What the newest run of a graph says of itself.
fn last_run(stage: &Stage, graph: &Graph) -> Value {
    let told = stage.tracemill.ok(args(&graph.write(), "status", &["--json"]));
    let report: Value = serde_json::from_str(&told.stdout).expect("JSON");
    report["runs"][0].clone()
}

#[track_caller]
fn all_right(stage: &Stage, graph: &Graph, output: &Output) {
    assert_consistent(graph.store());
    for table in TABLES {
        let _ = Check::new(table, &stage.truth, graph.store()).right();
    }
    let letters: u64 = totals(output).values().map(|totals| totals.letters).sum();
    assert_eq!(letters, 0);
}

/// From the first query of exports to the end of the last one, by ClickHouse's own log, in seconds.
fn span(engine: &Engine) -> f64 {
    let _ = engine.query("SYSTEM FLUSH LOGS");
    let sql = "SELECT date_diff('ms', min(query_start_time_microseconds), max(event_time_microseconds)) / 1000 \
               FROM system.query_log WHERE type = 'QueryFinish' AND log_comment LIKE '%\"feature\":\"blobstorage\"%' \
               AND log_comment LIKE '%\"kind\":\"analytic\"%'";
    engine.query(sql).parse().expect("seconds")
}

#[test]
fn exports_stay_below_their_ceiling() {
    let stage = Stage::new(&["--seed", "61", "--projects", "1", "--days", "2", "--traces", "200"]);

    // Slower than its deadline would allow, if waiting for the governor counted.
    let graph = stage
        .graph("low")
        .limit("leaves", 4)
        .source("deadline", "4 s")
        .set(
            "status.dir",
            stage.scratch.join("low-status").to_string_lossy().into_owned(),
        )
        .set("governor.max_leaves", 1)
        .set("governor.max_bytes_per_second", "1 MiB");
    let output = stage.export(&graph);
    all_right(&stage, &graph, &output);
    let splits: u64 = totals(&output).values().map(|totals| totals.splits).sum();
    assert_eq!(splits, 0, "a leaf that is held back is in no hurry");
    let run = last_run(&stage, &graph);
    let governor = &run["governor"];
    println!("{governor:#}");
    assert_eq!(governor["passed"]["mostLeaves"], 1, "{governor:#}");
    assert_eq!(governor["maxBytesPerSecond"], RATE);
    let read: u64 = run["exports"]
        .as_array()
        .expect("exports")
        .iter()
        .map(|export| export["bytesRead"].as_u64().expect("bytes"))
        .sum();
    let span = span(&stage.engine);
    println!("{read} bytes in {span} s");
    // The last pieces are waited for by nobody.
    let least = (read as f64 - 3.0 * RATE as f64) / RATE as f64;
    assert!(least > 4.0, "there is too little to be slow: {least}");
    assert!(span >= least, "{read} bytes in {span} s");

    let graph = stage
        .graph("wide")
        .limit("leaves", 4)
        .set(
            "status.dir",
            stage.scratch.join("wide-status").to_string_lossy().into_owned(),
        )
        .set("governor.max_bytes_per_second", "4 MiB");
    let output = stage.export(&graph);
    all_right(&stage, &graph, &output);
    let most = &last_run(&stage, &graph)["governor"]["passed"]["mostLeaves"];
    assert!(most.as_u64() > Some(1), "several leaves at once: {most}");
}

/// Reads as programs do that know nothing of exports, until told to stop: each query runs for some hundredths of a second, before exports.
fn read_on(engine: &Engine, stop: &AtomicBool) -> u64 {
    let sql =
        "SELECT count() FROM numbers(20000000) WHERE NOT ignore(sin(number)) SETTINGS priority = 1, max_threads = 1";
    let mut queries = 0;
    while !stop.load(Ordering::Relaxed) {
        let _ = engine.query(sql);
        queries += 1;
    }
    queries
}

#[test]
fn an_export_stands_still_while_readers_of_others_run_and_ends_all_the_same() {
    let stage = Stage::new(&["--seed", "63", "--projects", "1", "--days", "1", "--traces", "300"]);
    let exported = |name: &str, gives_way: bool| {
        let graph = stage
            .graph(name)
            .set(
                "status.dir",
                stage
                    .scratch
                    .join(&format!("{name}-status"))
                    .to_string_lossy()
                    .into_owned(),
            )
            // Long enough to be looked at.
            .set("governor.max_bytes_per_second", "1 MiB")
            .set("governor.give_way", gives_way);
        let stop = AtomicBool::new(false);
        let (output, queries) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| read_on(&stage.engine, &stop));
            let output = stage.export(&graph);
            stop.store(true, Ordering::Relaxed);
            (output, reading.join().expect("readers"))
        });
        all_right(&stage, &graph, &output);
        let given = last_run(&stage, &graph)["governor"]["given"].clone();
        println!("{name}: {queries} queries beside it, {given}");
        assert!(queries > 10, "{queries}");
        given
    };
    let given = exported("stands", true);
    assert!(given["totalMs"].as_u64() > Some(500), "{given}");
    let given = exported("goes_on", false);
    assert_eq!(given["totalMs"], 0, "{given}");
}

#[test]
fn an_export_at_a_ceiling_outlasts_the_time_of_its_queries() {
    let stage = Stage::new(&[
        "--seed",
        "62",
        "--projects",
        "1",
        "--days",
        "1",
        "--traces",
        "8",
        "--wide",
    ]);
    let graph = stage
        .graph("lake")
        .set("clickhouse.export.timeout", "2 s")
        .set("governor.max_bytes_per_second", "4 MiB");
    let output = stage.export(&graph);
    all_right(&stage, &graph, &output);
    let kinds: Vec<Value> = output.records("blob_export_error_splitting");
    let timeouts = kinds.iter().filter(|record| record["errorType"] == "timeout").count();
    println!("{timeouts} timeouts of {} splits", kinds.len());
    assert!(timeouts > 0, "queries last longer than they may: {}", output.tail());
}

const KEY: &str = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\n";

fn read(port: u16) -> Answer {
    http::exchange(port, "GET", "/api/public/traces?limit=5", KEY, b"").expect("an answer")
}

/// A sample of the metrics.
fn figure(site: &Site, name: &str) -> u64 {
    let (_, metrics) = site.tells("/metrics");
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    value.parse().expect("a number")
}

#[test]
fn readers_beyond_the_limit_are_sent_away_and_never_pile_up() {
    let site = Site::new();
    let proxy = Proxy::start(site.engine.port(), Vec::new());
    let more = format!(
        "[clickhouse.read_only]\nurl = '{}'\n[web]\nat_once = 1\nwaiting = 1\nwait = '60 s'\n",
        proxy.url()
    );
    let site = site.with(&more);
    let running = site.run();
    let port = site.port();
    assert_eq!(read(port).status, 200);
    let answered = figure(&site, "tracemill_interactive_answered_total");
    assert!(answered > 0);
    proxy.hold("read");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| read(port));
        wait_until("one runs", SOON, || proxy.held() == 1);
        let second = scope.spawn(|| read(port));
        wait_until("one waits", SOON, || {
            figure(&site, "tracemill_interactive_waiting") == 1
        });
        let others: Vec<Answer> = (0..10).map(|_| read(port)).collect();
        for answer in &others {
            assert_eq!(answer.status, 503);
            assert!(answer.header("Retry-After").is_some(), "{}", answer.head);
        }
        assert_eq!(figure(&site, "tracemill_interactive_running"), 1);
        assert_eq!(
            figure(&site, "tracemill_interactive_refused_total{reason=\"queue_full\"}"),
            10
        );
        assert_eq!(proxy.held(), 1, "no more of them are at the server");
        // The governor sees how long readers wait, not how long queries run.
        let (_, metrics) = site.tells("/metrics");
        let slow = metrics
            .lines()
            .find_map(|line| line.strip_prefix("tracemill_interactive_seconds{quantile=\"1\"} "));
        let slow = slow.map(|slow| slow.parse::<f64>().expect("seconds"));
        assert!(slow >= Some(59.0), "who was sent away would have waited: {slow:?}");
        proxy.mend();
        for reader in [first, second] {
            assert_eq!(reader.join().expect("a reader").status, 200);
        }
    });
    assert_eq!(read(port).status, 200, "afterwards all is as before");
    let of = |name: &str| figure(&site, name);
    assert_eq!(
        (of("tracemill_interactive_running"), of("tracemill_interactive_waiting")),
        (0, 0)
    );
    let _ = Site::stop(running);
}
