//! An operator with a task beside it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Receiver, Sender, unbounded};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;
use tokio::sync::mpsc;

use super::task::{Context, Sentinel, Waker, rearm};
use super::watch::Frontier;
use super::{FUEL, spawn_named};
use crate::Epoch;

/// Names one item that a task works on, and stands for the capability that its operator holds for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What the operator tells its task.
#[derive(Debug)]
pub enum Command<I> {
    /// Work to do; answered by any number of [`Replies::give`] and one [`Replies::done`].
    Item {
        /// The work's name.
        ticket: Ticket,
        /// Its epoch.
        epoch: Epoch,
        /// The work.
        item: I,
    },
    /// No more items before this frontier will come.
    Frontier(Frontier),
}

/// The commands of a task, in order. `None` at the end: the dataflow is complete or gone.
pub type Commands<I> = mpsc::UnboundedReceiver<Command<I>>;

enum Reply<O> {
    Give(Ticket, O),
    Done(Ticket),
}

/// How a task answers.
pub struct Replies<O> {
    sender: Sender<Reply<O>>,
    waker: Arc<Waker>,
}

impl<O> Clone for Replies<O> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waker: Arc::clone(&self.waker),
        }
    }
}

impl<O> std::fmt::Debug for Replies<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replies")
    }
}

impl<O> Replies<O> {
    /// Sends an output at the ticket's epoch.
    pub fn give(&self, ticket: Ticket, output: O) {
        self.send(Reply::Give(ticket, output));
    }

    /// Says that the ticket's work has ended well, which releases its capability.
    pub fn done(&self, ticket: Ticket) {
        self.send(Reply::Done(ticket));
    }

    fn send(&self, reply: Reply<O>) {
        // A closed channel says that the dataflow was dropped: nobody waits for this reply.
        if self.sender.send(reply).is_ok() {
            self.waker.wake();
        }
    }
}

/// Builds an operator whose work is done by `task`, and returns its output.
///
/// The task must answer every item; it ends when its commands end. Its error wedges the operator.
pub fn operator<'scope, I, O, P, E, F, Fut>(
    stream: Stream<'scope, Epoch, Vec<I>>,
    pact: P,
    name: &str,
    context: &Context,
    task: F,
) -> Stream<'scope, Epoch, Vec<O>>
where
    I: Send + Clone + 'static,
    O: Send + Clone + 'static,
    P: ParallelizationContract<Epoch, Vec<I>>,
    E: std::error::Error + Send + Sync + 'static,
    F: FnOnce(Commands<I>, Replies<O>) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
{
    let scope = stream.scope();
    let mut builder = OperatorBuilder::new(name.to_owned(), scope);
    let address = builder.operator_info().address;
    let mut input = builder.new_input(stream, pact);
    let (output, results) = builder.new_output::<Vec<O>>();
    let mut output: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<O>>> = OutputBuilder::from(output);

    let (command_sender, commands) = mpsc::unbounded_channel();
    let (reply_sender, replies) = unbounded();
    let (waker, woken) = Waker::new(scope.worker().sync_activator_for(address.to_vec()));
    let may_end = Arc::new(AtomicBool::new(false));
    let closing = Arc::clone(&may_end);
    let sentinel = Sentinel::new(context, name);
    let work = task(
        commands,
        Replies {
            sender: reply_sender,
            waker: Arc::clone(&waker),
        },
    );
    let running = spawn_named(&context.runtime, name, async move {
        let result = work.await;
        sentinel.finish(result, may_end.load(Ordering::Acquire));
    });
    let running = running.unless(Arc::clone(&closing));
    let again = scope.activator_for(address);

    builder.build(move |_capabilities| {
        let mut state = State::new(command_sender, replies, closing);
        move |frontiers| {
            let _running = &running;
            // A swap, not a store: what a task sent before it found this set must be seen below.
            rearm(&woken);
            input.for_each(|capability, items| {
                for item in items.drain(..) {
                    state.accept(capability.retain_least(0), item);
                }
            });
            let mut output = output.activate();
            let more = state.answer(|capability, out| output.session(&capability).give(out));
            state.advance(&frontiers[0]);
            if more {
                again.activate();
            }
        }
    });
    results
}

/// The worker's side: who holds which capability.
struct State<I, O> {
    commands: Option<mpsc::UnboundedSender<Command<I>>>,
    replies: Receiver<Reply<O>>,
    held: BTreeMap<Ticket, Capability<Epoch>>,
    next: u64,
    told: Frontier,
    closing: Arc<AtomicBool>,
}

/// Without its operator, a task may end.
impl<I, O> Drop for State<I, O> {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl<I, O> State<I, O> {
    fn new(commands: mpsc::UnboundedSender<Command<I>>, replies: Receiver<Reply<O>>, closing: Arc<AtomicBool>) -> Self {
        let told = Frontier::start();
        Self {
            commands: Some(commands),
            replies,
            held: BTreeMap::new(),
            next: 0,
            told,
            closing,
        }
    }

    fn accept(&mut self, capability: Option<Capability<Epoch>>, item: I) {
        // An empty stamp makes no claim on progress; no operator of ours sends one.
        let Some(capability) = capability else { return };
        let ticket = Ticket(self.next);
        self.next += 1;
        let epoch = *capability.time();
        self.held.insert(ticket, capability);
        self.send(Command::Item { ticket, epoch, item });
    }

    fn send(&self, command: Command<I>) {
        if let Some(commands) = &self.commands {
            // A closed channel says that the task is gone; `held` then holds the frontier.
            let _ = commands.send(command);
        }
    }

    /// Handles replies; true: there may be more.
    fn answer(&mut self, mut give: impl FnMut(&Capability<Epoch>, O)) -> bool {
        for _ in 0..FUEL {
            match self.replies.try_recv() {
                Ok(Reply::Give(ticket, out)) => {
                    if let Some(capability) = self.held.get(&ticket) {
                        give(capability, out);
                    }
                }
                Ok(Reply::Done(ticket)) => {
                    self.held.remove(&ticket);
                }
                // Empty, or the task has ended: if capabilities are still held they stay, and hold the frontier.
                Err(_) => return false,
            }
        }
        true
    }

    fn advance(&mut self, frontier: &MutableAntichain<Epoch>) {
        let now = Frontier::of(frontier.frontier());
        if now == self.told {
            return;
        }
        self.told = now;
        self.send(Command::Frontier(now));
        if now.is_end() {
            self.closing.store(true, Ordering::Release);
            self.commands = None;
        }
    }
}
