use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How long a program may take to start or to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service as a process of its own, killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// None of a program that only runs jobs.
    address: Option<SocketAddr>,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

/// What it has logged so far.
#[derive(Debug, Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Process {
    /// Starts a program that serves, and waits until its log says where.
    ///
    /// # Panics
    ///
    /// With its log, when it does not get that far.
    pub fn start(command: &mut Command) -> Self {
        Self::launch(command, |line| address_in(line).map(Some))
    }

    /// Starts a program that only runs jobs, and waits until its log says that it does.
    ///
    /// # Panics
    ///
    /// With its log, when it does not get that far.
    pub fn start_worker(command: &mut Command) -> Self {
        Self::launch(command, |line| line.contains("ready").then_some(None))
    }

    /// Starts a program and waits for the line of its log in which `ready` finds what it looks for.
    fn launch(command: &mut Command, ready: fn(&str) -> Option<Option<SocketAddr>>) -> Self {
        let mut child =
            command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program exists");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (found, address) = channel();
        let log = Arc::new(Log::default());
        let written = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut text = written.text.lock();
                text.push_str(&line);
                text.push('\n');
                written.grown.notify_all();
                if let Some(address) = ready(&line) {
                    found.send(address).ok();
                }
            }
        });
        match address.recv_timeout(PATIENCE) {
            Ok(address) => Self { child, address, log, reader: Some(reader) },
            Err(_) => {
                child.kill().ok();
                child.wait().ok();
                reader.join().ok();
                panic!("the program never was ready:\n{}", log.text.lock());
            }
        }
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// When it only runs jobs.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address.expect("a program that only runs jobs listens nowhere")
    }

    /// Where its management listener listens.
    ///
    /// # Panics
    ///
    /// With its log, when it has none.
    #[must_use]
    pub fn management_address(&self) -> SocketAddr {
        let log = self.log();
        let mut ready = log.lines().filter(|line| line.contains("ready"));
        let found = ready.find_map(|line| first_address(line.split_once("management")?.1));
        found.unwrap_or_else(|| panic!("it does not say where its management listener is:\n{log}"))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `GET`, answered with the whole response as it came.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        get(self.address(), path)
    }

    /// `GET` of its management listener, answered with the whole response as it came.
    ///
    /// # Panics
    ///
    /// When there is no such listener, or no answer.
    #[must_use]
    pub fn get_management(&self, path: &str) -> String {
        get(self.management_address(), path)
    }

    /// `POST` of JSON, answered with the whole response as it came.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    #[must_use]
    pub fn post(&self, path: &str, body: &str) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        exchange(self.address(), format!("{head}{body}").as_bytes())
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text.lock().clone()
    }

    /// Waits until it has logged this text.
    ///
    /// # Panics
    ///
    /// With its log, when it never does.
    pub fn wait_for(&self, text: &str) {
        let mut log = self.log.text.lock();
        let waited = self.log.grown.wait_while_for(&mut log, |log| !log.contains(text), PATIENCE);
        assert!(!waited.timed_out(), "it never said `{text}`:\n{log}");
    }

    /// Sends SIGTERM and waits for the end; answers how it ended and all that it logged.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[must_use]
    pub fn terminate(mut self, within: Duration) -> (ExitStatus, String) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.is_ok_and(|status| status.success()), "SIGTERM could not be sent");
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                break status;
            }
            assert!(Instant::now() < deadline, "it did not end within {within:?} of SIGTERM");
            std::thread::park_timeout(Duration::from_millis(5));
        };
        self.reader.take().map(JoinHandle::join);
        (status, std::mem::take(&mut *self.log.text.lock()))
    }
}

impl Process {
    /// Kills it, as `kill -9` does: it finishes nothing and says nothing.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The first address in the line that says `ready`, in either format.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.contains("ready").then(|| first_address(line))?
}

fn first_address(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once("http://")?;
    let end = rest
        .find(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']')))
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn get(address: SocketAddr, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    exchange(address, head.as_bytes())
}

fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
    stream.write_all(request).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers and closes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes as they are to a server and answers what comes back until it closes or `within` is over: for
/// requests that no client would send.
///
/// # Panics
///
/// When nobody listens.
pub async fn raw(address: SocketAddr, bytes: &[u8], within: Duration) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    stream.write_all(bytes).await.expect("it reads");
    let mut answer = Vec::new();
    tokio::time::timeout(within, stream.read_to_end(&mut answer)).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}
