//! A plain blocking HTTP/1.1 client for ClickHouse: as little of its own as can be, so that what it measures is the server.
//!
//! Every read has a deadline. The connection is closed after each answer.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::Failure;

/// The body of an answer; read it to its end.
#[derive(Debug)]
pub struct Body {
    reader: BufReader<TcpStream>,
    rest: Rest,
}

#[derive(Debug, Clone, Copy)]
enum Rest {
    /// So many bytes.
    Length(u64),
    /// So many bytes of this chunk, and more chunks.
    Chunk(u64),
    /// All chunks were read.
    Nothing,
}

/// Sends `body` with the parameters of the URL's query, and returns the answer's body. `silence`: how long the server may
/// say nothing.
///
/// # Errors
/// The server cannot be reached or refuses; its message is told.
pub fn post(address: &str, query: &[(&str, &str)], body: impl AsRef<[u8]>, silence: Duration) -> Result<Body, Failure> {
    let body = body.as_ref();
    let mut stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
    stream.set_read_timeout(Some(silence))?;
    stream.set_write_timeout(Some(silence))?;
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .collect();
    let head = format!(
        "POST /?{} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        query.join("&"),
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let (status, rest) = head_of(&mut reader)?;
    let mut answer = Body { reader, rest };
    if status == 200 {
        return Ok(answer);
    }
    let mut message = String::new();
    answer.read_to_string(&mut message)?;
    Err(format!("{address} answers {status}: {}", message.trim()).into())
}

/// As [`post`], with the answer as text.
///
/// # Errors
/// As [`post`].
pub fn text(
    address: &str,
    query: &[(&str, &str)],
    body: impl AsRef<[u8]>,
    silence: Duration,
) -> Result<String, Failure> {
    let mut answer = String::new();
    post(address, query, body, silence)?.read_to_string(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// Gets a path as text.
///
/// # Errors
/// As [`post`].
pub fn get(address: &str, path: &str, silence: Duration) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
    stream.set_read_timeout(Some(silence))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let (status, rest) = head_of(&mut reader)?;
    let mut text = String::new();
    Body { reader, rest }.read_to_string(&mut text)?;
    if status == 200 {
        return Ok(text);
    }
    Err(format!("{address}{path} answers {status}: {}", text.trim()).into())
}

fn head_of(reader: &mut impl BufRead) -> Result<(u16, Rest), Failure> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| format!("no HTTP: {line:?}"))?;
    let mut rest = Rest::Length(0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err("the answer ended in its head".into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok((status, rest));
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => rest = Rest::Length(value.trim().parse()?),
            "transfer-encoding" => rest = Rest::Chunk(0),
            _ => {}
        }
    }
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

impl Body {
    /// Reads the next chunk's size line, with the line end of the chunk before.
    fn next_chunk(&mut self) -> std::io::Result<()> {
        let mut line = String::new();
        while line.trim().is_empty() {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let size = u64::from_str_radix(line.trim(), 16)
            .map_err(|_| std::io::Error::other(format!("no size of a chunk: {line:?}")))?;
        self.rest = if size == 0 { Rest::Nothing } else { Rest::Chunk(size) };
        Ok(())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Rest::Chunk(0) = self.rest {
            self.next_chunk()?;
        }
        let (Rest::Length(left) | Rest::Chunk(left)) = self.rest else {
            return Ok(0);
        };
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let read = self.reader.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - read as u64;
        self.rest = match self.rest {
            Rest::Length(_) => Rest::Length(left),
            _ => Rest::Chunk(left),
        };
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answer_of(answer: &'static [u8]) -> Result<String, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0_u8; 4096];
            let read = stream.read(&mut request).expect("a request");
            stream.write_all(answer).expect("it is read");
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let answer = text(&address, &[("q", "a b&c")], "body", Duration::from_secs(10));
        let request = server.join().expect("it ends");
        assert!(request.starts_with("POST /?q=a%20b%26c HTTP/1.1\r\n"), "{request}");
        answer
    }

    #[test]
    fn plain_chunked_refused_and_cut() {
        let plain = answer_of(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(plain.expect("an answer"), "abc");
        let chunked =
            answer_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n");
        assert_eq!(chunked.expect("an answer"), "abc0123456789");
        let refused = answer_of(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
        assert!(refused.expect_err("an error").to_string().ends_with("404: gone"));
        let cut = answer_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc");
        assert!(cut.is_err());
    }
}
