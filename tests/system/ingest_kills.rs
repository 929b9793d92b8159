//! Killed at any moment, ingestion loses nothing that it answered with success, and does nothing twice.
//!
//! Clients send all the time, and send again what was not answered. In the end ClickHouse is compared, entity by entity, with
//! what an oracle makes of the clients' journal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracemill_tests::moments::{Moments, kills};
use tracemill_tests::{Clients, Proxy, Running, Site, wait_for, wait_until};

/// How long what a fault is timed by may take to happen.
const SOON: Duration = Duration::from_secs(60);

/// How long the work that is left may take in the end.
const WITHIN: Duration = Duration::from_secs(240);

/// What a kill meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It does not take requests yet.
    Starting,
    /// It takes requests; no insert is under way.
    Taking,
    /// The server has an insert of it.
    Inserting,
    /// Its inserts were answered a moment ago.
    Acknowledging,
}

/// When a kill is due.
#[derive(Debug, Clone, Copy)]
enum Aim {
    /// So long after the start.
    At(Duration),
    /// So long after an insert has begun.
    Insert(Duration),
    /// So long after the last insert under way was answered.
    Answer(Duration),
}

impl Aim {
    fn next(moments: &mut Moments) -> Self {
        match moments.next(0, 4) {
            0 => Self::At(moments.millis(1, 100)),
            1 => Self::At(moments.millis(100, 2500)),
            2 => Self::Insert(moments.millis(0, 5)),
            _ => Self::Answer(moments.millis(0, 15)),
        }
    }

    /// Waits for the moment.
    #[track_caller]
    fn wait(self, proxy: &Proxy) {
        let after = match self {
            Self::At(after) => after,
            Self::Insert(after) => {
                let before = proxy.inserts();
                closely("an insert begins", || proxy.inserts() > before);
                after
            }
            Self::Answer(after) => {
                let before = proxy.inserts_answered();
                closely("inserts are answered", || {
                    proxy.inserts_answered() > before && proxy.inserts_under_way() == 0
                });
                after
            }
        };
        let began = Instant::now();
        closely("the moment comes", || began.elapsed() >= after);
    }
}

/// As `wait_until`, but looks ten times as often: the moments are short.
#[track_caller]
fn closely(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < SOON, "waited {SOON:?} in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn phase(running: &Running, proxy: &Proxy, aim: Aim) -> Phase {
    if running.records("taking_requests").is_empty() {
        Phase::Starting
    } else if proxy.inserts_under_way() > 0 {
        Phase::Inserting
    } else if matches!(aim, Aim::Answer(_)) {
        Phase::Acknowledging
    } else {
        Phase::Taking
    }
}

#[test]
fn fifty_kills_of_the_process() {
    let site = Site::new();
    let proxy = Proxy::start(site.engine.port(), Vec::new());
    let site = site.at(&proxy.url());
    let journal = site.scratch.join("journal.jsonl");
    let mut running = site.run();
    let clients = Clients::start(&site.url(), &journal, &["--rate", "250", "--seed", "kills"]);
    wait_until("the first requests are accepted", SOON, || clients.heard() > 0);
    let mut moments = Moments::new(41);
    let mut phases: BTreeMap<Phase, u32> = BTreeMap::new();
    let (kills, began) = (kills(50), Instant::now());
    for _ in 0..kills {
        let aim = Aim::next(&mut moments);
        aim.wait(&proxy);
        let status = running.status();
        assert_eq!(status, None, "it ended by itself: {}", running.stderr());
        *phases.entry(phase(&running, &proxy, aim)).or_default() += 1;
        running.kill();
        running = site.start();
    }
    let took = began.elapsed();
    let before = clients.heard();
    wait_until("clients are heard again", SOON, || clients.heard() > before);
    let sent = clients.stop();
    let report = site.right(running, &journal, WITHIN);
    println!(
        "{kills} kills in {took:.1?}: {phases:?}; {sent:?}; {}",
        report["entities"]
    );
    println!("{report}; all in {:.1?}", began.elapsed());

    // What was acknowledged stays acknowledged.
    let mut again = site.run();
    let status = site.drained(&mut again, SOON);
    assert_eq!(status["pulled"], 0, "{status:#}");
    let _ = Site::stop(again);

    assert!(sent.retries > 0, "clients met the kills: {sent:?}");
    let least = kills / 16;
    for phase in [Phase::Starting, Phase::Taking, Phase::Inserting, Phase::Acknowledging] {
        assert!(
            phases.get(&phase).copied().unwrap_or(0) >= least,
            "{phase:?}: {phases:?}"
        );
    }
}

#[test]
fn clickhouse_is_killed_while_clients_send() {
    let site = Site::new();
    let proxy = Proxy::start(site.engine.port(), Vec::new());
    let mut site = site.at(&proxy.url());
    let journal = site.scratch.join("journal.jsonl");
    let mut running = site.run();
    let clients = Clients::start(&site.url(), &journal, &["--rate", "250", "--seed", "server"]);
    let mut moments = Moments::new(42);
    let (mut during, began) = (0, Instant::now());
    for _ in 0..6 {
        let answered = proxy.inserts_answered();
        wait_until("inserts get in", WITHIN, || proxy.inserts_answered() > answered + 12);
        let aim = match moments.next(0, 3) {
            0 => Aim::At(moments.millis(0, 1500)),
            _ => Aim::Insert(moments.millis(0, 15)),
        };
        aim.wait(&proxy);
        during += u32::from(proxy.inserts_under_way() > 0);
        site.engine.kill();
        let heard = clients.heard();
        wait_until("the intake goes on", SOON, || clients.heard() > heard);
        site.engine.restart();
        assert_eq!(running.status(), None, "it waits: {}", running.stderr());
    }
    let took = began.elapsed();
    let heard = clients.heard();
    wait_for("clients are heard", SOON, || (clients.heard() > heard).then_some(()));
    let sent = clients.stop();
    let report = site.right(running, &journal, WITHIN);
    println!("6 kills in {took:.1?}, {during} during an insert; {sent:?}");
    println!("{report}; all in {:.1?}", began.elapsed());
    assert_eq!(sent.retries, 0, "no client notices");
    assert!(during > 0, "a kill met an insert");
}
