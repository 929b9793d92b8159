//! Fair shares: another project's backlog delays one's own by its share and no more. Counted, not timed.

use std::time::Duration;

use tracemill_tests::rig::Rig;
use tracemill_tests::{Scratch, http};

use crate::common::{Stage, totals};

/// How long what is waited for may take to happen.
const SOON: Duration = Duration::from_secs(300);

/// Jobs of the backlog, and of who comes after it.
const BACKLOG: usize = 2_000;
const LATE: usize = 30;

// pk-lf-demo:sk-lf-demo and pk-lf-probe:sk-lf-probe
const FLOOD: &str = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\nContent-Type: application/json\r\n";
const PROBE: &str = "Authorization: Basic cGstbGYtcHJvYmU6c2stbGYtcHJvYmU=\r\nContent-Type: application/json\r\n";

/// Sends one trace of about 6 KB: one job.
fn send(rig: &Rig, headers: &str, id: &str) {
    let input = "x".repeat(6_000);
    let body = format!(
        r#"{{"batch":[{{"id":"{id}","type":"trace-create","timestamp":"2026-02-25T12:00:00.000Z","body":{{"id":"{id}","timestamp":"2026-02-25T12:00:00.000Z","input":"{input}"}}}}]}}"#
    );
    let answer = http::exchange(rig.port(), "POST", "/api/public/ingestion", headers, body.as_bytes());
    assert_eq!(answer.expect("an answer").status, 207);
}

#[test]
fn who_comes_after_a_backlog_waits_for_its_share_of_it() {
    let scratch = Scratch::new();
    // An epoch has about ten of these jobs, so that the order of the epochs tells that of the jobs.
    let mut rig = Rig::new(
        scratch.path(),
        r#"
        [graph.ingestion.source.jobs]
        batch = { bytes = "64 KiB", age = "10 ms" }
        in_flight = 4
        "#,
    );
    let mut running = rig.run();
    rig.engine.kill();
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let rig = &rig;
            scope.spawn(move || {
                for job in (sender..BACKLOG).step_by(4) {
                    send(rig, FLOOD, &format!("flood-{job}"));
                }
            });
        }
    });
    for job in 0..LATE {
        send(&rig, PROBE, &format!("late-{job}"));
    }
    let status = rig.status(&mut running);
    let projects = status["queue"]["projects"].as_array().expect("by project");
    let jobs = |name: &str| {
        let project = projects.iter().find(|project| project["project"] == name);
        let project = project.unwrap_or_else(|| panic!("{name} is told: {status:#}"));
        project["waiting"].as_u64().unwrap_or(0) + project["active"].as_u64().unwrap_or(0)
    };
    assert_eq!(
        (jobs("demo"), jobs("probe")),
        (BACKLOG as u64, LATE as u64),
        "nothing is lost or done yet"
    );
    rig.engine.restart();
    let status = rig.idle(&mut running, SOON);
    assert_eq!(status["acknowledged"], (BACKLOG + LATE) as u64);
    assert_eq!(status["queue"]["projects"], serde_json::json!([]), "nobody waits");
    Rig::stop(running);
    // A row is stamped when its epoch is merged.
    let before = rig.engine.query(
        "SELECT countIf(project_id = 'demo' AND updated_at < (SELECT max(updated_at) FROM traces WHERE project_id = 'probe')), \
         countIf(project_id = 'demo'), countIf(project_id = 'probe') FROM traces FINAL",
    );
    let counts: Vec<usize> = before.split('\t').map(|n| n.parse().expect("a number")).collect();
    println!(
        "{} of {BACKLOG} jobs of the backlog went before the last of {LATE} that came after it",
        counts[0]
    );
    assert_eq!((counts[1], counts[2]), (BACKLOG, LATE));
    // What was under way when they came, an epoch that was collected, and one of the backlog's for each of theirs.
    assert!(counts[0] >= LATE / 2, "both get their share: {}", counts[0]);
    assert!(
        counts[0] <= 6 * 11 + 64 + LATE + 22,
        "in line behind the backlog: {}",
        counts[0]
    );
}

/// Hours with rows of each project, all of one size.
const HOURS: usize = 24;

/// Exports two projects at once, one leaf at a time: how many windows of `light` were begun before the last one of `heavy`.
fn light_before_heavy(stage: &Stage, name: &str, weight: i64) -> usize {
    let graph = stage
        .graph(name)
        .source("every", "hourly")
        .source("catch_up", "off")
        .source("projects", vec!["heavy", "light"])
        .tables(&["traces"])
        .set("projects.weights.heavy", weight)
        .set("governor.max_leaves", 1);
    stage.engine.execute("TRUNCATE TABLE IF EXISTS system.query_log");
    let output = stage.export(&graph);
    let totals = totals(&output)["traces"];
    assert_eq!((totals.windows, totals.letters), (2 * HOURS as u64, 0));
    let _ = stage.engine.query("SYSTEM FLUSH LOGS");
    let begun = stage.engine.query(
        "SELECT JSONExtractString(log_comment, 'projectId') FROM system.query_log WHERE type = 'QueryFinish' \
         AND JSONExtractString(log_comment, 'feature') = 'blobstorage' AND JSONExtractString(log_comment, 'kind') = 'analytic' \
         ORDER BY query_start_time_microseconds",
    );
    let begun: Vec<&str> = begun.lines().collect();
    let of = |project: &str, among: &[&str]| among.iter().filter(|one| **one == project).count();
    assert_eq!((of("heavy", &begun), of("light", &begun)), (HOURS, HOURS), "{begun:?}");
    let last = begun
        .iter()
        .rposition(|one| *one == "heavy")
        .expect("a window of heavy");
    of("light", &begun[..last])
}

#[test]
fn exports_of_projects_go_by_their_weights() {
    let stage = Stage::new(&["--projects", "1", "--days", "1", "--traces", "1"]);
    stage.engine.execute(&format!(
        "INSERT INTO traces (id, timestamp, name, project_id, environment, input, event_ts) \
         SELECT concat('t-', toString(number)), toDateTime64('2026-02-25 00:00:00', 3, 'UTC') + toIntervalSecond(number * 36), \
         'run', project, 'default', repeat('x', 2000), now64(3) FROM numbers({}) ARRAY JOIN ['heavy', 'light'] AS project",
        HOURS * 100
    ));
    let (equal, weighted) = (
        light_before_heavy(&stage, "equal", 1),
        light_before_heavy(&stage, "weighted", 4),
    );
    println!("windows of light before the last one of heavy: {equal} with equal weights, {weighted} with a quarter");
    assert!(equal >= HOURS - 4, "one for one: {equal}");
    assert!(
        (HOURS / 4 - 3..=HOURS / 4 + 3).contains(&weighted),
        "one for four: {weighted}"
    );
}
