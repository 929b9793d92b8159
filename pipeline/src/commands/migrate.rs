//! `migrate`: makes the tables, or adopts those that are there.

use clap::Args;
use tracemill_warehouse::tables::Finding;
use tracemill_warehouse::{MigrateOptions, Service, migrate as run_migrate};

use super::place::PlaceArg;
use crate::PipelineError;
use crate::bars::say;
use crate::preflight::table_error;

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    place: PlaceArg,
    /// Make the tables on every server of this cluster, with replicated engines. Wins over `clickhouse.cluster`.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// `tracemill migrate`.
pub(super) async fn migrate(args: MigrateArgs) -> Result<(), PipelineError> {
    let place = args.place.open().await?;
    let cluster = args.cluster.or_else(|| place.cluster.clone());
    let done = tables(&place.service, cluster, args.dry_run).await;
    let closed = place.close().await;
    done.and(closed)
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
    say(&format!("version {} to {}", report.from, report.to));
    for table in &report.created {
        say(&format!("{table}: {verb}"));
    }
    for table in &report.adopted {
        say(&format!("{table}: was there, adopted as it is"));
    }
    for finding in &report.findings {
        say(&format!("{finding}"));
    }
    if report.is_usable() {
        return Ok(());
    }
    let findings: Vec<&Finding> = report.findings.iter().collect();
    Err(table_error(&findings))
}
