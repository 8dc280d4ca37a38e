use super::*;

on_both!(
    a_wait_for_a_connection_is_a_span,
    a_wait_too_long_is_an_error_that_says_what_to_do,
    waits_that_end_are_seen_without_telemetry,
);

/// Holds the only connection until told to let go.
async fn hold(db: &Db, begun: impl FnOnce() + Send + 'static, until: tokio::sync::oneshot::Receiver<()>) {
    db.read(async move |_: &mut Conn| -> Result<(), DbError> {
        begun();
        let _ = until.await;
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_wait_for_a_connection_is_a_span(fixture: Fixture) {
    let db = fixture.reopened(|settings| settings.pool_size = 1).await;
    let (let_go, held) = tokio::sync::oneshot::channel();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let holder = hold(&db, move || begun.send(()).unwrap(), held);
    let waiter = fixture.in_span(async {
        has_begun.await.unwrap();
        let release = async {
            while db.longest_wait() < Duration::from_millis(30) {
                tokio::task::yield_now().await;
            }
            let_go.send(()).unwrap();
        };
        futures_util::join!(db.ping(), release).0
    });
    let ((), (result, caller, spans)) = futures_util::join!(holder, waiter);
    result.unwrap();
    let wait = spans.iter().find(|span| span.name == "db.pool.wait").unwrap();
    assert_eq!(wait.parent_span_id, caller.span_context.span_id());
    let lasted = wait.end_time.duration_since(wait.start_time).unwrap();
    assert!(lasted >= Duration::from_millis(25), "{lasted:?}");
    assert!(wait.start_time >= caller.start_time);
}

async fn a_wait_too_long_is_an_error_that_says_what_to_do(fixture: Fixture) {
    let db = fixture
        .reopened(|settings| {
            settings.pool_size = 1;
            settings.acquire_timeout = Duration::from_millis(300);
        })
        .await;
    let (let_go, held) = tokio::sync::oneshot::channel();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let waiter = async {
        has_begun.await.unwrap();
        let result = db.ping().await;
        let_go.send(()).unwrap();
        result
    };
    let ((), result) = futures_util::join!(hold(&db, move || begun.send(()).unwrap(), held), waiter);
    let error = result.unwrap_err();
    assert!(matches!(error, DbError::PoolTimeout { size: 1, .. }), "{error:?}");
    let text = error.to_string();
    for part in ["300ms", "1 in all", "database.pool_size", "database.acquire_timeout"] {
        assert!(text.contains(part), "{text}");
    }
    db.ping().await.unwrap();
}

/// Or a pool that is never idle would be taken for one where nobody gets a connection, and requests refused for it.
async fn waits_that_end_are_seen_without_telemetry(fixture: Fixture) {
    let settings = DatabaseSettings { pool_size: 1, ..fixture.settings.clone() };
    let db = Db::connect(&settings, &Telemetry::disabled()).await.unwrap();
    let (let_go, held) = tokio::sync::oneshot::channel();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let waiter = async {
        has_begun.await.unwrap();
        let _ = db.longest_wait();
        let release = async { let_go.send(()).unwrap() };
        futures_util::join!(db.ping(), release).0
    };
    let ((), result) = futures_util::join!(hold(&db, move || begun.send(()).unwrap(), held), waiter);
    result.unwrap();
    assert!(db.longest_wait() > Duration::ZERO);
}
