//! Many clients that enqueue the same keys at once: one job for each.

use std::time::Duration;

use futures_util::future::join_all;
use spanbox::context;
use spanbox::data::Conn;
use spanbox::jobs::{Enqueue, Enqueued, JobsError, enqueue_many};

use crate::child::{Assignment, say};
use crate::ground::{Ground, connect, on_databases};
use crate::process::Process;
use crate::size::size;
use crate::work::Plain;

on_databases!(a_key_that_many_enqueue_at_once_has_one_job);

/// Processes that enqueue.
const PROCESSES: usize = 4;
/// Keys in a unit of work.
const BATCH: usize = 100;

/// Enqueues all keys from as many clients at once, each in an order of its own, and says how many jobs were new.
pub(crate) async fn claim(url: &str, clients: usize, keys: usize, seed: u64) {
    let db = connect(url).await;
    let clients = (0..clients).map(|client| {
        let (db, mut order) = (db.clone(), (0..keys).collect::<Vec<_>>());
        fastrand::Rng::with_seed(seed + client as u64).shuffle(&mut order);
        context::spawn(async move {
            let mut fresh = 0;
            for batch in order.chunks(BATCH) {
                let jobs: Vec<_> = batch.iter().map(|key| job(*key)).collect();
                let work = async move |conn: &mut Conn| enqueue_many(conn, jobs).await;
                let enqueued: Result<Vec<Enqueued>, JobsError> = db.write(work).await;
                fresh += enqueued.unwrap().iter().filter(|job| job.fresh).count();
            }
            fresh
        })
    });
    let fresh: usize = join_all(clients).await.into_iter().map(Result::unwrap).sum();
    say(format!("fresh {fresh}"));
}

fn job(key: usize) -> Enqueue<Plain> {
    let n = i64::try_from(key).unwrap();
    Enqueue::new(Plain { n }).unique(key.to_string(), Duration::from_secs(3600))
}

async fn a_key_that_many_enqueue_at_once_has_one_job(ground: Ground) {
    let (clients, keys) = (size("UNIQUE_CLIENTS", 64, 64), size("UNIQUE_KEYS", 1_000, 1_000));
    let seed = fastrand::u64(..u64::MAX / 2);
    let processes: Vec<_> = (0..PROCESSES)
        .map(|process| {
            let assignment = Assignment::Claim {
                url: ground.url().to_owned(),
                clients: clients / PROCESSES,
                keys,
                seed: seed + (process * clients) as u64,
            };
            Process::start(&ground, &assignment, &[])
        })
        .collect();
    let mut fresh = 0;
    for mut process in processes {
        fresh += process.says("fresh").await.parse::<usize>().unwrap();
        assert!(process.ends().await.success());
    }
    let counts = "SELECT COUNT(*) AS a, COUNT(DISTINCT unique_key) AS b FROM spanbox_jobs";
    let (rows, distinct) = ground.pairs(counts).await[0];
    ground.tell(format_args!(
        "{clients} clients in {PROCESSES} processes, {keys} keys each (seed {seed}): {rows} jobs, {fresh} said to be new"
    ));
    let keys = i64::try_from(keys).unwrap();
    assert_eq!((rows, distinct), (keys, keys));
    assert_eq!(i64::try_from(fresh).unwrap(), keys, "each was new to one client alone");
}
