//! Death around COMMIT: a job is there if and only if the order is that was placed with it.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;

use diesel::prelude::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, query};
use spanbox::jobs::{self, JobsError};

use crate::child::{Assignment, say};
use crate::ground::{Ground, connect, on_databases};
use crate::process::Process;
use crate::size::size;
use crate::work::{Plain, orders};

on_databases!(a_job_is_there_if_and_only_if_its_order_is);

/// Where a process kills itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) enum Step {
    BeforeInsert,
    BetweenInsertAndEnqueue,
    BeforeCommit,
    AfterCommit,
}

const STEPS: [Step; 4] =
    [Step::BeforeInsert, Step::BetweenInsertAndEnqueue, Step::BeforeCommit, Step::AfterCommit];

/// Orders from one process at most.
const STRIDE: i64 = 1_000_000;
/// Of the orders of a process that kills itself, this one is its last.
const LAST: i64 = 2;

/// Places orders, each with its job in one unit of work, and says each step.
pub(crate) async fn place_orders(url: &str, first: i64, die: Option<Step>) {
    let db = connect(url).await;
    for n in first..first + STRIDE {
        let die = die.filter(|_| n == first + LAST);
        let reach = move |step: Step| {
            say(format!("{step:?} {n}"));
            if die == Some(step) {
                kill_process(getpid(), Signal::KILL).unwrap();
            }
        };
        let order = async move |conn: &mut Conn| -> Result<(), JobsError> {
            reach(Step::BeforeInsert);
            let row = orders::n.eq(n);
            query!(&mut *conn, c => diesel::insert_into(orders::table).values(row).execute(c).await)?;
            reach(Step::BetweenInsertAndEnqueue);
            let _ = jobs::enqueue(conn, Plain { n }).await?;
            reach(Step::BeforeCommit);
            Ok(())
        };
        db.write(order).await.unwrap();
        reach(Step::AfterCommit);
    }
}

async fn a_job_is_there_if_and_only_if_its_order_is(ground: Ground) {
    let (at_each, at_random) = (size("COMMIT_STEPS", 2, 100), size("COMMIT_RANDOM", 24, 1_000));
    let seed = fastrand::u64(..);
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut promised = BTreeSet::new();
    let steps = STEPS.into_iter().flat_map(|step| std::iter::repeat_n(Some(step), at_each));
    let deaths = steps.chain(std::iter::repeat_n(None, at_random));
    for (process, die) in (0..).zip(deaths) {
        let assignment = Assignment::Order { url: ground.url().to_owned(), first: process * STRIDE, die };
        let mut process = Process::start(&ground, &assignment, &[]);
        // Somewhere after a step that is drawn, on the way to the next one, unless it kills itself.
        let mut steps = if die.is_none() { chance.usize(1..40) } else { usize::MAX };
        while let Some(said) = process.next().await {
            if let Some(n) = said.strip_prefix("AfterCommit ") {
                promised.insert(n.parse::<i64>().unwrap());
            }
            steps -= 1;
            if steps == 0 {
                process.kill();
                steps = usize::MAX;
            }
        }
        assert_eq!(process.ends().await.signal(), Some(Signal::KILL.as_raw()));
    }

    let orders = ground.pairs("SELECT n AS a, n AS b FROM orders").await;
    let orders: BTreeSet<i64> = orders.into_iter().map(|(n, _)| n).collect();
    let payloads = ground.lines("SELECT payload AS line FROM spanbox_jobs").await;
    let jobs: Vec<Plain> = payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect();
    let with_job: BTreeSet<i64> = jobs.iter().map(|job| job.n).collect();
    ground.tell(format_args!(
        "kill -9 around COMMIT, {} times (seed {seed}): {} orders, {} jobs, {} said to be committed",
        STEPS.len() * at_each + at_random,
        orders.len(),
        jobs.len(),
        promised.len(),
    ));
    assert_eq!(with_job, orders, "an order without a job, or a job without an order");
    assert_eq!(jobs.len(), with_job.len(), "an order with two jobs");
    assert!(promised.is_subset(&orders), "what was committed is gone");
    // Two are whole before the last, and the last one is only if it got past its COMMIT.
    for (process, step) in (0..).zip(STEPS.into_iter().flat_map(|step| std::iter::repeat_n(step, at_each))) {
        let placed = orders.range(process * STRIDE..(process + 1) * STRIDE).count();
        let whole = usize::try_from(LAST).unwrap() + usize::from(step == Step::AfterCommit);
        assert_eq!(placed, whole, "killed at {step:?}");
    }
}
