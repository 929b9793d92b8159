//! Signing in with a project's keys or with the password, and out.

use std::net::IpAddr;
use std::sync::PoisonError;

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{HOST, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::access::SignedIn;
use super::frame::{Frame, html};
use super::session::{COOKIE, Who};
use super::{Pages, frame};
use crate::app::App;
use crate::keys::{Patience, Verdict};
use crate::server::Peer;

/// A form that is longer is not read.
const LONGEST: usize = 16 << 10;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    has_password: bool,
    next: String,
    public: String,
    fault: String,
}

impl SignInPage {
    fn new(pages: &Pages, next: &str, fault: &str) -> Self {
        Self {
            frame: Frame::bare("Sign in"),
            has_password: pages.signer.has_password(),
            next: within(next).unwrap_or_default().to_owned(),
            public: String::new(),
            fault: fault.to_owned(),
        }
    }
}

/// A path of ours. `None`: it leads elsewhere.
fn within(next: &str) -> Option<&str> {
    // Browsers read a backslash as a slash, and leave out tabs and line breaks.
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (next.starts_with('/') && !next.starts_with("//") && is_plain && next.len() <= 4_096).then_some(next)
}

/// `GET /sign-in`
pub(super) async fn form(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let Some(pages) = &app.0.pages else {
        return super::not_found();
    };
    let next = field(query.unwrap_or_default().as_bytes(), "next");
    if SignedIn::of(&app, &headers).is_some() {
        return to(within(&next).unwrap_or("/"), None);
    }
    html(&SignInPage::new(pages, &next, ""))
}

fn field(form: &[u8], name: &str) -> String {
    let mut pairs = form_urlencoded::parse(form);
    pairs
        .find(|(own, _)| own == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// `POST /sign-in`
pub(super) async fn enter(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(pages) = &app.0.pages else {
        return super::not_found();
    };
    if !is_own_origin(&headers, pages.origin.as_deref()) {
        return refused();
    }
    let Ok(form) = axum::body::to_bytes(body, LONGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let [public, secret, password, next] = ["public", "secret", "password", "next"].map(|name| field(&form, name));
    let address = peer.map(|Extension(Peer(address))| address.ip());
    let now = app.0.clock.now();
    let entered = pages
        .attempts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .enter(address, now);
    if let Err(seconds) = entered {
        let fault = format!("Too many attempts. Try again in {seconds} seconds.");
        let mut response = again(pages, StatusCode::TOO_MANY_REQUESTS, &next, &public, &fault);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        return response;
    }
    let who = match proved(&app, pages, &public, &secret, &password).await {
        Ok(who) => who,
        Err((status, fault)) => {
            tracing::warn!(
                address = address.map(tracing::field::display::<IpAddr>),
                "sign_in_refused"
            );
            return again(pages, status, &next, &public, fault);
        }
    };
    pages
        .attempts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .succeeded(address);
    let (value, seconds) = pages.signer.seal(&who, now);
    to(within(&next).unwrap_or("/"), Some(&cookie(pages, &value, seconds)))
}

/// Who it is.
async fn proved(
    app: &App,
    pages: &Pages,
    public: &str,
    secret: &str,
    password: &str,
) -> Result<Who, (StatusCode, &'static str)> {
    if public.is_empty() && secret.is_empty() {
        return match pages.signer.is_password(password) {
            true => Ok(Who::Operator),
            false => Err((StatusCode::UNAUTHORIZED, "That is not the password.")),
        };
    }
    let patience = Patience {
        wait: app.0.config.bcrypt_wait,
        wrong_for: app.0.config.wrong_for,
    };
    match app
        .0
        .keys
        .verify(public.trim(), secret.trim(), patience, &app.0.clock)
        .await
    {
        Verdict::Right(_) => Ok(Who::Key(public.trim().to_owned())),
        Verdict::Wrong => Err((
            StatusCode::UNAUTHORIZED,
            "These keys do not belong together, or to no project.",
        )),
        Verdict::Busy => Err((
            StatusCode::SERVICE_UNAVAILABLE,
            "Keys cannot be checked at the moment. Try again.",
        )),
    }
}

fn again(pages: &Pages, status: StatusCode, next: &str, public: &str, fault: &str) -> Response {
    let page = SignInPage {
        public: public.to_owned(),
        ..SignInPage::new(pages, next, fault)
    };
    let mut response = html(&page);
    *response.status_mut() = status;
    response
}

/// `POST /sign-out`
pub(super) async fn leave(State(app): State<App>, headers: HeaderMap) -> Response {
    let Some(pages) = &app.0.pages else {
        return super::not_found();
    };
    if !is_own_origin(&headers, pages.origin.as_deref()) {
        return refused();
    }
    to("/sign-in", Some(&cookie(pages, "", 0)))
}

fn cookie(pages: &Pages, value: &str, seconds: i64) -> String {
    let secure = if pages.is_https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// After a form: look there, with `GET`.
fn to(path: &str, cookie: Option<&str>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    for (name, value) in [(LOCATION, Some(path)), (SET_COOKIE, cookie)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn refused() -> Response {
    let page = frame::Notice {
        frame: Frame::bare("This form came from elsewhere"),
        text: "Load the sign-in page of this address again. Behind a proxy that changes the host, set url in [web]."
            .to_owned(),
    };
    let mut response = html(&page);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// Whether a form was sent by a page of ours: browsers say so with each.
fn is_own_origin(headers: &HeaderMap, configured: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return false;
    };
    let of_host = |host: &str| {
        origin
            .split_once("://")
            .is_some_and(|(_, own)| own.eq_ignore_ascii_case(host))
    };
    configured.is_some_and(|own| own.eq_ignore_ascii_case(origin)) || text(HOST.as_str()).is_some_and(of_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_a_page_of_ours_alone() {
        for path in ["/", "/project/p/traces?q=a%20b", "/a//b"] {
            assert_eq!(within(path), Some(path));
        }
        for path in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\tb",
            "/a b",
            "/ü",
            "javascript:alert(1)",
        ] {
            assert_eq!(within(path), None, "{path}");
        }
    }

    #[test]
    fn forms_of_others_are_refused() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
                .collect()
        };
        let is_own =
            |pairs: &[(&'static str, &'static str)]| is_own_origin(&headers(pairs), Some("https://traces.example.com"));
        let host = ("host", "127.0.0.1:3000");
        assert!(is_own(&[host, ("origin", "http://127.0.0.1:3000")]));
        assert!(is_own(&[
            host,
            ("origin", "http://127.0.0.1:3000"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(
            is_own(&[host, ("origin", "https://traces.example.com")]),
            "behind a proxy"
        );
        assert!(!is_own(&[host]), "browsers say where a form comes from");
        assert!(!is_own(&[host, ("origin", "null")]));
        assert!(!is_own(&[host, ("origin", "http://evil.example")]));
        assert!(!is_own(&[host, ("origin", "http://evil.example:3000")]));
        assert!(!is_own(&[
            host,
            ("origin", "http://127.0.0.1:3000"),
            ("sec-fetch-site", "same-site")
        ]));
    }
}
