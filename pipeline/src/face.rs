//! The HTTP face of a process: keys and limits of the configuration, and the listener.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracemill_model::{ByteSize, Secret};
use tracemill_operators::{Budget, Clock};
use tracemill_warehouse::ServiceKind;
use tracemill_web::{
    App, Config, Intake, KeyConfig, Keys, Limits, Operations, Organisation, PagesConfig, Parts, ReadConfig, Reader,
    SecretForm, fast_hash,
};

use crate::PipelineError;
use crate::config::{self, Access, Checked, KeyProof};
use crate::ingestion::intake::Switch;
use crate::observe::Registry;
use crate::overview::Overseer;
use crate::session::Session;

/// What a face serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serves {
    /// Where.
    pub address: SocketAddr,
    /// What clients send.
    pub takes: bool,
    /// What people and programs read.
    pub reads: bool,
}

impl Serves {
    /// The workload's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        if self.takes { "intake" } else { "web" }
    }
}

/// What the faces of a process serve: one, where the intake and the queries have the same address.
#[must_use]
pub fn faces(checked: &Checked) -> Vec<Serves> {
    let takes = checked.intake.as_ref().filter(|_| checked.role.listens());
    let reads = checked.web.as_ref().filter(|_| checked.role.reads());
    let takes = takes.map(|intake| intake.listen);
    let reads = reads.map(|web| web.listen);
    let serves = |address, takes, reads| Serves { address, takes, reads };
    match (takes, reads) {
        (Some(one), Some(other)) if one == other => vec![serves(one, true, true)],
        (takes, reads) => {
            let takes = takes.map(|address| serves(address, true, false));
            takes
                .into_iter()
                .chain(reads.map(|address| serves(address, false, true)))
                .collect()
        }
    }
}

/// A face of a process, whose graph is reached through `switch`, until `stop` is true.
///
/// # Errors
/// As [`listen`]; the service `read_only` cannot be used.
pub async fn run(
    session: &Session,
    serves: Serves,
    switch: Switch,
    registry: &Registry,
    mut stop: watch::Receiver<bool>,
) -> Result<(), PipelineError> {
    let checked = &session.checked;
    let clock = Clock::system();
    let reader = match checked.web.as_ref().filter(|_| serves.reads) {
        Some(web) => Some(reader(session, web, registry)?),
        None => None,
    };
    let intake: Option<Arc<dyn Intake>> = serves.takes.then(|| Arc::new(switch) as _);
    let operations: Arc<dyn Operations> = Arc::new(Overseer::new(checked.clone(), registry.clone(), clock.clone()));
    let app = app(checked, intake, reader, Some(operations), &clock)?;
    registry.face(serves.name(), &app);
    let stopped = async move {
        // A sender that is gone stops us as well.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    serve(&app, serves.address, stopped).await
}

/// Listens as an intake alone, and serves until `shutdown`; what is in progress then is answered.
///
/// # Errors
/// The keys contradict each other, or the address cannot be had.
pub async fn listen(
    checked: &Checked,
    config: &config::Intake,
    intake: Arc<dyn Intake>,
    clock: &Clock,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), PipelineError> {
    let app = app(checked, Some(intake), None, None, clock)?;
    serve(&app, config.listen, shutdown).await
}

fn failed(what: &str, reason: String) -> PipelineError {
    PipelineError::Io {
        what: what.to_owned(),
        reason,
    }
}

/// What asks ClickHouse for interactive queries.
fn reader(session: &Session, web: &config::Web, registry: &Registry) -> Result<Reader, PipelineError> {
    let config::Reads {
        at_once,
        waiting,
        wait,
        max_rows,
        max_bytes,
    } = web.reads;
    let config = ReadConfig {
        at_once,
        waiting,
        wait,
        max_rows: max_rows.unwrap_or(0),
        max_bytes: max_bytes.unwrap_or(ByteSize(0)),
    };
    let latency = registry.latency.clone();
    let service = session.service(ServiceKind::ReadOnly)?;
    let observer = Arc::new(move |took| latency.record(took));
    Ok(Reader::new(service, config, observer, registry.readers.clone()))
}

fn app(
    checked: &Checked,
    intake: Option<Arc<dyn Intake>>,
    reader: Option<Reader>,
    operations: Option<Arc<dyn Operations>>,
    clock: &Clock,
) -> Result<App, PipelineError> {
    let config = checked.intake.as_ref();
    let web = config.map_or_else(Config::default, web_config);
    let salt = config.and_then(|config| config.salt.clone());
    let salt = salt
        .or_else(|| std::env::var("SALT").ok().map(Secret::new))
        .unwrap_or_default();
    let keys = checked
        .access
        .iter()
        .flat_map(|access| keys_of(access, &salt))
        .collect();
    let keys = Keys::new(keys, &salt, web.bcrypt_at_once)
        .map_err(|error| failed("the keys of [access] cannot be used", error.to_string()))?;
    let memory = config.map_or(config::defaults::INTAKE_MEMORY, |config| config.memory);
    Ok(App::new(Parts {
        keys,
        config: web,
        budget: Budget::new("intake", memory.0),
        clock: clock.clone(),
        intake,
        reader,
        pages: checked
            .web
            .as_ref()
            .and_then(|web| web.pages.as_ref())
            .map(pages_config),
        operations,
    }))
}

fn pages_config(pages: &config::Pages) -> PagesConfig {
    PagesConfig {
        password: pages.password.clone(),
        session_secret: pages.session_secret.clone(),
        session: pages.session,
        url: pages.url.clone(),
    }
}

async fn serve(app: &App, address: SocketAddr, shutdown: impl Future<Output = ()> + Send) -> Result<(), PipelineError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| failed(&format!("cannot listen on {address}"), error.to_string()))?;
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "listening");
    tracemill_web::serve(listener, app, app.router(), shutdown)
        .await
        .map_err(|error| failed("the listener failed", error.to_string()))
}

fn web_config(config: &config::Intake) -> Config {
    let default = Config::default();
    Config {
        body: config.body.0,
        otlp_compressed: config.otlp_body.0,
        otlp: config.decompressed.0,
        content: Limits {
            events: config.events,
            nesting: config.nesting,
            ..default.content
        },
        rate: config.requests_per_second.unwrap_or(0),
        burst: config.requests_per_second.unwrap_or(1).max(1),
        in_flight: u32::try_from(config.in_flight).unwrap_or(u32::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..default
    }
}

/// Secrets are hashed here, and forgotten with the configuration.
fn keys_of(access: &Access, salt: &Secret) -> Vec<KeyConfig> {
    let organisation = match &access.organisation {
        Some(organisation) => Organisation {
            id: organisation.id.as_str().into(),
            name: organisation.name.as_str().into(),
        },
        None => Organisation {
            id: "tracemill".into(),
            name: "Tracemill".into(),
        },
    };
    let keys = access.keys.iter().map(|key| KeyConfig {
        project_id: access.project.as_str().into(),
        project_name: access.name.as_str().into(),
        organisation: organisation.clone(),
        public_key: key.public.as_str().into(),
        secret: match &key.proof {
            KeyProof::Secret(secret) => SecretForm::Fast(Secret::new(fast_hash(secret, salt))),
            KeyProof::FastHash(hash) => SecretForm::Fast(hash.clone()),
            KeyProof::Bcrypt(hash) => SecretForm::Bcrypt(hash.clone()),
        },
    });
    keys.collect()
}
