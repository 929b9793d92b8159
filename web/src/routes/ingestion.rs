//! `POST /api/public/ingestion`: a batch of events.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use tracemill_operators::decode::{Rejected, Why};

use super::{checked, store};
use crate::app::{App, admit};
use crate::auth::Scheme;
use crate::decode::{self, Checked};
use crate::reply::{self, Refusal, Style};

pub(crate) async fn batch(State(app): State<App>, request: Request) -> Response {
    take(&app, request)
        .await
        .unwrap_or_else(|refusal| refusal.response(Style::Api))
}

async fn take(app: &App, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let admitted = admit(app, &head.headers, Scheme::Any).await?;
    let (access, limits) = (admitted.caller.access, app.0.config.content.clone());
    let check = move |bytes: &[u8]| decode::batch(bytes, access, &limits);
    let (mut batch, permits) = checked(app, &head.headers, body, 2, check).await?;
    store(app, &admitted, &head.headers, &mut batch, permits).await?;
    Ok(reply::json(StatusCode::MULTI_STATUS, answer(&batch)))
}

/// `{"successes":[{"id","status"}],"errors":[{"id","status","message","error"}]}`.
fn answer(batch: &Checked) -> String {
    let mut out = String::with_capacity(40 + batch.successes.len() * 64);
    out.push_str(r#"{"successes":["#);
    for (n, id) in batch.successes.iter().enumerate() {
        out.push_str(if n == 0 { r#"{"id":"# } else { r#",{"id":"# });
        push(&mut out, id);
        out.push_str(r#","status":201}"#);
    }
    out.push_str(r#"],"errors":["#);
    for (n, rejected) in batch.rejected.iter().enumerate() {
        let (status, message) = status(rejected);
        out.push_str(if n == 0 { r#"{"id":"# } else { r#",{"id":"# });
        push(&mut out, &rejected.id);
        out.push_str(&format!(
            r#","status":{},"message":"{message}","error":"#,
            status.as_u16()
        ));
        push(&mut out, &rejected.reason);
        out.push('}');
    }
    out.push_str("]}");
    out
}

fn push(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// How a rejected event is answered.
pub(super) fn status(rejected: &Rejected) -> (StatusCode, &'static str) {
    match rejected.why {
        Why::Invalid => (StatusCode::BAD_REQUEST, "Invalid request data"),
        Why::Scope => (StatusCode::UNAUTHORIZED, "Authentication error"),
    }
}
