//! From the `Authorization` header to a project.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tracemill_model::Secret;
use tracemill_model::ingest::Access;

use crate::app::Inner;
use crate::keys::{Patience, Project, Verdict};
use crate::reply::Refusal;

const HINT: &str = "Confirm that you've configured the correct host.";
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who asks, and what the key may write.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) project: Arc<Project>,
    pub(crate) access: Access,
}

/// Which keys a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// A public key with its secret.
    Basic,
    /// Also a public key alone, for scores.
    Any,
}

/// What a header says.
#[derive(Debug)]
enum Credentials {
    Basic(String, Secret),
    Bearer(String),
}

fn parse(headers: &HeaderMap) -> Result<Credentials, String> {
    let header = headers.get(AUTHORIZATION).ok_or("No authorization header")?;
    let unknown = || "Invalid authorization header".to_owned();
    let (scheme, value) = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(unknown)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Bearer(value.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unknown());
    }
    let wrong = || format!("Invalid authorization header. {HINT}");
    let decoded = BASE64.decode(value.trim()).ok();
    let text = decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(wrong)?;
    let mut parts = text.split(':');
    match (parts.next(), parts.next()) {
        (Some(public), Some(secret)) if !public.is_empty() && !secret.is_empty() => {
            Ok(Credentials::Basic(public.to_owned(), Secret::new(secret)))
        }
        _ => Err(wrong()),
    }
}

/// Who asks.
pub(crate) async fn caller(app: &Inner, headers: &HeaderMap, scheme: Scheme) -> Result<Caller, Refusal> {
    match parse(headers).map_err(Refusal::Key)? {
        Credentials::Bearer(_) if scheme == Scheme::Basic => Err(Refusal::Key(
            "Access denied - need to use basic auth with secret key".to_owned(),
        )),
        Credentials::Bearer(public) => match app.keys.public(&public) {
            Some(project) => Ok(Caller {
                project,
                access: Access::Scores,
            }),
            None => Err(Refusal::Key(format!("Invalid public key. {HINT}"))),
        },
        Credentials::Basic(public, secret) => {
            let patience = Patience {
                wait: app.config.bcrypt_wait,
                wrong_for: app.config.wrong_for,
            };
            match app.keys.verify(&public, secret.reveal(), patience, &app.clock).await {
                Verdict::Right(project) => Ok(Caller {
                    project,
                    access: Access::Project,
                }),
                Verdict::Wrong => Err(Refusal::Key(format!("Invalid credentials. {HINT}"))),
                Verdict::Busy => Err(app.busy()),
            }
        }
    }
}
