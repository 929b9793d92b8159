//! Asks a server: the patterns with what they cost, granules from the query log, and how large tables and columns are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use clickhouse::{RowOwned, RowRead};
use serde::de::DeserializeOwned;
use tracemill_model::{Millis, Table};
use tracemill_warehouse::{Comment, Cost, Service, Statement, WarehouseError};
use tracemill_web::query::patterns::{Asks, Pattern, Sample, Step};

use super::advice::Sizes;

/// How long the query log may take to show what was asked: servers write it every 7.5 s.
const LOG_WITHIN: Duration = Duration::from_secs(12);
/// Between two looks at it.
const LOG_EVERY: Duration = Duration::from_millis(500);

/// What one statement of a pattern cost.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) step: Step,
    pub(crate) id: String,
    pub(crate) ms: f64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) memory: u64,
    pub(crate) returned: u64,
}

struct Recorder<'a> {
    service: &'a Service,
    asked: Vec<Asked>,
}

impl Asks for Recorder<'_> {
    type Error = WarehouseError;

    async fn rows<T: RowOwned + RowRead>(
        &mut self,
        step: Step,
        statement: Statement,
    ) -> Result<Vec<T>, WarehouseError> {
        let began = Instant::now();
        let (rows, cost) = self.service.measured::<T>(&statement).await?;
        self.keep(step, began, &cost, rows.len());
        Ok(rows)
    }

    async fn counted<T: DeserializeOwned>(
        &mut self,
        step: Step,
        statement: Statement,
    ) -> Result<Vec<T>, WarehouseError> {
        let began = Instant::now();
        let counted = self.service.counted::<T>(&statement).await?;
        self.keep(step, began, &counted.cost, counted.rows.len());
        Ok(counted.rows)
    }
}

impl Recorder<'_> {
    fn keep(&mut self, step: Step, began: Instant, cost: &Cost, returned: usize) {
        self.asked.push(Asked {
            step,
            id: cost.id.to_string(),
            ms: began.elapsed().as_secs_f64() * 1e3,
            rows: cost.rows,
            bytes: cost.bytes,
            memory: cost.memory,
            returned: returned as u64,
        });
    }
}

/// The statements of a pattern, as they are sent for a page.
pub(crate) async fn pattern(
    service: &Service,
    pattern: Pattern,
    project: &str,
    sample: &Sample,
) -> Result<Vec<Asked>, WarehouseError> {
    let mut recorder = Recorder {
        service,
        asked: Vec::new(),
    };
    pattern.ask(project, sample, &mut recorder).await?;
    Ok(recorder.asked)
}

/// Real ids of a project. `None`: it has no traces.
pub(crate) async fn sample(service: &Service, project: &str) -> Result<Option<Sample>, WarehouseError> {
    let newest = Millis(service.one(&Sample::newest(project)).await?);
    if newest.0 <= 0 {
        return Ok(None);
    }
    let of_observations = service.rows(&Sample::observations(project, newest)).await?;
    Ok(Some(Sample {
        newest,
        of_traces: service.one(&Sample::traces(project, newest)).await?,
        of_observations: of_observations.into_iter().next().unwrap_or_default(),
    }))
}

fn own(sql: &str) -> Statement {
    Statement::new(sql, Comment::new("profile"))
}

/// The largest projects, by rows of `traces`.
pub(crate) async fn projects(service: &Service) -> Result<Vec<String>, WarehouseError> {
    let sql = "SELECT project_id FROM traces GROUP BY project_id ORDER BY count() DESC, project_id LIMIT 5";
    service.rows(&own(sql)).await
}

/// Forgets what is in the server's caches of marks and of uncompressed blocks.
pub(crate) async fn forget(service: &Service) -> Result<(), WarehouseError> {
    for cache in ["MARK", "UNCOMPRESSED"] {
        service.execute(&own(&format!("SYSTEM DROP {cache} CACHE"))).await?;
    }
    Ok(())
}

/// Granules that were read, and memory, by query id, as soon as the query log shows all of them; what it shows after a while.
pub(crate) async fn logged(service: &Service, ids: &[&str]) -> Result<HashMap<String, (u64, u64)>, WarehouseError> {
    let sql = "SELECT query_id, ProfileEvents['SelectedMarks'] AS marks, memory_usage FROM system.query_log \
               WHERE event_date >= today() - 1 AND type = 'QueryFinish' AND query_id IN {ids:Array(String)}";
    let statement = own(sql).param("ids", ids);
    let until = Instant::now() + LOG_WITHIN;
    loop {
        let rows: Vec<(String, u64, u64)> = service.rows(&statement).await?;
        if rows.len() >= ids.len() || Instant::now() >= until {
            return Ok(rows
                .into_iter()
                .map(|(id, marks, memory)| (id, (marks, memory)))
                .collect());
        }
        tokio::time::sleep(LOG_EVERY).await;
    }
}

/// How large a table is.
pub(crate) async fn sizes(service: &Service, table: Table) -> Result<Sizes, WarehouseError> {
    let of = |sql: &str| {
        own(sql)
            .param("database", service.database())
            .param("table", table.name())
    };
    let where_ = "database = {database:String} AND table = {table:String}";
    let parts = format!("SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND {where_}");
    let (rows, bytes): (u64, u64) = service.one(&of(&parts)).await?;
    let columns = format!(
        "SELECT column, sum(column_data_compressed_bytes) FROM system.parts_columns WHERE active AND {where_} GROUP BY column"
    );
    let columns = service.rows(&of(&columns)).await?;
    let indexes = format!("SELECT expr, data_compressed_bytes FROM system.data_skipping_indices WHERE {where_}");
    let index_bytes: Vec<(String, u64)> = service.rows(&of(&indexes)).await?;
    let projections = format!("SELECT sorting_key FROM system.projections WHERE {where_}");
    // Servers before 24.9 have no such table: then there are none that are known.
    let projections: Vec<Vec<String>> = service.rows(&of(&projections)).await.unwrap_or_default();
    Ok(Sizes {
        rows,
        bytes,
        columns,
        indexed: index_bytes.iter().map(|(column, _)| column.clone()).collect(),
        index_bytes,
        projected: projections.into_iter().filter_map(|key| key.get(1).cloned()).collect(),
    })
}
