//! Requests at a steady rate, however long the answers take.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::sleep_until;

/// Requests, evenly over time.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    /// At once at most; more only wait for one of these.
    pub connections: u32,
}

/// What came of a load.
#[derive(Debug, Default)]
pub struct Answers {
    /// From when a request was due until its whole answer was there, in milliseconds: that a server keeps the next
    /// request waiting counts against it.
    pub millis: Vec<f64>,
    /// Requests with no answer, or with an error as one.
    pub failed: usize,
}

impl Load {
    /// Asks for a URL for so long.
    pub async fn get(self, url: &str, time: Duration) -> Answers {
        let client = awc::Client::builder().timeout(Duration::from_secs(30)).finish();
        let began = Instant::now();
        let lanes = (0..self.connections).map(|lane| {
            let client = &client;
            async move {
                let mut answers = Answers::default();
                for turn in 0_u32.. {
                    let number = f64::from(turn) * f64::from(self.connections) + f64::from(lane);
                    let due = Duration::from_secs_f64(number / self.rate);
                    if due >= time {
                        break;
                    }
                    sleep_until((began + due).into()).await;
                    if ask(client, url).await {
                        answers.millis.push((began.elapsed() - due).as_secs_f64() * 1e3);
                    } else {
                        answers.failed += 1;
                    }
                }
                answers
            }
        });
        let mut all = Answers::default();
        for answers in join_all(lanes).await {
            all.millis.extend(answers.millis);
            all.failed += answers.failed;
        }
        all
    }
}

/// Whether a URL was answered well.
pub(crate) async fn ask(client: &awc::Client, url: &str) -> bool {
    match client.get(url).send().await {
        Ok(mut answer) => answer.body().await.is_ok() && answer.status().is_success(),
        Err(_) => false,
    }
}
