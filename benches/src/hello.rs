//! The least that a server can do, on spanbox and on bare actix-web: `GET /hello` says hello. This program is that server
//! when [`SERVICE`] is set, so that both are built alike.

use std::env;
use std::io;
use std::process::ExitCode;

use actix::{Actor, Addr};
use actix_web::{App, HttpServer, web};
use opentelemetry_sdk::trace::BatchSpanProcessor;
use spanbox::app::Service;
use spanbox::module::{Boot, Module};

use crate::nowhere::Nowhere;

/// Set in the process that is the server: `bare` or `spanbox`.
pub const SERVICE: &str = "BENCHES_HELLO";
/// Which signals are recorded and batched to nowhere, within the process: `traces`, `traces,metrics`, or neither.
pub const NOWHERE: &str = "BENCHES_NOWHERE";
/// How many actors the server has that nobody sends anything.
pub const ACTORS: &str = "BENCHES_ACTORS";

/// What every service has by default and telemetry does not need, switched off.
pub const LEAN: [(&str, &str); 5] = [
    ("APP_EDGE__SECURITY_HEADERS", "false"),
    ("APP_EDGE__REQUEST_ID", "false"),
    ("APP_EDGE__COMPRESSION", "false"),
    ("APP_SHEDDING__ENABLED", "false"),
    ("APP_SERVER__REQUEST_TIMEOUT", "0s"),
];

async fn hello() -> &'static str {
    "Hello, world!"
}

/// Serves until it is told to stop, if this process is to be the server.
#[must_use]
pub fn serve() -> Option<ExitCode> {
    let service = env::var(SERVICE).ok()?;
    if service != "bare" {
        return Some(spanbox::cli::run(create_app));
    }
    Some(match actix_rt::System::new().block_on(bare()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn create_app(profile: Option<&str>) -> Service {
    let signals = env::var(NOWHERE).unwrap_or_default();
    let module = Module::new("hello").get("/hello", hello).on_start(|boot: Boot| async move {
        let idle = |_| boot.actors().actor("idle", |_| Idle).start();
        boot.provide::<Vec<Addr<Idle>>>((0..actors()).map(idle).collect());
        Ok(())
    });
    let mut service = Service::new("hello", env!("CARGO_PKG_VERSION")).profile(profile).module(module);
    if signals.contains("traces") {
        service = service.span_processor(BatchSpanProcessor::builder(Nowhere::default()).build());
    }
    if signals.contains("metrics") {
        service = service.metric_exporter(Nowhere::default());
    }
    service
}

async fn bare() -> io::Result<()> {
    let _kept: Vec<Addr<PlainIdle>> = (0..actors()).map(|_| PlainIdle.start()).collect();
    let server = HttpServer::new(|| App::new().route("/hello", web::get().to(hello)));
    let server = server.workers(1).bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        eprintln!("ready on http://{address}");
    }
    server.run().await
}

fn actors() -> usize {
    env::var(ACTORS).ok().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// An actor of a service.
struct Idle;

impl Actor for Idle {
    type Context = spanbox::actor::Context<Self>;
}

/// The same in actix alone.
struct PlainIdle;

impl Actor for PlainIdle {
    type Context = actix::Context<Self>;
}
