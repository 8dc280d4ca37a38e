//! Clients of answers that go on: each a connection of its own, read as it comes.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use spanbox::testing::TestApp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection with an answer on it whose head was read.
pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) head: String,
    /// What came and was not looked at yet.
    rest: Vec<u8>,
    websocket: bool,
}

/// Something that an order's stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) version: i64,
    pub(crate) status: String,
}

pub(crate) fn told(version: i64, status: &str) -> Told {
    Told { version, status: status.to_owned() }
}

fn address(app: &TestApp) -> SocketAddr {
    app.running().addresses()[0]
}

impl Client {
    /// Watches an order by server-sent events.
    pub(crate) async fn sse(app: &TestApp, id: i64, headers: &str) -> Self {
        Self::get(app, &format!("/api/orders/{id}/events"), headers, false).await
    }

    /// Watches an order by a WebSocket.
    pub(crate) async fn websocket(app: &TestApp, id: i64, headers: &str) -> Self {
        let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        Self::get(app, &format!("/api/orders/{id}/events"), &format!("{upgrade}{headers}"), true).await
    }

    pub(crate) async fn get(app: &TestApp, path: &str, headers: &str, websocket: bool) -> Self {
        let mut stream = TcpStream::connect(address(app)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut client = Self { stream, head: String::new(), rest: Vec::new(), websocket };
        let end = loop {
            match find(&client.rest, b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => assert!(client.more().await, "no head: {}", String::from_utf8_lossy(&client.rest)),
            }
        };
        client.head = String::from_utf8(client.rest.drain(..end).collect()).unwrap().to_ascii_lowercase();
        client
    }

    /// Reads on; false at the end.
    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match timeout(PATIENCE, self.stream.read(&mut buffer)).await {
            Ok(Ok(0)) | Ok(Err(_)) => false,
            Ok(Ok(length)) => {
                self.rest.extend_from_slice(&buffer[..length]);
                true
            }
            Err(_) => panic!("nothing came; of the last there is {:?}", String::from_utf8_lossy(&self.rest)),
        }
    }

    /// The next that is told; `None` when the stream has ended as it should.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        if self.websocket { self.next_frame().await } else { self.next_event().await }
    }

    /// All that is told until the end.
    pub(crate) async fn all(mut self) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some(next) = self.next().await {
            all.push(next);
        }
        all
    }

    async fn next_event(&mut self) -> Option<Told> {
        loop {
            let chunk = self.chunk().await?;
            let field = |name: &str| {
                let found = chunk.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                found.map(str::to_owned)
            };
            if let Some(data) = field("data") {
                let data: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(field("id").unwrap(), data["version"].to_string());
                let kind = if data["status"] == "deleted" { "deleted" } else { "status" };
                assert_eq!(field("event").as_deref(), Some(kind));
                return Some(read(&data));
            }
        }
    }

    /// A chunk of a chunked answer; `None` for the last.
    async fn chunk(&mut self) -> Option<String> {
        loop {
            if let Some(line) = find(&self.rest, b"\r\n") {
                let length = std::str::from_utf8(&self.rest[..line]).unwrap();
                let length = usize::from_str_radix(length, 16).unwrap();
                if self.rest.len() >= line + 2 + length + 2 {
                    let chunk = self.rest[line + 2..line + 2 + length].to_vec();
                    self.rest.drain(..line + 2 + length + 2);
                    return (length > 0).then(|| String::from_utf8(chunk).unwrap());
                }
            }
            assert!(self.more().await, "it was cut off: {:?}", String::from_utf8_lossy(&self.rest));
        }
    }

    async fn next_frame(&mut self) -> Option<Told> {
        loop {
            let (opcode, payload) = self.frame().await;
            match opcode {
                1 => return Some(read(&serde_json::from_slice(&payload).unwrap())),
                8 => {
                    self.head = format!("closed {}", u16::from_be_bytes([payload[0], payload[1]]));
                    return None;
                }
                _ => {}
            }
        }
    }

    /// A frame of a server, which is short and not masked.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let [first, length, ..] = self.rest[..] {
                let end = 2 + usize::from(length);
                assert!(length < 126, "a long frame");
                if self.rest.len() >= end {
                    let frame: Vec<_> = self.rest.drain(..end).collect();
                    return (first & 0xf, frame[2..].to_vec());
                }
            }
            assert!(self.more().await, "it was cut off");
        }
    }

    /// Sends a frame as a client does.
    pub(crate) async fn send_frame(&mut self, opcode: u8, payload: &[u8]) {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![0x80 | opcode, 0x80 | u8::try_from(payload.len()).unwrap()];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).await.unwrap();
    }
}

fn read(data: &Value) -> Told {
    Told { version: data["version"].as_i64().unwrap(), status: data["status"].as_str().unwrap().to_owned() }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
