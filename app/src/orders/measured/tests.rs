use diesel::QueryableByName;
use diesel_async::SimpleAsyncConnection as _;
use futures_util::future::try_join_all;
use spanbox::telemetry::Telemetry;
use spanbox::testing::{PgServer, TestDatabase};

use super::*;

const PAGE: i64 = 51;
const ROWS: i64 = 20_000;

/// Each sort of list, with the index that it is to be read off.
fn lists(rows: i64) -> Vec<(List, &'static str)> {
    let list = |whose, status, below| List { whose, status, below, limit: PAGE };
    let (one, nobody, far) = (Whose::User(1), Whose::Nobody, Some(rows / 4));
    vec![
        (list(Whose::All, Some("failed"), None), "orders_by_status"),
        (list(Whose::All, Some("failed"), far), "orders_by_status"),
        (list(Whose::All, Some("pending"), None), "orders_by_status"),
        (list(one, None, None), "orders_by_user"),
        (list(one, None, far), "orders_by_user"),
        (list(Whose::User(2), None, None), "orders_by_user"),
        (list(nobody, None, None), "orders_by_user"),
        (list(nobody, None, far), "orders_by_user"),
        (list(one, Some("failed"), None), "orders_by_user_and_status"),
        (list(one, Some("failed"), far), "orders_by_user_and_status"),
        (list(one, Some("processing"), None), "orders_by_user_and_status"),
        (list(nobody, Some("cancelled"), None), "orders_by_user_and_status"),
    ]
}

async fn open(database: &TestDatabase) -> Db {
    let db = Db::connect(&database.settings(), &Telemetry::disabled()).await.unwrap();
    db.migrate(&crate::MIGRATIONS).await.unwrap();
    db
}

#[actix::test]
async fn sqlite_reads_every_list_off_its_index() {
    let database = TestDatabase::sqlite();
    let db = open(&database).await;
    // Without statistics, as a database is that nobody analyzed, and with them.
    for statistics in [false, true] {
        if statistics {
            fill(&db, 2_000).await.unwrap();
            run(&db, "ANALYZE".to_owned()).await.unwrap();
        }
        for (list, index) in lists(2_000) {
            let plan = db.read(async move |conn: &mut Conn| list_plan(conn, list).await).await.unwrap();
            let index = format!("USING INDEX {index} (");
            assert!(plan.len() == 1 && plan[0].contains(&index), "{list:?}: {plan:?}");
        }
        let plan = db.read(async |conn: &mut Conn| total_plan(conn, Whose::All).await).await.unwrap();
        // Those that have not ended are on an index of their own.
        let of_orders = plan.iter().filter(|step| step.contains(" orders"));
        let by_themselves = of_orders.clone().filter(|step| !step.ends_with("USING INDEX orders_unfinished"));
        assert!(of_orders.count() > 0 && by_themselves.count() == 0, "{plan:?}");
    }
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn postgresql_reads_no_more_than_a_page_for_a_list_and_no_ended_order_for_the_totals() {
    let server = PgServer::start().unwrap();
    let database = TestDatabase::create(server.url()).await.unwrap();
    let db = open(&database).await;
    fill(&db, ROWS).await.unwrap();
    let all = List { whose: Whose::All, status: None, below: Some(ROWS / 4), limit: PAGE };
    for list in lists(ROWS).into_iter().map(|(list, _)| list).chain([all]) {
        let (ids, rows) = db
            .write(async move |conn: &mut Conn| {
                let before = rows_read(conn).await?;
                let ids = super::list(conn, list).await?;
                Ok::<_, DbError>((ids, rows_read(conn).await? - before))
            })
            .await
            .unwrap();
        assert!(ids.is_sorted_by(|one, next| one > next) && ids.len() <= PAGE as usize, "{list:?}: {ids:?}");
        assert_eq!(ids.is_empty(), list.status == Some("processing"), "{list:?}");
        // A row counts in its index, as found by it, and in the table.
        if rows > 4 * PAGE {
            let plan = db.read(async move |conn: &mut Conn| list_plan(conn, list).await).await.unwrap();
            panic!("{list:?} reads {rows} rows of {ROWS}:\n{}", plan.join("\n"));
        }
    }
    let (orders, rows) = db
        .write(async move |conn: &mut Conn| {
            let before = rows_read(conn).await?;
            let orders = total(conn, Whose::All).await?;
            Ok::<_, DbError>((orders, rows_read(conn).await? - before))
        })
        .await
        .unwrap();
    // Sixty have not ended, which count in their index and in the table.
    assert!(orders == ROWS && rows <= 400, "{rows} of {orders} orders were read");
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

async fn number(conn: &mut Conn, sql: &'static str) -> Result<i64, DbError> {
    let Number { number } = query!(conn, c => sql_query(sql).get_result(c).await)?;
    Ok(number)
}

/// What this transaction of PostgreSQL has read of the orders so far.
async fn rows_read(conn: &mut Conn) -> Result<i64, DbError> {
    let sql = "SELECT SUM(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::BIGINT AS number \
        FROM pg_class WHERE (relname = 'orders' OR relname LIKE 'orders\\_%') AND relkind IN ('r', 'i')";
    number(conn, sql).await
}

/// The totals that are not those of the orders, and those that are missing.
const WRONG: &str = "\
    WITH told AS (SELECT whose, status, currency, SUM(orders) AS orders, SUM(amount_minor) AS amount FROM order_totals \
            GROUP BY whose, status, currency HAVING SUM(orders) <> 0 OR SUM(amount_minor) <> 0), \
        are AS (SELECT -1 AS whose, status, currency, COUNT(*) AS orders, SUM(amount_minor) AS amount FROM orders \
                GROUP BY status, currency \
            UNION ALL SELECT COALESCE(user_id, 0), status, currency, COUNT(*), SUM(amount_minor) FROM orders \
                GROUP BY COALESCE(user_id, 0), status, currency) \
    SELECT (SELECT COUNT(*) FROM (SELECT * FROM told EXCEPT SELECT * FROM are) AS more) \
        + (SELECT COUNT(*) FROM (SELECT * FROM are EXCEPT SELECT * FROM told) AS fewer) AS number";

async fn wrong(db: &Db) -> i64 {
    db.read(async |conn: &mut Conn| number(conn, WRONG).await).await.unwrap()
}

/// Places orders and takes them further, revises and deletes some, with all others at the same time.
async fn live(db: &Db, user: Option<i64>) -> Result<(), BoxError> {
    for turn in 0..12 {
        let id = db.write(async move |conn: &mut Conn| place(conn, user).await).await?;
        if turn % 4 == 0 {
            let revise = format!("UPDATE orders SET amount_minor = 5, currency = 'EUR' WHERE id = {id}");
            run(db, revise).await?;
        }
        for step in ["processing", "completed"] {
            db.write(async move |conn: &mut Conn| advance(conn, id, step).await).await?;
        }
        if turn % 3 == 0 {
            run(db, format!("DELETE FROM orders WHERE id = {id}")).await?;
        }
    }
    Ok(())
}

async fn the_totals_are_those_of_the_orders(database: TestDatabase, sum_up: Option<&str>) {
    let db = open(&database).await;
    fill(&db, 1_000).await.unwrap();
    let sum_up = sum_up.map(str::to_owned);
    let sums = async {
        for _ in 0..20 {
            if let Some(sql) = sum_up.clone() {
                run(&db, sql).await?;
            }
            // A reader sees each order once, whether it is summed up or not.
            assert_eq!(wrong(&db).await, 0);
        }
        Ok(())
    };
    let users = (0..8).map(|user| live(&db, (user > 0).then_some(user)));
    let (lived, summed) = futures_util::future::join(try_join_all(users), sums).await;
    lived.unwrap();
    summed.map_err(|error: DbError| error.to_string()).unwrap();
    assert_eq!(wrong(&db).await, 0);
    let of = async |whose| db.read(async move |conn: &mut Conn| total(conn, whose).await).await.unwrap();
    // Of twelve that each of the eight placed, eight are left.
    assert_eq!((of(Whose::All).await, of(Whose::Nobody).await), (1_064, 108));
    assert_eq!(of(Whose::User(999_999)).await, 0);
}

#[actix::test]
async fn the_totals_are_those_of_the_orders_on_sqlite() {
    the_totals_are_those_of_the_orders(TestDatabase::sqlite(), None).await;
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn the_totals_are_those_of_the_orders_on_postgresql() {
    let server = PgServer::start().unwrap();
    let database = TestDatabase::create(server.url()).await.unwrap();
    the_totals_are_those_of_the_orders(database, Some("SELECT orders_sum_up()")).await;
}

/// A migration, down and up again, over orders that are there.
macro_rules! again {
    ($migration:literal, $step:literal) => {
        include_str!(concat!("../../../../migrations/", $migration, "/", $step, ".sql"))
    };
}

async fn orders_that_were_there_before_are_counted(database: TestDatabase) {
    let db = open(&database).await;
    fill(&db, 1_000).await.unwrap();
    db.write(async |conn: &mut Conn| {
        let done = match conn {
            Conn::Sqlite(conn) => {
                // The later one goes first, and comes back last.
                conn.batch_execute(again!("sqlite/2026-11-29-000000_compare_status_by_itself", "down"))
                    .await?;
                conn.batch_execute(again!("sqlite/2026-11-28-000300_flat_lists_and_totals", "down")).await?;
                conn.batch_execute(again!("sqlite/2026-11-28-000300_flat_lists_and_totals", "up")).await?;
                conn.batch_execute(again!("sqlite/2026-11-29-000000_compare_status_by_itself", "up")).await
            }
            Conn::Postgres(conn) => {
                conn.batch_execute(again!("postgres/2026-11-28-000300_flat_lists_and_totals", "down"))
                    .await?;
                conn.batch_execute(again!("postgres/2026-11-28-000300_flat_lists_and_totals", "up")).await
            }
        };
        done.map_err(DbError::from)
    })
    .await
    .unwrap();
    let all = db.read(async |conn: &mut Conn| total(conn, Whose::All).await).await.unwrap();
    assert_eq!((all, wrong(&db).await), (1_000, 0));
}

#[actix::test]
async fn orders_that_were_there_before_are_counted_on_sqlite() {
    orders_that_were_there_before_are_counted(TestDatabase::sqlite()).await;
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn orders_that_were_there_before_are_counted_on_postgresql() {
    let server = PgServer::start().unwrap();
    let database = TestDatabase::create(server.url()).await.unwrap();
    orders_that_were_there_before_are_counted(database).await;
}
