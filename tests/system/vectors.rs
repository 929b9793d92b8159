//! The pinned behaviours that need everything: what is sent over HTTP is read back from ClickHouse's tables. Each carries its
//! number, as in `operators/src/vectors`, where the rules are tried without a server.

use std::time::Duration;

use serde_json::{Value, json};
use tracemill_tests::{Engine, Running, Scratch, Tracemill, http, wait_until};

use crate::common::args;

const WITHIN: Duration = Duration::from_secs(60);

/// The key pair of the graph file, `pk-lf-demo:sk-lf-demo`.
const HEADERS: &str = "Authorization: Basic cGstbGYtZGVtbzpzay1sZi1kZW1v\r\nContent-Type: application/json\r\n";

struct Stage {
    engine: Engine,
    running: Running,
    port: u16,
    _scratch: Scratch,
}

impl Stage {
    fn start() -> Self {
        let scratch = Scratch::new();
        let tracemill = Tracemill::new(&scratch.join("logs"));
        let engine = Engine::start(&tracemill, &scratch.join("clickhouse"));
        let port = tracemill_tests::engine::free_port();
        let (url, folder) = (engine.url(), scratch.path().display().to_string());
        let text = format!(
            r#"
            [clickhouse.read_write]
            url = "{url}"
            [status]
            dir = "{folder}/status"
            [store.raw]
            url = "{folder}/raw"
            [intake]
            listen = "127.0.0.1:{port}"
            [access.demo]
            keys = [{{ public = "pk-lf-demo", secret = "sk-lf-demo" }}]
            [graph.ingestion.source.jobs]
            type = "queue"
            backend = "local"
            dir = "{folder}/queue"
            store = "raw"
            prefix = "events/"
            [graph.ingestion.operator.merge]
            type = "merge"
            input = "jobs"
            [graph.ingestion.sink.rows]
            type = "clickhouse"
            input = "merge"
            rejected = "letters"
            [graph.ingestion.sink.letters]
            type = "letters"
            store = "raw"
            prefix = "letters/"
            "#
        );
        let graph = scratch.join("graph.toml");
        std::fs::write(&graph, text).expect("written");
        tracemill.ok(args(&graph, "migrate", &[]));
        let mut running = tracemill.start(args(&graph, "run", &[]));
        running.until("it listens", WITHIN, |_| {
            let ready = http::request(port, "GET", "/api/public/ready", "", b"").ok()?;
            (ready.0 == 200).then_some(())
        });
        Self {
            engine,
            running,
            port,
            _scratch: scratch,
        }
    }

    #[track_caller]
    fn send(&self, path: &str, headers: &str, body: &Value) -> (u16, Value) {
        let headers = format!("{HEADERS}{headers}");
        let body = body.to_string();
        let answer = http::request(self.port, "POST", path, &headers, body.as_bytes()).expect("an answer");
        (answer.0, serde_json::from_slice(&answer.1).unwrap_or_default())
    }

    #[track_caller]
    fn batch(&self, events: &[Value]) {
        let (status, answer) = self.send("/api/public/ingestion", "", &json!({ "batch": events }));
        assert_eq!((status, &answer["errors"]), (207, &json!([])), "I-2");
    }

    /// The newest row that the condition names, `null` where there is none.
    fn row(&self, table: &str, condition: &str) -> Value {
        let sql = format!(
            "SELECT * FROM {table} FINAL WHERE is_deleted = 0 AND {condition} FORMAT JSONEachRow \
             SETTINGS output_format_json_quote_64bit_integers = 0, output_format_json_quote_decimals = 1"
        );
        let found = self.engine.query(&sql);
        found
            .lines()
            .next()
            .map_or(Value::Null, |line| serde_json::from_str(line).expect("JSON"))
    }

    /// Waits until these columns of the row are so.
    #[track_caller]
    fn until(&self, number: &str, table: &str, condition: &str, columns: &Value) {
        let is_so = |row: &Value| {
            let mut columns = columns.as_object().into_iter().flatten();
            !row.is_null() && columns.all(|(name, value)| row[name] == *value)
        };
        let began = std::time::Instant::now();
        loop {
            let row = self.row(table, condition);
            if is_so(&row) {
                return;
            }
            assert!(
                began.elapsed() < WITHIN,
                "{number}: {table} where {condition} is {row}, not {columns}"
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn event(ty: &str, second: u32, body: &Value) -> Value {
    let id = format!("{ty}-{}-{second}", body["id"].as_str().unwrap_or_default());
    json!({"id": id, "type": ty, "timestamp": format!("2026-02-25T12:00:{second:02}.000Z"), "body": body})
}

const METADATA: &str = r#"{"s":"text","n":"1983516295378495150","i":5,"f":5.5}"#;

/// What is sent at once.
fn events() -> Vec<Value> {
    let metadata: Value = serde_json::from_str(METADATA).expect("JSON");
    let mut events = vec![
        event(
            "trace-create",
            1,
            &json!({"id": "full", "input": ["a", {"b": "😀"}], "output": {"x": 1}}),
        ),
        event("trace-create", 1, &json!({"id": "bare"})),
        event("trace-create", 1, &json!({"id": "told", "metadata": metadata})),
        event(
            "span-create",
            1,
            &json!({"id": "told", "traceId": "told", "metadata": metadata}),
        ),
        event(
            "score-create",
            1,
            &json!({"id": "told", "traceId": "told", "name": "n", "value": 1, "metadata": metadata}),
        ),
        event(
            "generation-create",
            1,
            &json!({"id": "units", "traceId": "told", "usageDetails": {"key": 0.1}}),
        ),
        event(
            "trace-create",
            1,
            &json!({"id": "steps", "metadata": {"step": 1, "status": "started"}}),
        ),
        event(
            "score-create",
            1,
            &json!({"id": "said", "traceId": "steps", "name": "n", "value": 0.5, "comment": "good"}),
        ),
    ];
    for word in TYPES {
        events.push(event(
            &format!("{word}-create"),
            1,
            &json!({"id": word, "traceId": "types"}),
        ));
    }
    for id in odd_ids() {
        events.push(event("trace-create", 1, &json!({"id": id, "name": "odd"})));
        events.push(event(
            "span-create",
            1,
            &json!({"id": id, "traceId": id, "name": "odd"}),
        ));
    }
    events
}

const TYPES: [&str; 9] = [
    "generation",
    "span",
    "agent",
    "tool",
    "chain",
    "retriever",
    "evaluator",
    "embedding",
    "guardrail",
];

fn odd_ids() -> Vec<String> {
    "&$@=;/+ ,?{}^%`]\">[~<#|"
        .chars()
        .map(|sign| format!("odd{sign}id"))
        .collect()
}

#[test]
fn what_is_sent_is_read_back() {
    let stage = Stage::start();
    stage.batch(&events());
    stage.until(
        "I-2",
        "traces",
        "id = 'full'",
        &json!({"input": r#"["a",{"b":"😀"}]"#, "output": r#"{"x":1}"#}),
    );
    stage.until(
        "I-2, I-22",
        "traces",
        "id = 'bare'",
        &json!({"metadata": {}, "input": null, "output": null, "environment": "default", "user_id": null, "release": null,
            "version": null, "session_id": null, "public": false, "bookmarked": false, "tags": []}),
    );
    for word in TYPES {
        let condition = format!("id = '{word}'");
        stage.until("I-3", "observations", &condition, &json!({"type": word.to_uppercase()}));
    }
    for id in odd_ids() {
        let condition = format!("id = '{id}'");
        stage.until("I-4", "traces", &condition, &json!({"id": id, "name": "odd"}));
        stage.until("I-4", "observations", &condition, &json!({"id": id, "trace_id": id}));
    }
    stage.until("I-7", "observations", "id = 'units'", &json!({"usage_details": {}}));
    let told = json!({"metadata": {"s": "text", "n": "1983516295378495150", "i": "5", "f": "5.5"}});
    for table in ["traces", "observations", "scores"] {
        stage.until("I-10", table, "id = 'told'", &told);
    }
    stage.until("I-12", "scores", "id = 'said'", &json!({"comment": "good"}));

    stage.batch(&[
        event(
            "trace-create",
            2,
            &json!({"id": "steps", "metadata": {"step": 2, "error": ""}}),
        ),
        event(
            "score-create",
            2,
            &json!({"id": "said", "traceId": "steps", "name": "n", "value": 0.5, "comment": null}),
        ),
    ]);
    stage.until(
        "I-11",
        "traces",
        "id = 'steps'",
        &json!({"metadata": {"step": "2", "status": "started", "error": ""}}),
    );
    stage.until("I-12", "scores", "id = 'said'", &json!({"comment": null, "value": 0.5}));
    stage.spans();
    stage.file_log();
}

impl Stage {
    fn spans(&self) {
        // Ids as bytes, times as halves.
        let span = json!({
            "traceId": {"type": "Buffer", "data": [44, 206, 24, 247, 232, 205, 6, 90, 11, 78, 99, 78, 239, 114, 131, 145]},
            "spanId": {"type": "Buffer", "data": [223, 227, 135, 254, 167, 239, 59, 2]},
            "name": "bytes", "startTimeUnixNano": {"low": 466_848_096, "high": 406_528_574, "unsigned": true},
            "attributes": [
                {"key": "langfuse.observation.type", "value": {"stringValue": "generation"}},
                {"key": "langfuse.observation.usage_details", "value": {"stringValue":
                    r#"{"prompt_tokens":1957,"completion_tokens":80,"total_tokens":2037}"#}},
            ],
        });
        let resource =
            json!({"attributes": [{"key": "deployment.environment", "value": {"stringValue": "Production"}}]});
        let body = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]});
        let sdk = "x_langfuse_sdk_name: python\r\nx_langfuse_sdk_version: 4.0.0\r\nx_langfuse_ingestion_version: 4\r\n";
        let (status, answer) = self.send("/api/public/otel/v1/traces", sdk, &body);
        assert_eq!((status, answer), (200, json!({})), "O-62, O-65");
        self.until(
            "I-14, O-62, O-63, O-65",
            "observations",
            "id = 'dfe387fea7ef3b02'",
            &json!({"trace_id": "2cce18f7e8cd065a0b4e634eef728391", "type": "GENERATION", "environment": "production",
                "usage_details": {"input": 1957, "output": 80, "total": 2037}, "start_time": "2025-04-30 15:28:50.686"}),
        );
        self.until(
            "I-15, O-66",
            "traces",
            "id = '2cce18f7e8cd065a0b4e634eef728391'",
            &json!({"environment": "production", "name": "bytes"}),
        );
        let (status, answer) = self.send("/api/public/otel/v1/traces", "", &json!({}));
        assert_eq!((status, answer), (200, json!({})), "I-14, O-64");
    }

    /// One object a request, with a line for each of its entities: not an object an entity.
    fn file_log(self) {
        let Self {
            engine,
            running,
            _scratch: scratch,
            ..
        } = self;
        let lines = engine.rows(
            "SELECT bucket_path, count() FROM blob_storage_file_log FINAL WHERE is_deleted = 0 AND project_id = 'demo' \
             AND entity_type = 'trace' AND entity_id IN ('full', 'bare') GROUP BY bucket_path",
        );
        assert_eq!(lines.len(), 1, "I-9: both are in one object: {lines:?}");
        let path = &lines[0][0];
        assert!(
            path.starts_with("events/demo/raw/") && lines[0][1] == "2",
            "I-9: {lines:?}"
        );
        assert!(scratch.join("raw").join(path).exists(), "I-9: {path}");
        let once = engine.query(
            "SELECT countIf(id = 'full'), (SELECT count() FROM blob_storage_file_log WHERE entity_type = 'trace' AND \
             entity_id = 'full') FROM traces",
        );
        assert_eq!(once, "1\t1", "I-31: trace and line are each there once");
        running.signal("TERM");
        let output = running.wait(Duration::from_secs(3600));
        assert_eq!(output.code, Some(0), "{}", output.tail());
        wait_until("it has ended", WITHIN, || true);
    }
}
