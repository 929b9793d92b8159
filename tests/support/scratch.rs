//! A folder for one test.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary folder that goes with the value. With `TRACEMILL_TEST_KEEP` set it stays, and its path is printed.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// A new folder.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let mut folder = tempfile::Builder::new()
            .prefix("tracemill-test-")
            .tempdir()
            .expect("a temporary folder can be made");
        if std::env::var_os("TRACEMILL_TEST_KEEP").is_some() {
            folder.disable_cleanup(true);
            println!("kept: {}", folder.path().display());
        }
        Self(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path within it; nothing is made.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Every file below a folder, in order; none where the folder is not there.
///
/// # Panics
/// A folder cannot be read.
#[must_use]
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Every file below a folder whose name ends so.
#[must_use]
pub fn files_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = files_below(folder);
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files
}
