//! A source whose items come from a task.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Sender, unbounded};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

use super::task::{Context, Sentinel, Waker, rearm};
use super::{FUEL, spawn_named};
use crate::Epoch;

enum Event<O> {
    Give(Epoch, O),
    Advance(Epoch),
    Close,
}

/// How a source's task emits.
pub struct Emitter<O> {
    sender: Sender<Event<O>>,
    waker: Arc<Waker>,
    closed: Arc<AtomicBool>,
}

impl<O> std::fmt::Debug for Emitter<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Emitter")
    }
}

impl<O> Emitter<O> {
    /// Emits an item. Its epoch must not be before the last [`Self::advance`]; false: the dataflow is gone.
    pub fn give(&self, epoch: Epoch, item: O) -> bool {
        self.send(Event::Give(epoch, item))
    }

    /// Promises that no item before `epoch` will follow.
    pub fn advance(&self, epoch: Epoch) -> bool {
        self.send(Event::Advance(epoch))
    }

    /// Promises that no item will follow. A task that ends without it has failed.
    pub fn close(self) {
        self.closed.store(true, Ordering::Release);
        self.send(Event::Close);
    }

    fn send(&self, event: Event<O>) -> bool {
        let alive = self.sender.send(event).is_ok();
        if alive {
            self.waker.wake();
        } else {
            self.closed.store(true, Ordering::Release);
        }
        alive
    }
}

/// Builds a source. `task` is `None` on the workers that are not this source's own: there it is complete at once.
pub fn source<'scope, O, E, F, Fut>(
    scope: Scope<'scope, Epoch>,
    name: &str,
    context: &Context,
    task: Option<F>,
) -> Stream<'scope, Epoch, Vec<O>>
where
    O: Send + Clone + 'static,
    E: std::error::Error + Send + Sync + 'static,
    F: FnOnce(Emitter<O>) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
{
    let mut builder = OperatorBuilder::new(name.to_owned(), scope);
    let address = builder.operator_info().address;
    let (output, items) = builder.new_output::<Vec<O>>();
    let mut output: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<O>>> = OutputBuilder::from(output);

    let (sender, events) = unbounded();
    let (waker, woken) = Waker::new(scope.worker().sync_activator_for(address.to_vec()));
    let running = task.map(|task| {
        let sentinel = Sentinel::new(context, name);
        let may_end = Arc::new(AtomicBool::new(false));
        let work = task(Emitter {
            sender,
            waker,
            closed: Arc::clone(&may_end),
        });
        spawn_named(&context.runtime, name, async move {
            let result = work.await;
            sentinel.finish(result, may_end.load(Ordering::Acquire));
        })
    });
    let again = scope.activator_for(address);

    builder.build(move |mut capabilities| {
        let mut held: Option<Capability<Epoch>> = if running.is_some() { capabilities.pop() } else { None };
        drop(capabilities);
        move |_frontiers| {
            let _running = &running;
            // A swap, not a store: what a task sent before it found this set must be seen below.
            rearm(&woken);
            let mut output = output.activate();
            for _ in 0..FUEL {
                let Some(capability) = held.as_mut() else { return };
                match events.try_recv() {
                    Ok(Event::Give(epoch, item)) => output.session(&capability.delayed(&epoch)).give(item),
                    Ok(Event::Advance(epoch)) => capability.downgrade(&epoch),
                    Ok(Event::Close) => held = None,
                    // Empty, or the task ended without closing: then the capability stays, so that nothing downstream
                    // believes that this was all.
                    Err(_) => return,
                }
            }
            again.activate();
        }
    });
    items
}
