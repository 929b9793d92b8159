//! `check`: is the graph file right, and with `--connect`, are the servers and stores that it names?

use std::collections::BTreeSet;

use clap::Args;
use tracemill_model::Blame;
use tracemill_operators::Clock;
use tracemill_warehouse::{Service, ServiceKind};

use super::GraphArg;
use crate::PipelineError;
use crate::assemble;
use crate::bars::say;
use crate::config::{Backend, BullMq, Checked, Engine, Projects};
use crate::error::exit_code;
use crate::ingestion::assemble::prices;
use crate::preflight;
use crate::session::{Session, load};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Ask every server and every store too. A store is asked by writing, reading and removing a small object.
    #[arg(long)]
    connect: bool,
}

/// `tracemill check`.
pub(super) async fn check(args: CheckArgs) -> Result<(), PipelineError> {
    let checked = load(&args.graph.graph)?;
    summary(&checked);
    // It is a file of this machine, as the graph file is.
    let priced = prices(&checked.prices)?;
    if let Some(file) = &checked.prices.file {
        say(&format!(
            "  ok      price file {}: {} models are known",
            file.display(),
            priced.len()
        ));
    }
    if !args.connect {
        say("ok");
        return Ok(());
    }
    let mut results = Results::default();
    match Session::of(checked).await {
        Ok(session) => {
            connect(&session, &mut results).await;
            let is_ours = session.engine.is_some();
            let closed = session.close().await;
            if is_ours {
                results.add("the embedded engine stops", closed);
            }
        }
        Err(error) => results.add("the embedded engine starts", Err(error)),
    }
    results.end()
}

/// What the file asks for.
fn summary(checked: &Checked) {
    say(&checked.file);
    match &checked.engine {
        Engine::Embedded(embedded) => say(&format!("  engine   embedded, in {}", embedded.dir.display())),
        Engine::Servers(servers) => {
            let named = [
                ("export", Some(&servers.export)),
                ("read_only", servers.read_only.as_ref()),
                ("read_write", servers.read_write.as_ref()),
            ];
            for (name, server) in named.into_iter().filter_map(|(name, server)| Some((name, server?))) {
                say(&format!(
                    "  service  {name}: {} as {}, database {}",
                    server.url, server.user, server.database
                ));
            }
        }
    }
    for (name, store) in &checked.stores {
        say(&format!("  store    {name}: {}", store.url));
    }
    ingestion(checked);
    for graph in &checked.graphs {
        for route in graph.routes() {
            let projects = match &route.windows.projects {
                Projects::All => "all projects".to_owned(),
                Projects::Ids(ids) => format!("{} projects", ids.len()),
            };
            let tables: Vec<&str> = route.windows.tables.iter().map(|choice| choice.table.name()).collect();
            say(&format!(
                "  export   {}.{}: {projects}, {}",
                graph.name,
                route.name,
                tables.join(", ")
            ));
        }
    }
}

/// What the file asks for of the intake and the ingestion graph. No key, no salt, no password.
fn ingestion(checked: &Checked) {
    if let Some(intake) = &checked.intake {
        say(&format!(
            "  intake   {}: bodies to {}, OTLP to {}, {} in flight",
            intake.listen, intake.body, intake.otlp_body, intake.memory
        ));
    }
    for access in &checked.access {
        let public: Vec<&str> = access.keys.iter().map(|key| key.public.as_str()).collect();
        say(&format!(
            "  access   {} ({}): {}",
            access.project,
            access.name,
            public.join(", ")
        ));
    }
    let Some((graph, route)) = checked.ingestion() else {
        return;
    };
    match &route.queue.backend {
        Backend::Local { dir } => say(&format!("  queue    {}: local, in {}", route.source, dir.display())),
        Backend::BullMq(bullmq) => {
            let cluster = if bullmq.cluster { " (cluster)" } else { "" };
            say(&format!(
                "  queue    {}: bullmq at {}{cluster}, {}",
                route.source,
                bullmq.address,
                bullmq.names().join(", ")
            ));
        }
    }
    if let Some(file) = &checked.prices.file {
        say(&format!("  prices   {}", file.display()));
    }
    say(&format!(
        "  ingest   {}.{}: raw objects in {} ({:?}), letters in {} ({:?})",
        graph.name, route.sink, route.queue.store, route.queue.prefix, route.letters.store, route.letters.prefix
    ));
}

async fn connect(session: &Session, results: &mut Results) {
    let kinds: &[ServiceKind] = match &session.checked.engine {
        Engine::Embedded(_) => &[ServiceKind::Export],
        Engine::Servers(servers) => match (&servers.read_only, &servers.read_write) {
            (None, None) => &[ServiceKind::Export],
            (_, Some(_)) => &[ServiceKind::Export, ServiceKind::ReadOnly, ServiceKind::ReadWrite],
            (Some(_), None) => &[ServiceKind::Export, ServiceKind::ReadOnly],
        },
    };
    for kind in kinds {
        match session.service(*kind) {
            Ok(service) => server(session, *kind, &service, results).await,
            Err(error) => results.add(&format!("service {kind}"), Err(error)),
        }
    }
    let mut probed = BTreeSet::new();
    for route in session.checked.graphs.iter().flat_map(|graph| graph.routes()) {
        if probed.insert(route.sink.store.clone()) {
            let probe = async {
                let store = assemble::open_store(&session.checked, &route)?;
                Ok(store.probe().await?)
            };
            results.add(
                &format!("store {} writes, refuses, reads, removes", route.sink.store),
                probe.await,
            );
        }
    }
    let Some((_, route)) = session.checked.ingestion() else {
        return;
    };
    for place in preflight::places(&route) {
        results.add(
            &format!("{}: writes, reads, removes", place.name()),
            place.probe(session).await,
        );
    }
    if let Backend::BullMq(bull) = &route.queue.backend {
        redis(bull, results).await;
    }
}

/// What may lose jobs is told, and is no failure.
async fn redis(bull: &BullMq, results: &mut Results) {
    let address = &bull.address;
    match preflight::redis(bull).await {
        Ok(report) => {
            let version = report.version();
            results.add(&format!("redis at {address} answers (version {version})"), Ok(()));
            for (warning, hint) in report.warnings() {
                say(&format!("  warning redis at {address}: {warning}"));
                say(&format!("          hint: {hint}"));
            }
        }
        Err(error) => results.add(&format!("redis at {address} answers"), Err(error)),
    }
}

/// Where a server cannot be reached, nothing more is asked of it.
async fn server(session: &Session, kind: ServiceKind, service: &Service, results: &mut Results) {
    let version = service.server_version().await;
    let name = match &version {
        Ok(version) => format!("service {kind} answers (version {version})"),
        Err(_) => format!("service {kind} answers"),
    };
    let is_there = version.is_ok();
    results.add(&name, version.map(drop).map_err(Into::into));
    if is_there && kind == ServiceKind::ReadWrite && session.checked.ingestion().is_some() {
        results.add(
            "tables of ingestion have their columns",
            preflight::check_every_table(service).await,
        );
    }
    if is_there && kind == ServiceKind::Export {
        results.add("clocks agree", preflight::check_clock(service, &Clock::system()).await);
        results.add(
            "tables have their columns",
            preflight::check_tables(session, service).await,
        );
    }
}

/// What was checked.
#[derive(Default)]
struct Results {
    all: usize,
    failed: Vec<u8>,
}

impl Results {
    fn add(&mut self, name: &str, result: Result<(), PipelineError>) {
        self.all += 1;
        match result {
            Ok(()) => say(&format!("  ok      {name}")),
            Err(error) => {
                say(&format!("  FAILED  {name}: {error}"));
                if let Some(hint) = error.hint() {
                    say(&format!("          hint: {hint}"));
                }
                self.failed.push(exit_code(&error));
            }
        }
    }

    fn end(self) -> Result<(), PipelineError> {
        match self.failed.first() {
            None => {
                say("ok");
                Ok(())
            }
            Some(code) => Err(PipelineError::Checks {
                failed: self.failed.len(),
                all: self.all,
                code: *code,
            }),
        }
    }
}
