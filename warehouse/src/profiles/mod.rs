//! One ClickHouse user for each service, with a profile whose limits a client cannot lift: what `tracemill profiles` writes.
//!
//! ```text
//! Sizes of the server ──► Ceiling of a service ──► settings, each with its bound ──► users.xml
//!                                                  grants ─────────────────────────┘
//! ```
//!
//! A profile gives the value that a query begins with, so that one which forgets its limits has some; its constraints say how
//! far a query may change it. A request for more is refused (error 452), never clipped.
//!
//! *Invariants.* What the users of all services may take of memory at once stays below `max_server_memory_usage`. No
//! password is ever part of the text, only its SHA-256.

mod ceiling;
mod grants;
mod raise;
mod settings;
mod xml;

use tracemill_model::ByteSize;

pub use ceiling::{Ceiling, Sizes};
pub use grants::{SYSTEM_TABLES, grants, read_tables, written_tables};
pub use raise::{Raise, raises};
pub use settings::{Bound, Setting};
pub use xml::users_xml;

use crate::limits::Limits;
use crate::service::ServiceKind;

/// How a user proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The SHA-256 of its password, 64 hexadecimal digits.
    Sha256(String),
    /// Somebody fills it in.
    Placeholder,
}

/// The user of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProfile {
    /// Which service.
    pub kind: ServiceKind,
    /// The user's name, which is that of its profile and quota too. See [`is_element_name`].
    pub user: String,
    /// What stands for its password.
    pub proof: Proof,
    /// Where the tables are.
    pub database: String,
    /// What a query begins with; what is `None` begins at the ceiling. The timeout is the ceiling of its own.
    pub limits: Limits,
    /// How far a query, and all of them together, may go.
    pub ceiling: Ceiling,
    /// Rows that one query may read, if that is limited.
    pub max_rows: Option<u64>,
    /// Bytes that one query may read, if that is limited.
    pub max_bytes: Option<ByteSize>,
    /// Whether tables are made on a cluster.
    pub cluster: bool,
}

/// Whether a user's name can be the name of an element of ClickHouse's configuration, where a dot separates levels.
#[must_use]
pub fn is_element_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::is_element_name;

    #[test]
    fn names_of_elements() {
        for (name, expected) in [
            ("interactive_user", true),
            ("a-1", true),
            ("_x", true),
            ("", false),
            ("1a", false),
            ("a.b", false),
            ("a b", false),
            ("ü", false),
            ("a>", false),
        ] {
            assert_eq!(is_element_name(name), expected, "{name:?}");
        }
    }
}
