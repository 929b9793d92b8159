//! What an ingestion needs is asked for before it is needed, and what is wrong is named.

use std::path::{Path, PathBuf};

use tracemill_tests::engine::free_port;
use tracemill_tests::scratch::files_below;
use tracemill_tests::{Engine, Output, Redis, Scratch, Tracemill};

use crate::common::args;

struct Stage {
    engine: Engine,
    tracemill: Tracemill,
    scratch: Scratch,
}

impl Stage {
    fn new() -> Self {
        let scratch = Scratch::new();
        let tracemill = Tracemill::new(&scratch.join("logs"));
        let engine = Engine::start(&tracemill, &scratch.join("clickhouse"));
        let stage = Self {
            engine,
            tracemill,
            scratch,
        };
        let graph = stage.graph("migrate", "backend = \"local\"", &stage.scratch.join("raw"), "");
        stage.tracemill.ok(args(&graph, "migrate", &[]));
        stage
    }

    fn graph(&self, name: &str, queue: &str, letters: &Path, more: &str) -> PathBuf {
        let (url, folder, port) = (self.engine.url(), self.scratch.path().display(), free_port());
        let letters = letters.display();
        let text = format!(
            r#"
            {more}
            [clickhouse.read_write]
            url = "{url}"
            [clickhouse.export]
            url = "{url}"
            [status]
            dir = "{folder}/status"
            [store.raw]
            url = "{folder}/raw"
            [store.letters]
            url = "{letters}"
            [intake]
            listen = "127.0.0.1:{port}"
            [access.demo]
            keys = [{{ public = "pk-lf-demo", secret = "sk-lf-demo" }}]
            [graph.ingestion.source.jobs]
            type = "queue"
            {queue}
            store = "raw"
            prefix = "events/"
            [graph.ingestion.operator.merge]
            type = "merge"
            input = "jobs"
            [graph.ingestion.sink.rows]
            type = "clickhouse"
            input = "merge"
            rejected = "letters"
            [graph.ingestion.sink.letters]
            type = "letters"
            store = "letters"
            prefix = "letters/"
            "#
        );
        let file = self.scratch.join(&format!("{name}.toml"));
        std::fs::write(&file, text).expect("written");
        file
    }

    fn connect(&self, graph: &Path) -> Output {
        let output = self.tracemill.run(args(graph, "check", &["--connect"]));
        println!("{}{}", output.stdout, output.stderr);
        output
    }
}

#[track_caller]
fn says(output: &Output, code: i32, words: &[&str]) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, Some(code), "{said}");
    for words in words {
        assert!(said.contains(words), "no `{words}` in:\n{said}");
    }
}

#[test]
fn check_asks_stores_redis_and_prices() {
    let stage = Stage::new();
    let local = format!(
        "backend = \"local\"\ndir = \"{}\"",
        stage.scratch.join("queue").display()
    );
    let fine = stage.scratch.join("raw");

    // Places for raw objects and letters; nothing stays there.
    let output = stage.connect(&stage.graph("local", &local, &fine, ""));
    let places = [
        "ok      raw objects in store raw below \"events/\": writes, reads, removes",
        "ok      letters in store letters below \"letters/\": writes, reads, removes",
    ];
    says(&output, 0, &places);
    assert_eq!(files_below(&fine), Vec::<PathBuf>::new());

    // A store whose folder is a file.
    let file = stage.scratch.join("a-file");
    std::fs::write(&file, "").expect("written");
    let broken = stage.graph("letters", &local, &file, "");
    let output = stage.connect(&broken);
    assert_ne!(output.code, Some(0));
    assert!(
        output.stdout.contains("FAILED  letters in store letters"),
        "{}",
        output.stdout
    );
    let run = stage.tracemill.run(args(&broken, "run", &[]));
    assert_ne!(run.code, Some(0), "a run does not begin on it: {}", run.tail());

    // A price file.
    let prices = stage.scratch.join("prices.toml");
    std::fs::write(&prices, "[[model]]\nid = \"m\"\nmatch = \"(\"\n").expect("written");
    let more = format!("[prices]\nfile = \"{}\"", prices.display());
    let graph = stage.graph("priced", &local, &fine, &more);
    let output = stage.tracemill.run(args(&graph, "check", &[]));
    says(&output, 2, &["prices.toml:3: ", "regular expression"]);
    std::fs::remove_file(&prices).expect("removed");
    says(
        &stage.tracemill.run(args(&graph, "check", &[])),
        20,
        &["cannot read the price file", "prices.toml"],
    );
    let json = stage.scratch.join("prices.json");
    std::fs::write(
        &json,
        r#"{"model": [{"id": "m", "match": "^m$", "per_unit": {"input": 0.5}}]}"#,
    )
    .expect("written");
    let graph = stage.graph(
        "json",
        &local,
        &fine,
        &format!("[prices]\nbuiltin = false\nfile = \"{}\"", json.display()),
    );
    says(
        &stage.tracemill.run(args(&graph, "check", &[])),
        0,
        &["prices.json: 1 models are known"],
    );
}

#[test]
fn check_says_what_a_redis_lacks() {
    let stage = Stage::new();
    let raw = stage.scratch.join("raw");
    let redis = Redis::start(&stage.scratch.join("redis"));
    let queue = |url: &str| format!("backend = \"bullmq\"\nurl = \"{url}\"");
    let graph = stage.graph("redis", &queue(&redis.url()), &raw, "");

    let output = stage.connect(&graph);
    says(
        &output,
        0,
        &["ok      redis at redis://127.0.0.1:", "answers (version "],
    );
    assert!(!output.stdout.contains("warning"), "{}", output.stdout);

    // A job of the time when there were more lanes, and one of a shard.
    for queue in ["tracemill-ingestion-lane-40", "otel-ingestion-queue-2"] {
        assert!(redis.ask(&format!("LPUSH bull:{queue}:wait 1")).starts_with(":1"));
    }
    let left =
        "jobs are in queues that are not worked on: tracemill-ingestion-lane-40 has 1, otel-ingestion-queue-2 has 1";
    says(
        &stage.connect(&graph),
        0,
        &[left, "hint: where no other worker has these"],
    );
    let doctor = stage.tracemill.run(args(&graph, "doctor", &[]));
    assert!(
        doctor.stdout.contains(&format!("warning redis      keeps: {left}")),
        "{}",
        doctor.stdout
    );
    let more = stage.graph(
        "more",
        &format!("{}\nlanes = 41\nshards = 3", queue(&redis.url())),
        &raw,
        "",
    );
    assert!(!stage.connect(&more).stdout.contains("warning"));

    // A user who is let at the queues of the file alone sees no others, and can work.
    let acl = "ACL SETUSER narrow on >narrow +@all ~bull:tracemill-ingestion* ~bull:ingestion-queue:*";
    assert!(redis.ask(acl).starts_with("+OK"));
    let url = redis.url().replace("redis://", "redis://narrow:narrow@");
    let narrow = stage.graph("narrow", &queue(&url), &raw, "");
    let output = stage.connect(&narrow);
    says(&output, 0, &["answers (version "]);
    assert!(!output.stdout.contains("warning"), "{}", output.stdout);

    assert!(redis.ask("CONFIG SET maxmemory-policy allkeys-lru").starts_with("+OK"));
    assert!(redis.ask("CONFIG SET appendonly no").starts_with("+OK"));
    let warned = [
        "maxmemory-policy is allkeys-lru",
        "CONFIG SET maxmemory-policy noeviction",
        "appendonly is no",
    ];
    says(&stage.connect(&graph), 0, &warned);

    assert!(redis.ask("CONFIG SET requirepass hush").starts_with("+OK"));
    let output = stage.connect(&graph);
    assert!(
        output.stdout.contains("FAILED  redis at redis://127.0.0.1:"),
        "{}",
        output.stdout
    );
    let run = stage.tracemill.run(args(&graph, "run", &[]));
    assert_ne!(
        run.code,
        Some(0),
        "a run does not begin without the password: {}",
        run.tail()
    );

    let away = stage.graph(
        "away",
        &queue(&format!("redis://:hush@127.0.0.1:{}", free_port())),
        &raw,
        "",
    );
    let output = stage.connect(&away);
    says(
        &output,
        3,
        &["FAILED  redis at redis://", "redis is away", "hint: start redis"],
    );
    assert!(
        !output.stdout.contains("hush") && !output.stderr.contains("hush"),
        "{}",
        output.stdout
    );
}

#[test]
fn a_role_that_is_none_is_refused() {
    let stage = Stage::new();
    let local = format!(
        "backend = \"local\"\ndir = \"{}\"",
        stage.scratch.join("queue").display()
    );
    let graph = stage.graph("role", &local, &stage.scratch.join("raw"), "");
    says(
        &stage.tracemill.run(args(&graph, "run", &["--role", "all-of-it"])),
        2,
        &["all-of-it is no role"],
    );
}
