//! The ceiling: the same final rows, inserted into the same tables by nothing but HTTP requests with large blocks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tracemill_benches::Failure;
use tracemill_benches::http;

use crate::load::Bench;

/// Bytes of one insert, about.
const BLOCK: u64 = 48 << 20;
/// How long ClickHouse may be silent.
const SILENCE: Duration = Duration::from_secs(300);
const TABLES: [&str; 2] = ["observations", "traces"];

/// A way to insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// The format.
    pub(crate) format: &'static str,
    /// Connections.
    pub(crate) connections: usize,
}

const WAYS: [Way; 4] = [
    Way {
        format: "Native",
        connections: 1,
    },
    Way {
        format: "Native",
        connections: 2,
    },
    Way {
        format: "RowBinary",
        connections: 1,
    },
    Way {
        format: "RowBinary",
        connections: 2,
    },
];

/// The final rows of a run.
#[derive(Debug)]
pub(crate) struct Rows {
    format: &'static str,
    blocks: Vec<(&'static str, Vec<u8>)>,
    count: u64,
}

/// Seconds that the fastest way takes for the final rows of that database. `known`: the way that was found before.
pub(crate) fn measure(bench: &Bench<'_>, database: &str, known: Option<Way>) -> Result<(f64, f64, Way), Failure> {
    let ways = known.map_or_else(|| WAYS.to_vec(), |way| vec![way]);
    let mut best: Option<(f64, f64, Way)> = None;
    let mut rows: Option<Rows> = None;
    for way in ways {
        if rows.as_ref().is_none_or(|rows| rows.format != way.format) {
            rows = Some(read(bench, database, way.format)?);
        }
        let Some(rows) = &rows else { continue };
        let name = format!("{database}_ceiling");
        bench.database(&name)?;
        let before = bench.server.cpu()?;
        let took = insert(bench, &name, rows, way)?;
        let cpu = bench.server.cpu()? - before;
        let there: u64 = TABLES
            .iter()
            .map(|table| {
                Ok(bench
                    .server
                    .ask(&name, &format!("SELECT count() FROM {table}"))?
                    .parse::<u64>()?)
            })
            .sum::<Result<u64, Failure>>()?;
        if there < rows.count {
            return Err(format!("{there} of {} rows are there", rows.count).into());
        }
        bench.drop_database(&name)?;
        if best.is_none_or(|(least, ..)| took < least) {
            best = Some((took, cpu, way));
        }
    }
    best.ok_or_else(|| "no way to insert".into())
}

/// Reads the newest version of each row, in blocks.
fn read(bench: &Bench<'_>, database: &str, format: &'static str) -> Result<Rows, Failure> {
    let mut rows = Rows {
        format,
        blocks: Vec::new(),
        count: 0,
    };
    for table in TABLES {
        let ask = |sql: &str| bench.server.ask(database, sql);
        let count: u64 = ask(&format!("SELECT count() FROM {table} FINAL"))?.parse()?;
        let bytes: u64 = ask(&format!(
            "SELECT sum(data_uncompressed_bytes) FROM system.parts WHERE active AND database = '{database}' AND table = '{table}'"
        ))?
        .parse()?;
        rows.count += count;
        let blocks = bytes.div_ceil(BLOCK).max(1);
        for block in 0..blocks {
            let sql = format!("SELECT * FROM {table} FINAL WHERE cityHash64(id) % {blocks} = {block} FORMAT {format}");
            let query = [
                ("database", database),
                ("log_comment", "bench"),
                ("max_block_size", "65536"),
            ];
            let mut body = Vec::new();
            std::io::Read::read_to_end(
                &mut http::post(&bench.server.address, &query, &sql, SILENCE)?,
                &mut body,
            )?;
            rows.blocks.push((table, body));
        }
    }
    Ok(rows)
}

fn insert(bench: &Bench<'_>, database: &str, rows: &Rows, way: Way) -> Result<f64, Failure> {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<Failure>> = Mutex::new(None);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..way.connections {
            scope.spawn(|| {
                while let Some((table, body)) = rows.blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let insert = format!("INSERT INTO {table} FORMAT {}", way.format);
                    let query = [
                        ("database", database),
                        ("log_comment", "bench"),
                        ("query", insert.as_str()),
                        ("async_insert", "0"),
                        ("optimize_on_insert", "0"),
                    ];
                    if let Err(error) = http::text(&bench.server.address, &query, body, SILENCE)
                        && let Ok(mut failed) = failed.lock()
                    {
                        *failed = Some(error);
                    }
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    match failed.into_inner() {
        Ok(None) => Ok(took),
        Ok(Some(error)) => Err(error),
        Err(error) => Err(error.to_string().into()),
    }
}
