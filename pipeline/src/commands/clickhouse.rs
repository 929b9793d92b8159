//! `clickhouse`: the embedded engine by itself, for people who want to ask it something.

use std::path::PathBuf;

use clap::Args;
use tracemill_warehouse::Embedded;
use tracemill_warehouse::embedded::Options;

use crate::PipelineError;
use crate::bars::say;

/// Arguments of `clickhouse`.
#[derive(Debug, Args)]
pub(super) struct ClickhouseArgs {
    /// The data folder: that of a demo, or of an `[embedded]` section.
    #[arg(long, default_value = "tracemill-data/clickhouse", value_name = "FOLDER")]
    dir: PathBuf,
    /// The HTTP port; a free one without it.
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Speak the native protocol on this port too.
    #[arg(long, value_name = "PORT")]
    tcp_port: Option<u16>,
}

/// `tracemill clickhouse`.
pub(super) async fn clickhouse(args: ClickhouseArgs) -> Result<(), PipelineError> {
    let options = Options {
        http_port: args.http_port,
        tcp_port: args.tcp_port,
        ..Options::new(args.dir)
    };
    let mut engine = Embedded::start(&options).await?;
    say(&format!(
        "ClickHouse answers at {} (user default, no password, this machine only)",
        engine.url()
    ));
    say(&format!(
        "its process is {}, its folder {}",
        engine.pid(),
        engine.folder().display()
    ));
    say(&format!(
        "try: curl '{}' --data-binary 'SELECT count() FROM observations'",
        engine.url()
    ));
    say("Ctrl-C stops it");
    let mut look = tokio::time::interval(std::time::Duration::from_millis(500));
    loop {
        tokio::select! {
            () = super::run::stop_signal() => break,
            _ = look.tick() => {
                if engine.has_ended() {
                    let what = "the engine ended by itself".to_owned();
                    let reason = format!("see {}", engine.folder().join("log").display());
                    return Err(PipelineError::Io { what, reason });
                }
            }
        }
    }
    Ok(engine.stop().await?)
}
