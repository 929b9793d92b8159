//! What is around every page, and the page of what failed.

use askama::Template;
use axum::extract::Path;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::access::{SignedIn, Visitor};
use super::{assets, links};
use crate::keys::Project;
use crate::reader::ReadError;

/// The parts of the pages, as their navigation names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Traces,
    Sessions,
    Dashboard,
    Operations,
    None,
}

/// Title, navigation, and who is signed in.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) nav: Vec<Entry>,
    /// Projects to switch to; none where there is but one.
    pub(super) projects: Vec<Entry>,
    pub(super) project: String,
    pub(super) is_signed_in: bool,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
}

/// A link of the navigation.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) is_current: bool,
}

impl Frame {
    /// Around a page of a project.
    pub(super) fn of(visitor: &Visitor, title: impl Into<String>, section: Section) -> Self {
        Self::around(&visitor.signed_in, Some(&visitor.project), title.into(), section)
    }

    /// Around a page for one who has signed in.
    pub(super) fn around(signed_in: &SignedIn, project: Option<&Project>, title: String, section: Section) -> Self {
        let current = project.or(signed_in.projects.first().map(|project| &**project));
        let entry = |name: &str, own: Section, href: String| Entry {
            href,
            name: name.to_owned(),
            is_current: own == section,
        };
        let mut nav = Vec::new();
        if let Some(project) = current {
            let base = links::project(&project.id);
            nav.push(entry("Traces", Section::Traces, format!("{base}/traces")));
            nav.push(entry("Sessions", Section::Sessions, format!("{base}/sessions")));
            nav.push(entry("Dashboard", Section::Dashboard, format!("{base}/dashboard")));
            let href = match signed_in.is_operator() {
                true => "/operations".to_owned(),
                false => format!("{base}/operations"),
            };
            nav.push(entry("Operations", Section::Operations, href));
        }
        let page = match section {
            Section::Sessions => "sessions",
            Section::Dashboard => "dashboard",
            _ => "traces",
        };
        let switch = signed_in.projects.iter().map(|one| Entry {
            href: format!("{}/{page}", links::project(&one.id)),
            name: one.name.to_string(),
            is_current: project.is_some_and(|project| project.id == one.id),
        });
        Self {
            title,
            nav,
            projects: switch.collect(),
            project: project.map(|project| project.name.to_string()).unwrap_or_default(),
            is_signed_in: true,
            ..Self::bare("")
        }
    }

    /// Around a page for anybody.
    pub(super) fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            nav: Vec::new(),
            projects: Vec::new(),
            project: String::new(),
            is_signed_in: false,
            style: assets::style(),
            script: assets::script(),
        }
    }
}

/// Why a page cannot be shown.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such thing, or it is another project's.
    NotFound(&'static str),
    /// ClickHouse did not answer.
    Read(ReadError),
    Bug,
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct Notice {
    pub(super) frame: Frame,
    pub(super) text: String,
}

impl Failure {
    /// Status, title and what to do.
    fn told(&self) -> (StatusCode, String, &'static str) {
        match self {
            Self::NotFound(what) => (
                StatusCode::NOT_FOUND,
                format!("This {what} was not found"),
                "It may not be stored yet, may have been deleted, or may belong to another project.",
            ),
            Self::Read(error) => (status(error), title(error).to_owned(), advice(error)),
            Self::Bug => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong".to_owned(),
                "This is a fault of the server. It is in its log.",
            ),
        }
    }

    /// For one who has signed in.
    pub(super) fn page(&self, signed_in: &SignedIn, project: Option<&Project>) -> Response {
        let (status, title, text) = self.told();
        self.answer(status, Frame::around(signed_in, project, title, Section::None), text)
    }

    /// For anybody.
    pub(super) fn bare(&self) -> Response {
        let (status, title, text) = self.told();
        self.answer(status, Frame::bare(&title), text)
    }

    fn answer(&self, status: StatusCode, frame: Frame, text: &str) -> Response {
        let mut response = html(&Notice {
            frame,
            text: text.to_owned(),
        });
        *response.status_mut() = status;
        if matches!(self, Self::Read(error) if error.is_busy()) {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn status(error: &ReadError) -> StatusCode {
    match error {
        ReadError::Busy | ReadError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ReadError::TooMuch | ReadError::TooLong => StatusCode::UNPROCESSABLE_ENTITY,
        ReadError::Denied | ReadError::Broken => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title(error: &ReadError) -> &'static str {
    match error {
        ReadError::Busy => "Too many queries at once",
        ReadError::Unavailable => "ClickHouse is not available",
        ReadError::TooMuch => "That would read too much",
        ReadError::TooLong => "That took too long",
        ReadError::Denied | ReadError::Broken => "Something went wrong",
    }
}

/// What to do about it.
pub(super) fn advice(error: &ReadError) -> &'static str {
    match error {
        ReadError::Busy => "Others are reading at the moment. Load the page again in a few seconds.",
        ReadError::Unavailable => {
            "The database does not answer, or has too much to do. Load the page again in a while."
        }
        ReadError::TooMuch | ReadError::TooLong => {
            "The query is larger than one query may be. Narrow it: choose a shorter time, name a user, a session or a trace \
             name, or do not search in input and output."
        }
        ReadError::Denied => "The database refused it. The log says what is missing.",
        ReadError::Broken => "This is a fault of the server. It is in its log.",
    }
}

/// A page.
pub(super) fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (
            [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))],
            text,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "page_failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The page, or why there is none.
pub(super) fn or_failure(visitor: &Visitor, page: Result<Response, Failure>) -> Response {
    page.unwrap_or_else(|failure| failure.page(&visitor.signed_in, Some(&visitor.project)))
}

/// `/`
pub(super) async fn home(signed_in: SignedIn) -> Response {
    let first = signed_in.projects.first().map(|project| links::project(&project.id));
    Redirect::to(&format!("{}/traces", first.unwrap_or_default())).into_response()
}

/// `/project/{project}`
pub(super) async fn home_of(Path(project): Path<String>) -> Response {
    Redirect::to(&format!("{}/traces", links::project(&project))).into_response()
}
