//! Killed at any moment, an export loses nothing, doubles nothing, and leaves nothing behind.

use std::path::Path;
use std::time::{Duration, Instant};

use tracemill_tests::moments::{Moments, kills};
use tracemill_tests::scratch::files_below;
use tracemill_tests::{Check, Graph, Proxy};

use crate::common::{Stage, TABLES, args, assert_consistent, manifests};

/// Files that a write under way has, but for those of a probe of the store, which may be another process's.
fn temporary(store: &Path) -> Vec<String> {
    let names = files_below(store)
        .into_iter()
        .map(|path| path.to_string_lossy().into_owned());
    names
        .filter(|name| name.contains('#') && !name.contains("_tracemill/probe/"))
        .collect()
}

#[test]
fn fifty_kills() {
    let stage = Stage::new(&["--seed", "31", "--projects", "2", "--days", "12", "--traces", "120"]);
    // The proxy slows the answers down, so that a catch-up takes longer than the kills, with hourly windows for many commits.
    let proxy = Proxy::slow(stage.engine.port(), 6 << 20);
    let mut moments = Moments::new(31);
    let kills = kills(50);
    let (mut done, mut rounds, mut committed) = (0, 0, Vec::new());
    let began = Instant::now();
    while done < kills {
        // A catch-up that is complete makes room for another, in a store of its own.
        rounds += 1;
        let graph = Graph::with_server(stage.scratch.path(), &format!("lake-{rounds}"), &proxy.url());
        let file = graph.write();
        loop {
            let mut running = stage.tracemill.start(args(&file, "run", &["--once"]));
            let at = moments.millis(50, 1500);
            let start = Instant::now();
            let mut ended = running.status();
            while ended.is_none() && start.elapsed() < at && done < kills {
                std::thread::park_timeout(Duration::from_millis(2));
                ended = running.status();
            }
            if done >= kills {
                let output = running.wait(Duration::from_secs(120));
                assert_eq!(output.code, Some(0), "{}", output.tail());
                break;
            }
            if let Some(status) = ended {
                assert!(status.success(), "{status}: {}", running.stderr());
                break;
            }
            running.kill();
            done += 1;
            committed.push(manifests(graph.store()).len());
        }
        assert_consistent(graph.store());
        assert_eq!(temporary(graph.store()), Vec::<String>::new(), "temporary files stay");
        let windows = manifests(graph.store());
        assert!(
            windows.values().all(|manifest| manifest["generation"] == 1),
            "nothing was written twice"
        );
        let mut rows = 0;
        for table in TABLES {
            rows += Check::new(table, &stage.truth, graph.store()).right().count("rows");
        }
        println!(
            "round {rounds}: {done} kills so far, {} windows, {rows} rows",
            windows.len()
        );
    }
    println!(
        "{done} kills in {:.1?}; manifests at each: {committed:?}",
        began.elapsed()
    );
    // The kills must have met exports at work, not all before their first or after their last commit.
    let middle = committed.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(middle >= 5.min(done as usize / 3), "{committed:?}");
}
