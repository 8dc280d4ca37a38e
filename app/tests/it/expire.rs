//! Orders that nobody processes any more are ended; all others are left alone.

use orders::create_app;
use serde::{Deserialize, Serialize};
use spanbox::data::{Backend, Conn};
use spanbox::jobs::{self, Job, JobContext, JobError, JobsError, State};
use spanbox::testing::{Spans, TestApp};

use crate::orders::place;
use crate::stored::{Orders, Records, count};

/// The service's own job by its name; it is the service that runs it.
#[derive(Deserialize, Serialize)]
struct ExpireStaleOrders {}

impl Job for ExpireStaleOrders {
    const NAME: &'static str = "expire_stale_orders";
    const QUEUE: &'static str = "orders";
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        unreachable!("the service runs it")
    }
}

/// Runs the job in the service to its end.
pub(crate) async fn expire(app: &TestApp, records: &Records) {
    let db = app.running().db().unwrap();
    let enqueued = db
        .write(async |conn: &mut Conn| -> Result<_, JobsError> {
            jobs::enqueue(conn, ExpireStaleOrders {}).await
        })
        .await
        .unwrap();
    app.eventually("the job is completed", async || {
        let id = enqueued.id;
        let record = records.db().read(async move |conn: &mut Conn| jobs::store::get(conn, id).await).await;
        let state = record.unwrap().unwrap().state().unwrap();
        assert!(!matches!(state, State::Dead | State::Parked), "{state}");
        (state == State::Completed).then_some(())
    })
    .await;
}

/// Stores orders as something before our time left them, without jobs.
async fn leave(records: &Records, orders: usize, status: &str, changed: &str) {
    let sql = format!(
        "INSERT INTO orders (product_name, amount_minor, currency, status, created_at, updated_at, version) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {orders}) \
         SELECT 'Widget', 100, 'USD', '{status}', '2020-01-01 00:00:00', '{changed}', 1 FROM n"
    );
    let sql = if matches!(records.db().backend(), Backend::Postgres) {
        sql.replace("'2020-01-01 00:00:00'", "TIMESTAMP '2020-01-01 00:00:00'")
            .replace(&format!("'{changed}'"), &format!("TIMESTAMP '{changed}'"))
    } else {
        sql
    };
    assert_eq!(records.sql(sql).await, orders);
}

#[actix::test]
async fn orders_that_nobody_processes_are_ended_in_batches_and_no_others() {
    const OLD: &str = "2020-01-02 00:00:00";
    let app = TestApp::start(create_app).await;
    let records = Records::open(app.database()).await;
    leave(&records, 1100, "pending", OLD).await;
    leave(&records, 100, "processing", OLD).await;
    leave(&records, 3, "completed", OLD).await;
    leave(&records, 3, "processing", "2999-01-01 00:00:00").await;
    expire(&app, &records).await;
    let orders = records.orders().await;
    assert_eq!(count(&orders), [("completed", 3), ("failed", 1200), ("processing", 3)].into());
    for order in orders.values() {
        assert_eq!(order.version, if order.status == "failed" { 2 } else { 1 }, "{order:?}");
    }
    // There is nothing left for the next night.
    expire(&app, &records).await;
    assert_eq!(records.orders().await, orders);
    records.close().await;
    let (_, spans) = app.stop().await;
    let runs: Vec<_> = spans.named("expire_stale_orders").collect();
    assert_eq!(runs.len(), 2);
    // 500, 500 and 200 in the first night.
    assert_eq!(spans.named("UPDATE orders").count(), 3);
    let told: Vec<_> = runs.iter().filter_map(|span| Spans::attribute(span, "orders.expired")).collect();
    assert_eq!(told, ["1200", "0"]);
}

#[actix::test]
async fn an_order_whose_job_is_alive_is_not_ended_and_one_whose_job_is_dead_is() {
    let app = TestApp::start_with(create_app, [("APP_PAYMENTS__FAILURE_RATE", "1.0")]).await;
    let records = Records::open(app.database()).await;
    let ids = [place(&app, "A", "1").await, place(&app, "B", "1").await, place(&app, "C", "1").await];
    let failed =
        |orders: &Orders| orders.values().all(|order| order.attempts > 0 && order.job == "available");
    // One waits for its next attempt, one is put aside, one is a dead letter.
    let all = "UPDATE spanbox_jobs SET run_at = 4000000000000000 WHERE 3 = (SELECT COUNT(*) FROM spanbox_jobs AS j \
        WHERE j.unique_key LIKE 'process_order:%' AND j.state = 'available' AND j.attempt > 0)";
    // One may be tried again before they are held; then all have to fail once more.
    while records.sql(all).await == 0 {
        records.become_so("all have failed once", failed).await;
    }
    let [waits, parked, dead] = ids;
    for (id, state) in [(parked, "parked"), (dead, "dead")] {
        let held = state == "parked";
        let sql = format!(
            "UPDATE spanbox_jobs SET state = '{state}', finished_at = 1, unique_held = {held} \
             WHERE unique_key = 'process_order:{id}'"
        );
        assert_eq!(records.sql(sql).await, 1);
    }
    records.sql("UPDATE orders SET updated_at = '2020-01-02 00:00:00'").await;
    expire(&app, &records).await;
    let orders = records.orders().await;
    let shown = |id: i64| (orders[&id].status.as_str(), orders[&id].version, orders[&id].job.as_str());
    assert_eq!(shown(waits), ("processing", 2, "available"));
    assert_eq!(shown(parked), ("processing", 2, "parked"));
    assert_eq!(shown(dead), ("failed", 3, "dead"));
    records.close().await;
    app.stop().await;
}
