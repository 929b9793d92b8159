//! The configuration against whole files: the examples load, the broken ones have exactly the faults that are written
//! beside them, and no text at all makes the reader panic.

#[path = "config/ingestion.rs"]
mod ingestion;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tracemill_model::Table;
use tracemill_pipeline::config::{
    self, Checked, Engine, Fault, Graph, Projects, SourceKind, Start, StoreKind, Windows,
};
use tracemill_pipeline::graph::{Style, render};

/// Every secret of the tests has this in it, so that a leak is seen wherever it is.
const MARK: &str = "hush";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn environment() -> BTreeMap<String, String> {
    let names = [
        "CH_PASSWORD",
        "CH_INGESTION_PASSWORD",
        "CH_INTERACTIVE_PASSWORD",
        "CH_EXPORT_PASSWORD",
    ];
    let more = [
        "S3_KEY_ID",
        "S3_SECRET",
        "AZURE_KEY",
        "REDIS_PASSWORD",
        "SALT",
        "LF_SECRET",
    ];
    names
        .into_iter()
        .chain(more)
        .map(|name| (name.to_owned(), format!("p@ss/{MARK}:{name}")))
        .collect()
}

fn load_with(text: &str, file: &str, more: &[(&str, &str)]) -> Result<Checked, Vec<Fault>> {
    let mut known = environment();
    known.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    config::load(text, file, &|name| known.get(name).cloned())
}

fn files(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(root().join(folder))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

fn assert_no_secret(name: &str, text: &str) {
    let shown = [MARK, "sk-lf-demo", "2c26b46b", "abcdefghijklmnopqrstuv"]
        .into_iter()
        .find(|part| text.contains(part));
    assert_eq!(shown, None, "{name} shows a secret:\n{text}");
}

#[test]
fn examples_load_and_draw_and_show_no_secret() {
    let examples = files("examples");
    assert!(examples.len() >= 8);
    for (name, text) in examples {
        let more = [
            ("CLICKHOUSE_EXPORT_URL", "http://clickhouse:8123"),
            ("CLICKHOUSE_PASSWORD", "hush-too"),
        ];
        let checked = load_with(&text, &name, &more).unwrap_or_else(|faults| panic!("{}", config::render(&faults)));
        assert_no_secret(&name, &format!("{checked:?}"));
        for graph in &checked.graphs {
            assert!(is_whole(graph), "{name}");
        }
        for style in [Style::Text, Style::Dot, Style::Mermaid] {
            let drawn = render(&checked, style);
            assert_no_secret(&name, &drawn);
            assert!(drawn.contains(&checked.graphs[0].sinks[0].name), "{name}: {drawn}");
        }
    }
}

/// Every sink of an export ends a route; an ingestion graph has its four nodes.
fn is_whole(graph: &Graph) -> bool {
    match graph.ingestion() {
        Some(_) => graph.routes().is_empty() && graph.sinks.len() == 2 && graph.sources.len() == 1,
        None => graph.routes().len() == graph.sinks.len(),
    }
}

/// `# env: NAME=value` in a file sets that variable for it.
fn variables(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# env: ")?.split_once('='))
        .collect()
}

#[test]
fn broken_files_have_exactly_their_faults() {
    let broken = files("tests/broken");
    assert!(broken.len() >= 108, "{}", broken.len());
    let mut failures = String::new();
    for (name, text) in broken {
        let sidecar = root().join("tests/broken").join(name.replace(".toml", ".faults"));
        let expected = fs::read_to_string(&sidecar).expect("the faults beside it");
        let faults = load_with(&text, &name, &variables(&text)).expect_err(&name);
        assert_no_secret(&name, &format!("{faults:?} {}", config::render(&faults)));
        for fault in &faults {
            assert!(
                !fault.remedy.is_empty() && !fault.message.is_empty(),
                "{name}: {fault:?}"
            );
            assert!(!fault.message.ends_with('.'), "{name}: {fault}");
        }
        if let Err(difference) = compare(&expected, &faults) {
            failures.push_str(&format!("== {name}\n{difference}\n"));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Takes every expected fault from the faults; what is left on either side is the difference.
fn compare(expected: &str, faults: &[Fault]) -> Result<(), String> {
    let mut left: Vec<&Fault> = faults.iter().collect();
    let mut missing = Vec::new();
    for line in expected.lines() {
        let (number, part) = line.split_once(": ").expect("line: part of the message");
        let number: usize = number.parse().expect("a line number");
        let found = left
            .iter()
            .position(|fault| fault.line == number && fault.to_string().contains(part));
        match found {
            Some(index) => drop(left.remove(index)),
            None => missing.push(format!("  missing: {line}")),
        }
    }
    if missing.is_empty() && left.is_empty() {
        return Ok(());
    }
    let left = left.iter().map(|fault| format!("  not expected: {fault}"));
    Err(missing.into_iter().chain(left).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_store_checks_its_own_options_and_its_faults_have_their_lines() {
    let check = |store: &config::Store| match store.kind {
        StoreKind::Azure => vec![
            ("unknown option \"account_key\"".to_owned(), "remove it".to_owned()),
            ("there is no container".to_owned(), "name another".to_owned()),
        ],
        _ => Vec::new(),
    };
    let known = environment();
    let text = example("azure.toml");
    let faults = config::load_with(&text, "azure.toml", &|name| known.get(name).cloned(), &check);
    let faults = faults.expect_err("two faults");
    let line = |part: &str| text.lines().position(|line| line.contains(part)).map(|line| line + 1);
    let places: Vec<_> = faults
        .iter()
        .map(|fault| (Some(fault.line), fault.path.as_str()))
        .collect();
    let container = (line("az://"), "store.container.url");
    assert_eq!(
        places,
        [container, (line("account_key"), "store.container.options.account_key")]
    );
    assert_no_secret("azure.toml", &config::render(&faults));
}

fn example(name: &str) -> String {
    fs::read_to_string(root().join("examples").join(name)).expect("an example")
}

#[test]
fn services_take_what_the_file_says_then_what_the_environment_says() {
    let checked =
        load_with(&example("gcs.toml"), "gcs.toml", &[("CLICKHOUSE_PASSWORD", "not-used")]).expect("no faults");
    let Engine::Servers(servers) = &checked.engine else {
        panic!("{:?}", checked.engine)
    };
    assert_eq!(
        (servers.export.url.as_str(), servers.export.user.as_str()),
        ("http://clickhouse:8123", "export_user")
    );
    assert_eq!(servers.export.password.reveal(), "p@ss/hush:CH_EXPORT_PASSWORD");
    assert_eq!(
        checked.queries.export.max_memory_usage.map(|size| size.0),
        Some(20_000_000_000)
    );

    let more = [
        ("CLICKHOUSE_URL", "http://main:8123"),
        ("CLICKHOUSE_EXPORT_URL", "http://replica:8123"),
        ("CLICKHOUSE_USER", "langfuse"),
        ("CLICKHOUSE_PASSWORD", "hush-env"),
        ("CLICKHOUSE_DB", "lf"),
        ("LANGFUSE_CLICKHOUSE_DATA_EXPORT_MAX_THREADS", "3"),
        ("LANGFUSE_CLICKHOUSE_DATA_EXPORT_PRIORITY", "5"),
        ("LANGFUSE_CLICKHOUSE_DATA_EXPORT_MAX_MEMORY_USAGE", "1000000000"),
        ("LANGFUSE_CLICKHOUSE_DATA_EXPORT_REQUEST_TIMEOUT_MS", "90000"),
    ];
    let checked = load_with(&example("s3.toml"), "s3.toml", &more).expect("no faults");
    let Engine::Servers(servers) = &checked.engine else {
        panic!("{:?}", checked.engine)
    };
    assert_eq!(servers.export.url, "http://replica:8123");
    assert_eq!(
        (servers.export.user.as_str(), servers.export.database.as_str()),
        ("langfuse", "lf")
    );
    assert_eq!(servers.export.password.reveal(), "hush-env");
    assert_eq!(servers.read_only, servers.read_write);
    let export = &checked.queries.export;
    assert_eq!(
        (export.max_threads, export.priority),
        (Some(4), Some(5)),
        "the file's threads, the variable's priority"
    );
    assert_eq!(export.max_memory_usage.map(|size| size.0), Some(1_000_000_000));
    assert_eq!(export.timeout.as_secs(), 90);
}

#[test]
fn each_service_has_a_variable_of_its_own() {
    const URL: (&str, &str) = ("CLICKHOUSE_URL", "http://writer:hush-w@main:8123");
    const READ_ONLY: (&str, &str) = ("CLICKHOUSE_READ_ONLY_URL", "http://reader:hush-r@replica:8123");
    const EXPORT: (&str, &str) = ("CLICKHOUSE_EXPORT_URL", "https://exporter:hush-e@bulk:8443");
    /// user:password@url, or nothing.
    fn told(server: Option<&config::Server>) -> String {
        server.map_or_else(String::new, |server| {
            format!("{}:{}@{}", server.user, server.password.reveal(), server.url)
        })
    }
    let (writer, reader, exporter) = (
        "writer:hush-w@http://main:8123",
        "reader:hush-r@http://replica:8123",
        "exporter:hush-e@https://bulk:8443",
    );
    // A file without [clickhouse]; one that names the reader's server; one that gives a user and a password alone.
    let none = "";
    let named = "[clickhouse.read_only]\nurl = \"http://people:hush-p@own:1\"\n";
    let user = "[clickhouse]\nread_only = { user = \"people\", password = \"${CH_EXPORT_PASSWORD}\" }\n";
    let all: &[(&str, &str)] = &[URL, READ_ONLY, EXPORT];
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], [&'a str; 3]);
    let cases: [Case<'_>; 7] = [
        (none, all, [writer, reader, exporter]),
        (none, &[URL], [writer, writer, writer]),
        (none, &[URL, READ_ONLY], [writer, reader, writer]),
        (none, &[URL, EXPORT], [writer, writer, exporter]),
        (none, &[READ_ONLY, EXPORT], ["", reader, exporter]),
        (named, all, [writer, "people:hush-p@http://own:1", exporter]),
        (
            user,
            &[URL, EXPORT],
            [writer, "people:p@ss/hush:CH_EXPORT_PASSWORD@http://main:8123", exporter],
        ),
    ];
    for (section, variables, [write, read, export]) in cases {
        let text = format!("{section}{}", example("hive.toml"));
        let checked = load_with(&text, "hive.toml", variables)
            .unwrap_or_else(|faults| panic!("{variables:?}: {}", config::render(&faults)));
        let Engine::Servers(servers) = &checked.engine else {
            panic!("{:?}", checked.engine)
        };
        assert_eq!(
            [
                told(servers.read_write.as_ref()),
                told(servers.read_only.as_ref()),
                told(Some(&servers.export))
            ],
            [write, read, export],
            "{section} {variables:?}"
        );
    }
    // An export cannot be people's guest; a process that only reads needs no more.
    let faults = load_with(&example("hive.toml"), "hive.toml", &[READ_ONLY]).expect_err("no service for the export");
    assert!(config::render(&faults).contains("CLICKHOUSE_EXPORT_URL"), "{faults:?}");
}

#[test]
fn the_engine_is_embedded_unless_something_names_a_server() {
    let without = load_with(&example("hive.toml"), "hive.toml", &[]).expect("no faults");
    assert!(matches!(without.engine, Engine::Embedded(_)));
    let url = [("CLICKHOUSE_URL", "http://main:8123")];
    let with = load_with(&example("hive.toml"), "hive.toml", &url).expect("no faults");
    assert!(matches!(with.engine, Engine::Servers(_)));
    let local = load_with(&example("local.toml"), "local.toml", &url).expect("no faults");
    assert!(
        matches!(local.engine, Engine::Embedded(_)),
        "[embedded] wins over the environment"
    );
    assert!(matches!(local.stores["lake"].kind, StoreKind::Local(_)));
}

fn windows_of(checked: &Checked) -> &Windows {
    match &checked.graphs[0].sources[0].kind {
        SourceKind::Windows(windows) => windows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn windows_have_what_the_file_chooses() {
    let checked = load_with(&example("s3.toml"), "s3.toml", &[("CLICKHOUSE_URL", "http://h:8123")]).expect("no faults");
    let windows = windows_of(&checked);
    let Projects::Ids(ids) = &windows.projects else {
        panic!("{:?}", windows.projects)
    };
    assert_eq!(ids.len(), 2);
    assert_eq!(
        windows.trace_only.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        ["coding-agent"]
    );
    assert_eq!(
        windows.tables[0].columns,
        ["id", "timestamp", "name", "user_id", "tags", "input", "output"]
    );
    assert_eq!(windows.tables[1].columns, Table::Observations.export_columns());
    assert!(matches!(windows.start, Start::From(at) if at.date() == "2026-01-01"));

    let fork = [
        ("LANGFUSE_BLOB_STORAGE_EXPORT_CATCHUP_INTERVAL_MS", "0"),
        ("LANGFUSE_BLOB_STORAGE_EXPORT_TRACE_ONLY_PROJECT_IDS", "one, two,"),
        ("LANGFUSE_WORKER_ROLE", "export"),
    ];
    let checked = load_with(&example("local.toml"), "local.toml", &fork).expect("no faults");
    let windows = windows_of(&checked);
    assert_eq!(windows.catch_up, None);
    assert_eq!(windows.trace_only.len(), 2);
    assert_eq!(checked.role, config::Role::Export);
}

/// One way to spoil a file.
#[derive(Debug, Clone)]
enum Spoil {
    Byte(usize, u8),
    Cut(usize),
    DeleteLine(usize),
    RepeatLine(usize),
    Swap(usize, usize),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Spoil::Byte(at, byte)),
        (any::<usize>(), prop::sample::select(b"[]{}=\"'.,$#\n-0".to_vec()))
            .prop_map(|(at, byte)| Spoil::Byte(at, byte)),
        any::<usize>().prop_map(Spoil::Cut),
        any::<usize>().prop_map(Spoil::DeleteLine),
        any::<usize>().prop_map(Spoil::RepeatLine),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Spoil::Swap(a, b)),
    ]
}

fn spoiled(text: &str, spoils: &[Spoil]) -> String {
    let mut text = text.to_owned();
    for spoil in spoils {
        if text.is_empty() {
            break;
        }
        let mut bytes = text.clone().into_bytes();
        let length = bytes.len();
        let mut lines: Vec<&str> = text.lines().collect();
        let count = lines.len();
        text = match *spoil {
            Spoil::Byte(at, byte) => {
                bytes[at % length] = byte;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Spoil::Cut(at) => String::from_utf8_lossy(&bytes[..at % length]).into_owned(),
            Spoil::DeleteLine(at) => {
                lines.remove(at % count);
                lines.join("\n")
            }
            Spoil::RepeatLine(at) => {
                lines.push(lines[at % count]);
                lines.join("\n")
            }
            Spoil::Swap(a, b) => {
                lines.swap(a % count, b % count);
                lines.join("\n")
            }
        };
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_spoiled_file_panics_and_every_fault_has_a_remedy(
        which in 0usize..8,
        spoils in prop::collection::vec(spoil(), 1..6),
    ) {
        let exports = ["local.toml", "gcs.toml", "s3.toml", "azure.toml", "hive.toml"];
        let ingestion = ["ingestion.toml", "production-ingestion.toml", "everything.toml"];
        let names: Vec<&str> = exports.into_iter().chain(ingestion).collect();
        let text = spoiled(&example(names[which]), &spoils);
        match load_with(&text, "spoiled.toml", &[("CLICKHOUSE_URL", "http://h:8123")]) {
            Ok(checked) => {
                for style in [Style::Text, Style::Dot, Style::Mermaid] {
                    prop_assert!(!render(&checked, style).contains(MARK));
                }
                let shown = format!("{checked:?}");
                prop_assert!(!shown.contains(MARK));
                for graph in &checked.graphs {
                    prop_assert!(is_whole(graph));
                }
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                prop_assert!(!config::render(&faults).contains(MARK));
                let lines = text.lines().count() + 1;
                for fault in faults {
                    prop_assert!(!fault.remedy.is_empty());
                    prop_assert!(fault.line <= lines, "{}", fault);
                }
            }
        }
    }

    #[test]
    fn no_text_at_all_panics(text in ".{0,200}") {
        prop_assert!(load_with(&text, "any.toml", &[]).is_err());
    }
}
