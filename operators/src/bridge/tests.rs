//! The bridge under real timely workers and a real tokio runtime.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use timely::dataflow::channels::pact::{Exchange, Pipeline};
use tokio::sync::watch;

use super::{Command, Context, Frontier, operator, publish_frontier, source};
use crate::Epoch;

/// Far longer than any of this takes; a test that reaches it has found a standstill.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
#[error("on purpose")]
struct OnPurpose;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Runs `build` on that many workers until `done` says so, the dataflows are complete, or the deadline is reached.
fn execute<B, D>(workers: usize, build: B, done: D) -> bool
where
    B: Fn(timely::dataflow::Scope<'_, Epoch>) + Send + Sync + 'static,
    D: Fn() -> bool + Send + Sync + 'static,
{
    let in_time = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&in_time);
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        worker.dataflow::<Epoch, _, _>(&build);
        let began = Instant::now();
        while worker.has_dataflows() && !done() {
            if began.elapsed() > DEADLINE {
                flag.store(false, Ordering::Release);
                break;
            }
            worker.step_or_park(Some(Duration::from_millis(20)));
        }
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    });
    drop(guards.expect("workers"));
    in_time.load(Ordering::Acquire)
}

/// A source of `windows` windows with `items` items each, on worker 0.
fn numbers<'scope>(
    scope: timely::dataflow::Scope<'scope, Epoch>,
    context: &Context,
    windows: u64,
    items: u64,
) -> timely::dataflow::Stream<'scope, Epoch, Vec<u64>> {
    let task = (scope.index() == 0).then_some(move |emitter: super::Emitter<u64>| async move {
        for window in 0..windows {
            for item in 0..items {
                emitter.give(Epoch::of_window(window), window * items + item);
            }
            emitter.advance(Epoch::of_window(window + 1));
        }
        emitter.close();
        Ok::<(), Infallible>(())
    });
    source(scope, "numbers", context, task)
}

#[test]
fn every_item_comes_back_and_the_frontier_ends_on_one_worker_and_on_four() {
    for workers in [1, 4] {
        let runtime = runtime();
        let context = Context::new(runtime.handle().clone());
        let sum = Arc::new(AtomicU64::new(0));
        let (publish, frontier) = watch::channel(Frontier::start());
        let (inner, total) = (context.clone(), Arc::clone(&sum));
        let in_time = execute(
            workers,
            move |scope| {
                let numbers = numbers(scope, &inner, 50, 40);
                let total = Arc::clone(&total);
                let doubled = operator(
                    numbers,
                    Exchange::new(|n: &u64| *n),
                    "double",
                    &inner,
                    |mut commands, replies| async move {
                        while let Some(command) = commands.recv().await {
                            if let Command::Item { ticket, item, .. } = command {
                                total.fetch_add(item, Ordering::Relaxed);
                                replies.give(ticket, item * 2);
                                replies.done(ticket);
                            }
                        }
                        Ok::<(), Infallible>(())
                    },
                );
                publish_frontier(doubled, "end", publish.clone());
            },
            || false,
        );
        assert!(in_time, "{workers} workers stood still: {:?}", context.failures.first());
        assert!(frontier.borrow().is_end());
        assert_eq!(sum.load(Ordering::Relaxed), (0..2000).sum::<u64>());
        assert!(context.failures.first().is_none());
    }
}

/// Each item is only answered after the one before it came out of the dataflow: one lost wake-up is a standstill.
#[test]
fn no_wake_up_is_lost() {
    let runtime = runtime();
    let context = Context::new(runtime.handle().clone());
    let (publish, frontier) = watch::channel(Frontier::start());
    let inner = context;
    const ROUNDS: u64 = 20_000;
    let in_time = execute(
        1,
        move |scope| {
            let mut passed = publish.subscribe();
            let task = Some(move |emitter: super::Emitter<u64>| async move {
                for round in 0..ROUNDS {
                    emitter.give(Epoch::of_window(round), round);
                    emitter.advance(Epoch::of_window(round + 1));
                    let _ = passed.wait_for(|frontier| frontier.passed_window(round)).await;
                }
                emitter.close();
                Ok::<(), Infallible>(())
            });
            let rounds = source(scope, "rounds", &inner, task);
            let echoed = operator(rounds, Pipeline, "echo", &inner, |mut commands, replies| async move {
                while let Some(command) = commands.recv().await {
                    if let Command::Item { ticket, item, .. } = command {
                        replies.give(ticket, item);
                        replies.done(ticket);
                    }
                }
                Ok::<(), Infallible>(())
            });
            publish_frontier(echoed, "end", publish.clone());
        },
        || false,
    );
    assert!(
        in_time && frontier.borrow().is_end(),
        "stood still at {:?}",
        *frontier.borrow()
    );
}

/// A task that fails at window 3 releases nothing: windows 0 to 2 are complete, 3 never is.
#[test]
fn a_failing_task_holds_the_frontier_and_is_reported() {
    let runtime = runtime();
    let context = Context::new(runtime.handle().clone());
    let (publish, frontier) = watch::channel(Frontier::start());
    let (inner, watched) = (context.clone(), context.clone());
    let in_time = execute(
        1,
        move |scope| {
            let numbers = numbers(scope, &inner, 10, 1);
            let echoed = operator(numbers, Pipeline, "fails", &inner, |mut commands, replies| async move {
                while let Some(command) = commands.recv().await {
                    if let Command::Item { ticket, item, .. } = command {
                        if item == 3 {
                            return Err(OnPurpose);
                        }
                        replies.give(ticket, item);
                        replies.done(ticket);
                    }
                }
                Ok(())
            });
            publish_frontier(echoed, "end", publish.clone());
        },
        {
            let frontier = frontier.clone();
            move || watched.failures.first().is_some() && frontier.borrow().passed_window(2)
        },
    );
    assert!(in_time, "the failure was not reported");
    assert!(frontier.borrow().passed_window(2) && !frontier.borrow().passed_window(3));
    let failure = context.failures.first().expect("reported");
    assert_eq!(
        (failure.operator.as_str(), failure.error.to_string().as_str()),
        ("fails", "on purpose")
    );
}

#[test]
fn a_source_that_ends_without_closing_is_a_failure_and_not_the_end() {
    let runtime = runtime();
    let context = Context::new(runtime.handle().clone());
    let (publish, frontier) = watch::channel(Frontier::start());
    let (inner, watched) = (context.clone(), context);
    let in_time = execute(
        1,
        move |scope| {
            let task = Some(|emitter: super::Emitter<u64>| async move {
                emitter.give(Epoch::of_window(0), 1);
                Ok::<(), Infallible>(())
            });
            let items = source(scope, "forgets", &inner, task);
            publish_frontier(items, "end", publish.clone());
        },
        move || watched.failures.first().is_some(),
    );
    assert!(in_time, "the early end was not reported");
    assert!(!frontier.borrow().is_end());
}

#[test]
fn a_task_that_panics_is_reported() {
    let runtime = runtime();
    let context = Context::new(runtime.handle().clone());
    let (inner, watched) = (context.clone(), context.clone());
    let in_time = execute(
        1,
        move |scope| {
            let numbers = numbers(scope, &inner, 1, 1);
            operator::<u64, u64, _, Infallible, _, _>(
                numbers,
                Pipeline,
                "panics",
                &inner,
                |mut commands, _replies| async move {
                    let _ = commands.recv().await;
                    panic!("on purpose")
                },
            );
        },
        move || watched.failures.first().is_some(),
    );
    assert!(in_time, "the panic was not reported");
    assert_eq!(
        context.failures.first().map(|failure| failure.operator),
        Some("panics".to_owned())
    );
}

/// What a task does after its last reply (giving back what it owns) is waited for.
#[test]
fn a_task_that_was_told_to_end_may_finish() {
    let runtime = runtime();
    let context = Context::new(runtime.handle().clone());
    let finished = Arc::new(AtomicBool::new(false));
    let (inner, flag) = (context.clone(), Arc::clone(&finished));
    let in_time = execute(
        1,
        move |scope| {
            let numbers = numbers(scope, &inner, 1, 1);
            let flag = Arc::clone(&flag);
            operator::<u64, u64, _, Infallible, _, _>(
                numbers,
                Pipeline,
                "tidies",
                &inner,
                |mut commands, replies| async move {
                    while let Some(command) = commands.recv().await {
                        if let Command::Item { ticket, .. } = command {
                            replies.done(ticket);
                        }
                    }
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                    flag.store(true, Ordering::Release);
                    Ok(())
                },
            );
        },
        || false,
    );
    assert!(in_time);
    runtime.block_on(async {
        tokio::time::timeout(DEADLINE, context.settled())
            .await
            .expect("settled");
    });
    assert!(finished.load(Ordering::Acquire));
}
