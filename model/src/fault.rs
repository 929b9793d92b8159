//! Whose fault an error is, and what follows from that.

/// Whose fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The user's: configuration, credentials, a missing table. Retrying as it is cannot help.
    User,
    /// A server's or the network's. Retrying may help.
    Remote,
    /// Ours.
    Bug,
}

/// What every error of Tracemill can say about itself, beside its text.
pub trait Blame {
    /// Whose fault it is.
    fn fault(&self) -> Fault;

    /// Whether the same attempt may succeed later, with nothing changed by a person.
    fn is_transient(&self) -> bool;

    /// A short fixed name of the kind, for logs and metrics: `memory_limit`, `timeout`, `unreachable`.
    fn kind(&self) -> &'static str;

    /// What a person can do.
    fn hint(&self) -> Option<String> {
        None
    }
}
