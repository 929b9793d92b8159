//! What a letter is about: the raw objects, and the text of the event in them. Pure but for [`objects`].

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;
use tracemill_model::Millis;
use tracemill_model::ingest::{Encoding, EntityKey, EntityKind, Job, RawForm, raw_name};
use tracemill_operators::decode::flow::Decoder;
use tracemill_operators::decode::otlp::{self, Left};
use tracemill_sinks::letters::{Letter, Subject};
use tracemill_sources::stored::history;
use tracemill_warehouse::Service;

use crate::PipelineError;

/// The largest raw object after decompression.
const LARGEST: usize = 1 << 30;

/// The entity that a letter is about, where it is known.
#[must_use]
pub fn entity(about: &Subject) -> Option<EntityKey> {
    Some(EntityKey {
        project: about.project.as_str().into(),
        kind: EntityKind::parse(&about.kind)?,
        id: about.id.as_deref()?.into(),
    })
}

/// The jobs of the raw objects that letters are about, in the letters' order. A row that ClickHouse refused is of all the
/// objects of its entity: the letter names the newest, the file log knows the others; other letters need no `service`.
///
/// # Errors
/// Those of ClickHouse.
pub async fn objects(
    letters: &[&Letter],
    prefix: &str,
    service: Option<&Service>,
) -> Result<Vec<Vec<Job>>, PipelineError> {
    let keys: Vec<EntityKey> = letters.iter().filter_map(|letter| entity(&letter.about)).collect();
    let logged = match service {
        Some(service) if !keys.is_empty() => history(service, &keys).await?,
        _ => HashMap::new(),
    };
    let jobs = |letter: &&Letter| -> Vec<Job> {
        let about = &letter.about;
        let objects = entity(about).and_then(|key| logged.get(&key));
        let mut paths: Vec<(&str, Millis)> = objects
            .into_iter()
            .flatten()
            .map(|object| (&*object.path, object.created_at))
            .collect();
        if !about.object.is_empty() && paths.iter().all(|(path, _)| *path != about.object) {
            paths.push((&about.object, about.received));
        }
        let jobs = paths.into_iter();
        jobs.filter_map(|(path, received)| raw_name::job_of(prefix, path, received))
            .collect()
    };
    Ok(letters.iter().map(jobs).collect())
}

/// The texts of the events of an object that a letter is about; of spans in protobuf, how they were understood.
#[must_use]
pub fn texts(letter: &Letter, job: &Job, bytes: &[u8], decoder: &Decoder) -> Vec<String> {
    let Ok(plain) = otlp::decompress(job.encoding, bytes, LARGEST) else {
        return Vec::new();
    };
    match job.form {
        RawForm::Events => events(letter, job, &plain, decoder),
        RawForm::OtlpProtobuf | RawForm::OtlpJson | RawForm::OtlpStored => spans(letter, job, &plain),
    }
}

fn events(letter: &Letter, job: &Job, plain: &[u8], decoder: &Decoder) -> Vec<String> {
    let raws: Vec<&RawValue> = serde_json::from_slice(plain).unwrap_or_default();
    let about = &letter.about;
    if let Some(index) = about.index {
        let raw = raws.get(index as usize);
        return raw.map(|raw| raw.get().to_owned()).into_iter().collect();
    }
    let Some(key) = entity(about) else {
        return Vec::new();
    };
    let job = Job {
        encoding: Encoding::Identity,
        ..job.clone()
    };
    let is_about = |raw: &&&RawValue| {
        let decoded = decoder(&job, raw.get().as_bytes()).unwrap_or_default();
        decoded.events.iter().any(|event| event.key(&job.project) == key)
    };
    raws.iter().filter(is_about).map(|raw| raw.get().to_owned()).collect()
}

fn spans(letter: &Letter, job: &Job, plain: &[u8]) -> Vec<String> {
    let about = &letter.about;
    let Some(id) = about.id.as_deref().filter(|id| *id != "unknown") else {
        return Vec::new();
    };
    let is_trace = about.kind == EntityKind::Trace.name();
    let is_other = |trace: &str, span: &str| if is_trace { trace != id } else { span != id };
    let left = match otlp::without(plain, job.form, job.received, &job.sdk, &is_other) {
        Ok(Left::All) => Cow::Borrowed(plain),
        Ok(Left::Some(left)) => Cow::Owned(left),
        Ok(Left::None) | Err(_) => return Vec::new(),
    };
    if job.form != RawForm::OtlpProtobuf {
        return vec![String::from_utf8_lossy(&left).into_owned()];
    }
    let decoded = otlp::object(&left, job.form, job.received, &job.sdk).unwrap_or_default();
    let texts = decoded.events.iter().map(serde_json::to_string);
    texts.filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use tracemill_model::ingest::Sdk;
    use tracemill_operators::decode::events::Limits;
    use tracemill_sinks::letters::LetterState;

    use super::*;
    use crate::ingestion::decoder::decoder;

    fn letter(kind: &str, id: &str, index: Option<u32>) -> Letter {
        Letter {
            about: Subject {
                project: "p".to_owned(),
                kind: kind.to_owned(),
                id: Some(id.to_owned()),
                object: String::new(),
                index,
                received: Millis(5),
            },
            code: String::new(),
            reason: String::new(),
            attempts: 1,
            first: Millis(5),
            last: Millis(5),
            state: LetterState::Open,
        }
    }

    #[test]
    fn the_event_of_a_letter_is_found_by_place_and_by_entity() {
        let first = r#"{"id":"1","timestamp":"2026-01-01T00:00:00Z","type":"trace-create","body":{"id":"a"}}"#;
        let second = r#"{"id":"2","type":"nonsense" }"#;
        let third = r#"{"id":"3", "timestamp":"2026-01-01T00:00:00Z","type":"trace-create","body":{"id":"b"}}"#;
        let decoder = decoder(Limits::default(), LARGEST);
        let (events, gzip) = (RawForm::Events, Encoding::Gzip);
        let path = raw_name::path("e/", "p", Millis(5), "x", events, gzip, &Sdk::default());
        let job = raw_name::job_of("e/", &path, Millis(0)).expect("a job");
        let bytes = otlp::compress(gzip, format!("[{first},{second},{third}]").into_bytes());
        let texts = |letter: Letter| super::texts(&letter, &job, &bytes, &decoder);
        assert_eq!(texts(letter("event", "2", Some(1))), [second]);
        assert_eq!(texts(letter("trace", "b", None)), [third]);
        assert!(texts(letter("trace", "c", None)).is_empty());
        assert!(texts(letter("event", "9", Some(9))).is_empty());
    }

    #[test]
    fn the_span_of_a_letter_is_shown_with_its_resource() {
        let request = r#"{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":[{"spans":[
            {"traceId":"a","spanId":"1","startTimeUnixNano":"x"},{"traceId":"a","spanId":"2"}]}]}]}"#;
        let json = RawForm::OtlpJson;
        let path = raw_name::path("e/", "p", Millis(5), "x", json, Encoding::Identity, &Sdk::default());
        let job = raw_name::job_of("e/", &path, Millis(0)).expect("a job");
        let decoder = decoder(Limits::default(), LARGEST);
        assert_eq!(
            texts(&letter("event", "1", Some(0)), &job, request.as_bytes(), &decoder),
            [
                r#"{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":[{"spans":[{"traceId":"a","spanId":"1","startTimeUnixNano":"x"}]}]}]}"#
            ]
        );
    }
}
