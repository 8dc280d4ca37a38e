//! Orders belong to who placed them.

use futures_util::future::join_all;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::TestApp;

use super::{ADMIN, SignedIn, WITH_ADMIN, completed_order, register, send, sign_in};

async fn listed(app: &TestApp, who: Option<&SignedIn>) -> Vec<i64> {
    let page = send(app, who, "GET", "/api/orders/?limit=200", None).await.json::<Value>();
    page["orders"].as_array().unwrap().iter().map(|order| order["id"].as_i64().unwrap()).collect()
}

async fn counted(app: &TestApp, who: Option<&SignedIn>) -> i64 {
    let analytics = send(app, who, "GET", "/api/orders/analytics", None).await.json::<Value>();
    analytics["total_orders"].as_i64().unwrap()
}

#[actix::test]
async fn everybody_sees_their_own_orders_nobody_nobodys_and_an_admin_all() {
    let app = TestApp::start_with(create_app, WITH_ADMIN).await;
    register(&app, "ann@example.com").await;
    register(&app, "bob@example.com").await;
    let (ann, bob) = (sign_in(&app, "ann@example.com").await, sign_in(&app, "bob@example.com").await);
    let admin = sign_in(&app, ADMIN).await;
    let nobodys = completed_order(&app, None).await;
    let anns = [completed_order(&app, Some(&ann)).await, completed_order(&app, Some(&ann)).await];
    let admins = completed_order(&app, Some(&admin)).await;
    for (who, expected) in [
        (None, vec![nobodys]),
        (Some(&ann), vec![anns[1], anns[0]]),
        (Some(&bob), vec![]),
        (Some(&admin), vec![admins, anns[1], anns[0], nobodys]),
    ] {
        assert_eq!(listed(&app, who).await, expected, "{who:?}");
        assert_eq!(counted(&app, who).await, expected.len() as i64, "{who:?}");
    }
    // A page of one's own is not broken by those of others in between.
    let first = send(&app, Some(&ann), "GET", "/api/orders/?limit=1", None).await.json::<Value>();
    let path = format!("/api/orders/?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = send(&app, Some(&ann), "GET", &path, None).await.json::<Value>();
    assert_eq!((&second["orders"][0]["id"], &second["next_cursor"]), (&json!(anns[0]), &Value::Null));
    app.stop().await;
}

#[actix::test]
async fn an_order_of_another_is_answered_as_one_that_is_not_there() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    register(&app, "bob@example.com").await;
    let (ann, bob) = (sign_in(&app, "ann@example.com").await, sign_in(&app, "bob@example.com").await);
    let id = completed_order(&app, Some(&ann)).await;
    for who in [Some(&bob), None] {
        for method in ["GET", "DELETE"] {
            let (path, nowhere) = (format!("/api/orders/{id}"), "/api/orders/99999999");
            let foreign = send(&app, who, method, &path, None).await;
            let absent = send(&app, who, method, nowhere, None).await;
            assert_eq!((foreign.status.as_u16(), absent.status.as_u16()), (404, 404), "{method}");
            let text = |answer: &Value, id: &str| answer.to_string().replace(id, "…");
            let (foreign, absent) = (super::told(&foreign), super::told(&absent));
            assert_eq!(text(&foreign, &id.to_string()), text(&absent, "99999999"), "{method}");
        }
    }
    assert_eq!(send(&app, Some(&ann), "DELETE", &format!("/api/orders/{id}"), None).await.status, 204);
    app.stop().await;
}

#[actix::test]
async fn of_sixty_four_who_delete_an_order_one_does() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let ann = sign_in(&app, "ann@example.com").await;
    let id = completed_order(&app, Some(&ann)).await;
    let path = format!("/api/orders/{id}");
    let answers = join_all((0..64).map(|_| send(&app, Some(&ann), "DELETE", &path, None))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(204), count(404)), (1, 63), "{answers:?}");
    app.stop().await;
}

#[test]
fn production_lets_nobody_in_who_has_not_signed_in() {
    let ready = create_app(Some("production"))
        .config_directory("../config")
        .environment([("SECRET_KEY", "0123456789abcdefghijklmnopqrstuv"), ("DATABASE_URL", "sqlite://x.db")]);
    let ready = ready.prepare().map_err(|errors| errors.to_string()).unwrap();
    let entry = ready.config().entries().iter().find(|entry| entry.key == "orders.allow_anonymous").unwrap();
    assert_eq!(entry.value, json!(false), "{entry:?}");
}
