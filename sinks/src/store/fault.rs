//! What an error of the client library means for us.
//!
//! The library hides the type that carries an HTTP status behind its `Display`, so the status is read from the text of
//! the error's chain (the version is pinned, and the conformance tests hold every case against a server). Only the
//! status, the provider's error code and message, and the transport's innermost reason are kept: never a URL, whose
//! query may hold a signature.

use std::error::Error as StdError;
use std::io::ErrorKind;

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::SinkError;

/// What was being done, which decides what a 404 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Reading an object that may be missing.
    Reading,
    /// Writing, listing or deleting: a 404 can only mean the bucket.
    Writing,
}

/// The parts of an error that decide.
#[derive(Debug, Default, PartialEq, Eq)]
struct Signs {
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    transport: Option<String>,
    io: Option<(ErrorKind, String)>,
    credentials: bool,
    last: String,
}

/// Says what `error` means. `store` is the store's name, `path` the path below its prefix.
pub(super) fn classify(store: &str, path: &str, doing: Doing, error: &object_store::Error) -> SinkError {
    let signs = read(error);
    let (store, path) = (store.to_owned(), path.to_owned());
    let reason = signs.reason();
    if let Some((kind, text)) = &signs.io
        && signs.status.is_none()
        && signs.transport.is_none()
        && !matches!(
            error,
            object_store::Error::NotFound { .. } | object_store::Error::AlreadyExists { .. }
        )
    {
        // A write makes the folders it needs: where that finds nothing, the file system takes no folders.
        let kind = match (doing, *kind) {
            (Doing::Writing, ErrorKind::NotFound) => ErrorKind::PermissionDenied,
            (_, kind) => kind,
        };
        return local(store, path, kind, text.clone());
    }
    let code = signs.code.as_deref().unwrap_or_default();
    if matches!(code, "NoSuchBucket" | "ContainerNotFound" | "NoSuchContainer") {
        return SinkError::NoBucket { store, reason };
    }
    match error {
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            return SinkError::AlreadyExists { store, path };
        }
        object_store::Error::NotImplemented { operation, .. } => {
            return SinkError::Unsupported {
                store,
                operation: "do this",
                reason: operation.clone(),
            };
        }
        object_store::Error::InvalidPath { source } => {
            return SinkError::BadPath {
                store,
                path,
                reason: source.to_string(),
            };
        }
        _ => {}
    }
    match signs.status {
        Some(404) if doing == Doing::Writing => SinkError::NoBucket { store, reason },
        Some(401 | 403) => SinkError::Denied { store, path, reason },
        Some(501) => SinkError::Unsupported {
            store,
            operation: "do this",
            reason,
        },
        Some(507) => SinkError::Full { store, path, reason },
        Some(408 | 429 | 500..=599) => SinkError::Unreachable {
            store,
            reason,
            credentials: signs.credentials,
        },
        // Wrong keys are also told as 400 by S3 (a malformed key) and by token services.
        Some(400) if signs.credentials || is_credential_code(code) => SinkError::Denied { store, path, reason },
        _ if matches!(error, object_store::Error::NotFound { .. }) => SinkError::NotFound { store, path },
        _ if signs.transport.is_some() => SinkError::Unreachable {
            store,
            reason,
            credentials: signs.credentials,
        },
        _ => SinkError::Store { store, path, reason },
    }
}

fn is_credential_code(code: &str) -> bool {
    matches!(
        code,
        "InvalidToken"
            | "ExpiredToken"
            | "TokenRefreshRequired"
            | "AuthorizationHeaderMalformed"
            | "InvalidAccessKeyId"
    )
}

/// What an error of the file system means.
pub(super) fn local(store: String, path: String, kind: ErrorKind, text: String) -> SinkError {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => SinkError::Full {
            store,
            path,
            reason: text,
        },
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidFilename => SinkError::Denied {
            store,
            path,
            reason: text,
        },
        ErrorKind::NotFound => SinkError::NotFound { store, path },
        ErrorKind::AlreadyExists => SinkError::AlreadyExists { store, path },
        ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::StaleNetworkFileHandle => {
            SinkError::Unreachable {
                store,
                reason: text,
                credentials: false,
            }
        }
        _ => SinkError::Store {
            store,
            path,
            reason: text,
        },
    }
}

fn read(error: &object_store::Error) -> Signs {
    let mut signs = Signs::default();
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let mut depth = 0;
    while let Some(error) = next {
        depth += 1;
        let text = error.to_string();
        if let Some(http) = error.downcast_ref::<HttpError>() {
            signs.transport = Some(describe(http));
        } else if let Some(io) = error.downcast_ref::<std::io::Error>() {
            signs.io = Some((io.kind(), io.to_string()));
        }
        if signs.status.is_none()
            && let Some((status, body)) = status_of(&text)
        {
            signs.status = Some(status);
            signs.code = element(body, "Code").or_else(|| json_text(body, "error"));
            signs.message = element(body, "Message").or_else(|| json_text(body, "error_description"));
        }
        let lower = text.to_ascii_lowercase();
        signs.credentials |= ["token request", "metadata", "credential", "web identity", "imds"]
            .iter()
            .any(|sign| lower.contains(sign))
            && depth > 1
            && !lower.contains("<code>");
        if !text.contains("://") {
            signs.last = text;
        }
        next = error.source();
    }
    signs
}

/// The status and the body in `Server returned non-2xx status code: 403 Forbidden: <body>`.
fn status_of(text: &str) -> Option<(u16, &str)> {
    let rest = match text.split_once("non-2xx status code: ") {
        Some((_, rest)) => rest,
        None if text.contains("Received redirect without LOCATION") => return Some((301, "")),
        None => return None,
    };
    let status = rest.get(..3)?.parse().ok()?;
    Some((status, rest.split_once(": ").map_or("", |(_, body)| body)))
}

/// The text of the first `<name>` in an XML body.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(short(text))
}

/// The text of the first `"name": "..."` in a JSON body.
fn json_text(body: &str, name: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    value.get(name)?.as_str().map(short)
}

/// At most the first line of 200 characters.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}

/// Why the transport failed, from its innermost cause, which never holds the URL.
fn describe(error: &HttpError) -> String {
    let what = match error.kind() {
        HttpErrorKind::Connect => "cannot connect",
        HttpErrorKind::Timeout => "timed out",
        HttpErrorKind::Interrupted | HttpErrorKind::Request => "the connection broke",
        HttpErrorKind::Decode => "the answer is garbled",
        _ => "the request failed",
    };
    let mut cause: &dyn StdError = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{what}: {}", short(&cause.to_string()))
}

impl Signs {
    fn reason(&self) -> String {
        if let Some(status) = self.status {
            let mut reason = format!("status {status}");
            if let Some(code) = &self.code {
                reason.push_str(&format!(", {code}"));
            }
            if let Some(message) = &self.message {
                reason.push_str(&format!(": {}", message.trim_end_matches('.')));
            }
            return reason;
        }
        match (&self.transport, &self.io) {
            (Some(text), _) => text.clone(),
            (None, Some((_, text))) => text.clone(),
            (None, None) if self.last.is_empty() => "no reason was given".into(),
            (None, None) => short(&self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracemill_model::{Blame, Fault};

    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    #[test]
    fn statuses_are_told_apart() {
        let body = |code: &str| format!("<Error><Code>{code}</Code><Message>Some words.</Message></Error>");
        let cases = [
            (403, "AccessDenied", Doing::Writing, "denied", false),
            (401, "", Doing::Writing, "denied", false),
            (400, "ExpiredToken", Doing::Writing, "denied", false),
            (400, "Whatever", Doing::Writing, "store", false),
            (404, "NoSuchBucket", Doing::Reading, "no_bucket", false),
            (404, "ContainerNotFound", Doing::Reading, "no_bucket", false),
            (404, "", Doing::Writing, "no_bucket", false),
            (501, "NotImplemented", Doing::Writing, "unsupported", false),
            (503, "SlowDown", Doing::Writing, "unreachable", true),
            (429, "", Doing::Writing, "unreachable", true),
            (500, "InternalError", Doing::Reading, "unreachable", true),
            (507, "", Doing::Writing, "full", false),
        ];
        for (status, code, doing, kind, transient) in cases {
            let text = format!(
                "Error performing PUT http://h/b?X-Sig=hunter2 in 1ms - Server returned non-2xx status code: \
                 {status} Whatever: {}",
                body(code)
            );
            let error = classify("s3://b", "p", doing, &generic(&text));
            assert_eq!(
                (error.kind(), error.is_transient()),
                (kind, transient),
                "{status} {code}: {error}"
            );
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(error.hint().is_some() || kind == "store", "{error}");
        }
    }

    #[test]
    fn file_errors_are_told_apart() {
        // Numbers of Linux: EACCES, EROFS, ENOTDIR, ENOSPC, EDQUOT, EFBIG, EIO.
        let cases = [
            (13, "denied"),
            (30, "denied"),
            (20, "denied"),
            (28, "full"),
            (122, "full"),
            (27, "full"),
            (5, "store"),
        ];
        for (number, kind) in cases {
            let io = std::io::Error::from_raw_os_error(number);
            let error = object_store::Error::Generic {
                store: "LocalFileSystem",
                source: Box::new(io),
            };
            let error = classify("file:///lake", "p", Doing::Writing, &error);
            assert_eq!(error.kind(), kind, "{number}: {error}");
            assert!(!error.is_transient());
            assert!(number == 5 || error.fault() == Fault::User);
        }
    }

    #[test]
    fn what_is_left_has_a_reason_without_a_url() {
        let error = classify("s3://b", "p", Doing::Writing, &generic("see https://host/?sig=hunter2"));
        assert_eq!(error.to_string(), "store s3://b failed at \"p\": no reason was given");
    }
}
