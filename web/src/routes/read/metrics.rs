//! `GET /metrics/daily`.

use serde::Serialize;
use serde_json::Value;
use tracemill_model::Millis;
use tracemill_model::time::DAY_MS;

use super::{Answer, Ask, Paged, Told};
use crate::query::daily::{self, DayUsage};
use crate::query::{DayCount, Filter};
use crate::shape;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Day {
    date: String,
    count_traces: u64,
    count_observations: u64,
    total_cost: Value,
    usage: Vec<Usage>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    model: Option<String>,
    input_usage: u64,
    output_usage: u64,
    total_usage: u64,
    total_cost: Value,
    count_observations: u64,
    count_traces: u64,
}

/// A page of days, the newest first.
pub(crate) async fn daily(mut ask: Ask) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let params = &mut ask.params;
    let page = params.page();
    let span = params.span("fromTimestamp", "toTimestamp");
    let filters: Vec<Filter> = [
        params.is("traceName", "name"),
        params.is("userId", "user_id"),
        params.has_all("tags", "tags"),
        params.one_of("environment", "environment"),
        params.is("version", "version"),
        params.is("release", "release"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let reader = ask.reader()?;
    let usage: Vec<DayUsage> = reader.rows(daily::usage(project, span, &filters)).await?;
    let traces: Vec<DayCount> = reader.rows(daily::traces(project, span, filters).count()).await?;
    let days = daily::days(&traces, &usage);
    let total = days.len() as u64;
    let skip = usize::try_from((page.page - 1).saturating_mul(page.limit)).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let data = days.into_iter().skip(skip).take(limit);
    let data = data.map(|day| {
        let count = traces.iter().find(|one| one.day == day).map_or(0, |one| one.count);
        one_day(day, count, usage.iter().filter(|one| one.day == day))
    });
    Ok(Told(Paged::new(data.collect::<Vec<_>>(), page, total)))
}

fn one_day<'a>(day: u16, traces: u64, usage: impl Iterator<Item = &'a DayUsage> + Clone) -> Day {
    let costs = usage
        .clone()
        .filter_map(|one| one.cost.parse::<rust_decimal::Decimal>().ok());
    let cost = costs.sum::<rust_decimal::Decimal>().normalize().to_string();
    Day {
        date: Millis(i64::from(day) * DAY_MS).date(),
        count_traces: traces,
        count_observations: usage.clone().map(|one| one.observations).sum(),
        total_cost: shape::decimal(&cost),
        usage: usage
            .map(|one| Usage {
                model: Some(one.model.clone()).filter(|model| !model.is_empty()),
                input_usage: one.input,
                output_usage: one.output,
                total_usage: one.total,
                total_cost: shape::decimal(&one.cost),
                count_observations: one.observations,
                count_traces: one.traces,
            })
            .collect(),
    }
}
