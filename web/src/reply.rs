//! Answers: what each refusal looks like on each kind of route.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;
use tracemill_model::Millis;
use tracemill_operators::decode::events::BatchError;

use crate::limit::Tokens;

pub(crate) const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// How a route words its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `{"error": <kind>, "message": <text>}`.
    Api,
    /// `{"error": <text>}`, and `{"message": <text>}` for keys.
    Otel,
}

/// Why a request is not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    Key(String),
    Rate {
        tokens: Tokens,
        limit: u32,
        now: Millis,
    },
    InFlight {
        limit: u32,
        now: Millis,
    },
    TooLarge(u64),
    TooMany(usize),
    Busy(Duration),
    /// The body came too slowly.
    Slow(Duration),
    BodyRead,
    Decompress,
    Encoding,
    Json,
    Invalid(Vec<String>),
    Otel(String),
    /// There is no such thing in the key's project.
    NotFound(String),
    /// A query that is too large; the text says how to narrow it.
    Query(&'static str),
    /// ClickHouse is away, or has too much to do.
    Away,
    Bug,
}

impl From<BatchError> for Refusal {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Json(_) => Self::Json,
            BatchError::Shape(issue) => Self::Invalid(vec![issue.to_owned()]),
            BatchError::TooMany { limit } => Self::TooMany(limit),
        }
    }
}

pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    of(status, JSON, body)
}

pub(crate) fn of(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn value(status: StatusCode, body: &serde_json::Value) -> Response {
    json(status, body.to_string())
}

pub(crate) fn message(status: StatusCode, text: &str) -> Response {
    value(status, &json!({ "message": text }))
}

pub(crate) fn error(status: StatusCode, kind: &str, text: &str) -> Response {
    value(status, &json!({ "error": kind, "message": text }))
}

impl Refusal {
    /// The answer.
    pub(crate) fn response(self, style: Style) -> Response {
        match self {
            Self::Key(text) if style == Style::Otel => message(StatusCode::UNAUTHORIZED, &text),
            Self::Key(text) => error(StatusCode::UNAUTHORIZED, "UnauthorizedError", &text),
            Self::Rate { tokens, limit, now } => limited(limit, tokens.remaining, tokens.full_at, tokens.wait_ms, now),
            Self::InFlight { limit, now } => limited(limit, 0, now.plus(1_000), 1_000, now),
            Self::TooLarge(limit) => plain(StatusCode::PAYLOAD_TOO_LARGE, style, &too_large(limit)),
            Self::TooMany(limit) => plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                style,
                &format!("More than {limit} items"),
            ),
            Self::Busy(after) => busy(after),
            Self::Slow(after) => {
                let mut response = busy(after);
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
                response
            }
            Self::BodyRead => otel(StatusCode::BAD_REQUEST, "Failed to read request body"),
            Self::Decompress => otel(StatusCode::BAD_REQUEST, "Failed to decompress request body"),
            Self::Encoding => otel(
                StatusCode::BAD_REQUEST,
                "Unsupported content encoding: use gzip, zstd or none",
            ),
            Self::Json => of(StatusCode::BAD_REQUEST, TEXT, "Invalid JSON"),
            Self::Invalid(errors) => value(
                StatusCode::BAD_REQUEST,
                &json!({ "message": "Invalid request data", "errors": errors }),
            ),
            Self::Otel(text) => otel(StatusCode::BAD_REQUEST, &text),
            Self::NotFound(text) => error(StatusCode::NOT_FOUND, "LangfuseNotFoundError", &text),
            Self::Query(text) => error(StatusCode::UNPROCESSABLE_ENTITY, "UnprocessableContentError", text),
            Self::Away => busy(Duration::from_secs(1)),
            Self::Bug => value(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({ "error": "Internal Server Error" }),
            ),
        }
    }
}

fn otel(status: StatusCode, text: &str) -> Response {
    value(status, &json!({ "error": text }))
}

fn plain(status: StatusCode, style: Style, text: &str) -> Response {
    match style {
        Style::Otel => otel(status, text),
        Style::Api => of(status, TEXT, text.to_owned()),
    }
}

fn too_large(limit: u64) -> String {
    let tenths = limit * 10 / (1 << 20);
    match (tenths / 10, tenths % 10) {
        (0, 0) => format!("Body exceeded {limit}b limit"),
        (mb, 0) => format!("Body exceeded {mb}mb limit"),
        (mb, tenth) => format!("Body exceeded {mb}.{tenth}mb limit"),
    }
}

fn seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_millis().div_ceil(1_000).clamp(1, 3_600) as u64)
}

fn busy(after: Duration) -> Response {
    let mut response = error(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailableError",
        "Temporarily unavailable, try again later",
    );
    response.headers_mut().insert(RETRY_AFTER, seconds(after));
    response
}

fn limited(limit: u32, remaining: u32, reset: Millis, wait_ms: i64, now: Millis) -> Response {
    let mut response = of(StatusCode::TOO_MANY_REQUESTS, TEXT, "429 - rate limit exceeded");
    let headers = response.headers_mut();
    let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
    headers.insert(RETRY_AFTER, seconds(wait));
    headers.insert("x-ratelimit-limit", HeaderValue::from(limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(remaining));
    if let Ok(date) = HeaderValue::try_from(date(reset.max(now))) {
        headers.insert("x-ratelimit-reset", date);
    }
    response
}

/// As JavaScript prints a date: `Wed Feb 25 2026 12:15:00 GMT+0000 (Coordinated Universal Time)`.
fn date(at: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let civil = jiff::tz::TimeZone::UTC.to_datetime(at);
    format!(
        "{} GMT+0000 (Coordinated Universal Time)",
        civil.strftime("%a %b %d %Y %H:%M:%S")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wording() {
        assert_eq!(
            date(Millis(1_772_021_700_250)),
            "Wed Feb 25 2026 12:15:00 GMT+0000 (Coordinated Universal Time)"
        );
        assert_eq!(too_large(4_718_592), "Body exceeded 4.5mb limit");
        assert_eq!(too_large(64 << 20), "Body exceeded 64mb limit");
        assert_eq!(too_large(1_000), "Body exceeded 1000b limit");
        assert_eq!(seconds(Duration::from_millis(1_001)), "2");
    }
}
