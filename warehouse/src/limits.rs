//! What every query of a service carries, and whether bodies are compressed. Plain values.

use std::time::Duration;

use tracemill_model::ByteSize;

/// Whether bodies are compressed. It costs the server threads that its query log does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Never.
    None,
    /// LZ4, both ways.
    Lz4,
    /// None where the server is on this machine, LZ4 elsewhere.
    #[default]
    Auto,
}

impl Compression {
    /// What it comes to for a server that is, or is not, on this machine.
    #[must_use]
    pub const fn resolve(self, loopback: bool) -> Self {
        match self {
            Self::Auto if loopback => Self::None,
            Self::Auto => Self::Lz4,
            chosen => chosen,
        }
    }
}

/// What every query of a service carries. `None` leaves it to the user's profile on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of one query.
    pub max_memory_usage: Option<ByteSize>,
    /// Threads of one query.
    pub max_threads: Option<u32>,
    /// 1 comes first, greater numbers later, 0 is outside the order.
    pub priority: Option<u32>,
    /// How long a query may run (`max_execution_time`, whole seconds, rounded up). For answers that are not streamed it is
    /// our own deadline too, a little later.
    pub timeout: Option<Duration>,
    /// Bytes of one block of a streamed answer (`preferred_block_size_bytes`), so that rows of several hundred KB do not
    /// multiply.
    pub max_block_bytes: Option<ByteSize>,
    /// The longest silence within a stream, or while an insert is sent, before the server counts as hung.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_memory_usage: None,
            max_threads: None,
            priority: None,
            timeout: None,
            max_block_bytes: None,
            stall: Duration::from_secs(60),
        }
    }
}

/// The deadline of an answer where a service has no timeout.
const NO_TIMEOUT: Duration = Duration::from_secs(600);
/// Our deadline comes after the server's own, whose error says more.
const GRACE: Duration = Duration::from_secs(5);

impl Limits {
    /// As settings of a query.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        if let Some(bytes) = self.max_memory_usage {
            settings.push(("max_memory_usage", bytes.0.to_string()));
        }
        if let Some(threads) = self.max_threads {
            settings.push(("max_threads", threads.to_string()));
        }
        if let Some(priority) = self.priority {
            settings.push(("priority", priority.to_string()));
        }
        if let Some(timeout) = self.timeout {
            let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
            settings.push(("max_execution_time", seconds.max(1).to_string()));
        }
        settings
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.timeout.map_or(NO_TIMEOUT, |timeout| timeout + GRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_settings() {
        let limits = Limits {
            max_memory_usage: Some(ByteSize::gib(2)),
            max_threads: Some(4),
            priority: Some(2),
            timeout: Some(Duration::from_millis(1500)),
            ..Limits::default()
        };
        assert_eq!(
            limits.settings(),
            [
                ("max_memory_usage", "2147483648".to_owned()),
                ("max_threads", "4".to_owned()),
                ("priority", "2".to_owned()),
                ("max_execution_time", "2".to_owned()),
            ]
        );
        assert!(Limits::default().settings().is_empty());
    }
}
