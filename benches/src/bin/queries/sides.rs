//! Both sides: ours sends what the web sends, the reference what its own would. Rows, bytes and memory are the server's own counters,
//! sent with each answer.

use std::time::Instant;

use clickhouse::{RowOwned, RowRead};
use serde::de::DeserializeOwned;
use tracemill_benches::Failure;
use tracemill_benches::server::ClickHouse;
use tracemill_warehouse::{Comment, Cost, Service, Statement};
use tracemill_web::query::patterns::{Asks, Pattern, Sample, Step};

use crate::data::PROJECT;
use crate::reference::Named;

/// What one statement cost.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) step: &'static str,
    pub(crate) ms: f64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) memory: u64,
    pub(crate) returned: u64,
}

/// All statements of a page.
pub(crate) type Run = Vec<Asked>;

/// Ours: keeps what each statement cost.
pub(crate) struct Ours<'a> {
    pub(crate) service: &'a Service,
    pub(crate) run: Run,
}

impl Asks for Ours<'_> {
    type Error = Failure;

    async fn rows<T: RowOwned + RowRead>(&mut self, step: Step, statement: Statement) -> Result<Vec<T>, Failure> {
        let began = Instant::now();
        let (rows, cost) = self.service.measured::<T>(&statement).await?;
        self.keep(step, began, &cost, rows.len());
        Ok(rows)
    }

    async fn counted<T: DeserializeOwned>(&mut self, step: Step, statement: Statement) -> Result<Vec<T>, Failure> {
        let began = Instant::now();
        let counted = self.service.counted::<T>(&statement).await?;
        self.keep(step, began, &counted.cost, counted.rows.len());
        Ok(counted.rows)
    }
}

impl Ours<'_> {
    fn keep(&mut self, step: Step, began: Instant, cost: &Cost, returned: usize) {
        self.run.push(Asked {
            step: step.name,
            ms: began.elapsed().as_secs_f64() * 1e3,
            rows: cost.rows,
            bytes: cost.bytes,
            memory: cost.memory,
            returned: returned as u64,
        });
    }
}

/// One page of ours.
pub(crate) async fn ours(service: &Service, pattern: Pattern, sample: &Sample) -> Result<Run, Failure> {
    let mut asks = Ours {
        service,
        run: Vec::new(),
    };
    pattern.ask(PROJECT, sample, &mut asks).await?;
    Ok(asks.run)
}

/// One page of the reference.
pub(crate) async fn reference(service: &Service, statements: &[Named]) -> Result<Run, Failure> {
    let mut run = Vec::new();
    for (step, sql) in statements {
        let began = Instant::now();
        let statement = Statement::new(sql.as_str(), Comment::new("reference")).setting("wait_end_of_query", 1);
        let (query, _) = service.query(&statement);
        let mut cursor = query.fetch_bytes("RowBinary")?;
        while cursor.next().await?.is_some() {}
        let told = cursor.summary().ok_or("the server sends a summary")?;
        run.push(Asked {
            step,
            ms: began.elapsed().as_secs_f64() * 1e3,
            rows: told.read_rows().unwrap_or(0),
            bytes: told.read_bytes().unwrap_or(0),
            memory: told.memory_usage().unwrap_or(0),
            returned: told.result_rows().unwrap_or(0),
        });
    }
    Ok(run)
}

/// Forgets what earlier queries left in the server's own caches; the system's cache of files stays.
pub(crate) fn forget(server: &ClickHouse) -> Result<(), Failure> {
    for cache in [
        "MARK",
        "UNCOMPRESSED",
        "QUERY CONDITION",
        "INDEX MARK",
        "INDEX UNCOMPRESSED",
    ] {
        server.ask("default", &format!("SYSTEM DROP {cache} CACHE"))?;
    }
    Ok(())
}
