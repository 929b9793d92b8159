//! Jobs on Redis while Redis and the process are killed: what was accepted is in ClickHouse, as the oracle says, and no job
//! stays behind. The truth is that of tests/oracle.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tracemill_sources::queue::bullmq::{OWN_QUEUE, lanes};
use tracemill_tests::{Redis, Rig, Running, Scratch, Traffic, http, wait_for, wait_until};

const WITHIN: Duration = Duration::from_secs(60);

/// Jobs of a killed process come back when their locks have run out and two looks for stalled jobs have passed.
const STALLED: Duration = Duration::from_secs(180);

/// Enough that they send until they are told to stop.
const CLIENTS: [&str; 10] = [
    "--duration",
    "3600",
    "--protocol",
    "mix",
    "--events",
    "6",
    "--shuffle",
    "300",
    "--rate",
    "800",
];

/// Numbers that look random, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Of the queue, by default.
const LANES: usize = 32;

fn rig(folder: &Path, redis: &Redis, lock: &str) -> Rig {
    let more = format!(
        r#"
        [graph.ingestion.source.jobs]
        backend = "bullmq"
        url = "{}"
        queues = ["tracemill-ingestion"]
        lock = "{lock}"
        "#,
        redis.url()
    );
    Rig::new(folder, &more)
}

/// Lets the clients send between 1 and 120 requests more.
fn let_some_pass(rig: &Rig, traffic: &mut Traffic, chance: &mut Chance) {
    let goal = rig.accepted() + 1 + chance.below(120);
    wait_until("more requests are accepted", WITHIN, || {
        assert!(traffic.runs(), "the clients have ended");
        rig.accepted() >= goal
    });
}

/// Without Redis a request is answered at once, with when to come again, and load balancers are told.
fn is_refused(rig: &Rig) {
    let (status, head, body) = rig.probe().expect("an answer");
    let body = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 503, "{head}\n{body}");
    let after = head.lines().find_map(|line| line.strip_prefix("retry-after: "));
    let after = after.and_then(|after| after.trim().parse::<u64>().ok());
    assert!(after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{head}");
    assert!(
        !body.to_lowercase().contains("redis"),
        "nothing of the inside is told: {body}"
    );
    wait_until("it is not ready", WITHIN, || {
        http::request(rig.port(), "GET", "/api/public/ready", "", b"").is_ok_and(|(status, _)| status == 503)
    });
}

fn is_taken_again(rig: &Rig) {
    wait_until("requests are accepted again", WITHIN, || {
        rig.probe().is_ok_and(|(status, ..)| status == 207)
    });
}

fn stop_clients(traffic: Traffic) -> Value {
    traffic.stop();
    let sent = traffic.end(WITHIN);
    assert_eq!(sent["unknown"], 0, "every request was answered in the end: {sent}");
    sent
}

/// Everything is done: the tables are as the journal says, and Redis holds nothing of any job.
fn is_right(rig: &Rig, redis: &Redis, running: &mut Running) {
    let status = rig.idle(running, STALLED);
    let (report, right) = rig.compare();
    println!("{report}");
    assert!(right, "{report:#}");
    assert_eq!(
        (&status["queue"]["failed"], &status["letters"]),
        (&Value::from(0), &Value::from(0)),
        "{status}"
    );
    for lane in lanes(OWN_QUEUE, LANES) {
        for (command, key) in [
            ("LLEN", "wait"),
            ("LLEN", "active"),
            ("LLEN", "paused"),
            ("ZCARD", "delayed"),
            ("ZCARD", "prioritized"),
            ("ZCARD", "failed"),
            ("ZCARD", "completed"),
        ] {
            let count = redis.ask(&format!("{command} bull:{lane}:{key}"));
            assert_eq!(count, ":0\r\n", "{lane}: {key}");
        }
    }
    // Of each lane counters, the stream of events, the mark of the last look for stalled jobs: no job and no lock.
    let keys = redis.ask("DBSIZE");
    let keys: usize = keys.trim().trim_start_matches(':').parse().expect("a number");
    assert!(keys <= 4 * LANES, "{keys} keys are left");
}

#[test]
fn kills_of_redis_and_of_the_process_lose_nothing() {
    kills("always");
}

#[test]
#[ignore = "redis may answer before it writes: see docs/ingestion.md"]
fn kills_of_redis_that_syncs_every_second_lose_nothing_as_a_rule() {
    kills("everysec");
}

fn kills(fsync: &'static str) {
    let scratch = Scratch::new();
    let mut redis = Redis::start_with(&scratch.join("redis"), fsync);
    let rig = rig(scratch.path(), &redis, "5 s");
    let mut running = rig.run();
    let mut traffic = rig.traffic(&CLIENTS);
    let mut chance = Chance(7);
    let (mut of_redis, mut of_process) = (0, 0);
    for round in 0..12 {
        let_some_pass(&rig, &mut traffic, &mut chance);
        match round % 4 {
            0 | 2 => {
                redis.kill();
                of_redis += 1;
                is_refused(&rig);
                redis.restart();
                is_taken_again(&rig);
            }
            1 => {
                running.kill();
                of_process += 1;
                running = rig.run();
            }
            // Both, and the process is there before Redis is.
            _ => {
                redis.kill();
                running.kill();
                (of_redis, of_process) = (of_redis + 1, of_process + 1);
                running = rig.run();
                is_refused(&rig);
                redis.restart();
                is_taken_again(&rig);
            }
        }
    }
    let_some_pass(&rig, &mut traffic, &mut chance);
    let sent = stop_clients(traffic);
    println!("{of_redis} kills of redis, {of_process} of the process; {sent}");
    is_right(&rig, &redis, &mut running);
    Rig::stop(running);
}

/// Runs a command on the graph file that tells one JSON line.
#[track_caller]
fn told(rig: &Rig, command: &[&str], more: &[&str]) -> Vec<Value> {
    let mut args: Vec<std::ffi::OsString> = command.iter().map(Into::into).collect();
    args.push(rig.graph.clone().into());
    args.extend(more.iter().map(Into::into));
    let text = rig.tracemill.ok(args).stdout;
    let json = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    text.lines().map(json).collect()
}

/// What a crash of Redis's machine does with `appendfsync everysec`: the end of the file was never on the disk.
#[test]
fn jobs_that_redis_forgot_are_replayed_from_their_raw_objects() {
    let scratch = Scratch::new();
    let mut redis = Redis::start_with(&scratch.join("redis"), "everysec");
    let mut rig = rig(scratch.path(), &redis, "1 s");
    let mut running = rig.run();
    let warned = running.until("it warns", WITHIN, |running| {
        running.records("redis_may_lose_jobs").pop()
    });
    assert_eq!(warned["setting"], "appendfsync everysec", "{warned}");
    // Without ClickHouse jobs stay in Redis.
    rig.engine.kill();
    let clients = |entities: &str, seed: &str| {
        let options = [
            "--entities",
            entities,
            "--protocol",
            "mix",
            "--events",
            "4",
            "--seed",
            seed,
        ];
        rig.traffic(&options).end(WITHIN)
    };
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    clients("120", "kept");
    let file = redis.append_only_file();
    let kept = std::fs::metadata(&file).expect("a file").len();
    clients("60", "forgotten");
    redis.kill();
    running.kill();
    let file = std::fs::File::options().write(true).open(file).expect("a file");
    file.set_len(kept).expect("cut");
    redis.restart();
    rig.engine.restart();
    running = rig.run();
    rig.idle(&mut running, STALLED);
    let (report, right) = rig.compare();
    assert!(
        !right && report["missing"].as_u64() >= Some(50),
        "the jobs are gone: {report:#}"
    );
    assert_eq!(
        (&report["differ"], &report["faults"]),
        (&json!(0), &json!(0)),
        "{report:#}"
    );
    Rig::stop(running);

    let outcome = told(
        &rig,
        &["replay"],
        &["--json", "--since", &since.as_millis().to_string()],
    );
    println!("{}", outcome[0]);
    let (report, right) = rig.compare();
    assert!(right, "{report:#}");
}

/// A job whose process ends each time is given up after so many: its raw object is named by a letter, and comes in by it.
#[test]
fn a_job_that_stalls_too_often_is_a_letter() {
    let scratch = Scratch::new();
    let redis = Redis::start(&scratch.join("redis"));
    let more = format!(
        "[graph.ingestion.source.jobs]\nbackend = \"bullmq\"\nurl = \"{}\"\nqueues = [\"tracemill-ingestion\"]\nlanes = 1\nlock = \"1 s\"\nstalls = 0",
        redis.url()
    );
    let mut rig = Rig::new(scratch.path(), &more);
    let mut running = rig.run();
    rig.engine.kill();
    rig.traffic(&["--entities", "6", "--batch", "100"]).end(WITHIN);
    running.until("its job is in hand", WITHIN, |_| {
        (redis.ask("LLEN bull:tracemill-ingestion:active") == ":1\r\n").then_some(())
    });
    running.kill();
    rig.engine.restart();
    running = rig.run();
    let letter = wait_for("a letter", STALLED, || {
        told(&rig, &["letters", "list"], &["--json"]).pop()
    });
    assert_eq!(
        (&letter["kind"], &letter["reason"]),
        (&json!("object"), &json!("job stalled more than allowable limit")),
        "{letter}"
    );
    let object = letter["object"].as_str().expect("an object");
    assert!(scratch.join("raw").join(object).is_file(), "{letter}");
    rig.idle(&mut running, WITHIN);
    assert!(!rig.compare().1, "nothing of it was taken in");
    Rig::stop(running);
    let outcome = told(&rig, &["letters", "replay"], &["--project", "demo", "--json"]);
    assert_eq!(
        (&outcome[1]["cameIn"], &outcome[1]["stillOpen"]),
        (&json!(1), &json!(0)),
        "{outcome:?}"
    );
    let (report, right) = rig.compare();
    assert!(right, "{report:#}");
}
