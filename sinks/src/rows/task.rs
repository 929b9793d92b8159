//! The tasks beside the `insert` operators: chunks of rows become batches, by bytes and age, and batches become inserts.
//!
//! *Invariants.* A chunk is done when each of its rows is in ClickHouse or was refused by it and given on. One insert of a
//! table is under way at a time, and between the beginnings of two lies the batch's age, unless the batch is full: so a
//! trickle costs one insert in that time, and a lonely event waits for nothing. While the source waits for what is written,
//! a batch waits for a quarter of its age: it would not become larger.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::Instant;
use tracemill_model::ingest::{EntityKind, LogEntry, Refusal, Row, Text};
use tracemill_operators::bridge::{Command, Commands, Replies, Ticket};
use tracemill_operators::gather::Chunk;

use super::{Batch, Builder, FileLog, RowTable, Writer, Written};
use crate::SinkError;

/// What inserting needs.
#[derive(Debug, Clone)]
pub struct InsertConfig {
    /// Writes batches.
    pub writer: std::sync::Arc<Writer>,
    /// A batch of so many bytes is full.
    pub bytes: usize,
    /// How long after the last insert of its table a batch that is not full waits.
    pub age: Duration,
    /// The bucket of the raw store, for the log.
    pub bucket: Text,
    /// True while nothing more comes before something is written.
    pub pressed: watch::Receiver<bool>,
}

/// What an insert operator takes.
pub trait Insertable: Send + Clone + 'static {
    /// The table of all of it.
    fn table(&self) -> RowTable;
    /// Encodes it; refusals are rows that ClickHouse's types cannot hold.
    fn encode(self, builder: &mut Builder, config: &InsertConfig) -> Vec<Refusal>;
}

impl Insertable for Chunk {
    fn table(&self) -> RowTable {
        match self.kind {
            EntityKind::Trace => RowTable::Traces,
            EntityKind::Observation => RowTable::Observations,
            EntityKind::Score => RowTable::Scores,
        }
    }

    fn encode(self, builder: &mut Builder, _config: &InsertConfig) -> Vec<Refusal> {
        let refused = |row: &Row, error: super::Refused| refusal(row, error.to_string());
        self.rows
            .iter()
            .filter_map(|row| builder.push(row).err().map(|error| refused(row, error)))
            .collect()
    }
}

impl Insertable for LogEntry {
    fn table(&self) -> RowTable {
        RowTable::FileLog
    }

    fn encode(self, builder: &mut Builder, config: &InsertConfig) -> Vec<Refusal> {
        let name = self.object.rsplit('/').next().unwrap_or_default();
        let line = FileLog {
            event_id: name.strip_suffix(".json").unwrap_or(name).into(),
            bucket: config.bucket.clone(),
            path: self.object,
            at: self.received,
            key: self.key,
        };
        let refused = builder.push_log(&line).err();
        refused
            .map(|error| Refusal {
                project: line.key.project.clone(),
                object: line.path.clone(),
                received: line.at,
                index: None,
                id: line.key.id.clone(),
                entity: Some(line.key.clone()),
                reason: error.to_string(),
            })
            .into_iter()
            .collect()
    }
}

fn refusal(row: &Row, reason: String) -> Refusal {
    let key = row.key();
    Refusal {
        project: key.project.clone(),
        object: Text::default(),
        received: row.event_ts(),
        index: None,
        id: key.id.clone(),
        entity: Some(key),
        reason,
    }
}

/// Runs until its commands end.
///
/// # Errors
/// None: an insert is repeated until ClickHouse has taken or refused it.
pub async fn insert<I: Insertable>(
    mut commands: Commands<I>,
    replies: Replies<Refusal>,
    mut config: InsertConfig,
) -> Result<(), SinkError> {
    let mut tables: BTreeMap<RowTable, Table> = BTreeMap::new();
    let mut running: FuturesUnordered<BoxFuture<'static, (RowTable, Vec<Ticket>, Written)>> = FuturesUnordered::new();
    let mut is_open = true;
    loop {
        for table in tables.values_mut() {
            if let Some((batch, tickets)) = table.ready(&config, !is_open) {
                let writer = std::sync::Arc::clone(&config.writer);
                let name = batch.table();
                running.push(Box::pin(async move {
                    let written = writer.write(&batch).await;
                    (name, tickets, written)
                }));
            }
        }
        if !is_open && running.is_empty() {
            return Ok(());
        }
        let due = tables.values().filter_map(|table| table.due(&config)).min();
        let wake = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some((name, tickets, written)) = running.next(), if !running.is_empty() => {
                if let Some(table) = tables.get_mut(&name) {
                    table.is_writing = false;
                }
                finish(tickets, written, &replies);
            }
            _ = config.pressed.changed(), if is_open && config.pressed.has_changed().is_ok() => {}
            command = commands.recv(), if is_open => match command {
                Some(Command::Item { ticket, item, .. }) => {
                    let name = item.table();
                    let table = tables.entry(name).or_insert_with(|| Table::new(name));
                    for refusal in item.encode(&mut table.builder, &config) {
                        replies.give(ticket, refusal);
                    }
                    table.tickets.push(ticket);
                }
                Some(Command::Frontier(_)) => {}
                None => is_open = false,
            },
            () = wake => {}
        }
    }
}

/// Gives on what ClickHouse refused, then releases the chunks.
fn finish(tickets: Vec<Ticket>, written: Written, replies: &Replies<Refusal>) {
    if let Some(first) = tickets.first() {
        for rejected in written.rejected {
            let reason = format!("clickhouse refused the row: {}", rejected.reason);
            replies.give(
                *first,
                Refusal {
                    project: rejected.key.project.clone(),
                    object: Text::default(),
                    received: rejected.event_ts,
                    index: None,
                    id: rejected.key.id.clone(),
                    entity: Some(rejected.key),
                    reason,
                },
            );
        }
    }
    for ticket in tickets {
        replies.done(ticket);
    }
}

/// What waits for a table's next insert.
struct Table {
    builder: Builder,
    tickets: Vec<Ticket>,
    began: Option<Instant>,
    is_writing: bool,
}

impl Table {
    fn new(table: RowTable) -> Self {
        Self {
            builder: Builder::new(table),
            tickets: Vec::new(),
            began: None,
            is_writing: false,
        }
    }

    /// When what waits is to be inserted; `None`: nothing waits, or an insert is under way.
    fn due(&self, config: &InsertConfig) -> Option<Instant> {
        if self.tickets.is_empty() || self.is_writing {
            return None;
        }
        let age = if *config.pressed.borrow() { config.age / 4 } else { config.age };
        Some(self.began.map_or_else(Instant::now, |began| began + age))
    }

    fn ready(&mut self, config: &InsertConfig, is_last: bool) -> Option<(Batch, Vec<Ticket>)> {
        let due = self.due(config)?;
        let now = Instant::now();
        if now < due && self.builder.bytes() < config.bytes && !is_last {
            return None;
        }
        self.began = Some(now);
        self.is_writing = true;
        Some((self.builder.take(), std::mem::take(&mut self.tickets)))
    }
}
