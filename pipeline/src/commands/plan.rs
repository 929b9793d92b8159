//! `plan`: what a run would do now, and what that would cost. Writes nothing anywhere.
//!
//! The estimates: rows are counted by ClickHouse over the time column alone; bytes are rows times the table's average
//! row, uncompressed. What ClickHouse has to read is taken per day, since within a day rows are sorted by id, so a window
//! of any part of a day makes it read nearly the whole day: the key columns of the day's rows ([`KEY_BYTES`] each), and
//! the rows themselves. Files are rows times the bytes a row had in the newest window that was written, or a quarter of
//! the uncompressed bytes where none was.

use std::collections::BTreeMap;

use clap::Args;
use tracemill_model::time::DAY_MS;
use tracemill_model::{ByteSize, Millis, Window};
use tracemill_operators::Clock;
use tracemill_sinks::SinkError;
use tracemill_sources::windows::survey::{self, Estimate};

use super::GraphArg;
use super::run::{ChoiceArgs, exports};
use crate::PipelineError;
use crate::assemble::Choice;
use crate::bars::say;
use crate::config::Start;
use crate::export::plan::{cursor, horizon, windows};
use crate::export::planner::reach;
use crate::export::{ExportSpec, Extent};
use crate::pace::grouped;
use crate::preflight;
use crate::session::Session;

/// What the key columns of a row take: id, two times, a flag.
const KEY_BYTES: u64 = 64;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    graph: GraphArg,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// List every window, not only the first and the last.
    #[arg(long)]
    windows: bool,
}

/// `tracemill plan`.
pub(super) async fn plan(args: PlanArgs) -> Result<(), PipelineError> {
    let choice = args.choice.choice()?;
    let session = Session::open(&args.graph.graph).await?;
    let planned = plan_all(&session, &choice, args.windows).await;
    let closed = session.close().await;
    planned.and(closed)
}

async fn plan_all(session: &Session, choice: &Choice, list: bool) -> Result<(), PipelineError> {
    let shared = session.shared(Clock::system())?;
    shared.service.ping().await?;
    preflight::check_tables(session, &shared.service).await?;
    let mut sum = Cost::default();
    for spec in exports(session, &shared, Extent::UntilCaughtUp, choice).await? {
        let planned = Planned::of(&spec).await?;
        planned.tell(&spec, list);
        sum.add(planned.cost);
    }
    say(&format!("in all: {sum}; nothing was written"));
    Ok(())
}

/// What one export would do.
struct Planned {
    horizon: Option<Millis>,
    windows: Vec<(Window, Estimate)>,
    cost: Cost,
}

/// What it would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cost {
    windows: u64,
    rows: u64,
    bytes: u64,
    files: u64,
    file_bytes: u64,
    read: u64,
}

impl Cost {
    fn add(&mut self, other: Self) {
        let Self {
            windows,
            rows,
            bytes,
            files,
            file_bytes,
            read,
        } = other;
        self.windows += windows;
        self.rows += rows;
        self.bytes += bytes;
        self.files += files;
        self.file_bytes += file_bytes;
        self.read += read;
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [bytes, file_bytes, read] = [self.bytes, self.file_bytes, self.read].map(ByteSize);
        let (windows, rows, files) = (self.windows, grouped(self.rows), self.files);
        write!(
            f,
            "{windows} windows, {rows} row versions ({bytes}), about {files} files ({file_bytes}); \
             ClickHouse reads about {read}"
        )
    }
}

impl Planned {
    async fn of(spec: &ExportSpec) -> Result<Self, PipelineError> {
        let now = spec.service.server_time().await?;
        let names = spec.catalog.names().await?;
        let covered: Vec<Window> = names.iter().map(|name| name.window).collect();
        let nothing = Self {
            horizon: None,
            windows: Vec::new(),
            cost: Cost::default(),
        };
        let Some(start) = start(spec, now).await? else {
            return Ok(nothing);
        };
        let reach = reach(spec, cursor(start, &covered)).await?;
        let Some(horizon) = horizon(now, spec.lag, spec.cut.every, &reach) else {
            return Ok(nothing);
        };
        let planned = windows(start, horizon, &covered, spec.cut);
        let estimates = survey::estimate(&spec.service, &spec.key, &planned).await?;
        let windows: Vec<(Window, Estimate)> = planned.into_iter().zip(estimates).collect();
        let days = days(spec, &windows).await?;
        let bytes_per_row = match names.last() {
            Some(name) => {
                let manifest = spec.catalog.open(*name).await?;
                (manifest.rows > 0).then(|| manifest.bytes / manifest.rows)
            }
            None => None,
        };
        Ok(Self {
            horizon: Some(horizon),
            cost: cost(&windows, &days, bytes_per_row, spec.file_size),
            windows,
        })
    }

    fn tell(&self, spec: &ExportSpec, list: bool) {
        say(&format!("{}  ({})", spec.key, spec.route));
        let (Some((first, _)), Some((last, _))) = (self.windows.first(), self.windows.last()) else {
            match self.horizon {
                Some(horizon) => say(&format!("  nothing to do: everything up to {horizon} is exported")),
                None => say("  nothing to do: there are no live rows at or after the end of what is exported"),
            }
            return;
        };
        say(&format!("  {}", self.cost));
        say(&format!("  first {first}, last {last}"));
        if list {
            for (window, estimate) in &self.windows {
                let (rows, bytes) = (grouped(estimate.versions), ByteSize(estimate.bytes));
                say(&format!("    {window}  {rows} row versions, {bytes}"));
            }
        }
    }
}

/// Where the first window begins. An export from now on that never ran begins now; that is not written down here.
async fn start(spec: &ExportSpec, now: Millis) -> Result<Option<Millis>, PipelineError> {
    match spec.start {
        Start::From(at) => Ok(Some(at)),
        Start::FullHistory => {
            let first = survey::first_time(&spec.service, &spec.key).await?;
            Ok(first.map(Millis::day))
        }
        Start::Now => {
            let catalog = &spec.catalog;
            let path = format!("{}/origin.json", catalog.layout.own_folder(&catalog.key));
            match catalog.store.get(&path, 1 << 10).await {
                Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or(now))),
                Err(SinkError::NotFound { .. }) => Ok(Some(now)),
                Err(error) => Err(error.into()),
            }
        }
    }
}

fn whole_day(at: Millis) -> Window {
    Window {
        from: at.day(),
        to: at.day().plus(DAY_MS),
    }
}

/// What each day holds that a window touches. Asks ClickHouse for days that are no window themselves.
async fn days(spec: &ExportSpec, windows: &[(Window, Estimate)]) -> Result<BTreeMap<Millis, Estimate>, PipelineError> {
    let mut days: BTreeMap<Millis, Estimate> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (window, estimate) in windows {
        for day in window.days() {
            if *window == whole_day(window.from) {
                days.insert(day.from, *estimate);
            } else if days.insert(day.from.day(), Estimate::default()).is_none() {
                unknown.push(whole_day(day.from));
            }
        }
    }
    let estimates = survey::estimate(&spec.service, &spec.key, &unknown).await?;
    days.extend(unknown.into_iter().map(|day| day.from).zip(estimates));
    Ok(days)
}

fn cost(
    windows: &[(Window, Estimate)],
    days: &BTreeMap<Millis, Estimate>,
    bytes_per_row: Option<u64>,
    file_size: ByteSize,
) -> Cost {
    let mut cost = Cost::default();
    for (window, Estimate { versions, bytes }) in windows {
        let file_bytes = bytes_per_row.map_or(bytes / 4, |per_row| versions * per_row);
        cost.add(Cost {
            windows: 1,
            rows: *versions,
            bytes: *bytes,
            files: if *versions > 0 {
                file_bytes.div_ceil(file_size.0.max(1)).max(1)
            } else {
                0
            },
            file_bytes,
            read: window
                .days()
                .filter_map(|day| days.get(&day.from.day()))
                .map(|day| day.versions * KEY_BYTES + if *versions > 0 { day.bytes } else { 0 })
                .sum(),
        });
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_day_cost_the_day_and_whole_days_cost_themselves() {
        let day = Estimate {
            versions: 100,
            bytes: 1_000,
        };
        let part = |from: i64, to: i64, versions: u64| {
            let window = Window {
                from: Millis(from),
                to: Millis(to),
            };
            let bytes = versions * 10;
            (window, Estimate { versions, bytes })
        };
        let days = BTreeMap::from([(Millis(0), day)]);
        let whole = cost(&[part(0, DAY_MS, 100)], &days, Some(2), ByteSize(50));
        assert_eq!(
            (whole.read, whole.files, whole.file_bytes),
            (100 * KEY_BYTES + 1_000, 4, 200)
        );
        let halves = [part(0, DAY_MS / 2, 50), part(DAY_MS / 2, DAY_MS, 50)];
        let halved = cost(&halves, &days, None, ByteSize(1 << 20));
        assert_eq!((halved.read, halved.files, halved.rows), (2 * whole.read, 2, 100));
        let empty = cost(&[part(0, 1000, 0)], &days, None, ByteSize(1));
        assert_eq!(
            (empty.read, empty.files),
            (100 * KEY_BYTES, 0),
            "no rows, so no second pass and no file"
        );
    }
}
