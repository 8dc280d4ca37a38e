//! A service that does a bit of everything, and what makes it do so.

use std::io;
use std::time::Duration;

use actix::prelude::*;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, http::Method};
use diesel::sql_query;
use diesel_async::RunQueryDsl as _;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use spanbox::actor::{AskExt as _, Context, offer};
use spanbox::app::Service;
use spanbox::data::{Conn, Db, DbError, query};
use spanbox::ext::{Extension, Installed};
use spanbox::jobs::{self, Backoff, Enqueue, Job, JobContext, JobError, JobsError, Policy, Schedule};
use spanbox::module::{Boot, BoxError, Module};
use spanbox::testing::{Spans, TestApp, raw};
use spanbox::web::Problem;
use spanbox::web::stream::{Event, Sse};

pub(super) fn create_app(profile: Option<&str>) -> Service {
    let module = Module::new("all")
        .get("/fine", async || HttpResponse::Ok().insert_header(("x-cache", "hit")).finish())
        .get("/fails", async || {
            Err::<HttpResponse, _>(Problem::internal(traced().unwrap_err()).detail("try again"))
        })
        .get("/panics", panics)
        .get("/never", std::future::pending::<HttpResponse>)
        .get("/statements", statements)
        .get("/errand", errand)
        .get("/events", async || Sse::new(stream::iter([Event::new("one")])))
        .get("/actors", actors)
        .post("/jobs/{how}", enqueue)
        .job::<Work, _>(|_| Ok(()))
        .schedule(Schedule::new("* * * * * *", |_| Work { how: "ends".to_owned() }))
        .on_start(async |boot| {
            let clerk =
                boot.actors().actor("clerk", |_: &mut Context<Clerk>| Clerk).mailbox_capacity(1).start();
            boot.provide(clerk);
            Ok(())
        })
        .on_stop(async |_| ());
    Service::new("everything", "1")
        .profile(profile)
        .migrations(&jobs::MIGRATIONS)
        .extension(Cache)
        .module(module)
}

pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    ("APP_TELEMETRY__CAPTURE__REQUEST_HEADERS", "accept"),
    ("APP_TELEMETRY__CAPTURE__RESPONSE_HEADERS", "x-cache"),
    ("APP_TELEMETRY__BODY_SIZES", "true"),
    ("APP_TELEMETRY__DATABASE__SLOW_STATEMENT", "1ns"),
    ("APP_SERVER__ALLOW_HALF_CLOSED", "false"),
];

#[spanbox::traced]
fn traced() -> io::Result<()> {
    Err(io::Error::other("disk on fire"))
}

async fn panics() -> HttpResponse {
    panic!("the handler's own words")
}

/// One statement too often, from one place, and one that fails.
async fn statements(db: Db) -> Result<HttpResponse, Problem> {
    for _ in 0..5 {
        run(&db, "SELECT 1 FROM spanbox_jobs").await?;
    }
    let failed = run(&db, "SELECT 1 FROM nothing").await;
    Ok(HttpResponse::Ok().body(failed.unwrap_err().to_string()))
}

async fn run(db: &Db, sql: &'static str) -> Result<usize, DbError> {
    db.write(async move |conn: &mut Conn| Ok(query!(conn, c => sql_query(sql).execute(c).await)?)).await
}

struct Clerk;

impl Actor for Clerk {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Errand;

#[derive(Message)]
#[rtype(result = "()")]
struct Fall;

impl Handler<Errand> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Errand, ctx: &mut Self::Context) {
        ctx.run_later(Duration::ZERO, |_, _| ());
        ctx.run_interval(Duration::from_millis(20), |_, _| ());
    }
}

impl Handler<Fall> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Fall, _: &mut Self::Context) {
        panic!("the actor's own words")
    }
}

async fn errand(clerk: Data<Addr<Clerk>>) -> HttpResponse {
    clerk.get_ref().ask(Errand, Duration::from_secs(5)).await.unwrap();
    HttpResponse::Ok().finish()
}

/// More messages than the mailbox holds, and one that its handler panics at.
async fn actors(clerk: Data<Addr<Clerk>>) -> HttpResponse {
    let clerk = clerk.get_ref().clone();
    let recipient = clerk.clone().recipient();
    // Nobody takes anything out meanwhile: this task and the actor share a thread.
    while offer(&clerk, Errand).is_ok() {}
    while offer(&recipient, Errand).is_ok() {}
    let fallen = clerk.ask(Fall, Duration::from_secs(5)).await;
    HttpResponse::Ok().body(fallen.unwrap_err().to_string())
}

#[derive(Serialize, Deserialize)]
struct Work {
    how: String,
}

#[derive(Serialize, Deserialize)]
struct Unknown;

impl Job for Work {
    const NAME: &'static str = "work";
    type State = ();

    fn policy() -> Policy {
        Policy::default().max_attempts(2).backoff(Backoff::constant(Duration::from_millis(1)))
    }

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        match self.how.as_str() {
            "fails" => Err(JobError::retry("the gateway is away")),
            "panics" => panic!("the job's own words"),
            _ => Ok(()),
        }
    }
}

impl Job for Unknown {
    const NAME: &'static str = "unknown";
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

async fn enqueue(db: Db, how: Path<String>) -> Result<HttpResponse, Problem> {
    let how = how.into_inner();
    db.write(async move |conn: &mut Conn| match how.as_str() {
        "is unknown" => Enqueue::new(Unknown).enqueue(conn).await.map(drop),
        "comes twice" => {
            let jobs = ["ends", "ends"].map(|how| Work { how: how.to_owned() });
            jobs::enqueue_many(conn, jobs).await.map(drop)
        }
        _ => Enqueue::new(Work { how }).enqueue(conn).await.map(drop),
    })
    .await
    .map_err(|error: JobsError| Problem::internal(error))?;
    Ok(HttpResponse::Accepted().finish())
}

struct Cache;

impl Extension for Cache {
    const NAME: &'static str = "cache";
    type Installed = Cached;

    async fn install(self, _: Boot) -> Result<Cached, BoxError> {
        Ok(Cached)
    }
}

struct Cached;

impl Installed for Cached {}

/// Has the service do everything, and waits until it has.
pub(super) async fn use_all_of(app: &TestApp) {
    let headers = [("accept", "*/*"), ("authorization", "Bearer x"), ("user-agent", "test")];
    app.send(Method::GET, "/fine", &headers, Default::default()).await;
    for path in ["/nowhere", "/fails", "/panics", "/statements", "/errand", "/events"] {
        app.get(path).await;
    }
    // A panic ends the intervals.
    app.expect_path(&["Clerk run_interval"]).await;
    app.get("/actors").await;
    let address = app.running().addresses()[0];
    raw(address, b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n", Duration::from_millis(20)).await;
    for how in ["ends", "fails", "panics", "is%20unknown", "comes%20twice"] {
        app.send(Method::POST, &format!("/jobs/{how}"), &[], "{}".into()).await;
    }
    for path in [
        &["GET /never"] as &[&str],
        &["GET /fails", "traced"],
        &["GET /actors", "Clerk Fall"],
        &["Clerk run_later"],
        &["jobs.schedule.tick", "send default", "process default"],
        &["settle default"],
    ] {
        app.expect_path(path).await;
    }
    app.eventually("each job has ended as it should", async || {
        let spans = app.capture().spans();
        let runs = || spans.named("process default");
        let ended = |how: &str| {
            runs().filter(|run| Spans::attribute(run, "error.type").as_deref() == Some(how)).count()
        };
        (ended("failed") == 2 && ended("panic") == 2 && ended("unknown_kind") == 1).then_some(())
    })
    .await;
}
