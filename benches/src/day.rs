//! The data: made once, by the exporter's own generator, and then left as it is. ClickHouse merges nothing, so every side
//! reads the same parts, with all versions of each row.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Failure, process};
use tracemill_model::{Millis, Window};

use crate::server::ClickHouse;

/// Parts of the day's observations, as in the measurements that the goals were set by.
const PARTS: u64 = 12;

/// A project's day of observations, in a database of its own.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    /// What it is called in the tables.
    pub name: &'static str,
    /// The database.
    pub database: &'static str,
    /// The project.
    pub project: &'static str,
    /// The day.
    pub window: Window,
    /// Versions of observations.
    pub versions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Parts of the table.
    pub parts: u64,
    /// Rows that are right: the newest version of each id, unless it is deleted.
    pub truth: u64,
}

/// How a day is made.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    name: &'static str,
    database: &'static str,
    project: &'static str,
    args: &'static [&'static str],
}

/// The day of the benchmarks.
pub const REFERENCE: Recipe = Recipe {
    name: "day",
    database: "bench_day",
    project: "reference",
    args: &["--reference-day"],
};
/// About a tenth of it.
pub const TENTH: Recipe = Recipe {
    name: "tenth of a day",
    database: "bench_tenth",
    project: "synth-1",
    args: &["--projects", "1", "--traces", "1188", "--observations", "24"],
};
/// About 10 GiB.
pub const BIG: Recipe = Recipe {
    name: "day of 10 GiB",
    database: "bench_big",
    project: "synth-1",
    args: &[
        "--projects",
        "1",
        "--traces",
        "81000",
        "--observations",
        "24",
        "--scores",
        "0",
    ],
};
/// Rows of 430 KB a column, about 1 GiB.
pub const WIDE: Recipe = Recipe {
    name: "wide rows",
    database: "bench_wide",
    project: "synth-1",
    args: &["--projects", "1", "--wide", "--traces", "100", "--observations", "20"],
};
/// The same, about 100 MiB.
pub const WIDE_TENTH: Recipe = Recipe {
    name: "wide rows, a tenth",
    database: "bench_wide",
    project: "synth-1",
    args: &["--projects", "1", "--wide", "--traces", "10", "--observations", "20"],
};

impl Recipe {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Makes it.
    pub fn make(self, tracemill: &Path, server: &ClickHouse, dir: &Path) -> Result<Day, Failure> {
        let Self {
            name,
            database,
            project,
            args,
        } = self;
        server.ask("default", &format!("CREATE DATABASE {database}"))?;
        let url = server.url(database);
        let log = dir.join(format!("{database}.log"));
        let run = |args: &[&str]| {
            let mut command = Command::new(tracemill);
            command.args(args).args(["--url", &url]);
            command
                .stdout(File::create(&log)?)
                .stderr(File::options().append(true).create(true).open(&log)?);
            process::measure(&mut command, Duration::from_secs(900))
                .map_err(|error| Failure::from(format!("{}: {error}; see {}", args[0], log.display())))
        };
        run(&["migrate"])?;
        server.ask(database, "SYSTEM STOP MERGES")?;
        run(&[&["synth"], args].concat())?;
        repart(server, database)?;
        let from = Millis::parse("2026-02-25")?;
        let window = Window::new(from, from.plus(tracemill_model::time::DAY_MS)).ok_or("a day is a window")?;
        describe(
            server,
            Day {
                name,
                database,
                project,
                window,
                versions: 0,
                bytes: 0,
                parts: 0,
                truth: 0,
            },
        )
    }
}

/// Writes the table again in fewer parts, with every version, each part with rows of the whole day: what merges leave of a
/// day, and what a window of 15 minutes then has to read.
fn repart(server: &ClickHouse, database: &str) -> Result<(), Failure> {
    let bytes: u64 = server
        .ask(database, "SELECT sum(data_uncompressed_bytes) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'observations'")?
        .parse()?;
    let least = (bytes / PARTS).clamp(1 << 20, 256 << 20);
    for sql in [
        "RENAME TABLE observations TO observations_load".to_owned(),
        "CREATE TABLE observations AS observations_load".to_owned(),
        "SYSTEM STOP MERGES".to_owned(),
        format!(
            "INSERT INTO observations SELECT * FROM observations_load ORDER BY cityHash64(id) SETTINGS optimize_on_insert = 0, max_threads = 1, \
             max_insert_threads = 1, min_insert_block_size_bytes = {least}, min_insert_block_size_rows = 0"
        ),
        "DROP TABLE observations_load SYNC".to_owned(),
    ] {
        server.ask(database, &sql)?;
    }
    Ok(())
}

/// Adds what the server says of it.
fn describe(server: &ClickHouse, day: Day) -> Result<Day, Failure> {
    let number = |sql: &str| -> Result<u64, Failure> { Ok(server.ask(day.database, sql)?.parse()?) };
    let of_parts = "FROM system.parts WHERE active AND database = currentDatabase() AND table = 'observations'";
    let Window { from, to } = day.window;
    let truth = format!(
        "SELECT countIf(deleted = 0) FROM (SELECT argMax(is_deleted, (event_ts, is_deleted)) AS deleted FROM observations \
         WHERE project_id = '{}' AND start_time >= fromUnixTimestamp64Milli(toInt64({})) \
         AND start_time < fromUnixTimestamp64Milli(toInt64({})) GROUP BY id)",
        day.project, from.0, to.0
    );
    Ok(Day {
        versions: number("SELECT count() FROM observations")?,
        bytes: number(&format!("SELECT sum(data_uncompressed_bytes) {of_parts}"))?,
        parts: number(&format!("SELECT count() {of_parts}"))?,
        truth: number(&truth)?,
        ..day
    })
}
