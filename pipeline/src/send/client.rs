//! One request over HTTP, until it is accepted.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use tracemill_sources::synth::sdk::{Request, Route};
use url::Url;

use super::answer::{FIRST, LONGEST, Verdict, judge};
use super::{Key, SendOptions};
use crate::PipelineError;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The connections to one server.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    urls: [Url; 2],
    keys: Vec<Signature>,
    gzip: bool,
}

#[derive(Debug)]
struct Signature {
    authorization: HeaderValue,
    public: HeaderValue,
}

/// What an accepted request was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    /// Bytes of the body as sent.
    pub(super) bytes: u64,
    /// Events that were refused.
    pub(super) refused: u64,
}

impl Client {
    pub(super) fn new(options: &SendOptions) -> Result<Self, PipelineError> {
        if options.keys.is_empty() {
            return Err(usage("there is no key to send with".to_owned()));
        }
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http1_only()
            .pool_max_idle_per_host(options.connections.max(1))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| usage(format!("cannot make an HTTP client: {}", chain(&error))))?;
        let base = options.url.trim_end_matches('/');
        let url = |route: Route| {
            let url = format!("{base}{}", route.path());
            Url::parse(&url)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                .ok_or_else(|| usage(format!("{base} is no server's address: write http://host:3000")))
        };
        Ok(Self {
            http,
            urls: [url(Route::Rest)?, url(Route::Otlp)?],
            keys: options.keys.iter().map(signature).collect::<Result<_, _>>()?,
            gzip: options.gzip,
        })
    }

    /// Sends it until it is accepted.
    pub(super) async fn deliver(&self, request: &Request, retries: &AtomicU64) -> Result<Sent, PipelineError> {
        let gzip = self.gzip && request.route == Route::Otlp;
        let body = if gzip {
            packed(&request.body)
        } else {
            request.body.clone()
        };
        let bytes = body.len() as u64;
        let mut pause = FIRST;
        loop {
            let asked = match self.once(request, body.clone(), gzip).await {
                Ok(Verdict::Accepted(refused)) => return Ok(Sent { bytes, refused }),
                Ok(Verdict::Again(asked)) => asked,
                Ok(Verdict::Never(reason)) => {
                    let url = &self.urls[usize::from(request.route == Route::Otlp)];
                    return Err(usage(format!("{url} refuses what it is sent: {reason}")));
                }
                Err(error) => {
                    tracing::debug!(error = chain(&error), "no answer");
                    None
                }
            };
            retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(asked.unwrap_or(pause)).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    async fn once(&self, request: &Request, body: Bytes, gzip: bool) -> reqwest::Result<Verdict> {
        let route = request.route;
        let key = &self.keys[request.project % self.keys.len()];
        let mut post = self
            .http
            .post(self.urls[usize::from(route == Route::Otlp)].clone())
            .header(AUTHORIZATION, key.authorization.clone())
            .header("x-langfuse-public-key", key.public.clone())
            .header("x-langfuse-sdk-name", "python")
            .header("x-langfuse-sdk-version", route.sdk_version())
            .header(CONTENT_TYPE, route.content_type());
        if gzip {
            post = post.header(CONTENT_ENCODING, "gzip");
        }
        let answer = post.body(body).send().await?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).cloned();
        let text = answer.bytes().await?;
        let retry_after = retry_after.as_ref().and_then(|value| value.to_str().ok());
        Ok(judge(status, retry_after, route, &text))
    }
}

fn signature(key: &Key) -> Result<Signature, PipelineError> {
    let pair = STANDARD.encode(format!("{}:{}", key.public, key.secret.reveal()));
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| usage(format!("the public key of {} is no header's value", key.project)))
    };
    let mut authorization = value(&format!("Basic {pair}"))?;
    authorization.set_sensitive(true);
    Ok(Signature {
        authorization,
        public: value(&key.public)?,
    })
}

fn packed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::fast());
    let whole = encoder.write_all(body).and_then(|()| encoder.finish());
    whole.expect("a Vec takes every write").into()
}

fn usage(reason: String) -> PipelineError {
    PipelineError::Usage { reason }
}

/// An error with its causes, which reqwest leaves out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
