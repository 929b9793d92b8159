//! One step with its payload: a page, or the part of it that the script puts beside a trace.

use askama::Template;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use tracemill_model::Millis;
use url::form_urlencoded;

use super::access::Visitor;
use super::frame::{Failure, Frame, Section, html, or_failure};
use super::payload::{Block, Payload, Shown, View, value};
use super::trace::{as_it_came, kind, level, one};
use super::{format, links};
use crate::query::observations::ObservationRow;
use crate::query::scores::{self, ScoreRow};
use crate::query::steps;

/// A property of a trace or of a step.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) href: Option<String>,
    /// Of a time.
    pub(super) machine: Option<String>,
}

impl Fact {
    pub(super) fn new(name: &'static str, value: &str) -> Self {
        Self {
            name,
            value: value.to_owned(),
            href: None,
            machine: None,
        }
    }

    pub(super) fn linked(name: &'static str, value: &str, href: String) -> Self {
        Self {
            href: Some(href),
            ..Self::new(name, value)
        }
    }

    pub(super) fn time(name: &'static str, ms: Option<i64>) -> Self {
        let text = ms.map(format::precise).unwrap_or_default();
        Self {
            machine: ms.map(format::machine),
            ..Self::new(name, &text)
        }
    }
}

/// Those that say something.
pub(super) fn facts<const N: usize>(all: [Fact; N]) -> Vec<Fact> {
    all.into_iter().filter(|fact| !fact.value.is_empty()).collect()
}

/// A score.
#[derive(Debug)]
pub(super) struct Score {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) source: String,
    pub(super) comment: String,
}

/// The scores as they are shown.
pub(super) fn scores_of<'a>(rows: impl Iterator<Item = &'a ScoreRow>) -> Vec<Score> {
    let one = |row: &ScoreRow| Score {
        name: row.name.clone(),
        value: score_value(row),
        source: row.source.to_lowercase(),
        comment: row.comment.clone().unwrap_or_default(),
    };
    rows.map(one).collect()
}

/// A number, or what it stands for.
pub(super) fn score_value(row: &ScoreRow) -> String {
    match row.data_type.as_str() {
        "NUMERIC" => format::number(row.value),
        "TEXT" | "CORRECTION" if !row.long_string_value.is_empty() => row.long_string_value.clone(),
        _ => row.string_value.clone().unwrap_or_else(|| format::number(row.value)),
    }
}

/// Units and what they cost.
#[derive(Debug)]
pub(super) struct Amount {
    pub(super) name: String,
    pub(super) units: String,
    pub(super) cost: String,
}

/// A step, or the trace itself.
#[derive(Debug)]
pub(super) struct StepPage {
    pub(super) name: String,
    pub(super) trace_name: String,
    pub(super) trace_href: String,
    /// Its place on the trace's page.
    pub(super) anchor: String,
    pub(super) base: String,
    pub(super) kind: &'static str,
    pub(super) kind_name: String,
    pub(super) level: &'static str,
    pub(super) status: String,
    pub(super) facts: Vec<Fact>,
    pub(super) amounts: Vec<Amount>,
    pub(super) scores: Vec<Score>,
    pub(super) has_chat: bool,
    pub(super) is_json: bool,
    pub(super) payloads: Vec<Payload>,
    pub(super) metadata: Vec<(String, Block)>,
    pub(super) parent: Option<String>,
    pub(super) parameters: Option<Block>,
}

#[derive(Template)]
#[template(path = "step.html")]
struct Whole {
    frame: Frame,
    page: StepPage,
}

/// The same without what is around it.
#[derive(Template)]
#[template(path = "step_body.html")]
struct Body {
    page: StepPage,
}

impl StepPage {
    pub(super) fn answer(self, frame: Frame, as_fragment: bool) -> Response {
        match as_fragment {
            true => html(&Body { page: self }),
            false => html(&Whole { frame, page: self }),
        }
    }
}

/// `view=json` of a query.
pub(super) fn view(query: &str) -> View {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    match pairs.any(|(name, value)| name == "view" && value == "json") {
        true => View::Json,
        false => View::Chat,
    }
}

/// `part=body` of a query.
pub(super) fn is_fragment(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "part" && value == "body")
}

/// Metadata, by name.
pub(super) fn metadata(pairs: &[(String, String)]) -> Vec<(String, Block)> {
    let mut all: Vec<_> = pairs.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

/// `/project/{project}/traces/{trace}/step/{step}`
pub(super) async fn page(
    visitor: Visitor,
    Path((_, trace, step)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = answer(&visitor, &trace, &step, &query.unwrap_or_default()).await;
    or_failure(&visitor, page)
}

/// A step of that trace, with its payload.
async fn read(visitor: &Visitor, trace: &str, at: Millis, step: &str) -> Result<ObservationRow, Failure> {
    let rows: Vec<ObservationRow> = visitor
        .signed_in
        .reader()?
        .rows(steps::one(visitor.id(), step, at))
        .await?;
    let row = rows.into_iter().find(|row| row.trace_id == trace);
    row.ok_or(Failure::NotFound("step"))
}

async fn answer(visitor: &Visitor, trace: &str, step: &str, query: &str) -> Result<Response, Failure> {
    let project = visitor.id();
    let of = one(visitor, trace, false).await?;
    let at = Millis(of.timestamp);
    let row = read(visitor, trace, at, step).await?;
    let scores: Vec<ScoreRow> = visitor
        .signed_in
        .reader()?
        .rows(scores::of_trace(project, trace, at))
        .await?;
    let view = view(query);
    let base = links::step(project, trace, step);
    let name = if row.name.is_empty() {
        "Unnamed step".to_owned()
    } else {
        row.name.clone()
    };
    let (kind, kind_name) = kind(&row.r#type);
    let payloads = vec![
        Payload::new("Input", "input", row.input.as_deref(), view, &base),
        Payload::new("Output", "output", row.output.as_deref(), view, &base),
    ];
    let parent = row.parent_observation_id.as_deref().filter(|id| !id.is_empty());
    let page = StepPage {
        trace_name: if of.name.is_empty() {
            "Unnamed trace".to_owned()
        } else {
            of.name
        },
        trace_href: links::trace(project, trace),
        anchor: links::segment(step),
        kind,
        kind_name,
        level: level(&row.level),
        status: row.status_message.clone().unwrap_or_default(),
        facts: step_facts(&row),
        amounts: amounts(&row),
        scores: scores_of(
            scores
                .iter()
                .filter(|score| score.observation_id.as_deref() == Some(step)),
        ),
        has_chat: view == View::Json || payloads.iter().any(Payload::is_chat),
        is_json: view == View::Json,
        payloads,
        metadata: metadata(&row.metadata),
        parent: parent.map(|parent| links::step(project, trace, parent)),
        parameters: row
            .model_parameters
            .as_deref()
            .filter(|text| !matches!(*text, "" | "{}" | "null"))
            .map(value),
        base,
        name,
    };
    let frame = Frame::of(visitor, format!("{} · Step", page.name), Section::Traces);
    Ok(page.answer(frame, is_fragment(query)))
}

fn step_facts(row: &ObservationRow) -> Vec<Fact> {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let took = |end: Option<i64>| {
        end.map(|end| format::duration(end - row.start_time))
            .unwrap_or_default()
    };
    let prompt = some(&row.prompt_name);
    let prompt = match row.prompt_version {
        Some(version) if !prompt.is_empty() => format!("{prompt}, version {version}"),
        _ => prompt,
    };
    facts([
        Fact::new("Model", &some(&row.provided_model_name)),
        Fact::new("Duration", &took(row.end_time)),
        Fact::new("First token after", &took(row.completion_start_time)),
        Fact::new("Cost", &format::cost_text(row.total_cost.as_deref())),
        Fact::time("Began", Some(row.start_time)),
        Fact::time("Ended", row.end_time),
        Fact::new("Prompt", &prompt),
        Fact::new("Version", &some(&row.version)),
        Fact::new("Environment", &row.environment),
        Fact::new("Id", &row.id),
    ])
}

/// Usage and cost by name; the total last.
fn amounts(row: &ObservationRow) -> Vec<Amount> {
    let mut names: Vec<&str> = row.usage_details.iter().map(|(name, _)| name.as_str()).collect();
    names.extend(row.cost_details.iter().map(|(name, _)| name.as_str()));
    names.sort_by_key(|name| (*name == "total", *name));
    names.dedup();
    let one = |name: &str| {
        let units = row.usage_details.iter().find(|(own, _)| own == name);
        let cost = row.cost_details.iter().find(|(own, _)| own == name);
        Amount {
            name: name.replace('_', " "),
            units: units.map(|(_, units)| format::grouped(*units)).unwrap_or_default(),
            cost: format::cost_text(cost.map(|(_, cost)| cost.as_str())),
        }
    };
    names.into_iter().map(one).collect()
}

/// `/project/{project}/traces/{trace}/step/{step}/{part}`
pub(super) async fn raw(
    visitor: Visitor,
    Path((_, trace, step, part)): Path<(String, String, String, String)>,
) -> Response {
    let text = async {
        let of = one(&visitor, &trace, false).await?;
        let row = read(&visitor, &trace, Millis(of.timestamp), &step).await?;
        match part.as_str() {
            "input" => Ok(row.input),
            "output" => Ok(row.output),
            _ => Err(Failure::NotFound("page")),
        }
    };
    let answer = text.await.map(|text| as_it_came(text.unwrap_or_default()));
    or_failure(&visitor, answer)
}
