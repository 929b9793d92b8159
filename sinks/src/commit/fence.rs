//! One exporter an export: tokens that only rise, kept in the store.
//!
//! An exporter owns an export by having created the highest token. Two things keep a second one out:
//!
//! 1. *Politeness.* A token tells who owns it and when it last gave a sign of life; while the owner lives, a second
//!    exporter is refused at its start. On the same machine the process itself is looked for, so a restart after a crash
//!    need not wait; elsewhere a token is dead [`LEASE`] after its last sign.
//! 2. *Safety*, which trusts no clock. Before it creates a manifest, an owner writes the manifest's name into its token
//!    (the intent) and then checks that no higher token exists. Whoever takes over creates its token first and reads the
//!    intent afterwards. So either the old owner sees the new token and stops, or the new owner sees the intent and
//!    begins with that very window: then both create the same manifest, and the store lets one of them.
//!
//! The store must only be able to create an object unless it exists.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracemill_model::{Millis, Window};

use super::catalog::Catalog;
use crate::SinkError;
use crate::store::Created;

/// How long after its last sign of life an owner on another machine counts as dead.
pub const LEASE: Duration = Duration::from_secs(120);

/// How often an owner gives a sign of life.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// Tokens of an export that are looked at.
const MAX_TOKENS: usize = 100_000;

/// Who runs: a process of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The run's own id, new at each start.
    pub run: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// When that process began, in the machine's own ticks: tells a process from a later one of the same number.
    pub process_start: u64,
    /// When the run began.
    pub since: Millis,
}

impl Owner {
    /// This process.
    #[must_use]
    pub fn this_process(run: String, since: Millis) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap_or_default()
            .trim()
            .to_owned();
        let pid = std::process::id();
        Self {
            run,
            host,
            pid,
            process_start: process_start(pid).unwrap_or(0),
            since,
        }
    }
}

impl Owner {
    /// Whether its process runs on this machine; `None` if it belongs to another.
    #[must_use]
    pub fn is_running_here(&self) -> Option<bool> {
        let here = Self::this_process(String::new(), Millis(0));
        (self.host == here.host).then(|| process_start(self.pid) == Some(self.process_start))
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "process {} on {}, since {} (run {})",
            self.pid, self.host, self.since, self.run
        )
    }
}

/// When a process began, in clock ticks since the machine did; `None` if there is no such process.
fn process_start(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the 20th field after it is the start.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    owner: Owner,
    /// The last sign of life.
    at: Millis,
    /// The window that is being committed, with its generation.
    intent: Option<(Window, u32)>,
    /// Whether the owner left in order.
    released: bool,
}

/// Whether the owner of a token is at work: pure, the process table is asked by the caller.
fn is_alive(token: &Token, here: &Owner, start_of_its_process: Option<u64>, now: Millis) -> bool {
    if token.released || token.owner.run == here.run {
        return false;
    }
    if token.owner.host == here.host {
        return start_of_its_process == Some(token.owner.process_start)
            // The same process number and start, and not us: we are its successor in a fresh container.
            && (token.owner.pid, token.owner.process_start) != (here.pid, here.process_start);
    }
    let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
    now < token.at.plus(lease)
}

/// Who owned an export last, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Who.
    #[serde(flatten)]
    pub owner: Owner,
    /// The last sign of life.
    pub at: Millis,
    /// Whether it left in order.
    pub released: bool,
    /// Whether it is at work, as far as can be told from here.
    pub alive: bool,
}

/// Looks at an export's owner, and writes nothing. `None`: nobody ever owned it.
///
/// # Errors
/// Any of the store.
pub async fn holder(catalog: &Catalog, now: Millis) -> Result<Option<Holder>, SinkError> {
    let Some(number) = numbers(catalog).await?.pop() else {
        return Ok(None);
    };
    // Nobody's run has an empty id, and nobody's process number is 0: an onlooker is never the owner.
    let here = Owner {
        pid: 0,
        ..Owner::this_process(String::new(), now)
    };
    Ok(read(catalog, number).await?.map(|token| Holder {
        alive: is_alive(&token, &here, process_start(token.owner.pid), now),
        at: token.at,
        released: token.released,
        owner: token.owner,
    }))
}

/// The right to write an export.
#[derive(Debug)]
pub struct Fence {
    catalog: Catalog,
    number: u64,
    token: Token,
}

impl Fence {
    /// Takes the export over, and says which window its last owner was about to commit.
    ///
    /// # Errors
    /// [`SinkError::Owned`] while another exporter lives; any of the store.
    pub async fn claim(
        catalog: &Catalog,
        owner: &Owner,
        now: Millis,
    ) -> Result<(Self, Option<(Window, u32)>), SinkError> {
        let numbers = numbers(catalog).await?;
        let last = numbers.last().copied();
        let before = match last {
            Some(number) => read(catalog, number).await?,
            None => None,
        };
        if let Some(token) = &before
            && is_alive(token, owner, process_start(token.owner.pid), now)
        {
            return Err(owned(catalog, token));
        }
        let number = last.unwrap_or(0) + 1;
        let token = Token {
            owner: owner.clone(),
            at: now,
            intent: None,
            released: false,
        };
        let fence = Self {
            catalog: catalog.clone(),
            number,
            token,
        };
        let path = path(catalog, number);
        if catalog.store.create(&path, fence.text()).await? == Created::AlreadyExists {
            // A repeated request may have met its own object.
            match read(catalog, number).await? {
                Some(token) if token.owner.run == owner.run => {}
                Some(token) => return Err(owned(catalog, &token)),
                None => {
                    return Err(SinkError::AlreadyExists {
                        store: catalog.store.name().to_owned(),
                        path,
                    });
                }
            }
        }
        // Only now is the intent final: whoever wrote it either sees our token, or had checked before we created it.
        let intent = match last {
            Some(number) => read(catalog, number).await?.and_then(|token| token.intent),
            None => None,
        };
        let old: Vec<String> = numbers.into_iter().map(|number| self::path(catalog, number)).collect();
        catalog.store.delete(&old).await?;
        Ok((fence, intent))
    }

    /// Announces that a manifest is about to be created, and makes sure that this is still ours to do.
    ///
    /// # Errors
    /// [`SinkError::Fenced`]; any of the store.
    pub async fn intend(&mut self, window: Window, generation: u32, now: Millis) -> Result<(), SinkError> {
        self.token.intent = Some((window, generation));
        self.beat(now).await?;
        self.check().await
    }

    /// Gives a sign of life.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn beat(&mut self, now: Millis) -> Result<(), SinkError> {
        self.token.at = now;
        self.catalog
            .store
            .put(&path(&self.catalog, self.number), self.text())
            .await
    }

    /// Whether nobody has taken over.
    ///
    /// # Errors
    /// [`SinkError::Fenced`]; any of the store.
    pub async fn check(&self) -> Result<(), SinkError> {
        let Some(higher) = numbers(&self.catalog)
            .await?
            .pop()
            .filter(|number| *number > self.number)
        else {
            return Ok(());
        };
        let owner = read(&self.catalog, higher)
            .await?
            .map_or_else(String::new, |token| token.owner.to_string());
        let store = self.catalog.store.name().to_owned();
        Err(SinkError::Fenced {
            store,
            export: self.catalog.key.to_string(),
            owner,
        })
    }

    /// Leaves in order: the next exporter need not wait.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn release(mut self, now: Millis) -> Result<(), SinkError> {
        self.token.released = true;
        self.token.intent = None;
        self.beat(now).await
    }

    /// Leaves in order, and leaves to the next exporter what [`Fence::claim`] said the last one was about to commit: for
    /// an owner that came for something else.
    ///
    /// # Errors
    /// Any of the store.
    pub async fn hand_on(mut self, intent: Option<(Window, u32)>, now: Millis) -> Result<(), SinkError> {
        self.token.released = true;
        self.token.intent = intent;
        self.beat(now).await
    }

    fn text(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(&self.token).expect("a token is always JSON"))
    }
}

fn owned(catalog: &Catalog, token: &Token) -> SinkError {
    let owner = format!("{}, last seen at {}", token.owner, token.at);
    SinkError::Owned {
        store: catalog.store.name().to_owned(),
        export: catalog.key.to_string(),
        owner,
    }
}

fn path(catalog: &Catalog, number: u64) -> String {
    format!("{}/{number:012}.json", catalog.layout.owners_folder(&catalog.key))
}

/// The numbers of all tokens, rising.
async fn numbers(catalog: &Catalog) -> Result<Vec<u64>, SinkError> {
    let entries = catalog
        .store
        .list(&catalog.layout.owners_folder(&catalog.key), MAX_TOKENS)
        .await?;
    let number = |path: &str| path.rsplit('/').next()?.strip_suffix(".json")?.parse().ok();
    let mut numbers: Vec<u64> = entries.iter().filter_map(|entry| number(&entry.path)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// A token; `None` if it went away meanwhile. What is no token has no owner that could be asked, and counts as dead.
async fn read(catalog: &Catalog, number: u64) -> Result<Option<Token>, SinkError> {
    match catalog.store.get(&path(catalog, number), 1 << 20).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(SinkError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tracemill_model::{ExportKey, ProjectId, Table};

    use super::super::layout::{Layout, LayoutKind};
    use super::*;
    use crate::store::{Store, StoreConfig};

    fn owner(run: &str, host: &str, pid: u32, start: u64) -> Owner {
        Owner {
            run: run.to_owned(),
            host: host.to_owned(),
            pid,
            process_start: start,
            since: Millis(0),
        }
    }

    #[test]
    fn who_is_alive() {
        let us = owner("us", "here", 10, 100);
        let token = |owner: Owner, at: i64, released: bool| Token {
            owner,
            at: Millis(at),
            intent: None,
            released,
        };
        let lease = i64::try_from(LEASE.as_millis()).expect("small");
        for (token, start, now, alive, why) in [
            (
                token(owner("a", "here", 9, 90), 0, false),
                Some(90),
                10 * lease,
                true,
                "its process runs, however quiet",
            ),
            (
                token(owner("a", "here", 9, 90), 0, false),
                None,
                1,
                false,
                "its process is gone",
            ),
            (
                token(owner("a", "here", 9, 90), 0, false),
                Some(95),
                1,
                false,
                "another process has its number",
            ),
            (
                token(owner("a", "here", 10, 100), 0, false),
                Some(100),
                1,
                false,
                "we have its number and start",
            ),
            (
                token(owner("a", "there", 9, 90), 0, false),
                None,
                lease - 1,
                true,
                "within the lease",
            ),
            (
                token(owner("a", "there", 9, 90), 0, false),
                None,
                lease,
                false,
                "after the lease",
            ),
            (token(owner("a", "there", 9, 90), 0, true), None, 1, false, "released"),
            (token(us.clone(), 0, false), Some(100), 1, false, "us"),
        ] {
            assert_eq!(is_alive(&token, &us, start, Millis(now)), alive, "{why}");
        }
    }

    fn catalog(folder: &std::path::Path) -> Catalog {
        Catalog {
            store: Store::open(&StoreConfig::new(folder.to_string_lossy())).expect("a folder"),
            layout: Layout {
                prefix: String::new(),
                kind: LayoutKind::Langfuse,
                extension: "parquet",
            },
            key: ExportKey {
                project: ProjectId::new("p").expect("an id"),
                table: Table::Traces,
            },
        }
    }

    #[tokio::test]
    async fn a_second_exporter_waits_for_the_first_and_a_fenced_one_stops() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = catalog(folder.path());
        let window = Window {
            from: Millis(0),
            to: Millis(10),
        };
        let (mut first, intent) = Fence::claim(&catalog, &owner("1", "one", 1, 1), Millis(0))
            .await
            .expect("free");
        assert_eq!(intent, None);
        first.intend(window, 1, Millis(1)).await.expect("ours");
        let refused = Fence::claim(&catalog, &owner("2", "two", 1, 1), Millis(2)).await;
        assert!(matches!(refused, Err(SinkError::Owned { .. })), "{refused:?}");
        let later = Millis(i64::try_from(LEASE.as_millis()).expect("small") + 1);
        let (mut second, intent) = Fence::claim(&catalog, &owner("2", "two", 1, 1), later)
            .await
            .expect("it is dead");
        assert_eq!(
            intent,
            Some((window, 1)),
            "the new owner learns what the old one was about to do"
        );
        let stopped = first.intend(window, 1, later).await;
        assert!(matches!(stopped, Err(SinkError::Fenced { .. })), "{stopped:?}");
        second.intend(window, 1, later).await.expect("ours now");
        second.release(later).await.expect("released");
        Fence::claim(&catalog, &owner("3", "three", 1, 1), later)
            .await
            .expect("no wait after a release");
    }
}
