use super::metrics::{count, flushed};
use super::*;
use crate::data::db::Driver;

on_both!(a_pool_is_measured_by_the_conventions, a_pool_that_is_gone_is_not_shown);

/// The name of the pool that reads.
fn pool(fixture: &Fixture) -> String {
    match fixture.db.driver() {
        Driver::Sqlite(_) => "test.db/readers".to_owned(),
        Driver::Postgres(postgres) => postgres.target.pool.clone(),
    }
}

async fn a_pool_is_measured_by_the_conventions(fixture: Fixture) {
    let pool = pool(&fixture);
    let db = fixture
        .reopened(|settings| {
            settings.pool_size = 1;
            settings.acquire_timeout = Duration::from_millis(300);
        })
        .await;
    drop(fixture.db);
    let shown = |name: &str, more: &[(&str, &str)]| {
        let metrics = flushed(&fixture.telemetry, &fixture.metrics);
        let mut attributes = vec![("db.client.connection.pool.name", pool.as_str())];
        attributes.extend(more);
        count(&metrics, name, &attributes)
    };
    let connections = |state| shown("db.client.connection.count", &[("db.client.connection.state", state)]);
    until("the other handle is gone", async || connections("idle") == Some(1)).await;
    assert_eq!(connections("used"), Some(0));
    assert_eq!(shown("db.client.connection.max", &[]), Some(1));
    assert_eq!(shown("db.client.connection.idle.max", &[]), Some(1));
    assert_eq!(shown("db.client.connection.idle.min", &[]), Some(0));
    assert!(shown("db.client.connection.create_time", &[]).unwrap() >= 1);
    assert_eq!(shown("db.client.connection.timeouts", &[]), None);

    let (let_go, held) = tokio::sync::oneshot::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let before = shown("db.client.connection.use_time", &[]).unwrap();
    let holder = db.read(async move |_: &mut Conn| -> Result<(), DbError> {
        begun.send(()).unwrap();
        let _ = held.await;
        Ok(())
    });
    let waiter = async {
        has_begun.await.unwrap();
        let ping = db.ping();
        let look = async {
            until("one waits", async || shown("db.client.connection.pending_requests", &[]) == Some(1)).await;
            assert_eq!((connections("idle"), connections("used")), (Some(0), Some(1)));
        };
        let (result, ()) = futures_util::join!(ping, look);
        assert!(matches!(result, Err(DbError::PoolTimeout { .. })), "{result:?}");
        let_go.send(()).unwrap();
    };
    let (result, ()) = futures_util::join!(holder, waiter);
    result.unwrap();
    assert_eq!(shown("db.client.connection.timeouts", &[]), Some(1));
    until("it was given back", async || {
        connections("idle") == Some(1) && shown("db.client.connection.use_time", &[]) == Some(before + 1)
    })
    .await;
    assert!(shown("db.client.connection.wait_time", &[]).unwrap() > 0);
}

async fn a_pool_that_is_gone_is_not_shown(fixture: Fixture) {
    let there = || {
        let metrics = flushed(&fixture.telemetry, &fixture.metrics);
        count(&metrics, "db.client.connection.max", &[]).unwrap_or_default()
    };
    assert!(there() > 0);
    drop(fixture.db);
    until("nothing is shown", async || there() == 0).await;
}
