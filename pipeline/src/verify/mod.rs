//! Does the store hold what its manifests say, and do these say what ClickHouse holds?
//!
//! [`check`] decides over manifests and listings and is pure; [`files`] reads files back; [`deep`] decodes them; [`walk`]
//! goes over an export. What differs is a [`Difference`], and all of them are told.

pub mod check;
pub mod deep;
pub mod files;
pub mod walk;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tracemill_model::Window;
use tracemill_model::manifest::FileEntry;

use crate::pace::Sample;

/// What was read back so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rows of the files that were read.
    pub rows: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// How many.
    pub files: AtomicU64,
}

impl Tally {
    fn add(&self, file: &FileEntry) {
        self.rows.fetch_add(file.rows, Ordering::Relaxed);
        self.bytes.fetch_add(file.bytes, Ordering::Relaxed);
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    /// As a bar shows it; the whole is not known before the last manifest was read.
    #[must_use]
    pub fn sample(&self) -> Sample {
        let files = self.files.load(Ordering::Relaxed);
        Sample {
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            done: files,
            total: None,
            note: format!("{files} files"),
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind: `missing`, `size`, `checksum`, `footer`, `rows`, `times`, `counts`, `name`, `overlap`, `gap`, `stray`,
    /// `letters`, `manifest`, `changed`.
    pub kind: &'static str,
    /// Which window.
    pub window: Option<Window>,
    /// Which object.
    pub path: Option<String>,
    /// What is wrong, with both values.
    pub what: String,
}

impl Difference {
    /// About a window.
    #[must_use]
    pub fn of_window(kind: &'static str, window: Window, what: String) -> Self {
        Self {
            kind,
            window: Some(window),
            path: None,
            what,
        }
    }

    /// About an object, of a window where it belongs to one.
    #[must_use]
    pub fn of_object(kind: &'static str, window: Option<Window>, path: &str, what: String) -> Self {
        Self {
            kind,
            window,
            path: Some(path.to_owned()),
            what,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind)?;
        match (&self.path, self.window) {
            (Some(path), _) => write!(f, "{path}: ")?,
            (None, Some(window)) => write!(f, "{window}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.what)
    }
}
