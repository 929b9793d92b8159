//! How far the jobs of each project were read, and whose are read next. Pure.
//!
//! *Invariants.* A lane that has rows which were not read is among those that have work; what it had is charged by bytes. A
//! lane without any row is forgotten.

use std::collections::HashMap;

use tracemill_model::ingest::Text;
use tracemill_operators::{Shares, Weights};

use super::store::{LaneChange, LaneChanges};

/// What a job costs beside the bytes of its object.
const JOB: u64 = 1 << 10;

/// One project's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lane {
    /// The first number that was not read.
    cursor: u64,
    /// The number after its last one.
    end: u64,
    /// All its rows.
    pub(super) rows: u64,
    /// Those that are pulled.
    pub(super) active: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Text, Lane>,
    shares: Shares,
}

impl Lanes {
    pub(super) fn new(weights: Weights, found: &LaneChanges) -> Self {
        let mut lanes = Self {
            lanes: HashMap::new(),
            shares: Shares::new(weights),
        };
        lanes.found(found);
        lanes
    }

    /// These are the lanes of the file, and no others.
    pub(super) fn found(&mut self, found: &LaneChanges) {
        let is_gone = |name: &&Text| !found.contains_key(*name);
        let gone: Vec<Text> = self.lanes.keys().filter(is_gone).map(Text::clone).collect();
        self.changed(&gone.into_iter().map(|name| (name, LaneChange::default())).collect());
        self.changed(found);
    }

    /// Rows came or went.
    pub(super) fn changed(&mut self, changes: &LaneChanges) {
        for (name, change) in changes {
            if change.rows == 0 {
                self.shares.leave(name);
                self.lanes.remove(name);
                continue;
            }
            let lane = self.lanes.entry(Text::clone(name)).or_default();
            lane.rows = change.rows;
            lane.end = lane.end.max(change.end);
            if lane.cursor < lane.end {
                self.shares.join(name);
            }
        }
    }

    /// The lane that is read next, and from which number on.
    pub(super) fn pick(&mut self) -> Option<(Text, u64)> {
        let name = self.shares.pick()?;
        let cursor = self.lanes.get(&name).map_or(0, |lane| lane.cursor);
        Some((name, cursor))
    }

    /// A job of that size was read.
    pub(super) fn read(&mut self, name: &Text, number: u64, bytes: u64) {
        self.shares.charge(name, bytes.saturating_add(JOB));
        self.reached(name, number + 1);
    }

    /// The lane was read up to `end`: what it has beyond came later. `false`: there is some.
    pub(super) fn reached(&mut self, name: &Text, end: u64) -> bool {
        let Some(lane) = self.lanes.get_mut(name) else {
            self.shares.leave(name);
            return true;
        };
        lane.cursor = lane.cursor.max(end);
        let is_read = lane.cursor >= lane.end;
        if is_read {
            self.shares.leave(name);
        }
        is_read
    }

    pub(super) fn pulled(&mut self, name: &Text) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.active += 1;
        }
    }

    pub(super) fn given_back(&mut self, name: &Text) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.active = lane.active.saturating_sub(1);
        }
    }

    /// Every lane.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Text, &Lane)> {
        self.lanes.iter()
    }
}
