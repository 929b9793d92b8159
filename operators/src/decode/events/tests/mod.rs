//! The protocol's behaviours, by number where they are pinned.

mod any_input;
mod bodies;
mod clients;
mod requests;
mod usage;

use tracemill_model::ingest::{Access, Body, Event, ObservationBody, ScoreBody, TraceBody};

use super::{Batch, Limits, Rules, batch, object};
use crate::decode::Rejected;

pub(super) const AT: &str = "2026-02-25T12:15:00.000Z";

/// An event of this type and body.
pub(super) fn event(ty: &str, body: &str) -> String {
    format!(r#"{{"id":"e","type":"{ty}","timestamp":"{AT}","body":{body}}}"#)
}

/// A request with these events.
pub(super) fn request(events: &[String]) -> String {
    format!(r#"{{"batch":[{}],"metadata":{{"sdk":1}}}}"#, events.join(","))
}

pub(super) fn take(events: &[String]) -> Batch<'static> {
    let body: &'static str = Box::leak(request(events).into_boxed_str());
    batch(body.as_bytes(), Access::Project, &Limits::default()).unwrap()
}

/// The one event, read at intake and again as stored.
pub(super) fn read(ty: &str, body: &str) -> Result<Event, Rejected> {
    let text = event(ty, body);
    let taken = take(std::slice::from_ref(&text));
    if let Some(rejected) = taken.rejected.first() {
        let mut stored = object(text.as_bytes(), Access::Project, Rules::Public, &Limits::default()).unwrap();
        assert_eq!(
            stored.rejected,
            std::slice::from_ref(rejected),
            "both readings agree: {text}"
        );
        return Err(stored.rejected.remove(0));
    }
    let raw = taken.raw_object().unwrap();
    let mut stored = object(&raw, Access::Project, Rules::Public, &Limits::default()).unwrap();
    assert_eq!((stored.events.len(), stored.rejected.len()), (1, 0), "{text}");
    Ok(stored.events.remove(0))
}

pub(super) fn reason(ty: &str, body: &str) -> String {
    read(ty, body).expect_err(body).reason
}

pub(super) fn trace(body: &str) -> TraceBody {
    match read("trace-create", body).unwrap().body {
        Body::Trace(body) => *body,
        other => panic!("{other:?}"),
    }
}

pub(super) fn observation(ty: &str, body: &str) -> ObservationBody {
    match read(ty, body).unwrap().body {
        Body::Observation(body) => *body,
        other => panic!("{other:?}"),
    }
}

pub(super) fn score(body: &str) -> ScoreBody {
    match read("score-create", body).unwrap().body {
        Body::Score(body) => *body,
        other => panic!("{other:?}"),
    }
}
