//! What all requests share, and which request goes where.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tracemill_model::Blame;
use tracemill_operators::{Budget, Clock};

use crate::auth::{self, Caller, Scheme};
use crate::config::Config;
use crate::drain::{self, Returning};
use crate::intake::{Intake, IntakeError};
use crate::keys::Keys;
use crate::limit::{Bucket, InFlight};
use crate::metrics::{Gauge, Metrics, Route};
use crate::pages::{Operations, Pages, PagesConfig};
use crate::reader::{ReadFigures, Reader};
use crate::reply::Refusal;
use crate::routes::openapi;
use crate::routes::table::{BASE, Table};
use crate::{cors, pages, reply};

/// What an intake is made of.
pub struct Parts {
    /// Who may write.
    pub keys: Keys,
    /// How much of everything.
    pub config: Config,
    /// Where the memory of bodies comes from.
    pub budget: Budget,
    /// The time.
    pub clock: Clock,
    /// What stores and enqueues; without it, nothing can be sent here.
    pub intake: Option<Arc<dyn Intake>>,
    /// What asks ClickHouse; without it, nothing can be read here.
    pub reader: Option<Reader>,
    /// How people sign in to the pages; without it, or without a reader, there are none.
    pub pages: Option<PagesConfig>,
    /// What tells how the machinery does, for the pages.
    pub operations: Option<Arc<dyn Operations>>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parts({:?}, {:?})", self.keys, self.budget)
    }
}

/// An intake. Cheap to clone.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) keys: Keys,
    pub(crate) config: Config,
    pub(crate) budget: Budget,
    pub(crate) clock: Clock,
    pub(crate) intake: Option<Arc<dyn Intake>>,
    pub(crate) reader: Option<Reader>,
    pub(crate) pages: Option<Pages>,
    pub(crate) metrics: Metrics,
    pub(crate) openapi: Bytes,
    pub(crate) stopping: AtomicBool,
    shares: Vec<Share>,
    checks: Arc<Semaphore>,
}

/// What a project uses now.
struct Share {
    bucket: Bucket,
    in_flight: InFlight,
}

/// A request that was let in: counted until it is dropped.
pub(crate) struct Admitted {
    app: Arc<Inner>,
    pub(crate) caller: Caller,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.app.shares[self.caller.project.index].in_flight.leave();
    }
}

impl App {
    /// An intake of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let projects = parts.keys.projects();
        let share = || Share {
            bucket: Bucket::new(parts.config.rate, parts.config.burst),
            in_flight: InFlight::default(),
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            shares: projects.iter().map(|_| share()).collect(),
            metrics: Metrics::new(projects.iter().map(|project| project.id.clone())),
            openapi: openapi::of(&table(parts.intake.is_some(), parts.reader.is_some()).listed),
            stopping: AtomicBool::new(false),
            checks: Arc::new(Semaphore::new(processors)),
            pages: parts
                .reader
                .as_ref()
                .and(parts.pages)
                .map(|pages| Pages::new(&pages, parts.operations)),
            keys: parts.keys,
            config: parts.config,
            budget: parts.budget,
            clock: parts.clock,
            intake: parts.intake,
            reader: parts.reader,
        }))
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// What became of interactive queries; `None`: nothing is read here.
    #[must_use]
    pub fn reads(&self) -> Option<ReadFigures> {
        self.0.reader.as_ref().map(Reader::figures)
    }

    /// Requests in progress by project id.
    #[must_use]
    pub fn in_flight(&self) -> Vec<(tracemill_model::ingest::Text, u32)> {
        let shares = self.0.keys.projects().iter().zip(&self.0.shares);
        shares
            .map(|(project, share)| (project.id.clone(), share.in_flight.now()))
            .collect()
    }

    /// The routes, as an axum router that other routes can be merged with.
    pub fn router(&self) -> Router {
        let api = table(self.0.intake.is_some(), self.0.reader.is_some());
        let mut all = Router::new().nest(BASE, api.router);
        if self.0.pages.is_some() {
            all = all.merge(pages::router());
        }
        all.method_not_allowed_fallback(not_allowed)
            .fallback(not_found)
            .layer(middleware::from_fn_with_state(self.clone(), around))
            .with_state(self.clone())
    }
}

/// The routes of a process that takes what clients send, or can be read, or both.
fn table(takes: bool, reads: bool) -> Table {
    let mut table = Table::shared();
    if takes {
        table = table.writing();
    }
    if reads {
        table = table.reading();
    }
    table
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "App({:?}, {:?})", self.0.keys, self.0.budget)
    }
}

impl Inner {
    /// What takes what clients send.
    pub(crate) fn intake(&self) -> Result<&dyn Intake, Refusal> {
        self.intake.as_deref().ok_or_else(|| self.busy())
    }

    /// The answer to what can pass.
    pub(crate) fn busy(&self) -> Refusal {
        Refusal::Busy(self.config.retry_after)
    }

    /// The answer to what the intake could not take; what happened goes to the log.
    pub(crate) fn failed(&self, error: &IntakeError) -> Refusal {
        tracing::warn!(kind = error.kind(), %error, "not_taken");
        match error {
            IntakeError::Unavailable { retry_after, .. } => {
                Refusal::Busy(retry_after.unwrap_or(self.config.retry_after))
            }
            IntakeError::Broken(_) => Refusal::Bug,
        }
    }

    /// Runs a check of about `size` bytes: here, or on a thread of its own, where as many run as there are processors.
    pub(crate) async fn check<T: Send + 'static>(
        &self,
        size: u64,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        if size <= self.config.inline {
            return Ok(check());
        }
        let Ok(permit) = Arc::clone(&self.checks).acquire_owned().await else {
            return Err(self.busy());
        };
        let checked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            check()
        });
        checked.await.map_err(|_| Refusal::Bug)
    }
}

/// Key, rate and number of requests in progress.
pub(crate) async fn admit(app: &App, headers: &axum::http::HeaderMap, scheme: Scheme) -> Result<Admitted, Refusal> {
    let inner = &app.0;
    let caller = auth::caller(inner, headers, scheme).await?;
    let (share, now) = (&inner.shares[caller.project.index], inner.clock.now());
    let tokens = share.bucket.take(now);
    if !tokens.granted {
        let limit = inner.config.burst.max(1);
        return Err(Refusal::Rate { tokens, limit, now });
    }
    let limit = inner.config.in_flight;
    if !share.in_flight.enter(limit) {
        return Err(Refusal::InFlight { limit, now });
    }
    Ok(Admitted {
        app: Arc::clone(inner),
        caller,
    })
}

/// CORS, metrics, and what is left of a refused body.
async fn around(State(app): State<App>, path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let inner = &app.0;
    let _gauge = Gauge::enter(&inner.metrics.in_flight);
    let route = path
        .as_ref()
        .map_or(Route::Other, |path| route(path.as_str(), request.method()));
    let origin = cors::origin(request.headers());
    // Pages are for people: nobody else's page may read them.
    let is_page = inner.pages.is_some() && !request.uri().path().starts_with("/api/");
    let mut response = if request.method() == Method::OPTIONS && path.is_some() && !is_page {
        cors::preflight(request.headers())
    } else {
        answer(
            inner,
            request,
            next,
            |response, took| {
                inner.metrics.answered(route, response.status().as_u16(), took);
            },
            began,
        )
        .await
    };
    if !is_page {
        cors::allow(origin, &mut response);
    }
    if inner.stopping.load(Ordering::Relaxed) {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn answer(
    inner: &Inner,
    request: Request,
    next: Next,
    answered: impl FnOnce(&Response, Duration),
    began: Instant,
) -> Response {
    let asks_first = request.headers().contains_key(EXPECT);
    let sent = request
        .headers()
        .get(CONTENT_LENGTH)
        .is_some_and(|length| length != "0");
    let bodiless = !sent && axum::body::HttpBody::is_end_stream(request.body());
    if bodiless {
        let response = next.run(request).await;
        answered(&response, began.elapsed());
        return response;
    }
    let (head, body) = request.into_parts();
    let (body, mut unread) = Returning::new(body);
    let response = next.run(Request::from_parts(head, Body::new(body))).await;
    answered(&response, began.elapsed());
    let closes = response.headers().contains_key(CONNECTION);
    if let Ok(body) = unread.try_recv()
        && !asks_first
        && !closes
    {
        drain::drain(body, inner.config.drain, inner.config.drain_timeout).await;
    }
    response
}

fn route(path: &str, method: &Method) -> Route {
    if method == Method::DELETE {
        return Route::Delete;
    }
    let Some(path) = path.strip_prefix("/api/public/") else {
        return Route::Page;
    };
    if method == Method::GET && !matches!(path, "projects" | "health" | "ready") {
        let path = path.strip_prefix("v2/").or(path.strip_prefix("v3/")).unwrap_or(path);
        return match path.split('/').next() {
            Some("traces" | "observations" | "scores" | "sessions" | "metrics") => Route::Read,
            _ => Route::Other,
        };
    }
    match path {
        "ingestion" => Route::Ingestion,
        "otel/v1/traces" => Route::OtelTraces,
        "otel/v1/metrics" => Route::OtelMetrics,
        "scores" => Route::Scores,
        "traces" | "spans" | "generations" | "events" => Route::Single,
        "projects" => Route::Projects,
        "health" | "ready" => Route::Health,
        _ => Route::Other,
    }
}

async fn not_allowed() -> Response {
    reply::error(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowedError",
        "Method not allowed",
    )
}

async fn not_found(State(app): State<App>, uri: Uri) -> Response {
    if app.0.pages.is_some() && !uri.path().starts_with("/api/") {
        return pages::not_found();
    }
    reply::error(StatusCode::NOT_FOUND, "LangfuseNotFoundError", "Not found")
}
