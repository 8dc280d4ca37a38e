//! Many services in one process, and what happens when one stops or is described wrongly.

use std::collections::BTreeMap;

use orders::create_app;
use serde_json::Value;
use spanbox::testing::TestApp;

use crate::orders::{becomes, place};
use crate::stored::{count, statuses};

#[actix::test]
async fn many_services_in_one_process_share_nothing() {
    let mut apps = Vec::new();
    for _ in 0..5 {
        apps.push(TestApp::start(create_app).await);
    }
    for (number, app) in apps.iter().enumerate() {
        for _ in 0..=number {
            let id = place(app, "Widget", "1.00").await;
            becomes(app, id, "completed").await;
        }
    }
    for (number, app) in apps.into_iter().enumerate() {
        let page: Value = app.get("/api/orders/").await.json();
        assert_eq!(page["orders"].as_array().unwrap().len(), number + 1);
        let (_, spans) = app.stop().await;
        assert_eq!(spans.named("POST /api/orders/").count(), number + 1);
        assert_eq!(spans.named("process_order").count(), number + 1);
    }
}

#[actix::test]
async fn a_stop_right_after_the_answer_finishes_every_order() {
    let app = TestApp::start(create_app).await;
    let database = app.database().clone();
    for _ in 0..50 {
        place(&app, "Widget", "1.00").await;
    }
    let (_, spans) = app.stop().await;
    assert_eq!(count(&statuses(&database).await), BTreeMap::from([("completed", 50)]));
    assert_eq!(spans.named("process_order").count(), 50);
    assert_eq!(spans.named("UPDATE orders").count(), 100);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let errors = create_app(Some("production"))
        .config_directory("../config")
        .environment([
            ("PORT", "eighty"),
            ("DATABASE_URL", "mysql://root:hunter2@db/orders"),
            ("APP_SERVER__PROT", "1"),
            ("APP_ORDERS__PROCESSORS", "0"),
            ("APP_TELEMETRY__SAMPLE_RATIO", "2"),
        ])
        .prepare()
        .err()
        .unwrap()
        .to_string();
    for part in [
        "PORT",
        "DATABASE_URL",
        "mysql",
        "APP_SERVER__PROT",
        "server.port",
        "orders.processors",
        "telemetry.sample_ratio",
        "SECRET_KEY",
    ] {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
    assert!(!errors.contains("hunter2"), "{errors}");
}
