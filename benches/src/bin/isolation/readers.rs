//! The readers: an open loop of interactive queries. A query's latency counts from when it was due, so that a server that
//! stands still is not spared the queries that would have come meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tracemill_benches::day::Day;
use tracemill_benches::process::pause;
use tracemill_benches::server::ClickHouse;
use tracemill_benches::{Failure, http};

/// As many may wait for their answers at once.
const THREADS: usize = 96;
/// How long a reader waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at whether it is over.
const NAP: Duration = Duration::from_millis(50);

/// One query of a reader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    /// When it was due, in seconds since the readers began.
    pub(crate) due: f64,
    /// From then to the end of its answer, in seconds.
    pub(crate) took: f64,
    /// Whether there was an answer.
    pub(crate) is_answered: bool,
}

/// What is asked, and when.
pub(crate) struct Readers {
    queries: Vec<String>,
    due: Vec<f64>,
    database: &'static str,
    /// What they say of their `priority`.
    priority: u32,
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Between 0 and 1.
    fn part(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

impl Readers {
    /// Readers of that day. `rate`: queries a second at a time in seconds; they come by chance, as those of people do.
    pub(crate) fn new(
        server: &ClickHouse,
        day: &Day,
        priority: u32,
        rate: impl Fn(f64) -> f64,
        seconds: f64,
    ) -> Result<Self, Failure> {
        let ids = server.ask(
            day.database,
            &format!(
                "SELECT id FROM traces WHERE project_id = '{}' ORDER BY cityHash64(id) LIMIT 1000",
                day.project
            ),
        )?;
        let ids: Vec<&str> = ids.lines().collect();
        if ids.is_empty() {
            return Err("the day has no traces to read".into());
        }
        let (mut random, mut due, mut queries) = (Random(0x5eed_cafe_f00d), Vec::new(), Vec::new());
        let mut at = 0.0;
        while at < seconds {
            at -= random.part().ln() / rate(at).max(1e-3);
            due.push(at);
            let id = ids[(random.next() % ids.len() as u64) as usize];
            queries.push(query(random.next() % 4, day, id));
        }
        Ok(Self {
            queries,
            due,
            database: day.database,
            priority,
        })
    }

    /// Asks until `stop`; then waits for what was asked.
    pub(crate) fn run(&self, server: &ClickHouse, began: Instant, stop: &AtomicBool) -> Vec<Read> {
        let (next, reads) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(read) = self.one(server, began, stop, &next) {
                        if let Ok(mut reads) = reads.lock() {
                            reads.push(read);
                        }
                    }
                });
            }
        });
        let mut reads = reads.into_inner().unwrap_or_default();
        reads.sort_by(|a: &Read, b: &Read| a.due.total_cmp(&b.due));
        reads
    }

    fn one(&self, server: &ClickHouse, began: Instant, stop: &AtomicBool, next: &AtomicUsize) -> Option<Read> {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let (due, query) = (*self.due.get(at)?, self.queries.get(at)?);
        loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let left = due - began.elapsed().as_secs_f64();
            if left <= 0.0 {
                break;
            }
            pause(Duration::from_secs_f64(left).min(NAP));
        }
        let priority = self.priority.to_string();
        let settings = [
            ("priority", &*priority),
            ("database", self.database),
            ("log_comment", "interactive"),
            ("max_execution_time", "30"),
            ("readonly", "2"),
        ];
        let is_answered = http::text(&server.address, &settings, query, PATIENCE).is_ok();
        Some(Read {
            due,
            took: began.elapsed().as_secs_f64() - due,
            is_answered,
        })
    }
}

/// A trace, its observations, the latest traces, or the day by hours: what pages and programs ask for most.
fn query(kind: u64, day: &Day, id: &str) -> String {
    let Day { project, window, .. } = day;
    let span = |column: &str| {
        format!(
            "{column} >= fromUnixTimestamp64Milli(toInt64({}), 'UTC') AND {column} < fromUnixTimestamp64Milli(toInt64({}), 'UTC')",
            window.from.0, window.to.0
        )
    };
    match kind {
        0 => format!(
            "SELECT * FROM traces WHERE project_id = '{project}' AND id = '{id}' ORDER BY event_ts DESC LIMIT 1"
        ),
        1 => format!(
            "SELECT id, type, name, start_time, end_time, level, provided_model_name FROM observations \
             WHERE project_id = '{project}' AND trace_id = '{id}' AND {} ORDER BY start_time, event_ts DESC LIMIT 1 BY id",
            span("start_time")
        ),
        2 => format!(
            "SELECT id, name, timestamp, user_id, session_id, tags FROM traces WHERE project_id = '{project}' AND {} \
             ORDER BY timestamp DESC LIMIT 50",
            span("timestamp")
        ),
        _ => format!(
            "SELECT toStartOfHour(start_time) AS hour, count(), sum(total_cost), quantile(0.9)(date_diff('ms', start_time, end_time)) \
             FROM observations WHERE project_id = '{project}' AND {} GROUP BY hour ORDER BY hour",
            span("start_time")
        ),
    }
}
