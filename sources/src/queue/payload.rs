//! From a job of a Redis queue, name and JSON, to [`Work`], and back for our own queue: pure, and total.
//!
//! Read is what consumers may rely on (project, type, id, file); all else in a payload is ignored, since producers of
//! several versions write it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use tracemill_model::Millis;
use tracemill_model::ingest::{Access, Encoding, EntityKind, Holds, Job, ObservationType, RawForm, Sdk, Text};

use super::{Deletion, EntityJob, Work};

/// The name of jobs of our own queue.
pub const OWN_JOB: &str = "tracemill-job";

/// What a job is, by the queue that it came from (shards as `-1`, `-2`, ... included).
#[must_use]
pub fn work(queue: &str, name: &str, data: &str, added: Millis) -> Work {
    let read = match base(queue) {
        "ingestion-queue" | "secondary-ingestion-queue" => ingestion(data, added),
        "otel-ingestion-queue" => otel(data, added),
        "trace-delete" => traces(data),
        "score-delete" => scores(data),
        "project-delete" => project(data),
        "clickhouse-writer-dlq-queue" => row(data),
        _ if name == OWN_JOB => serde_json::from_str(data).map_err(|error| error.to_string()),
        _ => Ok(unsupported(name, data)),
    };
    read.unwrap_or_else(|reason| Work::Broken {
        reason: format!("the payload of job `{name}` of queue `{queue}` cannot be read: {reason}"),
    })
}

/// The payload of a job of our own queue.
#[must_use]
pub fn own(work: &Work) -> String {
    serde_json::to_string(work).expect("work has texts as keys alone")
}

/// A queue's name without the number of its shard.
fn base(queue: &str) -> &str {
    match queue.rsplit_once('-') {
        Some((base, shard)) if !shard.is_empty() && shard.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => queue,
    }
}

fn unsupported(name: &str, data: &str) -> Work {
    Work::Unsupported {
        name: name.into(),
        data: data.into(),
    }
}

#[derive(Deserialize)]
struct Envelope<'a, P> {
    #[serde(default, borrow)]
    timestamp: Option<&'a RawValue>,
    payload: P,
}

/// The end of the year 9999, which no envelope is behind.
const LAST: Millis = Millis(253_402_300_799_999);

/// The envelope's time, else when the job was added: a time that cannot be read, or cannot be, is no reason to lose data.
fn received(timestamp: Option<&RawValue>, added: Millis) -> Millis {
    timestamp
        .and_then(|raw| Millis::parse(raw.get().trim_matches('"')).ok())
        .filter(|at| (Millis(0)..=LAST).contains(at))
        .unwrap_or(added)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Checked<D> {
    data: D,
    auth_check: AuthCheck,
    #[serde(default)]
    sdk_name: Option<Text>,
    #[serde(default)]
    sdk_version: Option<Text>,
    #[serde(default)]
    propagated_headers: Option<HashMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct AuthCheck {
    scope: Scope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope {
    project_id: Text,
    #[serde(default)]
    access_level: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IngestionData {
    r#type: Text,
    event_body_id: Text,
    #[serde(default)]
    file_key: Option<Text>,
    #[serde(default, rename = "skipS3List")]
    skip_list: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OtelData {
    file_key: Text,
}

/// A text that must not be empty.
fn some(name: &str, text: Text) -> Result<Text, String> {
    if text.is_empty() {
        return Err(format!("`{name}` is empty"));
    }
    Ok(text)
}

/// The kind of the entity that events of that type are about. `None`: not one that we keep.
fn kind(event: &str) -> Option<EntityKind> {
    match event {
        "trace-create" => return Some(EntityKind::Trace),
        "score-create" => return Some(EntityKind::Score),
        _ => {}
    }
    let (subject, _) = event
        .rsplit_once('-')
        .filter(|(_, verb)| matches!(*verb, "create" | "update"))?;
    (subject == "observation" || ObservationType::ALL.iter().any(|ty| ty.lower() == subject))
        .then_some(EntityKind::Observation)
}

fn ingestion(data: &str, added: Millis) -> Result<Work, String> {
    let envelope: Envelope<'_, Checked<IngestionData>> = read(data)?;
    let job = envelope.payload.data;
    let Some(kind) = kind(&job.r#type) else {
        return Ok(unsupported(&job.r#type, data));
    };
    Ok(Work::Entity(EntityJob {
        project: some("projectId", envelope.payload.auth_check.scope.project_id)?,
        kind,
        id: some("eventBodyId", job.event_body_id)?,
        file_key: job.file_key.filter(|key| !key.is_empty()),
        skip_list: job.skip_list.unwrap_or(false),
        received: received(envelope.timestamp, added),
    }))
}

fn otel(data: &str, added: Millis) -> Result<Work, String> {
    let envelope: Envelope<'_, Checked<OtelData>> = read(data)?;
    let Checked {
        data: job,
        auth_check,
        sdk_name,
        sdk_version,
        propagated_headers,
    } = envelope.payload;
    let header = |name: &str| propagated_headers.as_ref()?.get(name)?.as_str().map(Text::from);
    Ok(Work::Take(Job {
        project: some("projectId", auth_check.scope.project_id)?,
        object: some("fileKey", job.file_key)?,
        form: RawForm::OtlpStored,
        encoding: Encoding::Identity,
        bytes: 0,
        holds: Holds::default(),
        received: received(envelope.timestamp, added),
        sdk: Sdk {
            name: sdk_name.or_else(|| header("x-langfuse-sdk-name")),
            version: sdk_version.or_else(|| header("x-langfuse-sdk-version")),
        },
        access: match auth_check.scope.access_level.as_deref() {
            Some("scores") => Access::Scores,
            _ => Access::Project,
        },
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ids {
    project_id: Text,
    #[serde(default)]
    trace_ids: Vec<Text>,
    #[serde(default)]
    trace_id: Option<Text>,
    #[serde(default)]
    score_ids: Vec<Text>,
}

/// The ids without repetitions, in their order; an empty one would name everything that has none.
fn distinct(name: &str, ids: impl IntoIterator<Item = Text>) -> Result<Vec<Text>, String> {
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::new();
    for id in ids {
        let id = some(name, id)?;
        if seen.insert(id.clone()) {
            out.push(id);
        }
    }
    if out.is_empty() {
        return Err(format!("there is no `{name}`"));
    }
    Ok(out)
}

fn traces(data: &str) -> Result<Work, String> {
    let ids: Envelope<'_, Ids> = read(data)?;
    let ids = ids.payload;
    Ok(Work::Delete(Deletion::Traces {
        project: some("projectId", ids.project_id)?,
        ids: distinct("traceIds", ids.trace_ids.into_iter().chain(ids.trace_id))?,
    }))
}

fn scores(data: &str) -> Result<Work, String> {
    let ids: Envelope<'_, Ids> = read(data)?;
    let ids = ids.payload;
    Ok(Work::Delete(Deletion::Scores {
        project: some("projectId", ids.project_id)?,
        ids: distinct("scoreIds", ids.score_ids)?,
    }))
}

fn project(data: &str) -> Result<Work, String> {
    let ids: Envelope<'_, Ids> = read(data)?;
    Ok(Work::Delete(Deletion::Project {
        project: some("projectId", ids.payload.project_id)?,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WriterRow<'a> {
    table_name: Text,
    #[serde(borrow)]
    record: &'a RawValue,
}

fn row(data: &str) -> Result<Work, String> {
    let envelope: Envelope<'_, WriterRow<'_>> = read(data)?;
    let row = envelope.payload;
    if !row.record.get().starts_with('{') {
        return Err("`record` is not an object".to_owned());
    }
    Ok(Work::Row {
        table: some("tableName", row.table_name)?,
        row: row.record.get().into(),
    })
}

fn read<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, String> {
    serde_json::from_str(data).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADDED: Millis = Millis(1_772_021_700_000);

    fn checked(data: &str, more: &str) -> String {
        format!(
            r#"{{"id":"u","timestamp":"2026-02-25T12:15:00.250Z","name":"n","payload":{{"data":{data},"authCheck":{{"validKey":true,"scope":{{"projectId":"p1","accessLevel":"project","plan":"oss"}}}}{more}}}}}"#
        )
    }

    fn entity(data: &str) -> Work {
        work("ingestion-queue-3", "ingestion-job", &checked(data, ""), ADDED)
    }

    #[test]
    fn ingestion_jobs() {
        let expected = |kind, file_key: Option<&str>, skip_list| {
            Work::Entity(EntityJob {
                project: "p1".into(),
                kind,
                id: "e/1".into(),
                file_key: file_key.map(Text::from),
                skip_list,
                received: Millis(1_772_021_700_250),
            })
        };
        for (ty, kind) in [
            ("trace-create", EntityKind::Trace),
            ("score-create", EntityKind::Score),
            ("generation-update", EntityKind::Observation),
            ("observation-create", EntityKind::Observation),
            ("guardrail-create", EntityKind::Observation),
        ] {
            let data = format!(
                r#"{{"type":"{ty}","eventBodyId":"e\/1","fileKey":"f","skipS3List":true,"forwardToEventsTable":false}}"#
            );
            assert_eq!(entity(&data), expected(kind, Some("f"), true));
        }
        // Replay jobs have no `skipS3List`, older ones no file.
        assert_eq!(
            entity(r#"{"type":"span-create","eventBodyId":"e/1","useS3EventStore":true}"#),
            expected(EntityKind::Observation, None, false)
        );
        for ty in [
            "dataset_run_item-create",
            "dataset-run-item-create",
            "sdk-log",
            "trace-update",
            "x",
        ] {
            let data = format!(r#"{{"type":"{ty}","eventBodyId":"e"}}"#);
            assert!(
                matches!(entity(&data), Work::Unsupported { name, .. } if &*name == ty),
                "{ty}"
            );
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_when_the_job_was_added() {
        for (timestamp, received) in [
            ("1772021700001", Millis(1_772_021_700_001)),
            ("9223372036854775807", ADDED),
            ("-1", ADDED),
            (r#""soon""#, ADDED),
            ("null", ADDED),
        ] {
            let data = format!(
                r#"{{"timestamp":{timestamp},"payload":{{"data":{{"type":"trace-create","eventBodyId":"e"}},"authCheck":{{"scope":{{"projectId":"p"}}}}}}}}"#
            );
            let read = work("ingestion-queue", "n", &data, ADDED);
            assert!(
                matches!(&read, Work::Entity(job) if job.received == received),
                "{timestamp}: {read:?}"
            );
            assert_eq!(work("tracemill-ingestion", OWN_JOB, &own(&read), ADDED), read);
        }
    }

    #[test]
    fn otel_jobs_are_raw_objects() {
        let sdk = r#","propagatedHeaders":{"x-langfuse-sdk-version":"5.1","n":1},"sdkName":"python""#;
        let read = work(
            "otel-ingestion-queue",
            "otel-ingestion-job",
            &checked(r#"{"fileKey":"events/otel/p1/a.json","publicKey":"pk"}"#, sdk),
            ADDED,
        );
        let Work::Take(job) = read else {
            panic!("{read:?}");
        };
        assert_eq!(&*job.object, "events/otel/p1/a.json");
        assert_eq!(
            (job.form, job.encoding, job.access),
            (RawForm::OtlpStored, Encoding::Identity, Access::Project)
        );
        assert_eq!(job.sdk.name.as_deref(), Some("python"));
        assert_eq!(job.sdk.version.as_deref(), Some("5.1"));
    }

    #[test]
    fn deletions_and_rows() {
        let of = |queue: &str, payload: &str| work(queue, queue, &format!(r#"{{"payload":{payload}}}"#), ADDED);
        let traces = |ids: &[&str]| {
            Work::Delete(Deletion::Traces {
                project: "p".into(),
                ids: ids.iter().map(|id| Text::from(*id)).collect(),
            })
        };
        assert_eq!(
            of("trace-delete", r#"{"projectId":"p","traceIds":["a","b","a"]}"#),
            traces(&["a", "b"])
        );
        assert_eq!(of("trace-delete", r#"{"projectId":"p","traceId":"c"}"#), traces(&["c"]));
        assert_eq!(
            of("score-delete", r#"{"projectId":"p","scoreIds":["s"]}"#),
            Work::Delete(Deletion::Scores {
                project: "p".into(),
                ids: vec!["s".into()]
            })
        );
        assert_eq!(
            of("project-delete", r#"{"projectId":"p","orgId":"o"}"#),
            Work::Delete(Deletion::Project { project: "p".into() })
        );
        assert_eq!(
            of(
                "clickhouse-writer-dlq-queue",
                r#"{"tableName":"traces","record":{"id": 1.0}}"#
            ),
            Work::Row {
                table: "traces".into(),
                row: r#"{"id": 1.0}"#.into()
            }
        );
    }

    #[test]
    fn what_cannot_be_read_is_broken_and_says_why() {
        for (queue, data, why) in [
            ("ingestion-queue", "", "EOF"),
            ("ingestion-queue", "null", "payload"),
            ("ingestion-queue", "{}", "payload"),
            ("ingestion-queue", r#"{"payload":{"data":{"type":1}}}"#, "invalid type"),
            (
                "trace-delete",
                r#"{"payload":{"projectId":"p"}}"#,
                "there is no `traceIds`",
            ),
            (
                "trace-delete",
                r#"{"payload":{"projectId":"","traceIds":["a"]}}"#,
                "`projectId` is empty",
            ),
            (
                "score-delete",
                r#"{"payload":{"projectId":"p","scoreIds":[""]}}"#,
                "`scoreIds` is empty",
            ),
            (
                "score-delete",
                r#"{"payload":{"projectId":"p","scoreIds":[1]}}"#,
                "invalid type",
            ),
            ("project-delete", r#"{"payload":{"projectId":null}}"#, "invalid type"),
            (
                "otel-ingestion-queue-2",
                r#"{"payload":{"data":{"fileKey":""},"authCheck":{"scope":{"projectId":"p"}}}}"#,
                "`fileKey`",
            ),
            (
                "clickhouse-writer-dlq-queue",
                r#"{"payload":{"tableName":"t","record":[]}}"#,
                "not an object",
            ),
        ] {
            let read = work(queue, "n", data, ADDED);
            assert!(
                matches!(&read, Work::Broken { reason } if reason.contains(why)),
                "{queue} {data}: {read:?}"
            );
        }
        assert!(matches!(
            work("tracemill-ingestion", OWN_JOB, "{}", ADDED),
            Work::Broken { .. }
        ));
        assert!(matches!(
            work("tracemill-ingestion", "other", "{}", ADDED),
            Work::Unsupported { .. }
        ));
    }

    fn any_work() -> impl Strategy<Value = Work> {
        let text = || any::<String>().prop_map(Text::from);
        let take =
            (text(), text(), any::<i64>(), proptest::option::of(text())).prop_map(|(project, object, at, name)| {
                Work::Take(Job {
                    bytes: 0,
                    holds: Holds::default(),
                    project,
                    object,
                    form: RawForm::OtlpProtobuf,
                    encoding: Encoding::Zstd,
                    received: Millis(at),
                    sdk: Sdk { name, version: None },
                    access: Access::Scores,
                })
            });
        let delete = (text(), proptest::collection::vec(text(), 0..4))
            .prop_map(|(project, ids)| Work::Delete(Deletion::Traces { project, ids }));
        prop_oneof![take, delete]
    }

    proptest! {
        #[test]
        fn our_own_come_back_as_they_were(sent in any_work()) {
            prop_assert_eq!(work("tracemill-ingestion", OWN_JOB, &own(&sent), ADDED), sent);
        }

        #[test]
        fn nothing_panics(queue in prop_oneof![Just("ingestion-queue"), Just("otel-ingestion-queue-1"), Just("trace-delete"), Just("q")], data in any::<String>()) {
            let _ = work(queue, OWN_JOB, &data, ADDED);
            let _ = work(queue, OWN_JOB, &checked(&data, ""), ADDED);
        }

        #[test]
        fn shards_have_the_base_of_their_queue(shard in 0u32..1000) {
            let name = format!("otel-ingestion-queue-{shard}");
            prop_assert_eq!(base(&name), "otel-ingestion-queue");
        }
    }
}
