//! Whether the leaves of a window are all there: pure bookkeeping over their reports.
//!
//! A window begins with the leaves that the plan cut it into; a split replaces a leaf by its parts. When no leaf is open,
//! what was written and what was given up tile the window.

use std::collections::{BTreeMap, BTreeSet};

use tracemill_model::manifest::SourceCounts;
use tracemill_model::{LeafPath, Millis, Window};
use tracemill_operators::outcome::{Attempt, LeafError, LeafReport, Timing, Written};

/// A leaf that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Which.
    pub attempt: Attempt,
    /// Its id, if known.
    pub id: Option<String>,
    /// The last error.
    pub error: LeafError,
    /// When.
    pub at: Millis,
}

/// The leaves of one window.
#[derive(Debug, Default)]
pub struct WindowTree {
    window: Option<(Window, u32)>,
    /// Leaves that were announced by a split and not yet reported.
    open: BTreeSet<LeafPath>,
    /// Leaves that reported.
    closed: BTreeMap<LeafPath, Closed>,
    /// How often it was split, by the kind of error.
    splits: BTreeMap<String, u32>,
}

#[derive(Debug)]
enum Closed {
    Written(Written),
    GivenUp(Box<GivenUp>),
    Split,
}

/// A window whose leaves are all there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The window.
    pub window: Window,
    /// Its generation.
    pub generation: u32,
    /// Everything that was written.
    pub written: Written,
    /// Everything that was given up.
    pub given_up: Vec<GivenUp>,
    /// How often it was split, by the kind of error.
    pub splits: BTreeMap<String, u32>,
    /// Where the time went, summed over the leaves.
    pub timing: Timing,
}

/// The reports do not make up a window: a bug of ours, found before it is committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// No leaf reported.
    #[error("a window without leaves")]
    Empty,
    /// Leaves are missing.
    #[error("window {window} lacks the leaves {missing}")]
    Missing {
        /// The window.
        window: Window,
        /// Their paths.
        missing: String,
    },
    /// A leaf reported twice, or for another window.
    #[error("leaf {path} of window {window} reported out of turn")]
    OutOfTurn {
        /// The window.
        window: Window,
        /// Its path.
        path: String,
    },
}

impl From<TreeError> for crate::SinkError {
    fn from(error: TreeError) -> Self {
        Self::Tree {
            reason: error.to_string(),
        }
    }
}

impl WindowTree {
    /// Takes in one report.
    ///
    /// # Errors
    /// It contradicts an earlier one.
    pub fn add(&mut self, report: LeafReport) -> Result<(), TreeError> {
        let attempt = report.attempt();
        let identity = (attempt.leaf.window, attempt.generation);
        let path = attempt.leaf.path.clone();
        let out_of_turn = || TreeError::OutOfTurn {
            window: identity.0,
            path: path.to_string(),
        };
        if *self.window.get_or_insert(identity) != identity || self.closed.contains_key(&path) {
            return Err(out_of_turn());
        }
        self.open.remove(&path);
        let closed = match report {
            LeafReport::Written { written, .. } => Closed::Written(written),
            LeafReport::GivenUp { attempt, id, error, at } => {
                Closed::GivenUp(Box::new(GivenUp { attempt, id, error, at }))
            }
            LeafReport::Split { parts, error, .. } => {
                *self.splits.entry(error.kind).or_default() += 1;
                for part in parts {
                    // Reports of parts may overtake that of their split, when they come from another worker.
                    if !self.closed.contains_key(&part.path) {
                        self.open.insert(part.path);
                    }
                }
                Closed::Split
            }
        };
        self.closed.insert(path, closed);
        Ok(())
    }

    /// The window, when its frontier has passed.
    ///
    /// # Errors
    /// Its leaves do not tile it.
    pub fn finish(self) -> Result<Whole, TreeError> {
        let (window, generation) = self.window.ok_or(TreeError::Empty)?;
        let mut missing: Vec<String> = self.open.iter().map(ToString::to_string).collect();
        // Every leaf but the root comes from a split that reported too.
        missing.extend(
            self.closed
                .keys()
                .filter(|path| !self.has_origin(path))
                .map(|path| format!("above {path}")),
        );
        if !missing.is_empty() {
            return Err(TreeError::Missing {
                window,
                missing: missing.join(", "),
            });
        }
        let mut whole = Whole {
            window,
            generation,
            written: Written {
                source: SourceCounts::default(),
                ..Written::default()
            },
            given_up: Vec::new(),
            splits: self.splits,
            timing: Timing::default(),
        };
        for closed in self.closed.into_values() {
            match closed {
                Closed::Written(written) => {
                    whole.written.files.extend(written.files);
                    whole.written.source.add(written.source);
                    whole.written.query_ids.extend(written.query_ids);
                    whole.timing.add(written.timing);
                }
                Closed::GivenUp(given_up) => whole.given_up.push(*given_up),
                Closed::Split => {}
            }
        }
        Ok(whole)
    }

    fn has_origin(&self, path: &LeafPath) -> bool {
        path.parent()
            .is_none_or(|parent| matches!(self.closed.get(&parent), Some(Closed::Split)))
    }
}

#[cfg(test)]
mod tests {
    use tracemill_model::Leaf;

    use super::*;

    fn attempt(path: &[u8]) -> Attempt {
        let mut leaf = Leaf::root(Window {
            from: Millis(0),
            to: Millis(10),
        });
        leaf.path = path.iter().fold(LeafPath::default(), |path, part| path.child(*part));
        Attempt {
            leaf,
            generation: 1,
            waits: 0,
        }
    }

    fn written(path: &[u8], live: u64) -> LeafReport {
        let source = SourceCounts {
            live,
            ..SourceCounts::default()
        };
        LeafReport::Written {
            attempt: attempt(path),
            written: Written {
                source,
                ..Written::default()
            },
        }
    }

    fn split(path: &[u8]) -> LeafReport {
        let parent = attempt(path);
        let parts = [0, 1]
            .map(|part| Leaf {
                path: parent.leaf.path.child(part),
                ..parent.leaf.clone()
            })
            .to_vec();
        let error = LeafError {
            kind: "timeout".to_owned(),
            message: String::new(),
            is_outage: false,
        };
        LeafReport::Split {
            attempt: parent,
            parts,
            error,
        }
    }

    fn tree(reports: impl IntoIterator<Item = LeafReport>) -> Result<Whole, TreeError> {
        let mut tree = WindowTree::default();
        for report in reports {
            tree.add(report)?;
        }
        tree.finish()
    }

    #[test]
    fn leaves_in_any_order_make_a_window() {
        let whole = tree([
            written(&[1, 0], 2),
            split(&[]),
            written(&[0], 1),
            written(&[1, 1], 4),
            split(&[1]),
        ]);
        assert_eq!(
            whole.map(|whole| (whole.written.source.live, whole.splits["timeout"])),
            Ok((7, 2))
        );
    }

    #[test]
    fn a_missing_leaf_is_found() {
        assert!(matches!(
            tree([split(&[]), written(&[0], 1)]),
            Err(TreeError::Missing { .. })
        ));
        assert!(
            matches!(tree([written(&[0], 1)]), Err(TreeError::Missing { .. })),
            "its split is missing"
        );
        assert!(matches!(tree([]), Err(TreeError::Empty)));
    }

    #[test]
    fn a_leaf_that_reports_twice_is_found() {
        assert!(matches!(
            tree([written(&[], 1), written(&[], 1)]),
            Err(TreeError::OutOfTurn { .. })
        ));
    }
}
