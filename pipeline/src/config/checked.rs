//! What a checked configuration is: plain typed data that the runtime destructures.
//!
//! A value of [`Checked`] exists only when the file and the environment hold no fault: every name that refers to
//! something finds it, every number lies within its bounds, every edge's types fit.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracemill_model::{ByteSize, Millis, Period, ProjectId, Secret, Table};
use tracemill_operators::Weights;
use tracemill_operators::governor::{Bounds, Settings};

mod ingestion;

pub use ingestion::{
    Access, AccessKey, Backend, Batch, BullMq, IngestionRoute, Intake, KeyProof, LetterSink, Merge, Organisation,
    Pages, Prices, Queue, Reads, RowSink, Web,
};

/// A whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The file's name, as it was given.
    pub file: String,
    /// Which graphs this process runs, unless the command line says otherwise.
    pub role: Role,
    /// Where ClickHouse is.
    pub engine: Engine,
    /// What each service's queries may take.
    pub queries: Queries,
    /// The stores by name. Each has at least its URL checked; its options are the store's own to check.
    pub stores: BTreeMap<String, Store>,
    /// What this process may take.
    pub limits: Limits,
    /// Where the running process leaves its state for `tracemill status`.
    pub status: Status,
    /// The HTTP face. Where it is there, so are an ingestion graph and an access.
    pub intake: Option<Intake>,
    /// What reads with. Where it is there, so is an access.
    pub web: Option<Web>,
    /// What holds the export back.
    pub governor: Governor,
    /// The projects that may send, in the order of the file; that of the environment last.
    pub access: Vec<Access>,
    /// How much of what all projects share each has.
    pub weights: Weights,
    /// Where prices of models come from.
    pub prices: Prices,
    /// The graphs, in the order of the file. At least one, and at most one of ingestion.
    pub graphs: Vec<Graph>,
}

/// Which workload a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    All,
    /// Ingestion graphs.
    Ingestion,
    /// Export graphs.
    Export,
    /// The web pages and the API.
    Web,
}

/// Where ClickHouse is.
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// A child process of ours.
    Embedded(Embedded),
    /// Servers that others run.
    Servers(Box<Servers>),
}

/// The embedded engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// Its data folder.
    pub dir: PathBuf,
    /// Its HTTP port on the loopback address; `None` takes a free one.
    pub http_port: Option<u16>,
}

/// The services of a ClickHouse that others run. An export needs no more than `export`, so a process that only
/// exports need not be given the other users' passwords.
#[derive(Debug, Clone, PartialEq)]
pub struct Servers {
    /// For inserts, table definitions and deletions.
    pub read_write: Option<Server>,
    /// For interactive queries. Falls back to `read_write`.
    pub read_only: Option<Server>,
    /// For bulk reads. Falls back to `read_write`.
    pub export: Server,
    /// The cluster's name for `ON CLUSTER` statements; `None` for a standalone server.
    pub cluster: Option<String>,
}

/// One way to reach a ClickHouse server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `http(s)://host:port/path`, without user, password or query.
    pub url: String,
    /// The user.
    pub user: String,
    /// The password, which may be empty.
    pub password: Secret,
    /// The database.
    pub database: String,
}

/// The limits of the three services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queries {
    /// Inserts and table definitions.
    pub read_write: QueryLimits,
    /// Interactive queries.
    pub read_only: QueryLimits,
    /// Bulk reads.
    pub export: QueryLimits,
}

/// What one query may take. `None` leaves it to the server's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// `max_memory_usage`.
    pub max_memory_usage: Option<ByteSize>,
    /// `max_threads`.
    pub max_threads: Option<u32>,
    /// `priority`: a smaller number goes first, 0 is without priority.
    pub priority: Option<u32>,
    /// How long the client waits for the whole response.
    pub timeout: Duration,
    /// Of the HTTP response.
    pub compression: WireCompression,
}

/// Compression of a ClickHouse response: costs the server CPU, saves network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireCompression {
    /// None for a server on this machine, else LZ4.
    Auto,
    /// None.
    None,
    /// LZ4.
    Lz4,
}

/// An object store, or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its name in the file.
    pub name: String,
    /// Which service it is.
    pub kind: StoreKind,
    /// The URL as given, `${}` expanded; for a folder given by a path, that path. Never holds credentials.
    pub url: String,
    /// Region, endpoint, credentials; any of the values may be a secret.
    pub options: BTreeMap<String, Secret>,
}

/// Which service a store is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// A local folder.
    Local(PathBuf),
    /// Google Cloud Storage: `gs://`.
    Gcs,
    /// S3 or compatible: `s3://`.
    S3,
    /// Azure Blob Storage: `az://`.
    Azure,
}

/// What this process may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The byte budget that all batches share.
    pub memory: ByteSize,
    /// How many leaves are read and written at once.
    pub leaves: usize,
    /// How many timely workers.
    pub workers: usize,
    /// How many threads encode files.
    pub encode_threads: usize,
}

/// What holds the export back while people and programs read.
#[derive(Debug, Clone, PartialEq)]
pub struct Governor {
    /// Whether it does.
    pub enabled: bool,
    /// Its target and its floor.
    pub bounds: Bounds,
    /// What the exports never pass, governed or not.
    pub ceiling: Settings,
    /// How many times its age a batch of ingestion may wait at most.
    pub stretch: u32,
    /// Whether the exports stand still while readers' queries run; `None`: where ClickHouse is on this machine.
    pub give_way: Option<bool>,
}

/// Where the running process leaves its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The folder.
    pub dir: PathBuf,
    /// Where `/metrics` and `/healthz` are told; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// How long there may be work without progress, or a workload be down, before `/healthz` says so.
    pub unhealthy_after: Duration,
}

/// One graph, an export or ingestion: its nodes, each with a name that no other node of it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Its name.
    pub name: String,
    /// Its share of the process's byte budget; `None` for all of it.
    pub memory: Option<ByteSize>,
    /// In the order of the file.
    pub sources: Vec<Source>,
    /// In the order of the file.
    pub operators: Vec<Operator>,
    /// In the order of the file.
    pub sinks: Vec<Sink>,
}

/// A node that data comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
}

/// The kinds of sources.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    /// Windows of ClickHouse tables: gives batches of row versions; a split feeds descriptions back to it.
    Windows(Windows),
    /// A queue of jobs: gives patches of entities.
    Queue(Queue),
}

/// What leaves ClickHouse, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// Whose rows.
    pub projects: Projects,
    /// Projects of which traces alone are exported. May name projects that `projects` does not.
    pub trace_only: BTreeSet<ProjectId>,
    /// Which tables, in the order of the file; each at most once.
    pub tables: Vec<TableChoice>,
    /// Where the first window begins.
    pub start: Start,
    /// The length of a window in steady state.
    pub every: Period,
    /// How far the horizon stays behind now.
    pub lag: Duration,
    /// The longest window while catching up; `None`: catching up takes one period at a time.
    pub catch_up: Option<Duration>,
    /// Looking for rows that changed after their window was written; `None` is off.
    pub reconcile: Option<Reconcile>,
    /// How long one leaf may take from its first query to its last upload before it counts as failed.
    pub deadline: Duration,
}

/// Which projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projects {
    /// Every project that has rows.
    All,
    /// These, in the order of the file.
    Ids(Vec<ProjectId>),
}

/// A table and what leaves of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableChoice {
    /// The table.
    pub table: Table,
    /// The columns in the order of the files: a choice of the table's own, each once.
    pub columns: Vec<&'static str>,
}

/// Where an export's first window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest row of the project.
    FullHistory,
    /// At this time.
    From(Millis),
    /// When the export first runs.
    Now,
}

/// When late rows are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconcile {
    /// How often.
    pub every: Duration,
    /// How far back from the horizon.
    pub lookback: Duration,
}

/// A node that data passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: OperatorKind,
}

/// The kinds of operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorKind {
    /// Keeps the newest living version of each id: takes versions, gives rows.
    Dedup {
        /// The node that it reads.
        input: String,
    },
    /// Halves failed leaves: takes outcomes of the sinks that name it, gives descriptions to a source.
    Split {
        /// The source that it feeds.
        into: String,
    },
    /// Merges the patches of each entity: takes patches, gives merged rows.
    Merge(Merge),
}

/// A node that data leaves by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
}

/// The kinds of sinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// Files on a store.
    Files(FileSink),
    /// Rows of ClickHouse.
    Rows(RowSink),
    /// Letters on a store.
    Letters(LetterSink),
}

/// Files on a store: takes rows, gives outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSink {
    /// The node that it reads.
    pub input: String,
    /// The name of its store, a key of [`Checked::stores`].
    pub store: String,
    /// What comes before everything in the names of its objects, verbatim. No two sinks share store and prefix.
    pub prefix: String,
    /// How objects are named after the prefix.
    pub layout: Layout,
    /// What the files are.
    pub format: FileFormat,
    /// The size at which a file is ended and the next begun.
    pub file_size: ByteSize,
    /// The size of a part of a multipart upload.
    pub part_size: ByteSize,
    /// The split operator that takes failed leaves.
    pub failed: String,
    /// What happens to a single row that cannot be written.
    pub on_stuck: OnStuck,
}

/// How objects are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `<prefix><project>/<table>/<to>.parquet`.
    Langfuse,
    /// `<prefix>table=…/project=…/date=…`.
    Hive,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet {
        /// The size of a row group in memory.
        row_group: ByteSize,
        /// Of its pages.
        compression: Compression,
    },
    /// Comma-separated values with a header line.
    Csv {
        /// Of the whole file.
        compression: Compression,
    },
    /// One JSON object a line.
    Jsonl {
        /// Of the whole file.
        compression: Compression,
    },
}

/// Compression of a file. Parquet takes `None` and `Zstd`, text takes all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// None.
    None,
    /// gzip with a level of 1 to 9.
    Gzip(u32),
    /// Zstandard with a level of 1 to 22.
    Zstd(u32),
}

/// What happens to a single row that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnStuck {
    /// It becomes a letter, and the export goes on.
    Letter,
    /// The export stops there and says so.
    Hold,
}

/// One way through a graph, from a source to a sink: what one dataflow per (project, table) is built from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route<'a> {
    /// Where the rows come from.
    pub windows: &'a Windows,
    /// The name of that source.
    pub source: &'a str,
    /// The name of the dedup operator on the way.
    pub dedup: &'a str,
    /// The name of the split operator that takes its failed leaves.
    pub split: &'a str,
    /// Where they go.
    pub sink: &'a FileSink,
    /// The name of that sink.
    pub name: &'a str,
}

impl Graph {
    /// The ways through an export, one a sink, in the order of the file. A tee is several routes with one source. An
    /// ingestion graph has none: see [`Graph::ingestion`].
    #[must_use]
    pub fn routes(&self) -> Vec<Route<'_>> {
        self.sinks.iter().filter_map(|sink| self.route(sink)).collect()
    }

    fn route<'a>(&'a self, sink: &'a Sink) -> Option<Route<'a>> {
        let SinkKind::Files(files) = &sink.kind else {
            return None;
        };
        let dedup = self.operators.iter().find(|operator| operator.name == files.input)?;
        let OperatorKind::Dedup { input } = &dedup.kind else {
            return None;
        };
        let source = self.sources.iter().find(|source| &source.name == input)?;
        let SourceKind::Windows(windows) = &source.kind else {
            return None;
        };
        Some(Route {
            windows,
            source: &source.name,
            dedup: &dedup.name,
            split: &files.failed,
            sink: files,
            name: &sink.name,
        })
    }
}

impl Checked {
    /// The graph of that name.
    #[must_use]
    pub fn graph(&self, name: &str) -> Option<&Graph> {
        self.graphs.iter().find(|graph| graph.name == name)
    }
}
