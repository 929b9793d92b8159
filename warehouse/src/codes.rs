//! The one table of ClickHouse's error codes: what each is called in our logs, whose fault it is, whether waiting helps.
//!
//! A code that is not listed is the remote's fault, not transient, and of the kind `server_error`.

use tracemill_model::Fault;

/// What is known of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The number in `Code: N`.
    pub number: u32,
    /// The kind, for logs and metrics.
    pub kind: &'static str,
    /// Whose fault.
    pub fault: Fault,
    /// Whether the same query may succeed later, with nothing changed by a person.
    pub transient: bool,
    /// What a person can do, empty where nothing general can be said.
    pub hint: &'static str,
}

/// `memory_limit` where the server's tracker chose the query among others, rather than the query's own limit.
pub const OVERCOMMIT: &str = "overcommit";

/// What an error of an insert means for its batch. Nothing is ever dropped: the worst that happens to a row is a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnInsert {
    /// The server has trouble, whatever the batch: wait, and try the same again, without end.
    Wait,
    /// The server asks for fewer inserts: wait longer, and try the same again.
    SlowDown,
    /// Too much at once: wait, and try in halves.
    Halve,
    /// It is not known whether the rows are in: look for them, and send those that are missing.
    Verify,
    /// A row is refused: find it by halving, without waiting.
    Bisect,
    /// Nobody knows. Found by halving too, but a single row is given up only when others got in meanwhile, or after many
    /// attempts.
    Suspect,
    /// A person must change something: wait, and say so loudly.
    Hold,
}

/// What a code means for an insert's batch.
#[must_use]
pub fn on_insert(number: u32, message: &str) -> OnInsert {
    match number {
        // The same number as too many parts, but it is the batch that is spread over too many months.
        252 if message.contains("partitions for single INSERT") => OnInsert::Halve,
        // The server's own clock or network gave up; what it had written stays.
        209 | 210 | 319 => OnInsert::Verify,
        252 | 202 | 745 | 201 => OnInsert::SlowDown,
        241 | 173 | 159 | 160 | 158 | 307 | 396 | 131 | 743 => OnInsert::Halve,
        // Values that a column or a constraint does not take.
        6 | 26 | 27 | 33 | 38 | 41 | 53 | 69 | 70 | 72 | 117 | 128 | 190 | 321 | 349 | 407 | 469 | 636 => {
            OnInsert::Bisect
        }
        _ => {
            let code = lookup(number);
            match code.fault {
                Fault::User => OnInsert::Hold,
                _ if code.transient => OnInsert::Wait,
                Fault::Bug | Fault::Remote => OnInsert::Suspect,
            }
        }
    }
}

const UNLISTED: Code = Code {
    number: 0,
    kind: "server_error",
    fault: Fault::Remote,
    transient: false,
    hint: "",
};

const fn user(number: u32, kind: &'static str, hint: &'static str) -> Code {
    Code {
        number,
        kind,
        fault: Fault::User,
        transient: false,
        hint,
    }
}

const fn overload(number: u32, kind: &'static str) -> Code {
    Code {
        number,
        kind,
        fault: Fault::Remote,
        transient: true,
        hint: "",
    }
}

const fn bug(number: u32, kind: &'static str) -> Code {
    Code {
        number,
        kind,
        fault: Fault::Bug,
        transient: false,
        hint: "",
    }
}

const GRANT: &str = "grant the user what the message names, or give the service another user";
const LOGIN: &str = "check user and password of this service's ClickHouse URL";
const CONSTRAINT: &str = "lower the service's limit, or raise the constraint in the user's profile on the server";
const MIGRATE: &str = "run `tracemill migrate --dry-run`, which names what differs, then `tracemill migrate`";
const DATABASE: &str = "name an existing database in the URL (`?database=`), or create it";

const CODES: &[Code] = &[
    // Too much at once: wait, or ask for less.
    overload(241, "memory_limit"),
    overload(173, "memory_limit"),
    overload(159, "timeout"),
    overload(160, "timeout"),
    overload(209, "timeout"),
    overload(202, "too_many_queries"),
    overload(745, "too_many_queries"),
    overload(252, "too_many_parts"),
    overload(201, "quota_exceeded"),
    overload(439, "too_many_threads"),
    overload(394, "cancelled"),
    overload(734, "cancelled"),
    overload(735, "cancelled"),
    // A limit on rows or bytes, of the query or of the profile.
    overload(158, "too_much_data"),
    overload(307, "too_much_data"),
    overload(396, "too_much_data"),
    // The server or its surroundings have trouble.
    overload(3, "server_network"),
    overload(32, "server_network"),
    overload(210, "server_network"),
    overload(198, "server_network"),
    overload(279, "server_network"),
    overload(225, "no_keeper"),
    overload(242, "read_only_replica"),
    overload(319, "unknown_outcome"),
    overload(999, "no_keeper"),
    overload(243, "disk_full"),
    overload(74, "server_disk"),
    overload(75, "server_disk"),
    overload(76, "server_disk"),
    overload(499, "object_storage"),
    overload(40, "checksum"),
    overload(236, "shutting_down"),
    overload(733, "read_only_table"),
    overload(286, "no_quorum"),
    overload(285, "no_quorum"),
    overload(305, "too_many_queries"),
    overload(473, "server_lock"),
    overload(668, "server_starting"),
    // What a person must change.
    user(516, "wrong_credentials", LOGIN),
    user(192, "wrong_credentials", LOGIN),
    user(193, "wrong_credentials", LOGIN),
    user(194, "wrong_credentials", LOGIN),
    user(195, "wrong_credentials", LOGIN),
    user(497, "access_denied", GRANT),
    user(291, "access_denied", GRANT),
    user(
        164,
        "read_only",
        "give the user `readonly = 2` or `0`: the service must set limits per query",
    ),
    user(452, "constraint", CONSTRAINT),
    user(
        115,
        "unknown_setting",
        "the server is older than the setting: upgrade it, or leave the limit out",
    ),
    user(60, "unknown_table", MIGRATE),
    user(81, "unknown_database", DATABASE),
    user(47, "unknown_column", MIGRATE),
    user(16, "unknown_column", MIGRATE),
    user(10, "unknown_column", MIGRATE),
    user(70, "type_mismatch", MIGRATE),
    user(53, "type_mismatch", MIGRATE),
    user(44, "unknown_column", MIGRATE),
    user(8, "unknown_column", MIGRATE),
    user(20, "unknown_column", MIGRATE),
    user(
        218,
        "table_dropped",
        "the table is being dropped: run `tracemill migrate` to make it again",
    ),
    user(57, "table_exists", ""),
    user(
        701,
        "unknown_cluster",
        "name a cluster of the server's `remote_servers`",
    ),
    user(
        170,
        "unknown_cluster",
        "name a cluster of the server's `remote_servers`",
    ),
    user(
        139,
        "no_macro",
        "set the macros `shard` and `replica` in the server's configuration",
    ),
    // Rows that the server will not take.
    Code {
        number: 27,
        kind: "bad_data",
        fault: Fault::Bug,
        transient: false,
        hint: "",
    },
    bug(6, "bad_data"),
    bug(26, "bad_data"),
    bug(33, "bad_data"),
    bug(38, "bad_data"),
    bug(41, "bad_data"),
    bug(69, "bad_data"),
    bug(72, "bad_data"),
    bug(117, "bad_data"),
    bug(131, "too_much_data"),
    bug(349, "bad_data"),
    bug(636, "bad_data"),
    bug(128, "bad_data"),
    bug(190, "bad_data"),
    bug(321, "bad_data"),
    bug(407, "bad_data"),
    bug(469, "violated_constraint"),
    // What we sent is not right.
    bug(62, "syntax"),
    bug(36, "bad_argument"),
    bug(42, "bad_argument"),
    bug(43, "bad_argument"),
    bug(46, "unknown_function"),
    bug(63, "unknown_function"),
    bug(73, "unknown_format"),
    bug(207, "bad_argument"),
    bug(386, "bad_argument"),
    bug(456, "missing_parameter"),
    bug(457, "bad_parameter"),
    bug(48, "not_supported"),
    bug(395, "thrown"),
];

/// What is known of a code.
#[must_use]
pub fn lookup(number: u32) -> Code {
    CODES
        .iter()
        .find(|code| code.number == number)
        .copied()
        .unwrap_or(Code { number, ..UNLISTED })
}

/// The kind of a code with its message at hand: 241 has two.
#[must_use]
pub fn kind(number: u32, message: &str) -> &'static str {
    if number == 241 && message.contains("OvercommitTracker") {
        OVERCOMMIT
    } else {
        lookup(number).kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_listed_twice() {
        for (index, code) in CODES.iter().enumerate() {
            assert!(
                CODES[index + 1..].iter().all(|other| other.number != code.number),
                "{code:?}"
            );
            assert!(!code.transient || code.fault == Fault::Remote, "{code:?}");
        }
    }

    #[test]
    fn kinds_that_operators_alert_on() {
        for (number, message, expected) in [
            (241, "(for query) memory limit exceeded", "memory_limit"),
            (241, "memory limit exceeded. OvercommitTracker decision", OVERCOMMIT),
            (159, "Timeout exceeded", "timeout"),
            (160, "", "timeout"),
            (209, "", "timeout"),
            (202, "", "too_many_queries"),
            (252, "", "too_many_parts"),
            (60, "", "unknown_table"),
            (516, "", "wrong_credentials"),
            (452, "", "constraint"),
            (123_456, "", "server_error"),
        ] {
            assert_eq!(kind(number, message), expected);
        }
    }

    #[test]
    fn every_error_of_an_insert_has_one_outcome() {
        use OnInsert::{Bisect, Halve, Hold, SlowDown, Suspect, Verify, Wait};
        for (number, message, expected) in [
            (241, "memory limit exceeded", Halve),
            (159, "Timeout exceeded", Halve),
            (252, "Too many parts (3000)", SlowDown),
            (
                252,
                "Too many partitions for single INSERT block (more than 100)",
                Halve,
            ),
            (202, "Too many simultaneous queries", SlowDown),
            (209, "", Verify),
            (210, "", Verify),
            (319, "", Verify),
            (242, "Table is in readonly mode", Wait),
            (225, "", Wait),
            (999, "", Wait),
            (243, "", Wait),
            (499, "", Wait),
            (394, "", Wait),
            (236, "", Wait),
            (27, "", Bisect),
            (53, "", Bisect),
            (69, "", Bisect),
            (117, "", Bisect),
            (469, "", Bisect),
            (516, "", Hold),
            (497, "", Hold),
            (60, "", Hold),
            (16, "", Hold),
            (81, "", Hold),
            (164, "", Hold),
            (49, "", Suspect),
            (1001, "", Suspect),
            (62, "Syntax error", Suspect),
            (123_456, "", Suspect),
        ] {
            assert_eq!(on_insert(number, message), expected, "I-60: {number} {message}");
        }
    }
}
