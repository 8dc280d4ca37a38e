//! What ends sessions ends their access tokens, also those that another node has just taken.

use orders::create_app;
use serde_json::json;
use spanbox::testing::TestApp;

use super::{ADMIN, PASSWORD, SignedIn, WITH_ADMIN, me, register, send, sign_in, try_sign_in};

const KEY: (&str, &str) = ("SECRET_KEY", "0123456789abcdefghijklmnopqrstuv");

/// The longest that `auth.revocation_lag` can be is 5 s, which a test of the settings holds.
#[actix::test]
async fn a_sign_out_another_password_and_a_lock_out_end_access_tokens_on_all_nodes() {
    let environment = || WITH_ADMIN.into_iter().chain([KEY]);
    let here = TestApp::start_with(create_app, environment()).await;
    let there = TestApp::start_on(here.database().clone(), create_app, environment()).await;
    let ann = register(&here, "ann@example.com").await;
    let admin = sign_in(&here, ADMIN).await;
    let change = json!({ "current_password": PASSWORD, "new_password": PASSWORD });
    let disable = format!("/api/accounts/{ann}/disable");
    for (what, path, by_admin, body) in [
        ("a sign-out", "/api/accounts/logout", false, None),
        ("another password", "/api/accounts/password", false, Some(&change)),
        ("a lock-out", disable.as_str(), true, None),
    ] {
        let who = sign_in(&there, "ann@example.com").await;
        for app in [&here, &there] {
            assert_eq!(me(app, &who).await.status, 200, "{what}");
        }
        let by = if by_admin { &admin } else { &who };
        let done = send(&here, Some(by), "POST", path, body).await;
        assert_eq!(done.status, 204, "{what}: {done:?}");
        assert_eq!(me(&here, &who).await.status, 401, "{what}: at once where it was asked for");
        let seen = format!("{what} is seen on the other node");
        there.eventually(&seen, async || (me(&there, &who).await.status == 401).then_some(())).await;
        assert_eq!(me(&there, &admin).await.status, 200, "{what} is nobody else's");
    }
    here.stop().await;
    there.stop().await;
}

#[actix::test]
async fn another_password_takes_the_one_of_before_and_is_the_only_one_from_then_on() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let (who, elsewhere) = (sign_in(&app, "ann@example.com").await, sign_in(&app, "ann@example.com").await);
    let change = async |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        send(&app, Some(&who), "POST", "/api/accounts/password", Some(&body)).await.status.as_u16()
    };
    assert_eq!(change("wrong horse battery", "another horse battery").await, 401);
    assert_eq!(change(PASSWORD, "short").await, 422);
    assert_eq!(change(PASSWORD, "ann@example.com").await, 422);
    assert_eq!(me(&app, &elsewhere).await.status, 200);
    assert_eq!(change(PASSWORD, "another horse battery").await, 204);
    assert_eq!(me(&app, &elsewhere).await.status, 401);
    assert_eq!(try_sign_in(&app, "ann@example.com", PASSWORD).await.status, 401);
    SignedIn::of(&try_sign_in(&app, "ann@example.com", "another horse battery").await);
    app.stop().await;
}

#[actix::test]
async fn an_admin_locks_out_others_and_not_the_own_account() {
    let app = TestApp::start_with(create_app, WITH_ADMIN).await;
    let ann = register(&app, "ann@example.com").await;
    let admin = sign_in(&app, ADMIN).await;
    let own = me(&app, &admin).await.json::<serde_json::Value>()["id"].as_i64().unwrap();
    for (id, status) in [(own, 409), (ann, 204), (9_999, 404)] {
        let answer = send(&app, Some(&admin), "POST", &format!("/api/accounts/{id}/disable"), None).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    // A second start finds the admin there.
    let database = app.database().clone();
    app.stop().await;
    let app = TestApp::start_on(database, create_app, WITH_ADMIN).await;
    sign_in(&app, ADMIN).await;
    app.stop().await;
}
