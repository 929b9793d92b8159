//! An HTTP proxy of ours in front of ClickHouse, which can cut answers.
//!
//! It forwards bytes both ways, one thread a direction, and reads along: each request, which goes on when it is whole, to know
//! what is asked, and the answers, to cut the ones that a test chose. A cut closes the connection both ways, as a network that
//! fails does. Inserts are counted, so that a fault can be timed by them. Queries of a feature can be held, so that they are under
//! way for as long as a test wants.
//!
//! *On error.* A connection that fails on either side is closed on both.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
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

/// Which answers to inserts nobody hears of, though the server has carried them out. 0: none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swallow {
    /// One in so many: the connection is closed instead.
    pub one_in: u64,
    /// Of these, one in so many: the connection stays open, and silent.
    pub silent_one_in: u64,
}

/// Inserts that the proxy saw.
#[derive(Debug, Default)]
struct Inserts {
    begun: AtomicU64,
    answered: AtomicU64,
    under_way: AtomicI64,
    swallowed: AtomicU64,
    one_in: AtomicU64,
    silent_one_in: AtomicU64,
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
    inserts: Inserts,
    hold: Hold,
}

/// Requests that wait before they go on to the server.
#[derive(Debug, Default)]
struct Hold {
    /// The `feature` of their `log_comment`; `None`: nothing waits.
    feature: Mutex<Option<String>>,
    changed: Condvar,
    held: AtomicU64,
}

impl Hold {
    /// Waits for as long as requests of that feature are held.
    fn pass(&self, feature: &str) {
        let held = self.feature.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_deref() == Some(feature) {
            self.held.fetch_add(1, Ordering::Relaxed);
            let passed = self.changed.wait_while(held, |held| held.as_deref() == Some(feature));
            drop(passed);
            self.held.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn set(&self, feature: Option<&str>) {
        let mut held = self.feature.lock().unwrap_or_else(PoisonError::into_inner);
        *held = feature.map(str::to_owned);
        self.changed.notify_all();
    }
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
            inserts: Inserts::default(),
            hold: Hold::default(),
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

    /// Which answers to inserts are swallowed from now on.
    pub fn swallow(&self, swallow: Swallow) {
        let inserts = &self.shared.inserts;
        inserts.silent_one_in.store(swallow.silent_one_in, Ordering::Relaxed);
        inserts.one_in.store(swallow.one_in, Ordering::Relaxed);
    }

    /// Inserts that were handed to the server whole.
    #[must_use]
    pub fn inserts(&self) -> u64 {
        self.shared.inserts.begun.load(Ordering::Relaxed)
    }

    /// Inserts that the server has answered, whoever heard of it.
    #[must_use]
    pub fn inserts_answered(&self) -> u64 {
        self.shared.inserts.answered.load(Ordering::Relaxed)
    }

    /// Inserts that the server has at this moment.
    #[must_use]
    pub fn inserts_under_way(&self) -> i64 {
        self.shared.inserts.under_way.load(Ordering::Relaxed)
    }

    /// Answers that were swallowed.
    #[must_use]
    pub fn swallowed(&self) -> u64 {
        self.shared.inserts.swallowed.load(Ordering::Relaxed)
    }

    /// Queries whose `log_comment` says that feature wait from now on, until [`Self::mend`].
    pub fn hold(&self, feature: &str) {
        self.shared.hold.set(Some(feature));
    }

    /// Queries that wait.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.shared.hold.held.load(Ordering::Relaxed)
    }

    /// Cuts, swallows and holds nothing from now on.
    pub fn mend(&self) {
        self.shared.hold.set(None);
        self.swallow(Swallow::default());
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
    /// It is the answer to an insert, and has not begun.
    is_insert: bool,
}

/// What becomes of the answer to an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Heard,
    Cut,
    Silent,
}

impl Inserts {
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    /// The server has answered one.
    fn end(&self) -> Fate {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let number = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        let is_one_in = |number: u64, of: &AtomicU64| number.is_multiple_of(of.load(Ordering::Relaxed).max(1));
        if self.one_in.load(Ordering::Relaxed) == 0 || !is_one_in(number, &self.one_in) {
            return Fate::Heard;
        }
        let number = self.swallowed.fetch_add(1, Ordering::Relaxed) + 1;
        if self.silent_one_in.load(Ordering::Relaxed) > 0 && is_one_in(number, &self.silent_one_in) {
            Fate::Silent
        } else {
            Fate::Cut
        }
    }
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
        let text = String::from_utf8_lossy(&request);
        let scan = scan(&text, shared);
        let comment = comment(&text);
        let feature = comment["feature"].as_str().unwrap_or_default().to_owned();
        if scan.is_insert {
            shared.inserts.begin();
        }
        *leash.0.lock().unwrap_or_else(PoisonError::into_inner) = scan;
        shared.hold.pass(&feature);
        if to.write_all(&request).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// One whole request: its head says how long its body is, or that it comes in chunks.
fn request(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let mut chunks = None;
    loop {
        if let Some(end) = end_of_head(&whole) {
            let head = String::from_utf8_lossy(&whole[..end]).to_ascii_lowercase();
            let of = |name: &str| {
                head.lines()
                    .find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
            };
            let is_whole = if of("transfer-encoding:").is_some_and(|encoding| encoding == "chunked") {
                all_chunks(&whole, chunks.get_or_insert(end))
            } else {
                let length = of("content-length:").and_then(|length| length.parse().ok());
                whole.len() >= end + length.unwrap_or(0)
            };
            if is_whole {
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
    Some(find(bytes, b"\r\n\r\n")? + 4)
}

/// Whether the last chunk is there. `at`: where the first chunk begins that is not, yet.
fn all_chunks(bytes: &[u8], at: &mut usize) -> bool {
    while let Some(line) = bytes.get(*at..).and_then(|rest| find(rest, b"\r\n")) {
        let size = String::from_utf8_lossy(&bytes[*at..*at + line]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        let next = *at + line + 2 + size + 2;
        if bytes.len() < next {
            return false;
        }
        if size == 0 {
            return true;
        }
        *at = next;
    }
    false
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
    let mut is_silent = false;
    while let Ok(size @ 1..) = from.read(&mut piece) {
        match is_insert(leash).then(|| shared.inserts.end()) {
            None | Some(Fate::Heard) => {}
            Some(Fate::Cut) => break,
            Some(Fate::Silent) => is_silent = true,
        }
        if is_silent {
            continue;
        }
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
    if is_insert(leash) {
        shared.inserts.under_way.fetch_sub(1, Ordering::Relaxed);
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Whether the answer to an insert is waited for; from now on it is not.
fn is_insert(leash: &Leash) -> bool {
    let mut scan = leash.0.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut scan.is_insert)
}

/// What the request says that it is for.
fn comment(request: &str) -> Value {
    let text = in_url(request, "log_comment");
    text.and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Where the answer to this request is cut.
fn scan(request: &str, shared: &Shared) -> Scan {
    let rules = shared.rules.lock().unwrap_or_else(PoisonError::into_inner);
    let comment = comment(request);
    let mut scan = Scan {
        is_insert: in_url(request, "query").is_some_and(|query| query.starts_with("INSERT")),
        ..Scan::default()
    };
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
