//! Registering, signing in, and being kept from guessing.

use futures_util::future::join_all;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::TestApp;

use super::{PASSWORD, me, register, sign_in, told, try_sign_in};
use crate::stored::Records;

#[actix::test]
async fn who_registers_signs_in_and_is_told_who_that_is() {
    let app = TestApp::start(create_app).await;
    let id = register(&app, "Ann@Example.com").await;
    let answer = try_sign_in(&app, "ann@EXAMPLE.com", PASSWORD).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tokens: Value = answer.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    let mut keys: Vec<_> = tokens.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["access_token", "expires_in", "refresh_expires_in", "refresh_token", "token_type"]);
    let user = me(&app, &super::SignedIn::of(&answer)).await.json::<Value>();
    let mut keys: Vec<_> = user.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["created_at", "email", "id", "role"]);
    assert_eq!(
        (&user["id"], &user["email"], &user["role"]),
        (&json!(id), &json!("ann@example.com"), &json!("user"))
    );
    app.stop().await;
}

#[actix::test]
async fn an_unknown_user_a_disabled_one_and_a_wrong_password_are_answered_alike_after_the_same_work() {
    let app = TestApp::start(create_app).await;
    let records = Records::open(app.database()).await;
    register(&app, "ann@example.com").await;
    register(&app, "bob@example.com").await;
    assert_eq!(records.sql("UPDATE users SET disabled_at = created_at WHERE email LIKE 'bob%'").await, 1);
    let hashes = || {
        let spans = app.capture().spans();
        spans.all().iter().filter(|span| span.name.starts_with("auth.password.")).count()
    };
    let mut answers = Vec::new();
    for (email, password) in [
        ("ann@example.com", "wrong horse battery"),
        ("nobody@example.com", "wrong horse battery"),
        ("nobody@example.com", PASSWORD),
        ("bob@example.com", "wrong horse battery"),
        ("bob@example.com", PASSWORD),
    ] {
        let before = hashes();
        let answer = try_sign_in(&app, email, password).await;
        assert_eq!(hashes() - before, 1, "{email}: as many hashes as any other");
        assert_eq!(answer.status, 401, "{answer:?}");
        let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.to_string()).collect();
        names.sort();
        answers.push((
            told(&answer),
            answer.header("www-authenticate").map(str::to_owned),
            names,
            answer.body.len(),
        ));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    // And each leaves as much behind.
    let counted = records.sql("UPDATE sign_in_failures SET failures = failures").await;
    assert_eq!(counted, 4, "three accounts and one address");
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn whoever_fails_too_often_waits_with_the_account_there_or_not() {
    let environment = [("APP_ACCOUNTS__ACCOUNT_FAILURES", "3"), ("APP_ACCOUNTS__LOCKOUT_MIN", "1m")];
    let app = TestApp::start_with(create_app, environment).await;
    let records = Records::open(app.database()).await;
    register(&app, "ann@example.com").await;
    register(&app, "bob@example.com").await;
    for email in ["ann@example.com", "nobody@example.com"] {
        for _ in 0..3 {
            assert_eq!(try_sign_in(&app, email, "wrong horse battery").await.status, 401, "{email}");
        }
        // What is right is not even looked at.
        let answer = try_sign_in(&app, email, PASSWORD).await;
        assert_eq!(answer.status, 429, "{email}: {answer:?}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((30..=60).contains(&wait), "{wait}");
    }
    sign_in(&app, "bob@example.com").await;
    // A minute later, as far as the database is concerned.
    let over =
        "UPDATE sign_in_failures SET blocked_until = '2020-01-01 00:00:00' WHERE blocked_until IS NOT NULL";
    assert_eq!(records.sql(over).await, 2);
    // Each further failure doubles the wait.
    assert_eq!(try_sign_in(&app, "nobody@example.com", "wrong horse battery").await.status, 401);
    let wait: u64 = try_sign_in(&app, "nobody@example.com", PASSWORD)
        .await
        .header("retry-after")
        .unwrap()
        .parse()
        .unwrap();
    assert!((90..=120).contains(&wait), "{wait}");
    // Who gets in has failed no more.
    sign_in(&app, "ann@example.com").await;
    assert_eq!(try_sign_in(&app, "ann@example.com", "wrong horse battery").await.status, 401);
    sign_in(&app, "ann@example.com").await;
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn an_address_that_tries_account_after_account_waits_too() {
    let environment = [("APP_ACCOUNTS__ADDRESS_FAILURES", "4"), ("APP_ACCOUNTS__LOCKOUT_MIN", "1m")];
    let app = TestApp::start_with(create_app, environment).await;
    register(&app, "ann@example.com").await;
    for number in 0..4 {
        // A success in between makes up for nothing.
        sign_in(&app, "ann@example.com").await;
        let email = format!("guess{number}@example.com");
        assert_eq!(try_sign_in(&app, &email, PASSWORD).await.status, 401);
    }
    assert_eq!(try_sign_in(&app, "ann@example.com", PASSWORD).await.status, 429);
    app.stop().await;
}

#[actix::test]
async fn a_hash_of_old_parameters_is_made_anew_at_the_next_sign_in() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let database = app.database().clone();
    app.stop().await;
    let stronger = [("APP_AUTH__PASSWORD__ITERATIONS", "2")];
    let app = TestApp::start_on(database, create_app, stronger).await;
    let records = Records::open(app.database()).await;
    let with = async |passes: u8| {
        records
            .sql(format!(
                "UPDATE users SET role = role WHERE password_hash LIKE '$argon2id$v=19$m=64,t={passes},%'"
            ))
            .await
    };
    assert_eq!((with(1).await, with(2).await), (1, 0));
    try_sign_in(&app, "ann@example.com", "wrong horse battery").await;
    assert_eq!((with(1).await, with(2).await), (1, 0));
    sign_in(&app, "ann@example.com").await;
    assert_eq!((with(1).await, with(2).await), (0, 1));
    sign_in(&app, "ann@example.com").await;
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn fields_that_do_not_fit_or_are_not_asked_for_are_refused() {
    let app = TestApp::start(create_app).await;
    let long = format!("{}@example.com", "a".repeat(250));
    let register = "/api/accounts/register";
    for (path, body, field) in [
        (register, json!({ "email": "ann", "password": PASSWORD }), "email"),
        (register, json!({ "email": "a\u{0}nn@example.com", "password": PASSWORD }), "email"),
        (register, json!({ "email": "ann@example.com\r\n", "password": PASSWORD }), "email"),
        (register, json!({ "email": long, "password": PASSWORD }), "email"),
        (register, json!({ "email": 7, "password": PASSWORD }), "email"),
        (register, json!({ "email": "ann@example.com", "password": "short" }), "password"),
        (register, json!({ "email": "ann@example.com", "password": "nul\u{0}nul\u{0}nul\u{0}" }), "password"),
        (register, json!({ "email": "ann@example.com", "password": "x".repeat(129) }), "password"),
        (register, json!({ "email": "ann@example.com", "password": "Ann@example.com" }), "password"),
        (register, json!({ "email": "ann@example.com" }), "password"),
        (register, json!({ "email": "ann@example.com", "password": PASSWORD, "role": "admin" }), "role"),
        (register, json!({ "email": "ann@example.com", "password": PASSWORD, "id": 1 }), "id"),
        ("/api/accounts/login", json!({ "email": "ann@example.com", "password": "a\u{0}b" }), "password"),
        ("/api/accounts/login", json!({ "email": "ann@example.com", "password": "x", "otp": 1 }), "otp"),
        ("/api/accounts/refresh", json!({ "refresh_token": null }), "refresh_token"),
        ("/api/accounts/refresh", json!({ "refresh_token": "x", "role": "admin" }), "role"),
        ("/api/orders/", json!({ "product_name": "W", "amount": "1", "user_id": 1 }), "user_id"),
        ("/api/orders/", json!({ "product_name": "W", "amount": "1", "role": "admin" }), "role"),
    ] {
        let answer = app.post(path, &body).await;
        assert_eq!(answer.status, 422, "{path} {body}: {answer:?}");
        assert_eq!(answer.json::<Value>()["errors"][0]["field"], field, "{path} {body}: {answer:?}");
        assert!(!answer.text().contains(PASSWORD), "{answer:?}");
    }
    let records = Records::open(app.database()).await;
    assert_eq!(records.sql("UPDATE users SET role = role").await, 0, "nobody was registered");
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn of_sixty_four_who_register_one_address_one_gets_it() {
    let app = TestApp::start(create_app).await;
    let body = json!({ "email": "ann@example.com", "password": PASSWORD });
    let answers = join_all((0..64).map(|_| app.post("/api/accounts/register", &body))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (1, 63), "{answers:?}");
    app.stop().await;
}
