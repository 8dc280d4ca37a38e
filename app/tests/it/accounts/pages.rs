//! The pages to sign in and out on: a cookie, and what other sites can not do with it.

use actix_web::http::Method;
use orders::create_app;
use serde_json::Value;
use spanbox::testing::{Answer, TestApp};

use super::{PASSWORD, register};

const PATH: &str = "/accounts/sign-in";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ORDER: &str = r#"{"product_name":"W","amount":"1.00"}"#;

/// `name=value` of the cookie that an answer sets.
fn cookie(answer: &Answer) -> Option<String> {
    answer.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned())
}

/// The token in a page.
fn token(answer: &Answer) -> String {
    let text = answer.text();
    text.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

async fn get(app: &TestApp, path: &str, cookie: &str) -> Answer {
    app.send(Method::GET, path, &[("cookie", cookie)], Default::default()).await
}

async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
    app.send(Method::POST, path, headers, body.into()).await
}

fn credentials(token: &str, password: &str) -> String {
    format!("csrf_token={token}&email=ann%40example.com&password={}", password.replace(' ', "+"))
}

/// A browser that is signed in: its cookie and the token of its page.
async fn enter(app: &TestApp) -> (String, String) {
    let page = app.get(PATH).await;
    let before = cookie(&page).unwrap();
    let form = credentials(&token(&page), PASSWORD);
    let entered = post(app, PATH, &[FORM, ("cookie", &before)], form).await;
    assert_eq!(entered.status, 303, "{entered:?}");
    assert_eq!(entered.header("location"), Some(PATH));
    let after = cookie(&entered).unwrap();
    let page = get(app, PATH, &after).await;
    assert!(page.text().contains("Sign out"), "{page:?}");
    // Visits are counted in the cookie.
    (cookie(&page).unwrap_or(after), token(&page))
}

#[actix::test]
async fn a_page_signs_in_by_a_cookie_and_out_for_good() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let page = app.get(PATH).await;
    let set = page.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-session="), "{set}");
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{part}: {set}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");

    let (session, csrf) = enter(&app).await;
    assert_ne!(token(&page), csrf, "a sign-in makes another token");
    assert_eq!(get(&app, "/api/accounts/me", &session).await.json::<Value>()["email"], "ann@example.com");
    let another = enter(&app).await.0;
    assert_ne!(another, session);

    let headers = [FORM, ("cookie", session.as_str()), ("sec-fetch-site", "same-origin")];
    let out = post(&app, "/accounts/sign-out", &headers, format!("csrf_token={csrf}")).await;
    assert_eq!(out.status, 303, "{out:?}");
    // Who has kept the cookie has nothing of it.
    assert_eq!(get(&app, "/api/accounts/me", &session).await.status, 401);
    assert_eq!(get(&app, "/api/accounts/me", &another).await.status, 200);
    app.stop().await;
}

#[actix::test]
async fn a_wrong_password_is_told_on_the_page_and_signs_nobody_in() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let page = app.get(PATH).await;
    let before = cookie(&page).unwrap();
    let form = credentials(&token(&page), "wrong horse battery");
    let refused = post(&app, PATH, &[FORM, ("cookie", &before)], form).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(refused.text().contains("do not belong together") && !refused.text().contains("horse"));
    let cookie = cookie(&refused).unwrap_or(before);
    assert_eq!(get(&app, "/api/accounts/me", &cookie).await.status, 401);
    app.stop().await;
}

#[actix::test]
async fn a_form_without_the_token_of_its_session_or_from_another_site_is_refused() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let (mine, others) = (app.get(PATH).await, app.get(PATH).await);
    let (cookie, csrf) = (cookie(&mine).unwrap(), token(&mine));
    let session = ("cookie", cookie.as_str());
    let evil = ("origin", "https://evil.example");
    for (what, headers, token) in [
        ("no token", vec![FORM, session], ""),
        ("another's token", vec![FORM, session], &token(&others)),
        ("no cookie", vec![FORM], csrf.as_str()),
        ("another site", vec![FORM, session, evil], &csrf),
        ("another site", vec![FORM, session, ("sec-fetch-site", "cross-site")], &csrf),
        ("a sandbox", vec![FORM, session, ("origin", "null")], &csrf),
    ] {
        let answer = post(&app, PATH, &headers, credentials(token, PASSWORD)).await;
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
    }
    let text =
        post(&app, PATH, &[("content-type", "text/plain"), session], credentials(&csrf, PASSWORD)).await;
    assert_eq!(text.status, 415);
    let more = format!("{}&role=admin", credentials(&csrf, PASSWORD));
    assert_eq!(post(&app, PATH, &[FORM, session], more).await.status, 400);
    app.stop().await;
}

#[actix::test]
async fn another_site_can_not_act_by_the_cookie() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let (session, csrf) = enter(&app).await;
    let (json, session) = (("content-type", "application/json"), ("cookie", session.as_str()));
    let here = app.url().to_owned();
    for (what, headers, status) in [
        ("nothing said", vec![json, session], 403),
        ("another site", vec![json, session, ("sec-fetch-site", "cross-site")], 403),
        ("a sister site", vec![json, session, ("sec-fetch-site", "same-site")], 403),
        ("another origin", vec![json, session, ("origin", "https://evil.example")], 403),
        ("a wrong token", vec![json, session, ("x-csrf-token", "x")], 403),
        (
            "another site with the token",
            vec![json, session, ("origin", "null"), ("x-csrf-token", &csrf)],
            403,
        ),
        ("this origin", vec![json, session, ("origin", &here)], 201),
        ("this site", vec![json, session, ("sec-fetch-site", "same-origin")], 201),
        ("the token", vec![json, session, ("x-csrf-token", &csrf)], 201),
    ] {
        let answer = post(&app, "/api/orders/", &headers, ORDER.to_owned()).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_cookie_that_was_changed_is_nobodys() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let (session, _) = enter(&app).await;
    let cut = &session[..session.len() - 2];
    for cookie in ["__Host-session=x", cut, "__Host-session=", &session.replace("__Host-session", "session")]
    {
        assert_eq!(get(&app, "/api/accounts/me", cookie).await.status, 401, "{cookie}");
    }
    app.stop().await;
}
