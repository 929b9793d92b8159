//! `[web]`: what people and programs read with.

use super::checked::{Intake, Reads, Role, Web};
use super::defaults;
use super::reader::{Bounds, Section, Span};
use super::stores::address;

/// Reads `[web]`. Where there is an intake, or the role is `web`, it is there without a section as well.
pub(super) fn read(root: &Section<'_>, intake: Option<&Intake>, role: Role) -> Option<Web> {
    let mut web = Web {
        listen: intake.map_or(defaults::LISTEN, |intake| intake.listen),
        reads: Reads {
            at_once: defaults::READS_AT_ONCE,
            waiting: defaults::READS_WAITING,
            wait: defaults::READ_WAIT,
            max_rows: None,
            max_bytes: None,
        },
    };
    let Some(section) = root.section("web", "[web]") else {
        return (intake.is_some() || role == Role::Web).then_some(web);
    };
    let is_enabled = section.boolean("enabled").unwrap_or(true);
    web.listen = address(&section, "listen", "127.0.0.1:3000").unwrap_or(web.listen);
    let reads = &mut web.reads;
    let count = |key, range, default| section.integer(key, &Bounds { range, why: "" }).unwrap_or(default);
    reads.at_once = count("at_once", 1..=10_000_usize, reads.at_once);
    reads.waiting = count("waiting", 0..=100_000_usize, reads.waiting);
    let wait = Bounds {
        range: Span(defaults::MIN_DEADLINE)..=Span(defaults::MAX_DEADLINE),
        why: "",
    };
    reads.wait = section.duration("wait", &wait).unwrap_or(reads.wait);
    let rows = Bounds {
        range: 1..=u64::MAX >> 1,
        why: "",
    };
    reads.max_rows = section.integer("max_rows_to_read", &rows);
    let bytes = Bounds {
        range: defaults::MIN_QUERY_MEMORY..=defaults::MAX_QUERY_MEMORY,
        why: "",
    };
    reads.max_bytes = section.size("max_bytes_to_read", &bytes);
    section.finish();
    is_enabled.then_some(web)
}
