//! Pages for people: find a trace, look at its steps, sessions, figures, and what the machinery does.
//!
//! ```text
//! request ──session──► who ──► whose project ──► queries (Reader) ──► view (plain data) ──► template ──► HTML
//!              │ none              │ another's
//!              ▼                   ▼
//!           /sign-in              404
//! ```
//!
//! Invariants:
//! 1. A page is of one project, which its visitor may see; a session of a key sees the key's project alone, and another's
//!    pages are for it as if they were not there.
//! 2. Templates escape whatever they are given. The one thing that is written as HTML is made by `json`, which escapes itself.
//! 3. Nothing runs that is not served from here: no script, style, image or frame of others (`Content-Security-Policy`).
//! 4. Everything can be read without a script; the one there is adds keys and a side pane.
//! 5. A payload is read only where its step is opened.

mod access;
mod assets;
mod attempts;
mod chart;
mod chat;
mod dashboard;
mod find;
mod format;
mod frame;
mod json;
mod links;
pub mod operations;
mod operations_page;
mod payload;
mod session;
mod sessions;
mod sign_in;
mod span;
mod step;
mod timeline;
mod trace;
mod tree;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use tracemill_model::Secret;

use crate::app::App;
pub use operations::Operations;

/// Nothing but what this process serves itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// How people sign in.
#[derive(Debug, Clone)]
pub struct PagesConfig {
    /// Who knows it sees all projects; without it, people sign in with a project's keys alone.
    pub password: Option<Secret>,
    /// What sessions are signed with; without it they end with the process.
    pub session_secret: Option<Secret>,
    /// How long a session lasts.
    pub session: Duration,
    /// Where people reach the pages, where a proxy makes that another address: `https://traces.example.com`. With `https`,
    /// cookies are sent over TLS alone.
    pub url: Option<String>,
}

/// What the pages of a process are made of.
pub(crate) struct Pages {
    signer: session::Signer,
    attempts: Mutex<attempts::Attempts>,
    origin: Option<String>,
    is_https: bool,
    operations: Option<Arc<dyn Operations>>,
}

impl Pages {
    pub(crate) fn new(config: &PagesConfig, operations: Option<Arc<dyn Operations>>) -> Self {
        let lasts = i64::try_from(config.session.as_millis()).unwrap_or(i64::MAX);
        let url = config.url.as_deref().and_then(|url| url::Url::parse(url).ok());
        Self {
            signer: session::Signer::new(config.session_secret.as_ref(), config.password.as_ref(), lasts),
            attempts: Mutex::default(),
            is_https: url.as_ref().is_some_and(|url| url.scheme() == "https"),
            origin: url.map(|url| url.origin().ascii_serialization()),
            operations,
        }
    }
}

/// The pages.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(frame::home))
        .route("/sign-in", get(sign_in::form).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
        .route("/assets/{name}", get(assets::asset))
        .route("/operations", get(operations_page::all))
        .route("/trace/{trace}", get(trace::somewhere))
        .route("/project/{project}", get(frame::home_of))
        .route("/project/{project}/traces", get(find::page))
        .route("/project/{project}/traces/{trace}", get(trace::page))
        .route("/project/{project}/traces/{trace}/payload", get(trace::payload))
        .route("/project/{project}/traces/{trace}/payload/{part}", get(trace::raw))
        .route("/project/{project}/traces/{trace}/step/{step}", get(step::page))
        .route("/project/{project}/traces/{trace}/step/{step}/{part}", get(step::raw))
        .route("/project/{project}/sessions", get(sessions::list))
        .route("/project/{project}/sessions/{session}", get(sessions::page))
        .route("/project/{project}/dashboard", get(dashboard::page))
        .route("/project/{project}/operations", get(operations_page::of_project))
        .layer(middleware::from_fn(secure))
}

/// What every page tells the browser; an answer that says something itself keeps it.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (X_FRAME_OPTIONS, "DENY"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The answer to a path that is none.
pub(crate) fn not_found() -> Response {
    let mut response = frame::Failure::NotFound("page").bare();
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
