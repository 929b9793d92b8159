//! Taking the events of deleted entities out of raw objects that hold events of others too.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::value::RawValue;
use tracemill_model::Millis;
use tracemill_model::ingest::{Body, Encoding, EntityKey, EntityKind, Event, Job, RawForm, raw_name};
use tracemill_operators::decode::flow::Decoder;
use tracemill_operators::decode::otlp::{self, Left};
use tracemill_sinks::deletions::{Redact, Redacted};

/// The largest raw object after decompression: the intake took no larger one.
const LARGEST: usize = 1 << 30;

/// Redacts raw objects by what the decoder says of them.
pub struct Redactor {
    /// What the paths of raw objects begin with.
    pub prefix: String,
    /// How raw objects are read.
    pub decoder: Decoder,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redact for Redactor {
    fn redact(&self, path: &str, bytes: Bytes, doomed: &HashSet<EntityKey>) -> Result<Redacted, String> {
        let Some(job) = raw_name::job_of(&self.prefix, path, Millis(0)) else {
            return Ok(Redacted::Unchanged);
        };
        let plain = otlp::decompress(job.encoding, &bytes, LARGEST).map_err(|error| error.to_string())?;
        let left = match job.form {
            RawForm::Events => self.events(&job, &plain, doomed)?,
            RawForm::OtlpProtobuf | RawForm::OtlpJson | RawForm::OtlpStored => {
                let is_doomed = |trace: &str, id: &str| {
                    has(doomed, &job, EntityKind::Trace, trace) || has(doomed, &job, EntityKind::Observation, id)
                };
                otlp::without(&plain, job.form, job.received, &job.sdk, &is_doomed)
                    .map_err(|error| error.to_string())?
            }
        };
        Ok(match left {
            Left::All => Redacted::Unchanged,
            Left::Some(left) => Redacted::Rewritten(otlp::compress(job.encoding, left).into()),
            Left::None => Redacted::Empty,
        })
    }
}

impl Redactor {
    /// Keeps the texts of the others' events as they are.
    fn events(&self, job: &Job, plain: &[u8], doomed: &HashSet<EntityKey>) -> Result<Left, String> {
        let job = Job {
            encoding: Encoding::Identity,
            ..job.clone()
        };
        let decoded = (self.decoder)(&job, plain)?;
        let is_doomed = |event: &Event| is_doomed(&job, event, doomed);
        if !decoded.events.iter().any(is_doomed) {
            return Ok(Left::All);
        }
        // What was refused is nobody's, and stays: its letter points to it.
        if decoded.events.iter().all(is_doomed) && decoded.rejected.is_empty() {
            return Ok(Left::None);
        }
        let raws: Vec<&RawValue> = serde_json::from_slice(plain).map_err(|error| error.to_string())?;
        let mut kept = Vec::with_capacity(plain.len());
        for raw in raws {
            if (self.decoder)(&job, raw.get().as_bytes())?.events.iter().any(is_doomed) {
                continue;
            }
            kept.push(if kept.is_empty() { b'[' } else { b',' });
            kept.extend_from_slice(raw.get().as_bytes());
        }
        if kept.is_empty() {
            return Ok(Left::None);
        }
        kept.push(b']');
        Ok(Left::Some(kept))
    }
}

fn has(doomed: &HashSet<EntityKey>, job: &Job, kind: EntityKind, id: &str) -> bool {
    let key = EntityKey {
        project: job.project.clone(),
        kind,
        id: id.into(),
    };
    doomed.contains(&key)
}

/// Whether an event is of a doomed entity, or names a doomed trace as its own.
fn is_doomed(job: &Job, event: &Event, doomed: &HashSet<EntityKey>) -> bool {
    let trace = match &event.body {
        Body::Observation(body) => body.trace_id.as_ref(),
        Body::Score(body) => body.trace_id.as_ref(),
        Body::Trace(_) => None,
    };
    trace.is_some_and(|id| has(doomed, job, EntityKind::Trace, id)) || doomed.contains(&event.key(&job.project))
}

#[cfg(test)]
mod tests {
    use tracemill_model::ingest::Sdk;
    use tracemill_operators::decode::events::Limits;

    use super::*;
    use crate::ingestion::decoder::decoder;

    const SPANS: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"a","spanId":"1","startTimeUnixNano":"1"},{"traceId":"b","spanId":"2","startTimeUnixNano":"1"}]}]}]}"#;
    const EVENTS: &str = r#"[{"id":"1","timestamp":"2026-01-01T00:00:00Z","type":"trace-create","body":{"id":"a"}},
        {"id":"2","timestamp":"2026-01-01T00:00:00Z","type":"score-create","body":{"id":"s","traceId":"a","name":"n","value":1}},
        {"id":"3","timestamp":"2026-01-01T00:00:00Z","type":"trace-create","body":{"id":"b"}}]"#;

    #[test]
    fn each_form_and_encoding_keeps_the_others_and_twice_is_once() {
        let redactor = Redactor {
            prefix: "events/".to_owned(),
            decoder: decoder(Limits::default(), LARGEST),
        };
        let key = |id: &str| EntityKey {
            project: "p".into(),
            kind: EntityKind::Trace,
            id: id.into(),
        };
        let doomed = HashSet::from([key("a")]);
        for (form, text, kept) in [(RawForm::Events, EVENTS, 1), (RawForm::OtlpJson, SPANS, 2)] {
            for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
                let path = raw_name::path("events/", "p", Millis(5), "x", form, encoding, &Sdk::default());
                let bytes: Bytes = otlp::compress(encoding, text.as_bytes().to_vec()).into();
                let Ok(Redacted::Rewritten(left)) = redactor.redact(&path, bytes.clone(), &doomed) else {
                    panic!("{path}");
                };
                let job = raw_name::job_of("events/", &path, Millis(0)).expect("a job");
                let events = (redactor.decoder)(&job, &left).expect("readable").events;
                assert_eq!(events.len(), kept, "{path}");
                assert!(events.iter().all(|event| !is_doomed(&job, event, &doomed)), "{path}");
                assert_eq!(redactor.redact(&path, left, &doomed), Ok(Redacted::Unchanged), "{path}");
                let all = HashSet::from([key("a"), key("b")]);
                assert_eq!(redactor.redact(&path, bytes, &all), Ok(Redacted::Empty), "{path}");
            }
        }
    }
}
