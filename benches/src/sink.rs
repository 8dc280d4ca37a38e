//! A collector that costs as little as one can: it takes every OTLP request over HTTP, and looks into none.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use spanbox::config::LogSettings;
use spanbox::telemetry::{ServiceInfo, Setup, Telemetry, TelemetryError};

/// What an exporter takes for success.
const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";

/// A collector on threads of this process, until the process ends.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    hanging: AtomicBool,
    bytes: AtomicU64,
}

impl Sink {
    /// Listens on a port that is free.
    ///
    /// # Errors
    ///
    /// When none is.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let given = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&given);
                // Whoever exports may go at any time.
                thread::spawn(move || drop(take(stream, &shared)));
            }
        });
        Ok(Self { address, shared })
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`, with the protocol `http/protobuf`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A service's telemetry, by its default settings, that is exported to this: every trace, with what is personal or secret
    /// in it hidden, and all metrics.
    ///
    /// # Errors
    ///
    /// Those of [`Setup::build`].
    pub fn telemetry(&self) -> Result<Telemetry, TelemetryError> {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
            ("OTEL_LOGS_EXPORTER", "none".to_owned()),
        ];
        Setup::new(ServiceInfo::new("benches", env!("CARGO_PKG_VERSION")))
            .environment(variables.map(|(name, value)| (name.to_owned(), value)))
            .log(LogSettings { level: "off".to_owned(), ..LogSettings::default() })
            .build()
    }

    /// Whether requests are read and not answered from now on.
    pub fn hang(&self, hanging: bool) {
        self.shared.hanging.store(hanging, Ordering::Relaxed);
    }

    /// How many bytes of telemetry were taken so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }
}

fn take(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(said) = line.strip_prefix("content-length:") {
                length = said.trim().parse().unwrap_or(0);
            }
        }
        body.resize(length, 0);
        requests.read_exact(&mut body)?;
        if shared.hanging.load(Ordering::Relaxed) {
            // Until the exporter gives up.
            io::copy(&mut requests, &mut io::sink())?;
            return Ok(());
        }
        shared.bytes.fetch_add(length as u64, Ordering::Relaxed);
        answers.write_all(TAKEN)?;
    }
}
