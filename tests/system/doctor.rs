//! The doctor on a real server: all is well with the users that `profiles` writes, and each layer that is taken out is told.

use serde_json::Value;
use tracemill_tests::guarded::Sizes;
use tracemill_tests::{Guarded, Output};

use crate::common::args;

/// The doctor's exit code and what is not ok: `level about check`.
fn told(guarded: &Guarded) -> (Option<i32>, Vec<String>, Output) {
    let output = guarded
        .site
        .tracemill
        .run(args(&guarded.site.graph(), "doctor", &["--json"]));
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.tail()));
    let word = |line: &Value, key: &str| line[key].as_str().expect("text").to_owned();
    let lines = report["lines"].as_array().expect("lines");
    let wrong = lines
        .iter()
        // How full the disk of this machine is, is not of the test.
        .filter(|line| line["level"] != "ok" && line["check"] != "disk")
        .map(|line| {
            assert!(
                line["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()),
                "{line}"
            );
            format!(
                "{} {} {}",
                word(line, "level"),
                word(line, "about"),
                word(line, "check")
            )
        })
        .collect();
    (output.code, wrong, output)
}

/// Without what stands between two texts, wherever that is.
fn without(text: &str, begin: &str, end: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some(at) = rest.find(begin) {
        kept.push_str(&rest[..at]);
        let after = rest[at..].find(end).expect("an end");
        rest = &rest[at + after + end.len()..];
    }
    kept.push_str(rest);
    kept
}

#[test]
fn all_is_well_with_the_users_of_the_command() {
    let guarded = Guarded::new(Sizes::default());
    let (code, wrong, output) = told(&guarded);
    println!("{}", output.stdout);
    assert_eq!((code, wrong), (Some(0), Vec::<String>::new()), "{}", output.tail());
    let people = guarded.site.tracemill.ok(args(&guarded.site.graph(), "doctor", &[]));
    for line in [
        "ok      read_only  who: reader with profile reader and quota reader at http://127.0.0.1:",
        "ok      export     constraint: refused to lift max_memory_usage, max_threads, max_execution_time",
        "ok      export     memory: a query that needs more memory than it may take ends with error 241",
        "ok      read_write deadline: a query that outlives its deadline ends with error 159",
        "ok      read_only  writes: may not insert",
        "ok      services   users: read_only is reader, read_write is writer, export is exporter",
        "ok      server     version: ",
    ] {
        assert!(people.stdout.contains(line), "no `{line}` in:\n{}", people.stdout);
    }
    assert!(!people.stdout.contains("-pw"), "{}", people.stdout);
    // Its own queries are named, and all but those that try a limit carry the service's.
    let engine = guarded.engine();
    engine.execute("SYSTEM FLUSH LOGS");
    let unnamed =
        "SELECT count() FROM system.query_log WHERE user IN ('reader', 'writer', 'exporter') AND log_comment = ''";
    assert_eq!(engine.query(unnamed), "0");
}

#[test]
fn a_profile_that_a_client_can_override_is_told() {
    let mut guarded = Guarded::new(Sizes::default());
    guarded.change_users(|text| without(text, "<constraints>", "</constraints>"));
    assert_eq!(
        guarded.ask("exporter", "max_memory_usage=0", "SELECT 1").as_deref(),
        Ok("1\n")
    );
    let (code, wrong, output) = told(&guarded);
    assert_eq!(code, Some(9), "{}", output.tail());
    for service in ["read_only", "read_write", "export"] {
        for level in ["fail", "warn"] {
            let line = format!("{level} {service} constraint");
            assert!(wrong.contains(&line), "{line} in {wrong:?}");
        }
    }
    // What a query brings along still holds.
    assert!(wrong.iter().all(|line| line.ends_with("constraint")), "{wrong:?}");
}

#[test]
fn a_query_that_forgets_its_limits_without_a_profile_that_has_them_is_told() {
    let mut guarded = Guarded::new(Sizes::default());
    guarded.change_users(|text| {
        let text = without(text, "<max_memory_usage>", "\n");
        without(&text, "<max_memory_usage_for_user>", "\n")
    });
    let (code, wrong, output) = told(&guarded);
    assert_eq!(code, Some(9), "{}", output.tail());
    for line in [
        "fail read_only forgets",
        "fail export forgets",
        "fail server memory",
        "fail export constraint",
    ] {
        assert!(wrong.contains(&line.to_owned()), "{line} in {wrong:?}");
    }
}

#[test]
fn grants_too_few_and_too_many_are_told() {
    let mut guarded = Guarded::new(Sizes::default());
    guarded.change_users(|text| {
        let (before, exporter) = text.split_once("<!-- The service export").expect("its section");
        let few = exporter.replace("<query>GRANT SELECT ON default.scores</query>", "");
        let many = before.replace(
            "GRANT SELECT, INSERT, CREATE TABLE ON default.traces",
            "GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON *.*",
        );
        format!("{many}<!-- The service export{few}")
    });
    let (code, wrong, output) = told(&guarded);
    assert_eq!(code, Some(13), "{}", output.tail());
    let expected = ["warn read_write grants", "fail export reads"];
    assert_eq!(wrong, expected, "{}", output.tail());
}

#[test]
fn a_service_routed_to_the_wrong_user_is_told() {
    let guarded = Guarded::new(Sizes::default());
    let file = guarded.site.graph();
    let right = std::fs::read_to_string(&file).expect("the graph");
    let routed =
        |from: &str, to: &str, text: &str| text.replace(&format!("{from}:{from}-pw"), &format!("{to}:{to}-pw"));
    let doctor = |text: &str| {
        let graph = guarded.site.scratch.join("wrong.toml");
        std::fs::write(&graph, text).expect("written");
        guarded.site.tracemill.run(args(&graph, "doctor", &[]))
    };
    // The export as a reader: two services, one user.
    let output = doctor(&routed("exporter", "reader", &right));
    assert_eq!(
        output.code,
        Some(19),
        "its limits are beyond the reader's: {}",
        output.tail()
    );
    let less = right.replace("max_memory_usage = \"600 MB\"", "max_memory_usage = \"300 MB\"");
    let less = less.replace("timeout = \"2 min\"", "timeout = \"20 s\"");
    let output = doctor(&routed("exporter", "reader", &less));
    assert_eq!(output.code, Some(9), "{}", output.tail());
    assert!(
        output
            .stdout
            .contains("FAILED  services   users: read_only and export are both reader"),
        "{}",
        output.stdout
    );
    // Readers as the one who writes.
    let first = right.replace("timeout = \"25 s\"", "timeout = \"25 s\"\npriority = 1");
    let output = doctor(&routed("reader", "writer", &first));
    assert!(
        output
            .stdout
            .contains("FAILED  read_only  writes: may insert, and is there to read")
            && output.stdout.contains("read_only and read_write are both writer"),
        "{}",
        output.stdout
    );
    // Who writes as a reader.
    let output = doctor(&routed("writer", "exporter", &right));
    assert!(output.stdout.contains("FAILED  read_write"), "{}", output.stdout);
    // People and the export exchanged: nobody shares a user, and yet the export goes first.
    let exchanged = routed("reader", "x", &less);
    let exchanged = routed("exporter", "reader", &exchanged).replace("x:x-pw", "exporter:exporter-pw");
    let exchanged = exchanged.replace("timeout = \"25 s\"", "timeout = \"25 s\"\npriority = 2");
    let output = doctor(&exchanged);
    assert_eq!(output.code, Some(9), "{}", output.tail());
    assert!(output.stdout.contains("FAILED  services   order"), "{}", output.stdout);
    // A password that is wrong, and a server that is not there.
    let output = doctor(&right.replace("exporter-pw", "wrong"));
    assert_eq!(output.code, Some(10), "{}", output.tail());
    assert!(!output.stdout.contains("wrong@"), "{}", output.stdout);
    let nobody = format!("127.0.0.1:{}", tracemill_tests::engine::free_port());
    let output = doctor(&right.replace(&format!("127.0.0.1:{}", guarded.engine().port()), &nobody));
    assert_eq!(output.code, Some(3), "{}", output.tail());
}
