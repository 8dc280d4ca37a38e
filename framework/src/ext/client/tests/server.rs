//! A server that answers, hangs, breaks and cuts as it is told.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::context;

/// What becomes of one connection.
pub(super) enum Reply {
    /// These bytes, and the end.
    Bytes(String),
    /// Nothing, for ever.
    Hang,
    /// The connection breaks before anything is read.
    Reset,
}

impl Reply {
    /// A whole answer.
    pub(super) fn of(status: u16, body: &str) -> Self {
        Self::with(status, "", body)
    }

    /// The same with headers, each with its line's end.
    pub(super) fn with(status: u16, headers: &str, body: &str) -> Self {
        Self::Bytes(format!(
            "HTTP/1.1 {status} Some\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
            body.len()
        ))
    }
}

type Script = dyn Fn(usize) -> Reply;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepting: JoinHandle<()>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// As it came.
    pub(super) text: String,
    /// The address that was asked.
    pub(super) at: SocketAddr,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.text.lines().skip(1).take_while(|line| !line.is_empty());
        lines.filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

impl Server {
    /// Replies to each connection, counted from 0, as the script says.
    pub(super) async fn start(script: impl Fn(usize) -> Reply + 'static) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    pub(super) async fn start_at(address: &str, script: impl Fn(usize) -> Reply + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let accepting = context::spawn(accept(listener, Box::new(script), Arc::clone(&seen)));
        Self { address, seen, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that have come.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, script: Box<Script>, seen: Arc<Mutex<Vec<Seen>>>) {
    for count in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        context::spawn(serve(stream, script(count), Arc::clone(&seen)));
    }
}

async fn serve(stream: TcpStream, reply: Reply, seen: Arc<Mutex<Vec<Seen>>>) {
    if let Reply::Reset = reply {
        // What was sent and not read makes the system break the connection when it is closed.
        stream.readable().await.unwrap();
        seen.lock().push(Seen { text: String::new(), at: stream.local_addr().unwrap() });
        return;
    }
    let at = stream.local_addr().unwrap();
    exchange(stream, reply, |text| seen.lock().push(Seen { text, at })).await;
}

/// Reads one request and replies to it.
pub(super) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: Reply,
    came: impl FnOnce(String),
) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    came(String::from_utf8(request).unwrap());
    match reply {
        Reply::Bytes(bytes) => {
            // Who asked may have gone.
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.shutdown().await;
            // Not closed before it is read: bytes that come meanwhile would break the connection.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        Reply::Hang => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        Reply::Reset => {}
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
