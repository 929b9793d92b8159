//! The style, the script and the icon: files of this crate, under names that change with them, so that browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::hashes::hex;

const STYLE: &str = include_str!("../../assets/tracemill.css");
const SCRIPT: &str = include_str!("../../assets/tracemill.js");
const ICON: &str = include_str!("../../assets/icon.svg");

/// The paths of the style and of the script.
static PATHS: LazyLock<[String; 2]> = LazyLock::new(|| {
    let tag = |text: &str| hex(&Sha256::digest(text.as_bytes()).into())[..12].to_owned();
    [
        format!("/assets/{}.css", tag(STYLE)),
        format!("/assets/{}.js", tag(SCRIPT)),
    ]
});

pub(super) fn style() -> &'static str {
    &PATHS[0]
}

pub(super) fn script() -> &'static str {
    &PATHS[1]
}

/// `/assets/{name}`
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let path = format!("/assets/{name}");
    let (kind, text) = match path.as_str() {
        path if path == style() => ("text/css; charset=utf-8", STYLE),
        path if path == script() => ("text/javascript; charset=utf-8", SCRIPT),
        "/assets/icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let keep = if name == "icon.svg" {
        "max-age=86400"
    } else {
        "max-age=31536000, immutable"
    };
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, keep)];
    (
        headers.map(|(name, value)| (name, HeaderValue::from_static(value))),
        text,
    )
        .into_response()
}
