//! Taking the events of deleted entities out of raw objects that hold events of others too.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::value::RawValue;
use tracemill_model::Millis;
use tracemill_model::ingest::{Body, EntityKey, EntityKind, Event, Job, RawForm, raw_name};
use tracemill_operators::decode::flow::Decoder;
use tracemill_sinks::deletions::{Redact, Redacted};

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
        let decoded = (self.decoder)(&job, &bytes)?;
        let is_doomed = |event: &Event| is_doomed(&job, event, doomed);
        let dropped = decoded.events.iter().filter(|event| is_doomed(event)).count();
        if dropped == 0 {
            return Ok(Redacted::Unchanged);
        }
        if dropped == decoded.events.len() {
            return Ok(Redacted::Empty);
        }
        match job.form {
            RawForm::Events => events(&self.decoder, &job, &bytes, doomed),
            RawForm::OtlpProtobuf | RawForm::OtlpJson | RawForm::OtlpStored => Ok(Redacted::Unchanged),
        }
    }
}

/// Whether an event is of a doomed entity, or names a doomed trace as its own.
fn is_doomed(job: &Job, event: &Event, doomed: &HashSet<EntityKey>) -> bool {
    let trace = match &event.body {
        Body::Observation(body) => body.trace_id.as_ref(),
        Body::Score(body) => body.trace_id.as_ref(),
        Body::Trace(_) => None,
    };
    let of_trace = trace.is_some_and(|id| {
        let trace = EntityKey {
            project: job.project.clone(),
            kind: EntityKind::Trace,
            id: id.clone(),
        };
        doomed.contains(&trace)
    });
    of_trace || doomed.contains(&event.key(&job.project))
}

/// Keeps the texts of the others' events as they are.
fn events(decoder: &Decoder, job: &Job, bytes: &[u8], doomed: &HashSet<EntityKey>) -> Result<Redacted, String> {
    let raws: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut kept = Vec::with_capacity(bytes.len());
    for raw in raws {
        let decoded = decoder(job, raw.get().as_bytes())?;
        if decoded.events.iter().any(|event| is_doomed(job, event, doomed)) {
            continue;
        }
        kept.push(if kept.is_empty() { b'[' } else { b',' });
        kept.extend_from_slice(raw.get().as_bytes());
    }
    if kept.is_empty() {
        return Ok(Redacted::Empty);
    }
    kept.push(b']');
    Ok(Redacted::Rewritten(kept.into()))
}
