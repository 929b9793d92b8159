//! Sessions, and the traces of one in the order in which they came.

use askama::Template;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use url::form_urlencoded;

use super::access::Visitor;
use super::find::{Found, figures};
use super::frame::{Failure, Frame, Section, html, or_failure};
use super::span::{Chosen, Preset};
use super::{format, links};
use crate::query::gathered::{self, GatheredRow};
use crate::query::sessions;
use crate::query::traces::{self, TraceRow};
use crate::query::{Page, Place};
use crate::routes::read::lists::in_order;

/// Sessions, or traces of one, of a page.
const LIMIT: u64 = 50;
/// Pages that one can turn to.
const MOST_PAGES: u64 = 1_000;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    text: String,
    presets: Vec<Preset>,
    words: String,
    rows: Vec<Gathered>,
    newer: Option<String>,
    older: Option<String>,
}

/// A session of the list.
#[derive(Debug)]
struct Gathered {
    href: String,
    id: String,
    traces: String,
    users: Vec<(String, String)>,
    environments: String,
    last: (String, String),
    ago: String,
    lasted: String,
}

/// `/project/{project}/sessions`
pub(super) async fn list(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let page = listed(&visitor, &query.unwrap_or_default()).await;
    or_failure(&visitor, page)
}

/// A field of a query, and which page.
fn field(query: &str, name: &str) -> String {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let value = pairs
        .find(|(own, _)| own == name)
        .map(|(_, value)| value.trim().replace('\0', ""));
    value.unwrap_or_default().chars().take(1_000).collect()
}

fn turned(query: &str) -> u64 {
    field(query, "page").parse().unwrap_or(1).clamp(1, MOST_PAGES)
}

async fn listed(visitor: &Visitor, query: &str) -> Result<Response, Failure> {
    let (project, now) = (visitor.id(), visitor.signed_in.now());
    let text = field(query, "q");
    let chosen = Chosen::read(&field(query, "span"), "", "", "7d", now);
    let page = turned(query);
    let asked = Some(text.as_str()).filter(|text| !text.is_empty());
    let statement = gathered::list(project, chosen.span, asked, Page { page, limit: LIMIT });
    let mut rows: Vec<GatheredRow> = visitor.signed_in.reader()?.rows(statement).await?;
    let has_more = rows.len() as u64 > LIMIT;
    rows.truncate(usize::try_from(LIMIT).unwrap_or(usize::MAX));
    let link = |page: u64| {
        links::query([
            ("q", text.as_str()),
            ("span", chosen.preset),
            ("page", page.to_string().as_str()),
        ])
    };
    let at = |ms: i64| (format::machine(ms), format::time(ms));
    let row = |row: GatheredRow| Gathered {
        href: links::session(project, &row.id),
        traces: format::grouped(row.traces),
        users: row
            .users
            .into_iter()
            .map(|user| (links::traces_with(project, "user", &user), user))
            .collect(),
        environments: row.environments.join(", "),
        ago: format::ago(row.last, now.0),
        lasted: format::duration(row.last - row.first),
        last: at(row.last),
        id: row.id,
    };
    Ok(html(&SessionsPage {
        frame: Frame::of(visitor, "Sessions", Section::Sessions),
        presets: chosen.presets(),
        words: chosen.words(),
        rows: rows.into_iter().map(row).collect(),
        newer: (page > 1).then(|| link(page - 1)),
        older: (has_more && page < MOST_PAGES).then(|| link(page + 1)),
        text,
    }))
}

#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage {
    frame: Frame,
    id: String,
    traces: String,
    first: (String, String),
    lasted: String,
    /// Of the traces of this page.
    rows: Vec<Found>,
    earlier: Option<String>,
    later: Option<String>,
    is_cut: bool,
}

/// `/project/{project}/sessions/{session}`
pub(super) async fn page(
    visitor: Visitor,
    Path((_, session)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = one(&visitor, session, &query.unwrap_or_default()).await;
    or_failure(&visitor, page)
}

async fn one(visitor: &Visitor, session: String, query: &str) -> Result<Response, Failure> {
    let (project, reader) = (visitor.id(), visitor.signed_in.reader()?);
    let statement = sessions::places(&sessions::traces(project, &session));
    let mut places: Vec<Place> = reader.rows(statement).await?;
    let (is_cut, total) = (sessions::is_cut(&places), places.len() as u64);
    // As they came: the first one first.
    places.reverse();
    let (first, last) = match (places.first(), places.last()) {
        (Some(first), Some(last)) => (first.clone(), last.clone()),
        _ => return Err(Failure::NotFound("session")),
    };
    let page = turned(query).min(total.div_ceil(LIMIT));
    let skip = usize::try_from((page - 1) * LIMIT).unwrap_or(usize::MAX);
    let mut shown: Vec<Place> = places
        .into_iter()
        .skip(skip)
        .take(usize::try_from(LIMIT).unwrap_or(usize::MAX))
        .collect();
    // The ends tell how long it lasted.
    let on_page = shown.len();
    shown.extend([first.clone(), last.clone()]);
    let rows: Vec<TraceRow> = reader.rows(traces::rows(project, &shown, false)).await?;
    let time = |id: &str| rows.iter().find(|row| row.id == id).map_or(0, |row| row.timestamp);
    let (begun, ended) = (time(&first.id), time(&last.id));
    shown.truncate(on_page);
    let mut rows = in_order(&shown, rows, |row| row.id.as_str());
    rows.truncate(on_page);
    let figures = figures(reader, project, &rows).await?;
    let now = visitor.signed_in.now();
    let found = rows.into_iter().map(|row| {
        let own = figures.get(&row.id);
        Found::new(project, row, own, now)
    });
    let link = |page: u64| links::query([("page", page.to_string().as_str())]);
    Ok(html(&SessionPage {
        frame: Frame::of(visitor, format!("{session} · Session"), Section::Sessions),
        traces: format::grouped(total),
        first: (format::machine(begun), format::time(begun)),
        lasted: format::duration(ended - begun),
        rows: found.collect(),
        earlier: (page > 1).then(|| link(page - 1)),
        later: (page * LIMIT < total).then(|| link(page + 1)),
        is_cut,
        id: session,
    }))
}
