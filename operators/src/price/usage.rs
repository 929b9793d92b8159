//! What was used: as the client says, or counted where it does not say.

use tracemill_model::ingest::{Level, ObservationRow, Text};

use super::model::Model;

pub(super) fn settle(model: Option<&Model>, row: &mut ObservationRow) {
    row.usage_details = match model {
        Some(model) if row.provided_usage_details.is_empty() && row.level != Level::Error => counted(model, row),
        _ => provided(&row.provided_usage_details),
    };
}

/// With a total, if there is none: the sum of all.
fn provided(provided: &[(Text, u64)]) -> Vec<(Text, u64)> {
    let mut usage = Vec::with_capacity(provided.len() + 1);
    usage.extend_from_slice(provided);
    if !usage.is_empty() && !usage.iter().any(|(name, _)| **name == *"total") {
        let total = usage.iter().fold(0u64, |sum, (_, units)| sum.saturating_add(*units));
        usage.push(("total".into(), total));
    }
    usage
}

fn counted(model: &Model, row: &ObservationRow) -> Vec<(Text, u64)> {
    let Some(tokenizer) = &model.tokenizer else {
        return Vec::new();
    };
    let mut usage = Vec::new();
    for (name, text) in [("input", &row.input), ("output", &row.output)] {
        let tokens = text
            .as_deref()
            .filter(|text| !text.is_empty())
            .and_then(|text| tokenizer.count(text));
        usage.extend(tokens.map(|tokens| (Text::from(name), tokens)));
    }
    let total = usage.iter().map(|(_, tokens)| tokens).sum();
    if total > 0 {
        usage.push(("total".into(), total));
    }
    usage
}
