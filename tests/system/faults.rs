//! Faults of the surroundings that a person must mend: one clear error each, exit codes that differ, nothing lost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tracemill_tests::clock::Clock;
use tracemill_tests::{Check, Graph, Output, Proxy, Running, StoreServer, Tracemill};

use crate::common::{Stage, TABLES, args, assert_consistent, manifests};

const SYNTH: &[&str] = &["--seed", "61", "--projects", "2", "--days", "3", "--traces", "150"];
const SOON: Duration = Duration::from_secs(60);

/// What the answers of a server may have a second, so that a catch-up takes some seconds.
const SLOW: u64 = 4 << 20;

/// The command must end with that code and one error, which holds those words.
#[track_caller]
fn refused(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, Some(code), "{}", output.tail());
    let errors: Vec<&str> = output
        .stderr
        .lines()
        .filter(|line| line.starts_with("tracemill: "))
        .collect();
    assert_eq!(errors.len(), 1, "one error: {}", output.tail());
    for word in words {
        assert!(errors[0].contains(word), "{word}: {}", errors[0]);
    }
    println!("{code}: {}", errors[0]);
}

#[track_caller]
fn fails(tracemill: &Tracemill, graph: &Graph, code: i32, words: &[&str]) {
    refused(&tracemill.run(args(&graph.write(), "run", &["--once"])), code, words);
}

/// Everything is exported now, exactly.
#[track_caller]
fn completes(stage: &Stage, graph: &Graph) {
    stage.tracemill.ok(args(&graph.write(), "run", &["--once"]));
    right(stage, graph);
}

#[track_caller]
fn right(stage: &Stage, graph: &Graph) {
    assert_consistent(graph.store());
    let rows = TABLES.map(|table| Check::new(table, &stage.truth, graph.store()).right().count("rows"));
    println!("  mended: {rows:?} rows");
}

/// The graph with the engine's user for exports.
fn as_export_user(stage: &Stage, graph: Graph) -> (Graph, String) {
    let text = std::fs::read_to_string(stage.scratch.join("clickhouse/run.json")).expect("the engine's note");
    let run: Value = serde_json::from_str(&text).expect("JSON");
    let password = run["passwords"]["export_user"].as_str().expect("a password").to_owned();
    let graph = graph.set("clickhouse.export.user", "export_user");
    (graph.set("clickhouse.export.password", password.as_str()), password)
}

/// An export through a slow proxy, after its first window.
fn under_way(stage: &Stage, tracemill: &Tracemill, graph: &Graph) -> Running {
    let mut running = tracemill.start(args(&graph.write(), "run", &["--once"]));
    running.until("the first window", SOON, |running| {
        (!running.records("blob_export_job_completed").is_empty()).then_some(())
    });
    assert!(
        manifests(graph.store()).len() < 18,
        "it is not done yet: {:?}",
        stage.scratch.path()
    );
    running
}

#[test]
fn what_clickhouse_refuses() {
    let mut stage = Stage::new(SYNTH);
    let (graph, password) = as_export_user(&stage, stage.graph("lake"));
    let wrong = graph.clone().set("clickhouse.export.password", "hunter-42");
    let output = stage.tracemill.run(args(&wrong.write(), "run", &["--once"]));
    refused(&output, 10, &["516", "AUTHENTICATION_FAILED"]);
    for secret in ["hunter-42", &password] {
        assert!(
            !output.stderr.contains(secret) && !output.stdout.contains(secret),
            "a secret is shown"
        );
    }
    stage.engine.execute("RENAME TABLE scores TO scores_away");
    fails(&stage.tracemill, &graph, 11, &["table `scores` is missing"]);
    stage.engine.execute("RENAME TABLE scores_away TO scores");
    // A column of a table with rows goes by a mutation, which is a merge, and those are stopped.
    stage.engine.execute("RENAME TABLE traces TO traces_away");
    stage.engine.execute("CREATE TABLE traces AS traces_away");
    stage.engine.execute("ALTER TABLE traces DROP COLUMN release");
    fails(&stage.tracemill, &graph, 12, &["column `traces.release` is missing"]);
    stage.engine.execute("DROP TABLE traces");
    stage.engine.execute("RENAME TABLE traces_away TO traces");
    stage.engine.kill();
    fails(&stage.tracemill, &graph, 3, &["cannot reach clickhouse"]);
    stage.engine.restart();
    // The passwords of a new start are new ones.
    let (graph, _) = as_export_user(&stage, stage.graph("lake"));
    completes(&stage, &graph);
}

#[test]
fn what_clickhouse_refuses_in_the_middle() {
    let mut stage = Stage::new(SYNTH);
    let proxy = Proxy::slow(stage.engine.port(), SLOW);
    let slow = Graph::with_server(stage.scratch.path(), "lake", &proxy.url());
    let (graph, password) = as_export_user(&stage, slow.clone());

    // Without its note, a new start has new passwords.
    let running = under_way(&stage, &stage.tracemill, &graph);
    stage.engine.kill();
    std::fs::remove_file(stage.scratch.join("clickhouse/run.json")).expect("the engine's note");
    stage.engine.restart();
    let (graph, changed) = as_export_user(&stage, slow);
    assert_ne!(changed, password);
    refused(&running.wait(SOON), 10, &["AUTHENTICATION_FAILED"]);
    let committed = manifests(graph.store()).len();

    let running = under_way(&stage, &stage.tracemill, &graph);
    stage.engine.execute("RENAME TABLE observations TO observations_away");
    refused(&running.wait(SOON), 11, &["UNKNOWN_TABLE"]);
    stage.engine.execute("RENAME TABLE observations_away TO observations");
    println!(
        "{committed}, then {} windows were committed",
        manifests(graph.store()).len()
    );
    completes(&stage, &graph);
}

#[test]
fn stores_that_cannot_be_written() {
    let stage = Stage::new(SYNTH);
    // Also root cannot make a folder below a file.
    let file = stage.scratch.join("a-file");
    std::fs::write(&file, "not a folder").expect("written");
    let below = file.join("lake").to_string_lossy().into_owned();
    fails(
        &stage.tracemill,
        &stage.graph("lake").set("store.lake.url", below),
        13,
        &["a-file", "denies"],
    );

    let server = StoreServer::start("gcs", &stage.scratch.join("store"), &["--credential", "let-me-in"]);
    let graph = server.store_of(stage.graph("lake"), "p");
    let wrong = graph.clone().set("store.lake.options.bearer_token", "let-me-in-too");
    fails(&stage.tracemill, &wrong, 13, &["gs://lake", "denies"]);
    let missing = graph.clone().set("store.lake.url", "gs://no-such-lake/p/");
    fails(
        &stage.tracemill,
        &missing,
        15,
        &["no-such-lake", "the bucket does not exist"],
    );
    stage.tracemill.ok(args(&graph.write(), "run", &["--once"]));
    server.download("p/", graph.store());
    right(&stage, &graph);
}

/// A small file system of its own; `None` where the system does not allow that.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut mount = Command::new("mount");
        let mount = mount
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder);
        let is_mounted = mount
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        is_mounted.then(|| Self(folder.to_owned()))
    }

    fn grow(&self, size: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(&self.0)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "the disk grows");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_becomes_full() {
    let stage = Stage::new(SYNTH);
    let graph = stage.graph("lake");
    let Some(disk) = SmallDisk::mount(graph.store(), "9m") else {
        println!("skipped: no file system may be mounted here; the limit on the size of files stands for it");
        return;
    };
    fails(&stage.tracemill, &graph, 14, &["is full", "No space left on device"]);
    println!("{} windows were committed", manifests(graph.store()).len());
    assert!(!manifests(graph.store()).is_empty(), "it became full in the middle");
    disk.grow("64m");
    completes(&stage, &graph);
}

#[test]
fn files_that_may_not_grow() {
    let stage = Stage::new(SYNTH);
    let graph = stage.graph("lake");
    // 512 KB a file, the signal ignored: writes beyond fail.
    let script = stage.scratch.join("limited.sh");
    let binary = stage.tracemill.binary().display().to_string();
    let text = format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f 1024\nexec '{binary}' \"$@\"\n");
    std::fs::write(&script, text).expect("written");
    let made = Command::new("chmod").arg("+x").arg(&script).status();
    assert!(made.is_ok_and(|status| status.success()));
    fails(
        &stage.tracemill.clone().with_binary(&script),
        &graph,
        14,
        &["is full", "File too large"],
    );
    completes(&stage, &graph);
}

#[test]
fn clocks_that_are_wrong_or_jump() {
    let stage = Stage::new(SYNTH);
    let clock = Clock::new(stage.scratch.path());
    let moved = clock.given_to(&stage.tracemill);
    let graph = stage.graph("lake");
    for seconds in [7200, -7200] {
        clock.set(seconds);
        fails(
            &moved,
            &graph,
            6,
            &["the clock of this machine is", "ms ahead of clickhouse's"],
        );
    }
    assert_eq!(manifests(graph.store()).len(), 0);
    clock.set(0);

    let proxy = Proxy::slow(stage.engine.port(), SLOW);
    for seconds in [36_000, -36_000] {
        clock.set(0);
        let graph = Graph::with_server(stage.scratch.path(), &format!("lake{seconds}"), &proxy.url());
        let running = under_way(&stage, &moved, &graph);
        clock.set(seconds);
        let output = running.wait(SOON);
        assert_eq!(output.code, Some(0), "{}", output.tail());
        println!("{seconds} s in the middle: {:.1?}", output.took);
        right(&stage, &graph);
    }
}
