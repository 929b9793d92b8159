//! What the readings of a server mean. Pure.

use tracemill_model::ByteSize;
use tracemill_warehouse::tables::{Finding, Severity};

use super::reading::{Failure, ServiceReading};
use super::report::Line;
use super::server::{Disk, Mutations, ServerReading};
use crate::preflight::CLOCK_TOLERANCE_MS;

/// The oldest ClickHouse that has what Tracemill sends: year and month of the release.
const OLDEST: (u32, u32) = (24, 8);
/// Parts of one partition from which on merges lag behind, and from which on ClickHouse slows inserts down
/// (`parts_to_delay_insert`).
const MANY_PARTS: u64 = 300;
const TOO_MANY_PARTS: u64 = 1000;
/// Free space of a disk in percent that is little, and that is too little.
const LITTLE: u64 = 15;
const TOO_LITTLE: u64 = 5;
/// A mutation that takes longer than that is stuck, or hard work.
const LONG_S: u64 = 3600;
/// Our clock and the server's may differ by that much before somebody should look.
const SKEW_MS: i64 = 5_000;

/// The line of an engine that is ours.
pub(super) fn embedded() -> Line {
    Line::ok(
        "server",
        "engine",
        "the embedded ClickHouse, for demos and tests: its users and profiles are its own, and what they lack is a warning",
    )
}

/// The lines of a server; `readings` are all services'.
pub(super) fn server(reading: &ServerReading, readings: &[ServiceReading]) -> Vec<Line> {
    let answers = readings
        .iter()
        .any(|one| one.host == reading.host && one.identity.is_ok());
    if !answers {
        return Vec::new();
    }
    let mut lines = vec![
        version(&reading.version),
        clock(reading.ahead_ms),
        seen(&reading.memory, "memory", |limit| {
            memory(*limit, users_memory(reading, readings))
        }),
    ];
    match &reading.disks {
        Ok(disks) => lines.extend(disks.iter().map(disk)),
        Err(failure) => lines.push(unseen("disk", failure)),
    }
    lines.push(seen(&reading.parts, "parts", |(count, place)| parts(*count, place)));
    lines.push(seen(&reading.mutations, "mutations", mutations));
    lines.push(seen(&reading.query_log, "query_log", |there| query_log(*there)));
    match &reading.findings {
        Ok(findings) => lines.extend(columns(findings)),
        Err(failure) => lines.push(unseen("columns", failure)),
    }
    lines
}

fn seen<T>(read: &Result<T, Failure>, check: &'static str, judge: impl FnOnce(&T) -> Line) -> Line {
    match read {
        Ok(value) => judge(value),
        Err(failure) => unseen(check, failure),
    }
}

fn unseen(check: &'static str, failure: &Failure) -> Line {
    let remedy = failure.hint.clone().unwrap_or_else(|| "ask again".to_owned());
    // To see less is no layer that does not hold.
    Line::warn("server", check, format!("cannot be seen: {}", failure.text), remedy).exit(failure.exit)
}

fn version(text: &str) -> Line {
    let mut numbers = text.split('.').map(str::parse::<u32>);
    let (oldest_year, oldest_month) = OLDEST;
    let (Some(Ok(year)), Some(Ok(month))) = (numbers.next(), numbers.next()) else {
        let text = format!("says {text:?}, which is no version");
        return Line::warn("server", "version", text, "is it ClickHouse?").exit(21);
    };
    if (year, month) < OLDEST {
        let text = format!("{text}, and {oldest_year}.{oldest_month} is the oldest that was thought of");
        return Line::fail("server", "version", text, "upgrade ClickHouse").exit(19);
    }
    Line::ok("server", "version", text)
}

fn clock(ahead_ms: i64) -> Line {
    let text = format!("this machine's is {ahead_ms} ms ahead");
    let remedy = "let both machines set their clocks by NTP";
    match ahead_ms.abs() {
        ms if ms > CLOCK_TOLERANCE_MS => Line::fail("server", "clock", text, remedy).exit(6),
        ms if ms > SKEW_MS => Line::warn("server", "clock", text, remedy).exit(6),
        _ => Line::ok("server", "clock", text),
    }
}

/// What the users of the server's services may take together. A user without a limit makes it unknown.
fn users_memory(reading: &ServerReading, readings: &[ServiceReading]) -> Option<u64> {
    let mut by_user: Vec<(&str, u64)> = Vec::new();
    for one in readings.iter().filter(|one| one.host == reading.host) {
        let Ok(identity) = &one.identity else { continue };
        let settings = one.forgetful.as_ref().ok()?;
        let bytes: u64 = settings.get("max_memory_usage_for_user")?.parse().ok()?;
        if bytes == 0 {
            return None;
        }
        if by_user.iter().all(|(user, _)| *user != identity.user) {
            by_user.push((&identity.user, bytes));
        }
    }
    Some(by_user.iter().map(|(_, bytes)| bytes).sum())
}

fn memory(limit: u64, users: Option<u64>) -> Line {
    let limit_text = ByteSize(limit);
    let Some(users) = users else {
        return Line::fail(
            "server",
            "memory",
            format!("a user may take all of the server's {limit_text}"),
            "set max_memory_usage_for_user: tracemill profiles GRAPH.toml --memory SIZE",
        );
    };
    let text = format!(
        "the users of the services may take {} of the server's {limit_text} together",
        ByteSize(users)
    );
    if limit > 0 && users > limit {
        let remedy = "write smaller shares: tracemill profiles GRAPH.toml --memory SIZE, with the memory of the server";
        return Line::fail("server", "memory", text, remedy);
    }
    Line::ok("server", "memory", text)
}

fn disk(disk: &Disk) -> Line {
    let percent = disk.free.saturating_mul(100) / disk.total.max(1);
    // An object store says that it is endless, or empty.
    if disk.total == 0 || disk.total > u64::MAX / 2 {
        return Line::ok("server", "disk", format!("{} has no end", disk.name));
    }
    let text = format!(
        "{} has {} of {} free ({percent} %)",
        disk.name,
        ByteSize(disk.free),
        ByteSize(disk.total)
    );
    let remedy = "add space, or shorten how long rows are kept; merges need room too";
    match percent {
        0..TOO_LITTLE => Line::fail("server", "disk", text, remedy).exit(14),
        TOO_LITTLE..LITTLE => Line::warn("server", "disk", text, remedy).exit(14),
        _ => Line::ok("server", "disk", text),
    }
}

fn parts(count: u64, place: &str) -> Line {
    let text = if count == 0 {
        "none yet".to_owned()
    } else {
        format!("{count} in the fullest partition, {place}")
    };
    let remedy = "send larger batches less often (sink.batch), and look whether merges or mutations are stuck";
    match count {
        TOO_MANY_PARTS.. => Line::fail("server", "parts", text, remedy).exit(21),
        MANY_PARTS.. => Line::warn("server", "parts", text, remedy).exit(21),
        _ => Line::ok("server", "parts", text),
    }
}

fn mutations(mutations: &Mutations) -> Line {
    let Mutations {
        pending,
        oldest_s,
        reason,
    } = mutations;
    if *pending == 0 {
        return Line::ok("server", "mutations", "none is pending");
    }
    let text = format!("{pending} pending, the oldest since {oldest_s} s");
    let remedy = "look at system.mutations; KILL MUTATION ends one that cannot be done";
    if !reason.is_empty() {
        let reason: String = reason.chars().take(200).collect();
        return Line::fail("server", "mutations", format!("{text}, failing: {reason}"), remedy).exit(21);
    }
    if *oldest_s > LONG_S {
        return Line::warn("server", "mutations", text, remedy).exit(21);
    }
    Line::ok("server", "mutations", text)
}

fn query_log(is_there: bool) -> Line {
    if is_there {
        return Line::ok("server", "query_log", "is kept");
    }
    Line::warn(
        "server",
        "query_log",
        "is not kept, or not shown: what each workload costs cannot be told",
        "configure query_log on the server, and GRANT SHOW TABLES ON system.query_log to the export's user",
    )
    .exit(19)
}

fn columns(findings: &[Finding]) -> Vec<Line> {
    if findings.is_empty() {
        return vec![Line::ok("server", "columns", "every table has its columns")];
    }
    let line = |finding: &Finding| {
        let (text, remedy) = (finding.to_string(), "tracemill migrate GRAPH.toml --dry-run tells more");
        match (finding.severity(), finding) {
            (Severity::Warning, _) => Line::warn("server", "columns", text, remedy).exit(12),
            (Severity::Fault, Finding::NoTable { .. }) => {
                Line::fail("server", "columns", text, "run tracemill migrate GRAPH.toml").exit(11)
            }
            (Severity::Fault, _) => Line::fail("server", "columns", text, remedy).exit(12),
        }
    };
    findings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::report::Level::{self, Fail, Ok as Fine, Warn};
    use super::*;

    #[test]
    fn versions() {
        for (text, level) in [
            ("26.7.2.1", Fine),
            ("24.8.1.1", Fine),
            ("24.7.9.9", Fail),
            ("23.12.1", Fail),
            ("what", Warn),
            ("", Warn),
        ] {
            assert_eq!(version(text).level, level, "{text:?}");
        }
    }

    #[test]
    fn numbers_have_their_levels() {
        let gib = 1u64 << 30;
        let of = |free, total| Disk {
            name: "default".to_owned(),
            free,
            total,
        };
        let pending = |pending, oldest_s, reason: &str| Mutations {
            pending,
            oldest_s,
            reason: reason.to_owned(),
        };
        let cases: [(Line, Level, u8); 20] = [
            (clock(0), Fine, 0),
            (clock(-4_999), Fine, 0),
            (clock(6_000), Warn, 6),
            (clock(-400_000), Fail, 6),
            (disk(&of(50 * gib, 100 * gib)), Fine, 0),
            (disk(&of(10 * gib, 100 * gib)), Warn, 14),
            (disk(&of(4 * gib, 100 * gib)), Fail, 14),
            (disk(&of(u64::MAX, u64::MAX)), Fine, 0),
            (disk(&of(0, 0)), Fine, 0),
            (parts(0, ""), Fine, 0),
            (parts(299, "traces 202602"), Fine, 0),
            (parts(300, "traces 202602"), Warn, 21),
            (parts(1000, "traces 202602"), Fail, 21),
            (mutations(&pending(0, 0, "")), Fine, 0),
            (mutations(&pending(1, 10, "")), Fine, 0),
            (mutations(&pending(1, 4_000, "")), Warn, 21),
            (mutations(&pending(1, 10, "Code: 241")), Fail, 21),
            (memory(10, Some(8)), Fine, 0),
            (memory(10, Some(11)), Fail, 9),
            (memory(10, None), Fail, 9),
        ];
        for (line, level, exit) in cases {
            assert_eq!((line.level, line.exit), (level, exit), "{line}");
        }
        assert_eq!(query_log(true).level, Fine);
        assert_eq!(query_log(false).level, Warn);
    }

    #[test]
    fn tables_and_columns() {
        assert_eq!(columns(&[]).len(), 1);
        let lines = columns(&[
            Finding::NoTable { table: "traces" },
            Finding::NoColumn {
                table: "scores",
                column: "value",
                expected: "Float64",
            },
        ]);
        let codes: Vec<(Level, u8)> = lines.iter().map(|line| (line.level, line.exit)).collect();
        assert_eq!(codes[0], (Fail, 11));
        assert_eq!(codes[1].1, 12);
    }
}
