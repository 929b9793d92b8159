//! `weights` of `[projects]`: how much of what all projects share each has, against the others.

use tracemill_model::ProjectId;
use tracemill_operators::Weights;
use tracemill_operators::shares::MAX_WEIGHT;

use super::checked::Projects;
use super::fault::nearest;
use super::reader::{Bounds, Section};

const KEY: &str = "weights";
const EXAMPLE: &str = "weights = { my-project = 3 }";

/// Reads the weights. `ids` are those of the same section: where nothing but these can have work, others are faults.
pub(super) fn read(root: &Section<'_>, projects: &Section<'_>, ids: Option<&Projects>) -> Weights {
    let Some(section) = projects.section(KEY, EXAMPLE) else {
        return Weights::default();
    };
    let bounds = Bounds {
        range: 1..=MAX_WEIGHT,
        why: "",
    };
    let weights = section.integers(&bounds);
    // Of a queue anybody's jobs may come.
    let known: Option<Vec<&str>> = match ids {
        Some(Projects::Ids(ids)) if !root.has_source("queue") => Some(ids.iter().map(ProjectId::as_str).collect()),
        _ => None,
    };
    for (name, _) in &weights {
        let report = |message: String, remedy: String| section.report(section.at_of(name), name, None, message, remedy);
        if ProjectId::new(name.clone()).is_err() {
            let message = format!("{name:?} in {} is no project id", section.path);
            report(message, format!("write {EXAMPLE}"));
        } else if let Some(known) = known.as_ref().filter(|known| !known.contains(&name.as_str())) {
            let message = format!("{name:?} in {} is no project of projects.ids", section.path);
            report(message, nearest(name, known));
        }
    }
    section.finish();
    Weights::new(
        weights
            .into_iter()
            .map(|(name, weight)| (name.as_str().to_owned(), weight)),
    )
}
