//! A service that can not keep up says so, and gets well by itself.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actix::prelude::*;
use actix_web::HttpResponse;
use actix_web::web::Data;
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spanbox::actor::Context;
use spanbox::app::Service;
use spanbox::data::{Conn, Db, DbError, query};
use spanbox::jobs::{self, Job, JobContext, JobError, JobsError};
use spanbox::module::Module;
use spanbox::testing::{TestApp, TestDatabase};
use spanbox::web::Problem;
use tokio::sync::watch;

/// Something that is held until it is let go.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let (open, opened) = &*self.0;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
    }
}

struct Slow(Gate);

impl Actor for Slow {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hold;

impl Handler<Hold> for Slow {
    type Result = ();

    fn handle(&mut self, _: Hold, _: &mut Self::Context) {
        self.0.pass();
    }
}

fn service(profile: Option<&str>, gate: &Gate) -> Service {
    let (held, hold) = (gate.clone(), gate.clone());
    let module = Module::new("all")
        .get("/fine", async || "fine")
        .get("/spared", async || "spared")
        .post("/message", async |actor: Data<Addr<Slow>>| {
            actor.do_send(Hold);
            HttpResponse::Accepted().finish()
        })
        .post("/unit", move |db: Db| {
            let hold = hold.clone();
            async move {
                // Nobody waits for it.
                spanbox::context::spawn(async move {
                    db.write(async move |_: &mut Conn| {
                        hold.pass();
                        Ok::<_, DbError>(())
                    })
                    .await
                });
                HttpResponse::Accepted().finish()
            }
        })
        .on_start(async move |boot| {
            let arbiter = boot.actors().arbiter();
            let slow = boot
                .actors()
                .actor("slow", move |_: &mut Context<Slow>| Slow(held.clone()))
                .on(arbiter.handle())
                .start();
            boot.provide(slow);
            Ok(())
        });
    let ungated = Module::new("vital").critical().get("/vital", async || "vital");
    Service::new("shedding", "1")
        .profile(profile)
        .migrations(&jobs::MIGRATIONS)
        .module(module)
        .module(ungated)
}

const QUICK: &[(&str, &str)] = &[
    ("APP_SHEDDING__INTERVAL", "10ms"),
    ("APP_SHEDDING__CALM", "50ms"),
    ("APP_SHEDDING__MAILBOX_AGE", "200ms"),
    ("APP_SHEDDING__POOL_WAIT", "200ms"),
    ("APP_SHEDDING__EXCLUDE", "GET /spared"),
];

/// Waits until requests are refused, looks at how, lets go, and waits until they are taken.
async fn refused_for(app: &TestApp, reason: &str, let_go: impl FnOnce()) {
    let refused = app.eventually("requests are refused", async || {
        let answer = app.get("/fine").await;
        (answer.status == 503).then_some(answer)
    });
    let refused = refused.await;
    assert_eq!(refused.header("retry-after"), Some("2"), "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let problem: Value = refused.json();
    assert!(problem["type"].as_str().unwrap().ends_with(":overloaded"), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    let ready = app.get("/health/ready").await;
    assert_eq!(ready.status, 503);
    let load = ready.json::<Value>()["checks"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(load["name"], "load");
    assert!(load["error"].as_str().unwrap().contains(reason), "{load}");
    for path in ["/health/", "/vital", "/spared"] {
        assert_eq!(app.get(path).await.status, 200, "{path} is answered all the same");
    }
    assert_eq!(app.get("/nowhere").await.status, 503);
    let_go();
    app.eventually("requests are taken again", async || (app.get("/fine").await.status == 200).then_some(()))
        .await;
    let ready = app.get("/health/ready").await;
    assert_eq!(ready.status, 200, "{ready:?}");
}

#[actix::test]
async fn an_old_message_turns_requests_away_until_it_is_done() {
    let gate = Gate::default();
    let create_app = |profile: Option<&str>| service(profile, &gate);
    let app = TestApp::start_with(create_app, QUICK.iter().copied()).await;
    for _ in 0..3 {
        assert_eq!(
            app.send(actix_web::http::Method::POST, "/message", &[], Default::default()).await.status,
            202
        );
    }
    refused_for(&app, "mailbox_age", || gate.open()).await;
    app.stop().await;
}

#[actix::test]
async fn a_wait_for_the_database_turns_requests_away_until_it_is_over() {
    let gate = Gate::default();
    let create_app = |profile: Option<&str>| service(profile, &gate);
    // SQLite has one writer.
    let app = TestApp::start_on(TestDatabase::sqlite(), create_app, QUICK.iter().copied()).await;
    for _ in 0..2 {
        assert_eq!(
            app.send(actix_web::http::Method::POST, "/unit", &[], Default::default()).await.status,
            202
        );
    }
    refused_for(&app, "pool_wait", || gate.open()).await;
    app.stop().await;
}

/// Waits until all may pass.
#[derive(Deserialize, Serialize)]
struct Late {}

impl Job for Late {
    const NAME: &'static str = "late";
    type State = watch::Receiver<bool>;

    async fn run(self, mut open: watch::Receiver<bool>, _: JobContext) -> Result<(), JobError> {
        open.wait_for(|open| *open).await?;
        Ok(())
    }
}

/// Enqueues jobs that were due an hour ago.
async fn enqueue_late(db: Db) -> Result<HttpResponse, Problem> {
    db.write(async |conn: &mut Conn| -> Result<(), JobsError> {
        jobs::enqueue_many::<Late>(conn, (0..20).map(|_| Late {})).await?;
        let sql = "UPDATE spanbox_jobs SET run_at = run_at - 3600000000";
        query!(conn, c => diesel::sql_query(sql).execute(c).await)?;
        Ok(())
    })
    .await
    .map_err(Problem::internal)?;
    Ok(HttpResponse::Accepted().finish())
}

fn late_service(profile: Option<&str>, open: watch::Receiver<bool>) -> Service {
    let module = Module::new("all")
        .get("/fine", async || "fine")
        .get("/spared", async || "spared")
        .post("/late", enqueue_late)
        .job::<Late, _>(move |_boot| Ok(open));
    let ungated = Module::new("vital").critical().get("/vital", async || "vital");
    Service::new("late", "1").profile(profile).migrations(&jobs::MIGRATIONS).module(module).module(ungated)
}

#[actix::test]
async fn jobs_that_are_late_turn_requests_away_until_they_are_done() {
    let (open, opened) = watch::channel(false);
    let database = TestDatabase::fresh().await;
    // Nobody runs them yet.
    let environment = QUICK.iter().chain(&[("APP_JOBS__IN_SERVE", "false")]).copied();
    let create_app = |profile: Option<&str>| late_service(profile, opened.clone());
    let app = TestApp::start_on(database.clone(), create_app, environment).await;
    let enqueued = app.send(actix_web::http::Method::POST, "/late", &[], Default::default()).await;
    assert_eq!(enqueued.status, 202, "{enqueued:?}");
    assert_eq!(app.get("/fine").await.status, 200, "a process that runs no jobs does not know");
    app.stop().await;

    // One at a time, so that most of them wait.
    let environment = QUICK.iter().chain(&[("APP_JOBS__CONCURRENCY", "1"), ("APP_SHEDDING__JOB_LAG", "1m")]);
    let app = TestApp::start_on(database, create_app, environment.copied()).await;
    refused_for(&app, "job_lag", || open.send(true).unwrap()).await;
    app.stop().await;
}

#[actix::test]
async fn nobody_is_turned_away_where_it_is_off() {
    let gate = Gate::default();
    let create_app = |profile: Option<&str>| service(profile, &gate);
    let off = QUICK.iter().chain(&[("APP_SHEDDING__ENABLED", "false")]).copied();
    let app = TestApp::start_with(create_app, off).await;
    app.send(actix_web::http::Method::POST, "/message", &[], Default::default()).await;
    tokio::time::timeout(Duration::from_millis(400), async {
        loop {
            assert_eq!(app.get("/fine").await.status, 200);
        }
    })
    .await
    .unwrap_err();
    gate.open();
    app.stop().await;
}

#[test]
fn a_route_that_is_excluded_and_is_none_is_refused() {
    let gate = Gate::default();
    let errors = service(None, &gate).environment([("APP_SHEDDING__EXCLUDE", "GET /sparred")]).prepare();
    let error = errors.err().unwrap().to_string();
    assert!(
        error.contains("shedding.exclude: there is no route `GET /sparred`; did you mean `GET /spared`?"),
        "{error}"
    );
}
