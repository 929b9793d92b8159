//! The users that `tracemill profiles` writes, on a real server: everything works with just what they are granted, no client
//! lifts a limit, and every query carries its own.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tracemill_tests::guarded::{Sizes, USERS};
use tracemill_tests::{Clients, Guarded, Scratch, Site, Tracemill, http, wait_until};

use crate::common::args;

/// How long what is waited for may take to happen.
const SOON: Duration = Duration::from_secs(120);

/// `pk-lf-demo:sk-lf-demo`
const KEY: &str = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\n";

/// What each user's queries must have in the query log, as the graph file says.
const CARRIED: [(&str, [(&str, &str); 4]); 3] = [
    (
        "reader",
        [
            ("max_memory_usage", "500000000"),
            ("max_threads", "2"),
            ("priority", "1"),
            ("max_execution_time", "25"),
        ],
    ),
    (
        "writer",
        [
            ("max_memory_usage", "400000000"),
            ("max_threads", "1"),
            ("priority", "1"),
            ("max_execution_time", "60"),
        ],
    ),
    (
        "exporter",
        [
            ("max_memory_usage", "600000000"),
            ("max_threads", "1"),
            ("priority", "2"),
            ("max_execution_time", "120"),
        ],
    ),
];

/// Ingestion by real clients, reads, a deletion, an export, and the commands that look: all under the three users.
fn whole_run(guarded: &Guarded) {
    let site = &guarded.site;
    let graph = site.graph();
    let command = |name: &str, more: &[&str]| site.tracemill.ok(args(&graph, name, more));
    command(
        "synth",
        &["--projects", "1", "--days", "1", "--traces", "30", "--seed", "7"],
    );
    let mut running = site.run();
    let journal = site.scratch.join("journal.jsonl");
    let clients = Clients::start(&site.url(), &journal, &["--rate", "200", "--seed", "guarded"]);
    wait_until("some are stored", SOON, || clients.heard() > 256 << 10);
    let _ = clients.stop();
    let _ = site.drained(&mut running, SOON);
    let ask = |method: &str, path: &str| http::request(site.port(), method, path, KEY, b"").expect("an answer");
    let (_, list) = ask("GET", "/api/public/traces?limit=5");
    let list: serde_json::Value = serde_json::from_slice(&list).expect("JSON");
    let id = list["data"][0]["id"].as_str().expect("a trace").to_owned();
    for path in [
        &format!("/api/public/traces/{id}"),
        "/api/public/observations?limit=5",
        "/api/public/sessions?limit=5",
        "/api/public/v2/scores?limit=5",
        "/api/public/metrics/daily",
    ] {
        assert_eq!(ask("GET", path).0, 200, "{path}");
    }
    let before = guarded
        .engine()
        .query(&format!("SELECT count() FROM traces WHERE id = '{id}'"));
    assert_ne!(before, "0");
    assert_eq!(ask("DELETE", &format!("/api/public/traces/{id}")).0, 200);
    wait_until("it is deleted", SOON, || {
        guarded
            .engine()
            .query(&format!("SELECT count() FROM traces WHERE id = '{id}'"))
            == "0"
    });
    let _ = Site::stop(running);
    command("run", &["--role", "export", "--once"]);
    command("verify", &["--connect"]);
    command("plan", &[]);
    command("status", &[]);
    command("reconcile", &[]);
    command("check", &["--connect"]);
}

#[test]
fn everything_runs_with_just_its_grants_and_every_query_carries_its_limits() {
    let guarded = Guarded::new(Sizes::default());
    whole_run(&guarded);
    let engine = guarded.engine();
    engine.execute("SYSTEM FLUSH LOGS");
    for (user, settings) in CARRIED {
        let of = format!("FROM system.query_log WHERE user = '{user}' AND type != 'QueryStart'");
        let count: u64 = engine.query(&format!("SELECT count() {of}")).parse().expect("a number");
        assert!(count > 5, "{user} asked {count} times");
        let mut wrong = vec!["JSONExtractString(log_comment, 'feature') = ''".to_owned()];
        for (name, value) in settings {
            wrong.push(format!("(Settings['{name}'] != '{value}')"));
        }
        let sql = format!(
            "SELECT any(log_comment), any(mapFilter((name, value) -> name IN ('max_memory_usage', 'max_threads', \
             'priority', 'max_execution_time'), Settings)), count(), left(any(query), 120) {of} AND ({}) GROUP BY \
             normalized_query_hash",
            wrong.join(" OR ")
        );
        assert_eq!(
            engine.rows(&sql),
            [] as [Vec<String>; 0],
            "queries of {user} without their limits"
        );
        // Grants are enough for all of it: what was refused is looked at by nobody else.
        let refused = format!("SELECT left(query, 120), exception {of} AND exception_code IN (164, 452, 497)");
        assert_eq!(engine.rows(&refused), [] as [Vec<String>; 0], "{user}");
    }
    let others = "SELECT user, any(query) FROM system.query_log WHERE user NOT IN ('reader', 'writer', 'exporter') AND \
                  startsWith(query_id, 'tracemill-') AND event_time > (SELECT min(event_time) FROM system.query_log WHERE \
                  user = 'writer') GROUP BY user";
    assert_eq!(
        engine.rows(others),
        [] as [Vec<String>; 0],
        "a query of nobody's service"
    );
}

#[test]
fn no_client_lifts_the_limits_of_its_profile() {
    let guarded = Guarded::new(Sizes::default());
    let lifted = [
        "max_memory_usage=0",
        "max_memory_usage=3000000000",
        "max_memory_usage_for_user=0",
        "max_memory_usage_for_user=100000000000",
        "max_threads=9",
        "max_execution_time=0",
        "max_execution_time=100000",
        "timeout_overflow_mode=break",
        "max_concurrent_queries_for_user=0",
        "max_temporary_data_on_disk_size_for_user=0",
        "max_untracked_memory=1000000000000",
        "memory_overcommit_ratio_denominator=1",
        "memory_overcommit_ratio_denominator_for_user=1",
        "log_queries=0",
    ];
    for user in USERS {
        assert_eq!(
            guarded.ask(user, "max_memory_usage=100000000", "SELECT 1").as_deref(),
            Ok("1\n")
        );
        for setting in lifted {
            let error = guarded.ask(user, setting, "SELECT 1").expect_err(setting);
            assert!(error.contains("Code: 452"), "{user} {setting}: {error}");
            // By the statement itself as well.
            let (name, value) = setting.split_once('=').expect("a setting");
            let error = guarded
                .ask(user, "", &format!("SELECT 1 SETTINGS {name} = '{value}'"))
                .expect_err(setting);
            assert!(error.contains("Code: 452"), "{user} {setting}: {error}");
        }
    }
    for (user, setting) in [
        ("writer", "priority=0"),
        ("exporter", "priority=0"),
        ("exporter", "priority=1"),
    ] {
        let error = guarded.ask(user, setting, "SELECT 1").expect_err(setting);
        assert!(error.contains("Code: 452"), "{user} {setting}: {error}");
    }
    for user in ["reader", "exporter"] {
        for sql in [
            "SELECT 1 SETTINGS readonly = 0",
            "INSERT INTO traces SELECT * FROM traces WHERE 0",
            "CREATE TABLE mine (n UInt8) ENGINE = Memory",
            "ALTER TABLE traces DELETE WHERE 0",
            "SELECT count() FROM tracemill_tombstones",
            "SELECT count() FROM system.users",
        ] {
            let error = guarded.ask(user, "", sql).expect_err(sql);
            assert!(
                error.contains("Code: 164") || error.contains("Code: 497"),
                "{user} {sql}: {error}"
            );
        }
    }
    for sql in [
        "DROP TABLE traces",
        "CREATE TABLE mine (n UInt8) ENGINE = MergeTree ORDER BY n",
        "SELECT count() FROM system.processes",
        "SYSTEM STOP MERGES traces",
    ] {
        let error = guarded.ask("writer", "", sql).expect_err(sql);
        assert!(error.contains("Code: 497"), "{sql}: {error}");
    }
}

#[test]
fn new_passwords_are_told_once_and_never_written_into_the_users() {
    let scratch = Scratch::new();
    let tracemill = Tracemill::new(&scratch.join("logs"));
    let example = tracemill_tests::ledger::test_file("../examples/three-roles.toml");
    let text = std::fs::read_to_string(example).expect("the example");
    // What is no password of ClickHouse is not made up.
    let graph = scratch.join("graph.toml");
    std::fs::write(&graph, &text).expect("written");
    let refused = tracemill.run(args(&graph, "profiles", &["--generate"]));
    assert_eq!(refused.code, Some(2), "{}", refused.tail());
    assert!(
        refused.stderr.contains("REDIS_PASSWORD is not set"),
        "{}",
        refused.stderr
    );

    let tracemill = tracemill.env("REDIS_PASSWORD", "r").env("LF_SECRET", "s");
    let (secrets, users) = (scratch.join("ch.env"), scratch.join("users.xml"));
    let paths = [secrets.display().to_string(), users.display().to_string()];
    let generate = ["--generate", "--secrets", &paths[0], "--output", &paths[1]];
    let output = tracemill.ok(args(&graph, "profiles", &generate));
    assert_eq!(output.stdout, "");
    let mode = std::fs::metadata(&secrets).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = std::fs::read_to_string(&secrets).expect("text");
    let xml = std::fs::read_to_string(&users).expect("text");
    let mut names = Vec::new();
    let mut known = tracemill;
    for line in told.lines() {
        let (name, password) = line.split_once('=').expect("NAME=value");
        names.push(name.to_owned());
        assert_eq!(password.len(), 32);
        assert!(!xml.contains(password) && !output.stderr.contains(password), "{name}");
        known = known.env(name, password);
    }
    names.sort();
    assert_eq!(
        names,
        ["CH_EXPORT_PASSWORD", "CH_INGESTION_PASSWORD", "CH_INTERACTIVE_PASSWORD"]
    );
    // The second time they are known, and the users are the same.
    let again = known.ok(args(&graph, "profiles", &[]));
    assert_eq!(again.stdout, xml);
    // A file of passwords is never overwritten.
    let refused = known.run(args(&graph, "profiles", &["--generate", "--secrets", &paths[0]]));
    assert!(
        refused.code == Some(0) || refused.code == Some(20),
        "{}",
        refused.tail()
    );
    assert_eq!(std::fs::read_to_string(&secrets).expect("text"), told);
}
