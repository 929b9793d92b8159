//! A server with an intake in memory behind it, and requests over plain sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};
use tracemill_model::Secret;
use tracemill_operators::{Budget, Clock};
use tracemill_web::{
    App, Config, Deletion, Intake, IntakeError, KeyConfig, Keys, Organisation, Parts, Raw, Readiness, SecretForm,
};

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) raws: Mutex<Vec<Raw>>,
    pub(crate) deletions: Mutex<Vec<Deletion>>,
    pub(crate) fails: AtomicBool,
    pub(crate) broken: AtomicBool,
    pub(crate) held: AtomicBool,
    pub(crate) entered: Notify,
    pub(crate) release: Notify,
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

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) memory: Arc<Memory>,
    pub(crate) app: App,
    pub(crate) budget: Budget,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) ended: Option<tokio::task::JoinHandle<()>>,
    pub(crate) runtime: Runtime,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .into_iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

pub(crate) fn basic(public: &str, secret: &str) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{public}:{secret}"));
    format!("Basic {text}")
}

pub(crate) fn keys() -> Keys {
    let salt = Secret::new("salt");
    let fast = tracemill_web::fast_hash(&Secret::new("sk-lf-test"), &salt);
    let slow = bcrypt::hash("sk-slow", 4).unwrap();
    // Takes tens of milliseconds to compare.
    let slower = bcrypt::hash("sk-slower", 9).unwrap();
    let forms = [
        ("pk-lf-test", SecretForm::Fast(fast.into())),
        ("pk-slow", SecretForm::Bcrypt(slow.into())),
        ("pk-slower", SecretForm::Bcrypt(slower.into())),
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
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_memory(256 << 20, change)
    }

    /// With a budget of so many bytes.
    pub(crate) fn with_memory(bytes: u64, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let runtime = Runtime::new().unwrap();
        let memory = Arc::new(Memory::default());
        let budget = Budget::new("test", bytes);
        let app = App::new(Parts {
            keys: keys(),
            config,
            budget: budget.clone(),
            clock: Clock::system(),
            intake: Some(memory.clone()),
            reader: None,
            pages: None,
            operations: None,
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

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
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

    pub(crate) fn post(&self, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
        let auth = basic("pk-lf-test", "sk-lf-test");
        self.send(
            "POST",
            path,
            &[("authorization", &auth), ("content-type", content_type)],
            body.as_ref(),
        )
    }

    pub(crate) fn batch(&self, events: &Value) -> Answer {
        self.post(INGESTION, "application/json", json!({ "batch": events }).to_string())
    }

    pub(crate) fn raws(&self) -> Vec<Raw> {
        self.memory.raws.lock().unwrap().clone()
    }
}

pub(crate) fn read(stream: &mut TcpStream) -> Answer {
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

pub(crate) const INGESTION: &str = "/api/public/ingestion";
pub(crate) const OTEL: &str = "/api/public/otel/v1/traces";

pub(crate) fn trace(id: &str, body: &Value) -> Value {
    json!({"id": id, "type": "trace-create", "timestamp": "2026-03-11T00:00:00Z", "body": body})
}

pub(crate) fn otlp_json() -> String {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331", "name": "s", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]})
    .to_string()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
