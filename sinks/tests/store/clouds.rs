//! The stores over HTTP.

use bytes::Bytes;
use tracemill_model::Blame;
use tracemill_sinks::store::{Created, StoreConfig, UploadOptions};

use crate::cases::{self, noise, open, probe_fails};
use crate::server::Server;

const MIB: usize = 1024 * 1024;
const OURS: [&str; 2] = ["gcs", "s3"];

fn ours(kind: &'static str) -> Server {
    Server::start(kind, &["--credential", "let-me-in"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gcs_does_it_all() {
    let server = ours("gcs");
    cases::all(|prefix| server.config(prefix)).await;
    let state = server.state();
    assert_eq!(state["uploads"], serde_json::json!([]), "no upload is left");
    assert!(
        state["requests"]["PUT object uploadId"].as_u64() > Some(8),
        "multipart was used: {state}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_does_it_all() {
    let server = ours("s3");
    cases::all(|prefix| server.config(prefix)).await;
    assert_eq!(server.state()["uploads"], serde_json::json!([]), "no upload is left");
}

/// A second opinion on S3, by a server that is not ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moto_does_it_all() {
    let server = Server::start("s3-moto", &[]);
    cases::all(|prefix| server.config(prefix)).await;
    probe_fails(&server.bucket("no-such-bucket", "p"), "no_bucket").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azurite_does_it_all() {
    let server = Server::start("azure", &[]);
    cases::all(|prefix| server.config(prefix)).await;
    probe_fails(&server.bucket("no-such-container", "p"), "no_bucket").await;
    let wrong = server
        .config("p")
        .with("account_key", "d3Jvbmcga2V5IGluIHRoZSBjb25maWd1cmF0aW9u");
    probe_fails(&wrong, "denied").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_buckets_and_wrong_credentials_are_told() {
    for kind in OURS {
        let server = ours(kind);
        let error = probe_fails(&server.bucket("no-such-bucket", "p"), "no_bucket").await;
        assert!(error.to_string().contains("no-such-bucket"), "{error}");
        let name = if kind == "gcs" { "bearer_token" } else { "access_key_id" };
        let wrong = server.config("p").with(name, "wrong-credential-1");
        let error = probe_fails(&wrong, "denied").await;
        assert!(!error.is_transient());
        // The same for what is only read or listed.
        let store = open(&wrong);
        assert_eq!(store.get("x", 9).await.expect_err("denied").kind(), "denied");
        assert_eq!(store.list("x", 9).await.expect_err("denied").kind(), "denied");
        assert_eq!(store.delete(&["x".into()]).await.expect_err("denied").kind(), "denied");
        let missing = open(&server.bucket("no-such-bucket", "p"));
        assert_eq!(missing.list("", 9).await.expect_err("no bucket").kind(), "no_bucket");
        let mut upload = missing
            .upload(
                "x",
                UploadOptions {
                    part_size: 5 * MIB,
                    max_in_flight: 1,
                },
            )
            .expect("upload");
        assert_eq!(
            upload.push(noise(6 * MIB, 1)).await.expect_err("no bucket").kind(),
            "no_bucket"
        );
        upload.abort().await.expect("nothing to abort");
    }
}

/// A refused connection is known within seconds, is not the user's fault for ever, and names the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_servers_are_told_soon() {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("bound").port()
    };
    let endpoint = format!("http://127.0.0.1:{port}");
    let configs = [
        StoreConfig::new("gs://lake/p")
            .with("endpoint", &endpoint)
            .with("bearer_token", "abc"),
        StoreConfig::new("s3://lake/p")
            .with("endpoint", &endpoint)
            .with("access_key_id", "abc")
            .with("secret_access_key", "secret-abc"),
        StoreConfig::new("az://lake/p")
            .with("endpoint", &endpoint)
            .with("account", "acc")
            .with("account_key", "a2V5a2V5"),
    ];
    let began = std::time::Instant::now();
    let errors = futures::future::join_all(configs.iter().map(|config| probe_fails(config, "unreachable"))).await;
    assert!(errors.iter().all(Blame::is_transient), "{errors:?}");
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}

/// Every fifth request fails before it is carried out: nothing of it is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_fail_now_and_then_are_repeated() {
    for kind in OURS {
        let server = ours(kind);
        server.fail(5, 0);
        let store = open(&server.config("p"));
        let whole = noise(26 * MIB, 7);
        let mut upload = store
            .upload(
                "x.bin",
                UploadOptions {
                    part_size: 5 * MIB,
                    max_in_flight: 3,
                },
            )
            .expect("upload");
        upload.push(whole.clone()).await.expect("push");
        assert_eq!(upload.finish().await.expect("finish").crc32c, crc32c::crc32c(&whole));
        assert!(store.get("x.bin", whole.len() as u64).await.expect("get") == whole);
        for i in 0..12 {
            let made = store
                .create(&format!("{i}"), Bytes::from_static(b"x"))
                .await
                .expect("create");
            assert_eq!(made, Created::Created, "{i}");
        }
        assert_eq!(store.list("", 99).await.expect("list").len(), 13);
    }
}

/// An answer that is lost after the object was created looks like another writer's object. The caller reads it to know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_creation_shows_as_exists() {
    for kind in OURS {
        let server = ours(kind);
        server.fail(0, 3);
        let store = open(&server.config("p"));
        let mut ended = Vec::new();
        for i in 0..4 {
            let path = format!("{i}");
            ended.push(store.create(&path, Bytes::from(path.clone())).await.expect("an answer"));
            assert_eq!(store.get(&path, 9).await.expect("there in either case"), path);
        }
        assert!(ended.contains(&Created::AlreadyExists), "{ended:?}");
    }
}

/// A server that is stopped in the middle gives an error that says so, and a later attempt works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_is_unreachable() {
    let server = ours("gcs");
    let store = open(&server.config("p"));
    let mut upload = store
        .upload(
            "x.bin",
            UploadOptions {
                part_size: 5 * MIB,
                max_in_flight: 1,
            },
        )
        .expect("upload");
    upload.push(noise(6 * MIB, 1)).await.expect("push");
    drop(server);
    let error = upload.finish().await.expect_err("stopped");
    assert_eq!(error.kind(), "unreachable", "{error:?}");
}
