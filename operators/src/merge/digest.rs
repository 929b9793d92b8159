//! A digest of a row's content: everything but its version and the times of writing.

use rust_decimal::Decimal;
use tracemill_model::ingest::{ObservationRow, Row, ScoreRow, Text, TraceRow};
use twox_hash::XxHash3_128;

/// Of equal contents the same, in every process.
#[must_use]
pub(super) fn digest(row: &Row) -> u128 {
    let mut sum = Sum(XxHash3_128::with_seed(0));
    match row {
        Row::Trace(row) => trace(&mut sum, row),
        Row::Observation(row) => observation(&mut sum, row),
        Row::Score(row) => score(&mut sum, row),
    }
    sum.0.finish_128()
}

struct Sum(XxHash3_128);

impl Sum {
    /// Lengths go before texts, so that no two rows are the same bytes.
    fn text(&mut self, text: &str) {
        self.len(text.len());
        self.0.write(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&Text>) {
        match text {
            Some(text) => self.text(text),
            None => self.len(usize::MAX),
        }
    }

    fn num(&mut self, num: i64) {
        self.0.write(&num.to_le_bytes());
    }

    fn len(&mut self, len: usize) {
        self.0.write(&(len as u64).to_le_bytes());
    }

    fn texts(&mut self, texts: &[Text]) {
        self.len(texts.len());
        texts.iter().for_each(|text| self.text(text));
    }

    fn pairs(&mut self, pairs: &[(Text, Text)]) {
        self.len(pairs.len());
        for (name, value) in pairs {
            self.text(name);
            self.text(value);
        }
    }

    fn counts(&mut self, counts: &[(Text, u64)]) {
        self.len(counts.len());
        for (name, count) in counts {
            self.text(name);
            self.0.write(&count.to_le_bytes());
        }
    }

    fn decimal(&mut self, decimal: Decimal) {
        self.0.write(&decimal.normalize().serialize());
    }

    fn decimals(&mut self, decimals: &[(Text, Decimal)]) {
        self.len(decimals.len());
        for (name, decimal) in decimals {
            self.text(name);
            self.decimal(*decimal);
        }
    }
}

fn trace(sum: &mut Sum, row: &TraceRow) {
    sum.text("trace");
    sum.text(&row.project_id);
    sum.text(&row.id);
    sum.num(row.timestamp.0);
    sum.text(&row.name);
    for text in [
        &row.user_id,
        &row.release,
        &row.version,
        &row.input,
        &row.output,
        &row.session_id,
    ] {
        sum.maybe(text.as_ref());
    }
    sum.text(&row.environment);
    sum.pairs(&row.metadata);
    sum.texts(&row.tags);
    sum.num(i64::from(row.public) | i64::from(row.bookmarked) << 1 | i64::from(row.is_deleted) << 2);
}

fn observation(sum: &mut Sum, row: &ObservationRow) {
    sum.text("observation");
    sum.text(&row.project_id);
    sum.text(&row.id);
    sum.text(&row.trace_id);
    sum.text(&row.environment);
    sum.text(row.ty.upper());
    sum.text(row.level.name());
    sum.text(&row.name);
    sum.num(row.start_time.0);
    for time in [row.end_time, row.completion_start_time] {
        sum.num(time.map_or(i64::MIN, |time| time.0));
    }
    for text in [
        &row.parent_observation_id,
        &row.status_message,
        &row.version,
        &row.input,
        &row.output,
        &row.provided_model_name,
        &row.internal_model_id,
        &row.model_parameters,
        &row.prompt_id,
        &row.prompt_name,
        &row.usage_pricing_tier_id,
        &row.usage_pricing_tier_name,
    ] {
        sum.maybe(text.as_ref());
    }
    sum.num(row.prompt_version.map_or(-1, i64::from));
    sum.pairs(&row.metadata);
    sum.counts(&row.provided_usage_details);
    sum.counts(&row.usage_details);
    sum.decimals(&row.provided_cost_details);
    sum.decimals(&row.cost_details);
    match row.total_cost {
        Some(cost) => sum.decimal(cost),
        None => sum.num(-1),
    }
    sum.pairs(&row.tool_definitions);
    sum.texts(&row.tool_calls);
    sum.texts(&row.tool_call_names);
    sum.num(i64::from(row.is_deleted));
}

fn score(sum: &mut Sum, row: &ScoreRow) {
    sum.text("score");
    sum.text(&row.project_id);
    sum.text(&row.id);
    sum.num(row.timestamp.0);
    sum.text(&row.environment);
    sum.text(&row.name);
    sum.0.write(&row.value.to_bits().to_le_bytes());
    sum.text(&row.source);
    sum.text(&row.data_type);
    sum.text(&row.long_string_value);
    for text in [
        &row.trace_id,
        &row.session_id,
        &row.dataset_run_id,
        &row.observation_id,
        &row.comment,
        &row.author_user_id,
        &row.config_id,
        &row.string_value,
        &row.queue_id,
        &row.execution_trace_id,
    ] {
        sum.maybe(text.as_ref());
    }
    sum.pairs(&row.metadata);
    sum.num(i64::from(row.is_deleted));
}
