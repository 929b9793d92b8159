//! `migrate`: makes the tables, or adopts those that are there.

use clap::Args;
use tracemill_warehouse::{MigrateOptions, Service, ServiceKind, migrate as run_migrate};

use super::GraphArg;
use crate::PipelineError;
use crate::config::Engine;
use crate::session::Session;

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Make the tables on every server of this cluster, with replicated engines. Wins over `clickhouse.cluster`.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// `tracemill migrate`.
pub(super) async fn migrate(args: MigrateArgs) -> Result<(), PipelineError> {
    let session = Session::open(&args.graph.graph).await?;
    let done = with_session(&session, args.cluster, args.dry_run).await;
    let closed = session.close().await;
    done.and(closed)
}

async fn with_session(session: &Session, cluster: Option<String>, dry_run: bool) -> Result<(), PipelineError> {
    let service = session.service(ServiceKind::ReadWrite)?;
    let configured = match &session.checked.engine {
        Engine::Servers(servers) => servers.cluster.clone(),
        Engine::Embedded(_) => None,
    };
    let cluster = cluster.or(configured);
    tables(&service, cluster, dry_run).await
}

/// Brings a server's tables up to date, and tells about it.
///
/// # Errors
/// ClickHouse's; [`PipelineError::Table`] if what is there cannot be used.
pub(crate) async fn tables(service: &Service, cluster: Option<String>, dry_run: bool) -> Result<(), PipelineError> {
    let options = MigrateOptions {
        replicated: cluster.is_some(),
        cluster,
        dry_run,
    };
    let report = run_migrate(service, &options).await?;
    let verb = if dry_run { "would be made" } else { "made" };
    println!("version {} to {}", report.from, report.to);
    for table in &report.created {
        println!("{table}: {verb}");
    }
    for table in &report.adopted {
        println!("{table}: was there, adopted as it is");
    }
    for finding in &report.findings {
        println!("{finding}");
    }
    if report.is_usable() {
        return Ok(());
    }
    let faults: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    Err(PipelineError::Table {
        table: "a table".to_owned(),
        reason: faults.join("; "),
    })
}
