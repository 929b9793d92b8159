//! A query with what it cost, or with how many rows there would be without its limit, as the server told it with the answer.

use clickhouse::query::BytesCursor;
use clickhouse::{QuerySummary, RowOwned, RowRead};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::WarehouseError;
use crate::service::Service;
use crate::statement::{QueryId, Statement};

/// What a query cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Its id in the query log.
    pub id: QueryId,
    /// Rows that were read.
    pub rows: u64,
    /// Bytes that were read, uncompressed.
    pub bytes: u64,
    /// Its peak memory in bytes; 0 where the server is older than 24.6 and does not tell.
    pub memory: u64,
}

/// Rows of a query with a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many there would be without the limit.
    pub total: u64,
    /// What it cost to know both.
    pub cost: Cost,
}

/// Of an answer in `JSONCompact`.
#[derive(Deserialize)]
struct Told<T> {
    data: Vec<T>,
    rows_before_limit_at_least: u64,
}

fn cost(id: QueryId, told: Option<&QuerySummary>) -> Cost {
    let number = |of: Option<u64>| of.unwrap_or(0);
    Cost {
        id,
        rows: number(told.and_then(QuerySummary::read_rows)),
        bytes: number(told.and_then(QuerySummary::read_bytes)),
        memory: number(told.and_then(QuerySummary::memory_usage)),
    }
}

async fn text(mut cursor: BytesCursor) -> clickhouse::error::Result<(Vec<u8>, BytesCursor)> {
    let mut text = Vec::new();
    while let Some(chunk) = cursor.next().await? {
        text.extend_from_slice(&chunk);
    }
    Ok((text, cursor))
}

impl Service {
    /// Runs a statement with a `LIMIT` and reads its rows, and how many it would have without: in one pass over what it reads. A row is
    /// an array in JSON, so `T` is a tuple; texts that may be no UTF-8 are to be asked for in hexadecimal.
    ///
    /// # Errors
    /// As [`Service::rows`].
    pub async fn counted<T: DeserializeOwned>(&self, statement: &Statement) -> Result<Counted<T>, WarehouseError> {
        // A whole answer has whole figures, and an error in place of it.
        let whole = statement.clone().setting("wait_end_of_query", 1);
        let (query, id) = self.query(&whole.setting("exact_rows_before_limit", 1));
        let answer = async { text(query.fetch_bytes("JSONCompact")?).await };
        let (text, cursor) = self.within_deadline(answer).await?;
        let told: Told<T> = serde_json::from_slice(&text).map_err(|error| WarehouseError::Answer {
            reason: error.to_string(),
        })?;
        Ok(Counted {
            rows: told.data,
            total: told.rows_before_limit_at_least,
            cost: cost(id, cursor.summary()),
        })
    }

    /// As [`Service::rows`], with the cost. The server sends the answer when it is whole, so that its figures are whole too.
    ///
    /// # Errors
    /// As [`Service::rows`].
    pub async fn measured<T: RowOwned + RowRead>(
        &self,
        statement: &Statement,
    ) -> Result<(Vec<T>, Cost), WarehouseError> {
        let (query, id) = self.query(&statement.clone().setting("wait_end_of_query", 1));
        let answer = async {
            let mut cursor = query.fetch::<T>()?;
            let mut rows = Vec::new();
            while let Some(row) = cursor.next().await? {
                rows.push(row);
            }
            let cost = cost(id, cursor.summary());
            Ok((rows, cost))
        };
        self.within_deadline(answer).await
    }
}
