//! The older routes that take one trace, span, generation or event each.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use tracemill_model::ingest::Text;

use super::{checked, ingestion, store};
use crate::app::{Admitted, App, admit};
use crate::auth::Scheme;
use crate::decode::{self, Checked, Made};
use crate::reply::{self, Refusal, Style};

/// What a route makes of its body.
#[derive(Clone, Copy)]
struct Kind {
    event: &'static str,
    observation: Option<&'static str>,
    other_id: &'static str,
}

const CREATE: &str = "observation-create";
const UPDATE: &str = "observation-update";

pub(crate) async fn create_trace(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, "trace-create", None, "").await
}

pub(crate) async fn create_span(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, CREATE, Some("SPAN"), "").await
}

pub(crate) async fn update_span(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, UPDATE, Some("SPAN"), "spanId").await
}

pub(crate) async fn create_generation(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, CREATE, Some("GENERATION"), "").await
}

pub(crate) async fn update_generation(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, UPDATE, Some("GENERATION"), "generationId").await
}

pub(crate) async fn create_event(State(app): State<App>, request: Request) -> Response {
    answer(&app, request, CREATE, Some("EVENT"), "").await
}

async fn answer(
    app: &App,
    request: Request,
    event: &'static str,
    observation: Option<&'static str>,
    other_id: &'static str,
) -> Response {
    let kind = Kind {
        event,
        observation,
        other_id,
    };
    let taken = take(app, request, kind).await;
    taken.unwrap_or_else(|refusal| refusal.response(Style::Api))
}

async fn take(app: &App, request: Request, kind: Kind) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let admitted = admit(app, &head.headers, Scheme::Any).await?;
    let (access, limits) = (admitted.caller.access, app.0.config.content.clone());
    let now = app.0.clock.now();
    let check = move |bytes: &[u8]| {
        let made = Made {
            kind: kind.event,
            observation: kind.observation,
            other_id: kind.other_id,
            id: &new_id,
            now,
        };
        decode::single(bytes, &made, access, &limits)
    };
    let ((id, event), permits) = checked(app, &head.headers, body, check).await?;
    finish(app, &admitted, &head.headers, &id, event, permits).await
}

/// A new id for an event or an entity.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
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
