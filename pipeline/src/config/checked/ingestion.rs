//! The checked data of the ingestion graph: the intake, who may send, the queue, the merge and the rows' sinks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracemill_model::{ByteSize, ProjectId, Secret};
use tracemill_sources::queue::bullmq::{Prefix, lanes};

use super::{Checked, Graph, Operator, OperatorKind, Role, SinkKind, SourceKind};

/// The HTTP face that clients send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intake {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The longest body of `/ingestion`, `/scores` and the like, as received.
    pub body: ByteSize,
    /// The longest body of OTLP, as received.
    pub otlp_body: ByteSize,
    /// The longest body after decompression: no less than either of the two.
    pub decompressed: ByteSize,
    /// How many events a batch may have.
    pub events: usize,
    /// How deep JSON may be nested.
    pub nesting: usize,
    /// Requests a second and project; `None` is without a limit.
    pub requests_per_second: Option<u32>,
    /// Requests in flight and project.
    pub in_flight: usize,
    /// What the bodies in flight of the process may hold together: no less than `decompressed`.
    pub memory: ByteSize,
    /// The salt of fast hashes: there wherever a key is given by its fast hash.
    pub salt: Option<Secret>,
}

/// A project whose keys are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its id. No other entry has it.
    pub project: ProjectId,
    /// Its name for people; the id where none is given.
    pub name: String,
    /// The organisation that it belongs to.
    pub organisation: Option<Organisation>,
    /// At least one.
    pub keys: Vec<AccessKey>,
}

/// Who owns a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its id.
    pub id: String,
    /// Its name for people; the id where none is given.
    pub name: String,
}

/// A pair of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The public key: not empty, without a colon and without blanks. No other pair of any project has it.
    pub public: String,
    /// What the secret key is compared with.
    pub proof: KeyProof,
}

/// What a secret key is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProof {
    /// The secret key itself: to be hashed at the start and forgotten. Not empty.
    Secret(Secret),
    /// `sha256hex(secret + sha256hex(salt))` in 64 lower-case digits. [`Intake::salt`] is there.
    FastHash(Secret),
    /// bcrypt in its own text form, `$2b$11$…`.
    Bcrypt(Secret),
}

/// Where prices of models come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// A price file, TOML or JSON by its ending; its prices win over those built in.
    pub file: Option<PathBuf>,
    /// Whether those built in are used.
    pub builtin: bool,
}

/// When a batch is closed: at whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Its bytes in memory.
    pub bytes: ByteSize,
    /// Its age since its first member came.
    pub age: Duration,
}

/// Jobs, each of which names raw objects: gives patches of entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Which queue.
    pub backend: Backend,
    /// The store of the raw objects, a key of [`Checked::stores`].
    pub store: String,
    /// What comes before everything in the names of raw objects, verbatim; it need not end a folder.
    pub prefix: String,
    /// One epoch.
    pub batch: Batch,
    /// How many epochs at once.
    pub in_flight: usize,
    /// How often a job is tried, the first time among them.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each that follows.
    pub backoff: Duration,
    /// How long a job is locked before its lock must be extended.
    pub lock: Duration,
    /// How often a job's worker may die before the job counts as failed.
    pub stalls: u32,
}

/// The HTTP face that people and programs read with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Where it listens: with the intake, where the address is the same.
    pub listen: SocketAddr,
    /// Its queries.
    pub reads: Reads,
    /// How people sign in to its pages; without it there are none.
    pub pages: Option<Pages>,
}

/// The pages for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Who knows it sees all projects.
    pub password: Option<Secret>,
    /// What sessions are signed with; without it they end with the process.
    pub session_secret: Option<Secret>,
    /// How long a session lasts.
    pub session: Duration,
    /// Where people reach the pages, where that is another address.
    pub url: Option<String>,
}

/// How many interactive queries, and how large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// Queries at once.
    pub at_once: usize,
    /// Queries that may wait for their turn.
    pub waiting: usize,
    /// How long each waits at most.
    pub wait: Duration,
    /// `max_rows_to_read` of one query.
    pub max_rows: Option<u64>,
    /// `max_bytes_to_read` of one query.
    pub max_bytes: Option<ByteSize>,
}

/// The kinds of queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Embedded, durable, of one process.
    Local {
        /// Its folder.
        dir: PathBuf,
    },
    /// Redis, in the layout of BullMQ.
    BullMq(BullMq),
}

/// A queue on Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BullMq {
    /// `redis(s)://user:password@host:port/db`, credentials percent-encoded. At least one; more than one, the seeds,
    /// only of a cluster.
    pub urls: Vec<Secret>,
    /// The URLs for people, without credentials.
    pub address: String,
    /// Whether it is a Redis cluster: then a queue's name is its prefix's hash tag.
    pub cluster: bool,
    /// The queue of ours, to which the intake puts jobs: one of `queues`. There wherever there is an intake.
    pub own: Option<String>,
    /// Over how many lanes the projects of that queue are spread, at least 1.
    pub lanes: usize,
    /// The queues that are worked on, lanes and shards by their own names (`ingestion-queue`, `ingestion-queue-1`); each once.
    pub queues: Vec<String>,
}

impl BullMq {
    /// What stands before the keys of its queues.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        if self.cluster { Prefix::Cluster } else { Prefix::Bull }
    }

    /// The queues for people: one with lanes is told once, with their number.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let own = self.own.as_deref().unwrap_or_default();
        let lanes = lanes(own, self.lanes);
        let told = |name: &String| match lanes.iter().position(|lane| lane == name) {
            Some(0) if self.lanes > 1 => Some(format!("{name} ({} lanes)", self.lanes)),
            Some(0) | None => Some(name.clone()),
            Some(_) => None,
        };
        self.queues.iter().filter_map(told).collect()
    }
}

/// The state of entities that are being written: takes patches, gives merged rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The node that it reads.
    pub input: String,
    /// How long an idle entity is held.
    pub held_for: Duration,
    /// What the held entities may take together.
    pub held_bytes: ByteSize,
    /// Whether an entity that is not held is looked up before it is written.
    pub history: bool,
}

/// Rows into ClickHouse: takes merged rows, sends away those that ClickHouse refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSink {
    /// The node that it reads.
    pub input: String,
    /// One insert.
    pub batch: Batch,
    /// Whether `blob_storage_file_log` is written too.
    pub file_log: bool,
    /// The letters sink that takes the rows that ClickHouse refuses.
    pub rejected: String,
}

/// What could not be written, on a store, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterSink {
    /// The name of its store, a key of [`Checked::stores`].
    pub store: String,
    /// What comes before everything in the names of its objects, verbatim. No other node writes there.
    pub prefix: String,
}

/// The four nodes of an ingestion graph together: what its dataflow is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestionRoute<'a> {
    /// Where jobs come from.
    pub queue: &'a Queue,
    /// The name of that source.
    pub source: &'a str,
    /// The merge.
    pub merge: &'a Merge,
    /// The name of that operator.
    pub operator: &'a str,
    /// Where rows go.
    pub rows: &'a RowSink,
    /// The name of that sink.
    pub sink: &'a str,
    /// Where goes what ClickHouse refuses and what cannot be decoded.
    pub letters: &'a LetterSink,
    /// The name of that sink.
    pub letter_sink: &'a str,
}

impl Graph {
    /// The nodes of an ingestion graph; `None` for an export.
    #[must_use]
    pub fn ingestion(&self) -> Option<IngestionRoute<'_>> {
        let (sink, rows) = self.sinks.iter().find_map(|sink| match &sink.kind {
            SinkKind::Rows(rows) => Some((sink.name.as_str(), rows)),
            _ => None,
        })?;
        let (letter_sink, letters) = self.sinks.iter().find_map(|sink| match &sink.kind {
            SinkKind::Letters(letters) if sink.name == rows.rejected => Some((sink.name.as_str(), letters)),
            _ => None,
        })?;
        let is_merge = |operator: &&Operator| operator.name == rows.input;
        let operator = self.operators.iter().find(is_merge)?;
        let OperatorKind::Merge(merge) = &operator.kind else {
            return None;
        };
        let source = self.sources.iter().find(|source| source.name == merge.input)?;
        let SourceKind::Queue(queue) = &source.kind else {
            return None;
        };
        Some(IngestionRoute {
            queue,
            source: &source.name,
            merge,
            operator: &operator.name,
            rows,
            sink,
            letters,
            letter_sink,
        })
    }
}

impl Role {
    /// All of them, with the names that files and the command line have for them.
    pub const NAMES: [(&str, Self); 4] = [
        ("all", Self::All),
        ("ingestion", Self::Ingestion),
        ("export", Self::Export),
        ("web", Self::Web),
    ];

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find(|(own, _)| *own == name)
            .map(|(_, role)| role)
    }

    /// Whether a process of this role runs that graph.
    #[must_use]
    pub fn runs(self, graph: &Graph) -> bool {
        match self {
            Self::All => true,
            Self::Ingestion => graph.ingestion().is_some(),
            Self::Export => graph.ingestion().is_none(),
            Self::Web => false,
        }
    }

    /// Whether a process of this role listens as the intake.
    #[must_use]
    pub fn listens(self) -> bool {
        matches!(self, Self::All | Self::Ingestion)
    }

    /// Whether a process of this role answers queries.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::All | Self::Web)
    }
}

impl Checked {
    /// The one ingestion graph of the file with its nodes.
    #[must_use]
    pub fn ingestion(&self) -> Option<(&Graph, IngestionRoute<'_>)> {
        self.graphs
            .iter()
            .find_map(|graph| graph.ingestion().map(|route| (graph, route)))
    }
}
