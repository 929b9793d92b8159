//! The read API on what clients sent: an SDK's own API client reads everything back, and it is as in ClickHouse.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tracemill_tests::ingestion::{PROJECT, PUBLIC_KEY, SECRET_KEY};
use tracemill_tests::ledger::{service, test_file};
use tracemill_tests::{Clients, Site, http, wait_until};

/// How long what is waited for may take to happen.
const SOON: Duration = Duration::from_secs(60);

/// `pk-lf-demo:sk-lf-demo`
const KEY: &str = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\n";

fn read(site: &Site, path: &str) -> (u16, Value) {
    let (status, body) = http::request(site.port(), "GET", path, KEY, b"").expect("an answer");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn an_sdk_reads_back_what_clients_sent() {
    let site = Site::new();
    let mut running = site.run();
    let journal = site.scratch.join("journal.jsonl");
    let clients = Clients::start(&site.url(), &journal, &["--rate", "400", "--seed", "read"]);
    wait_until("some are stored", SOON, || clients.heard() > 4 << 20);
    let _ = clients.stop();
    let _ = site.drained(&mut running, SOON);

    // Deleted ones are gone from every list, though their older versions are still there.
    let (_, before) = read(&site, "/api/public/traces?limit=1");
    let total = before["meta"]["totalItems"].as_u64().expect("a number");
    let id = before["data"][0]["id"].as_str().expect("a trace").to_owned();
    let body = format!(r#"{{"traceIds": ["{id}"]}}"#);
    let headers = format!("{KEY}Content-Type: application/json\r\n");
    let deleted = http::request(site.port(), "DELETE", "/api/public/traces", &headers, body.as_bytes());
    assert_eq!(deleted.expect("an answer").0, 200);
    wait_until("the trace is gone", SOON, || {
        read(&site, "/api/public/traces?limit=1").1["meta"]["totalItems"] == total - 1
    });

    let output = Command::new(service("clients/langfuse-4/bin/python"))
        .args(["-W", "ignore"])
        .arg(test_file("read/read_back.py"))
        .args(["--clickhouse", &site.engine.url(), "--project", PROJECT])
        .args(["--other", "pk-lf-other:sk-lf-other"])
        .env("TRACEMILL_URL", site.url())
        .env("TRACEMILL_PUBLIC_KEY", PUBLIC_KEY)
        .env("TRACEMILL_SECRET_KEY", SECRET_KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let log = running.stderr();
    let failed = log.lines().filter(|line| line.contains("read_")).take(3);
    let failed: Vec<&str> = failed.collect();
    assert!(output.status.success(), "{}\n{failed:#?}", text(&output.stderr));
    println!("compared: {}", text(&output.stdout));
    let _ = Site::stop(running);
}

#[test]
fn every_query_is_named_limited_and_narrow() {
    let site = Site::new();
    let mut running = site.run();
    let journal = site.scratch.join("journal.jsonl");
    let clients = Clients::start(&site.url(), &journal, &["--rate", "400", "--seed", "narrow"]);
    wait_until("some are stored", SOON, || clients.heard() > 256 << 10);
    let _ = clients.stop();
    let _ = site.drained(&mut running, SOON);
    let lists = [
        "traces",
        "observations",
        "v2/observations",
        "v2/scores",
        "v3/scores",
        "sessions",
        "metrics/daily",
    ];
    for path in lists {
        assert_eq!(read(&site, &format!("/api/public/{path}?limit=5")).0, 200, "{path}");
    }
    // Joined with all that can be joined: {"view":"observations","dimensions":[{"field":"traceName"}],
    // "metrics":[{"measure":"countScores","aggregation":"sum"}],"fromTimestamp":"2000-01-01","toTimestamp":"2200-01-01"}
    let totals = "%7B%22view%22:%22observations%22,%22dimensions%22:%5B%7B%22field%22:%22traceName%22%7D%5D,%22metrics%22:%5B%7B\
                  %22measure%22:%22countScores%22,%22aggregation%22:%22sum%22%7D%5D,%22fromTimestamp%22:%222000-01-01%22,\
                  %22toTimestamp%22:%222200-01-01%22%7D";
    let (status, answer) = read(&site, &format!("/api/public/v2/metrics?query={totals}"));
    assert_eq!(status, 200, "{answer}");
    let _ = site.engine.query("SYSTEM FLUSH LOGS");
    let of_reads = "FROM system.query_log WHERE type = 'QueryFinish' AND log_comment LIKE '%\"feature\":\"read\"%'";
    let count = |condition: &str| -> u64 {
        let sql = format!("SELECT count() {of_reads} AND ({condition})");
        site.engine.query(&sql).parse().expect("a number")
    };
    let all = count("1");
    assert!(all >= 16, "{all} queries");
    let limited =
        "Settings['max_execution_time'] = '30' AND Settings['cancel_http_readonly_queries_on_client_close'] = '1'";
    assert_eq!(
        count(limited),
        all,
        "every query has its deadline, and ends with its reader"
    );
    let named = format!("log_comment LIKE '%\"projectId\":\"{PROJECT}\"%'");
    assert_eq!(count(&named), all, "every query tells its project");
    let wide = "arrayExists(c -> match(c, 'input$|output$|(traces|observations).metadata$'), columns)";
    assert_eq!(count(wide), 0, "no list reads payloads");
    let _ = Site::stop(running);
}

#[test]
fn a_query_that_would_read_too_much_is_refused_with_advice() {
    let site = Site::new().with("[web]\nmax_rows_to_read = 20\n");
    let mut running = site.run();
    let journal = site.scratch.join("journal.jsonl");
    let clients = Clients::start(&site.url(), &journal, &["--rate", "400", "--seed", "much"]);
    wait_until("some are stored", SOON, || clients.heard() > 256 << 10);
    let _ = clients.stop();
    let _ = site.drained(&mut running, SOON);
    let (status, body) = read(&site, "/api/public/observations");
    assert_eq!(status, 422, "{body}");
    let advice = body["message"].as_str().expect("a text");
    assert!(advice.contains("fromStartTime"), "{advice}");
    // A span without rows reads none.
    let narrow = "/api/public/observations?toStartTime=2001-01-01T00:00:00Z";
    assert_eq!(read(&site, narrow).0, 200);
    assert_eq!(read(&site, "/api/public/health").0, 200);
    let _ = Site::stop(running);
}

#[test]
fn pages_follow_each_other_also_where_their_days_are_found_first() {
    let site = Site::new();
    // Versions of some, deletions among them, and many of one time.
    for (version, some) in [(0, "1"), (1, "number % 7 = 0")] {
        site.engine.execute(&format!(
            "INSERT INTO traces (id, timestamp, name, project_id, environment, event_ts, is_deleted) \
             SELECT lower(hex(sipHash64(number))), toDateTime64('2026-02-25 22:00:00', 3, 'UTC') + toIntervalSecond(intDiv(number, 3)), \
             'run', '{PROJECT}', 'default', now64(3) + {version}, {version} AND number % 70 = 0 FROM numbers(10500) WHERE {some}"
        ));
    }
    let running = site.run();
    let sql = "SELECT id FROM traces FINAL WHERE is_deleted = 0 ORDER BY timestamp DESC, id DESC";
    let all = site.engine.query(sql);
    let all: Vec<&str> = all.lines().collect();
    assert_eq!(all.len(), 10_350);
    // From the 10,001st on.
    for page in [1, 2, 99, 100, 101, 102, 104] {
        let (_, answer) = read(&site, &format!("/api/public/traces?limit=100&page={page}"));
        let rows = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        let expected = &all[(page - 1) * 100..all.len().min(page * 100)];
        assert_eq!(ids, expected, "page {page}");
        assert_eq!(answer["meta"]["totalItems"], all.len(), "page {page}");
    }
    let (_, answer) = read(&site, "/api/public/traces?limit=100&page=105");
    assert_eq!(
        (&answer["data"], &answer["meta"]["totalItems"]),
        (&serde_json::json!([]), &all.len().into())
    );
    site.engine.execute("SYSTEM FLUSH LOGS");
    let counts = site.engine.query(
        "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' AND log_comment LIKE '%\"kind\":\"count\"%'",
    );
    assert_eq!(counts, "4", "days are found first for deep pages alone");
    let _ = Site::stop(running);
}

/// Versions of a trace within a day, of which the newest is of another hour, and no longer has the text that is looked for.
#[test]
fn of_versions_at_different_hours_the_newest_counts() {
    let site = Site::new();
    site.engine.execute("SYSTEM STOP MERGES");
    for (version, time, input) in [(0, "10:00:00", "needle"), (1, "12:00:00", "hay")] {
        site.engine.execute(&format!(
            "INSERT INTO traces (id, timestamp, name, user_id, session_id, input, project_id, environment, event_ts) VALUES \
             ('moved', '2026-02-25 {time}', 'run', 'u-1', 's-1', '{input}', '{PROJECT}', 'default', now64(3) + {version})"
        ));
    }
    assert_eq!(site.engine.query("SELECT count() FROM traces"), "2");
    let running = site.run();
    let found = |query: &str| {
        let (status, answer) = read(&site, &format!("/api/public/traces?{query}"));
        assert_eq!(status, 200, "{answer}");
        (
            answer["data"].as_array().map(Vec::len),
            answer["meta"]["totalItems"].clone(),
        )
    };
    for by in ["", "&userId=u-1", "&sessionId=s-1", "&name=run"] {
        for (from, to, expected) in [
            ("2026-02-25T09:00:00Z", "2026-02-25T11:00:00Z", 0_usize),
            ("2026-02-25T11:00:00Z", "2026-02-25T13:00:00Z", 1),
            // Beyond what a date of ClickHouse can be.
            ("1969-01-01T00:00:00Z", "2200-01-01T00:00:00Z", 1),
        ] {
            let query = format!("fromTimestamp={from}&toTimestamp={to}{by}");
            assert_eq!(found(&query), (Some(expected), expected.into()), "{query}");
        }
    }

    // What people see.
    let origin = "Origin: http://127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let form = format!("public={PUBLIC_KEY}&secret={SECRET_KEY}");
    let entered = http::exchange(site.port(), "POST", "/sign-in", origin, form.as_bytes()).expect("an answer");
    let cookie = entered.header("set-cookie").expect("a cookie");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap_or_default());
    let shows = |path: &str, what: &str| {
        let path = format!("/project/{PROJECT}/{path}");
        let (status, page) = http::request(site.port(), "GET", &path, &cookie, b"").expect("an answer");
        assert_eq!(status, 200, "{path}");
        String::from_utf8_lossy(&page).contains(what)
    };
    let (early, late) = (
        "from=2026-02-25T09:00&to=2026-02-25T11:00",
        "from=2026-02-25T11:00&to=2026-02-25T13:00",
    );
    assert!(!shows(&format!("traces?{early}"), "/traces/moved"));
    assert!(shows(&format!("traces?{late}"), "/traces/moved"));
    assert!(shows("sessions?span=all", "/sessions/s-1"));
    assert!(
        !shows(&format!("traces?in=payloads&q=needle&{late}"), "/traces/moved"),
        "an older version's text"
    );
    assert!(shows(&format!("traces?in=payloads&q=hay&{late}"), "/traces/moved"));
    let _ = Site::stop(running);
}
