//! `demo`: synthetic agent runs sent as the Langfuse clients send them, through the intake, the queue and the ingestion graph
//! into the embedded ClickHouse, and out as Parquet through the export graph; then verified, and compared row by row with
//! what was sent.
//!
//! Everything is in one folder: `clickhouse/`, `raw/`, `queue/`, `lake/`, `status/` and the graph file `demo.toml`. A second
//! run on the folder writes the days that follow. Every figure that is told was counted.

mod proof;
mod sums;
mod through;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tracemill_model::time::DAY_MS;
use tracemill_model::{ByteSize, Millis, ProjectId, Secret};
use tracemill_operators::Clock;
use tracemill_sources::synth::sdk::{Expectation, Protocol, Runs, SdkConfig};
use tracemill_sources::synth::{ProjectSpec, SynthConfig};
use tracemill_warehouse::{Comment, MigrateOptions, Service, ServiceKind, Statement, migrate};

use self::proof::prove;
use self::sums::Sums;
use self::through::{TakenIn, through};
use super::run::{Drive, Show};
use super::verify::{Asked, connected};
use crate::PipelineError;
use crate::assemble::Choice;
use crate::bars::say;
use crate::config::{self, Checked};
use crate::export::Extent;
use crate::observe::Registry;
use crate::pace::grouped;
use crate::send::Key;
use crate::session::Session;

/// The graphs, with places for their folders.
const GRAPH: &str = include_str!("demo.toml");
/// Days that one run writes.
const DAYS: u32 = 2;
/// The first run begins so many days before today, which leaves room for those that follow.
const DAYS_BACK: i64 = 30;
/// The projects, and how many traces a day each has in the small size.
const PROJECTS: [(&str, u32); 3] = [("support-bot", 450), ("coding-agent", 450), ("research", 100)];
/// The share of entities that come as two events.
const UPDATES: f64 = 0.25;
/// By how many traces the end of an entity is behind its beginning.
const BEHIND: usize = 8;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Everything of the demo goes into this folder.
    #[arg(long, default_value = "tracemill-demo", value_name = "FOLDER")]
    dir: PathBuf,
    /// How many rows are written.
    #[arg(long, value_enum, default_value_t = Size::Small)]
    size: Size,
    /// Remove what an earlier demo left in the folder first.
    #[arg(long)]
    fresh: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    /// About 600 rows: to see that it works.
    Tiny,
    /// About 29,000 rows, 137 MiB.
    Small,
    /// About 290,000 rows, 1.4 GiB.
    Medium,
}

impl Size {
    /// Traces a day, of so many in the small size.
    const fn traces(self, small: u32) -> u32 {
        match self {
            Self::Tiny => small / 50,
            Self::Small => small,
            Self::Medium => small * 10,
        }
    }
}

/// The demo's folders.
struct Home {
    dir: PathBuf,
    graph: PathBuf,
    clickhouse: PathBuf,
    raw: PathBuf,
    queue: PathBuf,
    lake: PathBuf,
    status: PathBuf,
}

impl Home {
    fn at(dir: &Path) -> Result<Self, PipelineError> {
        let dir = std::path::absolute(dir).map_err(io("cannot find the folder"))?;
        Ok(Self {
            graph: dir.join("demo.toml"),
            clickhouse: dir.join("clickhouse"),
            raw: dir.join("raw"),
            queue: dir.join("queue"),
            lake: dir.join("lake"),
            status: dir.join("status"),
            dir,
        })
    }

    /// Removes what a demo made, and nothing else.
    fn clear(&self) -> Result<(), PipelineError> {
        for folder in [&self.clickhouse, &self.raw, &self.queue, &self.lake, &self.status] {
            match std::fs::remove_dir_all(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io("cannot remove an earlier demo")(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the graph file, and reads it as any other.
    fn graph(&self) -> Result<Checked, PipelineError> {
        let quoted = |path: &Path| toml::Value::String(path.display().to_string().replace('$', "$$")).to_string();
        let text = GRAPH
            .replace("{listen}", &free_address()?)
            .replace("{clickhouse}", &quoted(&self.clickhouse))
            .replace("{raw}", &quoted(&self.raw))
            .replace("{queue}", &quoted(&self.queue))
            .replace("{lake}", &quoted(&self.lake))
            .replace("{status}", &quoted(&self.status));
        for store in [&self.lake, &self.raw] {
            std::fs::create_dir_all(store).map_err(io("cannot make the folder"))?;
        }
        std::fs::write(&self.graph, &text).map_err(io("cannot write the graph file"))?;
        // The demo is the same whatever the environment says of other installations.
        config::load(&text, &self.graph.display().to_string(), &|_| None).map_err(|faults| PipelineError::Config {
            rendered: config::render(&faults),
        })
    }
}

/// An address of this machine that nobody listens on: a port of the demo's own, so that it is in nobody's way.
fn free_address() -> Result<String, PipelineError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(io("cannot find a free port"))?;
    let address = listener.local_addr().map_err(io("cannot find a free port"))?;
    Ok(address.to_string())
}

fn io(what: &'static str) -> impl Fn(std::io::Error) -> PipelineError {
    move |error| PipelineError::Io {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

/// `tracemill demo`.
pub(super) async fn demo(args: DemoArgs) -> Result<(), PipelineError> {
    let began = Instant::now();
    let home = Home::at(&args.dir)?;
    if args.fresh {
        home.clear()?;
    }
    let session = Session::of(home.graph()?).await?;
    let shown = show(&session, &home, args.size).await;
    let closed = session.close().await;
    let sums = shown?;
    closed?;
    farewell(&home, sums, began.elapsed());
    Ok(())
}

async fn show(session: &Session, home: &Home, size: Size) -> Result<Option<Sums>, PipelineError> {
    if let Some(engine) = &session.engine {
        let version = session.service(ServiceKind::Export)?.server_version().await?;
        say(&format!(
            "1. ClickHouse {version} runs at {}, for this demo alone",
            engine.url()
        ));
    }
    let service = session.service(ServiceKind::ReadWrite)?;
    migrate(&service, &MigrateOptions::default()).await?;
    let taken = match days(&service, home).await? {
        Some(first) => Some(take_in(session, &service, first, size).await?),
        None => None,
    };

    say("3. The export graph reads them window by window, keeps the newest version of each id, writes Parquet");
    let drive = Drive {
        session,
        extent: Extent::UntilCaughtUp,
        choice: Choice::default(),
        stop_within: Duration::from_secs(30),
        stop: None,
        registry: Registry::default(),
        show: Show {
            expected: taken.as_ref().map(|(_, stored)| stored.iter().sum()),
            tick: Some(Box::new(new_files(&home.lake))),
        },
    };
    drive.run().await?;

    say("4. Every file is read back, and compared with its manifest and with ClickHouse");
    let asked = Asked {
        choice: Choice::default(),
        range: None,
        deep: true,
    };
    connected(session, &asked).await?;

    let Some((taken, stored)) = taken else { return Ok(None) };
    say("5. Every row in the files is compared with what its client sent");
    let projects = PROJECTS
        .iter()
        .map(|(name, _)| project(name))
        .collect::<Result<Vec<_>, _>>()?;
    let proof = prove(session, &projects, &taken.rows).await?;
    let sums = Sums { taken, stored, proof };
    match sums.proof.differences() {
        0 => Ok(Some(sums)),
        differences => {
            sums.proof_lines().iter().for_each(|line| say(line));
            Err(PipelineError::Verify { differences })
        }
    }
}

/// The first of the days that come next. `None`: there is no room for more days before today.
async fn days(service: &Service, home: &Home) -> Result<Option<Millis>, PipelineError> {
    let statement = Statement::new(
        // What belongs to a trace may be of the day after it, and the next days begin behind all that is exported.
        "SELECT greatest(toUnixTimestamp64Milli(max(timestamp)), \
         assumeNotNull((SELECT toUnixTimestamp64Milli(max(start_time)) FROM observations)), \
         assumeNotNull((SELECT toUnixTimestamp64Milli(max(timestamp)) FROM scores))), count() FROM traces",
        Comment::new("demo"),
    );
    let (newest, traces): (i64, u64) = service.one(&statement).await?;
    let today = Clock::system().now().day();
    let first = if traces == 0 {
        today.plus(-DAYS_BACK * DAY_MS)
    } else {
        Millis(newest).day().plus(DAY_MS)
    };
    if first.plus(i64::from(DAYS) * DAY_MS) > today {
        say(&format!(
            "2. {} is full up to today; --fresh begins anew",
            home.dir.display()
        ));
        return Ok(None);
    }
    if traces > 0 {
        say(&format!(
            "   The tables hold {} traces of an earlier demo, which stay",
            grouped(traces)
        ));
    }
    Ok(Some(first))
}

/// Sends the runs of some days. What came of it, and how many rows there are now that were not there before.
async fn take_in(
    session: &Session,
    service: &Service,
    first: Millis,
    size: Size,
) -> Result<(TakenIn, [u64; 3]), PipelineError> {
    if let Some(intake) = &session.checked.intake {
        say(&format!(
            "2. Clients send agent runs of {DAYS} days from {} on to http://{}, half of them in batches of events, half as \
             OpenTelemetry spans",
            first.date(),
            intake.listen
        ));
    }
    let before = live_rows(service).await?;
    let taken = through(session, sdk_config(first, size)?, keys()?).await?;
    let after = live_rows(service).await?;
    let stored = [0, 1, 2].map(|at| after[at].saturating_sub(before[at]));
    say(&format!(
        "   {} events in {:.1} s, {} requests; every job is acknowledged, {} letters",
        grouped(taken.report.events),
        taken.report.took.as_secs_f64(),
        grouped(taken.report.requests),
        grouped(taken.status.letters)
    ));
    let sum = |of: fn(&Expectation) -> u64| taken.expected.iter().map(of).sum::<u64>();
    let expected = [
        sum(|one| one.traces),
        sum(|one| one.observations),
        sum(|one| one.scores),
    ];
    if stored != expected {
        say(&format!(
            "   ClickHouse has {stored:?} new traces, observations and scores; {expected:?} were sent"
        ));
        let differences = (0..3).map(|at| stored[at].abs_diff(expected[at])).sum();
        return Err(PipelineError::Verify { differences });
    }
    Ok((taken, stored))
}

/// Entities that are not deleted: traces, observations, scores.
async fn live_rows(service: &Service) -> Result<[u64; 3], PipelineError> {
    // A subquery by itself may be null.
    let count = |table: &str| format!("assumeNotNull((SELECT count() FROM {table} FINAL WHERE is_deleted = 0))");
    let counts = ["traces", "observations", "scores"].map(count).join(", ");
    let statement = Statement::new(format!("SELECT {counts}"), Comment::new("demo"));
    let (traces, observations, scores): (u64, u64, u64) = service.one(&statement).await?;
    Ok([traces, observations, scores])
}

fn project(name: &str) -> Result<ProjectId, PipelineError> {
    ProjectId::new(name).map_err(|error| PipelineError::Usage {
        reason: error.to_string(),
    })
}

/// As the graph file has them.
fn keys() -> Result<Vec<Key>, PipelineError> {
    let key = |(name, _): &(&str, u32)| {
        Ok(Key {
            project: project(name)?,
            public: format!("pk-lf-{name}"),
            secret: Secret::new(format!("sk-lf-{name}")),
        })
    };
    PROJECTS.iter().map(key).collect()
}

fn sdk_config(first: Millis, size: Size) -> Result<SdkConfig, PipelineError> {
    Ok(SdkConfig {
        runs: Runs::Agents(config(first, size)?),
        protocol: Protocol::Mix,
        updates: UPDATES,
        behind: BEHIND,
    })
}

fn config(first: Millis, size: Size) -> Result<SynthConfig, PipelineError> {
    let spec = |(name, traces): &(&str, u32)| {
        Ok(ProjectSpec {
            traces_per_day: size.traces(*traces),
            ..ProjectSpec::new(project(name)?)
        })
    };
    Ok(SynthConfig {
        // Other days are other runs.
        seed: u64::try_from(first.0 / DAY_MS).unwrap_or(1),
        from: first,
        days: DAYS,
        fingerprints: false,
        projects: PROJECTS.iter().map(spec).collect::<Result<_, PipelineError>>()?,
        ..SynthConfig::default()
    })
}

/// Says each file as it appears below a folder. Those that are there already are not said.
fn new_files(lake: &Path) -> impl FnMut() + Send + use<> {
    let lake = lake.to_owned();
    let mut known: BTreeSet<PathBuf> = files(&lake).into_iter().map(|(path, _)| path).collect();
    move || {
        for (path, bytes) in files(&lake) {
            if known.insert(path.clone()) {
                let name = path.strip_prefix(&lake).unwrap_or(&path);
                say(&format!("   {:>9}  {}", ByteSize(bytes).to_string(), name.display()));
            }
        }
    }
}

/// Data files below a folder, with their sizes, sorted. What cannot be read is not there.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("_tracemill") {
                found.extend(files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push((path, entry.metadata().map_or(0, |metadata| metadata.len())));
        }
    }
    found.sort();
    found
}

fn farewell(home: &Home, sums: Option<Sums>, took: Duration) {
    let files_out = files(&home.lake);
    let bytes = files_out.iter().map(|(_, bytes)| bytes).sum();
    let here = std::env::current_dir().unwrap_or_default();
    let short = |path: &Path| path.strip_prefix(&here).unwrap_or(path).display().to_string();
    let (lake, graph, clickhouse) = (short(&home.lake), short(&home.graph), short(&home.clickhouse));
    say(&format!("\nDone in {:.1} s.", took.as_secs_f64()));
    if let Some(sums) = sums {
        sums.lines().iter().for_each(|line| say(line));
    }
    say(&format!(
        "\n{} Parquet files, {}, are in {lake}:",
        files_out.len(),
        ByteSize(bytes)
    ));
    say(&format!(
        "  {lake}/<project>/<table>/<end of the window>.parquet, manifests in {lake}/_tracemill\n"
    ));
    say("Look at them:");
    say(&format!(
        "  duckdb -c \"SELECT type, count(*) AS n, sum(total_cost) AS cost FROM '{lake}/*/observations/*.parquet' \
         GROUP BY type ORDER BY n DESC\""
    ));
    say(&format!(
        "  python3 -c \"import pyarrow.dataset as ds; d = ds.dataset('{lake}/coding-agent/observations'); \
         print(d.count_rows()); print(d.schema)\""
    ));
    say(&format!("Send more, until Ctrl-C:    tracemill run {graph}"));
    say(&format!(
        "The source, until Ctrl-C:   tracemill clickhouse --dir {clickhouse}"
    ));
    say(&format!("How far it is:              tracemill status {graph}"));
    say(&format!("The graphs:                 tracemill graph {graph}"));
    say(&format!(
        "More days:                  tracemill demo{}",
        match home.dir.strip_prefix(&here) {
            Ok(dir) if dir == Path::new("tracemill-demo") => String::new(),
            Ok(dir) => format!(" --dir {}", dir.display()),
            Err(_) => format!(" --dir {}", home.dir.display()),
        }
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_of_the_demo_has_no_faults_wherever_it_lies() {
        for name in ["plain", "with \"quotes\" and $dollars", "ünï"] {
            let folder = tempfile::tempdir().expect("a folder");
            let home = Home::at(&folder.path().join(name)).expect("a path");
            let checked = home.graph().expect("no faults");
            assert_eq!(checked.status.dir, home.status);
            assert_eq!(checked.graphs.len(), 2);
            assert!(checked.ingestion().is_some() && checked.intake.is_some());
            let keys = keys().expect("keys");
            assert_eq!(checked.access.len(), keys.len());
            for key in keys {
                let access = checked.access.iter().find(|access| access.project == key.project);
                let publics = access.map(|access| access.keys.iter().map(|key| key.public.clone()).collect::<Vec<_>>());
                assert_eq!(publics, Some(vec![key.public]));
            }
        }
    }

    #[test]
    fn every_size_is_a_configuration() {
        for size in [Size::Tiny, Size::Small, Size::Medium] {
            let config = config(Millis(0), size).expect("ids");
            assert_eq!(config.faults(), Vec::<String>::new());
        }
    }

    #[test]
    fn files_are_said_once_and_ours_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("p/traces");
        std::fs::create_dir_all(&below).expect("made");
        std::fs::create_dir_all(folder.path().join("_tracemill")).expect("made");
        std::fs::write(below.join("a.parquet"), "1234").expect("written");
        std::fs::write(folder.path().join("_tracemill/b.parquet"), "").expect("written");
        let found = files(folder.path());
        assert_eq!(found, [(below.join("a.parquet"), 4)]);
    }
}
