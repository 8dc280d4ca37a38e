//! A service whose jobs Redis hands out, as two processes: one that serves and runs none, and one that works.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use spanbox::testing::{Process, RedisServer, RedisServerError};

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a request and gives the answer, whole.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn json(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {head}\n{body}"))
}

/// Has the words of a note counted by the other process, as the example of a new service with accounts does.
pub(crate) fn words_are_counted_by_another_process(program: &Path, directory: &Path, database: &str) {
    let redis = match RedisServer::start() {
        Err(RedisServerError::NotInstalled) => return println!("not tested: redis-server is not installed"),
        started => started.unwrap(),
    };
    let command = |word: &str, in_serve: &str| {
        let mut command = Command::new(program);
        command.arg(word).current_dir(directory).env_clear().envs([
            ("PORT", "0"),
            ("APP_MANAGEMENT__PORT", "0"),
            ("APP_JOBS__IN_SERVE", in_serve),
            ("DATABASE_URL", database),
            ("REDIS_URL", &redis.url()),
        ]);
        command
    };
    let service = Process::start(&mut command("serve", "false"));
    let worker = Process::start_worker(&mut command("worker", "true"));
    let credentials = r#"{"email":"ann@example.com","password":"correct horse battery"}"#;
    let registered = service.post("/api/accounts/register", credentials);
    assert!(registered.starts_with("HTTP/1.1 201"), "{registered}");
    let signed = json(&service.post("/api/accounts/login", credentials));
    let token = signed["access_token"].as_str().unwrap();
    let request = |method: &str, path: &str, body: &str| {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        ask(service.address(), &format!("{head}{body}"))
    };
    let stored = request("POST", "/api/notes/", r#"{"title":"Bread","body":"Flour and water"}"#);
    assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
    let path = format!("/api/notes/{}", json(&stored)["id"]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let note = json(&request("GET", &path, ""));
        if note["words"] == 3 {
            break;
        }
        assert!(note["words"].is_null() && Instant::now() < deadline, "{note}\n{}", worker.log());
    }
    let streams = ask(redis.address(), "KEYS spanbox:jobs:*:queue:notes\r\nQUIT\r\n");
    assert!(streams.contains(":queue:notes"), "nothing went through Redis: {streams}");
    for process in [service, worker] {
        let (status, log) = process.terminate(PATIENCE);
        assert!(status.success(), "{status}: {log}");
    }
}
