//! What every store must do.

use bytes::Bytes;
use tracemill_model::Blame;
use tracemill_sinks::SinkError;
use tracemill_sinks::store::{Created, Store, StoreConfig, UploadOptions};

const MIB: usize = 1024 * 1024;

/// Opens a store as configured and nothing else: the machine's environment stays out.
pub(crate) fn open(config: &StoreConfig) -> Store {
    Store::open_with(config, []).unwrap_or_else(|error| panic!("{}: {error}", config.url))
}

/// Bytes that do not repeat and do not compress.
pub(crate) fn noise(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.collect();
    bytes.truncate(length);
    Bytes::from(bytes)
}

/// All cases that every store passes, each below a prefix of its own.
pub(crate) async fn all(config: impl Fn(&str) -> StoreConfig) {
    objects(&open(&config("objects"))).await;
    creation(&open(&config("creation/with some/deeper=prefix"))).await;
    races(&open(&config("races"))).await;
    uploads(&open(&config("uploads"))).await;
    aborts(&open(&config("aborts"))).await;
    listing(&open(&config("listing"))).await;
    neighbours(&open(&config("near")), &open(&config("near-by"))).await;
    open(&config("probe")).probe().await.expect("a store that works");
    let left = open(&config("probe")).list("", 10).await.expect("list");
    assert!(left.is_empty(), "a probe leaves nothing: {left:?}");
}

async fn objects(store: &Store) {
    let path = "a=1/b c/d%20é.json";
    let missing = store.get(path, 10).await.expect_err("nothing there");
    assert!(matches!(missing, SinkError::NotFound { .. }), "{missing:?}");
    assert!(matches!(store.head(path).await, Err(SinkError::NotFound { .. })));
    store.put(path, Bytes::from_static(b"0123456789")).await.expect("put");
    assert_eq!(store.get(path, 10).await.expect("get"), "0123456789");
    let large = store.get(path, 9).await.expect_err("over the limit");
    assert!(
        matches!(
            large,
            SinkError::TooLarge {
                bytes: 10,
                limit: 9,
                ..
            }
        ),
        "{large:?}"
    );
    assert_eq!(store.get_range(path, 2..5).await.expect("range"), "234");
    assert_eq!(store.get_range(path, 5..5).await.expect("empty range"), "");
    assert_eq!(
        store.get_tail(path, 4).await.expect("tail"),
        (Bytes::from_static(b"6789"), 10)
    );
    assert_eq!(
        store.get_tail(path, 99).await.expect("all"),
        (Bytes::from_static(b"0123456789"), 10)
    );
    let head = store.head(path).await.expect("head");
    assert_eq!((head.path.as_str(), head.size), (path, 10));
    assert!(head.modified.0 > 1_600_000_000_000, "{head:?}");
    store.put(path, Bytes::from_static(b"new")).await.expect("replace");
    assert_eq!(store.get(path, 10).await.expect("get"), "new");
    store.put("empty", Bytes::new()).await.expect("put nothing");
    assert_eq!(
        store.get_tail("empty", 8).await.expect("tail of nothing"),
        (Bytes::new(), 0)
    );
    assert_eq!(store.get("empty", 0).await.expect("get nothing"), "");
    let gone = ["empty".to_owned(), "was/never/there".to_owned(), path.to_owned()];
    store.delete(&gone).await.expect("delete, missing ones too");
    assert!(matches!(store.head("empty").await, Err(SinkError::NotFound { .. })));
    assert!(matches!(store.head(path).await, Err(SinkError::NotFound { .. })));
    store.delete(&[]).await.expect("delete nothing");
    for bad in ["/a", "a/", "a//b", "a/../b"] {
        assert!(
            matches!(store.put(bad, Bytes::new()).await, Err(SinkError::BadPath { .. })),
            "{bad}"
        );
    }
}

async fn creation(store: &Store) {
    let first = Bytes::from_static(b"first");
    assert_eq!(
        store.create("m/0.json", first.clone()).await.expect("create"),
        Created::Created
    );
    let again = store
        .create("m/0.json", Bytes::from_static(b"second"))
        .await
        .expect("refused");
    assert_eq!(again, Created::AlreadyExists);
    assert_eq!(store.get("m/0.json", 99).await.expect("get"), first);
    store.delete(&["m/0.json".into()]).await.expect("delete");
    let anew = store
        .create("m/0.json", Bytes::from_static(b"third"))
        .await
        .expect("create");
    assert_eq!(anew, Created::Created, "what was deleted can be created");
}

/// Of several that create at once one wins, and what it wrote stays.
async fn races(store: &Store) {
    for round in 0..5 {
        let path = format!("{round}.json");
        let tries = (0..4).map(|writer| store.create(&path, Bytes::from(format!("{writer}"))));
        let ended = futures::future::join_all(tries).await;
        let winners: Vec<_> = (0..4).filter(|i| matches!(ended[*i], Ok(Created::Created))).collect();
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
        assert_eq!(winners.len(), 1, "{ended:?}");
        assert_eq!(store.get(&path, 9).await.expect("get"), format!("{}", winners[0]));
    }
}

async fn uploads(store: &Store) {
    let options = UploadOptions {
        part_size: 5 * MIB,
        max_in_flight: 2,
    };
    // Empty, one byte, one part exactly, a part and a byte, three parts and a half in odd pieces.
    for (length, piece) in [
        (0, 1),
        (1, 1),
        (5 * MIB, MIB),
        (5 * MIB + 1, 2 * MIB),
        (17 * MIB + 77, 777_777),
    ] {
        let path = format!("{length}.bin");
        let whole = noise(length, length as u64);
        let mut upload = store.upload(&path, options).expect("upload");
        for at in (0..length).step_by(piece) {
            upload
                .push(whole.slice(at..length.min(at + piece)))
                .await
                .expect("push");
            assert!(upload.held_bytes() <= 3 * options.part_size, "{}", upload.held_bytes());
        }
        if length > 0 {
            let early = store.head(&path).await;
            assert!(
                matches!(early, Err(SinkError::NotFound { .. })),
                "seen before it was finished: {early:?}"
            );
        }
        let done = upload.finish().await.expect("finish");
        assert_eq!((done.bytes, done.crc32c), (length as u64, crc32c::crc32c(&whole)));
        let read = store.get(&path, length as u64).await.expect("get");
        assert!(read == whole, "{path}: other bytes");
        let (tail, size) = store.get_tail(&path, 8).await.expect("tail");
        assert_eq!((size, &tail[..]), (length as u64, &whole[length.saturating_sub(8)..]));
    }
    // An upload replaces what is there, whole.
    let mut upload = store.upload("1.bin", options).expect("upload");
    upload.push(Bytes::from_static(b"other")).await.expect("push");
    upload.finish().await.expect("finish");
    assert_eq!(store.get("1.bin", 99).await.expect("get"), "other");
}

async fn aborts(store: &Store) {
    store.put("kept.bin", Bytes::from_static(b"before")).await.expect("put");
    let options = UploadOptions {
        part_size: 5 * MIB,
        max_in_flight: 1,
    };
    for (path, length) in [("kept.bin", 11 * MIB), ("new.bin", 11 * MIB), ("small.bin", 3)] {
        let mut upload = store.upload(path, options).expect("upload");
        upload.push(noise(length, 3)).await.expect("push");
        upload.abort().await.expect("abort");
    }
    let left = store.list("", 10).await.expect("list");
    assert_eq!(
        left.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(),
        ["kept.bin"]
    );
    assert_eq!(store.get("kept.bin", 99).await.expect("get"), "before");
    assert!(store.stale_uploads("").await.expect("stale").is_empty());
}

async fn listing(store: &Store) {
    assert!(store.list("nowhere", 10).await.expect("an empty folder").is_empty());
    let paths: Vec<_> = (0..1205).map(|i| format!("w/{}/{i:05}.json", i % 3)).collect();
    for chunk in paths.chunks(40) {
        let puts = chunk.iter().map(|path| store.put(path, Bytes::from(path.clone())));
        futures::future::try_join_all(puts).await.expect("puts");
    }
    let mut wanted = paths.clone();
    wanted.sort_unstable();
    let listed = store.list("w", 2000).await.expect("list");
    assert!(
        listed.iter().map(|entry| &entry.path).eq(&wanted),
        "{} listed",
        listed.len()
    );
    assert!(listed.iter().all(|entry| entry.size == entry.path.len() as u64));
    assert_eq!(store.list("w/1", 2000).await.expect("list").len(), 402);
    assert_eq!(store.list_folders("w").await.expect("folders"), ["w/0", "w/1", "w/2"]);
    assert_eq!(store.list_folders("").await.expect("folders"), ["w"]);
    let many = store.list("", 1204).await.expect_err("more than the limit");
    assert!(matches!(many, SinkError::TooMany { limit: 1204, .. }), "{many:?}");
    let mut seen = 0;
    let stopped = store.list_each("", |_| {
        seen += 1;
        seen < 7
    });
    stopped.await.expect("list");
    assert_eq!(seen, 7);
    store.delete(&paths).await.expect("bulk delete");
    assert!(store.list("", 10).await.expect("list").is_empty());
}

/// A prefix is a folder: `near` does not show what is below `near-by`.
async fn neighbours(near: &Store, by: &Store) {
    by.put("x", Bytes::from_static(b"1")).await.expect("put");
    assert!(near.list("", 10).await.expect("list").is_empty());
    assert_eq!(by.list("", 10).await.expect("list").len(), 1);
    by.delete(&["x".into()]).await.expect("delete");
}

/// The probe fails with this kind, and says something a person can act on, without the secret.
pub(crate) async fn probe_fails(config: &StoreConfig, kind: &str) -> SinkError {
    let error = open(config).probe().await.expect_err(&config.url);
    assert_eq!(error.kind(), kind, "{error} {error:?}");
    assert!(error.hint().is_some(), "{error:?}");
    let shown = format!("{error} {error:?} {}", error.hint().unwrap_or_default());
    for secret in config
        .options
        .iter()
        .filter(|(name, _)| name.contains("key") || name.contains("token"))
    {
        assert!(!shown.contains(secret.1.reveal()), "{shown}");
    }
    error
}
