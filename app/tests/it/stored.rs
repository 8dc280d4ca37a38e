//! What is in the database, whatever a service says of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use spanbox::data::{Conn, Db, DbError};
use spanbox::query;
use spanbox::telemetry::Telemetry;
use spanbox::testing::TestDatabase;

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An order with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub(crate) struct Stored {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    /// Counts its steps from 1.
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    /// How often it was charged.
    #[diesel(sql_type = BigInt)]
    pub(crate) charges: i64,
    /// The state of its job; `none` without one.
    #[diesel(sql_type = Text)]
    pub(crate) job: String,
    /// How often its job was begun.
    #[diesel(sql_type = BigInt)]
    pub(crate) attempts: i64,
}

pub(crate) type Orders = BTreeMap<i64, Stored>;

const ORDERS: &str = "\
    SELECT o.id, o.status, o.version, COALESCE(j.state, 'none') AS job, COALESCE(j.attempt, 0) AS attempts, \
        (SELECT COUNT(*) FROM charges AS c WHERE c.idempotency_key = 'order-' || o.id) AS charges \
    FROM orders AS o LEFT JOIN spanbox_jobs AS j ON j.unique_key = 'process_order:' || o.id";

impl Stored {
    /// Each of its effects happened, and happened once.
    pub(crate) fn is_completed_once(&self) -> bool {
        (self.status.as_str(), self.version, self.charges, self.job.as_str())
            == ("completed", 3, 1, "completed")
    }
}

/// A database that is read beside the services on it.
pub(crate) struct Records {
    db: Db,
}

impl Records {
    pub(crate) async fn open(database: &TestDatabase) -> Self {
        Self { db: Db::connect(&database.settings(), &Telemetry::disabled()).await.unwrap() }
    }

    /// The orders by their ids.
    pub(crate) async fn orders(&self) -> Orders {
        let rows = self
            .db
            .write(async |conn: &mut Conn| {
                // PostgreSQL may still be at the last words of a process that was killed.
                if matches!(conn, Conn::Postgres(_)) {
                    let lock = "LOCK TABLE orders, charges, spanbox_jobs IN EXCLUSIVE MODE";
                    query!(conn, c => sql_query(lock).execute(c).await)?;
                }
                query!(conn, c => sql_query(ORDERS).load::<Stored>(c).await)
            })
            .await;
        let rows = rows.map_err(|error: DbError| error.to_string()).unwrap();
        rows.into_iter().map(|row| (row.id, row)).collect()
    }

    /// Waits until the orders are as they should be.
    pub(crate) async fn become_so(&self, what: &str, check: impl Fn(&Orders) -> bool) -> Orders {
        let deadline = Instant::now() + PATIENCE;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            let orders = self.orders().await;
            if check(&orders) {
                return orders;
            }
            assert!(Instant::now() < deadline, "it never happened: {what}\n{orders:#?}");
        }
    }

    /// Waits until so many orders are completed, and each of their effects happened once.
    pub(crate) async fn are_completed_once(&self, count: usize) -> Orders {
        let done = |orders: &Orders| orders.len() == count && orders.values().all(Stored::is_completed_once);
        self.become_so(&format!("{count} orders are completed once"), done).await
    }

    /// Runs a statement, as time or another program would change rows.
    pub(crate) async fn sql(&self, sql: impl Into<String>) -> usize {
        let sql = sql.into();
        let done = self
            .db
            .write(async move |conn: &mut Conn| query!(conn, c => sql_query(sql).execute(c).await))
            .await;
        done.map_err(|error: DbError| error.to_string()).unwrap()
    }

    /// The database itself.
    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) async fn close(self) {
        assert_eq!(self.db.close(Duration::from_secs(20)).await.abandoned, 0);
    }
}

/// What is stored once nobody writes any more.
pub(crate) async fn orders(database: &TestDatabase) -> Orders {
    let records = Records::open(database).await;
    let orders = records.orders().await;
    records.close().await;
    orders
}

/// How many orders have each status.
pub(crate) fn count(orders: &Orders) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    for order in orders.values() {
        *count.entry(order.status.as_str()).or_default() += 1;
    }
    count
}
