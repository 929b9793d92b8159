//! `GET /sessions` and `GET /sessions/{id}`.

use serde::Serialize;

use super::{Answer, Ask, Id, Paged, Told, lists};
use crate::query::Place;
use crate::query::sessions::{self, SessionRow};
use crate::query::traces::{self, TraceRow};
use crate::reply::Refusal;
use crate::shape;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    id: String,
    created_at: String,
    project_id: String,
    environment: String,
}

#[derive(Debug, Serialize)]
struct WithTraces<T> {
    #[serde(flatten)]
    session: Session,
    traces: Vec<T>,
}

/// A page of sessions.
pub(crate) async fn list(mut ask: Ask) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let page = ask.params.page();
    let span = ask.params.span("fromTimestamp", "toTimestamp");
    let environments = ask.params.texts("environment");
    let statement = sessions::list(project, span, &environments, page);
    let rows: Vec<SessionRow> = ask.reader()?.rows(statement).await?;
    let total = rows.first().map_or(0, |row| row.total);
    let data = rows.into_iter().map(|row| Session {
        created_at: shape::time(row.created_at),
        project_id: project.to_owned(),
        environment: row.environment,
        id: row.id,
    });
    Ok(Told(Paged::new(data.collect::<Vec<_>>(), page, total)))
}

/// One session with its traces, the newest first.
pub(crate) async fn get(mut ask: Ask, Id(id): Id) -> Answer<impl Serialize> {
    let (project, id) = (&*ask.project(), &*id);
    let with_io = ask.wants("io", &["core", "io"], false);
    let reader = ask.reader()?;
    let places: Vec<Place> = reader.rows(sessions::places(&sessions::traces(project, id))).await?;
    let rows: Vec<TraceRow> = match places.is_empty() {
        true => Vec::new(),
        false => reader.rows(traces::rows(project, &places, with_io)).await?,
    };
    let rows = lists::in_order(&places, rows, |row| row.id.as_str());
    let Some(first) = rows.iter().min_by_key(|row| row.timestamp) else {
        return Err(Refusal::NotFound("Session not found within authorized project".to_owned()).into());
    };
    let session = Session {
        id: id.to_owned(),
        created_at: shape::time(first.timestamp),
        project_id: project.to_owned(),
        environment: first.environment.clone(),
    };
    let traces = rows.into_iter().map(|row| shape::trace(project, row)).collect();
    Ok(Told(WithTraces { session, traces }))
}
