//! The payment gateway: orders are taken while it is away, and charged once when it is back.

use std::process::Command;
use std::time::Instant;

use spanbox::testing::{Process, TestDatabase};

use super::{
    Load, MEANWHILE, Outage, Seen, all_are_right, end, newest, place_some, serve, unfinished, until,
};
use crate::gateway::{charged, gateway};
use crate::stored::{Orders, Records};

fn signal(process: &Process, name: &str) {
    let sent = Command::new("kill").args([name, &process.id().to_string()]).status();
    assert!(sent.unwrap().success(), "{name} could not be sent");
}

/// Whether the service asks the gateway no more, but now and then.
fn is_left_alone(process: &Process) -> bool {
    let metrics = process.get_management("/metrics");
    let mut states = metrics.lines().filter(|line| line.starts_with("spanbox_client_breaker"));
    states.any(|line| line.contains(r#""open""#) && line.ends_with(" 1"))
}

#[actix::test]
async fn the_gateway_goes_and_comes_back_and_every_order_is_charged_once() {
    let directory = tempfile::tempdir().unwrap();
    let (database, charges) = (TestDatabase::fresh().await, TestDatabase::sqlite());
    let mut gate = Some(gateway(0, &charges, &[], &[]));
    let address = gate.as_ref().unwrap().address();
    let url = format!("http://{address}");
    let environment =
        [("APP_PAYMENTS__GATEWAY", url.as_str()), ("APP_HTTP_CLIENT__UPSTREAMS__PAYMENTS__TIMEOUT", "1s")];
    let process = serve(directory.path(), &database, &environment);
    let records = Records::open(&database).await;
    place_some(&process);
    let load = Load::start(process.address());
    load.more(MEANWHILE);
    let mut all = Vec::new();
    for outage in [Outage::Silent, Outage::Killed] {
        let made = charged(&charges).await.0;
        until("it charges", async || charged(&charges).await.0 > made).await;
        let before = load.count();
        match outage {
            Outage::Silent => signal(gate.as_ref().unwrap(), "-STOP"),
            Outage::Killed => gate.take().unwrap().kill(),
        }
        until("it is left alone", async || is_left_alone(&process)).await;
        load.more(MEANWHILE);
        let last = newest(&records).await;
        let waiting = unfinished(&records, last).await;
        assert!(waiting > 3, "only {waiting} orders wait for it");
        match outage {
            Outage::Silent => signal(gate.as_ref().unwrap(), "-CONT"),
            Outage::Killed => gate = Some(gateway(address.port(), &charges, &[], &[])),
        }
        let answers = load.since(before);
        let mut seen = Seen { of: "gateway", outage, answers, back: Instant::now(), recovered: Vec::new() };
        until("one is charged", async || unfinished(&records, last).await < waiting).await;
        seen.recovers("the first order");
        until("all are charged", async || unfinished(&records, last).await == 0).await;
        seen.recovers("all that waited");
        all.push(seen);
    }
    let placed = 3 + all_are_right(&load.end());
    until("all orders are done", async || unfinished(&records, i64::MAX).await == 0).await;
    let finished = |orders: &Orders| orders.values().all(|order| order.job == "completed");
    let orders = records.become_so("all jobs are done", finished).await;
    assert!(orders.len() == placed && orders.values().all(|order| order.version == 3), "{orders:#?}");
    records.close().await;
    end(process, &all);
    let placed = i64::try_from(placed).unwrap();
    assert_eq!(charged(&charges).await, (placed, placed * 999));
}
