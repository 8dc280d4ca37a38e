use super::*;

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn after_a_restart_of_the_server_the_next_unit_works() {
    let mut server = PgServer::start().unwrap();
    let database = TestDatabase::create(server.url()).await.unwrap();
    let fixture = Fixture::new(database).await;
    // More than one connection is in the pool, and all of them are about to die.
    let hold = || {
        fixture.db.read(async |_: &mut Conn| -> Result<(), DbError> {
            tokio::task::yield_now().await;
            Ok(())
        })
    };
    futures_util::future::join_all((0..4).map(|_| hold())).await;
    server.restart().unwrap();
    fixture.db.write(async |conn: &mut Conn| insert(conn, 1, "one", 1).await).await.unwrap();
    fixture
        .db
        .read(async |conn: &mut Conn| -> Result<i64, DbError> {
            query!(conn, c => notes::table.count().get_result(c).await)
        })
        .await
        .unwrap();
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn a_connection_lost_in_a_unit_is_an_error_and_is_replaced() {
    let fixture = Fixture::new(postgres().await).await;
    let lost = fixture
        .db
        .write(async |conn: &mut Conn| -> Result<(), DbError> {
            insert(conn, 1, "one", 1).await?;
            query!(conn, c => sql_query("SELECT pg_terminate_backend(pg_backend_pid())").execute(c).await)?;
            Ok(())
        })
        .await;
    assert!(lost.is_err());
    for _ in 0..8 {
        fixture.db.ping().await.unwrap();
    }
    assert!(fixture.bodies().await.is_empty());
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn the_database_outlives_the_runtime_that_opened_it() {
    let database = postgres().await;
    let settings = database.settings();
    let db = std::thread::spawn(move || {
        actix_rt::System::new()
            .block_on(async { Db::connect(&settings, &Telemetry::disabled()).await.unwrap() })
    })
    .join()
    .unwrap();
    db.ping().await.unwrap();
}
