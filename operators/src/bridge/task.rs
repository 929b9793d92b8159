//! Tasks that end with their owner, and the place where their failures are reported.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use timely::scheduling::SyncActivator;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tracing::Instrument;

/// A running task; dropping it aborts the task.
#[derive(Debug)]
pub struct Task<T = ()> {
    handle: tokio::task::JoinHandle<T>,
    spared: Option<Arc<AtomicBool>>,
}

impl<T> Task<T> {
    /// Waits for its end. `None`: it panicked or was aborted.
    pub async fn join(mut self) -> Option<T> {
        (&mut self.handle).await.ok()
    }

    /// Lets the task end by itself if it is dropped when `spared` is true: it was told to end, and what it still does
    /// (giving back what it owns) is worth waiting for. See [`Context::settled`].
    #[must_use]
    pub(super) fn unless(mut self, spared: Arc<AtomicBool>) -> Self {
        self.spared = Some(spared);
        self
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self
            .spared
            .as_ref()
            .is_some_and(|spared| spared.load(Ordering::Acquire))
        {
            self.handle.abort();
        }
    }
}

/// Starts a task on the given runtime that is aborted when the returned handle is dropped.
#[must_use = "a dropped task is aborted"]
pub fn spawn_named<F>(runtime: &Handle, name: &str, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let handle = runtime.spawn(future.instrument(tracing::debug_span!("task", name)));
    Task { handle, spared: None }
}

/// Starts a task on the current runtime that is aborted when the returned handle is dropped.
///
/// # Panics
/// Outside of a tokio runtime.
#[must_use = "a dropped task is aborted"]
pub fn spawn<F>(name: &str, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_named(&Handle::current(), name, future)
}

/// A bridge task that failed: its graph stands still from here on.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The operator.
    pub operator: String,
    /// What happened.
    pub error: Arc<dyn std::error::Error + Send + Sync>,
}

/// Where bridge tasks report that they failed. The first failure is kept: it is the cause.
#[derive(Debug, Clone, Default)]
pub struct Failures(Arc<FailuresInner>);

#[derive(Debug, Default)]
struct FailuresInner {
    first: Mutex<Option<Failure>>,
    notify: Notify,
}

impl Failures {
    /// Reports one.
    pub fn report(&self, operator: &str, error: Arc<dyn std::error::Error + Send + Sync>) {
        tracing::error!(operator, %error, "task_failed");
        let mut first = self.0.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| Failure {
            operator: operator.to_owned(),
            error,
        });
        drop(first);
        self.0.notify.notify_waiters();
    }

    /// The first failure, if any.
    #[must_use]
    pub fn first(&self) -> Option<Failure> {
        self.0.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the first failure.
    pub async fn wait(&self) -> Failure {
        loop {
            let notified = self.0.notify.notified();
            if let Some(failure) = self.first() {
                return failure;
            }
            notified.await;
        }
    }
}

/// What every bridge operator needs from its process.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where the tasks run.
    pub runtime: Handle,
    /// Where they report failures.
    pub failures: Failures,
    /// How many tasks of operators have not ended.
    live: watch::Sender<usize>,
}

impl Context {
    /// For tasks on that runtime.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            failures: Failures::default(),
            live: watch::Sender::new(0),
        }
    }

    /// Waits until the tasks of all operators have ended.
    pub async fn settled(&self) {
        // The sender is ours: the wait cannot fail.
        let _ = self.live.subscribe().wait_for(|live| *live == 0).await;
    }
}

/// Makes the operator wakeable again, before it looks at its channel.
///
/// A read-modify-write on both sides: either the task's swap comes first, and the look at the channel sees what it sent;
/// or this one does, and the task wakes the operator again. With a plain store the processor may do the look first, and
/// a reply would lie in the channel for ever.
pub(super) fn rearm(woken: &AtomicBool) {
    woken.swap(false, Ordering::AcqRel);
}

/// Wakes one operator, at most once until the operator has run.
pub(super) struct Waker {
    activator: SyncActivator,
    armed: Arc<AtomicBool>,
}

impl Waker {
    pub(super) fn new(activator: SyncActivator) -> (Arc<Self>, Arc<AtomicBool>) {
        let armed = Arc::new(AtomicBool::new(false));
        (
            Arc::new(Self {
                activator,
                armed: Arc::clone(&armed),
            }),
            armed,
        )
    }

    pub(super) fn wake(&self) {
        if !self.armed.swap(true, Ordering::AcqRel) {
            // An error says that the worker is gone; the task ends when its channels close.
            let _ = self.activator.activate();
        }
    }
}

/// A task ended although its operator did not tell it to.
#[derive(Debug, thiserror::Error)]
#[error("the task ended early")]
pub(super) struct EndedEarly;

/// Reports a failure when it is dropped, unless disarmed: catches panics and early ends alike.
pub(super) struct Sentinel {
    failures: Failures,
    live: watch::Sender<usize>,
    operator: String,
    armed: bool,
}

impl Sentinel {
    pub(super) fn new(context: &Context, operator: &str) -> Self {
        context.live.send_modify(|live| *live += 1);
        Self {
            failures: context.failures.clone(),
            live: context.live.clone(),
            operator: operator.to_owned(),
            armed: true,
        }
    }

    /// The task has ended; `ended_in_order`: with its operator's agreement.
    pub(super) fn finish<E: std::error::Error + Send + Sync + 'static>(
        mut self,
        result: Result<(), E>,
        ended_in_order: bool,
    ) {
        self.armed = false;
        match result {
            Ok(()) if ended_in_order => {}
            Ok(()) => self.failures.report(&self.operator, Arc::new(EndedEarly)),
            Err(error) => self.failures.report(&self.operator, Arc::new(error)),
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // An aborted task is dropped too, but only when its dataflow was; a panic is the case to report.
        if self.armed && std::thread::panicking() {
            self.failures.report(&self.operator, Arc::new(EndedEarly));
        }
        self.live.send_modify(|live| *live -= 1);
    }
}
