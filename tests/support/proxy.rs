//! An HTTP proxy of ours in front of ClickHouse, which can cut answers.
//!
//! It forwards bytes both ways, one thread a direction, and reads along: the head of each request, to know what is asked, and
//! the answers, to cut the ones that a test chose. A cut closes the connection both ways, as a network that fails does.
//!
//! *On error.* A connection that fails on either side is closed on both.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Which answers are cut: those of some queries, where they come to some row.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Only queries whose `log_comment` says that kind: `keys`, `analytic`.
    pub kind: String,
    /// Only queries whose `log_comment` says that type: `trace`, `observation`, `score`.
    pub about: String,
    /// Only queries of that project.
    pub project: String,
    /// Where, of what.
    pub cut: Cut,
}

/// Where an answer ends.
#[derive(Debug, Clone)]
pub enum Cut {
    /// Where the first of these texts comes.
    At(Vec<String>),
    /// After so many bytes, where the query's range of ids touches `[from, to)`.
    Touching {
        /// The first id.
        from: String,
        /// The first that no longer belongs to it.
        to: String,
        /// Bytes, head and all.
        after: usize,
    },
}

/// A running proxy. Dropping it ends it with the next connection.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: u16,
    rules: Mutex<Vec<Rule>>,
    /// Bytes a second of each answer; 0: as fast as they come.
    rate: u64,
    cuts: AtomicU64,
    requests: AtomicU64,
}

impl Proxy {
    /// Listens on a free port, and forwards to that one.
    ///
    /// # Panics
    /// There is no free port.
    #[must_use]
    pub fn start(server: u16, rules: Vec<Rule>) -> Self {
        Self::with(server, rules, 0)
    }

    /// Cuts nothing, but lets each answer have so many bytes a second.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn slow(server: u16, rate: u64) -> Self {
        Self::with(server, Vec::new(), rate)
    }

    fn with(server: u16, rules: Vec<Rule>, rate: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared {
            server,
            rules: Mutex::new(rules),
            rate,
            cuts: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        });
        let forwarding = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&forwarding);
                thread::spawn(move || forward(client, &shared));
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many answers were cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// How many requests were forwarded.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Cuts nothing from now on.
    pub fn mend(&self) {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Where the answer that is under way is to be cut.
#[derive(Debug, Default)]
struct Leash(Mutex<Scan>);

#[derive(Debug, Default)]
struct Scan {
    /// The texts; none: the answer gets through.
    at: Vec<String>,
    /// The last bytes that got through: a text may come in two pieces.
    tail: Vec<u8>,
    /// Bytes that may still get through.
    left: Option<usize>,
}

fn forward(client: TcpStream, shared: &Arc<Shared>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", shared.server)) else {
        return;
    };
    let leash = Arc::new(Leash::default());
    let (Ok(from_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let (asking, held) = (Arc::clone(shared), Arc::clone(&leash));
    thread::spawn(move || requests(from_client, to_server, &asking, &held));
    answers(server, client, shared, &leash);
}

/// Client to server, request by request: a client sends the next one only after the answer to the last.
fn requests(mut from: TcpStream, mut to: TcpStream, shared: &Shared, leash: &Leash) {
    while let Some(request) = request(&mut from) {
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let scan = scan(&String::from_utf8_lossy(&request), shared);
        *leash.0.lock().unwrap_or_else(PoisonError::into_inner) = scan;
        if to.write_all(&request).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// One whole request, whose head says how long its body is.
fn request(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        if let Some(end) = end_of_head(&whole) {
            let head = String::from_utf8_lossy(&whole[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if whole.len() >= end + length.unwrap_or(0) {
                return Some(whole);
            }
        }
        match from.read(&mut piece) {
            Ok(size @ 1..) => whole.extend_from_slice(&piece[..size]),
            _ => return None,
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    Some(bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4)
}

impl Scan {
    /// How much of a piece of the answer gets through.
    fn of(&mut self, piece: &[u8]) -> usize {
        if let Some(left) = self.left.as_mut() {
            let length = piece.len().min(*left);
            *left -= length;
            return length;
        }
        let Some(longest) = self.at.iter().map(String::len).max() else {
            return piece.len();
        };
        let before = self.tail.len();
        self.tail.extend_from_slice(piece);
        let first = self
            .at
            .iter()
            .filter_map(|text| find(&self.tail, text.as_bytes()))
            .min();
        let old = self.tail.len().saturating_sub(longest);
        self.tail.drain(..old);
        first.map_or(piece.len(), |at| at.saturating_sub(before))
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        from += at;
        if bytes[from..].starts_with(text) {
            return Some(from);
        }
        from += 1;
    }
    None
}

/// Server to client, as far as the leash allows.
fn answers(mut from: TcpStream, mut to: TcpStream, shared: &Shared, leash: &Leash) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(size @ 1..) = from.read(&mut piece) {
        let length = leash
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .of(&piece[..size]);
        let is_cut = length < size;
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
        if let Some(nanos) = (length as u64 * 1_000_000_000).checked_div(shared.rate) {
            #[expect(
                clippy::disallowed_methods,
                reason = "a rate is a matter of time; no condition is waited for"
            )]
            thread::sleep(Duration::from_nanos(nanos));
        }
        if is_cut {
            shared.cuts.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Where the answer to this request is cut.
fn scan(request: &str, shared: &Shared) -> Scan {
    let rules = shared.rules.lock().unwrap_or_else(PoisonError::into_inner);
    let comment: Value = in_url(request, "log_comment")
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let mut scan = Scan::default();
    for Rule {
        kind,
        about,
        project,
        cut,
    } in rules.iter()
    {
        let says = |name: &str, value: &str| comment[name] == value;
        if !(says("kind", kind) && says("type", about) && says("projectId", project)) {
            continue;
        }
        match cut {
            Cut::At(texts) => scan.at.extend(texts.iter().cloned()),
            Cut::Touching { from, to, after } if touches(request, from, to) => scan.left = Some(*after),
            Cut::Touching { .. } => {}
        }
    }
    scan
}

/// Whether the request's range of ids, hexadecimal digits in its form, meets `[from, to)`.
fn touches(request: &str, from: &str, to: &str) -> bool {
    let digits = |id: &str| id.bytes().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let (first, end) = (in_form(request, "param_first_id"), in_form(request, "param_end_id"));
    first.is_none_or(|first| first < digits(to)) && end.is_none_or(|end| digits(from) < end)
}

/// A field of the request's body, `multipart/form-data`.
fn in_form(request: &str, name: &str) -> Option<String> {
    let (_, rest) = request.split_once(&format!("name=\"{name}\""))?;
    let (_, value) = rest.split_once("\r\n\r\n")?;
    Some(value.split_once("\r\n")?.0.to_owned())
}

/// A parameter of the request's URL.
fn in_url(request: &str, name: &str) -> Option<String> {
    let target = request.lines().next()?.split(' ').nth(1)?;
    let mut pairs = target
        .split_once('?')?
        .1
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decoded(value))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap_or(b'%')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
