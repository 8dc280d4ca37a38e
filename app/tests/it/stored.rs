//! What is in the database, whatever a service says of it.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use spanbox::data::{Conn, Db, DbError};
use spanbox::query;
use spanbox::telemetry::Telemetry;
use spanbox::testing::TestDatabase;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    status: String,
}

/// The status of each order by its id, read without a service, when whoever was writing has ended.
pub(crate) async fn statuses(database: &TestDatabase) -> BTreeMap<i64, String> {
    let db = Db::connect(&database.settings(), &Telemetry::disabled()).await.unwrap();
    let rows = db
        .write(async |conn: &mut Conn| {
            // PostgreSQL may still be at the last words of a process that was killed.
            if matches!(conn, Conn::Postgres(_)) {
                query!(conn, c => sql_query("LOCK TABLE orders IN EXCLUSIVE MODE").execute(c).await)?;
            }
            query!(conn, c => sql_query("SELECT id, status FROM orders").load::<Row>(c).await)
        })
        .await;
    let closed = db.close(Duration::from_secs(20)).await;
    assert_eq!(closed.abandoned, 0);
    let rows = rows.map_err(|error: DbError| error.to_string()).unwrap();
    rows.into_iter().map(|row| (row.id, row.status)).collect()
}

/// How many orders have each status.
pub(crate) fn count(statuses: &BTreeMap<i64, String>) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    for status in statuses.values() {
        *count.entry(status.as_str()).or_default() += 1;
    }
    count
}
