//! Two exporters of one export: one goes on, the other stops.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tracemill_tests::scratch::files_below;
use tracemill_tests::{Check, Graph, Proxy, StoreServer};

use crate::common::{Stage, TABLES, args, assert_consistent};

const SYNTH: &[&str] = &["--seed", "41", "--projects", "2", "--days", "4", "--traces", "150"];
const SOON: Duration = Duration::from_secs(60);

fn all_right(stage: &Stage, store: &Path) -> u64 {
    assert_consistent(store);
    TABLES
        .iter()
        .map(|table| Check::new(table, &stage.truth, store).right().count("rows"))
        .sum()
}

#[test]
fn the_second_of_two_stops_and_a_dead_owner_is_followed_at_once() {
    let stage = Stage::new(SYNTH);
    let proxy = Proxy::slow(stage.engine.port(), 4 << 20);
    let graph = Graph::with_server(stage.scratch.path(), "lake", &proxy.url());
    let file = graph.write();
    let mut first = stage.tracemill.start(args(&file, "run", &["--once"]));
    first.until("its first window", SOON, |first| {
        (!first.records("blob_export_job_completed").is_empty()).then_some(())
    });
    let second = stage.tracemill.run(args(&file, "run", &["--once"]));
    assert_eq!(second.code, Some(7), "{}", second.tail());
    let owner = format!("process {}", first.pid());
    assert!(
        second.stderr.contains("is being written by another exporter"),
        "{}",
        second.tail()
    );
    assert!(second.stderr.contains(&owner), "the owner is named: {}", second.tail());
    assert!(
        second.stderr.contains("hint: stop the other one first"),
        "{}",
        second.tail()
    );
    assert_eq!(
        first.status(),
        None,
        "the first was still at work when the second stopped"
    );

    // Killed, it is followed at once by another on this machine.
    first.kill();
    let third = stage.tracemill.ok(args(&file, "run", &["--once"]));
    println!(
        "second stopped after {:.1?}, the third took over and ended after {:.1?}",
        second.took, third.took
    );
    println!("{} rows", all_right(&stage, graph.store()));
}

#[test]
fn both_at_the_same_moment() {
    let stage = Stage::new(SYNTH);
    for round in 0..5 {
        let graph = stage.graph(&format!("lake-{round}"));
        let file = graph.write();
        let both = [(); 2].map(|()| stage.tracemill.start(args(&file, "run", &["--once"])));
        let codes = both.map(|one| one.wait(SOON).code);
        println!("round {round}: {codes:?}");
        // Whoever lost a token stops with 7; where each got one of the exports, both stop, and another run completes it.
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 7))), "{codes:?}");
        if !codes.contains(&Some(0)) {
            stage.tracemill.ok(args(&file, "run", &["--once"]));
        }
        println!("{} rows", all_right(&stage, graph.store()));
    }
}

/// The time so many seconds ago, as tokens write it.
fn ago(seconds: u32) -> String {
    let date = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%S.000Z", "-d", &format!("{seconds} seconds ago")])
        .output()
        .expect("GNU date");
    String::from_utf8_lossy(&date.stdout).trim().to_owned()
}

#[test]
fn an_owner_on_another_machine_keeps_its_lease() {
    let stage = Stage::new(SYNTH);
    let server = StoreServer::start("s3", &stage.scratch.join("store"), &[]);
    let proxy = Proxy::slow(stage.engine.port(), 4 << 20);
    let graph = server.store_of(Graph::with_server(stage.scratch.path(), "lake", &proxy.url()), "p");
    let file = graph.write();
    let mut first = stage.tracemill.start(args(&file, "run", &["--once"]));
    first.until("its first window", SOON, |first| {
        (!first.records("blob_export_job_completed").is_empty()).then_some(())
    });
    first.kill();
    // Its tokens look as if another machine had written them.
    let copy = stage.scratch.join("tokens");
    server.download("p/_tracemill/", &copy);
    let tokens = |host: &str, at: &str| {
        for path in files_below(&copy)
            .into_iter()
            .filter(|path| path.parent().is_some_and(|p| p.ends_with("owners")))
        {
            let text = std::fs::read_to_string(&path).expect("a token");
            let mut token: Value = serde_json::from_str(&text).expect("JSON");
            token["owner"]["host"] = host.into();
            token["at"] = at.into();
            let name = path.strip_prefix(&copy).expect("below").to_string_lossy().into_owned();
            server.put(&format!("p/_tracemill/{name}"), &token.to_string());
        }
    };
    tokens("another-machine", &ago(0));
    let second = stage.tracemill.run(args(&file, "run", &["--once"]));
    assert_eq!(second.code, Some(7), "{}", second.tail());
    assert!(second.stderr.contains("on another-machine"), "{}", second.tail());
    tokens("another-machine", &ago(125));
    let third = stage.tracemill.ok(args(&file, "run", &["--once"]));
    println!(
        "refused after {:.1?}; once the lease was over, done after {:.1?}",
        second.took, third.took
    );
    server.download("p/", graph.store());
    println!("{} rows", all_right(&stage, graph.store()));
}
