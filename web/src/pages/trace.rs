//! A trace: what it came to, its steps as a tree with a timeline. Its payload is a page of its own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::{Path, RawQuery};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use rust_decimal::Decimal;
use tracemill_model::Millis;

use super::access::{SignedIn, Visitor};
use super::frame::{Failure, Frame, Section, html, or_failure};
use super::payload::{Payload, View};
use super::step::{Fact, Score, StepPage, facts, is_fragment, metadata, scores_of, view};
use super::timeline::{Extent, WIDTH};
use super::tree::{Branch, Node, tree};
use super::{format, links};
use crate::query::scores::{self, ScoreRow};
use crate::query::steps::{self, MOST_STEPS, StepRow};
use crate::query::traces::{self, TraceRow};

/// Steps that are deeper are not folded into those above: browsers nest elements only so far.
const DEEPEST_FOLD: usize = 48;
/// Steps that are deeper are not moved further to the right.
const DEEPEST_INDENT: usize = 14;
/// Scores that a step shows beside its name.
const SCORES: usize = 3;

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage {
    frame: Frame,
    id: String,
    name: String,
    base: String,
    facts: Vec<Fact>,
    tags: Vec<(String, String)>,
    figures: Vec<(&'static str, String)>,
    scores: Vec<Score>,
    rows: Vec<Row>,
    /// Places of round times on the axis, and the time at its end.
    ticks: Vec<i64>,
    length: String,
    width: i64,
    is_cut: bool,
    steps: String,
}

/// A step of the tree.
#[derive(Debug)]
struct Row {
    /// What is below it can be folded.
    opens: bool,
    /// How many of those above end after it.
    closes: usize,
    indent: usize,
    href: String,
    anchor: String,
    name: String,
    kind: &'static str,
    kind_name: String,
    model: String,
    level: &'static str,
    tokens: String,
    cost: String,
    duration: String,
    scores: Vec<(String, String)>,
    is_orphan: bool,
    below: String,
    x: i64,
    width: i64,
}

impl Node for StepRow {
    fn id(&self) -> &str {
        &self.id
    }

    fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    fn start(&self) -> i64 {
        self.start
    }
}

/// `/project/{project}/traces/{trace}`
pub(super) async fn page(visitor: Visitor, Path((_, trace)): Path<(String, String)>) -> Response {
    let page = answer(&visitor, &trace).await;
    or_failure(&visitor, page)
}

/// A trace without its payload.
pub(super) async fn one(visitor: &Visitor, trace: &str, with_payload: bool) -> Result<TraceRow, Failure> {
    let rows: Vec<TraceRow> = visitor
        .signed_in
        .reader()?
        .rows(traces::one(visitor.id(), trace, with_payload))
        .await?;
    rows.into_iter().next().ok_or(Failure::NotFound("trace"))
}

async fn answer(visitor: &Visitor, trace: &str) -> Result<Response, Failure> {
    let began = Instant::now();
    let project = visitor.id();
    let row = one(visitor, trace, false).await?;
    let (reader, at) = (visitor.signed_in.reader()?, Millis(row.timestamp));
    let (steps, scores): (Vec<StepRow>, Vec<ScoreRow>) = tokio::try_join!(
        reader.rows(steps::of_trace(project, trace, at)),
        reader.rows(scores::of_trace(project, trace, at)),
    )?;
    let asked = began.elapsed();
    let mut response = html(&view_of(visitor, row, steps, &scores));
    let ms = |took: Duration| took.as_secs_f64() * 1_000.0;
    let timing = format!(
        "query;dur={:.1}, render;dur={:.1}",
        ms(asked),
        ms(began.elapsed().saturating_sub(asked))
    );
    if let Ok(timing) = HeaderValue::try_from(timing) {
        response.headers_mut().insert("server-timing", timing);
    }
    Ok(response)
}

fn view_of(visitor: &Visitor, row: TraceRow, mut steps: Vec<StepRow>, scores: &[ScoreRow]) -> TracePage {
    let project = visitor.id();
    let is_cut = steps.len() > MOST_STEPS;
    steps.truncate(MOST_STEPS);
    let name = if row.name.is_empty() {
        "Unnamed trace".to_owned()
    } else {
        row.name.clone()
    };
    let extent = Extent::of(steps.iter().map(|step| (step.start, step.end)));
    let extent = extent.unwrap_or(Extent {
        from: row.timestamp,
        to: row.timestamp,
    });
    TracePage {
        frame: Frame::of(visitor, format!("{name} · Trace"), Section::Traces),
        base: links::trace(project, &row.id),
        facts: trace_facts(project, &row),
        tags: row
            .tags
            .iter()
            .map(|tag| (links::traces_with(project, "tags", tag), tag.clone()))
            .collect(),
        figures: figures(&steps, extent),
        scores: scores_of(scores.iter().filter(|score| score.observation_id.is_none())),
        rows: rows(&row.id, &steps, scores, extent),
        ticks: extent.ticks(),
        length: format::duration(extent.length()),
        width: WIDTH,
        is_cut,
        steps: format::grouped(steps.len() as u64),
        name,
        id: row.id,
    }
}

fn trace_facts(project: &str, row: &TraceRow) -> Vec<Fact> {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let (user, session) = (some(&row.user_id), some(&row.session_id));
    facts([
        Fact::time("Time", Some(row.timestamp)),
        Fact::linked("User", &user, links::traces_with(project, "user", &user)),
        Fact::linked("Session", &session, links::session(project, &session)),
        Fact::new("Environment", &row.environment),
        Fact::new("Release", &some(&row.release)),
        Fact::new("Version", &some(&row.version)),
    ])
}

/// What the steps come to.
fn figures(steps: &[StepRow], extent: Extent) -> Vec<(&'static str, String)> {
    let cost: Decimal = steps
        .iter()
        .filter_map(|step| step.cost.as_deref()?.parse::<Decimal>().ok())
        .sum();
    let tokens = |part: fn(&StepRow) -> u64| steps.iter().map(part).fold(0, u64::saturating_add);
    let (input, output) = (tokens(|step| step.input_tokens), tokens(|step| step.output_tokens));
    let total = tokens(|step| step.total_tokens).max(input.saturating_add(output));
    let errors = steps.iter().filter(|step| step.level == "ERROR").count();
    let mut all = vec![
        ("Latency", format::duration(extent.length())),
        ("Cost", format::cost(cost)),
    ];
    let in_and_out = format!(
        "{} ({} in, {} out)",
        format::grouped(total),
        format::grouped(input),
        format::grouped(output)
    );
    all.push((
        "Tokens",
        if input + output == 0 {
            format::grouped(total)
        } else {
            in_and_out
        },
    ));
    all.push(("Steps", format::grouped(steps.len() as u64)));
    if errors > 0 {
        all.push(("Errors", format::grouped(errors as u64)));
    }
    all
}

fn rows(trace: &str, steps: &[StepRow], scores: &[ScoreRow], extent: Extent) -> Vec<Row> {
    let mut of: HashMap<&str, Vec<(String, String)>> = HashMap::new();
    for score in scores {
        if let Some(step) = &score.observation_id {
            of.entry(step)
                .or_default()
                .push((score.name.clone(), super::step::score_value(score)));
        }
    }
    // Relative to the trace's page, whose path ends with its id: thousands of them are on a page.
    let base = links::segment(trace);
    let branches = tree(steps);
    let mut rows: Vec<Row> = Vec::with_capacity(branches.len());
    // Where what is open ends.
    let mut open: Vec<usize> = Vec::new();
    for (at, branch) in branches.iter().enumerate() {
        let step = &steps[branch.at];
        let mut row = row(&base, step, branch, extent);
        row.scores = of.remove(step.id.as_str()).unwrap_or_default();
        row.scores.truncate(SCORES);
        row.opens = branch.below > 0 && branch.depth < DEEPEST_FOLD;
        if row.opens {
            open.push(at + branch.below);
        }
        while open.last() == Some(&at) {
            open.pop();
            row.closes += 1;
        }
        rows.push(row);
    }
    rows
}

fn row(base: &str, step: &StepRow, branch: &Branch, extent: Extent) -> Row {
    let bar = extent.bar(step.start, step.end);
    let id = links::segment(&step.id);
    let (kind, kind_name) = kind(&step.r#type);
    Row {
        opens: false,
        closes: 0,
        indent: branch.depth.min(DEEPEST_INDENT),
        href: format!("{base}/step/{id}"),
        anchor: id,
        name: if step.name.is_empty() {
            "unnamed".to_owned()
        } else {
            step.name.clone()
        },
        kind,
        kind_name,
        model: step.model.clone().unwrap_or_default(),
        level: level(&step.level),
        tokens: if step.total_tokens > 0 {
            format::short(step.total_tokens)
        } else {
            String::new()
        },
        cost: format::cost_text(step.cost.as_deref())
            .trim_end_matches("$0")
            .to_owned(),
        duration: step
            .end
            .map(|end| format::duration(end - step.start))
            .unwrap_or_default(),
        scores: Vec::new(),
        is_orphan: branch.is_orphan,
        below: if branch.below > 0 {
            format::grouped(branch.below as u64)
        } else {
            String::new()
        },
        x: bar.x,
        width: bar.width,
    }
}

/// The class of a step's type, and its name in short.
pub(super) fn kind(name: &str) -> (&'static str, String) {
    let class = match name {
        "GENERATION" => "gen",
        "EMBEDDING" => "emb",
        "TOOL" => "tool",
        "AGENT" => "agent",
        "CHAIN" => "chain",
        "RETRIEVER" => "retr",
        "EVALUATOR" => "eval",
        "GUARDRAIL" => "guard",
        "EVENT" => "event",
        _ => "span",
    };
    let short = match class {
        "gen" => "generation".to_owned(),
        _ => name.to_lowercase(),
    };
    (class, short)
}

/// The class of a level; none for what is usual.
pub(super) fn level(name: &str) -> &'static str {
    match name {
        "ERROR" => "error",
        "WARNING" => "warning",
        "DEBUG" => "debug",
        _ => "",
    }
}

/// `/project/{project}/traces/{trace}/payload`
pub(super) async fn payload(
    visitor: Visitor,
    Path((_, trace)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = payload_of(&visitor, &trace, &query.unwrap_or_default()).await;
    or_failure(&visitor, page)
}

async fn payload_of(visitor: &Visitor, trace: &str, query: &str) -> Result<Response, Failure> {
    let row = one(visitor, trace, true).await?;
    let (project, view) = (visitor.id(), view(query));
    let up = links::trace(project, trace);
    let base = format!("{up}/payload");
    let name = if row.name.is_empty() {
        "Unnamed trace".to_owned()
    } else {
        row.name.clone()
    };
    let payloads = vec![
        Payload::new("Input", "input", row.input.as_deref(), view, &base),
        Payload::new("Output", "output", row.output.as_deref(), view, &base),
    ];
    let page = StepPage {
        trace_name: name.clone(),
        trace_href: up,
        anchor: String::new(),
        kind: "trace",
        kind_name: "trace".to_owned(),
        level: "",
        status: String::new(),
        facts: trace_facts(project, &row),
        amounts: Vec::new(),
        scores: Vec::new(),
        has_chat: view == View::Json || payloads.iter().any(Payload::is_chat),
        is_json: view == View::Json,
        payloads,
        metadata: metadata(&row.metadata),
        parent: None,
        parameters: None,
        base,
        name,
    };
    let frame = Frame::of(visitor, format!("{} · Input and output", page.name), Section::Traces);
    Ok(page.answer(frame, is_fragment(query)))
}

/// `/project/{project}/traces/{trace}/payload/{part}`
pub(super) async fn raw(visitor: Visitor, Path((_, trace, part)): Path<(String, String, String)>) -> Response {
    let text = async {
        let row = one(&visitor, &trace, true).await?;
        match part.as_str() {
            "input" => Ok(row.input),
            "output" => Ok(row.output),
            _ => Err(Failure::NotFound("page")),
        }
    };
    let answer = text.await.map(|text| as_it_came(text.unwrap_or_default()));
    or_failure(&visitor, answer)
}

/// A payload and nothing else: never as a page of ours.
pub(super) fn as_it_came(text: String) -> Response {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let alone = HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, alone)], text).into_response()
}

/// `/trace/{trace}`: as older clients print it, without a project.
pub(super) async fn somewhere(signed_in: SignedIn, Path(trace): Path<String>) -> Response {
    match project_of(&signed_in, &trace).await {
        Ok(path) => Redirect::to(&path).into_response(),
        Err(failure) => failure.page(&signed_in, None),
    }
}

async fn project_of(signed_in: &SignedIn, trace: &str) -> Result<String, Failure> {
    let reader = signed_in.reader()?;
    for project in &signed_in.projects {
        let rows: Vec<TraceRow> = reader.rows(traces::one(&project.id, trace, false)).await?;
        if !rows.is_empty() {
            return Ok(links::trace(&project.id, trace));
        }
    }
    Err(Failure::NotFound("trace"))
}

#[cfg(test)]
mod tests;
