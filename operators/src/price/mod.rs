//! Usage, models, price tiers and cost of an observation.
