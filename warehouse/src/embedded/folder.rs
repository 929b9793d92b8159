//! The engine's folder: its lock, its files, its notes about the running server.
//!
//! ```text
//! data/       the tables
//! log/        clickhouse.log, clickhouse.err.log, child.log
//! config.xml  users.xml      written at every start
//! run.json    pid, ports and passwords of the running server (mode 0600)
//! lock        held by the server for as long as it lives
//! owner       held by the process that started it
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::{self, Settings};
use crate::error::WarehouseError;
use crate::secret::random_hex;

pub(super) const SERVER_PID: &str = "server.pid";

/// What `run.json` says.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Run {
    /// The child; 0 until it was started.
    pub(super) pid: u32,
    pub(super) http_port: u16,
    pub(super) tcp_port: Option<u16>,
    /// By user.
    pub(super) passwords: BTreeMap<String, String>,
}

/// A folder that this process owns.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// The server inherits it.
    pub(super) lock: File,
    /// Ours alone: free with a held `lock`, it tells that the owner is gone and the server about to end.
    pub(super) owner: File,
}

pub(super) fn file_error(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> WarehouseError {
    let path = path.to_owned();
    move |source| WarehouseError::File { what, path, source }
}

impl Folder {
    /// Makes the folder where it is missing and becomes its owner.
    pub(super) fn claim(path: &Path) -> Result<Self, WarehouseError> {
        let create = |path: &Path| std::fs::create_dir_all(path).map_err(file_error("create", path));
        create(path)?;
        let path = path.canonicalize().map_err(file_error("open", path))?;
        create(&path.join("data"))?;
        create(&path.join("log"))?;
        let open = |name: &str| {
            let path = path.join(name);
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true);
            options.open(&path).map_err(file_error("open", &path))
        };
        let folder = Self {
            lock: open("lock")?,
            owner: open("owner")?,
            path,
        };
        if folder.try_lock(&folder.owner)? {
            Ok(folder)
        } else {
            Err(folder.in_use())
        }
    }

    /// Takes the server's lock. `false`: an earlier server still has it. Its owner is gone, so it is about to end.
    pub(super) fn is_free(&self) -> Result<bool, WarehouseError> {
        self.try_lock(&self.lock)
    }

    fn try_lock(&self, file: &File) -> Result<bool, WarehouseError> {
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(std::fs::TryLockError::WouldBlock) => Ok(false),
            Err(std::fs::TryLockError::Error(source)) => Err(file_error("lock", &self.path)(source)),
        }
    }

    pub(super) fn in_use(&self) -> WarehouseError {
        WarehouseError::FolderInUse {
            pid: Self::read_run(&self.path).map_or(0, |run| run.pid),
            folder: self.path.clone(),
        }
    }

    /// Writes everything that a start needs. Passwords live as long as the folder, so that a URL written down stays right.
    pub(super) fn prepare(&self, settings: &Settings<'_>) -> Result<Run, WarehouseError> {
        // With what an earlier run left there, the engine starts without `system.query_log`.
        let system = self.path.join("data/data/system");
        if system.exists() {
            std::fs::remove_dir_all(&system).map_err(file_error("remove", &system))?;
        }
        let _ = std::fs::remove_file(self.path.join(SERVER_PID));
        let mut passwords = Self::read_run(&self.path).map(|run| run.passwords).unwrap_or_default();
        for name in config::user_names() {
            passwords.entry(name.to_owned()).or_insert_with(random_hex);
        }
        self.write("config.xml", config::config_xml(settings).as_bytes())?;
        self.write("users.xml", config::users_xml(&passwords).as_bytes())?;
        let run = Run {
            pid: 0,
            http_port: settings.http_port,
            tcp_port: settings.tcp_port,
            passwords,
        };
        self.note(&run)?;
        Ok(run)
    }

    /// Writes `run.json`.
    pub(super) fn note(&self, run: &Run) -> Result<(), WarehouseError> {
        let text = serde_json::to_vec_pretty(run).expect("numbers and strings are always JSON");
        self.write("run.json", &text)
    }

    /// Atomically, readable by its owner alone: the files hold passwords.
    fn write(&self, name: &str, text: &[u8]) -> Result<(), WarehouseError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!(".{name}.new"));
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        options
            .open(&temporary)
            .and_then(|mut file| file.write_all(text))
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(file_error("write", &path))
    }

    /// The notes of the running server, or of the last.
    pub(super) fn read_run(path: &Path) -> Option<Run> {
        serde_json::from_slice(&std::fs::read(path.join("run.json")).ok()?).ok()
    }

    /// Where the child's standard output and error go; begins anew with each start.
    pub(super) fn child_log(&self) -> Result<File, WarehouseError> {
        let path = self.path.join("log/child.log");
        File::create(&path).map_err(file_error("create", &path))
    }

    /// The last of what the child wrote, in one line.
    pub(super) fn child_log_tail(path: &Path) -> String {
        const TAIL: u64 = 2000;
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(path.join("log/child.log")) {
            let length = file.metadata().map_or(0, |meta| meta.len());
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(TAIL)));
            let _ = file.read_to_end(&mut text);
        }
        let text = String::from_utf8_lossy(&text)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if text.is_empty() {
            format!("see {}", path.join("log").display())
        } else {
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn passwords_stay_and_only_the_owner_reads_them() {
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().join("deep/engine");
        let folder = Folder::claim(&path).expect("a free folder");
        let settings = Settings {
            folder: &folder.path,
            http_port: 1,
            tcp_port: None,
            max_server_memory: None,
        };
        let first = folder.prepare(&settings).expect("prepared");
        let second = folder.prepare(&settings).expect("prepared again");
        assert_eq!(first.passwords, second.passwords);
        assert_eq!(first.passwords.len(), 3);
        for name in ["run.json", "users.xml"] {
            let mode = std::fs::metadata(folder.path.join(name))
                .expect(name)
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_folder_is_claimed_once() {
        let temporary = tempfile::tempdir().expect("a folder");
        let first = Folder::claim(temporary.path()).expect("free");
        assert!(first.is_free().expect("locked"));
        assert!(matches!(
            Folder::claim(temporary.path()),
            Err(WarehouseError::FolderInUse { pid: 0, .. })
        ));
        // The owner goes, its server has not ended yet.
        let server = first.lock.try_clone().expect("inherited");
        drop(first);
        let second = Folder::claim(temporary.path()).expect("no owner");
        assert!(!second.is_free().expect("no error"));
        drop(server);
        assert!(second.is_free().expect("no error"));
    }
}
