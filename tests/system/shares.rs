//! Fair shares: another project's backlog delays one's own by its share and no more. Counted, not timed.

use std::time::Duration;

use tracemill_tests::rig::Rig;
use tracemill_tests::{Scratch, http};

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
