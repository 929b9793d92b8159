//! Readers that take all they can get, an export at its cap, and ingestion, on a server with little memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tracemill_tests::guarded::Sizes;
use tracemill_tests::scratch::files_ending;
use tracemill_tests::{Guarded, Site, http, wait_until};

use crate::common::args;

/// How long what is waited for may take to happen.
const SOON: Duration = Duration::from_secs(240);

/// `max_server_memory_usage`.
const SERVER: u64 = 2 << 30;

/// A query that takes memory for as long as it is let.
const RUNAWAY: &str = "SELECT length(groupArray(number)) FROM numbers(4000000000)";

/// `pk-lf-demo:sk-lf-demo`, `pk-lf-other:sk-lf-other`
const KEY: &str = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\n";
const OTHER: &str = "Authorization: Basic cGstbGYtb3RoZXI6c2stbGYtb3RoZXI=\r\nContent-Type: application/json\r\n";

/// Rows of yesterday: so many sessions that a list of them is a large aggregation, and wide steps.
fn fill(guarded: &Guarded) {
    let engine = guarded.engine();
    let yesterday = "toDateTime64(today(), 3) - toIntervalHour(12) + toIntervalMillisecond(number % 3600000)";
    engine.execute(&format!(
        "INSERT INTO traces (id, timestamp, name, user_id, session_id, project_id, environment, event_ts) \
         SELECT concat('t-', toString(number)), {yesterday}, 'run', concat('u-', toString(number)), \
         concat('session-with-a-long-name-', toString(number)), 'demo', 'default', now64(3) FROM numbers(1000000)"
    ));
    engine.execute(&format!(
        "INSERT INTO observations (id, trace_id, project_id, type, start_time, name, level, input, environment, event_ts) \
         SELECT concat('o-', toString(number)), concat('t-', toString(number)), 'demo', 'GENERATION', {yesterday}, 'step', \
         'DEFAULT', repeat(randomPrintableASCII(500), 200), 'default', now64(3) FROM numbers(3000) SETTINGS \
         max_block_size = 200, max_insert_block_size = 200, min_insert_block_size_bytes = 20000000, \
         min_insert_block_size_rows = 200"
    ));
}

/// Sends a trace, which must be accepted.
fn send(site: &Site, index: usize) {
    let body = format!(
        r#"{{"batch":[{{"id":"e-{index}","type":"trace-create","timestamp":"2026-02-25T12:00:00.000Z",
            "body":{{"id":"meanwhile-{index}","name":"meanwhile"}}}}]}}"#
    );
    let sent = http::request(site.port(), "POST", "/api/public/ingestion", OTHER, body.as_bytes());
    assert_eq!(sent.expect("an answer").0, 207);
}

#[test]
fn the_servers_own_limit_is_never_reached_and_ingestion_goes_on() {
    let guarded = Guarded::new(Sizes {
        memory: "2 GiB",
        server: Some(SERVER),
        queries: ["200 MB", "100 MB", "100 MB"],
    });
    fill(&guarded);
    let (site, engine) = (&guarded.site, guarded.engine());
    let mut running = site.run();
    let lake = site.scratch.join("lake");
    let is_over = AtomicBool::new(false);
    let [runaways, reads, peak] = [const { AtomicUsize::new(0) }; 3];
    std::thread::scope(|scope| {
        // Clients that ask past Tracemill, as its users, with the most that the profiles allow.
        for (user, settings) in [
            ("reader", "max_memory_usage=280000000"),
            ("reader", "max_memory_usage=280000000"),
            ("exporter", "max_memory_usage=650000000"),
        ] {
            let (guarded, is_over, runaways) = (&guarded, &is_over, &runaways);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let error = guarded.ask(user, settings, RUNAWAY).expect_err("it is ended");
                    assert!(
                        error.contains("Code: 241") && !error.contains("(total)"),
                        "{user}: {error}"
                    );
                    runaways.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Readers by the API.
        let (is_over, reads, peak) = (&is_over, &reads, &peak);
        scope.spawn(move || {
            let paths = [
                "/api/public/sessions?limit=50",
                "/api/public/metrics/daily",
                "/api/public/traces?limit=50",
            ];
            for path in paths.iter().cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                let (status, body) = http::request(site.port(), "GET", path, KEY, b"").expect("an answer");
                let text = String::from_utf8_lossy(&body);
                assert!([200, 422, 503, 504].contains(&status), "{path}: {status} {text}");
                assert!(!text.contains("(total)"), "{path}: {status} {text}");
                assert!(
                    serde_json::from_slice::<serde_json::Value>(&body).is_ok(),
                    "{path}: {text}"
                );
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let tracked = engine.query("SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'");
                peak.fetch_max(tracked.parse().expect("bytes"), Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
        // Ended also where something here fails, so that no thread keeps the test from telling.
        let _over = Over(is_over);
        let mut sent = 0;
        wait_until("the export is done while events come in", SOON, || {
            if sent < 200 {
                send(site, sent);
                sent += 1;
            }
            let files = files_ending(&lake, ".parquet");
            sent == 200
                && files.iter().any(|file| file.to_string_lossy().contains("observations"))
                && runaways.load(Ordering::Relaxed) > 20
                && reads.load(Ordering::Relaxed) > 5
        });
        wait_until("the events are visible", SOON, || {
            engine.query("SELECT uniqExact(id) FROM traces WHERE project_id = 'other'") == "200"
        });
    });
    let (peak, runaways) = (peak.into_inner() as u64, runaways.into_inner());
    let splits = running.records("blob_export_error_splitting");
    let _ = site.drained(&mut running, SOON);
    let _ = Site::stop(running);
    println!(
        "{runaways} runaway queries, {} reads, {} splits of the export; the server's memory was {} MiB of {} at most",
        reads.into_inner(),
        splits.len(),
        peak >> 20,
        SERVER >> 20
    );
    assert!(peak < SERVER, "{peak}");
    assert_eq!(site.letters(), [] as [serde_json::Value; 0]);
    engine.execute("SYSTEM FLUSH LOGS");
    let total =
        "SELECT user, left(query, 100), exception FROM system.query_log WHERE position(exception, '(total)') > 0";
    let total = format!("{total} AND NOT has(splitByChar(' ', query), 'query_log')");
    assert_eq!(engine.rows(&total), [] as [Vec<String>; 0], "the server's own limit");
    // Each user met its own.
    let own = "SELECT user FROM system.query_log WHERE exception_code = 241 GROUP BY user ORDER BY user";
    assert_eq!(engine.query(own), "exporter\nreader");
    let inserts = "SELECT exception FROM system.query_log WHERE user = 'writer' AND exception_code = 241";
    assert_eq!(engine.rows(inserts), [] as [Vec<String>; 0], "ingestion's queries");
    // All of it leaves, whatever the export's queries could hold.
    site.tracemill
        .ok(args(&site.graph(), "run", &["--role", "export", "--once"]));
    site.tracemill.ok(args(&site.graph(), "verify", &["--connect"]));
}

/// Says that it is over, when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
