//! The tasks beside the `insert` operators: chunks of rows become batches, by bytes and age, and batches become inserts.
//!
//! *Invariants.* A chunk is done when each of its rows is in ClickHouse or was refused by it and given on. One insert of a
//! table is under way at a time, and between the beginnings of two lies the batch's age, unless the batch is full: so a
//! trickle costs one insert in that time, and a lonely event waits for nothing. While the source waits for what is written,
//! a batch waits for a quarter of its age: it would not become larger. While ClickHouse has too many parts the age is stretched,
//! so that inserts are fewer and larger; then a batch that waits for nothing more is written after its plain age at the latest.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::Instant;
use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, EntityKind, LogEntry, Origin, Refusal, Text};
use tracemill_operators::bridge::{Command, Commands, Replies, Ticket};
use tracemill_operators::gather::Chunk;
use tracemill_operators::merge::stamp::Stamped;

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
    /// How many times its age a batch waits.
    pub stretch: watch::Receiver<u32>,
}

impl InsertConfig {
    /// How long a batch that is not full waits now.
    fn wait(&self) -> Duration {
        wait(self.age, *self.stretch.borrow(), *self.pressed.borrow())
    }
}

fn wait(age: Duration, stretch: u32, is_pressed: bool) -> Duration {
    let stretch = stretch.max(1);
    if is_pressed {
        (age / 4).saturating_mul(stretch).min(age)
    } else {
        age.saturating_mul(stretch)
    }
}

/// What an insert operator takes.
pub trait Insertable: Send + Clone + 'static {
    /// The table of all of it.
    fn table(&self) -> RowTable;
    /// Encodes it, and appends the origin of each row that was; refusals are rows that ClickHouse's types cannot hold.
    fn encode(self, builder: &mut Builder, origins: &mut Vec<Option<Origin>>, config: &InsertConfig) -> Vec<Refusal>;
}

impl Insertable for Chunk {
    fn table(&self) -> RowTable {
        match self.kind {
            EntityKind::Trace => RowTable::Traces,
            EntityKind::Observation => RowTable::Observations,
            EntityKind::Score => RowTable::Scores,
        }
    }

    fn encode(self, builder: &mut Builder, origins: &mut Vec<Option<Origin>>, _config: &InsertConfig) -> Vec<Refusal> {
        let encode = |Stamped { row, origin }| match builder.push(&row) {
            Ok(()) => {
                origins.push(origin);
                None
            }
            Err(error) => Some(refusal(row.key(), row.event_ts(), origin, error.to_string())),
        };
        self.rows.into_iter().filter_map(encode).collect()
    }
}

impl Insertable for LogEntry {
    fn table(&self) -> RowTable {
        RowTable::FileLog
    }

    fn encode(self, builder: &mut Builder, origins: &mut Vec<Option<Origin>>, config: &InsertConfig) -> Vec<Refusal> {
        let name = self.object.rsplit('/').next().unwrap_or_default();
        let line = FileLog {
            event_id: name.strip_suffix(".json").unwrap_or(name).into(),
            bucket: config.bucket.clone(),
            path: self.object,
            at: self.received,
            key: self.key,
        };
        let origin = Origin {
            received: line.at,
            object: line.path.clone(),
            index: 0,
        };
        match builder.push_log(&line) {
            Ok(()) => {
                origins.push(Some(origin));
                Vec::new()
            }
            Err(error) => vec![refusal(line.key, line.at, Some(origin), error.to_string())],
        }
    }
}

/// The refusal of an entity's row. `version`: when it was made, in place of an origin.
fn refusal(key: EntityKey, version: Millis, origin: Option<Origin>, reason: String) -> Refusal {
    let (object, received) =
        origin.map_or_else(|| (Text::default(), version), |origin| (origin.object, origin.received));
    Refusal {
        project: key.project.clone(),
        object,
        received,
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
    let mut running: FuturesUnordered<BoxFuture<'static, (RowTable, Waiting, Written)>> = FuturesUnordered::new();
    let mut is_open = true;
    loop {
        for table in tables.values_mut() {
            if let Some((batch, waiting)) = table.ready(&config, !is_open) {
                let writer = std::sync::Arc::clone(&config.writer);
                let name = batch.table();
                running.push(Box::pin(async move {
                    let written = writer.write(&batch).await;
                    (name, waiting, written)
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
            Some((name, waiting, written)) = running.next(), if !running.is_empty() => {
                if let Some(table) = tables.get_mut(&name) {
                    table.is_writing = false;
                }
                finish(waiting, written, &replies);
            }
            _ = config.pressed.changed(), if is_open && config.pressed.has_changed().is_ok() => {}
            _ = config.stretch.changed(), if is_open && config.stretch.has_changed().is_ok() => {}
            command = commands.recv(), if is_open => match command {
                Some(Command::Item { ticket, item, .. }) => {
                    let name = item.table();
                    let table = tables.entry(name).or_insert_with(|| Table::new(name));
                    for refusal in item.encode(&mut table.builder, &mut table.waiting.origins, &config) {
                        replies.give(ticket, refusal);
                    }
                    table.waiting.tickets.push(ticket);
                }
                Some(Command::Frontier(_)) => {}
                None => is_open = false,
            },
            () = wake => {}
        }
    }
}

/// Gives on what ClickHouse refused, then releases the chunks.
fn finish(waiting: Waiting, written: Written, replies: &Replies<Refusal>) {
    let Waiting { tickets, mut origins } = waiting;
    if let Some(first) = tickets.first() {
        for rejected in written.rejected {
            let reason = format!("clickhouse refused the row: {}", rejected.reason);
            let origin = origins.get_mut(rejected.row).and_then(Option::take);
            replies.give(*first, refusal(rejected.key, rejected.event_ts, origin, reason));
        }
    }
    for ticket in tickets {
        replies.done(ticket);
    }
}

/// What waits for an insert beside the rows themselves.
#[derive(Default)]
struct Waiting {
    /// Of the chunks.
    tickets: Vec<Ticket>,
    /// Of each row.
    origins: Vec<Option<Origin>>,
}

/// What waits for a table's next insert.
struct Table {
    builder: Builder,
    waiting: Waiting,
    began: Option<Instant>,
    is_writing: bool,
}

impl Table {
    fn new(table: RowTable) -> Self {
        Self {
            builder: Builder::new(table),
            waiting: Waiting::default(),
            began: None,
            is_writing: false,
        }
    }

    /// When what waits is to be inserted; `None`: nothing waits, or an insert is under way.
    fn due(&self, config: &InsertConfig) -> Option<Instant> {
        if self.waiting.tickets.is_empty() || self.is_writing {
            return None;
        }
        Some(self.began.map_or_else(Instant::now, |began| began + config.wait()))
    }

    fn ready(&mut self, config: &InsertConfig, is_last: bool) -> Option<(Batch, Waiting)> {
        let due = self.due(config)?;
        let now = Instant::now();
        if now < due && self.builder.bytes() < config.bytes && !is_last {
            return None;
        }
        self.began = Some(now);
        self.is_writing = true;
        Some((self.builder.take(), std::mem::take(&mut self.waiting)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_batch_waits() {
        let age = Duration::from_millis(800);
        for (stretch, is_pressed, ms) in [
            (0, false, 800),
            (1, false, 800),
            (8, false, 6_400),
            (1, true, 200),
            (2, true, 400),
            // The source waits: longer than its plain age would hold it up for nothing.
            (8, true, 800),
        ] {
            let expected = Duration::from_millis(ms);
            assert_eq!(wait(age, stretch, is_pressed), expected, "{stretch} {is_pressed}");
        }
    }
}
