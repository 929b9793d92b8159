//! Health, readiness, and whose key it is.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::app::{App, admit};
use crate::auth::Scheme;
use crate::intake::Readiness;
use crate::reply::{self, Style};

/// The process answers.
pub(crate) async fn health(State(app): State<App>) -> Response {
    status(&app, StatusCode::OK, "OK")
}

/// Requests can be taken.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    if app.0.stopping.load(Ordering::Relaxed) {
        return status(&app, StatusCode::SERVICE_UNAVAILABLE, "STOPPING");
    }
    let Some(intake) = &app.0.intake else {
        return status(&app, StatusCode::OK, "OK");
    };
    match intake.ready() {
        Readiness::Ready => status(&app, StatusCode::OK, "OK"),
        Readiness::Not(why) => {
            tracing::debug!(why, "not_ready");
            status(&app, StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
        }
    }
}

fn status(app: &App, code: StatusCode, status: &str) -> Response {
    let body = json!({ "status": status, "version": app.0.config.version });
    reply::json(code, body.to_string())
}

/// The one project of the key.
pub(crate) async fn projects(State(app): State<App>, headers: HeaderMap) -> Response {
    let admitted = match admit(&app, &headers, Scheme::Basic).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.response(Style::Api),
    };
    let project = &admitted.caller.project;
    let organisation = &project.organisation;
    let body = json!({ "data": [{
        "id": project.id,
        "name": project.name,
        "organization": { "id": organisation.id, "name": organisation.name },
        "metadata": {},
    }] });
    reply::json(StatusCode::OK, body.to_string())
}
