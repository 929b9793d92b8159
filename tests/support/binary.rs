//! The binary under test as a child process.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::wait::wait_for;

/// How long a command may take unless a test says otherwise.
const WITHIN: Duration = Duration::from_secs(120);

/// The binary, with the environment that its children get.
#[derive(Debug, Clone)]
pub struct Tracemill {
    binary: PathBuf,
    logs: PathBuf,
    env: Vec<(String, String)>,
    within: Duration,
}

impl Tracemill {
    /// The release binary: `TRACEMILL_BIN`, else that of the target folder. Output of its children goes into `logs`.
    ///
    /// # Panics
    /// It is not built.
    #[must_use]
    pub fn new(logs: &Path) -> Self {
        let built = |target: &str| Path::new(target).join("release/tracemill");
        let binary = match (std::env::var("TRACEMILL_BIN"), std::env::var("CARGO_TARGET_DIR")) {
            (Ok(path), _) => PathBuf::from(path),
            (_, Ok(target)) => built(&target),
            _ => built(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        };
        assert!(
            binary.is_file(),
            "{} is not built: run `cargo build --release -p tracemill-pipeline` first, or set TRACEMILL_BIN",
            binary.display()
        );
        std::fs::create_dir_all(logs).expect("the folder for logs can be made");
        Self {
            binary,
            logs: logs.to_owned(),
            env: Vec::new(),
            within: WITHIN,
        }
    }

    /// The same with a variable for its children.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with another deadline for [`Self::run`].
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Which program it is.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The same by another program, such as a script that runs this one.
    #[must_use]
    pub fn with_binary(mut self, binary: &Path) -> Self {
        binary.clone_into(&mut self.binary);
        self
    }

    /// Starts a command.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let args: Vec<S> = args.into_iter().collect();
        let name = args
            .first()
            .map_or_else(String::new, |arg| arg.as_ref().to_string_lossy().into_owned());
        let base = format!("{:03}-{name}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (stdout, stderr) = (
            self.logs.join(format!("{base}.out")),
            self.logs.join(format!("{base}.err")),
        );
        let into = |path: &Path| Stdio::from(File::create(path).expect("a log file can be made"));
        let mut command = Command::new(&self.binary);
        // What the caller's environment says of ClickHouse and exports is not for the graphs of a test.
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("CLICKHOUSE_") || name.starts_with("LANGFUSE_") || name == "TRACEMILL_LOG" {
                command.env_remove(&variable);
            }
        }
        command
            .args(&args)
            .envs(self.env.iter().cloned())
            .current_dir(&self.logs);
        command.stdin(Stdio::null()).stdout(into(&stdout)).stderr(into(&stderr));
        let child = command.spawn().expect("the binary can be started");
        Running {
            child,
            stdout,
            stderr,
            began: Instant::now(),
        }
    }

    /// Runs a command to its end, whatever that is.
    ///
    /// # Panics
    /// It takes too long.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.start(args).wait(self.within)
    }

    /// Runs a command that must succeed.
    ///
    /// # Panics
    /// It fails, or takes too long.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        let args: Vec<S> = args.into_iter().collect();
        let output = self.run(&args);
        let shown: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        assert!(
            output.code == Some(0),
            "{shown:?} ended with {:?}:\n{}",
            output.code,
            output.tail()
        );
        output
    }
}

/// A command that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    began: Instant,
}

impl Running {
    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The log records so far, of that message.
    #[must_use]
    pub fn records(&self, message: &str) -> Vec<Value> {
        records(&self.stderr(), message)
    }

    /// The exit status, once it has ended.
    ///
    /// # Panics
    /// The process cannot be asked.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It takes too long; it is killed then.
    #[must_use]
    pub fn wait(mut self, within: Duration) -> Output {
        while self.status().is_none() {
            if self.began.elapsed() > within {
                let text = format!("{}{}", self.stdout(), self.stderr());
                panic!(
                    "the command was not done after {within:?}; its log ends with:\n{}",
                    tail(&text)
                );
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let status = self.status().expect("it has ended");
        Output {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            took: self.began.elapsed(),
        }
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`).
    ///
    /// # Panics
    /// There is no `kill` program, or the process is gone.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "cannot send SIG{name} to {pid}"
        );
    }

    /// Waits until something is true of it; it must not end before.
    ///
    /// # Panics
    /// It takes too long, or the process ends.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, within: Duration, mut condition: impl FnMut(&Self) -> Option<T>) -> T {
        wait_for(what, within, || {
            let found = condition(self);
            if found.is_none()
                && let Some(status) = self.status()
            {
                let text = format!("{}{}", self.stdout(), self.stderr());
                panic!("ended with {status} before {what}:\n{}", tail(&text));
            }
            found
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error: the log as JSON lines, and the error.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

impl Output {
    /// The log records of that message.
    #[must_use]
    pub fn records(&self, message: &str) -> Vec<Value> {
        records(&self.stderr, message)
    }

    /// The end of what it said.
    #[must_use]
    pub fn tail(&self) -> String {
        tail(&format!("{}{}", self.stdout, self.stderr))
    }
}

fn records(text: &str, message: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|record| record["message"] == message)
        .collect()
}

/// The last lines of a log.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
