//! How far an export has come, and how far behind it is: pure, but for the lock around it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracemill_model::{Millis, Window};

use super::plan::cursor;

/// Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Reached(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    start: Option<Millis>,
    /// What is committed, without neighbours that touch.
    covered: Vec<Window>,
    /// When the plan last looked, and how far windows could reach then; `None`: there was nothing to export.
    looked: Option<(Millis, Option<Millis>)>,
}

impl Reached {
    /// A run begins, with these windows committed before.
    pub fn begin(&self, covered: impl IntoIterator<Item = Window>) {
        let mut inner = self.lock();
        inner.covered = covered.into_iter().collect();
        inner.join();
    }

    /// The plan looked: the first window begins at `start`, and windows may reach to `horizon`.
    pub fn looked(&self, now: Millis, start: Option<Millis>, horizon: Option<Millis>) {
        let mut inner = self.lock();
        inner.start = start.or(inner.start);
        inner.looked = Some((now, horizon));
    }

    /// A window was committed.
    pub fn committed(&self, window: Window) {
        let mut inner = self.lock();
        inner.covered.push(window);
        inner.join();
    }

    /// The end of what is committed without a gap; `None` until the plan has looked.
    #[must_use]
    pub fn cursor(&self) -> Option<Millis> {
        self.lock().cursor()
    }

    /// How far the cursor is behind where it may be: now minus `lag`. Where nothing was missing when the plan last looked,
    /// how long ago that is: an idle project is not late. `None` until the plan has looked.
    #[must_use]
    pub fn behind(&self, now: Millis, lag: Duration) -> Option<Duration> {
        let inner = self.lock();
        let (looked, horizon) = inner.looked?;
        let is_there = match (horizon, inner.cursor()) {
            (Some(horizon), Some(cursor)) => cursor >= horizon,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let lag = i64::try_from(lag.as_millis()).unwrap_or(i64::MAX);
        let from = if is_there { looked } else { inner.cursor()?.plus(lag) };
        let ms = now.0.saturating_sub(from.0);
        Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn cursor(&self) -> Option<Millis> {
        Some(cursor(self.start?, &self.covered))
    }

    /// Makes one of windows that touch, so that years of quarters of an hour are a few.
    fn join(&mut self) {
        self.covered.sort_unstable();
        let mut joined: Vec<Window> = Vec::new();
        for window in self.covered.drain(..) {
            match joined.last_mut() {
                Some(last) if window.from <= last.to => last.to = last.to.max(window.to),
                _ => joined.push(window),
            }
        }
        self.covered = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window {
            from: Millis(from),
            to: Millis(to),
        }
    }

    #[test]
    fn the_lag_is_what_is_missing_and_an_idle_project_has_none() {
        let (reached, lag) = (Reached::default(), Duration::from_millis(100));
        let behind = |now| reached.behind(Millis(now), lag).map(|behind| behind.as_millis());
        assert_eq!((reached.cursor(), behind(1_000)), (None, None));
        reached.begin([window(20, 30), window(0, 10), window(10, 20), window(50, 60)]);
        reached.looked(Millis(1_000), Some(Millis(0)), Some(Millis(60)));
        assert_eq!(reached.cursor(), Some(Millis(30)), "up to the gap");
        assert_eq!(behind(1_000), Some(870));
        assert_eq!(behind(1_500), Some(1_370));
        reached.committed(window(30, 50));
        assert_eq!(reached.cursor(), Some(Millis(60)));
        assert_eq!(behind(1_000), Some(0), "nothing is missing");
        assert_eq!(behind(1_040), Some(40), "since it was looked");
        reached.looked(Millis(9_000), Some(Millis(0)), Some(Millis(900)));
        assert_eq!(behind(9_000), Some(8_840));
        reached.looked(Millis(9_500), None, None);
        assert_eq!((behind(9_500), reached.cursor()), (Some(0), Some(Millis(60))));
        assert_eq!(reached.lock().covered, [window(0, 60)], "one window");
    }
}
