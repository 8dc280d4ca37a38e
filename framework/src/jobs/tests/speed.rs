use std::time::Instant;

use super::*;

/// How many jobs a second one client leases and completes in batches of 64, which is the store's own limit. Run it with
/// `cargo test --release -p spanbox --all-features jobs::tests::speed -- --ignored --nocapture`.
mod measured {
    #[test]
    #[ignore = "a measurement"]
    fn sqlite() {
        super::super::run(super::super::sqlite(), super::lease_and_complete);
    }

    #[test]
    #[ignore = "a measurement"]
    fn postgres() {
        super::super::run(super::super::postgres(), super::lease_and_complete);
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
async fn lease_and_complete(fixture: Fixture) {
    const JOBS: usize = 100_000;
    let start = Instant::now();
    for _ in 0..JOBS / 1000 {
        fixture.enqueue_many(1000).await;
    }
    let per_second = |start: Instant| JOBS as f64 / start.elapsed().as_secs_f64();
    println!("enqueue in batches of 1000: {:.0} jobs/s", per_second(start));
    for (name, batched) in
        [("lease and complete, a transaction each", false), ("both in one transaction", true)]
    {
        if batched {
            fixture.sql("UPDATE spanbox_jobs SET state = 'available', finished_at = NULL").await;
        }
        let (start, mut done) = (Instant::now(), 0);
        let mut held: Vec<Held> = Vec::new();
        loop {
            let settled = std::mem::take(&mut held);
            if batched {
                held = fixture
                    .write(async move |conn: &mut Conn| {
                        store::complete(conn, &settled).await?;
                        Ok(store::lease(conn, "notes", 64, "w1", LEASE)
                            .await?
                            .iter()
                            .map(Leased::held)
                            .collect())
                    })
                    .await;
            } else {
                held = fixture.lease(64).await.iter().map(Leased::held).collect();
                fixture.complete(held.clone()).await;
            }
            done += held.len();
            if held.is_empty() {
                break;
            }
        }
        assert_eq!(done, JOBS);
        println!("{name}, batches of 64: {:.0} jobs/s", per_second(start));
    }
}
