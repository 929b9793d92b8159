//! OpenTelemetry: `/otel/v1/traces` takes spans, `/otel/v1/metrics` takes nothing and says so to nobody.
//!
//! A request is checked decompressed, and handed on as it was sent.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tracemill_model::ingest::{Encoding, Holds, RawForm};

use crate::app::{App, admit};
use crate::auth::Scheme;
use crate::body::{self, Sizes};
use crate::decode::{self, OtlpError};
use crate::intake::Raw;
use crate::reply::{self, Refusal, Style};

const VERSION: i64 = 4;

pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    match admit(&app, &headers, Scheme::Basic).await {
        Ok(_) => reply::message(StatusCode::OK, "OK"),
        Err(refusal) => refusal.response(Style::Otel),
    }
}

pub(crate) async fn traces(State(app): State<App>, request: Request) -> Response {
    take(&app, request)
        .await
        .unwrap_or_else(|refusal| refusal.response(Style::Otel))
}

async fn take(app: &App, request: Request) -> Result<Response, Refusal> {
    let (head, sent) = request.into_parts();
    let headers = &head.headers;
    let admitted = admit(app, headers, Scheme::Basic).await?;
    let config = &app.0.config;
    let encoding = body::encoding(headers).ok_or(Refusal::Encoding)?;
    let limit = if encoding == Encoding::Identity {
        config.otlp
    } else {
        config.otlp_compressed
    };
    let held = body::read(&app.0, sent, limit, 1).await?;
    let sizes = Sizes {
        limit: config.otlp,
        copies: 1,
    };
    let (form, limits) = (form(headers), config.content.clone());
    let check = move |bytes: bytes::Bytes| form.map(|form| (bytes.len(), decode::otlp(&bytes, form, &limits)));
    let checked = body::inflate(&app.0, held, encoding, sizes, check).await?;
    let (Some(form), Some((plain, result))) = (form, checked.result) else {
        return Err(Refusal::Otel("Invalid content type".to_owned()));
    };
    let spans = result.map_err(|error| refusal(&error, form))?;
    if spans == 0 {
        return Ok(accepted(form));
    }
    version(headers)?;
    let caller = &admitted.caller;
    // What was decompressed is not needed any more.
    drop(checked.memory);
    let (bytes, permits) = checked.held.into_parts();
    let raw = Raw {
        project: caller.project.id.clone(),
        form,
        encoding,
        bytes,
        holds: Holds {
            bytes: plain as u64,
            events: u32::try_from(spans).unwrap_or(u32::MAX),
        },
        sdk: body::sdk(headers),
        access: caller.access,
        received: app.0.clock.now(),
    };
    app.0.intake()?.take(raw).await.map_err(|error| app.0.failed(&error))?;
    drop(permits);
    app.0.metrics.events(caller.project.index, spans, 0);
    Ok(accepted(form))
}

fn form(headers: &HeaderMap) -> Option<RawForm> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
    if value.contains("application/x-protobuf") {
        Some(RawForm::OtlpProtobuf)
    } else if value.contains("application/json") {
        Some(RawForm::OtlpJson)
    } else {
        None
    }
}

fn refusal(error: &OtlpError, form: RawForm) -> Refusal {
    match error {
        OtlpError::TooMany(limit) => Refusal::TooMany(*limit),
        OtlpError::Parse if form == RawForm::OtlpJson => Refusal::Otel("Failed to parse OTel JSON Trace".to_owned()),
        OtlpError::Parse => Refusal::Otel("Failed to parse OTel Protobuf Trace".to_owned()),
    }
}

/// An empty `ExportTraceServiceResponse` in the form of the request.
fn accepted(form: RawForm) -> Response {
    match form {
        RawForm::OtlpJson => reply::json(StatusCode::OK, "{}"),
        _ => reply::of(StatusCode::OK, "application/x-protobuf", Body::empty()),
    }
}

/// The leading integer of the version's header must be at most 4.
fn version(headers: &HeaderMap) -> Result<(), Refusal> {
    let (hyphens, underscores) = ("x-langfuse-ingestion-version", "x_langfuse_ingestion_version");
    let Some(text) = body::langfuse(headers, hyphens, underscores) else {
        return Ok(());
    };
    let number = text.trim_start();
    let sign = usize::from(number.starts_with(['-', '+']));
    let digits = number[sign..].bytes().take_while(u8::is_ascii_digit).count();
    match number[..sign + digits].parse::<i64>() {
        Ok(version) if version <= VERSION => Ok(()),
        _ => {
            let shown: String = text.chars().take(100).collect();
            Err(Refusal::Otel(format!(
                "Unsupported x-langfuse-ingestion-version: \"{shown}\". Maximum supported: \"{VERSION}\"."
            )))
        }
    }
}
