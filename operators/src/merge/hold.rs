//! Which entities are held: the door of the merge.
//!
//! ```text
//!   patches, by key ──► hold ──┬──► steps: put a patch, let an entity go
//!                              └──► asks: entities of this epoch that must be looked up
//! ```
//!
//! *Frontiers.* Patches wait until their epoch is complete, so that an epoch asks once for all of its entities. Whenever the
//! frontier moves, by work or by a source that only tells the time, what need not be held is let go.
//!
//! *Invariants.* An entity is let go only when the last epoch that touched it is durable: a lookup that comes later sees
//! what was written. What is held is bounded by time and by bytes; entities of epochs that are not durable yet are held
//! beyond both. An entity that is held is asked for again by a patch that is older than what was asked for, unless all of
//! its history is at hand.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use tokio::sync::watch;
use tracemill_model::Millis;
use tracemill_model::ingest::{Body, Rank};

use super::{Keyed, KeyedMap, Patch};
use crate::bridge::Frontier;
use crate::{Clock, Epoch};

/// A patch on its way to its entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keyd {
    /// Whose.
    pub key: Keyed,
    /// The change.
    pub patch: Arc<Patch>,
}

/// What happens to an entity, in order.
#[derive(Debug, Clone)]
pub enum Step {
    /// It gets a patch.
    Put(Keyd),
    /// All that is held of it goes.
    LetGo(Keyed),
}

/// The entities of one epoch and worker that must be looked up.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Which, and what is wanted of each.
    pub keys: Vec<(Keyed, Wanted)>,
}

/// What a lookup needs to know of an entity's new patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The oldest time of a patch that says more than that the entity exists; `None`: there is none.
    pub oldest: Option<Millis>,
}

/// Limits of what is held, and the figures of it.
#[derive(Debug, Clone)]
pub struct HoldConfig {
    /// How long after its last patch an entity is held, in milliseconds.
    pub for_ms: i64,
    /// How many bytes all entities of this worker may hold.
    pub bytes: u64,
    /// Whether entities are looked up that arrived whole: only then a replay of them is known as such.
    pub asks_all: bool,
    /// What is durable.
    pub durable: watch::Receiver<Frontier>,
    /// Now.
    pub clock: Clock,
    /// What is held, over all workers.
    pub gauge: Arc<Held>,
}

/// What is held, and what became of it.
#[derive(Debug, Default)]
pub struct Held {
    /// Entities.
    pub entities: AtomicU64,
    /// Their bytes, about.
    pub bytes: AtomicU64,
    /// Entities that were looked up.
    pub lookups: AtomicU64,
    /// Rows that were given versions, to be written.
    pub written: AtomicU64,
    /// States that were stored already, as they were.
    pub unchanged: AtomicU64,
    /// States that were not written since their entity was deleted.
    pub deleted: AtomicU64,
}

/// Entities of this worker that are held and whose history may still be needed, with the oldest time that was asked for: no
/// answer is there yet, or it was the stored row alone, which is enough for patches that are no older.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Rc<RefCell<KeyedMap<Option<Millis>>>>);

impl Unread {
    fn ask(&self, key: &Keyed, oldest: Option<Millis>) {
        self.0.borrow_mut().insert(key.clone(), oldest);
    }

    /// Whether a patch of that time is older than what was asked for.
    fn is_needed(&self, key: &Keyed, at: Millis) -> bool {
        let asked = self.0.borrow();
        asked
            .get(key)
            .is_some_and(|oldest| oldest.is_none_or(|oldest| at < oldest))
    }

    /// All there is of it is at hand, or it is let go.
    pub(super) fn end(&self, key: &Keyed) {
        self.0.borrow_mut().remove(key);
    }
}

/// An epoch that is not complete: the right to answer on both outputs, and its patches.
type Waiting = (Capability<Epoch>, Capability<Epoch>, Vec<Keyd>);

struct Entry {
    last: Epoch,
    touched: Millis,
    bytes: u64,
}

type Steps<'scope> = Stream<'scope, Epoch, Vec<Step>>;
type Asks<'scope> = Stream<'scope, Epoch, Vec<Ask>>;

/// Builds the operator.
pub(super) fn hold<'scope>(
    patches: Stream<'scope, Epoch, Vec<Keyd>>,
    name: &str,
    config: HoldConfig,
    unread: Unread,
) -> (Steps<'scope>, Asks<'scope>) {
    let mut builder = OperatorBuilder::new(name.to_owned(), patches.scope());
    let by_key = Exchange::new(|item: &Keyd| item.key.route());
    let mut input = builder.new_input(patches, by_key);
    let (steps, step_stream) = builder.new_output::<Vec<Step>>();
    let (asks, ask_stream) = builder.new_output::<Vec<Ask>>();
    let mut steps: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<Step>>> = OutputBuilder::from(steps);
    let mut asks: OutputBuilder<Epoch, CapacityContainerBuilder<Vec<Ask>>> = OutputBuilder::from(asks);
    builder.build(move |capabilities| {
        let mut door = Door::new(config, unread);
        let mut waiting: BTreeMap<Epoch, Waiting> = BTreeMap::new();
        // The right to let go of entities while no patch comes: it follows the input's frontier.
        let mut idle = capabilities.into_iter().next();
        move |frontiers| {
            input.for_each(|capability, items| {
                let (Some(for_steps), Some(for_asks)) = (capability.retain_least(0), capability.retain_least(1)) else {
                    return;
                };
                let entry = waiting.entry(*for_steps.time());
                let (_, _, held) = entry.or_insert_with(|| (for_steps, for_asks, Vec::new()));
                held.append(items);
            });
            let mut steps = steps.activate();
            let mut asks = asks.activate();
            while let Some(entry) = waiting.first_entry() {
                let epoch = *entry.key();
                if frontiers[0].less_equal(&epoch) {
                    break;
                }
                let (for_steps, for_asks, items) = entry.remove();
                let (out, ask) = door.epoch(epoch, items);
                steps.session(&for_steps).give_iterator(out.into_iter());
                if !ask.keys.is_empty() {
                    asks.session(&for_asks).give(ask);
                }
            }
            match (&mut idle, frontiers[0].frontier().first()) {
                (Some(capability), Some(now)) => {
                    capability.downgrade(now);
                    let gone = door.let_go();
                    if !gone.is_empty() {
                        steps.session(capability).give_iterator(gone.into_iter());
                    }
                }
                (_, None) => idle = None,
                (None, Some(_)) => {}
            }
        }
    });
    (step_stream, ask_stream)
}

/// The worker's memory of who is in.
struct Door {
    config: HoldConfig,
    entities: KeyedMap<Entry>,
    /// In order of touching; an entry that was touched again since is stale, and skipped.
    order: VecDeque<(Millis, Keyed)>,
    bytes: u64,
    unread: Unread,
}

impl Door {
    fn new(config: HoldConfig, unread: Unread) -> Self {
        Self {
            config,
            unread,
            entities: KeyedMap::default(),
            order: VecDeque::new(),
            bytes: 0,
        }
    }

    fn epoch(&mut self, epoch: Epoch, items: Vec<Keyd>) -> (Vec<Step>, Ask) {
        let now = self.config.clock.now();
        let mut steps = self.let_go();
        let before = self.bytes;
        steps.reserve(items.len());
        let mut wanted: KeyedMap<Option<Wanted>> = KeyedMap::default();
        for item in items {
            self.admit(epoch, now, &item, &mut wanted);
            steps.push(Step::Put(item));
        }
        let keys: Vec<_> = wanted
            .into_iter()
            .filter_map(|(key, wanted)| wanted.map(|wanted| (key, wanted)))
            .collect();
        for (key, wanted) in &keys {
            self.unread.ask(key, wanted.oldest);
        }
        let gauge = &self.config.gauge;
        gauge
            .bytes
            .fetch_add(self.bytes.saturating_sub(before), Ordering::Relaxed);
        gauge.lookups.fetch_add(keys.len() as u64, Ordering::Relaxed);
        (steps, Ask { keys })
    }

    /// Lets an entity in, or touches it; `wanted` has those that came in by this epoch.
    fn admit(&mut self, epoch: Epoch, now: Millis, item: &Keyd, wanted: &mut KeyedMap<Option<Wanted>>) {
        let bytes = item.patch.bytes() * COPIES;
        let says = (item.patch.event.rank > Rank::Stub).then_some(item.patch.event.at);
        match self.entities.get_mut(&item.key) {
            Some(entry) => {
                if says.is_some_and(|at| self.unread.is_needed(&item.key, at)) {
                    let again = Some(Wanted { oldest: says });
                    wanted.entry(item.key.clone()).or_insert(again);
                }
                if let Some(Some(wanted)) = wanted.get_mut(&item.key) {
                    wanted.oldest = match (wanted.oldest, says) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                }
                entry.last = epoch;
                entry.bytes += bytes;
                if entry.touched != now {
                    entry.touched = now;
                    self.order.push_back((now, item.key.clone()));
                }
            }
            None => {
                let is_complete = matches!(&item.patch.event.body, Body::Observation(body) if body.is_complete);
                let is_complete = is_complete && !self.config.asks_all;
                wanted.insert(item.key.clone(), (!is_complete).then_some(Wanted { oldest: says }));
                let entry = Entry {
                    last: epoch,
                    touched: now,
                    bytes: bytes + ENTITY_BYTES,
                };
                self.entities.insert(item.key.clone(), entry);
                self.order.push_back((now, item.key.clone()));
                self.bytes += ENTITY_BYTES;
                self.config.gauge.entities.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.bytes += bytes;
    }

    /// Those that were not touched for long, or that are too many; the oldest first.
    fn let_go(&mut self) -> Vec<Step> {
        let before = self.bytes;
        let mut steps = Vec::new();
        self.leave(&mut steps);
        let freed = before.saturating_sub(self.bytes);
        self.config.gauge.bytes.fetch_sub(freed, Ordering::Relaxed);
        steps
    }

    fn leave(&mut self, steps: &mut Vec<Step>) {
        let now = self.config.clock.now();
        let durable = *self.config.durable.borrow();
        while let Some((touched, key)) = self.order.front() {
            let is_idle = touched.0.saturating_add(self.config.for_ms) <= now.0;
            if !is_idle && self.bytes <= self.config.bytes {
                return;
            }
            let is_current = match self.entities.get(key) {
                Some(entry) if entry.touched == *touched => {
                    if !durable.passed_window(entry.last.window()) {
                        // What was touched later is not durable either.
                        return;
                    }
                    true
                }
                _ => false,
            };
            let Some((_, key)) = self.order.pop_front() else { return };
            if !is_current {
                continue;
            }
            if let Some(entry) = self.entities.remove(&key) {
                self.bytes = self.bytes.saturating_sub(entry.bytes);
                self.unread.end(&key);
                self.config.gauge.entities.fetch_sub(1, Ordering::Relaxed);
                steps.push(Step::LetGo(key));
            }
        }
    }
}

/// What an entity takes beside its patches, about: its key here, in the collection and in its row.
const ENTITY_BYTES: u64 = 2500;

/// How often a patch is counted. Its texts are shared, but the collection keeps what was retracted until the batches that
/// hold it are merged with others of their size.
const COPIES: u64 = 4;
