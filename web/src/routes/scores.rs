//! `POST /api/public/scores`: one score, or an array of them.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::single::{COPIES, finish, new_id};
use super::{checked, store};
use crate::app::{App, admit};
use crate::auth::Scheme;
use crate::decode::{self, Checked, Scores};
use crate::reply::{self, Refusal, Style};

pub(crate) async fn create(State(app): State<App>, request: Request) -> Response {
    take(&app, request)
        .await
        .unwrap_or_else(|refusal| refusal.response(Style::Api))
}

async fn take(app: &App, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let admitted = admit(app, &head.headers, Scheme::Any).await?;
    let (access, limits) = (admitted.caller.access, app.0.config.content.clone());
    let now = app.0.clock.now();
    let check = move |bytes: &[u8]| decode::scores(bytes, now, new_id, access, &limits);
    match checked(app, &head.headers, body, COPIES, check).await? {
        (Scores::One(id, score), permits) => finish(app, &admitted, &head.headers, &id, score, permits).await,
        (Scores::Many(mut scores), permits) => {
            store(app, &admitted, &head.headers, &mut scores, permits).await?;
            Ok(answer(&scores))
        }
    }
}

/// 202 where all were accepted, otherwise 207 with what was not.
fn answer(scores: &Checked) -> Response {
    if scores.rejected.is_empty() {
        return reply::message(StatusCode::ACCEPTED, "Accepted");
    }
    let errors: Vec<_> = scores
        .rejected
        .iter()
        .map(|rejected| json!({ "index": rejected.index, "message": rejected.reason }))
        .collect();
    let body = json!({
        "accepted": scores.stored,
        "rejected": errors.len(),
        "errors": errors,
    });
    reply::json(StatusCode::MULTI_STATUS, body.to_string())
}
