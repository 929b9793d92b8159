//! Models, their tiers, and which tier a usage falls into.

use regex::Regex;
use rust_decimal::Decimal;
use tracemill_model::Millis;
use tracemill_model::ingest::Text;

use super::tokens::Tokenizer;

/// A model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) id: Text,
    /// Whose it is; `None`: everyone's.
    pub(super) project: Option<Text>,
    /// Which file it is from; later files come first.
    pub(super) layer: usize,
    pub(super) pattern: Regex,
    pub(super) start: Option<Millis>,
    pub(super) tokenizer: Option<Tokenizer>,
    /// By ascending priority.
    pub(super) tiers: Vec<Tier>,
    /// What holds where no tier's conditions do.
    pub(super) default: Option<Tier>,
}

/// Unit prices that hold together.
#[derive(Debug)]
pub(super) struct Tier {
    pub(super) id: Text,
    pub(super) name: Text,
    pub(super) priority: i64,
    /// All must hold; without any it never does.
    pub(super) conditions: Vec<Condition>,
    /// USD for one unit of each usage type.
    pub(super) prices: Vec<(Text, Decimal)>,
}

/// Compares the sum of some usage types with a number.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) pattern: Regex,
    pub(super) comparison: Comparison,
    pub(super) value: Decimal,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    /// All, by the names that they have in files.
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("gt", Self::Greater),
        ("gte", Self::GreaterOrEqual),
        ("lt", Self::Less),
        ("lte", Self::LessOrEqual),
        ("eq", Self::Equal),
        ("neq", Self::NotEqual),
    ];
}

impl Model {
    /// The tier of a usage.
    pub(super) fn tier(&self, usage: &[(Text, u64)]) -> Option<&Tier> {
        self.tiers
            .iter()
            .find(|tier| tier.holds(usage))
            .or(self.default.as_ref())
    }
}

impl Tier {
    fn holds(&self, usage: &[(Text, u64)]) -> bool {
        !self.conditions.is_empty() && self.conditions.iter().all(|condition| condition.holds(usage))
    }

    /// USD for one unit.
    pub(super) fn price(&self, usage_type: &str) -> Option<Decimal> {
        let (_, price) = self.prices.iter().find(|(name, _)| **name == *usage_type)?;
        Some(*price)
    }
}

impl Condition {
    /// No type that matches sums to 0.
    fn holds(&self, usage: &[(Text, u64)]) -> bool {
        let sum = usage
            .iter()
            .filter(|(name, _)| self.pattern.is_match(name))
            .fold(0u64, |sum, (_, units)| sum.saturating_add(*units));
        let sum = Decimal::from(sum);
        match self.comparison {
            Comparison::Greater => sum > self.value,
            Comparison::GreaterOrEqual => sum >= self.value,
            Comparison::Less => sum < self.value,
            Comparison::LessOrEqual => sum <= self.value,
            Comparison::Equal => sum == self.value,
            Comparison::NotEqual => sum != self.value,
        }
    }
}
