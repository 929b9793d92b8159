//! A wall clock that a test can move for one process.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Tracemill;
use crate::ledger::test_file;

/// A clock of its own, for the children of a [`Tracemill`] that was given it.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that goes right so far. Compiled by the C compiler that linking Rust needs too.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let clock = Self {
            library: folder.join("clock.so"),
            file: folder.join("clock.seconds"),
        };
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&clock.library)
            .arg(test_file("support/clock.c"))
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "cc compiles clock.c");
        clock.set(0);
        clock
    }

    /// Moves it, in seconds from what is right.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn set(&self, seconds: i64) {
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, seconds.to_string()).expect("a file");
        std::fs::rename(fresh, &self.file).expect("a file");
    }

    /// The binary with this clock.
    #[must_use]
    pub fn given_to(&self, tracemill: &Tracemill) -> Tracemill {
        tracemill
            .clone()
            .env("LD_PRELOAD", &self.library.to_string_lossy())
            .env("TRACEMILL_TEST_CLOCK", &self.file.to_string_lossy())
    }
}
