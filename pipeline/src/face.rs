//! The HTTP face of a process: keys and limits of the configuration, and the listener.

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracemill_model::Secret;
use tracemill_operators::{Budget, Clock};
use tracemill_web::{App, Config, Intake, KeyConfig, Keys, Limits, Organisation, Parts, SecretForm, fast_hash};

use crate::PipelineError;
use crate::config::{self, Access, Checked, KeyProof};
use crate::ingestion::intake::Switch;
use crate::observe::Registry;
use crate::session::Session;

/// The face of a process, whose graph is reached through `switch`, until `stop` is true.
///
/// # Errors
/// As [`listen`].
pub async fn run(
    session: &Session,
    switch: Switch,
    registry: &Registry,
    mut stop: watch::Receiver<bool>,
) -> Result<(), PipelineError> {
    let Some(config) = &session.checked.intake else {
        return Ok(());
    };
    let stopped = async move {
        // A sender that is gone stops us as well.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let clock = Clock::system();
    listen_told(
        &session.checked,
        config,
        Arc::new(switch),
        &clock,
        |app| registry.face(app),
        stopped,
    )
    .await
}

/// Listens, and serves until `shutdown`; what is in progress then is answered.
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
    listen_told(checked, config, intake, clock, |_| {}, shutdown).await
}

/// The same; `tell` is given what serves before it does.
async fn listen_told(
    checked: &Checked,
    config: &config::Intake,
    intake: Arc<dyn Intake>,
    clock: &Clock,
    tell: impl FnOnce(&App),
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), PipelineError> {
    let failed = |what: &str, reason: String| PipelineError::Io {
        what: what.to_owned(),
        reason,
    };
    let web = web_config(config);
    let salt = config.salt.clone().unwrap_or_else(|| Secret::new(String::new()));
    let keys = checked
        .access
        .iter()
        .flat_map(|access| keys_of(access, &salt))
        .collect();
    let keys = Keys::new(keys, &salt, web.bcrypt_at_once)
        .map_err(|error| failed("the keys of [access] cannot be used", error.to_string()))?;
    let app = App::new(Parts {
        keys,
        config: web,
        budget: Budget::new("intake", config.memory.0),
        clock: clock.clone(),
        intake,
    });
    tell(&app);
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| failed(&format!("cannot listen on {}", config.listen), error.to_string()))?;
    let address = listener.local_addr().map_or(config.listen, |address| address);
    tracing::info!(%address, "listening");
    tracemill_web::serve(listener, &app, app.router(), shutdown)
        .await
        .map_err(|error| failed("the intake failed", error.to_string()))
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
