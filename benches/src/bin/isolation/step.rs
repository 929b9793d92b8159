//! The governor under a step: the readers' load is tripled for a minute, and its settings are written down.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tracemill_benches::plot::{Chart, Series, Style};
use tracemill_benches::process::{bound_to_parent, pause};
use tracemill_benches::server::free_port;
use tracemill_benches::{Failure, http};

use crate::exporter::Exporter;
use crate::readers::Readers;
use crate::row::{Bench, Row};

/// When the readers begin to ask three times as often, when they stop to, and when all ends, in seconds.
const STEP: [f64; 3] = [60.0, 120.0, 180.0];
/// Times the day is exported: more than there is time for.
const DAYS: u32 = 60;
const EVERY: Duration = Duration::from_millis(250);

/// What the governor did.
pub(crate) struct Step {
    row: Row,
    /// Seconds, and the part of full speed that it leaves to the export: its share, less the time that the export stood still.
    shares: Vec<(f64, f64)>,
    /// Seconds, and the part of the time in which it saw queries of readers: what the other follows.
    readers: Vec<(f64, f64)>,
    ends: [f64; 3],
}

impl Bench<'_> {
    /// Measures.
    pub(crate) fn step(&self) -> Result<Step, Failure> {
        let scale = if self.args.quick { 1.0 / 4.0 } else { 1.0 };
        let ends = STEP.map(|at| at * scale);
        let rate = |at: f64| if (ends[0]..ends[1]).contains(&at) { 3.0 } else { 1.0 } * self.args.queries;
        let readers = Readers::new(
            self.server,
            self.day,
            Exporter::Governed.readers_priority(),
            rate,
            ends[2],
        )?;
        let port = free_port()?;
        let mut export = self.export("step", if self.args.quick { 4 * DAYS } else { DAYS });
        export.metrics = Some(port);
        std::fs::create_dir_all(&export.dir)?;
        let told = Mutex::new(Vec::new());
        let row = self.beside("step", &readers, |began| {
            let mut command = export.command(Exporter::Governed)?;
            let log = std::fs::File::create(export.dir.join("export.log"))?;
            let mut child = bound_to_parent(command.stderr(log).stdout(std::process::Stdio::null())).spawn()?;
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        if let (Some((share, readers)), Ok(mut told)) = (share(port), told.lock()) {
                            told.push((began.elapsed().as_secs_f64(), share, readers));
                        }
                        pause(EVERY);
                    }
                });
                let mut ended = None;
                while began.elapsed().as_secs_f64() < ends[2] && ended.is_none() {
                    pause(EVERY);
                    ended = child.try_wait().ok().flatten();
                }
                stop.store(true, Ordering::Relaxed);
                match ended {
                    Some(status) => Err(Failure::from(format!("the export ended with {status} within the step"))),
                    None => Ok(()),
                }
            })?;
            child.kill()?;
            child.wait()?;
            Ok(None)
        })?;
        let told = told.into_inner().unwrap_or_default();
        Ok(Step {
            row,
            shares: told.iter().map(|(at, share, _)| (*at, *share)).collect(),
            readers: told.iter().map(|(at, _, readers)| (*at, *readers)).collect(),
            ends,
        })
    }
}

/// The part of full speed that an exporter has, and the part of the time in which readers' queries ran, as it tells at this port.
fn share(port: u16) -> Option<(f64, f64)> {
    let text = http::get(&format!("127.0.0.1:{port}"), "/metrics", Duration::from_secs(2)).ok()?;
    let gauge = |name: &str| -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let share = gauge("tracemill_governor_share")? * (1.0 - gauge("tracemill_governor_given_ratio")?);
    Some((share, gauge("tracemill_governor_readers_ratio")?))
}

/// Changes of direction within a time, by more than a tenth each.
fn swings(told: &[(f64, f64)], from: f64, to: f64) -> usize {
    let (mut turns, mut extreme, mut is_rising) = (0, None::<f64>, None::<bool>);
    for (_, share) in told.iter().filter(|(at, _)| (from..to).contains(at)) {
        let Some(last) = extreme else {
            extreme = Some(*share);
            continue;
        };
        let rises = *share > last;
        if Some(rises) == is_rising {
            extreme = Some(*share);
        } else if (share - last).abs() > 0.1 {
            turns += usize::from(is_rising.is_some());
            (is_rising, extreme) = (Some(rises), Some(*share));
        }
    }
    turns
}

/// Mean and standard deviation within a time.
fn moments(told: &[(f64, f64)], from: f64, to: f64) -> (f64, f64) {
    let within = || {
        told.iter()
            .filter(|(at, _)| (from..to).contains(at))
            .map(|(_, share)| *share)
    };
    let count = within().count().max(1) as f64;
    let mean = within().sum::<f64>() / count;
    let variance = within().map(|share| (share - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

impl Step {
    fn mean(&self, from: f64, to: f64) -> f64 {
        moments(&self.shares, from, to).0
    }

    /// The standard deviation of each of the three times, once a twelfth of the first is over: the steps themselves are left out.
    fn spread(&self, told: &[(f64, f64)]) -> [f64; 3] {
        let [begin, end, last] = self.ends;
        [(0.0, begin), (begin, end), (end, last)].map(|(from, to)| moments(told, from + begin / 12.0, to).1)
    }

    /// Seconds after `from` until the share fulfils `is`.
    fn first(&self, from: f64, is: impl Fn(f64) -> bool) -> Option<f64> {
        let mut after = self.shares.iter().filter(|(at, _)| *at >= from);
        after.find(|(_, share)| is(*share)).map(|(at, _)| at - from)
    }

    pub(crate) fn print(&self) -> Value {
        let [begin, end, last] = self.ends;
        let before = self.mean(begin / 2.0, begin);
        let during = self.mean((begin + end) / 2.0, end);
        let after = self.mean((end + last) / 2.0, last);
        // Four fifths of the way to where it then stays; a way of less than a twentieth of full speed is none.
        let far = before - during > 0.05 && after - during > 0.05;
        let way = self.first(begin, |share| far && share <= during + (before - during) * 0.2);
        let back = self.first(end, |share| far && share >= after - (after - during) * 0.2);
        let turns =
            |told: &[(f64, f64)]| [(0.0, begin), (begin, end), (end, last)].map(|(from, to)| swings(told, from, to));
        let (own, of_readers) = (turns(&self.shares), turns(&self.readers));
        // What follows readers who come by chance moves as they do; what swings by itself moves more.
        let (spread, spread_of_readers) = (self.spread(&self.shares), self.spread(&self.readers));
        let told = |seconds: Option<f64>, most: f64| match seconds {
            Some(seconds) if seconds <= most => format!("{seconds:.1} s (at most {most:.0}: met)"),
            Some(seconds) => format!("{seconds:.1} s (at most {most:.0}: MISSED)"),
            None => "never (MISSED)".to_owned(),
        };
        println!(
            "\nthe governor, readers tripled from {begin:.0} to {end:.0} s: share of full speed {:.0} % before, {:.0} % during, {:.0} % after; \
             down after {}, back after {}; standard deviation {spread:.3?}, of the readers' own load {spread_of_readers:.3?}; \
             turns {own:?}, of the readers' own load {of_readers:?}",
            before * 100.0,
            during * 100.0,
            after * 100.0,
            told(way, 5.0),
            told(back, 30.0)
        );
        json!({
            "before": before, "during": during, "after": after, "gives_way_s": way, "returns_s": back, "turns": own,
            "turns_of_readers": of_readers, "spread": spread, "spread_of_readers": spread_of_readers,
            "shares": self.shares, "readers": self.readers, "row": self.row.to_json(),
        })
    }

    pub(crate) fn charts(&self) -> Vec<Chart> {
        let shaded = vec![(self.ends[0], self.ends[1])];
        let share = Chart {
            title: "The export's part of full speed, and readers' part of the time; readers tripled where shaded"
                .to_owned(),
            x: "seconds".to_owned(),
            y: "share".to_owned(),
            height: 240.0,
            range: Some((0.0, 1.0)),
            shaded: shaded.clone(),
            series: vec![
                Series {
                    name: "part of full speed".to_owned(),
                    style: Style::Steps,
                    colour: 0,
                    points: self.shares.clone(),
                },
                Series {
                    name: "readers' queries run".to_owned(),
                    style: Style::Steps,
                    colour: 1,
                    points: self.readers.clone(),
                },
            ],
            ..Chart::default()
        };
        let points = self.row.reads.iter().map(|read| (read.due, read.took * 1e3)).collect();
        let latency = Chart {
            title: "Interactive queries".to_owned(),
            x: "seconds".to_owned(),
            y: "ms".to_owned(),
            height: 240.0,
            is_log: true,
            range: Some((1.0, 10_000.0)),
            shaded,
            series: vec![Series {
                name: "a query".to_owned(),
                style: Style::Dots,
                colour: 1,
                points,
            }],
            ..Chart::default()
        };
        vec![share, latency]
    }
}
