//! When rows are inserted, and what an epoch waits for: the insert operator in a dataflow, on a real ClickHouse.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::dataflow::channels::pact::Pipeline;
use tokio::sync::{mpsc, watch};
use tracemill_model::ingest::Row;
use tracemill_operators::Epoch;
use tracemill_operators::bridge::{Context, Emitter, Frontier, operator, publish_frontier, source};
use tracemill_operators::gather::Chunk;
use tracemill_operators::merge::stamp::Stamped;
use tracemill_sinks::rows::task::{InsertConfig, insert};
use tracemill_sinks::rows::{WriteState, Writer};

use crate::support::{Engine, observation, traces, writer};

/// A batch of so many bytes is full.
const FULL: usize = 10_000;

/// Rows of an epoch; `None`: nothing more comes of it.
type Step = (u64, Option<Chunk>);

/// An insert operator whose input the test gives.
struct Inserting {
    steps: mpsc::UnboundedSender<Step>,
    durable: watch::Receiver<Frontier>,
    writer: Arc<Writer>,
    stretch: watch::Sender<u32>,
    worker: std::thread::JoinHandle<()>,
}

impl Inserting {
    /// Nothing is inserted because of its age, but for the first of a table.
    fn start(engine: &Engine) -> Self {
        Self::with(engine, Duration::from_secs(3600), 1)
    }

    fn with(engine: &Engine, age: Duration, stretch: u32) -> Self {
        let context = Context::new(tokio::runtime::Handle::current());
        let writer = Arc::new(writer(&engine.service));
        let (steps, given) = mpsc::unbounded_channel();
        let (publish, durable) = watch::channel(Frontier::start());
        let (stretch, stretched) = watch::channel(stretch);
        let config = InsertConfig {
            writer: Arc::clone(&writer),
            bytes: FULL,
            age,
            bucket: "b".into(),
            pressed: watch::channel(false).1,
            stretch: stretched,
        };
        let worker = std::thread::spawn(move || dataflow(&context, given, &config, &publish));
        Self {
            steps,
            durable,
            writer,
            stretch,
            worker,
        }
    }

    /// Gives rows at an epoch, and ends the epoch.
    fn give(&self, epoch: u64, rows: Vec<Row>) {
        let kind = rows[0].kind();
        let rows = rows.into_iter().map(|row| Stamped { row, origin: None }).collect();
        self.steps.send((epoch, Some(Chunk { kind, rows }))).expect("it runs");
        self.steps.send((epoch, None)).expect("it runs");
    }

    async fn until(&mut self, epoch: u64) {
        let passed = |frontier: &Frontier| frontier.passed_window(epoch);
        self.durable.wait_for(passed).await.expect("it runs");
    }

    /// Nothing more comes: what waits is inserted.
    async fn end(self) {
        drop(self.steps);
        let joined = tokio::task::spawn_blocking(move || self.worker.join());
        assert!(joined.await.expect("joined").is_ok());
    }
}

fn dataflow(
    context: &Context,
    given: mpsc::UnboundedReceiver<Step>,
    config: &InsertConfig,
    publish: &watch::Sender<Frontier>,
) {
    let given = Mutex::new(Some(given));
    let (context, config, publish) = (context.clone(), config.clone(), publish.clone());
    let guards = timely::execute(timely::Config::process(1), move |worker| {
        let mut given = given.lock().expect("not poisoned").take().expect("one worker");
        worker.dataflow::<Epoch, _, _>(|scope| {
            let task = move |emitter: Emitter<Chunk>| async move {
                while let Some((epoch, chunk)) = given.recv().await {
                    match chunk {
                        Some(chunk) => emitter.give(Epoch::of_window(epoch), chunk),
                        None => emitter.advance(Epoch::of_window(epoch + 1)),
                    };
                }
                emitter.close();
                Ok::<(), Infallible>(())
            };
            let chunks = source(scope, "test", &context, Some(task));
            let config = config.clone();
            let refused = operator(chunks, Pipeline, "insert", &context, move |commands, replies| {
                insert(commands, replies, config)
            });
            publish_frontier(refused, "durable", publish.clone());
        });
        while worker.has_dataflows() {
            worker.step_or_park(Some(Duration::from_millis(5)));
        }
    });
    drop(guards.expect("a worker"));
}

fn some(prefix: &str, count: usize) -> Vec<Row> {
    traces("p", (0..count).map(|n| format!("{prefix}-{n}")))
}

/// Inserts so far: without merges, each leaves a part.
async fn inserts(engine: &Engine, table: &str) -> u64 {
    let text = format!("SELECT count() FROM system.parts WHERE table = '{table}' AND active");
    engine.count(&text).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_wait_for_company_and_no_longer() {
    let engine = Engine::start().await;
    engine.run("SYSTEM STOP MERGES").await;
    let mut inserting = Inserting::start(&engine);
    inserting.give(0, some("lone", 1));
    inserting.until(0).await;
    assert_eq!(
        inserts(&engine, "traces").await,
        1,
        "I-57: a lone row waits for nothing"
    );

    inserting.give(1, some("a", 1));
    inserting.give(2, some("b", 1));
    // The first of another table waits for no other table.
    inserting.give(3, vec![Row::Observation(Box::new(observation("p", "t", "o")))]);
    while engine.count("SELECT count() FROM observations").await == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(
        (
            engine.count("SELECT count() FROM traces").await,
            inserts(&engine, "traces").await
        ),
        (1, 1),
        "I-56, I-58, I-64: fewer rows than fill a batch wait for its age, each table by itself"
    );
    assert!(!inserting.durable.borrow().passed_window(1), "I-65");

    inserting.give(4, some(&"x".repeat(FULL), 1));
    inserting.until(4).await;
    assert_eq!(
        (
            engine.count("SELECT count() FROM traces").await,
            inserts(&engine, "traces").await
        ),
        (4, 2),
        "I-56, I-57, I-58: what waits and what fills the batch share one insert"
    );

    inserting.give(5, some("last", 1));
    inserting.end().await;
    assert_eq!(
        engine.count("SELECT count() FROM traces").await,
        5,
        "I-64: a stop flushes all"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_durable_when_all_of_it_is() {
    let engine = Engine::start().await;
    engine.run("SYSTEM STOP MERGES").await;
    let mut inserting = Inserting::start(&engine);
    engine.run("RENAME TABLE traces TO hidden").await;
    inserting.give(0, some("first", 1));
    while !matches!(
        inserting.writer.states().list().first(),
        Some((_, WriteState::Held { .. }))
    ) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // These come while an insert is under way: they wait for the next one, though they fill a batch.
    inserting.give(1, some(&"x".repeat(FULL), 1));
    inserting.give(2, some("third", 1));
    assert!(!inserting.durable.borrow().passed_window(0), "I-31, I-65");
    engine.run("RENAME TABLE hidden TO traces").await;
    inserting.until(2).await;
    assert_eq!(
        (
            engine.count("SELECT count() FROM traces").await,
            inserts(&engine, "traces").await
        ),
        (3, 2),
        "I-64: rows that come during an insert wait for the next"
    );
    inserting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretched_batch_waits_until_it_is_full_or_the_stretch_ends() {
    let engine = Engine::start().await;
    engine.run("SYSTEM STOP MERGES").await;
    let mut inserting = Inserting::with(&engine, Duration::from_millis(1), 3_600_000);
    inserting.give(0, some("first", 1));
    inserting.until(0).await;
    inserting.give(1, some("a", 1));
    inserting.give(2, some(&"x".repeat(FULL), 1));
    inserting.until(2).await;
    assert_eq!(inserts(&engine, "traces").await, 2, "a full batch waits for nothing");
    inserting.give(3, some("b", 1));
    inserting.give(4, vec![Row::Observation(Box::new(observation("p", "t", "o")))]);
    while engine.count("SELECT count() FROM observations").await == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(
        !inserting.durable.borrow().passed_window(3),
        "its age alone is long over"
    );
    inserting.stretch.send_replace(1);
    inserting.until(4).await;
    assert_eq!(inserts(&engine, "traces").await, 3);
    inserting.end().await;
}
