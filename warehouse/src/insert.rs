//! An insert whose body is sent piece by piece.
//!
//! Nothing is in the table before [`Insert::end`] has returned without an error. Dropping it before aborts the request; what the
//! server had already written of it stays, block by block, which is what the deduplication token is for.

use bytes::Bytes;
use clickhouse::insert_formatted::InsertFormatted;

use crate::error::WarehouseError;
use crate::service::Service;
use crate::statement::QueryId;

/// A running insert.
pub struct Insert {
    request: InsertFormatted,
    id: QueryId,
    service: Service,
    sent: u64,
}

impl std::fmt::Debug for Insert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Insert")
            .field("id", &self.id)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

impl Insert {
    pub(crate) fn new(request: InsertFormatted, id: QueryId, service: Service) -> Self {
        Self {
            request,
            id,
            service,
            sent: 0,
        }
    }

    /// A setting for this insert alone, before its first piece.
    ///
    /// # Panics
    /// After the first piece.
    #[must_use]
    pub fn setting(self, name: &str, value: impl std::fmt::Display) -> Self {
        Self {
            request: self.request.with_setting(name, value.to_string()),
            ..self
        }
    }

    /// Sends a piece of the body, of any size. Waits while the server is busy with earlier ones: at most two pieces are on
    /// their way.
    ///
    /// # Errors
    /// The server's own where it refused meanwhile; [`WarehouseError::Cut`] where the outcome is not known.
    pub async fn send(&mut self, piece: Bytes) -> Result<(), WarehouseError> {
        if piece.is_empty() {
            return Ok(());
        }
        self.sent += piece.len() as u64;
        self.request
            .send(piece)
            .await
            .map_err(|error| self.service.insert_error(&error))
    }

    /// Ends the body and waits until the server has taken it.
    ///
    /// # Errors
    /// As [`Insert::send`].
    pub async fn end(self) -> Result<QueryId, WarehouseError> {
        self.request
            .end()
            .await
            .map_err(|error| self.service.insert_error(&error))?;
        Ok(self.id)
    }

    /// The `query_id` in the query log.
    #[must_use]
    pub fn query_id(&self) -> &QueryId {
        &self.id
    }

    /// Bytes of the body so far, before compression.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent
    }
}
