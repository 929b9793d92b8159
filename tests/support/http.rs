//! The least HTTP client: one request a connection, to this machine.

use std::io::{Error, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header lines, the first of which has the status.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }
}

/// Sends a request with header lines (`Name: value\r\n`), and gives the status and the answer's body.
///
/// # Errors
/// The connection fails, or the answer is none.
pub fn request(port: u16, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<(u16, Vec<u8>), Error> {
    exchange(port, method, path, headers, body).map(|answer| (answer.status, answer.body))
}

/// The same with the answer's headers.
///
/// # Errors
/// As [`request`].
pub fn exchange(port: u16, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<Answer, Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(300)))?;
    // HTTP/1.0: the answer comes unchunked and ends with the connection.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or_else(|| Error::other("the answer has no head"))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let body = answer.split_off(end + 4);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Error::other(format!("no status: {head}")))?;
    Ok(Answer { status, head, body })
}

/// Posts a body and gives the answer's.
///
/// # Errors
/// The connection fails, or the status is not 200: then the text is the answer's body.
pub fn post(port: u16, path: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    match request(port, "POST", path, "", body)? {
        (200, body) => Ok(body),
        (status, body) => Err(Error::other(format!("{status}: {}", String::from_utf8_lossy(&body)))),
    }
}
