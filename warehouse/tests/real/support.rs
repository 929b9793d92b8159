//! An engine in a temporary folder, and short ways to ask it.

use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tracemill_warehouse::embedded::{ChildCommand, Options};
use tracemill_warehouse::{Comment, Embedded, Service, ServiceConfig, ServiceKind, Statement};

/// An engine whose folder goes with it.
pub(crate) struct Engine {
    embedded: Embedded,
    _folder: TempDir,
}

/// Options for a folder that stays.
pub(crate) fn options(folder: &Path) -> Options {
    Options {
        child: Some(ChildCommand::test("clickhouse_child").expect("this program")),
        ..Options::new(folder)
    }
}

impl Engine {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options {
            keep: false,
            ..options(folder.path())
        };
        let embedded = Embedded::start(&options).await.expect("a started engine");
        Self {
            embedded,
            _folder: folder,
        }
    }

    /// A service of the kind's own user.
    pub(crate) fn service(&self, kind: ServiceKind, change: impl FnOnce(&mut ServiceConfig)) -> Service {
        let mut config = self.service_config(kind);
        change(&mut config);
        Service::new(kind, &config).expect("a service")
    }

    /// A service that may do everything.
    pub(crate) fn admin(&self) -> Service {
        admin(&self.embedded)
    }
}

/// A service that may do everything.
pub(crate) fn admin(engine: &Embedded) -> Service {
    Service::new(ServiceKind::ReadWrite, &engine.admin_config()).expect("a service")
}

impl Deref for Engine {
    type Target = Embedded;

    fn deref(&self) -> &Embedded {
        &self.embedded
    }
}

/// A statement without parameters.
pub(crate) fn sql(text: &str) -> Statement {
    Statement::new(text, Comment::new("test"))
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what} did not happen within 30 s"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(')').next().map(|rest| !rest.trim_start().starts_with('Z')))
        .unwrap_or(false)
}
