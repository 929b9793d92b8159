//! The threads that encode.
//!
//! One small pool for the process, so that many files in progress share its threads instead of adding to them. They take what
//! others leave of the processors.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tracemill_operators::Nice;

static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// Sets the number of encoder threads of this process; 0 means one per CPU. Says whether it took effect: the first call, or the
/// first file if that comes earlier, decides.
pub fn pool(threads: usize) -> bool {
    let mut built = false;
    POOL.get_or_init(|| {
        built = true;
        build(threads)
    });
    built
}

fn build(threads: usize) -> Option<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("encode-{number}"))
        .start_handler(|_| Nice::ENCODE.apply())
        .build()
        .ok()
}

/// Runs `work` where its parallel parts are spread over the pool. If no thread could be started, the caller's thread does it.
pub(super) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_some() {
        return work();
    }
    match POOL.get_or_init(|| build(0)) {
        Some(pool) => pool.install(work),
        None => work(),
    }
}
