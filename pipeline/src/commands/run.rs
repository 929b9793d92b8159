//! `run`, `export` and `reconcile`: the graphs of a file, for as long as their extent lasts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::watch;
use tracemill_model::{ByteSize, ExportKey, Millis, ProjectId, Table, Window};
use tracemill_operators::governor::Gate;
use tracemill_operators::{Clock, Nice};
use tracemill_sources::windows::Tuning;
use tracemill_warehouse::{Service, ServiceKind};

use super::GraphArg;
use crate::PipelineError;
use crate::assemble::{self, Choice, Shared};
use crate::bars::{self, Watch, say};
use crate::config::{Graph, Role};
use crate::export::{ExportSpec, Extent};
use crate::ingestion::intake::Switch;
use crate::ingestion::process::{self, Face};
use crate::ingestion::status::Gauges;
use crate::observe::{self, Registry};
use crate::pace::grouped;
use crate::preflight;
use crate::runtime::Runtime;
use crate::session::{Session, load_as};
use crate::status::{Board, Ended, StatusFile};
use crate::workload::{Attempt, Workload, run_all};
use crate::{face, figures, governor};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Which graphs this process runs: all, ingestion, export or web. Wins over the file and `LANGFUSE_WORKER_ROLE`.
    #[arg(long)]
    role: Option<String>,
    /// End when everything up to the horizon is exported.
    #[arg(long)]
    once: bool,
    /// How long a stop waits for the windows that are under way.
    #[arg(long, default_value = "30 s", value_parser = parse_duration, value_name = "DURATION")]
    stop_within: Duration,
}

/// Arguments that choose among exports.
#[derive(Debug, Args, Default)]
pub(super) struct ChoiceArgs {
    /// Only this project; may be given several times.
    #[arg(long = "project", value_name = "ID")]
    projects: Vec<String>,
    /// Only this table; may be given several times.
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<String>,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// The beginning of the range: a date, an RFC 3339 time, or milliseconds since 1970.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    from: Millis,
    /// The end of the range; itself not included.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    to: Millis,
    #[command(flatten)]
    choice: ChoiceArgs,
}

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    #[command(flatten)]
    graph: GraphArg,
    #[command(flatten)]
    choice: ChoiceArgs,
}

pub(crate) fn parse_time(text: &str) -> Result<Millis, String> {
    Millis::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    tracemill_model::time::parse_duration(text).map_err(|error| error.to_string())
}

impl ChoiceArgs {
    /// The choice, with unknown tables refused.
    ///
    /// # Errors
    /// A name that is none.
    pub(super) fn choice(&self) -> Result<Choice, PipelineError> {
        let usage = |reason: String| PipelineError::Usage { reason };
        let tables: Vec<Table> = self
            .tables
            .iter()
            .map(|name| {
                Table::parse(name).ok_or_else(|| {
                    usage(format!(
                        "{name} is no table: traces, observations and scores are exported"
                    ))
                })
            })
            .collect::<Result<_, _>>()?;
        let projects: Vec<ProjectId> = self
            .projects
            .iter()
            .map(|id| ProjectId::new(id.clone()).map_err(|error| usage(error.to_string())))
            .collect::<Result<_, _>>()?;
        let some = |is_empty: bool| !is_empty;
        Ok(Choice {
            projects: some(projects.is_empty()).then(|| projects.into_iter().collect::<BTreeSet<_>>()),
            tables: some(tables.is_empty()).then(|| tables.into_iter().collect::<BTreeSet<_>>()),
        })
    }
}

/// `tracemill run`.
pub(super) async fn run(args: RunArgs) -> Result<(), PipelineError> {
    let asked = args.role.as_deref().map(role).transpose()?;
    let checked = load_as(&args.graph.graph, asked)?;
    let extent = if args.once {
        Extent::UntilCaughtUp
    } else {
        Extent::Forever
    };
    let session = Arc::new(Session::of(checked).await?);
    let (registry, clock) = (registry(&session), Clock::system());
    let told = observe::listen(session.checked.status.listen, &registry, &clock).await?;
    let workloads = workloads(&session, &registry, extent, args.stop_within);
    let reads = face::faces(&session.checked).iter().any(|face| face.reads);
    let alone = workloads.iter().filter(|workload| !workload.is_face).count() + usize::from(reads) <= 1;
    let ran = run_all(workloads, &registry.states, &clock, alone, stop_signal()).await;
    drop(told);
    let closed = match Arc::into_inner(session) {
        Some(session) => session.close().await,
        // A thread that could not end holds it; so does its engine, which ends with the process.
        None => Ok(()),
    };
    ran.and(closed)
}

fn registry(session: &Session) -> Registry {
    let checked = &session.checked;
    Registry::new(checked.status.unhealthy_after, checked.governor.bounds.floor)
}

/// What a process of that role does: its graphs, and the HTTP face of those that clients send to.
fn workloads(session: &Arc<Session>, registry: &Registry, extent: Extent, stop_within: Duration) -> Vec<Workload> {
    let (checked, role) = (&session.checked, session.checked.role);
    let switch = Switch::default();
    let mut workloads = Vec::new();
    if checked.ingestion().is_some_and(|(graph, _)| role.runs(graph)) {
        let (session, registry, switch) = (Arc::clone(session), registry.clone(), switch.clone());
        let begin = move |stop| -> Attempt {
            let (session, registry) = (Arc::clone(&session), registry.clone());
            let face = Face::Shared(switch.clone());
            let tell = move |gauges: &Gauges| registry.ingestion(gauges);
            Box::pin(async move { process::run_told(&session, stop, stop_within, face, tell).await })
        };
        workloads.push(workload("ingestion", begin));
    }
    let exports = |graph: &Graph| graph.ingestion().is_none() && role.runs(graph);
    if checked.graphs.iter().any(exports) {
        let (session, registry) = (Arc::clone(session), registry.clone());
        let begin = move |stop| -> Attempt {
            let (session, registry) = (Arc::clone(&session), registry.clone());
            Box::pin(async move {
                let drive = Drive {
                    session: &session,
                    extent,
                    choice: Choice::default(),
                    stop_within,
                    stop: Some(stop),
                    registry,
                    show: Show::default(),
                };
                drive.run().await
            })
        };
        workloads.push(Workload {
            ends: extent == Extent::UntilCaughtUp,
            nice: Nice::EXPORT,
            ..workload("export", begin)
        });
    }
    for serves in face::faces(checked) {
        let (session, registry, switch) = (Arc::clone(session), registry.clone(), switch.clone());
        let begin = move |stop| -> Attempt {
            let (session, registry, switch) = (Arc::clone(&session), registry.clone(), switch.clone());
            Box::pin(async move { face::run(&session, serves, switch, &registry, stop).await })
        };
        let name = serves.name();
        workloads.push(Workload {
            is_face: true,
            ..workload(name, begin)
        });
    }
    workloads
}

fn workload(name: &'static str, begin: impl Fn(watch::Receiver<bool>) -> Attempt + Send + 'static) -> Workload {
    Workload {
        name,
        is_face: false,
        ends: false,
        nice: Nice::NONE,
        begin: Box::new(begin),
    }
}

fn role(name: &str) -> Result<Role, PipelineError> {
    Role::parse(name).ok_or_else(|| PipelineError::Usage {
        reason: format!("{name} is no role: all, ingestion, export and web are"),
    })
}

/// `tracemill export`.
pub(super) async fn export(args: ExportArgs) -> Result<(), PipelineError> {
    let range = Window::new(args.from, args.to).ok_or_else(|| PipelineError::Usage {
        reason: format!("--from {} is not before --to {}", args.from, args.to),
    })?;
    let choice = args.choice.choice()?;
    let session = Session::open(&args.graph.graph).await?;
    drive(session, Extent::Range(range), choice, Duration::from_secs(30)).await
}

/// `tracemill reconcile`.
pub(super) async fn reconcile(args: ReconcileArgs) -> Result<(), PipelineError> {
    let choice = args.choice.choice()?;
    let session = Session::open(&args.graph.graph).await?;
    drive(session, Extent::Reconcile, choice, Duration::from_secs(30)).await
}

/// Runs all chosen exports, and closes the session whatever happens.
async fn drive(session: Session, extent: Extent, choice: Choice, stop_within: Duration) -> Result<(), PipelineError> {
    let driven = Drive {
        session: &session,
        extent,
        choice,
        stop_within,
        stop: None,
        registry: registry(&session),
        show: Show::default(),
    }
    .run()
    .await;
    let closed = session.close().await;
    driven.and(closed)
}

/// One run over the exports of a session.
pub(crate) struct Drive<'a> {
    pub(crate) session: &'a Session,
    pub(crate) extent: Extent,
    pub(crate) choice: Choice,
    pub(crate) stop_within: Duration,
    /// Becomes true when it is to stop; `None`: the signals of the process say so.
    pub(crate) stop: Option<watch::Receiver<bool>>,
    /// Where it tells what it does.
    pub(crate) registry: Registry,
    pub(crate) show: Show,
}

/// What a caller knows of a run that others do not.
#[derive(Default)]
pub(crate) struct Show {
    /// How many rows there are to be read.
    pub(crate) expected: Option<u64>,
    /// Called several times a second, from a thread of its own.
    pub(crate) tick: Option<Box<dyn FnMut() + Send>>,
}

/// The exports that the workers know.
type Known = BTreeSet<(String, ExportKey)>;

impl Drive<'_> {
    pub(crate) async fn run(mut self) -> Result<(), PipelineError> {
        let mut shared = self.session.shared(Clock::system())?;
        preflight::check(self.session, &shared.service).await?;
        shared.tuning = Tuning::discover(&shared.service).await?;
        let give_way = governor::gives_way(&self.session.checked.governor, &shared.service);
        if give_way {
            shared.gate = Gate::beside(self.registry.readers.clone());
        }
        let _heartbeat = give_way.then(|| governor::heartbeat::begin(shared.service.clone(), shared.gate.clone()));
        let board = Board::new(
            self.session.checked.file.clone(),
            shared.owner.clone(),
            shared.clock.clone(),
            shared.memory.clone(),
            shared.figures.clone(),
        );
        self.registry.export(&board);
        let _governor = governor::begin(governor::Parts {
            config: self.session.checked.governor.clone(),
            gate: shared.gate.clone(),
            latency: self.registry.latency.clone(),
            export: shared.service.clone(),
            interactive: self.probed(),
            leaves: shared.leaves,
            clock: shared.clock.clone(),
            told: board.governor.clone(),
        });
        let began = Instant::now();
        let runtime = Runtime::start(self.session.checked.limits.workers)?;
        let watch = self.watch(&board);
        let ended = self.work(&runtime, &shared, &board).await;
        runtime.stop().await;
        tracing::info!(
            peak = shared.memory.peak(),
            limit = shared.memory.limit(),
            "memory_budget"
        );
        drop(watch);
        let error = ended.as_ref().err().map(ToString::to_string);
        StatusFile::new(&self.session.checked.status.dir).write(&board.status(Some(Ended { error })));
        tell(&board, began.elapsed());
        ended
    }

    /// Where the governor probes: nowhere, if this process knows itself how long queries take.
    fn probed(&self) -> Option<Service> {
        let reads = face::faces(&self.session.checked).iter().any(|face| face.reads);
        let service = || self.session.service(ServiceKind::ReadOnly).ok();
        (!reads).then(service).flatten()
    }

    fn watch(&mut self, board: &Board) -> Watch {
        let Show { expected, mut tick } = std::mem::take(&mut self.show);
        let mut file = StatusFile::new(&self.session.checked.status.dir);
        let board = board.clone();
        Watch::begin("exporting", move || {
            file.tick(&board);
            if let Some(tick) = &mut tick {
                tick();
            }
            board.sample(expected)
        })
    }

    async fn work(&self, runtime: &Runtime, shared: &Shared, board: &Board) -> Result<(), PipelineError> {
        let mut known = Known::new();
        self.add_new(runtime, shared, &mut known, board).await?;
        self.registry.states.begun("export");
        if self.extent != Extent::Forever {
            runtime.close();
        }
        let mut look = tokio::time::interval(Duration::from_secs(60));
        look.tick().await;
        let finished = runtime.finish();
        tokio::pin!(finished);
        let stop = asked_to_stop(self.stop.clone());
        tokio::pin!(stop);
        loop {
            tokio::select! {
                ended = &mut finished => return ended,
                () = &mut stop => break,
                _ = look.tick(), if self.extent == Extent::Forever => {
                    // New projects are exported from when they are first seen; an outage is met by the next look.
                    if let Err(error) = self.add_new(runtime, shared, &mut known, board).await {
                        tracing::warn!(%error, "looking_for_projects");
                    }
                }
            }
        }
        tracing::info!("stopping: no new windows are begun");
        shared.draining.send_replace(true);
        runtime.close();
        match tokio::time::timeout(self.stop_within, finished).await {
            Ok(ended) => ended,
            Err(_) => Err(PipelineError::Deadline {
                seconds: self.stop_within.as_secs(),
                open: board.open_windows(),
            }),
        }
    }

    /// Gives the exports that are not yet known to the workers.
    async fn add_new(
        &self,
        runtime: &Runtime,
        shared: &Shared,
        known: &mut Known,
        board: &Board,
    ) -> Result<(), PipelineError> {
        for spec in exports(self.session, shared, self.extent, &self.choice).await? {
            let id = (spec.route.clone(), spec.key.clone());
            if known.contains(&id) {
                continue;
            }
            board.add(&spec);
            runtime.add(spec).await?;
            known.insert(id);
        }
        Ok(())
    }
}

/// What was done and the histograms: a table for people, one JSON record for programs.
fn tell(board: &Board, took: Duration) {
    let [rows, bytes, files, windows, letters] = board.totals();
    let summaries = board.figures.summaries();
    if !bars::is_terminal() {
        let record = serde_json::json!({
            "message": "figures", "rows": rows, "bytes": bytes, "files": files, "windows": windows, "letters": letters,
            "seconds": took.as_secs_f64(), "histograms": summaries,
        });
        return say(&record.to_string());
    }
    let (seconds, size, rows) = (took.as_secs_f64(), ByteSize(bytes), grouped(rows));
    say(&format!(
        "{windows} windows: {rows} rows, {size} in {files} files, {letters} letters, in {seconds:.1} s"
    ));
    say(figures::table(&summaries).trim_end());
}

/// All chosen exports of a session.
///
/// # Errors
/// ClickHouse cannot be asked for projects, or a store cannot be opened.
pub(crate) async fn exports(
    session: &Session,
    shared: &Shared,
    extent: Extent,
    choice: &Choice,
) -> Result<Vec<ExportSpec>, PipelineError> {
    let mut specs = Vec::new();
    for graph in &session.checked.graphs {
        for route in graph.routes() {
            let projects = assemble::projects(&shared.service, &route).await?;
            let all = assemble::exports(&session.checked, graph, &route, &projects, shared, extent)?;
            specs.extend(all.into_iter().filter(|spec| choice.has(&spec.key)));
        }
    }
    Ok(specs)
}

async fn asked_to_stop(stop: Option<watch::Receiver<bool>>) {
    match stop {
        // A sender that is gone stops us as well.
        Some(mut stop) => drop(stop.wait_for(|stop| *stop).await),
        None => stop_signal().await,
    }
}

/// Ends when the process is asked to stop.
pub(super) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without the handler the default action ends the process, which loses nothing.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
