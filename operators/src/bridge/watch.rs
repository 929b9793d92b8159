//! Frontiers as plain values, for the tokio side.

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;
use timely::progress::frontier::AntichainRef;
use tokio::sync::watch;

use crate::Epoch;

/// A frontier of the totally ordered [`Epoch`]: every epoch before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frontier(Option<Epoch>);

impl Frontier {
    /// Nothing is complete.
    #[must_use]
    pub fn start() -> Self {
        Self(Some(Epoch::of_window(0)))
    }

    /// The frontier as timely keeps it.
    #[must_use]
    pub fn of(frontier: AntichainRef<'_, Epoch>) -> Self {
        Self(frontier.first().copied())
    }

    /// Whether all of that window is complete.
    #[must_use]
    pub fn passed_window(self, number: u64) -> bool {
        self.0.is_none_or(|epoch| epoch.window() > number)
    }

    /// Whether everything is complete and nothing more can come.
    #[must_use]
    pub fn is_end(self) -> bool {
        self.0.is_none()
    }
}

/// Publishes the frontier of a stream, and swallows what the stream carries.
pub fn publish_frontier<D: Clone + 'static>(
    stream: Stream<'_, Epoch, Vec<D>>,
    name: &str,
    publish: watch::Sender<Frontier>,
) {
    let _end: Stream<'_, Epoch, Vec<()>> = stream
        .unary_frontier::<timely::container::CapacityContainerBuilder<Vec<()>>, _, _, _>(
            Pipeline,
            name,
            move |capability, _info| {
                drop(capability);
                move |(input, frontier), _output| {
                    input.for_each(|_capability, items| items.clear());
                    let now = Frontier::of(frontier.frontier());
                    publish.send_if_modified(|told| {
                        let changed = *told != now;
                        *told = now;
                        changed
                    });
                }
            },
        );
}
