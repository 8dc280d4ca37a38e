use diesel::prelude::QueryDsl as _;

use super::*;
use crate::config::{DatabaseTelemetrySettings, TelemetrySettings};
use crate::telemetry::{Asking, ServiceInfo, Setup};

on_both!(
    a_query_ends_with_what_asked_for_it_and_is_prepared_once_a_route,
    a_query_with_a_comment_of_its_own_keeps_it,
    with_traceparent_nothing_is_kept_prepared,
    without_comments_nothing_is_added,
);

const ORDERS: Asking = Asking { module: "orders", route: Some("/orders/{id}") };
const OTHERS: Asking = Asking { module: "orders", route: None };

/// Runs one query for each of these, all on one connection.
async fn sent(fixture: &Fixture, comment: bool, traceparent: bool, asking: &'static [Asking]) -> Sent {
    let database = DatabaseTelemetrySettings {
        comment,
        comment_traceparent: traceparent,
        ..DatabaseTelemetrySettings::default()
    };
    let settings = TelemetrySettings { database, ..TelemetrySettings::default() };
    let telemetry =
        Setup::new(ServiceInfo::new("commented", "1")).environment([]).settings(settings).build().unwrap();
    let db = Db::connect(&fixture.settings, &telemetry).await.unwrap();
    let sent = Sent::default();
    let (watched, root) = (sent.clone(), telemetry.root());
    let tracer = telemetry.tracer().unwrap().clone();
    db.read(async move |conn: &mut Conn| {
        watched.watch(conn);
        for asking in asking {
            let cx = root.with_span(tracer.start_with_context("request", &root)).with_value(*asking);
            let _cx = cx.attach();
            query!(conn, c => notes::table.select(notes::id).load::<i32>(c).await)?;
        }
        Ok::<_, DbError>(())
    })
    .await
    .unwrap();
    sent
}

async fn a_query_ends_with_what_asked_for_it_and_is_prepared_once_a_route(fixture: Fixture) {
    let sent = sent(&fixture, true, false, &[ORDERS, ORDERS, OTHERS]).await;
    let (queries, kept) = (sent.queries.lock(), sent.kept.lock());
    let framework = format!("db_driver='diesel-async',framework='spanbox%3A{}'", env!("CARGO_PKG_VERSION"));
    let ends = |query: &str, tags: &str| {
        assert!(query.contains(&format!(" /*{framework},{tags}*/")), "{query}");
    };
    assert_eq!(queries.len(), 3, "{queries:?}");
    ends(&queries[0], "module='orders',route='%2Forders%2F%7Bid%7D'");
    ends(&queries[1], "module='orders',route='%2Forders%2F%7Bid%7D'");
    ends(&queries[2], "module='orders'");
    assert_eq!(kept.len(), 2, "{kept:?}");
}

async fn a_query_with_a_comment_of_its_own_keeps_it(fixture: Fixture) {
    let database = DatabaseTelemetrySettings { comment: true, ..DatabaseTelemetrySettings::default() };
    let settings = TelemetrySettings { database, ..TelemetrySettings::default() };
    let telemetry =
        Setup::new(ServiceInfo::new("commented", "1")).environment([]).settings(settings).build().unwrap();
    let db = Db::connect(&fixture.settings, &telemetry).await.unwrap();
    let sent = Sent::default();
    let watched = sent.clone();
    db.read(async move |conn: &mut Conn| {
        watched.watch(conn);
        query!(conn, c => sql_query("SELECT 1 /* mine */").execute(c).await)
    })
    .await
    .unwrap();
    let queries = sent.queries.lock();
    assert!(queries[0].contains("mine") && !queries[0].contains("db_driver"), "{queries:?}");
}

async fn with_traceparent_nothing_is_kept_prepared(fixture: Fixture) {
    let sent = sent(&fixture, true, true, &[ORDERS, ORDERS]).await;
    let (queries, kept) = (sent.queries.lock(), sent.kept.lock());
    for query in &*queries {
        assert!(query.contains(",traceparent='00-"), "{query}");
    }
    assert_ne!(queries[0], queries[1]);
    assert_eq!(kept.len(), 0, "{kept:?}");
}

async fn without_comments_nothing_is_added(fixture: Fixture) {
    let sent = sent(&fixture, false, false, &[ORDERS, ORDERS]).await;
    let (queries, kept) = (sent.queries.lock(), sent.kept.lock());
    assert!(queries.iter().all(|query| !query.contains("/*")), "{queries:?}");
    assert_eq!((queries.len(), kept.len()), (2, 1));
}
