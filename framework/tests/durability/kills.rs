//! `kill -9`, again and again: nothing is lost, no effect takes place twice, and what a dead worker had is soon had by
//! another.

use std::collections::HashMap;

use spanbox::jobs::State;

use crate::ground::{Ground, Workers, eventually, on_each};
use crate::size::{is_full, percentile, size};
use crate::work::Plain;

on_each!(what_killed_workers_had_is_done_by_others);

/// A job that a worker had when it was killed, and when that was.
struct Orphan {
    job: i64,
    killed_at: i64,
}

async fn what_killed_workers_had_is_done_by_others(ground: Ground) {
    let (kills, jobs) = (size("KILLS", 10, 200), size("KILL_JOBS", 5_000, 100_000));
    // The killer is to blame and not the jobs: none of them is taken for one that kills its workers.
    let workers = Workers { max_crashes: 1_000_000, ..Workers::default() };
    // One in ten has no effect in the database and is completed by its worker.
    let plain = jobs / 10;
    ground.enqueue_effects(0, jobs - plain, 3).await;
    ground.enqueue((0..plain).map(|n| Plain { n: i64::try_from(n).unwrap() }.into()).collect()).await;
    let mut processes = [ground.worker(&workers).await, ground.worker(&workers).await];
    let mut orphans = Vec::new();
    for kill in 1..=kills {
        // Evenly over the work, so that there is always some of it left.
        ground.completes(jobs * kill / (kills + 1)).await;
        let victim = &mut processes[kill % 2];
        victim.kill();
        let killed_at = ground.clock().await;
        orphans.extend(ground.had_by(victim).await.into_iter().map(|job| Orphan { job, killed_at }));
        *victim = ground.worker(&workers).await;
    }
    eventually("all are completed", async || {
        ground.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE state <> 'completed'").await == 0
    })
    .await;

    let lost = jobs - usize::try_from(ground.count(State::Completed).await).unwrap();
    ground.effects_are_exactly_once(jobs - plain).await;
    let unrun = "SELECT COUNT(*) AS number FROM spanbox_jobs WHERE id NOT IN (SELECT job FROM executions)";
    assert_eq!(ground.number(unrun).await, 0, "jobs are completed that never ran");
    let (twice, plain_twice) = (ground.runs_again("effect").await, ground.runs_again("plain").await);
    let at_most = i64::try_from(kills * workers.concurrency).unwrap();

    let mut waits = picked_up(&ground, &orphans).await;
    let (half, most) = (percentile(&mut waits, 50), percentile(&mut waits, 100));
    let lease = i64::try_from(workers.lease.as_micros()).unwrap();
    let ms = |micros: i64| micros / 1000;
    ground.tell(format_args!(
        "kill -9 ×{kills} over {jobs} jobs: {lost} lost, {twice} runs begun again (at most {at_most}) and {plain_twice} \
         of {plain} without an effect; {} orphans had by another within {} ms (p50), {} ms (p99), {} ms (max), of a \
         lease of {} ms",
        orphans.len(),
        ms(half),
        ms(percentile(&mut waits, 99)),
        ms(most),
        ms(lease),
    ));
    assert_eq!(lost, 0);
    assert!(twice <= at_most, "{twice} runs more than jobs");
    // In its usual size it shares the machine with all other tests.
    assert!(!is_full() || most <= lease + 5_000_000, "an orphan waited for {} ms", ms(most));
    for process in processes {
        process.stop().await;
    }
}

/// How long each orphan waited, in microseconds: until another worker ran it, or died having it.
async fn picked_up(ground: &Ground, orphans: &[Orphan]) -> Vec<i64> {
    let mut signs: HashMap<i64, Vec<i64>> = HashMap::new();
    for (job, at) in ground.pairs("SELECT job AS a, at AS b FROM executions").await {
        signs.entry(job).or_default().push(at);
    }
    for orphan in orphans {
        signs.entry(orphan.job).or_default().push(orphan.killed_at);
    }
    let first_after = |orphan: &Orphan| {
        let later = signs[&orphan.job].iter().filter(|at| **at > orphan.killed_at).min();
        later.unwrap_or_else(|| panic!("job {} was completed by nobody", orphan.job)) - orphan.killed_at
    };
    orphans.iter().map(first_after).collect()
}
