//! What the readings of services mean. Pure.

use std::collections::BTreeMap;

use tracemill_warehouse::ServiceKind;
use tracemill_warehouse::profiles::Raise;

use super::grants::too_wide;
use super::reading::{Failure, Identity, ServiceReading, Tried};
use super::report::Line;

/// A limit was tried to pass, and the server said no.
const CONSTRAINT: u32 = 452;
/// The same for what `readonly` keeps.
const READ_ONLY: u32 = 164;
const ACCESS_DENIED: u32 = 497;
const NO_TABLE: u32 = 60;
const MEMORY: u32 = 241;
const TIMEOUT: [u32; 2] = [159, 160];

/// What mends a profile.
const PROFILES: &str = "write the server's users again: tracemill profiles GRAPH.toml";

/// The lines of one service.
pub(super) fn service(reading: &ServiceReading) -> Vec<Line> {
    let about = reading.kind;
    let identity = match &reading.identity {
        Ok(identity) => identity,
        Err(failure) => return vec![unanswered(about, failure)],
    };
    let mut lines = vec![who(reading, identity), carries(reading), forgets(reading)];
    lines.extend(raises(reading));
    lines.push(ends(
        about,
        "memory",
        &reading.hungry,
        &[MEMORY],
        "a query that needs more memory than it may take",
    ));
    lines.push(ends(
        about,
        "deadline",
        &reading.slow,
        &TIMEOUT,
        "a query that outlives its deadline",
    ));
    lines.push(writes(reading));
    lines.extend(reads(reading));
    lines.push(grants(reading));
    lines
}

fn unanswered(about: ServiceKind, failure: &Failure) -> Line {
    let remedy = failure
        .hint
        .clone()
        .unwrap_or_else(|| "see the server's log".to_owned());
    Line::fail(about, "answers", failure.text.clone(), remedy).exit(failure.exit)
}

fn who(reading: &ServiceReading, identity: &Identity) -> Line {
    let profile = identity.profiles.last().map_or("none", String::as_str);
    let quota = identity.quota.as_deref().unwrap_or("unknown");
    let text = format!(
        "{} with profile {profile} and quota {quota} at {}",
        identity.user, reading.host
    );
    if identity.user == "default" || profile == "default" {
        let remedy = format!("give it a user and a profile of its own: {PROFILES}");
        return Line::fail(reading.kind, "who", text, remedy);
    }
    Line::ok(reading.kind, "who", text)
}

/// What was sent is what the query sees.
fn carries(reading: &ServiceReading) -> Line {
    let lost: Vec<String> = reading
        .sent
        .iter()
        // A value that is the server's own default does not count as set.
        .filter(|(name, value)| reading.seen.get(*name) != Some(value) && value.as_str() != "0")
        .map(|(name, value)| {
            let seen = reading.seen.get(name).map_or("none", String::as_str);
            format!("{name} was sent as {value} and is {seen}")
        })
        .collect();
    if lost.is_empty() {
        return Line::ok(reading.kind, "carries", listed(&reading.sent));
    }
    let remedy = "something between here and the server drops settings: let it pass the URL's parameters";
    Line::fail(reading.kind, "carries", lost.join(", "), remedy)
}

fn listed(settings: &BTreeMap<String, String>) -> String {
    let all: Vec<String> = settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    format!("each query has {}", all.join(", "))
}

/// What a query that brings no limit has.
fn forgets(reading: &ServiceReading) -> Line {
    let settings = match &reading.forgetful {
        Ok(settings) => settings,
        Err(failure) => return unseen(reading.kind, "forgets", failure),
    };
    let needed = [
        "max_memory_usage",
        "max_memory_usage_for_user",
        "max_threads",
        "max_execution_time",
    ];
    let missing: Vec<&str> = needed
        .into_iter()
        .filter(|name| settings.get(*name).is_none_or(|value| value == "0"))
        .collect();
    if missing.is_empty() {
        let all: Vec<String> = needed
            .iter()
            .map(|name| format!("{name} {}", settings.get(*name).map_or("", String::as_str)))
            .collect();
        let text = format!("a query without limits has {}", all.join(", "));
        return Line::ok(reading.kind, "forgets", text);
    }
    let text = format!("a query without limits has no {}", missing.join(", "));
    Line::fail(reading.kind, "forgets", text, PROFILES)
}

/// What a client could lift.
fn raises(reading: &ServiceReading) -> Vec<Line> {
    let is_refused = |tried: &Tried| {
        tried
            .as_ref()
            .is_err_and(|failure| matches!(failure.code, Some(CONSTRAINT | READ_ONLY)))
    };
    let mut lines = Vec::new();
    let lifted = |is_core: bool| -> Vec<String> {
        let open = reading.raises.iter().filter(|(_, tried)| tried.is_ok());
        let open = open.filter(|(raise, _)| raise.is_core == is_core);
        open.map(|(raise, _)| shown(raise)).collect()
    };
    let (core, aside) = (lifted(true), lifted(false));
    if !core.is_empty() {
        let text = format!("a client can set {}", core.join(", "));
        lines.push(Line::fail(reading.kind, "constraint", text, PROFILES));
    }
    if !aside.is_empty() {
        let text = format!("a client can set {}", aside.join(", "));
        lines.push(Line::warn(reading.kind, "constraint", text, PROFILES));
    }
    let odd = reading.raises.iter().find_map(|(raise, tried)| match tried {
        Err(failure) if !is_refused(tried) => Some((raise, failure)),
        _ => None,
    });
    if let Some((raise, failure)) = odd {
        let text = format!("{} could not be tried: {}", shown(raise), failure.text);
        lines.push(Line::warn(reading.kind, "constraint", text, "ask again"));
    }
    if lines.is_empty() {
        let mut names: Vec<&str> = reading.raises.iter().map(|(raise, _)| raise.setting).collect();
        names.dedup();
        let text = format!("refused to lift {}", names.join(", "));
        lines.push(Line::ok(reading.kind, "constraint", text));
    }
    lines
}

fn shown(raise: &Raise) -> String {
    format!("{} = {}", raise.setting, raise.value)
}

/// A query that passes a limit must be ended by the server with one of those codes.
fn ends(about: ServiceKind, check: &'static str, tried: &Tried, codes: &[u32], what: &str) -> Line {
    match tried {
        Err(failure) if failure.code.is_some_and(|code| codes.contains(&code)) => {
            let code = failure.code.unwrap_or_default();
            Line::ok(about, check, format!("{what} ends with error {code}"))
        }
        Err(failure) => unseen(about, check, failure),
        Ok(()) => Line::fail(
            about,
            check,
            format!("{what} ran to its end"),
            "the server does not keep the limit: look for it in the profile's constraints and in the server's version",
        ),
    }
}

/// Who reads must not write.
fn writes(reading: &ServiceReading) -> Line {
    let kind = reading.kind;
    let is_reader = kind != ServiceKind::ReadWrite;
    match &reading.insert {
        Ok(()) if is_reader => Line::fail(
            kind,
            "writes",
            "may insert, and is there to read",
            format!("is it the user of another service? Else {PROFILES}"),
        ),
        Ok(()) => Line::ok(kind, "writes", "may insert"),
        Err(failure) if failure.code == Some(NO_TABLE) => no_table(kind, "writes", "traces"),
        Err(failure) if is_reader && matches!(failure.code, Some(READ_ONLY | ACCESS_DENIED)) => {
            Line::ok(kind, "writes", "may not insert")
        }
        Err(failure) if is_reader => unseen(kind, "writes", failure),
        Err(failure) => {
            let remedy = "is it the user of another service? Route read_write to a user that may insert";
            Line::fail(kind, "writes", format!("cannot insert: {}", failure.text), remedy)
        }
    }
}

fn no_table(about: ServiceKind, check: &'static str, table: &str) -> Line {
    Line::fail(
        about,
        check,
        format!("there is no table {table}"),
        "run tracemill migrate GRAPH.toml",
    )
    .exit(11)
}

fn reads(reading: &ServiceReading) -> Vec<Line> {
    let mut lines = Vec::new();
    for (table, tried) in &reading.reads {
        let Err(failure) = tried else { continue };
        let about = reading.kind;
        lines.push(match failure.code {
            Some(ACCESS_DENIED) => {
                let user = reading.user.as_str();
                let remedy = format!("GRANT SELECT ON {}.{table} TO {user}, or {PROFILES}", reading.database);
                Line::fail(about, "reads", format!("may not read {table}"), remedy).exit(13)
            }
            Some(NO_TABLE) => no_table(about, "reads", table),
            _ => unseen(about, "reads", failure),
        });
    }
    if lines.is_empty() {
        let names: Vec<&str> = reading.reads.iter().map(|(table, _)| *table).collect();
        lines.push(Line::ok(reading.kind, "reads", names.join(", ")));
    }
    lines
}

fn grants(reading: &ServiceReading) -> Line {
    match &reading.grants {
        Err(failure) => unseen(reading.kind, "grants", failure),
        Ok(lines) => {
            let wide = too_wide(reading.kind, &reading.database, lines);
            if wide.is_empty() {
                let text = format!("{} grants, none wider than it needs", lines.len());
                return Line::ok(reading.kind, "grants", text);
            }
            let text = format!("more than it needs: {}", wide.join("; "));
            Line::warn(reading.kind, "grants", text, PROFILES)
        }
    }
}

fn unseen(about: ServiceKind, check: &'static str, failure: &Failure) -> Line {
    let remedy = failure.hint.clone().unwrap_or_else(|| "ask again".to_owned());
    Line::warn(about, check, format!("could not be tried: {}", failure.text), remedy)
}

/// The lines of all services together; `used` are those that the file uses.
pub(super) fn together(readings: &[ServiceReading], used: &[ServiceKind]) -> Vec<Line> {
    let answered: Vec<(&ServiceReading, &Identity)> = readings
        .iter()
        .filter_map(|reading| Some((reading, reading.identity.as_ref().ok()?)))
        .collect();
    let mut lines: Vec<Line> = users(&answered, used).into_iter().collect();
    lines.extend(order(&answered));
    lines
}

/// Each service has a user of its own.
fn users(answered: &[(&ServiceReading, &Identity)], used: &[ServiceKind]) -> Option<Line> {
    if answered.len() < 2 {
        return None;
    }
    for (index, (reading, identity)) in answered.iter().enumerate() {
        let before = &answered[..index];
        let same = before
            .iter()
            .find(|(other, name)| name.user == identity.user && other.host == reading.host);
        if let Some((other, _)) = same {
            let text = format!(
                "{} and {} are both {}, and share its limits",
                other.kind, reading.kind, identity.user
            );
            let remedy = format!("route each to a user of its own in [clickhouse]; {PROFILES}");
            let is_used = used.contains(&other.kind) && used.contains(&reading.kind);
            let line = if is_used { Line::fail } else { Line::warn };
            return Some(line("services".to_owned(), "users", text, remedy));
        }
    }
    let names: Vec<String> = answered
        .iter()
        .map(|(reading, identity)| format!("{} is {}", reading.kind, identity.user))
        .collect();
    Some(Line::ok("services", "users", names.join(", ")))
}

/// Whoever waits for an answer goes before an export, also where queries forget to say so. 0 is outside the order: never
/// held back.
fn order(answered: &[(&ServiceReading, &Identity)]) -> Option<Line> {
    let priority = |kind: ServiceKind| -> Option<u64> {
        let (reading, _) = answered.iter().find(|(reading, _)| reading.kind == kind)?;
        let settings = reading.forgetful.as_ref().ok()?;
        settings
            .get("priority")
            .map_or(Some(0), |priority| priority.parse().ok())
    };
    let export = priority(ServiceKind::Export)?;
    let early: Vec<String> = [ServiceKind::ReadOnly, ServiceKind::ReadWrite]
        .into_iter()
        .filter_map(|kind| Some((kind, priority(kind)?)))
        .filter(|(_, other)| export == 0 || *other >= export)
        .map(|(kind, other)| format!("{kind} has priority {other}"))
        .collect();
    if early.is_empty() && export == 0 {
        return None;
    }
    if early.is_empty() {
        return Some(Line::ok(
            "services",
            "order",
            format!("export has priority {export}, and waits for the others"),
        ));
    }
    let text = format!("{}, export has {export}, which does not wait for it", early.join(", "));
    let remedy = format!("is a service routed to the user of another? Else {PROFILES}");
    Some(Line::fail("services", "order", text, remedy))
}

#[cfg(test)]
mod tests {
    use tracemill_warehouse::profiles::raises as attempts;

    use super::super::report::Level;
    use super::*;

    fn refused(code: u32) -> Failure {
        Failure {
            code: Some(code),
            text: format!("clickhouse error {code}"),
            hint: None,
            exit: 19,
        }
    }

    /// A service of which everything is right.
    fn good(kind: ServiceKind) -> ServiceReading {
        let writes = kind == ServiceKind::ReadWrite;
        let priority = match kind {
            ServiceKind::ReadOnly => "0",
            ServiceKind::ReadWrite => "1",
            ServiceKind::Export => "2",
        };
        let map = |pairs: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect::<BTreeMap<_, _>>()
        };
        let four = [
            ("max_memory_usage", "1000"),
            ("max_threads", "2"),
            ("max_execution_time", "30"),
        ];
        let mut profile = map(&four);
        profile.extend(map(&[("max_memory_usage_for_user", "2000")]));
        if priority != "0" {
            profile.extend(map(&[("priority", priority)]));
        }
        ServiceReading {
            kind,
            host: "http://h:8123".to_owned(),
            user: format!("{kind}_user"),
            database: "default".to_owned(),
            sent: map(&[("max_threads", "2"), ("priority", priority)]),
            identity: Ok(Identity {
                user: format!("{kind}_user"),
                profiles: vec!["default".to_owned(), format!("{kind}_user")],
                quota: None,
                version: "26.7.2.1".to_owned(),
                ahead_ms: 0,
            }),
            seen: profile.clone(),
            forgetful: Ok(profile),
            raises: attempts(kind, priority.parse().ok())
                .into_iter()
                .map(|raise| (raise, Err(refused(CONSTRAINT))))
                .collect(),
            hungry: Err(refused(MEMORY)),
            slow: Err(refused(159)),
            insert: if writes { Ok(()) } else { Err(refused(READ_ONLY)) },
            reads: vec![("traces", Ok(()))],
            grants: Ok(vec!["GRANT SELECT ON default.traces TO u".to_owned()]),
        }
    }

    const KINDS: [ServiceKind; 3] = [ServiceKind::ReadOnly, ServiceKind::ReadWrite, ServiceKind::Export];

    fn all() -> Vec<ServiceReading> {
        KINDS.map(good).to_vec()
    }

    fn judged(readings: &[ServiceReading]) -> Vec<Line> {
        let mut lines: Vec<Line> = readings.iter().flat_map(service).collect();
        lines.extend(together(readings, &KINDS));
        lines
    }

    /// What is not ok: level and check.
    fn faults(readings: &[ServiceReading]) -> Vec<(Level, String, &'static str)> {
        let lines = judged(readings);
        let wrong = lines.iter().filter(|line| line.level > Level::Ok);
        wrong.map(|line| (line.level, line.about.clone(), line.check)).collect()
    }

    #[test]
    fn nothing_is_found_where_all_is_right() {
        assert_eq!(faults(&all()), []);
        assert_eq!(judged(&all()).len(), 3 * 9 + 2);
        assert_eq!(judged(&all()[..1]).len(), 9, "one service has nothing to share");
    }

    #[test]
    fn each_layer_that_is_out_is_told() {
        use Level::{Fail, Warn};
        type Spoil = fn(&mut ServiceReading);
        let cases: [(Spoil, Level, &str); 14] = [
            (
                |r| {
                    let settings = r.forgetful.as_mut().expect("settings");
                    settings.retain(|name, _| name == "priority");
                },
                Fail,
                "forgets",
            ),
            (
                |r| {
                    r.forgetful
                        .as_mut()
                        .map(|s| s.insert("max_memory_usage".to_owned(), "0".to_owned()))
                        .map(drop)
                        .expect("settings");
                },
                Fail,
                "forgets",
            ),
            (|r| r.seen = BTreeMap::new(), Fail, "carries"),
            (|r| r.raises[0].1 = Ok(()), Fail, "constraint"),
            (
                |r| {
                    for (raise, tried) in &mut r.raises {
                        if !raise.is_core {
                            *tried = Ok(());
                        }
                    }
                },
                Warn,
                "constraint",
            ),
            (|r| r.raises[1].1 = Err(refused(202)), Warn, "constraint"),
            (|r| r.hungry = Ok(()), Fail, "memory"),
            (|r| r.hungry = Err(refused(60)), Warn, "memory"),
            (|r| r.slow = Ok(()), Fail, "deadline"),
            (|r| r.insert = Ok(()), Fail, "writes"),
            (|r| r.insert = Err(refused(NO_TABLE)), Fail, "writes"),
            (|r| r.reads[0].1 = Err(refused(ACCESS_DENIED)), Fail, "reads"),
            (|r| r.reads[0].1 = Err(refused(NO_TABLE)), Fail, "reads"),
            (
                |r| r.grants = Ok(vec!["GRANT ALL ON *.* TO u".to_owned()]),
                Warn,
                "grants",
            ),
        ];
        for (index, (spoil, level, check)) in cases.into_iter().enumerate() {
            let mut readings = all();
            spoil(&mut readings[2]);
            let expected = vec![(level, "export".to_owned(), check)];
            assert_eq!(faults(&readings), expected, "case {index}");
        }
    }

    #[test]
    fn a_service_at_the_wrong_user_is_told() {
        // Two services, one user.
        let mut readings = all();
        readings[2].identity = readings[0].identity.clone();
        assert!(faults(&readings).contains(&(Level::Fail, "services".to_owned(), "users")));
        let unused = together(&readings, &[ServiceKind::Export]);
        assert!(unused.iter().any(|line| line.level == Level::Warn), "{unused:?}");
        // People's queries and the export are exchanged: the export goes first.
        let mut readings = all();
        let people = readings[0].forgetful.clone();
        readings[0].forgetful = readings[2].forgetful.clone();
        readings[2].forgetful = people;
        assert!(faults(&readings).contains(&(Level::Fail, "services".to_owned(), "order")));
        // What writes is a reader, and a reader one that writes.
        let mut readings = all();
        readings[1].insert = Err(refused(READ_ONLY));
        readings[0].insert = Ok(());
        let expected = [
            (Level::Fail, "read_only".to_owned(), "writes"),
            (Level::Fail, "read_write".to_owned(), "writes"),
        ];
        assert_eq!(faults(&readings), expected);
        // Nobody gave it a profile.
        let mut readings = all();
        readings[1].identity.as_mut().expect("answered").profiles = vec!["default".to_owned()];
        assert_eq!(faults(&readings), [(Level::Fail, "read_write".to_owned(), "who")]);
    }

    #[test]
    fn where_nobody_answers_nothing_else_is_judged() {
        let mut readings = all();
        readings[0].identity = Err(Failure {
            exit: 10,
            ..refused(516)
        });
        let lines = judged(&readings);
        let of_it: Vec<&Line> = lines.iter().filter(|line| line.about == "read_only").collect();
        assert_eq!((of_it.len(), of_it[0].level, of_it[0].exit), (1, Level::Fail, 10));
    }
}
