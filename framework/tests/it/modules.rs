//! Modules: prefixes, nesting, hooks, guards, error handlers, settings, checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::FutureExt;
use opentelemetry::trace::noop::NoopTracerProvider;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spanbox::app::Service;
use spanbox::config::Section;
use spanbox::module::Module;
use spanbox::testing::{Spans, TestApp};
use spanbox::web::{Check, Json, Problem, Settings};

async fn fine() -> &'static str {
    "fine"
}

async fn refused() -> Result<HttpResponse, Problem> {
    Err(Problem::conflict("no"))
}

fn mark(text: &'static str) -> impl Fn(&HttpRequest, &mut HttpResponse) + Send + Sync {
    move |_, response| {
        response.headers_mut().append(HeaderName::from_static("x-after"), HeaderValue::from_static(text));
    }
}

async fn key_is_there(request: HttpRequest) -> Result<(), Problem> {
    match request.headers().contains_key("x-key") {
        true => Ok(()),
        false => Err(Problem::new(actix_web::http::StatusCode::UNAUTHORIZED, "no-key")),
    }
}

fn nested(profile: Option<&str>) -> Service {
    Service::new("nested", "1.0.0")
        .profile(profile)
        .after(mark("service"))
        .module(
            Module::new("outer")
                .prefix("/outer")
                .after(mark("outer"))
                .on_error(|_, problem| {
                    (problem.kind() == "conflict").then(|| HttpResponse::ImATeapot().body("outer's own"))
                })
                .get("/", fine)
                .get("/refused", refused)
                .module(
                    Module::new("inner")
                        .prefix("/{tenant}/inner")
                        .before(key_is_there)
                        .after(mark("inner"))
                        .get("/{id}", fine)
                        .get("/refused", refused),
                ),
        )
        .module(Module::new("beside").get("/refused", refused))
}

#[actix::test]
async fn hooks_and_error_handlers_see_only_their_own_module() {
    let app = TestApp::start(nested).await;
    let after = |answer: &spanbox::testing::Answer| {
        answer.headers.get_all("x-after").map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let key = [("x-key", "k")];
    let get = async |path: &str| app.send(actix_web::http::Method::GET, path, &key, Default::default()).await;

    assert_eq!(after(&app.get("/outer").await), ["outer", "service"]);
    assert_eq!(after(&get("/outer/acme/inner/7").await), ["inner", "outer", "service"]);
    // The hook that looks before answers in the handler's place, and what looks after sees its answer.
    let without_key = app.get("/outer/acme/inner/7").await;
    assert_eq!(
        (without_key.status.as_u16(), after(&without_key)),
        (401, vec!["inner".into(), "outer".into(), "service".into()])
    );

    assert_eq!(get("/outer/refused").await.text(), "outer's own");
    assert_eq!(get("/outer/acme/inner/refused").await.text(), "outer's own");
    assert_eq!(get("/refused").await.status, 409);

    let inner = app.expect_path(&["GET /outer/{tenant}/inner/{id}"]).await;
    assert_eq!(Spans::attribute(&inner, "spanbox.module").unwrap(), "inner");
    app.stop().await;
}

#[actix::test]
async fn a_guard_hides_a_module_and_two_guarded_ones_may_share_a_route() {
    async fn first() -> &'static str {
        "first"
    }
    async fn second() -> &'static str {
        "second"
    }
    let version = |wanted: &'static str| {
        move |context: &actix_web::guard::GuardContext<'_>| {
            context.head().headers().get("x-version").is_some_and(|version| version == wanted)
        }
    };
    let app = TestApp::start(|profile| {
        Service::new("guarded", "1")
            .profile(profile)
            .module(Module::new("v1").guard(version("1")).get("/thing", first))
            .module(Module::new("v2").guard(version("2")).get("/thing", second))
    })
    .await;
    let get = async |version: &'static str| {
        app.send(actix_web::http::Method::GET, "/thing", &[("x-version", version)], Default::default()).await
    };
    assert_eq!(get("1").await.text(), "first");
    assert_eq!(get("2").await.text(), "second");
    assert_eq!(get("3").await.status, 404);
    app.stop().await;
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Greeting {
    word: String,
}

impl Section for Greeting {
    const NAME: &'static str = "greeting";
}

#[actix::test]
async fn a_module_has_settings_state_and_checks_of_its_own() {
    async fn greet(greeting: Settings<Greeting>, name: web::Data<&'static str>) -> Json<String> {
        Json(format!("{} {}", greeting.word, **name))
    }
    let broken = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&broken);
    let app = TestApp::start_with(
        |profile| {
            Service::new("greeter", "1").profile(profile).module(
                Module::new("greetings")
                    .settings::<Greeting>()
                    .on_start(async |boot| {
                        boot.provide("world");
                        Ok(())
                    })
                    .check(move |_| {
                        Check::new("mood", move || {
                            let broken = state.load(Ordering::Relaxed);
                            async move { if broken { Err("in a bad mood".to_owned()) } else { Ok(()) } }
                                .boxed_local()
                        })
                    })
                    .get("/", greet),
            )
        },
        [("APP_GREETING__WORD", "hello")],
    )
    .await;
    assert_eq!(app.get("/").await.json::<String>(), "hello world");
    assert_eq!(app.get("/health/ready").await.status, 200);
    broken.store(true, Ordering::Relaxed);
    let unready = app.get("/health/ready").await;
    assert_eq!(unready.status, 503);
    let report: Value = unready.json();
    assert_eq!(
        (&report["checks"][0]["name"], &report["checks"][0]["error"]),
        (&"mood".into(), &"in a bad mood".into())
    );
    assert_eq!(app.get("/health/").await.status, 200);
    app.stop().await;
}

#[actix::test]
async fn the_instrumentation_crate_around_a_handler_gets_right_parents() {
    /// That crate knows only the process's provider, which nothing else here reads. It is the service's own while this
    /// lives, so that one capture has the whole tree, and nobody's afterwards.
    struct Installed;
    impl Drop for Installed {
        fn drop(&mut self) {
            opentelemetry::global::set_tracer_provider(NoopTracerProvider::new());
        }
    }
    async fn inside() -> &'static str {
        spanbox::telemetry::span("inside").run(async { "fine" }).await
    }
    let installed = Installed;
    let app = TestApp::start(|profile| {
        let module = Module::new("all")
            .on_start(async |boot| {
                let provider = boot.telemetry().providers().traces.clone().ok_or("traces are off")?;
                opentelemetry::global::set_tracer_provider(provider);
                Ok(())
            })
            .configure("/wrapped", |config| {
                config.service(
                    web::resource("")
                        .wrap(opentelemetry_instrumentation_actix_web::RequestTracing::new())
                        .route(web::get().to(inside)),
                );
            });
        Service::new("wrapped", "1").profile(profile).module(module)
    })
    .await;
    assert_eq!(app.get("/wrapped").await.text(), "fine");
    let inside = app.expect_path(&["GET /wrapped", "GET /wrapped", "inside"]).await;
    let (_, spans) = app.stop().await;
    drop(installed);

    let tree = spans.of_trace(inside.span_context.trace_id());
    let theirs = tree.parent(&inside).unwrap();
    let ours = tree.parent(theirs).unwrap();
    let scopes = [theirs, ours].map(|span| span.instrumentation_scope.name());
    assert_eq!(scopes, ["opentelemetry-instrumentation-actix-web", "spanbox"]);
    assert_eq!(tree.all().len(), 3, "{tree:?}");
}
