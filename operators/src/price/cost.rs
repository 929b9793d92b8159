//! What it cost: as the client says, or by the tier's unit prices.

use rust_decimal::{Decimal, RoundingStrategy};
use tracemill_model::ingest::{ObservationRow, Text};

use super::model::Tier;

/// Places of `Decimal64(12)`.
const PLACES: u32 = 12;

/// What `Decimal64(12)` does not hold any more.
const LIMIT: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

pub(super) fn settle(tier: Option<&Tier>, row: &mut ObservationRow) {
    row.provided_cost_details.retain_mut(|(_, cost)| match rounded(*cost) {
        Some(rounded) => {
            *cost = rounded;
            true
        }
        None => false,
    });
    let (costs, total) = if row.provided_cost_details.is_empty() {
        tier.map(|tier| computed(tier, &row.usage_details)).unwrap_or_default()
    } else {
        provided(&row.provided_cost_details)
    };
    row.cost_details = costs;
    row.total_cost = total;
}

type Costs = (Vec<(Text, Decimal)>, Option<Decimal>);

/// The client's word holds alone; its total, else the sum of input and output if there is nothing else.
fn provided(provided: &[(Text, Decimal)]) -> Costs {
    let mut costs = provided.to_vec();
    if let Some((_, total)) = provided.iter().find(|(name, _)| **name == *"total") {
        return (costs, Some(*total));
    }
    if !provided.iter().all(|(name, _)| matches!(&**name, "input" | "output")) {
        return (costs, None);
    }
    let total = sum(provided);
    costs.extend(total.map(|total| ("total".into(), total)));
    (costs, total)
}

/// Price times units of each usage type that has a price; a price for `total` stands in place of the sum.
fn computed(tier: &Tier, usage: &[(Text, u64)]) -> Costs {
    let mut costs = Vec::with_capacity(usage.len() + 1);
    for (name, units) in usage {
        let cost = tier
            .price(name)
            .and_then(|price| price.checked_mul(Decimal::from(*units)))
            .and_then(rounded);
        costs.extend(cost.map(|cost| (name.clone(), cost)));
    }
    if let Some((_, total)) = costs.iter().find(|(name, _)| **name == *"total") {
        let total = *total;
        return (costs, Some(total));
    }
    let total = if costs.is_empty() { None } else { sum(&costs) };
    costs.extend(total.map(|total| ("total".into(), total)));
    (costs, total)
}

fn sum(costs: &[(Text, Decimal)]) -> Option<Decimal> {
    costs
        .iter()
        .try_fold(Decimal::ZERO, |sum, (_, cost)| sum.checked_add(*cost))
        .and_then(rounded)
}

/// To the column's places. `None`: the column cannot hold it.
fn rounded(cost: Decimal) -> Option<Decimal> {
    let rounded = if cost.scale() > PLACES {
        cost.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven)
    } else {
        cost
    };
    Some(rounded).filter(|cost| cost.abs() < LIMIT)
}
