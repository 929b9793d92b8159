//! A real ClickHouse for demos, tests and benchmarks, without a server package or a container.
//!
//! It runs as a child process on 127.0.0.1, with a data folder of its own, and ends with the process that started it,
//! however that ends. Committed data survives any end and the next start on the same folder. The program that starts it
//! must give it a body: its `main` calls [`child_main`] when the first argument is [`CHILD_ARGUMENT`]; a test harness has a
//! test that calls [`run_if_child`] (see [`ChildCommand::test`]).

mod child;
mod config;
pub mod find;
mod folder;

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tracemill_model::ByteSize;

use crate::error::WarehouseError;
use crate::secret::Secret;
use crate::service::{Service, ServiceConfig, ServiceKind};

pub use child::{CHILD_ARGUMENT, child_main, run_if_child};
pub use find::Engine;

use child::{ORDERS_VARIABLE, Orders, STOP_WITHIN};
use config::{Settings, user_of};
use folder::{Folder, Run, SERVER_PID};

/// How to start the process that becomes the server.
#[derive(Debug, Clone)]
pub struct ChildCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl ChildCommand {
    /// This program, with the hidden subcommand.
    ///
    /// # Errors
    /// [`WarehouseError::Config`] where the system does not say which program this is.
    pub fn this_program() -> Result<Self, WarehouseError> {
        Ok(Self {
            program: this_program()?,
            arguments: vec![CHILD_ARGUMENT.into()],
        })
    }

    /// This test harness, running the one test `name`, whose body is [`run_if_child`].
    ///
    /// # Errors
    /// As [`ChildCommand::this_program`].
    pub fn test(name: &str) -> Result<Self, WarehouseError> {
        Ok(Self {
            program: this_program()?,
            arguments: [name, "--exact", "--nocapture"].map(OsString::from).to_vec(),
        })
    }
}

fn this_program() -> Result<PathBuf, WarehouseError> {
    std::env::current_exe().map_err(|error| WarehouseError::Config {
        what: format!("cannot find this program's own file: {error}"),
    })
}

/// How to run an engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its data, logs and notes live; made where it is missing.
    pub dir: PathBuf,
    /// `None`: a free one.
    pub http_port: Option<u16>,
    /// The native protocol, for `clickhouse client`; `None`: not spoken. `Some(0)`: a free one.
    pub tcp_port: Option<u16>,
    /// Memory of the whole server; `None`: half of the machine's.
    pub max_server_memory: Option<ByteSize>,
    /// Whether the folder stays when the engine is stopped.
    pub keep: bool,
    /// How to start the child; `None`: [`ChildCommand::this_program`].
    pub child: Option<ChildCommand>,
    /// What to run; `None`: what [`find::engine`] finds.
    pub engine: Option<Engine>,
    /// How long a start may take.
    pub start_within: Duration,
}

impl Options {
    /// An engine in `dir` that keeps its data, on a free port.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            http_port: None,
            tcp_port: None,
            max_server_memory: None,
            keep: true,
            child: None,
            engine: None,
            start_within: Duration::from_secs(60),
        }
    }
}

/// A running engine. Dropping it stops it too, without waiting for an orderly end.
pub struct Embedded {
    child: Child,
    folder: PathBuf,
    run: Run,
    pid: u32,
    keep: bool,
    stopped: bool,
    /// Held for as long as this value lives.
    _owner: File,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded")
            .field("url", &self.url())
            .field("pid", &self.pid)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// How often a start, or an end, is looked for.
const POLL: Duration = Duration::from_millis(20);
/// How long one look at a start may take.
const PING_WITHIN: Duration = Duration::from_secs(2);
/// A free port may be taken between our look and the server's.
const PORT_ATTEMPTS: usize = 3;

impl Embedded {
    /// Starts an engine and waits until it answers.
    ///
    /// # Errors
    /// [`WarehouseError::FolderInUse`], [`WarehouseError::NoEngine`], [`WarehouseError::File`], or [`WarehouseError::Engine`] with what the
    /// engine wrote before it ended: a port in use, a wrong option.
    pub async fn start(options: &Options) -> Result<Self, WarehouseError> {
        let engine = match &options.engine {
            Some(engine) => engine.clone(),
            None => find::engine()?,
        };
        let mut attempt = 1;
        loop {
            let error = match Self::start_once(options, &engine).await {
                Ok(started) => return Ok(started),
                Err(error) => error,
            };
            let port_was_taken =
                matches!(&error, WarehouseError::Engine { log, .. } if log.contains("Address already in use"));
            if options.http_port.is_some() || !port_was_taken || attempt == PORT_ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
        }
    }

    async fn start_once(options: &Options, engine: &Engine) -> Result<Self, WarehouseError> {
        let folder = Folder::claim(&options.dir)?;
        wait_until_free(&folder).await?;
        let tcp_port = match options.tcp_port {
            Some(0) => Some(free_port()?),
            port => port,
        };
        let mut run = folder.prepare(&Settings {
            folder: &folder.path,
            http_port: options.http_port.map_or_else(free_port, Ok)?,
            tcp_port,
            max_server_memory: options.max_server_memory,
        })?;
        let child = spawn(options, engine, &folder, tcp_port.is_some())?;
        run.pid = child.id();
        folder.note(&run)?;
        let mut started = Self {
            pid: child.id(),
            child,
            folder: folder.path,
            run,
            keep: options.keep,
            stopped: false,
            _owner: folder.owner,
        };
        started.wait_until_ready(options.start_within).await?;
        Ok(started)
    }

    async fn wait_until_ready(&mut self, within: Duration) -> Result<(), WarehouseError> {
        let begun = Instant::now();
        // Another server may sit on the port, or a listener that never answers: only ours knows the password.
        let service = Service::new(ServiceKind::Export, &self.service_config(ServiceKind::Export))?;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.stopped = true;
                return Err(WarehouseError::Engine {
                    what: format!("ended with {status}"),
                    log: Folder::child_log_tail(&self.folder),
                });
            }
            if matches!(tokio::time::timeout(PING_WITHIN, service.ping()).await, Ok(Ok(()))) {
                break;
            }
            if begun.elapsed() > within {
                return Err(WarehouseError::Engine {
                    what: format!("did not answer within {within:?}"),
                    log: Folder::child_log_tail(&self.folder),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        // A server binary runs below the child.
        if let Ok(text) = std::fs::read_to_string(self.folder.join(SERVER_PID))
            && let Ok(pid) = text.trim().parse()
        {
            self.pid = pid;
        }
        Ok(())
    }

    /// `http://127.0.0.1:PORT`; the user `default` has no password there.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.run.http_port)
    }

    /// The port of the native protocol, if it is spoken.
    #[must_use]
    pub fn tcp_port(&self) -> Option<u16> {
        self.run.tcp_port
    }

    /// The user and password of a service.
    #[must_use]
    pub fn service_config(&self, kind: ServiceKind) -> ServiceConfig {
        let user = user_of(kind);
        ServiceConfig {
            url: self.url(),
            user: Some(user.to_owned()),
            password: self.run.passwords.get(user).map(Secret::new),
            ..ServiceConfig::default()
        }
    }

    /// The user `default`, which may do everything.
    #[must_use]
    pub fn admin_config(&self) -> ServiceConfig {
        ServiceConfig {
            url: self.url(),
            ..ServiceConfig::default()
        }
    }

    /// The server's process, whose `/proc` tells its CPU time and memory.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the server has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Stops it: SIGTERM, then SIGKILL after some seconds.
    ///
    /// # Errors
    /// [`WarehouseError::File`] where the folder was to be removed and cannot be.
    pub async fn stop(mut self) -> Result<(), WarehouseError> {
        self.terminate();
        let begun = Instant::now();
        while !matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
            if begun.elapsed() > STOP_WITHIN + Duration::from_secs(2) {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        self.stopped = true;
        self.remove_folder()
    }

    /// Asks the child to end: by the signal, and by the pipe, whose watcher insists.
    fn terminate(&mut self) {
        drop(self.child.stdin.take());
        // SAFETY: the child was not waited for yet, so the pid is still its own.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
    }

    fn remove_folder(&self) -> Result<(), WarehouseError> {
        if self.keep {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.folder).map_err(folder::file_error("remove", &self.folder))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if self.stopped {
            return;
        }
        if self.keep {
            // Ends in order, without us: nobody waits here.
            self.terminate();
        } else {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let _ = self.remove_folder();
        }
    }
}

/// Waits for a server whose owner is gone.
async fn wait_until_free(folder: &Folder) -> Result<(), WarehouseError> {
    let begun = Instant::now();
    while !folder.is_free()? {
        if begun.elapsed() > STOP_WITHIN + Duration::from_secs(2) {
            return Err(folder.in_use());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// A port that is free now.
fn free_port() -> Result<u16, WarehouseError> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| WarehouseError::Config {
            what: format!("no free port on 127.0.0.1: {error}"),
        })
}

/// Starts the child. It inherits the folder's lock, which so lives exactly as long as the server.
fn spawn(options: &Options, engine: &Engine, folder: &Folder, tcp: bool) -> Result<Child, WarehouseError> {
    let orders = Orders {
        engine: engine.clone(),
        folder: folder.path.clone(),
        tcp,
    };
    let orders = serde_json::to_string(&orders).map_err(|error| WarehouseError::Config {
        what: format!("the folder {} has no name in UTF-8: {error}", folder.path.display()),
    })?;
    let command = match &options.child {
        Some(command) => command.clone(),
        None => ChildCommand::this_program()?,
    };
    let log = folder.child_log()?;
    let errors = log.try_clone().map_err(folder::file_error("open", &folder.path))?;
    let lock = folder.lock.as_raw_fd();
    let mut process = Command::new(&command.program);
    process
        .args(&command.arguments)
        .env(ORDERS_VARIABLE, orders)
        .current_dir(&folder.path)
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(errors)
        // Ctrl-C at a terminal reaches the parent alone, which stops the child in order.
        .process_group(0);
    // SAFETY: fcntl is async-signal-safe, and the descriptor is open in the forked child.
    unsafe {
        process.pre_exec(move || {
            if libc::fcntl(lock, libc::F_SETFD, 0) < 0 {
                Err(std::io::Error::last_os_error())
            } else {
                Ok(())
            }
        });
    }
    process.spawn().map_err(folder::file_error("run", &command.program))
}
