//! The reference's query with a plain HTTP client, to a store: a side of the export benchmark.
//!
//! `peer ADDRESS DATABASE PROJECT FROM TO WINDOWS ENDPOINT PLACE`: times in milliseconds, WINDOWS parts one after the other,
//! each a file; ENDPOINT `-` and a folder, or an S3 endpoint and a prefix. Prints the files' rows and bytes as JSON.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use tracemill_benches::target::Target;
use tracemill_benches::{Failure, http, reference};
use tracemill_model::{Millis, Window};
use tracemill_sinks::encode::{FooterRead, footer_rows};
use tracemill_sinks::store::{Store, UploadOptions};

/// The reference waits so long for its query, which says nothing before it is done.
const SILENCE: Duration = Duration::from_secs(600);
/// How much is given to the upload at once.
const PIECE: usize = 1 << 20;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, database, project, from, to, windows, endpoint, place] = args.as_slice() else {
        return Err("usage: peer ADDRESS DATABASE PROJECT FROM TO WINDOWS ENDPOINT PLACE".into());
    };
    let window = Window::new(Millis(from.parse()?), Millis(to.parse()?)).ok_or("no window")?;
    let store = Store::open(&Target::from_args(endpoint, place).config())?;
    // One thread sends parts while this one reads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (mut rows, mut bytes) = (0, 0);
    for part in reference::parts(window, windows.parse()?) {
        let path = format!("{}.parquet", part.to.file_stem());
        let size = runtime.block_on(copy(address, database, project, part, &store, &path))?;
        bytes += size;
        rows += runtime.block_on(rows_of(&store, &path, size))?;
    }
    println!("{}", serde_json::json!({"rows": rows, "bytes": bytes}));
    Ok(())
}

async fn copy(
    address: &str,
    database: &str,
    project: &str,
    window: Window,
    store: &Store,
    path: &str,
) -> Result<u64, Failure> {
    let comment = reference::log_comment(project);
    let mut query = vec![("database", database), ("log_comment", comment.as_str())];
    query.extend(reference::SETTINGS);
    query.extend(reference::PARQUET_SETTINGS);
    let sql = format!("{} FORMAT Parquet", reference::query(project, window));
    // Blocking in an async function is right here: nothing else runs on this thread.
    let mut answer = http::post(address, &query, &sql, SILENCE)?;
    let mut upload = store.upload(path, UploadOptions::default())?;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        answer.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(upload.finish().await?.bytes);
        }
        upload.push(Bytes::from(piece)).await?;
    }
}

/// How many rows the file's footer counts.
async fn rows_of(store: &Store, path: &str, size: u64) -> Result<u64, Failure> {
    let mut wanted = 64 << 10;
    loop {
        let (tail, _) = store.get_tail(path, wanted).await?;
        match footer_rows(&tail, size)? {
            FooterRead::Rows(rows) => return Ok(rows),
            FooterRead::NeedMore(more) => wanted = more,
        }
    }
}
