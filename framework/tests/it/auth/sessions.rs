//! Sessions that end, here and on other nodes, and what spans say of them.

use std::time::Duration;

use actix_web::http::Method;
use spanbox::app::Service;
use spanbox::ext::auth::Auth;
use spanbox::testing::{Spans, TestApp};

use super::{create_app, enter, me};

const KEY: (&str, &str) = ("SECRET_KEY", "0123456789abcdefghijklmnopqrstuv");

async fn post(app: &TestApp, path: &str, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    let answer = app.send(Method::POST, path, &[("authorization", &authorization)], Default::default()).await;
    answer.status.as_u16()
}

#[actix::test]
async fn what_ends_a_session_ends_its_access_tokens_on_all_nodes() {
    let here = TestApp::start_with(create_app, [KEY]).await;
    let there = TestApp::start_on(here.database().clone(), create_app, [KEY]).await;
    for (path, others) in [("/out", 200), ("/lock-out/ann", 401)] {
        let (token, other) = (enter(&here, "ann").await, enter(&here, "ann").await);
        let bob = enter(&here, "bob").await;
        // Both nodes have seen them, and remember.
        for app in [&here, &there] {
            for token in [&token, &other, &bob] {
                assert_eq!(me(app, token).await.status, 200);
            }
        }
        assert_eq!(post(&here, path, &token).await, 204);
        assert_eq!(me(&here, &token).await.status, 401, "{path}: at once where it was asked for");
        let what = format!("{path}: the other node refuses the token");
        there.eventually(&what, async || (me(&there, &token).await.status == 401).then_some(())).await;
        for app in [&here, &there] {
            assert_eq!(me(app, &other).await.status, others, "{path}");
            assert_eq!(me(app, &bob).await.status, 200, "{path}");
        }
        there
            .eventually("it stays so", async || (me(&there, &token).await.status == 401).then_some(()))
            .await;
    }
    here.stop().await;
    there.stop().await;
}

#[actix::test]
async fn what_the_database_can_not_tell_is_refused() {
    let app = TestApp::start_with(create_app, [("APP_AUTH__REVOCATION_LAG", "0s")]).await;
    let token = enter(&app, "ann").await;
    assert_eq!(me(&app, &token).await.status, 200);
    let _ = app.running().db().unwrap().close(Duration::from_secs(5)).await;
    let answer = me(&app, &token).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    // Who brings nothing needs no database.
    assert_eq!(app.get("/open").await.status, 200);
    app.stop().await;
}

#[actix::test]
async fn spans_name_a_user_by_a_keyed_hash_or_by_the_id_if_that_is_wanted() {
    let mut names = Vec::new();
    for (raw, key) in
        [("false", KEY.1), ("false", KEY.1), ("false", "zyxwvutsrqponmlkjihgfedcba987654"), ("true", KEY.1)]
    {
        let environment = [("APP_AUTH__RAW_USER_ID", raw), (KEY.0, key)];
        let app = TestApp::start_with(create_app, environment).await;
        let (token, bob) = (enter(&app, "ann").await, enter(&app, "bob").await);
        me(&app, &token).await;
        me(&app, &bob).await;
        app.get("/open").await;
        let (_, spans) = app.stop().await;
        let of = |key: &str| {
            let requests = spans.named("GET /me");
            requests.map(|span| Spans::attribute(span, key)).collect::<Vec<_>>()
        };
        let (pseudo, ids) = (of("enduser.pseudo.id"), of("enduser.id"));
        if raw == "true" {
            assert_eq!(
                (pseudo, ids),
                (vec![None, None], vec![Some("ann".to_owned()), Some("bob".to_owned())])
            );
            continue;
        }
        assert_eq!(ids, [None, None]);
        let shown = format!("{spans:?}{:?}", spans.all());
        assert!(!shown.contains(&token), "{spans:?}");
        assert_ne!(pseudo[0], pseudo[1], "two users have two names");
        assert_eq!(pseudo[0].as_ref().unwrap().len(), 32);
        names.push(pseudo[0].clone());
        let nobody = spans.named("GET /open").next().unwrap();
        assert_eq!(Spans::attribute(nobody, "enduser.pseudo.id"), None);
    }
    assert_eq!(names[0], names[1], "a user has one name, wherever the key is the same");
    assert_ne!(names[1], names[2], "without the key nobody can tell whose name it is");
}

#[actix::test]
async fn a_service_without_the_tables_of_sessions_is_told_so_at_the_start() {
    use spanbox::jobs;
    let service = Service::new("hall", "1").profile(Some("testing")).migrations(&jobs::MIGRATIONS);
    let database = spanbox::testing::TestDatabase::sqlite();
    let service = service
        .environment([("DATABASE_URL", database.url()), ("PORT", "0"), ("LOG_LEVEL", "off")])
        .extension(Auth::new("hall"));
    let error = service.prepare().unwrap().start().await.err().unwrap().to_string();
    assert!(error.contains(".with(&spanbox::ext::auth::MIGRATIONS)"), "{error}");
}
