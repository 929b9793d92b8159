//! What the bridge between timely and tokio costs: a command to the task, and its reply back into the dataflow.
//!
//! `bridge [messages]`, 200,000 without an argument. *One at a time*: each message waits for the reply to the one before, so
//! this is the way there and back. *All at once*: as many as fit, so this is the throughput.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;
use timely::worker::Worker;
use tracemill_benches::Failure;
use tracemill_benches::spread::Spread;
use tracemill_operators::Epoch;
use tracemill_operators::bridge::{Command, Commands, Context, Replies, operator};

const ROUNDS: usize = 5;
/// A reply that does not come within this time never will.
const LATEST: Duration = Duration::from_secs(60);

fn main() -> Result<(), Failure> {
    let messages = std::env::args()
        .nth(1)
        .map_or(Ok(200_000), |text| text.parse::<u64>())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    println!("{:<16} {:>9} {:>24} {:>30}", "", "messages", "µs each", "messages/s");
    for (name, in_flight, count) in [
        ("one at a time", 1, messages / 10),
        ("64 at a time", 64, messages),
        ("all at once", messages, messages),
    ] {
        let times = (0..ROUNDS)
            .map(|_| round_trips(runtime.handle(), count.max(1), in_flight.max(1)))
            .collect::<Result<Vec<_>, _>>()?;
        report(name, count.max(1), &times);
    }
    Ok(())
}

fn report(name: &str, count: u64, times: &[Duration]) {
    let shown = |figure: &dyn Fn(f64) -> f64, digits: usize| {
        Spread::of(times.iter().map(|time| figure(time.as_secs_f64()))).map_or(String::new(), |spread| {
            let Spread { min, median, max } = spread;
            format!("{min:.digits$} / {median:.digits$} / {max:.digits$}")
        })
    };
    let each = shown(&|seconds| seconds * 1e6 / count as f64, 2);
    let rate = shown(&|seconds| count as f64 / seconds, 0);
    println!("{name:<16} {count:>9} {each:>24} {rate:>30}");
}

async fn echo(mut commands: Commands<u64>, replies: Replies<u64>) -> Result<(), Infallible> {
    while let Some(command) = commands.recv().await {
        if let Command::Item { ticket, item, .. } = command {
            replies.give(ticket, item);
            replies.done(ticket);
        }
    }
    Ok(())
}

/// How long `count` messages take there and back, with at most so many under way.
fn round_trips(runtime: &tokio::runtime::Handle, count: u64, in_flight: u64) -> Result<Duration, Failure> {
    let context = Context::new(runtime.clone());
    let took = Arc::new(Mutex::new(None));
    let result = Arc::clone(&took);
    timely::execute(timely::Config::thread(), move |worker| {
        let elapsed = drive(worker, &context, count, in_flight);
        *result.lock().unwrap_or_else(PoisonError::into_inner) = elapsed;
    })?;
    let took = took.lock().unwrap_or_else(PoisonError::into_inner).take();
    took.ok_or_else(|| format!("{count} replies did not come within {LATEST:?}").into())
}

/// Sends and counts on one worker; `None`: too late.
fn drive(worker: &mut Worker, context: &Context, count: u64, in_flight: u64) -> Option<Duration> {
    let came = Arc::new(AtomicU64::new(0));
    let mut input = InputHandle::new();
    let counter = Arc::clone(&came);
    worker.dataflow::<Epoch, _, _>(|scope| {
        let stream = input.to_stream(scope);
        let replies = operator(stream, Pipeline, "echo", context, echo);
        let _end: timely::dataflow::Stream<'_, Epoch, Vec<()>> = replies
            .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "count", move |_capability, _info| {
                move |input, _output| {
                    input.for_each(|_capability, items| {
                        counter.fetch_add(items.len() as u64, Ordering::Relaxed);
                        items.clear();
                    });
                }
            });
    });
    let (began, mut sent) = (Instant::now(), 0);
    loop {
        let done = came.load(Ordering::Relaxed);
        if done == count {
            return Some(began.elapsed());
        }
        if began.elapsed() > LATEST {
            return None;
        }
        let until = count.min(done + in_flight);
        if sent < until {
            while sent < until {
                input.send(sent);
                sent += 1;
            }
            input.flush();
            worker.step();
        } else {
            // As the exporter's workers wait: until a reply wakes this one.
            worker.step_or_park(Some(Duration::from_millis(100)));
        }
    }
}
