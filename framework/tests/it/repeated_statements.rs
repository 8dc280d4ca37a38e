//! Statements that a request, a job or a message repeats where one would do (N+1).

use std::time::Duration;

use actix::prelude::*;
use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::future::try_join_all;
use opentelemetry_sdk::trace::SpanData;
use serde::{Deserialize, Serialize};
use spanbox::app::Service;
use spanbox::data::{Conn, Db, DbError, query};
use spanbox::jobs::{self, Job, JobContext, JobError};
use spanbox::module::Module;
use spanbox::telemetry::Telemetry;
use spanbox::testing::{Spans, TestApp, TestDatabase};
use spanbox::web::{Json, Problem};

diesel::table! { items (id) { id -> Integer, price -> Integer } }

type Prices = Result<Json<Vec<i32>>, Problem>;

async fn price(db: &Db, id: i32) -> Result<i32, DbError> {
    let read = db.read(async move |conn: &mut Conn| {
        query!(conn, c => items::table.find(id).select(items::price).first(c).await)
    });
    read.await
}

/// One statement for each.
async fn bad(db: Db) -> Prices {
    let mut prices = Vec::new();
    for id in 0..10 {
        prices.push(price(&db, id).await?);
    }
    Ok(Json(prices))
}

/// One for all.
async fn good(db: Db) -> Prices {
    let read = db.read(async |conn: &mut Conn| {
        let wanted = items::table.filter(items::id.eq_any(0..10)).order(items::id);
        query!(conn, c => wanted.select(items::price).load(c).await)
    });
    Ok(Json(read.await?))
}

/// One for each, side by side.
async fn parallel(db: Db) -> Prices {
    Ok(Json(try_join_all((0..10).map(|id| price(&db, id))).await?))
}

/// Five in one unit of work, each another one.
async fn varied(db: Db) -> Prices {
    let read = db.read(async |conn: &mut Conn| {
        let mut prices = Vec::new();
        prices.push(query!(conn, c => items::table.find(0).select(items::price).first(c).await)?);
        prices.push(query!(conn, c => items::table.select(items::price).order(items::id).first(c).await)?);
        prices.push(query!(conn, c => items::table.select(items::id).order(items::id).first(c).await)?);
        prices.push(query!(conn, c => items::table.select(items::id).order(items::price).first(c).await)?);
        prices.push(query!(conn, c => items::table.select(items::price).order(items::price).first(c).await)?);
        Ok::<_, DbError>(prices)
    });
    Ok(Json(read.await?))
}

/// Fewer than are too many.
async fn few(db: Db) -> Prices {
    let mut prices = Vec::new();
    for id in 0..4 {
        prices.push(price(&db, id).await?);
    }
    Ok(Json(prices))
}

#[derive(Serialize, Deserialize)]
struct Reprice;

impl Job for Reprice {
    const NAME: &'static str = "reprice";
    type State = ();

    async fn run(self, (): (), ctx: JobContext) -> Result<(), JobError> {
        for id in 0..6 {
            price(ctx.db(), id).await?;
        }
        Ok(())
    }
}

async fn enqueue(db: Db) -> Result<Json<&'static str>, Problem> {
    let enqueued = db.write(async |conn: &mut Conn| jobs::enqueue(conn, Reprice).await.map(drop));
    enqueued.await.map_err(Problem::internal)?;
    Ok(Json("enqueued"))
}

/// Looks at prices once, of its own accord.
struct Looker(Db);

#[derive(Message)]
#[rtype(result = "()")]
struct Look;

impl Actor for Looker {
    type Context = spanbox::actor::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.notify_later(Look, Duration::from_millis(1));
    }
}

impl Handler<Look> for Looker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Look, _: &mut Self::Context) -> Self::Result {
        let db = self.0.clone();
        Box::pin(async move {
            for id in 0..7 {
                price(&db, id).await.unwrap();
            }
        })
    }
}

fn shop(profile: Option<&str>) -> Service {
    Service::new("shop", "1.0.0").profile(profile).migrations(&jobs::MIGRATIONS).module(
        Module::new("prices")
            .get("/bad", bad)
            .get("/good", good)
            .get("/parallel", parallel)
            .get("/varied", varied)
            .get("/few", few)
            .post("/enqueue", enqueue)
            .job::<Reprice, _>(|_boot| Ok(())),
    )
}

/// A database with ten items.
async fn stocked() -> TestDatabase {
    let database = TestDatabase::fresh().await;
    let db = Db::connect(&database.settings(), &Telemetry::disabled()).await.unwrap();
    db.write(async |conn: &mut Conn| -> Result<(), DbError> {
        let table = "CREATE TABLE items (id INTEGER PRIMARY KEY, price INTEGER NOT NULL)";
        query!(conn, c => diesel::sql_query(table).execute(c).await)?;
        let rows: Vec<_> = (0..10).map(|id| (items::id.eq(id), items::price.eq(id))).collect();
        for row in rows {
            query!(conn, c => diesel::insert_into(items::table).values(row).execute(c).await)?;
        }
        Ok(())
    })
    .await
    .unwrap();
    database
}

/// How often each repeated statement of a span ran.
fn repeated(span: &SpanData) -> Vec<String> {
    let named = span.events.iter().filter(|event| event.name == "db.n_plus_one");
    let count = |event: &opentelemetry::trace::Event| {
        let count = event.attributes.iter().find(|a| a.key.as_str() == "spanbox.db.statements");
        count.unwrap().value.to_string()
    };
    named.map(count).collect()
}

#[actix::test]
async fn the_bad_version_of_an_endpoint_is_found_and_the_good_one_is_not() {
    let app = TestApp::start_on(stocked().await, shop, [] as [(&str, &str); 0]).await;
    let (bad, good) = (app.get("/bad").await, app.get("/good").await);
    assert_eq!((bad.status.as_u16(), good.status.as_u16()), (200, 200), "{bad:?} {good:?}");
    assert_eq!(bad.json::<Vec<i32>>(), good.json::<Vec<i32>>());
    let span = app.expect_path(&["GET /bad"]).await;
    assert_eq!(repeated(&span), ["10"]);
    let event = &span.events.events[0];
    let attribute = |key: &str| {
        event.attributes.iter().find(|a| a.key.as_str() == key).map(|a| a.value.to_string()).unwrap()
    };
    assert_eq!(attribute("db.query.summary"), "SELECT items");
    assert!(attribute("code.file.path").ends_with("repeated_statements.rs"), "{event:?}");
    assert!(attribute("code.line.number").parse::<u32>().unwrap() > 0);
    assert_eq!(repeated(&app.expect_path(&["GET /good"]).await), Vec::<String>::new());
    app.stop().await;
}

#[actix::test]
async fn statements_side_by_side_are_found_and_different_ones_are_not() {
    let app = TestApp::start_on(stocked().await, shop, [] as [(&str, &str); 0]).await;
    for (path, found) in [("/parallel", vec!["10"]), ("/varied", vec![]), ("/few", vec![])] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
        assert_eq!(repeated(&app.expect_path(&[&format!("GET {path}")]).await), found, "{path}");
    }
    app.stop().await;
}

#[actix::test]
async fn requests_are_counted_each_for_itself_also_in_one_trace() {
    let app = TestApp::start_on(stocked().await, shop, [] as [(&str, &str); 0]).await;
    let parent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    for _ in 0..3 {
        let answer = app.send(actix_web::http::Method::GET, "/few", &[parent], Default::default()).await;
        assert_eq!(answer.status, 200);
    }
    let (_, spans) = app.stop().await;
    let few: Vec<_> = spans.named("GET /few").collect();
    assert_eq!(few.len(), 3);
    assert!(few.iter().all(|span| repeated(span).is_empty()), "{few:?}");
}

#[actix::test]
async fn a_run_of_a_job_is_counted_for_itself() {
    let app = TestApp::start_on(stocked().await, shop, [] as [(&str, &str); 0]).await;
    assert_eq!(app.post("/enqueue", &()).await.status, 200);
    let run = app.expect_path(&["POST /enqueue", "process default"]).await;
    assert_eq!(repeated(&run), ["6"]);
    let (_, spans) = app.stop().await;
    assert_eq!(repeated(spans.named("POST /enqueue").next().unwrap()), Vec::<String>::new());
}

#[actix::test]
async fn a_message_that_begins_a_trace_is_counted_for_itself() {
    let looking = |profile: Option<&str>| {
        shop(profile).module(Module::new("looking").on_start(async |boot| {
            let db = boot.db()?;
            let looker = move |_: &mut spanbox::actor::Context<Looker>| Looker(db.clone());
            boot.actors().actor("looker", looker).start();
            Ok(())
        }))
    };
    let app = TestApp::start_on(stocked().await, looking, [] as [(&str, &str); 0]).await;
    let look = app.expect_path(&["Looker Look"]).await;
    assert_eq!(repeated(&look), ["7"]);
    assert_eq!(Spans::attribute(&look, "actor.message.outcome").as_deref(), Some("handled"));
    // Nothing caused the message but the actor itself, which the checks of `stop` take for a loss.
    let _ = app.stop_unchecked().await;
}
