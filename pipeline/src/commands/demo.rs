//! `demo`: synthetic agent runs into the embedded ClickHouse and out as Parquet, through the same graph as everything
//! else, then verified.
//!
//! Everything is in one folder: `clickhouse/`, `lake/`, `status/` and the graph file `demo.toml`. A second run on the
//! folder writes the days that follow.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tracemill_model::time::DAY_MS;
use tracemill_model::{ByteSize, Millis, ProjectId};
use tracemill_operators::Clock;
use tracemill_sources::synth::{Phase, ProjectSpec, SynthConfig};
use tracemill_warehouse::{Comment, MigrateOptions, Service, ServiceKind, Statement, migrate};

use super::run::{Drive, Show};
use super::synth::watched_load;
use super::verify::{Asked, connected};
use crate::PipelineError;
use crate::assemble::Choice;
use crate::bars::say;
use crate::config::{self, Checked};
use crate::export::Extent;
use crate::load::LoadOptions;
use crate::pace::grouped;
use crate::session::Session;

/// The graph, with places for its folders.
const GRAPH: &str = include_str!("demo.toml");
/// Days that one run writes.
const DAYS: u32 = 2;
/// The first run begins so many days before today, which leaves room for those that follow.
const DAYS_BACK: i64 = 30;

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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Size {
    /// About 67,000 rows, 310 MiB.
    Small,
    /// About 335,000 rows, 1.5 GiB.
    Medium,
}

/// The demo's folders.
struct Home {
    dir: PathBuf,
    graph: PathBuf,
    clickhouse: PathBuf,
    lake: PathBuf,
    status: PathBuf,
}

impl Home {
    fn at(dir: &Path) -> Result<Self, PipelineError> {
        let dir = std::path::absolute(dir).map_err(io("cannot find the folder"))?;
        Ok(Self {
            graph: dir.join("demo.toml"),
            clickhouse: dir.join("clickhouse"),
            lake: dir.join("lake"),
            status: dir.join("status"),
            dir,
        })
    }

    /// Removes what a demo made, and nothing else.
    fn clear(&self) -> Result<(), PipelineError> {
        for folder in [&self.clickhouse, &self.lake, &self.status] {
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
            .replace("{clickhouse}", &quoted(&self.clickhouse))
            .replace("{lake}", &quoted(&self.lake))
            .replace("{status}", &quoted(&self.status));
        std::fs::create_dir_all(&self.lake).map_err(io("cannot make the folder"))?;
        std::fs::write(&self.graph, &text).map_err(io("cannot write the graph file"))?;
        // The demo is the same whatever the environment says of other installations.
        config::load(&text, &self.graph.display().to_string(), &|_| None).map_err(|faults| PipelineError::Config {
            rendered: config::render(&faults),
        })
    }
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
    shown.and(closed)?;
    farewell(&home, began.elapsed());
    Ok(())
}

async fn show(session: &Session, home: &Home, size: Size) -> Result<(), PipelineError> {
    if let Some(engine) = &session.engine {
        let version = session.service(ServiceKind::Export)?.server_version().await?;
        say(&format!(
            "1. ClickHouse {version} runs at {}, for this demo alone",
            engine.url()
        ));
    }
    let service = session.service(ServiceKind::ReadWrite)?;
    migrate(&service, &MigrateOptions::default()).await?;
    let rows = rows_in(&service, home, size).await?;

    say("3. The export graph reads them window by window, keeps the newest version of each id, writes Parquet");
    let drive = Drive {
        session,
        extent: Extent::UntilCaughtUp,
        choice: Choice::default(),
        stop_within: Duration::from_secs(30),
        show: Show {
            expected: rows,
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
    connected(session, &asked).await
}

/// Writes the next days. `None`: there is no room for more days before today.
async fn rows_in(service: &Service, home: &Home, size: Size) -> Result<Option<u64>, PipelineError> {
    let statement = Statement::new(
        "SELECT toUnixTimestamp64Milli(max(timestamp)), count() FROM traces",
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
    match traces {
        0 => say(&format!("2. Agent runs of {DAYS} days from {} on go in", first.date())),
        _ => say(&format!(
            "2. The tables hold {} traces of an earlier demo, which stay; {DAYS} days from {} on go in",
            grouped(traces),
            first.date()
        )),
    }
    let options = LoadOptions {
        config: config(first, size)?,
        ledger: None,
        phases: vec![Phase::Main],
    };
    Ok(Some(watched_load(service, options).await?.rows))
}

fn config(first: Millis, size: Size) -> Result<SynthConfig, PipelineError> {
    let times = match size {
        Size::Small => 1,
        Size::Medium => 5,
    };
    let projects = [("support-bot", 900), ("coding-agent", 900), ("research", 200)];
    Ok(SynthConfig {
        // Other days are other rows, also to the deduplication of inserts.
        seed: u64::try_from(first.0 / DAY_MS).unwrap_or(1),
        from: first,
        days: DAYS,
        fingerprints: false,
        projects: projects
            .into_iter()
            .map(|(name, traces)| {
                let id = ProjectId::new(name).map_err(|error| PipelineError::Usage {
                    reason: error.to_string(),
                })?;
                Ok(ProjectSpec {
                    traces_per_day: traces * times,
                    ..ProjectSpec::new(id)
                })
            })
            .collect::<Result<_, PipelineError>>()?,
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

fn farewell(home: &Home, took: Duration) {
    let files_out = files(&home.lake);
    let bytes = files_out.iter().map(|(_, bytes)| bytes).sum();
    let here = std::env::current_dir().unwrap_or_default();
    let short = |path: &Path| path.strip_prefix(&here).unwrap_or(path).display().to_string();
    let (lake, graph, clickhouse) = (short(&home.lake), short(&home.graph), short(&home.clickhouse));
    say(&format!(
        "\nDone in {:.1} s. {} Parquet files, {}, are in {lake}:",
        took.as_secs_f64(),
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
    say(&format!(
        "The source, until Ctrl-C:   tracemill clickhouse --dir {clickhouse}"
    ));
    say(&format!("How far the exports are:    tracemill status {graph}"));
    say(&format!("The graph:                  tracemill graph {graph}"));
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
            assert_eq!(checked.graphs.len(), 1);
        }
    }

    #[test]
    fn every_size_is_a_configuration() {
        for size in [Size::Small, Size::Medium] {
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
