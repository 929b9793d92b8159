//! Usage, models, price tiers and cost of an observation.
//!
//! [`Prices`] is immutable and shared by all workers: models with patterns of names, tiers and unit prices, from a TOML
//! file (`models.toml` beside this file is built in), overridable by an operator's file and per project. All money is
//! decimal, in USD, rounded half-even to the 12 places that the columns have.
//!
//! On error: a file that is wrong gives all its faults at once; pricing itself never fails. What cannot be priced has no
//! cost, and a cost that the column cannot hold (1,000,000 USD and more) is left out.

mod cost;
mod file;
mod find;
mod json;
mod model;
mod tokens;
mod usage;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tracemill_model::ingest::{ObservationRow, Text};

use model::Model;

/// One thing that is wrong with a price file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PriceFault {
    /// The line, counted from 1, where known.
    pub line: Option<usize>,
    /// What is wrong, where and what would be right.
    pub message: String,
}

impl fmt::Display for PriceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The models that are known, and what they cost.
#[derive(Debug)]
pub struct Prices {
    /// Tells one set of prices from another where matches are remembered.
    identity: u64,
    models: Vec<Model>,
    aliases: HashMap<Text, Vec<Text>>,
    /// Places in `models` in the order in which they are tried.
    global: Vec<usize>,
    projects: HashMap<Text, Vec<usize>>,
}

const BUILTIN: &str = include_str!("models.toml");

impl Prices {
    /// The models of today that come with the program.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[must_use]
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).expect("the file that is built in is right")
    }

    /// The models of a file, and no others.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn parse(text: &str) -> Result<Self, Vec<PriceFault>> {
        Self::of(Vec::new(), HashMap::new()).extended(text)
    }

    /// These prices with a further file, whose models are tried before those that are there. Its own aliases come on top
    /// of the ones that are there.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn extended(self, text: &str) -> Result<Self, Vec<PriceFault>> {
        let layer = self.models.iter().map(|model| model.layer + 1).max().unwrap_or(0);
        let (mut models, mut aliases) = (self.models, self.aliases);
        let file = file::parse(text, layer, &aliases)?;
        aliases.extend(file.aliases);
        models.extend(file.models);
        Ok(Self::of(models, aliases))
    }

    /// The same with a file in JSON: the tables of the TOML file as objects.
    ///
    /// # Errors
    /// Everything that is wrong with the file; lines are known of what is not JSON alone.
    pub fn extended_json(self, text: &str) -> Result<Self, Vec<PriceFault>> {
        let toml = json::to_toml(text).map_err(|fault| vec![fault])?;
        self.extended(&toml).map_err(|mut faults| {
            faults.iter_mut().for_each(|fault| fault.line = None);
            faults
        })
    }

    fn of(models: Vec<Model>, aliases: HashMap<Text, Vec<Text>>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut places: Vec<usize> = (0..models.len()).collect();
        places.sort_by_key(|&at| {
            let model = &models[at];
            (std::cmp::Reverse((model.layer, model.start)), at)
        });
        let mut prices = Self {
            identity: NEXT.fetch_add(1, Ordering::Relaxed),
            models,
            aliases,
            global: Vec::new(),
            projects: HashMap::new(),
        };
        for at in places {
            match prices.models[at].project.clone() {
                None => prices.global.push(at),
                Some(project) => prices.projects.entry(project).or_default().push(at),
            }
        }
        prices
    }

    /// How many models are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The id of the model that this name means in a project: one of the project's own before one of all projects, one of
    /// a later file before an earlier file's, the one with the later start date first.
    #[must_use]
    pub fn model_id(&self, project: &str, name: &str) -> Option<&Text> {
        self.find(project, name).map(|model| &model.id)
    }

    /// Sets model, usage, tier and cost of a merged row, from its provided usage and cost, its model name, and where usage
    /// is missing from its input and output. Doing it twice changes nothing.
    pub fn price(&self, project: &str, row: &mut ObservationRow) {
        let name = row.provided_model_name.as_deref().filter(|name| !name.is_empty());
        let model = name.and_then(|name| self.find(project, name));
        row.internal_model_id = model.map(|model| model.id.clone());
        usage::settle(model, row);
        let tier = model.and_then(|model| model.tier(&row.usage_details));
        row.usage_pricing_tier_id = tier.map(|tier| tier.id.clone());
        row.usage_pricing_tier_name = tier.map(|tier| tier.name.clone());
        cost::settle(tier, row);
    }
}
