//! Whether interactive queries run at this moment, and the pauses of an export that shares their processors meanwhile.
//!
//! ```text
//! queries that this process answers ──► enter ─┐
//! beats of a query that waits for readers ─────┴─► busy? ──► give_way: threads that encode, streams that are read
//! ```
//!
//! A thread of low priority still takes memory bandwidth, caches and the other half of a core from a query that runs beside it;
//! a thread that stands still does not. As queries come one after another (a page asks for several), a pause outlasts what it
//! was for by as long again. What is too short for a query may be the scheduler's doing, and is outlasted by nothing.
//!
//! *Invariants.* A pause ends by itself, and then there is time to work: the export keeps its floor under readers that never
//! cease. Beats that stop coming hold nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two beats.
pub const BEAT: Duration = Duration::from_millis(2);
/// A beat that is later than that waits for a reader.
const LATE: Duration = Duration::from_micros(3_500);
/// A beat that was held for so long was held by a query. What is shorter may be the scheduler's doing on processors that are all
/// busy, with the export's own work: it holds until the beat comes, and nothing follows from it.
const QUERY: Duration = Duration::from_millis(8);
/// A beat that is later than that is none: the server lets it wait for [`HELD`] at most.
const LOST: Duration = Duration::from_millis(1_500);
/// How long a server is to let a beat wait for readers.
pub const HELD: Duration = Duration::from_secs(1);
/// The longest pause, and the longest that one outlasts its query is half of it.
const LONGEST: Duration = Duration::from_millis(100);
/// How often a pause looks whether it is over.
const LOOK: Duration = Duration::from_millis(1);

/// Interactive queries as they run. Cheap to clone; clones are one. By itself it knows of none, and nobody gives way.
#[derive(Debug, Clone, Default)]
pub struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Times count from here, in us.
    zero: Instant,
    /// When the last beat came; 0: none is expected.
    beat: AtomicU64,
    /// The pause lasts at least until then.
    until: AtomicU64,
    pauses: Mutex<Pauses>,
    /// Queries that this process answers.
    own: Mutex<Busy>,
    /// How long beats were held, added up.
    seen: AtomicU64,
    is_beside: bool,
}

/// How many queries run, since when any does, and how long any did before, in us.
#[derive(Debug, Default)]
struct Busy {
    running: usize,
    since: u64,
    total: u64,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            zero: Instant::now(),
            beat: AtomicU64::new(0),
            until: AtomicU64::new(0),
            pauses: Mutex::default(),
            own: Mutex::default(),
            seen: AtomicU64::new(0),
            is_beside: false,
        }
    }
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// When to stand still. Pure; times in us.
#[derive(Debug, Clone, Copy, Default)]
struct Pauses {
    began: Option<u64>,
    /// Nobody pauses until then.
    free_until: u64,
    /// Pauses so far, added up.
    total: u64,
    /// The least part of the time that is left to work, in percent.
    floor: u64,
}

impl Pauses {
    /// How long to stand still before the next question; `None`: work.
    fn ask(&mut self, is_busy: bool, now: u64) -> Option<Duration> {
        let longest = us(LONGEST);
        let rest = match (is_busy && now >= self.free_until).then(|| *self.began.get_or_insert(now)) {
            Some(began) => (began + longest).saturating_sub(now),
            None => 0,
        };
        if rest > 0 {
            return Some(Duration::from_micros(rest));
        }
        if let Some(began) = self.began.take() {
            let pause = (now - began).min(longest);
            self.total += pause;
            // What it may not pause for now: its floor of the time.
            self.free_until = now + pause * self.floor / 100_u64.saturating_sub(self.floor).max(1);
        }
        None
    }
}

/// A query that runs, until this is dropped.
#[derive(Debug)]
pub struct Running(Readers);

impl Drop for Running {
    fn drop(&mut self) {
        let inner = &*self.0.0;
        let mut own = inner.own();
        own.running -= 1;
        if own.running == 0 {
            let now = inner.now();
            let took = now.saturating_sub(own.since);
            own.total += took;
            inner.outlast(now, took);
        }
    }
}

/// Where beats come in. Without it, none are expected.
#[derive(Debug)]
pub struct Heart(Readers);

impl Heart {
    /// That many beats came since the last call. How long a query held them, if one did: what came in a lump was on its way.
    pub fn beat(&self, beats: u64) -> Option<Duration> {
        let inner = &*self.0.0;
        let now = inner.now();
        let last = inner.beat.swap(now, Ordering::AcqRel);
        let gap = if last == 0 { 0 } else { now.saturating_sub(last) };
        let held = gap.saturating_sub(us(BEAT).saturating_mul(beats));
        let is_held = held >= us(QUERY) && gap < us(LOST);
        is_held.then(|| {
            inner.seen.fetch_add(held, Ordering::Relaxed);
            inner.outlast(now, held);
            Duration::from_micros(held)
        })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.0.beat.store(0, Ordering::Release);
    }
}

impl Inner {
    fn now(&self) -> u64 {
        us(self.zero.elapsed()).max(1)
    }

    fn own(&self) -> MutexGuard<'_, Busy> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queries that ran for so long have ended.
    fn outlast(&self, now: u64, took: u64) {
        self.until.fetch_max(now + took.min(us(LONGEST) / 2), Ordering::AcqRel);
    }

    fn late(&self, now: u64) -> Option<u64> {
        let last = self.beat.load(Ordering::Acquire);
        let gap = now.saturating_sub(last);
        (last > 0 && gap > us(LATE) && gap < us(LOST)).then(|| gap - us(BEAT))
    }

    fn is_busy(&self, now: u64) -> bool {
        self.own().running > 0 || self.late(now).is_some() || now < self.until.load(Ordering::Acquire)
    }

    fn ask(&self) -> Option<Duration> {
        if !self.is_beside {
            return None;
        }
        let now = self.now();
        let is_busy = self.is_busy(now);
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.ask(is_busy, now).map(|rest| rest.min(LOOK))
    }
}

impl Readers {
    /// Readers beside an export that keeps `floor` of its time, above 0 and at most 1.
    #[must_use]
    pub fn new(floor: f64) -> Self {
        let floor = (floor.clamp(0.01, 1.0) * 100.0) as u64;
        let pauses = Pauses {
            floor,
            ..Pauses::default()
        };
        Self(Arc::new(Inner {
            pauses: Mutex::new(pauses),
            is_beside: true,
            ..Inner::default()
        }))
    }

    /// Whether there may be any: not for the default.
    #[must_use]
    pub fn is_beside(&self) -> bool {
        self.0.is_beside
    }

    /// A query of this process begins.
    #[must_use]
    pub fn enter(&self) -> Running {
        let inner = &*self.0;
        let mut own = inner.own();
        if own.running == 0 {
            own.since = inner.now();
        }
        own.running += 1;
        drop(own);
        Running(self.clone())
    }

    /// Beats will come.
    #[must_use]
    pub fn heart(&self) -> Heart {
        Heart(self.clone())
    }

    /// How long readers' queries ran so far, as far as is known: at any time one or many.
    #[must_use]
    pub fn busy(&self) -> Duration {
        let inner = &*self.0;
        let now = inner.now();
        let own = {
            let own = inner.own();
            let since = if own.running > 0 {
                now.saturating_sub(own.since)
            } else {
                0
            };
            own.total + since
        };
        let held = inner.late(now).filter(|held| *held >= us(QUERY));
        let seen = inner.seen.load(Ordering::Relaxed) + held.unwrap_or(0);
        Duration::from_micros(own.max(seen))
    }

    /// How long the export stood still so far.
    #[must_use]
    pub fn given(&self) -> Duration {
        let pauses = self.0.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_micros(pauses.total)
    }

    /// Stands still while readers' queries run. For threads that may block.
    #[expect(clippy::disallowed_methods, reason = "that a beat is late is seen by looking only")]
    pub fn give_way_blocking(&self) {
        while let Some(rest) = self.0.ask() {
            std::thread::sleep(rest);
        }
    }

    /// The same, for tasks.
    pub async fn give_way(&self) {
        while let Some(rest) = self.0.ask() {
            tokio::time::sleep(rest).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const MS: u64 = 1_000;

    #[test]
    fn a_pause_ends_by_itself_and_leaves_time_to_work() {
        let mut pauses = Pauses {
            floor: 20,
            ..Pauses::default()
        };
        let rest = |ms| Some(Duration::from_millis(ms));
        for (is_busy, ms, expected) in [
            (false, 0, None),
            (true, 1, rest(100)),
            (true, 31, rest(70)),
            // 30 ms it stood still, so 7.5 ms nobody holds it.
            (false, 41, None),
            (true, 42, None),
            (true, 51, rest(100)),
            (true, 150, rest(1)),
            // A reader that does not cease: 25 ms of work for 100 of standing still.
            (true, 151, None),
            (true, 175, None),
            (true, 176, rest(100)),
            (true, 276, None),
            (false, 300, None),
        ] {
            assert_eq!(pauses.ask(is_busy, ms * MS), expected, "at {ms} ms");
        }
        assert_eq!(pauses.total, (40 + 100 + 100) * MS);
    }

    #[test]
    fn readers_that_never_cease_leave_the_floor() {
        for floor in [1, 10, 50, 100] {
            let mut pauses = Pauses {
                floor,
                ..Pauses::default()
            };
            let worked = (0..100_000)
                .filter(|tick| pauses.ask(true, tick * 100 + 1).is_none())
                .count();
            let percent = worked as f64 / 1_000.0;
            assert!(
                (percent - floor as f64).abs() <= 1.0,
                "{percent} % of the time for a floor of {floor} %"
            );
        }
    }

    fn is_free(readers: &Readers) -> bool {
        let mut way = pin!(readers.give_way());
        matches!(
            way.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(())
        )
    }

    async fn pass(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_of_this_process_holds_and_outlasts_itself() {
        let readers = Readers::new(0.1);
        pass(1).await;
        assert!(is_free(&readers), "nobody reads");
        let running = readers.enter();
        assert!(!is_free(&readers));
        pass(20).await;
        drop(running);
        assert!(!is_free(&readers), "the next may follow");
        pass(19).await;
        assert!(!is_free(&readers));
        pass(1).await;
        assert!(is_free(&readers));
        assert_eq!(readers.busy(), Duration::from_millis(20));
        assert_eq!(readers.given(), Duration::from_millis(40));
    }

    #[test]
    fn queries_that_end_while_others_begin_are_counted_once() {
        let (readers, began) = (Readers::new(0.1), Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50_000).for_each(|_| drop(readers.enter())));
            }
        });
        let busy = readers.busy();
        assert!(busy > Duration::ZERO && busy <= began.elapsed(), "{busy:?}");
        let _running = readers.enter();
        assert!(readers.0.ask().is_some(), "and the next is seen");
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_that_is_late_holds_and_one_that_is_lost_does_not() {
        let readers = Readers::new(0.1);
        let heart = readers.heart();
        pass(2_000).await;
        assert!(is_free(&readers), "none came yet");
        assert_eq!(heart.beat(1), None);
        for _ in 0..5 {
            pass(3).await;
            assert!(is_free(&readers));
            assert_eq!(heart.beat(1), None);
        }
        pass(9).await;
        assert!(!is_free(&readers), "it may be a query");
        assert_eq!(heart.beat(1), None);
        assert!(is_free(&readers), "it was none");
        assert_eq!(readers.busy(), Duration::ZERO);
        pass(43).await;
        assert!(!is_free(&readers));
        assert_eq!(heart.beat(1), Some(Duration::from_millis(41)));
        assert!(!is_free(&readers), "the next may follow");
        pass(43).await;
        assert_eq!(heart.beat(21), None, "they only came late");
        pass(1_600).await;
        assert!(is_free(&readers), "it is lost");
        assert_eq!(heart.beat(1), None, "and says nothing");
        assert_eq!(readers.busy(), Duration::from_millis(41));
        pass(50).await;
        assert!(!is_free(&readers));
        drop(heart);
        assert!(is_free(&readers), "no beats are expected");
    }
}
