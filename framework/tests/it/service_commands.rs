//! The commands of every service: what they say of its description, and of one that runs.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix::{Actor, Handler, Message};
use actix_web::HttpRequest;
use futures_util::FutureExt as _;
use serde_json::Value;
use spanbox::actor::Context;
use spanbox::app::Service;
use spanbox::cli::execute;
use spanbox::ext::Extension;
use spanbox::module::{Boot, BoxError, Module};
use spanbox::web::{Check, Problem};
use tokio::sync::oneshot;

#[derive(Debug)]
struct Told {
    code: u8,
    out: String,
    err: String,
}

fn told(create_app: impl FnOnce(Option<&str>) -> Service, words: &str) -> Told {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = std::iter::once("shop").chain(words.split_whitespace());
    let code = execute(create_app, words, &mut out, &mut err);
    Told { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

async fn nothing() -> &'static str {
    ""
}

async fn locked(_request: HttpRequest) -> Result<(), Problem> {
    Ok(())
}

struct Veil;

impl Extension for Veil {
    const NAME: &'static str = "veil";
    const SURROUNDS: &'static [&'static str] = &["veil"];
    type Installed = ();

    async fn install(self, _boot: Boot) -> Result<(), BoxError> {
        Ok(())
    }
}

fn shop(profile: Option<&str>) -> Service {
    let drawers = Module::new("drawers").prefix("/drawers").before(locked).get("/{id}", nothing);
    Service::new("shop", "1.0.0")
        .profile(profile)
        .environment([("LOG_LEVEL", "off"), ("PORT", "0"), ("SECRET_KEY", "hunter2")])
        .extension(Veil)
        .module(
            Module::new("counter").prefix("/counter").get("/", nothing).post("/", nothing).module(drawers),
        )
        .module(Module::new("legacy").configure("/legacy", |_| ()))
}

#[test]
fn routes_are_listed_with_what_surrounds_them() {
    let all = told(shop, "routes").out;
    let lines: Vec<Vec<_>> = all.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["METHOD", "PATTERN", "MODULE", "HANDLER", "AUTH", "AROUND"]);
    let line =
        |start: [&str; 3]| lines.iter().find(|line| line[..3] == start).unwrap_or_else(|| panic!("{all}"));
    assert_eq!(line(["GET", "/counter/drawers/{id}", "drawers"])[5], "2");
    assert!(line(["GET", "/counter/", "counter"])[3].ends_with("service_commands::nothing"), "{all}");
    line(["*", "/legacy/*", "legacy"]);
    line(["GET", "/health/ready", "health"]);

    let json = told(shop, "routes --json --module drawers").out;
    let routes: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(routes.len(), 1, "{json}");
    assert_eq!(routes[0]["middleware"][0], "veil");
    assert!(
        routes[0]["middleware"][1].as_str().unwrap().starts_with("before it::service_commands::locked"),
        "{json}"
    );

    let long = told(shop, "routes drawers --long").out;
    assert!(long.starts_with("GET /counter/drawers/{id}\n    module  drawers\n"), "{long}");
    assert!(long.contains("\n    around  veil, before it::service_commands::locked\n"), "{long}");

    let unknown = told(shop, "routes --module drawer");
    assert_eq!(
        (unknown.code, unknown.err.trim()),
        (2, "shop: no module `drawer` has routes: did you mean `drawers`?")
    );
    assert_eq!(told(shop, "routes nowhere").out, "there are no such routes\n");
}

#[cfg(feature = "openapi")]
#[test]
fn who_may_ask_is_what_the_description_says() {
    use spanbox::ext::openapi::Description;
    use utoipa::OpenApi;

    #[utoipa::path(get, path = "/counter/", security((), ("bearer" = [])), responses((status = 200)))]
    #[allow(dead_code, reason = "it only describes")]
    async fn described() {}

    #[derive(OpenApi)]
    #[openapi(paths(described))]
    struct Api;

    let described = |profile: Option<&str>| shop(profile).describe(Description::new(&Api::openapi()));
    let routes: Vec<Value> = serde_json::from_str(&told(described, "routes --json").out).unwrap();
    let auth = |method: &str, pattern: &str| {
        let route = routes.iter().find(|it| it["method"] == method && it["pattern"] == pattern).unwrap();
        route["auth"].clone()
    };
    assert_eq!(auth("GET", "/counter/"), "optional bearer");
    assert_eq!(auth("GET", "/health/ready"), "public");
    assert_eq!(auth("POST", "/counter/"), Value::Null, "nobody has described it");
}

#[test]
fn a_setting_is_explained_layer_by_layer_and_a_secret_is_not_shown() {
    let port = told(shop, "config explain server.port").out;
    let expected = "server.port\n  8080  # default\n> 0  # PORT\n  # to set it: APP_SERVER__PORT or PORT\n";
    assert_eq!(port, expected);
    let secret = told(shop, "config explain service.secret_key").out;
    assert!(secret.contains("> \"***\"  # SECRET_KEY\n") && !secret.contains("hunter2"), "{secret}");
    let table = told(shop, "config explain [management]").out;
    assert!(table.starts_with("management.enabled\n") && table.contains("\n\nmanagement.port\n"), "{table}");
    let json: Value = serde_json::from_str(&told(shop, "config explain server.port --json").out).unwrap();
    assert_eq!(json[0]["layers"][1], serde_json::json!(["PORT", 0]));
    let unknown = told(shop, "config explain server.prot");
    assert_eq!(
        (unknown.code, &*unknown.err),
        (1, "shop: server.prot is not a setting; did you mean server.port?\n")
    );
    let nothing_like_it = told(shop, "config explain nonsense").err;
    assert_eq!(nothing_like_it, "shop: nonsense is not a setting; `config` shows all that there are\n");
}

#[test]
fn each_shell_gets_completions_also_of_a_service_that_could_not_start() {
    let broken = |profile: Option<&str>| shop(profile).with_environment([("PORT", "eighty")]);
    for (shell, part) in [("bash", "_shop()"), ("zsh", "#compdef shop"), ("fish", "complete -c shop")] {
        let script = told(broken, &format!("completions {shell}"));
        assert_eq!(script.code, 0, "{script:?}");
        for part in [part, "migrate", "doctor", "explain"] {
            assert!(script.out.contains(part), "{shell}: {part}: {}", script.out);
        }
    }
    let unknown = told(shop, "completions tcsh");
    assert!(unknown.code == 2 && unknown.err.contains("bash"), "{unknown:?}");
}

struct Clerk;

impl Actor for Clerk {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Serve;

impl Handler<Serve> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Serve, _: &mut Self::Context) {}
}

/// A service that runs on a thread of its own until this is dropped.
struct Runs {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Runs {
    fn start(service: Service) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (started, is_ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async {
                let running = service.prepare().unwrap().start().await.unwrap();
                started.send(()).unwrap();
                stopped.await.ok();
                running.stop().await;
            });
        });
        is_ready.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

/// A shop whose management listener, or public one, is at this port.
fn at(port: u16, manages: bool, checks: &'static str) -> impl FnOnce(Option<&str>) -> Service {
    move |profile| {
        let port = port.to_string();
        let ports = match manages {
            true => [("APP_MANAGEMENT__ENABLED", "true"), ("APP_MANAGEMENT__PORT", &*port), ("PORT", "0")],
            false => [("APP_MANAGEMENT__ENABLED", "false"), ("APP_MANAGEMENT__PORT", "0"), ("PORT", &*port)],
        };
        shop(profile)
            .with_environment(ports)
            .with_environment([("APP_SERVER__WORKERS", "1")])
            .module(Module::new("hall").check(move |_| {
                let answer = if checks.is_empty() { Ok(()) } else { Err(checks.to_owned()) };
                Check::new("hall", move || std::future::ready(answer.clone()).boxed_local())
            }))
            .on_start(async |boot| {
                let clerk = boot.actors().actor("clerk", |_: &mut Context<Clerk>| Clerk).mailbox_capacity(7);
                let address = clerk.start();
                address.send(Serve).await?;
                // It stops when nobody has its address any more.
                boot.provide(address);
                Ok(())
            })
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_actors_of_a_running_service_are_listed() {
    let port = free_port();
    let runs = Runs::start(at(port, true, "")(Some("development")));
    let listed = told(at(port, true, ""), "actors");
    assert_eq!(listed.code, 0, "{listed:?}");
    let pid = std::process::id();
    assert!(listed.out.starts_with(&format!("shop (pid {pid}) at http://127.0.0.1:{port}\n")), "{listed:?}");
    let clerk: Vec<_> =
        listed.out.lines().find(|line| line.starts_with("clerk")).unwrap().split_whitespace().collect();
    assert_eq!(clerk, ["clerk", "Clerk", "running", "0/7", "-", "1", "0", "0", "-"]);
    let json: Value = serde_json::from_str(&told(at(port, true, ""), "actors clerk --json").out).unwrap();
    assert_eq!(
        json["actors"][0]["mailbox"],
        serde_json::json!({"depth": 0, "capacity": 7, "oldest_seconds": null})
    );
    assert_eq!(json["actors"].as_array().unwrap().len(), 1);
    drop(runs);
    let gone = told(at(port, true, ""), "actors");
    assert_eq!(gone.code, 1);
    let expected = format!(
        "shop: nobody answers at http://127.0.0.1:{port}: Connection refused (os error 111); is `shop` running"
    );
    assert!(gone.err.starts_with(&expected), "{gone:?}");
    let off = told(at(port, false, ""), "actors");
    assert!(off.code == 1 && off.err.contains("management.enabled is false"), "{off:?}");
    let any = told(at(0, true, ""), "actors");
    assert!(any.code == 1 && any.err.contains("management.port is 0"), "{any:?}");
}

#[test]
fn health_is_0_or_1_by_what_the_service_says() {
    for manages in [true, false] {
        let port = free_port();
        let runs = Runs::start(at(port, manages, "")(Some("development")));
        let answer = |words: &str| told(at(port, manages, ""), words);
        assert_eq!((answer("health").code, answer("health").out), (0, "alive\n".to_owned()));
        assert_eq!((answer("health --ready").code, answer("health --ready").out), (0, "ready\n".to_owned()));
        drop(runs);
        assert_eq!(answer("health").code, 1);
    }
    let port = free_port();
    let _runs = Runs::start(at(port, true, "it is on fire")(Some("development")));
    assert_eq!(told(at(port, true, ""), "health").code, 0, "it lives");
    let sick = told(at(port, true, ""), "health --ready");
    assert_eq!((sick.code, &*sick.err), (1, "shop: not ready: hall: it is on fire\n"));
}

#[test]
fn who_does_not_answer_in_time_is_not_healthy() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let late = told(at(port, true, ""), "health --within 50ms");
    assert!(late.code == 1 && late.err.contains("nobody answers"), "{late:?}");
}
