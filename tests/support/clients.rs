//! Clients that send all the time: `tests/traffic/traffic.py` as a child, with a journal of what was accepted.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::ingestion::{PROJECT, PUBLIC_KEY, SECRET_KEY};
use crate::ledger::{python, test_file};

/// Clients of all protocols, which create and update: entities' events are shuffled over many requests, so that what changes
/// an entity comes before and after a fault. They end when they are told to, with each request answered.
const HABITS: &[&str] = &[
    "--protocol",
    "mix",
    "--events",
    "4",
    "--shuffle",
    "240",
    "--batch",
    "10",
    "--connections",
    "6",
    "--odd-ids",
    "--gzip",
    "--duration",
    "86400",
    "--grace",
    "300",
];

/// Running clients. Dropping them kills them.
#[derive(Debug)]
pub struct Clients {
    child: Child,
    journal: PathBuf,
}

impl Clients {
    /// Starts them; `more` is for the program's further options.
    ///
    /// # Panics
    /// They cannot be started.
    #[must_use]
    pub fn start(url: &str, journal: &Path, more: &[&str]) -> Self {
        let child = Command::new(python())
            .arg(test_file("traffic/traffic.py"))
            .args([
                "--url",
                url,
                "--project",
                &format!("{PROJECT}:{PUBLIC_KEY}:{SECRET_KEY}"),
                "--journal",
            ])
            .arg(journal)
            .args(HABITS)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python can be started");
        Self {
            child,
            journal: journal.to_owned(),
        }
    }

    /// Bytes of the journal: they grow with each answer that is an acceptance.
    #[must_use]
    pub fn heard(&self) -> u64 {
        std::fs::metadata(&self.journal).map_or(0, |file| file.len())
    }

    /// Lets them begin no request any more, waits until each is answered, and gives their report.
    ///
    /// # Panics
    /// They end otherwise, an event was refused, or a request was never answered.
    #[must_use]
    #[track_caller]
    pub fn stop(mut self) -> Sent {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(told.is_ok_and(|status| status.success()), "the clients are gone");
        let text = std::io::read_to_string(self.child.stdout.take().expect("piped")).expect("the report is text");
        let status = self.child.wait().expect("a child can be waited for");
        let Ok(json) = serde_json::from_str::<Value>(&text) else {
            panic!("the clients ended with {status}: {text}");
        };
        let count = |name: &str| json[name].as_u64().unwrap_or_else(|| panic!("no {name} in {json}"));
        for name in ["refused", "refused_events", "unknown"] {
            assert_eq!(count(name), 0, "{name}: {json}");
        }
        assert!(count("events") > 0, "nothing was sent: {json}");
        Sent {
            requests: count("requests"),
            events: count("events"),
            retries: count("retries"),
            seconds: json["seconds"].as_f64().unwrap_or_default(),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What clients sent. All of it was accepted in the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sent {
    /// Requests.
    pub requests: u64,
    /// Events in them.
    pub events: u64,
    /// How often a request was sent again.
    pub retries: u64,
    /// For how long.
    pub seconds: f64,
}
