//! What people see while something runs: bars on a terminal, a `progress` record every few seconds elsewhere.
//!
//! *Invariants.* Never both. Lines of the log and of [`say`] go through the same screen as the bars, so that neither
//! tears the other. A thread of its own draws, so that nothing that is watched is slowed or waited for.
//!
//! *On error.* A terminal that cannot be written to is left alone.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pace::{Pace, Sample, line};

/// How often a bar is drawn.
const DRAW: Duration = Duration::from_millis(150);
/// How often a record is written where there is no terminal.
const RECORD: Duration = Duration::from_secs(5);
/// The width of a bar.
const WIDTH: usize = 16;

/// Everything that is drawn on standard error.
fn screen() -> &'static MultiProgress {
    static SCREEN: OnceLock<MultiProgress> = OnceLock::new();
    SCREEN.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)))
}

/// Whether bars are shown.
#[must_use]
pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Writes a line to standard output without tearing a bar.
pub fn say(text: &str) {
    screen().suspend(|| {
        // Whoever closed our output does not want the line.
        let _ = writeln!(std::io::stdout(), "{text}");
    });
}

/// Where the log goes: above the bars.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        screen().suspend(|| std::io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Watches something until it is dropped.
#[derive(Debug)]
pub struct Watch {
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch. `sample` is asked several times a second; whatever else it does then is its own affair.
    #[must_use]
    pub fn begin(title: &'static str, sample: impl FnMut() -> Sample + Send + 'static) -> Self {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let mut view = View::new(title);
            let mut sample = sample;
            while stopped.recv_timeout(DRAW) == Err(RecvTimeoutError::Timeout) {
                view.show(&sample(), false);
            }
            view.show(&sample(), true);
        });
        Self {
            stop: Some(stop),
            // Without a thread there is nothing to see; the work goes on.
            thread: thread.ok(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct View {
    title: &'static str,
    began: Instant,
    pace: Pace,
    bar: Option<ProgressBar>,
    recorded: Option<(Instant, Sample)>,
}

impl View {
    fn new(title: &'static str) -> Self {
        let bar = is_terminal().then(|| screen().add(ProgressBar::new_spinner()));
        if let Some(bar) = &bar {
            bar.set_style(style(false));
            bar.set_prefix(title);
        }
        Self {
            title,
            began: Instant::now(),
            pace: Pace::default(),
            bar,
            recorded: None,
        }
    }

    fn show(&mut self, sample: &Sample, is_last: bool) {
        self.pace.note(self.began.elapsed(), sample);
        match &self.bar {
            Some(bar) => {
                bar.set_style(style(sample.total.is_some()));
                if let Some(total) = sample.total {
                    let done = if is_last { total } else { sample.done.min(total) };
                    bar.set_length(total.max(1));
                    bar.set_position(done);
                }
                bar.set_message(line(sample, &self.pace));
                bar.tick();
                if is_last {
                    bar.finish();
                    screen().remove(bar);
                }
            }
            None => self.record(sample),
        }
    }

    /// A record where the last one is old enough and says something else.
    fn record(&mut self, sample: &Sample) {
        let is_news = match &self.recorded {
            None => self.began.elapsed() >= RECORD,
            Some((at, last)) => at.elapsed() >= RECORD && last != sample,
        };
        if !is_news {
            return;
        }
        self.recorded = Some((Instant::now(), sample.clone()));
        tracing::info!(
            what = self.title,
            rows = sample.rows,
            bytes = sample.bytes,
            bytesPerSecond = self.pace.bytes_per_second(),
            done = sample.done,
            total = sample.total,
            secondsLeft = self.pace.left(sample).map(|left| left.as_secs()),
            state = sample.note,
            "progress"
        );
    }
}

fn style(has_length: bool) -> ProgressStyle {
    let template = if has_length {
        format!("{{prefix:>10}} [{{bar:{WIDTH}}}] {{percent:>3}}%  {{wide_msg}}")
    } else {
        format!("{{prefix:>10}} {{spinner}}{}  {{wide_msg}}", " ".repeat(3))
    };
    ProgressStyle::with_template(&template)
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("━╸ "))
}
