//! One at a time, in fair order: what tasks of several parties wait for before they take from what they share.
//!
//! ```text
//!   tasks ──► turn ──► slots, gate, memory (in order of asking) ──► the turn is over ──► the next one's
//! ```
//!
//! *Invariants.* One turn is out at a time, so whoever comes later waits for that one, whatever the others have waiting.
//! Within a party turns go in the order of asking. A task that gives up while it waits, or ends with its turn, keeps nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tracemill_model::ingest::Text;

use super::{Shares, Weights};

/// What having had a turn costs, in bytes: many that read little do not go before all others.
const TURN: u64 = 1 << 20;

/// Turns. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    shares: Shares,
    lines: HashMap<Text, VecDeque<oneshot::Sender<Turn>>>,
    is_out: bool,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn(Option<Turns>);

impl Turns {
    /// Nobody waits yet.
    #[must_use]
    pub fn new(weights: Weights) -> Self {
        let shares = Shares::new(weights);
        Self(Arc::new(Mutex::new(Inner {
            shares,
            ..Inner::default()
        })))
    }

    /// Waits for a turn of that party.
    pub async fn next(&self, name: &Text) -> Turn {
        let (sender, turn) = oneshot::channel();
        {
            let mut inner = self.lock();
            inner.lines.entry(Arc::clone(name)).or_default().push_back(sender);
            inner.shares.join(name);
        }
        self.pass();
        turn.await.expect("its sender waits in the line of its party")
    }

    /// A party has had so many bytes.
    pub fn charge(&self, name: &Text, bytes: u64) {
        self.lock().shares.charge(name, bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the turn to whoever is next, unless it is out.
    fn pass(&self) {
        loop {
            let Some(sender) = self.lock().take() else { return };
            match sender.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // That one has given up.
                Err(mut turn) => {
                    turn.0 = None;
                    self.lock().is_out = false;
                }
            }
        }
    }
}

impl Inner {
    fn take(&mut self) -> Option<oneshot::Sender<Turn>> {
        if self.is_out {
            return None;
        }
        let name = self.shares.pick()?;
        let line = self.lines.get_mut(&name)?;
        let sender = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&name);
            self.shares.leave(&name);
        }
        self.shares.charge(&name, TURN);
        self.is_out = true;
        Some(sender)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.lock().is_out = false;
            turns.pass();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn is_ready(future: Pin<&mut (impl Future<Output = Turn> + ?Sized)>) -> Option<Turn> {
        match poll(future) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn whoever_had_less_goes_first_whatever_the_others_have_waiting() {
        let turns = Turns::default();
        let (big, small): (Text, Text) = ("big".into(), "small".into());
        let mut all: Vec<Pin<Box<dyn Future<Output = Turn> + '_>>> =
            (0..1_000).map(|_| Box::pin(turns.next(&big)) as _).collect();
        let first = is_ready(all[0].as_mut()).expect("nobody else is there");
        assert!(all[1..].iter_mut().all(|turn| is_ready(turn.as_mut()).is_none()));
        turns.charge(&big, 1 << 30);
        let mut late = pin!(turns.next(&small));
        assert!(is_ready(late.as_mut()).is_none(), "one turn is out");
        drop(first);
        assert!(is_ready(all[1].as_mut()).is_none());
        let late = is_ready(late.as_mut()).expect("it had nothing yet");
        drop(late);
        assert!(is_ready(all[2].as_mut()).is_none(), "in the order of asking");
        assert!(is_ready(all[1].as_mut()).is_some());
    }

    #[test]
    fn who_gives_up_keeps_nobody() {
        let turns = Turns::default();
        let name: Text = "a".into();
        let mut one = Box::pin(turns.next(&name));
        let mut two = Box::pin(turns.next(&name));
        let mut three = Box::pin(turns.next(&name));
        let mut four = Box::pin(turns.next(&name));
        let first = is_ready(one.as_mut()).expect("free");
        assert!(is_ready(two.as_mut()).is_none() && is_ready(three.as_mut()).is_none());
        assert!(is_ready(four.as_mut()).is_none());
        drop(two);
        drop(first);
        // It was given to the third, which ends before it has looked.
        drop(three);
        assert!(is_ready(four.as_mut()).is_some());
    }
}
