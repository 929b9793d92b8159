//! The older routes that take one trace, span, generation or event each.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use tracemill_model::ingest::Text;
use tracemill_operators::decode::events::Single;

use super::{checked, ingestion, store};
use crate::app::{Admitted, App, admit};
use crate::auth::Scheme;
use crate::decode::{self, Checked};
use crate::reply::{self, Refusal, Style};

/// How often the bytes of a body without an envelope are in memory: as sent, with its envelope while that is made (twice),
/// as raw object.
pub(super) const COPIES: u64 = 4;

pub(crate) async fn create_trace(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, Single::Trace).await
}

pub(crate) async fn create_span(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, Single::SpanCreate).await
}

pub(crate) async fn update_span(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, Single::SpanUpdate).await
}

pub(crate) async fn create_generation(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, Single::GenerationCreate).await
}

pub(crate) async fn update_generation(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, Single::GenerationUpdate).await
}

pub(crate) async fn create_event(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, Single::Event).await
}

async fn answer(app: &App, request: Request, kind: Single) -> Response {
    let taken = take(app, request, kind).await;
    taken.unwrap_or_else(|refusal| refusal.response(Style::Api))
}

async fn take(app: &App, request: Request, kind: Single) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let admitted = admit(app, &head.headers, Scheme::Any).await?;
    let (access, limits) = (admitted.caller.access, app.0.config.content.clone());
    let now = app.0.clock.now();
    let check = move |bytes: &[u8]| decode::single(kind, bytes, &new_id(), now, access, &limits);
    let ((id, event), permits) = checked(app, &head.headers, body, COPIES, check).await?;
    finish(app, &admitted, &head.headers, &id, event, permits).await
}

/// A new id for an event or an entity.
pub(super) fn new_id() -> Text {
    uuid::Uuid::new_v4().to_string().into()
}

/// Stores the one event; answers its entity's id, or why it was not taken.
pub(super) async fn finish(
    app: &App,
    admitted: &Admitted,
    headers: &axum::http::HeaderMap,
    id: &Text,
    mut event: Checked,
    permits: Vec<tracemill_operators::Permit>,
) -> Result<Response, Refusal> {
    store(app, admitted, headers, &mut event, permits).await?;
    Ok(match event.rejected.first() {
        Some(rejected) => reply::message(ingestion::status(rejected).0, &rejected.reason),
        None => reply::json(StatusCode::OK, json!({ "id": id }).to_string()),
    })
}
