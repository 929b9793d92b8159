//! The `tracemill` binary.

use std::process::ExitCode;

use clap::Parser;
use tracemill_model::Blame;
use tracemill_pipeline::allocator;
use tracemill_pipeline::commands::Cli;
use tracemill_pipeline::error::exit_code;
use tracemill_pipeline::telemetry;

fn main() -> ExitCode {
    // The embedded engine runs in a child process of its own, which is this same program.
    tracemill_warehouse::embedded::run_if_child();
    allocator::tune();
    let cli = Cli::parse();
    telemetry::init(cli.log_filter());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tracemill: cannot start: {error}");
            return ExitCode::from(70);
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tracemill: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("  hint: {hint}");
            }
            ExitCode::from(exit_code(&error))
        }
    }
}
