//! A job that takes its process with it, every time: it is dead after three crashes, and takes nobody along.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use rustix::process::Signal;
use spanbox::jobs::State;

use crate::ground::{Ground, Workers, eventually, on_each};
use crate::size::size;
use crate::work::Abort;

on_each!(a_job_that_kills_its_workers_is_dead_after_three_and_the_others_are_done);

async fn a_job_that_kills_its_workers_is_dead_after_three_and_the_others_are_done(ground: Ground) {
    let jobs = size("POISON_JOBS", 1_000, 1_000);
    let workers = Workers { lease: Duration::from_secs(1), ..Workers::default() };
    ground.enqueue_effects(0, jobs / 2, 5).await;
    let poison = ground.enqueue(vec![Abort.into()]).await[0];
    ground.enqueue_effects(jobs / 2, jobs - jobs / 2, 5).await;
    let mut processes = [ground.worker(&workers).await, ground.worker(&workers).await];
    let mut crashes = 0;
    eventually("it is dead and the others are done", async || {
        for process in &mut processes {
            if let Some(status) = process.has_ended() {
                assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
                crashes += 1;
                *process = ground.worker(&workers).await;
            }
        }
        ground.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE finished_at IS NULL").await == 0
    })
    .await;
    let dead = ground.pairs("SELECT id AS a, crashes AS b FROM spanbox_jobs WHERE state = 'dead'").await;
    let again = ground.runs_again("effect").await;
    let suspected = "SELECT COUNT(*) AS number FROM spanbox_jobs WHERE state = 'completed' AND crashes > 0";
    ground.tell(format_args!(
        "a job that aborts its process: {crashes} crashes, dead {dead:?}, {} of {jobs} others done, {again} run again, \
         {} of them suspected",
        ground.count(State::Completed).await,
        ground.number(suspected).await,
    ));
    assert_eq!(dead, [(poison, 3)], "it alone is dead");
    assert_eq!(crashes, 3);
    assert_eq!(ground.number("SELECT COUNT(*) AS number FROM executions WHERE kind = 'abort'").await, 3);
    assert_eq!(usize::try_from(ground.count(State::Completed).await).unwrap(), jobs);
    ground.effects_are_exactly_once(jobs).await;
    for process in processes {
        process.stop().await;
    }
}
