//! One way to reach ClickHouse: URL, user, limits. Every query of the project goes through one of these.
//!
//! Each run carries all limits of the service, a query id of its own and its `log_comment`. Statements are sent as POST:
//! a GET runs with `readonly = 2`. A service is cheap to clone; clones share their connections.

use std::fmt;
use std::sync::Arc;

use clickhouse::query::Query;
use clickhouse::{RowOwned, RowRead};
use tracemill_model::Millis;

use crate::address::Address;
use crate::error::{ErrorContext, WarehouseError};
use crate::http;
use crate::insert::Insert;
use crate::limits::{Compression, Limits};
use crate::secret::{Secret, scrub};
use crate::statement::{Comment, QueryId, Statement};
use crate::stream::ByteStream;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceKind {
    /// Ingestion, migrations.
    ReadWrite,
    /// Interactive queries.
    ReadOnly,
    /// Bulk export.
    Export,
}

impl ServiceKind {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadWrite => "read_write",
            Self::ReadOnly => "read_only",
            Self::Export => "export",
        }
    }
}

impl fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How to reach one service.
#[derive(Clone, Default)]
pub struct ServiceConfig {
    /// `http://user:password@host:8123/?database=default`; `https` works too.
    pub url: String,
    /// Wins over the URL's. Neither: `default`.
    pub user: Option<String>,
    /// Wins over the URL's. Neither: empty.
    pub password: Option<Secret>,
    /// Wins over the URL's. Neither: `default`.
    pub database: Option<String>,
    /// What every query carries.
    pub limits: Limits,
    /// Whether bodies are compressed.
    pub compression: Compression,
}

impl fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceConfig")
            .field("url", &scrub(&self.url, None))
            .field("user", &self.user)
            .field("password", &self.password)
            .field("database", &self.database)
            .field("limits", &self.limits)
            .field("compression", &self.compression)
            .finish()
    }
}

/// One way to reach ClickHouse.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    kind: ServiceKind,
    client: clickhouse::Client,
    limits: Limits,
    settings: Vec<(&'static str, String)>,
    database: String,
    user: String,
    errors: ErrorContext,
    compression: Compression,
    is_local: bool,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("kind", &self.0.kind)
            .field("url", &self.0.errors.host)
            .field("user", &self.0.user)
            .field("database", &self.0.database)
            .field("limits", &self.0.limits)
            .field("compression", &self.0.compression)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Prepares a service. Nothing is connected yet.
    ///
    /// # Errors
    /// [`WarehouseError::Config`]: the URL, or `https` without root certificates.
    pub fn new(kind: ServiceKind, config: &ServiceConfig) -> Result<Self, WarehouseError> {
        let address = Address::parse(&config.url)?;
        let user = config
            .user
            .clone()
            .or(address.user)
            .unwrap_or_else(|| "default".to_owned());
        let password = config.password.clone().or(address.password).unwrap_or_default();
        let database = config
            .database
            .clone()
            .or(address.database)
            .unwrap_or_else(|| "default".to_owned());
        let compression = config.compression.resolve(address.loopback);
        let mut client = http::client(address.https)?
            .with_url(&address.url)
            .with_user(&user)
            .with_password(password.reveal())
            .with_database(&database)
            .with_product_info("tracemill", env!("CARGO_PKG_VERSION"))
            .with_compression(match compression {
                Compression::Lz4 => clickhouse::Compression::Lz4,
                Compression::None | Compression::Auto => clickhouse::Compression::None,
            });
        let settings = config.limits.settings();
        for (name, value) in &settings {
            client = client.with_setting(*name, value);
        }
        Ok(Self(Arc::new(Inner {
            kind,
            client,
            limits: config.limits,
            settings,
            database,
            user,
            errors: ErrorContext {
                host: address.url.trim_end_matches('/').to_owned(),
                secret: Some(password),
            },
            compression,
            is_local: address.loopback,
        })))
    }

    /// Which of the three.
    #[must_use]
    pub fn kind(&self) -> ServiceKind {
        self.0.kind
    }

    /// The server's URL without credentials.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.errors.host
    }

    /// Whether it is reached by a loopback address: it runs on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.is_local
    }

    /// The database of unqualified table names.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.0.database
    }

    /// Who logs in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// What every query carries.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The limits as the settings that are sent.
    #[must_use]
    pub fn settings(&self) -> &[(&'static str, String)] {
        &self.0.settings
    }

    /// Whether bodies are compressed, `Auto` resolved.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.0.compression
    }

    /// A run of the statement as the `clickhouse` crate's query, for what the other methods do not cover. Its errors are to be
    /// passed through [`Service::error`].
    pub fn query(&self, statement: &Statement) -> (Query, QueryId) {
        let id = QueryId::fresh();
        let mut query = self
            .0
            .client
            .query_raw(&statement.sql)
            .with_setting("query_id", id.as_str())
            .with_setting("log_comment", statement.comment.to_json());
        for (name, value) in statement.params.iter().chain(&statement.settings) {
            query = query.with_setting(name, value);
        }
        (query, id)
    }

    /// An error of a query that was made by [`Service::query`], as ours.
    #[must_use]
    pub fn error(&self, error: &clickhouse::error::Error) -> WarehouseError {
        self.0.errors.translate(error, 0)
    }

    /// Runs a statement whose answer does not matter.
    ///
    /// # Errors
    /// Any of the server, the network, or our deadline.
    pub async fn execute(&self, statement: &Statement) -> Result<QueryId, WarehouseError> {
        let (query, id) = self.query(statement);
        self.within_deadline(query.execute()).await?;
        Ok(id)
    }

    /// Runs a statement and reads all of its rows into memory: for small answers. `T` is a tuple, a plain value, or a struct
    /// that derives `clickhouse::Row` and `serde::Deserialize`; its types are checked against the answer's.
    ///
    /// # Errors
    /// As [`Service::execute`], and [`WarehouseError::Answer`] where the rows are not `T`.
    pub async fn rows<T: RowOwned + RowRead>(&self, statement: &Statement) -> Result<Vec<T>, WarehouseError> {
        let (query, _) = self.query(statement);
        self.within_deadline(query.fetch_all::<T>()).await
    }

    /// As [`Service::rows`], for exactly one row.
    ///
    /// # Errors
    /// As [`Service::rows`], and [`WarehouseError::Answer`] where there is no row.
    pub async fn one<T: RowOwned + RowRead>(&self, statement: &Statement) -> Result<T, WarehouseError> {
        let (query, _) = self.query(statement);
        self.within_deadline(query.fetch_one::<T>()).await
    }

    pub(crate) async fn within_deadline<T>(
        &self,
        answer: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, WarehouseError> {
        let deadline = self.0.limits.deadline();
        match tokio::time::timeout(deadline, answer).await {
            Ok(answer) => answer.map_err(|error| self.error(&error)),
            Err(_) => Err(self.0.errors.timeout(deadline, "before its answer")),
        }
    }

    /// Runs a statement and streams its answer in `format` (`ArrowStream`), chunk by chunk as the network gives them.
    /// The request is sent with the first call of [`ByteStream::next`]. Dropping the stream closes the connection, and the server
    /// cancels the query.
    ///
    /// # Errors
    /// [`WarehouseError::Config`] where the request cannot be built; everything else comes out of the stream.
    pub fn stream(&self, statement: &Statement, format: &str) -> Result<ByteStream, WarehouseError> {
        let (mut query, id) = self.query(statement);
        let has = |name: &str| statement.settings.iter().any(|(other, _)| other == name);
        if let Some(bytes) = self.0.limits.max_block_bytes
            && !has("preferred_block_size_bytes")
        {
            query = query.with_setting("preferred_block_size_bytes", bytes.0.to_string());
        }
        // The server compresses within Arrow by default, on its own CPU and against our choice for the whole body.
        if format.starts_with("Arrow") && !has("output_format_arrow_compression_method") {
            query = query.with_setting("output_format_arrow_compression_method", "none");
        }
        // A dropped stream must not leave its query running.
        query = query.with_setting("cancel_http_readonly_queries_on_client_close", "1");
        let cursor = query.fetch_bytes(format).map_err(|error| self.error(&error))?;
        Ok(ByteStream::new(cursor, id, self.0.errors.clone(), self.0.limits.stall))
    }

    /// Begins an insert whose body, in `format` (`ArrowStream`, `Native`), is then sent piece by piece. With a `token` the server takes
    /// a block of that token once (`insert_deduplication_token`). The request begins with the first piece.
    #[must_use]
    pub fn insert(
        &self,
        table: &str,
        columns: &[&str],
        format: &str,
        comment: &Comment,
        token: Option<&str>,
    ) -> Insert {
        let id = QueryId::fresh();
        let sql = insert_sql(table, columns, format);
        let mut insert = self
            .0
            .client
            .insert_formatted_with(sql)
            .with_setting("query_id", id.as_str())
            .with_setting("log_comment", comment.to_json())
            .with_timeouts(Some(self.0.limits.stall), Some(self.0.limits.deadline()));
        if let Some(token) = token {
            insert = insert.with_setting("insert_deduplication_token", token);
        }
        Insert::new(insert, id, self.clone())
    }

    /// Whether the server can be reached and lets us in.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn ping(&self) -> Result<(), WarehouseError> {
        self.one::<u8>(&Statement::new("SELECT 1", Comment::new("ping")))
            .await
            .map(|_| ())
    }

    /// The server's clock.
    ///
    /// # Errors
    /// As [`Service::rows`].
    pub async fn server_time(&self) -> Result<Millis, WarehouseError> {
        let sql = "SELECT toUnixTimestamp64Milli(now64(3))";
        self.one::<i64>(&Statement::new(sql, Comment::new("clock")))
            .await
            .map(Millis)
    }

    /// The server's version: `26.7.2.1`.
    ///
    /// # Errors
    /// As [`Service::rows`].
    pub async fn server_version(&self) -> Result<String, WarehouseError> {
        self.one::<String>(&Statement::new("SELECT version()", Comment::new("version")))
            .await
    }

    /// An error of an insert: one that had begun may have been carried out.
    pub(crate) fn insert_error(&self, error: &clickhouse::error::Error) -> WarehouseError {
        self.0.errors.translate_insert(error, self.0.limits.stall)
    }
}

/// A name within SQL, quoted.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// `table` may be qualified: `db.table`.
fn insert_sql(table: &str, columns: &[&str], format: &str) -> String {
    let table: Vec<String> = table.split('.').map(quoted).collect();
    let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let list = if columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", columns.join(", "))
    };
    format!("INSERT INTO {}{list} FORMAT {format}", table.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_compresses_by_distance() {
        for (url, expected) in [
            ("http://localhost:1", Compression::None),
            ("http://10.0.0.1:1", Compression::Lz4),
        ] {
            let config = ServiceConfig {
                url: url.to_owned(),
                ..ServiceConfig::default()
            };
            let service = Service::new(ServiceKind::Export, &config).expect("a service");
            assert_eq!(service.compression(), expected);
        }
    }

    #[test]
    fn nothing_prints_a_password() {
        let config = ServiceConfig {
            url: "http://me:hunter2@localhost:1/".to_owned(),
            password: Some(Secret::new("hunter3")),
            ..ServiceConfig::default()
        };
        let service = Service::new(ServiceKind::Export, &config).expect("a service");
        let printed = format!("{config:?} {service:?}");
        assert!(!printed.contains("hunter"), "{printed}");
        assert_eq!(service.user(), "me");
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(
            insert_sql("db.t`; DROP", &["a", "b"], "Native"),
            "INSERT INTO `db`.`t\\`; DROP` (`a`, `b`) FORMAT Native"
        );
    }
}
