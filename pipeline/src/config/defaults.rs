//! Every default and every bound of the configuration.
//!
//! What a key means when neither the file nor the environment gives it, and how far a value may go.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tracemill_model::ByteSize;

/// The data folder of the embedded engine.
pub const EMBEDDED_DIR: &str = "tracemill-data/clickhouse";
/// Where a running process leaves its state.
pub const STATUS_DIR: &str = "tracemill-data/status";
/// How long there may be work without progress before a process is not healthy.
pub const UNHEALTHY_AFTER: Duration = Duration::from_secs(300);
/// The shortest such time.
pub const MIN_UNHEALTHY_AFTER: Duration = Duration::from_secs(1);
/// The longest.
pub const MAX_UNHEALTHY_AFTER: Duration = Duration::from_secs(86_400);
/// The database of a server.
pub const DATABASE: &str = "default";
/// The user of a server.
pub const USER: &str = "default";

/// `max_memory_usage` of an export query: the fork's own.
pub const EXPORT_MEMORY: ByteSize = ByteSize(20_000_000_000);
/// `max_threads` of an export query. One thread streams about a gigabyte a second, more than the encoder takes, with a
/// quarter of the memory of ten (92 MiB instead of 445 MiB for a day of 1.5 GiB) and a quarter less CPU.
pub const EXPORT_THREADS: u32 = 1;
/// `priority` of an export query: the fork's own.
pub const EXPORT_PRIORITY: u32 = 2;
/// How long an export query may take: the fork's own.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(600);
/// `priority` of an interactive query: an export's waits while one runs. 0, the fork's own, is outside the order: nothing
/// waits for it.
pub const READ_ONLY_PRIORITY: u32 = 1;
/// How long an interactive query may take.
pub const READ_ONLY_TIMEOUT: Duration = Duration::from_secs(30);
/// `priority` of an insert.
pub const READ_WRITE_PRIORITY: u32 = 1;
/// How long an insert may take.
pub const READ_WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// The least `max_memory_usage`: below it ClickHouse fails before it reads.
pub const MIN_QUERY_MEMORY: ByteSize = ByteSize::mib(1);
/// The greatest `max_memory_usage`.
pub const MAX_QUERY_MEMORY: ByteSize = ByteSize(16 << 40);

/// The process's byte budget.
pub const MEMORY: ByteSize = ByteSize::mib(160);
/// The least byte budget: two batches and a row group of wide rows.
pub const MIN_MEMORY: ByteSize = ByteSize::mib(32);
/// The greatest byte budget.
pub const MAX_MEMORY: ByteSize = ByteSize(1 << 40);
/// How many leaves at once.
pub const LEAVES: usize = 2;
/// How many timely workers.
pub const WORKERS: usize = 1;
/// How many threads encode files.
pub const ENCODE_THREADS: usize = 2;
/// The greatest number of leaves, workers and threads.
pub const MAX_PARALLEL: usize = 256;

/// How far the horizon stays behind now: the fork's own.
pub const LAG: Duration = Duration::from_secs(30 * 60);
/// The greatest lag.
pub const MAX_LAG: Duration = Duration::from_secs(30 * 86_400);
/// The longest window while catching up: a day, within which rows are sorted by id.
pub const CATCH_UP: Duration = Duration::from_secs(86_400);
/// The shortest cap of a catch-up window.
pub const MIN_CATCH_UP: Duration = Duration::from_secs(60);
/// The longest cap of a catch-up window.
pub const MAX_CATCH_UP: Duration = Duration::from_secs(366 * 86_400);
/// How often late rows are looked for.
pub const RECONCILE_EVERY: Duration = Duration::from_secs(3_600);
/// How far back they are looked for.
pub const RECONCILE_LOOKBACK: Duration = Duration::from_secs(7 * 86_400);
/// The shortest time between two searches for late rows.
pub const MIN_RECONCILE_EVERY: Duration = Duration::from_secs(60);
/// The farthest that late rows are looked for.
pub const MAX_LOOKBACK: Duration = Duration::from_secs(3_660 * 86_400);
/// How long one leaf may take before it counts as failed.
pub const DEADLINE: Duration = Duration::from_secs(1_800);
/// The shortest deadline of a leaf, and the shortest timeout of a query.
pub const MIN_DEADLINE: Duration = Duration::from_millis(100);
/// The longest deadline of a leaf, and the longest timeout of a query.
pub const MAX_DEADLINE: Duration = Duration::from_secs(7 * 86_400);

/// Where a file ends and the next begins.
pub const FILE_SIZE: ByteSize = ByteSize::mib(256);
/// The least file size.
pub const MIN_FILE_SIZE: ByteSize = ByteSize::mib(1);
/// The greatest file size: the greatest object of S3.
pub const MAX_FILE_SIZE: ByteSize = ByteSize(5 << 40);
/// The size of an upload's part.
pub const PART_SIZE: ByteSize = ByteSize::mib(8);
/// The least part: S3 refuses smaller ones.
pub const MIN_PART_SIZE: ByteSize = ByteSize::mib(5);
/// The greatest part: S3 refuses larger ones.
pub const MAX_PART_SIZE: ByteSize = ByteSize::gib(5);
/// The greatest number of parts of an object: S3's own.
pub const MAX_PARTS: u64 = 10_000;
/// The size of a row group in memory.
pub const ROW_GROUP: ByteSize = ByteSize::mib(64);
/// The least row group.
pub const MIN_ROW_GROUP: ByteSize = ByteSize::kib(64);
/// The greatest row group: what a column chunk can hold.
pub const MAX_ROW_GROUP: ByteSize = ByteSize::gib(2);
/// The Zstandard level: 3 costs two thirds more CPU for files that are a tenth smaller.
pub const ZSTD_LEVEL: u32 = 1;
/// The gzip level.
pub const GZIP_LEVEL: u32 = 6;

/// Where the intake listens.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);
/// The longest body of `/ingestion`: the fork's own.
pub const BODY: ByteSize = ByteSize((9 << 20) / 2);
/// The longest OTLP body as received.
pub const OTLP_BODY: ByteSize = ByteSize::mib(16);
/// The longest body after decompression.
pub const DECOMPRESSED: ByteSize = ByteSize::mib(64);
/// What the bodies in flight may hold together.
pub const INTAKE_MEMORY: ByteSize = ByteSize::mib(64);
/// The least of these sizes.
pub const MIN_BODY: ByteSize = ByteSize::kib(1);
/// The greatest body.
pub const MAX_BODY: ByteSize = ByteSize::gib(4);
/// How many events a batch may have.
pub const EVENTS: usize = 10_000;
/// The greatest number of events of a batch.
pub const MAX_EVENTS: usize = 1_000_000;
/// How deep JSON may be nested.
pub const NESTING: usize = 128;
/// The least nesting: below it the clients' own events do not fit.
pub const MIN_NESTING: usize = 16;
/// The greatest nesting.
pub const MAX_NESTING: usize = 1_024;
/// The greatest rate of requests.
pub const MAX_REQUESTS: u32 = 1_000_000;
/// Requests in flight of a project.
pub const IN_FLIGHT: usize = 64;
/// The greatest number of requests in flight.
pub const MAX_IN_FLIGHT: usize = 100_000;

/// The folder of the local queue.
pub const QUEUE_DIR: &str = "tracemill-data/queue";
/// The store of raw objects and letters, where the file has one of this name or the environment describes it.
pub const RAW_STORE: &str = "raw";
/// What raw objects' names begin with.
pub const RAW_PREFIX: &str = "events/";
/// What letters' names begin with.
pub const LETTERS_PREFIX: &str = "letters/";
/// The bytes of an epoch.
pub const EPOCH_BYTES: ByteSize = ByteSize::mib(16);
/// The age of an epoch.
pub const EPOCH_AGE: Duration = Duration::from_millis(250);
/// Epochs at once.
pub const EPOCHS: usize = 8;
/// The greatest number of epochs at once.
pub const MAX_EPOCHS: usize = 256;
/// The least bytes of a batch.
pub const MIN_BATCH: ByteSize = ByteSize::kib(64);
/// The greatest bytes of a batch.
pub const MAX_BATCH: ByteSize = ByteSize::gib(4);
/// The least age of a batch, and the shortest backoff.
pub const MIN_AGE: Duration = Duration::from_millis(1);
/// The greatest age of a batch.
pub const MAX_AGE: Duration = Duration::from_secs(600);
/// How often a job is tried: the fork's own.
pub const ATTEMPTS: u32 = 6;
/// The greatest number of attempts.
pub const MAX_ATTEMPTS: u32 = 1_000;
/// The first wait of a job that failed: the fork's own.
pub const BACKOFF: Duration = Duration::from_secs(5);
/// The longest first wait.
pub const MAX_BACKOFF: Duration = Duration::from_secs(86_400);
/// How long a job's lock holds: BullMQ's own.
pub const LOCK: Duration = Duration::from_secs(30);
/// The shortest lock.
pub const MIN_LOCK: Duration = Duration::from_secs(1);
/// The longest lock.
pub const MAX_LOCK: Duration = Duration::from_secs(3_600);
/// How often a job's worker may die.
pub const STALLS: u32 = 3;
/// The greatest number of stalls.
pub const MAX_STALLS: u32 = 1_000;
/// The lanes of a queue of ours on Redis: the chance that one project's backlog is in another one's lane is one in so many.
pub const LANES: usize = 32;
/// The greatest number of lanes of a queue of ours.
pub const MAX_LANES: usize = tracemill_sources::queue::bullmq::MAX_LANES;
/// The greatest number of shards of a queue.
pub const MAX_SHARDS: usize = 1_024;
/// How long an idle entity is held.
pub const HELD_FOR: Duration = Duration::from_secs(600);
/// The longest that an idle entity is held.
pub const MAX_HELD_FOR: Duration = Duration::from_secs(86_400);
/// What held entities may take.
pub const HELD_BYTES: ByteSize = ByteSize::mib(256);
/// The least that held entities may take.
pub const MIN_HELD_BYTES: ByteSize = ByteSize::mib(1);
/// The bytes of an insert.
pub const INSERT_BYTES: ByteSize = ByteSize::mib(32);
/// The age of an insert.
pub const INSERT_AGE: Duration = Duration::from_millis(750);

/// The least part of its speed that the export has, in percent.
pub const GOVERNOR_FLOOR: u32 = 10;
/// The least rate that exports may be held to: slower, ClickHouse gives up on a reader that takes nothing for so long.
pub const MIN_EXPORT_RATE: ByteSize = ByteSize::mib(1);
/// The least rate of each leaf that is read at once.
pub const EXPORT_RATE_PER_LEAF: ByteSize = ByteSize::kib(64);
/// The greatest.
pub const MAX_EXPORT_RATE: ByteSize = ByteSize(1 << 40);
/// How many times its age a batch of ingestion waits at most while parts pile up.
pub const INSERT_STRETCH: u32 = 8;
/// The greatest number of times.
pub const MAX_STRETCH: u32 = 100;
/// The shortest time that interactive queries may be given.
pub const MIN_TARGET: Duration = Duration::from_millis(1);
/// The longest.
pub const MAX_TARGET: Duration = Duration::from_secs(60);

/// Interactive queries at once.
pub const READS_AT_ONCE: usize = 8;
/// Interactive queries that may wait.
pub const READS_WAITING: usize = 64;
/// How long each waits.
pub const READ_WAIT: Duration = Duration::from_secs(5);
/// How long one who has signed in to the pages stays so.
pub const PAGE_SESSION: Duration = Duration::from_secs(12 * 3_600);
/// The shortest.
pub const MIN_PAGE_SESSION: Duration = Duration::from_secs(60);
/// The longest.
pub const MAX_PAGE_SESSION: Duration = Duration::from_secs(90 * 86_400);
/// Letters that the password of the pages has at least, and what sessions are signed with.
pub const MIN_PASSWORD: usize = 12;
