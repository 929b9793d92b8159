//! The dashboard: traces, cost, latency and errors by day and by model.

use std::collections::HashMap;

use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use tracemill_model::Millis;
use tracemill_model::time::DAY_MS;
use url::form_urlencoded;

use super::access::Visitor;
use super::chart::{Chart, HEIGHT, Series, Stacking, WIDTH, chart};
use super::format;
use super::frame::{Failure, Frame, Section, html, or_failure};
use super::span::Preset;
use crate::query::dashboard::{self, DayLatency, StepFigures};
use crate::query::{DayCount, Span};

/// The times that one can choose: value, name, days.
const TIMES: [(&str, &str, i64); 4] = [
    ("7d", "Last 7 days", 7),
    ("14d", "Last 14 days", 14),
    ("30d", "Last 30 days", 30),
    ("90d", "Last 90 days", 90),
];
/// Models that have a colour of their own; the others share one.
const MODELS: usize = 5;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage {
    frame: Frame,
    presets: Vec<Preset>,
    totals: Vec<(&'static str, String)>,
    charts: Vec<Chart>,
    models: Vec<Model>,
    width: f64,
    height: f64,
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Model {
    name: String,
    steps: String,
    tokens: String,
    cost: String,
    p50: String,
    p95: String,
    errors: String,
    rate: String,
}

/// What was read.
#[derive(Debug, Default)]
struct Read {
    traces: Vec<DayCount>,
    steps: Vec<StepFigures>,
    latencies: Vec<DayLatency>,
}

/// `/project/{project}/dashboard`
pub(super) async fn page(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let page = answer(&visitor, &query.unwrap_or_default()).await;
    or_failure(&visitor, page)
}

async fn answer(visitor: &Visitor, query: &str) -> Result<Response, Failure> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let asked = pairs
        .find(|(name, _)| name == "span")
        .map(|(_, value)| value.into_owned());
    let known = TIMES.into_iter().find(|(value, ..)| Some(*value) == asked.as_deref());
    let (chosen, _, days) = known.unwrap_or(TIMES[0]);
    let now = visitor.signed_in.now();
    // Whole days, today among them.
    let from = now.day().plus(-(days - 1) * DAY_MS);
    let span = Span {
        from: Some(from),
        to: None,
    };
    let (project, reader) = (visitor.id(), visitor.signed_in.reader()?);
    let (traces, steps, latencies) = tokio::try_join!(
        reader.rows(dashboard::traces(project, span)),
        reader.rows(dashboard::steps(project, span)),
        reader.rows(dashboard::latencies(project, span)),
    )?;
    let read = Read {
        traces,
        steps,
        latencies,
    };
    let first = u16::try_from(from.0 / DAY_MS).unwrap_or(0);
    let days: Vec<u16> = (0..u16::try_from(days).unwrap_or(7))
        .map(|day| first.saturating_add(day))
        .collect();
    Ok(html(&DashboardPage {
        frame: Frame::of(visitor, "Dashboard", Section::Dashboard),
        presets: TIMES
            .map(|(value, name, _)| Preset {
                value,
                name,
                is_chosen: value == chosen,
            })
            .into(),
        totals: totals(&read),
        charts: charts(&read, &days),
        models: models(&read),
        width: WIDTH,
        height: HEIGHT,
    }))
}

/// The dearest model first.
fn models(read: &Read) -> Vec<Model> {
    let mut all: Vec<&StepFigures> = read.steps.iter().filter(|one| one.all_days == 1).collect();
    all.sort_by_key(|one| std::cmp::Reverse((amount(one), one.steps)));
    all.into_iter().map(model).collect()
}

fn amount(one: &StepFigures) -> Decimal {
    one.cost.parse().unwrap_or_default()
}

fn named(model: &str) -> String {
    if model.is_empty() {
        "without a model".to_owned()
    } else {
        model.to_owned()
    }
}

fn milliseconds(value: f64) -> String {
    if value.is_finite() {
        format::duration(value.round() as i64)
    } else {
        String::new()
    }
}

fn model(one: &StepFigures) -> Model {
    Model {
        name: named(&one.model),
        steps: format::grouped(one.steps),
        tokens: format::short(one.tokens),
        cost: format::cost(amount(one)),
        p50: milliseconds(one.p50_ms),
        p95: milliseconds(one.p95_ms),
        errors: format::grouped(one.errors),
        rate: percent(one.errors, one.steps),
    }
}

fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) | (_, 0) => "0 %".to_owned(),
        _ => match part as f64 * 100.0 / whole as f64 {
            small if small < 0.1 => "<0.1 %".to_owned(),
            rate => format!("{rate:.1} %"),
        },
    }
}

fn totals(read: &Read) -> Vec<(&'static str, String)> {
    let of_days = || read.steps.iter().filter(|one| one.all_models == 1);
    let sum = |part: fn(&StepFigures) -> u64| of_days().map(part).fold(0, u64::saturating_add);
    let (steps, errors) = (sum(|one| one.steps), sum(|one| one.errors));
    vec![
        ("Traces", format::grouped(read.traces.iter().map(|day| day.count).sum())),
        ("Cost", format::cost(of_days().map(amount).sum())),
        ("Tokens", format::short(sum(|one| one.tokens))),
        ("Steps", format::grouped(steps)),
        (
            "Errors",
            format!("{} ({})", format::grouped(errors), percent(errors, steps)),
        ),
    ]
}

fn charts(read: &Read, days: &[u16]) -> Vec<Chart> {
    let labels: Vec<String> = days.iter().map(|day| Millis(i64::from(*day) * DAY_MS).date()).collect();
    let by_day = |value: &dyn Fn(u16) -> f64| days.iter().map(|day| value(*day)).collect::<Vec<f64>>();
    let counts: HashMap<u16, u64> = read.traces.iter().map(|day| (day.day, day.count)).collect();
    let traces = by_day(&|day| counts.get(&day).copied().unwrap_or(0) as f64);
    let latency = |part: fn(&DayLatency) -> f64| {
        let all: HashMap<u16, f64> = read.latencies.iter().map(|one| (one.day, part(one))).collect();
        by_day(&|day| all.get(&day).copied().unwrap_or(0.0))
    };
    let whole = |value: f64| format::short(value.round() as u64);
    let cost = |value: f64| format::cost(Decimal::try_from(value).unwrap_or_default());
    vec![
        chart("Traces", &labels, &[series("traces", traces)], Stacking::Stacked, whole),
        chart(
            "Cost by model",
            &labels,
            &by_model(read, days, |one| amount(one).to_f64().unwrap_or(0.0)),
            Stacking::Stacked,
            cost,
        ),
        chart(
            "Latency of traces",
            &labels,
            &[
                series("p95", latency(|one| one.p95_ms)),
                series("median", latency(|one| one.p50_ms)),
            ],
            Stacking::Nested,
            milliseconds,
        ),
        chart(
            "Errors by model",
            &labels,
            &by_model(read, days, |one| one.errors as f64),
            Stacking::Stacked,
            whole,
        ),
    ]
}

fn series(name: &str, values: Vec<f64>) -> Series {
    Series {
        name: name.to_owned(),
        values,
    }
}

/// The models with the most of something, and all others together.
fn by_model(read: &Read, days: &[u16], part: impl Fn(&StepFigures) -> f64) -> Vec<Series> {
    let mut models: Vec<(&str, f64)> = read
        .steps
        .iter()
        .filter(|one| one.all_days == 1)
        .map(|one| (one.model.as_str(), part(one)))
        .filter(|(_, total)| *total > 0.0)
        .collect();
    models.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(other.0)));
    let others = models.split_off(models.len().min(MODELS));
    let places: HashMap<u16, usize> = days.iter().enumerate().map(|(at, day)| (*day, at)).collect();
    let fill = |is_of: &dyn Fn(&str) -> bool| {
        let mut values = vec![0.0; days.len()];
        let own = read
            .steps
            .iter()
            .filter(|one| one.all_days == 0 && one.all_models == 0 && is_of(&one.model));
        for one in own {
            if let Some(at) = places.get(&one.day) {
                values[*at] += part(one);
            }
        }
        values
    };
    let mut all: Vec<Series> = models
        .iter()
        .map(|(name, _)| series(&named(name), fill(&|own| own == *name)))
        .collect();
    if !others.is_empty() {
        all.push(series(
            "others",
            fill(&|own| others.iter().any(|(name, _)| *name == own)),
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(day: Option<u16>, model: Option<&str>, errors: u64, cost: &str) -> StepFigures {
        StepFigures {
            all_days: u8::from(day.is_none()),
            all_models: u8::from(model.is_none()),
            day: day.unwrap_or(0),
            model: model.unwrap_or("").to_owned(),
            steps: 100,
            errors,
            tokens: 10,
            cost: cost.to_owned(),
            p50_ms: f64::NAN,
            p95_ms: 1_500.0,
        }
    }

    #[test]
    fn the_largest_models_have_their_own_colour() {
        let mut read = Read::default();
        for n in 1..=8_u64 {
            let name = format!("m{n}");
            read.steps.push(one(None, Some(&name), n, "1"));
            read.steps.push(one(Some(3), Some(&name), n, "1"));
        }
        let all = by_model(&read, &[2, 3], |one| one.errors as f64);
        let told: Vec<(&str, f64)> = all.iter().map(|one| (one.name.as_str(), one.values[1])).collect();
        assert_eq!(
            told,
            [
                ("m8", 8.0),
                ("m7", 7.0),
                ("m6", 6.0),
                ("m5", 5.0),
                ("m4", 4.0),
                ("others", 6.0)
            ]
        );
    }

    #[test]
    fn totals_are_of_days_and_lines_of_models() {
        let read = Read {
            traces: vec![DayCount { day: 1, count: 7 }],
            steps: vec![
                one(Some(1), None, 3, "1.50"),
                one(None, Some(""), 3, "1.50"),
                one(Some(1), Some(""), 3, "1.50"),
            ],
            latencies: Vec::new(),
        };
        let told: Vec<String> = totals(&read)
            .into_iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        assert_eq!(
            told,
            ["Traces 7", "Cost $1.50", "Tokens 10", "Steps 100", "Errors 3 (3.0 %)"]
        );
        let line = model(&read.steps[1]);
        assert_eq!(
            (line.name.as_str(), line.p50.as_str(), line.p95.as_str()),
            ("without a model", "", "1.50 s")
        );
        assert_eq!(charts(&read, &[1]).len(), 4);
    }
}
