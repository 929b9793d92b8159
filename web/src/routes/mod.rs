//! The routes, one file a kind.

pub(crate) mod info;
pub(crate) mod ingestion;
pub(crate) mod openapi;
pub(crate) mod otel;
pub(crate) mod read;
pub(crate) mod removal;
pub(crate) mod scores;
pub(crate) mod single;
pub(crate) mod table;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use tracemill_model::ingest::{Encoding, Holds, RawForm};
use tracemill_operators::Permit;
use tracemill_operators::decode::events::BatchError;

use crate::app::{Admitted, App};
use crate::body::{self, Sizes};
use crate::decode::Checked;
use crate::intake::Raw;
use crate::reply::Refusal;

/// Reads a JSON body and checks it. `copies`: how often its bytes are in memory while that happens.
async fn checked<T: Send + 'static>(
    app: &App,
    headers: &HeaderMap,
    sent: Body,
    copies: u64,
    check: impl FnOnce(&[u8]) -> Result<T, BatchError> + Send + Clone + 'static,
) -> Result<(T, Vec<Permit>), Refusal> {
    let encoding = body::encoding(headers).ok_or(Refusal::Encoding)?;
    let limit = app.0.config.body;
    let held = body::read(&app.0, sent, limit, copies).await?;
    if !is_json(headers) {
        return Err(Refusal::Invalid(vec![
            "Invalid input: expected object, received string".to_owned(),
        ]));
    }
    let sizes = Sizes { limit, copies };
    let inflated = body::inflate(&app.0, held, encoding, sizes, move |bytes| check(&bytes)).await?;
    let (_, mut permits) = inflated.held.into_parts();
    // The raw object is made of what was decompressed.
    permits.extend(inflated.memory);
    Ok((inflated.result?, permits))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let media = value.split(';').next().unwrap_or("").trim();
    media.eq_ignore_ascii_case("application/json") || media.eq_ignore_ascii_case("application/ld+json")
}

/// Stores what was accepted, if anything was. The permits are held until that is done.
async fn store(
    app: &App,
    admitted: &Admitted,
    headers: &HeaderMap,
    checked: &mut Checked,
    permits: Vec<Permit>,
) -> Result<(), Refusal> {
    let caller = &admitted.caller;
    if !checked.raw.is_empty() {
        let raw = Raw {
            project: caller.project.id.clone(),
            form: RawForm::Events,
            encoding: Encoding::Identity,
            holds: Holds {
                bytes: checked.raw.len() as u64,
                events: u32::try_from(checked.stored).unwrap_or(u32::MAX),
            },
            bytes: std::mem::take(&mut checked.raw),
            sdk: body::sdk(headers),
            access: caller.access,
            received: app.0.clock.now(),
        };
        app.0.intake()?.take(raw).await.map_err(|error| app.0.failed(&error))?;
    }
    drop(permits);
    let (accepted, rejected) = (checked.stored, checked.rejected.len());
    app.0.metrics.events(caller.project.index, accepted, rejected);
    Ok(())
}
