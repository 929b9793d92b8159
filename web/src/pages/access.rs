//! Who visits a page, and which projects are there for them.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use tracemill_model::Millis;

use super::frame::Failure;
use super::session::{self, Who};
use super::{Pages, links};
use crate::app::App;
use crate::keys::Project;
use crate::reader::Reader;

/// One who has signed in.
#[derive(Clone)]
pub(super) struct SignedIn {
    pub(super) app: App,
    pub(super) who: Who,
    /// The projects that they see: at least one.
    pub(super) projects: Vec<Arc<Project>>,
}

/// One who has signed in and asks for a page of a project that they see.
pub(super) struct Visitor {
    pub(super) signed_in: SignedIn,
    pub(super) project: Arc<Project>,
}

impl SignedIn {
    /// Whose session the request carries, if that is still worth something.
    pub(super) fn of(app: &App, headers: &HeaderMap) -> Option<Self> {
        let pages = app.0.pages.as_ref()?;
        let all = headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|header| header.to_str().ok());
        let who = all
            .filter_map(session::value)
            .find_map(|value| pages.signer.open(value, app.0.clock.now()))?;
        let projects = match &who {
            Who::Operator => app.0.keys.projects().to_vec(),
            Who::Key(public) => app.0.keys.public(public).into_iter().collect(),
        };
        (!projects.is_empty()).then(|| Self {
            app: app.clone(),
            who,
            projects,
        })
    }

    pub(super) fn is_operator(&self) -> bool {
        self.who == Who::Operator
    }

    pub(super) fn now(&self) -> Millis {
        self.app.0.clock.now()
    }

    pub(super) fn pages(&self) -> &Pages {
        self.app
            .0
            .pages
            .as_ref()
            .expect("who has signed in did so by the pages")
    }

    pub(super) fn reader(&self) -> Result<&Reader, Failure> {
        self.app.0.reader.as_ref().ok_or(Failure::Bug)
    }
}

impl Visitor {
    /// The id that every query is bound to.
    pub(super) fn id(&self) -> &str {
        &self.project.id
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        Self::of(app, &parts.headers).ok_or_else(|| to_sign_in(&parts.uri))
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        let Ok(Path(path)) = Path::<Vec<(String, String)>>::from_request_parts(parts, app).await else {
            return Err(Failure::NotFound("page").page(&signed_in, None));
        };
        let id = path
            .iter()
            .find(|(name, _)| name == "project")
            .map(|(_, id)| id.as_str());
        let project = signed_in
            .projects
            .iter()
            .find(|project| Some(&*project.id) == id)
            .cloned();
        match project {
            Some(project) => Ok(Self { signed_in, project }),
            None => Err(Failure::NotFound("project").page(&signed_in, None)),
        }
    }
}

/// Where one signs in, to come back afterwards.
fn to_sign_in(uri: &Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let next = if path == "/" { "" } else { path };
    Redirect::to(&format!("/sign-in{}", links::query([("next", next)]))).into_response()
}
