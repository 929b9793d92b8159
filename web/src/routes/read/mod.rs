//! The routes that read: traces, observations, scores, sessions and daily metrics of the key's project.

pub(crate) mod columns;
pub(crate) mod conditions;
pub(crate) mod lists;
pub(crate) mod metrics;
pub(crate) mod metrics_v2;
pub(crate) mod observations;
pub(crate) mod observations_v2;
pub(crate) mod params;
pub(crate) mod scores;
pub(crate) mod scores_v3;
pub(crate) mod sessions;
pub(crate) mod traces;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use self::params::Params;
use crate::app::{Admitted, App, admit};
use crate::auth::Scheme;
use crate::query::Page;
use crate::reader::{ReadError, Reader};
use crate::reply::{self, Refusal, Style};

/// A page and where it lies.
#[derive(Debug, Serialize)]
pub(crate) struct Paged<T> {
    data: Vec<T>,
    meta: Meta,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    page: u64,
    limit: u64,
    total_items: u64,
    total_pages: u64,
}

/// A page of a list without page numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Followed<T> {
    data: Vec<T>,
    meta: Next,
}

#[derive(Debug, Serialize)]
struct Next {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

impl<T> Followed<T> {
    /// `limit`: where the route tells it.
    pub(crate) fn new(data: Vec<T>, cursor: Option<String>, limit: Option<u64>) -> Self {
        Self {
            data,
            meta: Next { cursor, limit },
        }
    }
}

impl<T> Paged<T> {
    pub(crate) fn new(data: Vec<T>, page: Page, total: u64) -> Self {
        Self {
            data,
            meta: Meta {
                page: page.page,
                limit: page.limit,
                total_items: total,
                total_pages: page.of(total),
            },
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Busy | ReadError::Unavailable => Self::Away,
            ReadError::TooMuch => Self::Query(
                "The query would read more than one query may. Narrow it: set fromTimestamp and toTimestamp \
                 (fromStartTime and toStartTime for observations), or ask for fewer fields.",
            ),
            ReadError::TooLong => Self::Query(
                "The query took longer than one query may. Narrow it: set fromTimestamp and toTimestamp \
                 (fromStartTime and toStartTime for observations), or ask for fewer fields.",
            ),
            ReadError::Denied | ReadError::Broken => Self::Bug,
        }
    }
}

/// A request that was let in: whose rows it may see, its parameters, and what reads.
pub(crate) struct Ask {
    app: App,
    admitted: Admitted,
    pub(crate) params: Params,
}

impl Ask {
    /// The project of the key: every statement is bound to it.
    pub(crate) fn project(&self) -> String {
        self.admitted.caller.project.id.to_string()
    }

    /// What reads, once the parameters have no fault.
    pub(crate) fn reader(self) -> Result<Reader, Refusal> {
        self.params.finish()?;
        self.app.0.reader.clone().ok_or(Refusal::Bug)
    }

    /// Whether `fields`, which has some of `names`, names a part. Without `fields` it is `default`.
    pub(crate) fn wants(&mut self, part: &str, names: &[&str], default: bool) -> bool {
        let found = self.params.fields(names);
        found.map_or(default, |found| found.iter().any(|name| name == part))
    }
}

impl FromRequestParts<App> for Ask {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let admitted = admit(app, &parts.headers, Scheme::Basic).await?;
        Ok(Self {
            app: app.clone(),
            admitted,
            params: Params::new(parts.uri.query()),
        })
    }
}

/// The id at the end of a path.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().map(|Path(id)| id).filter(|id| params::is_text(id));
        let invalid = || Refusal::Invalid(vec!["id: must be a text".to_owned()]);
        id.map(Self).ok_or_else(|| invalid().into())
    }
}

/// The answer of a route.
pub(crate) type Answer<T> = Result<Told<T>, Refused>;

/// What was asked for.
pub(crate) struct Told<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => reply::json(StatusCode::OK, body),
            Err(_) => Refusal::Bug.response(Style::Api),
        }
    }
}

/// Why it is not told.
pub(crate) struct Refused(Refusal);

impl<E: Into<Refusal>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.response(Style::Api)
    }
}

/// The only row of an answer.
pub(crate) fn only<T>(rows: Vec<T>, what: &str) -> Result<T, Refusal> {
    let missing = || Refusal::NotFound(format!("{what} not found within authorized project"));
    rows.into_iter().next().ok_or_else(missing)
}
