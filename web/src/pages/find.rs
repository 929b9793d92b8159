//! Find a trace: a form, and a page of what it found.

use std::collections::HashMap;

use askama::Template;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Redirect, Response};
use tracemill_model::Millis;
use tracemill_model::time::DAY_MS;
use url::form_urlencoded;

use super::access::Visitor;
use super::format;
use super::frame::{Failure, Frame, Section, advice, html, or_failure};
use super::links;
use super::span::{Chosen, Preset};
use crate::query::search::{self, Search, TraceFigures};
use crate::query::traces::{self, TraceRow};
use crate::query::{Filter, Page, Place};
use crate::reader::ReadError;
use crate::routes::read::lists::in_order;

/// Traces of a page.
const LIMIT: u64 = 50;
/// A text is looked for in payloads of so long a time at most, in ms.
const LONGEST_SEARCH: i64 = 31 * DAY_MS;
/// Texts of a form are cut there, in characters.
const LONGEST_TEXT: usize = 1_000;
/// Pages that one can turn to.
const MOST_PAGES: u64 = 1_000;

/// What the form says.
#[derive(Debug, Clone, Default)]
struct Form {
    text: String,
    in_payloads: bool,
    failed: bool,
    user: String,
    session: String,
    name: String,
    tags: String,
    environment: String,
    span: String,
    from: String,
    to: String,
    page: u64,
}

impl Form {
    fn read(query: &str) -> Self {
        let mut form = Self {
            page: 1,
            ..Self::default()
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // ClickHouse's texts may hold a zero byte, but a form's do not.
            let value: String = value
                .trim()
                .chars()
                .filter(|letter| *letter != '\0')
                .take(LONGEST_TEXT)
                .collect();
            match &*name {
                "q" => form.text = value,
                "in" => form.in_payloads = value == "payloads",
                "failed" => form.failed = value == "1",
                "user" => form.user = value,
                "session" => form.session = value,
                "name" => form.name = value,
                "tags" => form.tags = value,
                "env" => form.environment = value,
                "span" => form.span = value,
                "from" => form.from = value,
                "to" => form.to = value,
                "page" => form.page = value.parse().unwrap_or(1).clamp(1, MOST_PAGES),
                _ => {}
            }
        }
        form
    }

    fn filters(&self) -> Vec<Filter> {
        let is = |column, value: &str| {
            (!value.is_empty()).then(|| Filter::Is {
                column,
                value: value.to_owned(),
            })
        };
        let tags: Vec<String> = self
            .tags
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect();
        let tags = (!tags.is_empty()).then_some(Filter::HasAll {
            column: "tags",
            values: tags,
        });
        let all = [
            is("user_id", &self.user),
            is("session_id", &self.session),
            is("name", self.name.as_str()),
            tags,
            is("environment", &self.environment),
        ];
        all.into_iter().flatten().collect()
    }

    /// The same question for another page.
    fn link(&self, page: u64) -> String {
        let page = if page > 1 { page.to_string() } else { String::new() };
        links::query([
            ("q", self.text.as_str()),
            ("in", if self.in_payloads { "payloads" } else { "" }),
            ("failed", if self.failed { "1" } else { "" }),
            ("user", self.user.as_str()),
            ("session", self.session.as_str()),
            ("name", self.name.as_str()),
            ("tags", self.tags.as_str()),
            ("env", self.environment.as_str()),
            ("span", self.span.as_str()),
            ("from", self.from.as_str()),
            ("to", self.to.as_str()),
            ("page", page.as_str()),
        ])
    }

    /// Whether the fields that are not always seen say something.
    fn has_more(&self) -> bool {
        let texts = [
            &self.user,
            &self.session,
            &self.name,
            &self.tags,
            &self.environment,
            &self.from,
            &self.to,
        ];
        texts.iter().any(|text| !text.is_empty())
    }
}

#[derive(Template)]
#[template(path = "traces.html")]
struct TracesPage {
    frame: Frame,
    form: Form,
    has_more: bool,
    presets: Vec<Preset>,
    from: String,
    to: String,
    words: String,
    /// The same question about all time.
    everything: Option<String>,
    /// What went wrong, and what to do about it.
    notice: Option<(&'static str, String)>,
    rows: Vec<Found>,
    newer: Option<String>,
    older: Option<String>,
}

/// A trace of the list.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) time: String,
    pub(super) machine: String,
    pub(super) ago: String,
    pub(super) user: Option<(String, String)>,
    pub(super) session: Option<(String, String)>,
    pub(super) environment: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) steps: String,
    pub(super) errors: u64,
    pub(super) tokens: String,
    pub(super) cost: String,
    pub(super) latency: String,
}

impl Found {
    pub(super) fn new(project: &str, row: TraceRow, figures: Option<&TraceFigures>, now: Millis) -> Self {
        let link = |name: &str, value: Option<String>| {
            let value = value.filter(|value| !value.is_empty())?;
            Some((links::traces_with(project, name, &value), value))
        };
        let session = row.session_id.filter(|id| !id.is_empty());
        Self {
            href: links::trace(project, &row.id),
            name: if row.name.is_empty() {
                "unnamed".to_owned()
            } else {
                row.name
            },
            time: format::time(row.timestamp),
            machine: format::machine(row.timestamp),
            ago: format::ago(row.timestamp, now.0),
            user: link("user", row.user_id),
            session: session.map(|id| (links::session(project, &id), id)),
            environment: if row.environment == "default" {
                String::new()
            } else {
                row.environment
            },
            tags: row
                .tags
                .into_iter()
                .map(|tag| (links::traces_with(project, "tags", &tag), tag))
                .collect(),
            steps: figures
                .map(|figures| format::grouped(figures.steps))
                .unwrap_or_default(),
            errors: figures.map_or(0, |figures| figures.errors),
            tokens: figures
                .filter(|figures| figures.tokens > 0)
                .map(|figures| format::short(figures.tokens))
                .unwrap_or_default(),
            cost: figures
                .map(|figures| format::cost_text(Some(&figures.cost)))
                .filter(|cost| cost != "$0")
                .unwrap_or_default(),
            latency: figures
                .and_then(|figures| figures.latency_ms)
                .map(format::duration)
                .unwrap_or_default(),
        }
    }
}

/// `/project/{project}/traces`
pub(super) async fn page(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let form = Form::read(&query.unwrap_or_default());
    let page = answer(&visitor, form).await;
    or_failure(&visitor, page)
}

async fn answer(visitor: &Visitor, mut form: Form) -> Result<Response, Failure> {
    let now = visitor.signed_in.now();
    let chosen = Chosen::read(&form.span, &form.from, &form.to, "7d", now);
    chosen.preset.clone_into(&mut form.span);
    if let Some(id) = id_of(&form) {
        let known: Vec<TraceRow> = visitor
            .signed_in
            .reader()?
            .rows(traces::one(visitor.id(), id, false))
            .await?;
        if !known.is_empty() {
            return Ok(Redirect::to(&links::trace(visitor.id(), id)).into_response());
        }
    }
    let found = match fault(&form, &chosen, now) {
        Some(notice) => Err(notice),
        None => match find(visitor, &form, &chosen, now).await {
            Ok(found) => Ok(found),
            Err(error @ (ReadError::TooMuch | ReadError::TooLong)) => {
                Err(("That is more than one query may read", advice(&error).to_owned()))
            }
            Err(error) => return Err(error.into()),
        },
    };
    let (notice, (rows, has_more_rows)) = match found {
        Ok(found) => (None, found),
        Err(notice) => (Some(notice), (Vec::new(), false)),
    };
    let title = if form.text.is_empty() {
        "Traces".to_owned()
    } else {
        format!("{} · Traces", form.text)
    };
    Ok(html(&TracesPage {
        frame: Frame::of(visitor, title, Section::Traces),
        has_more: form.has_more(),
        presets: chosen.presets(),
        words: chosen.words(),
        everything: (chosen.preset != "all" && !form.in_payloads).then(|| {
            let form = Form {
                span: "all".to_owned(),
                from: String::new(),
                to: String::new(),
                ..form.clone()
            };
            form.link(1)
        }),
        from: chosen.from,
        to: chosen.to,
        notice,
        rows,
        newer: (form.page > 1).then(|| form.link(form.page - 1)),
        older: (has_more_rows && form.page < MOST_PAGES).then(|| form.link(form.page + 1)),
        form,
    }))
}

/// A text that may be the id of a trace.
fn id_of(form: &Form) -> Option<&str> {
    let text = form.text.as_str();
    let is_id = (16..=200).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    (is_id && form.page == 1).then_some(text)
}

/// What the form asks for and cannot have.
fn fault(form: &Form, chosen: &Chosen, now: Millis) -> Option<(&'static str, String)> {
    if let Some(fault) = &chosen.fault {
        return Some(("The time cannot be read", fault.clone()));
    }
    let is_long = chosen.length(now).is_none_or(|length| length > LONGEST_SEARCH);
    (form.in_payloads && !form.text.is_empty() && is_long).then(|| {
        let text =
            "Input and output are large, so a search in them needs a time of at most 31 days: choose a shorter one.";
        ("That time is too long to search in input and output", text.to_owned())
    })
}

/// The traces of the page, and whether there are more.
async fn find(visitor: &Visitor, form: &Form, chosen: &Chosen, now: Millis) -> Result<(Vec<Found>, bool), ReadError> {
    let project = visitor.id();
    let Some(reader) = visitor.signed_in.app.0.reader.as_ref() else {
        return Err(ReadError::Broken);
    };
    let search = Search {
        project: project.to_owned(),
        span: chosen.span,
        filters: form.filters(),
        text: Some(form.text.clone()).filter(|text| !text.is_empty()),
        in_payloads: form.in_payloads && !form.text.is_empty(),
        failed: form.failed,
    };
    let mut places: Vec<Place> = reader
        .rows(search.page(Page {
            page: form.page,
            limit: LIMIT,
        }))
        .await?;
    let has_more = places.len() as u64 > LIMIT;
    places.truncate(usize::try_from(LIMIT).unwrap_or(usize::MAX));
    if places.is_empty() {
        return Ok((Vec::new(), false));
    }
    let rows: Vec<TraceRow> = reader.rows(traces::rows(project, &places, false)).await?;
    let rows = in_order(&places, rows, |row| row.id.as_str());
    let figures = figures(reader, project, &rows).await?;
    let found = rows.into_iter().map(|row| {
        let own = figures.get(&row.id);
        Found::new(project, row, own, now)
    });
    Ok((found.collect(), has_more))
}

/// What the steps of these traces come to, by trace.
pub(super) async fn figures(
    reader: &crate::reader::Reader,
    project: &str,
    rows: &[TraceRow],
) -> Result<HashMap<String, TraceFigures>, ReadError> {
    let Some(earliest) = rows.iter().map(|row| Millis(row.timestamp)).min() else {
        return Ok(HashMap::new());
    };
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let figures: Vec<TraceFigures> = reader.rows(search::figures(project, &ids, earliest)).await?;
    Ok(figures.into_iter().map(|one| (one.trace_id.clone(), one)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_and_asked_again_for_another_page() {
        let form = Form::read("q=+a%26b+&in=payloads&user=u&tags=x,+y,&page=3&span=1h&unknown=1");
        assert_eq!((form.text.as_str(), form.in_payloads, form.page), ("a&b", true, 3));
        assert_eq!(form.link(4), "?q=a%26b&in=payloads&user=u&tags=x,%20y,&span=1h&page=4");
        assert_eq!(form.filters().len(), 2);
        assert!(matches!(&form.filters()[1], Filter::HasAll { values, .. } if values == &["x", "y"]));
        assert_eq!(Form::read("page=0").page, 1);
        assert_eq!(Form::read("page=99999999").page, MOST_PAGES);
        assert_eq!(Form::read(&format!("q={}", "x".repeat(5_000))).text.len(), LONGEST_TEXT);
    }

    #[test]
    fn payloads_are_searched_within_a_time_alone() {
        let now = Millis(1_772_021_700_000);
        let is_refused = |query: &str| {
            let form = Form::read(query);
            let chosen = Chosen::read(&form.span, &form.from, &form.to, "7d", now);
            fault(&form, &chosen, now).is_some()
        };
        for query in [
            "q=x&in=payloads&span=all",
            "q=x&in=payloads&span=90d",
            "q=x&in=payloads&from=2020-01-01",
            "from=x",
        ] {
            assert!(is_refused(query), "{query}");
        }
        for query in ["q=x&in=payloads", "q=x&span=all", "in=payloads&span=all", ""] {
            assert!(!is_refused(query), "{query}");
        }
    }
}
