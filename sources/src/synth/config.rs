//! What to generate: projects, days, sizes, and how irregular the data is.

use serde::{Deserialize, Serialize};
use tracemill_model::time::DAY_MS;
use tracemill_model::{Millis, ProjectId};

/// Everything that decides the output: equal configurations give equal rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SynthConfig {
    /// The seed.
    pub seed: u64,
    /// Whose rows.
    pub projects: Vec<ProjectSpec>,
    /// The first day; cut to its midnight (UTC).
    pub from: Millis,
    /// How many days.
    pub days: u32,
    /// Row sizes.
    pub payload: Payload,
    /// How irregular.
    pub shares: Shares,
    /// Row bytes that a chunk aims at.
    pub chunk_bytes: u64,
    /// Whether the ledger holds fingerprints of the contents (see the module's docs); without them it counts only.
    pub fingerprints: bool,
}

/// One project's volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectSpec {
    /// Its id.
    pub id: ProjectId,
    /// Traces a day.
    pub traces_per_day: u32,
    /// Observations a trace on average; 0 for a project that only has traces.
    pub observations_per_trace: f64,
    /// Scores a trace on average.
    pub scores_per_trace: f64,
}

/// Sizes of `input` and `output` together, in bytes of an average observation.
///
/// Sizes spread around the median (a fifth is below half of it, a tenth above its triple). Kinds differ: generations
/// are larger, events smaller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Payload {
    /// Half of the rows are smaller.
    pub median: u32,
    /// The share of rows that are drawn from the tail instead: from ten medians to `max`, evenly over the octaves.
    pub tail: f64,
    /// The largest payload.
    pub max: u32,
}

/// Shares of ids, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    /// Ids with a later version that changes the content.
    pub updated: f64,
    /// Ids with a later version of the same content.
    pub repeated: f64,
    /// Ids whose newest version is a deletion.
    pub deleted: f64,
    /// Ids with a version that is written twice, the same in every column.
    pub equal: f64,
    /// How many later versions an updated or repeated id has at most.
    pub max_versions: u32,
    /// Of the later versions: those in a later chunk than the first (so in another part of the table).
    pub apart: f64,
    /// Of the updated observations: those whose type changes.
    pub retyped: f64,
    /// Of the updated ids: those whose time changes, within `moved_slot_ms`.
    pub moved: f64,
    /// The aligned slot in which a moved time stays. The default, a day, suits exports by whole days; where windows are
    /// shorter, give their length, since the newest version is chosen per window.
    pub moved_slot_ms: i64,
    /// Ids whose time is exactly on a boundary of 15 minutes, an hour or a day, or one millisecond before it.
    pub boundary: f64,
    /// Ids that come in the late phase.
    pub late_new: f64,
    /// Ids that are changed, deleted or written again in the late phase.
    pub late_changed: f64,
}

impl Default for ProjectSpec {
    fn default() -> Self {
        Self::named("demo")
    }
}

impl ProjectSpec {
    /// A project of 500 traces a day with 12 observations each.
    #[must_use]
    pub fn new(id: ProjectId) -> Self {
        Self {
            id,
            traces_per_day: 500,
            observations_per_trace: 12.0,
            scores_per_trace: 1.5,
        }
    }

    pub(super) fn named(id: &'static str) -> Self {
        Self::new(ProjectId::new(id).expect("the names in this crate are ids"))
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self {
            median: 3_500,
            tail: 0.002,
            max: 400_000,
        }
    }
}

impl Payload {
    /// Rows of several hundred KB, as from agents that log whole contexts.
    #[must_use]
    pub const fn wide() -> Self {
        Self {
            median: 430_000,
            tail: 0.0,
            max: 2_000_000,
        }
    }

    /// The expected bytes of an average observation's payload.
    pub(super) fn mean(&self) -> f64 {
        // The body's mean is 1.32 medians (the quantiles of `size.rs`); a tail over octaves has most at its low end.
        let (low, high) = (f64::from(self.median) * 10.0, f64::from(self.max));
        let tail = if low < high { low + (high - low) * 0.35 } else { high };
        f64::from(self.median) * 1.32 * (1.0 - self.tail) + tail * self.tail
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            updated: 0.05,
            repeated: 0.02,
            deleted: 0.01,
            equal: 0.01,
            max_versions: 3,
            apart: 0.5,
            retyped: 0.1,
            moved: 0.1,
            moved_slot_ms: DAY_MS,
            boundary: 0.01,
            late_new: 0.005,
            late_changed: 0.005,
        }
    }
}

impl Shares {
    /// No irregularity: one live version an id.
    #[must_use]
    pub fn none() -> Self {
        Self {
            updated: 0.0,
            repeated: 0.0,
            deleted: 0.0,
            equal: 0.0,
            boundary: 0.0,
            late_new: 0.0,
            late_changed: 0.0,
            ..Self::default()
        }
    }
}

impl Default for SynthConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            projects: vec![
                ProjectSpec::named("demo-support"),
                ProjectSpec::named("demo-coding"),
                ProjectSpec {
                    traces_per_day: 100,
                    ..ProjectSpec::named("demo-research")
                },
            ],
            from: Millis(1_772_064_000_000),
            days: 1,
            payload: Payload::default(),
            shares: Shares::default(),
            chunk_bytes: 12 << 20,
            fingerprints: true,
        }
    }
}

impl SynthConfig {
    /// The day on which exporters are measured: one project, about 285,000 observation ids, of which 5 % are updated
    /// and 1 % deleted, so about 302,000 versions, and about 1.5 GiB of row bytes.
    #[must_use]
    pub fn reference_day() -> Self {
        Self {
            projects: vec![ProjectSpec {
                traces_per_day: 11_875,
                observations_per_trace: 24.0,
                ..ProjectSpec::named("reference")
            }],
            from: Millis(1_772_064_000_000),
            shares: Shares {
                updated: 0.05,
                deleted: 0.01,
                max_versions: 1,
                ..Shares::none()
            },
            ..Self::default()
        }
    }

    /// Every fault of the configuration, in words; empty where it can be generated.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let s = &self.shares;
        for (name, share) in [
            ("payload.tail", self.payload.tail),
            ("shares.updated", s.updated),
            ("shares.repeated", s.repeated),
            ("shares.deleted", s.deleted),
            ("shares.equal", s.equal),
            ("shares.apart", s.apart),
            ("shares.retyped", s.retyped),
            ("shares.moved", s.moved),
            ("shares.boundary", s.boundary),
            ("shares.late_new", s.late_new),
            ("shares.late_changed", s.late_changed),
        ] {
            if !(0.0..=1.0).contains(&share) {
                faults.push(format!("{name} is {share}, a share is from 0 to 1"));
            }
        }
        if s.moved_slot_ms <= 0 || DAY_MS % s.moved_slot_ms != 0 {
            faults.push(format!(
                "shares.moved_slot_ms is {}, it must divide a day",
                s.moved_slot_ms
            ));
        }
        if !(1..=100).contains(&s.max_versions) {
            faults.push(format!(
                "shares.max_versions is {}, it is from 1 to 100",
                s.max_versions
            ));
        }
        if self.payload.median < 16 || self.payload.max < self.payload.median || self.payload.max > 64 << 20 {
            let Payload { median, max, .. } = self.payload;
            faults.push(format!(
                "payload.median {median} and payload.max {max} must be 16 <= median <= max <= 64 MiB"
            ));
        }
        if !(1 << 10..=256 << 20).contains(&self.chunk_bytes) {
            faults.push(format!(
                "chunk_bytes is {}, it is from 1 KiB to 256 MiB",
                self.chunk_bytes
            ));
        }
        for (i, project) in self.projects.iter().enumerate() {
            if self.projects[..i].iter().any(|other| other.id == project.id) {
                faults.push(format!("project {} is there twice", project.id));
            }
            for (name, mean) in [
                ("observations_per_trace", project.observations_per_trace),
                ("scores_per_trace", project.scores_per_trace),
            ] {
                if !(0.0..=10_000.0).contains(&mean) {
                    faults.push(format!(
                        "project {}: {name} is {mean}, it is from 0 to 10000",
                        project.id
                    ));
                }
            }
        }
        // ClickHouse's DateTime64(3) begins in 1900; its month partitions and dates end in 2149.
        let last = self.from.day().plus(i64::from(self.days) * DAY_MS);
        if self.from < Millis(0) || last > Millis(5_600_000_000_000) {
            faults.push(format!(
                "{} days from {} leave the years 1970 to 2147",
                self.days, self.from
            ));
        }
        faults
    }
}
