//! Concurrent updates: the events of each entity in shuffled order over many requests, on four workers. The truth is that of
//! tests/oracle, which folds the journal of what was accepted.

use std::time::{Duration, Instant};

use tracemill_tests::{Rig, Scratch};

/// The peak of a process's memory, in MiB.
fn peak_mib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.expect("a peak").parse::<u64>().expect("a number") / 1024
}

/// Sends so many entities of 20 events each, all of them shuffled, and compares.
fn updates_of(entities: u32) -> (Rig, Scratch) {
    let scratch = Scratch::new();
    let rig = Rig::new(scratch.path(), "limits.workers = 4");
    let mut running = rig.run();
    let count = entities.to_string();
    let options = [
        "--entities",
        &count,
        "--events",
        "20",
        "--shuffle",
        &count,
        "--size",
        "1k",
    ];
    let began = Instant::now();
    let sent = rig.traffic(&options).end(Duration::from_secs(1200));
    let sending = began.elapsed();
    let status = rig.idle(&mut running, Duration::from_secs(300));
    let took = began.elapsed();
    let peak = peak_mib(running.pid());
    let events = sent["events"].as_u64().expect("a count");
    println!(
        "{events} events in {} requests: sent in {:.1} s, done after {:.1} s, {:.0} events/s; peak {peak} MiB",
        sent["requests"],
        sending.as_secs_f64(),
        took.as_secs_f64(),
        events as f64 / took.as_secs_f64(),
    );
    println!(
        "{} rows written, {} lookups, {} of them with history",
        status["written"], status["lookups"], status["histories"]
    );
    assert_eq!(events, u64::from(entities) * 20, "{sent}");
    assert_eq!(status["letters"], 0, "{status}");
    let (report, is_right) = rig.compare();
    println!("{report}, after {:.1} s", began.elapsed().as_secs_f64());
    assert!(is_right, "{report:#}");
    assert_eq!(report["entities"], entities);
    Rig::stop(running);
    (rig, scratch)
}

#[test]
fn shuffled_updates_give_what_the_oracle_says() {
    let (rig, _scratch) = updates_of(2_000);
    // The comparison finds a single cell that is other.
    rig.engine.execute(
        "INSERT INTO traces SELECT * REPLACE (name || '!' AS name, event_ts + INTERVAL 1 SECOND AS event_ts) \
         FROM traces FINAL WHERE id = '1-0'",
    );
    let (report, is_right) = rig.compare();
    assert!(!is_right && report["differ"] == 1, "{report:#}");
}

#[test]
#[ignore = "takes some minutes"]
fn shuffled_updates_of_ten_thousand_entities_give_what_the_oracle_says() {
    updates_of(10_000);
}
