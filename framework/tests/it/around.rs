//! Hooks and middlewares of extensions, around everything that a service answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpResponse, web};
use serde_json::Value;
use spanbox::app::Service;
use spanbox::ext::Extension;
use spanbox::module::{Boot, BoxError, Module};
use spanbox::testing::{Spans, TestApp};
use spanbox::web::Problem;

type Diary = Arc<Mutex<Vec<String>>>;

/// An extension that notes what passes it, and puts a header on each answer.
struct Watch(Diary);

impl Extension for Watch {
    const NAME: &'static str = "watch";
    type Installed = ();

    async fn install(self, boot: Boot) -> Result<(), BoxError> {
        let diary = self.0;
        for name in ["outer", "inner"] {
            let diary = Arc::clone(&diary);
            boot.wrap(move || {
                let diary = Arc::clone(&diary);
                from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
                    pass(Arc::clone(&diary), name, request, next)
                })
            });
        }
        let of = Arc::clone(&diary);
        boot.admit(move |_| {
            note(&of, "admit");
            async { Ok(()) }
        });
        let of = Arc::clone(&diary);
        boot.before(move |request| {
            note(&of, "before");
            let refused = request.query_string() == "refused";
            async move { if refused { Err(Problem::conflict("not now")) } else { Ok(()) } }
        });
        boot.after(move |_, _| note(&diary, "after"));
        Ok(())
    }
}

fn note(diary: &Diary, what: &str) {
    diary.lock().unwrap().push(what.to_owned());
}

async fn pass(
    diary: Diary,
    name: &'static str,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    note(&diary, name);
    let answer = next.call(request).await;
    note(&diary, &format!("{name} again"));
    let mut answer = answer?;
    let header = HeaderName::try_from(format!("x-{name}")).unwrap();
    answer.headers_mut().insert(header, HeaderValue::from_static("1"));
    Ok(answer)
}

fn service(diary: &Diary) -> impl FnOnce(Option<&str>) -> Service {
    let diary = Arc::clone(diary);
    move |profile| {
        let module = Module::new("all")
            .get("/fine", async || "fine")
            .get("/panics", async || -> HttpResponse { panic!("the handler's own words") })
            .get("/fails", async || Err::<HttpResponse, _>(Problem::internal("disk on fire")))
            .get("/foreign", async || {
                Err::<HttpResponse, actix_web::Error>(actix_web::error::ErrorBadGateway("upstream said no"))
            })
            .get("/never", std::future::pending::<HttpResponse>)
            .post("/fine", async || "posted")
            .configure("/mounted", |config| {
                config.route("/here", web::get().to(async || "here"));
            })
            .module(
                Module::new("own")
                    .prefix("/own")
                    .get("/fails", async || {
                        Err::<HttpResponse, _>(Problem::new(StatusCode::IM_A_TEAPOT, "teapot"))
                    })
                    .on_error(|_, _| Some(HttpResponse::ImATeapot().body("short and stout"))),
            );
        let of = Arc::clone(&diary);
        Service::new("around", "1")
            .profile(profile)
            .extension(Watch(diary))
            .before(move |_| {
                note(&of, "the service's before");
                async { Ok(()) }
            })
            .module(module)
    }
}

#[actix::test]
async fn middlewares_are_around_hooks_which_are_around_the_handler() {
    let diary = Diary::default();
    let app = TestApp::start(service(&diary)).await;
    assert_eq!(app.get("/fine").await.text(), "fine");
    let order =
        ["outer", "inner", "before", "the service's before", "admit", "inner again", "outer again", "after"];
    assert_eq!(*diary.lock().unwrap(), order);

    diary.lock().unwrap().clear();
    let refused = app.get("/fine?refused").await;
    assert_eq!((refused.status.as_u16(), refused.header("x-outer")), (409, Some("1")));
    assert_eq!(*diary.lock().unwrap(), ["outer", "inner", "before", "inner again", "outer again", "after"]);
    app.stop().await;
}

#[actix::test]
async fn every_answer_goes_through_the_middlewares_and_keeps_what_they_put_on_it() {
    let diary = Diary::default();
    let app = TestApp::start_with(service(&diary), [("APP_SERVER__REQUEST_TIMEOUT", "200ms")]).await;
    for (path, status, kind) in [
        ("/fine", 200, None),
        ("/panics", 500, Some("internal")),
        ("/fails", 500, Some("internal")),
        ("/foreign", 502, Some("bad-gateway")),
        ("/never", 504, Some("timeout")),
        ("/nowhere", 404, Some("not-found")),
        ("/mounted/here", 200, None),
        ("/mounted/nowhere", 404, Some("not-found")),
        ("/own/fails", 418, None),
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        for name in ["x-outer", "x-inner"] {
            assert_eq!(answer.header(name), Some("1"), "{path}: {name}");
        }
        if let Some(kind) = kind {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
            let said = answer.json::<Value>()["type"].as_str().unwrap().to_owned();
            assert!(said.ends_with(&format!(":{kind}")), "{path}: {said}");
        }
    }
    assert_eq!(app.get("/own/fails").await.text(), "short and stout");
    let wrong_method = app.send(actix_web::http::Method::PUT, "/fine", &[], Default::default()).await;
    assert_eq!((wrong_method.status.as_u16(), wrong_method.header("x-outer")), (405, Some("1")));
    assert_eq!(wrong_method.header("allow"), Some("GET, POST, HEAD"));
    app.stop().await;
}

#[actix::test]
async fn a_failure_is_recorded_once_and_as_what_it_was() {
    let diary = Diary::default();
    let app = TestApp::start_with(service(&diary), [("APP_SERVER__REQUEST_TIMEOUT", "200ms")]).await;
    for (path, error) in [("/panics", "panic"), ("/fails", "500"), ("/foreign", "502"), ("/never", "timeout")]
    {
        app.get(path).await;
        let span = app.expect_path(&[&format!("GET {path}")]).await;
        assert_eq!(Spans::attribute(&span, "error.type").as_deref(), Some(error), "{path}");
        let told = span.events.events.iter().filter(|event| event.name == "exception").count();
        assert_eq!(told, usize::from(path != "/never"), "{path}: {:?}", span.events);
    }
    app.stop().await;
}

#[actix::test]
async fn a_middleware_that_fails_panics_or_hangs_is_a_problem_like_a_handler() {
    struct Broken;
    impl Extension for Broken {
        const NAME: &'static str = "broken";
        type Installed = ();

        async fn install(self, boot: Boot) -> Result<(), BoxError> {
            boot.wrap(|| {
                from_fn(async |request: ServiceRequest, next: Next<BoxBody>| match request.query_string() {
                    "fails" => Err(actix_web::error::ErrorForbidden("not through here")),
                    "panics" => panic!("the middleware's own words"),
                    "hangs" => std::future::pending().await,
                    _ => next.call(request).await,
                })
            });
            Ok(())
        }
    }
    let service = |profile: Option<&str>| {
        let module = Module::new("all").get("/fine", async || "fine");
        Service::new("broken", "1").profile(profile).extension(Broken).module(module)
    };
    let app = TestApp::start_with(service, [("APP_SERVER__REQUEST_TIMEOUT", "100ms")]).await;
    for (query, status) in [("", 200), ("fails", 403), ("panics", 500), ("hangs", 504), ("", 200)] {
        let answer = app.get(&format!("/fine?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{query}");
            assert!(!answer.text().contains("own words"), "{answer:?}");
        }
    }
    app.stop().await;
}

#[actix::test]
async fn a_client_that_goes_away_leaves_nothing_behind_a_middleware() {
    let diary = Diary::default();
    let app = TestApp::start_with(service(&diary), [("APP_SERVER__ALLOW_HALF_CLOSED", "false")]).await;
    let address = app.running().addresses()[0];
    spanbox::testing::raw(address, b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n", Duration::from_millis(20))
        .await;
    let span = app.expect_path(&["GET /never"]).await;
    assert_eq!(Spans::attribute(&span, "error.type").as_deref(), Some("client_disconnected"));
    app.stop().await;
}
