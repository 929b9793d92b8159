//! `profile-queries` on a real server: every pattern is told, advice is there where a pattern reads much and only there, the
//! statements that it prints work, and nothing changes.

use serde_json::Value;
use tracemill_tests::Site;

use crate::common::args;

/// Rows of a large project and of a small one, in the tables as they are migrated. Times lie in one day, ids anywhere.
fn fill(site: &Site) {
    for (project, traces) in [("large", 60_000), ("small", 40)] {
        let at = "toDateTime64('2026-02-01 00:00:00', 3, 'UTC') + toIntervalSecond(number % 80000)";
        let id = |kind: &str, number: &str| format!("lower(hex(sipHash128('{kind}', '{project}', {number})))");
        let (trace, of_trace) = (id("t", "number"), id("t", "intDiv(number, 10)"));
        for sql in [
            format!(
                "INSERT INTO traces (id, project_id, timestamp, name, user_id, session_id, tags, event_ts, is_deleted) \
                 SELECT {trace}, '{project}', {at}, concat('n', toString(number % 3)), concat('u', toString(number % 9)), \
                 concat('s', toString(intDiv(number, 5))), ['a'], {at}, 0 FROM numbers({traces})"
            ),
            format!(
                "INSERT INTO observations (id, trace_id, project_id, type, start_time, event_ts, is_deleted) \
                 SELECT {}, {of_trace}, '{project}', 'SPAN', {at}, {at}, 0 FROM numbers({traces} * 10)",
                id("o", "number")
            ),
            format!(
                "INSERT INTO scores (id, project_id, trace_id, timestamp, name, value, source, data_type, event_ts, is_deleted) \
                 SELECT {}, '{project}', {trace}, {at}, 'q', 1, 'API', 'NUMERIC', {at}, 0 FROM numbers({traces} * 10)",
                id("s", "number")
            ),
        ] {
            site.engine.execute(&sql);
        }
    }
}

/// What tables, parts, columns, indexes and mutations there are.
fn state(site: &Site) -> String {
    let of = "WHERE database = 'default'";
    [
        format!(
            "SELECT name, uuid, metadata_modification_time, create_table_query FROM system.tables {of} ORDER BY ALL"
        ),
        format!("SELECT table, name, rows, data_version FROM system.parts {of} AND active ORDER BY ALL"),
        format!("SELECT table, name, expr FROM system.data_skipping_indices {of} ORDER BY ALL"),
        format!("SELECT table, command FROM system.mutations {of} ORDER BY ALL"),
    ]
    .map(|sql| site.engine.query(&sql))
    .join("\n")
}

fn report(site: &Site, more: &[&str]) -> Value {
    let all = [&["--json"], more].concat();
    let output = site.tracemill.ok(args(&site.graph(), "profile-queries", &all));
    serde_json::from_str(&output.stdout).expect("JSON")
}

fn patterns<'a>(report: &'a Value, project: &str) -> &'a Vec<Value> {
    let projects = report["projects"].as_array().expect("projects");
    let found = projects.iter().find(|one| one["project"] == project);
    found.expect("the project")["patterns"].as_array().expect("patterns")
}

/// All advice on a project's patterns.
fn advice(report: &Value, project: &str) -> Vec<Value> {
    let steps = patterns(report, project)
        .iter()
        .flat_map(|pattern| pattern["steps"].as_array().expect("steps"));
    steps
        .filter(|step| !step["advice"].is_null())
        .map(|step| step["advice"].clone())
        .collect()
}

#[test]
fn every_pattern_is_told_advice_follows_and_nothing_changes() {
    let site = Site::new();
    fill(&site);
    for table in ["traces", "observations", "scores"] {
        site.engine.execute(&format!("OPTIMIZE TABLE {table} FINAL"));
        site.engine.execute(&format!("SYSTEM STOP MERGES {table}"));
    }
    let before = state(&site);
    let told = report(&site, &[]);
    assert_eq!(state(&site), before, "nothing is changed");

    for project in ["large", "small"] {
        let patterns = patterns(&told, project);
        assert_eq!(patterns.len(), 19, "{patterns:?}");
        for pattern in patterns {
            assert!(pattern["failed"].is_null(), "{pattern}");
            let steps = pattern["steps"].as_array().expect("steps");
            assert!(!steps.is_empty(), "{pattern}");
            for step in steps {
                assert!(step["rows"].as_u64() > Some(0), "{pattern}");
                assert!(step["granules"].is_u64(), "{step}");
            }
        }
    }
    // Nothing but the day and the name sorts scores, so whatever finds few of them reads many.
    let large = advice(&told, "large");
    let is_of_scores = |one: &&Value| one["table"] == "scores";
    let first = large.iter().find(is_of_scores).expect("advice on scores");
    assert_eq!(advice(&told, "small"), Vec::<Value>::new(), "it reads little");

    // What it prints is taken, and then the advice is gone.
    site.engine.execute("SYSTEM START MERGES scores");
    for statement in first["statements"].as_array().expect("statements") {
        let statement = statement.as_str().expect("SQL");
        site.engine.execute(&format!("{statement} SETTINGS mutations_sync = 2"));
    }
    let then = advice(&report(&site, &["--project", "large"]), "large");
    let is_the_same = |one: &Value| ["table", "kind", "column"].iter().all(|key| one[key] == first[key]);
    assert!(!then.iter().any(is_the_same), "{then:?}");
}

#[test]
fn it_says_that_it_may_not_drop_caches() {
    let mut site = Site::new();
    fill(&site);
    // The users of an embedded engine may read, and nothing else.
    let graph = site.graph();
    let text = std::fs::read_to_string(&graph).expect("the graph");
    let server = format!(
        "[clickhouse.read_write]\n            url = \"{}\"\n            timeout = \"60 s\"",
        site.engine.url()
    );
    let own = format!("[embedded]\ndir = \"{}\"", site.scratch.join("clickhouse").display());
    assert!(text.contains(&server), "{text}");
    std::fs::write(&graph, text.replace(&server, &own)).expect("written");
    site.engine.stop();
    let more = ["--json", "--cold", "--project", "small", "--project", "nobody"];
    let output = site.tracemill.ok(args(&graph, "profile-queries", &more));
    let told: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let notes = told["notes"].to_string();
    assert!(
        notes.contains("--cold") && notes.contains("nobody has no traces"),
        "{notes}"
    );
    assert_eq!(told["firstRun"], "first");
    assert!(
        patterns(&told, "small")[0]["steps"][0]["rows"].as_u64() > Some(0),
        "{told}"
    );
}
