//! The operator's guide: every command, query and setting in its blocks works as it is written.

use std::path::Path;

use tracemill_tests::guarded::Sizes;
use tracemill_tests::{Guarded, Tracemill};

use crate::common::args;

const GUIDE: &str = include_str!("../../docs/operations.md");

/// A block between fences: its language, and its lines.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            blocks.push((language, lines.by_ref().take_while(|line| *line != "```").collect()));
        }
    }
    blocks
}

/// Rows of the project and the day that the guide speaks of.
fn fill(guarded: &Guarded) {
    let at = "toDateTime64('2026-02-25 10:00:00', 3, 'UTC') + toIntervalSecond(number * 40)";
    for (table, columns, values) in [
        (
            "traces",
            "timestamp, name, user_id, session_id, tags",
            "'run', concat('u-', toString(number % 9)), concat('s-', toString(number % 20)), ['tag']",
        ),
        (
            "observations",
            "start_time, name, trace_id, type, level, end_time",
            "'step', concat('id-', toString(number)), 'SPAN', 'DEFAULT', at",
        ),
        (
            "scores",
            "timestamp, name, trace_id, value, source, data_type",
            "'quality', concat('id-', toString(number)), 1, 'API', 'NUMERIC'",
        ),
    ] {
        guarded.engine().execute(&format!(
            "INSERT INTO {table} (id, project_id, environment, event_ts, {columns}) SELECT concat('id-', toString(number)), \
             'my-project', 'default', {at} AS at, at, {values} FROM numbers(500)"
        ));
    }
}

/// A shell that finds the program.
fn shell(guarded: &Guarded) -> Tracemill {
    let tracemill = &guarded.site.tracemill;
    let folder = tracemill.binary().parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", folder.display());
    tracemill.clone().env("PATH", &path).with_binary(Path::new("/bin/sh"))
}

#[test]
fn everything_in_its_blocks_works_as_written() {
    let guarded = Guarded::new(Sizes::default());
    fill(&guarded);
    let graph = std::fs::read_to_string(guarded.site.graph()).expect("the graph");
    let settings: Vec<String> = blocks(GUIDE)
        .into_iter()
        .filter(|(language, _)| *language == "toml")
        .map(|(_, lines)| lines.join("\n"))
        .collect();
    assert!(!settings.is_empty());
    let graph = format!("{graph}\n{}\n", settings.join("\n"));
    // The names that the guide gives the graph file.
    for name in ["GRAPH.toml", "three-roles.toml"] {
        std::fs::write(guarded.site.scratch.join("logs").join(name), &graph).expect("written");
    }
    let graph = guarded.site.scratch.join("logs/GRAPH.toml");
    let once = args(&graph, "run", &["--role", "export", "--once"]);
    guarded.site.tracemill.ok(once);

    let shell = shell(&guarded);
    let mut commands = 0;
    for (_, lines) in blocks(GUIDE).iter().filter(|(language, _)| language.is_empty()) {
        for line in lines {
            // What looks at the answers is not ours.
            let line = line.split(" | jq ").next().unwrap_or_default();
            let output = shell.ok(["-c", line.strip_prefix("$ ").unwrap_or(line)]);
            println!("{line}\n{}", output.tail());
            commands += usize::from(line.contains("tracemill "));
        }
    }
    assert!(commands >= 14, "{commands} commands");
    guarded.engine().execute("SYSTEM FLUSH LOGS");
    for (_, lines) in blocks(GUIDE).iter().filter(|(language, _)| *language == "sql") {
        let answer = guarded.engine().query(&lines.join("\n"));
        for feature in ["blobstorage", "doctor", "migrate"] {
            assert!(
                answer.lines().any(|line| line.starts_with(feature)),
                "{feature} in {answer}"
            );
        }
    }
}
