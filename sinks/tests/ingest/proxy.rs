//! A proxy that swallows answers: the server has carried the request out, and the client never hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracemill_operators::bridge::{Task, spawn};

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) url: String,
    swallow: Arc<AtomicI64>,
    _task: Task<()>,
}

impl Proxy {
    /// Forwards to `url`, and swallows the answers of the first `swallow` inserts.
    pub(crate) async fn start(url: &str, swallow: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let swallow = Arc::new(AtomicI64::new(swallow));
        let shared = Arc::clone(&swallow);
        let task = spawn("proxy", async move {
            let mut running = Vec::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server");
                running.push(spawn("connection", forward(client, server, Arc::clone(&shared))));
            }
        });
        Self {
            url: format!("http://{address}"),
            swallow,
            _task: task,
        }
    }

    /// Answers that are still to be swallowed.
    pub(crate) fn left(&self) -> i64 {
        self.swallow.load(Ordering::SeqCst)
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, swallow: Arc<AtomicI64>) {
    let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut is_insert = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(bytes @ 1..) = read else { return };
                if up.starts_with(b"POST ") {
                    let head = String::from_utf8_lossy(&up[..bytes.min(400)]).into_owned();
                    is_insert = head.contains("INSERT");
                }
                if server.write_all(&up[..bytes]).await.is_err() { return; }
            }
            read = server.read(&mut down) => {
                let Ok(bytes @ 1..) = read else { return };
                if is_insert && swallow.fetch_sub(1, Ordering::SeqCst) > 0 { return; }
                if client.write_all(&down[..bytes]).await.is_err() { return; }
            }
        }
    }
}
