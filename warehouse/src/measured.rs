//! A query with what it cost, as the server told it with the answer.

use clickhouse::{RowOwned, RowRead};

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

impl Service {
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
            let told = cursor.summary();
            let number = |of: Option<u64>| of.unwrap_or(0);
            let cost = Cost {
                id,
                rows: number(told.and_then(|told| told.read_rows())),
                bytes: number(told.and_then(|told| told.read_bytes())),
                memory: number(told.and_then(|told| told.memory_usage())),
            };
            Ok((rows, cost))
        };
        self.within_deadline(answer).await
    }
}
