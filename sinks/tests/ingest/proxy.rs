//! A proxy that swallows answers (the server has carried the request out, and the client never hears of it), refuses
//! inserts, or cuts them off before the server has seen them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracemill_operators::bridge::{Task, spawn};

/// What becomes of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is carried out, but its answer is lost.
    Swallow,
    /// The server has too many queries.
    Busy,
    /// The connection ends, and the server never hears of it.
    Cut,
}

type Faults = Arc<Mutex<VecDeque<Fault>>>;

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) url: String,
    faults: Faults,
    _task: Task<()>,
}

impl Proxy {
    /// Forwards to `url`, and swallows the answers of the first `swallow` inserts.
    pub(crate) async fn start(url: &str, swallow: usize) -> Self {
        Self::with_faults(url, &vec![Fault::Swallow; swallow]).await
    }

    /// Forwards to `url`; the first inserts have these faults, one each.
    pub(crate) async fn with_faults(url: &str, faults: &[Fault]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let faults: Faults = Arc::new(Mutex::new(faults.iter().copied().collect()));
        let shared = Arc::clone(&faults);
        let task = spawn("proxy", async move {
            let mut running = Vec::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server");
                running.push(spawn("connection", forward(client, server, Arc::clone(&shared))));
            }
        });
        Self {
            url: format!("http://{address}"),
            faults,
            _task: task,
        }
    }

    /// Faults that are still to come.
    pub(crate) fn left(&self) -> usize {
        self.faults.lock().expect("not poisoned").len()
    }
}

/// The next fault, if it is one of these.
fn next(faults: &Faults, of: &[Fault]) -> Option<Fault> {
    let mut faults = faults.lock().expect("not poisoned");
    let is_due = faults.front().is_some_and(|fault| of.contains(fault));
    if is_due { faults.pop_front() } else { None }
}

const BUSY: &str = "HTTP/1.1 500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 202\r\nContent-Length: 72\r\n\
     Connection: close\r\n\r\nCode: 202. DB::Exception: Too many simultaneous queries. Maximum: 100. \n";

async fn forward(mut client: TcpStream, mut server: TcpStream, faults: Faults) {
    let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut is_insert = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(bytes @ 1..) = read else { return };
                if up.starts_with(b"POST ") {
                    let head = String::from_utf8_lossy(&up[..bytes.min(400)]).into_owned();
                    is_insert = head.contains("INSERT");
                    match is_insert.then(|| next(&faults, &[Fault::Busy, Fault::Cut])).flatten() {
                        Some(Fault::Busy) => {
                            let _ = client.write_all(BUSY.as_bytes()).await;
                            // The rest of the request is read, so that the answer is not lost with it.
                            while client.read(&mut up).await.is_ok_and(|bytes| bytes > 0) {}
                            return;
                        }
                        Some(_) => return,
                        None => {}
                    }
                }
                if server.write_all(&up[..bytes]).await.is_err() { return; }
            }
            read = server.read(&mut down) => {
                let Ok(bytes @ 1..) = read else { return };
                if is_insert && next(&faults, &[Fault::Swallow]).is_some() { return; }
                if client.write_all(&down[..bytes]).await.is_err() { return; }
            }
        }
    }
}
