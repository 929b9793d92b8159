//! Which windows no longer hold what was exported of them: a difference of two collections.
//!
//! ```text
//!   ClickHouse now   (window, live rows, digest) ──────────┐
//!                                                          ├──► concat ──► consolidate ──► windows with a remainder
//!   manifests        (window, live rows, digest) ── negate ┘
//! ```
//!
//! Only live rows count: background merges drop old versions and tombstones at any time, which changes nothing for a
//! reader. The digest is over (id, `event_ts`), so a later update of a row shows although the number of rows stays.

use std::collections::BTreeSet;
use std::sync::mpsc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::Input;
use tracemill_model::Window;
use tracemill_model::manifest::SourceCounts;

/// What is compared of a window.
type State = (i64, i64, u64, u128);

fn state(window: Window, counts: SourceCounts) -> State {
    (window.from.0, window.to.0, counts.live, counts.digest.0)
}

/// The windows of `written` whose live rows in ClickHouse are others than their manifests say, in order of time.
///
/// Runs a dataflow on the calling thread until it is complete: CPU only, linear in the number of windows.
#[must_use]
pub fn changed(written: &[(Window, SourceCounts)], now: &[(Window, SourceCounts)]) -> Vec<Window> {
    let written: Vec<State> = written.iter().map(|(window, counts)| state(*window, *counts)).collect();
    let now: Vec<State> = now.iter().map(|(window, counts)| state(*window, *counts)).collect();
    let (sender, remainder) = mpsc::channel();
    timely::execute_directly(move |worker| {
        let (mut manifests, mut tables) = worker.dataflow::<u64, _, _>(|scope| {
            let (manifest_input, manifests) = scope.new_collection::<State, isize>();
            let (table_input, tables) = scope.new_collection::<State, isize>();
            let tables: VecCollection<'_, _, _, _> = tables;
            tables
                .concat(manifests.negate())
                .consolidate()
                .inspect(move |((from, to, _, _), _, _)| {
                    // The receiver outlives the dataflow.
                    let _ = sender.send((*from, *to));
                });
            (manifest_input, table_input)
        });
        for state in written {
            manifests.insert(state);
        }
        for state in now {
            tables.insert(state);
        }
        manifests.close();
        tables.close();
    });
    let windows: BTreeSet<Window> = remainder
        .iter()
        .filter_map(|(from, to)| Window::new(tracemill_model::Millis(from), tracemill_model::Millis(to)))
        .collect();
    windows.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracemill_model::Millis;
    use tracemill_model::manifest::Digest;

    use super::*;

    fn entry(at: i64, live: u64, digest: u128, versions: u64) -> (Window, SourceCounts) {
        let window = Window {
            from: Millis(at),
            to: Millis(at + 1),
        };
        (
            window,
            SourceCounts {
                versions,
                live,
                deleted: versions,
                digest: Digest(digest),
            },
        )
    }

    #[test]
    fn merges_change_nothing_and_updates_do() {
        let written = [entry(0, 3, 7, 5), entry(1, 3, 7, 5), entry(2, 0, 0, 0)];
        let now = [entry(0, 3, 7, 3), entry(1, 3, 8, 5), entry(2, 0, 0, 0)];
        assert_eq!(changed(&written, &now), [written[1].0]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_comparison_one_by_one(states in prop::collection::vec((0u64..3, 0u128..3, 0u64..3, 0u128..3), 0..30)) {
            let pairs: Vec<_> = (0..).zip(states).map(|(at, (live, digest, live_now, digest_now))| {
                (entry(at, live, digest, 0), entry(at, live_now, digest_now, 9))
            }).collect();
            let written: Vec<_> = pairs.iter().map(|(written, _)| *written).collect();
            let now: Vec<_> = pairs.iter().map(|(_, now)| *now).collect();
            let expected: Vec<Window> = pairs
                .iter()
                .filter(|(written, now)| (written.1.live, written.1.digest) != (now.1.live, now.1.digest))
                .map(|(written, _)| written.0)
                .collect();
            prop_assert_eq!(changed(&written, &now), expected);
        }
    }
}
