//! The threads that encode.
//!
//! One small pool for the process, so that many files in progress share its threads instead of adding to them. They take what
//! others leave of the processors. Beside readers on the same machine there is a second pool, whose threads run only where nobody
//! else would: a query that wakes up takes their processor at once. Where nobody leaves them anything, the first pool takes over for a
//! while, so the export keeps its part.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tracemill_operators::Nice;
use tracemill_operators::governor::Readers;

/// Both pools.
struct Pools {
    threads: usize,
    usual: Option<ThreadPool>,
    /// Begun when it is first needed.
    idle: OnceLock<Option<ThreadPool>>,
    /// The idle pool is not used before then, in ms since `zero`.
    starved_until: AtomicU64,
    zero: Instant,
}

static POOLS: OnceLock<Pools> = OnceLock::new();

/// Work that takes longer got hardly any processor: it is cut into pieces of some ten milliseconds.
const STARVED: Duration = Duration::from_secs(1);
/// How many times as long as that work took the idle pool is left alone.
const RESTS: u32 = 10;

/// Sets the number of encoder threads of this process; 0 means one per CPU. Says whether it took effect: the first call, or the
/// first file if that comes earlier, decides.
pub fn pool(threads: usize) -> bool {
    let mut built = false;
    POOLS.get_or_init(|| {
        built = true;
        Pools::new(threads)
    });
    built
}

fn build(threads: usize, name: &'static str, nice: Nice) -> Option<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |number| format!("{name}-{number}"))
        .start_handler(move |_| nice.apply())
        .build()
        .ok()
}

impl Pools {
    fn new(threads: usize) -> Self {
        Self {
            threads,
            usual: build(threads, "encode", Nice::ENCODE),
            idle: OnceLock::new(),
            starved_until: AtomicU64::new(0),
            zero: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The idle pool, unless it starves.
    fn idle(&self) -> Option<&ThreadPool> {
        if self.now() < self.starved_until.load(Ordering::Relaxed) {
            return None;
        }
        let begin = || build(self.threads, "encode-idle", Nice::IDLE);
        self.idle.get_or_init(begin).as_ref()
    }

    /// What the idle pool did took so long, pauses for readers not counted.
    fn took(&self, time: Duration) {
        if time > STARVED {
            let rests = u64::try_from((time * RESTS).as_millis()).unwrap_or(u64::MAX);
            self.starved_until
                .fetch_max(self.now().saturating_add(rests), Ordering::Relaxed);
        }
    }
}

/// Runs `work` where its parallel parts are spread over a pool. If no thread could be started, the caller's thread does it.
pub(super) fn run<T: Send>(readers: &Readers, work: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_some() {
        return work();
    }
    let pools = POOLS.get_or_init(|| Pools::new(0));
    if readers.is_beside()
        && let Some(pool) = pools.idle()
    {
        let (began, given) = (Instant::now(), readers.given());
        let done = pool.install(work);
        let given = readers.given().saturating_sub(given);
        pools.took(began.elapsed().saturating_sub(given));
        return done;
    }
    match &pools.usual {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_pool_that_starves_is_left_alone_for_a_while() {
        let mut pools = Pools::new(1);
        assert!(pools.idle().is_some());
        pools.took(STARVED);
        assert!(pools.idle().is_some(), "slow, but not starved");
        pools.took(STARVED * 2);
        assert!(pools.idle().is_none());
        pools.zero -= STARVED * 2 * RESTS + Duration::from_millis(1);
        assert!(pools.idle().is_some(), "and is tried again");
    }

    #[test]
    fn work_runs_on_the_pool_of_its_readers() {
        let name = |readers: &Readers| run(readers, || std::thread::current().name().unwrap_or_default().to_owned());
        assert!(name(&Readers::default()).starts_with("encode-") && !name(&Readers::default()).contains("idle"));
        assert!(name(&Readers::new(0.1)).starts_with("encode-idle-"));
    }
}
