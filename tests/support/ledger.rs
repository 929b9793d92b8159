//! The truth: `tests/python/ledger.py`, which compares exported files with the ledger of `tracemill synth`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The Python that scripts/test-services.sh installed, with pyarrow and duckdb.
///
/// # Panics
/// It is not there.
#[must_use]
pub fn python() -> PathBuf {
    service("python/bin/python")
}

/// What scripts/test-services.sh installed at that path.
///
/// # Panics
/// It is not there.
#[must_use]
pub fn service(path: &str) -> PathBuf {
    let var = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = var("TRACEMILL_CACHE")
        .or_else(|| Some(var("XDG_CACHE_HOME")?.join("tracemill")))
        .or_else(|| Some(var("HOME")?.join(".cache/tracemill")))
        .expect("HOME is set");
    let service = cache.join("services").join(path);
    assert!(
        service.exists(),
        "{} is not there: run scripts/test-services.sh first",
        service.display()
    );
    service
}

/// A file of `tests/`.
#[must_use]
pub fn test_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs Python and gives its standard output and exit code.
///
/// # Panics
/// It cannot be started.
#[must_use]
pub fn run_python<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> (String, String, Option<i32>) {
    let output = Command::new(python())
        .args(args)
        .output()
        .expect("python can be started");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct Check<'a> {
    /// The table.
    pub table: &'a str,
    /// The folder of the ledger, or several: their files `<table>.tsv` are read.
    pub ledgers: Vec<&'a Path>,
    /// The folder with the exported files.
    pub files: &'a Path,
    /// `pyarrow` or `duckdb`.
    pub reader: &'a str,
    /// `main`: the truth before the late phase; `all`: after it.
    pub phase: &'a str,
    /// Further arguments: `--from`, `--to`, `--project`.
    pub more: Vec<String>,
}

impl<'a> Check<'a> {
    /// A comparison of the main phase by pyarrow.
    #[must_use]
    pub fn new(table: &'a str, ledger: &'a Path, files: &'a Path) -> Self {
        Self {
            table,
            ledgers: vec![ledger],
            files,
            reader: "pyarrow",
            phase: "main",
            more: Vec::new(),
        }
    }

    /// With the other reader.
    #[must_use]
    pub fn reader(mut self, reader: &'a str) -> Self {
        self.reader = reader;
        self
    }

    /// Of another phase.
    #[must_use]
    pub fn phase(mut self, phase: &'a str) -> Self {
        self.phase = phase;
        self
    }

    /// With further arguments.
    #[must_use]
    pub fn more(mut self, args: &[&str]) -> Self {
        self.more.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Compares.
    ///
    /// # Panics
    /// The checker does not run.
    #[must_use]
    #[track_caller]
    pub fn report(&self) -> Report {
        let began = Instant::now();
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let mut args = vec![path(&test_file("python/ledger.py"))];
        for arg in [
            "check",
            "--table",
            self.table,
            "--reader",
            self.reader,
            "--phase",
            self.phase,
            "--ledger",
        ] {
            args.push(arg.to_owned());
        }
        let file = format!("{}.tsv", self.table);
        args.extend(self.ledgers.iter().map(|folder| path(&folder.join(&file))));
        args.extend(["--files".to_owned(), path(self.files)]);
        args.extend(self.more.iter().cloned());
        let (stdout, stderr, code) = run_python(&args);
        let json: Value = match serde_json::from_str(&stdout) {
            Ok(json) => json,
            Err(_) => panic!("ledger.py ended with {code:?}:\n{stdout}{stderr}"),
        };
        assert_eq!(code == Some(0), json["right"] == true, "{json}");
        Report {
            json,
            took: began.elapsed(),
        }
    }

    /// Compares; everything must agree.
    ///
    /// # Panics
    /// It does not: with the counts and samples.
    #[track_caller]
    pub fn right(&self) -> Report {
        let report = self.report();
        assert!(report.is_right(), "the export is not the ledger: {:#}", report.json);
        report
    }
}

/// What the checker found.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its own words: counts of `expected`, `rows`, `files`, `missing`, `extra`, `doubled`, `wrong`, and samples.
    pub json: Value,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Whether everything agrees.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.json["right"] == true
    }

    /// One of its counts.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.json[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no count {name} in {}", self.json))
    }
}
