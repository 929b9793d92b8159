//! Poison: a row that ClickHouse refuses, events that do not parse, spans with impossible fields. All others arrive; each of
//! those is a letter that says why and names its raw object, and comes in after a fix.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tracemill_tests::{Redis, Rig, Scratch, http, wait_for, wait_until};

const WITHIN: Duration = Duration::from_secs(60);

/// `pk-lf-demo:sk-lf-demo`.
const HEADERS: &str = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\nContent-Type: application/json\r\n";
const STAMP: &str = "2026-02-25T12:00:00.000Z";

struct Stage {
    rig: Rig,
    redis: Redis,
    scratch: Scratch,
}

impl Stage {
    fn new() -> Self {
        let scratch = Scratch::new();
        let redis = Redis::start(&scratch.join("redis"));
        let more = format!(
            "[graph.ingestion.source.jobs]\nbackend = \"bullmq\"\nurl = \"{}\"\nqueues = [\"tracemill-ingestion\", \"ingestion-queue\"]",
            redis.url()
        );
        let rig = Rig::new(scratch.path(), &more);
        Self { rig, redis, scratch }
    }

    /// Sends a request, and gives the answer.
    #[track_caller]
    fn send(&self, path: &str, body: &Value, expected: u16) -> Value {
        let body = body.to_string();
        let answer = http::request(self.rig.port(), "POST", path, HEADERS, body.as_bytes());
        let (status, answer) = answer.expect("an answer");
        assert_eq!(status, expected, "{}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).expect("the answer is JSON")
    }

    /// Writes a file of one entity as Langfuse's web does, and adds its job as Node does.
    fn stored_by_langfuse(&self, id: &str, events: &Value) -> PathBuf {
        let file = self.scratch.join(&format!("raw/events/demo/trace/{id}/f1.json"));
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, events.to_string()).expect("written");
        let payload = json!({
            "data": {"type": "trace-create", "eventBodyId": id, "fileKey": "f1", "skipS3List": true},
            "authCheck": {"validKey": true, "scope": {"projectId": "demo", "accessLevel": "project"}},
        });
        let data = json!({"id": "j1", "timestamp": STAMP, "name": "ingestion-job", "payload": payload});
        let opts = json!({"attempts": 3, "backoff": {"type": "exponential", "delay": 200}, "removeOnComplete": true});
        let jobs = json!({"jobs": [{"name": "ingestion-job", "data": data, "opts": opts}]});
        let _ = self.redis.bull(5, "add", "ingestion-queue", &jobs);
        file
    }

    /// Runs a command on letters that tells JSON lines.
    #[track_caller]
    fn letters(&self, command: &str, more: &[&str]) -> Vec<Value> {
        let text = self.text(command, more);
        let json = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        text.lines().map(json).collect()
    }

    #[track_caller]
    fn text(&self, command: &str, more: &[&str]) -> String {
        let mut args: Vec<OsString> = ["letters", command].map(Into::into).into();
        args.push(self.rig.graph.clone().into());
        args.extend(more.iter().map(Into::into));
        self.rig.tracemill.ok(args).stdout
    }

    fn count(&self, table: &str, condition: &str) -> u64 {
        let sql = format!("SELECT count() FROM {table} FINAL WHERE is_deleted = 0 AND {condition}");
        self.rig.engine.query(&sql).parse().expect("a number")
    }

    #[track_caller]
    fn until(&self, table: &str, condition: &str, count: u64) {
        let what = format!("{count} of {table} where {condition}");
        wait_until(&what, WITHIN, || self.count(table, condition) == count);
    }

    /// The file of a raw object.
    fn raw(&self, object: &str) -> PathBuf {
        self.scratch.join("raw").join(object)
    }

    /// Replaces a text in a raw object.
    #[track_caller]
    fn mend(&self, object: &str, wrong: &str, right: &str) {
        let text = std::fs::read_to_string(self.raw(object)).expect("the raw object is there");
        assert!(text.contains(wrong), "{text}");
        std::fs::write(self.raw(object), text.replace(wrong, right)).expect("written");
    }
}

fn event(id: &str, ty: &str, body: &Value) -> Value {
    json!({"id": format!("e-{id}"), "type": ty, "timestamp": STAMP, "body": body})
}

/// A request of six spans, four of them with impossible fields.
fn spans() -> Value {
    let span = |trace: &str, id: &str, start: &str, end: &str| {
        json!({"traceId": trace, "spanId": id, "name": format!("span {id}"), "startTimeUnixNano": start,
               "endTimeUnixNano": end, "attributes": []})
    };
    let (trace, start, end) = ("aa".repeat(16), "1772020800000000000", "1772020801000000000");
    let spans = [
        span(&trace, "0101010101010101", start, end),
        // Beyond what the tables hold: the year 2500.
        span(&trace, "0202020202020202", start, "16725225600000000000"),
        // Before what can be said: the year 1850.
        span(&trace, "0303030303030303", "-3786825600000000000", end),
        span(&trace, "", start, end),
        span(&"0".repeat(32), "0505050505050505", start, end),
        // Ids of another length are taken as they are, as Langfuse takes them.
        span(&trace, "06", start, end),
    ];
    json!({"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "s"}, "spans": spans}]}]})
}

/// Sends all of it, and waits for what arrives. Gives the file of the broken event.
fn poison(stage: &Stage) -> PathBuf {
    let generation = |id: &str, input: &str| {
        event(
            id,
            "generation-create",
            &json!({"id": id, "traceId": "t", "input": input}),
        )
    };
    let malformed =
        json!({"id": "e-malformed", "type": "generation-create", "timestamp": "yesterday", "body": {"id": "x"}});
    let batch = [
        event("t", "trace-create", &json!({"id": "t", "name": "fine"})),
        generation("g-good", "fine"),
        generation("g-bad", "poison"),
        malformed,
        generation("g-other", "fine too"),
    ];
    // What the intake sees by itself is the client's to mend: it is told, and nothing of it is kept.
    let answer = stage.send("/api/public/ingestion", &json!({ "batch": batch }), 207);
    assert_eq!(answer["successes"].as_array().map(Vec::len), Some(4), "{answer}");
    assert_eq!(answer["errors"][0]["id"], "e-malformed", "{answer}");
    assert_eq!(answer["errors"][0]["status"], 400, "{answer}");

    stage.send("/api/public/otel/v1/traces", &spans(), 200);

    let file = stage.stored_by_langfuse(
        "t-file",
        &json!([
            event("f1", "trace-create", &json!({"id": "t-file", "name": "fine"})),
            {"id": "e-f2", "type": "trace-create", "timestamp": "yesterday", "body": {"id": "t-file", "userId": "mended"}},
            event("f3", "trace-create", &json!({"id": "t-file", "sessionId": "s"})),
        ]),
    );

    stage.until("traces", "id = 't' AND name = 'fine'", 1);
    stage.until("observations", "id IN ('g-good', 'g-other')", 2);
    stage.until("observations", "id IN ('0101010101010101', '06')", 2);
    stage.until("traces", "id = 't-file' AND name = 'fine' AND session_id = 's'", 1);
    file
}

#[test]
fn poison_is_letters_that_come_in_after_a_fix() {
    let stage = Stage::new();
    let constraint = "ADD CONSTRAINT no_poison CHECK ifNull(input, '') != 'poison'";
    stage
        .rig
        .engine
        .execute(&format!("ALTER TABLE observations {constraint}"));
    let mut running = stage.rig.run();
    let file = poison(&stage);

    let listed = wait_for("six letters", WITHIN, || {
        let listed = stage.letters("list", &["--json"]);
        (listed.len() == 6).then_some(listed)
    });
    stage.rig.idle(&mut running, WITHIN);
    let object = |letter: &Value| letter["object"].as_str().expect("an object").to_owned();
    let by_id: BTreeMap<String, &Value> = listed
        .iter()
        .map(|letter| (letter["id"].as_str().unwrap_or_default().to_owned(), letter))
        .collect();
    for (id, kind, reason) in [
        ("g-bad", "observation", "no_poison"),
        ("0202020202020202", "event", "its time is after 2299"),
        (
            "0303030303030303",
            "event",
            "`startTimeUnixNano` is not a number of nanoseconds",
        ),
        ("unknown", "event", "the span has no span id"),
        ("0505050505050505", "event", "the span has no trace id"),
        ("e-f2", "event", "timestamp"),
    ] {
        let letter = by_id
            .get(id)
            .unwrap_or_else(|| panic!("no letter of {id}: {listed:#?}"));
        assert_eq!(letter["kind"], kind, "{letter}");
        let said = letter["reason"].as_str().expect("a reason");
        assert!(said.contains(reason), "{said}");
        // The raw object is there, and has it.
        let raw = std::fs::read_to_string(stage.raw(&object(letter))).expect("the raw object");
        assert!(id == "unknown" || raw.contains(id), "{letter}\n{raw}");
        let shown = stage.text("show", &[letter["path"].as_str().expect("a path")]);
        assert!(
            id == "unknown" || shown.matches(id).count() > 1,
            "the event is shown: {shown}"
        );
    }
    assert_eq!(stage.raw(&object(by_id["e-f2"])), file);
    Rig::stop(running);

    // Nothing was mended: everything stays open.
    let outcome = stage.letters("replay", &["--project", "demo", "--json"]);
    assert_eq!(
        (&outcome[1]["cameIn"], &outcome[1]["stillOpen"]),
        (&json!(0), &json!(6)),
        "{outcome:?}"
    );

    // The environment is mended, the raw objects are mended, and what nobody can mend is dropped.
    stage
        .rig
        .engine
        .execute("ALTER TABLE observations DROP CONSTRAINT no_poison");
    stage.mend(&object(by_id["e-f2"]), "yesterday", STAMP);
    let spans = object(by_id["0202020202020202"]);
    stage.mend(&spans, "16725225600000000000", "1772020801000000000");
    stage.mend(&spans, "-3786825600000000000", "1772020800000000000");
    let outcome = stage.letters("replay", &["--project", "demo", "--json"]);
    assert_eq!(
        (&outcome[1]["cameIn"], &outcome[1]["stillOpen"]),
        (&json!(4), &json!(2)),
        "{outcome:?}"
    );
    for id in ["unknown", "0505050505050505"] {
        stage.text("drop", &[by_id[id]["path"].as_str().expect("a path")]);
    }
    assert_eq!(stage.letters("list", &["--json"]), [] as [Value; 0]);
    assert_eq!(
        stage.count("observations", "id = 'g-bad' AND input = 'poison' AND trace_id = 't'"),
        1
    );
    assert_eq!(
        stage.count("observations", "id IN ('0202020202020202', '0303030303030303')"),
        2
    );
    assert_eq!(
        stage.count(
            "traces",
            "id = 't-file' AND user_id = 'mended' AND name = 'fine' AND session_id = 's'"
        ),
        1
    );
}
