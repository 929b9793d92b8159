//! REST deletions of traces and scores.

use std::collections::HashSet;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::value::RawValue;
use tracemill_model::ingest::{EntityKind, Text};
use tracemill_operators::decode::events::BatchError;
use tracemill_operators::decode::json;
use tracemill_operators::decode::walk::Cursor;

use super::checked;
use crate::app::{Admitted, App, admit};
use crate::auth::Scheme;
use crate::intake::Deletion;
use crate::reply::{self, Refusal, Style};

type Id = Result<Path<String>, PathRejection>;

pub(crate) async fn trace(State(app): State<App>, id: Id, headers: HeaderMap) -> Response {
    let done = one(&app, EntityKind::Trace, id, &headers).await;
    answer(done, StatusCode::OK, "Trace deleted successfully")
}

pub(crate) async fn score(State(app): State<App>, id: Id, headers: HeaderMap) -> Response {
    let done = one(&app, EntityKind::Score, id, &headers).await;
    answer(done, StatusCode::ACCEPTED, "Score deletion queued successfully")
}

pub(crate) async fn traces(State(app): State<App>, request: Request) -> Response {
    answer(many(&app, request).await, StatusCode::OK, "Traces deleted successfully")
}

fn answer(done: Result<(), Refusal>, status: StatusCode, text: &str) -> Response {
    match done {
        Ok(()) => reply::message(status, text),
        Err(refusal) => refusal.response(Style::Api),
    }
}

async fn one(app: &App, kind: EntityKind, id: Id, headers: &HeaderMap) -> Result<(), Refusal> {
    let admitted = admit(app, headers, Scheme::Basic).await?;
    let invalid = || Refusal::Invalid(vec!["id: Invalid input".to_owned()]);
    let Path(id) = id.map_err(|_| invalid())?;
    if !is_id(&id) {
        return Err(invalid());
    }
    remove(app, &admitted, kind, vec![id.into()]).await
}

async fn many(app: &App, request: Request) -> Result<(), Refusal> {
    let (head, body) = request.into_parts();
    let admitted = admit(app, &head.headers, Scheme::Basic).await?;
    let limit = app.0.config.content.events;
    let check = move |bytes: &[u8]| named(bytes, limit);
    let (ids, _permits) = checked(app, &head.headers, body, 2, check).await?;
    remove(app, &admitted, EntityKind::Trace, ids).await
}

/// Each id once, in the order sent.
fn named(bytes: &[u8], limit: usize) -> Result<Vec<Text>, BatchError> {
    const SHAPE: BatchError = BatchError::Shape("traceIds: must be an array of ids");
    let raw: &RawValue = serde_json::from_slice(bytes).map_err(|error| BatchError::Json(error.to_string()))?;
    let mut cursor = Cursor::new(raw.get());
    let (mut ids, mut seen) = (Vec::new(), HashSet::new());
    if !cursor.enter(b'{') {
        return Err(SHAPE);
    }
    while let Some(key) = cursor.key() {
        if json::string(key).as_deref() != Some("traceIds") || !cursor.enter(b'[') {
            cursor.value();
            continue;
        }
        let mut count = 0;
        while cursor.item() {
            count += 1;
            if count > limit {
                return Err(BatchError::TooMany { limit });
            }
            let id = json::string(cursor.value()).filter(|id| is_id(id)).ok_or(SHAPE)?;
            if seen.insert(id.clone()) {
                ids.push(id);
            }
        }
    }
    if ids.is_empty() {
        return Err(BatchError::Shape("traceIds: at least one id is required"));
    }
    Ok(ids)
}

/// 1 to 800 UTF-16 units without a carriage return.
fn is_id(id: &str) -> bool {
    (1..=800).contains(&id.encode_utf16().count()) && !id.contains('\r')
}

async fn remove(app: &App, admitted: &Admitted, kind: EntityKind, ids: Vec<Text>) -> Result<(), Refusal> {
    let deletion = Deletion {
        project: admitted.caller.project.id.clone(),
        kind,
        ids,
        requested: app.0.clock.now(),
    };
    let deleted = app.0.intake()?.delete(deletion).await;
    deleted.map_err(|error| app.0.failed(&error))
}
