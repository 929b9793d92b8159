//! The intake over real connections, with an intake in memory behind it.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};
use tracemill_model::Secret;
use tracemill_model::ingest::{Encoding, EntityKind, RawForm};
use tracemill_operators::{Budget, Clock};
use tracemill_web::{
    App, Config, Deletion, Intake, IntakeError, KeyConfig, Keys, Organisation, Parts, Raw, Readiness, SecretForm,
};

#[derive(Default)]
struct Memory {
    raws: Mutex<Vec<Raw>>,
    deletions: Mutex<Vec<Deletion>>,
    fails: AtomicBool,
    broken: AtomicBool,
    held: AtomicBool,
    entered: Notify,
    release: Notify,
}

#[async_trait::async_trait]
impl Intake for Memory {
    async fn take(&self, raw: Raw) -> Result<(), IntakeError> {
        if self.held.load(Ordering::SeqCst) {
            self.entered.notify_one();
            self.release.notified().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(IntakeError::Broken("secret internals".to_owned()));
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(IntakeError::Unavailable {
                reason: "secret internals".to_owned(),
                retry_after: Some(Duration::from_secs(7)),
            });
        }
        self.raws.lock().unwrap().push(raw);
        Ok(())
    }

    async fn delete(&self, deletion: Deletion) -> Result<(), IntakeError> {
        self.deletions.lock().unwrap().push(deletion);
        Ok(())
    }

    fn ready(&self) -> Readiness {
        match self.fails.load(Ordering::SeqCst) {
            true => Readiness::Not("store_unreachable"),
            false => Readiness::Ready,
        }
    }
}

struct Server {
    address: SocketAddr,
    memory: Arc<Memory>,
    app: App,
    budget: Budget,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<tokio::task::JoinHandle<()>>,
    runtime: Runtime,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .into_iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

fn basic(public: &str, secret: &str) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{public}:{secret}"));
    format!("Basic {text}")
}

fn keys() -> Keys {
    let salt = Secret::new("salt");
    let fast = tracemill_web::fast_hash(&Secret::new("sk-lf-test"), &salt);
    let slow = bcrypt::hash("sk-slow", 4).unwrap();
    let forms = [
        ("pk-lf-test", SecretForm::Fast(fast.into())),
        ("pk-slow", SecretForm::Bcrypt(slow.into())),
    ];
    let configs = forms.into_iter().map(|(public, secret)| KeyConfig {
        project_id: "p1".into(),
        project_name: "Project".into(),
        organisation: Organisation {
            id: "o1".into(),
            name: "Org".into(),
        },
        public_key: public.into(),
        secret,
    });
    Keys::new(configs.collect(), &salt, 1).unwrap()
}

impl Server {
    fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let runtime = Runtime::new().unwrap();
        let memory = Arc::new(Memory::default());
        let budget = Budget::new("test", 256 << 20);
        let app = App::new(Parts {
            keys: keys(),
            config,
            budget: budget.clone(),
            clock: Clock::system(),
            intake: memory.clone(),
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = app.clone();
        let ended = runtime.spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            tracemill_web::serve(listener, &served, served.router(), stopped)
                .await
                .unwrap();
        });
        Self {
            address,
            memory,
            app,
            budget,
            stop: Some(stop),
            ended: Some(ended),
            runtime,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        read(&mut stream)
    }

    fn post(&self, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
        let auth = basic("pk-lf-test", "sk-lf-test");
        self.send(
            "POST",
            path,
            &[("authorization", &auth), ("content-type", content_type)],
            body.as_ref(),
        )
    }

    fn batch(&self, events: &Value) -> Answer {
        self.post(INGESTION, "application/json", json!({ "batch": events }).to_string())
    }

    fn raws(&self) -> Vec<Raw> {
        self.memory.raws.lock().unwrap().clone()
    }
}

fn read(stream: &mut TcpStream) -> Answer {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream
            .read_exact(&mut byte)
            .unwrap_or_else(|e| panic!("{e} after {:?}", String::from_utf8_lossy(&bytes)));
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut answer = Answer {
        status: head[9..12].parse().unwrap(),
        head,
        body: String::new(),
    };
    let length = answer
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    answer.body = String::from_utf8(body).unwrap();
    answer
}

const INGESTION: &str = "/api/public/ingestion";
const OTEL: &str = "/api/public/otel/v1/traces";

fn trace(id: &str, body: &Value) -> Value {
    json!({"id": id, "type": "trace-create", "timestamp": "2026-03-11T00:00:00Z", "body": body})
}

fn otlp_json() -> String {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331", "name": "s", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]})
    .to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn ingestion_statuses() {
    let server = Server::start(|config| config.body = 10_000);
    // Vector 1.
    let answer = server.batch(&json!([]));
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (207, r#"{"successes":[],"errors":[]}"#)
    );
    // Vector 5, 6, 8: one error each, the good event beside them is taken.
    for (number, bad) in [
        (5, trace("a\rb", &json!({"id": "t"}))),
        (6, trace("e", &json!({"id": "t", "name": "n".repeat(1_500)}))),
        (8, trace("e", &json!({"id": "t", "environment": "langfuse-test"}))),
        (8, trace("e", &json!({"id": "t", "environment": ".invalidcharacter!"}))),
        (8, trace("e", &json!({"id": "t", "environment": "e".repeat(44)}))),
    ] {
        let answer = server.batch(&json!([bad, trace("good", &json!({"id": "t"}))]));
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["successes"][0]["id"]),
            (207, &json!("good")),
            "vector {number}: {body}"
        );
        assert_eq!(body["errors"][0]["status"], 400, "vector {number}");
        assert_eq!(body["errors"][0]["message"], "Invalid request data", "vector {number}");
        if number == 5 {
            assert!(body["errors"][0]["error"].as_str().unwrap().contains("carriage return"));
        }
    }
    let before = server.raws().len();
    let all_bad = server.batch(&json!([{"id": 5}]));
    assert_eq!(
        (all_bad.status, &all_bad.json()["errors"][0]["id"]),
        (207, &json!("unknown"))
    );
    assert_eq!(server.raws().len(), before, "nothing accepted is nothing stored");
    for (body, status, part) in [
        ("{}", 400, "Invalid request data"),
        ("", 400, "Invalid request data"),
        ("[]", 400, "Invalid request data"),
        (r#"{"batch":{}}"#, 400, "Invalid request data"),
        ("{", 400, "Invalid JSON"),
    ] {
        let answer = server.post(INGESTION, "application/json", body);
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.body.contains(part), "{body}: {answer:?}");
    }
    assert_eq!(
        server.post(INGESTION, "application/json", b"{\"batch\":\"\xff\"}").body,
        "Invalid JSON"
    );
    assert_eq!(server.post(INGESTION, "text/plain", r#"{"batch":[]}"#).status, 400);
    assert_eq!(
        server
            .post(INGESTION, "application/ld+json; charset=utf-8", r#"{"batch":[]}"#)
            .status,
        207
    );
    let large = server.post(INGESTION, "application/json", vec![b' '; 3_000_000]);
    assert_eq!((large.status, large.body.as_str()), (413, "Body exceeded 10000b limit"));
    let get = server.send("GET", INGESTION, &[], b"");
    assert_eq!(
        (get.status, get.json()),
        (
            405,
            json!({"error": "MethodNotAllowedError", "message": "Method not allowed"})
        )
    );
    assert_eq!(server.send("GET", "/api/public/otel/v1/logs", &[], b"").status, 404);
    assert_eq!(server.budget.used(), 0);
}

#[test]
fn odd_ids_and_payloads_are_stored_as_sent() {
    let server = Server::start(|_| {});
    // Vectors 2, 4, 10.
    for sign in "&$@=;/+ ,?{}^%`]\">[~<#|".chars() {
        let id = format!("id{sign}x");
        let answer = server.batch(&json!([trace(&id, &json!({"id": id, "input": ["😀", {"a": 1}]}))]));
        assert_eq!((answer.status, &answer.json()["successes"][0]["id"]), (207, &json!(id)));
        let raw = server.raws().pop().unwrap();
        let stored: Value = serde_json::from_slice(&raw.bytes).unwrap();
        assert_eq!(
            (raw.form, &*raw.project, &stored[0]["body"]["input"][0]),
            (RawForm::Events, "p1", &json!("😀"))
        );
    }
    let digits = r#"{"batch":[{"id":"d","type":"trace-create","timestamp":"2026-03-11T00:00:00Z","body":{"id":"t","metadata":{"n":1983516295378495150.10}}}]}"#;
    server.post(INGESTION, "application/json", digits);
    let raw = server.raws().pop().unwrap();
    assert!(String::from_utf8_lossy(&raw.bytes).contains("1983516295378495150.10"));
}

#[test]
fn keys_and_their_scopes() {
    let server = Server::start(|_| {});
    let host = "Confirm that you've configured the correct host.";
    let no_header = server.send("POST", INGESTION, &[], b"{}");
    assert_eq!(
        (no_header.status, no_header.json()["message"].as_str().unwrap()),
        (401, "No authorization header")
    );
    let good = basic("pk-lf-test", "sk-lf-test");
    let slow = basic("pk-slow", "sk-slow");
    for (header, otel, status, text) in [
        ("Digest x", false, 401, "Invalid authorization header".to_owned()),
        ("Basic !!!", false, 401, format!("Invalid authorization header. {host}")),
        (
            &basic("pk-lf-test", "wrong"),
            false,
            401,
            format!("Invalid credentials. {host}"),
        ),
        (
            &basic("pk-other", "sk-lf-test"),
            false,
            401,
            format!("Invalid credentials. {host}"),
        ),
        (
            &basic("pk-slow", "wrong"),
            false,
            401,
            format!("Invalid credentials. {host}"),
        ),
        (
            &basic("pk-slow", "wrong"),
            false,
            401,
            format!("Invalid credentials. {host}"),
        ),
        ("Bearer pk-other", false, 401, format!("Invalid public key. {host}")),
        (
            "Bearer pk-lf-test",
            true,
            401,
            "Access denied - need to use basic auth with secret key".to_owned(),
        ),
        (&slow, false, 207, String::new()),
        (&slow, false, 207, String::new()),
        (&good, false, 207, String::new()),
        (&good, true, 200, String::new()),
    ] {
        let (path, body) = if otel {
            (OTEL, "{}")
        } else {
            (INGESTION, r#"{"batch":[]}"#)
        };
        let headers = [("authorization", header), ("content-type", "application/json")];
        let answer = server.send("POST", path, &headers, body.as_bytes());
        assert_eq!(answer.status, status, "{header}: {answer:?}");
        if status == 401 {
            let expected = if otel {
                json!({"message": text})
            } else {
                json!({"error": "UnauthorizedError", "message": text})
            };
            assert_eq!(answer.json(), expected, "{header}");
        }
    }
    let score = json!({"id": "s", "type": "score-create", "timestamp": "2026-03-11T00:00:00Z",
        "body": {"name": "n", "value": 1, "traceId": "t"}});
    let body = json!({"batch": [trace("t", &json!({"id": "t"})), score, {"id": 1}]}).to_string();
    let headers = [
        ("authorization", "Bearer pk-lf-test"),
        ("content-type", "application/json"),
    ];
    let answer = server.send("POST", INGESTION, &headers, body.as_bytes()).json();
    assert_eq!(answer["successes"], json!([{"id": "s", "status": 201}]));
    assert_eq!(
        (&answer["errors"][0]["status"], &answer["errors"][1]["status"]),
        (&json!(400), &json!(401))
    );
    assert_eq!(answer["errors"][1]["error"], "Access Scope Denied");
}

#[test]
fn otel_statuses() {
    let server = Server::start(|config| config.otlp = 100_000);
    let auth = basic("pk-lf-test", "sk-lf-test");
    let send = |content_type: &str, more: &[(&str, &str)], body: &[u8]| {
        let mut headers = vec![("authorization", auth.as_str()), ("content-type", content_type)];
        headers.extend_from_slice(more);
        server.send("POST", OTEL, &headers, body)
    };
    let good = otlp_json();
    let bomb = gzip(&vec![b' '; 50_000_000]);
    let (gz, zs) = (gzip(good.as_bytes()), zstd::encode_all(good.as_bytes(), 3).unwrap());
    let v = "x_langfuse_ingestion_version";
    for (content_type, more, body, status, part) in [
        ("application/json", vec![], good.as_bytes(), 200, "{}"),
        ("application/json", vec![("content-encoding", "gzip")], &gz, 200, "{}"),
        ("application/json", vec![("content-encoding", "zstd")], &zs, 200, "{}"),
        (
            "application/json",
            vec![("content-encoding", "br")],
            &zs,
            400,
            "Unsupported content encoding",
        ),
        (
            "application/json",
            vec![("content-encoding", "gzip")],
            b"no gzip",
            400,
            "Failed to decompress request body",
        ),
        (
            "application/json",
            vec![("content-encoding", "gzip")],
            &bomb,
            413,
            "Body exceeded",
        ),
        ("text/plain", vec![], good.as_bytes(), 400, "Invalid content type"),
        (
            "application/json",
            vec![],
            b"null",
            400,
            "Failed to parse OTel JSON Trace",
        ),
        (
            "application/json",
            vec![],
            b"\xff",
            400,
            "Failed to parse OTel JSON Trace",
        ),
        (
            "application/x-protobuf",
            vec![],
            b"\xff\xff",
            400,
            "Failed to parse OTel Protobuf Trace",
        ),
        ("application/x-protobuf", vec![], b"", 200, ""),
        // Vector 14.
        ("application/json", vec![], b"{\"resourceSpans\":[]}", 200, "{}"),
        ("application/json", vec![(v, "5")], b"{}", 200, "{}"),
        (
            "application/json",
            vec![(v, "5")],
            good.as_bytes(),
            400,
            "Unsupported x-langfuse-ingestion-version: \\\"5\\\"",
        ),
        (
            "application/json",
            vec![(v, "x")],
            good.as_bytes(),
            400,
            "Unsupported x-langfuse-ingestion-version",
        ),
        ("application/json", vec![(v, "4abc")], good.as_bytes(), 200, "{}"),
        ("application/json", vec![(v, "")], good.as_bytes(), 200, "{}"),
        (
            "application/json; charset=utf-8",
            vec![],
            &[b' '; 200_000],
            413,
            "Body exceeded",
        ),
    ] {
        let answer = send(content_type, &more, body);
        assert_eq!(answer.status, status, "{content_type} {more:?}: {answer:?}");
        assert!(answer.body.contains(part), "{more:?}: {answer:?}");
    }
    let raws = server.raws();
    assert_eq!(raws.len(), 5);
    assert_eq!(
        (raws[1].encoding, &raws[1].bytes[..]),
        (Encoding::Gzip, &gz[..]),
        "handed on as sent"
    );
    assert_eq!((raws[2].encoding, raws[2].form), (Encoding::Zstd, RawForm::OtlpJson));
    send(
        "application/json",
        &[("x_langfuse_sdk_name", "python"), ("x_langfuse_sdk_version", "5")],
        good.as_bytes(),
    );
    let sdk = server.raws().pop().unwrap().sdk;
    assert_eq!(
        (sdk.name.as_deref(), sdk.version.as_deref()),
        (Some("python"), Some("5"))
    );
    let metrics = server.post("/api/public/otel/v1/metrics", "x/y", "anything");
    assert_eq!((metrics.status, metrics.json()), (200, json!({"message": "OK"})));
    assert_eq!(server.budget.used(), 0);
}

#[test]
fn what_is_transient_is_503_and_tells_nothing() {
    let server = Server::start(|_| {});
    server.memory.fails.store(true, Ordering::SeqCst);
    for answer in [
        server.batch(&json!([trace("e", &json!({"id": "t"}))])),
        server.post(OTEL, "application/json", otlp_json()),
    ] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
        assert!(!answer.body.contains("secret"), "{answer:?}");
    }
    assert_eq!(server.send("GET", "/api/public/ready", &[], b"").status, 503);
    server.memory.broken.store(true, Ordering::SeqCst);
    let bug = server.batch(&json!([trace("e", &json!({"id": "t"}))]));
    assert_eq!(
        (bug.status, bug.json()),
        (500, json!({"error": "Internal Server Error"}))
    );
}

#[test]
fn limits_of_rate_and_memory() {
    let server = Server::start(|config| {
        (config.rate, config.burst) = (1, 2);
        config.memory_wait = Duration::from_millis(20);
    });
    let held = server.budget.try_acquire(256 << 20).unwrap();
    let busy = server.batch(&json!([]));
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")));
    drop(held);
    assert_eq!(server.batch(&json!([])).status, 207);
    let limited = server.batch(&json!([]));
    assert_eq!(
        (limited.status, limited.body.as_str()),
        (429, "429 - rate limit exceeded")
    );
    assert_eq!(
        (limited.header("retry-after"), limited.header("x-ratelimit-limit")),
        (Some("1"), Some("2"))
    );
    assert_eq!(limited.header("x-ratelimit-remaining"), Some("0"));
    assert!(limited.header("x-ratelimit-reset").unwrap().contains("GMT+0000"));
}

#[test]
fn scores_singles_and_deletions() {
    let server = Server::start(|_| {});
    let path = "/api/public/scores";
    let one = server.post(
        path,
        "application/json",
        r#"{"id":"s1","traceId":"t","name":"n","value":1}"#,
    );
    assert_eq!((one.status, one.json()), (200, json!({"id": "s1"})));
    let bad = server.post(path, "application/json", r#"{"traceId":"t"}"#);
    assert_eq!((bad.status, bad.json()["message"].is_string()), (400, true));
    let many = server.post(path, "application/json", r#"[{"traceId":"t","name":"n","value":1}]"#);
    assert_eq!((many.status, many.json()), (202, json!({"message": "Accepted"})));
    let mixed = server.post(
        path,
        "application/json",
        r#"[{"traceId":"t","name":"n","value":1},{"name":1}]"#,
    );
    assert_eq!(
        (mixed.status, &mixed.json()["accepted"], &mixed.json()["rejected"]),
        (207, &json!(1), &json!(1))
    );
    let auth = basic("pk-lf-test", "sk-lf-test");
    let headers = [("authorization", auth.as_str()), ("content-type", "application/json")];
    for (method, path, body, id) in [
        ("POST", "traces", json!({"id": "t1"}), "t1"),
        ("POST", "spans", json!({"id": "s1"}), "s1"),
        ("PATCH", "spans", json!({"spanId": "s1"}), "s1"),
        ("POST", "generations", json!({"id": "g1"}), "g1"),
        ("PATCH", "generations", json!({"generationId": "g1"}), "g1"),
        ("POST", "events", json!({"id": "e1"}), "e1"),
    ] {
        let answer = server.send(
            method,
            &format!("/api/public/{path}"),
            &headers,
            body.to_string().as_bytes(),
        );
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"id": id})),
            "{method} {path}"
        );
        let raw: Value = serde_json::from_slice(&server.raws().pop().unwrap().bytes).unwrap();
        // The entity of a body without an id is the envelope's.
        let entity = raw[0]["body"].get("id").unwrap_or(&raw[0]["id"]);
        assert_eq!(entity, id, "{method} {path}");
    }
    let trace = server.send("DELETE", "/api/public/traces/a%2Fb%20c", &headers, b"");
    assert_eq!(
        (trace.status, trace.json()),
        (200, json!({"message": "Trace deleted successfully"}))
    );
    let traces = server.send(
        "DELETE",
        "/api/public/traces",
        &headers,
        br#"{"traceIds":["x","y","x"]}"#,
    );
    assert_eq!(traces.status, 200);
    assert_eq!(
        server
            .send("DELETE", "/api/public/traces", &headers, br#"{"traceIds":[]}"#)
            .status,
        400
    );
    assert_eq!(server.send("DELETE", "/api/public/scores/s", &headers, b"").status, 202);
    let bearer = [("authorization", "Bearer pk-lf-test")];
    assert_eq!(server.send("DELETE", "/api/public/scores/s", &bearer, b"").status, 401);
    let deletions = server.memory.deletions.lock().unwrap();
    let ids: Vec<Vec<&str>> = deletions
        .iter()
        .map(|d| d.ids.iter().map(|id| &**id).collect())
        .collect();
    assert_eq!(ids, [vec!["a/b c"], vec!["x", "y"], vec!["s"]]);
    assert_eq!(deletions[2].kind, EntityKind::Score);
}

#[test]
fn information_and_cors() {
    let server = Server::start(|_| {});
    let health = server.send("GET", "/api/public/health", &[("origin", "http://page")], b"");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("OK")));
    assert_eq!(health.header("access-control-allow-origin"), Some("http://page"));
    let auth = basic("pk-lf-test", "sk-lf-test");
    let projects = server.send("GET", "/api/public/projects", &[("authorization", &auth)], b"");
    let expected =
        json!({"data": [{"id": "p1", "name": "Project", "organization": {"id": "o1", "name": "Org"}, "metadata": {}}]});
    assert_eq!((projects.status, projects.json()), (200, expected));
    let asked = [
        ("origin", "http://page"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = server.send("OPTIONS", INGESTION, &asked, b"");
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-headers")),
        (204, Some("authorization"))
    );
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
}

#[test]
fn chunks_pipelines_and_slow_bodies() {
    let server = Server::start(|config| {
        config.chunk_timeout = Duration::from_millis(100);
        config.drain_timeout = Duration::from_millis(100);
    });
    let auth = basic("pk-lf-test", "sk-lf-test");
    let head =
        format!("POST {INGESTION} HTTP/1.1\r\nhost: t\r\nauthorization: {auth}\r\ncontent-type: application/json\r\n");
    let mut stream = server.connect();
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{\"bat\r\n7\r\nch\":[]}}\r\n0\r\n\r\n");
    stream.write_all(chunked.repeat(3).as_bytes()).unwrap();
    for _ in 0..3 {
        assert_eq!(read(&mut stream).status, 207);
    }
    stream
        .write_all(format!("{head}content-length: 100\r\n\r\n{{").as_bytes())
        .unwrap();
    let slow = read(&mut stream);
    assert_eq!((slow.status, slow.header("connection")), (503, Some("close")));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection closes");
}

#[test]
fn slow_heads_end() {
    let server = Server::start(|config| config.head_timeout = Duration::from_millis(100));
    let mut stream = server.connect();
    stream.write_all(b"POST / HT").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_stop_answers_what_is_in_progress() {
    let mut server = Server::start(|config| config.in_flight = 1);
    server.memory.held.store(true, Ordering::SeqCst);
    let auth = basic("pk-lf-test", "sk-lf-test");
    let body = json!({"batch": [trace("e", &json!({"id": "t"}))]}).to_string();
    let mut stream = server.connect();
    let head = format!(
        "POST {INGESTION} HTTP/1.1\r\nhost: t\r\nauthorization: {auth}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    server.runtime.block_on(server.memory.entered.notified());
    assert_eq!(
        server.batch(&json!([])).status,
        429,
        "one request of the project is in flight"
    );
    server.stop.take().unwrap().send(()).unwrap();
    server.memory.release.notify_one();
    assert_eq!(read(&mut stream).status, 207);
    let ended = server.ended.take().unwrap();
    server
        .runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(10), ended).await })
        .unwrap()
        .unwrap();
    assert!(
        TcpStream::connect(server.address).is_err(),
        "nothing is accepted any more"
    );
    assert_eq!((server.raws().len(), server.budget.used()), (1, 0));
    assert_eq!(server.app.metrics().snapshot().in_flight, 0);
}

#[test]
fn captured_requests_of_real_clients() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/sdk");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("no captures here");
        return;
    };
    let server = Server::start(|_| {});
    let (mut seen, mut damaged) = (0, 0);
    for file in files.map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = name.strip_suffix(".headers.json") else {
            continue;
        };
        let request: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let body = ["pb.gz", "pb", "json"]
            .iter()
            .find_map(|end| std::fs::read(folder.join(format!("{stem}.{end}"))).ok())
            .unwrap();
        if is_head(&body) {
            eprintln!("{name}: its body file holds a request's head, so it is not replayed");
            damaged += 1;
            continue;
        }
        let headers: Vec<(&str, &str)> = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !["host", "content-length", "transfer-encoding"].contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let answer = server.send("POST", request["path"].as_str().unwrap(), &headers, &body);
        assert!((200..300).contains(&answer.status), "{name}: {answer:?}");
        if answer.status == 207 {
            assert_eq!(answer.json()["errors"], json!([]), "{name}");
        }
        seen += 1;
    }
    assert_eq!(server.raws().len(), seen);
    assert_eq!(seen + damaged, 8);
}

/// Whether a capture's head is where its body should be.
fn is_head(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    ["method", "path", "headers"].iter().all(|key| value.get(key).is_some())
}
