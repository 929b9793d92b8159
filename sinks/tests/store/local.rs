//! Local folders, and memory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use tracemill_model::{Blame, Fault, Millis};
use tracemill_sinks::SinkError;
use tracemill_sinks::store::{Store, StoreConfig, UploadOptions};

use crate::cases::{self, noise, open, probe_fails};

const MIB: usize = 1024 * 1024;

fn folder(path: &Path) -> StoreConfig {
    StoreConfig::new(path.to_str().expect("UTF-8"))
}

/// All files below a folder, temporary ones too.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("readable").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.to_string_lossy().into_owned()),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_does_it_all() {
    let root = tempfile::tempdir().expect("folder");
    let place = root.path().join("not there yet/#é %20");
    cases::all(|prefix| folder(&place.join(prefix))).await;
    assert_eq!(
        files(root.path()).len(),
        2 + 5 + 1 + 4,
        "creation, races, aborts, uploads: {:?}",
        files(root.path())
    );
}

/// The memory of each store is its own, so the case of neighbours is met trivially.
#[tokio::test]
async fn memory_does_it_all() {
    cases::all(|prefix| StoreConfig::new(format!("memory://{prefix}"))).await;
}

#[tokio::test]
async fn nothing_is_written_or_read_before_it_is_asked() {
    let root = tempfile::tempdir().expect("folder");
    let place = root.path().join("lake");
    let store = open(&folder(&place));
    assert!(store.list("", 10).await.expect("list").is_empty());
    assert!(!place.exists(), "opening and listing make no folder");
    store.put("a/b/c.json", Bytes::from_static(b"x")).await.expect("put");
    store.put("a/d.json", Bytes::from_static(b"x")).await.expect("put");
    store.delete(&["a/b/c.json".into()]).await.expect("delete");
    assert!(
        !place.join("a/b").exists() && place.join("a/d.json").exists(),
        "empty folders go"
    );
    store.delete(&["a/d.json".into()]).await.expect("delete");
    assert!(place.exists() && !place.join("a").exists(), "but not the store's own");
}

#[tokio::test]
async fn a_place_that_takes_no_files_is_told() {
    let root = tempfile::tempdir().expect("folder");
    let file = root.path().join("file");
    std::fs::write(&file, "x").expect("written");
    // Below a file, and in a file system that takes no files: both hold for root too.
    for place in [file.join("lake"), "/proc/lake".into()] {
        let error = probe_fails(&folder(&place), "denied").await;
        assert_eq!(error.fault(), Fault::User, "{error:?}");
    }
}

#[tokio::test]
async fn a_folder_without_rights_is_told() {
    let root = tempfile::tempdir().expect("folder");
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o500)).expect("mode");
    // A user that ignores modes can write there; for all others it is the plainest case.
    if std::fs::write(root.path().join("try"), "x").is_err() {
        probe_fails(&folder(root.path()), "denied").await;
    }
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o700)).expect("mode");
}

/// An upload shows nothing under its name; a dropped one goes; one of a killed process is found and removed.
#[tokio::test]
async fn temporary_files_are_hidden_found_and_removed() {
    let root = tempfile::tempdir().expect("folder");
    let store = open(&folder(root.path()));
    let options = UploadOptions {
        part_size: MIB,
        max_in_flight: 1,
    };
    let mut upload = store.upload("t/x.parquet", options).expect("upload");
    upload.push(noise(2 * MIB, 1)).await.expect("push");
    assert_eq!(files(root.path()).len(), 1);
    assert!(store.list("", 10).await.expect("list").is_empty(), "not listed");
    let stale = store.stale_uploads("").await.expect("stale");
    assert_eq!(
        stale.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(),
        ["t/x.parquet#1"]
    );
    // A killed process drops nothing.
    std::mem::forget(upload);
    assert_eq!(
        store
            .remove_stale_uploads("", Millis(stale[0].modified.0))
            .await
            .expect("none is older"),
        0
    );
    assert_eq!(
        store.remove_stale_uploads("t", Millis(i64::MAX)).await.expect("remove"),
        1
    );
    assert!(files(root.path()).is_empty());
    assert!(store.stale_uploads("nowhere").await.expect("stale").is_empty());
    // The next writer of the name is not disturbed by a leftover.
    std::fs::write(root.path().join("t/x.parquet#1"), "left").expect("written");
    let mut upload = store.upload("t/x.parquet", options).expect("upload");
    upload.push(noise(2 * MIB, 2)).await.expect("push");
    upload.finish().await.expect("finish");
    assert_eq!(store.get("t/x.parquet", 1 << 30).await.expect("get"), noise(2 * MIB, 2));
}

const LIMITED: &str = "TRACEMILL_TEST_LIMITED_FOLDER";

/// A disk that takes no more, played by a limit on the size of files: this test runs itself again under that limit.
#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let root = tempfile::tempdir().expect("folder");
    let itself = std::env::current_exe().expect("this binary");
    let run = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(itself)
        .args([
            "local::writes_until_the_disk_is_full",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(LIMITED, root.path())
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    assert!(files(root.path()).is_empty(), "{:?}", files(root.path()));
}

/// The other half of the test above.
#[tokio::test]
#[ignore = "run by a_full_disk_is_told_and_leaves_nothing, under a limit"]
async fn writes_until_the_disk_is_full() {
    let Ok(place) = std::env::var(LIMITED) else { return };
    let store: Store = open(&StoreConfig::new(place));
    let put = store.put("small.bin", noise(4 * MIB, 1)).await.expect_err("full");
    let mut upload = store
        .upload(
            "x.bin",
            UploadOptions {
                part_size: MIB,
                max_in_flight: 1,
            },
        )
        .expect("upload");
    let error = loop {
        if let Err(error) = upload.push(noise(MIB, 1)).await {
            break error;
        }
        assert!(upload.bytes() < 64 * MIB as u64, "the limit does not hold");
    };
    upload.abort().await.expect("abort");
    for error in [put, error] {
        assert!(matches!(error, SinkError::Full { .. }), "{error:?}");
        assert_eq!((error.fault(), error.is_transient()), (Fault::User, false));
    }
}
