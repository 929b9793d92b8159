//! Which routes there are. What is served and what can be listed is one: a route is added here, or nowhere.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use super::{info, ingestion, openapi, otel, read, removal, scores, single};
use crate::app::App;

/// Where all of them are.
pub(crate) const BASE: &str = "/api/public";

/// Routes, and their paths and methods.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) router: Router<App>,
    /// Paths as in an OpenAPI document: `/traces/{id}`.
    pub(crate) listed: Vec<(Method, String)>,
}

impl Table {
    fn on<H: Handler<T, App>, T: 'static>(mut self, method: Method, path: &str, handler: H) -> Self {
        let filter = MethodFilter::try_from(method.clone()).expect("a method that routes know");
        self.router = self.router.route(path, on(filter, handler));
        self.listed.push((method, path.replace("{*id}", "{id}")));
        self
    }

    fn get<H: Handler<T, App>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::GET, path, handler)
    }

    fn post<H: Handler<T, App>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::POST, path, handler)
    }

    fn patch<H: Handler<T, App>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::PATCH, path, handler)
    }

    fn delete<H: Handler<T, App>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::DELETE, path, handler)
    }

    /// What every process answers.
    pub(crate) fn shared() -> Self {
        Self::default()
            .get("/health", info::health)
            .get("/ready", info::ready)
            .get("/projects", info::projects)
            .get("/openapi.json", openapi::document)
    }

    /// What clients send to.
    pub(crate) fn writing(self) -> Self {
        self.post("/ingestion", ingestion::batch)
            .post("/otel/v1/traces", otel::traces)
            .post("/otel/v1/metrics", otel::metrics)
            .post("/scores", scores::create)
            .delete("/scores/{*id}", removal::score)
            .post("/traces", single::create_trace)
            .delete("/traces", removal::traces)
            .delete("/traces/{*id}", removal::trace)
            .post("/spans", single::create_span)
            .patch("/spans", single::update_span)
            .post("/generations", single::create_generation)
            .patch("/generations", single::update_generation)
            .post("/events", single::create_event)
    }

    /// What clients read. Ids may hold slashes, which clients' libraries leave as they are.
    pub(crate) fn reading(self) -> Self {
        use read::{metrics, metrics_v2, observations, observations_v2, scores, scores_v3, sessions, traces};
        self.get("/traces", traces::list)
            .get("/traces/{*id}", traces::get)
            .get("/observations", observations::list)
            .get("/observations/{*id}", observations::get)
            .get("/v2/observations", observations_v2::list)
            .get("/scores", scores::list)
            .get("/scores/{*id}", scores::get)
            .get("/v2/scores", scores::list_v2)
            .get("/v2/scores/{*id}", scores::get)
            .get("/v3/scores", scores_v3::list)
            .get("/sessions", sessions::list)
            .get("/sessions/{*id}", sessions::get)
            .get("/metrics/daily", metrics::daily)
            .get("/v2/metrics", metrics_v2::totals)
    }
}
