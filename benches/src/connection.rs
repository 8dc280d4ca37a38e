//! One connection of HTTP/1.1, a request at a time: the same bytes in each run.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer, also of a server under valgrind.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is kept alive.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or this process may open no more files.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// `GET`, answered with the status.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the answer does not say how long it is.
    pub fn get(&mut self, path: &str) -> io::Result<u16> {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
    }

    /// `POST` of JSON, answered with the status.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<u16> {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
        self.ask(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())
    }

    fn ask(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut some = [0; 4096];
        loop {
            let read = self.stream.read(&mut some)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&some[..read]);
            let text = String::from_utf8_lossy(&self.buffer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_ascii_lowercase();
            let field = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: Option<usize> = field.and_then(|length| length.trim().parse().ok());
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let (Some(length), Some(status)) = (length, status) else {
                return Err(io::Error::other(format!("an answer without status or length: {head}")));
            };
            if body.len() >= length {
                return Ok(status);
            }
        }
    }
}
