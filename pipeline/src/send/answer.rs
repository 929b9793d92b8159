//! What an answer means: pure.

use std::time::Duration;

use serde_json::Value;
use tracemill_sources::synth::sdk::Route;

/// The longest pause between two tries.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// The first pause where no answer asks for another.
pub(super) const FIRST: Duration = Duration::from_millis(50);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was accepted, but for so many events.
    Accepted(u64),
    /// Again, after this time if it was told.
    Again(Option<Duration>),
    /// It would be the same again; what the answer says.
    Never(String),
}

/// Judges an answer. `retry_after` is that header's value.
pub(super) fn judge(status: u16, retry_after: Option<&str>, route: Route, body: &[u8]) -> Verdict {
    match status {
        200..300 if route == Route::Rest => Verdict::Accepted(refused(body)),
        200..300 => Verdict::Accepted(0),
        408 | 425 | 429 | 500.. => {
            let asked = retry_after.and_then(|text| text.trim().parse().ok());
            Verdict::Again(asked.map(|seconds| Duration::from_secs(seconds).min(LONGEST)))
        }
        _ => {
            let text = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            Verdict::Never(format!("status {status}: {}", text.trim()))
        }
    }
}

/// How many events of a batch were refused.
fn refused(body: &[u8]) -> u64 {
    if body.ends_with(br#""errors":[]}"#) {
        return 0;
    }
    let read: Result<Value, _> = serde_json::from_slice(body);
    read.ok()
        .and_then(|value| Some(value["errors"].as_array()?.len() as u64))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_verdict() {
        let of = |status, retry_after, body: &str| judge(status, retry_after, Route::Rest, body.as_bytes());
        let seconds = |n| Verdict::Again(Some(Duration::from_secs(n)));
        assert_eq!(of(207, None, r#"{"successes":[],"errors":[]}"#), Verdict::Accepted(0));
        assert_eq!(
            of(207, None, r#"{"errors":[{"id":"a"}],"successes":[]}"#),
            Verdict::Accepted(1)
        );
        assert_eq!(judge(200, None, Route::Otlp, b""), Verdict::Accepted(0));
        for (status, retry_after, verdict) in [
            (429, Some("2"), seconds(2)),
            (503, Some("3600"), seconds(5)),
            (503, Some("Wed, 21 Oct 2026 07:28:00 GMT"), Verdict::Again(None)),
            (500, None, Verdict::Again(None)),
            (408, None, Verdict::Again(None)),
        ] {
            assert_eq!(of(status, retry_after, ""), verdict, "{status}");
        }
        for status in [400, 401, 403, 404, 413, 302] {
            assert_eq!(of(status, None, "why"), Verdict::Never(format!("status {status}: why")));
        }
    }
}
