//! An answer as a stream of bytes, in chunks as the network gives them.
//!
//! The stream ends in one of two ways: `Ok(None)`, and then the server said that it sent everything; or an error, which is
//! the server's own wherever it could still say one. Bytes of an error never come out as data. Whether the *format* is complete
//! (Arrow's end-of-stream marker) is for its reader to check.

use std::time::Duration;

use bytes::Bytes;
use clickhouse::query::BytesCursor;

use crate::error::{ErrorContext, WarehouseError};
use crate::exception::{End, Sieve};
use crate::statement::QueryId;

/// A running query's answer. Dropping it closes the connection, and the server cancels the query.
pub struct ByteStream {
    cursor: BytesCursor,
    id: QueryId,
    errors: ErrorContext,
    stall: Duration,
    sieve: Sieve,
    ended: bool,
}

impl std::fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream")
            .field("id", &self.id)
            .field("decoded_bytes", &self.decoded_bytes())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl ByteStream {
    pub(crate) fn new(cursor: BytesCursor, id: QueryId, errors: ErrorContext, stall: Duration) -> Self {
        Self {
            cursor,
            id,
            errors,
            stall,
            sieve: Sieve::default(),
            ended: false,
        }
    }

    /// The next chunk, never empty; `None` at the end, and after an error. May be cancelled without losing data.
    ///
    /// # Errors
    /// [`WarehouseError::Server`] with the server's code, before or in mid-stream; [`WarehouseError::Unreachable`] before the
    /// answer; [`WarehouseError::Cut`] in it; [`WarehouseError::Timeout`] after a silence of the service's `stall`.
    pub async fn next(&mut self) -> Result<Option<Bytes>, WarehouseError> {
        while !self.ended {
            let Ok(chunk) = tokio::time::timeout(self.stall, self.cursor.next()).await else {
                self.ended = true;
                let during = if self.decoded_bytes() == 0 {
                    "before its answer"
                } else {
                    "in the middle of its answer"
                };
                return Err(self.errors.timeout(self.stall, during));
            };
            let data = match chunk {
                Ok(Some(chunk)) => self.sieve.push(chunk),
                Ok(None) => {
                    self.ended = true;
                    match self.sieve.end() {
                        End::Data(rest) => rest,
                        End::Exception(text) => return Err(self.errors.refusal(&text)),
                    }
                }
                Err(error) => {
                    self.ended = true;
                    return Err(self.failure(&error));
                }
            };
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    fn failure(&mut self, error: &clickhouse::error::Error) -> WarehouseError {
        use clickhouse::error::Error;
        let told = match error {
            Error::BadResponse(_) => None,
            // The client library gives up on an error block that came in two chunks; the first of them is in the sieve.
            _ => self.sieve.cut(),
        };
        match (told, error) {
            (Some(text), _) => self.errors.refusal(&text),
            (None, Error::Other(source)) => WarehouseError::Cut {
                host: self.errors.host.clone(),
                received: self.decoded_bytes(),
                reason: source.to_string(),
            },
            (None, error) => self.errors.translate(error, self.decoded_bytes()),
        }
    }

    /// The `query_id` in the query log.
    #[must_use]
    pub fn query_id(&self) -> &QueryId {
        &self.id
    }

    /// Bytes of the body so far, as they came over the network.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.cursor.received_bytes()
    }

    /// Bytes of the body so far, decompressed.
    #[must_use]
    pub fn decoded_bytes(&self) -> u64 {
        self.cursor.decoded_bytes()
    }
}
