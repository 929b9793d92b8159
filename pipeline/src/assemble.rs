//! From a checked configuration to running parts: services, stores, budgets, exports.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, watch};
use tracemill_model::{ExportKey, ProjectId, Table};
use tracemill_operators::bridge::Frontier;
use tracemill_operators::governor::Gate;
use tracemill_operators::progress::Progress;
use tracemill_operators::shares::Turns;
use tracemill_operators::split::LeafLimit;
use tracemill_operators::{Budget, Clock};
use tracemill_sinks::commit::fence::Owner;
use tracemill_sinks::commit::{Catalog, Layout, LayoutKind};
use tracemill_sinks::encode::{EncodeOptions, Format, TextCompression};
use tracemill_sinks::store::{Store, StoreConfig, UploadOptions};
use tracemill_sources::windows::{LeafMemory, Tuning, survey};
use tracemill_warehouse::{Limits as ServiceLimits, Service, ServiceConfig, ServiceKind};

use crate::PipelineError;
use crate::config::{
    self, Checked, Compression, FileFormat, Graph, OnStuck, Projects, QueryLimits, Route, Server, WireCompression,
};
use crate::export::plan::Cut;
use crate::export::reached::Reached;
use crate::export::spec::{ExportSpec, Extent};
use crate::figures::Figures;

/// What all exports of a process share.
#[derive(Debug)]
pub struct Shared {
    /// The process's byte budget.
    pub memory: Budget,
    /// How many leaves at once.
    pub leaves: u64,
    /// How many leaves at once.
    pub slots: Arc<Semaphore>,
    /// Which project's leaf is next.
    pub turns: Turns,
    /// How much of ClickHouse the exports may use now.
    pub gate: Gate,
    /// Who we are.
    pub owner: Owner,
    /// Now.
    pub clock: Clock,
    /// Histograms.
    pub figures: Figures,
    /// Becomes true when no more windows are to be begun.
    pub draining: watch::Sender<bool>,
    /// The rows come from here.
    pub service: Service,
    /// Settings that make wide rows cheap there; none until the server was asked.
    pub tuning: Tuning,
}

impl Shared {
    /// Takes what the configuration gives to the process.
    #[must_use]
    pub fn new(checked: &Checked, service: Service, clock: Clock) -> Self {
        let config::Limits {
            memory,
            leaves,
            workers: _,
            encode_threads,
        } = checked.limits;
        tracemill_sinks::encode::pool(encode_threads);
        let run = run_id(&clock);
        Self {
            memory: Budget::new("process", memory.0),
            leaves: leaves as u64,
            slots: Arc::new(Semaphore::new(leaves)),
            turns: Turns::new(checked.weights.clone()),
            gate: Gate::default(),
            owner: Owner::this_process(run, clock.now()),
            clock,
            figures: Figures::default(),
            draining: watch::Sender::new(false),
            service,
            tuning: Tuning::default(),
        }
    }
}

/// A name for this run that no other has: time and process.
fn run_id(clock: &Clock) -> String {
    format!("{}-{}", clock.now().file_stem(), std::process::id())
}

/// How a service is reached.
#[must_use]
pub fn service_config(server: &Server, limits: &QueryLimits) -> ServiceConfig {
    let QueryLimits {
        max_memory_usage,
        max_threads,
        priority,
        timeout,
        compression,
    } = limits.clone();
    let Server {
        url,
        user,
        password,
        database,
    } = server.clone();
    ServiceConfig {
        url,
        user: Some(user),
        password: Some(password),
        database: Some(database),
        limits: ServiceLimits {
            max_memory_usage,
            max_threads,
            priority,
            timeout: Some(timeout),
            ..ServiceLimits::default()
        },
        compression: match compression {
            WireCompression::Auto => tracemill_warehouse::Compression::Auto,
            WireCompression::None => tracemill_warehouse::Compression::None,
            WireCompression::Lz4 => tracemill_warehouse::Compression::Lz4,
        },
    }
}

/// A service of servers that others run.
///
/// # Errors
/// Its URL cannot be used.
pub fn service(kind: ServiceKind, server: &Server, limits: &QueryLimits) -> Result<Service, PipelineError> {
    Ok(Service::new(kind, &service_config(server, limits))?)
}

/// The store's own form of its configuration.
#[must_use]
pub fn store_config(store: &config::Store) -> StoreConfig {
    let mut store_config = StoreConfig::new(store.url.clone());
    for (name, value) in &store.options {
        store_config = store_config.with(name, value.reveal());
    }
    store_config
}

/// Opens the store of a route.
///
/// # Errors
/// Its address or options cannot be used.
pub fn open_store(checked: &Checked, route: &Route<'_>) -> Result<Store, PipelineError> {
    let store = checked
        .stores
        .get(&route.sink.store)
        .ok_or_else(|| PipelineError::Usage {
            reason: format!("there is no store {}", route.sink.store),
        })?;
    Ok(Store::open(&store_config(store))?)
}

/// The file format, with its options.
fn encode_options(format: FileFormat, max_held: u64) -> EncodeOptions {
    let level = |compression: Compression| match compression {
        Compression::None => (TextCompression::None, 1),
        Compression::Gzip(level) => (TextCompression::Gzip, level),
        Compression::Zstd(level) => (TextCompression::Zstd, level),
    };
    let (format, level, row_group) = match format {
        FileFormat::Parquet { row_group, compression } => (Format::Parquet, level(compression).1, row_group.0),
        FileFormat::Csv { compression } => {
            let (text, level) = level(compression);
            (Format::Csv(text), level, 64 << 20)
        }
        FileFormat::Jsonl { compression } => {
            let (text, level) = level(compression);
            (Format::Jsonl(text), level, 64 << 20)
        }
    };
    let level = i32::try_from(level).unwrap_or(1);
    EncodeOptions {
        level,
        row_group_bytes: row_group,
        max_held,
        ..EncodeOptions::new(format)
    }
}

/// How a sink names its objects.
#[must_use]
pub fn layout(route: &Route<'_>) -> Layout {
    let kind = match route.sink.layout {
        config::Layout::Langfuse => LayoutKind::Langfuse,
        config::Layout::Hive => LayoutKind::Hive,
    };
    let extension = encode_options(route.sink.format, 0).format.extension();
    Layout {
        prefix: route.sink.prefix.clone(),
        kind,
        extension,
    }
}

/// The projects of a route: those that are named, or every one that has rows.
///
/// # Errors
/// ClickHouse cannot be asked.
pub async fn projects(service: &Service, route: &Route<'_>) -> Result<Vec<ProjectId>, PipelineError> {
    match &route.windows.projects {
        Projects::Ids(ids) => Ok(ids.clone()),
        Projects::All => {
            let tables: Vec<Table> = route.windows.tables.iter().map(|choice| choice.table).collect();
            Ok(survey::projects(service, &tables).await?)
        }
    }
}

/// Chooses among the exports of a configuration; `None` chooses all.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// These projects.
    pub projects: Option<BTreeSet<ProjectId>>,
    /// These tables.
    pub tables: Option<BTreeSet<Table>>,
}

impl Choice {
    /// Whether an export is chosen.
    #[must_use]
    pub fn has(&self, key: &ExportKey) -> bool {
        self.projects
            .as_ref()
            .is_none_or(|projects| projects.contains(&key.project))
            && self.tables.as_ref().is_none_or(|tables| tables.contains(&key.table))
    }
}

/// The exports of a route for those projects.
///
/// # Errors
/// The store cannot be opened.
pub fn exports(
    checked: &Checked,
    graph: &Graph,
    route: &Route<'_>,
    projects: &[ProjectId],
    shared: &Shared,
    extent: Extent,
) -> Result<Vec<ExportSpec>, PipelineError> {
    let store = open_store(checked, route)?;
    let memory = match graph.memory {
        Some(limit) => shared.memory.child(graph.name.as_str(), limit.0),
        None => shared.memory.clone(),
    };
    let mut exports = Vec::new();
    for project in projects {
        for choice in &route.windows.tables {
            let trace_only = route.windows.trace_only.contains(project);
            if trace_only && choice.table != Table::Traces {
                continue;
            }
            let key = ExportKey {
                project: project.clone(),
                table: choice.table,
            };
            let catalog = Catalog {
                store: store.clone(),
                layout: layout(route),
                key,
            };
            let columns = choice.columns.iter().map(|column| (*column).to_owned()).collect();
            exports.push(export(
                graph,
                route,
                catalog,
                columns,
                trace_only,
                memory.clone(),
                shared,
                extent,
            ));
        }
    }
    Ok(exports)
}

#[expect(
    clippy::too_many_arguments,
    reason = "called once; a struct of them would be built for this call alone"
)]
fn export(
    graph: &Graph,
    route: &Route<'_>,
    catalog: Catalog,
    columns: Vec<String>,
    trace_only: bool,
    memory: Budget,
    shared: &Shared,
    extent: Extent,
) -> ExportSpec {
    let windows = route.windows;
    // A graph's own share may be smaller than the process's budget; a leaf must fit in it.
    let leaf_memory = LeafMemory::within(memory.limit(), shared.leaves);
    let upload = upload_options(route, leaf_memory.encoder);
    let parts = (upload.part_size * (upload.max_in_flight + 1)) as u64;
    let max_held = leaf_memory.encoder.saturating_sub(parts).max(4 << 20);
    ExportSpec {
        key: catalog.key.clone(),
        route: format!("{}.{}", graph.name, route.name),
        service: shared.service.clone(),
        gate: shared.gate.clone(),
        tuning: shared.tuning.clone(),
        catalog,
        columns,
        start: windows.start,
        cut: cut(route),
        lag: windows.lag,
        trace_only,
        reconcile: windows.reconcile,
        extent,
        deadline: windows.deadline,
        encode: EncodeOptions {
            readers: shared.gate.readers().clone(),
            ..encode_options(route.sink.format, max_held)
        },
        upload,
        file_size: route.sink.file_size,
        allow_letters: route.sink.on_stuck == OnStuck::Letter,
        memory,
        leaf_memory,
        slots: Arc::clone(&shared.slots),
        turns: shared.turns.clone(),
        learned: Arc::new(Mutex::new(LeafLimit::default())),
        owner: shared.owner.clone(),
        clock: shared.clock.clone(),
        progress: Progress::default(),
        reached: Reached::default(),
        figures: shared.figures.clone(),
        draining: shared.draining.subscribe(),
        durable: watch::Sender::new(Frontier::start()),
    }
}

/// How windows are cut. In the hive layout the files of a window lie in the partition of one day, so none crosses midnight.
#[must_use]
pub fn cut(route: &Route<'_>) -> Cut {
    let day = std::time::Duration::from_secs(86_400);
    let catch_up = match route.sink.layout {
        config::Layout::Langfuse => route.windows.catch_up,
        config::Layout::Hive => {
            let is_long = u128::try_from(route.windows.every.len_ms()).is_ok_and(|ms| ms > day.as_millis());
            route
                .windows
                .catch_up
                .map(|cap| cap.min(day))
                .or(is_long.then_some(day))
        }
    };
    Cut {
        every: route.windows.every,
        catch_up,
    }
}

/// Parts as configured, but no more memory than half of what the encoder and the upload of a leaf have.
fn upload_options(route: &Route<'_>, encoder_memory: u64) -> UploadOptions {
    const LEAST: u64 = 5 << 20;
    let part_size = route.sink.part_size.0.min(encoder_memory / 4).max(LEAST);
    let in_flight = (encoder_memory / 2 / part_size).saturating_sub(1).clamp(1, 2);
    UploadOptions {
        part_size: usize::try_from(part_size).unwrap_or(usize::MAX),
        max_in_flight: usize::try_from(in_flight).unwrap_or(1),
    }
}
