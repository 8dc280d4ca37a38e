//! Handlers that ask actors which can not keep up.

use std::time::Duration;

use actix::prelude::*;
use actix_web::web::Data;
use serde_json::Value;
use spanbox::actor::{AskExt as _, Context};
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::testing::TestApp;
use spanbox::web::Problem;
use tokio::sync::watch;

/// Answers none until it may, and takes one message at a time.
struct Clerk(watch::Receiver<bool>);

impl Actor for Clerk {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u8")]
struct Stamp;

impl Handler<Stamp> for Clerk {
    type Result = AtomicResponse<Self, u8>;

    fn handle(&mut self, _: Stamp, _: &mut Self::Context) -> Self::Result {
        let mut open = self.0.clone();
        let answer = async move { open.wait_for(|open| *open).await.map_or(0, |_| 7) };
        AtomicResponse::new(Box::pin(actix::fut::wrap_future(answer)))
    }
}

/// How long a handler waits for the clerk.
#[derive(Clone, Copy)]
struct Patience(Duration);

async fn stamp(clerk: Data<Addr<Clerk>>, patience: Data<Patience>) -> Result<String, Problem> {
    Ok(clerk.get_ref().ask(Stamp, patience.0).await?.to_string())
}

async fn start(open: watch::Receiver<bool>, patience: Duration) -> TestApp {
    let create_app = |profile: Option<&str>| {
        let module = Module::new("clerks").get("/stamp", stamp).on_start(async move |boot| {
            let clerk = boot.actors().actor("clerk", move |_: &mut Context<Clerk>| Clerk(open.clone()));
            boot.provide(clerk.mailbox_capacity(1).start());
            boot.provide(Patience(patience));
            Ok(())
        });
        Service::new("office", "1").profile(profile).module(module)
    };
    TestApp::start(create_app).await
}

#[actix::test]
async fn a_full_mailbox_is_a_503_that_says_when_to_come_back() {
    let (open, opened) = watch::channel(false);
    let app = start(opened, Duration::from_secs(20)).await;
    let ask = async || app.get("/stamp").await;
    // One waits or is worked on, and one more may wait once it is; whoever comes then is refused.
    let asking = (0..8).map(|_| Box::pin(ask()));
    let (refused, _, waiting) = futures_util::future::select_all(asking).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    let problem: Value = refused.json();
    assert!(problem["type"].as_str().unwrap().ends_with(":busy"), "{problem}");
    open.send(true).unwrap();
    let answers = futures_util::future::join_all(waiting).await;
    let stamped = answers.iter().filter(|answer| answer.status == 200 && answer.text() == "7").count();
    assert!(stamped >= 1, "{answers:?}");
    assert_eq!(ask().await.status, 200);
    app.stop().await;
}

#[actix::test]
async fn an_actor_that_does_not_answer_in_time_is_a_503_too() {
    let (open, opened) = watch::channel(false);
    let app = start(opened, Duration::from_millis(20)).await;
    let late = app.get("/stamp").await;
    assert_eq!((late.status.as_u16(), late.header("retry-after")), (503, Some("1")), "{late:?}");
    open.send(true).unwrap();
    app.stop().await;
}
