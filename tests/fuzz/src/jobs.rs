//! Payloads of queues, ours and the reference's; names of raw objects.
//!
//! `chooser[0]`: what is read. The rest is text: a payload, or a path.

use tracemill_model::Millis;
use tracemill_model::ingest::{Encoding, Holds, Job, RawForm, Sdk, raw_name};
use tracemill_sources::queue::payload::{OWN_JOB, own, work};
use tracemill_sources::queue::{Deletion, Work};

use crate::{NOW, received, split};

const QUEUES: [&str; 8] = [
    "tracemill-ingestion",
    "ingestion-queue",
    "secondary-ingestion-queue-12",
    "otel-ingestion-queue-1",
    "trace-delete",
    "score-delete",
    "project-delete",
    "clickhouse-writer-dlq-queue",
];

/// Reads the input.
///
/// # Panics
/// What was read is not as it must be.
pub fn run(data: &[u8]) {
    let Some(([how, when], text)) = split::<2>(data) else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    match how & 15 {
        place @ 0..8 => payload(QUEUES[usize::from(place)], OWN_JOB, &text),
        // Names as any producer writes them.
        8 => {
            let (names, data) = text.split_once('\n').unwrap_or((&text, ""));
            let (queue, name) = names.split_once(' ').unwrap_or((names, ""));
            payload(queue, name, data);
        }
        9..12 => path(&text, received(when)),
        _ => written(&text, received(when), when),
    }
}

fn payload(queue: &str, name: &str, data: &str) {
    let read = work(queue, name, data, NOW);
    assert_eq!(read, work(queue, name, data, NOW), "read twice");
    match &read {
        // Our own are as they were written.
        _ if name == OWN_JOB && !queue.contains("-queue") && !queue.contains("-delete") => {}
        Work::Take(job) => assert!(!job.project.is_empty() && !job.object.is_empty()),
        Work::Entity(job) => {
            assert!(!job.project.is_empty() && !job.id.is_empty());
            assert!(job.file_key.as_ref().is_none_or(|key| !key.is_empty()));
        }
        Work::Delete(Deletion::Traces { project, ids } | Deletion::Scores { project, ids }) => {
            assert!(!project.is_empty() && !ids.is_empty());
            assert!(
                ids.iter().all(|id| !id.is_empty()),
                "a deletion of everything without an id"
            );
        }
        Work::Delete(Deletion::Project { project }) => assert!(!project.is_empty()),
        Work::Row { table, row } => assert!(!table.is_empty() && row.starts_with('{')),
        Work::Unsupported { data: kept, .. } => assert_eq!(&**kept, data),
        Work::GivenUp { job, .. } => assert!(!job.project.is_empty()),
        Work::Broken { reason } => assert!(!reason.is_empty()),
    }
    let again = work("tracemill-ingestion", OWN_JOB, &own(&read), NOW);
    assert_eq!(again, read, "through our own queue");
    if let Work::Take(job) = read {
        let _ = (job.received.date(), job.received.day(), job.received.to_string());
    }
}

fn path(path: &str, at: Millis) {
    let (prefix, path) = path.split_once('\n').unwrap_or(("events/", path));
    let job = raw_name::job_of(prefix, path, at);
    assert_eq!(job, raw_name::job_of(prefix, path, at), "read twice");
    if let Some(job) = job {
        assert_eq!(&*job.object, path);
        assert!(!job.project.is_empty(), "an object of no project: {path}");
    }
}

/// A path that we write says what it was written from.
fn written(text: &str, at: Millis, how: u8) {
    let mut texts = text.split('\n');
    let mut next = || texts.next().unwrap_or_default();
    let (prefix, project, name, version) = (next(), next(), next(), next());
    if project.is_empty() || format!("{prefix}{project}").contains("/raw/") || project.contains('/') {
        return;
    }
    let sdk = Sdk {
        name: (!name.is_empty()).then(|| name.into()),
        version: (!version.is_empty()).then(|| version.into()),
    };
    let form = [RawForm::Events, RawForm::OtlpProtobuf, RawForm::OtlpJson][usize::from(how >> 3) % 3];
    let encoding = [Encoding::Identity, Encoding::Gzip, Encoding::Zstd][usize::from(how >> 5) % 3];
    let at = Millis(at.0.clamp(0, NOW.0 * 2));
    let path = raw_name::path(prefix, project, at, "0a-1b", form, encoding, &sdk);
    let job = raw_name::job_of(prefix, &path, NOW).expect("our own name");
    assert_eq!(
        job,
        Job {
            project: project.into(),
            object: path.as_str().into(),
            form,
            encoding,
            bytes: 0,
            holds: Holds::default(),
            received: at,
            sdk: job.sdk.clone(),
            access: job.access,
        }
    );
    assert_eq!(job.sdk.name.is_some(), sdk.name.is_some());
}
