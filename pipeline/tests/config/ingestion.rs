//! The ingestion graph's configuration: what the file says, then what the fork's variables say, then the default.

use std::time::Duration;

use tracemill_model::ByteSize;
use tracemill_pipeline::config::{Backend, BullMq, KeyProof, Organisation, Role};

use super::*;

/// A graph of the shortest kind, with what is to be tried before and in its queue.
fn text(top: &str, queue: &str) -> String {
    format!(
        r#"{top}
[graph.in.source.jobs]
type = "queue"
{queue}
[graph.in.operator.merge]
type = "merge"
input = "jobs"
[graph.in.sink.rows]
type = "clickhouse"
input = "merge"
rejected = "letters"
[graph.in.sink.letters]
type = "letters"
"#
    )
}

fn load(text: &str, more: &[(&str, &str)]) -> Checked {
    load_with(text, "in.toml", more).unwrap_or_else(|faults| panic!("{}", config::render(&faults)))
}

const RAW: &str = "[store.raw]\nurl = \"./raw\"";

fn bullmq(checked: &Checked) -> &BullMq {
    let (_, route) = checked.ingestion().expect("an ingestion graph");
    match &route.queue.backend {
        Backend::BullMq(bullmq) => bullmq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_shortest_graph_has_every_default() {
    let checked = load(&text(RAW, "backend = \"local\""), &[]);
    assert_eq!((&checked.intake, checked.access.len()), (&None, 0));
    assert!(checked.prices.builtin && checked.prices.file.is_none());
    let (graph, route) = checked.ingestion().expect("an ingestion graph");
    assert_eq!(
        (
            graph.name.as_str(),
            route.source,
            route.operator,
            route.sink,
            route.letter_sink
        ),
        ("in", "jobs", "merge", "rows", "letters")
    );
    let dir = PathBuf::from("tracemill-data/queue");
    assert_eq!(route.queue.backend, Backend::Local { dir });
    assert_eq!(
        (route.queue.store.as_str(), route.queue.prefix.as_str()),
        ("raw", "events/")
    );
    assert_eq!(
        (route.queue.attempts, route.queue.stalls, route.queue.in_flight),
        (6, 3, 8)
    );
    assert_eq!((route.queue.backoff.as_secs(), route.queue.lock.as_secs()), (5, 30));
    assert_eq!(route.queue.batch.bytes, ByteSize::mib(16));
    assert_eq!(route.queue.batch.age, Duration::from_millis(250));
    assert_eq!(
        (route.merge.held_for.as_secs(), route.merge.held_bytes),
        (600, ByteSize::mib(256))
    );
    assert!(route.merge.history && route.rows.file_log);
    assert_eq!(
        (route.rows.batch.bytes, route.rows.batch.age),
        (ByteSize::mib(32), Duration::from_millis(750))
    );
    assert_eq!(
        (route.letters.store.as_str(), route.letters.prefix.as_str()),
        ("raw", "letters/")
    );
}

#[test]
fn the_intake_has_what_the_file_says() {
    let checked = load(&example("production-ingestion.toml"), &[("SALT", "p@ss/hush:own")]);
    let intake = checked.intake.as_ref().expect("an intake");
    assert_eq!(intake.listen.to_string(), "0.0.0.0:3000");
    assert_eq!(
        (intake.body, intake.memory),
        (ByteSize((9 << 20) / 2), ByteSize::mib(128))
    );
    assert_eq!((intake.requests_per_second, intake.in_flight), (Some(200), 64));
    assert_eq!(intake.salt.as_ref().map(|salt| salt.reveal()), Some("p@ss/hush:own"));
    let [bot, agent] = checked.access.as_slice() else {
        panic!("{:?}", checked.access)
    };
    assert_eq!(
        (bot.project.as_str(), bot.name.as_str()),
        ("support-bot", "Support bot")
    );
    let acme = Organisation {
        id: "acme".to_owned(),
        name: "Acme".to_owned(),
    };
    assert_eq!(bot.organisation.as_ref(), Some(&acme));
    assert_eq!((agent.name.as_str(), &agent.organisation), ("coding-agent", &None));
    assert!(matches!(&bot.keys[0].proof, KeyProof::Secret(secret) if secret.reveal().contains("LF_SECRET")));
    assert!(matches!(&bot.keys[1].proof, KeyProof::FastHash(hash) if hash.reveal().starts_with("2c26")));
    assert!(matches!(&agent.keys[0].proof, KeyProof::Bcrypt(hash) if hash.reveal().starts_with("$2a$11$")));
    let queue = bullmq(&checked);
    assert_eq!(
        queue.urls[0].reveal(),
        "redis://:p%40ss%2Fhush%3AREDIS%5FPASSWORD@redis:6379"
    );
    assert_eq!(queue.address, "redis://***@redis:6379");
    assert_eq!(
        queue.names(),
        [
            "tracemill-ingestion (32 lanes)",
            "ingestion-queue",
            "ingestion-queue-1",
            "otel-ingestion-queue",
            "otel-ingestion-queue-1",
            "trace-delete",
            "score-delete"
        ]
    );
    assert_eq!(queue.own.as_deref(), Some("tracemill-ingestion"));
    assert_eq!(queue.queues.len(), 32 + 6);
    for name in [
        "tracemill-ingestion",
        "tracemill-ingestion-lane-1",
        "tracemill-ingestion-lane-31",
    ] {
        assert!(queue.queues.iter().any(|queue| queue == name), "{name}");
    }
}

#[test]
fn the_fork_s_variables_fill_what_the_file_leaves_out() {
    let more = [
        ("LANGFUSE_S3_EVENT_UPLOAD_BUCKET", "events-bucket"),
        ("LANGFUSE_S3_EVENT_UPLOAD_REGION", "eu-central-1"),
        ("LANGFUSE_S3_EVENT_UPLOAD_ENDPOINT", "http://minio:9000"),
        ("LANGFUSE_S3_EVENT_UPLOAD_ACCESS_KEY_ID", "id"),
        ("LANGFUSE_S3_EVENT_UPLOAD_SECRET_ACCESS_KEY", "hush"),
        ("LANGFUSE_S3_EVENT_UPLOAD_FORCE_PATH_STYLE", "true"),
        ("REDIS_HOST", "redis"),
        ("REDIS_AUTH", "p@ss/hush"),
        ("REDIS_USERNAME", "me"),
        ("REDIS_TLS_ENABLED", "true"),
        ("LANGFUSE_INGESTION_QUEUE_SHARD_COUNT", "3"),
        ("QUEUE_CONSUMER_TRACE_DELETE_QUEUE_IS_ENABLED", "false"),
        ("LANGFUSE_INGESTION_CLICKHOUSE_WRITE_INTERVAL_MS", "500"),
        ("LANGFUSE_ENABLE_BLOB_STORAGE_FILE_LOG", "false"),
    ];
    let checked = load(&text("", "backend = \"bullmq\""), &more);
    assert_no_secret("variables", &format!("{checked:?}"));
    let store = &checked.stores["raw"];
    assert_eq!(
        (store.url.as_str(), &store.kind),
        ("s3://events-bucket", &StoreKind::S3)
    );
    let options: Vec<&str> = store.options.keys().map(String::as_str).collect();
    assert_eq!(
        options,
        ["access_key_id", "endpoint", "path_style", "region", "secret_access_key"]
    );
    let queue = bullmq(&checked);
    assert_eq!(queue.urls[0].reveal(), "rediss://me:p%40ss%2Fhush@redis:6379");
    assert!(!queue.cluster);
    for (name, is_there) in [
        ("tracemill-ingestion", true),
        ("ingestion-queue", true),
        ("ingestion-queue-2", true),
        ("ingestion-queue-3", false),
        ("otel-ingestion-queue", true),
        ("otel-ingestion-queue-1", false),
        ("trace-delete", false),
        ("project-delete", true),
    ] {
        assert_eq!(queue.queues.iter().any(|queue| queue == name), is_there, "{name}");
    }
    let (_, route) = checked.ingestion().expect("an ingestion graph");
    assert_eq!(route.rows.batch.age, Duration::from_millis(500));
    assert!(!route.rows.file_log);
    assert_eq!(route.queue.prefix, "", "the fork's default, for the fork's bucket");
    let with_prefix: Vec<_> = more
        .into_iter()
        .chain([("LANGFUSE_S3_EVENT_UPLOAD_PREFIX", "ev")])
        .collect();
    let checked = load(&text("", "backend = \"bullmq\""), &with_prefix);
    assert_eq!(checked.ingestion().expect("a graph").1.queue.prefix, "ev", "verbatim");
}

#[test]
fn the_file_wins_over_the_variables() {
    let more = [
        ("LANGFUSE_S3_EVENT_UPLOAD_BUCKET", "events-bucket"),
        ("REDIS_CONNECTION_STRING", "redis://other:1"),
        ("REDIS_CLUSTER_ENABLED", "true"),
        ("LANGFUSE_INGESTION_QUEUE_SHARD_COUNT", "hush"),
        ("SALT", "hush-env"),
    ];
    let top =
        format!("{RAW}\n[intake]\nsalt = \"hush-file\"\n[access.a]\nkeys = [{{ public = \"p\", secret = \"s\" }}]");
    let queue = "backend = \"bullmq\"\nurl = [\"redis://one:1\", \"redis://two:2\"]\nshards = 2\nprefix = \"p/\"";
    let checked = load(&text(&top, queue), &more);
    let queue = bullmq(&checked);
    assert!(matches!(checked.stores["raw"].kind, StoreKind::Local(_)));
    assert_eq!(queue.address, "redis://one:1, redis://two:2");
    assert!(queue.cluster, "by the variable");
    assert!(queue.queues.contains(&"otel-ingestion-queue-1".to_owned()));
    let salt = checked.intake.as_ref().and_then(|intake| intake.salt.as_ref());
    assert_eq!(salt.map(|salt| salt.reveal()), Some("hush-file"));
    assert_eq!(checked.ingestion().expect("a graph").1.queue.prefix, "p/");
}

#[test]
fn the_nodes_of_a_cluster_are_its_seeds() {
    let more = [
        ("REDIS_CLUSTER_ENABLED", "true"),
        ("REDIS_CLUSTER_NODES", "one:7000, two:7001"),
        ("REDIS_AUTH", "hush"),
    ];
    let checked = load(&text(RAW, "backend = \"bullmq\""), &more);
    let urls: Vec<&str> = bullmq(&checked).urls.iter().map(|url| url.reveal()).collect();
    assert_eq!(urls, ["redis://:hush@one:7000", "redis://:hush@two:7001"]);
}

#[test]
fn a_first_project_comes_from_the_environment() {
    let init = [
        ("LANGFUSE_INIT_PROJECT_ID", "first"),
        ("LANGFUSE_INIT_PROJECT_NAME", "The first"),
        ("LANGFUSE_INIT_PROJECT_PUBLIC_KEY", "pk-lf-init"),
        ("LANGFUSE_INIT_PROJECT_SECRET_KEY", "hush"),
        ("LANGFUSE_INIT_ORG_ID", "org"),
    ];
    let intake = format!("{RAW}\n[intake]");
    let checked = load(&text(&intake, "backend = \"local\""), &init);
    let [first] = checked.access.as_slice() else {
        panic!("{:?}", checked.access)
    };
    assert_eq!((first.project.as_str(), first.name.as_str()), ("first", "The first"));
    assert_eq!(first.keys[0].public, "pk-lf-init");
    assert_eq!(first.organisation.as_ref().map(|org| org.name.as_str()), Some("org"));
    assert_no_secret("init", &format!("{checked:?}"));

    let own = format!("{intake}\n[access.first]\nkeys = [{{ public = \"pk-lf-own\", secret = \"s\" }}]");
    let checked = load(&text(&own, "backend = \"local\""), &init);
    assert_eq!(checked.access.len(), 1, "the file describes it");
    assert_eq!(checked.access[0].keys[0].public, "pk-lf-own");

    let checked = load(&text(RAW, "backend = \"local\""), &init);
    assert!(checked.access.is_empty(), "nobody asks without an intake");
}

#[test]
fn an_export_knows_nothing_of_the_event_bucket() {
    let more = [("LANGFUSE_S3_EVENT_UPLOAD_BUCKET", "events-bucket")];
    let checked = load(&example("local.toml"), &more);
    assert_eq!(checked.stores.len(), 1);
    assert!(checked.ingestion().is_none());
}

#[test]
fn a_role_runs_its_own_graphs() {
    let checked = load(&example("everything.toml"), &[]);
    let of = |role: Role| {
        let run = checked.graphs.iter().filter(|graph| role.runs(graph));
        let names: Vec<&str> = run.map(|graph| graph.name.as_str()).collect();
        (names, role.listens())
    };
    assert_eq!(of(Role::All), (vec!["ingestion", "export"], true));
    assert_eq!(of(Role::Ingestion), (vec!["ingestion"], true));
    assert_eq!(of(Role::Export), (vec!["export"], false));
    assert_eq!(of(Role::Web), (vec![], false));
    assert!(Role::Web.reads() && Role::All.reads() && !Role::Ingestion.reads() && !Role::Export.reads());
}

#[test]
fn an_export_needs_no_service_for_inserts_though_the_file_ingests_too() {
    let clickhouse = format!("role = \"export\"\n{RAW}\n[clickhouse]\nexport = {{ url = \"http://h:8123\" }}");
    assert_eq!(load(&text(&clickhouse, "backend = \"local\""), &[]).role, Role::Export);
}

#[test]
fn the_governor_has_what_the_file_says() {
    let governor = |more: &str| {
        let top = format!("{RAW}\n{more}");
        load(&text(&top, "backend = \"local\""), &[]).governor
    };
    let default = governor("");
    assert!(default.enabled);
    assert_eq!(
        (default.ceiling.leaves, default.ceiling.bytes_per_second),
        (u64::MAX, None)
    );
    assert_eq!((default.stretch, default.bounds.target), (8, None));
    let own = governor("[governor]\nmax_leaves = 2\nmax_bytes_per_second = \"4 MiB\"\nmax_stretch = 3\nfloor = 20");
    assert_eq!((own.ceiling.leaves, own.ceiling.bytes_per_second), (2, Some(4 << 20)));
    assert_eq!(own.stretch, 3);
    let wrong = "[governor]\nmax_leaves = 0\nmax_bytes_per_second = \"1 KiB\"\nmax_stretch = 0";
    let top = format!("{RAW}\n{wrong}\n[status]\nunhealthy_after = \"1 ms\"");
    let faults = load_with(&text(&top, "backend = \"local\""), "in.toml", &[]).expect_err("faults");
    assert_eq!(faults.len(), 4, "{}", config::render(&faults));
}
